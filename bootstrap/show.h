/* SPDX-License-Identifier: Apache-2.0 */
/* show: how things look on a terminal. Colours only there, and not with NO_COLOR set. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "plan.h"
#include "status.h"

enum show_colour { SHOW_PLAIN, SHOW_DIM, SHOW_GOOD, SHOW_WARN, SHOW_BAD, SHOW_BOLD };

/* The escape that starts (or, SHOW_PLAIN, ends) a colour on this stream; "" on no terminal. */
const char *show_colour(FILE *out, enum show_colour colour);

/* The colour of a plan's sign, of a check's result. */
enum show_colour show_sign(enum plan_sign sign);
enum show_colour show_check(const struct check *check);
enum show_colour show_status(enum status status);

/* "+ volume data    format  /dev/nvme1n1 as xfs": the head of a line; no newline. */
void show_step(FILE *out, const char *mark, enum show_colour colour, const char *subject,
	const struct plan_step *step);
