/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "filesystem.h"

bool walk_is_of(const struct plan_step *step, const struct subject *subject)
{
	return step->subject == subject->kind && step->index == subject->index;
}

bool walk_sees_sources(const struct walk *walk)
{
	return walk->rounds > 1;
}

bool walk_is_work(const struct plan_step *step)
{
	return step->sign == PLAN_CREATE || step->sign == PLAN_CHANGE;
}

static const struct plan_step *worst_step(const struct walk *walk, const struct subject *subject)
{
	const struct plan_step *worst = NULL;

	for (size_t i = 0; i < walk->plan->n; i++) {
		const struct plan_step *step = &walk->plan->steps[i];

		if (walk_is_of(step, subject) && (!worst || step->sign > worst->sign))
			worst = step;
	}
	return worst;
}

/* Whether what is waited for may still come: a volume until its timeout, the rest with what it
 * needs. */
bool walk_in_time(const struct walk *walk, const struct subject *subject)
{
	if (subject->kind == PLAN_VOLUME)
		return state_now() <
		       walk->started + walk->config->volumes[subject->index].timeout_usec;
	if (subject->kind == PLAN_INDEX && walk->metadata_pending)
		return true;
	for (size_t i = 0; i < walk->config->n_volumes; i++) {
		const struct subject *volume = &walk->subjects[i];
		const struct plan_step *step = worst_step(walk, volume);

		if (!volume->failed && (walk_is_work(step) || (step->sign == PLAN_WAIT &&
								      walk_in_time(walk, volume))))
			return true;
	}
	return false;
}

/* Its worker stops the app and starts it anew: in between it is not running. */
static bool restarts(const struct subject *subject)
{
	for (size_t i = 0; subject->working && i < subject->plan->n; i++) {
		const struct plan_step *step = &subject->plan->steps[i];

		if (walk_is_of(step, subject) && step->op == PLAN_OP_RUN &&
			step->sign == PLAN_CHANGE)
			return true;
	}
	return false;
}

/* What serves although not all of it is as wanted: what was there before still is. */
static bool serves(
	const struct walk *walk, const struct subject *subject, const struct plan_step *step)
{
	switch (subject->kind) {
	case PLAN_VOLUME:
		return step->op == PLAN_OP_GROW ||
		       (step->op == PLAN_OP_MOUNT && step->sign == PLAN_CHANGE);
	case PLAN_INDEX: return walk->inventory->index.content;
	case PLAN_APP: return walk->inventory->apps[subject->index].running || restarts(subject);
	}
	return false;
}

static enum state_status judge_step(
	const struct walk *walk, const struct subject *subject, const struct plan_step *step)
{
	static const enum state_status statuses[] = {
		[PLAN_KEEP] = STATE_OK,
		[PLAN_CREATE] = STATE_PENDING,
		[PLAN_CHANGE] = STATE_PENDING,
		[PLAN_WAIT] = STATE_WAITING,
		[PLAN_REFUSE] = STATE_REFUSED,
	};

	if (!subject->failed && step->sign == PLAN_KEEP)
		return STATE_OK;
	if (serves(walk, subject, step))
		return STATE_OUTDATED;
	if (subject->failed)
		return STATE_FAILED;
	if (subject->kind == PLAN_APP && !walk_sees_sources(walk))
		return STATE_PENDING;
	if (step->sign == PLAN_WAIT && !walk_in_time(walk, subject))
		return STATE_MISSING;
	return statuses[step->sign];
}

/* Until the source of an app that runs is looked at, the app is as it was. */
static bool is_as_before(
	const struct walk *walk, const struct subject *subject, struct state_item *item)
{
	if (subject->kind != PLAN_APP || walk_sees_sources(walk) ||
		!walk->inventory->apps[subject->index].running)
		return false;
	for (size_t i = 0; walk->before && i < walk->before->n_items; i++) {
		const struct state_item *before = &walk->before->items[i];

		if (before->kind != STATE_APP || strcmp(before->name, item->name) != 0 ||
			(before->status != STATE_OK && before->status != STATE_OUTDATED))
			continue;
		item->status = before->status;
		memcpy(item->reason, before->reason, sizeof item->reason);
		return true;
	}
	return false;
}

static void judge(const struct walk *walk, const struct subject *subject, struct state_item *item)
{
	const struct plan_step *step = worst_step(walk, subject);

	if (is_as_before(walk, subject, item))
		return;
	item->status = judge_step(walk, subject, step);
	if (item->status == STATE_OK)
		return;
	if (subject->failed)
		snprintf(item->reason, sizeof item->reason, "%.255s", subject->err.text);
	else
		snprintf(item->reason, sizeof item->reason, "%.100s: %.150s", step->what,
			step->reason);
}

static void fill_volume(const struct walk *walk, size_t i, struct state_item *item)
{
	const struct config_volume *wanted = &walk->config->volumes[i];

	item->kind = STATE_VOLUME;
	item->required = wanted->required;
	snprintf(item->name, sizeof item->name, "%s", wanted->name);
	snprintf(item->path, sizeof item->path, "%s", wanted->mount);
	snprintf(item->filesystem, sizeof item->filesystem, "%s", wanted->filesystem->name);
	for (size_t j = 0; j < walk->plan->n; j++) {
		const struct plan_step *step = &walk->plan->steps[j];

		if (step->subject != PLAN_VOLUME || step->index != i || !step->volume)
			continue;
		snprintf(item->device, sizeof item->device, "%s", step->volume->node);
		snprintf(item->volume_id, sizeof item->volume_id, "%s", step->volume->volume_id);
		item->size = step->volume->size;
		item->number = step->volume->number;
	}
}

static void fill_app(const struct walk *walk, size_t i, struct state_item *item)
{
	const struct config_app *wanted = &walk->config->apps[i];
	const struct inventory_app *there = &walk->inventory->apps[i];

	item->kind = STATE_APP;
	item->required = true;
	snprintf(item->name, sizeof item->name, "%s", wanted->name);
	snprintf(item->release, sizeof item->release, "%s", there->current);
	snprintf(item->health, sizeof item->health, "%s", wanted->health ? wanted->health : "");
}

void walk_state(struct walk *walk, bool settled)
{
	struct state *state = &walk->state;

	state->settled = settled;
	state->updated = time(NULL);
	state->metadata = walk->metadata;
	snprintf(state->reason, sizeof state->reason, "%.255s",
		walk->metadata ? "" : walk->inventory->metadata_trouble.text);
	memset(state->items, 0, sizeof state->items);
	state->n_items = 0;
	for (size_t i = 0; i < walk->n_subjects; i++) {
		const struct subject *subject = &walk->subjects[i];
		struct state_item *item = &state->items[state->n_items++];

		if (subject->kind == PLAN_VOLUME) {
			fill_volume(walk, subject->index, item);
		} else if (subject->kind == PLAN_APP) {
			fill_app(walk, subject->index, item);
		} else {
			item->kind = STATE_INDEX_PAGE;
			item->required = true;
			strcpy(item->name, "index");
			snprintf(item->path, sizeof item->path, "%s", walk->config->index.path);
		}
		judge(walk, subject, item);
	}
}
