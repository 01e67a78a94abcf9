/* SPDX-License-Identifier: Apache-2.0 */
/* The responder against real sockets: server and clients take turns in one thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "../agent/server.h"
#include "cleanup.h"
#include "network.h"
#include "pump.h"
#include "tap.h"

#define H      "Host: h\r\n"
#define GET(p) "GET " p " HTTP/1.1\r\n" H "\r\n"
#define BIG    (8u << 20) /* more than socket buffers hold */
#define SLOW   20000      /* ms that nothing here takes, unless it is broken */

static struct fixture {
	sd_event *event;
	struct server *server;
	struct response small, big;
	char address[LISTENER_ADDRESS_MAX];
	int family;           /* of the last peer */
	unsigned calls, late; /* how many, and how many up to "/late" */
} f;

static const struct response *handle(
	const struct request *request, const struct sockaddr *peer, void *userdata)
{
	struct fixture *fixture = userdata;

	fixture->calls++;
	fixture->family = peer->sa_family;
	if (request_path_is(request, "/late"))
		fixture->late = fixture->calls;
	if (request_path_is(request, "/big"))
		return response_touch(&fixture->big);
	return request_path_is(request, "/") ? response_touch(&fixture->small) : NULL;
}

static struct listeners none;

/* Its deadlines nobody here waits for. */
static const struct server_limits limits = {
	.max_connections = 8,
	.max_unsent = BIG + 4096,
	.head_timeout_usec = 3 * SLOW * 1000,
	.idle_timeout_usec = 3 * SLOW * 1000,
};
/* And this is for who does. */
static const struct server_limits hasty = {
	.max_connections = 8,
	.max_unsent = BIG + 4096,
	.head_timeout_usec = 400000,
	.idle_timeout_usec = 800000,
};

static void set_up_on(const struct server_limits *l, const char *address)
{
	static char body[BIG];
	struct err err = {""};

	for (size_t i = 0; !body[BIG - 1] && i < BIG; i++)
		body[i] = (char)('a' + i % 23);
	f = (struct fixture){0};
	if (sd_event_new(&f.event) < 0 || server_new(f.event, l, handle, &f, &f.server) < 0 ||
		server_listen(f.server, &none, address, &err) < 0 ||
		response_render(&f.small, 200, "text/plain", "X-A: b\r\n", "hello", 5) < 0 ||
		response_render(&f.big, 200, "text/plain", NULL, body, BIG) < 0 ||
		server_address(f.server, 0, f.address) < 0) {
		printf("Bail out! no server: %s\n", err.text);
		exit(1);
	}
}

static void set_up(void)
{
	set_up_on(&limits, "127.0.0.1:0");
}

static void tear_down(void)
{
	server_free(f.server);
	sd_event_unref(f.event);
	response_release(&f.small);
	response_release(&f.big);
}

static int client_to(const char *address)
{
	struct sockaddr_storage storage;
	socklen_t length;
	int fd, small = 32768;

	if (network_parse_listen(address, &storage, &length, NULL) < 0)
		return -1;
	fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	if (connect(fd, (struct sockaddr *)&storage, length) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int client(void)
{
	return client_to(f.address);
}

static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	pump(f.event, 10);
}

/* Pumps for at most `ms` until the peer has closed; what it said, and how it ended. */
static const char *hear_until_end(int fd, unsigned long ms, const char **ret_end)
{
	static char text[65536];
	uint64_t until = now_ms() + ms;
	size_t length = 0;
	ssize_t n = -1;

	do {
		pump(f.event, 0);
		n = recv(fd, text + length, sizeof text - 1 - length, MSG_DONTWAIT);
		if (n > 0)
			length += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EAGAIN)) && now_ms() < until);
	*ret_end = n == 0 ? "closed" : errno == EAGAIN ? "open" : "reset";
	text[length] = '\0';
	return text;
}

/* What there is to hear within a moment, once there is something. */
static const char *hear(int fd)
{
	uint64_t until = now_ms() + SLOW;
	const char *end;
	char byte;

	while (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN &&
		now_ms() < until)
		pump(f.event, 0);
	return hear_until_end(fd, 30, &end);
}

static const char *end_of(int fd, unsigned long ms)
{
	const char *end;

	(void)hear_until_end(fd, ms, &end);
	return end;
}

