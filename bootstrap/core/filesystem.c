/* SPDX-License-Identifier: Apache-2.0 */
#include "filesystem.h"

#include <string.h>

#include "cleanup.h"

/* No discard (-K, nodiscard): a fresh volume has nothing to discard, and it costs seconds. */
static const struct filesystem filesystems[] = {
	{.name = "xfs",
		.package = "xfsprogs",
		.mkfs = {"mkfs.xfs", "-q", "-K"},
		.label_option = "-L",
		.uuid_option = "-m",
		.uuid_prefix = "uuid=",
		.label_max = 12,
		.size_min = 300ull << 20,
		.clone_option = "nouuid",
		.grow = {"xfs_growfs", "-d"}},
	{.name = "ext4",
		.package = "e2fsprogs",
		.mkfs = {"mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=1"},
		.label_option = "-L",
		.uuid_option = "-U",
		.uuid_prefix = "",
		.label_max = 16,
		.size_min = 16ull << 20,
		.grow = {"resize2fs"},
		.grow_device = true},
	{.name = "btrfs",
		.package = "btrfs-progs",
		.mkfs = {"mkfs.btrfs", "-q", "-K"},
		.label_option = "-L",
		.uuid_option = "-U",
		.uuid_prefix = "",
		.label_max = 255,
		.size_min = 114ull << 20,
		.grow = {"btrfs", "filesystem", "resize", "max"}},
};

const struct filesystem *filesystem_find(const char *name)
{
	FOREACH_ELEMENT (i, filesystems)
		if (strcmp(filesystems[i].name, name) == 0)
			return &filesystems[i];
	return NULL;
}

const char *filesystem_names(void)
{
	return "xfs, ext4 or btrfs";
}
