/* SPDX-License-Identifier: Apache-2.0 */
#include "blank-places.h"

#include "cleanup.h"

#define KIB              (1ull << 10)
#define MIB              (1ull << 20)
#define GIB              (1ull << 30)
#define TIB              (1ull << 40)
#define EXT_GROUP_BLOCKS 65528u /* most blocks of a group: the kernel's 16-bit counters less 8 */
#define XFS_BLOCK        4096u
#define XFS_GROUPS_MAX   128 /* mkfs.xfs makes 4, up to 32 on RAID, more by concurrency */
#define FAT_SECTOR       512u
#define FAT_CLUSTER_MAX  128u /* sectors */
#define FAT_RESERVED     32u
#define FAT_ENTRY        4u
#define PROMISE_FROM_END (3087 * 512u)
#define XFS_GROUP_MAX    (TIB - XFS_BLOCK) /* of devices of 4 TiB and more */

/* Each project's on-disk format; where mkfs was at hand, checked against what it writes. */
static const struct {
	const char *what;
	uint64_t offset;
} fixed_places[] = {
	{"LUKS2 second headers", 1 * MIB},
	{"LUKS2 second headers", 2 * MIB},
	{"LUKS2 second headers", 4 * MIB},
	{"VMFS", 1 * MIB},
	{"bcachefs second superblocks", 1 * MIB + 4 * KIB},
	{"VMFS", 2 * MIB},
	{"f2fs checkpoints", 2 * MIB},
	{"ASM header copies", 2 * MIB - 8 * KIB},
	{"f2fs checkpoints", 4 * MIB},
	{"ASM header copies", 8 * MIB - 8 * KIB},
	{"btrfs mirrors", 64 * MIB},
	{"btrfs mirrors", 256 * GIB},
	{"btrfs mirrors", 1024 * TIB},
	{"ocfs2 backup superblocks", 1 * GIB},
	{"ocfs2 backup superblocks", 4 * GIB},
	{"ocfs2 backup superblocks", 16 * GIB},
	{"ocfs2 backup superblocks", 64 * GIB},
	{"ocfs2 backup superblocks", 256 * GIB},
	{"ocfs2 backup superblocks", 1 * TIB},
	{"BlueStore labels", 1 * GIB},
	{"BlueStore labels", 10 * GIB},
	{"BlueStore labels", 100 * GIB},
	{"BlueStore labels", 1000 * GIB},
	{"NTFS $MFT", 3 * GIB},
	{"reiserfs root nodes", 8210 * 4 * KIB}, /* behind the journal */
	{"reiserfs root nodes", 8211 * 4 * KIB},
	{"APFS container blocks", 20000 * 4 * KIB},
};

struct list {
	struct zero_range *ranges;
	size_t n;
	uint64_t size;
	bool full;
};

/* The block that the offset lies in, if the device has it. */
static void add(struct list *list, const char *what, uint64_t offset)
{
	offset -= offset % ZERO_BLOCK;
	if (offset > list->size - ZERO_BLOCK)
		return;
	if (list->n == BLANK_RANGES_MAX) {
		list->full = true;
		return;
	}
	list->ranges[list->n++] = (struct zero_range){what, offset, ZERO_BLOCK};
}

/*
 * Documentation/filesystems/ext4, "Layout", "Block Groups": a copy of the superblock in group 1
 * and, with sparse_super, in the powers of 3, 5 and 7; with sparse_super2 in group 1 and the last.
 */
static void add_ext(struct list *list)
{
	static const unsigned int bases[] = {3, 5, 7};

	for (uint64_t block = 1 * KIB; block <= 64 * KIB; block *= 2) {
		uint64_t blocks = block * 8 < EXT_GROUP_BLOCKS ? block * 8 : EXT_GROUP_BLOCKS;
		uint64_t group = blocks * block;
		uint64_t first = block == 1 * KIB ? block : 0; /* 1 KiB blocks count from 1 */

		add(list, "ext backup superblocks", first + group);
		if (list->size > first + group)
			add(list, "ext backup superblocks",
				first + (list->size / block * block - first - 1) / group * group);
		FOREACH_ELEMENT (i, bases)
			for (uint64_t n = bases[i]; n <= list->size / group; n *= bases[i])
				add(list, "ext backup superblocks", first + n * group);
	}
}

