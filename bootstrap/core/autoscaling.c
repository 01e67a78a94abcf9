/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscaling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define HEARTBEAT_DEFAULT 3600 /* seconds; PutLifecycleHook, HeartbeatTimeout */

void autoscaling_query_instance(struct query *query, const char *instance_id)
{
	query_add(query, instance_id, "InstanceIds.member.1");
}

void autoscaling_query_hooks(struct query *query, const char *group)
{
	query_add(query, group, "AutoScalingGroupName");
}

void autoscaling_query_heartbeat(
	struct query *query, const char *group, const char *hook, const char *instance_id)
{
	query_add(query, group, "AutoScalingGroupName");
	query_add(query, hook, "LifecycleHookName");
	query_add(query, instance_id, "InstanceId");
}

void autoscaling_query_complete(struct query *query, const char *group, const char *hook,
	const char *instance_id, bool go_on)
{
	autoscaling_query_heartbeat(query, group, hook, instance_id);
	query_add(query, go_on ? "CONTINUE" : "ABANDON", "LifecycleActionResult");
}

void autoscaling_query_unhealthy(struct query *query, const char *instance_id)
{
	query_add(query, instance_id, "InstanceId");
	query_add(query, "Unhealthy", "HealthStatus");
	query_add(query, "true", "ShouldRespectGracePeriod");
}

/* False: it is no text, or too long. */
static bool take(const json_t *object, const char *name, char *ret_text, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && (size_t)snprintf(ret_text, size, "%s", text) < size;
}

/* Of a list, which is "" when it has no member (xml.h). -EBADMSG: it is not there. */
static int list_of(const json_t *answer, const char *name, const json_t **ret_list)
{
	*ret_list = json_object_get(answer, name);
	return json_is_array(*ret_list) || json_is_string(*ret_list) ? 0 : -EBADMSG;
}

int autoscaling_read_instance(const json_t *answer, const char *instance_id,
	struct autoscaling_instance *ret_instance, struct err *err)
{
	const json_t *list, *one;
	size_t i;

	if (list_of(answer, "AutoScalingInstances", &list) < 0)
		return err_set(err, -EBADMSG,
			"DescribeAutoScalingInstances: there are no AutoScalingInstances");
	json_array_foreach (list, i, one) {
		const char *id = json_string_value(json_object_get(one, "InstanceId"));
		struct autoscaling_instance instance;

		if (!id || strcmp(id, instance_id) != 0)
			continue;
		if (!take(one, "AutoScalingGroupName", instance.group, sizeof instance.group) ||
			!take(one, "LifecycleState", instance.state, sizeof instance.state) ||
			!take(one, "HealthStatus", instance.health, sizeof instance.health))
			return err_set(err, -EBADMSG,
				"DescribeAutoScalingInstances: AutoScalingGroupName, "
				"LifecycleState or HealthStatus is none");
		*ret_instance = instance;
		return 0;
	}
	return err_set(err, -ENOENT, "%s is in no Auto Scaling group", instance_id);
}

static bool read_hook(const json_t *one, struct autoscaling_hook *ret_hook)
{
	char transition[64], result[16], timeout[16];
	unsigned long seconds;
	char *end;

	*ret_hook =
		(struct autoscaling_hook){.heartbeat_timeout = HEARTBEAT_DEFAULT, .abandons = true};
	if (!take(one, "LifecycleHookName", ret_hook->name, sizeof ret_hook->name) ||
		!take(one, "LifecycleTransition", transition, sizeof transition))
		return false;
	ret_hook->launching = strcmp(transition, "autoscaling:EC2_INSTANCE_LAUNCHING") == 0;
	if (!ret_hook->launching && strcmp(transition, "autoscaling:EC2_INSTANCE_TERMINATING") != 0)
		return false;
	if (take(one, "DefaultResult", result, sizeof result))
		ret_hook->abandons = strcmp(result, "CONTINUE") != 0;
	if (take(one, "HeartbeatTimeout", timeout, sizeof timeout)) {
		seconds = strtoul(timeout, &end, 10);
		if (*end || seconds == 0 || seconds > 7 * 86400)
			return false;
		ret_hook->heartbeat_timeout = (unsigned)seconds;
	}
	return true;
}

int autoscaling_read_hooks(
	const json_t *answer, struct autoscaling_hooks *ret_hooks, struct err *err)
{
	struct autoscaling_hooks hooks = {0};
	const json_t *list, *one;
	size_t i;

	if (list_of(answer, "LifecycleHooks", &list) < 0)
		return err_set(
			err, -EBADMSG, "DescribeLifecycleHooks: there are no LifecycleHooks");
	json_array_foreach (list, i, one) {
		if (hooks.n == AUTOSCALING_HOOKS_MAX)
			return err_set(err, -EBADMSG, "DescribeLifecycleHooks: more than %d hooks",
				AUTOSCALING_HOOKS_MAX);
		if (!read_hook(one, &hooks.items[hooks.n++]))
			return err_set(err, -EBADMSG,
				"DescribeLifecycleHooks: hook %zu has no name, or a transition or "
				"timeout that is none",
				i + 1);
	}
	*ret_hooks = hooks;
	return 0;
}

bool autoscaling_waits(const char *state, bool launching)
{
	static const struct {
		const char *state;
		bool launching;
	} states[] = {
		{"Pending:Wait", true},
		{"Warmed:Pending:Wait", true},
		{"Terminating:Wait", false},
		{"Warmed:Terminating:Wait", false},
	};

	FOREACH_ELEMENT (i, states)
		if (strcmp(states[i].state, state) == 0)
			return states[i].launching == launching;
	return false;
}
