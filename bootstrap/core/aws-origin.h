/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws-origin: where this instance is and who it is to AWS: region, domain, credentials of its role.
 * Each comes from the metadata service, the first two once; however many wait, it is asked once.
 */
#pragma once

#include "credentials.h"
#include "imds.h"

#define AWS_PLACE_MAX 128

enum aws_asked {
	AWS_ASKED_NOTHING,
	AWS_ASKED_REGION,
	AWS_ASKED_DOMAIN,
	AWS_ASKED_CREDENTIALS,
};

struct aws_origin {
	struct imds *imds; /* the caller's */
	bool wants_domain; /* else it stays "" */
	char region[AWS_PLACE_MAX], domain[AWS_PLACE_MAX];
	struct credentials *credentials; /* NULL: none yet */
	unsigned number;                 /* counts credentials that were others than before */
	/* Called from the loop when something came, or did not (then with words). */
	void (*changed)(int result, const struct err *err, void *userdata);
	void *userdata;
	/* its own */
	enum aws_asked asked; /* what is under way */
	struct credentials_call *call;
	uint64_t again; /* usec of CLOCK_BOOTTIME: stale credentials are not asked for before it */
	bool rejected;
};

/*
 * True: all is there, good for `now`. Else it is being asked for, each for `timeout_usec` at most,
 * and `changed` will be called; -ENOENT to it: the instance has no role; else the errors of imds.h.
 * When there are only stale credentials to be had, these are used, and asked for again later.
 */
bool aws_origin_ready(struct aws_origin *origin, time_t now, uint64_t timeout_usec);

/* The service does not take credentials number `number` any more. */
void aws_origin_renew(struct aws_origin *origin, unsigned number);

/* Ends what is under way, without calling, and forgets the credentials. */
void aws_origin_clear(struct aws_origin *origin);
