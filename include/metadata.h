/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata: who this instance is. One table holds every field: its name (as in IMDS's paths, in
 * templates and on the terminal), its name in JSON (as in the instance identity document), and
 * where it comes from.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "err.h"
#include "imds.h"

#define METADATA_VALUE_MAX 1024 /* bytes of one value */
#define METADATA_WORD_MAX  255  /* of one in METADATA_WORD or METADATA_NAMES */
#define METADATA_TAGS_MAX  64   /* EC2 allows 50 */

enum metadata_field {
	METADATA_INSTANCE_ID,
	METADATA_INSTANCE_TYPE,
	METADATA_IMAGE_ID,
	METADATA_REGION,
	METADATA_AVAILABILITY_ZONE,
	METADATA_ACCOUNT_ID,
	METADATA_ARCHITECTURE,
	METADATA_LOCAL_IPV4,
	METADATA_PENDING_TIME,
	METADATA_AVAILABILITY_ZONE_ID,
	METADATA_HOSTNAME,
	METADATA_PUBLIC_HOSTNAME,
	METADATA_PUBLIC_IPV4,
	METADATA_MAC,
	METADATA_LIFE_CYCLE,
	METADATA_LAUNCH_INDEX,
	METADATA_RESERVATION_ID,
	METADATA_SECURITY_GROUPS,
	METADATA_FIELDS,
};

/*
 * What a value may be made of, wherever it goes: into pages, logs, host names, requests to AWS. The
 * first two are what EC2 makes itself; an answer that is none of these is no answer of the service.
 * The others are somebody's own words, and left out if they do not fit.
 */
enum metadata_form {
	METADATA_WORD,  /* letters, digits, "-._:" */
	METADATA_NAMES, /* also blanks: a VPC's DHCP options may have several domains */
	METADATA_LINE,  /* UTF-8 without control characters */
	METADATA_LINES, /* the same, in lines */
};

struct metadata_name {
	const char *name;
	const char *json;
	const char *path; /* below meta-data/; NULL: from the identity document, under `json` */
	enum metadata_form form;
};
extern const struct metadata_name metadata_names[METADATA_FIELDS];

struct metadata {
	char *fields[METADATA_FIELDS]; /* NULL: the instance has none */
	struct {
		char *key, *value;
	} tags[METADATA_TAGS_MAX]; /* value NULL: it is nothing of METADATA_LINE */
	size_t n_tags;
};

struct metadata *metadata_free(struct metadata *metadata);

/* The value by name, "instance-id" or "tag:KEY"; NULL when the instance has none. */
const char *metadata_value(const struct metadata *metadata, const char *name);

/* Whether such a name exists at all (a tag: name always does). */
bool metadata_has_name(const char *name);

bool metadata_fits(enum metadata_form form, const char *value, size_t length);

/*
 * Fills the fields that the identity document holds. Any may be null; a wrong type or form, or a
 * document without instanceId, is -EBADMSG.
 */
int metadata_parse_identity(
	struct metadata *metadata, const char *text, size_t length, struct err *err);

/* {"instanceId": …, …, "tags": {…}}; absent fields are left out. New reference, or NULL. */
json_t *metadata_to_json(const struct metadata *metadata);

typedef void (*metadata_done)(
	int result, struct metadata *metadata, const struct err *err, void *userdata);

/*
 * Reads all fields and tags, several requests at a time; `done` is called once, with metadata
 * that it owns when result is 0. Fields that are absent (404) or refused (403) stay NULL. It is all
 * of it or nothing: while one answer is missing or makes no sense, or when at the end the identity
 * document names another instance than at the beginning, all is read again until the time is over.
 */
int metadata_collect(struct imds *imds, uint64_t timeout_usec, metadata_done done, void *userdata);

/* The same, running the loop until it is there. */
int metadata_wait(sd_event *event, struct imds *imds, uint64_t timeout_usec,
	struct metadata **ret_metadata, struct err *err);

CLEANUP_FOR(metadata, metadata_free);
