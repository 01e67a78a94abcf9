/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack-drive: clients that mean harm, thousands at a time, from one loop; for attack.t and soak.
 *
 *	attack-drive ATTACK SECONDS PORT [AGENT-CHECK-PORT]
 *
 * Each attack is one or two kinds of clients, which come from many addresses of 127.0.0.0/8 and
 *come again when they are thrown out. At the end it prints how often they connected and what they
 *were answered: "drip: 2000 connected, 1000 ended, 408: 1000".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 10000
#define KINDS_MAX   2
#define EVENTS_MAX  256
#define TICK_MSEC   10
#define HEAD_MAX    8192 /* agent/request.h */
#define ADDRESSES   250  /* 127.0.0.2 and on */
#define STATUS_MAX  600

#define GET "GET /instance HTTP/1.1\r\nHost: a\r\n\r\n"
#define ASKS(s)                                                                                    \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}
#define TLS_HELLO "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

enum end { HOLD, SHUT, RESET, CLOSE }; /* what a client does when all is said */

struct kind {
	unsigned clients, per_second; /* of them; that (re)connect at most */
	struct {
		const char *data;
		size_t length;
	} says;
	unsigned times;     /* it says that; 0: without end */
	unsigned drip_msec; /* between two bytes; 0: all at once */
	size_t fill;        /* a head of so many bytes in all, of commas that Accept may have */
	bool deaf;          /* does not read */
	bool check;         /* asks agent-check */
	enum end end;
};

/* clang-format off */
static const struct attack {
	const char *name;
	struct kind kinds[KINDS_MAX];
} attacks[] = {
	{"drip", {{.clients = 1000, .per_second = 2000, .drip_msec = 100,
		.says = ASKS("GET /instance HTTP/1.1\r\nHost: a\r\nX: 0123456789012345678901234567890123456789")}}},
	{"crowd", {{.clients = 5000, .per_second = 5000, .says = ASKS("G"), .times = 1},
		{.clients = 5000, .per_second = 5000, .says = ASKS(""), .times = 1}}},
	{"holders", {{.clients = 2000, .per_second = 2000, .says = ASKS(GET), .times = 1}}},
	{"pipeline", {{.clients = 100, .per_second = 1000, .says = ASKS(GET)},
		{.clients = 100, .per_second = 1000, .says = ASKS(GET), .deaf = true}}},
	{"heads", {{.clients = 100, .per_second = 1000, .fill = HEAD_MAX - 1},
		{.clients = 100, .per_second = 500, .fill = HEAD_MAX + 9}}},
	{"tls", {{.clients = 200, .per_second = 2000, .says = ASKS(TLS_HELLO), .times = 1}}},
	{"halves", {{.clients = 500, .per_second = 2000, .says = ASKS("GET /instance HT"), .times = 1, .end = SHUT},
		{.clients = 500, .per_second = 2000, .says = ASKS(GET "GET "), .times = 1, .end = SHUT}}},
	{"resets", {{.clients = 500, .per_second = 2000, .says = ASKS(GET GET "GET "), .times = 1, .end = RESET},
		{.clients = 500, .per_second = 2000, .says = ASKS(GET), .times = 1, .end = CLOSE, .deaf = true}}},
	{"check", {{.clients = 500, .per_second = 2000, .says = ASKS("x"), .check = true},
		{.clients = 500, .per_second = 2000, .says = ASKS("x"), .times = 1, .end = RESET, .check = true}}},
};
/* clang-format on */

struct client {
	int fd; /* -1: not connected */
	const struct kind *kind;
	const char *data; /* of the kind, as often as fits */
	size_t length;
	uint64_t sent;
	uint32_t watched;
	bool answered;
};

static struct {
	int epoll_fd;
	uint16_t port, check_port;
	struct client clients[CLIENTS_MAX];
	size_t n_clients;
	unsigned long connected, ended, answers[STATUS_MAX];
} all;

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void watch(struct client *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	if (c->watched != events &&
		epoll_ctl(all.epoll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) <
			0)
		error(1, errno, "epoll_ctl");
	c->watched = events;
}

static void leave(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static bool is_done(const struct client *c)
{
	return c->kind->times && c->sent >= c->kind->times * c->kind->says.length;
}

static uint32_t listens(const struct client *c)
{
	return c->kind->deaf ? EPOLLRDHUP : EPOLLIN;
}

static void join(struct client *c, size_t i)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i % ADDRESSES))};
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(c->kind->check ? all.check_port : all.port)};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		error(1, errno, "socket");
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0)
		error(1, errno, "bind");
	c->sent = c->watched = 0;
	c->answered = false;
	all.connected++;
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
		leave(c);
	else
		watch(c, listens(c) | EPOLLOUT);
}

static void finish(struct client *c)
{
	struct linger hard = {.l_onoff = 1};

	watch(c, listens(c));
	if (c->kind->end == SHUT)
		(void)shutdown(c->fd, SHUT_WR);
	if (c->kind->end == RESET)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	if (c->kind->end == RESET || c->kind->end == CLOSE)
		leave(c);
}

