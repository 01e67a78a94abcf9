/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-http: stands in for http.c by linking. A test scripts the answers as a table; every request
 * is written down. Time is the event loop's own.
 */
#pragma once

#include "http.h"

#define FAKE_SILENT 1000000u /* delay_ms: until the request's own time limit */

struct fake_answer {
	/* what it answers: the first row that fits and is not used up */
	const char *method; /* NULL: any */
	const char *url;    /* the URL holds this text; NULL: any */
	const char *header; /* a header of the request holds this text; NULL: any */
	unsigned times;     /* how often; 0: always */
	/* the answer: a status, or an error with its reason */
	int status, error;
	const char *reason;
	const char *headers[2]; /* "Name: value" */
	const char *body;
	size_t length; /* 0: that of the text */
	unsigned delay_ms;
};

struct fake_request {
	char method[8], url[800], header[800]; /* the first header */
	char body[1600];                       /* as much of it as fits; NUL-terminated */
	size_t body_length;                    /* of all of it */
	char signer[200];                      /* "ACCESS-KEY TOKEN REGION SERVICE", or "" */
	uint64_t usec;                         /* CLOCK_MONOTONIC */
	uint64_t timeout_usec;
};

#define FAKE_REQUESTS_MAX 1024
extern struct fake_request fake_requests[FAKE_REQUESTS_MAX];
extern size_t fake_n_requests;

/* Starts anew with these rows, which stay the caller's; what no row fits is refused
 * (-ECONNREFUSED). */
void fake_http_script(const struct fake_answer *answers, size_t n);
#define FAKE_SCRIPT(...)                                                                           \
	fake_http_script((const struct fake_answer[]){__VA_ARGS__},                                \
		sizeof((const struct fake_answer[]){__VA_ARGS__}) / sizeof(struct fake_answer))

/* Requests so far of this method whose URL holds this text. */
size_t fake_http_count(const char *method, const char *url);

/* Calls under way. */
size_t fake_http_pending(void);

/* CLOCK_MONOTONIC in usec. */
uint64_t fake_now(void);
