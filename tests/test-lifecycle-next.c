/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle-next: every action, and every case where there is none. A vector is what changes in the
 * facts of an instance that came up a while ago, is ready, and is in service.
 */
#include "../agent/lifecycle-call.h"
#include "../agent/lifecycle-next.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "tap.h"

#define SECOND 1000000ull
#define NOW    (1000 * SECOND)
#define NEVER  UINT64_MAX

static struct config_lifecycle config;
static struct lifecycle_facts facts;

static const char *const action_names[LIFECYCLE_ACTIONS] = {
	[LIFECYCLE_NOTHING] = "nothing",
	[LIFECYCLE_DEREGISTER] = "deregister",
	[LIFECYCLE_REGISTER] = "register",
	[LIFECYCLE_ASK_STATE] = "ask state",
	[LIFECYCLE_ASK_HOOKS] = "ask hooks",
	[LIFECYCLE_COMPLETE] = "complete",
	[LIFECYCLE_HEARTBEAT] = "heartbeat",
	[LIFECYCLE_SIGNAL] = "signal",
	[LIFECYCLE_REPLACE] = "replace",
};

static struct autoscaling_hook hook(const char *name, bool launching, unsigned timeout)
{
	struct autoscaling_hook made = {.launching = launching, .heartbeat_timeout = timeout};

	snprintf(made.name, sizeof made.name, "%s", name);
	return made;
}

static const struct config_list groups = {{(char *)"arn:a", (char *)"arn:b"}, 2},
				ours = {{(char *)"mine"}, 1};

/* In service since long, asked 900 s ago: nothing to do. */
static void in_service(void)
{
	config = (struct config_lifecycle){
		.complete = true, .abandon = true, .replace_after_usec = 300 * SECOND};
	facts = (struct lifecycle_facts){
		.now = NOW,
		.config = &config,
		.verdict = STATUS_READY,
		.settled = true,
		.since = 50 * SECOND,
		.settled_since = 40 * SECOND,
		.notices_known = true,
		.identified = true,
		.target_known = true,
		.target = "InService",
		.first_ask = 30 * SECOND,
		.state = "InService",
		.asked = 100 * SECOND,
		.asks = 1,
	};
}

/* The launch hooks wait, and it is not ready. */
static void launching(void)
{
	in_service();
	facts.verdict = STATUS_STARTING;
	facts.settled = false;
	strcpy(facts.state, "Pending:Wait");
	facts.hooks_known = true;
	facts.hooks.items[0] = hook("launch", true, 60);
	facts.hooks.items[1] = hook("end", false, 60);
	facts.hooks.n = 2;
	facts.progress[0] = (struct lifecycle_progress){.beat = NOW - 10 * SECOND, .beats = 1};
}

/* The target has changed 10 s ago, the termination hook waits, root drains. */
static void terminating(void)
{
	launching();
	facts.verdict = STATUS_READY;
	facts.settled = true;
	facts.progress[0] = (struct lifecycle_progress){0};
	strcpy(facts.target, "Terminated");
	strcpy(facts.state, "Terminating:Wait");
	facts.target_since = NOW - 10 * SECOND;
	facts.asked = NOW - 9 * SECOND;
	facts.leaving = true;
	facts.phase = DRAIN_DRAINING;
}

static void shows_step(
	const char *name, enum lifecycle_action action, size_t index, bool good, uint64_t until)
{
	struct lifecycle_step step = lifecycle_next(&facts);
	char got[128], expected[128];

	if (step.action == LIFECYCLE_NOTHING)
		snprintf(got, sizeof got, "nothing until %+.1f",
			step.until == NEVER ? 0.0 : ((double)step.until - (double)NOW) / 1e6);
	else
		snprintf(got, sizeof got, "%s %zu %d", action_names[step.action], step.index,
			step.good);
	if (action == LIFECYCLE_NOTHING)
		snprintf(expected, sizeof expected, "nothing until %+.1f",
			until == NEVER ? 0.0 : ((double)until - (double)NOW) / 1e6);
	else
		snprintf(expected, sizeof expected, "%s %zu %d", action_names[action], index, good);
	is_str(got, expected, name);
}

