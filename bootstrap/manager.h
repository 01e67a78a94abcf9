/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manager: systemd as process 1, over the system bus (org.freedesktop.systemd1(5)). Every call
 * blocks, within the bound it names.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"
#include "spawn.h"

#define MANAGER_CALL_TIMEOUT (25 * 1000000ull) /* of one call; the bus's own default */
#define MANAGER_JOB_TIMEOUT                                                                        \
	(100 * 1000000ull) /* above systemd's own 90 s for a start or a stop                       \
			    */

/* Whether systemd is process 1 of this machine; sd_booted(3). */
bool manager_is_there(void);

struct manager;
int manager_open(struct manager **ret_manager, struct err *err);
struct manager *manager_free(struct manager *manager);

struct manager_unit {
	char load_state[24], active_state[24], sub_state[24];
	char fragment[256];                   /* the file it was loaded from */
	bool stale;                           /* the file has changed since */
	uint64_t inactive_exit, active_enter; /* usec of CLOCK_MONOTONIC, 0: never */
};

/* Loads the unit if it can be found; one that cannot has the load state "not-found". */
int manager_unit(
	struct manager *manager, const char *name, struct manager_unit *ret_unit, struct err *err);

/* The main process of a service (0: none), and how often it was started again by itself. */
int manager_service(struct manager *manager, const char *name, unsigned *ret_pid,
	unsigned *ret_restarts, struct err *err);

/* A property of the manager itself that is a 64-bit number, as "UserspaceTimestampMonotonic". */
int manager_number(
	struct manager *manager, const char *property, uint64_t *ret_number, struct err *err);

/* Makes systemd read the files of all units again. */
int manager_reload(struct manager *manager, struct err *err);

enum manager_verb { MANAGER_START, MANAGER_STOP, MANAGER_RESTART };

/*
 * Has a job done and waits for its end. -EIO, with the job's result and the unit's, if it was not
 * done; -ETIMEDOUT after MANAGER_JOB_TIMEOUT. A start of what is active, and a stop of what is
 * not, are done at once.
 */
int manager_job(struct manager *manager, enum manager_verb verb, const char *unit, struct err *err);

/*
 * As spawn_run(), in a transient service of its own: with the network that the caller may not
 * have, and with no more of the machine than it needs (no devices, no kernel, its working directory
 * the only place besides /tmp to write to; without a user, root with no capabilities). `unit` is
 * its name without ".service"; what is left of a run of that name is stopped first.
 */
int manager_run(struct manager *manager, const char *unit, const struct spawn *spawn,
	char **ret_tail, struct err *err);

/* Ends what is left of a run of that name. 0 also if there is nothing. */
int manager_settle(struct manager *manager, const char *unit, struct err *err);

CLEANUP_FOR(manager, manager_free);
