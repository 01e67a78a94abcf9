/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch: a directory of its own for a test, gone at its end.
 */
#pragma once

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_directory[PATH_MAX];

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void scratch_remove(void)
{
	(void)nftw(scratch_directory, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_make(void)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(scratch_directory, sizeof scratch_directory, "%s/instanced-test.XXXXXX",
		base ? base : "/tmp");
	if (!mkdtemp(scratch_directory)) {
		perror(scratch_directory);
		exit(99);
	}
	(void)chmod(scratch_directory, 0755);
	(void)atexit(scratch_remove);
}

/* "SCRATCH/name"; four are remembered at a time. */
static inline const char *scratch_path(const char *name)
{
	static char paths[4][PATH_MAX + 256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof paths[0], "%s/%.200s", scratch_directory, name);
	return path;
}

static inline const char *scratch_write(const char *name, const char *text)
{
	const char *path = scratch_path(name);
	FILE *out = fopen(path, "we");

	if (!out || fputs(text, out) < 0 || fclose(out) != 0) {
		perror(path);
		exit(99);
	}
	return path;
}
