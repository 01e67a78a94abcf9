/* SPDX-License-Identifier: Apache-2.0 */
/* gzip: whole buffers in and out of gzip's format (RFC 1952). Pure but for memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/* Whether it begins as gzip does. */
bool gzip_is(const void *data, size_t length);

/*
 * To at most `max` bytes, -EFBIG beyond; -EBADMSG: broken or cut. A NUL follows, uncounted. With
 * these two errors, too, the text is set: to all that could be had.
 */
int gzip_expand(const void *data, size_t length, size_t max, char **ret_text, size_t *ret_length,
	struct err *err);

int gzip_compress(const void *data, size_t length, char **ret_data, size_t *ret_length);
