/* SPDX-License-Identifier: Apache-2.0 */
/* json-text: JSON from its text, and text as a JSON string. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/*
 * To be called before any JSON is made: a process that has no memory for some ends with words and
 * EXIT_FAILED. jansson does not notice always: its lexer writes beyond its buffer then
 * (github.com/akheron/jansson/issues/362), and what it prints has holes. Nor must a document that
 * cannot be read now pass for broken, or one without an item be written.
 */
void json_whole_or_end(void);

/*
 * The document that the text is; no key may come twice. NULL: it is none, `ret_error` (may be NULL)
 * says why.
 */
json_t *json_from_text(const char *text, size_t length, json_error_t *ret_error);

/* A string of the longest beginning that is UTF-8: the text was cut to fit its buffer, which may
 * have split its last character. */
json_t *json_text(const char *text);
