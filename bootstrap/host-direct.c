/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "host.h"
#include "mount.h"
#include "supervisor.h"

#define STOP_TIMEOUT (15ull * 1000000)

static int mount(const struct volume *volume, const char *target, const char *type,
	const char *options, struct err *err)
{
	return mount_attach(volume->node, target, type, options, err);
}

static int run(const char *unit, const struct spawn *spawn, char **ret_tail, struct err *err)
{
	(void)unit;
	return spawn_run(spawn, ret_tail, err);
}

/* A keeper ends with its caller (spawn.h). */
static int settle(const char *unit, struct err *err)
{
	(void)unit;
	(void)err;
	return 0;
}

static int app_read(const struct host_app *app, struct host_app_status *ret_status)
{
	struct supervisor_status status;
	int r = supervisor_read(app->app, app->state, &status);

	if (r < 0)
		return r;
	*ret_status = (struct host_app_status){.running = status.running,
		.as_configured = status.as_configured,
		.pid = (unsigned)status.app_pid,
		.restarts = status.restarts};
	snprintf(ret_status->release, sizeof ret_status->release, "%s", status.release);
	return 0;
}

static int app_start(const struct host_app *app, const char *id, struct err *err)
{
	return supervisor_start(app->app, id, app->state, err);
}

static int app_stop(const struct host_app *app, struct err *err)
{
	return supervisor_stop(app->app, app->state, STOP_TIMEOUT, err);
}

const struct host host_direct = {
	.mount = mount,
	.run = run,
	.settle = settle,
	.app_read = app_read,
	.app_start = app_start,
	.app_stop = app_stop,
};
