/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: what a run of apply knows (apply.c changes it), and what state follows from that (walk.c).
 */
#pragma once

#include "apply.h"
#include "inventory.h"
#include "worker.h"

/* A volume, the packages, the page, an app: what one worker sees to. */
struct subject {
	struct walk *walk;
	enum plan_subject kind;
	size_t index;
	bool left_out; /* by --device, or because one app is deployed */
	bool working, failed, touched;
	bool proving; /* the app runs, and is watched until it is well */
	unsigned successes;
	struct err err;
	const char *failed_at;          /* the step's name; NULL: none of them */
	char progress[WORKER_NOTE_MAX]; /* of the step that is being done; "" none */
	struct plan *plan; /* what the worker walks: kept until it has ended, without the volumes */
	char node[VOLUME_NODE_MAX]; /* the disk that the worker is at */
};

#define SUBJECTS_MAX (CONFIG_VOLUMES_MAX + 2 + CONFIG_APPS_MAX)
_Static_assert(SUBJECTS_MAX < STATE_ITEMS_MAX, "and one item for user-data");

struct walk {
	const struct options *options;
	const struct config *config;
	struct service *service;
	apply_tell tell;
	void *userdata;
	struct subject subjects[SUBJECTS_MAX];
	size_t n_subjects;
	struct inventory *inventory;
	struct plan *plan;
	struct state *before; /* of the last apply since boot, or NULL */
	struct metadata *metadata;
	bool metadata_pending;
	struct err metadata_err;
	bool metadata_refused;         /* switched off: 403 */
	const char *user_data_trouble; /* "": it is known, or nobody can hear it */
	uint64_t started;
	struct state state; /* as it was written last; its moments are added as they end */
	unsigned rounds;
	/* Those of apps are looked at. Not in the first round, so that no volume waits for a slow
	 * git server, nor while packages are being installed: git may be one. */
	bool sources;
	uint64_t progress_written; /* when the state was written for progress alone */
	bool look;                 /* another round is due */
};

bool walk_is_of(const struct plan_step *step, const struct subject *subject);

/* The step of a subject that is farthest from being kept. Every subject has one. */
const struct plan_step *walk_worst_step(const struct walk *walk, const struct subject *subject);

/* Whether there is something to carry out. */
bool walk_is_work(const struct plan_step *step);

/* Whether packages are to be installed still, and that has not failed. */
bool walk_installs(const struct walk *walk);

/* Whether what a subject waits for may still come: a volume until its timeout, the rest with what
 * it needs. */
bool walk_in_time(const struct walk *walk, const struct subject *subject);

/* Makes walk->state that of this moment; metadata is borrowed from the walk. */
void walk_state(struct walk *walk, bool settled);

/*
 * The one app that was asked for: ready, failed, or starting (it waits). After going back by hand,
 * that the newer release is bad is as wanted.
 */
enum status walk_judge_app(const struct walk *walk);
