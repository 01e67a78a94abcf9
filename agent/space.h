/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space: how full the mounted volumes are. A file system that hangs must not hang the agent, so it
 * is asked by a thread of its own; one that does not answer in time has no values until it does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define SPACE_VOLUMES_MAX   64
#define SPACE_NAME_MAX      40          /* as state.h's */
#define SPACE_PATH_MAX      256         /* likewise */
#define SPACE_INTERVAL_USEC 10000000ull /* what the agent takes */
#define SPACE_QUESTIONS_MAX 4           /* outstanding, of all volumes; one of each at most */

struct sd_event;
struct space;

struct space_volume {
	char name[SPACE_NAME_MAX], path[SPACE_PATH_MAX];
	bool known;               /* it answered the latest question */
	uint64_t size, available; /* bytes; available to users without privileges */
};

/*
 * Without volumes at first; each is asked once in an interval. A reference to the loop is held.
 * -ENOMEM and the like.
 */
int space_new(struct sd_event *event, uint64_t interval_usec, struct space **ret_space);

/*
 * These volumes are mounted; of each only name and path are looked at, and beyond the maximum they
 * are left out. What is known of one that was there before stays; a new one is asked at once.
 */
void space_follow(struct space *space, const struct space_volume *volumes, size_t n);

/*
 * All of them. The array lasts as long as `space`; what is in it changes with the answers that
 * come, and with space_follow().
 */
const struct space_volume *space_volumes(const struct space *space, size_t *ret_n);

/* The used share, 0..1, of what its users can have; -1: not known. Pure. */
double space_share(const struct space_volume *volume);

/* The same of the volume of this name; -1 also when there is none. */
double space_used(const struct space *space, const char *name);

/*
 * Takes NULL, and returns it. Does not wait: a thread that hangs is left behind, and ends when its
 * file system answers.
 */
struct space *space_free(struct space *space);
CLEANUP_FOR(space, space_free);
