/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks: drain.d beside the configuration file: what the operator has done on an instance whose
 * apps were stopped, as to leave a cluster or to save logs. Root runs them with all its rights, so
 * nobody else may have a hand in what they are.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"

#define HOOKS_DIRECTORY   "drain.d"
#define HOOKS_MAX         64
#define HOOKS_TIMEOUT     (60 * 1000000ull) /* usec for each, unless there is less … */
#define HOOKS_TIMEOUT_MIN (5 * 1000000ull)  /* … but never less than this */

struct hooks {
	char directory[PATH_MAX]; /* where it really is */
	char *names[HOOKS_MAX];   /* in their order */
	size_t n;
};

/* What of a name is run: not hidden files, nor what editors and package managers leave. Pure. */
bool hooks_is_name(const char *name);

/* The executables beside this configuration file, by name. No directory: none. */
int hooks_list(const char *config, struct hooks *ret_hooks, struct err *err);
void hooks_clear(struct hooks *hooks);

/*
 * Runs one with `kind` as its argument, these variables, and a time limit; its output is passed on.
 * -EPERM: it, or a directory on the way, is not root's (or ours) alone; else as spawn_run().
 */
int hooks_run(const struct hooks *hooks, size_t i, const char *kind, const char *const *env,
	uint64_t timeout_usec, struct err *err);
