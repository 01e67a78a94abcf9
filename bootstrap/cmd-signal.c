/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for a launch: a CloudFormation stack for a signal, an Auto Scaling group for its
 * lifecycle action. Whoever is there is told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "autoscaling.h"
#include "aws.h"
#include "cloudformation.h"
#include "log.h"
#include "metadata.h"
#include "show.h"
#include "situation.h"

#define SECOND          1000000ull
#define TIMEOUT_DEFAULT (5 * SECOND)
#define CALL_TIMEOUT    (60 * SECOND) /* throttling and trouble are waited out so long */

enum outcome { TOLD, NOT_WAITING, NOT_YET, FAILED };

static const struct {
	const char *name, *mark;
	enum show_colour colour;
} outcomes[] = {
	[TOLD] = {"told", "+", SHOW_GOOD},
	[NOT_WAITING] = {"not waiting", "=", SHOW_DIM},
	[NOT_YET] = {"not yet", "…", SHOW_WARN},
	[FAILED] = {"failed", "✗", SHOW_BAD},
};

struct signalling {
	const struct options *options;
	const struct config_lifecycle *lifecycle;
	struct aws *aws;
	const struct metadata *metadata;
	const char *id;
	bool success;
	json_t *told; /* a list, as --json prints it */
	unsigned n[FAILED + 1];
};

/* One who was to be told: `item` is a new reference; `words`: more about the outcome, or "". */
static void note(struct signalling *s, enum outcome outcome, const char *who, json_t *item,
	const char *what, const char *words)
{
	s->n[outcome]++;
	if (!s->options->json)
		printf("%s%s%s %-15s %s%s%s\n", show_colour(stdout, outcomes[outcome].colour),
			outcomes[outcome].mark, show_colour(stdout, SHOW_PLAIN), who, what,
			*words ? ": " : "", words);
	(void)json_object_update_new(
		item, json_pack("{s:s, s:s*}", "outcome", outcomes[outcome].name, "reason",
			      *words ? words : NULL));
	(void)json_array_append_new(s->told, item);
}

/* -- CloudFormation -- */

/* What came of telling it. Takes the reference. */
static void note_answer(struct signalling *s, const struct aws_answer *answer, const char *service,
	const char *what, json_t *json)
{
	if (answer->gone)
		note(s, NOT_WAITING, service, json, what, "it is not waited for any more");
	else
		note(s, answer->result < 0 ? FAILED : TOLD, service, json, what,
			answer->result < 0 ? answer->err.text : "");
}

/* False: the instance belongs to no stack, as far as it is known. */
static bool tell_stack(struct signalling *s)
{
	const char *stack = s->options->stack, *resource = s->options->resource;
	const char *status = s->success ? "SUCCESS" : "FAILURE";
	struct query query = {0};
	struct aws_answer answer;
	char what[1024];

	stack = stack ? stack : metadata_value(s->metadata, "tag:" CLOUDFORMATION_STACK_TAG);
	resource = resource ? resource
			    : metadata_value(s->metadata, "tag:" CLOUDFORMATION_RESOURCE_TAG);
	if (!stack || !resource)
		return false;
	cloudformation_query_signal(&query, stack, resource, s->id, s->success);
	(void)aws_wait(s->aws, AWS_SIGNAL_RESOURCE, &query, CALL_TIMEOUT, &answer);
	query_clear(&query);
	json_decref(answer.json);
	(void)snprintf(what, sizeof what, "stack %s, resource %s: %s", stack, resource, status);
	note_answer(s, &answer, "CloudFormation", what,
		json_pack("{s:s, s:s, s:s, s:s}", "service", "cloudformation", "stack", stack,
			"resource", resource, "status", status));
	return true;
}

/* -- Auto Scaling -- */

static void note_group(struct signalling *s, enum outcome outcome, const char *group,
	const char *state, const char *words)
{
	char what[AUTOSCALING_NAME_SIZE + 16];

	(void)snprintf(what, sizeof what, "%s%s", group ? "group " : s->id, group ? group : "");
	note(s, outcome, "Auto Scaling",
		json_pack("{s:s, s:s*, s:s*}", "service", "autoscaling", "group", group,
			"lifecycleState", state),
		what, words);
}

static void complete(struct signalling *s, const char *group, const char *hook)
{
	const char *action = s->success ? "CONTINUE" : "ABANDON";
	struct query query = {0};
	struct aws_answer answer;
	char what[AUTOSCALING_NAME_SIZE + 512];

	autoscaling_query_complete(&query, group, hook, s->id, s->success);
	(void)aws_wait(s->aws, AWS_COMPLETE_LIFECYCLE_ACTION, &query, CALL_TIMEOUT, &answer);
	query_clear(&query);
	json_decref(answer.json);
	(void)snprintf(what, sizeof what, "group %s, hook %s: %s", group, hook, action);
	note_answer(s, &answer, "Auto Scaling", what,
		json_pack("{s:s, s:s, s:s, s:s}", "service", "autoscaling", "group", group, "hook",
			hook, "action", action));
}

static void tell_hooks(struct signalling *s, const struct autoscaling_instance *instance)
{
	struct autoscaling_hooks hooks;
	struct query query = {0};
	struct aws_answer answer;
	unsigned launching = 0;
	int r;

	autoscaling_query_hooks(&query, instance->group);
	r = aws_wait(s->aws, AWS_DESCRIBE_LIFECYCLE_HOOKS, &query, CALL_TIMEOUT, &answer);
	query_clear(&query);
	if (r == 0)
		r = autoscaling_read_hooks(answer.json, &hooks, &answer.err);
	json_decref(answer.json);
	if (r < 0) {
		note_group(s, FAILED, instance->group, instance->state, answer.err.text);
		return;
	}
	for (size_t i = 0; i < hooks.n; i++) {
		if (!hooks.items[i].launching ||
			!config_hook_is_ours(s->lifecycle, hooks.items[i].name))
			continue;
		launching++;
		complete(s, instance->group, hooks.items[i].name);
	}
	if (launching == 0)
		note_group(s, NOT_WAITING, instance->group, instance->state,
			"it has no hook for a launch that is completed from here");
}

