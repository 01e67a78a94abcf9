/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notices: watches what the metadata service says about the end of this instance (notice.h), by
 * the table there: each source at its own interval, rarer while it is absent. A question ends
 * before the next is due, and one without a good answer changes nothing. Nor does a 404 of a
 * service that has nothing at all: where there was something, it is asked who it is. That makes 13
 * questions in a minute for an instance of an Auto Scaling group, 2 for one of none, and 24 more
 * for a Spot Instance, each about ten packets; the service takes 1,024 packets a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "imds.h"
#include "notice.h"

#define NOTICES_START_USEC   1000000ull  /* the first questions come at random within this time */
#define NOTICES_TIMEOUT_USEC 10000000ull /* for an answer; less where the interval is short */
#define NOTICES_FAILURES     2           /* of one source in a row are trouble */

struct notices;

/*
 * Called from the loop when a notice came, went or is another, when one is known at last, and when
 * the service begins or ceases to fail.
 */
typedef void (*notices_changed)(void *userdata);

struct notices_count {
	uint64_t asked, failed; /* failed: no answer, or one that makes no sense */
};

/*
 * Begins to ask. `config` and `imds` stay the caller's and must outlive it. Sources that only a
 * Spot Instance has are left alone unless `spot`.
 */
int notices_new(sd_event *event, struct imds *imds, bool spot,
	const struct config_lifecycle *config, notices_changed changed, void *userdata,
	struct notices **ret_notices);

/* Before imds_free(). */
struct notices *notices_free(struct notices *notices);

/* What stands, by kind; NOTICE_NOTHING where nothing is known yet. */
const struct notice *notices_standing(const struct notices *notices);

/* Whether this source, or each that is watched, has answered at least once. */
bool notices_known(const struct notices *notices, enum notice_kind kind);
bool notices_all_known(const struct notices *notices);

/* What keeps the service from answering, if it has failed so often; false: nothing. */
bool notices_trouble(const struct notices *notices, struct err *ret_words);

struct notices_count notices_counted(const struct notices *notices, enum notice_kind kind);

CLEANUP_FOR(notices, notices_free);
