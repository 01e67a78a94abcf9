/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics: what single seconds showed, as CloudWatch's statistic sets of a period (API
 * Reference, "StatisticSet"). Periods begin at multiples of their length since 1970, so that those
 * of a whole group meet. Pure.
 *
 * A second belongs to the period in which its middle lies, by the wall clock. One that was missed
 * is not counted. When a second lies in another period than the open one (the next; after a
 * suspend; after the clock was set forwards or backwards) the open one is closed with what it has:
 * none is made up, none is opened again. Two sets of one period, as after a clock was set back, are
 * added up by CloudWatch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "load.h"

/* What is published, in percent. */
enum statistic {
	STATISTIC_DEMAND,
	STATISTIC_UTILIZATION,
	STATISTIC_STEAL,
	STATISTIC_MEMORY,
	STATISTIC_DISK, /* one each of the configured volumes, from here on */
};

#define STATISTICS_MAX (STATISTIC_DISK + CONFIG_VOLUMES_MAX)

/* Zero-initialized it is empty; then only `count` means something. */
struct statistic_set {
	unsigned count;
	double sum, minimum, maximum;
};

struct period {
	uint64_t start; /* seconds since 1970 */
	struct statistic_set sets[STATISTICS_MAX];
};

struct statistics {
	unsigned seconds; /* of a period */
	size_t n;         /* sets in use: STATISTIC_DISK and the volumes */
	bool open;
	struct period period;
};

void statistics_init(struct statistics *statistics, unsigned seconds, size_t n_volumes);

/*
 * Takes in the second that ended at `now_usec` (CLOCK_REALTIME): `n` values, NaN where there is
 * none. Returns whether that closed a period, which is then in ret_closed.
 */
bool statistics_add(struct statistics *statistics, uint64_t now_usec, const double *values,
	struct period *ret_closed);

/* What the load's last second showed: all but the volumes' values. */
void statistics_read(const struct load *load, double *ret_values);

/* Closes what is open, before its time. */
bool statistics_close(struct statistics *statistics, struct period *ret_closed);

/* "demand", "utilization", "steal", "memory"; "disk" from STATISTIC_DISK on. */
const char *statistic_name(size_t statistic);
