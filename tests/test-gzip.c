/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "tap.h"

/* printf 'hello' | gzip -n */
static const char hello[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00"
			    "\x86\xa6\x10\x36\x05\x00\x00\x00";

static int expand(const void *data, size_t length, size_t max, char **ret_text, struct err *err)
{
	size_t n = 0;
	int r;

	*ret_text = NULL;
	r = gzip_expand(data, length, max, ret_text, &n, err);
	ok(!*ret_text || strlen(*ret_text) == n, "the text ends with a NUL");
	return r;
}

static void test_expand(void)
{
	char *text;
	struct err err;

	ok(gzip_is(hello, sizeof hello - 1) && !gzip_is("\x1f", 1) && !gzip_is("hello", 5),
		"known by its first two bytes");
	is_int(expand(hello, sizeof hello - 1, 5, &text, &err), 0, "what gzip made is expanded");
	is_str(text, "hello", "to the same");
	free(text);
	is_int(expand(hello, sizeof hello - 1, 4, &text, &err), -EFBIG,
		"a byte too much is -EFBIG");
	is_str(text, "hell", "what fits is there");
	is_str(err.text, "its gzip expands to more than 4 bytes", "and it is said");
	free(text);
	is_int(expand(hello, sizeof hello - 9, 5, &text, &err), -EBADMSG, "cut off");
	is_str(err.text, "its gzip is cut off", "and it is said");
	free(text);
	is_int(expand(hello, sizeof hello, 5, &text, &err), -EBADMSG, "a byte behind it");
	free(text);
	is_int(expand("hello", 5, 5, &text, &err), -EBADMSG, "no gzip at all");
	ok(strstr(err.text, "damaged"), "and it is said");
	free(text);
	is_int(expand("", 0, 5, &text, &err), -EBADMSG, "nothing is no gzip");
	free(text);
}

static void test_compress(void)
{
	char *packed = NULL, *text, *noise = malloc(100000);
	size_t length;
	struct err err;

	for (size_t i = 0; i < 100000; i++)
		noise[i] = (char)('0' + i * i % 77);
	noise[99999] = '\0';
	is_int(gzip_compress(noise, 99999, &packed, &length), 0, "a large text is packed");
	ok(gzip_is(packed, length) && length < 50000, "as gzip, and is less");
	is_int(expand(packed, length, 100000, &text, &err), 0, "it is expanded");
	is_str(text, noise, "to the same");
	free(packed);
	free(text);
	free(noise);
	is_int(gzip_compress("", 0, &packed, &length), 0, "nothing is packed");
	is_int(expand(packed, length, 0, &text, &err), 0, "and expanded into no room");
	is_str(text, "", "to nothing");
	free(packed);
	free(text);
}

int main(void)
{
	test_expand();
	test_compress();
	return done_testing();
}
