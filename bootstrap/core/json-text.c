/* SPDX-License-Identifier: Apache-2.0 */
#include "json-text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "log.h"

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (memory)
		return memory;
	log_error("cannot allocate memory for JSON");
	_exit(EXIT_FAILED);
}

void json_whole_or_end(void)
{
	json_set_alloc_funcs(allocate, free);
}

json_t *json_from_text(const char *text, size_t length, json_error_t *ret_error)
{
	return json_loadb(text, length, JSON_REJECT_DUPLICATES, ret_error);
}

json_t *json_text(const char *text)
{
	size_t length = strlen(text);
	json_t *json;

	while (!(json = json_stringn(text, length)) && length > 0)
		length--;
	return json;
}
