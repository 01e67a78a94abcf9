/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "file.h"
#include "json-text.h"

static const char *const kinds[] = {
	[STATE_VOLUME] = "volume",
	[STATE_PACKAGES] = "packages",
	[STATE_INDEX_PAGE] = "index",
	[STATE_APP] = "app",
	[STATE_BOOTSTRAP] = "bootstrap",
};

static const struct {
	const char *name;
	enum check_result result;
} statuses[] = {
	[STATE_PENDING] = {"pending", CHECK_WAIT},
	[STATE_WAITING] = {"waiting", CHECK_WAIT},
	[STATE_OK] = {"ok", CHECK_PASS},
	[STATE_OUTDATED] = {"outdated", CHECK_WARN},
	[STATE_REFUSED] = {"refused", CHECK_FAIL},
	[STATE_FAILED] = {"failed", CHECK_FAIL},
	[STATE_MISSING] = {"missing", CHECK_FAIL},
};

/* Text members of an item: JSON name, place, size. Empty ones are left out. */
#define TEXT(json, member)                                                                         \
	{                                                                                          \
		json, offsetof(struct state_item, member), sizeof((struct state_item){0}.member)   \
	}
static const struct {
	const char *json;
	size_t offset, size;
} texts[] = {
	TEXT("name", name),
	TEXT("reason", reason),
	TEXT("path", path),
	TEXT("device", device),
	TEXT("volumeId", volume_id),
	TEXT("filesystem", filesystem),
	TEXT("release", release),
	TEXT("version", version),
	TEXT("source", source),
	TEXT("health", health),
};

const char *state_status_name(enum state_status status)
{
	return statuses[status].name;
}

const char *state_kind_name(enum state_kind kind)
{
	return kinds[kind];
}

/* Of a state that lacks something for want of memory nothing is written at all. */
static json_t *whole(json_t *json, int failed)
{
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *item_to_json(const struct state_item *item)
{
	json_t *json = json_pack("{s:s, s:b, s:s}", "kind", kinds[item->kind], "required",
		item->required, "status", statuses[item->status].name);
	int failed = 0;

	FOREACH_ELEMENT (i, texts) {
		const char *text = (const char *)item + texts[i].offset;

		if (*text)
			failed |= json_object_set_new(json, texts[i].json, json_text(text));
	}
	if (item->size)
		failed |= json_object_set_new(
			json, "sizeBytes", json_integer((json_int_t)item->size));
	if (item->number) {
		failed |= json_object_set_new(json, "major", json_integer(major(item->number)));
		failed |= json_object_set_new(json, "minor", json_integer(minor(item->number)));
	}
	return whole(json, failed);
}

void state_note(struct state *state, uint64_t began, uint64_t ended, const char *what, ...)
{
	struct state_moment *moment = &state->moments[state->n_moments];
	va_list ap;

	if (state->n_moments == STATE_MOMENTS_MAX)
		return;
	va_start(ap, what);
	(void)vsnprintf(moment->what, sizeof moment->what, what, ap);
	va_end(ap);
	moment->began = began;
	moment->ended = ended;
	state->n_moments++;
}

static json_t *moments_to_json(const struct state *state)
{
	json_t *list = json_array();
	int failed = 0;

	for (size_t i = 0; i < state->n_moments; i++)
		failed |= json_array_append_new(list,
			json_pack("{s:o, s:I, s:I}", "what", json_text(state->moments[i].what),
				"began", (json_int_t)state->moments[i].began, "ended",
				(json_int_t)state->moments[i].ended));
	return whole(list, failed);
}

static void moments_from_json(const json_t *list, struct state *state)
{
	json_t *json;
	size_t i;

	json_array_foreach (list, i, json) {
		struct state_moment *moment = &state->moments[state->n_moments];
		json_int_t began, ended;
		const char *what;

		if (state->n_moments == STATE_MOMENTS_MAX ||
			json_unpack(json, "{s:s, s:I, s:I}", "what", &what, "began", &began,
				"ended", &ended) < 0)
			return;
		snprintf(moment->what, sizeof moment->what, "%s", what);
		moment->began = (uint64_t)began;
		moment->ended = (uint64_t)ended;
		state->n_moments++;
	}
}

json_t *state_to_json(const struct state *state)
{
	json_t *json = json_pack("{s:i, s:s, s:I}", "version", STATE_VERSION, "phase",
		state->settled ? "settled" : "working", "updated", (json_int_t)state->updated);
	json_t *items = json_array();
	int failed = 0;

	if (state->reason[0])
		failed |= json_object_set_new(json, "reason", json_text(state->reason));
	if (state->metadata)
		failed |= json_object_set_new(json, "identity", metadata_to_json(state->metadata));
	failed |= json_object_set_new(json, "timeline", moments_to_json(state));
	for (size_t i = 0; i < state->n_items; i++)
		failed |= json_array_append_new(items, item_to_json(&state->items[i]));
	failed |= json_object_set_new(json, "items", items);
	return whole(json, failed);
}

int state_write(const struct state *state, const char *directory, struct err *err)
{
	char path[PATH_MAX];
	json_t *json = state_to_json(state);
	_cleanup_free_ char *text = json_dumps(json, JSON_INDENT(1));
	int r;

	json_decref(json);
	if (!text)
		return err_set(err, -ENOMEM, "%m");
	snprintf(path, sizeof path, "%s/" STATE_FILE, directory);
	r = file_write(path, text, strlen(text), 0644);
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}

static int find_name(const char *name, const char *(*name_of)(int), int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(name, name_of(i)) == 0)
			return i;
	return -1;
}

