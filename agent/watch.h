/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch: follows what root writes and what the kernel mounts: the state directory (the directory,
 * since a rename replaces the file) and the mount table. Reads only these: no file system of a
 * volume is touched.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "drain.h"
#include "state.h"
#include "status.h"

struct watch;

typedef void (*watch_changed)(void *userdata);
typedef int (*watch_configured)(void *userdata);

/*
 * Follows DIRECTORY, which need not exist yet. `changed` is called from the loop when anything that
 * the functions below return may have changed; `configured` when the layer of user-data may have,
 * and again while it says -ENOMEM, -ENFILE or -EMFILE.
 */
int watch_new(sd_event *event, const char *directory, watch_changed changed,
	watch_configured configured, void *userdata, struct watch **ret_watch);
struct watch *watch_free(struct watch *watch);

/* NULL: there is none (yet), or none that can be read; valid until the next `changed`. */
const struct state *watch_state(const struct watch *watch);

/* The index page, or NULL; as watch_state(). */
const char *watch_index(const struct watch *watch);

/* Whether this item of the state is a volume that the mount table shows in its place. */
bool watch_mounted(const struct watch *watch, const struct state_item *item);

/* How far root is with a drain; as watch_state(). One that cannot be read changes nothing. */
const struct drain *watch_drain(const struct watch *watch);

/*
 * The checks of the state, each volume's also against the mount table: one that was mounted and is
 * not any more fails. Returns how many, at most STATUS_CHECKS_MAX.
 */
size_t watch_checks(const struct watch *watch, struct check *ret_checks);

CLEANUP_FOR(watch, watch_free);
