/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release: the releases of an app on disk.
 *
 *	PATH/current -> releases/ID    the one that runs
 *	PATH/releases/ID/              files; root's, readable for everybody, writable for nobody
 *	                               but where `writable` and `shared` say so
 *	PATH/releases/ID.complete      ID is whole: written after everything in it is on disk. Says
 *	                               what it was made of and how it is run
 *	PATH/releases/ID.healthy       ID was well once it ran
 *	PATH/releases/ID.bad           ID was not, or somebody went back from it; says why
 *	PATH/releases/.home/           HOME while a build runs
 *	PATH/releases/.download-…      an archive from the network, while it is fetched
 *	PATH/shared/DIR/               the app's own, which all releases share
 *
 * An ID is 12 digits of the source's fingerprint, "-", and 8 digits of a digest of what shapes the
 * release (build and run lines, user, environment, rendered files …): the same ID is the same
 * release, and is made once. So a release that is gone back to runs as it did.
 *
 * A release is fetched and built in the place where it will run, because a build may keep that
 * place's name (a Python venv does), so no rename can show that it is whole. The mark beside it
 * does; it cannot be in it, where the build could write it. What has the form of an ID and no mark
 * is the rest of a run that was cut off; the next release_make() removes it. Whoever changes
 * something holds flock(2) on releases/.
 *
 * Normal order: wanted, make, switch, (start, and if it is well) prove, prune; else condemn, and
 * switch to what was before.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "digest.h"
#include "err.h"
#include "fetch.h"
#include "plan.h" /* RELEASE_ID_MAX */

#define RELEASE_LOCK_TIMEOUT (30 * 1000000ull) /* longer than spawn's keeper outlives us */
#define RELEASE_WHY_MAX      256

/* The ID of what the source holds now; reads the source. Errors as source_fingerprint(). */
int release_wanted(const struct config_app *app, const struct reach *reach,
	char ret_id[static RELEASE_ID_MAX], struct err *err);

/* The complete release that `current` names; -ENOENT: there is none. */
int release_current(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err);

bool release_is_complete(const struct config_app *app, const char *id);

/* Whether it was made with the build, environment, files … that are configured now. */
bool release_is_shaped(const struct config_app *app, const char *id);

/* The whole fingerprint (source.h) behind the ID of a complete release: a commit, a digest. */
int release_version(
	const struct config_app *app, const char *id, char ret_hex[static DIGEST_HEX_SIZE]);

/*
 * The app as this complete release of it runs: its own user, environment, run line and limit; the
 * rest is as configured. Valid as long as `app` and `ret_own`, which the caller clears.
 */
struct release_own {
	struct config_app app;
	char *text;
};
void release_own(const struct config_app *app, const char *id, struct release_own *ret_own);
void release_own_clear(struct release_own *own);

/* The release's own directory. */
void release_directory(const struct config_app *app, const char *id, char *path, size_t size);

/*
 * Makes the release, unless it is there: fetches, renders `files` (as app->files; NULL: none), runs
 * the build lines, each by /bin/sh -c, as app->user in the release's directory with app->env, makes
 * all of it root's, and gives the app its places. Build output goes to our standard error. -ESTALE:
 * the source does not hold `id` (any more); -EBUSY: another run is at it; -EPERM: refused, or a
 * directory on the way belongs to somebody who could replace what root puts there. On failure
 * nothing of it stays.
 */
int release_make(const struct config_app *app, const struct reach *reach, const char *id,
	char *const *files, struct err *err);

/* Renders the files of a release that is complete (as release_make() did) anew. */
int release_write_files(
	const struct config_app *app, const char *id, char *const *files, struct err *err);

/* Lets `current` name the complete release `id`. A crash leaves the old or the new one. */
int release_switch(const struct config_app *app, const char *id, struct err *err);

/* Removes all but the current release and the app->keep newest that are not bad. */
int release_prune(const struct config_app *app, struct err *err);

/* -- what is known of a release that ran -- */

bool release_is_proven(const struct config_app *app, const char *id);
int release_doubt(const struct config_app *app, const char *id, struct err *err);
int release_prove(const struct config_app *app, const char *id, struct err *err);

/* Not to be tried again while the app's configuration is what it is now. */
int release_condemn(const struct config_app *app, const char *id, const char *why, struct err *err);
bool release_is_bad(
	const struct config_app *app, const char *id, char ret_why[static RELEASE_WHY_MAX]);
int release_pardon(const struct config_app *app, const char *id, struct err *err);

/*
 * The release to go back to from `id`: of the others that are complete, proven and not bad, the one
 * that was proven last before `id` was, or last of all if `id` never was. -ENOENT: none.
 */
int release_before(const struct config_app *app, const char *id, char ret_id[static RELEASE_ID_MAX],
	struct err *err);
