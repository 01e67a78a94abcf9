/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "file.h"
#include "op.h"
#include "walk.h"
#include "worker.h"

#define TICK           (500 * 1000)  /* usec between two looks at what is attached */
#define PROGRESS_PAUSE (1000 * 1000) /* usec between two states that differ in progress alone */
#define ROUNDS_MAX     4 /* a subject that wants work after so many successes does not settle */

static int (*const ops[])(struct op *op, struct err *err) = {
	[PLAN_OP_INSTALL] = op_install,
	[PLAN_OP_UPDATE] = op_update,
	[PLAN_OP_FORMAT] = op_format,
	[PLAN_OP_MOUNT] = op_mount,
	[PLAN_OP_GROW] = op_grow,
	[PLAN_OP_PAGE] = op_page,
	[PLAN_OP_RELEASE] = op_release,
	[PLAN_OP_FILES] = op_files,
	[PLAN_OP_LINK] = op_link,
	[PLAN_OP_RUN] = op_run,
	[PLAN_OP_PROVE] = op_prove,
};

static void tell(struct walk *walk, const struct plan_step *step, enum apply_outcome outcome,
	const char *text, double seconds)
{
	struct apply_report report = {
		.step = step, .outcome = outcome, .text = text, .seconds = seconds};

	plan_subject_name(walk->config, step, report.subject, sizeof report.subject);
	walk->tell(&report, walk->userdata);
}

/* -- one subject's work, in its worker -- */

struct progress {
	struct worker_pipe *pipe;
	size_t step;
};

static void tell_progress(const char *text, void *userdata)
{
	const struct progress *progress = userdata;
	struct worker_message message = {.step = progress->step, .progress = true};

	snprintf(message.note, sizeof message.note, "%s", text);
	worker_tell(progress->pipe, &message);
}

static void work(struct worker_pipe *pipe, void *userdata)
{
	const struct subject *subject = userdata;
	const struct walk *walk = subject->walk;
	int r = 0;

	for (size_t i = 0; r == 0 && i < subject->plan->n; i++) {
		struct progress progress = {pipe, i};
		struct op op = {.config = walk->config,
			.state = walk->options->state,
			.data = walk->options->data,
			.step = &subject->plan->steps[i],
			.reach = {command_reach(walk->options), tell_progress, &progress}};
		struct worker_message message = {.step = i};
		uint64_t began = clock_boot();

		if (!walk_is_of(op.step, subject) || !walk_is_work(op.step))
			continue;
		if (subject->kind == PLAN_APP)
			op.files = subject->plan->files[subject->index];
		worker_tell(pipe, &message);
		r = ops[op.step->op](&op, &message.err);
		message.ended = true;
		message.result = r;
		message.seconds = (double)(clock_boot() - began) / 1e6;
		message.program_began = op.mkfs_began;
		message.program_ended = op.mkfs_ended;
		memcpy(message.note, op.note, sizeof op.note);
		worker_tell(pipe, &message);
	}
}

static void note_moments(const struct subject *subject, const struct plan_step *step,
	const struct worker_message *message)
{
	struct state *state = &subject->walk->state;
	uint64_t now = clock_boot();
	char name[96];

	plan_subject_name(subject->walk->config, step, name, sizeof name);
	state_note(state, now - (uint64_t)(message->seconds * 1e6), now, "%s: %s", name,
		plan_op_name(step->op));
	if (message->program_ended)
		state_note(state, message->program_began, message->program_ended, "%s: mkfs", name);
}

static int write_state(struct walk *walk, bool settled, struct err *err);

static void on_progress(struct subject *subject, const struct worker_message *message)
{
	struct walk *walk = subject->walk;
	uint64_t now = clock_boot();

	memcpy(subject->progress, message->note, sizeof subject->progress);
	tell(walk, &subject->plan->steps[message->step], APPLY_PROGRESS, message->note, 0);
	if (now - walk->progress_written < PROGRESS_PAUSE)
		return;
	walk->progress_written = now;
	(void)write_state(walk, false, NULL); /* the next round writes it too, and says why not */
}

