/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: whole directory trees, as sources and releases are: checked, digested, copied, handed to
 * an owner, removed.
 *
 * No symbolic link is ever followed, and no mount point entered: every step goes by open
 * directories (openat(2)), so that a user who changes the tree meanwhile cannot lead us out of it.
 *
 * What a source may hold: directories, regular files without set-user-ID and set-group-ID bits, and
 * symbolic links that stay inside. Of a file's mode only "executable" counts; a `.git` at the top
 * is not part of the source.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "digest.h"
#include "err.h"

#define TREE_DEPTH_MAX   100
#define TREE_ENTRIES_MAX 500000
#define TREE_BYTES_MAX   (8ull << 30)

/*
 * Whether a link at `path` (relative to the tree's root) to `target` stays inside, whatever the
 * tree's other links are: the target is relative, has ".." only in front, and no more of these than
 * the link's directory is deep.
 */
bool tree_link_is_inside(const char *path, const char *target);

/* 0 if the tree holds what a source may; -EPERM, -E2BIG, -EFBIG … with the entry's name. */
int tree_check(const char *root, struct err *err);

/* SHA-256 over the sorted tree: names, kinds, executable bits, link targets, contents. Checks. */
int tree_digest(const char *root, char ret_hex[static DIGEST_HEX_SIZE], struct err *err);

/* Copies into the directory `into`, which is there and empty. Checks. */
int tree_copy(const char *root, const char *into, struct err *err);

/*
 * Gives everything to uid:gid, with modes 0755 (directories, executables) and 0644: what is taken
 * back from the top down, what is given away from the bottom up, so that nobody puts anything in
 * on the way. If `from` is not (uid_t)-1, an entry that belongs to anybody else is refused: a hard
 * link to a foreign file.
 */
int tree_own(const char *root, uid_t uid, gid_t gid, uid_t from, struct err *err);

/* Removes the tree. No tree: 0. */
int tree_remove(const char *root, struct err *err);
