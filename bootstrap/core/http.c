/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl tells which sockets it waits for (SOCKETFUNCTION) and until when (TIMERFUNCTION);
 * sd-event tells libcurl when something happened (curl_multi_socket_action). An event source is
 * never freed inside its own callback: a socket that libcurl is done with is disabled and put on a
 * list that the next call empties.
 */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define CONNECTIONS_MAX 8
#define HEADER_MAX      4096

/* What no proxy is asked for; libcurl before 8 finds an IPv6 address only by its text. */
#define NEVER_PROXIED                                                                              \
	"169.254.0.0/16,127.0.0.0/8,localhost,::1,fd00:ec2::254,fd00:ec2::/32,fe80::/10"

/* SHA-256 of nothing, which S3 wants to be told about a request without a body. */
#define S3_NO_BODY                                                                                 \
	"x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct http {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
	struct http_call *calls; /* doubly linked */
	struct socket *retired;  /* sources to free outside of their callbacks */
};

struct socket {
	sd_event_source *source;
	struct socket *next;
};

struct http_call {
	struct http *http;
	struct http_call *previous, *next;
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	size_t length, body_max;
	bool too_long, framed;
	http_sink sink;
	int sink_error;
	char reason[CURL_ERROR_SIZE];
	http_done done;
	void *userdata;
};

static void sockets_empty(struct http *http)
{
	while (http->retired) {
		struct socket *socket = http->retired;

		http->retired = socket->next;
		(void)sd_event_source_disable_unref(socket->source);
		free(socket);
	}
}

static void call_free(struct http_call *call)
{
	if (call->previous)
		call->previous->next = call->next;
	else
		call->http->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	(void)curl_multi_remove_handle(call->http->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call->body);
	free(call);
}