static void on_told(const struct worker_message *message, void *userdata)
{
	struct subject *subject = userdata;
	const struct plan_step *step = &subject->plan->steps[message->step];

	if (message->progress) {
		on_progress(subject, message);
		return;
	}
	subject->touched = true;
	subject->progress[0] = '\0';
	subject->proving = !message->ended && step->op == PLAN_OP_PROVE;
	if (subject->proving)
		(void)write_state(subject->walk, false, NULL);
	if (message->ended)
		note_moments(subject, step, message);
	if (message->ended && message->result < 0) {
		subject->failed = true;
		subject->failed_at = plan_op_name(step->op);
		subject->err = message->err;
	}
	tell(subject->walk, step,
		!message->ended       ? APPLY_BEGINS
		: message->result < 0 ? APPLY_FAILED
				      : APPLY_DONE,
		message->result < 0 ? message->err.text : message->note, message->seconds);
}

static void on_done(const struct err *died, void *userdata)
{
	struct subject *subject = userdata;
	struct walk *walk = subject->walk;

	subject->working = subject->proving = false;
	if (!subject->failed && (died || ++subject->successes >= ROUNDS_MAX)) {
		subject->failed = true;
		err_set(&subject->err, 0, "%s",
			died ? died->text : "was done several times and is still not as wanted");
		for (size_t i = 0; i < subject->plan->n; i++)
			if (walk_is_of(&subject->plan->steps[i], subject))
				tell(walk, &subject->plan->steps[i], APPLY_FAILED,
					subject->err.text, 0);
	}
	inventory_forget(walk->inventory, subject->node);
	if (subject->kind == PLAN_PACKAGES || subject->kind == PLAN_VOLUME)
		inventory_forget_sources(walk->inventory); /* what was missing may be there now */
	if (subject->kind == PLAN_PACKAGES)
		walk->inventory->packages.asked_for = NULL;
	subject->plan = plan_free(subject->plan);
	walk->look = true;
}

static const struct worker_calls calls = {.run = work, .told = on_told, .done = on_done};

/* -- rounds -- */

static bool is_ready(const struct walk *walk, const struct subject *subject)
{
	bool any = false;

	if (subject->left_out || subject->working || subject->failed)
		return false;
	for (size_t i = 0; i < walk->plan->n; i++) {
		const struct plan_step *step = &walk->plan->steps[i];

		if (!walk_is_of(step, subject) || !walk_is_work(step))
			continue;
		if (step->after || step->after_packages)
			return false;
		any = true;
	}
	return any;
}

/*
 * The worker, a copy of us, has the plan and the inventory of this moment. We keep the plan's
 * words, but not its volumes: they lie in an inventory that the next round replaces.
 */
static int start(struct walk *walk, struct subject *subject)
{
	int r = plan_make(walk->config, walk->metadata, walk->inventory, &subject->plan);

	if (r < 0)
		return r;
	subject->working = true;
	r = worker_start(walk->service->event, &calls, subject);
	for (size_t i = 0; i < subject->plan->n; i++) {
		struct plan_step *step = &subject->plan->steps[i];

		if (step->volume && walk_is_of(step, subject))
			memcpy(subject->node, step->volume->node, sizeof subject->node);
		step->volume = NULL;
	}
	return r;
}

static int start_ready(struct walk *walk, struct err *err)
{
	for (size_t i = 0; i < walk->n_subjects; i++) {
		struct subject *subject = &walk->subjects[i];
		int r = is_ready(walk, subject) ? start(walk, subject) : 0;

		if (r < 0)
			return err_set(err, r, "cannot start a worker: %m");
	}
	return 0;
}

/* The page as the agent serves it at /: a copy in the state directory. */
static int copy_page(const struct walk *walk, struct err *err)
{
	char path[PATH_MAX];
	int r = 0;

	snprintf(path, sizeof path, "%s/" STATE_INDEX, walk->options->state);
	for (size_t i = 0; i < walk->plan->n; i++) {
		const char *page = walk->plan->steps[i].page;

		if (page && !file_equals(path, page, strlen(page)))
			r = file_write(path, page, strlen(page), 0644);
	}
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}

static int write_state(struct walk *walk, bool settled, struct err *err)
{
	int r = copy_page(walk, err);

	walk_state(walk, settled);
	return r < 0 ? r : state_write(&walk->state, walk->options->state, err);
}

static bool has_failed(const struct walk *walk, enum plan_subject kind)
{
	for (size_t i = 0; i < walk->n_subjects; i++)
		if (walk->subjects[i].kind == kind && walk->subjects[i].failed)
			return true;
	return false;
}

