/* SPDX-License-Identifier: Apache-2.0 */
/* clock: clocks that nobody sets, in microseconds. The one on the wall is time(2)'s. */
#pragma once

#include <stdint.h>

/* CLOCK_BOOTTIME: since the boot; goes on while the machine is suspended. */
uint64_t clock_boot(void);

/* CLOCK_MONOTONIC: for time limits; stands still while the machine is suspended. */
uint64_t clock_monotonic(void);
