/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: a listening stream socket, of TCP or the file system, and what comes in through it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "config.h"
#include "err.h"

#define LISTENER_ADDRESS_MAX 128

#define LISTENERS_MAX CONFIG_LISTEN_MAX

struct listener {
	int fd;
	bool ours;                          /* not inherited: its socket file is ours to remove */
	char address[LISTENER_ADDRESS_MAX]; /* as it was opened; empty when inherited */
};

/* Those that go on listening while what answers them begins anew: nobody is refused meanwhile. */
struct listeners {
	struct listener items[LISTENERS_MAX];
	size_t n;
};

/*
 * Listens on an address that network_parse_listen() reads. An IPv6 wildcard takes IPv4 too, what-
 * ever net.ipv6.bindv6only says. A socket file that nobody listens on any more is replaced; ours
 * is removed when the listener closes. Its permissions are the umask's. A negative errno.
 */
int listener_open(const char *address, struct listener *ret_listener, struct err *err);

/* Takes over a listening stream socket when it succeeds. -EINVAL: it is none. */
int listener_adopt(int fd, struct listener *ret_listener);

void listener_close(struct listener *listener);

/* Moves it there, or closes it when it is inherited, or there is no room. */
void listeners_keep(struct listeners *kept, struct listener *listener);

/* As listener_open(), unless one of that very address is kept: then it is that one. */
int listeners_open(struct listeners *kept, const char *address, struct listener *ret_listener,
	struct err *err);

/* Closes the i-th; the others move up. */
void listeners_close(struct listeners *kept, size_t i);

/* The address, as listener_open() reads it, with the real port. */
int listener_address(const struct listener *listener, char ret_text[static LISTENER_ADDRESS_MAX]);

/*
 * The next connection that waits, non-blocking; `peer` may be NULL. -EAGAIN: there is none;
 * -ECONNABORTED: that one failed by itself, there may be others; -ENFILE: no descriptors or memory,
 * accept no more for a while (the socket stays readable).
 */
int listener_accept(const struct listener *listener, struct sockaddr *peer, socklen_t *length);
