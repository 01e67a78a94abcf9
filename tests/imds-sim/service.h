/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the instance metadata service answers, apart from HTTP itself: from a request to a status,
 * headers and a body. Only version 2: there is no answer without a session.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "token.h"

enum {
	SERVICE_PATH_MAX = 4096, /* bytes of a path; a longer one is not there */
	SERVICE_EPOCH_MAX = 128, /* bytes of .token-epoch that count */
};

struct service {
	int root; /* the directory served, open; the caller's */
	char epoch[SERVICE_EPOCH_MAX];
	struct tokens tokens;
};

struct request {
	const char *method;
	const char *path;  /* percent-decoded, as it came otherwise; begins with a slash */
	const char *token; /* X-aws-ec2-metadata-token, or NULL */
	const char *ttl;   /* X-aws-ec2-metadata-token-ttl-seconds, or NULL */
	bool forwarded;    /* has X-Forwarded-For */
};

struct answer {
	unsigned status;
	const char *type;  /* Content-Type */
	const char *allow; /* Allow, or NULL */
	char *body;        /* the caller frees it; NULL is an empty one */
	size_t size;
	time_t modified;      /* Last-Modified; 0: none */
	unsigned ttl;         /* seconds that the token is still good; 0: no such header */
	unsigned retry_after; /* seconds; 0: no such header */
	const char *session;  /* the request's token: none, valid or invalid; for the log */
};

/* Answers a request made at `now_ms` (monotonic). Always gives an answer, at worst a 500. */
void service_answer(
	struct service *s, const struct request *request, int64_t now_ms, struct answer *ret);
