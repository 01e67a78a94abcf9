/* SPDX-License-Identifier: Apache-2.0 */
/* A text is whole, or an error: whichever allocation it is that fails. */
#include "text.h"

#include <errno.h>
#include <stdlib.h>

#include "tap.h"

#define LINES 40000 /* more than stdio or a first buffer has room for */

static unsigned int allocations, fails_at;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size); /* -Wl,--wrap=realloc */

void *__wrap_realloc(void *old, size_t size)
{
	return ++allocations == fails_at ? NULL : __real_realloc(old, size);
}

static int make(char **ret_text, size_t *ret_length)
{
	struct text text;
	int r = text_begin(&text);

	if (r < 0)
		return r;
	for (int i = 0; i < LINES; i++)
		fprintf(text.out, "line %06d\n", i);
	fputs("end", text.out);
	return text_end(&text, ret_text, ret_length);
}

int main(void)
{
	char *written = NULL;
	unsigned int all, failed = 0;
	struct text empty;
	size_t length;

	is_int(make(&written, &length), 0, "a long text is written");
	all = allocations;
	ok(length == LINES * strlen("line 000000\n") + 3 && strlen(written) == length &&
			strcmp(written + length - 15, "line 039999\nend") == 0,
		"and whole");
	free(written);
	ok(all > 3, "its allocations are some");
	for (unsigned int at = 1; at <= all; at++) {
		allocations = 0;
		fails_at = at;
		if (make(&written, &length) == -ENOMEM)
			failed++;
		else
			free(written);
	}
	is_int(failed, all, "any of them fails: there is no text");
	fails_at = 0;
	is_int(text_begin(&empty), 0, "one that nothing is written to");
	is_int(text_end(&empty, &written, NULL), 0, "is one");
	is_str(written, "", "and empty");
	free(written);
	return done_testing();
}
