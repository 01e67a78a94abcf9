/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the metadata service says of an instance: the identity document, the list of tags, and
 * any other value, each ended by a NUL. What is taken is text, and comes through JSON unchanged.
 *
 * Covers: bootstrap/core/metadata.c bootstrap/core/metadata-collect.c bootstrap/core/imds.c
 */
#include "metadata.h"

#include <errno.h>

#include "service.h"

/* Shorter than the pause before what made no sense is asked for again. */
#define ONE_ATTEMPT (300 * 1000ull)

static int collect(struct metadata **ret_metadata, struct err *err)
{
	struct service service = service_begin(ONE_ATTEMPT);
	int r = metadata_wait(service.event, service.imds, service.patience, ret_metadata, err);

	service_end(&service);
	return r;
}

static void check_value(const char *value)
{
	must(value[0] && strlen(value) <= METADATA_VALUE_MAX);
	for (; *value; value++)
		must((unsigned char)*value >= ' ' || *value == '\n' || *value == '\t');
}

static void check_metadata(const struct metadata *metadata)
{
	for (size_t i = 0; i < METADATA_FIELDS; i++) {
		must(metadata_has_name(metadata_names[i].name));
		must(metadata_value(metadata, metadata_names[i].name) == metadata->fields[i]);
		if (metadata->fields[i])
			check_value(metadata->fields[i]);
	}
	must(metadata->fields[METADATA_INSTANCE_ID]);
	for (size_t i = 0; i < metadata->n_tags; i++) {
		check_value(metadata->tags[i].key);
		if (metadata->tags[i].value)
			check_value(metadata->tags[i].value);
	}
}

/* As state.json keeps it. */
static void check_json(const struct metadata *metadata)
{
	json_t *json = metadata_to_json(metadata);
	_cleanup_free_ char *text = json_dumps(json, 0);
	_cleanup_(metadata_free_p) struct metadata *again = calloc(1, sizeof *again);

	json_decref(json);
	must(text && again && metadata_parse_identity(again, text, strlen(text), NULL) == 0);
	for (size_t i = 0; i < METADATA_FIELDS; i++)
		if (!metadata_names[i].path && metadata->fields[i])
			must(strcmp(metadata->fields[i], again->fields[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	_cleanup_free_ char *document = input_text(&input), *tags = input_text(&input),
			    *value = input_text(&input);
	_cleanup_(metadata_free_p) struct metadata *metadata = NULL;
	struct err err = {""};
	int r;

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "token"},
		{.url = "/instance-identity/document", .status = 200, .body = document},
		{.url = "/tags/instance/", .status = 200, .body = value},
		{.url = "/tags/instance", .status = *tags ? 200 : 404, .body = tags},
		{.url = "/mac", .status = 404}, {.url = "", .status = 200, .body = value});
	r = collect(&metadata, &err);
	must(r == 0 || ((r == -EBADMSG || r == -EPROTO || r == -ETIMEDOUT) && err.text[0]));
	if (r < 0)
		return 0;
	check_metadata(metadata);
	check_json(metadata);
	return 0;
}
