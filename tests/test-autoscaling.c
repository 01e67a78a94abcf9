/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscaling.h"

#include <errno.h>

#include "cloudformation.h"
#include "tap.h"
#include "xml.h"

#define ID "i-0123456789abcdef0"

/* As the API Reference shows them. */
#define INSTANCE(id, state)                                                                        \
	"<member><LaunchConfigurationName>lc</LaunchConfigurationName>"                            \
	"<LifecycleState>" state "</LifecycleState><InstanceId>" id "</InstanceId>"                \
	"<HealthStatus>HEALTHY</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn>"   \
	"<AutoScalingGroupName>my asg</AutoScalingGroupName>"                                      \
	"<AvailabilityZone>us-east-1e</AvailabilityZone></member>"
#define INSTANCES(list)                                                                            \
	"<DescribeAutoScalingInstancesResult><AutoScalingInstances>" list                          \
	"</AutoScalingInstances></DescribeAutoScalingInstancesResult>"

#define HOOK(name, transition, rest)                                                               \
	"<member><LifecycleHookName>" name "</LifecycleHookName>"                                  \
	"<LifecycleTransition>autoscaling:EC2_INSTANCE_" transition "</LifecycleTransition>" rest  \
	"</member>"
#define HOOKS(list)                                                                                \
	"<DescribeLifecycleHooksResult><LifecycleHooks>" list                                      \
	"</LifecycleHooks></DescribeLifecycleHooksResult>"

static json_t *answer(const char *xml)
{
	json_t *json = NULL;

	if (xml_to_json(xml, strlen(xml), &json) < 0)
		printf("# no XML: %s\n", xml);
	return json;
}

static int read_instance(const char *xml, struct autoscaling_instance *ret_instance)
{
	json_t *json = answer(xml);
	struct err err = {0};
	int r = autoscaling_read_instance(json, ID, ret_instance, &err);

	ok((r < 0) == (*err.text != '\0'), "a failure has words, and only a failure");
	json_decref(json);
	return r;
}

static void test_instance(void)
{
	struct autoscaling_instance instance = {.group = "untouched"};

	is_int(read_instance(INSTANCES(""), &instance), -ENOENT, "an empty list: in no group");
	is_int(read_instance(INSTANCES("\n  "), &instance), -ENOENT, "also printed pretty");
	is_int(read_instance(INSTANCES(INSTANCE("i-1", "InService")), &instance), -ENOENT,
		"somebody else is not this one");
	is_int(read_instance("<DescribeAutoScalingInstancesResult/>", &instance), -EBADMSG,
		"no list is no answer");
	is_int(read_instance(
		       INSTANCES("<member><InstanceId>" ID "</InstanceId></member>"), &instance),
		-EBADMSG, "nor is an instance without a state");
	is_int(read_instance(INSTANCES(INSTANCE(
				     ID, "Pending:Wait:Pending:Wait:Pending:Wait:Pending:Wait")),
		       &instance),
		-EBADMSG, "nor one with a state that is too long");
	is_str(instance.group, "untouched", "the output is untouched on failure");
	is_int(read_instance(INSTANCES(INSTANCE("i-1", "InService") INSTANCE(ID, "Pending:Wait")),
		       &instance),
		0, "an instance is found");
	is_str(instance.group, "my asg", "its group");
	is_str(instance.state, "Pending:Wait", "its lifecycle state");
	is_str(instance.health, "HEALTHY", "its health");
}

static const struct {
	const char *name, *xml;
	int result;
	size_t n;
	struct autoscaling_hook hook; /* the last one */
} lists[] = {
	{"none", HOOKS(""), 0, 0, {""}},
	{"the API Reference's",
		HOOKS(HOOK("my-launch-hook", "LAUNCHING",
			"<GlobalTimeout>172800</GlobalTimeout>"
			"<HeartbeatTimeout>300</HeartbeatTimeout>"
			"<DefaultResult>CONTINUE</DefaultResult>")),
		0, 1, {"my-launch-hook", true, 300, false}},
	{"two",
		HOOKS(HOOK("a", "LAUNCHING", "") HOOK("b", "TERMINATING",
			"<HeartbeatTimeout>30</HeartbeatTimeout>"
			"<DefaultResult>ABANDON</DefaultResult>")),
		0, 2, {"b", false, 30, true}},
	{"what is not said is the default", HOOKS(HOOK("a", "LAUNCHING", "")), 0, 1,
		{"a", true, 3600, true}},
	{"no name",
		HOOKS("<member><LifecycleTransition>autoscaling:EC2_INSTANCE_LAUNCHING"
		      "</LifecycleTransition></member>"),
		-EBADMSG, 0, {""}},
	{"a transition that nobody knows", HOOKS(HOOK("a", "RESTING", "")), -EBADMSG, 0, {""}},
	{"a timeout that is none",
		HOOKS(HOOK("a", "LAUNCHING", "<HeartbeatTimeout>5m</HeartbeatTimeout>")), -EBADMSG,
		0, {""}},
	{"no time at all", HOOKS(HOOK("a", "LAUNCHING", "<HeartbeatTimeout>0</HeartbeatTimeout>")),
		-EBADMSG, 0, {""}},
	{"no list", "<DescribeLifecycleHooksResult/>", -EBADMSG, 0, {""}},
};

