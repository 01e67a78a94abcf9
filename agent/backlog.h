/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backlog: closed periods that are not delivered yet, the oldest first, no more than a bound. Pure
 * but for memory.
 */
#pragma once

#include "statistics.h"

/* Zero-initialized it is empty, and holds nothing. */
struct backlog {
	size_t n_sets; /* of a period */
	size_t max, n; /* periods */
	/* private */
	size_t first;
	uint64_t *starts;
	struct statistic_set *sets;
};

/* `statistics` says how many sets a period has. */
int backlog_init(struct backlog *backlog, const struct statistics *statistics, size_t max);
void backlog_release(struct backlog *backlog);

/* Adds the newest; there must be room. */
void backlog_push(struct backlog *backlog, const struct period *period);

/* The period that is `i` after the oldest: when it began, and its sets, borrowed. */
uint64_t backlog_start(const struct backlog *backlog, size_t i);
const struct statistic_set *backlog_sets(const struct backlog *backlog, size_t i);

/* How many sets that hold something there are in the oldest `n`. */
size_t backlog_count(const struct backlog *backlog, size_t n);

/* Leaves a period that is `i` after the oldest without a set. */
void backlog_clear(struct backlog *backlog, size_t i);

/* Forgets the oldest `n`. */
void backlog_drop(struct backlog *backlog, size_t n);
