/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle-kept.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"

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

void lifecycle_kept_read(
	const char *directory, const char *instance_id, struct lifecycle_facts *facts)
{
	const struct config_list *groups = &facts->config->target_groups;
	_cleanup_free_ char *text = NULL;
	json_t *json = NULL, *arn;
	char path[PATH_MAX];
	const char *whose;
	size_t i;

	path_of(directory, path);
	if (file_read(path, KEPT_MAX, &text, NULL) == 0)
		json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	whose = json_string_value(json_object_get(json, "instanceId"));
	if (!whose || strcmp(whose, instance_id) != 0) {
		json_decref(json);
		return;
	}
	facts->signalled = json_is_true(json_object_get(json, "signalled"));
	facts->replaced = read_time(json_object_get(json, "replaced"), facts->now);
	json_array_foreach (json_object_get(json, "deregistered"), i, arn)
		for (size_t j = 0; json_is_string(arn) && j < groups->n; j++)
			facts->deregistered[j] |=
				strcmp(groups->items[j], json_string_value(arn)) == 0;
	json_decref(json);
}

int lifecycle_kept_write(
	const char *directory, const char *instance_id, const struct lifecycle_facts *facts)
{
	const struct config_list *groups = &facts->config->target_groups;
	json_t *arns = json_array(), *json;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];

	for (size_t i = 0; i < groups->n; i++)
		if (facts->deregistered[i])
			(void)json_array_append_new(arns, json_string(groups->items[i]));
	json = json_pack("{s:s, s:o, s:b, s:I}", "instanceId", instance_id, "deregistered", arns,
		"signalled", facts->signalled, "replaced", (json_int_t)facts->replaced);
	text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	path_of(directory, path);
	return text ? file_write(path, text, strlen(text), 0600) : -ENOMEM;
}
