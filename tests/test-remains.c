/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counts as left by our own cut off mkfs: blocks are built here as the formats say, and then
 * spoiled in one thing each. That the real mkfs programs write such blocks is in half-made.t.
 */
#include <stdint.h>
#include <string.h>

#include "../bootstrap/remains.h"
#include "tap.h"

static const uint8_t ours[REMAINS_UUID] = {0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t theirs[REMAINS_UUID] = {0xf1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

static uint8_t unit[REMAINS_UNIT_MAX], reference[REMAINS_BLOCK];

static void put32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static void clear(void)
{
	memset(unit, 0, sizeof unit);
	memset(reference, 0, sizeof reference);
}

/* Whether changing any one byte of these makes it not ours. */
static bool every_byte_counts(
	bool (*judge)(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *data,
		const uint8_t *expected),
	size_t from, size_t length)
{
	for (size_t i = from; i < from + length; i++) {
		bool passes;

		unit[i] ^= 0x40;
		passes = judge(ours, 1 << 20, unit, reference);
		unit[i] ^= 0x40;
		if (passes) {
			printf("# but byte %zu does not\n", i);
			return false;
		}
	}
	return true;
}

static void test_crc(void)
{
	/* The check value of CRC-32/ISCSI in every catalogue of CRCs. */
	is_int(~remains_crc32c(~0u, (const uint8_t *)"123456789", 9), 0xe3069283,
		"CRC32C of 123456789");
}

static void seal_xfs(size_t at, size_t length, size_t crc)
{
	put32(unit + at + crc, 0);
	put32(unit + at + crc, ~remains_crc32c(~0u, unit + at, length));
}

/* A free space tree's block, a header of one sector, an inode. */
static void make_tree(void)
{
	clear();
	memcpy(unit, "AB3B", 4);
	memcpy(unit + 32, ours, sizeof ours);
	memset(unit + 56, 0xaa, 4000);
	seal_xfs(0, 4096, 52);
}

static void make_superblock(size_t length)
{
	clear();
	memcpy(unit, "XFSB", 4);
	memcpy(unit + 32, ours, sizeof ours);
	unit[126] = 1;
	seal_xfs(0, length, 224);
}

static void test_xfs(void)
{
	clear();
	ok(remains_xfs(ours, 0, unit, NULL), "xfs: zeros are ours");
	unit[4095] = 1;
	ok(!remains_xfs(ours, 0, unit, NULL), "but not one other byte");

	make_tree();
	ok(remains_xfs(ours, 0, unit, NULL), "a tree block with our UUID is ours");
	ok(!remains_xfs(theirs, 0, unit, NULL), "with another UUID it is not");
	ok(every_byte_counts(remains_xfs, 0, 4096), "every byte of it counts");
	unit[31] = 1;
	seal_xfs(0, 4096, 52);
	ok(!remains_xfs(ours, 0, unit, NULL), "what a mounted file system wrote (an LSN) is not");

	make_superblock(512);
	ok(remains_xfs(ours, 0, unit, NULL), "an unfinished superblock is ours");
	memcpy(unit + 512, "XAGF", 4);
	memcpy(unit + 512 + 64, ours, sizeof ours);
	seal_xfs(512, 512, 216);
	memcpy(unit + 3584, "IN", 2);
	memcpy(unit + 3584 + 160, ours, sizeof ours);
	seal_xfs(3584, 512, 100);
	ok(remains_xfs(ours, 0, unit, NULL), "and others in the sectors behind it");
	ok(every_byte_counts(remains_xfs, 0, 4096), "every byte of all of them counts");
	unit[126] = 0;
	seal_xfs(0, 512, 224);
	ok(!remains_xfs(ours, 0, unit, NULL), "a finished superblock is not ours");
	make_superblock(4096);
	ok(remains_xfs(ours, 0, unit, NULL), "a superblock of a 4 KiB sector is ours");
}

static void seal_btrfs(size_t length)
{
	put32(unit, ~remains_crc32c(~0u, unit + 32, length - 32));
}

static void test_btrfs(void)
{
	clear();
	memcpy(unit + 32, ours, sizeof ours);
	memset(unit + 101, 0xaa, 200);
	memset(unit + 16000, 0xbb, 384);
	seal_btrfs(sizeof unit);
	ok(remains_btrfs(ours, 0, unit, NULL), "btrfs: a node with our UUID is ours");
	ok(!remains_btrfs(theirs, 0, unit, NULL), "with another it is not");
	ok(every_byte_counts(remains_btrfs, 0, 200) && every_byte_counts(remains_btrfs, 16000, 384),
		"every byte of it counts");

	clear();
	memcpy(unit + 32, ours, sizeof ours);
	memcpy(unit + 64, "!BHRfS_M", 8);
	seal_btrfs(4096);
	ok(remains_btrfs(ours, 0, unit, NULL), "an unfinished superblock is ours");
	ok(every_byte_counts(remains_btrfs, 0, 4096), "every byte of it counts");
	ok(every_byte_counts(remains_btrfs, 4096, 100), "and nothing else is behind it");
	memcpy(unit + 64, "_BHRfS_M", 8);
	seal_btrfs(4096);
	ok(!remains_btrfs(ours, 0, unit, NULL), "a finished superblock is not ours");
	seal_btrfs(sizeof unit);
	ok(!remains_btrfs(ours, 0, unit, NULL), "nor when it looks like a node");
}

/* Documentation/filesystems/ext4, "Checksums": over UUID, inode number, generation, the inode. */
static void seal_inode(size_t at, uint8_t number, bool wide)
{
	uint32_t crc = remains_crc32c(~0u, ours, sizeof ours);

	memset(unit + at + 124, 0, 2);
	if (wide)
		memset(unit + at + 130, 0, 2);
	crc = remains_crc32c(crc, (const uint8_t[4]){number}, 4);
	crc = remains_crc32c(crc, unit + at + 100, 4);
	crc = remains_crc32c(crc, unit + at, 256);
	unit[at + 124] = (uint8_t)crc;
	unit[at + 125] = (uint8_t)(crc >> 8);
	if (wide) {
		unit[at + 130] = (uint8_t)(crc >> 16);
		unit[at + 131] = (uint8_t)(crc >> 24);
	}
}

static void test_ext4_inodes(void)
{
	clear();
	memset(unit + 256 + 8, 0x77, 12);
	seal_inode(256, 1, false);
	seal_inode(768, 7, false);
	ok(remains_ext4(ours, 0, unit, reference), "unused inodes, with times or none, are ours");
	memset(unit + 256, 0x11, 100);
	unit[256 + 128] = 32;
	seal_inode(256, 2, true);
	ok(remains_ext4(ours, 0, unit, reference), "an inode is ours by its checksum");
	ok(!remains_ext4(theirs, 0, unit, reference), "which has the UUID in it");
	ok(every_byte_counts(remains_ext4, 0, 4096), "every byte counts");
	unit[256 + 100] = 1;
	seal_inode(256, 2, true);
	ok(!remains_ext4(ours, 0, unit, reference), "an inode that a kernel made is not");
	unit[256 + 100] = 0;
	seal_inode(256, 13, true);
	ok(!remains_ext4(ours, 0, unit, reference), "inode 13 mkfs does not make");
	unit[256 + 128] = 0;
	seal_inode(256, 2, false);
	ok(!remains_ext4(ours, 0, unit, reference), "half a checksum is not enough");
}

static void test_ext4(void)
{
	clear();
	memset(reference + 2048, 0xcc, 1024);
	ok(remains_ext4(ours, 0, unit, reference), "ext4: zeros are ours");
	memset(unit + 2048, 0xcc, 512);
	ok(remains_ext4(ours, 0, unit, reference), "so is what mkfs writes there, or part of it");
	ok(every_byte_counts(remains_ext4, 0, 4096), "every byte counts");

	clear();
	put32(unit + 56, 0xef53);
	memcpy(unit + 104, ours, sizeof ours);
	put32(unit + 1020, remains_crc32c(~0u, unit, 1020));
	ok(remains_ext4(ours, 1 << 27, unit, reference), "a copy of the superblock is ours");
	ok(!remains_ext4(theirs, 1 << 27, unit, reference), "with another UUID it is not");
	ok(every_byte_counts(remains_ext4, 0, 1024), "every byte of it counts");
	memcpy(unit + 1024, unit, 1024);
	memset(unit, 0, 1024);
	memcpy(reference, unit, sizeof reference);
	ok(!remains_ext4(ours, 0, unit, reference), "the first superblock, written last, is not");
}

int main(void)
{
	test_crc();
	test_xfs();
	test_btrfs();
	test_ext4_inodes();
	test_ext4();
	return done_testing();
}