static int error_of(const struct http_call *call, CURLcode code)
{
	static const struct {
		CURLcode code;
		int error;
	} errors[] = {
		{CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
		{CURLE_COULDNT_CONNECT, -ECONNREFUSED},
		{CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH},
		{CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH},
		{CURLE_OUT_OF_MEMORY, -ENOMEM},
		{CURLE_URL_MALFORMAT, -EINVAL},
		{CURLE_BAD_FUNCTION_ARGUMENT, -EINVAL}, /* the signer does not want it */
		{CURLE_UNSUPPORTED_PROTOCOL, -EPROTONOSUPPORT},
		{CURLE_LOGIN_DENIED, -EACCES},
		{CURLE_TOO_MANY_REDIRECTS, -ELOOP},
		{CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED},
		{CURLE_SSL_CACERT_BADFILE, -ENOKEY},
	};

	if (call->sink_error < 0)
		return call->sink_error;
	if (call->too_long)
		return -EFBIG;
	FOREACH_ELEMENT (i, errors)
		if (errors[i].code == code)
			return errors[i].error;
	return -EIO;
}

static int status_of(const struct http_call *call)
{
	long status = 0;

	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* RFC 9112, section 6.3: what has neither ends where the connection does. */
static bool lacks_frame(const struct http_response *response)
{
	return response->call->framed && status_of(response->call) / 100 == 2 &&
	       !http_header(response, "Content-Length") &&
	       !http_header(response, "Transfer-Encoding");
}

static void call_finish(struct http_call *call, CURLcode code)
{
	struct http_response response = {.call = call, .reason = ""};

	if (code == CURLE_OK && lacks_frame(&response)) {
		response.error = -EPROTO;
		response.reason = "the answer does not say how long it is";
	} else if (code == CURLE_OK || (call->too_long && call->sink)) {
		response.status = status_of(call);
		response.body = steal_ptr(call->body);
		response.length = call->length;
	} else {
		response.error = error_of(call, code);
		response.reason = call->too_long    ? "the answer is too long"
				  : call->reason[0] ? call->reason
						    : curl_easy_strerror(code);
	}
	call->done(&response, call->userdata);
	free(response.body);
	call_free(call);
}

static void finished_collect(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		CURLcode code = message->data.result;
		struct http_call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_finish(call, code);
	}
}

static int act(struct http *http, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(http->multi, fd, what, &running);
	finished_collect(http);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	sockets_empty(userdata);
	return act(userdata, CURL_SOCKET_TIMEOUT, 0);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	int what = (revents & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (revents & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (revents & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	(void)source;
	return act(userdata, fd, what);
}

static int timer_wanted(CURLM *multi, long milliseconds, void *userdata)
{
	struct http *http = userdata;

	(void)multi;
	if (milliseconds < 0)
		return sd_event_source_set_enabled(http->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(http->timer, (uint64_t)milliseconds * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

static void socket_retire(struct http *http, struct socket *socket)
{
	(void)sd_event_source_set_enabled(socket->source, SD_EVENT_OFF);
	socket->next = http->retired;
	http->retired = socket;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *userdata, void *assigned)
{
	struct http *http = userdata;
	struct socket *socket = assigned;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		(void)curl_multi_assign(http->multi, fd, NULL);
		if (socket)
			socket_retire(http, socket);
		return 0;
	}
	if (socket) {
		(void)sd_event_source_set_io_events(socket->source, events);
		return 0;
	}
	socket = calloc(1, sizeof *socket);
	/* Without memory the call waits until its time is over: libcurl 7.88 does not survive a -1.
	 */
	if (!socket || sd_event_add_io(http->event, &socket->source, fd, events, on_io, http) < 0)
		free(socket);
	else
		(void)curl_multi_assign(http->multi, fd, socket);
	return 0;
}

static size_t body_arrived(char *data, size_t size, size_t n, void *userdata)
{
	struct http_call *call = userdata;
	struct http_response head = {.call = call, .status = status_of(call), .reason = ""};
	size_t more = size * n, keep;
	char *grown;

	if (call->sink && head.status / 100 == 2) {
		call->sink_error = call->sink(&head, data, more, call->userdata);
		return call->sink_error < 0 ? 0 : more;
	}
	call->too_long = more > call->body_max - call->length;
	if (call->too_long && !call->sink)
		return 0;
	keep = call->too_long ? call->body_max - call->length : more;
	grown = realloc(call->body, call->length + keep + 1);
	if (!grown)
		return 0;
	memcpy(grown + call->length, data, keep);
	call->body = grown;
	call->length += keep;
	grown[call->length] = '\0';
	return call->too_long ? 0 : more;
}

static int header_add(struct http_call *call, const char *header)
{
	struct curl_slist *list = curl_slist_append(call->headers, header);

	if (!list)
		return -ENOMEM;
	call->headers = list;
	return 0;
}

/*
 * libcurl signs all headers it is given, and the path as it is sent; it makes x-amz-date itself.
 * What S3 wants beyond that it adds from 8.0 on, unless it is there already.
 */
static int sign(struct http_call *call, const struct http_signer *signer)
{
	char text[HEADER_MAX];
	int r = 0;

	if (strcmp(signer->service, "s3") == 0)
		r = header_add(call, S3_NO_BODY);
	if (r == 0 && signer->token) {
		if (snprintf(text, sizeof text, "x-amz-security-token: %s", signer->token) >=
			(int)sizeof text)
			r = -E2BIG;
		else
			r = header_add(call, text);
		explicit_bzero(text, sizeof text);
	}
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof text, "aws:amz:%s:%s", signer->region, signer->service);
	if (curl_easy_setopt(call->easy, CURLOPT_AWS_SIGV4, text) != CURLE_OK ||
		curl_easy_setopt(call->easy, CURLOPT_USERNAME, signer->access_key) != CURLE_OK ||
		curl_easy_setopt(call->easy, CURLOPT_PASSWORD, signer->secret) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

/* CURLOPT_NOPROXY takes the place of the environment's list, so that has to be in it. */
static int proxy_choose(CURL *easy, bool proxied)
{
	const char *list = getenv("no_proxy") ? getenv("no_proxy") : getenv("NO_PROXY");
	_cleanup_free_ char *all = NULL;

	if (!proxied || (list && strcmp(list, "*") == 0))
		return curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK ? 0 : -ENOMEM;
	if (asprintf(&all, "%s,%s", NEVER_PROXIED, list ? list : "") < 0)
		return -ENOMEM;
	return curl_easy_setopt(easy, CURLOPT_NOPROXY, all) == CURLE_OK ? 0 : -ENOMEM;
}

static void limits_set(CURL *easy, const struct http_request *request)
{
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_usec / 1000));
	if (request->stall_usec) {
		(void)curl_easy_setopt(
			easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(request->stall_usec / 1000));
		(void)curl_easy_setopt(
			easy, CURLOPT_LOW_SPEED_TIME, (long)(request->stall_usec / 1000000));
		(void)curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	}
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, (long)(request->redirects_max > 0));
	(void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)request->redirects_max);
	(void)curl_easy_setopt(
		easy, CURLOPT_DISALLOW_USERNAME_IN_URL, (long)(request->redirects_max > 0));
	(void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, (long)request->path_as_is);
}

/* The size goes first: it says how much is copied. */
static int body_set(CURL *easy, const struct http_request *request)
{
	if (request->body_length > HTTP_BODY_MAX)
		return -E2BIG;
	if (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length) !=
			CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body) != CURLE_OK)
		return -ENOMEM;
	return 0;
}

static int call_prepare(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	int r = proxy_choose(easy, request->proxied);

	if (r == 0 && request->body)
		r = body_set(easy, request);

	for (size_t i = 0; r == 0 && i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		r = header_add(call, request->headers[i]);
	if (r == 0 && request->signer)
		r = sign(call, request->signer);
	if (r < 0)
		return r;
	if (request->method && strcmp(request->method, "HEAD") == 0)
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (request->method)
		(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->socket)
		(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket);
	limits_set(easy, request);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else an end waits for a name server that does not answer, and the loop with it. */
	(void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "instanced/" PACKAGE_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->reason);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_arrived);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https") != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK)
		return -ENOMEM;
	call->body = calloc(1, 1); /* an empty body is a body */
	return call->body ? 0 : -ENOMEM;
}

int http_start(struct http *http, const struct http_request *request, http_done done,
	void *userdata, struct http_call **ret_call)
{
	struct http_call *call = calloc(1, sizeof *call);
	int r;

	if (!call)
		return -ENOMEM;
	*call = (struct http_call){.http = http,
		.next = http->calls,
		.easy = curl_easy_init(),
		.body_max = request->body_max,
		.framed = request->framed,
		.sink = request->sink,
		.done = done,
		.userdata = userdata};
	if (!call->easy) {
		free(call);
		return -ENOMEM;
	}
	if (call->next)
		call->next->previous = call;
	http->calls = call;
	r = call_prepare(call, request);
	if (r == 0 && curl_multi_add_handle(http->multi, call->easy) != CURLM_OK)
		r = -ENOMEM;
	if (r < 0) {
		call_free(call);
		return r;
	}
	if (ret_call)
		*ret_call = call;
	return 0;
}

void http_cancel(struct http_call *call)
{
	if (call)
		call_free(call);
}

const char *http_header(const struct http_response *response, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(response->call->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

int http_new(sd_event *event, struct http **ret_http)
{
	_cleanup_(http_free_p) struct http *http = calloc(1, sizeof *http);
	int r;

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	http->event = sd_event_ref(event);
	http->multi = curl_multi_init();
	if (!http->multi)
		return -ENOMEM;
	r = sd_event_add_time_relative(
		event, &http->timer, CLOCK_MONOTONIC, UINT64_MAX / 2, 1, on_timer, http);
	if (r < 0)
		return r;
	(void)sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
	(void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	(void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	(void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	(void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	(void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	(void)curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_MAX);
	*ret_http = steal_ptr(http);
	return 0;
}

struct http *http_free(struct http *http)
{
	if (!http)
		return NULL;
	while (http->calls)
		call_free(http->calls);
	if (http->multi)
		(void)curl_multi_cleanup(http->multi);
	sockets_empty(http);
	(void)sd_event_source_disable_unref(http->timer);
	(void)sd_event_unref(http->event);
	free(http);
	return NULL;
}
