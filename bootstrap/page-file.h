/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page-file: the index page on disk. A page is proven ours by an extended attribute on the file
 * itself (user.instanced.sha256) that matches its content; what is not ours is never overwritten
 * without being kept beside.
 */
#pragma once

#include <stdbool.h>

#include "err.h"

/* -ENOENT: there is none. `ret_ours`: instanced wrote just this content. */
int page_file_read(const char *path, char **ret_content, bool *ret_ours);

/*
 * Writes the page, atomically. A page that is not ours goes to PATH.before-instanced first, with a
 * number behind it if that name is taken (-EEXIST after 100). `ret_kept`, of PATH_MAX bytes, names
 * it or is "".
 */
int page_file_write(const char *path, const char *content, char *ret_kept, struct err *err);
