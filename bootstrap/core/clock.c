/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts = {0};

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
