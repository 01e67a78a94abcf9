/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: whether a volume is mounted, from the mount table alone. No file system is touched: one
 * that hangs must not hang the agent. Pure.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether /proc/self/mountinfo's text (proc(5)) has, on top at `mount_point`, this disk: by its
 * number, or by its node where the file system has an anonymous number (btrfs).
 */
bool mounts_show(const char *mountinfo, const char *mount_point, dev_t number, const char *node);
