/* SPDX-License-Identifier: Apache-2.0 */
/*
 * response: an HTTP/1.1 response in the bytes that go out, rendered when something changes and not
 * when somebody asks.
 */
#pragma once

#include <stddef.h>
#include <time.h>

/* Zero-initialized it is empty and may be released. */
struct response {
	char *data;         /* head, empty line, body */
	size_t head_length; /* with the empty line */
	size_t length;      /* of all */
	size_t capacity;    /* allocated */
	size_t date;        /* where the value of Date begins */
	time_t rendered;    /* what Date says */
};

/*
 * Fields for `extra`: no page of another site may frame, embed or run this, or learn by it where it
 * was linked from. For all but the index page, which is somebody's own.
 */
#define RESPONSE_POLICY(content)                                                                   \
	"Content-Security-Policy: " content "; frame-ancestors 'none'\r\n"                         \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"X-Frame-Options: DENY\r\n"
#define RESPONSE_CLOSED RESPONSE_POLICY("default-src 'none'")

/*
 * Renders anew into the same object. `extra` is NULL or more fields, each as "Name: value\r\n".
 * The body may not lie in the response itself. Returns 0, or -ENOMEM with the response unchanged.
 *
 * Every response carries Date, Server, Content-Type, Content-Length, Cache-Control: no-store and
 * X-Content-Type-Options: nosniff. Connection is the server's affair.
 */
int response_render(struct response *response, int status, const char *content_type,
	const char *extra, const void *body, size_t length);

/* As response_render(): a closed line of plain text that names the status; 405 with Allow. */
int response_render_error(struct response *response, int status);

/*
 * Brings Date up to this second (RFC 9110 section 6.6.1) and returns the same response. Cheap: a
 * handler does it for every request.
 */
const struct response *response_touch(struct response *response);

/* Frees the bytes and leaves an empty response. */
void response_release(struct response *response);
