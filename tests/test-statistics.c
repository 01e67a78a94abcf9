/* SPDX-License-Identifier: Apache-2.0 */
#include "../agent/statistics.h"

#include <math.h>

#include "tap.h"

#define SECOND 1000000ull
#define EPOCH  1767225600ull /* 2026-01-01T00:00:00Z */

static struct statistics statistics;
static struct period closed;
static double values[STATISTICS_MAX];

/* A second that ended so long after EPOCH, with this demand. */
static bool second(double at, double demand)
{
	values[STATISTIC_DEMAND] = demand;
	return statistics_add(
		&statistics, EPOCH * SECOND + (uint64_t)(at * (double)SECOND), values, &closed);
}

static void begin(unsigned seconds, size_t n_volumes)
{
	statistics_init(&statistics, seconds, n_volumes);
	closed = (struct period){0};
	for (size_t i = 0; i < STATISTICS_MAX; i++)
		values[i] = NAN;
}

static bool closed_is(uint64_t start, unsigned count, double sum, double minimum, double maximum)
{
	const struct statistic_set *set = &closed.sets[STATISTIC_DEMAND];

	return closed.start == EPOCH + start && set->count == count && set->sum == sum &&
	       set->minimum == minimum && set->maximum == maximum;
}

static void test_periods(void)
{
	static const unsigned lengths[] = {10, 30, 60};

	for (size_t i = 0; i < 3; i++) {
		unsigned n = 0;

		begin(lengths[i], 0);
		for (unsigned s = 1; s <= 121; s++)
			n += second(s + 0.3, s);
		is_int(n, 120 / lengths[i],
			"each period is closed once, by the next one's first second");
		is_int((long long)closed.start, (long long)(EPOCH + 120 - lengths[i]),
			"  it began at a multiple of its length");
		is_int(closed.sets[STATISTIC_DEMAND].count, lengths[i],
			"  and has all its seconds");
		is_int((long long)closed.sets[STATISTIC_DEMAND].maximum, 120, "  up to the last");
	}
}

static void test_sets(void)
{
	begin(10, 2);
	for (unsigned s = 1; s <= 10; s++) {
		values[STATISTIC_STEAL] = s;
		values[STATISTIC_MEMORY] = s == 4 ? 40 : NAN;
		values[STATISTIC_DISK] = 7;
		(void)second(s + 0.1, s % 2 ? 20 : 5.5);
	}
	ok(second(11.1, 99) && closed_is(0, 10, 127.5, 5.5, 20), "count, sum, minimum, maximum");
	ok(closed.sets[STATISTIC_STEAL].sum == 55 && closed.sets[STATISTIC_STEAL].minimum == 1 &&
			closed.sets[STATISTIC_STEAL].maximum == 10,
		"of each value by itself");
	ok(closed.sets[STATISTIC_MEMORY].count == 1 && closed.sets[STATISTIC_MEMORY].sum == 40,
		"one that is mostly not there is counted where it is");
	is_int(closed.sets[STATISTIC_UTILIZATION].count, 0, "one that never was is empty");
	ok(closed.sets[STATISTIC_DISK].count == 10 && closed.sets[STATISTIC_DISK + 1].count == 0,
		"each volume has its own");
	values[STATISTIC_DEMAND] = INFINITY;
	ok(!second(12.1, INFINITY) && statistics.period.sets[STATISTIC_DEMAND].count == 1,
		"infinity is no number");
}

/* Where the second's end is just beyond the border, nearly all of it lies before. */
static void test_border(void)
{
	begin(10, 0);
	(void)second(9.4, 1);
	ok(!second(10.4, 2), "a second counts where its middle is");
	ok(second(11.4, 3) && closed_is(0, 2, 3, 1, 2), "which is before its end");
	begin(10, 0);
	(void)second(9.6, 1);
	ok(second(10.6, 2), "also when that is in the next period");
}

static void test_missed(void)
{
	begin(10, 0);
	(void)second(1, 10);
	(void)second(2, 20);
	(void)second(7, 30);
	ok(second(11, 1) && closed_is(0, 3, 60, 10, 30), "missed seconds are not counted");
	ok(!second(12, 3) && second(95, 5) && closed_is(10, 2, 4, 1, 3),
		"a suspend closes what was open, with what it has");
	ok(second(101, 0) && closed_is(90, 1, 5, 5, 5), "there is no period of the time asleep");
}

static void test_clock(void)
{
	begin(10, 0);
	(void)second(1001, 50);
	(void)second(1002, 60);
	ok(second(5, 70) && closed_is(1000, 2, 110, 50, 60),
		"a clock that is set back closes the period that was open");
	ok(!second(6, 80) && second(11, 90) && closed_is(0, 2, 150, 70, 80),
		"and goes on in the one where it is now");
	ok(second(86400 * 365, 1) && closed_is(10, 1, 90, 90, 90),
		"so does one that is set forwards");
	begin(10, 0);
	for (unsigned s = 1; s <= 8; s++)
		(void)second(s, s);
	for (unsigned s = 4; s <= 10; s++)
		(void)second(s, s);
	ok(second(11, 0) && closed_is(0, 15, 85, 1, 10),
		"set back within a period, all its seconds count");
	begin(10, 0);
	ok(statistics_add(&statistics, 0, values, &closed) == false,
		"a clock at its very beginning does no harm");
}

static void test_read(void)
{
	struct cpu_counters before = {{100, 0, 0, 900}}, after = {{115, 0, 5, 955, 5, 0, 0, 20}};
	struct load load;

	load_init(&load, 100);
	statistics_read(&load, values);
	ok(isnan(values[STATISTIC_DEMAND]) && isnan(values[STATISTIC_UTILIZATION]) &&
			isnan(values[STATISTIC_STEAL]) && isnan(values[STATISTIC_MEMORY]),
		"before anything is sampled there are no values");
	(void)load_add(&load, SECOND, &before);
	(void)load_add(&load, 2 * SECOND, &after);
	load.ram = (struct memory){.total = 1000, .available = 250};
	statistics_read(&load, values);
	ok(fabs(values[STATISTIC_DEMAND] - 40) < 1e-9 &&
			fabs(values[STATISTIC_UTILIZATION] - 20) < 1e-9 &&
			fabs(values[STATISTIC_STEAL] - 20) < 1e-9,
		"the last second's shares are in percent");
	ok(fabs(values[STATISTIC_MEMORY] - 75) < 1e-9, "and memory is what is not available");
}

static void test_close(void)
{
	begin(60, 0);
	ok(!statistics_close(&statistics, &closed), "nothing is open at first");
	(void)second(61, 4);
	ok(statistics_close(&statistics, &closed) && closed_is(60, 1, 4, 4, 4),
		"what is open can be closed before its time");
	ok(!statistics_close(&statistics, &closed), "once");
	(void)second(62, 6);
	ok(statistics_close(&statistics, &closed) && closed_is(60, 1, 6, 6, 6),
		"what comes after it is counted anew");
}

int main(void)
{
	test_periods();
	test_sets();
	test_border();
	test_missed();
	test_clock();
	test_close();
	test_read();
	is_str(statistic_name(STATISTIC_MEMORY), "memory", "metrics have names");
	is_str(statistic_name(STATISTIC_DISK + 63), "disk", "that of volumes is the same");
	return done_testing();
}
