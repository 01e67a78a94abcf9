/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

static const struct {
	const char *name;
	bool serves;
	enum exit_status exit;
} statuses[] = {
	[STATUS_STARTING] = {"starting", false, EXIT_PROGRESS},
	[STATUS_READY] = {"ready", true, EXIT_DONE},
	[STATUS_DEGRADED] = {"degraded", true, EXIT_PROGRESS},
	[STATUS_DRAINING] = {"draining", false, EXIT_PROGRESS},
	[STATUS_FAILED] = {"failed", false, EXIT_FAILED},
};

enum status status_decide(const struct check *checks, size_t n, bool draining)
{
	bool failed = false, waits = false, lacks = false;

	for (size_t i = 0; i < n; i++) {
		failed |= checks[i].required && checks[i].result == CHECK_FAIL;
		waits |= checks[i].required && checks[i].result == CHECK_WAIT;
		lacks |= checks[i].result != CHECK_PASS;
	}
	return draining ? STATUS_DRAINING
	       : failed ? STATUS_FAILED
	       : waits  ? STATUS_STARTING
	       : lacks  ? STATUS_DEGRADED
			: STATUS_READY;
}

const char *status_name(enum status status)
{
	return statuses[status].name;
}

const char *check_name(const struct check *check)
{
	return check->result == CHECK_PASS                      ? "pass"
	       : check->result == CHECK_FAIL && check->required ? "fail"
								: "warn";
}

bool status_serves(enum status status)
{
	return statuses[status].serves;
}

enum exit_status status_exit(enum status status)
{
	return statuses[status].exit;
}
