/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: the one HTTP client of both programs: libcurl's multi interface on an sd-event loop.
 * HTTP/1.1 over http: and https:, whose certificates are verified. Unless a request says so, no
 * redirect is followed and neither proxy nor environment is asked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

#define HTTP_HEADERS_MAX 8

/*
 * Bytes of a request's body. From here on libcurl asks the server first (Expect: 100-continue) and
 * waits for its answer, or a second.
 */
#define HTTP_BODY_MAX ((size_t)1 << 20)

struct http;      /* the client: connections are kept and used again */
struct http_call; /* a request under way */

struct http_response;

/*
 * Takes a part of the body. Status and headers of the response are there, its body is not. A
 * negative errno ends the call with that error. While it blocks, the server has to wait.
 */
typedef int (*http_sink)(
	const struct http_response *response, const void *data, size_t length, void *userdata);

/* Signs with AWS Signature Version 4. For service "s3" the request must have no body. */
struct http_signer {
	const char *access_key, *secret;
	const char *token; /* of the session, or NULL */
	const char *region, *service;
};

struct http_request {
	const char *url;
	const char *socket;                    /* a Unix socket to speak over; NULL: the network */
	const char *method;                    /* NULL: GET; the answer to HEAD has no body */
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", ended by NULL */
	const void *body;      /* NULL: none; else it is posted; a Content-Type belongs to it */
	size_t body_length;    /* HTTP_BODY_MAX at most, or -E2BIG */
	uint64_t timeout_usec; /* for the whole exchange; 0 only with stall_usec */
	uint64_t stall_usec;   /* without a byte, in whole seconds; 0: no limit */
	size_t body_max;       /* a longer body fails with -EFBIG */
	/* What follows is off when it is 0. */
	http_sink sink; /* gets the body of a 2xx, of any length; others are cut to body_max */
	unsigned redirects_max; /* followed to https: only; and no URL may hold a user name
				   (-EACCES) */
	bool proxied;    /* through the environment's proxy, but for loopback and link-local */
	bool framed;     /* a 2xx that does not say where its body ends fails with -EPROTO: where
			    nothing does but the connection, half of it looks like all of it */
	bool path_as_is; /* "/../" is sent, not resolved; libcurl from 8.14 on signs no such */
	const struct http_signer *signer;
};

struct http_response {
	int status;         /* 0 when there was no answer: then error and reason are set */
	int error;          /* negative errno: -ETIMEDOUT, -ECONNREFUSED, -EFBIG, -EIO …; */
			    /* -EKEYREJECTED: the certificate; -ENOKEY: there are no CAs here */
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
 * Starts a request; what it points to is copied. `done` is called once from the loop, unless the
 * call is cancelled first. `ret_call` may be NULL; it is valid until `done` returns.
 */
int http_start(struct http *http, const struct http_request *request, http_done done,
	void *userdata, struct http_call **ret_call);

/* NULL is no call. Not from inside its own `done`. */
void http_cancel(struct http_call *call);

/* A header of the response, inside `done` and `sink` only; NULL when it is not there. */
const char *http_header(const struct http_response *response, const char *name);

CLEANUP_FOR(http, http_free);
