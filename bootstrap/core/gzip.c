/* SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST
#include "gzip.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cleanup.h"

#define WITH_HEADER 16 /* zlib.h: added to the window's bits, it is gzip's format */
#define MEMORY      8  /* zlib.h's default */

bool gzip_is(const void *data, size_t length)
{
	return length >= 2 && memcmp(data, "\x1f\x8b", 2) == 0;
}

int gzip_expand(const void *data, size_t length, size_t max, char **ret_text, size_t *ret_length,
	struct err *err)
{
	char *text = malloc(max + 2);
	z_stream z = {.next_in = data,
		.avail_in = (uInt)length,
		.next_out = (Bytef *)text,
		.avail_out = (uInt)max + 1};
	int r;

	if (!text || length > UINT_MAX || max > UINT_MAX - 2) {
		free(text);
		return err_set(err, -ENOMEM, "%m");
	}
	r = inflateInit2(&z, WITH_HEADER + MAX_WBITS);
	if (r == Z_OK)
		r = inflate(&z, Z_FINISH);
	if (r == Z_MEM_ERROR)
		r = err_set(err, -ENOMEM, "%m");
	else if (z.total_out > max)
		r = err_set(err, -EFBIG, "its gzip expands to more than %zu bytes", max);
	else if (r == Z_STREAM_END && z.avail_in == 0)
		r = 0;
	else if (r == Z_STREAM_END)
		r = err_set(err, -EBADMSG, "%u bytes follow the end of its gzip", z.avail_in);
	else if (r == Z_BUF_ERROR)
		r = err_set(err, -EBADMSG, "its gzip is cut off");
	else
		r = err_set(err, -EBADMSG, "its gzip is damaged: %s", z.msg ? z.msg : zError(r));
	if (r == -ENOMEM) {
		free(text);
	} else {
		*ret_text = text;
		*ret_length = z.total_out < max ? z.total_out : max;
		text[*ret_length] = '\0';
	}
	(void)inflateEnd(&z);
	return r;
}

int gzip_compress(const void *data, size_t length, char **ret_data, size_t *ret_length)
{
	_cleanup_free_ char *out = NULL;
	z_stream z = {.next_in = data, .avail_in = (uInt)length};
	int r = 0;

	if (length > UINT_MAX / 2 ||
		deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WITH_HEADER + MAX_WBITS, MEMORY,
			Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	z.avail_out = (uInt)deflateBound(&z, length);
	z.next_out = malloc(z.avail_out);
	out = (char *)z.next_out;
	if (!out || deflate(&z, Z_FINISH) != Z_STREAM_END)
		r = -ENOMEM;
	if (r == 0) {
		*ret_data = steal_ptr(out);
		*ret_length = z.total_out;
	}
	(void)deflateEnd(&z);
	return r;
}
