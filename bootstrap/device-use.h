/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device-use: what stands on a disk. A mount, a swap area, a btrfs member is traced from its own
 * device number down through partitions, dm and md to whole disks.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"
#include "volume.h"

/* printf() format: a block device in sysfs, by major and minor number. */
#define DEVICE_SYSFS "/sys/dev/block/%u:%u"

/* Whether the device has this attribute or directory in sysfs. */
bool device_has(dev_t number, const char *name);

/* The whole disk of a partition; 0 when it cannot be read. */
dev_t device_parent(dev_t partition);

/* What the mount table, /proc/swaps and mounted btrfs use at one moment. */
struct device_users;

int device_users_read(struct device_users **ret, struct err *err);
void device_users_free(struct device_users *users);
CLEANUP_FOR(device_users, device_users_free);

/* Fills root_disk, mount and in_use of the disk volume->number. What cannot be read counts as use.
 */
void device_users_find(const struct device_users *users, struct volume *volume);
