/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow: how much of its disk a mounted file system uses, and growing it online to all of it.
 */
#pragma once

#include <stdint.h>

#include "err.h"
#include "filesystem.h"

/*
 * Bytes of the device that the file system uses, from the kernel: XFS_IOC_FSGEOMETRY_V1 (xfsprogs,
 * libxfs/xfs_fs.h); BTRFS_IOC_DEV_INFO (linux/btrfs.h), one device only; for ext4 the superblock
 * on `node` (Documentation/filesystems/ext4/super.rst), which the kernel keeps current.
 * -EOPNOTSUPP: of such a file system that is not known.
 */
int grow_used(const struct filesystem *filesystem, const char *node, const char *mount,
	uint64_t *ret_bytes);

/* Runs the file system's own program on it. Errors of spawn_run(). */
int grow_run(
	const struct filesystem *filesystem, const char *node, const char *mount, struct err *err);
