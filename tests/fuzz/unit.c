/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units that are made of a configuration: no value of it adds a line, and what root decides stands
 * there once.
 *
 * Seeds: tests/fuzz/seeds/config
 * Covers: bootstrap/unit.c
 */
#include "../../bootstrap/unit.h"

#include <ctype.h>

#include "filesystem.h"
#include "fuzz.h"

static size_t lines_with(const char *text, const char *start)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, start)); p += strlen(start))
		n += p == text || p[-1] == '\n';
	return n;
}

/* "[Section]", "# comment", "Key=value" or nothing, to the end; one line continues no other. */
static void check_lines(const char *text)
{
	must(*text && text[strlen(text) - 1] == '\n');
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *end = strchr(line, '\n'), *p = line;

		must(end == line || end[-1] != '\\');
		if (*line == '[' || *line == '#' || end == line)
			continue;
		while (isalnum((unsigned char)*p))
			p++;
		must(p > line && *p == '=');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_problems problems = {.n_errors = 0};
	_cleanup_(config_free_p) struct config *config = NULL;

	(void)config_parse((const char *)data, size, "fuzz", &config, &problems);
	config_problems_clear(&problems);
	for (size_t i = 0; config && i < config->n_volumes; i++) {
		const struct config_volume *volume = &config->volumes[i];
		_cleanup_free_ char *text = unit_mount_text(
			"/dev/sdf", volume->mount, volume->filesystem->name, volume->options);
		char name[UNIT_NAME_MAX];

		must(text);
		check_lines(text);
		must(lines_with(text, "What=") == 1 && lines_with(text, "Where=") == 1 &&
			unit_is_ours(text));
		if (unit_path_name(volume->mount, ".mount", name) == 0)
			must(!strchr(name, '/') && !strchr(name, '\n'));
	}
	for (size_t i = 0; config && i < config->n_apps; i++) {
		const struct config_app *app = &config->apps[i];
		_cleanup_free_ char *text = NULL;
		char name[UNIT_NAME_MAX], id[RELEASE_ID_MAX];

		if (!app->run)
			continue;
		text = unit_app_text(config, app, "0123456789ab-01234567", "stamp");
		must(text);
		check_lines(text);
		must(lines_with(text, "ExecStart=") == 1 && lines_with(text, "User=") == 1);
		unit_app_release(text, id);
		must(strcmp(id, "0123456789ab-01234567") == 0);
		unit_app_name(app, name);
		must(!strchr(name, '/'));
	}
	return 0;
}
