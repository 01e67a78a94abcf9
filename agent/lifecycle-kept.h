/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle-kept: the little that was done and cannot be asked for again, over a restart of the
 * agent, or of the instance: lifecycle.json in a directory of its own.
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
void lifecycle_kept_read(
	const char *directory, const char *instance_id, struct lifecycle_facts *facts);

int lifecycle_kept_write(
	const char *directory, const char *instance_id, const struct lifecycle_facts *facts);