#define does(action, index, good, name) shows_step(name, LIFECYCLE_##action, index, good, 0)
#define rests(until, name)              shows_step(name, LIFECYCLE_NOTHING, 0, false, until)

static void forget(void)
{
	facts.asks = 0;
	facts.asked = 0;
	facts.state[0] = '\0';
	facts.hooks_known = false;
}

static void test_asking(void)
{
	in_service();
	rests(NEVER, "in service, and nothing pending: nothing, for ever");
	forget();
	does(ASK_STATE, 0, false, "when it comes, the state is asked for");
	facts.first_ask = NOW + 7 * SECOND;
	rests(NOW + 7 * SECOND, "but not before its own moment");
	facts.target_since = NOW - SECOND;
	does(ASK_STATE, 0, false, "a change of target is looked at at once");
	facts.target_since = 0;
	strcpy(facts.target, "Terminated");
	does(ASK_STATE, 0, false, "so is one that is to end");
	strcpy(facts.target, "Standby");
	rests(NEVER, "on the way to standby no hook runs");
	strcpy(facts.target, "Detached");
	rests(NEVER, "nor to being detached");

	in_service();
	forget();
	facts.target[0] = '\0';
	rests(NEVER, "an instance of no group asks nobody");
	facts.tagged = true;
	does(ASK_STATE, 0, false, "unless its tags name one");
	facts.target_known = false;
	rests(NEVER, "as long as it is not known, nobody is asked");
	in_service();
	forget();
	facts.identified = false;
	rests(NEVER, "nor while it is not known which instance this is");

	in_service();
	forget();
	config.complete = false;
	rests(NEVER, "who completes nothing has nothing to ask");
	facts.wants_group = true;
	does(ASK_STATE, 0, false, "unless somebody wants to know the group's name");
	facts.asks = 1;
	strcpy(facts.state, "Pending:Wait");
	rests(NEVER, "once");
}

static void test_asking_again(void)
{
	static const uint64_t waits[] = {2, 4, 8, 16, 32, 60, 60};

	FOREACH_ELEMENT (i, waits) {
		in_service();
		strcpy(facts.state, "Pending");
		facts.asks = (unsigned)i + 1;
		facts.asked = NOW - SECOND;
		rests(NOW - SECOND + waits[i] * SECOND,
			"a state on the way is asked for again, with back-off");
	}
	in_service();
	facts.asked = NOW - 2 * SECOND;
	strcpy(facts.state, "Pending");
	does(ASK_STATE, 0, false, "until it is another");
	strcpy(facts.state, "Warmed:Pending");
	does(ASK_STATE, 0, false, "in a warm pool, too");
	strcpy(facts.state, "Warmed:Running");
	does(ASK_STATE, 0, false, "also when it has to leave the pool and has not yet");
	strcpy(facts.state, "Pending:Proceed");
	rests(NEVER, "a hook that is completed is not looked after");
	strcpy(facts.target, "Warmed:Running");
	strcpy(facts.state, "Warmed:Running");
	rests(NEVER, "what has arrived in its pool rests");
	strcpy(facts.target, "Terminated");
	does(ASK_STATE, 0, false, "who is to end and is in its pool still is asked after");
	strcpy(facts.state, "Terminating");
	does(ASK_STATE, 0, false, "so is one whose end begins");
	strcpy(facts.state, "Terminating:Proceed");
	rests(NEVER, "but not one whose end is near");
	strcpy(facts.state, "Pending:Wait");
	does(ASK_STATE, 0, false, "a launch that was overtaken by the end is old news");

	in_service();
	facts.state[0] = '\0';
	facts.asked = NOW - SECOND;
	rests(NOW + SECOND, "a group that does not know the instance (yet) is asked again");
	config.complete = false;
	rests(NEVER, "unless there is nothing to complete");
	facts.wants_group = true;
	rests(NOW + SECOND, "and nobody who wants to know its name");
	facts.wants_group = false;
	config.complete = true;
	facts.asks = LIFECYCLE_STRANGER_MAX;
	rests(NEVER, "some times");
}