static int look(struct walk *walk, struct err *err)
{
	const struct inventory_request request = {.config = walk->config,
		.state = walk->options->state,
		.data = walk->options->data,
		.imds = command_reach(walk->options),
		.sources = walk->sources};
	struct inventory *inventory;
	int r = inventory_take(&request, walk->inventory, &inventory, err);

	if (r < 0)
		return r;
	inventory_free(walk->inventory);
	walk->inventory = inventory;
	return 0;
}

static int take_round(struct walk *walk, struct err *err)
{
	struct inventory *inventory;
	int r;

	if (walk->inventory)
		walk->inventory->packages.given_up = has_failed(walk, PLAN_PACKAGES);
	walk->sources = walk->rounds++ > 0 && !walk_installs(walk);
	r = look(walk, err);
	if (r < 0)
		return r;
	inventory = walk->inventory;
	inventory->packages.given_up = has_failed(walk, PLAN_PACKAGES);
	if (!walk->metadata_pending)
		inventory->metadata_trouble = walk->metadata_err;
	else
		(void)imds_trouble(walk->service->imds, &inventory->metadata_trouble);
	walk->plan = plan_free(walk->plan);
	r = plan_make(walk->config, walk->metadata, inventory, &walk->plan);
	if (r < 0)
		return err_set(err, r, "%m");
	walk->look = !walk->sources && !walk_installs(walk) && walk->config->n_apps > 0;
	r = start_ready(walk, err);
	return r < 0 ? r : write_state(walk, false, err);
}

static bool is_busy(const struct walk *walk)
{
	bool busy = walk->look || walk->metadata_pending;

	for (size_t i = 0; i < walk->n_subjects; i++)
		busy |= walk->subjects[i].working ||
			(walk->subjects[i].kind == PLAN_VOLUME && !walk->subjects[i].left_out &&
				walk->state.items[i].status == STATE_WAITING);
	return busy;
}

static void tell_rest(struct walk *walk)
{
	for (size_t i = 0; i < walk->n_subjects; i++) {
		const struct subject *subject = &walk->subjects[i];

		for (size_t j = 0; j < walk->plan->n && !subject->failed && !subject->left_out;
			j++) {
			const struct plan_step *step = &walk->plan->steps[j];

			if (!walk_is_of(step, subject))
				continue;
			if (step->sign == PLAN_KEEP && !subject->touched)
				tell(walk, step, APPLY_KEPT, step->reason, 0);
			else if (step->sign == PLAN_REFUSE)
				tell(walk, step, APPLY_REFUSED, step->reason, 0);
			else if (step->sign != PLAN_KEEP)
				tell(walk, step, APPLY_WAITS, step->reason, 0);
		}
	}
}

static void on_metadata(
	int result, struct metadata *metadata, const struct err *err, void *userdata)
{
	struct walk *walk = userdata;

	uint64_t answered = imds_answered(walk->service->imds);

	walk->metadata_pending = false;
	if (answered)
		state_note(&walk->state, answered, clock_boot(), "metadata");
	walk->metadata_refused = result == -EACCES;
	if (result < 0) {
		walk->metadata_err = *err;
	} else {
		metadata_free(walk->metadata);
		walk->metadata = metadata;
	}
	walk->look = true;
}

static void list_subjects(struct walk *walk)
{
	const struct config *config = walk->config;

	for (size_t i = 0; i < config->n_volumes; i++)
		walk->subjects[walk->n_subjects++] =
			(struct subject){.walk = walk, .kind = PLAN_VOLUME, .index = i};
	if (config->packages.install.n > 0 || config->packages.update != CONFIG_UPDATE_NO)
		walk->subjects[walk->n_subjects++] =
			(struct subject){.walk = walk, .kind = PLAN_PACKAGES};
	if (config->index.path)
		walk->subjects[walk->n_subjects++] =
			(struct subject){.walk = walk, .kind = PLAN_INDEX};
	for (size_t i = 0; i < config->n_apps; i++)
		walk->subjects[walk->n_subjects++] =
			(struct subject){.walk = walk, .kind = PLAN_APP, .index = i};
}

/* Whether --device, or the one app that is deployed, is what this subject is for. */
static bool is_asked_for(const struct walk *walk, const struct subject *subject)
{
	const struct options *options = walk->options;

	if (options->app) /* and what it may need */
		return subject->kind == PLAN_PACKAGES ||
		       (subject->kind == PLAN_APP &&
			       strcmp(walk->config->apps[subject->index].name, options->app) == 0);
	if (subject->kind != PLAN_VOLUME)
		return true; /* it may wait for the volume */
	for (size_t j = 0; j < walk->plan->n; j++) {
		const struct plan_step *step = &walk->plan->steps[j];

		if (walk_is_of(step, subject) && step->volume &&
			strcmp(step->volume->node, options->device) == 0)
			return true;
	}
	return false;
}

