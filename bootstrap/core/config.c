/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three passes, so that an error anywhere leaves nothing behind: every layer is read line by line
 * and its settings are collected with the place they stand (config-read.c); then settings become
 * values by the table of keys; then what belongs together is checked (config-check.c).
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-check.h"
#include "config-keys.h"
#include "config-problem.h"
#include "config-read.h"
#include "file.h"

/* What every named section's struct starts with. */
struct named {
	char *name;
	struct config_origin origin;
};

/* The element of [volume NAME] in its array; a new one when the name is new. */
static int instance_index(struct config *config, const struct config_section *section,
	const struct config_setting *setting, size_t *ret_index)
{
	const char *instance = setting->instance;
	struct named *added;
	size_t *n = (size_t *)((char *)config + section->count_offset);
	char *base = (char *)config + section->offset;

	if (!section->size) {
		*ret_index = 0;
		return 0;
	}
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(*(char **)(base + i * section->size), instance) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	if (*n == section->max)
		return -E2BIG;
	added = (struct named *)(base + *n * section->size);
	added->name = strdup(instance);
	added->origin = (struct config_origin){strdup(setting->file), setting->line};
	*ret_index = (*n)++;
	return added->name && added->origin.file ? 0 : -ENOMEM;
}

/* Whether a later layer sets the same key, so that this setting is overridden. */
static bool setting_overridden(const struct config_reading *reading, size_t i)
{
	const struct config_setting *s = &reading->settings[i];

	for (size_t j = i + 1; j < reading->n; j++) {
		const struct config_setting *later = &reading->settings[j];

		if (later->key == s->key && later->layer > s->layer &&
			strcmp(later->name, s->name) == 0 &&
			strcmp(later->instance ? later->instance : "",
				s->instance ? s->instance : "") == 0)
			return true;
	}
	return false;
}

static int setting_apply(
	struct config_reading *reading, struct config *config, const struct config_setting *s)
{
	const struct config_section *section = &config_sections[s->key->section];
	char title[CONFIG_NAME_MAX + 2];
	size_t index;
	int r = instance_index(config, section, s, &index);

	snprintf(title, sizeof title, "%s%s%s", section->name, s->instance ? " " : "",
		s->instance ? s->instance : "");
	if (r == -E2BIG)
		config_problem_add(reading->problems, s->file, s->line, title, NULL,
			"there are more than %zu of them", section->max);
	if (r < 0)
		return r == -E2BIG ? 0 : r;
	r = s->key->type->parse(s->value, config_field(config, s->key, index));
	if (r == -EINVAL && strchr(s->value, '\n'))
		config_problem_add(reading->problems, s->file, s->line, title, s->name,
			"the lines are not %s", s->key->type->expected);
	else if (r == -EINVAL)
		config_problem_add(reading->problems, s->file, s->line, title, s->name,
			"\"%s\" is not %s", s->value, s->key->type->expected);
	if (r == -E2BIG)
		config_problem_add(reading->problems, s->file, s->line, title, s->name,
			"there are more than %d entries", CONFIG_LIST_MAX);
	return r == -EINVAL || r == -E2BIG ? 0 : r;
}

static bool key_is_set(
	const struct config_reading *reading, const struct config_key *key, const char *instance)
{
	for (size_t i = 0; i < reading->n; i++)
		if (reading->settings[i].key == key &&
			(!instance || strcmp(reading->settings[i].instance, instance) == 0))
			return true;
	return false;
}

static int fallbacks_apply(struct config_reading *reading, struct config *config)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];
		const struct config_section *section = &config_sections[key->section];
		size_t n = section->size ? *(size_t *)((char *)config + section->count_offset) : 1;

		for (size_t j = 0; r == 0 && key->fallback && j < n; j++) {
			char *instance = section->size
						 ? *(char **)((char *)config + section->offset +
							      j * section->size)
						 : NULL;

			if (!key_is_set(reading, key, instance))
				r = key->type->parse(key->fallback, config_field(config, key, j));
		}
	}
	return r;
}

static void warn_of_useless(struct config_reading *reading, struct config *config)
{
	for (size_t i = 0; i < reading->n; i++) {
		const struct config_setting *s = &reading->settings[i];
		const char *needs = s->key->needs;
		const struct config_key *other =
			needs ? config_key_find(s->key->section, needs) : NULL;

		if (other && !*(const bool *)config_field(config, other, 0) &&
			!setting_overridden(reading, i))
			config_warning_add(reading->problems, s->file, s->line,
				config_sections[s->key->section].name, s->name,
				"has no effect without `%s = yes`", needs);
	}
}

