/* SPDX-License-Identifier: Apache-2.0 */
#include "remains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mkfs.h"

#define XFS_SECTOR      512u
#define XFS_SB_PROGRESS 126u /* sb_inprogress */
#define BTRFS_HASHED    32u  /* the checksum's own room */
#define EXT4_SUPERBLOCK 1024u
#define EXT4_INODE      256u
#define EXT4_INODES_MAX 12u  /* mkfs makes the reserved ones, lost+found, and the orphan file */
#define EXT4_TIMES      8u   /* i_atime, i_ctime, i_mtime */
#define EXT4_GENERATION 100u /* random for what a kernel makes */
#define EXT4_EXTRA      128u /* i_extra_isize */
#define EXT4_CRC_LOW    124u
#define EXT4_CRC_HIGH   130u

static const uint8_t zeros[REMAINS_UNIT_MAX];

static bool is_zero(const uint8_t *data, size_t length)
{
	return memcmp(data, zeros, length) == 0;
}

static uint32_t little16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t little32(const uint8_t *p)
{
	return little16(p) | little16(p + 2) << 16;
}

uint32_t remains_crc32c(uint32_t crc, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

/* With the `n` bytes of the checksum itself taken for zero. */
static uint32_t crc_but(uint32_t crc, const uint8_t *data, size_t length, size_t at, size_t n)
{
	crc = remains_crc32c(crc, data, at);
	crc = remains_crc32c(crc, zeros, n);
	return remains_crc32c(crc, data + at + n, length - at - n);
}

/* -- xfs -- */

static const struct xfs_block {
	const char *magic;
	size_t uuid, lsn, crc; /* offsets */
} xfs_blocks[] = {
	{"XFSB", 32, 240, 224},
	{"XAGF", 64, 208, 216},
	{"XAGI", 296, 320, 312},
	{"XAFL", 8, 24, 32},
	{"AB3B", 32, 24, 52}, /* free space by block, by count */
	{"AB3C", 32, 24, 52},
	{"IAB3", 32, 24, 52}, /* inodes, free inodes */
	{"FIB3", 32, 24, 52},
	{"RMB3", 32, 24, 52}, /* reverse mappings, reference counts */
	{"R3FC", 32, 24, 52},
	{"IN", 160, 112, 100},
};

static bool is_xfs(const uint8_t *uuid, const uint8_t *data, size_t length)
{
	FOREACH_ELEMENT (i, xfs_blocks) {
		const struct xfs_block *b = &xfs_blocks[i];

		if (memcmp(data, b->magic, strlen(b->magic)) == 0)
			return memcmp(data + b->uuid, uuid, REMAINS_UUID) == 0 &&
			       is_zero(data + b->lsn, 8) && (i > 0 || data[XFS_SB_PROGRESS] == 1) &&
			       ~crc_but(~0u, data, length, b->crc, 4) == little32(data + b->crc);
	}
	return false;
}

/* Headers are a sector long, inodes half a KiB, trees a block. */
bool remains_xfs(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference)
{
	(void)offset, (void)reference;
	if (is_xfs(uuid, unit, REMAINS_BLOCK))
		return true;
	for (size_t at = 0; at < REMAINS_BLOCK; at += XFS_SECTOR)
		if (!is_zero(unit + at, XFS_SECTOR) && !is_xfs(uuid, unit + at, XFS_SECTOR))
			return false;
	return true;
}

/* -- btrfs -- */

static bool is_btrfs(const uint8_t *uuid, const uint8_t *data, size_t length)
{
	return memcmp(data + BTRFS_HASHED, uuid, REMAINS_UUID) == 0 &&
	       is_zero(data + 4, BTRFS_HASHED - 4) &&
	       ~remains_crc32c(~0u, data + BTRFS_HASHED, length - BTRFS_HASHED) == little32(data);
}

/* A node, or a superblock and nothing behind it. */
bool remains_btrfs(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference)
{
	(void)offset, (void)reference;
	if (is_zero(unit + REMAINS_BLOCK, REMAINS_UNIT_MAX - REMAINS_BLOCK) &&
		memcmp(unit + 64, "!BHRfS_M", 8) == 0)
		return is_btrfs(uuid, unit, REMAINS_BLOCK);
	return memcmp(unit + 64, "_BHRfS_M", 8) != 0 && is_btrfs(uuid, unit, REMAINS_UNIT_MAX);
}

/* -- ext4 -- */

static bool is_ext4_superblock(const uint8_t *uuid, const uint8_t *data)
{
	return little16(data + 56) == 0xef53 && memcmp(data + 104, uuid, REMAINS_UUID) == 0 &&
	       remains_crc32c(~0u, data, 1020) == little32(data + 1020);
}

/* The checksum begins with UUID and number of the inode. An unused one has but that and times. */
static bool is_ext4_inode(const uint8_t *uuid, const uint8_t *data)
{
	bool wide = little16(data + EXT4_EXTRA) >= EXT4_CRC_HIGH + 2 - EXT4_EXTRA;
	uint32_t seed = remains_crc32c(~0u, uuid, REMAINS_UUID);
	uint8_t plain[EXT4_INODE];

	if (!is_zero(data + EXT4_GENERATION, 4))
		return false;
	memcpy(plain, data, sizeof plain);
	memset(plain + EXT4_CRC_LOW, 0, 2);
	if (wide)
		memset(plain + EXT4_CRC_HIGH, 0, 2);
	else if (!is_zero(plain, EXT4_TIMES) ||
		 !is_zero(plain + EXT4_TIMES + 12, sizeof plain - EXT4_TIMES - 12))
		return false;
	for (uint8_t number = 1; number <= EXT4_INODES_MAX; number++) {
		uint32_t crc = remains_crc32c(seed, (const uint8_t[4]){number}, 4);

		crc = remains_crc32c(crc, data + EXT4_GENERATION, 4);
		crc = remains_crc32c(crc, plain, sizeof plain);
		if ((crc & 0xffff) == little16(data + EXT4_CRC_LOW) &&
			(!wide || crc >> 16 == little16(data + EXT4_CRC_HIGH)))
			return true;
	}
	return false;
}

bool remains_ext4(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference)
{
	size_t at = 0;

	while (at < REMAINS_BLOCK) {
		const uint8_t *data = unit + at;

		if (at % EXT4_SUPERBLOCK == 0 && offset + at > EXT4_SUPERBLOCK &&
			is_ext4_superblock(uuid, data))
			at += EXT4_SUPERBLOCK;
		else if (is_zero(data, EXT4_INODE) || is_ext4_inode(uuid, data) ||
			 (offset + at != EXT4_SUPERBLOCK &&
				 memcmp(data, reference + at, EXT4_INODE) == 0))
			at += EXT4_INODE;
		else
			return false;
	}
	return true;
}

/* -- on a device -- */

static const struct kind {
	const char *filesystem;
	size_t unit;
	bool reference;
	bool (*judge)(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
		const uint8_t *reference);
} kinds[] = {
	{"xfs", REMAINS_BLOCK, false, remains_xfs},
	{"btrfs", REMAINS_UNIT_MAX, false, remains_btrfs},
	{"ext4", REMAINS_BLOCK, true, remains_ext4},
};

static const struct kind *find_kind(const char *filesystem)
{
	FOREACH_ELEMENT (i, kinds)
		if (strcmp(kinds[i].filesystem, filesystem) == 0)
			return &kinds[i];
	return NULL;
}

static bool parse_uuid(const char *text, uint8_t ret_uuid[static REMAINS_UUID])
{
	for (size_t i = 0; i < REMAINS_UUID; i++) {
		unsigned int byte;
		int n = 0;

		text += *text == '-';
		if (sscanf(text, "%2x%n", &byte, &n) != 1 || n != 2)
			return false;
		ret_uuid[i] = (uint8_t)byte;
		text += n;
	}
	return *text == '\0';
}

static int make_reference(const struct filesystem *filesystem, const char *uuid, uint64_t size,
	int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (size > REMAINS_REFERENCE_SIZE)
		return err_set(
			err, -EFBIG, "too large to run %s again in memory", filesystem->mkfs[0]);
	fd = memfd_create(filesystem->name, MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return err_set(err, -errno, "memory for %s: %m", filesystem->mkfs[0]);
	r = mkfs_run(filesystem, "", uuid, fd, err);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

int remains_open(const struct filesystem *filesystem, const char *uuid, uint64_t size,
	struct remains *ret, struct err *err)
{
	const struct kind *kind = find_kind(filesystem->name);
	struct remains remains = {.filesystem = filesystem, .reference = -1};
	int r = 0;

	if (!kind)
		return err_set(err, -EOPNOTSUPP, "%s: is not resumed", filesystem->name);
	if (!parse_uuid(uuid, remains.uuid))
		return err_set(err, -EINVAL, "\"%s\" is no UUID", uuid);
	if (kind->reference)
		r = make_reference(filesystem, uuid, size, &remains.reference, err);
	if (r == 0)
		*ret = remains;
	return r;
}

void remains_close(struct remains *remains)
{
	cleanup_close(&remains->reference);
}

bool remains_cover(const struct remains *remains, int fd, uint64_t offset)
{
	_Alignas(REMAINS_BLOCK) uint8_t unit[REMAINS_UNIT_MAX], reference[REMAINS_BLOCK];
	const struct kind *kind = find_kind(remains->filesystem->name);

	offset -= offset % kind->unit;
	if (pread(fd, unit, kind->unit, (off_t)offset) != (ssize_t)kind->unit)
		return false;
	if (kind->reference && pread(remains->reference, reference, sizeof reference,
				       (off_t)offset) != (ssize_t)sizeof reference)
		return false;
	return kind->judge(remains->uuid, offset, unit, reference);
}
