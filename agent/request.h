/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: reads the head of an HTTP/1 request (RFC 9112; semantics RFC 9110), strictly: what two
 * readers could take for two different things is refused. Pure: no I/O, no state, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The whole head with its empty line. RFC 9112 section 3 asks for request lines of 8000 bytes. */
#define REQUEST_HEAD_MAX 8192

/* Of an Accept field, that are looked at: a browser sends fewer than ten. */
#define REQUEST_RANGES_MAX 64

struct span {
	const char *data; /* not ended by a NUL */
	size_t length;
};

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_OTHER, /* a method of RFC 9110 or 5789 that is answered 405 here */
};

enum media { MEDIA_JSON, MEDIA_TEXT, MEDIA_HTML, MEDIA_OPENMETRICS, MEDIA_TYPES };

/* The spans point into the bytes that were parsed. */
struct request {
	enum method method;
	struct span path; /* of the target, without query; percent-encoding is left as it is */
	int minor;        /* HTTP/1.minor: 0 or 1 */
	bool keep_alive;  /* the client wants another request on this connection, and may have it */
	bool body;        /* a body follows, which nobody reads: only with METHOD_OTHER */
	struct span host; /* the Host field, port and all; empty when there is none */
	struct span accept; /* the first Accept field; empty when there is none */
};

/*
 * Reads one head from the start of `data`, of which an earlier call (with the same start) has
 * already seen the first `seen` bytes and returned 0: they are not scanned again, so that a client
 * that drips byte after byte costs no more than one that does not. `seen` is 0 at first.
 *
 * Returns the bytes that the head takes; 0 when it is not whole yet and nothing is wrong so far
 * (never for REQUEST_HEAD_MAX bytes or more); or a negative HTTP status to answer before closing:
 *   -400 malformed or ambiguous, -413 a body on GET or HEAD, -414 the request line alone is too
 *   long, -431 the head is, -501 unknown method or a transfer coding, -505 not HTTP/1.0 or 1.1.
 */
ssize_t request_parse(const char *data, size_t length, size_t seen, struct request *ret_request);

/* Whether the path of the request is this one, byte for byte. */
bool request_path_is(const struct request *request, const char *path);

/*
 * Which of these representations (1u << MEDIA_JSON and so on) an Accept value prefers (RFC 9110
 * section 12.5.1): the highest quality, then the more specific range, then the order of the enum.
 * The first of them when there is no Accept or none is acceptable. Parameters other than q are not
 * looked at, and no range behind the first REQUEST_RANGES_MAX.
 */
enum media request_media(struct span accept, unsigned media);
