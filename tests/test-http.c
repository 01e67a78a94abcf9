/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client against a server of our own on loopback, a thread for each connection. What the path
 * says is what it does.
 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define MS     1000ull
#define SECOND 1000000ull
#define LONG   (30 * SECOND) /* where no time limit is meant */

static struct {
	int fd;
	unsigned port;
	pthread_t thread;
	atomic_uint connections, requests, hangups;
	char head[4096]; /* of the last request; read when its answer is there */
	char *body;      /* of the last one that had one, and its length */
	size_t length;
} server;

/* -- the server -- */

static void send_text(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, text, length, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		length -= (size_t)n;
	}
}

static void answer(int fd, const char *line, const char *headers, const char *body, size_t length)
{
	char head[512];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", line,
		headers, length);

	send_text(fd, head, (size_t)n);
	send_text(fd, body, length);
}

static void answer_bytes(int fd, const char *path)
{
	size_t length = strtoul(path + strlen("/bytes/"), NULL, 10);
	char *body = calloc(1, length + 1);

	memset(body, 'x', length);
	answer(fd, "200 OK", "", body, length);
	free(body);
}

static void answer_chunks(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char chunk[] = "a\r\n0123456789\r\n";

	send_text(fd, head, sizeof head - 1);
	for (int i = 0; i < 10; i++)
		send_text(fd, chunk, sizeof chunk - 1);
	send_text(fd, "0\r\n\r\n", 5);
}

static void wait_for_hangup(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
	atomic_fetch_add(&server.hangups, 1);
}

static void answer_drips(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";

	send_text(fd, head, sizeof head - 1);
	for (int i = 0; i < 500 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++)
		(void)usleep(20 * MS);
}

/* Whether the connection stays. */
static bool serve(int fd, const char *path)
{
	bool stays = true;

	if (strncmp(path, "/bytes/", 7) == 0) {
		answer_bytes(fd, path);
	} else if (strcmp(path, "/chunks") == 0) {
		answer_chunks(fd);
	} else if (strcmp(path, "/binary") == 0) {
		answer(fd, "200 OK", "", "a\0b", 3);
	} else if (strcmp(path, "/nothing") == 0) {
		send_text(fd, "HTTP/1.1 204 No Content\r\n\r\n", 27);
	} else if (strcmp(path, "/busy") == 0) {
		answer(fd, "503 Busy", "Retry-After: 7\r\nX-Two:  a b \r\n", "no", 2);
	} else if (strcmp(path, "/moved") == 0) {
		answer(fd, "302 Found", "Location: /ok\r\n", "", 0);
	} else if (strcmp(path, "/lost") == 0) {
		answer(fd, "404 Not Found", "", "0123456789", 10);
	} else if (strcmp(path, "/slow") == 0) {
		wait_for_hangup(fd);
		stays = false;
	} else if (strcmp(path, "/drips") == 0) {
		answer_drips(fd);
		stays = false;
	} else if (strcmp(path, "/later") == 0) {
		(void)usleep(50 * MS);
		answer(fd, "200 OK", "", "later", 5);
	} else if (strcmp(path, "/once") == 0) {
		answer(fd, "200 OK", "", "once", 4);
		stays = false;
	} else if (strcmp(path, "/cut") == 0) {
		send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 43);
		stays = false;
	} else if (strcmp(path, "/nonsense") == 0) {
		send_text(fd, "hello\r\n\r\n", 9);
		stays = false;
	} else if (strcmp(path, "/unframed") == 0) {
		send_text(fd, "HTTP/1.1 200 OK\r\n\r\nhalf", 23);
		stays = false;
	} else if (strcmp(path, "/unframed-503") == 0) {
		send_text(fd, "HTTP/1.1 503 Busy\r\n\r\n", 21);
		stays = false;
	} else if (strcmp(path, "/hangup") == 0) {
		stays = false;
	} else {
		answer(fd, "200 OK", "", "ok", 2);
	}
	return stays;
}

