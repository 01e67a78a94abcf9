/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice: what the metadata service says about the end of this instance, or of its time in
 * rotation. One table holds where each is to be read, how often, and what a text there means. The
 * agent watches them; root asks once more before it acts (`instancectl drain --requested`). Pure.
 *
 * Sources: EC2 User Guide, "Spot Instance interruption notices", "EC2 instance rebalance
 * recommendations", "View scheduled events"; EC2 Auto Scaling User Guide, "Retrieve the target
 * lifecycle state through instance metadata".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "config.h"
#include "err.h"

#define NOTICE_KEY_MAX    128
#define NOTICE_REASON_MAX 256

enum notice_kind {
	NOTICE_LIFECYCLE, /* the Auto Scaling group's target state for this instance */
	NOTICE_SPOT,
	NOTICE_REBALANCE,
	NOTICE_MAINTENANCE,
	NOTICE_KINDS,
};

struct notice_source {
	const char *name;       /* "lifecycle", "spot", "rebalance", "maintenance" */
	const char *path;       /* for imds_get() */
	uint64_t interval_usec; /* between two questions */
	uint64_t absent_usec;   /* the same after a 404 */
	bool spot;              /* there is none unless the instance's life cycle is "spot" */
};
extern const struct notice_source notice_sources[NOTICE_KINDS];

enum notice_verdict {
	NOTICE_NOTHING,
	NOTICE_ASIDE, /* out of rotation while it lasts (a warm pool, standby); nothing is stopped
		       */
	NOTICE_DRAIN, /* out of rotation, apps stopped, lifecycle action completed */
};

struct notice {
	enum notice_verdict verdict;
	/* when there is something: */
	char key[NOTICE_KEY_MAX];       /* the same notice has the same key: it is acted on once */
	char reason[NOTICE_REASON_MAX]; /* for people: "the target lifecycle state is Terminated" */
	time_t at;                      /* when it will happen; 0: not said */
	/* NOTICE_LIFECYCLE: the state, as "InService", "Warmed:Running" */
	char state[48];
};

struct notice_moment {
	time_t now, booted;
};
struct notice_moment notice_moment_now(void);

/*
 * What `text`, as read from notice_sources[kind].path, means at a moment; NULL: a 404. -EBADMSG: it
 * is nothing of the kind. Rebalance and maintenance count only as far as `config` wants them to,
 * and maintenance only from so long before its beginning as draining may take; one that was to
 * begin before this machine booted may be why it did.
 */
int notice_parse(enum notice_kind kind, const char *text, struct notice_moment when,
	const struct config_lifecycle *config, struct notice *ret_notice, struct err *err);
