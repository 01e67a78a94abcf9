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
#define NOTICES_TROUBLE      2           /* failures of a source in a row, until it is said */
#define NOTICES_BLOCKED_USEC 60000000ull /* between two questions to who never answered us */

struct notices;

/* Called from the loop when a notice came, went or is another, and when one is known at last. */
typedef void (*notices_changed)(void *userdata);

/* Called once when a source fails and fails, with the reason, and with NULL when none does. */
typedef void (*notices_trouble)(const char *words, void *userdata);

struct notices_count {
	uint64_t asked, failed; /* failed: no answer, or one that makes no sense */
};

/*
 * Begins to ask. `config`, `imds` and `standing` stay the caller's and must outlive it. `standing`
 * is what stands, by kind: as it is at the beginning until a source has answered. Sources that only
 * a Spot Instance has are left alone unless `spot`.
 */
int notices_new(sd_event *event, struct imds *imds, bool spot,
	const struct config_lifecycle *config, struct notice standing[static NOTICE_KINDS],
	notices_changed changed, notices_trouble trouble, void *userdata,
	struct notices **ret_notices);

/* Before imds_free(). */
struct notices *notices_free(struct notices *notices);

/* Whether this source, or each that is watched, has answered at least once. */
bool notices_known(const struct notices *notices, enum notice_kind kind);
bool notices_all_known(const struct notices *notices);

struct notices_count notices_counted(const struct notices *notices, enum notice_kind kind);

/*
 * How long after a question the next is asked. Pure. `blocked`: there is trouble, and the service
 * has never answered us, as behind a firewall's rule: it is not hammered at.
 */
uint64_t notices_interval(enum notice_kind kind, bool absent, bool blocked);

CLEANUP_FOR(notices, notices_free);
