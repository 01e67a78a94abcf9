/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-read: INI text to settings, each with the place where it stands. Values are still text.
 * Private to core/config*.c.
 */
#pragma once

#include "config-keys.h"

struct config_setting {
	char *file;
	unsigned line, layer;
	const struct config_key *key;
	char *instance; /* NAME of [volume NAME], or NULL */
	char *name;     /* as it stands in the file */
	char *value;
};

/* All layers of one configuration. */
struct config_reading {
	struct config_problems *problems;
	struct config_setting *settings;
	size_t n;
	unsigned layer;
};

/* One layer more. 0 also when there are problems, then in `reading->problems`; -ENOMEM. */
int config_read_text(
	struct config_reading *reading, const char *file, const char *text, size_t length);
int config_read_file(struct config_reading *reading, const char *path, bool must_exist);

/* conf.d/ *.conf beside `path`, in the order of their names, a layer each. */
int config_read_directory(struct config_reading *reading, const char *path);

void config_reading_clear(struct config_reading *reading);
