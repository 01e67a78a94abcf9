/* SPDX-License-Identifier: Apache-2.0 */
#include "config-read.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config-problem.h"
#include "file.h"

#define SETTINGS_MAX 4096

/* The layer being read: what inih's callbacks share. */
struct layer {
	struct config_reading *reading;
	const char *file, *text, *end;
	unsigned line;
	char raw[CONFIG_LINE_MAX + 2]; /* the line as it stands in the file */
	enum {
		ABOVE_NOTHING,
		ABOVE_BAD,
		ABOVE_SETTING
	} above; /* what an indented line continues */
	int error;
};

#define complain(layer, section, key, ...)                                                         \
	config_problem_add((layer)->reading->problems, (layer)->file, (layer)->line, section, key, \
		__VA_ARGS__)

/* "volume data" -> the section's row and "data"; NULL when there is no such section. */
static const struct config_section *section_find(const char *title, const char **ret_instance)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		const struct config_section *section = &config_sections[i];
		size_t length = strlen(section->name);

		if (strncmp(title, section->name, length) != 0)
			continue;
		*ret_instance =
			title[length] == ' ' ? title + length + strspn(title + length, " ") : NULL;
		if (title[length] == (section->size ? ' ' : '\0'))
			return section;
	}
	return NULL;
}

/* Names appear in unit names, paths and JSON: the safe set of all of them. */
static bool instance_is_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return length > 0 && length <= 32 && !name[length] && name[0] != '-';
}

static const struct config_section *section_check(
	struct layer *layer, const char *title, const char **ret_instance)
{
	const struct config_section *section = section_find(title, ret_instance);
	char names[256] = "";

	if (section && section->size && !instance_is_valid(*ret_instance)) {
		complain(layer, title, NULL,
			"a name of at most 32 lower-case letters, digits, _ and - is expected");
		return NULL;
	}
	for (size_t i = 0; !section && i < SECTION_COUNT; i++)
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s[%s%s]",
			i ? ", " : "", config_sections[i].name,
			config_sections[i].size ? " NAME" : "");
	if (!section)
		complain(layer, title, NULL, "no such section; there are %s", names);
	return section;
}

static bool check_length(struct layer *layer, const char *what, size_t length, size_t max)
{
	if (length > max)
		complain(layer, NULL, NULL, "the %s has %zu characters, at most %zu are read", what,
			length, max);
	return length <= max;
}

/* inih tells of a section only with its first key, and reads nothing behind the bracket. */
static void check_header(struct layer *layer, char *start)
{
	char *close = strchr(start, ']'), *rest;
	const char *instance;

	layer->above = ABOVE_NOTHING;
	if (!close)
		return; /* inih sees that */
	rest = close + 1 + strspn(close + 1, " \t\r");
	if (*rest && *rest != ';' && *rest != '#')
		complain(layer, NULL, NULL, "\"%s\" stands behind the section", rest);
	*close = '\0';
	if (check_length(layer, "section", strlen(start + 1), CONFIG_NAME_MAX))
		(void)section_check(layer, start + 1, &instance);
	*close = ']';
}

/* What inih would cut or leave out without a word. */
static void check_line(struct layer *layer, size_t length)
{
	char *start = layer->raw;
	size_t name;

	if (!check_length(layer, "line", length, CONFIG_LINE_MAX))
		return;
	while (isspace((unsigned char)*start))
		start++;
	if (!*start || *start == ';' || *start == '#')
		return;
	if (start > layer->raw && layer->above != ABOVE_NOTHING)
		return; /* continues a value, whatever it looks like */
	if (*start == '[') {
		check_header(layer, start);
		return;
	}
	name = strcspn(start, "=:");
	while (name > 0 && isspace((unsigned char)start[name - 1]))
		name--;
	(void)check_length(layer, "key", name, CONFIG_NAME_MAX);
}

/* inih's reader (fgets' contract): hands out one line, remembers its number and its raw text. */
static char *next_line(char *buffer, int size, void *userdata)
{
	struct layer *layer = userdata;
	const char *newline;
	size_t length, taken;

	if (layer->text == layer->end)
		return NULL;
	newline = memchr(layer->text, '\n', (size_t)(layer->end - layer->text));
	taken = (size_t)((newline ? newline + 1 : layer->end) - layer->text);
	length = taken - (newline != NULL);
	layer->line++;
	snprintf(layer->raw, sizeof layer->raw, "%.*s", (int)length, layer->text);
	check_line(layer, length);
	snprintf(buffer, (size_t)size, "%.*s", (int)taken, layer->text);
	layer->text += taken;
	return buffer;
}

