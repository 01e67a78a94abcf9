/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: what a run of apply knows (apply.c changes it), and what state follows from that (walk.c).
 */
#pragma once

#include "apply.h"
#include "inventory.h"

/* A volume, the page, an app: what one worker sees to. */
struct subject {
	struct walk *walk;
	enum plan_subject kind;
	size_t index;
	bool left_out; /* by --device */
	bool working, failed, touched;
	unsigned successes;
	struct err err;
	struct plan *plan; /* what the worker walks: kept until it has ended, without the volumes */
	char node[VOLUME_NODE_MAX]; /* the disk that the worker is at */
};

#define SUBJECTS_MAX (CONFIG_VOLUMES_MAX + 1 + CONFIG_APPS_MAX)

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
	uint64_t started;
	struct state state; /* as it was written last; its moments are added as they end */
	unsigned rounds;
	bool look; /* another round is due */
};

bool walk_is_of(const struct plan_step *step, const struct subject *subject);

/* In the first round sources are left aside, so that no volume waits for a slow git server. */
bool walk_sees_sources(const struct walk *walk);

/* Whether there is something to carry out. */
bool walk_is_work(const struct plan_step *step);

/* Whether what a subject waits for may still come: a volume until its timeout, the rest with what
 * it needs. */
bool walk_in_time(const struct walk *walk, const struct subject *subject);

/* Makes walk->state that of this moment; metadata is borrowed from the walk. */
void walk_state(struct walk *walk, bool settled);
