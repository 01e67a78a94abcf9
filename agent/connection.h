/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection: the open connections of a server, and the life of each: head, answer, idle, head, …
 * until it lingers or closes. What a connection waits for is a place in the epoll set and in one
 * of two queues; each queue has one constant timeout, so that its first is always the next one due.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "server.h"

struct connection;

struct queue {
	struct connection *first, *last;
	size_t length;
	uint64_t timeout_usec;
};

union peer {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct connections {
	int epoll_fd;      /* data.ptr of a connection's events is the connection */
	uint64_t now_usec; /* CLOCK_MONOTONIC; the caller keeps it */
	struct queue busy; /* the peer owes us something: a head, or to take an answer */
	struct queue idle; /* between requests */
	size_t count, count_max;
	size_t most; /* of count, since memory was given back */
	size_t unsent, unsent_max;
	bool draining; /* every answer is the last one of its connection */
	server_handler handler;
	void *userdata;
	struct response error;          /* the latest one of our own */
	char scratch[REQUEST_HEAD_MAX]; /* read into by every connection that keeps nothing */
};

/*
 * Takes over a connected non-blocking socket and tries at once to serve it: it may be over before
 * this returns. At count_max the oldest busy one goes, or the longest idle one while more than half
 * are idle, so that neither crowd throws the other out: call this while no connection is being
 * served and no epoll event is pending in the caller's hands.
 */
void connections_add(struct connections *all, int fd, const union peer *peer);

/* Goes on with a connection that epoll says is ready. It alone may be gone afterwards. */
void connection_ready(struct connections *all, struct connection *connection);

/* Ends those whose time is over, some at a time: connections_due() tells of the others. */
void connections_expire(struct connections *all);

/* When the next one is due (as now_usec); UINT64_MAX when none is. */
uint64_t connections_due(const struct connections *all);

void connections_close_idle(struct connections *all);
void connections_close_all(struct connections *all);
