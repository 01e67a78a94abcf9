/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json-text.h"

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
	[METADATA_HOSTNAME] = {"hostname", "hostname", "hostname", METADATA_NAMES},
	[METADATA_PUBLIC_HOSTNAME] = {"public-hostname", "publicHostname", "public-hostname",
		METADATA_NAMES},
	[METADATA_PUBLIC_IPV4] = {"public-ipv4", "publicIp", "public-ipv4"},
	[METADATA_MAC] = {"mac", "mac", "mac"},
	[METADATA_LIFE_CYCLE] = {"instance-life-cycle", "instanceLifeCycle", "instance-life-cycle"},
	[METADATA_LAUNCH_INDEX] = {"ami-launch-index", "amiLaunchIndex", "ami-launch-index"},
	[METADATA_RESERVATION_ID] = {"reservation-id", "reservationId", "reservation-id"},
	[METADATA_SECURITY_GROUPS] = {"security-groups", "securityGroups", "security-groups",
		METADATA_LINES},
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

static bool is_made_of(const char *value, size_t length, const char *others)
{
	for (size_t i = 0; i < length; i++)
		if (!value[i] || ((unsigned char)value[i] >= 0x80) ||
			(!isalnum((unsigned char)value[i]) && !strchr(others, value[i])))
			return false;
	return length > 0 && length <= METADATA_WORD_MAX;
}

static bool is_text(const char *value, size_t length, bool lines)
{
	json_t *json = json_stringn(value, length); /* NULL unless UTF-8 */

	json_decref(json);
	if (!json)
		return false;
	for (size_t i = 0; i < length; i++)
		if (iscntrl((unsigned char)value[i]) && !(lines && value[i] == '\n'))
			return false;
	return length > 0 && length <= METADATA_VALUE_MAX;
}

bool metadata_fits(enum metadata_form form, const char *value, size_t length)
{
	switch (form) {
	case METADATA_WORD: return is_made_of(value, length, "-._:");
	case METADATA_NAMES: return is_made_of(value, length, "-._: ");
	case METADATA_LINE: return is_text(value, length, false);
	case METADATA_LINES: return is_text(value, length, true);
	}
	return false;
}

int metadata_parse_identity(
	struct metadata *metadata, const char *text, size_t length, struct err *err)
{
	json_error_t error;
	json_t *document = json_from_text(text, length, &error);
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
			!metadata_fits(metadata_names[i].form, json_string_value(value),
				json_string_length(value))) {
			r = err_set(err, -EBADMSG,
				"instance identity document: %s is not what it should be",
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
