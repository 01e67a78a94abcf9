/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "host.h"
#include "op.h"
#include "release.h"
#include "spawn.h"

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
	const struct host_app host_app = {op->config, app, op->state};
	char id[RELEASE_ID_MAX];
	int r = release_current(app, id, err);

	if (r == 0 && op->step->sign == PLAN_CHANGE)
		r = host()->app_stop(&host_app, err);
	if (r == 0)
		r = host()->app_start(&host_app, id, err);
	return r;
}
