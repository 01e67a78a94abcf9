/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle-kept: the little that was done and cannot be asked for again, over a restart of the
 * agent: RUN/lifecycle.json, its own.
 *
 *	{ "deregistered": ["arn:…"], "signalled": true, "replaced": 61000000 }
 */
#pragma once

#include "lifecycle-next.h"

#define LIFECYCLE_KEPT "lifecycle.json"

/* Sets those facts. No file, or none of ours: nothing was done. */
void lifecycle_kept_read(const char *run, struct lifecycle_facts *facts);

int lifecycle_kept_write(const char *run, const struct lifecycle_facts *facts);
