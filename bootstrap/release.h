/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release: the releases of an app on disk.
 *
 *	PATH/current -> releases/ID    the one that runs
 *	PATH/releases/ID/              files; root's, readable for everybody, writable for nobody
 *	PATH/releases/ID.complete      ID is whole: written after everything in it is on disk
 *	PATH/releases/.home/           HOME while a build runs
 *
 * An ID is 12 digits of the source's fingerprint, "-", and 8 digits of a digest of what shapes the
 * build (build lines, user, environment): the same ID is the same release, and is made once.
 *
 * A release is fetched and built in the place where it will run, because a build may keep that
 * place's name (a Python venv does), so no rename can show that it is whole. The mark beside it
 * does; it cannot be in it, where the build could write it. What has the form of an ID and no mark
 * is the rest of a run that was cut off; the next release_make() removes it. Whoever changes
 * something holds flock(2) on releases/.
 *
 * Normal order: wanted, make, switch, (start,) prune.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "err.h"
#include "plan.h" /* RELEASE_ID_MAX */

#define RELEASE_BUILD_TIMEOUT (1800 * 1000000ull) /* for each build line */
#define RELEASE_LOCK_TIMEOUT  (30 * 1000000ull)   /* longer than spawn's keeper outlives us */

/* The ID of what the source holds now; reads the source. Errors as source_fingerprint(). */
int release_wanted(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err);

/* The complete release that `current` names; -ENOENT: there is none. */
int release_current(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err);

bool release_is_complete(const struct config_app *app, const char *id);

/*
 * Makes the release, unless it is there: fetches, runs the build lines, each by /bin/sh -c, as
 * app->user in the release's directory with app->env, and makes all of it root's. Build output
 * goes to our standard error. -ESTALE: the source does not hold `id` (any more); -EBUSY: another
 * run is at it; -EPERM: refused, or a directory on the way belongs to somebody who could
 * replace what root puts there. On failure nothing of it stays.
 */
int release_make(const struct config_app *app, const char *id, struct err *err);

/* Lets `current` name the complete release `id`. A crash leaves the old or the new one. */
int release_switch(const struct config_app *app, const char *id, struct err *err);

/* Removes all but the app->keep newest releases and the current one. */
int release_prune(const struct config_app *app, struct err *err);
