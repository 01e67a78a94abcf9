/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device: finds the whole disks of this machine, who they are and what uses them; from sysfs
 * (Documentation/ABI/stable/sysfs-block), NVMe identify, /proc/self/mountinfo (proc(5)) and
 * /proc/swaps. Devices are compared by number, never by name. Nothing is written.
 *
 * These fill "who" and "use" of struct volume and leave content and proof empty. Without root they
 * work as far as they can: what NVMe identify would say is then taken from sysfs (model, serial)
 * and from udev's link (mapping).
 */
#pragma once

#include <stddef.h>

#include "err.h"
#include "volume.h"

#define DEVICE_MAX 256

/*
 * Lists whole disks in the natural order of their names: no partitions, dm, md, ram, optical or
 * floppy devices, and nothing of size 0 (a loop or zram device that is not set up). The caller
 * frees the array. -E2BIG for more than DEVICE_MAX.
 */
int device_list(struct volume **ret_volumes, size_t *ret_n, struct err *err);

/*
 * One disk, by any path that leads to it. -ENOENT no such path, -EISDIR a directory, -ENOTBLK
 * another file, -EINVAL a partition or a device made of others (dm, md) or not a disk.
 */
int device_read(const char *path, struct volume *ret, struct err *err);

/* The same of an open device: no name is looked up, so it is the device that `fd` holds. */
int device_read_fd(int fd, struct volume *ret, struct err *err);
