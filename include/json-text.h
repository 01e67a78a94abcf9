/* SPDX-License-Identifier: Apache-2.0 */
/* json-text: JSON from its text, and text as a JSON string. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/*
 * The document that the text is; no key may come twice. NULL: it is none, `ret_error` (may be NULL)
 * says why. Without memory the process ends with words and EXIT_FAILED: jansson's lexer does not
 * notice, and then writes beyond its buffer (github.com/akheron/jansson/issues/362); nor must what
 * cannot be read now pass for broken.
 */
json_t *json_from_text(const char *text, size_t length, json_error_t *ret_error);

/* A string of the longest beginning that is UTF-8: the text was cut to fit its buffer, which may
 * have split its last character. NULL: no memory. */
json_t *json_text(const char *text);