/* What the head announced; some of it may have come behind the head already. */
static bool take_body(int fd, const char *head, size_t length)
{
	const char *header = strstr(head, "\r\nContent-Length: ");
	size_t wanted = header ? strtoul(header + strlen("\r\nContent-Length: "), NULL, 10) : 0;
	const char *start = strstr(head, "\r\n\r\n") + 4;
	size_t here = length - (size_t)(start - head);
	char *body;

	if (wanted == 0)
		return true;
	body = calloc(1, wanted + 1);
	memcpy(body, start, here);
	while (here < wanted) {
		ssize_t n = recv(fd, body + here, wanted - here, 0);

		if (n <= 0) {
			free(body);
			return false;
		}
		here += (size_t)n;
	}
	free(server.body);
	server.body = body;
	server.length = wanted;
	return true;
}

static void *on_connection(void *userdata)
{
	int fd = (int)(intptr_t)userdata;
	char head[4096], path[64];
	bool stays = true;

	while (stays) {
		size_t length = 0;
		ssize_t n = 1;

		head[0] = '\0';
		while (!strstr(head, "\r\n\r\n") && length < sizeof head - 1 &&
			(n = recv(fd, head + length, sizeof head - 1 - length, 0)) > 0) {
			length += (size_t)n;
			head[length] = '\0';
		}
		if (n <= 0 || sscanf(head, "%*s %63s", path) != 1 || !take_body(fd, head, length))
			break;
		memcpy(server.head, head, length + 1);
		atomic_fetch_add(&server.requests, 1);
		stays = serve(fd, path);
	}
	(void)close(fd);
	return NULL;
}

static void *on_server(void *userdata)
{
	int fd;

	(void)userdata;
	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		pthread_t thread;

		atomic_fetch_add(&server.connections, 1);
		if (pthread_create(&thread, NULL, on_connection, (void *)(intptr_t)fd) == 0)
			(void)pthread_detach(thread);
	}
	return NULL;
}

static void server_start(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;

	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.fd < 0 || bind(server.fd, (struct sockaddr *)&address, length) < 0 ||
		listen(server.fd, 64) < 0 ||
		getsockname(server.fd, (struct sockaddr *)&address, &length) < 0 ||
		pthread_create(&server.thread, NULL, on_server, NULL) != 0) {
		perror("server");
		exit(99);
	}
	server.port = ntohs(address.sin_port);
}

static void server_stop(void)
{
	(void)shutdown(server.fd, SHUT_RDWR);
	(void)pthread_join(server.thread, NULL);
	(void)close(server.fd);
	free(server.body);
}

/* -- the client -- */

static struct {
	sd_event *event;
	struct http *http;
} on;

struct got {
	unsigned times;
	int status, error;
	char reason[128], body[128], retry_after[16], two[16];
	bool no_such_header;
	size_t length;
	struct http_call *cancel; /* inside `done` */
	const char *then;         /* asked for inside `done` */
	char *stolen;
	bool steal;
};

static uint64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static const char *url(const char *path)
{
	static char urls[4][128];
	static unsigned turn;
	char *text = urls[turn++ % 4];

	(void)snprintf(text, sizeof urls[0], "http://127.0.0.1:%u%s", server.port, path);
	return text;
}

static void on_done(struct http_response *response, void *userdata)
{
	struct got *got = userdata;
	const char *retry_after = NULL, *two = NULL;

	if (response->status) {
		retry_after = http_header(response, "retry-after");
		two = http_header(response, "X-Two");
		got->no_such_header = !http_header(response, "X-None");
	}
	got->times++;
	got->status = response->status;
	got->error = response->error;
	got->length = response->length;
	(void)snprintf(got->reason, sizeof got->reason, "%s", response->reason);
	(void)snprintf(got->body, sizeof got->body, "%s", response->body ? response->body : "");
	(void)snprintf(
		got->retry_after, sizeof got->retry_after, "%s", retry_after ? retry_after : "");
	(void)snprintf(got->two, sizeof got->two, "%s", two ? two : "");
	http_cancel(got->cancel);
	got->cancel = NULL;
	if (got->steal) {
		got->stolen = response->body;
		response->body = NULL;
	}
	if (got->then) {
		struct http_request next = {
			.url = url(got->then), .timeout_usec = LONG, .body_max = 100};

		got->then = NULL;
		(void)http_start(on.http, &next, on_done, got, NULL);
	}
}

