/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: single places of a directory tree that others had a hand in (a release after its build).
 * `place` is relative and clean, as "config/settings.json"; no link on the way to it is ever
 * followed, so nothing outside of `root` is read or changed. -ELOOP or -ENOTDIR: something on the
 * way is no directory.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

#define INSIDE_READ_MAX ((size_t)1 << 20)

/* Reads a regular file of at most INSIDE_READ_MAX bytes; the caller frees. -ENOENT: none. */
int inside_read(const char *root, const char *place, char **ret_text);

/* Puts a file (root's, 0644) there as a whole, and directories on the way as needed. */
int inside_write(const char *root, const char *place, const char *text, struct err *err);

/* Makes sure that a directory is there and is uid:gid's; what is in it stays as it is. */
int inside_make(const char *root, const char *place, uid_t uid, gid_t gid, struct err *err);

/* The same, and all in it too. */
int inside_own(const char *root, const char *place, uid_t uid, gid_t gid, struct err *err);

/* Puts a symbolic link there, in place of whatever was. */
int inside_link(const char *root, const char *place, const char *target, struct err *err);
