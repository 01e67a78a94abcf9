/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ANSWERS_MAX 64

struct http {
	sd_event *event;
	struct http_call *calls;
};

struct http_call {
	struct http *http;
	struct http_call *next;
	sd_event_source *timer;
	struct fake_answer answer;
	http_done done;
	void *userdata;
};

struct fake_request fake_requests[FAKE_REQUESTS_MAX];
size_t fake_n_requests;

static struct fake_answer script[ANSWERS_MAX];
static unsigned used[ANSWERS_MAX];
static size_t n_script, n_pending;

uint64_t fake_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void fake_http_script(const struct fake_answer *answers, size_t n)
{
	n_script = n < ANSWERS_MAX ? n : ANSWERS_MAX;
	memcpy(script, answers, n_script * sizeof *answers);
	memset(used, 0, sizeof used);
	fake_n_requests = 0;
}

size_t fake_http_count(const char *method, const char *url)
{
	size_t n = 0;

	for (size_t i = 0; i < fake_n_requests; i++)
		n += strcmp(fake_requests[i].method, method) == 0 &&
		     strstr(fake_requests[i].url, url) != NULL;
	return n;
}

size_t fake_http_pending(void)
{
	return n_pending;
}

static const char *request_method(const struct http_request *request)
{
	return request->method ? request->method : request->body ? "POST" : "GET";
}

static void write_down(const struct http_request *request)
{
	struct fake_request *note = &fake_requests[fake_n_requests];
	const struct http_signer *signer = request->signer;

	if (fake_n_requests == FAKE_REQUESTS_MAX)
		return;
	fake_n_requests++;
	*note = (struct fake_request){.usec = fake_now(), .timeout_usec = request->timeout_usec};
	(void)snprintf(note->method, sizeof note->method, "%s", request_method(request));
	(void)snprintf(note->url, sizeof note->url, "%s", request->url);
	(void)snprintf(note->header, sizeof note->header, "%s",
		request->headers[0] ? request->headers[0] : "");
	note->body_length = request->body_length;
	memcpy(note->body, request->body ? request->body : "",
		request->body_length < sizeof note->body ? request->body_length
							 : sizeof note->body - 1);
	if (signer)
		(void)snprintf(note->signer, sizeof note->signer, "%s %s %s %s", signer->access_key,
			signer->token ? signer->token : "-", signer->region, signer->service);
}

static bool fits(const struct fake_answer *answer, const struct http_request *request)
{
	bool has_header = !answer->header;

	for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		has_header |= answer->header && strstr(request->headers[i], answer->header);
	return has_header && (!answer->url || strstr(request->url, answer->url)) &&
	       (!answer->method || strcmp(answer->method, request_method(request)) == 0);
}

static struct fake_answer choose(const struct http_request *request)
{
	static const struct fake_answer nobody = {
		.error = -ECONNREFUSED, .reason = "Connection refused"};

	for (size_t i = 0; i < n_script; i++)
		if (fits(&script[i], request) && (!script[i].times || used[i] < script[i].times)) {
			used[i]++;
			return script[i];
		}
	return nobody;
}

static void call_free(struct http_call *call)
{
	struct http_call **link = &call->http->calls;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	n_pending--;
	(void)sd_event_source_disable_unref(call->timer);
	free(call);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct http_call *call = userdata;
	const struct fake_answer *answer = &call->answer;
	struct http_response response = {.call = call,
		.status = answer->status,
		.error = answer->error,
		.reason = answer->reason ? answer->reason : ""};

	(void)source, (void)usec;
	if (answer->status) {
		response.length = answer->length ? answer->length
				  : answer->body ? strlen(answer->body)
						 : 0;
		response.body = calloc(1, response.length + 1);
		if (response.length)
			memcpy(response.body, answer->body, response.length);
	}
	call->done(&response, call->userdata);
	free(response.body);
	call_free(call);
	return 0;
}

int http_start(struct http *http, const struct http_request *request, http_done done,
	void *userdata, struct http_call **ret_call)
{
	struct http_call *call = calloc(1, sizeof *call);
	struct fake_answer answer = choose(request);
	uint64_t delay = answer.delay_ms * 1000ull;

	write_down(request);
	if (delay > request->timeout_usec) {
		delay = request->timeout_usec;
		answer = (struct fake_answer){.error = -ETIMEDOUT, .reason = "Timeout was reached"};
	}
	if (answer.body &&
		(answer.length ? answer.length : strlen(answer.body)) > request->body_max)
		answer = (struct fake_answer){.error = -EFBIG, .reason = "the answer is too long"};
	*call = (struct http_call){.http = http,
		.next = http->calls,
		.answer = answer,
		.done = done,
		.userdata = userdata};
	(void)sd_event_add_time(
		http->event, &call->timer, CLOCK_MONOTONIC, fake_now() + delay, 1, on_timer, call);
	http->calls = call;
	n_pending++;
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
	size_t length = strlen(name);

	for (size_t i = 0; i < 2; i++) {
		const char *header = response->call->answer.headers[i];

		if (header && strncasecmp(header, name, length) == 0 && header[length] == ':')
			return header + length + 2;
	}
	return NULL;
}

int http_new(sd_event *event, struct http **ret_http)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http)
		return -ENOMEM;
	http->event = sd_event_ref(event);
	*ret_http = http;
	return 0;
}

struct http *http_free(struct http *http)
{
	if (!http)
		return NULL;
	while (http->calls)
		call_free(http->calls);
	(void)sd_event_unref(http->event);
	free(http);
	return NULL;
}
