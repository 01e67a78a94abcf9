/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle-kept.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"
#include "json-text.h"
#include "log.h"

#define KEPT_MAX ((size_t)64 << 10)

static void path_of(const char *directory, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" LIFECYCLE_KEPT, directory);
}

static uint64_t read_time(const json_t *json, uint64_t now)
{
	json_int_t usec = json_integer_value(json);

	return usec < 0 ? 0 : (uint64_t)usec < now ? (uint64_t)usec : now;
}

/* NULL: there is none, or it is another's. */
static json_t *read_own(const char *directory, const char *instance_id)
{
	_cleanup_free_ char *text = NULL;
	json_t *json = NULL;
	char path[PATH_MAX];
	const char *whose;

	path_of(directory, path);
	if (file_read(path, KEPT_MAX, &text, NULL) == 0)
		json = json_from_text(text, strlen(text), NULL);
	whose = json_string_value(json_object_get(json, "instanceId"));
	if (whose && strcmp(whose, instance_id) == 0)
		return json;
	json_decref(json);
	return NULL;
}

void lifecycle_kept_read(const char *run, const char *lasting, const char *instance_id,
	struct lifecycle_facts *facts)
{
	const struct config_list *groups = &facts->config->target_groups;
	json_t *json = read_own(run, instance_id), *arn;
	size_t i;

	if (!json && lasting)
		json = read_own(lasting, instance_id);
	facts->signalled = json_is_true(json_object_get(json, "signalled"));
	facts->replaced = read_time(json_object_get(json, "replaced"), facts->now);
	json_array_foreach (json_object_get(json, "deregistered"), i, arn)
		for (size_t j = 0; json_is_string(arn) && j < groups->n; j++)
			facts->deregistered[j] |=
				strcmp(groups->items[j], json_string_value(arn)) == 0;
	json_decref(json);
}

/* -- to the disk -- */

/* One copy at a time; the last one is of the newest. */
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;

struct copy {
	char from[PATH_MAX], to[PATH_MAX];
};

static void *copy_run(void *argument)
{
	_cleanup_free_ struct copy *copy = argument;
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r;

	(void)pthread_mutex_lock(&copying);
	r = file_read(copy->from, KEPT_MAX, &text, &length);
	if (r >= 0)
		r = file_write(copy->to, text, length, 0600);
	(void)pthread_mutex_unlock(&copying);
	if (r < 0)
		log_warning("%s: %s: a reboot forgets what was done", copy->to, strerror(-r));
	return NULL;
}

static int copy_start(const char *run, const char *lasting)
{
	struct copy *copy = malloc(sizeof *copy);
	pthread_t thread;
	int r;

	if (!copy)
		return -ENOMEM;
	path_of(run, copy->from);
	path_of(lasting, copy->to);
	r = pthread_create(&thread, NULL, copy_run, copy);
	if (r == 0)
		return -pthread_detach(thread);
	free(copy);
	return -r;
}

int lifecycle_kept_write(const char *run, const char *lasting, const char *instance_id,
	const struct lifecycle_facts *facts)
{
	const struct config_list *groups = &facts->config->target_groups;
	json_t *arns = json_array(), *json;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < groups->n; i++)
		if (facts->deregistered[i])
			(void)json_array_append_new(arns, json_string(groups->items[i]));
	json = json_pack("{s:s, s:o, s:b, s:I}", "instanceId", instance_id, "deregistered", arns,
		"signalled", facts->signalled, "replaced", (json_int_t)facts->replaced);
	text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	path_of(run, path);
	r = text ? file_write(path, text, strlen(text), 0600) : -ENOMEM;
	return r == 0 && lasting ? copy_start(run, lasting) : r;
}