static void test_hooks(void)
{
	FOREACH_ELEMENT (i, lists) {
		struct autoscaling_hooks hooks = {.n = 99};
		const struct autoscaling_hook *hook = NULL, *wanted = &lists[i].hook;
		json_t *json = answer(lists[i].xml);
		struct err err = {0};
		int r = autoscaling_read_hooks(json, &hooks, &err);

		if (r == 0 && hooks.n > 0)
			hook = &hooks.items[hooks.n - 1];
		ok(r == lists[i].result && hooks.n == (r < 0 ? 99 : lists[i].n) &&
				(r < 0) == (*err.text != '\0') &&
				(!hook || (strcmp(hook->name, wanted->name) == 0 &&
						  hook->launching == wanted->launching &&
						  hook->heartbeat_timeout ==
							  wanted->heartbeat_timeout &&
						  hook->abandons == wanted->abandons)),
			lists[i].name);
		json_decref(json);
	}
}

static const struct {
	const char *state;
	bool launching, terminating;
} states[] = {
	{"Pending", false, false},
	{"Pending:Wait", true, false},
	{"Pending:Proceed", false, false},
	{"Warmed:Pending:Wait", true, false},
	{"Warmed:Running", false, false},
	{"InService", false, false},
	{"Terminating:Wait", false, true},
	{"Warmed:Terminating:Wait", false, true},
	{"Terminating:Proceed", false, false},
	{"Standby", false, false},
	{"", false, false},
};

static void test_states(void)
{
	FOREACH_ELEMENT (i, states)
		ok(autoscaling_waits(states[i].state, true) == states[i].launching &&
				autoscaling_waits(states[i].state, false) == states[i].terminating,
			states[i].state);
}

static void is_query(struct query *query, const char *wanted, const char *name)
{
	is_str(query->text, wanted, name);
	query_clear(query);
}

static void test_queries(void)
{
	struct query query = {0};

	autoscaling_query_instance(&query, ID);
	is_query(&query, "InstanceIds.member.1=" ID, "DescribeAutoScalingInstances");
	autoscaling_query_hooks(&query, "my asg");
	is_query(&query, "AutoScalingGroupName=my%20asg", "DescribeLifecycleHooks");
	autoscaling_query_complete(&query, "g", "h", ID, true);
	is_query(&query,
		"AutoScalingGroupName=g&LifecycleHookName=h&InstanceId=" ID
		"&LifecycleActionResult=CONTINUE",
		"CompleteLifecycleAction");
	autoscaling_query_complete(&query, "g", "h", ID, false);
	ok(strstr(query.text, "LifecycleActionResult=ABANDON"), "or abandons it");
	query_clear(&query);
	autoscaling_query_heartbeat(&query, "g", "h", ID);
	is_query(&query, "AutoScalingGroupName=g&LifecycleHookName=h&InstanceId=" ID,
		"RecordLifecycleActionHeartbeat");
	autoscaling_query_unhealthy(&query, ID);
	is_query(&query, "InstanceId=" ID "&HealthStatus=Unhealthy&ShouldRespectGracePeriod=true",
		"SetInstanceHealth");
	cloudformation_query_signal(&query, "s", "r", ID, true);
	is_query(&query, "StackName=s&LogicalResourceId=r&UniqueId=" ID "&Status=SUCCESS",
		"SignalResource");
	cloudformation_query_signal(&query, "s", "r", ID, false);
	ok(strstr(query.text, "Status=FAILURE"), "or a failure");
	query_clear(&query);
}

int main(void)
{
	test_instance();
	test_hooks();
	test_states();
	test_queries();
	return done_testing();
}
