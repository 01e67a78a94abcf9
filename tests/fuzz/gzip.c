/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip: never more than was allowed, and what was packed comes back.
 *
 * Covers: bootstrap/core/gzip.c
 */
#include "gzip.h"

#include <errno.h>

#include "fuzz.h"

#define MAX ((size_t)8 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL, *packed = NULL, *again = NULL;
	size_t length = 0, packed_length = 0, again_length = 0;
	struct err err = {""};
	int r = gzip_expand(data, size, MAX, &text, &length, &err);

	must(r == 0 || r == -EFBIG || r == -EBADMSG);
	must((r < 0) == (err.text[0] != '\0'));
	must(text && length <= MAX && text[length] == '\0');
	must(gzip_is(data, size) || r < 0);
	must(gzip_compress(data, size, &packed, &packed_length) == 0);
	must(gzip_is(packed, packed_length));
	must(gzip_expand(packed, packed_length, size, &again, &again_length, NULL) == 0);
	must(again_length == size && memcmp(again, data, size) == 0);
	return 0;
}