static const struct config_setting *setting_same(const struct layer *layer,
	const struct config_key *key, const char *instance, const char *name)
{
	for (size_t i = layer->reading->n; i-- > 0;) {
		const struct config_setting *s = &layer->reading->settings[i];

		if (s->key == key && s->layer == layer->reading->layer &&
			strcmp(s->name, name) == 0 &&
			strcmp(s->instance ? s->instance : "", instance ? instance : "") == 0)
			return s;
	}
	return NULL;
}

/* What inih takes for a comment behind a value. */
static bool has_comment(const char *line)
{
	const char *p = line;

	while ((p = strchr(p, ';')) && (p == line || !isspace((unsigned char)p[-1])))
		p++;
	return p;
}

static bool complain_comment(
	struct layer *layer, const struct config_key *key, const char *title, const char *name)
{
	bool bad = key->type->verbatim && has_comment(layer->raw);

	if (bad)
		complain(layer, title, name,
			"\" ;\" starts a comment and would cut the value; write \";\" without the "
			"space");
	return bad;
}

static int setting_continue(
	struct layer *layer, const char *title, const char *name, const char *value)
{
	struct config_reading *reading = layer->reading;
	struct config_setting *last;
	char *longer;

	if (layer->above == ABOVE_BAD)
		return 0; /* its error is there already */
	if (layer->above == ABOVE_NOTHING) {
		layer->above = ABOVE_BAD;
		complain(layer, *title ? title : NULL, name,
			"the line is indented, but there is no value above that it continues");
		return 0;
	}
	last = &reading->settings[reading->n - 1];
	if (!last->key->type->lines) {
		layer->above = ABOVE_BAD;
		complain(layer, title, name,
			"the line is indented, which continues the value above; this key takes one "
			"line");
		return 0;
	}
	if (complain_comment(layer, last->key, title, name))
		return 0;
	if (asprintf(&longer, "%s\n%s", last->value, value) < 0)
		return -ENOMEM;
	free(last->value);
	last->value = longer;
	return 0;
}

