/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pump: turns an event loop for a while, as a test's own program would, and until it has done what
 * was there to do, however busy the machine is.
 */
#pragma once

#include <systemd/sd-event.h>

#include "clock.h"

static inline uint64_t now_ms(void)
{
	return clock_monotonic() / 1000;
}

static inline void pump(sd_event *event, uint64_t ms)
{
	uint64_t until = now_ms() + ms;
	int r;

	do
		r = sd_event_run(event, 5000);
	while (now_ms() < (r > 0 ? until + 1000 : until));
}
