/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs: runs a file system's mkfs on what an open descriptor holds, a device or a file in memory.
 */
#pragma once

#include "err.h"
#include "filesystem.h"

#define UUID_SIZE 37 /* as text, with the NUL */

/* mkfs is given the descriptor, not a name that may lead elsewhere by now. Errors of spawn_run().
 */
int mkfs_run(const struct filesystem *filesystem, const char *label, const char *uuid, int fd,
	struct err *err);
