/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan-making.h"
#include "template.h"

/* What is known of one app while its steps are made. */
struct app {
	struct making *m;
	size_t i;
	const struct config_app *wanted;
	const struct inventory_app *there;
	bool fresh;             /* another release than the current one will be deployed */
	const char *no_files;   /* why `files` cannot be rendered (now), or NULL */
	enum plan_sign no_sign; /* … and what follows from it */
	struct err err;
};

static struct plan_step *add(
	struct app *app, enum plan_op op, enum plan_sign sign, const char *what, const char *reason)
{
	struct plan_step *step = making_add(app->m, PLAN_APP, app->i, op, sign, "%s", reason);

	snprintf(step->what, sizeof step->what, "%s", what);
	return step;
}

/* -ENOMEM; any other trouble is in the app. */
static int render(struct app *app)
{
	char **files = app->m->plan->files[app->i];
	int r = 0;

	if (app->wanted->files.n > 0 && !app->m->metadata) {
		app->no_files = making_trouble(app->m);
		app->no_sign = PLAN_WAIT;
		return 0;
	}
	for (size_t j = 0; r == 0 && j < app->wanted->files.n; j++)
		r = template_render(app->wanted->file_texts[j], app->m->metadata, app->wanted->name,
			&files[j], &app->err);
	if (r < 0 && r != -ENOMEM) {
		app->no_files = app->err.text;
		app->no_sign = PLAN_REFUSE;
	}
	return r == -ENOMEM ? r : 0;
}

static void add_release(struct app *app)
{
	const struct inventory_app *there = app->there;
	bool known = there->wanted[0];
	char what[320], reason[512] = "nothing is deployed";
	enum plan_sign sign = PLAN_CREATE;

	snprintf(what, sizeof what, "%s%s%s", known ? there->wanted : app->wanted->source,
		known ? " from " : "", known ? app->wanted->source : "");
	if (!known) {
		sign = PLAN_REFUSE;
		snprintf(reason, sizeof reason, "%.511s",
			there->wanted_err.text[0] ? there->wanted_err.text
						  : "the source cannot be read");
	} else if (there->current[0] && strcmp(there->wanted, there->current) == 0) {
		sign = PLAN_KEEP;
		snprintf(reason, sizeof reason, "is current");
	} else if (there->bad[0]) {
		sign = PLAN_REFUSE;
		snprintf(reason, sizeof reason,
			"%s; not tried again until its source or configuration changes, or by "
			"`instancectl deploy %s`",
			there->bad, app->wanted->name);
	} else if (app->no_files) {
		sign = app->no_sign;
		snprintf(reason, sizeof reason, "%.511s", app->no_files);
	} else if (there->current[0]) {
		sign = PLAN_CHANGE;
		snprintf(reason, sizeof reason, "%s is current", there->current);
	}
	app->fresh = sign == PLAN_CREATE || sign == PLAN_CHANGE;
	(void)add(app, PLAN_OP_RELEASE, sign, what, reason);
}

/* Files of the current release that say something else than this instance is; of a new one they are
 * rendered with it. */
static bool add_files(struct app *app)
{
	const struct config_list *files = &app->wanted->files;
	char place[CONFIG_LINE_MAX];
	bool differ = false;

	if (app->fresh || files->n == 0 || !app->there->shaped)
		return false; /* one that was gone back to stays as it was */
	if (app->no_files) {
		(void)add(app, PLAN_OP_FILES, app->no_sign, "all", app->no_files);
		return false;
	}
	for (size_t j = 0; j < files->n && !differ; j++) {
		const char *now = app->there->files[j];

		snprintf(place, sizeof place, "%.*s", (int)strcspn(files->items[j], "="),
			files->items[j]);
		differ = !now || strcmp(now, app->m->plan->files[app->i][j]) != 0;
		if (differ)
			(void)add(app, PLAN_OP_FILES, PLAN_CHANGE, place,
				"says something else than this instance is");
	}
	return differ;
}

