/* SPDX-License-Identifier: Apache-2.0 */
/* json-text: text that was cut to fit its buffer, as JSON. Private to core. */
#pragma once

#include <jansson.h>
#include <string.h>

/* The longest beginning of the text that is UTF-8; a cut may have split its last character. */
static inline json_t *json_text(const char *text)
{
	size_t length = strlen(text);
	json_t *json;

	while (!(json = json_stringn(text, length)) && length > 0)
		length--;
	return json;
}
