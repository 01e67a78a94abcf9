/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: the one rule that makes a status of checks; both programs use it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define STATUS_CHECKS_MAX 128
#define CHECK_NAME_MAX    64
#define CHECK_REASON_MAX  512

enum status { STATUS_STARTING, STATUS_READY, STATUS_DEGRADED, STATUS_DRAINING, STATUS_FAILED };

enum check_result {
	CHECK_PASS,
	CHECK_WAIT, /* not there yet, and still in time */
	CHECK_WARN, /* it serves, but is not as it should be */
	CHECK_FAIL,
};

struct check {
	char name[CHECK_NAME_MAX]; /* "volume data", "app web", "index", "bootstrap" */
	bool required;
	enum check_result result;
	char reason[CHECK_REASON_MAX]; /* "" when it passes */
};

/*
 * Draining wins. Then a required check that fails is failed, one that waits is starting; any other
 * that does not pass is degraded; else ready.
 */
enum status status_decide(const struct check *checks, size_t n, bool draining);

/* "starting", "ready", "degraded", "draining", "failed". */
const char *status_name(enum status status);

/* "pass", "warn" or "fail", as health+json has it: an optional check never says fail. */
const char *check_name(const struct check *check);

/* Whether load balancers may send requests: HTTP 200 or 503 (README "Operate"). */
bool status_serves(enum status status);

/* 0 ready, 1 failed, 3 else. */
enum exit_status status_exit(enum status status);
