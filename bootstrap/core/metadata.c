/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY_PATH "dynamic/instance-identity/document"
#define TAGS_PATH     "meta-data/tags/instance"
#define TAG_KEY_MAX   128 /* EC2 User Guide, "Tag restrictions" */

const struct metadata_name metadata_names[METADATA_FIELDS] = {
	[METADATA_INSTANCE_ID] = {"instance-id", "instanceId", NULL},
	[METADATA_INSTANCE_TYPE] = {"instance-type", "instanceType", NULL},
	[METADATA_IMAGE_ID] = {"ami-id", "imageId", NULL},
	[METADATA_REGION] = {"region", "region", NULL},
	[METADATA_AVAILABILITY_ZONE] = {"availability-zone", "availabilityZone", NULL},
	[METADATA_ACCOUNT_ID] = {"account-id", "accountId", NULL},
	[METADATA_ARCHITECTURE] = {"architecture", "architecture", NULL},
	[METADATA_LOCAL_IPV4] = {"local-ipv4", "privateIp", NULL},
	[METADATA_PENDING_TIME] = {"pending-time", "pendingTime", NULL},
	[METADATA_AVAILABILITY_ZONE_ID] = {"availability-zone-id", "availabilityZoneId",
		"placement/availability-zone-id"},
	[METADATA_HOSTNAME] = {"hostname", "hostname", "hostname"},
	[METADATA_PUBLIC_HOSTNAME] = {"public-hostname", "publicHostname", "public-hostname"},
	[METADATA_PUBLIC_IPV4] = {"public-ipv4", "publicIp", "public-ipv4"},
	[METADATA_MAC] = {"mac", "mac", "mac"},
	[METADATA_LIFE_CYCLE] = {"instance-life-cycle", "instanceLifeCycle", "instance-life-cycle"},
	[METADATA_LAUNCH_INDEX] = {"ami-launch-index", "amiLaunchIndex", "ami-launch-index"},
	[METADATA_RESERVATION_ID] = {"reservation-id", "reservationId", "reservation-id"},
	[METADATA_SECURITY_GROUPS] = {"security-groups", "securityGroups", "security-groups"},
};

struct metadata *metadata_free(struct metadata *metadata)
{
	if (!metadata)
		return NULL;
	for (size_t i = 0; i < METADATA_FIELDS; i++)
		free(metadata->fields[i]);
	for (size_t i = 0; i < metadata->n_tags; i++) {
		free(metadata->tags[i].key);
		free(metadata->tags[i].value);
	}
	free(metadata);
	return NULL;
}

const char *metadata_value(const struct metadata *metadata, const char *name)
{
	for (size_t i = 0; i < METADATA_FIELDS; i++)
		if (strcmp(metadata_names[i].name, name) == 0)
			return metadata->fields[i];
	for (size_t i = 0; strncmp(name, "tag:", 4) == 0 && i < metadata->n_tags; i++)
		if (strcmp(metadata->tags[i].key, name + 4) == 0)
			return metadata->tags[i].value;
	return NULL;
}

bool metadata_has_name(const char *name)
{
	for (size_t i = 0; i < METADATA_FIELDS; i++)
		if (strcmp(metadata_names[i].name, name) == 0)
			return true;
	return strncmp(name, "tag:", 4) == 0 && name[4];
}

/* What goes into pages, logs and JSON: UTF-8 of a bounded length without control characters. */
static bool value_is_text(const char *value, size_t length)
{
	json_t *json = json_stringn(value, length); /* NULL unless UTF-8 */

	json_decref(json);
	if (!json)
		return false;
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)value[i]) && value[i] != '\n' && value[i] != '\t')
			return false;
	return length > 0 && length <= METADATA_VALUE_MAX;
}

int metadata_parse_identity(
	struct metadata *metadata, const char *text, size_t length, struct err *err)
{
	json_error_t error;
	json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	int r = 0;

	if (!json_is_object(document)) {
		json_decref(document);
		return err_set(err, -EBADMSG, "instance identity document: %s",
			document        ? "no JSON object"
			: error.text[0] ? error.text
					: "no memory");
	}
	for (size_t i = 0; r == 0 && i < METADATA_FIELDS; i++) {
		const json_t *value = json_object_get(document, metadata_names[i].json);

		if (metadata_names[i].path || !value || json_is_null(value) ||
			(json_is_string(value) && json_string_length(value) == 0))
			continue;
		if (!json_is_string(value) ||
			!value_is_text(json_string_value(value), json_string_length(value))) {
			r = err_set(err, -EBADMSG, "instance identity document: %s is no text",
				metadata_names[i].json);
			continue;
		}
		free(metadata->fields[i]);
		metadata->fields[i] = strdup(json_string_value(value));
		if (!metadata->fields[i])
			r = err_set(err, -ENOMEM, "%m");
	}
	if (r == 0 && !metadata->fields[METADATA_INSTANCE_ID])
		r = err_set(err, -EBADMSG, "instance identity document: there is no instanceId");
	json_decref(document);
	return r;
}

