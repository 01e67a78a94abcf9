/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINGER_MAX   (256u << 10) /* bytes that are dropped after the last answer */
#define REQUESTS_MAX 16           /* of one connection that are answered in a row */
#define CROWD_MIN    64           /* connections, whose memory is given back when they go */
#define EXPIRE_MAX   64           /* connections that are timed out in a row */

enum state {
	STATE_HEAD,   /* waits for (the rest of) a head; busy */
	STATE_IDLE,   /* between requests, and holds no buffer; idle */
	STATE_ANSWER, /* waits to send (the rest of) an answer, and reads nothing; busy */
	STATE_LINGER, /* has answered for the last time, and drops what still comes; busy */
};

struct connection {
	struct connection *previous, *next;
	struct queue *queue;
	uint64_t deadline_usec;
	int fd;
	enum state state;
	uint32_t watched; /* events asked of epoll; 0 before the first time */
	bool last;        /* the answer being sent is the last one */
	bool linger;      /* more may come from the peer that we will not read */
	bool more;        /* the input may have whole requests, for the next turn */
	char *input;      /* REQUEST_HEAD_MAX, only while a head is incomplete or must wait */
	size_t n_input;
	char *unsent; /* the rest of an answer, of which n_sent bytes have gone since */
	size_t n_unsent, n_sent;
	size_t n_dropped;
	union peer peer;
};

static void unqueue(struct connection *c)
{
	c->queue->length--;
	*(c->previous ? &c->previous->next : &c->queue->first) = c->next;
	*(c->next ? &c->next->previous : &c->queue->last) = c->previous;
}

static void enqueue(struct connections *all, struct connection *c, struct queue *queue)
{
	c->queue = queue;
	queue->length++;
	c->deadline_usec = all->now_usec + queue->timeout_usec;
	c->previous = queue->last;
	c->next = NULL;
	*(queue->last ? &queue->last->next : &queue->first) = c;
	queue->last = c;
}

static void drop_unsent(struct connections *all, struct connection *c)
{
	all->unsent -= c->n_unsent;
	free(c->unsent);
	c->unsent = NULL;
	c->n_unsent = c->n_sent = 0;
}

static void connection_close(struct connections *all, struct connection *c)
{
	unqueue(c);
	drop_unsent(all, c);
	all->count--;
	(void)close(c->fd);
	free(c->input);
	free(c);
	if (all->most >= CROWD_MIN && all->count <= all->most / 8) {
		/* A crowd leaves holes between what stays, which free() keeps for another one. */
		(void)malloc_trim(0);
		all->most = all->count;
	}
}

static int watch(struct connections *all, struct connection *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};
	int op = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (c->watched != events && epoll_ctl(all->epoll_fd, op, c->fd, &event) < 0)
		return -errno;
	c->watched = events;
	return 0;
}

/*
 * Waits for the peer. Deadlines are absolute: one that goes on waiting in the same state gets no
 * more time, except that idleness begins again after each request.
 */
static void wait_in(struct connections *all, struct connection *c, enum state state)
{
	if (c->state != state || state == STATE_IDLE) {
		unqueue(c);
		enqueue(all, c, state == STATE_IDLE ? &all->idle : &all->busy);
		c->state = state;
	}
	if (watch(all, c, state == STATE_ANSWER ? EPOLLOUT : EPOLLIN) < 0)
		connection_close(all, c);
}

/* What a connection does next follows from what it holds. */
static void settle(struct connections *all, struct connection *c)
{
	if (c->n_unsent > 0 || c->more) {
		wait_in(all, c, STATE_ANSWER);
	} else if (c->last && c->linger && shutdown(c->fd, SHUT_WR) == 0) {
		/* Closing with unread input would reset the connection, and the answer with it. */
		wait_in(all, c, STATE_LINGER);
	} else if (c->last) {
		connection_close(all, c);
	} else {
		wait_in(all, c, c->n_input > 0 ? STATE_HEAD : STATE_IDLE);
	}
}

/* Keeps what could not be sent: the response may be rendered anew before it can. */
static int keep_unsent(struct connections *all, struct connection *c, const struct iovec *parts,
	size_t n, size_t sent)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++)
		length += parts[i].iov_len;
	if (sent == length)
		return 0;
	if (length - sent > all->unsent_max - all->unsent)
		return -ENOBUFS;
	c->unsent = malloc(length - sent);
	if (!c->unsent)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t gone = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		memcpy(c->unsent + c->n_unsent, (char *)parts[i].iov_base + gone,
			parts[i].iov_len - gone);
		c->n_unsent += parts[i].iov_len - gone;
		sent -= gone;
	}
	all->unsent += c->n_unsent;
	return 0;
}

/* Sends the response; on the last one, says so before the empty line of its head. */
static int transmit(struct connections *all, struct connection *c, const struct response *response,
	bool with_body)
{
	static char close_field[] = "Connection: close\r\n";
	size_t length = with_body ? response->length : response->head_length;
	size_t cut = c->last ? response->head_length - 2 : length;
	struct iovec parts[] = {
		{response->data, cut},
		{close_field, sizeof close_field - 1},
		{response->data + cut, length - cut},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = c->last ? 3 : 1};
	ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	return keep_unsent(all, c, parts, message.msg_iovlen, n < 0 ? 0 : (size_t)n);
}

static int transmit_error(struct connections *all, struct connection *c, int status, bool with_body)
{
	int r = response_render_error(&all->error, status);

	return r < 0 ? r : transmit(all, c, &all->error, with_body);
}