static void test_launch(void)
{
	launching();
	facts.hooks_known = false;
	does(ASK_HOOKS, 0, false, "when a launch waits, the hooks are asked for");
	launching();
	rests(NOW + 20 * SECOND, "while it is not ready: a heartbeat at half of the timeout");
	facts.progress[0].beat = NOW - 30 * SECOND;
	does(HEARTBEAT, 0, false, "then it is sent");
	facts.progress[0].beats = LIFECYCLE_BEATS_MAX;
	rests(NEVER, "but not for ever");
	facts.progress[0] = (struct lifecycle_progress){0};
	does(HEARTBEAT, 0, false, "the first at once: nobody knows how much time has gone");
	facts.target_since = NOW - 5 * SECOND;
	rests(NOW + 25 * SECOND, "unless we saw it begin");
	facts.hooks.items[0].heartbeat_timeout = 0;
	facts.progress[0].beat = NOW;
	rests(NOW + SECOND, "there are no two heartbeats in a second");

	launching();
	facts.verdict = STATUS_READY;
	does(COMPLETE, 0, true, "when it is ready: CONTINUE");
	facts.verdict = STATUS_DEGRADED;
	does(COMPLETE, 0, true, "degraded serves, too");
	strcpy(facts.state, "Warmed:Pending:Wait");
	strcpy(facts.target, "Warmed:Stopped");
	does(COMPLETE, 0, true, "a warm pool is filled the same way");
	facts.leaving = true;
	rests(NEVER, "who is leaving is not let in, and not kept");
	facts.leaving = false;
	config.complete = false;
	rests(NEVER, "complete = no: nothing");
	config.complete = true;
	strcpy(facts.state, "Warmed:Pending");
	facts.asked = NOW;
	rests(NOW + 2 * SECOND, "a state that does not wait is not completed");
	strcpy(facts.state, "Warmed:Pending:Wait");
	facts.progress[0].done = true;
	does(COMPLETE, 1, true,
		"who returns to a warm pool waits for the hooks of its termination");
	facts.progress[1].done = true;
	rests(NEVER, "what is done is done");
	facts.progress[1].done = false;
	facts.hooks.items[1] = hook("second", true, 60);
	does(COMPLETE, 1, true, "then the next hook");
	config.hooks = ours;
	rests(NEVER, "unless it is none of ours");
	facts.hooks.items[2] = hook("mine", true, 60);
	facts.hooks.n = 3;
	does(COMPLETE, 2, true, "as another is");
}

static void test_failed_launch(void)
{
	launching();
	facts.verdict = STATUS_FAILED;
	facts.since = NOW - 100 * SECOND;
	rests(NOW + 20 * SECOND, "a failure while apply is at work is none yet");
	facts.settled = true;
	facts.settled_since = NOW - 2 * SECOND;
	rests(NOW + 3 * SECOND, "nor at once after");
	facts.settled_since = NOW - 5 * SECOND;
	does(COMPLETE, 0, false, "then: ABANDON");
	facts.since = NOW - 2 * SECOND;
	rests(NOW + 3 * SECOND, "which counts from the failure, too");
	facts.since = NOW - 5 * SECOND;
	config.abandon = false;
	rests(NEVER, "abandon = no: nothing, no heartbeat either");
	facts.verdict = STATUS_READY;
	does(COMPLETE, 0, true, "and if it gets well: CONTINUE");
}

