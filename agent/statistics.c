/* SPDX-License-Identifier: Apache-2.0 */
#include "statistics.h"

#include <math.h>

#define SECOND 1000000ull

const char *statistic_name(size_t statistic)
{
	static const char *const names[] = {
		[STATISTIC_DEMAND] = "demand",
		[STATISTIC_UTILIZATION] = "utilization",
		[STATISTIC_STEAL] = "steal",
		[STATISTIC_MEMORY] = "memory",
		[STATISTIC_DISK] = "disk",
	};

	return names[statistic < STATISTIC_DISK ? statistic : STATISTIC_DISK];
}

void statistics_init(struct statistics *statistics, unsigned seconds, size_t n_volumes)
{
	*statistics = (struct statistics){.seconds = seconds, .n = STATISTIC_DISK + n_volumes};
}

void statistics_read(const struct load *load, double *ret_values)
{
	struct load_share share;
	bool known = load_window(load, 1, &share) == 0;
	double memory = load_memory_used(load);

	ret_values[STATISTIC_DEMAND] = known ? 100 * share.demand : NAN;
	ret_values[STATISTIC_UTILIZATION] = known ? 100 * share.utilization : NAN;
	ret_values[STATISTIC_STEAL] = known ? 100 * share.steal : NAN;
	ret_values[STATISTIC_MEMORY] = memory < 0 ? NAN : 100 * memory;
}

static void set_add(struct statistic_set *set, double value)
{
	if (!isfinite(value))
		return;
	set->minimum = set->count ? fmin(set->minimum, value) : value;
	set->maximum = set->count ? fmax(set->maximum, value) : value;
	set->sum += value;
	set->count++;
}

bool statistics_close(struct statistics *statistics, struct period *ret_closed)
{
	if (!statistics->open)
		return false;
	*ret_closed = statistics->period;
	statistics->open = false;
	return true;
}

bool statistics_add(struct statistics *statistics, uint64_t now_usec, const double *values,
	struct period *ret_closed)
{
	uint64_t middle = (now_usec - SECOND / 2) / SECOND;
	uint64_t start = middle - middle % statistics->seconds;
	bool closed = false;

	if (statistics->open && statistics->period.start != start)
		closed = statistics_close(statistics, ret_closed);
	if (!statistics->open) {
		statistics->period = (struct period){.start = start};
		statistics->open = true;
	}
	for (size_t i = 0; i < statistics->n; i++)
		set_add(&statistics->period.sets[i], values[i]);
	return closed;
}
