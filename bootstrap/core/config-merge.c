/* SPDX-License-Identifier: Apache-2.0 */
#include "config-merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config-read.h"
#include "text.h"

static bool same_section(const struct config_setting *a, const struct config_setting *b)
{
	return a->key->section == b->key->section &&
	       strcmp(a->instance ? a->instance : "", b->instance ? b->instance : "") == 0;
}

/* Whether settings[i] says nothing any more: a later layer sets its key. */
static bool is_overridden(const struct config_reading *reading, size_t i)
{
	const struct config_setting *s = &reading->settings[i];

	for (size_t j = i + 1; j < reading->n; j++)
		if (reading->settings[j].layer > s->layer &&
			same_section(&reading->settings[j], s) &&
			strcmp(reading->settings[j].name, s->name) == 0)
			return true;
	return false;
}

/* As config_load() meets them. */
static bool begins_section(const struct config_reading *reading, size_t i)
{
	if (is_overridden(reading, i))
		return false;
	for (size_t j = 0; j < i; j++)
		if (same_section(&reading->settings[j], &reading->settings[i]) &&
			!is_overridden(reading, j))
			return false;
	return true;
}

/* No blank around "=", one in front of what continues: no line gets longer than it was. */
static void print_setting(FILE *out, const struct config_setting *s)
{
	const char *value = s->value;

	if (s->key->flags & KEY_PREFIX) /* "NAME=value", of "env.NAME" */
		value += strlen(s->name) - strlen(s->key->name) + 1;
	fprintf(out, "%s=", s->name);
	for (; *value; value++) {
		fputc(*value, out);
		if (*value == '\n')
			fputc(' ', out);
	}
	fputc('\n', out);
}

static void print_section(FILE *out, const struct config_reading *reading, size_t first)
{
	const struct config_setting *s = &reading->settings[first];

	fprintf(out, "[%s%s%s]\n", config_sections[s->key->section].name, s->instance ? " " : "",
		s->instance ? s->instance : "");
	for (size_t i = first; i < reading->n; i++)
		if (same_section(&reading->settings[i], s) && !is_overridden(reading, i))
			print_setting(out, &reading->settings[i]);
}

int config_merge(const char *path, char **ret_text, size_t *ret_length)
{
	struct config_problems problems = {0};
	struct config_reading reading = {.problems = &problems};
	_cleanup_free_ char *merged = NULL;
	struct text text;
	size_t length;
	int r = text_begin(&text);

	if (r < 0)
		return r;
	r = config_read_file(&reading, path, true);

	if (r == 0)
		r = config_read_directory(&reading, path);
	if (r == 0 && problems.n_errors > 0)
		r = -EINVAL;
	for (size_t i = 0; r == 0 && i < reading.n; i++)
		if (begins_section(&reading, i))
			print_section(text.out, &reading, i);
	if (text_end(&text, &merged, &length) < 0 && r == 0)
		r = -ENOMEM;
	config_reading_clear(&reading);
	config_problems_clear(&problems);
	if (r < 0)
		return r;
	*ret_text = steal_ptr(merged);
	*ret_length = length;
	return 0;
}
