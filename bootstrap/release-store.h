/* SPDX-License-Identifier: Apache-2.0 */
/* release-store: the names and marks in PATH/releases. Private to release*.c. */
#pragma once

#include <limits.h>
#include <time.h>

#include "release.h"

#define RELEASE_FINGERPRINT_DIGITS 12
#define RELEASE_SHAPE_DIGITS       8
#define RELEASE_ID_LENGTH          (RELEASE_FINGERPRINT_DIGITS + 1 + RELEASE_SHAPE_DIGITS)
#define RELEASE_PLACE_MAX          (PATH_MAX + 128) /* app->path, and the names above */

#define RELEASE_MARK_MAX ((size_t)64 << 10)

#define RELEASE_COMPLETE ".complete"
#define RELEASE_HEALTHY  ".healthy"
#define RELEASE_BAD      ".bad"
#define RELEASE_HOME     ".home"
#define RELEASE_DOWNLOAD ".download-"

/* Just an ID, or an ID with something behind it. */
bool release_is_id(const char *text);
bool release_starts_with_id(const char *text);

/* PATH/releases/NAME SUFFIX */
void release_place(const struct config_app *app, const char *name, const char *suffix,
	char ret[static RELEASE_PLACE_MAX]);

/* Makes releases/ if need be, checks who can write there, and takes its lock. */
int release_open(const struct config_app *app, int *ret_fd, struct err *err);

/* Writes, or makes sure that there is not, PATH/releases/ID SUFFIX. */
int release_mark(const struct config_app *app, const char *id, const char *suffix, const char *text,
	struct err *err);
int release_unmark(
	const struct config_app *app, const char *id, const char *suffix, struct err *err);

/* When a mark was written; false: there is none. */
bool release_marked(const struct config_app *app, const char *id, const char *suffix,
	struct timespec *ret_when);

/* The complete ones, newest first by the time of their marks of this kind (without: last). */
struct release_made {
	struct timespec when;
	bool marked;
	char id[RELEASE_ID_LENGTH + 1];
};
int release_list(const struct config_app *app, const char *suffix, struct release_made **ret_made,
	size_t *ret_n, struct err *err);

/* Removes a release: first its mark, so that whatever happens then it does not count as whole. */
int release_remove(const struct config_app *app, int releases, const char *id, struct err *err);
