/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-keys: the table of all sections and keys, and the types of their values. Private to
 * core/config*.c and the reference page.
 */
#pragma once

#include "config.h"

/* A type of value: how it is read, what a person is told when it is wrong. */
struct config_type {
	const char *expected; /* "a duration like 90s, 5m or 1h30m" */
	/* Writes the field; -EINVAL for a bad value, -ENOMEM. Lists add. */
	int (*parse)(const char *value, void *field);
	void (*clear)(void *field); /* frees what parse allocated; NULL: nothing to free */
	bool lines;                 /* may continue over indented lines, each its own entry */
	bool verbatim;              /* a command: a comment after " ;" is refused, not cut */
};

enum config_section_id {
	SECTION_AGENT,
	SECTION_INDEX,
	SECTION_PACKAGES,
	SECTION_VOLUME,
	SECTION_APP,
	SECTION_HEALTH,
	SECTION_AWS,
	SECTION_SCALING,
	SECTION_LIFECYCLE,
	SECTION_COUNT,
};

/* A section; one with a name ([volume NAME]) is an array in struct config. */
struct config_section {
	const char *name;
	const char *help;
	size_t offset;       /* in struct config */
	size_t size, max;    /* of an array's element, of the array; 0: not named */
	size_t count_offset; /* of the array's n */
};

enum config_key_flag {
	KEY_REPEAT = 1, /* may be given several times in one layer */
	KEY_PREFIX = 2, /* "env.": the rest of the key is part of the value, "NAME=value" */
};

struct config_key {
	enum config_section_id section;
	const char *name;
	const struct config_type *type;
	size_t offset;        /* in the section's struct */
	const char *fallback; /* read like a value when the key is not set; NULL: zero */
	const char *help;
	unsigned flags;
	const char *needs; /* a boolean key of the section, without which it has no effect; NULL */
};

extern const struct config_section config_sections[SECTION_COUNT];
extern const struct config_key config_keys[];
extern const size_t config_keys_count;

/* NULL when there is none. `name` is what stands in the file; `env.PORT` finds `env.`. */
const struct config_key *config_key_find(enum config_section_id section, const char *name);

/* Where the key's value lives; `index` counts named sections. */
void *config_field(struct config *config, const struct config_key *key, size_t index);
