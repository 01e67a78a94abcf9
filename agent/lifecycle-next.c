/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle-next.h"

#include <string.h>

#define SECOND 1000000ull
#define NEVER  UINT64_MAX

/* -- what the facts mean -- */

static bool terminates(const struct lifecycle_facts *facts)
{
	return strcmp(facts->target, "Terminated") == 0 ||
	       strcmp(facts->target, "Warmed:Terminated") == 0;
}

static bool in_group(const struct lifecycle_facts *facts)
{
	return facts->identified && facts->target_known && (facts->target[0] || facts->tagged);
}

/* Whether there can be a hook on the way to the target. */
static bool has_hooks(const struct lifecycle_facts *facts)
{
	return facts->config->complete && strcmp(facts->target, "Standby") != 0 &&
	       strcmp(facts->target, "Detached") != 0;
}

static bool failed_for_good(const struct lifecycle_facts *facts)
{
	return facts->verdict == STATUS_FAILED && facts->settled;
}

/* When that is to be believed. */
static uint64_t failed_at(const struct lifecycle_facts *facts)
{
	uint64_t since = facts->since > facts->settled_since ? facts->since : facts->settled_since;

	return failed_for_good(facts) ? since + LIFECYCLE_FAILED : NEVER;
}

/* Whether the state that was last heard is one on the way, where no hook waits (yet). */
static bool in_motion(const struct lifecycle_facts *facts)
{
	const char *state = facts->state, *target = facts->target[0] ? facts->target : "InService";

	if (!state[0])
		return facts->asks < LIFECYCLE_STRANGER_MAX;
	if (autoscaling_waits(state, true))
		return terminates(facts); /* news from before */
	return strcmp(state, target) != 0 && !autoscaling_waits(state, false) &&
	       !strstr(state, ":Proceed");
}

/* Who returns to a warm pool waits there for the hooks of its termination ("Warm pools"). */
static bool returns(const struct lifecycle_facts *facts)
{
	return facts->asks && strcmp(facts->state, "Warmed:Pending:Wait") == 0 &&
	       !terminates(facts);
}

static bool waits(const struct lifecycle_facts *facts, bool launching)
{
	if (returns(facts))
		return true;
	return facts->asks && autoscaling_waits(facts->state, launching) &&
	       terminates(facts) != launching;
}

static uint64_t ask_again(const struct lifecycle_facts *facts)
{
	uint64_t wait = LIFECYCLE_ASK_FIRST,
		 most = terminates(facts) ? LIFECYCLE_ASK_LAST : LIFECYCLE_ASK_MAX;

	for (unsigned i = 1; i < facts->asks && wait < most; i++)
		wait *= 2;
	return facts->asked + (wait < most ? wait : most);
}

/* -- one rule an action: from when on it is due -- */

/* What is due `at`, after failures. */
static uint64_t not_before(
	const struct lifecycle_facts *facts, enum lifecycle_action action, size_t i, uint64_t at)
{
	uint64_t least = facts->not_before[action][i];

	return at < least ? least : at;
}

/* The target group of which this is to be said next. */
static uint64_t due_target(
	const struct lifecycle_facts *facts, bool deregistered, struct lifecycle_step *step)
{
	uint64_t due = NEVER;

	for (size_t i = 0; i < facts->config->target_groups.n; i++) {
		uint64_t at = not_before(facts, step->action, i, 0);

		if (facts->deregistered[i] != deregistered || facts->stranger[i] || at >= due)
			continue;
		due = at;
		step->index = i;
	}
	return due;
}

static uint64_t due_deregister(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	return facts->leaving && facts->identified ? due_target(facts, false, step) : NEVER;
}

static uint64_t due_register(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	return !facts->leaving && facts->notices_known && facts->identified
		       ? due_target(facts, true, step)
		       : NEVER;
}

/*
 * Whoever is to be replaced has to be in service, as of when it had failed for long enough. It is
 * said again as long as it lasts: within the group's grace period Auto Scaling does not listen.
 */
static uint64_t replace_at(const struct lifecycle_facts *facts)
{
	uint64_t from = facts->replaced > facts->since ? facts->replaced : facts->since;

	return facts->config->replace && in_group(facts) && !facts->leaving &&
			       facts->verdict == STATUS_FAILED
		       ? from + facts->config->replace_after_usec
		       : NEVER;
}

static bool confirmed_in_service(const struct lifecycle_facts *facts, uint64_t at)
{
	return facts->asks && facts->asked >= at && strcmp(facts->state, "InService") == 0;
}

static uint64_t due_replace(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	uint64_t at = replace_at(facts);

	(void)step;
	return confirmed_in_service(facts, at) ? at : NEVER;
}

static uint64_t due_ask_state(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	uint64_t at = replace_at(facts), due = NEVER;

	(void)step;
	if (!in_group(facts))
		return NEVER;
	if (facts->asks == 0 && (has_hooks(facts) || facts->wants_group))
		due = facts->target_since || terminates(facts) ? 0 : facts->first_ask;
	else if (facts->asks && in_motion(facts) &&
		 (has_hooks(facts) || (facts->wants_group && !facts->state[0])))
		due = ask_again(facts);
	if (at != NEVER && !confirmed_in_service(facts, at)) {
		if (facts->asks && facts->asked >= at)
			at = facts->asked + LIFECYCLE_ASK_MAX;
		due = at < due ? at : due;
	}
	return due;
}

static uint64_t due_ask_hooks(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	(void)step;
	return has_hooks(facts) && !facts->hooks_known &&
			       (waits(facts, true) || waits(facts, false))
		       ? 0
		       : NEVER;
}

