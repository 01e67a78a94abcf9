/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host: who keeps mounts and apps on this machine. Where systemd is process 1, it does: mounts are
 * mount units, apps are services, and what needs a network or another user is a transient
 * service, so that instancectl itself can be sandboxed. Elsewhere (a container, a try-out) we do it
 * ourselves: direct mounts, a supervisor, child processes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "err.h"
#include "plan.h" /* RELEASE_ID_MAX */
#include "spawn.h"

struct host_app {
	const struct config *config;
	const struct config_app *app;
	const char *state; /* directory */
};

struct host_app_status {
	bool running;
	bool as_configured;           /* with this run line, user, environment, limits and path */
	char release[RELEASE_ID_MAX]; /* "" unknown */
	unsigned pid;                 /* of its main process; 0: between two starts */
	unsigned restarts;            /* since it was started */
};

struct host {
	/* Mounts and makes sure that the table shows it. `options` as for mount -o, or NULL. */
	int (*mount)(const struct volume *volume, const char *target, const char *type,
		const char *options, struct err *err);

	/* As spawn_run(), where there is a network. `unit` names it: "instance-git-web". */
	int (*run)(const char *unit, const struct spawn *spawn, char **ret_tail, struct err *err);

	/* Ends such a run that somebody who was killed has left; 0 also if there is none. */
	int (*settle)(const char *unit, struct err *err);

	/* Asks; changes nothing, and needs no privilege. */
	int (*app_read)(const struct host_app *app, struct host_app_status *ret_status);

	/* In the complete release `id`; returns when it runs, not when it is well. */
	int (*app_start)(const struct host_app *app, const char *id, struct err *err);

	/* Also when it does not run. */
	int (*app_stop)(const struct host_app *app, struct err *err);
};

extern const struct host host_direct, host_systemd;

/* Who does it on this machine, for us: systemd only obeys root. */
const struct host *host(void);

/* Who is to be asked what runs: anybody may ask systemd, about what is not a try-out's. */
const struct host *host_to_ask(const char *state);
