/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "inventory.h"
#include "log.h"
#include "show.h"

#define TIMEOUT_DEFAULT (5ull * 1000000)

static const char *evidence_mark(const struct evidence *evidence)
{
	return evidence->holds ? "✓" : strcmp(evidence->text, VOLUME_NOT_ASKED) == 0 ? "·" : "✗";
}

static void print_evidence(const struct volume *volume)
{
	for (size_t i = 0; i < volume->n_evidence; i++)
		printf("    %s%s %s%s%s%s\n", show_colour(stdout, SHOW_DIM),
			evidence_mark(&volume->evidence[i]), volume->evidence[i].rule,
			volume->evidence[i].text[0] ? ": " : "", volume->evidence[i].text,
			show_colour(stdout, SHOW_PLAIN));
}

static void print_plan(const struct config *config, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_step *step = &plan->steps[i];
		char subject[96];

		plan_subject_name(config, step, subject, sizeof subject);
		show_step(stdout, plan_sign_mark(step->sign), show_sign(step->sign), subject, step);
		printf("\n    %s\n", step->reason);
		if (step->volume && (step->sign == PLAN_REFUSE || (step->op == PLAN_OP_FORMAT &&
									  step->sign != PLAN_KEEP)))
			print_evidence(step->volume);
	}
	if (plan->n == 0)
		puts("Nothing is configured.");
	if (geteuid() != 0)
		puts("Without root not all could be seen; as root the plan may differ.");
}

static enum exit_status plan_exit(const struct plan *plan)
{
	enum exit_status status = EXIT_DONE;

	for (size_t i = 0; i < plan->n; i++) {
		if (plan->steps[i].sign == PLAN_REFUSE)
			return EXIT_FAILED;
		if (plan->steps[i].sign == PLAN_WAIT)
			status = EXIT_PROGRESS;
	}
	return status;
}

/* With what user-data adds, which apply would ask for. */
static int load(const struct options *options, struct service *service, struct config **ret_config)
{
	_cleanup_(config_layer_clear) struct config_layer layer = {0};
	struct err err;
	int r = service_user_data(options, service, options->imds_timeout_usec, &layer, &err);

	if (r == -EBADMSG || r == -ENOMEM) {
		log_error("user-data: %s", err.text);
		return r == -EBADMSG ? EXIT_USAGE : EXIT_FAILED;
	}
	if (r < 0)
		log_warning("user-data is not known, the files alone count: %s", err.text);
	return command_config_with(options, &layer, ret_config, NULL);
}

static int make(const struct options *options, const struct config *config, struct service *service,
	struct plan **ret_plan, struct inventory **ret_inventory, struct err *err)
{
	_cleanup_(metadata_free_p) struct metadata *metadata = NULL;
	struct inventory_request request = {.config = config,
		.state = options->state,
		.data = options->data,
		.imds = command_reach(options),
		.sources = true};
	struct err trouble = {0};
	int r;

	(void)metadata_wait(
		service->event, service->imds, options->imds_timeout_usec, &metadata, &trouble);
	r = inventory_take(&request, NULL, ret_inventory, err);
	if (r < 0)
		return r;
	(*ret_inventory)->metadata_trouble = trouble;
	r = plan_make(config, metadata, *ret_inventory, ret_plan);
	return r < 0 ? err_set(err, r, "%m") : 0;
}

int cmd_plan(const struct options *given)
{
	struct options options = *given;
	_cleanup_(config_free_p) struct config *config = NULL;
	_cleanup_(inventory_free_p) struct inventory *inventory = NULL;
	_cleanup_(plan_free_p) struct plan *plan = NULL;
	struct service service;
	struct err err;
	int r = command_config(&options, &config); /* an error needs no answer of the service */

	if (r != EXIT_DONE)
		return r;
	config = config_free(config);
	if (!options.imds_timeout_usec)
		options.imds_timeout_usec = TIMEOUT_DEFAULT;
	r = service_open(&options, &service, &err);
	if (r == 0)
		r = load(&options, &service, &config);
	if (r > EXIT_DONE) {
		service_close(&service);
		return r;
	}
	if (r == 0)
		r = make(&options, config, &service, &plan, &inventory, &err);
	service_close(&service);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (options.json)
		command_print_json(plan_to_json(config, plan));
	else
		print_plan(config, plan);
	return plan_exit(plan);
}
