/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "spawn.h"

#define PAUSE  500000            /* usec; asking systemd is work, while the app is to start */
#define MARGIN (10 * 1000000ull) /* for the probe's start and end */

/* The last thing that the probe says is the reason. */
static bool on_line(const char *line, void *userdata)
{
	const char *words = strstr(line, "http");

	err_set(userdata, 0, "%s", words ? words : line);
	return true;
}

/* Asks for a while. */
static int probe(const struct config_app *app, uint64_t usec, struct err *err)
{
	struct err words = {""};
	char wait[48], unit[64];
	const char *const argv[] = {"/proc/self/exe", "probe", wait, "--", app->health, NULL};
	int r;

	snprintf(wait, sizeof wait, "--wait=%.3f", (double)usec / 1e6);
	snprintf(unit, sizeof unit, "instance-probe-%.40s", app->name);
	r = host()->run(unit,
		&(struct spawn){.argv = argv,
			.cwd = "/",
			.user = geteuid() == 0 ? app->user : NULL,
			.name = "probe",
			.line = on_line,
			.userdata = &words,
			.alone = true,
			.timeout_usec = usec + MARGIN},
		NULL, err);
	return r == -ECHILD && words.text[0] ? err_set(err, r, "%s", words.text) : r;
}

/* One process from now on, for this long. */
static int stay(const struct host_app *app, uint64_t usec, unsigned *ret_ends, struct err *err)
{
	struct host_app_status first, status;
	uint64_t until = clock_monotonic() + usec;
	int r = host()->app_read(app, &first);

	if (r < 0)
		return err_set(err, r, "%m");
	do {
		(void)usleep(PAUSE);
		r = host()->app_read(app, &status);
		if (r < 0)
			return err_set(err, r, "%m");
		*ret_ends = status.restarts;
		if (!status.running || !status.pid || status.pid != first.pid)
			return err_set(err, -ECHILD, "its process does not stay");
	} while (clock_monotonic() < until);
	return 0;
}

int gate_pass(const struct host_app *app, struct err *err)
{
	const char *health = app->app->health;
	uint64_t now = clock_monotonic(), deadline = now + app->app->ready_timeout_usec;
	unsigned ends = 0;
	int r = -ETIMEDOUT;

	while (r < 0 && (now = clock_monotonic()) < deadline && ends < GATE_ENDS_MAX) {
		uint64_t left = deadline - now;

		r = health ? probe(app->app, left < GATE_SLICE ? left : GATE_SLICE, err) : 0;
		if (r < 0 && r != -ECHILD && r != -ETIMEDOUT)
			return r;
		if (app->app->run && r == 0)
			r = stay(app, health ? GATE_STEADY_HEALTHY : GATE_STEADY, &ends, err);
		else if (app->app->run)
			(void)stay(app, 0, &ends, NULL);
	}
	if (r == 0)
		return 0;
	if (ends >= GATE_ENDS_MAX)
		return err_set(err, -ECHILD, "it ended %u times", ends);
	return err_wrap(err, -ETIMEDOUT, "it was not well within %llu s",
		(unsigned long long)(app->app->ready_timeout_usec / 1000000));
}
