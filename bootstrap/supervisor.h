/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor: keeps an app running where PID 1 is not systemd. A process of its own for each app,
 * detached from who started it:
 *
 *	STATE/app-NAME.lock   a record lock (fcntl(2)) held for its whole life: it lives if and only
 *	                      if that is held, and the kernel says by whom. Nobody has to trust a
 *	                      process number in a file, and anybody can ask without taking the lock
 *	STATE/app-NAME.json   { "pid", "appPid" (0: between two starts), "release", "digest",
 *	                      "restarts", "startedAt" }
 *	STATE/app-NAME.credentials/  the app's credentials (secret.h), while it runs
 *	STATE/app-NAME.log    what the app writes; with .log.1 never more than twice
 *	                      SUPERVISOR_LOG_MAX
 *
 * It runs `/bin/sh -c "exec RUN"` (so RUN is one command, not a list of them) in the release's own
 * directory as the app's user, and starts it again when it ends. TERM to it is TERM to the
 * app's process group, KILL after SPAWN_GRACE_USEC, and the end of both; nothing that the app
 * started survives it. The app has no way to any of these files: it writes into a pipe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "digest.h"
#include "err.h"
#include "plan.h" /* RELEASE_ID_MAX */

#define SUPERVISOR_LOG_MAX     (1 << 20)
#define SUPERVISOR_BACKOFF_MIN (100 * 1000ull)
#define SUPERVISOR_BACKOFF_MAX (30 * 1000000ull)
#define SUPERVISOR_STEADY      (10 * 1000000ull) /* an app that lived this long starts afresh */

struct supervisor_status {
	bool running;       /* the supervisor lives; the rest is set only then */
	bool as_configured; /* with this run line, user, environment, limits and path */
	pid_t pid;          /* of the supervisor; 0: in a PID namespace that we do not see */
	pid_t app_pid;      /* 0: waits to start it again */
	char release[RELEASE_ID_MAX]; /* "" until it has written it */
	char digest[DIGEST_HEX_SIZE];
	unsigned restarts;
};

/* Asks; changes nothing, and needs no privilege. */
int supervisor_read(
	const struct config_app *app, const char *state, struct supervisor_status *ret_status);

/*
 * Starts the app in the complete release `id`; returns when it runs (not when it is well). 0 also
 * if it runs just so already; -EEXIST if it runs otherwise: then stop it first.
 */
int supervisor_start(
	const struct config_app *app, const char *id, const char *state, struct err *err);

/* Ends supervisor and app, and waits for it. 0 also if there is none. -ETIMEDOUT. */
int supervisor_stop(
	const struct config_app *app, const char *state, uint64_t timeout_usec, struct err *err);

/* Of all that decides how the app runs, the release aside. -ENOMEM. */
int supervisor_digest(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE]);

/* Pure: how long to wait until the next start, after an app that lived so long. */
uint64_t supervisor_backoff(uint64_t previous_usec, uint64_t lived_usec);
