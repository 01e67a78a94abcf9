/* SPDX-License-Identifier: Apache-2.0 */
#include "config-check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-problem.h"
#include "file.h"
#include "filesystem.h"
#include "template.h"

#define APP_PATH "/var/lib/instanced/app/"

/* About the section as a whole: named by where it begins. */
#define complain(problems, kind, section, key, ...)                                                \
	do {                                                                                       \
		char title_[96];                                                                   \
		snprintf(title_, sizeof title_, "%s %s", kind, (section)->name);                   \
		config_problem_add(problems, (section)->origin.file, (section)->origin.line,       \
			title_, key, __VA_ARGS__);                                                 \
	} while (0)

/* Whether `inner` is `outer` or lies below it. */
static bool path_within(const char *inner, const char *outer)
{
	size_t length = strlen(outer);

	return strncmp(inner, outer, length) == 0 && (!inner[length] || inner[length] == '/');
}

static int check_volume(struct config *config, size_t i, struct config_problems *problems)
{
	struct config_volume *volume = &config->volumes[i];
	int selectors = !!volume->device + !!volume->volume_id + volume->instance_store;

	if (selectors != 1)
		complain(problems, "volume", volume, NULL,
			"exactly one of device, volume and instance_store is expected, there are "
			"%d",
			selectors);
	if (!volume->mount)
		complain(problems, "volume", volume, "mount", "is missing");
	if (volume->label && strlen(volume->label) > volume->filesystem->label_max)
		complain(problems, "volume", volume, "label",
			"\"%s\" is longer than the %zu bytes that %s takes", volume->label,
			volume->filesystem->label_max, volume->filesystem->name);
	for (size_t j = 0; j < i; j++) {
		const struct config_volume *other = &config->volumes[j];

		if (volume->mount && other->mount && strcmp(volume->mount, other->mount) == 0)
			complain(problems, "volume", volume, "mount",
				"%s is also the mount of [volume %s]", volume->mount, other->name);
		if ((volume->device && other->device &&
			    strcmp(volume->device, other->device) == 0) ||
			(volume->volume_id && other->volume_id &&
				strcmp(volume->volume_id, other->volume_id) == 0))
			complain(problems, "volume", volume, NULL,
				"names the same volume as [volume %s]", other->name);
	}
	if (volume->label)
		return 0;
	volume->label = strndup(volume->name, volume->filesystem->label_max);
	return volume->label ? 0 : -ENOMEM;
}

static int check_app(struct config *config, size_t i, struct config_problems *problems)
{
	struct config_app *app = &config->apps[i];

	if (!app->source)
		complain(problems, "app", app, "source", "is missing");
	if (!app->run)
		complain(problems, "app", app, "run", "is missing");
	if (app->source &&
		(strncmp(app->source, "https:", 6) == 0 || strncmp(app->source, "s3:", 3) == 0))
		complain(problems, "app", app, "source",
			"this version takes file:, git+file: and git+https:, not yet %.*s:",
			(int)strcspn(app->source, ":"), app->source);
	if (!app->path && asprintf(&app->path, APP_PATH "%s", app->name) < 0)
		return -ENOMEM;
	for (size_t j = 0; j < i; j++)
		if (path_within(app->path, config->apps[j].path) ||
			path_within(config->apps[j].path, app->path))
			complain(problems, "app", app, "path",
				"%s and the path of [app %s] lie in each other", app->path,
				config->apps[j].name);
	return 0;
}

static int check_index(struct config_index *index, struct config_problems *problems)
{
	struct err err;
	unsigned line = 0;
	size_t length;
	int r;

	if (!index->template)
		return 0;
	if (!index->path) {
		config_problem_add(problems, NULL, 0, "index", "path",
			"is missing; without it the template has no use");
		return 0;
	}
	r = file_read(index->template, TEMPLATE_MAX, &index->template_text, &length);
	if (r == 0 && strlen(index->template_text) != length)
		r = err_set(&err, -EINVAL, "there is a NUL byte in it");
	else if (r == 0)
		r = template_check(index->template_text, &line, &err);
	else
		err_set(&err, r, "%s", r == -EFBIG ? "is longer than 256 KiB" : strerror(-r));
	if (r < 0 && r != -ENOMEM)
		config_problem_add(problems, index->template, line, NULL, NULL, "%s", err.text);
	return r == -ENOMEM ? r : 0;
}

int config_check(struct config *config, struct config_problems *problems)
{
	int r = check_index(&config->index, problems);

	for (size_t i = 0; r == 0 && i < config->n_volumes; i++)
		r = check_volume(config, i, problems);
	for (size_t i = 0; r == 0 && i < config->n_apps; i++)
		r = check_app(config, i, problems);
	return r;
}
