/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "gate.h"
#include "host.h"
#include "link.h"
#include "op.h"
#include "release.h"
#include "secret.h"
#include "spawn.h"

static const struct config_app *app_of(const struct op *op)
{
	return &op->config->apps[op->step->index];
}

static struct host_app host_app_of(const struct op *op)
{
	return (struct host_app){op->config, app_of(op), op->state};
}

/* Fetch, build, switch: `current` is the old release or the new one, whole, at every moment. */
int op_release(struct op *op, struct err *err)
{
	const struct config_app *app = app_of(op);
	char id[RELEASE_ID_MAX];
	uid_t uid;
	gid_t gid;
	int r = spawn_owner(app->user, &uid, &gid, err); /* who cannot run it needs no release */

	if (r == 0)
		r = secret_check(app, err);
	if (r == 0)
		r = release_wanted(app, &op->reach, id, err);
	if (r == 0)
		r = release_make(app, &op->reach, id, op->files, err);
	/* One that is there from before has the files of then, and was well then. */
	if (r == 0)
		r = release_write_files(app, id, op->files, err);
	if (r == 0)
		r = release_doubt(app, id, err);
	if (r == 0)
		r = release_switch(app, id, err);
	return r;
}

int op_link(struct op *op, struct err *err)
{
	char kept[PATH_MAX];
	int r = link_put(app_of(op), kept, err);

	if (r == 0 && kept[0])
		snprintf(op->note, sizeof op->note, "what was there is now %.300s", kept);
	return r;
}

/* -- running it, and going back if that is no good -- */

/*
 * Whether the instance was taken out of rotation since the plan was made, which may be long ago.
 * Then nothing is started, and that an app is not well is no fault of its release.
 */
static bool is_drained(struct op *op, enum drain_phase since)
{
	struct drain drain = {.phase = DRAIN_DRAINED, .reason = "how far, is not known"};
	bool drained = drain_read(op->state, &drain, NULL) < 0 ||
		       (drain_holds(&drain) && drain.phase >= since);

	if (drained)
		snprintf(op->note, sizeof op->note, "not now, the instance is drained: %.300s",
			drain.reason);
	return drained;
}

/* Starts a release as it is run; what runs of another is stopped first. */
static int start(struct op *op, const char *id, bool stop, struct err *err)
{
	struct release_own own;
	const struct host_app host_app = {op->config, &own.app, op->state};
	int r;

	if (is_drained(op, DRAIN_DRAINING))
		return 0;
	release_own(app_of(op), id, &own);
	r = secret_check(&own.app, err);
	if (r == 0 && stop)
		r = host()->app_stop(&host_app, err);
	if (r == 0)
		r = host()->app_start(&host_app, id, err);
	if (r == 0 && is_drained(op, DRAIN_STOPPING)) /* who drained has not seen it run */
		r = host()->app_stop(&host_app, err);
	release_own_clear(&own);
	return r;
}

/* What the machine lacks, or that somebody killed its supervisor, is no fault of a release. */
static bool is_at_fault(int code)
{
	static const int others[] = {EIO, ENOMEM, ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE, EAGAIN};

	FOREACH_ELEMENT (i, others)
		if (code == -others[i])
			return false;
	return true;
}

/*
 * From a release that never was well to the one before. `err` says why, and then what was done. If
 * there is none before, the app is left as it is: it may still come. One that is not at fault is
 * tried again by the next run.
 */
static int go_back(struct op *op, const char *id, int code, struct err *err)
{
	const struct config_app *app = app_of(op);
	char before[RELEASE_ID_MAX];
	const struct err why = *err;
	struct err trouble, forgotten = {""};
	int r;

	if (is_at_fault(code) &&
		release_condemn(app, id, why.text, &trouble) < 0) /* a full disk: all the more */
		err_set(&forgotten, 0, "; which could not be noted: %s", trouble.text);
	if (release_before(app, id, before, NULL) < 0)
		return err_set(err, code, "%s; there is no earlier release to go back to%s",
			why.text, forgotten.text);
	r = release_switch(app, before, &trouble);
	if (r == 0 && app->run)
		r = start(op, before, true, &trouble);
	if (r < 0)
		return err_set(err, code, "%s; and going back failed: %s%s", why.text, trouble.text,
			forgotten.text);
	(void)release_prune(app, NULL); /* the next deploy does, and says why not */
	return err_set(err, code, "%s; went back from release %s to %s%s", why.text, id, before,
		forgotten.text);
}

/*
 * The app is stopped first: it does not run on with what it read before, should we be cut off. But
 * rather with the old files than not at all.
 */
int op_files(struct op *op, struct err *err)
{
	const struct config_app *app = app_of(op);
	const struct host_app host_app = host_app_of(op);
	char id[RELEASE_ID_MAX];
	int r = release_current(app, id, err);

	if (r == 0 && is_drained(op, DRAIN_DRAINING))
		return 0;
	if (r == 0 && app->run)
		r = host()->app_stop(&host_app, err);
	if (r < 0)
		return r;
	r = release_write_files(app, id, op->files, err);
	if (r < 0 && app->run)
		(void)start(op, id, false, NULL);
	return r;
}

int op_run(struct op *op, struct err *err)
{
	const struct config_app *app = app_of(op);
	char id[RELEASE_ID_MAX];
	int r = release_current(app, id, err);

	if (r < 0)
		return r;
	r = start(op, id, op->step->sign == PLAN_CHANGE, err);
	return r < 0 && !release_is_proven(app, id) ? go_back(op, id, r, err) : r;
}

int op_prove(struct op *op, struct err *err)
{
	const struct config_app *app = app_of(op);
	struct release_own own;
	const struct host_app host_app = {op->config, &own.app, op->state};
	char id[RELEASE_ID_MAX];
	struct err trouble;
	int r = release_current(app, id, err);

	if (r < 0)
		return r;
	if (is_drained(op, DRAIN_STOPPING)) /* an app that was not started now */
		return 0;
	if (op->reach.progress)
		op->reach.progress(app->health ? "waits until it is well"
					       : "waits until it has run for a while",
			op->reach.userdata);
	release_own(app, id, &own);
	r = gate_pass(&host_app, err);
	release_own_clear(&own);
	if (r < 0 && is_drained(op, DRAIN_DRAINING))
		return 0;
	if (r == -ETIMEDOUT || r == -ECHILD)
		return go_back(op, id, r, err);
	if (r == 0)
		r = release_prove(app, id, err);
	if (r == 0 && release_prune(app, &trouble) < 0)
		snprintf(op->note, sizeof op->note, "an old release stays: %.300s", trouble.text);
	return r;
}