json_t *metadata_to_json(const struct metadata *metadata)
{
	json_t *json = json_object(), *tags = json_object();
	int failed = 0;

	for (size_t i = 0; i < METADATA_FIELDS; i++)
		if (metadata->fields[i])
			failed |= json_object_set_new(
				json, metadata_names[i].json, json_string(metadata->fields[i]));
	for (size_t i = 0; i < metadata->n_tags; i++)
		if (metadata->tags[i].value) /* there was no answer for it */
			failed |= json_object_set_new(
				tags, metadata->tags[i].key, json_string(metadata->tags[i].value));
	failed |= json_object_set_new(json, "tags", tags);
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

/* A collection under way: requests that still have to answer, each knowing where its value goes. */
struct collection {
	struct imds *imds;
	struct metadata *metadata;
	uint64_t timeout;
	unsigned pending;
	int result;
	struct err err;
	metadata_done done;
	void *userdata;
};

struct slot {
	struct collection *collection;
	char **value;
};

static void collection_settle(struct collection *c)
{
	if (c->pending > 0)
		return;
	if (c->result < 0)
		c->metadata = metadata_free(c->metadata);
	c->done(c->result, c->metadata, &c->err, c->userdata);
	free(c);
}

static void on_value(struct imds_answer *answer, void *userdata)
{
	struct slot *slot = userdata;
	struct collection *c = slot->collection;

	if (answer->result == 0 && value_is_text(answer->body, answer->length) &&
		strlen(answer->body) == answer->length)
		*slot->value = steal_ptr(answer->body);
	free(slot);
	c->pending--;
	collection_settle(c);
}

static void ask(struct collection *c, const char *path, char **value)
{
	struct slot *slot = calloc(1, sizeof *slot);

	if (!slot)
		return;
	*slot = (struct slot){c, value};
	if (imds_get(c->imds, path, c->timeout, on_value, slot) < 0)
		free(slot);
	else
		c->pending++;
}

/* Percent-encodes what is not unreserved (RFC 3986, section 2.3). */
static void tag_path(const char *key, char *ret_path, size_t size)
{
	size_t n = (size_t)snprintf(ret_path, size, TAGS_PATH "/");

	for (; *key && n + 4 < size; key++)
		n += (size_t)snprintf(ret_path + n, size - n,
			isalnum((unsigned char)*key) || strchr("-._~", *key) ? "%c" : "%%%02X",
			(unsigned char)*key);
}

static void on_tags(struct imds_answer *answer, void *userdata)
{
	struct collection *c = userdata;
	struct metadata *metadata = c->metadata;
	char *rest = answer->result == 0 ? answer->body : NULL, *key;

	while ((key = strsep(&rest, "\n")) && metadata->n_tags < METADATA_TAGS_MAX) {
		char path[sizeof TAGS_PATH + 1 + 3 * TAG_KEY_MAX + 4];

		if (!*key || strlen(key) > TAG_KEY_MAX || !value_is_text(key, strlen(key)))
			continue;
		metadata->tags[metadata->n_tags].key = strdup(key);
		if (!metadata->tags[metadata->n_tags].key)
			break;
		tag_path(key, path, sizeof path);
		ask(c, path, &metadata->tags[metadata->n_tags++].value);
	}
	c->pending--;
	collection_settle(c);
}

static void on_identity(struct imds_answer *answer, void *userdata)
{
	struct collection *c = userdata;

	c->err = answer->err;
	c->result = answer->result;
	if (answer->result == 0)
		c->result =
			metadata_parse_identity(c->metadata, answer->body, answer->length, &c->err);
	for (size_t i = 0; c->result == 0 && i < METADATA_FIELDS; i++) {
		char path[64];

		if (!metadata_names[i].path)
			continue;
		snprintf(path, sizeof path, "meta-data/%s", metadata_names[i].path);
		ask(c, path, &c->metadata->fields[i]);
	}
	if (c->result == 0 && imds_get(c->imds, TAGS_PATH, c->timeout, on_tags, c) == 0)
		c->pending++;
	c->pending--;
	collection_settle(c);
}

int metadata_collect(struct imds *imds, uint64_t timeout_usec, metadata_done done, void *userdata)
{
	struct collection *c = calloc(1, sizeof *c);
	int r = -ENOMEM;

	if (c)
		*c = (struct collection){.imds = imds,
			.metadata = calloc(1, sizeof *c->metadata),
			.timeout = timeout_usec,
			.pending = 1,
			.done = done,
			.userdata = userdata};
	if (c && c->metadata)
		r = imds_get(imds, IDENTITY_PATH, timeout_usec, on_identity, c);
	if (r < 0 && c) {
		free(c->metadata);
		free(c);
	}
	return r;
}

struct waited {
	struct metadata *metadata;
	struct err *err;
	int result;
	bool done;
};

static void on_collected(
	int result, struct metadata *metadata, const struct err *err, void *userdata)
{
	struct waited *waited = userdata;

	waited->result = result;
	waited->metadata = metadata;
	if (result < 0 && waited->err)
		*waited->err = *err;
	waited->done = true;
}

int metadata_wait(sd_event *event, struct imds *imds, uint64_t timeout_usec,
	struct metadata **ret_metadata, struct err *err)
{
	struct waited waited = {.err = err};
	int r = metadata_collect(imds, timeout_usec, on_collected, &waited);

	while (r >= 0 && !waited.done)
		r = sd_event_run(event, UINT64_MAX);
	if (r < 0)
		return err_set(err, r, "metadata service: %m");
	if (waited.result < 0)
		return waited.result;
	*ret_metadata = waited.metadata;
	return 0;
}
