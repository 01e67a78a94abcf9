/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervise: the supervisor process itself (supervisor.h is how others deal with it).
 */
#pragma once

#include <limits.h>

#include "supervisor.h"

#define SUPERVISE_PATH_MAX (PATH_MAX + 128)

/* What the new process says once to who started it. */
struct supervise_report {
	int code; /* 0: the app runs; -EBUSY: another one holds the lock */
	struct err err;
};

/* STATE/app-NAME and suffix. */
void supervise_path(const struct config_app *app, const char *state, const char *suffix,
	char ret_path[static SUPERVISE_PATH_MAX]);

/* Becomes the supervisor; `report` is a pipe, and the only other file it keeps. */
_Noreturn void supervise(
	const struct config_app *app, const char *id, const char *state, int report);
