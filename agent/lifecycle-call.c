/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle-call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cloudformation.h"

/* clang-format off */
static const struct {
	enum aws_action aws;
	bool of_target, kept;
} calls[LIFECYCLE_ACTIONS] = {
	[LIFECYCLE_DEREGISTER] = {AWS_DEREGISTER_TARGETS, .kept = true},
	[LIFECYCLE_REGISTER] = {AWS_REGISTER_TARGETS, .kept = true},
	[LIFECYCLE_ASK_STATE] = {AWS_DESCRIBE_AUTO_SCALING_INSTANCES, .of_target = true},
	[LIFECYCLE_ASK_HOOKS] = {AWS_DESCRIBE_LIFECYCLE_HOOKS, .of_target = true},
	[LIFECYCLE_COMPLETE] = {AWS_COMPLETE_LIFECYCLE_ACTION, .of_target = true},
	[LIFECYCLE_HEARTBEAT] = {AWS_RECORD_LIFECYCLE_ACTION_HEARTBEAT, .of_target = true},
	[LIFECYCLE_SIGNAL] = {AWS_SIGNAL_RESOURCE, .kept = true},
	[LIFECYCLE_REPLACE] = {AWS_SET_INSTANCE_HEALTH, .kept = true},
};
/* clang-format on */

enum aws_action lifecycle_call_action(enum lifecycle_action action)
{
	return calls[action].aws;
}

bool lifecycle_call_is_of_target(enum lifecycle_action action)
{
	return calls[action].of_target;
}

bool lifecycle_call_is_kept(enum lifecycle_action action)
{
	return calls[action].kept;
}

void lifecycle_call_query(const struct lifecycle_facts *facts, const struct lifecycle_self *self,
	const struct lifecycle_step *step, struct query *query)
{
	const char *id = self->instance_id, *hook = facts->hooks.items[step->index].name;

	switch (step->action) {
	case LIFECYCLE_DEREGISTER:
	case LIFECYCLE_REGISTER:
		query_add(query, facts->config->target_groups.items[step->index], "TargetGroupArn");
		query_add(query, id, "Targets.member.1.Id");
		break;
	case LIFECYCLE_ASK_STATE: autoscaling_query_instance(query, id); break;
	case LIFECYCLE_ASK_HOOKS: autoscaling_query_hooks(query, self->group); break;
	case LIFECYCLE_COMPLETE:
		autoscaling_query_complete(query, self->group, hook, id, step->good);
		break;
	case LIFECYCLE_HEARTBEAT: autoscaling_query_heartbeat(query, self->group, hook, id); break;
	case LIFECYCLE_SIGNAL:
		cloudformation_query_signal(query, self->stack, self->resource, id, step->good);
		break;
	case LIFECYCLE_REPLACE: autoscaling_query_unhealthy(query, id); break;
	case LIFECYCLE_NOTHING:
	case LIFECYCLE_ACTIONS: break;
	}
}

static int take_state(struct lifecycle_facts *facts, struct lifecycle_self *self,
	const json_t *json, struct err *err)
{
	struct autoscaling_instance instance = {0};
	int r = autoscaling_read_instance(json, self->instance_id, &instance, err);

	if (r < 0 && r != -ENOENT)
		return r;
	memcpy(facts->state, instance.state, sizeof facts->state);
	facts->asked = facts->now;
	facts->asks++;
	memcpy(self->group, instance.group, sizeof self->group);
	err->text[0] = '\0';
	return 0;
}

static int take_hooks(struct lifecycle_facts *facts, const json_t *json, struct err *err)
{
	int r = autoscaling_read_hooks(json, &facts->hooks, err);

	if (r < 0)
		return r;
	facts->hooks_known = true;
	memset(facts->progress, 0, sizeof facts->progress);
	return 0;
}

static void take_heartbeat(struct lifecycle_progress *progress, uint64_t now, bool gone)
{
	progress->done = gone;
	progress->beat = now;
	progress->beats++;
}

int lifecycle_call_take(struct lifecycle_facts *facts, struct lifecycle_self *self,
	const struct lifecycle_step *step, const struct aws_answer *answer, struct err *ret_words)
{
	const char *end = answer->gone ? ": there was nothing to do any more" : "";

	ret_words->text[0] = '\0';
	switch (step->action) {
	case LIFECYCLE_DEREGISTER:
	case LIFECYCLE_REGISTER:
		/* What was not there is not ours to bring back. */
		facts->stranger[step->index] = answer->gone;
		facts->deregistered[step->index] =
			step->action == LIFECYCLE_DEREGISTER && !answer->gone;
		return err_set(ret_words, 0, "%s %s%s",
			step->action == LIFECYCLE_DEREGISTER ? "deregistered from"
							     : "registered again with",
			facts->config->target_groups.items[step->index], end);
	case LIFECYCLE_ASK_STATE: return take_state(facts, self, answer->json, ret_words);
	case LIFECYCLE_ASK_HOOKS: return take_hooks(facts, answer->json, ret_words);
	case LIFECYCLE_COMPLETE:
		facts->progress[step->index].done = true;
		return err_set(ret_words, 0, "lifecycle hook %s: %s%s",
			facts->hooks.items[step->index].name, step->good ? "CONTINUE" : "ABANDON",
			end);
	case LIFECYCLE_HEARTBEAT:
		take_heartbeat(&facts->progress[step->index], facts->now, answer->gone);
		return 0;
	case LIFECYCLE_SIGNAL:
		facts->signalled = true;
		return err_set(ret_words, 0, "CloudFormation stack %s, resource %s: %s%s",
			self->stack, self->resource, step->good ? "SUCCESS" : "FAILURE", end);
	case LIFECYCLE_REPLACE:
		facts->replaced = facts->now;
		return err_set(
			ret_words, 0, "told Auto Scaling that this instance is Unhealthy%s", end);
	case LIFECYCLE_NOTHING:
	case LIFECYCLE_ACTIONS: break;
	}
	return 0;
}
