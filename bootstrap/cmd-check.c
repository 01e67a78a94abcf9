/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "command.h"

static json_t *problem_to_json(const struct config_problem *problem)
{
	return json_pack("{s:s?, s:i, s:s?, s:s?, s:s}", "file", problem->file, "line",
		(int)problem->line, "section", problem->section, "key", problem->key, "message",
		problem->message ? problem->message : "");
}

static json_t *result_to_json(const struct config_problems *problems)
{
	json_t *errors = json_array(), *warnings = json_array();

	for (size_t i = 0; i < problems->n_errors; i++)
		(void)json_array_append_new(errors, problem_to_json(&problems->errors[i]));
	for (size_t i = 0; i < problems->n_warnings; i++)
		(void)json_array_append_new(warnings, problem_to_json(&problems->warnings[i]));
	return json_pack("{s:b, s:o, s:o}", "valid", problems->n_errors == 0, "errors", errors,
		"warnings", warnings);
}

int cmd_check(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	struct config_problems problems = {0};
	_cleanup_(config_layer_clear) struct config_layer layer = {0};
	int r;

	if (options->reference) {
		config_reference(stdout);
		return EXIT_DONE;
	}
	if (!options->json) {
		r = command_config(options, &config);
		if (r == EXIT_DONE)
			printf("%s: good: %zu volume%s, %zu app%s, index page %s\n",
				options->config, config->n_volumes,
				config->n_volumes == 1 ? "" : "s", config->n_apps,
				config->n_apps == 1 ? "" : "s",
				config->index.path ? config->index.path : "none");
		return r;
	}
	r = command_layer(options, &layer);
	if (r != EXIT_DONE)
		return r;
	r = config_load(options->config, options->config_given, &layer, &config, &problems);
	command_print_json(result_to_json(&problems));
	config_problems_clear(&problems);
	if (r == -EINVAL)
		return EXIT_USAGE;
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
