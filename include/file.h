/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file: bounded reads and atomic writes. All return 0 or a negative errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"

/*
 * Reads a whole regular or /proc file of at most `max` bytes; -EFBIG when it has more. The text
 * is followed by a NUL that does not count. `ret_length` may be NULL. The caller frees.
 */
int file_read(const char *path, size_t max, char **ret_text, size_t *ret_length);

/* Reads up to `max` bytes that `fd` (a pipe, a file) gives until its end; as file_read(). */
int file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_length);

/*
 * The same into `size` bytes of the caller's, and without any memory else: what a decision rests on
 * is not missing because memory is. "" after an error.
 */
int file_read_small(const char *path, char *ret_text, size_t size);

/* Undoes "\040" and the like, as tables in /proc have blanks in paths (proc(5)), in place. */
void file_unescape(char *text);

/* Writes all of it where `fd` stands, in spite of interruptions and short writes. */
int file_write_all(int fd, const void *data, size_t length);

#define FILE_TEMPORARY ".instanced-new" /* the end of the name of what is being written */

/*
 * Replaces `path` as a whole: a temporary beside it, fsync, rename, fsync of the directory. A
 * reader, or a crash at any point, finds the old content or the new one. One writer at a time for
 * each path: the next one removes what a writer that was killed has left.
 */
int file_write(const char *path, const void *data, size_t length, mode_t mode);

struct file_attribute {
	const char *name, *value; /* as "user.NAME" (xattr(7)), and text */
};

/* The same with an attribute, which comes with the content; without, where there can be none. */
int file_write_with(const char *path, const void *data, size_t length, mode_t mode,
	const struct file_attribute *attribute);

/* Whether the file has just this content. No file: false. */
bool file_equals(const char *path, const void *data, size_t length);

/* Creates the directory and its parents (0755, unless they are there). */
int file_make_directories(const char *path);

/*
 * Whether nobody but root and we can put something else in the place of `path`: 0, or -EPERM with
 * the first directory on the way that belongs to, or may be written by, somebody else. One with the
 * sticky bit, as /tmp, is good.
 */
int file_check_way(const char *path, struct err *err);

/* As file_make_directories(), for what stands before the last slash of `path`. */
int file_make_parents(const char *path);
