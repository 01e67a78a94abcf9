/* SPDX-License-Identifier: Apache-2.0 */
/* mount: the mount table and direct mounts, by libmount. Where PID 1 is no systemd. */
#pragma once

#include <sys/types.h>

#include "err.h"

struct mount {
	char source[64]; /* "/dev/loop3" */
	char type[32];
	dev_t disk; /* the block device behind it (by its number, not its name); 0: none */
};

/* What is mounted on top at just this path. -ENOENT: nothing. */
int mount_find(const char *target, struct mount *ret_mount, struct err *err);

/*
 * Mounts and makes sure that the table shows it. `options` as for mount -o, or NULL. libmount's
 * words, or the kernel's, in `err`.
 */
int mount_attach(const char *source, const char *target, const char *type, const char *options,
	struct err *err);
