/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rotation: whether load balancers may send requests here, apart from how well the instance is:
 * what root does (drain.h) and what the metadata service says (notice.h), weighed.
 */
#pragma once

#include <stdbool.h>

#include "drain.h"
#include "notice.h"
#include "status.h"

struct rotation {
	bool out;     /* of rotation */
	bool leaving; /* for good: a drain, or a notice that asks for one; not what lasts a while */
	bool request; /* root is to be asked for a drain, until it has drained: one may be cut off
		       */
	char reason[CHECK_REASON_MAX];
};

/* A notice that somebody has taken back, by undraining, is not acted on again. Pure. */
void rotation_decide(const struct drain *drain, const struct notice notices[static NOTICE_KINDS],
	struct rotation *ret_rotation);

/* Leaves the request in the directory, anew if it is there. */
int rotation_ask(const char *run);
void rotation_withdraw(const char *run);