static void test_termination(void)
{
	terminating();
	rests(NOW + 20 * SECOND, "while root drains: a heartbeat at half of the timeout");
	facts.target_since = NOW - 30 * SECOND;
	does(HEARTBEAT, 1, false, "then it is sent");
	facts.phase = DRAIN_STOPPING;
	does(HEARTBEAT, 1, false, "also while apps are stopped");
	facts.phase = DRAIN_DRAINED;
	does(COMPLETE, 1, true, "when it is drained: CONTINUE");
	facts.verdict = STATUS_FAILED;
	does(COMPLETE, 1, true, "how well it is does not matter any more");
	facts.notices_known = false;
	does(COMPLETE, 1, true, "nor what else is said");
	strcpy(facts.state, "Warmed:Terminating:Wait");
	strcpy(facts.target, "Warmed:Terminated");
	does(COMPLETE, 1, true, "in a warm pool, too");
	config.complete = false;
	rests(NEVER, "complete = no: nothing");
	config.complete = true;
	strcpy(facts.state, "Warmed:Terminating");
	facts.asked = NOW - SECOND;
	rests(NOW + SECOND, "a state that does not wait yet is asked for again");
	strcpy(facts.state, "Warmed:Terminating:Wait");
	facts.hooks_known = false;
	does(ASK_HOOKS, 0, false, "hooks that are not known are asked for");
	terminating();
	strcpy(facts.target, "InService");
	facts.phase = DRAIN_DRAINED;
	rests(NEVER, "without a target of Terminated nothing is completed");
	terminating();
	facts.phase = DRAIN_UNDRAINED;
	facts.leaving = false;
	facts.target_since = NOW - 100 * SECOND;
	rests(NEVER, "who was told to stay neither goes nor keeps the hook");
	terminating();
	facts.phase = DRAIN_DRAINED;
	facts.progress[1].done = true;
	rests(NEVER, "a termination is completed once");
	terminating();
	facts.phase = DRAIN_NONE;
	facts.progress[1].beats = LIFECYCLE_IDLE_BEATS;
	rests(NEVER, "while root does not begin to drain it is not prolonged for ever");
}

static void test_targets(void)
{
	in_service();
	config.target_groups = groups;
	rests(NEVER, "in rotation, nobody is deregistered");
	facts.leaving = true;
	does(DEREGISTER, 0, false, "a drain begins with the first target group");
	facts.deregistered[0] = true;
	does(DEREGISTER, 1, false, "then the second");
	facts.deregistered[1] = true;
	rests(NEVER, "then it is done");
	facts.leaving = false;
	does(REGISTER, 0, false, "after an undrain it is registered again");
	facts.notices_known = false;
	rests(NEVER, "but not before it is known that it stays");
	facts.notices_known = true;
	facts.deregistered[0] = false;
	does(REGISTER, 1, false, "with those that it was deregistered from");
	facts.target[0] = '\0';
	does(REGISTER, 1, false, "which needs no Auto Scaling group");
	facts.identified = false;
	rests(NEVER, "but to know which instance this is");
	terminating();
	config.target_groups = groups;
	facts.phase = DRAIN_DRAINED;
	facts.deregistered[0] = true;
	does(DEREGISTER, 1, false, "deregistering comes before completing");
	facts.not_before[LIFECYCLE_DEREGISTER][1] = NOW + 60 * SECOND;
	does(COMPLETE, 1, true, "and does not hold it up when it fails");
	facts.deregistered[0] = false;
	does(DEREGISTER, 0, false, "nor another target group");
	facts.stranger[0] = true;
	does(COMPLETE, 1, true, "a group that is not there is left alone");
	facts.leaving = false;
	facts.target[0] = '\0';
	rests(NEVER, "also after an undrain");
	terminating();
	config.target_groups = groups;
	does(DEREGISTER, 0, false, "deregistering does not wait for the drain");
	facts.target_since = NOW - 31 * SECOND;
	does(HEARTBEAT, 1, false, "but for a hook that is half over");
	facts.progress[1].beat = NOW;
	strcpy(facts.state, "Terminating");
	facts.asks = 9;
	facts.asked = NOW - 10 * SECOND;
	does(ASK_STATE, 0, false, "and for what is asked every 10 s at the end");
}

