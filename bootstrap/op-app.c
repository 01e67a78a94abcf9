/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "op.h"
#include "release.h"
#include "spawn.h"
#include "supervisor.h"

#define STOP_TIMEOUT (15ull * 1000000)

/* Fetch, build, switch: `current` is the old release or the new one, whole, at every moment. */
int op_release(struct op *op, struct err *err)
{
	const struct config_app *app = &op->config->apps[op->step->index];
	char id[RELEASE_ID_MAX];
	uid_t uid;
	gid_t gid;
	int r = spawn_owner(app->user, &uid, &gid, err); /* who cannot run it needs no release */

	if (r == 0)
		r = release_wanted(app, id, err);
	if (r == 0)
		r = release_make(app, id, err);
	if (r == 0)
		r = release_switch(app, id, err);
	if (r == 0)
		r = release_prune(app, err);
	return r;
}

int op_run(struct op *op, struct err *err)
{
	const struct config_app *app = &op->config->apps[op->step->index];
	char id[RELEASE_ID_MAX];
	int r = release_current(app, id, err);

	if (r == 0 && op->step->sign == PLAN_CHANGE)
		r = supervisor_stop(app, op->state, STOP_TIMEOUT, err);
	if (r == 0)
		r = supervisor_start(app, id, op->state, err);
	return r;
}
