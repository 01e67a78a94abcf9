/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap: the Test Anything Protocol in a page. A test is named for what it shows.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

static inline bool tap_ok(bool good, const char *name, const char *file, int line)
{
	tap_count++;
	printf("%s %d - %s\n", good ? "ok" : "not ok", tap_count, name);
	if (!good) {
		tap_failed++;
		printf("# %s:%d\n", file, line);
	}
	return good;
}

static inline bool tap_str(
	const char *got, const char *expected, const char *name, const char *file, int line)
{
	bool good = got && expected ? strcmp(got, expected) == 0 : got == expected;

	if (!tap_ok(good, name, file, line))
		printf("#      got: %s\n# expected: %s\n", got ? got : "(null)",
			expected ? expected : "(null)");
	return good;
}

static inline bool tap_int(
	long long got, long long expected, const char *name, const char *file, int line)
{
	if (!tap_ok(got == expected, name, file, line))
		printf("#      got: %lld\n# expected: %lld\n", got, expected);
	return got == expected;
}

#define ok(condition, name)         tap_ok(condition, name, __FILE__, __LINE__)
#define is_str(got, expected, name) tap_str(got, expected, name, __FILE__, __LINE__)
#define is_int(got, expected, name) tap_int(got, expected, name, __FILE__, __LINE__)

/* What cannot be shown on this machine. */
static inline void skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, name, reason);
}

static inline int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}