/* Answers what is no request of ours, or none at all, and no other one after it. */
static int refuse(struct connections *all, struct connection *c, int status)
{
	c->last = c->linger = true;
	return transmit_error(all, c, status, true);
}

static int answer(struct connections *all, struct connection *c, const struct request *request)
{
	bool with_body = request->method != METHOD_HEAD;
	const struct response *response;

	c->state = STATE_IDLE; /* this head is whole; the next one has a deadline of its own */
	c->last = !request->keep_alive || all->draining;
	c->linger = request->body;
	if (request->method == METHOD_OTHER)
		return transmit_error(all, c, 405, true);
	response = all->handler(request, &c->peer.any, all->userdata);
	return response ? transmit(all, c, response, with_body)
			: transmit_error(all, c, 404, with_body);
}

/* Moves the rest of the input into a buffer of the connection's own; no rest, no buffer. */
static int keep_input(struct connection *c, const char *rest, size_t length)
{
	if (length == 0) {
		free(c->input);
		c->input = NULL;
	} else {
		if (!c->input)
			c->input = malloc(REQUEST_HEAD_MAX);
		if (!c->input)
			return -ENOMEM;
		if (c->input != rest)
			memmove(c->input, rest, length);
	}
	c->n_input = length;
	return 0;
}

/*
 * Answers every whole request in order, as long as the answers can be sent; after a few the others
 * have their turn.
 */
static void serve(
	struct connections *all, struct connection *c, const char *data, size_t length, size_t seen)
{
	unsigned served = 0;
	int r = 0;

	c->more = false;
	while (r == 0 && length > 0 && !c->last && c->n_unsent == 0) {
		struct request request;
		ssize_t n;

		if (served++ == REQUESTS_MAX) {
			c->more = true;
			break;
		}
		n = request_parse(data, length, seen, &request);
		if (n == 0)
			break;
		seen = 0;
		if (n < 0) {
			r = refuse(all, c, (int)-n);
			break;
		}
		data += n;
		length -= (size_t)n;
		r = answer(all, c, &request);
	}
	if (c->last) {
		c->linger |= length > 0;
		length = 0;
	}
	if (r == 0)
		r = keep_input(c, data, length);
	if (r < 0)
		connection_close(all, c);
	else
		settle(all, c);
}

static void receive(struct connections *all, struct connection *c)
{
	char *buffer = c->input ? c->input : all->scratch;
	ssize_t n = recv(c->fd, buffer + c->n_input, REQUEST_HEAD_MAX - c->n_input, 0);

	if (n > 0)
		serve(all, c, buffer, c->n_input + (size_t)n, c->n_input);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR) || watch(all, c, EPOLLIN) < 0)
		connection_close(all, c);
}

static void flush(struct connections *all, struct connection *c)
{
	while (c->n_sent < c->n_unsent) {
		ssize_t n =
			send(c->fd, c->unsent + c->n_sent, c->n_unsent - c->n_sent, MSG_NOSIGNAL);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				connection_close(all, c);
			return;
		}
		c->n_sent += (size_t)n;
	}
	drop_unsent(all, c);
	serve(all, c, c->input, c->n_input, 0);
}

static void discard(struct connections *all, struct connection *c)
{
	ssize_t n = recv(c->fd, all->scratch, sizeof all->scratch, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->n_dropped += (size_t)n;
	if (n <= 0 || c->n_dropped > LINGER_MAX)
		connection_close(all, c);
}

void connection_ready(struct connections *all, struct connection *c)
{
	switch (c->state) {
	case STATE_HEAD:
	case STATE_IDLE: receive(all, c); break;
	case STATE_ANSWER: flush(all, c); break;
	case STATE_LINGER: discard(all, c); break;
	}
}

void connections_add(struct connections *all, int fd, const union peer *peer)
{
	struct connection *c;

	if (all->count >= all->count_max)
		connection_close(all, all->idle.length > all->count_max / 2 || !all->busy.first
					      ? all->idle.first
					      : all->busy.first);
	c = calloc(1, sizeof *c);
	if (!c) {
		(void)close(fd);
		return;
	}
	c->fd = fd;
	c->peer = *peer;
	if (++all->count > all->most)
		all->most = all->count;
	enqueue(all, c, &all->busy);
	receive(all, c);
}

/* Who said half of something is told; who said nothing (a browser's spare connection) is not. */
static void time_out(struct connections *all, struct connection *c)
{
	if (c->state == STATE_HEAD && c->n_input > 0 && refuse(all, c, 408) == 0) {
		(void)keep_input(c, NULL, 0);
		settle(all, c);
	} else {
		connection_close(all, c);
	}
}

uint64_t connections_due(const struct connections *all)
{
	const struct connection *busy = all->busy.first, *idle = all->idle.first;

	if (busy && (!idle || busy->deadline_usec < idle->deadline_usec))
		return busy->deadline_usec;
	return idle ? idle->deadline_usec : UINT64_MAX;
}

void connections_expire(struct connections *all)
{
	for (int i = 0; i < EXPIRE_MAX; i++)
		if (all->busy.first && all->busy.first->deadline_usec <= all->now_usec)
			time_out(all, all->busy.first);
		else if (all->idle.first && all->idle.first->deadline_usec <= all->now_usec)
			connection_close(all, all->idle.first);
}

void connections_close_idle(struct connections *all)
{
	while (all->idle.first)
		connection_close(all, all->idle.first);
}

void connections_close_all(struct connections *all)
{
	connections_close_idle(all);
	while (all->busy.first)
		connection_close(all, all->busy.first);
}
