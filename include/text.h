/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text: a stream that is written into memory, and is whole or an error. open_memstream() is neither
 * where memory is short: glibc leaves out what its buffer had no room for, writes what comes after,
 * and fclose() says nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct text {
	FILE *out; /* to write to */
	char *data;
	size_t length, room; /* bytes */
	bool failed;
};

/* -ENOMEM, or 0: text_end() is due. */
int text_begin(struct text *text);

/* 0: the caller frees *ret_text, which a NUL follows that does not count; `ret_length` may be NULL.
 * -ENOMEM: not all that was written had room; there is nothing to free. */
int text_end(struct text *text, char **ret_text, size_t *ret_length);
