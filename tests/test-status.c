/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include "cleanup.h"
#include "tap.h"

#define REQUIRED true
#define OPTIONAL false

#define CHECK(is_required, outcome)                                                                \
	{                                                                                          \
		.name = "volume data", .required = is_required, .result = outcome                  \
	}

static const struct {
	const char *name;
	struct check checks[3];
	size_t n;
	bool draining;
	enum status expected;
} rule[] = {
	{"no check at all is ready", {{.name = ""}}, 0, false, STATUS_READY},
	{"all pass: ready", {CHECK(REQUIRED, CHECK_PASS), CHECK(OPTIONAL, CHECK_PASS)}, 2, false,
		STATUS_READY},
	{"a required check waits: starting",
		{CHECK(REQUIRED, CHECK_PASS), CHECK(REQUIRED, CHECK_WAIT)}, 2, false,
		STATUS_STARTING},
	{"a required check fails: failed", {CHECK(REQUIRED, CHECK_FAIL)}, 1, false, STATUS_FAILED},
	{"an optional check waits: degraded",
		{CHECK(REQUIRED, CHECK_PASS), CHECK(OPTIONAL, CHECK_WAIT)}, 2, false,
		STATUS_DEGRADED},
	{"a required check that warns: degraded", {CHECK(REQUIRED, CHECK_WARN)}, 1, false,
		STATUS_DEGRADED},
	{"an optional check fails: degraded",
		{CHECK(OPTIONAL, CHECK_FAIL), CHECK(REQUIRED, CHECK_PASS)}, 2, false,
		STATUS_DEGRADED},
	{"failed wins over starting", {CHECK(REQUIRED, CHECK_WAIT), CHECK(REQUIRED, CHECK_FAIL)}, 2,
		false, STATUS_FAILED},
	{"failed wins over starting, in the other order too",
		{CHECK(REQUIRED, CHECK_FAIL), CHECK(REQUIRED, CHECK_WAIT)}, 2, false,
		STATUS_FAILED},
	{"starting wins over degraded", {CHECK(OPTIONAL, CHECK_FAIL), CHECK(REQUIRED, CHECK_WAIT)},
		2, false, STATUS_STARTING},
	{"failed wins over degraded",
		{CHECK(OPTIONAL, CHECK_WAIT), CHECK(OPTIONAL, CHECK_PASS),
			CHECK(REQUIRED, CHECK_FAIL)},
		3, false, STATUS_FAILED},
	{"draining wins over ready", {CHECK(REQUIRED, CHECK_PASS)}, 1, true, STATUS_DRAINING},
	{"draining wins over failed", {CHECK(REQUIRED, CHECK_FAIL)}, 1, true, STATUS_DRAINING},
	{"draining wins over starting", {CHECK(REQUIRED, CHECK_WAIT)}, 1, true, STATUS_DRAINING},
	{"draining without any check", {{.name = ""}}, 0, true, STATUS_DRAINING},
};

static const struct {
	enum status status;
	const char *name;
	bool serves;
	int exit;
} faces[] = {
	{STATUS_STARTING, "starting", false, EXIT_PROGRESS},
	{STATUS_READY, "ready", true, EXIT_DONE},
	{STATUS_DEGRADED, "degraded", true, EXIT_PROGRESS},
	{STATUS_DRAINING, "draining", false, EXIT_PROGRESS},
	{STATUS_FAILED, "failed", false, EXIT_FAILED},
};

static const struct {
	const char *name;
	struct check check;
	const char *expected;
} words[] = {
	{"a check that passes says pass", CHECK(REQUIRED, CHECK_PASS), "pass"},
	{"a required check that waits says warn", CHECK(REQUIRED, CHECK_WAIT), "warn"},
	{"a required check that fails says fail", CHECK(REQUIRED, CHECK_FAIL), "fail"},
	{"an optional check that passes says pass", CHECK(OPTIONAL, CHECK_PASS), "pass"},
	{"an optional check that waits says warn", CHECK(OPTIONAL, CHECK_WAIT), "warn"},
	{"an optional check that fails never says fail", CHECK(OPTIONAL, CHECK_FAIL), "warn"},
};

int main(void)
{
	FOREACH_ELEMENT (i, rule)
		is_str(status_name(status_decide(rule[i].checks, rule[i].n, rule[i].draining)),
			status_name(rule[i].expected), rule[i].name);
	FOREACH_ELEMENT (i, faces) {
		char name[64];

		snprintf(name, sizeof name, "%s has its name", faces[i].name);
		is_str(status_name(faces[i].status), faces[i].name, name);
		snprintf(name, sizeof name, "%s %s", faces[i].name,
			faces[i].serves ? "serves" : "does not serve");
		ok(status_serves(faces[i].status) == faces[i].serves, name);
		snprintf(name, sizeof name, "%s exits %d", faces[i].name, faces[i].exit);
		is_int(status_exit(faces[i].status), faces[i].exit, name);
	}
	FOREACH_ELEMENT (i, words)
		is_str(check_name(&words[i].check), words[i].expected, words[i].name);
	return done_testing();
}
