/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "cloudformation.h"
#include "lifecycle-call.h"
#include "lifecycle-kept.h"
#include "lifecycle-next.h"
#include "random.h"
#include "rotation.h"

#define GROUP_TAG    "tag:" AUTOSCALING_GROUP_TAG
#define STACK_TAG    "tag:" CLOUDFORMATION_STACK_TAG
#define RESOURCE_TAG "tag:" CLOUDFORMATION_RESOURCE_TAG

struct lifecycle {
	sd_event *event;
	struct imds *imds;
	struct aws *aws;
	const struct config *config;
	const char *run, *lasting;
	struct lifecycle_events events;
	void *userdata;

	struct notices *notices; /* NULL until it is known which instance this is */
	struct notice *standing; /* the caller's; NOTICE_KINDS of them */
	struct drain drain;
	struct rotation rotation;
	bool requested, run_missing;

	struct lifecycle_facts facts;
	struct lifecycle_self self;

	struct aws_call *call; /* which does `step` */
	struct lifecycle_step step;
	bool stale; /* the target changed during the call: what it says is about before */
	unsigned failures[LIFECYCLE_ACTIONS][LIFECYCLE_INDEXES];
	sd_event_source *next, *request;
};

__attribute__((format(printf, 3, 4))) static void say(
	struct lifecycle *lifecycle, int level, const char *format, ...)
{
	char words[ERR_TEXT_MAX + 256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(words, sizeof words, format, arguments);
	va_end(arguments);
	if (lifecycle->events.said)
		lifecycle->events.said(level, words, lifecycle->userdata);
}

/* Decides in the loop's next turn. */
static void decide_soon(struct lifecycle *lifecycle)
{
	(void)sd_event_source_set_time_relative(lifecycle->next, 0);
	(void)sd_event_source_set_enabled(lifecycle->next, SD_EVENT_ONESHOT);
}

/* Whoever publishes waits for the name, or to be told that there is none to be had. */
static void tell_group(struct lifecycle *lifecycle, const char *name)
{
	if (lifecycle->events.group)
		lifecycle->events.group(name, lifecycle->userdata);
}

/* -- one call at a time -- */

/* What was done is kept where it cannot be asked for. */
static void keep(struct lifecycle *lifecycle)
{
	int r = lifecycle_kept_write(
		lifecycle->run, lifecycle->lasting, lifecycle->self.instance_id, &lifecycle->facts);

	if (r < 0 && !lifecycle->run_missing)
		say(lifecycle, LOG_WARNING, "%s: %s: a restart forgets what was done",
			lifecycle->run, strerror(-r));
	lifecycle->run_missing |= r < 0;
}

static void note_failure(struct lifecycle *lifecycle, int result, const char *words)
{
	enum lifecycle_action action = lifecycle->step.action;
	size_t i = lifecycle->step.index;
	bool refused = result == -EACCES || result == -ENOENT || result == -EINVAL;
	unsigned failures = ++lifecycle->failures[action][i];

	/* Said once: what is refused is tried again, but rarely. */
	if (failures == 1)
		say(lifecycle, LOG_WARNING, "%s", words);
	lifecycle->facts.not_before[action][i] =
		clock_boot() + lifecycle_retry(failures, refused, random_bits());
}

static void on_answer(const struct aws_answer *answer, void *userdata)
{
	struct lifecycle *lifecycle = userdata;
	struct lifecycle_self *self = &lifecycle->self;
	enum lifecycle_action action = lifecycle->step.action;
	struct err words = answer->err;
	int r = answer->result;

	lifecycle->call = NULL;
	decide_soon(lifecycle);
	if (lifecycle->stale && lifecycle_call_is_of_target(action))
		return;
	lifecycle->facts.now = clock_boot();
	if (r == 0)
		r = lifecycle_call_take(&lifecycle->facts, self, &lifecycle->step, answer, &words);
	if (action == LIFECYCLE_ASK_STATE)
		tell_group(lifecycle, r == 0 && self->group[0] ? self->group : NULL);
	if (r < 0) {
		note_failure(lifecycle, r, words.text);
		return;
	}
	lifecycle->failures[action][lifecycle->step.index] = 0;
	if (words.text[0])
		say(lifecycle, LOG_NOTICE, "%s", words.text);
	if (lifecycle_call_is_kept(action))
		keep(lifecycle);
}

static void act(struct lifecycle *lifecycle)
{
	enum aws_action action = lifecycle_call_action(lifecycle->step.action);
	struct query query = {0};
	int r;

	lifecycle->stale = false;
	lifecycle_call_query(&lifecycle->facts, &lifecycle->self, &lifecycle->step, &query);
	r = aws_start(lifecycle->aws, action, &query, LIFECYCLE_CALL_TIMEOUT, on_answer, lifecycle,
		&lifecycle->call);
	query_clear(&query);
	if (r == 0)
		return;
	note_failure(lifecycle, r, strerror(-r));
	decide_soon(lifecycle);
}

static int on_next(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct lifecycle *lifecycle = userdata;

	(void)usec;
	if (lifecycle->call)
		return 0;
	lifecycle->facts.now = clock_boot();
	lifecycle->step = lifecycle_next(&lifecycle->facts);
	if (lifecycle->step.action != LIFECYCLE_NOTHING) {
		act(lifecycle);
	} else if (lifecycle->step.until != UINT64_MAX) {
		(void)sd_event_source_set_time(source, lifecycle->step.until);
		(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	return 0;
}

/* -- root is asked for a drain -- */

static int on_request(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct lifecycle *lifecycle = userdata;
	int r = rotation_ask(lifecycle->run);

	(void)usec;
	if (r < 0 && !lifecycle->run_missing)
		say(lifecycle, LOG_WARNING, "%s: %s: root cannot be asked for a drain",
			lifecycle->run, strerror(-r));
	lifecycle->run_missing |= r < 0;
	(void)sd_event_source_set_time_relative(source, LIFECYCLE_REQUEST_AGAIN);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void note_request(struct lifecycle *lifecycle)
{
	if (lifecycle->rotation.request == lifecycle->requested)
		return;
	lifecycle->requested = lifecycle->rotation.request;
	if (lifecycle->requested) {
		(void)on_request(lifecycle->request, 0, lifecycle);
		return;
	}
	(void)sd_event_source_set_enabled(lifecycle->request, SD_EVENT_OFF);
	rotation_withdraw(lifecycle->run);
}

/* -- facts come in -- */

/* What was heard is about the way to the target before. */
static void note_target(struct lifecycle *lifecycle)
{
	const struct notice *notice = &lifecycle->standing[NOTICE_LIFECYCLE];
	struct lifecycle_facts *facts = &lifecycle->facts;

	if (!notices_known(lifecycle->notices, NOTICE_LIFECYCLE) ||
		(facts->target_known && strcmp(facts->target, notice->state) == 0))
		return;
	facts->target_since = facts->target_known ? clock_boot() : 0;
	facts->target_known = true;
	memcpy(facts->target, notice->state, sizeof facts->target);
	facts->state[0] = '\0';
	facts->asks = 0;
	facts->hooks_known = false;
	for (int action = 0; action < LIFECYCLE_ACTIONS; action++)
		if (lifecycle_call_is_of_target((enum lifecycle_action)action)) {
			memset(facts->not_before[action], 0, sizeof facts->not_before[action]);
			memset(lifecycle->failures[action], 0, sizeof lifecycle->failures[action]);
		}
	lifecycle->stale = true;
	if (!facts->target[0] && !facts->tagged)
		tell_group(lifecycle, NULL);
}

static void note_rotation(struct lifecycle *lifecycle)
{
	struct rotation before = lifecycle->rotation;

	rotation_decide(&lifecycle->drain, lifecycle->standing, &lifecycle->rotation);
	lifecycle->facts.leaving = lifecycle->rotation.leaving;
	if (!lifecycle->facts.leaving) /* the next drain asks anew */
		memset(lifecycle->facts.stranger, false, sizeof lifecycle->facts.stranger);
	lifecycle->facts.phase = lifecycle->drain.phase;
	note_request(lifecycle);
	if (strcmp(before.reason, lifecycle->rotation.reason) == 0)
		return;
	say(lifecycle, LOG_NOTICE, "%s rotation%s%s", lifecycle->rotation.out ? "out of" : "in",
		lifecycle->rotation.out ? ": " : "", lifecycle->rotation.reason);
	lifecycle->events.changed(lifecycle->userdata);
}

static void on_notices(void *userdata)
{
	struct lifecycle *lifecycle = userdata;

	lifecycle->facts.notices_known = notices_all_known(lifecycle->notices);
	note_target(lifecycle);
	note_rotation(lifecycle);
	if (lifecycle->requested) /* anew: what came may leave less time */
		(void)on_request(lifecycle->request, 0, lifecycle);
	decide_soon(lifecycle);
}

static void on_trouble(const char *words, void *userdata)
{
	if (words)
		say(userdata, LOG_WARNING, "not all notices can be heard: %s", words);
	else
		say(userdata, LOG_NOTICE, "notices can be heard again");
}

static void copy_value(
	const struct metadata *metadata, const char *name, char *ret_value, size_t size)
{
	const char *value = metadata_value(metadata, name);

	snprintf(ret_value, size, "%s", value ? value : "");
}

/* Which instance this is does not change, but it may be known late. */
static void identify(struct lifecycle *lifecycle, const struct metadata *metadata)
{
	const struct config *config = lifecycle->config;
	struct lifecycle_facts *facts = &lifecycle->facts;
	struct lifecycle_self *self = &lifecycle->self;
	const char *life_cycle = metadata->fields[METADATA_LIFE_CYCLE];
	const char *group = metadata_value(metadata, GROUP_TAG);
	int r;

	copy_value(metadata, "instance-id", self->instance_id, sizeof self->instance_id);
	copy_value(metadata, STACK_TAG, self->stack, sizeof self->stack);
	copy_value(metadata, RESOURCE_TAG, self->resource, sizeof self->resource);
	facts->identified = self->instance_id[0];
	facts->stacked = self->stack[0] && self->resource[0];
	facts->tagged = group != NULL;
	facts->wants_group = config->scaling.cloudwatch && !group && !config->scaling.group;
	facts->now = clock_boot();
	facts->first_ask = facts->now + lifecycle_spread(self->instance_id);
	if (facts->identified)
		lifecycle_kept_read(lifecycle->run, lifecycle->lasting, self->instance_id, facts);
	if (group)
		tell_group(lifecycle, group);
	if (config->lifecycle.signal && !facts->stacked)
		say(lifecycle, LOG_WARNING,
			"the metadata service shows no tags of a CloudFormation stack: nothing is "
			"signalled");
	r = notices_new(lifecycle->event, lifecycle->imds,
		life_cycle && strcmp(life_cycle, "spot") == 0, &config->lifecycle,
		lifecycle->standing, on_notices, on_trouble, lifecycle, &lifecycle->notices);
	if (r < 0)
		say(lifecycle, LOG_ERR, "notices cannot be watched: %s", strerror(-r));
}

void lifecycle_follow(
	struct lifecycle *lifecycle, const struct state *state, const struct drain *drain)
{
	struct lifecycle_facts *facts = &lifecycle->facts;
	bool settled = state && state->settled;

	if (settled != facts->settled)
		facts->settled_since = clock_boot();
	facts->settled = settled;
	lifecycle->drain = *drain;
	if (!facts->identified && state && state->metadata)
		identify(lifecycle, state->metadata);
	note_rotation(lifecycle);
	decide_soon(lifecycle);
}

static bool says_failed(const struct lifecycle_step *step)
{
	return (step->action == LIFECYCLE_COMPLETE || step->action == LIFECYCLE_SIGNAL) &&
	       !step->good;
}

void lifecycle_judge(struct lifecycle *lifecycle, enum status verdict)
{
	if (verdict == lifecycle->facts.verdict)
		return;
	lifecycle->facts.verdict = verdict;
	lifecycle->facts.since = clock_boot();
	if (lifecycle->call && status_serves(verdict) && says_failed(&lifecycle->step)) {
		aws_cancel(lifecycle->call); /* it is well after all, and that may not be out yet */
		lifecycle->call = NULL;
	}
	decide_soon(lifecycle);
}

bool lifecycle_rotation(const struct lifecycle *lifecycle, struct check *ret_check)
{
	if (!lifecycle->rotation.out)
		return false;
	*ret_check = (struct check){.name = "rotation", .result = CHECK_WARN};
	memcpy(ret_check->reason, lifecycle->rotation.reason, sizeof ret_check->reason);
	return true;
}

struct notices_count lifecycle_notices_counted(
	const struct lifecycle *lifecycle, enum notice_kind kind)
{
	return lifecycle->notices ? notices_counted(lifecycle->notices, kind)
				  : (struct notices_count){0};
}

/* -- beginning and end -- */

int lifecycle_new(sd_event *event, struct imds *imds, struct aws *aws, const struct config *config,
	const char *run, const char *lasting, struct notice standing[static NOTICE_KINDS],
	const struct lifecycle_events *events, void *userdata, struct lifecycle **ret_lifecycle)
{
	_cleanup_(lifecycle_free_p) struct lifecycle *lifecycle = calloc(1, sizeof *lifecycle);
	int r;

	if (!lifecycle)
		return -ENOMEM;
	*lifecycle = (struct lifecycle){.event = sd_event_ref(event),
		.imds = imds,
		.aws = aws,
		.config = config,
		.run = run,
		.lasting = lasting,
		.standing = standing,
		.events = *events,
		.userdata = userdata,
		.facts = {.config = &config->lifecycle, .verdict = STATUS_STARTING}};
	r = sd_event_add_time_relative(
		event, &lifecycle->next, CLOCK_BOOTTIME, 0, 1, on_next, lifecycle);
	if (r >= 0)
		r = sd_event_add_time(event, &lifecycle->request, CLOCK_BOOTTIME, UINT64_MAX, 0,
			on_request, lifecycle);
	if (r < 0)
		return r;
	(void)sd_event_source_set_enabled(lifecycle->request, SD_EVENT_OFF);
	*ret_lifecycle = steal_ptr(lifecycle);
	return 0;
}

struct lifecycle *lifecycle_free(struct lifecycle *lifecycle)
{
	if (!lifecycle)
		return NULL;
	aws_cancel(lifecycle->call);
	notices_free(lifecycle->notices);
	(void)sd_event_source_disable_unref(lifecycle->next);
	(void)sd_event_source_disable_unref(lifecycle->request);
	(void)sd_event_unref(lifecycle->event);
	free(lifecycle);
	return NULL;
}
