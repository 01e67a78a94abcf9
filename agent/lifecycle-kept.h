/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle-kept: the little that was done and cannot be asked for again: lifecycle.json, over a
 * restart of the agent in its directory in memory (`run`), and over one of the instance in that on
 * disk (`lasting`; NULL: nowhere).
 *
 *	{ "instanceId": "i-…", "deregistered": ["arn:…"], "signalled": true, "replaced": 61000000 }
 */
#pragma once

#include "lifecycle-next.h"

#define LIFECYCLE_KEPT "lifecycle.json"

/*
 * Sets those facts. No file, none of ours, or another instance's, as in what was made from an
 * image: nothing was done. When it was replaced is a time of the boot, and not later than
 * facts->now.
 */
void lifecycle_kept_read(const char *run, const char *lasting, const char *instance_id,
	struct lifecycle_facts *facts);

/*
 * To `run`, and from there, by a thread, to the disk, which may take its time; that it failed there
 * is logged.
 */
int lifecycle_kept_write(const char *run, const char *lasting, const char *instance_id,
	const struct lifecycle_facts *facts);