/*
 * A role that may not ask is no failure where a stack was told and nothing says that there is a
 * group.
 */
static void note_unknown(struct signalling *s, const struct aws_answer *answer)
{
	const char *group = metadata_value(s->metadata, "tag:" AUTOSCALING_GROUP_TAG);

	note_group(s, answer->result == -EACCES && !group && s->n[TOLD] > 0 ? NOT_WAITING : FAILED,
		group, NULL, answer->err.text);
}

/* False: the instance is in no group. */
static bool tell_group(struct signalling *s)
{
	struct autoscaling_instance instance;
	struct query query = {0};
	struct aws_answer answer;
	struct err words;
	int r;

	autoscaling_query_instance(&query, s->id);
	r = aws_wait(s->aws, AWS_DESCRIBE_AUTO_SCALING_INSTANCES, &query, CALL_TIMEOUT, &answer);
	query_clear(&query);
	if (r == 0) {
		r = autoscaling_read_instance(answer.json, s->id, &instance, &answer.err);
		json_decref(answer.json);
		if (r == -ENOENT)
			return false;
		answer.result = r;
	}
	if (r < 0) {
		note_unknown(s, &answer);
	} else if (autoscaling_waits(instance.state, true)) {
		tell_hooks(s, &instance);
	} else if (strcmp(instance.state, "Pending") == 0 ||
		   strcmp(instance.state, "Warmed:Pending") == 0) {
		err_set(&words, 0, "%s is %s, and has not come to its hooks yet", s->id,
			instance.state);
		note_group(s, NOT_YET, instance.group, instance.state, words.text);
	} else {
		err_set(&words, 0, "%s is %s, its launch is not waited for", s->id, instance.state);
		note_group(s, NOT_WAITING, instance.group, instance.state, words.text);
	}
	return true;
}

/* -- all of it -- */

static int tell(struct signalling *s)
{
	bool stack, group;

	s->told = json_array();
	stack = tell_stack(s);
	group = tell_group(s);
	if (!stack && !group)
		log_error("nobody is known to wait for %s: it is in no Auto Scaling group, and no "
			  "stack is named by its tags in metadata or by --stack and --resource",
			s->id);
	if (s->options->json)
		command_print_json(json_pack("{s:s, s:s, s:o}", "instanceId", s->id, "result",
			s->success ? "SUCCESS" : "FAILURE", "told", json_incref(s->told)));
	json_decref(s->told);
	if (s->n[FAILED] > 0 || (!stack && !group))
		return EXIT_FAILED;
	return s->n[NOT_YET] > 0 ? EXIT_PROGRESS : EXIT_DONE;
}

/* What is to be told: -1, or the exit status when there is nothing yet. */
static int decide(const struct options *options, const struct config *config,
	struct service *service, bool *ret_success)
{
	struct situation situation;
	bool final;

	if (options->argument) {
		*ret_success = strcmp(options->argument, "SUCCESS") == 0;
		return -1;
	}
	situation_look(options, config, service, &situation);
	final = situation_is_final(&situation) && !drain_holds(&situation.drain);
	*ret_success = status_serves(situation.status);
	if (!final)
		log_error("the instance is %s%s: nobody is told yet", status_name(situation.status),
			situation.status == STATUS_FAILED ? " so far" : "");
	situation_clear(&situation);
	return final ? -1 : EXIT_PROGRESS;
}

static int signal_open(const struct options *options, const struct config *config,
	struct service *service, struct signalling *s, struct metadata **ret_metadata)
{
	struct err err;
	int r = aws_new(
		service->event, service->http, service->imds, config->aws.endpoint, &s->aws);

	if (r < 0)
		err_set(&err, r, "%m");
	else
		r = metadata_wait(service->event, service->imds,
			options->imds_timeout_usec ? options->imds_timeout_usec : TIMEOUT_DEFAULT,
			ret_metadata, &err);
	if (r < 0)
		log_error("%s", err.text);
	s->metadata = r < 0 ? NULL : *ret_metadata;
	s->id = r < 0 ? NULL : (*ret_metadata)->fields[METADATA_INSTANCE_ID];
	return r;
}

int cmd_signal(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	_cleanup_(metadata_free_p) struct metadata *metadata = NULL;
	struct signalling s = {.options = options};
	struct service service = {0};
	struct err err;
	int status = command_config(options, &config);

	if (status != EXIT_DONE)
		return status;
	if (options->argument && strcmp(options->argument, "SUCCESS") != 0 &&
		strcmp(options->argument, "FAILURE") != 0) {
		log_error("signal: SUCCESS or FAILURE is expected, not %s", options->argument);
		return EXIT_USAGE;
	}
	s.lifecycle = &config->lifecycle;
	if (command_give_up_root(&err) < 0 || service_open(options, &service, &err) < 0) {
		log_error("%s", err.text);
		service_close(&service);
		return EXIT_FAILED;
	}
	status = decide(options, config, &service, &s.success);
	if (status < 0)
		status = signal_open(options, config, &service, &s, &metadata) < 0 ? EXIT_FAILED
										   : tell(&s);
	s.aws = aws_free(s.aws);
	service_close(&service);
	return status;
}
