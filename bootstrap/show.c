/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *show_colour(FILE *out, enum show_colour colour)
{
	static const char *const escapes[] = {
		[SHOW_PLAIN] = "\033[0m",
		[SHOW_DIM] = "\033[2m",
		[SHOW_GOOD] = "\033[32m",
		[SHOW_WARN] = "\033[33m",
		[SHOW_BAD] = "\033[31m",
		[SHOW_BOLD] = "\033[1m",
	};
	const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM"); /* no-color.org */

	if ((off && *off) || (terminal && strcmp(terminal, "dumb") == 0) || !isatty(fileno(out)))
		return "";
	return escapes[colour];
}

enum show_colour show_sign(enum plan_sign sign)
{
	static const enum show_colour colours[] = {
		[PLAN_KEEP] = SHOW_DIM,
		[PLAN_CREATE] = SHOW_GOOD,
		[PLAN_CHANGE] = SHOW_WARN,
		[PLAN_WAIT] = SHOW_WARN,
		[PLAN_REFUSE] = SHOW_BAD,
	};

	return colours[sign];
}

enum show_colour show_check(const struct check *check)
{
	return check->result == CHECK_PASS                      ? SHOW_GOOD
	       : check->result == CHECK_FAIL && check->required ? SHOW_BAD
								: SHOW_WARN;
}

enum show_colour show_status(enum status status)
{
	return status == STATUS_READY ? SHOW_GOOD : status == STATUS_FAILED ? SHOW_BAD : SHOW_WARN;
}

void show_step(FILE *out, const char *mark, enum show_colour colour, const char *subject,
	const struct plan_step *step)
{
	fprintf(out, "%s%s %-14s %-8s%s %s", show_colour(out, colour), mark, subject,
		plan_op_name(step->op), show_colour(out, SHOW_PLAIN), step->what);
}