static int setting_add(struct layer *layer, const struct config_key *key, const char *instance,
	const char *name, const char *value)
{
	struct config_reading *reading = layer->reading;
	struct config_setting *grown, *setting;

	if (reading->n == SETTINGS_MAX) {
		complain(layer, NULL, NULL, "there are more than %d settings", SETTINGS_MAX);
		return 0;
	}
	grown = realloc(reading->settings, (reading->n + 1) * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	reading->settings = grown;
	setting = &grown[reading->n++];
	*setting =
		(struct config_setting){.line = layer->line, .layer = reading->layer, .key = key};
	setting->file = strdup(layer->file);
	setting->instance = instance ? strdup(instance) : NULL;
	setting->name = strdup(name);
	if (key->flags & KEY_PREFIX) {
		if (asprintf(&setting->value, "%s=%s", name + strlen(key->name), value) < 0)
			setting->value = NULL;
	} else {
		setting->value = strdup(value);
	}
	return setting->file && setting->name && setting->value && (!instance || setting->instance)
		       ? 0
		       : -ENOMEM;
}

static int on_key(struct layer *layer, const char *title, const char *name, const char *value)
{
	const char *instance = NULL;
	const struct config_section *section = section_find(title, &instance);
	const struct config_key *key;
	const struct config_setting *same;

	if (!section || (section->size && !instance_is_valid(instance))) {
		if (!*title)
			complain(layer, NULL, name, "\"%s\" stands before any [section]", name);
		else if (layer->reading->problems->n_errors == 0)
			(void)section_check(layer, title, &instance); /* as its own line did */
		return 0;
	}
	key = config_key_find((enum config_section_id)(section - config_sections), name);
	if (!key) {
		complain(layer, title, name,
			"no such key; `instancectl check --reference` lists all");
		return 0;
	}
	same = setting_same(layer, key, instance, name);
	if (same && (!(key->flags & KEY_REPEAT) || key->flags & KEY_PREFIX)) {
		complain(layer, title, name, "set before, in line %u", same->line);
		return 0;
	}
	if (complain_comment(layer, key, title, name))
		return 0;
	layer->above = ABOVE_SETTING;
	return setting_add(layer, key, instance, name, value);
}

/* inih's handler: 1 goes on, 0 is an error. */
static int on_inih(void *userdata, const char *title, const char *name, const char *value)
{
	struct layer *layer = userdata;

	if (layer->error < 0)
		return 1;
	if (isspace((unsigned char)layer->raw[0])) {
		layer->error = setting_continue(layer, title, name, value);
	} else {
		layer->above = ABOVE_BAD;
		layer->error = on_key(layer, title, name, value);
	}
	return 1;
}

/* The first byte that is not of a UTF-8 sequence (RFC 3629, section 4), or `end`. */
static const char *utf8_end(const char *text, const char *end)
{
	while (text < end) {
		unsigned char c = (unsigned char)text[0], low = 0x80, high = 0xbf;
		ptrdiff_t n = c < 0x80   ? 1
			      : c < 0xc2 ? 0
			      : c < 0xe0 ? 2
			      : c < 0xf0 ? 3
			      : c < 0xf5 ? 4
					 : 0;

		if (n == 0 || n > end - text)
			break;
		low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
		high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
		for (ptrdiff_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
			if ((unsigned char)text[i] < low || (unsigned char)text[i] > high)
				return text;
		text += n;
	}
	return text;
}

/* What is no text at all is not shown to inih. */
static bool layer_is_text(struct layer *layer)
{
	const char *bad = utf8_end(layer->text, layer->end);
	const char *nul = memchr(layer->text, '\0', (size_t)(bad - layer->text));

	if (!nul && bad == layer->end)
		return true;
	bad = nul ? nul : bad;
	layer->line = 1;
	for (const char *p = layer->text; p < bad; p++)
		layer->line += *p == '\n';
	complain(layer, NULL, NULL, "there is a byte %s in it; it is no INI file in UTF-8",
		nul ? "NUL" : "that is no text");
	return false;
}

static bool line_has_problem(const struct layer *layer, unsigned line)
{
	for (size_t i = 0; i < layer->reading->problems->n_errors; i++)
		if (layer->reading->problems->errors[i].line == line &&
			strcmp(layer->reading->problems->errors[i].file, layer->file) == 0)
			return true;
	return false;
}

int config_read_text(
	struct config_reading *reading, const char *file, const char *text, size_t length)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct layer layer = {.reading = reading,
		.file = file,
		.text = text,
		.end = text + length,
		.above = ABOVE_NOTHING};
	int bad_line;

	reading->layer++;
	if (length > CONFIG_FILE_MAX) {
		complain(&layer, NULL, NULL, "is longer than 256 KiB");
		return 0;
	}
	if (length >= 3 && memcmp(text, byte_order_mark, 3) == 0)
		layer.text += 3;
	if (!layer_is_text(&layer))
		return 0;
	bad_line = ini_parse_stream(next_line, &layer, on_inih, &layer);
	if (bad_line < 0)
		return -ENOMEM;
	if (bad_line > 0 && !line_has_problem(&layer, (unsigned)bad_line)) {
		layer.line = (unsigned)bad_line;
		complain(&layer, NULL, NULL, "neither [section] nor key = value");
	}
	return layer.error;
}

int config_read_file(struct config_reading *reading, const char *path, bool must_exist)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r = file_read(path, CONFIG_FILE_MAX, &text, &length);

	if (r == -ENOENT && !must_exist)
		return 0;
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		config_problem_add(reading->problems, path, 0, NULL, NULL, "%s",
			r == -EFBIG ? "is longer than 256 KiB" : strerror(-r));
		return 0;
	}
	return config_read_text(reading, path, text, length);
}

/* glob(3)'s: a directory that is there but cannot be read ends the search. */
static int on_unreadable(const char *path, int error)
{
	(void)path;
	return error != ENOENT;
}

int config_read_directory(struct config_reading *reading, const char *path)
{
	const char *slash = strrchr(path, '/');
	char pattern[PATH_MAX];
	glob_t found = {0};
	int r;

	snprintf(pattern, sizeof pattern, "%.*sconf.d/*.conf", slash ? (int)(slash - path + 1) : 0,
		path);
	errno = 0;
	r = glob(pattern, 0, on_unreadable, &found);
	if (r == GLOB_NOSPACE || (r == GLOB_ABORTED && errno == ENOMEM))
		r = -ENOMEM;
	else if (r == GLOB_ABORTED)
		config_problem_add(
			reading->problems, pattern, 0, NULL, NULL, "the directory cannot be read");
	r = r == -ENOMEM ? r : 0;
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = config_read_file(reading, found.gl_pathv[i], true);
	globfree(&found);
	return r;
}

void config_reading_clear(struct config_reading *reading)
{
	while (reading->n > 0) {
		struct config_setting *s = &reading->settings[--reading->n];

		free(s->file);
		free(s->instance);
		free(s->name);
		free(s->value);
	}
	free(reading->settings);
	reading->settings = NULL;
}
