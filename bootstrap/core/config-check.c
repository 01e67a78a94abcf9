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

#define READY_TIMEOUT_MIN 1000000 /* usec */
#define APP_PATH          "/var/lib/instanced/app/"

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

/* Reads the template and tries it; without an error `ret_text` holds it. */
static int load_template(const char *path, char **ret_text, struct config_problems *problems)
{
	_cleanup_free_ char *text = NULL;
	unsigned line = 0;
	struct err err;
	size_t length;
	int r = file_read(path, TEMPLATE_MAX, &text, &length);

	if (r == 0 && strlen(text) != length)
		r = err_set(&err, -EINVAL, "there is a NUL byte in it");
	else if (r == 0)
		r = template_check(text, &line, &err);
	else
		err_set(&err, r, "%s", r == -EFBIG ? "is longer than 256 KiB" : strerror(-r));
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		config_problem_add(problems, path, line, NULL, NULL, "%s", err.text);
	else
		*ret_text = steal_ptr(text);
	return 0;
}

static bool starts_with(const char *text, const char *prefix)
{
	return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What must be known of a source, and what has no meaning for it. */
static void check_source(const struct config_app *app, struct config_problems *problems)
{
	bool s3 = starts_with(app->source, "s3:"), git = starts_with(app->source, "git+");

	if (!app->source)
		complain(problems, "app", app, "source", "is missing");
	if ((s3 || starts_with(app->source, "https:")) && !app->sha256 && !app->unpinned)
		complain(problems, "app", app, "sha256",
			"is missing: what comes from the network is pinned, or `unpinned = yes`");
	if (git && app->strip)
		complain(problems, "app", app, "strip", "is for archives");
	if (!s3 && app->region)
		complain(problems, "app", app, "region", "is for s3: sources");
	if (!s3 && app->endpoint)
		complain(problems, "app", app, "endpoint", "is for s3: sources");
}

/* Neither may be, or lie in, another. */
static void check_places(const struct config_app *app, struct config_problems *problems)
{
	const char *places[2 * CONFIG_LIST_MAX];
	size_t n = 0;

	for (size_t i = 0; i < app->shared.n; i++)
		places[n++] = app->shared.items[i];
	for (size_t i = 0; i < app->writable.n; i++)
		places[n++] = app->writable.items[i];
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (path_within(places[i], places[j]) || path_within(places[j], places[i]))
				complain(problems, "app", app,
					i < app->shared.n ? "shared" : "writable",
					"%s and %s are the same, or one lies in the other",
					places[j], places[i]);
	for (size_t i = 0; i < app->files.n; i++)
		for (size_t j = 0; j < n; j++) {
			char file[CONFIG_LINE_MAX];

			snprintf(file, sizeof file, "%.*s", (int)strcspn(app->files.items[i], "="),
				app->files.items[i]);
			if (path_within(file, places[j]) || path_within(places[j], file))
				complain(problems, "app", app, "files.",
					"%s lies where the app may write (%s)", file, places[j]);
		}
}

/* A release is not written to once it is whole, and the next one would not have the page. */
static void check_page(const struct config_index *index, const struct config_app *app,
	struct config_problems *problems)
{
	const char *outer =
		app->link && path_within(index->path, app->link) ? app->link : app->path;

	if (path_within(index->path, outer))
		complain(problems, "app", app, app->link == outer ? "link" : "path",
			"the path of [index], %s, lies in %s: a page of an app is `files.%s = "
			"TEMPLATE`",
			index->path, outer, strrchr(index->path, '/') + 1);
}

static int check_app(struct config *config, size_t i, struct config_problems *problems)
{
	struct config_app *app = &config->apps[i];
	int r = 0;

	check_source(app, problems);
	check_places(app, problems);
	if (!app->path && asprintf(&app->path, APP_PATH "%s", app->name) < 0)
		return -ENOMEM;
	for (size_t j = 0; r == 0 && j < app->files.n; j++)
		r = load_template(
			strchr(app->files.items[j], '=') + 1, &app->file_texts[j], problems);
	for (size_t j = 0; j < i; j++) {
		const struct config_app *other = &config->apps[j];

		if (path_within(app->path, other->path) || path_within(other->path, app->path))
			complain(problems, "app", app, "path",
				"%s and the path of [app %s] lie in each other", app->path,
				other->name);
		if (app->link && other->link && strcmp(app->link, other->link) == 0)
			complain(problems, "app", app, "link", "%s is also the link of [app %s]",
				app->link, other->name);
	}
	for (size_t j = 0; app->link && j < config->n_volumes; j++)
		if (config->volumes[j].mount && path_within(config->volumes[j].mount, app->link))
			complain(problems, "app", app, "link",
				"%s holds the mount of [volume %s], and is moved away", app->link,
				config->volumes[j].name);
	if (app->ready_timeout_usec < READY_TIMEOUT_MIN)
		complain(problems, "app", app, "ready_timeout",
			"is too short to see anything; at least 1s is expected");
	if (app->link && (path_within(app->link, app->path) || path_within(app->path, app->link)))
		complain(problems, "app", app, "link", "%s and %s lie in each other", app->link,
			app->path);
	if (config->index.path)
		check_page(&config->index, app, problems);
	return r;
}

static int check_index(struct config_index *index, struct config_problems *problems)
{
	if (index->template && !index->path)
		config_problem_add(problems, NULL, 0, "index", "path",
			"is missing; without it the template has no use");
	return index->template && index->path
		       ? load_template(index->template, &index->template_text, problems)
		       : 0;
}

/* CloudWatch's periods below a minute, and those that target tracking reads (FAQ of both). */
static void check_scaling(const struct config_scaling *scaling, struct config_problems *problems)
{
	static const unsigned seconds[] = {10, 30, 60};

	if (strncmp(scaling->namespace, "AWS/", strlen("AWS/")) == 0)
		config_problem_add(problems, NULL, 0, "scaling", "namespace",
			"begins with AWS/, which is for services of AWS");
	FOREACH_ELEMENT (i, seconds)
		if (scaling->period_usec == seconds[i] * 1000000ull)
			return;
	config_problem_add(problems, NULL, 0, "scaling", "period", "is none of 10s, 30s and 60s");
}

int config_check(struct config *config, struct config_problems *problems)
{
	int r = check_index(&config->index, problems);

	if (config->agent.listen.n > CONFIG_LISTEN_MAX)
		config_problem_add(problems, NULL, 0, "agent", "listen",
			"there are more than %d addresses", CONFIG_LISTEN_MAX);
	check_scaling(&config->scaling, problems);
	for (size_t i = 0; r == 0 && i < config->n_volumes; i++)
		r = check_volume(config, i, problems);
	for (size_t i = 0; r == 0 && i < config->n_apps; i++)
		r = check_app(config, i, problems);
	return r;
}
