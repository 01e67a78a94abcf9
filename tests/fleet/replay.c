/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent publishes of a trace, by its own arithmetic: in the place of tests/aws-sim/replay,
 * whose header describes what comes in and what goes out.
 *
 *	replay [PERIOD] <TRACE
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../agent/load.h"
#include "../../agent/statistics.h"

#define SECOND 1000000ull
#define HZ     100 /* USER_HZ of the trace; one without jumps may have any */

static void print_period(const struct period *period, unsigned seconds)
{
	printf("%llu", (unsigned long long)period->start + seconds);
	for (size_t i = STATISTIC_DEMAND; i <= STATISTIC_STEAL; i++)
		printf(" %.6g %.6g %.6g %u", period->sets[i].sum, period->sets[i].minimum,
			period->sets[i].maximum, period->sets[i].count);
	putchar('\n');
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
	struct statistics statistics;
	struct period period;
	struct load load;
	char line[LOAD_FILE_MAX];
	double values[STATISTICS_MAX];
	uint64_t second = 0;

	if (seconds == 0)
		return 2;
	load_init(&load, HZ);
	statistics_init(&statistics, seconds, 0);
	for (; fgets(line, sizeof line, stdin); second++) {
		struct cpu_counters counters;

		if (load_parse_stat(line, &counters) < 0)
			return 1;
		/* As the agent's own second: what tells nothing is not counted. */
		if (load_add(&load, (second + 1) * SECOND, &counters) < 0)
			continue;
		statistics_read(&load, values);
		if (statistics_add(&statistics, second * SECOND, values, &period))
			print_period(&period, seconds);
	}
	if (statistics_close(&statistics, &period) && period.start + seconds < second)
		print_period(&period, seconds);
	return 0;
}
