/* SPDX-License-Identifier: Apache-2.0 */
/* The directory that is served, with no way out of it. */
#pragma once

#include <stddef.h>

enum {
	TREE_FILE_MAX = 1 << 20, /* bytes read of one file; real user-data ends at 16 KiB */
};

/*
 * Opens `path`, relative to the directory `root`, for reading; "" is the root itself. Neither `..`,
 * an absolute path nor a symbolic link leads out of `root`: -EXDEV. Never waits on a FIFO. Returns
 * a descriptor that the caller closes, or -errno.
 */
int tree_open(int root, const char *path);

/*
 * Reads a file from its beginning, and ends it with a NUL that does not count. The caller frees
 * what it gets. 0, -EFBIG above TREE_FILE_MAX, or -errno.
 */
int tree_read(int fd, char **ret_data, size_t *ret_size);

/* Both in one, for a file at `path`. */
int tree_load(int root, const char *path, char **ret_data, size_t *ret_size);
