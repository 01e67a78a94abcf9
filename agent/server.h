/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server: the HTTP responder. Listens, reads requests (request.h), has the handler choose a
 * response that is already rendered (response.h), and sends it; all on the caller's sd-event loop,
 * without ever blocking it. GET and HEAD only; what is malformed, too late, too large or another
 * method is answered here, and the handler never sees it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "err.h"
#include "listener.h"
#include "request.h"
#include "response.h"

#define SERVER_LISTENERS_MAX LISTENERS_MAX

struct sd_event;
struct server;

struct server_limits {
	size_t max_connections; /* at which a newcomer displaces the oldest unfinished one */
	size_t max_unsent;      /* bytes of answers, over all connections, that wait for readers */
	uint64_t
		head_timeout_usec; /* for a whole head; for a reader to take an answer; to linger */
	uint64_t idle_timeout_usec; /* between requests; above the load balancer's own */
};

/* README "Operate". */
#define SERVER_LIMITS_DEFAULT                                                                      \
	((struct server_limits){                                                                   \
		.max_connections = 1024,                                                           \
		.max_unsent = 8u << 20,                                                            \
		.head_timeout_usec = 5000000,                                                      \
		.idle_timeout_usec = 75000000,                                                     \
	})

/*
 * Answers a GET or HEAD. The response must stay valid and unchanged until the handler is called
 * again or the loop runs another source; NULL is a 404. The peer is AF_INET, AF_INET6 (with IPv4
 * clients mapped) or AF_UNIX (only the family is set). A handler calls no server_ function.
 */
typedef const struct response *(*server_handler)(
	const struct request *request, const struct sockaddr *peer, void *userdata);

/*
 * A server without listeners on this loop (a reference is held until server_free()). The limits
 * are copied. Returns 0 or a negative errno.
 */
int server_new(struct sd_event *event, const struct server_limits *limits, server_handler handler,
	void *userdata, struct server **ret_server);

/* Takes NULL. Closes everything at once; must not be called from the handler. */
void server_free(struct server *server);
CLEANUP_FOR(server, server_free);

/*
 * As listeners_open(); -ENOSPC for more than SERVER_LISTENERS_MAX.
 */
int server_listen(
	struct server *server, struct listeners *kept, const char *address, struct err *err);

/* Gives the listeners away, when it is about to be freed. */
void server_keep_listeners(struct server *server, struct listeners *kept);

/* Takes over a listening stream socket (socket activation, sd_listen_fds(3)), when it succeeds. */
int server_adopt(struct server *server, int fd);

/*
 * The address of the i-th listener, as server_listen() reads it, with the real port. Returns 0, or
 * -ENOENT past the last one.
 */
int server_address(
	const struct server *server, size_t i, char ret_text[static LISTENER_ADDRESS_MAX]);

/* How many are open, those included that only linger. */
size_t server_connections(const struct server *server);

/*
 * Takes no more connections and closes the idle ones; each other one is closed after the request
 * it is in. The deadlines see to it that server_connections() then comes to 0, at the latest after
 * three head timeouts.
 */
void server_drain(struct server *server);