static void run_for(uint64_t usec)
{
	uint64_t until = now() + usec, t;

	while ((t = now()) < until)
		(void)sd_event_run(on.event, until - t);
}

static void run_until(const struct got *got, unsigned times)
{
	uint64_t until = now() + 2 * LONG;

	while (got->times < times && now() < until)
		(void)sd_event_run(on.event, 100 * MS);
}

/* Waits until the server has counted so many, for at most 10 s. */
static unsigned counted(const atomic_uint *counter, unsigned n)
{
	uint64_t until = now() + 10 * SECOND;

	while (*counter < n && now() < until)
		if (on.event)
			(void)sd_event_run(on.event, 5 * MS);
		else
			(void)usleep(5 * MS);
	return *counter;
}

static struct got ask_url(const char *what, uint64_t timeout_usec, size_t body_max)
{
	struct http_request request = {
		.url = what, .timeout_usec = timeout_usec, .body_max = body_max};
	struct got got = {0};

	if (http_start(on.http, &request, on_done, &got, NULL) < 0)
		return got;
	run_until(&got, 1);
	return got;
}

static struct got ask(const char *path)
{
	return ask_url(url(path), LONG, 100);
}

static struct got ask_request(struct http_request request)
{
	struct got got = {0};

	if (http_start(on.http, &request, on_done, &got, NULL) == 0)
		run_until(&got, 1);
	return got;
}

static struct got ask_framed(const char *path)
{
	struct http_request request = {
		.url = url(path), .timeout_usec = LONG, .body_max = 1000, .framed = true};

	return ask_request(request);
}

static void begin(void)
{
	(void)sd_event_new(&on.event);
	(void)http_new(on.event, &on.http);
	server.connections = server.requests = server.hangups = 0;
}

static void end(void)
{
	on.http = http_free(on.http);
	on.event = sd_event_unref(on.event);
}

static void test_get(void)
{
	struct got got;

	begin();
	got = ask("/ok");
	ok(got.times == 1 && got.status == 200 && got.error == 0, "GET is answered once, 200");
	is_str(got.body, "ok", "with its body");
	ok(strncmp(server.head, "GET /ok HTTP/1.1\r\n", 18) == 0, "by HTTP/1.1");
	ok(strstr(server.head, "\r\nUser-Agent: instanced/"), "under our name");
	ok(got.no_such_header, "a header that is not there is NULL");
	got = ask("/binary");
	ok(got.length == 3 && strcmp(got.body, "a") == 0, "a body may hold NULs");
	got = ask("/nothing");
	ok(got.status == 204 && got.length == 0 && got.times == 1, "204 has an empty body");
	got = ask("/busy");
	ok(got.status == 503 && got.error == 0 && strcmp(got.body, "no") == 0,
		"503 is an answer like any other");
	is_str(got.retry_after, "7", "a header is found in whatever case");
	is_str(got.two, "a b", "without the blanks around it");
	end();
}

static void test_put(void)
{
	struct http_request request = {.method = "PUT",
		.timeout_usec = LONG,
		.body_max = 100,
		.headers = {"X-A: 1", "X-B: 2", "X-C: 3", "X-D: 4", "X-E: 5", "X-F: 6", "X-G: 7",
			"X-H: 8"}};
	char path[128];
	struct got got = {0};

	begin();
	snprintf(path, sizeof path, "%s", url("/token"));
	request.url = path;
	(void)http_start(on.http, &request, on_done, &got, NULL);
	memset(path, '!', sizeof path); /* the strings are copied */
	run_until(&got, 1);
	ok(got.status == 200 && strncmp(server.head, "PUT /token HTTP/1.1\r\n", 21) == 0,
		"PUT is sent as PUT, its URL copied");
	ok(strstr(server.head, "\r\nX-A: 1\r\n") && strstr(server.head, "\r\nX-H: 8\r\n"),
		"with all of its headers");
	got = ask("/ok");
	ok(strncmp(server.head, "GET /ok ", 8) == 0 && !strstr(server.head, "X-A"),
		"the next request has none of that");
	end();
}