static const char *kind_at(int i)
{
	return kinds[i];
}

static const char *status_at(int i)
{
	return statuses[i].name;
}

static bool item_from_json(json_t *json, struct state_item *ret_item)
{
	const char *kind, *status;
	json_int_t size = 0;
	int required, k, s, major_number = 0, minor_number = 0;

	if (json_unpack(json, "{s:s, s:b, s:s, s?I, s?i, s?i}", "kind", &kind, "required",
		    &required, "status", &status, "sizeBytes", &size, "major", &major_number,
		    "minor", &minor_number) < 0)
		return false;
	k = find_name(kind, kind_at, sizeof kinds / sizeof kinds[0]);
	s = find_name(status, status_at, sizeof statuses / sizeof statuses[0]);
	if (k < 0 || s < 0)
		return false;
	*ret_item = (struct state_item){.kind = (enum state_kind)k,
		.required = required,
		.status = (enum state_status)s,
		.size = (uint64_t)size,
		.number = makedev((unsigned)major_number, (unsigned)minor_number)};
	FOREACH_ELEMENT (i, texts) {
		const char *text = json_string_value(json_object_get(json, texts[i].json));

		snprintf((char *)ret_item + texts[i].offset, texts[i].size, "%s", text ? text : "");
	}
	return ret_item->name[0];
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int identity_from_json(const json_t *json, struct metadata **ret_metadata)
{
	struct metadata *metadata = calloc(1, sizeof *metadata);
	const char *key;
	json_t *value;
	int r = metadata ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < METADATA_FIELDS; i++)
		r = copy_text(json_string_value(json_object_get(json, metadata_names[i].json)),
			&metadata->fields[i]);
	json_object_foreach ((json_t *)json_object_get(json, "tags"), key, value) {
		size_t i;

		if (r < 0 || metadata->n_tags == METADATA_TAGS_MAX || !json_is_string(value))
			continue;
		i = metadata->n_tags++;
		r = copy_text(key, &metadata->tags[i].key);
		if (r == 0)
			r = copy_text(json_string_value(value), &metadata->tags[i].value);
	}
	if (r < 0)
		metadata_free(metadata);
	else
		*ret_metadata = metadata;
	return r;
}

static int state_from_json(json_t *json, struct state **ret_state)
{
	_cleanup_(state_free_p) struct state *state = calloc(1, sizeof *state);
	const char *phase, *reason = "";
	json_t *items, *item, *identity = NULL;
	json_int_t updated;
	int version;
	size_t i;

	if (!state)
		return -ENOMEM;
	if (json_unpack(json, "{s:i, s:s, s?s, s:I, s?o, s:o}", "version", &version, "phase",
		    &phase, "reason", &reason, "updated", &updated, "identity", &identity, "items",
		    &items) < 0 ||
		version != STATE_VERSION || !json_is_array(items))
		return -EBADMSG;
	state->settled = strcmp(phase, "settled") == 0;
	state->updated = updated;
	snprintf(state->reason, sizeof state->reason, "%s", reason);
	if (json_is_object(identity) && identity_from_json(identity, &state->metadata) < 0)
		return -ENOMEM;
	moments_from_json(json_object_get(json, "timeline"), state);
	json_array_foreach (items, i, item) {
		if (state->n_items == STATE_ITEMS_MAX ||
			!item_from_json(item, &state->items[state->n_items++]))
			return -EBADMSG;
	}
	*ret_state = steal_ptr(state);
	return 0;
}

int state_parse(const char *text, size_t length, struct state **ret_state)
{
	json_t *json = json_from_text(text, length, NULL);
	int r = json ? state_from_json(json, ret_state) : -EBADMSG;

	json_decref(json);
	return r;
}

int state_read(const char *directory, struct state **ret_state, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	size_t length;
	int r;

	snprintf(path, sizeof path, "%s/" STATE_FILE, directory);
	r = file_read(path, STATE_FILE_MAX, &text, &length);
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	r = state_parse(text, length, ret_state);
	if (r == -EBADMSG)
		return err_set(err, r, "%s: is no state of version %d", path, STATE_VERSION);
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}

struct state *state_free(struct state *state)
{
	if (!state)
		return NULL;
	metadata_free(state->metadata);
	free(state);
	return NULL;
}

size_t state_checks(const struct state *state, struct check *ret_checks)
{
	if (!state) {
		ret_checks[0] = (struct check){.name = "bootstrap",
			.required = true,
			.result = CHECK_WAIT,
			.reason = "instancectl apply has not run since boot"};
		return 1;
	}
	for (size_t i = 0; i < state->n_items; i++) {
		const struct state_item *item = &state->items[i];
		struct check *check = &ret_checks[i];
		bool named = item->kind == STATE_VOLUME || item->kind == STATE_APP;

		*check = (struct check){
			.required = item->required, .result = statuses[item->status].result};
		snprintf(check->name, sizeof check->name, "%s%s%s", kinds[item->kind],
			named ? " " : "", named ? item->name : "");
		if (check->result != CHECK_PASS)
			snprintf(check->reason, sizeof check->reason, "%s: %.200s",
				statuses[item->status].name, item->reason);
	}
	return state->n_items;
}