static void test_replace(void)
{
	in_service();
	facts.verdict = STATUS_FAILED;
	facts.since = NOW - 300 * SECOND;
	rests(NEVER, "a failed instance is nobody's business by default");
	config.replace = true;
	does(ASK_STATE, 0, false, "replace = yes: the state is asked for first");
	facts.asked = NOW;
	does(REPLACE, 0, false, "in service: it is Unhealthy");
	facts.replaced = NOW;
	rests(NOW + 300 * SECOND, "which is said again when it stays so for as long again");
	facts.replaced = facts.since - 1;
	does(REPLACE, 0, false, "or when it fails again");
	facts.replaced = 0;
	strcpy(facts.state, "Standby");
	rests(NOW + 2 * SECOND, "not in service: it is asked again");
	config.complete = false;
	rests(NOW + 60 * SECOND, "rarely, where there is no other reason");
	strcpy(facts.state, "InService");
	does(REPLACE, 0, false, "it needs no hooks");
	facts.leaving = true;
	rests(NEVER, "who is leaving is not replaced");
	facts.leaving = false;
	facts.since = NOW - 100 * SECOND;
	facts.asked = NOW - 50 * SECOND;
	rests(NOW + 200 * SECOND, "a failure has to last");
	facts.verdict = STATUS_DEGRADED;
	rests(NEVER, "who serves is not replaced");
	facts.verdict = STATUS_STARTING;
	rests(NEVER, "nor who is starting");
	facts.verdict = STATUS_FAILED;
	facts.target[0] = '\0';
	rests(NEVER, "nor who is in no group");
}

static void test_signal(void)
{
	in_service();
	facts.stacked = true;
	rests(NEVER, "nothing is signalled by default");
	config.signal = true;
	does(SIGNAL, 0, true, "signal = yes, and ready: SUCCESS");
	facts.signalled = true;
	rests(NEVER, "once");
	facts.signalled = false;
	facts.stacked = false;
	rests(NEVER, "not without a stack");
	facts.stacked = true;
	facts.verdict = STATUS_STARTING;
	rests(NEVER, "not before it is ready");
	facts.verdict = STATUS_FAILED;
	does(SIGNAL, 0, false, "failed for good: FAILURE");
	facts.settled = false;
	rests(NEVER, "not while apply is at work");
	facts.settled = true;
	facts.leaving = true;
	rests(NEVER, "nor when it leaves");
	facts.leaving = false;
	facts.target[0] = '\0';
	does(SIGNAL, 0, false, "a stack's instance needs no group");
}

static void test_failures(void)
{
	launching();
	facts.verdict = STATUS_READY;
	facts.not_before[LIFECYCLE_COMPLETE][0] = NOW + 5 * SECOND;
	rests(NOW + 5 * SECOND, "what failed is let be for a while");
	facts.now = NOW + 5 * SECOND;
	does(COMPLETE, 0, true, "and then tried again");
	facts.now = NOW;
	facts.hooks.items[2] = hook("launch too", true, 60);
	facts.hooks.n = 3;
	does(COMPLETE, 2, true, "one that fails does not hold up another hook");
	facts.not_before[LIFECYCLE_COMPLETE][2] = NOW + 4 * SECOND;
	facts.progress[2] = facts.progress[0];
	rests(NOW + 4 * SECOND, "the first of those that failed is next");
	facts.verdict = STATUS_STARTING;
	facts.progress[0].beat = facts.progress[2].beat = NOW - 40 * SECOND;
	facts.not_before[LIFECYCLE_HEARTBEAT][0] = NOW + 5 * SECOND;
	does(HEARTBEAT, 2, false, "nor does it keep others from being prolonged");
	is_int((int)(lifecycle_retry(1, false, 0) / SECOND), 5, "5 s after the first failure");
	is_int((int)(lifecycle_retry(3, false, 0) / SECOND), 20, "20 s after the third");
	is_int((int)(lifecycle_retry(100, false, 0) / SECOND), 300, "5 min at most");
	is_int((int)(lifecycle_retry(1, true, 0) / SECOND), 30, "what is refused: 30 s");
	is_int((int)(lifecycle_retry(100, true, 0) / SECOND), 3600, "an hour at most");
	is_int((int)(lifecycle_retry(5, true, UINT32_MAX) / SECOND), 360, "a quarter at random");
}

