/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "connection.h"
#include "listener.h"

#define EVENTS_MAX     16     /* served in a row; then newcomers are looked for */
#define ACCEPT_MAX     64     /* connections taken from one listener in a row */
#define TURN_USEC      5000   /* then the loop's other sources have their turn */
#define PAUSE_USEC     100000 /* without accepting, when descriptors or memory have run out */
#define PRECISION_USEC 10000  /* of deadlines */
#define RECEIVE_BUFFER 16384  /* bytes; the kernel takes twice that for what is around them */
#define SEND_BUFFER    65536

/*
 * The connections have an epoll set of their own, which is one source of the loop: a turn serves
 * as many events as are there, at the price of one dispatch.
 */
struct server {
	sd_event_source *ready, *timer;
	uint64_t armed_usec;  /* when the timer goes off, at the latest when it must */
	uint64_t resume_usec; /* when to accept again after a pause; UINT64_MAX: not paused */
	struct listener listeners[SERVER_LISTENERS_MAX];
	size_t n_listeners;
	struct connections connections;
};

static void read_clock(struct server *server)
{
	server->connections.now_usec = clock_monotonic();
}

/* Sets the timer for what is due next. A timer that goes off too early is left as it is. */
static void arm(struct server *server)
{
	uint64_t due = connections_due(&server->connections);

	if (server->resume_usec < due)
		due = server->resume_usec;
	if (due >= server->armed_usec)
		return;
	server->armed_usec = due;
	(void)sd_event_source_set_time(server->timer, due);
	(void)sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

static int watch(struct server *server, struct listener *listener, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = listener};

	return epoll_ctl(server->connections.epoll_fd, op, listener->fd, &event) < 0 ? -errno : 0;
}

static void watch_all(struct server *server, uint32_t events)
{
	for (size_t i = 0; i < server->n_listeners; i++)
		(void)watch(server, &server->listeners[i], EPOLL_CTL_MOD, events);
}

/* A full table would make a ready listener spin. */
static void pause_accepting(struct server *server)
{
	server->resume_usec = server->connections.now_usec + PAUSE_USEC;
	watch_all(server, 0);
}

static void accept_some(struct server *server, const struct listener *listener)
{
	if (server->resume_usec != UINT64_MAX)
		return;
	for (size_t i = 0; i < ACCEPT_MAX; i++) {
		union peer peer = {0};
		socklen_t length = sizeof peer;
		int fd = listener_accept(listener, &peer.any, &length);

		if (fd >= 0)
			connections_add(&server->connections, fd, &peer);
		else if (fd == -ENFILE)
			pause_accepting(server);
		if (fd == -EAGAIN || fd == -ENFILE)
			return;
	}
}

static bool is_listener(const struct server *server, const void *pointer)
{
	for (size_t i = 0; i < server->n_listeners; i++)
		if (pointer == &server->listeners[i])
			return true;
	return false;
}

/*
 * Where there is more than fits into a turn, newcomers do not wait in line with all the others: it
 * is among them that a load balancer's health checks are.
 */
static void serve_events(struct server *server, const struct epoll_event *events, int n)
{
	bool newcomers = n == EVENTS_MAX;

	for (int i = 0; i < n; i++)
		if (is_listener(server, events[i].data.ptr))
			newcomers = true;
		else
			connection_ready(&server->connections, events[i].data.ptr);
	/* Last, because a newcomer may displace a connection of this very batch. */
	for (size_t i = 0; newcomers && i < server->n_listeners; i++)
		accept_some(server, &server->listeners[i]);
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct server *server = userdata;
	struct epoll_event events[EVENTS_MAX];
	uint64_t until = UINT64_MAX;
	int n;

	(void)source;
	(void)revents;
	do {
		n = epoll_wait(fd, events, EVENTS_MAX, 0);
		read_clock(server);
		if (until == UINT64_MAX)
			until = server->connections.now_usec + TURN_USEC;
		serve_events(server, events, n);
	} while (n > 0 && server->connections.now_usec < until);
	arm(server);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct server *server = userdata;

	(void)source;
	(void)usec;
	read_clock(server);
	server->armed_usec = UINT64_MAX;
	connections_expire(&server->connections);
	if (server->resume_usec <= server->connections.now_usec) {
		server->resume_usec = UINT64_MAX;
		watch_all(server, EPOLLIN);
	}
	arm(server);
	return 0;
}