/* The hooks that wait now for us, one by one: from *i on. False: no more. */
static bool waiting_hook(const struct lifecycle_facts *facts, size_t *i)
{
	if (!has_hooks(facts) || !facts->hooks_known)
		return false;
	for (; *i < facts->hooks.n; (*i)++)
		if (!facts->progress[*i].done && waits(facts, facts->hooks.items[*i].launching) &&
			config_hook_is_ours(facts->config, facts->hooks.items[*i].name))
			return true;
	return false;
}

/* Its target groups are told first, if they can be. */
static bool has_left(const struct lifecycle_facts *facts)
{
	struct lifecycle_step step = {.action = LIFECYCLE_DEREGISTER};

	return facts->phase == DRAIN_DRAINED && due_deregister(facts, &step) > facts->now;
}

static uint64_t complete_at(const struct lifecycle_facts *facts, bool launching, bool good)
{
	if (!launching)
		return has_left(facts) ? 0 : NEVER;
	if (facts->leaving)
		return NEVER;
	if (good)
		return 0;
	return facts->config->abandon ? failed_at(facts) : NEVER;
}

static uint64_t due_complete(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	uint64_t due = NEVER;

	for (size_t i = 0; waiting_hook(facts, &i); i++) {
		bool launching = facts->hooks.items[i].launching || returns(facts);
		bool good = !launching || status_serves(facts->verdict);
		uint64_t at =
			not_before(facts, step->action, i, complete_at(facts, launching, good));

		if (at >= due)
			continue;
		due = at;
		step->index = i;
		step->good = good;
	}
	return due;
}

/* At half of the timeout; at once when nobody knows how much of it has gone. */
static uint64_t due_beat(const struct lifecycle_facts *facts, size_t i)
{
	const struct lifecycle_progress *progress = &facts->progress[i];
	uint64_t half = facts->hooks.items[i].heartbeat_timeout * SECOND / 2;

	if (progress->beats >= LIFECYCLE_BEATS_MAX)
		return NEVER;
	if (!progress->beat && !facts->target_since)
		return 0;
	return (progress->beat ? progress->beat : facts->target_since) +
	       (half < LIFECYCLE_BEAT_FLOOR ? LIFECYCLE_BEAT_FLOOR : half);
}

/* For as long as there is hope: who has failed, or was told to stay, lets the time run out. */
static uint64_t due_heartbeat(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	uint64_t due = NEVER;

	for (size_t i = 0; waiting_hook(facts, &i); i++) {
		bool launching = facts->hooks.items[i].launching || returns(facts);
		bool idle = facts->phase == DRAIN_NONE || facts->phase == DRAIN_UNDRAINED;
		uint64_t at = not_before(facts, step->action, i, due_beat(facts, i));

		if (!launching && idle && facts->progress[i].beats >= LIFECYCLE_IDLE_BEATS)
			continue;
		if (launching ? facts->leaving || failed_for_good(facts) : !facts->leaving)
			continue;
		if (at < due) {
			due = at;
			step->index = i;
		}
	}
	return due;
}

static uint64_t due_signal(const struct lifecycle_facts *facts, struct lifecycle_step *step)
{
	if (!facts->config->signal || !facts->stacked || facts->signalled || facts->leaving ||
		!facts->identified)
		return NEVER;
	step->good = status_serves(facts->verdict);
	if (step->good)
		return 0;
	return failed_at(facts);
}

/* The first that is due is done: what a hook waits for before what may take its time to fail. */
static const struct {
	enum lifecycle_action action;
	uint64_t (*due)(const struct lifecycle_facts *facts, struct lifecycle_step *step);
} rules[] = {
	{LIFECYCLE_COMPLETE, due_complete},
	{LIFECYCLE_HEARTBEAT, due_heartbeat},
	{LIFECYCLE_ASK_HOOKS, due_ask_hooks},
	{LIFECYCLE_ASK_STATE, due_ask_state},
	{LIFECYCLE_DEREGISTER, due_deregister},
	{LIFECYCLE_REGISTER, due_register},
	{LIFECYCLE_SIGNAL, due_signal},
	{LIFECYCLE_REPLACE, due_replace},
};

struct lifecycle_step lifecycle_next(const struct lifecycle_facts *facts)
{
	struct lifecycle_step nothing = {.action = LIFECYCLE_NOTHING, .until = NEVER};

	FOREACH_ELEMENT (i, rules) {
		struct lifecycle_step step = {.action = rules[i].action};
		uint64_t due = rules[i].due(facts, &step);

		due = not_before(facts, step.action, step.index, due);
		if (due <= facts->now)
			return step;
		if (due < nothing.until)
			nothing.until = due;
	}
	return nothing;
}

/* FNV-1a, then its upper bits: IDs that follow each other are far apart. */
uint64_t lifecycle_spread(const char *instance_id)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *instance_id; instance_id++)
		hash = (hash ^ (unsigned char)*instance_id) * 0x100000001b3u;
	return ((hash ^ hash >> 32) & 0xffff) * (LIFECYCLE_SPREAD / 0x10000);
}

uint64_t lifecycle_retry(unsigned failures, bool refused, uint32_t random)
{
	uint64_t wait = (refused ? 30 : 5) * SECOND, most = (refused ? 3600 : 300) * SECOND;

	for (unsigned i = 1; i < failures && wait < most; i++)
		wait *= 2;
	wait = wait < most ? wait : most;
	return wait - wait / 4 * (random >> 16) / 0xffff;
}
