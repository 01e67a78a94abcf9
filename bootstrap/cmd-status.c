/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "show.h"
#include "situation.h"

static void print_head(const struct situation *situation)
{
	const struct metadata *metadata = situation->state ? situation->state->metadata : NULL;
	const char *since = json_string_value(json_object_get(situation->agent, "since"));

	printf("%s%s%s  %s%s%s%s%s", show_colour(stdout, SHOW_BOLD),
		metadata ? metadata->fields[METADATA_INSTANCE_ID] : "instance not known",
		show_colour(stdout, SHOW_PLAIN),
		show_colour(stdout, show_status(situation->status)), status_name(situation->status),
		show_colour(stdout, SHOW_PLAIN), since ? " since " : "", since ? since : "");
	for (size_t i = METADATA_INSTANCE_TYPE; metadata && i <= METADATA_AVAILABILITY_ZONE; i++)
		if (metadata->fields[i])
			printf("  %s", metadata->fields[i]);
	puts("");
	if (situation->state && situation->state->reason[0])
		printf("  %s\n", situation->state->reason);
	if (drain_holds(&situation->drain))
		printf("  %s: %s%s%s\n", drain_phase_name(situation->drain.phase),
			situation->drain.reason, situation->drain.failed[0] ? "; failed: " : "",
			situation->drain.failed);
}

static void print_app(const struct state_item *item)
{
	bool git = strncmp(item->source, "git+", 4) == 0;

	printf("release %s", item->release[0] ? item->release : "none");
	if (item->version[0])
		printf("  %s %.*s", git ? "commit" : "version", git ? 40 : 12, item->version);
	printf("  %s%s%s", item->source, item->health[0] ? "  " : "", item->health);
}

static void print_item(const struct state *state, const char *name)
{
	char size[VOLUME_SIZE_TEXT_MAX];

	for (size_t i = 0; state && i < state->n_items; i++) {
		const struct state_item *item = &state->items[i];
		const char *kind = state_kind_name(item->kind);
		size_t length = strlen(kind);

		if (strcmp(name, kind) != 0 &&
			(strncmp(name, kind, length) != 0 || name[length] != ' ' ||
				strcmp(name + length + 1, item->name) != 0))
			continue;
		volume_size_text(item->size, size);
		if (item->kind == STATE_VOLUME)
			printf("%s  %s%s%s%s%s  %s", item->path, item->filesystem,
				item->device[0] ? "  " : "", item->device,
				item->volume_id[0] ? "  " : "", item->volume_id,
				item->size ? size : "");
		else if (item->kind == STATE_APP)
			print_app(item);
		else
			printf("%s", item->path);
	}
}

static void print_checks(const struct situation *situation)
{
	for (size_t i = 0; i < situation->n_checks; i++) {
		const struct check *check = &situation->checks[i];

		printf("  %s%s%s %-16s", show_colour(stdout, show_check(check)),
			check->result == CHECK_PASS ? "✓"
			: check->required           ? "✗"
						    : "…",
			show_colour(stdout, SHOW_PLAIN), check->name);
		print_item(situation->state, check->name);
		puts("");
		if (check->reason[0])
			printf("      %s\n", check->reason);
	}
}

static void print_load(const struct situation *situation)
{
	json_t *load = json_object_get(situation->agent, "load");
	double demand, utilization, steal, seconds, averages[3];

	if (!situation->agent)
		printf("  the agent does not answer: %s\n", situation->agent_err.text);
	else if (json_unpack(load, "{s:F, s:F, s:F, s:F, s:[F, F, F]}", "demand", &demand,
			 "utilization", &utilization, "steal", &steal, "seconds", &seconds,
			 "averages", &averages[0], &averages[1], &averages[2]) == 0)
		printf("  CPU demand %.0f %% (utilization %.0f %%, steal %.0f %%) over %.0f s; "
		       "load "
		       "average %.2f %.2f %.2f\n",
			demand * 100, utilization * 100, steal * 100, seconds, averages[0],
			averages[1], averages[2]);
}

static void print(const struct options *options, const struct situation *situation)
{
	if (options->json) {
		command_print_json(json_pack("{s:s, s:O?, s:o?}", "status",
			status_name(situation->status), "agent", situation->agent, "state",
			situation->state ? state_to_json(situation->state) : NULL));
		return;
	}
	print_head(situation);
	print_checks(situation);
	print_load(situation);
}

int cmd_status(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	struct situation situation;
	struct service service = {0};
	enum exit_status status;
	struct err err;
	int r = command_config(options, &config);

	if (r != EXIT_DONE)
		return r;
	if (command_give_up_root(&err) < 0 || service_open(options, &service, &err) < 0) {
		log_error("%s", err.text);
		service_close(&service);
		return EXIT_FAILED;
	}
	situation_look(options, config, &service, &situation);
	print(options, &situation);
	status = status_exit(situation.status);
	situation_clear(&situation);
	service_close(&service);
	return (int)status;
}
