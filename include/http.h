/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: the one HTTP client of both programs: libcurl's multi interface on an sd-event loop.
 * No redirect is followed, no proxy and no environment is asked, only http: and https: are spoken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

#define HTTP_HEADERS_MAX 8

struct http;      /* the client: connections are kept and used again */
struct http_call; /* a request under way */

struct http_request {
	const char *url;
	const char *socket;                    /* a Unix socket to speak over; NULL: the network */
	const char *method;                    /* NULL: GET */
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", ended by NULL */
	uint64_t timeout_usec;                 /* for the whole exchange; must be set */
	size_t body_max;                       /* a longer body fails with -EFBIG */
};

struct http_response {
	int status;         /* 0 when there was no answer: then error and reason are set */
	int error;          /* negative errno: -ETIMEDOUT, -ECONNREFUSED, -EFBIG, -EIO … */
	const char *reason; /* libcurl's words */
	char *body;         /* NUL-terminated, not counted; the callback may steal it */
	size_t length;
	struct http_call *call;
};

typedef void (*http_done)(struct http_response *response, void *userdata);

int http_new(sd_event *event, struct http **ret_http);

/* Ends what is under way without calling back. Not from inside a `done`. */
struct http *http_free(struct http *http);

/*
 * Starts a request; the strings are copied. `done` is called once from the loop, unless the call
 * is cancelled first. `ret_call` may be NULL; it is valid until `done` returns.
 */
int http_start(struct http *http, const struct http_request *request, http_done done,
	void *userdata, struct http_call **ret_call);

/* NULL is no call. Not from inside its own `done`. */
void http_cancel(struct http_call *call);

/* A header of the response, inside `done` only; NULL when it is not there. */
const char *http_header(const struct http_response *response, const char *name);

CLEANUP_FOR(http, http_free);
