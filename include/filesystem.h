/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filesystem: what can be made on a blank volume, as a table: the mkfs program and its arguments,
 * the longest label, the smallest device, and the program that grows it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILESYSTEM_ARGS_MAX 8

struct filesystem {
	const char *name;    /* configuration's name, and libblkid's type, and mount's */
	const char *package; /* where mkfs comes from, the same in apt and dnf */
	const char *mkfs[FILESYSTEM_ARGS_MAX]; /* argv without label and device; NULL-ended */
	const char *label_option;
	const char *uuid_option, *uuid_prefix; /* "-m", "uuid=" */
	size_t label_max;                      /* bytes */
	uint64_t size_min;                     /* bytes */
	const char *clone_option; /* mount option for a clone beside its origin, or NULL */
	const char *grow[FILESYSTEM_ARGS_MAX]; /* argv while it is mounted; NULL-ended. … */
	bool grow_device;                      /* … then the device, or else the mount point */
};

/* NULL when there is none of that name. */
const struct filesystem *filesystem_find(const char *name);

/* "xfs, ext4 or btrfs", for error messages. */
const char *filesystem_names(void);