static void test_post(void)
{
	struct http_signer signer = {"AKID", "secret", "to/ken==", "eu-west-1", "monitoring"};
	char *large = malloc(HTTP_BODY_MAX + 1), body[] = "A=1\0B";
	struct http_request request = {.url = url("/form"),
		.headers = {"Content-Type: text/x", "Content-Encoding: gzip"},
		.timeout_usec = LONG,
		.body_max = 100,
		.body = body,
		.body_length = 5,
		.signer = &signer};
	struct got got = {0};

	begin();
	(void)http_start(on.http, &request, on_done, &got, NULL);
	memset(body, '!', sizeof body); /* the body is copied */
	run_until(&got, 1);
	ok(got.status == 200 && strncmp(server.head, "POST /form HTTP/1.1\r\n", 21) == 0,
		"a request with a body is a POST");
	ok(server.length == 5 && memcmp(server.body, "A=1\0B", 5) == 0,
		"the body goes as it was, a NUL in it too");
	ok(strstr(server.head, "\r\nContent-Type: text/x\r\n") &&
			!strstr(server.head, "x-www-form-urlencoded"),
		"with the type that it is given");
	ok(strstr(server.head, "SignedHeaders=content-encoding;content-type;host;x-amz-date;"
			       "x-amz-security-token, "),
		"and signed with it");
	memset(large, 'x', HTTP_BODY_MAX + 1);
	request.body = large;
	request.body_length = HTTP_BODY_MAX;
	got = ask_request(request);
	ok(got.status == 200 && server.length == HTTP_BODY_MAX &&
			memcmp(server.body, large, HTTP_BODY_MAX) == 0,
		"the largest body");
	ok(!strstr(server.head, "Expect:"), "goes at once, the server is not asked first");
	request.body_length++;
	is_int(http_start(on.http, &request, on_done, &got, NULL), -E2BIG, "one byte more");
	request.body = "";
	request.body_length = 0;
	got = ask_request(request);
	ok(got.status == 200 && strncmp(server.head, "POST ", 5) == 0 &&
			strstr(server.head, "\r\nContent-Length: 0\r\n"),
		"an empty body is a body");
	(void)ask("/ok");
	ok(strncmp(server.head, "GET /ok ", 8) == 0 && !strstr(server.head, "Content-"),
		"the next request has none of that");
	end();
	free(large);
}

static void test_body_bound(void)
{
	struct got got;

	begin();
	got = ask("/bytes/100");
	ok(got.status == 200 && got.length == 100, "a body of the most bytes is taken");
	got = ask("/bytes/101");
	ok(got.status == 0 && got.error == -EFBIG, "one byte more is -EFBIG");
	is_str(got.reason, "the answer is too long", "in words");
	got = ask("/bytes/3000000");
	is_int(got.error, -EFBIG, "a large one too");
	got = ask("/chunks");
	ok(got.status == 200 && got.length == 100, "chunks that fit are put together");
	got = ask_url(url("/chunks"), LONG, 99);
	is_int(got.error, -EFBIG, "a body without a length is bounded too");
	got = ask_url(url("/nothing"), LONG, 0);
	is_int(got.status, 204, "no body fits into no room");
	end();
}

static void test_time_limit(void)
{
	struct got got;
	uint64_t start = now();

	begin();
	got = ask_url(url("/slow"), 200 * MS, 100);
	ok(got.status == 0 && got.error == -ETIMEDOUT, "a server that says nothing is -ETIMEDOUT");
	ok(now() - start >= 190 * MS && now() - start < 5 * SECOND, "in its time");
	ok(strstr(got.reason, "timed out"), "in words");
	start = now();
	got = ask_url(url("/drips"), 200 * MS, 2000);
	ok(got.error == -ETIMEDOUT && now() - start < 5 * SECOND,
		"so is one that drips its answer");
	end();
}

