/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection.h"
#include "network.h"

#define EVENTS_MAX     64
#define ACCEPT_MAX     64     /* connections taken from one listener in a row */
#define TURN_USEC      5000   /* then the loop's other sources have their turn */
#define PAUSE_USEC     100000 /* without accepting, when descriptors or memory have run out */
#define PRECISION_USEC 10000  /* of deadlines */

_Static_assert(SERVER_ADDRESS_MAX >= NETWORK_TEXT_MAX, "an address fits");

struct listener {
	int fd;
	bool ours; /* not inherited: its socket file is ours to remove */
};

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
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	server->connections.now_usec =
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
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
	for (size_t i = 0; i < ACCEPT_MAX; i++) {
		union peer peer = {0};
		socklen_t length = sizeof peer;
		int fd = accept4(listener->fd, &peer.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			connections_add(&server->connections, fd, &peer);
			continue;
		}
		switch (errno) {
		case EAGAIN: return;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM: pause_accepting(server); return;
		default: break; /* that one connection's own misfortune: accept(2) */
		}
	}
}

static struct listener *listener_of(struct server *server, const void *pointer)
{
	for (size_t i = 0; i < server->n_listeners; i++)
		if (pointer == &server->listeners[i])
			return &server->listeners[i];
	return NULL;
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
		for (int i = 0; i < n; i++)
			if (!listener_of(server, events[i].data.ptr))
				connection_ready(&server->connections, events[i].data.ptr);
		/* Last, because a newcomer may displace a connection of this very batch. */
		for (int i = 0; i < n; i++)
			if (listener_of(server, events[i].data.ptr))
				accept_some(server, events[i].data.ptr);
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
	while (server->n_listeners > 0) {
		struct listener *listener = &server->listeners[--server->n_listeners];
		struct sockaddr_un un = {0};
		socklen_t length = sizeof un;

		if (listener->ours && getsockname(listener->fd, (void *)&un, &length) == 0 &&
			un.sun_family == AF_UNIX)
			(void)unlink(un.sun_path);
		(void)close(listener->fd);
	}
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
 * Both do nothing where there is no TCP.
 */
static void tune(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof one);
}

int server_adopt(struct server *server, int fd)
{
	struct listener *listener = &server->listeners[server->n_listeners];
	int listening = 0, type = 0, r;
	socklen_t length = sizeof listening, type_length = sizeof type;

	if (server->n_listeners == SERVER_LISTENERS_MAX)
		return -ENOSPC;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0)
		return -errno;
	if (!listening || type != SOCK_STREAM)
		return -EINVAL;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	tune(fd);
	*listener = (struct listener){.fd = fd};
	r = watch(server, listener, EPOLL_CTL_ADD, EPOLLIN);
	if (r == 0)
		server->n_listeners++;
	return r;
}

/* Removes a socket file that refuses connections: its server is gone. */
static bool remove_stale(const struct sockaddr_storage *address, socklen_t length)
{
	const char *path = ((const struct sockaddr_un *)address)->sun_path;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (address->ss_family != AF_UNIX || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, length) < 0 &&
	       errno == ECONNREFUSED && unlink(path) == 0;
}

static int open_listener(const struct sockaddr_storage *address, socklen_t length)
{
	_cleanup_close_ int fd =
		socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, zero = 0, r;

	if (fd < 0)
		return -errno;
	if (address->ss_family != AF_UNIX &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		return -errno;
	if (address->ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) < 0)
		return -errno;
	r = bind(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && remove_stale(address, length))
		r = bind(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	return r < 0 ? r : steal_fd(&fd);
}

int server_listen(struct server *server, const char *address, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_storage storage;
	socklen_t length;
	int r = network_parse_listen(address, &storage, &length, err);

	if (r < 0)
		return r;
	fd = open_listener(&storage, length);
	r = fd < 0 ? fd : server_adopt(server, fd);
	if (r < 0)
		return err_set(err, r, "cannot listen on %s: %m", address);
	(void)steal_fd(&fd);
	server->listeners[server->n_listeners - 1].ours = true;
	return 0;
}

int server_address(const struct server *server, size_t i, char ret_text[static SERVER_ADDRESS_MAX])
{
	struct sockaddr_storage storage = {0};
	socklen_t length = sizeof storage;

	if (i >= server->n_listeners)
		return -ENOENT;
	if (getsockname(server->listeners[i].fd, (struct sockaddr *)&storage, &length) < 0)
		return -errno;
	network_format_listen(&storage, ret_text);
	return 0;
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
