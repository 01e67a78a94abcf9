/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remains: whether a block that is not zero is what mkfs, cut off, leaves of one file system with
 * one UUID: a random number that mkfs was told to use and that nobody else's data has. What it has
 * written it has written whole or not at all, at each of the places below.
 *
 * xfs, btrfs: each block proves itself. It has the file system's UUID, its checksum (CRC32C) covers
 * every byte, and it says that no kernel has ever written it: XFS with log sequence number 0 and
 * superblocks "in progress", btrfs with superblocks of the temporary magic.
 *
 * ext4: superblocks and inodes prove themselves (the UUID is in the one, and in the other's
 * checksum). All else, bitmaps, descriptors, directories, must be what the same mkfs with the same
 * UUID writes there, byte by byte: it is run once more, into memory.
 *
 * A finished file system is no remains: the primary superblock of each is written last.
 *
 * Formats: "XFS Algorithms & Data Structures" (self-describing metadata), xfs_format.h; btrfs
 * "On-disk format", Superblock, Header; Documentation/filesystems/ext4 "Checksums", "Super Block",
 * "Inode Table".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"
#include "filesystem.h"

#define REMAINS_BLOCK          4096u
#define REMAINS_UNIT_MAX       (16u << 10)  /* a btrfs node */
#define REMAINS_REFERENCE_SIZE (4ull << 40) /* ext4's second mkfs takes 15 MB of memory a TiB */
#define REMAINS_UUID           16           /* bytes */

struct remains {
	const struct filesystem *filesystem;
	uint8_t uuid[REMAINS_UUID];
	int reference; /* a file in memory with what mkfs writes, or -1 */
};

/*
 * Ready to judge a device of `size`. -EINVAL no UUID, -EFBIG an ext4 larger than
 * REMAINS_REFERENCE_SIZE, -EOPNOTSUPP another file system, or why mkfs could not run. The caller
 * closes.
 */
int remains_open(const struct filesystem *filesystem, const char *uuid, uint64_t size,
	struct remains *ret, struct err *err);
void remains_close(struct remains *remains);

/* Whether the block at `offset` of the device, a multiple of REMAINS_BLOCK, is of these. */
bool remains_cover(const struct remains *remains, int fd, uint64_t offset);

/*
 * The same of a unit in memory, pure. `offset` is where it starts on the device; `reference`, as
 * long, is only read for ext4. XFS and ext4: REMAINS_BLOCK, btrfs: REMAINS_UNIT_MAX bytes.
 */
bool remains_xfs(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference);
bool remains_btrfs(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference);
bool remains_ext4(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference);

/* CRC32C (Castagnoli), bits as they are; callers invert before and after as their format says. */
uint32_t remains_crc32c(uint32_t crc, const uint8_t *data, size_t length);
