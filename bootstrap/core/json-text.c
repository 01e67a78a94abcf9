/* SPDX-License-Identifier: Apache-2.0 */
#include "json-text.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "log.h"

static _Thread_local bool parsing;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (!memory && parsing) {
		log_error("cannot allocate memory to read JSON");
		_exit(EXIT_FAILED);
	}
	return memory;
}

static void begin(void)
{
	json_set_alloc_funcs(allocate, free);
}

json_t *json_from_text(const char *text, size_t length, json_error_t *ret_error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	json_t *json;

	(void)pthread_once(&once, begin);
	parsing = true;
	json = json_loadb(text, length, JSON_REJECT_DUPLICATES, ret_error);
	parsing = false;
	return json;
}

json_t *json_text(const char *text)
{
	size_t length = strlen(text);
	json_t *json;

	while (!(json = json_stringn(text, length)) && length > 0)
		length--;
	return json;
}