static void add_link(struct app *app)
{
	const char *there = app->there->link_there;
	char reason[400];

	if (!app->wanted->link)
		return;
	snprintf(reason, sizeof reason, "%s is there; it is kept beside", there);
	if (app->there->link_right)
		(void)add(app, PLAN_OP_LINK, PLAN_KEEP, app->wanted->link,
			"leads to the current release");
	else if (!there[0])
		(void)add(app, PLAN_OP_LINK, PLAN_CREATE, app->wanted->link, "is not there");
	else
		(void)add(app, PLAN_OP_LINK, PLAN_CHANGE, app->wanted->link, reason);
}

static void add_run(struct app *app, bool new_files)
{
	const struct inventory_app *there = app->there;
	enum plan_sign sign = PLAN_CHANGE;
	char reason[128];

	if (!app->wanted->run)
		return;
	if (app->fresh) {
		sign = there->running ? PLAN_CHANGE : PLAN_CREATE;
		snprintf(reason, sizeof reason, "with the new release");
	} else if (!there->running) {
		sign = PLAN_CREATE;
		snprintf(reason, sizeof reason, "is not running");
	} else if (strcmp(there->running_release, there->current) != 0) {
		snprintf(reason, sizeof reason, "release %s is running", there->running_release);
	} else if (!there->running_as_configured) {
		snprintf(reason, sizeof reason, "is running with another configuration");
	} else if (new_files) {
		snprintf(reason, sizeof reason, "with the new files");
	} else {
		sign = PLAN_KEEP;
		snprintf(reason, sizeof reason, "is running");
	}
	if (app->no_files && app->no_sign == PLAN_WAIT && sign != PLAN_KEEP) {
		sign = PLAN_WAIT;
		snprintf(reason, sizeof reason, "%.120s", app->no_files);
	}
	(void)add(app, PLAN_OP_RUN, sign, app->wanted->run, reason);
}

/* A release that was switched to has to show that it is well, or the one before comes back. */
static void add_prove(struct app *app)
{
	const char *health = app->wanted->health ? app->wanted->health : "that it goes on running";

	if (app->no_files)
		return; /* it does not run as it should yet */
	if (app->fresh)
		(void)add(app, PLAN_OP_PROVE, PLAN_CREATE, health, "the new release is not proven");
	else if (!app->there->proven)
		(void)add(app, PLAN_OP_PROVE, PLAN_CREATE, health,
			"the current release was not seen well yet");
}

/* What is out of rotation is not touched: who is being answered still is to be, and what was
 * stopped stays so. */
static void hold_back(struct making *m, size_t first)
{
	for (size_t i = first; i < m->plan->n; i++) {
		struct plan_step *step = &m->plan->steps[i];

		if (step->sign != PLAN_CREATE && step->sign != PLAN_CHANGE)
			continue;
		step->sign = PLAN_WAIT;
		step->after_packages = false;
		snprintf(step->reason, sizeof step->reason, "the instance is drained: %s",
			m->inventory->drain.reason);
	}
}

int making_app(struct making *m, size_t i)
{
	struct app app = {
		.m = m, .i = i, .wanted = &m->config->apps[i], .there = &m->inventory->apps[i]};
	const struct config_volume *missing = making_missing_for_app(m, app.wanted);
	size_t first = m->plan->n;
	int r = render(&app);

	if (r < 0)
		return r;
	add_release(&app);
	if (app.fresh || app.there->current[0]) {
		bool new_files = add_files(&app);

		add_link(&app);
		add_run(&app, new_files);
		add_prove(&app);
	}
	if (!app.there->wanted[0] && making_awaits_packages(m)) { /* git may be one */
		m->plan->steps[first].sign = PLAN_WAIT;
		m->plan->steps[first].after_packages = true;
	}
	for (size_t j = first; j < m->plan->n; j++) {
		m->plan->steps[j].after = missing;
		/* What is deployed already was built with what it needs. */
		m->plan->steps[j].after_packages |= app.fresh && making_awaits_packages(m);
	}
	if (drain_holds(&m->inventory->drain))
		hold_back(m, first);
	return 0;
}