/* Pumps until the server has so many connections, for at most SLOW. */
static long connections_become(size_t wanted)
{
	uint64_t until = now_ms() + SLOW;

	while (server_connections(f.server) != wanted && now_ms() < until)
		pump(f.event, 0);
	return (long)server_connections(f.server);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static size_t open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(directory))
		n++;
	(void)closedir(directory);
	return n;
}

static void test_answers(void)
{
	const char *text;
	int fd;

	set_up();
	fd = client();
	say(fd, GET("/"));
	text = hear(fd);
	ok(begins(text, "HTTP/1.1 200 OK\r\nDate: "), "a GET is answered, with a date");
	ok(strstr(text, " GMT\r\n") && strstr(text, "\r\nX-A: b\r\n") &&
			strstr(text, "\r\nContent-Length: 5\r\n") && strstr(text, "\r\n\r\nhello"),
		"with its fields and its body");
	ok(!strstr(text, "Connection:"), "and the connection goes on");
	say(fd, "HEAD / HTTP/1.1\r\n" H "\r\n");
	text = hear(fd);
	ok(strstr(text, "\r\nContent-Length: 5\r\n") &&
			strcmp(strstr(text, "\r\n\r\n"), "\r\n\r\n") == 0,
		"HEAD has the fields and no body");
	say(fd, GET("/no"));
	text = hear(fd);
	ok(begins(text, "HTTP/1.1 404 ") && strstr(text, "404 Not Found\n"), "NULL is a 404");
	say(fd, "HEAD /no HTTP/1.1\r\n" H "\r\n");
	ok(!strstr(hear(fd), "404 Not Found\n"), "without a body for HEAD");
	f.calls = 0;
	say(fd, "DELETE / HTTP/1.1\r\n" H "\r\n");
	text = hear(fd);
	ok(begins(text, "HTTP/1.1 405 ") && strstr(text, "\r\nAllow: GET, HEAD\r\n") &&
			f.calls == 0,
		"another method is a 405 that says what is allowed");
	say(fd, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	text = hear(fd);
	ok(strstr(text, "\r\nConnection: close\r\n\r\nhello"), "who asks to close is told so");
	is_str(end_of(fd, SLOW), "closed", "and it is closed");
	(void)close(fd);
	is_int(f.family, AF_INET, "the handler sees the peer");
	fd = client();
	say(fd, "GET / HTTP/1.0\r\n\r\n");
	ok(strstr(hear(fd), "\r\nConnection: close\r\n\r\nhello"), "HTTP/1.0 closes");
	(void)close(fd);
	tear_down();
}

static void test_pipelining(void)
{
	const char *text, *second, *third, *end;
	int fd;

	set_up();
	fd = client();
	say(fd, GET("/") "HEAD / HTTP/1.1\r\n" H
			 "\r\n" GET("/no") "GET / HTTP/1.0\r\n\r\n" GET("/"));
	text = hear_until_end(fd, SLOW, &end);
	second = strstr(text, "\r\n\r\nhelloHTTP/1.1 200 ");
	third = second ? strstr(second, "\r\n\r\nHTTP/1.1 404 ") : NULL;
	ok(third && strstr(third, "Not Found\nHTTP/1.1 200 "), "pipelined answers come in order");
	is_str(end, "closed", "and nothing after the last one");
	is_int(f.calls, 4, "what follows it is not read");
	(void)close(fd);
	fd = client();
	say(fd, GET("/") "GET / HT");
	ok(begins(hear(fd), "HTTP/1.1 200 "), "a whole request is answered before half a one");
	say(fd, "TP/1.1\r\n" H "\r");
	is_str(hear_until_end(fd, 30, &end), "", "which is still not whole");
	say(fd, "\n");
	ok(begins(hear(fd), "HTTP/1.1 200 "), "and then is");
	(void)close(fd);
	tear_down();
}

static void test_flood(void)
{
	static char many[200 * sizeof GET("/")];
	const char *text, *end;
	int flood, newcomer, answers = 0;

	for (int i = 0; i < 199; i++)
		strcat(many, GET("/"));
	strcat(many, "GET / HTTP/1.0\r\n\r\n");
	set_up();
	flood = client();
	newcomer = client();
	(void)!send(flood, many, strlen(many), 0);
	(void)!send(newcomer, GET("/late"), strlen(GET("/late")), 0);
	text = hear_until_end(flood, SLOW, &end);
	ok(f.late > 0 && f.late < 40, "who sends many requests at once makes nobody wait");
	while ((text = strstr(text, "\r\n\r\nhello"))) {
		answers++;
		text++;
	}
	is_int(answers, 200, "and they are all answered");
	(void)close(flood);
	(void)close(newcomer);
	tear_down();
}

static void test_deadlines(void)
{
	const char *text = "", *end = "open";
	uint64_t start;
	int fd, sent = 0, tries = 0;

	set_up_on(&hasty, "127.0.0.1:0");
	fd = client();
	start = now_ms();
	say(fd, "GET / HTTP/1.1\r\nX: ");
	while (now_ms() - start < SLOW && !*text) {
		say(fd, "x");
		sent++;
		text = hear_until_end(fd, 10, &end);
	}
	ok(begins(text, "HTTP/1.1 408 ") && strstr(text, "\r\nConnection: close\r\n"),
		"a client that drips gets a 408");
	ok(now_ms() - start >= 390 && sent > 1, "at the deadline, although it goes on");
	say(fd, "xxxx");
	is_str(end_of(fd, 100), "closed", "the server has said all it has to say");
	is_int(connections_become(0), 0, "and does not wait for ever for its end");

	do { /* on a busy machine one of them may be late indeed */
		(void)close(fd);
		fd = client();
		f.calls = 0;
		say(fd, "GET / HTTP/1.1\r\n");
		for (int i = 0; i < 6; i++) {
			pump(f.event, 100);
			say(fd, H "\r\nGET / HTTP/1.1\r\n");
		}
		start = now_ms();
		say(fd, H "\r\n");
		text = hear(fd);
	} while (f.calls < 7 && ++tries < 10);
	ok(f.calls == 7 && !strstr(text, "HTTP/1.1 408 "), "each head has a deadline of its own");
	text = hear_until_end(fd, SLOW, &end);
	ok(strcmp(end, "closed") == 0 && !*text && now_ms() - start >= 790,
		"an idle connection is closed without a word");
	(void)close(fd);
	tear_down();
}

static void test_cap(void)
{
	struct server_limits few = limits;
	int idle, more[2], first, second, newcomer, last;

	few.max_connections = 3;
	set_up_on(&few, "127.0.0.1:0");
	idle = client();
	say(idle, GET("/"));
	(void)hear(idle);
	first = client();
	say(first, "GET / ");
	second = client();
	say(second, "GET / ");
	newcomer = client();
	say(newcomer, GET("/"));
	ok(begins(hear(newcomer), "HTTP/1.1 200 "), "at the cap a newcomer is answered");
	ok(strcmp(end_of(first, 1000), "open") != 0, "the oldest unfinished head goes");
	is_str(end_of(second, 0), "open", "a later one stays");
	is_str(end_of(idle, 0), "open", "and so does an idle one");
	say(second, "HTTP/1.1\r\n" H "\r\n");
	ok(begins(hear(second), "HTTP/1.1 200 "), "and is answered in the end");
	last = client();
	say(last, GET("/"));
	ok(strcmp(end_of(idle, 1000), "open") != 0,
		"where none is unfinished the longest idle goes");
	is_int((long)server_connections(f.server), 3, "and the cap holds");
	(void)close(idle);
	(void)close(first);
	(void)close(second);
	(void)close(newcomer);
	(void)close(last);
	tear_down();

	few.max_connections = 4;
	set_up_on(&few, "127.0.0.1:0");
	idle = client();
	say(idle, GET("/"));
	for (size_t i = 0; i < 2; i++)
		say(more[i] = client(), GET("/"));
	second = client();
	say(second, "GET / ");
	newcomer = client();
	say(newcomer, "GET / ");
	(void)hear(idle);
	ok(strcmp(end_of(idle, 1000), "open") != 0, "where most are idle the longest idle goes");
	is_str(end_of(second, 0), "open", "and no crowd of idle ones ends who has just begun");
	(void)close(idle);
	(void)close(more[0]);
	(void)close(more[1]);
	(void)close(second);
	(void)close(newcomer);
	tear_down();

	few.max_connections = 1;
	set_up_on(&few, "127.0.0.1:0");
	first = client();
	say(first, "GET / ");
	newcomer = client();
	(void)!send(newcomer, GET("/"), strlen(GET("/")), 0);
	(void)!send(first, "HTTP/1.1\r\n" H "\r\n", strlen("HTTP/1.1\r\n" H "\r\n"), 0);
	pump(f.event, 20);
	ok(begins(hear(first), "HTTP/1.1 200 ") && begins(hear(newcomer), "HTTP/1.1 200 "),
		"who completes its head in the turn of the newcomer is still answered");
	(void)close(first);
	(void)close(newcomer);
	tear_down();
}

/* Reads a big answer in small sips; how many of its bytes were as they should be. */
static size_t sip(int fd, size_t length)
{
	_cleanup_free_ char *text = malloc(length);
	uint64_t until = now_ms() + 2 * SLOW;
	size_t got = 0, good = 0;
	const char *body;

	while (got < length && now_ms() < until) {
		ssize_t n = recv(
			fd, text + got, length - got < 65536 ? length - got : 65536, MSG_DONTWAIT);

		got += n > 0 ? (size_t)n : 0;
		(void)sd_event_run(f.event, 100);
	}
	body = memmem(text, got, "\r\n\r\n", 4);
	for (size_t i = 0; body && body + 4 + i < text + got; i++)
		good += body[4 + i] == (char)('a' + i % 23);
	return good;
}

static void test_slow_reader(void)
{
	struct server_limits mean = limits;
	uint64_t start;
	int fd;

	set_up();
	fd = client();
	say(fd, GET("/big") GET("/") "GET /");
	is_int(f.calls, 1, "nothing is read while an answer waits for its reader");
	memset(f.big.data + f.big.head_length, '!', BIG);
	say(fd, " HTTP/1.1\r\n" H "\r\n");
	is_int((long long)sip(fd, f.big.length), BIG,
		"a slow reader gets every byte, of the answer as it was");
	ok(begins(hear(fd), "HTTP/1.1 200 ") && f.calls == 3, "and what it asked for meanwhile");
	(void)close(fd);
	tear_down();

	set_up();
	fd = client();
	say(fd, "GET /big HTTP/1.0\r\n\r\n");
	is_int((long long)sip(fd, f.big.length + strlen("Connection: close\r\n")), BIG,
		"the last answer of a connection arrives whole too");
	(void)close(fd);
	tear_down();

	set_up_on(&hasty, "127.0.0.1:0");
	fd = client();
	start = now_ms();
	say(fd, GET("/big"));
	is_int(connections_become(0), 0, "who does not read is let go");
	ok(f.calls == 1 && now_ms() - start >= 390, "at the deadline, and waited for until then");
	(void)close(fd);
	tear_down();

	mean.max_unsent = 4096;
	set_up_on(&mean, "127.0.0.1:0");
	fd = client();
	say(fd, GET("/big"));
	is_int((long)server_connections(f.server), 0,
		"no more is kept for slow readers than allowed");
	(void)close(fd);
	tear_down();
}

static void test_endings(void)
{
	struct linger hard = {.l_onoff = 1};
	const char *text, *end;
	int fd;

	set_up();
	fd = client();
	(void)!send(fd, GET("/"), strlen(GET("/")), 0);
	(void)shutdown(fd, SHUT_WR);
	text = hear_until_end(fd, SLOW, &end);
	ok(strstr(text, "\r\n\r\nhello"), "a half-closed client gets its answer");
	is_str(end, "closed", "and then the end");
	(void)close(fd);

	fd = client();
	say(fd, "GET / HTTP");
	(void)shutdown(fd, SHUT_WR);
	is_str(hear_until_end(fd, SLOW, &end), "", "an end in mid-head needs no answer");
	(void)close(fd);

	fd = client();
	say(fd, GET("/big"));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	(void)close(fd);
	fd = client();
	say(fd, "GET");
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	(void)close(fd);
	is_int(connections_become(0), 0, "a reset ends a connection at once");
	tear_down();
}

/* Sends a head and 128 KiB of something behind it; the answer must survive. */
static void refuses(const char *head, const char *status)
{
	static char junk[128 << 10];
	const char *text, *end;
	char name[128];
	int fd = client();

	memset(junk, 'x', sizeof junk);
	(void)!send(fd, head, strlen(head), 0);
	for (size_t sent = 0; sent < sizeof junk;) {
		ssize_t n = send(fd, junk, sizeof junk - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno != EAGAIN)
			break;
		pump(f.event, 0);
	}
	text = hear_until_end(fd, SLOW, &end);
	(void)snprintf(
		name, sizeof name, "%s, with a body behind it, is answered and closed", status);
	if (!ok(begins(text, "HTTP/1.1 ") && begins(text + 9, status) &&
			    strstr(text, "\r\nConnection: close\r\n") && strcmp(end, "closed") == 0,
		    name))
		printf("# %s: %s\n", end, text);
	(void)close(fd);
}

static void test_refusals(void)
{
	set_up();
	refuses("GET / HTTP/1.1\n\n", "400");
	refuses("POST / HTTP/1.1\r\n" H "Content-Length: 131072\r\n\r\n", "405");
	refuses("GET / HTTP/1.1\r\n" H "Content-Length: 131072\r\n\r\n", "413");
	refuses("GET /", "414");
	refuses("GET / HTTP/1.1\r\n" H "X: ", "431");
	refuses("GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "501");
	refuses("GET / HTTP/3.0\r\n\r\n", "505");
	is_int(f.calls, 0, "and the handler never hears of it");
	refuses("GET / HTTP/1.0\r\n\r\n", "200");
	is_int(connections_become(0), 0, "no connection is left");
	tear_down();
}

static void test_local(void)
{
	char path[] = "/tmp/test-server-XXXXXX", address[80], file[64];
	struct err err = {""};
	struct stat st;
	const char *end;
	uint64_t start;
	int fd;

	if (!mkdtemp(path))
		return;
	(void)snprintf(file, sizeof file, "%s/s", path);
	(void)snprintf(address, sizeof address, "unix:%s", file);
	set_up_on(&hasty, address);
	is_str(f.address, address, "a local socket says where it is");
	fd = client();
	say(fd, GET("/"));
	ok(begins(hear(fd), "HTTP/1.1 200 ") && f.family == AF_UNIX, "and is served");
	(void)close(fd);
	fd = client();
	(void)!send(fd, GET("/"), strlen(GET("/")), 0);
	(void)close(fd);
	pump(f.event, 20);
	is_int(f.calls, 2, "a client that asks and runs away does no harm");
	fd = client();
	start = now_ms();
	is_str(hear_until_end(fd, 100, &end), "", "who connects and says nothing");
	is_str(end, "open", "is waited for");
	is_str(hear_until_end(fd, SLOW, &end), "", "and closed without a word");
	ok(strcmp(end, "closed") == 0 && now_ms() - start >= 390, "at the deadline for a head");
	(void)close(fd);
	is_int(server_listen(f.server, &none, address, &err), -EADDRINUSE,
		"a socket in use is left alone");
	ok(strstr(err.text, address), "and named");
	tear_down();
	ok(lstat(file, &st) < 0, "the file goes with the server");

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	{
		struct sockaddr_un un = {.sun_family = AF_UNIX};

		(void)snprintf(un.sun_path, sizeof un.sun_path, "%s", file);
		(void)bind(fd, (struct sockaddr *)&un, sizeof un);
	}
	(void)close(fd);
	ok(lstat(file, &st) == 0, "a file that a dead server left behind");
	set_up_on(&limits, address);
	fd = client();
	say(fd, GET("/"));
	ok(begins(hear(fd), "HTTP/1.1 200 "), "is replaced");
	(void)close(fd);
	tear_down();

	set_up();
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	is_int(server_listen(f.server, &none, address, &err), -EADDRINUSE, "any other file is not");
	(void)close(fd);
	(void)unlink(file);
	(void)rmdir(path);
	tear_down();
}

static void test_listening(void)
{
	char both[LISTENER_ADDRESS_MAX], address[LISTENER_ADDRESS_MAX];
	struct err err = {""};
	int fd, listener;

	set_up();
	is_int(server_listen(f.server, &none, f.address, &err), -EADDRINUSE,
		"a port in use is refused");
	ok(strstr(err.text, f.address) && strstr(err.text, "in use"), "by name");
	is_int(server_listen(f.server, &none, "localhost:80", &err), -EINVAL, "a bad address too");
	ok(strstr(err.text, "expected ADDRESS:PORT"), "with what was expected");

	if (server_listen(f.server, &none, "[::]:0", &err) == 0) {
		(void)server_address(f.server, 1, both);
		(void)snprintf(address, sizeof address, "127.0.0.1%s", strrchr(both, ':'));
		fd = client_to(address);
		say(fd, GET("/"));
		ok(begins(hear(fd), "HTTP/1.1 200 ") && f.family == AF_INET6,
			"[::] takes IPv4 clients too");
		(void)close(fd);
	} else {
		ok(true, "[::] takes IPv4 clients too # SKIP no IPv6 here");
	}

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	is_int(server_adopt(f.server, listener), -EINVAL,
		"a socket that does not listen is refused");
	(void)listen(listener, 5);
	is_int(server_adopt(f.server, listener), 0, "one that does is taken over");
	ok(server_address(f.server, 2, address) == 0 || server_address(f.server, 1, address) == 0,
		"and has an address");
	memcpy(address, "127.0.0", 7);
	(void)snprintf(both, sizeof both, "127.0.0.1%s", strrchr(address, ':'));
	fd = client_to(both);
	say(fd, GET("/"));
	ok(begins(hear(fd), "HTTP/1.1 200 "), "and served");
	(void)close(fd);
	is_int(server_address(f.server, 9, address), -ENOENT, "there is no tenth listener");
	tear_down();
}

/* Another server goes on where one ends, with who has connected meanwhile. */
static void test_handing_over(void)
{
	struct listeners kept = {0};
	char path[] = "/tmp/test-server-XXXXXX", address[80], before[LISTENER_ADDRESS_MAX];
	int fd;

	if (!mkdtemp(path))
		return;
	set_up();
	strcpy(before, f.address);
	(void)snprintf(address, sizeof address, "unix:%s/kept", path);
	(void)server_listen(f.server, &none, address, NULL);
	server_keep_listeners(f.server, &kept);
	is_int((long)kept.n, 2, "a server that ends gives its listeners away");
	fd = client();
	(void)!send(fd, GET("/"), strlen(GET("/")), 0);
	server_free(f.server);
	(void)server_new(f.event, &limits, handle, &f, &f.server);
	is_int(server_listen(f.server, &kept, "127.0.0.1:0", NULL), 0, "another one takes it");
	(void)server_address(f.server, 0, f.address);
	is_str(f.address, before, "which is the same");
	ok(begins(hear(fd), "HTTP/1.1 200 "), "and answers who has come between them");
	(void)close(fd);
	is_int((long)kept.n, 1, "what it has no use for stays");
	listeners_close(&kept, 0);
	is_int(rmdir(path), 0, "until it is closed");
	tear_down();
}

static void test_drain(void)
{
	int idle, half, waiting;

	set_up();
	idle = client();
	say(idle, GET("/"));
	(void)hear(idle);
	half = client();
	say(half, "GET / HTTP/1.1\r\n");
	waiting = client();
	(void)!send(waiting, GET("/"), strlen(GET("/")), 0);
	server_drain(f.server);
	is_str(end_of(idle, SLOW), "closed", "draining closes what is idle");
	ok(strstr(hear(waiting), "\r\nConnection: close\r\n\r\nhello"),
		"answers who is in the queue");
	is_int(client(), -1, "and takes no one else");
	is_int((long)server_connections(f.server), 1, "a request under way goes on");
	say(half, H "\r\n");
	ok(strstr(hear(half), "\r\nConnection: close\r\n\r\nhello"), "to its answer, the last one");
	is_int((long)server_connections(f.server), 0, "and then all is quiet");
	(void)close(idle);
	(void)close(half);
	(void)close(waiting);
	tear_down();
}

static void test_out_of_files(void)
{
	struct rlimit before, few;
	clock_t start;
	int fd;

	set_up();
	fd = client();
	(void)getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){.rlim_cur = (rlim_t)fd + 1, .rlim_max = before.rlim_max};
	(void)setrlimit(RLIMIT_NOFILE, &few);
	(void)!send(fd, GET("/"), strlen(GET("/")), 0);
	start = clock();
	pump(f.event, 500);
	ok(clock() - start < CLOCKS_PER_SEC / 8, "without descriptors the server does not spin");
	is_int((long)server_connections(f.server), 0, "and takes no connection");
	(void)setrlimit(RLIMIT_NOFILE, &before);
	ok(begins(hear(fd), "HTTP/1.1 200 "), "which is served when there are some again");
	(void)close(fd);
	tear_down();
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_answers,
		test_pipelining,
		test_flood,
		test_deadlines,
		test_cap,
		test_slow_reader,
		test_endings,
		test_refusals,
		test_local,
		test_listening,
		test_handing_over,
		test_drain,
		test_out_of_files,
	};

	FOREACH_ELEMENT (i, tests) {
		size_t before = open_files();

		tests[i]();
		is_int((long)open_files(), (long)before, "every descriptor is closed again");
	}
	return done_testing();
}
