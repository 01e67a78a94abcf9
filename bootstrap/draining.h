/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draining: takes the instance out of rotation without losing a request.
 *
 *	draining  the agent says so to load balancers (drain.h); connections are waited for
 *	stopping  apps are stopped, then what is in drain.d is run (hooks.h)
 *	drained   what failed on the way is noted, and does not keep the instance
 *
 * Each phase is written before it begins, so a run that is killed is taken up by the next where it
 * was, within the same time. draining.c decides, and is pure; draining-run.c does it.
 */
#pragma once

#include "command.h"
#include "connections.h"
#include "drain.h"

#define DRAINING_PERSON "person" /* the key of a drain that somebody asked for */
/* Seconds before the instance goes: 6 for an apply at work, 15 to stop apps, then drain.d. */
#define DRAINING_MARGIN 25
#define DRAINING_POLL   (250 * 1000ull) /* usec between two looks at connections */
#define DRAINING_PATIENT                                                                           \
	(10 * 1000000ull) /* usec that an apply may go on, until apps are stopped */

/* -- decisions -- */

enum draining_work {
	DRAINING_NOTHING, /* this was done, or taken back, before */
	DRAINING_NOTE,    /* the instance is drained; from now on for this reason */
	DRAINING_BEGIN,
	DRAINING_GO_ON, /* with what somebody who was killed has left */
};

/*
 * What is to be done about `why`, where `now` is, and what drain.json is to say then. `why` is NULL
 * only to go on. What a person asks for is done again after it was taken back; a notice is not.
 */
enum draining_work draining_decide(const struct drain *now, const struct notice *why,
	const struct config_lifecycle *config, time_t time, struct drain *ret_next);

/* Connections are not waited for any longer when the instance is about to go (`at`; 0: it is not).
 */
void draining_shorten(struct drain *drain, time_t at, time_t time);

/* The notice that is acted on: the first, one that was not taken back if there is; NULL: none. */
const struct notice *draining_choose(
	const struct notice notices[static NOTICE_KINDS], const struct drain *now);

/*
 * When the instance goes: the earliest of what is to happen at a time; 0: nobody says. Maintenance
 * that was taken back, or has had its time and may yet come, leaves as much time as ever.
 */
time_t draining_earliest(
	const struct notice notices[static NOTICE_KINDS], const struct drain *now, time_t time);

/* The kind of reason, for drain.d: "person", "lifecycle", "spot" …: how the key begins. */
void draining_kind(const struct drain *drain, char *ret_kind, size_t size);

/* The ports whose connections are waited for: those of `ports`, or of the apps' health URLs. */
void draining_ports(const struct config *config, struct connections_rule *rule);

/* "port 8000", "ports 80, 443"; "no known port". */
void draining_ports_text(const struct connections_rule *rule, char *ret_text, size_t size);

/*
 * Whether there was none for so long. `since` is the caller's memory: when there was none for the
 * first time; 0 at the beginning. Times are usec of CLOCK_MONOTONIC.
 */
bool draining_is_quiet(uint64_t *since, uint64_t now, size_t connections, uint64_t quiet_usec);

/* -- doing it -- */

enum draining_outcome { DRAINING_PROGRESS, DRAINING_DONE, DRAINING_FAILED };

struct draining_report {
	char subject[96]; /* "connections", "app web", "drain.d" */
	char what[256];   /* "port 8000", "stop", "10-flush" */
	enum draining_outcome outcome;
	const char *text; /* how far it is, what came of it, or the error */
	double seconds;
};
typedef void (*draining_tell)(const struct draining_report *report, void *userdata);

struct draining {
	const struct options *options;
	const struct config *config;
	struct drain drain; /* as it was written last */
	time_t at;          /* when the instance goes; 0: nobody says */
	draining_tell tell;
	void *userdata;
};

/*
 * From the phase that `draining->drain` is in to DRAIN_DRAINED; drain.lock is held. What fails on
 * the way is in drain.failed and is no error; that drain.json cannot be written is one.
 */
int draining_run(struct draining *draining, struct err *err);