static void test_errors(void)
{
	struct got got;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	char refused[64];

	begin();
	/* bound but not listening: nobody else gets the port meanwhile */
	(void)bind(fd, (struct sockaddr *)&address, length);
	(void)getsockname(fd, (struct sockaddr *)&address, &length);
	snprintf(refused, sizeof refused, "http://127.0.0.1:%u/", ntohs(address.sin_port));
	got = ask_url(refused, LONG, 100);
	ok(got.status == 0 && got.error == -ECONNREFUSED, "a port where nobody listens");
	ok(*got.reason, "in words");
	(void)close(fd);
	is_int(ask("/hangup").error, -EIO, "a connection closed without an answer");
	is_int(ask("/cut").error, -EIO, "an answer cut off");
	got = ask("/unframed");
	ok(got.status == 200 && strcmp(got.body, "half") == 0,
		"an answer without a length ends where the connection does");
	got = ask_framed("/unframed");
	ok(got.status == 0 && got.error == -EPROTO && !*got.body,
		"which is none for who wants it whole");
	is_str(got.reason, "the answer does not say how long it is", "in words");
	is_int(ask_framed("/unframed-503").status, 503, "an error needs no length");
	ok(ask_framed("/chunks").status == 200 && ask_framed("/later").status == 200,
		"chunks or a length are fine");
	is_int(ask_framed("/nothing").error, -EPROTO, "204 is not");
	is_int(ask("/nonsense").error, -EPROTONOSUPPORT, "an answer that is no HTTP");
	is_int(ask_url("file:///etc/hostname", LONG, 4096).error, -EPROTONOSUPPORT,
		"file: is not spoken");
	is_int(ask_url("gopher://127.0.0.1:1/", LONG, 100).error, -EPROTONOSUPPORT,
		"nor is gopher:");
	is_int(ask_url("http://", LONG, 100).error, -EINVAL, "a URL without a host");
	got = ask("/ok");
	is_int(got.status, 200, "and then all is well again");
	end();
}

static void test_redirect(void)
{
	struct got got;

	begin();
	got = ask("/moved");
	ok(got.status == 302 && server.requests == 1, "a redirect is an answer, not followed");
	end();
}

struct drain {
	struct got got; /* first: on_done() has the same userdata */
	size_t length;
	int status, fails;
	char retry_after[16];
};

static int on_sink(
	const struct http_response *response, const void *data, size_t length, void *userdata)
{
	struct drain *drain = userdata;
	const char *retry_after = http_header(response, "X-None");

	drain->status = ((const char *)data)[0] == 'x' ? response->status : -1;
	drain->length += length;
	(void)snprintf(drain->retry_after, sizeof drain->retry_after, "%s",
		retry_after ? retry_after : http_header(response, "Content-Length"));
	return drain->length > 100000 ? drain->fails : 0;
}

static struct drain drain_url(const char *what, size_t body_max, int fails)
{
	struct http_request request = {
		.url = what, .stall_usec = 5 * SECOND, .body_max = body_max, .sink = on_sink};
	struct drain drain = {.fails = fails};

	if (http_start(on.http, &request, on_done, &drain, NULL) == 0)
		run_until(&drain.got, 1);
	return drain;
}

static void test_sink(void)
{
	struct drain drain;

	begin();
	drain = drain_url(url("/bytes/300000"), 4, 0);
	ok(drain.got.status == 200 && drain.length == 300000, "a sink gets a body of any length");
	ok(drain.status == 200 && strcmp(drain.retry_after, "300000") == 0,
		"it sees status and headers");
	is_int((long long)drain.got.length, 0, "the response has no body then");
	drain = drain_url(url("/bytes/300000"), 4, -ENOSPC);
	ok(drain.got.status == 0 && drain.got.error == -ENOSPC, "its error ends the call");
	ok(drain.length < 300000, "at once");
	drain = drain_url(url("/lost"), 10, 0);
	ok(drain.got.status == 404 && drain.length == 0 &&
			strcmp(drain.got.body, "0123456789") == 0,
		"it does not get what is no success");
	drain = drain_url(url("/lost"), 4, 0);
	ok(drain.got.status == 404 && strcmp(drain.got.body, "0123") == 0,
		"which is cut, and stays an answer");
	drain = drain_url(url("/cut"), 4, 0);
	is_int(drain.got.error, -EIO, "a body that ends early is an error");
	is_int(ask("/ok").status, 200, "and then all is well again");
	end();
}