static int settings_apply(struct config_reading *reading, struct config **ret_config)
{
	_cleanup_(config_free_p) struct config *config = calloc(1, sizeof *config);
	int r = 0;

	if (!config)
		return -ENOMEM;
	for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
		config->volumes[i].mode = CONFIG_MODE_UNSET;
	for (size_t i = 0; r == 0 && i < reading->n; i++)
		if (!setting_overridden(reading, i))
			r = setting_apply(reading, config, &reading->settings[i]);
	if (r == 0)
		r = fallbacks_apply(reading, config);
	if (r == 0 && reading->problems->n_errors == 0)
		r = config_check(config, reading->problems);
	if (r == 0)
		warn_of_useless(reading, config);
	if (r < 0)
		return r;
	if (reading->problems->n_errors > 0)
		return -EINVAL;
	*ret_config = steal_ptr(config);
	return 0;
}

static int reading_finish(struct config_reading *reading, int r, struct config **ret_config)
{
	if (r == 0)
		r = settings_apply(reading, ret_config);
	if (r < 0 && reading->problems->n_errors == 0)
		config_problem_add(reading->problems, NULL, 0, NULL, NULL, "%s", strerror(-r));
	config_reading_clear(reading);
	return r;
}

int config_load(const char *path, bool must_exist, const struct config_layer *user_data,
	struct config **ret_config, struct config_problems *problems)
{
	struct config_reading reading = {.problems = problems};
	int r = config_read_file(&reading, path, must_exist);

	if (r == 0)
		r = config_read_directory(&reading, path);
	if (r == 0 && user_data && user_data->text)
		r = config_read_text(&reading, "user-data", user_data->text, user_data->length);
	return reading_finish(&reading, r, ret_config);
}

static void layer_path(const char *state, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" CONFIG_USER_DATA, state);
}

int config_layer_read(const char *state, struct config_layer *ret_layer, struct err *err)
{
	struct config_layer layer = {0};
	char path[PATH_MAX];
	int r;

	layer_path(state, path);
	r = file_read(path, CONFIG_FILE_MAX, &layer.text, &layer.length);
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	if (layer.length == 0)
		config_layer_clear(&layer);
	*ret_layer = layer;
	return 0;
}

int config_layer_write(const char *state, const struct config_layer *layer, struct err *err)
{
	char path[PATH_MAX];
	int r;

	layer_path(state, path);
	r = file_write(path, layer->text ? layer->text : "", layer->length, 0644);
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}

void config_layer_clear(struct config_layer *layer)
{
	free(layer->text);
	*layer = (struct config_layer){0};
}

int config_parse(const char *text, size_t length, const char *name, struct config **ret_config,
	struct config_problems *problems)
{
	struct config_reading reading = {.problems = problems};

	return reading_finish(&reading, config_read_text(&reading, name, text, length), ret_config);
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];
		const struct config_section *section = &config_sections[key->section];
		size_t n = section->size ? *(size_t *)((char *)config + section->count_offset) : 1;

		for (size_t j = 0; key->type->clear && j < n; j++)
			key->type->clear(config_field(config, key, j));
	}
	for (size_t i = 0; i < config->n_volumes; i++) {
		free(config->volumes[i].name);
		free(config->volumes[i].origin.file);
	}
	for (size_t i = 0; i < config->n_apps; i++) {
		for (size_t j = 0; j < CONFIG_LIST_MAX; j++)
			free(config->apps[i].file_texts[j]);
		free(config->apps[i].name);
		free(config->apps[i].origin.file);
	}
	free(config->index.template_text);
	free(config);
	return NULL;
}

struct volume_selector config_selector(const struct config_volume *volume)
{
	return (struct volume_selector){volume->device, volume->volume_id, volume->instance_store};
}

bool config_hook_is_ours(const struct config_lifecycle *lifecycle, const char *hook)
{
	const struct config_list *ours = &lifecycle->hooks;

	for (size_t i = 0; i < ours->n; i++)
		if (strcmp(ours->items[i], hook) == 0)
			return true;
	return ours->n == 0;
}
