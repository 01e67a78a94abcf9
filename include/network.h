/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network: addresses as configuration writes them: ranges ("10.0.0.0/8", "::1") and places to
 * listen ("0.0.0.0:8080", "[::]:8080", "unix:/run/x"). Text only: no names are resolved. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "err.h"

#define NETWORK_TEXT_MAX 128 /* the longest form of an address: "unix:" and a sun_path */

struct network {
	int family;              /* AF_INET or AF_INET6 */
	unsigned char bytes[16]; /* network order; the first 4 for AF_INET; zero past the prefix */
	unsigned prefix;         /* bits: 0 to 32 or 128 */
};

/*
 * Reads "ADDRESS/PREFIX" (CIDR, RFC 4632 section 3.1 and RFC 4291 section 2.3), or "ADDRESS" for
 * that one host. A range inside ::ffff:0:0/96 becomes the IPv4 range it means. Returns -EINVAL for
 * anything else, which includes bits set after the prefix ("10.1.2.3/8"): most likely a slip.
 */
int network_parse(const char *text, struct network *ret_network, struct err *err);

/*
 * Whether the range holds this peer. An IPv4-mapped IPv6 peer (what an IPv4 client looks like on
 * [::]) is the IPv4 address it stands for, and in no IPv6 range; other families are in none.
 */
bool network_contains(const struct network *network, const struct sockaddr *peer);

/*
 * Reads "ADDRESS:PORT", "[ADDRESS]:PORT" or "unix:/PATH". Port 0 lets the kernel choose. Returns
 * -EINVAL, or -ENAMETOOLONG for a path that does not fit into a sun_path.
 */
int network_parse_listen(const char *text, struct sockaddr_storage *ret_address,
	socklen_t *ret_length, struct err *err);

/* Writes an address as network_parse_listen() reads it; a family it does not know is "?". */
void network_format_listen(
	const struct sockaddr_storage *address, char ret_text[static NETWORK_TEXT_MAX]);
