/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imds: the client of the instance metadata service, version 2 only (EC2 User Guide, "Use the
 * Instance Metadata Service"). One token for all requests, renewed before it expires and once more
 * on a 401; back-off with jitter on 429, 5xx, silence and nonsense; both link-local addresses in
 * turn. It never gives up on the service by itself: each request has the time limit its caller
 * gives. Only a whole answer is one: its length is known, and no NUL is in it unless it is
 * user-data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "err.h"
#include "http.h"

#define IMDS_URL_DEFAULT "http://169.254.169.254"
#define IMDS_URL_IPV6    "http://[fd00:ec2::254]"
#define IMDS_BODY_MAX    ((size_t)64 << 10) /* user-data has 16 KiB at most, all else less */

struct imds;

struct imds_answer {
	int result; /* 0; -ENOENT: 404; -EACCES: 403; -ETIMEDOUT; -EPROTO: to the end nothing came
		       but what is not the service's way */
	char *body; /* NUL-terminated; may be stolen */
	size_t length;
	struct err err; /* when result < 0 */
};

typedef void (*imds_done)(struct imds_answer *answer, void *userdata);

/*
 * `url` without a path: "http://127.0.0.1:1338"; "unix:/run/imds.sock": the service behind a Unix
 * socket; NULL: the service's own two addresses.
 */
int imds_new(sd_event *event, struct http *http, const char *url, struct imds **ret_imds);

/* Ends what is under way without calling back. Not from inside a `done`. */
struct imds *imds_free(struct imds *imds);

/*
 * Asks for `path` below /latest/, like "meta-data/instance-id". `done` is called once from the
 * loop, at the latest after `timeout_usec`; not after imds_free().
 */
int imds_get(
	struct imds *imds, const char *path, uint64_t timeout_usec, imds_done done, void *userdata);

/* The same, but the first question is asked `wait_usec` from now; the timeout counts from now too.
 */
int imds_get_later(struct imds *imds, const char *path, uint64_t wait_usec, uint64_t timeout_usec,
	imds_done done, void *userdata);

/* Ends all calls that have this userdata, without calling back. */
void imds_cancel(struct imds *imds, const void *userdata);

/* The same as imds_get(), running the loop until there is an answer. */
int imds_wait(struct imds *imds, const char *path, uint64_t timeout_usec, char **ret_body,
	size_t *ret_length, struct err *err);

/*
 * What keeps the service from answering, with what was tried and for how long, or what somebody
 * doubts; false: nothing.
 */
bool imds_trouble(const struct imds *imds, struct err *ret_words);

/*
 * For who finds no sense in an answer, and asks again: imds_trouble() says it meanwhile, whatever
 * other answers come. NULL ends it.
 */
void imds_doubt(struct imds *imds, const struct err *words);

/* When the service first answered: usec of CLOCK_BOOTTIME; 0: not yet. */
uint64_t imds_answered(const struct imds *imds);

/* -- decisions -- */

enum imds_verdict {
	IMDS_USE,
	IMDS_RENEW_TOKEN, /* 401: get a new token, ask once more */
	IMDS_ABSENT,
	IMDS_FORBIDDEN, /* 403: switched off, or not for this machine; asking again does not help */
	IMDS_RETRY,
	IMDS_REFUSE, /* an answer that no version of the service gives: redirect, 400, too long,
			without a length. Somebody else's, who may go away: asked again, too */
};

/* `status` is HTTP's, 0 with `error` set when there was no answer. */
enum imds_verdict imds_judge(int status, int error, bool token_is_fresh);

/*
 * How long to wait before try number `attempt` (1 is the first retry): doubling from 100 ms to
 * 20 s, the second half of it at random (`random`: any 32 bits), or what Retry-After says (seconds
 * as text, or NULL) if that is longer, a minute at most. While nobody has `answered` yet (the
 * network is not up) there is nobody to spare, and each wait is lost at boot: 200 ms at most.
 */
uint64_t imds_backoff(unsigned attempt, bool answered, const char *retry_after, uint32_t random);

CLEANUP_FOR(imds, imds_free);