static void test_head(void)
{
	struct got got;

	begin();
	got = ask_request((struct http_request){
		.url = url("/busy"), .method = "HEAD", .timeout_usec = LONG, .body_max = 100});
	ok(strncmp(server.head, "HEAD /busy HTTP/1.1\r\n", 21) == 0, "HEAD is sent as HEAD");
	ok(got.status == 503 && got.length == 0 && strcmp(got.retry_after, "7") == 0,
		"and has status and headers");
	end();
}

static void test_stall(void)
{
	struct got got;
	uint64_t start = now();

	begin();
	got = ask_request(
		(struct http_request){.url = url("/slow"), .stall_usec = SECOND, .body_max = 100});
	ok(got.status == 0 && got.error == -ETIMEDOUT, "nothing for so long is -ETIMEDOUT");
	ok(now() - start >= SECOND && now() - start < 10 * SECOND, "in its time");
	end();
}

static void test_redirects_followed(void)
{
	struct got got;

	begin();
	got = ask_request((struct http_request){
		.url = url("/moved"), .redirects_max = 5, .timeout_usec = LONG, .body_max = 100});
	ok(got.status == 0 && got.error == -EPROTONOSUPPORT && server.requests == 1,
		"a redirect to http: is never followed");
	got = ask_request((struct http_request){.url = "http://a:b@127.0.0.1:1/",
		.redirects_max = 5,
		.timeout_usec = LONG,
		.body_max = 100});
	is_int(got.error, -EACCES, "nor is a user name taken");
	end();
}