/*
 * Each allocation group starts with a superblock (XFS Algorithms & Data Structures, "Allocation
 * Groups"). The second one tells for every number of groups that the device may be cut into.
 */
static void add_xfs(struct list *list)
{
	uint64_t blocks = list->size / XFS_BLOCK;

	for (unsigned int groups = 2; groups <= XFS_GROUPS_MAX; groups++)
		add(list, "XFS allocation groups", (blocks + groups - 1) / groups * XFS_BLOCK);
	for (unsigned int i = 1; i <= 4; i++)
		add(list, "XFS allocation groups", i * XFS_GROUP_MAX);
}

/*
 * FAT32 has two tables, and the second begins like the first ("FAT: General Overview of On-Disk
 * Format", "FAT Data Structure"). Where follows from the sectors of a cluster; as mkfs.fat does,
 * which aligns both to clusters.
 */
static void add_fat(struct list *list)
{
	uint64_t sectors = list->size / FAT_SECTOR;

	for (uint64_t cluster = 1; cluster <= FAT_CLUSTER_MAX; cluster *= 2) {
		uint64_t reserved = cluster > FAT_RESERVED ? cluster : FAT_RESERVED;
		uint64_t a_sector = cluster * FAT_SECTOR + 2 * FAT_ENTRY; /* both tables' share */
		uint64_t table = (sectors - reserved + 2 * cluster) * FAT_ENTRY / a_sector + 1;

		table = (table + cluster - 1) / cluster * cluster;
		add(list, "FAT32 second tables", (reserved + table) * FAT_SECTOR);
	}
}

size_t blank_backups(uint64_t size, struct zero_range *ret_ranges)
{
	struct list list = {.ranges = ret_ranges, .size = size};

	FOREACH_ELEMENT (i, fixed_places)
		add(&list, fixed_places[i].what, fixed_places[i].offset);
	add_ext(&list);
	add_xfs(&list);
	add_fat(&list);
	add(&list, "NTFS $MFTMirr", size / 2);
	add(&list, "Promise RAID", size - PROMISE_FROM_END);
	/* 256 KiB labels, before the end rounded down: vdev_label_offset() */
	add(&list, "ZFS labels", size / (256 * KIB) * (256 * KIB) - 512 * KIB);
	add(&list, "ZFS labels", size / (256 * KIB) * (256 * KIB) - 256 * KIB);
	return list.full ? 0 : list.n;
}

/* [offset, offset + length) in chunks. */
static size_t cut(uint64_t offset, uint64_t length, struct zero_range *ret_ranges)
{
	size_t n = 0;

	while (length > 0) {
		uint32_t chunk = length < ZERO_CHUNK ? (uint32_t)length : ZERO_CHUNK;

		ret_ranges[n++] = (struct zero_range){NULL, offset, chunk};
		offset += chunk;
		length -= chunk;
	}
	return n;
}

size_t blank_first_mib(uint64_t size, struct zero_range *ret_ranges)
{
	(void)size;
	return cut(0, BLANK_ENDS_SIZE, ret_ranges);
}

size_t blank_last_mib(uint64_t size, struct zero_range *ret_ranges)
{
	uint64_t start = size - BLANK_ENDS_SIZE;

	start -= start % ZERO_BLOCK;
	return cut(start, size - start, ret_ranges);
}

size_t blank_samples(uint64_t size, struct zero_range *ret_ranges)
{
	struct list list = {.ranges = ret_ranges, .size = size};

	if (size <= BLANK_WHOLE_SIZE)
		return cut(0, size, ret_ranges);
	for (uint64_t i = 0; i < BLANK_SAMPLES; i++)
		add(&list, NULL,
			size / BLANK_SAMPLES * i + size % BLANK_SAMPLES * i / BLANK_SAMPLES);
	return list.n;
}