/* Says the next bytes; false when there is nobody any more to say them to. */
static bool say(struct client *c)
{
	size_t at = c->sent % c->length, n = c->length - at;
	ssize_t sent;

	if (c->kind->times && n > c->kind->times * c->kind->says.length - c->sent)
		n = c->kind->times * c->kind->says.length - c->sent;
	if (c->kind->drip_msec)
		n = 1;
	sent = send(c->fd, c->data + at, n, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN;
	c->sent += (uint64_t)sent;
	if (c->kind->drip_msec)
		watch(c, listens(c));
	return true;
}

static bool hear(struct client *c)
{
	static char buffer[65536];
	ssize_t n = recv(c->fd, buffer, sizeof buffer - 1, 0);
	unsigned status;

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	buffer[n] = '\0';
	if (!c->answered && sscanf(buffer, "HTTP/1.1 %3u ", &status) == 1 && status < STATUS_MAX)
		all.answers[status]++;
	c->answered = true;
	return true;
}

static void on_event(struct client *c, uint32_t events)
{
	bool there = !(events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) || events & EPOLLIN;

	if (there && events & EPOLLIN)
		there = hear(c);
	if (there && events & EPOLLOUT && !is_done(c))
		there = say(c);
	if (!there) {
		all.ended++;
		leave(c);
	} else if (is_done(c) && events & EPOLLOUT) {
		finish(c);
	}
}

/* Lets clients connect, as many as their kind may in so many rounds, and drip. */
static void tick(uint64_t round, uint64_t rounds)
{
	size_t i = 0;

	for (size_t k = 0; k < KINDS_MAX; k++) {
		size_t end, allowed;

		if (i == all.n_clients)
			return;
		end = i + all.clients[i].kind->clients;
		allowed = all.clients[i].kind->per_second * TICK_MSEC * rounds / 1000;
		for (; i < end; i++) {
			struct client *c = &all.clients[i];
			unsigned drip = c->kind->drip_msec;

			if (c->fd < 0 && allowed > 0) {
				allowed--;
				join(c, i);
			} else if (c->fd >= 0 && drip && (round + i) % (drip / TICK_MSEC) == 0) {
				watch(c, listens(c) | EPOLLOUT);
			}
		}
	}
}

/* What a client says, repeated up to a write of a good size. */
static char *material(const struct kind *kind, size_t *ret_length)
{
	static const char head[] = GET;
	size_t unit = kind->fill ? kind->fill : kind->says.length;
	size_t copies = kind->times || unit == 0 ? 1 : (65536 + unit - 1) / unit;
	char *data = malloc(unit * copies + 1);

	if (!data)
		error(1, errno, "memory");
	if (kind->fill) {
		memset(data, ',', unit);
		memcpy(data, head, sizeof head - 3);
		memcpy(data + sizeof head - 3, "Accept: ", 8);
		memcpy(data + unit - 4, "\r\n\r\n", 4);
	} else {
		memcpy(data, kind->says.data, unit);
	}
	for (size_t i = 1; i < copies; i++)
		memcpy(data + i * unit, data, unit);
	*ret_length = unit * copies;
	return data;
}

static void gather(const struct attack *attack)
{
	for (size_t k = 0; k < KINDS_MAX && attack->kinds[k].clients > 0; k++) {
		const struct kind *kind = &attack->kinds[k];
		size_t length;
		char *data = material(kind, &length);

		for (unsigned i = 0; i < kind->clients; i++)
			all.clients[all.n_clients++] = (struct client){
				.fd = -1, .kind = kind, .data = data, .length = length};
	}
}

static void drive(uint64_t until)
{
	uint64_t round = 0, next = now_msec(), now;
	struct epoll_event events[EVENTS_MAX];

	while ((now = now_msec()) < until) {
		int n;

		if (now >= next) {
			uint64_t rounds = (now - next) / TICK_MSEC + 1;

			tick(round++, rounds);
			next += rounds * TICK_MSEC;
			now = now_msec();
		}
		n = epoll_wait(
			all.epoll_fd, events, EVENTS_MAX, now < next ? (int)(next - now) : 0);
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = {CLIENTS_MAX + 100, CLIENTS_MAX + 100};
	const struct attack *attack = attacks;

	if (argc < 4)
		error(2, 0, "usage: attack-drive ATTACK SECONDS PORT [AGENT-CHECK-PORT]");
	while (strcmp(attack->name, argv[1]) != 0)
		if (++attack == attacks + sizeof attacks / sizeof attacks[0])
			error(2, 0, "there is no attack %s", argv[1]);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	all.port = (uint16_t)atoi(argv[3]);
	all.check_port = (uint16_t)atoi(argv[argc > 4 ? 4 : 3]);
	all.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	gather(attack);
	drive(now_msec() + (uint64_t)(atof(argv[2]) * 1000));
	printf("%s: %lu connected, %lu ended", attack->name, all.connected, all.ended);
	for (unsigned i = 0; i < STATUS_MAX; i++)
		if (all.answers[i])
			printf(", %u: %lu", i, all.answers[i]);
	putchar('\n');
	return 0;
}
