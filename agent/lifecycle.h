/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle: this instance's part in what happens to it. Watches the notices, keeps the verdict on
 * rotation, asks root for a drain, and says what lifecycle-next.h decides, one call at a time.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "aws.h"
#include "config.h"
#include "drain.h"
#include "notices.h"
#include "state.h"
#include "status.h"

#define LIFECYCLE_REQUEST_AGAIN 30000000ull /* usec until root is asked again for a drain */
#define LIFECYCLE_CALL_TIMEOUT  10000000ull /* usec for one action, with its retries */

struct lifecycle;

/* All are called from the loop; any may be NULL but `changed`. */
struct lifecycle_events {
	void (*changed)(void *userdata); /* lifecycle_rotation() has another answer */
	/* Of Auto Scaling, whenever it is learnt; NULL: it is in none, or it cannot be learnt now.
	 */
	void (*group)(const char *name, void *userdata);
	/* For the log: `level` as syslog(3) has it. */
	void (*said)(int level, const char *words, void *userdata);
};

/*
 * `run` is the agent's own directory, `lasting` the one that outlives a boot (NULL: none); they may
 * be missing. `standing` holds the notices of who was here before, which count until they are
 * heard anew; those of this one are in it at the end. All pointers stay the caller's and must
 * outlive it; `imds` and `aws` are asked only once it is known which instance this is.
 */
int lifecycle_new(sd_event *event, struct imds *imds, struct aws *aws, const struct config *config,
	const char *run, const char *lasting, struct notice standing[static NOTICE_KINDS],
	const struct lifecycle_events *events, void *userdata, struct lifecycle **ret_lifecycle);

/* Before aws_free() and imds_free(). */
struct lifecycle *lifecycle_free(struct lifecycle *lifecycle);

/* What root has written, again whenever it changed. Copied. `state` may be NULL. */
void lifecycle_follow(
	struct lifecycle *lifecycle, const struct state *state, const struct drain *drain);

/* How the instance is, apart from rotation. Cheap when it is as before. */
void lifecycle_judge(struct lifecycle *lifecycle, enum status verdict);

/* Whether it is out of rotation, and then the check "rotation", which says why. */
bool lifecycle_rotation(const struct lifecycle *lifecycle, struct check *ret_check);

/* For metrics. */
struct notices_count lifecycle_notices_counted(
	const struct lifecycle *lifecycle, enum notice_kind kind);

CLEANUP_FOR(lifecycle, lifecycle_free);