static int leave_out(struct walk *walk, struct err *err)
{
	enum plan_subject kind = walk->options->app ? PLAN_APP : PLAN_VOLUME;
	bool any = false;

	for (size_t i = 0; i < walk->n_subjects; i++) {
		struct subject *subject = &walk->subjects[i];

		subject->left_out = !is_asked_for(walk, subject);
		any |= subject->kind == kind && !subject->left_out;
	}
	if (any)
		return 0;
	return walk->options->app
		       ? err_set(err, -ENODEV, "there is no [app %s]", walk->options->app)
		       : err_set(err, -ENODEV,
				 "%s: no [volume] of the configuration is this device",
				 walk->options->device);
}

/* Until something happened, or a device may have arrived. */
static int rest(struct walk *walk)
{
	uint64_t until = clock_boot() + TICK, time;
	int r = 0;

	while (r >= 0 && !walk->look && (time = clock_boot()) < until)
		r = sd_event_run(walk->service->event, until - time);
	return r < 0 ? r : 0;
}

/* Until the service answers, we are who we were at the last apply since boot. */
static void remember(struct walk *walk)
{
	if (state_read(walk->options->state, &walk->before, NULL) < 0)
		return;
	walk->metadata = steal_ptr(walk->before->metadata);
	memcpy(walk->state.moments, walk->before->moments, sizeof walk->state.moments);
	walk->state.n_moments = walk->before->n_moments;
}

/* Whether the metadata service may yet say more, and is to be asked again. */
static bool is_again(const struct walk *walk)
{
	return walk->options->boot &&
	       (walk->user_data_trouble[0] || (!walk->metadata && !walk->metadata_refused));
}

static int walk_on(struct walk *walk, struct apply_result *ret_result, struct err *err)
{
	struct check checks[STATUS_CHECKS_MAX];
	int r = 0;

	remember(walk);
	if (walk->options->device ||
		walk->options->app) { /* a first plan, to know what it is for */
		r = look(walk, err);
		if (r == 0)
			r = plan_make(walk->config, NULL, walk->inventory, &walk->plan);
		if (r == 0)
			r = leave_out(walk, err);
		if (r < 0)
			return r;
	}
	walk->metadata_pending = true;
	r = metadata_collect(
		walk->service->imds, walk->options->imds_timeout_usec, on_metadata, walk);
	if (r < 0)
		return err_set(err, r, "metadata service: %m");
	do {
		if (r == 0)
			r = take_round(walk, err);
		if (r == 0 && is_busy(walk))
			r = rest(walk);
	} while (r == 0 && is_busy(walk));
	if (r < 0)
		return r;
	tell_rest(walk);
	ret_result->again = is_again(walk);
	if (!ret_result->again)
		state_note(&walk->state, walk->started, clock_boot(), "apply");
	r = write_state(walk, !ret_result->again, err);
	ret_result->status = walk->options->app
				     ? walk_judge_app(walk)
				     : status_decide(checks, state_checks(&walk->state, checks),
					       drain_holds(&walk->inventory->drain));
	return r;
}

int apply_walk(const struct options *options, const struct config *config, struct service *service,
	struct inventory *ahead, const char *user_data_trouble, apply_tell report, void *userdata,
	struct apply_result *ret_result, struct err *err)
{
	struct walk *walk = calloc(1, sizeof *walk);
	int r;

	if (!walk) {
		inventory_free(ahead);
		return err_set(err, -ENOMEM, "%m");
	}
	*walk = (struct walk){.options = options,
		.config = config,
		.service = service,
		.tell = report,
		.userdata = userdata,
		.inventory = ahead,
		.user_data_trouble = user_data_trouble,
		.started = clock_boot()};
	list_subjects(walk);
	r = walk_on(walk, ret_result, err);
	for (size_t i = 0; i < walk->n_subjects; i++)
		plan_free(walk->subjects[i].plan); /* of workers that end with us */
	plan_free(walk->plan);
	inventory_free(walk->inventory);
	metadata_free(walk->metadata);
	state_free(walk->before);
	free(walk);
	return r;
}
