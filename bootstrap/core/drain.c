/* SPDX-License-Identifier: Apache-2.0 */
#include "drain.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "json-text.h"

#define DRAIN_VERSION 1
#define FILE_MAX      ((size_t)4 << 10)

static const char *const phases[] = {
	[DRAIN_NONE] = "none",
	[DRAIN_DRAINING] = "draining",
	[DRAIN_STOPPING] = "stopping",
	[DRAIN_DRAINED] = "drained",
	[DRAIN_UNDRAINED] = "undrained",
};

const char *drain_phase_name(enum drain_phase phase)
{
	return phases[phase];
}

bool drain_holds(const struct drain *drain)
{
	return drain->phase >= DRAIN_DRAINING && drain->phase <= DRAIN_DRAINED;
}

bool drain_is_undone(const struct drain *drain, const char *key)
{
	for (size_t i = 0; i < drain->n_undone; i++)
		if (strcmp(drain->undone[i], key) == 0)
			return true;
	return false;
}

static void add_undone(struct drain *drain, const char *key)
{
	if (drain_is_undone(drain, key))
		return;
	if (drain->n_undone == DRAIN_UNDONE_MAX)
		memmove(drain->undone[0], drain->undone[1],
			(--drain->n_undone) * sizeof drain->undone[0]);
	snprintf(drain->undone[drain->n_undone++], sizeof drain->undone[0], "%s", key);
}

void drain_undo(struct drain *drain)
{
	drain->phase = DRAIN_UNDRAINED;
	drain->failed[0] = '\0';
	add_undone(drain, drain->key);
}

static int drain_from_json(json_t *json, struct drain *ret_drain)
{
	const char *phase, *key, *reason, *failed = "";
	json_t *undone = NULL, *one;
	struct drain drain = {0};
	json_int_t since, until;
	int version;
	size_t i;

	if (json_unpack(json, "{s:i, s:s, s:s, s:s, s:I, s:I, s?s, s?o}", "version", &version,
		    "phase", &phase, "key", &key, "reason", &reason, "since", &since, "until",
		    &until, "failed", &failed, "undone", &undone) < 0 ||
		version != DRAIN_VERSION || (undone && !json_is_array(undone)))
		return -EBADMSG;
	while (strcmp(phases[drain.phase], phase) != 0)
		if (drain.phase++ == DRAIN_UNDRAINED)
			return -EBADMSG;
	snprintf(drain.key, sizeof drain.key, "%s", key);
	snprintf(drain.reason, sizeof drain.reason, "%s", reason);
	snprintf(drain.failed, sizeof drain.failed, "%s", failed);
	json_array_foreach (undone, i, one) {
		if (!json_is_string(one))
			return -EBADMSG;
		add_undone(&drain, json_string_value(one));
	}
	drain.since = since;
	drain.until = until;
	*ret_drain = drain;
	return 0;
}

int drain_parse(const char *text, size_t length, struct drain *ret_drain)
{
	json_t *json = json_from_text(text, length, NULL);
	int r = json ? drain_from_json(json, ret_drain) : -EBADMSG;

	json_decref(json);
	return r;
}

int drain_read(const char *state, struct drain *ret_drain, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	size_t length;
	int r;

	snprintf(path, sizeof path, "%s/" DRAIN_FILE, state);
	r = file_read(path, FILE_MAX, &text, &length);
	if (r == -ENOENT) {
		*ret_drain = (struct drain){0};
		return 0;
	}
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	r = drain_parse(text, length, ret_drain);
	return r < 0 ? err_set(err, r, "%s: says of no drain of version %d", path, DRAIN_VERSION)
		     : 0;
}

static json_t *undone_to_json(const struct drain *drain)
{
	json_t *list = json_array();

	for (size_t i = 0; i < drain->n_undone; i++)
		if (json_array_append_new(list, json_string(drain->undone[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

char *drain_text(const struct drain *drain)
{
	json_t *json = json_pack("{s:i, s:s, s:s, s:s, s:I, s:I}", "version", DRAIN_VERSION,
		"phase", phases[drain->phase], "key", drain->key, "reason", drain->reason, "since",
		(json_int_t)drain->since, "until", (json_int_t)drain->until);
	int r = drain->failed[0] ? json_object_set_new(json, "failed", json_string(drain->failed))
				 : 0;
	char *text;

	if (r == 0 && drain->n_undone > 0)
		r = json_object_set_new(json, "undone", undone_to_json(drain));
	text = r == 0 ? json_dumps(json, JSON_INDENT(2)) : NULL;
	json_decref(json);
	return text;
}

int drain_write(const char *state, const struct drain *drain, struct err *err)
{
	_cleanup_free_ char *text = drain_text(drain);
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof path, "%s/" DRAIN_FILE, state);
	r = text ? file_write(path, text, strlen(text), 0644) : -ENOMEM;
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}
