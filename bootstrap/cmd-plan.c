/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "inventory.h"
#include "log.h"
#include "show.h"

#define TIMEOUT_DEFAULT (5ull * 1000000)

static void print_evidence(const struct volume *volume)
{
	for (size_t i = 0; i < volume->n_evidence; i++)
		printf("    %s%s %s%s%s%s\n", show_colour(stdout, SHOW_DIM),
			volume->evidence[i].holds ? "✓" : "✗", volume->evidence[i].rule,
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

static int make(const struct options *options, const struct config *config, struct service *service,
	struct plan **ret_plan, struct inventory **ret_inventory, struct err *err)
{
	_cleanup_(metadata_free_p) struct metadata *metadata = NULL;
	struct inventory_request request = {
		.config = config, .state = options->state, .data = options->data, .sources = true};
	struct err trouble = {0};
	int r;

	(void)metadata_wait(service->event, service->imds,
		options->imds_timeout_usec ? options->imds_timeout_usec : TIMEOUT_DEFAULT,
		&metadata, &trouble);
	r = inventory_take(&request, NULL, ret_inventory, err);
	if (r < 0)
		return r;
	(*ret_inventory)->metadata_trouble = trouble;
	r = plan_make(config, metadata, *ret_inventory, ret_plan);
	return r < 0 ? err_set(err, r, "%m") : 0;
}

int cmd_plan(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	_cleanup_(inventory_free_p) struct inventory *inventory = NULL;
	_cleanup_(plan_free_p) struct plan *plan = NULL;
	struct service service;
	struct err err;
	int r = command_config(options, &config);

	if (r != EXIT_DONE)
		return r;
	r = service_open(options, &service, &err);
	if (r == 0)
		r = make(options, config, &service, &plan, &inventory, &err);
	service_close(&service);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (options->json)
		command_print_json(plan_to_json(config, plan));
	else
		print_plan(config, plan);
	return plan_exit(plan);
}
