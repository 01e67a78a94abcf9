/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "filesystem.h"

bool walk_is_of(const struct plan_step *step, const struct subject *subject)
{
	return step->subject == subject->kind && step->index == subject->index;
}

static bool lacks_packages(const struct walk *walk)
{
	for (size_t i = 0; i < walk->config->packages.install.n; i++)
		if (walk->inventory->packages.missing[i])
			return true;
	return false;
}

bool walk_installs(const struct walk *walk)
{
	return lacks_packages(walk) && !walk->inventory->packages.given_up;
}

bool walk_is_work(const struct plan_step *step)
{
	return step->sign == PLAN_CREATE || step->sign == PLAN_CHANGE;
}

const struct plan_step *walk_worst_step(const struct walk *walk, const struct subject *subject)
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
	if (subject->left_out)
		return false;
	if (subject->kind == PLAN_APP && drain_holds(&walk->inventory->drain))
		return true; /* until somebody undrains */
	if (subject->kind == PLAN_VOLUME)
		return clock_boot() <
			       walk->started + walk->config->volumes[subject->index].timeout_usec ||
		       walk_worst_step(walk, subject)->after_packages;
	if (subject->kind == PLAN_APP && walk_installs(walk))
		return true;
	if (subject->kind == PLAN_INDEX && walk->metadata_pending)
		return true;
	for (size_t i = 0; i < walk->config->n_volumes; i++) {
		const struct subject *volume = &walk->subjects[i];
		const struct plan_step *step = walk_worst_step(walk, volume);

		if (!volume->failed && !volume->left_out &&
			(walk_is_work(step) ||
				(step->sign == PLAN_WAIT && walk_in_time(walk, volume))))
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

/*
 * An app without `run` is the files of a release, where others look for them: whether these serve
 * them well, the agent asks.
 */
static bool app_serves(const struct walk *walk, const struct subject *subject)
{
	const struct config_app *wanted = &walk->config->apps[subject->index];
	const struct inventory_app *there = &walk->inventory->apps[subject->index];

	/*
	 * One that never was well has yet to show that it stays, and may be between two starts,
	 * again and again. With a URL the agent sees for itself.
	 */
	if (wanted->run)
		return restarts(subject) ||
		       (there->running && (there->proven || wanted->health ||
						  (!subject->failed && !subject->working)));
	return there->current[0] && (!wanted->link || there->link_right);
}

/* What serves although not all of it is as wanted: what was there before still is. */
static bool serves(
	const struct walk *walk, const struct subject *subject, const struct plan_step *step)
{
	switch (subject->kind) {
	case PLAN_VOLUME:
		return step->op == PLAN_OP_GROW ||
		       (step->op == PLAN_OP_MOUNT && step->sign == PLAN_CHANGE);
	case PLAN_PACKAGES: return step->op == PLAN_OP_UPDATE && !lacks_packages(walk);
	case PLAN_INDEX: return walk->inventory->index.content;
	case PLAN_APP: return app_serves(walk, subject);
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
	/* It runs; whether it is well, the agent says of itself. */
	if (subject->proving && walk->config->apps[subject->index].health)
		return STATE_OK;
	if (serves(walk, subject, step))
		return STATE_OUTDATED;
	if (subject->failed)
		return STATE_FAILED;
	if (subject->kind == PLAN_APP && !walk->sources)
		return STATE_PENDING;
	if (step->sign == PLAN_WAIT && !walk_in_time(walk, subject))
		return STATE_MISSING;
	if (subject->left_out && walk_is_work(step))
		return STATE_MISSING;
	return statuses[step->sign];
}

static const struct state_item *find_before(const struct walk *walk, const struct state_item *item)
{
	for (size_t i = 0; walk->before && i < walk->before->n_items; i++)
		if (walk->before->items[i].kind == item->kind &&
			strcmp(walk->before->items[i].name, item->name) == 0)
			return &walk->before->items[i];
	return NULL;
}

/*
 * What this run does not see to, and, until its source is looked at, an app that serves, is as it
 * was. What was being done then is not any more.
 */
static bool is_as_before(
	const struct walk *walk, const struct subject *subject, struct state_item *item)
{
	const struct state_item *before = find_before(walk, item);
	bool unseen = subject->kind == PLAN_APP && !walk->sources && app_serves(walk, subject) &&
		      before && (before->status == STATE_OK || before->status == STATE_OUTDATED);
	bool left_out = subject->left_out && before &&
			walk_worst_step(walk, subject)->sign != PLAN_KEEP &&
			before->status != STATE_OK;

	if (!unseen && !left_out)
		return false;
	item->status = before->status;
	if (item->status == STATE_PENDING || item->status == STATE_WAITING)
		item->status = STATE_MISSING;
	memcpy(item->reason, before->reason, sizeof item->reason);
	return true;
}

static void judge(const struct walk *walk, const struct subject *subject, struct state_item *item)
{
	const struct plan_step *step = walk_worst_step(walk, subject);

	if (is_as_before(walk, subject, item))
		return;
	item->status = judge_step(walk, subject, step);
	if (item->status == STATE_OK)
		return;
	if (subject->failed)
		snprintf(item->reason, sizeof item->reason, "%s%s%.480s",
			subject->failed_at ? subject->failed_at : "",
			subject->failed_at ? ": " : "", subject->err.text);
	else if (subject->working && subject->progress[0])
		snprintf(item->reason, sizeof item->reason, "%.80s: %.150s", step->what,
			subject->progress);
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
	snprintf(item->version, sizeof item->version, "%s", there->version);
	snprintf(item->source, sizeof item->source, "%.*s", (int)sizeof item->source - 1,
		wanted->source);
	snprintf(item->health, sizeof item->health, "%s", wanted->health ? wanted->health : "");
}

/* Where it may be all that there is to do, nothing is ready without it. */
static void fill_user_data(const struct walk *walk, struct state_item *item)
{
	*item = (struct state_item){.kind = STATE_BOOTSTRAP,
		.name = APPLY_USER_DATA,
		.required = walk->n_subjects == 0,
		.status = STATE_WAITING};
	snprintf(item->reason, sizeof item->reason, "user-data is not known: %.200s",
		walk->user_data_trouble);
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
		} else if (subject->kind == PLAN_PACKAGES) { /* what needs them is what serves */
			item->kind = STATE_PACKAGES;
			strcpy(item->name, "packages");
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
	if (walk->user_data_trouble[0])
		fill_user_data(walk, &state->items[state->n_items++]);
}

enum status walk_judge_app(const struct walk *walk)
{
	for (size_t i = 0; i < walk->n_subjects; i++) {
		const struct subject *subject = &walk->subjects[i];
		const struct plan_step *worst;

		if (subject->kind != PLAN_APP || subject->left_out)
			continue;
		worst = walk_worst_step(walk, subject);
		if (subject->failed || (worst->sign == PLAN_REFUSE && !walk->options->rollback))
			return STATUS_FAILED;
		return worst->sign == PLAN_WAIT ? STATUS_STARTING : STATUS_READY;
	}
	return STATUS_FAILED;
}
