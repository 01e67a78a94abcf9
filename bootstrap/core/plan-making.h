/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-making: what the parts of plan_make() share; one file for each kind of subject. Private to
 * core/plan*.c.
 */
#pragma once

#include "plan.h"

struct making {
	const struct config *config;
	const struct metadata *metadata;
	const struct inventory *inventory;
	struct plan *plan;
	struct finding {
		const struct volume *volume;   /* the disk, if exactly one answers to the name */
		const struct volume *conflict; /* answers to the name, but says it is another */
		size_t matches;
	} found[CONFIG_VOLUMES_MAX]; /* for each [volume] */
};

struct plan_step *making_add(struct making *m, enum plan_subject subject, size_t index,
	enum plan_op op, enum plan_sign sign, const char *reason, ...)
	__attribute__((format(printf, 6, 7)));

/* Why there is no metadata. */
const char *making_trouble(const struct making *m);

void making_packages(struct making *m);

/* Whether packages are to be installed: programs and users that are not there may come with them.
 */
bool making_awaits_packages(const struct making *m);

void making_find_volumes(struct making *m);
void making_volume(struct making *m, size_t i);

/* The innermost [volume] not mounted yet on which `path` will lie; NULL: none. */
const struct config_volume *making_mount_below(const struct making *m, const char *path);

/* What an app comes after: the volume that it or its link lies on, or else any that is required. */
const struct config_volume *making_missing_for_app(
	const struct making *m, const struct config_app *app);

/* -ENOMEM */
int making_app(struct making *m, size_t i);