static void test_signer(void)
{
	struct http_signer signer = {"AKID", "secret", "to/ken==", "eu-west-1", "s3"};
	struct http_request request = {.url = url("/b/../a%20b"),
		.headers = {"Range: bytes=5-"},
		.timeout_usec = LONG,
		.body_max = 100,
		.signer = &signer};
	const char *sent = server.head, *digest;

	begin();
	(void)ask_request(request);
	ok(strncmp(sent, "GET /a%20b HTTP/1.1\r\n", 21) == 0, "a path is resolved");
	ok(strstr(sent, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/") &&
			strstr(sent, "/eu-west-1/s3/aws4_request, SignedHeaders=host;range;"
				     "x-amz-content-sha256;x-amz-date;x-amz-security-token, "),
		"a request is signed, with all of its headers");
	ok(strstr(sent, "\r\nx-amz-security-token: to/ken==\r\n"), "and has the session's token");
	digest = strstr(sent, "x-amz-content-sha256: e3b0c442");
	ok(digest && !strstr(digest + 1, "x-amz-content-sha256:"), "and its body's digest, once");
	ok(!strstr(sent, "secret\r") && !strstr(sent, "secret,"), "the secret is not sent");
	signer.service = "monitoring";
	signer.token = NULL;
	(void)ask_request(request);
	ok(strstr(sent,
		   "/eu-west-1/monitoring/aws4_request, SignedHeaders=host;range;x-amz-date, "),
		"only S3 wants that digest; there may be no token");
	request.signer = NULL;
	request.path_as_is = true;
	(void)ask_request(request);
	ok(strncmp(sent, "GET /b/../a%20b HTTP/1.1\r\n", 26) == 0, "a path may be sent as it is");
	ok(!strstr(sent, "Authorization") && !strstr(sent, "x-amz"), "the next is not signed");
	end();
}

static void test_proxied(void)
{
	char proxy[64];
	struct http_request request = {.url = "http://192.0.2.1/x",
		.proxied = true,
		.timeout_usec = LONG,
		.body_max = 100};

	(void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", server.port);
	(void)setenv("http_proxy", proxy, 1);
	begin();
	is_int(ask_request(request).status, 200, "the environment's proxy is asked");
	ok(strncmp(server.head, "GET http://192.0.2.1/x ", 23) == 0, "for all of the URL");
	request.url = url("/ok");
	is_int(ask_request(request).status, 200, "but not for loopback");
	ok(strncmp(server.head, "GET /ok ", 8) == 0, "which is asked itself");
	request.url = "http://[::1]:1/";
	is_int(ask_request(request).error, -ECONNREFUSED, "nor for its IPv6 address");
	(void)setenv("no_proxy", "127.0.0.2, 192.0.2.0/24", 1);
	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	request.url = url("/ok");
	is_int(ask_request(request).status, 200, "nor with a no_proxy of the environment");
	end();
	(void)unsetenv("http_proxy");
	(void)unsetenv("no_proxy");
}

static void test_no_environment(void)
{
	struct got got;

	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	begin();
	got = ask("/ok");
	is_int(got.status, 200, "a proxy in the environment is not asked");
	end();
	(void)unsetenv("http_proxy");
	(void)unsetenv("ALL_PROXY");
}

static void test_connection_kept(void)
{
	struct got got = {0};

	begin();
	for (int i = 0; i < 5; i++)
		got = ask("/ok");
	ok(got.status == 200 && server.requests == 5, "five requests");
	is_int(server.connections, 1, "take one connection");
	got = ask("/once");
	is_int(got.status, 200, "a server that closes then");
	(void)usleep(20 * MS);
	got = ask("/ok");
	ok(got.status == 200 && server.connections == 2, "is connected to anew, unnoticed");
	end();
}

static void test_many(void)
{
	struct got got = {0};
	struct http_request request = {.url = url("/later"), .timeout_usec = LONG, .body_max = 100};

	begin();
	for (int i = 0; i < 40; i++)
		(void)http_start(on.http, &request, on_done, &got, NULL);
	run_until(&got, 40);
	ok(got.times == 40 && got.status == 200, "40 requests at once are all answered");
	ok(server.connections > 1 && server.connections <= 8, "over 8 connections at most");
	end();
}

static void test_cancel(void)
{
	struct got got = {0};
	struct http_request request = {.url = url("/slow"), .timeout_usec = LONG, .body_max = 100};
	struct http_call *call = NULL;

	begin();
	(void)http_start(on.http, &request, on_done, &got, &call);
	http_cancel(call);
	run_for(20 * MS);
	ok(got.times == 0 && server.requests == 0, "cancelled before it began, nobody hears of it");
	(void)http_start(on.http, &request, on_done, &got, &call);
	is_int(counted(&server.requests, 1), 1, "cancelled under way");
	http_cancel(call);
	run_for(50 * MS);
	ok(got.times == 0 && counted(&server.hangups, 1) == 1,
		"the server sees the end, `done` is not called");
	http_cancel(NULL);
	is_int(ask("/ok").status, 200, "and the client goes on");
	end();
}

static void test_inside_done(void)
{
	struct got slow = {0}, got = {.then = "/ok", .steal = true};
	struct http_request request = {.url = url("/slow"), .timeout_usec = LONG, .body_max = 100};

	begin();
	(void)http_start(on.http, &request, on_done, &slow, &got.cancel);
	(void)counted(&server.requests, 1);
	request.url = url("/binary");
	(void)http_start(on.http, &request, on_done, &got, NULL);
	run_until(&got, 1);
	ok(got.stolen && memcmp(got.stolen, "a\0b", 4) == 0, "the body may be taken");
	free(got.stolen);
	got.steal = false;
	run_until(&got, 2);
	ok(got.times == 2 && got.status == 200, "another request may be started");
	run_for(20 * MS);
	ok(slow.times == 0 && counted(&server.hangups, 1) == 1, "and another one cancelled");
	end();
}

static void test_free_under_way(void)
{
	struct got got = {0};
	struct http_request request = {.url = url("/slow"), .timeout_usec = LONG, .body_max = 100};

	begin();
	for (int i = 0; i < 12; i++)
		(void)http_start(on.http, &request, on_done, &got, NULL);
	(void)counted(&server.requests, 8);
	end();
	is_int(got.times, 0, "http_free() calls nobody");
	is_int(counted(&server.hangups, 8), 8, "and leaves no connection");
	ok(!http_free(NULL), "NULL can be freed");
}

int main(void)
{
	server_start();
	test_get();
	test_put();
	test_post();
	test_body_bound();
	test_time_limit();
	test_errors();
	test_redirect();
	test_sink();
	test_head();
	test_stall();
	test_redirects_followed();
	test_signer();
	test_proxied();
	test_no_environment();
	test_connection_kept();
	test_many();
	test_cancel();
	test_inside_done();
	test_free_under_way();
	server_stop();
	return done_testing();
}