static void test_spread(void)
{
	unsigned per_second[LIFECYCLE_SPREAD / SECOND] = {0}, most = 0;

	for (unsigned i = 0; i < 10000; i++) {
		char id[32];
		uint64_t at;

		snprintf(id, sizeof id, "i-0123456789abc%04x", i);
		at = lifecycle_spread(id);
		if (at < LIFECYCLE_SPREAD)
			per_second[at / SECOND]++;
	}
	FOREACH_ELEMENT (i, per_second)
		most = per_second[i] > most ? per_second[i] : most;
	printf("# 10,000 instances that start at once: %u calls in the busiest second\n", most);
	ok(most < 10000 * SECOND / LIFECYCLE_SPREAD * 6 / 5,
		"10,000 instances spread over all of the time");
	ok(lifecycle_spread("i-0aa") == lifecycle_spread("i-0aa"), "each always at its own moment");
}

/* -- calls -- */

static void test_calls(void)
{
	struct lifecycle_self self = {.instance_id = "i-1"};
	struct lifecycle_step step = {.action = LIFECYCLE_ASK_STATE};
	struct aws_answer answer = {
		.json = json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "AutoScalingInstances",
			"InstanceId", "i-1", "AutoScalingGroupName", "web", "LifecycleState",
			"Pending:Wait", "HealthStatus", "HEALTHY")};
	struct aws_answer nobody = {.json = json_pack("{s:s}", "AutoScalingInstances", "")};
	struct aws_answer nonsense = {.json = json_pack("{}")}, gone = {.gone = true}, good = {0};
	struct query query = {0};
	struct err words;

	in_service();
	forget();
	is_int(lifecycle_call_take(&facts, &self, &step, &nonsense, &words), -EBADMSG,
		"an answer that is none is an error");
	is_int(facts.asks, 0, "and no answer");
	is_int(lifecycle_call_take(&facts, &self, &step, &answer, &words), 0, "a state is taken");
	is_str(facts.state, "Pending:Wait", "as it is");
	is_str(self.group, "web", "with the group's name");
	ok(facts.asks == 1 && facts.asked == NOW, "and when it was heard");
	is_int(lifecycle_call_take(&facts, &self, &step, &nobody, &words), 0, "no state, too");
	is_str(facts.state, "", "as none");
	is_str(words.text, "", "without a word");

	launching();
	strcpy(self.group, "web");
	step = (struct lifecycle_step){.action = LIFECYCLE_COMPLETE, .good = true};
	lifecycle_call_query(&facts, &self, &step, &query);
	is_str(query.text,
		"AutoScalingGroupName=web&LifecycleHookName=launch&InstanceId=i-1&"
		"LifecycleActionResult=CONTINUE",
		"a completion names group, hook and instance");
	query_clear(&query);
	is_int(lifecycle_call_take(&facts, &self, &step, &gone, &words), 0, "one that is gone");
	ok(facts.progress[0].done, "is done");
	is_str(words.text, "lifecycle hook launch: CONTINUE: there was nothing to do any more",
		"which is said");
	launching();
	step.action = LIFECYCLE_HEARTBEAT;
	is_int(lifecycle_call_take(&facts, &self, &step, &good, &words), 0, "a heartbeat");
	ok(facts.progress[0].beat == NOW && facts.progress[0].beats == 2, "is counted");
	(void)lifecycle_call_take(&facts, &self, &step, &gone, &words);
	ok(facts.progress[0].done, "one that is not wanted ends the action");
	json_decref(answer.json);
	json_decref(nobody.json);
	json_decref(nonsense.json);
}

int main(void)
{
	test_asking();
	test_asking_again();
	test_launch();
	test_failed_launch();
	test_termination();
	test_targets();
	test_replace();
	test_signal();
	test_failures();
	test_spread();
	test_calls();
	return done_testing();
}
