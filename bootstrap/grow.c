/* SPDX-License-Identifier: Apache-2.0 */
#include "grow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "spawn.h"

#define GROW_TIMEOUT (30ull * 60 * 1000000)

/* -- how much is used -- */

struct xfs_geometry {
	uint32_t block_size, realtime_extent, group_blocks, groups, log_blocks, sector, inode,
		inode_percent;
	uint64_t data_blocks, realtime_blocks, realtime_extents, log_start;
	uint8_t uuid[16];
	uint32_t stripe[2];
	int32_t version;
	uint32_t flags, log_sector, realtime_sector, directory_block;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)

static int xfs_used(const char *node, int mount, uint64_t *ret_bytes)
{
	struct xfs_geometry geometry = {0};

	(void)node;
	if (ioctl(mount, XFS_GEOMETRY, &geometry) < 0)
		return -errno;
	*ret_bytes = geometry.data_blocks * geometry.block_size;
	return 0;
}

static int btrfs_used(const char *node, int mount, uint64_t *ret_bytes)
{
	struct btrfs_ioctl_fs_info_args filesystem = {0};
	struct btrfs_ioctl_dev_info_args device = {0};

	(void)node;
	if (ioctl(mount, BTRFS_IOC_FS_INFO, &filesystem) < 0)
		return -errno;
	if (filesystem.num_devices != 1)
		return -EOPNOTSUPP;
	device.devid = filesystem.max_id;
	if (ioctl(mount, BTRFS_IOC_DEV_INFO, &device) < 0)
		return -errno;
	*ret_bytes = device.total_bytes;
	return 0;
}

static uint64_t little_endian(const uint8_t *bytes, size_t n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | bytes[n];
	return value;
}

static int ext4_used(const char *node, int mount, uint64_t *ret_bytes)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);
	uint8_t superblock[1024];
	uint64_t blocks;

	(void)mount;
	if (fd < 0)
		return -errno;
	if (pread(fd, superblock, sizeof superblock, 1024) != sizeof superblock ||
		little_endian(superblock + 0x38, 2) != 0xef53 || superblock[0x18] > 6)
		return -EIO;
	blocks = little_endian(superblock + 0x4, 4);
	if (little_endian(superblock + 0x60, 4) & 0x80) /* INCOMPAT_64BIT */
		blocks |= little_endian(superblock + 0x150, 4) << 32;
	*ret_bytes = blocks * (1024ull << superblock[0x18]);
	return 0;
}

int grow_used(const struct filesystem *filesystem, const char *node, const char *mount,
	uint64_t *ret_bytes)
{
	static const struct {
		const char *name;
		int (*used)(const char *node, int mount, uint64_t *ret_bytes);
	} kinds[] = {{"xfs", xfs_used}, {"ext4", ext4_used}, {"btrfs", btrfs_used}};
	_cleanup_close_ int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	FOREACH_ELEMENT (i, kinds)
		if (strcmp(kinds[i].name, filesystem->name) == 0)
			return kinds[i].used(node, fd, ret_bytes);
	return -EOPNOTSUPP;
}

/* -- growing -- */

int grow_run(
	const struct filesystem *filesystem, const char *node, const char *mount, struct err *err)
{
	const char *argv[FILESYSTEM_ARGS_MAX + 2];
	size_t n = 0;

	while (filesystem->grow[n]) {
		argv[n] = filesystem->grow[n];
		n++;
	}
	argv[n++] = filesystem->grow_device ? node : mount;
	argv[n] = NULL;
	return spawn_run(
		&(struct spawn){
			.argv = argv, .package = filesystem->package, .timeout_usec = GROW_TIMEOUT},
		NULL, err);
}
