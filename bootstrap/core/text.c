/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* fopencookie(3): 0 is an error. */
static ssize_t take(void *cookie, const char *data, size_t length)
{
	struct text *text = cookie;
	size_t needed = text->length + length + 1;
	char *grown;

	if (text->failed)
		return 0;
	if (needed > text->room) {
		grown = realloc(text->data, 2 * needed);
		if (!grown) {
			text->failed = true;
			return 0;
		}
		text->data = grown;
		text->room = 2 * needed;
	}
	memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
	return (ssize_t)length;
}

int text_begin(struct text *text)
{
	*text = (struct text){0};
	(void)take(text, "", 0);
	if (!text->failed)
		text->out = fopencookie(text, "w", (cookie_io_functions_t){.write = take});
	if (text->out)
		return 0;
	free(text->data);
	return -ENOMEM;
}

int text_end(struct text *text, char **ret_text, size_t *ret_length)
{
	if (fclose(text->out) != 0 || text->failed) {
		free(text->data);
		return -ENOMEM;
	}
	*ret_text = text->data;
	if (ret_length)
		*ret_length = text->length;
	return 0;
}