int server_new(struct sd_event *event, const struct server_limits *limits, server_handler handler,
	void *userdata, struct server **ret_server)
{
	_cleanup_(server_free_p) struct server *server = NULL;
	int r;

	if (limits->max_connections == 0)
		return -EINVAL;
	server = calloc(1, sizeof *server);
	if (!server)
		return -ENOMEM;
	server->armed_usec = server->resume_usec = UINT64_MAX;
	server->connections = (struct connections){
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.busy.timeout_usec = limits->head_timeout_usec,
		.idle.timeout_usec = limits->idle_timeout_usec,
		.count_max = limits->max_connections,
		.unsent_max = limits->max_unsent,
		.handler = handler,
		.userdata = userdata,
	};
	if (server->connections.epoll_fd < 0)
		return -errno;
	r = sd_event_add_io(
		event, &server->ready, server->connections.epoll_fd, EPOLLIN, on_ready, server);
	if (r >= 0)
		r = sd_event_add_time(event, &server->timer, CLOCK_MONOTONIC, UINT64_MAX,
			PRECISION_USEC, on_timer, server);
	if (r < 0)
		return r;
	*ret_server = steal_ptr(server);
	return 0;
}

static void close_listeners(struct server *server)
{
	while (server->n_listeners > 0)
		listener_close(&server->listeners[--server->n_listeners]);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	connections_close_all(&server->connections);
	close_listeners(server);
	(void)sd_event_source_disable_unref(server->ready);
	(void)sd_event_source_disable_unref(server->timer);
	cleanup_close(&server->connections.epoll_fd);
	response_release(&server->connections.error);
	free(server);
}

/*
 * Connections inherit TCP_NODELAY. With TCP_DEFER_ACCEPT they come when the request is there, or
 * after the second that a silent one may take: one wake-up and two system calls less for each.
 * Both do nothing where there is no TCP. The buffers, which they inherit as well, would otherwise
 * grow to megabytes for each one that does not read.
 */
static void tune(int fd)
{
	int one = 1, in = RECEIVE_BUFFER, out = SEND_BUFFER;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof in);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof out);
}

static int add_listener(struct server *server, const struct listener *listener)
{
	struct listener *place = &server->listeners[server->n_listeners];
	int r;

	if (server->n_listeners == SERVER_LISTENERS_MAX)
		return -ENOSPC;
	*place = *listener;
	tune(place->fd);
	r = watch(server, place, EPOLL_CTL_ADD, EPOLLIN);
	if (r == 0)
		server->n_listeners++;
	return r;
}

int server_adopt(struct server *server, int fd)
{
	struct listener listener;
	int r = listener_adopt(fd, &listener);

	return r < 0 ? r : add_listener(server, &listener);
}

int server_listen(
	struct server *server, struct listeners *kept, const char *address, struct err *err)
{
	struct listener listener;
	int r = listeners_open(kept, address, &listener, err);

	if (r < 0)
		return r;
	r = add_listener(server, &listener);
	if (r < 0) {
		listener_close(&listener);
		return err_set(err, r, "cannot listen on %s: %m", address);
	}
	return 0;
}

void server_keep_listeners(struct server *server, struct listeners *kept)
{
	while (server->n_listeners > 0) {
		struct listener *last = &server->listeners[--server->n_listeners];

		(void)watch(server, last, EPOLL_CTL_DEL, 0);
		listeners_keep(kept, last);
	}
}

int server_address(
	const struct server *server, size_t i, char ret_text[static LISTENER_ADDRESS_MAX])
{
	if (i >= server->n_listeners)
		return -ENOENT;
	return listener_address(&server->listeners[i], ret_text);
}

size_t server_connections(const struct server *server)
{
	return server->connections.count;
}

void server_drain(struct server *server)
{
	read_clock(server);
	server->connections.draining = true;
	for (size_t i = 0; i < server->n_listeners; i++)
		accept_some(server, &server->listeners[i]); /* they were told they are connected */
	close_listeners(server);
	connections_close_idle(&server->connections);
	arm(server);
}
