/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "confirm.h"
#include "draining.h"
#include "hooks.h"
#include "host.h"
#include "log.h"
#include "state.h"

#define USEC_PER_SEC 1000000ull

/* What a program wrote, or was cut, may end in what is no text any more, nor could be JSON. */
static void keep_text(char *text)
{
	size_t length = strlen(text);
	json_t *json;

	while (!(json = json_stringn(text, length)) && length > 0)
		text[--length] = '\0';
	json_decref(json);
}

static void tell(const struct draining *draining, enum draining_outcome outcome,
	const char *subject, const char *what, uint64_t began, const char *text)
{
	struct draining_report report = {.outcome = outcome,
		.text = text,
		.seconds = began ? (double)(clock_monotonic() - began) / USEC_PER_SEC : 0};

	snprintf(report.subject, sizeof report.subject, "%s", subject);
	snprintf(report.what, sizeof report.what, "%s", what);
	keep_text(report.what);
	draining->tell(&report, draining->userdata);
}

/* The first that fails is what is remembered. */
static void tell_end(struct draining *draining, int r, const char *subject, const char *what,
	uint64_t began, struct err *err)
{
	char *failed = draining->drain.failed;

	if (r < 0)
		keep_text(err->text);
	tell(draining, r < 0 ? DRAINING_FAILED : DRAINING_DONE, subject, what, began,
		r < 0 ? err->text : "");
	if (r == 0 || failed[0])
		return;
	snprintf(failed, sizeof draining->drain.failed, "%.255s", err->text);
	keep_text(failed);
}

static int enter(struct draining *draining, enum drain_phase phase, struct err *err)
{
	draining->drain.phase = phase;
	return drain_write(draining->options->state, &draining->drain, err);
}

/* -- connections -- */

/* `until` is of the clock on the wall, which may be set meanwhile: never more than was asked for.
 */
static uint64_t time_to_wait(const struct draining *draining)
{
	time_t left = draining->drain.until - time(NULL);
	uint64_t most = draining->config->lifecycle.drain_usec;
	uint64_t usec = left > 0 ? (uint64_t)left * USEC_PER_SEC : 0;

	return usec < most ? usec : most;
}

/*
 * A notice that comes now may leave less time: the agent asks again, and is believed as before.
 * Only then is the clock on the wall asked again, which may have been set.
 */
static bool heed(struct draining *draining)
{
	struct notice notices[NOTICE_KINDS];
	struct err trouble, err;
	time_t at;

	if (confirm_take_request(draining->options, NULL) != 1 ||
		confirm_ask(draining->options, &draining->config->lifecycle, notices, &trouble,
			&err) < 0)
		return false;
	at = draining_earliest(notices, &draining->drain, time(NULL));
	if (!at || (draining->at && draining->at <= at))
		return false;
	draining->at = at;
	draining_shorten(&draining->drain, at, time(NULL));
	if (drain_write(draining->options->state, &draining->drain, &err) < 0)
		log_warning("%s", err.text);
	return true;
}

static void wait_for_connections(struct draining *draining)
{
	uint64_t began = clock_monotonic(), deadline = began + time_to_wait(draining), now,
		 since = 0;
	struct connections_rule rule = {.agent = 0};
	char ports[256], text[300];
	const char *run = draining->options->run;
	struct stat st;
	size_t count = 0;
	int r = 0;

	draining_ports(draining->config, &rule);
	draining_ports_text(&rule, ports, sizeof ports);
	if (stat(run ? run : DRAIN_RUN_DEFAULT, &st) == 0)
		rule.agent = st.st_uid;
	while ((now = clock_monotonic()) < deadline) {
		if (heed(draining) && now + time_to_wait(draining) < deadline)
			deadline = now + time_to_wait(draining);
		r = rule.n_ports ? connections_read(&rule, &count) : -ENODATA;
		if (r == 0 && draining_is_quiet(
				      &since, now, count, draining->config->lifecycle.quiet_usec))
			break;
		if (r == 0)
			snprintf(text, sizeof text, "%zu connection%s, %llu s left", count,
				count == 1 ? "" : "s",
				(unsigned long long)((deadline - now) / USEC_PER_SEC));
		else
			snprintf(text, sizeof text, "connections are not known, %llu s left",
				(unsigned long long)((deadline - now) / USEC_PER_SEC));
		tell(draining, DRAINING_PROGRESS, "connections", ports, began, text);
		(void)usleep(DRAINING_POLL);
	}
	if (began >= deadline)
		snprintf(text, sizeof text, "there is no time to wait for any");
	else if (r < 0)
		snprintf(text, sizeof text, "not known, the whole time was waited for");
	else if (count > 0)
		snprintf(text, sizeof text, "%zu left when the time was over", count);
	else
		snprintf(text, sizeof text, "none left");
	tell(draining, DRAINING_DONE, "connections", ports, began, text);
}

/* -- apps -- */

struct stop {
	pthread_t thread;
	bool started, runs;
	struct host_app app;
	uint64_t began;
	int result;
	struct err err;
};

static void *stop(void *userdata)
{
	struct stop *stop = userdata;
	struct host_app_status status;

	stop->began = clock_monotonic();
	stop->runs = host()->app_read(&stop->app, &status) < 0 || status.running;
	/* One that somebody else is stopping is not running, and not ended either. */
	stop->result = host()->app_stop(&stop->app, &stop->err);
	return NULL;
}

/* All at once: each may take its time to end. */
static int stop_apps(struct draining *draining, struct err *err)
{
	const struct config *config = draining->config;
	_cleanup_free_ struct stop *stops = calloc(config->n_apps + 1, sizeof *stops);
	char subject[96];

	if (!stops)
		return err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; i < config->n_apps; i++) {
		stops[i].app =
			(struct host_app){config, &config->apps[i], draining->options->state};
		if (!config->apps[i].run)
			continue;
		stops[i].started = pthread_create(&stops[i].thread, NULL, stop, &stops[i]) == 0;
		if (!stops[i].started)
			(void)stop(&stops[i]);
	}
	for (size_t i = 0; i < config->n_apps; i++) {
		if (stops[i].started)
			(void)pthread_join(stops[i].thread, NULL);
		snprintf(subject, sizeof subject, "app %s", config->apps[i].name);
		if (stops[i].runs || stops[i].result < 0)
			tell_end(draining, stops[i].result, subject, "stop", stops[i].began,
				&stops[i].err);
	}
	return 0;
}

static bool runs(const struct config *config, const char *app)
{
	for (size_t i = 0; i < config->n_apps; i++)
		if (strcmp(config->apps[i].name, app) == 0)
			return config->apps[i].run != NULL;
	return false;
}

/*
 * Whoever undrains is not in rotation again before the apps are: an apply has to say that they run.
 * Only under its lock: what an apply that is at work says is newer.
 */
static void note_stopped(const struct draining *draining)
{
	const char *directory = draining->options->state;
	_cleanup_(state_free_p) struct state *state = NULL;
	struct err err;
	int r = state_read(directory, &state, NULL);

	if (r < 0)
		return; /* then nothing is said to run */
	for (size_t i = 0; i < state->n_items; i++) {
		struct state_item *item = &state->items[i];

		if (item->kind != STATE_APP || !runs(draining->config, item->name))
			continue;
		item->status = STATE_WAITING;
		snprintf(item->reason, sizeof item->reason, "was stopped by a drain");
	}
	if (state_write(state, directory, &err) < 0)
		log_warning("%s", err.text);
}

/* -- drain.d -- */

/* Less when the instance is about to go. */
static uint64_t hook_time(const struct draining *draining)
{
	time_t left = draining->at - time(NULL);
	uint64_t usec = draining->at == 0 ? HOOKS_TIMEOUT
			: left > 0        ? (uint64_t)left * USEC_PER_SEC
					  : 0;

	return usec < HOOKS_TIMEOUT_MIN ? HOOKS_TIMEOUT_MIN
	       : usec > HOOKS_TIMEOUT   ? HOOKS_TIMEOUT
					: usec;
}

static const char *instance_id(const struct state *state)
{
	return state && state->metadata ? state->metadata->fields[METADATA_INSTANCE_ID] : NULL;
}

static void run_hooks(struct draining *draining)
{
	_cleanup_(state_free_p) struct state *state = NULL;
	char reason[sizeof "INSTANCED_REASON=" + NOTICE_REASON_MAX], id[128], kind[32];
	const char *env[] = {reason, NULL, NULL};
	struct hooks hooks = {.n = 0};
	struct err err;
	int r = hooks_list(draining->options->config, &hooks, &err);

	if (r < 0)
		tell_end(draining, r, HOOKS_DIRECTORY, "", 0, &err);
	snprintf(reason, sizeof reason, "INSTANCED_REASON=%s", draining->drain.reason);
	(void)state_read(draining->options->state, &state, NULL);
	if (instance_id(state)) {
		snprintf(id, sizeof id, "INSTANCED_INSTANCE_ID=%s", instance_id(state));
		env[1] = id;
	}
	draining_kind(&draining->drain, kind, sizeof kind);
	for (size_t i = 0; i < hooks.n; i++) {
		uint64_t began = clock_monotonic();

		r = hooks_run(&hooks, i, kind, env, hook_time(draining), &err);
		tell_end(draining, r, HOOKS_DIRECTORY, hooks.names[i], began, &err);
	}
	hooks_clear(&hooks);
}

/* -- */

/* Less when the instance is about to go: the apps have to be stopped, too. */
static uint64_t patience(const struct draining *draining)
{
	time_t left = draining->at - time(NULL);
	uint64_t usec = left > 0 ? (uint64_t)left * USEC_PER_SEC / 4 : 0;

	return draining->at && usec < DRAINING_PATIENT ? usec : DRAINING_PATIENT;
}

/* An apply that is at work sees that it is to start nothing; it may be in the middle of it. */
static bool lock_out_apply(const struct draining *draining, int *ret_lock)
{
	struct err err;
	int r = command_lock(draining->options->state, COMMAND_LOCK_APPLY, ret_lock, &err);

	if (r == 1)
		r = command_lock_wait(*ret_lock, patience(draining), &err);
	if (r < 0)
		log_warning("%s; going on", err.text);
	return r == 0;
}

int draining_run(struct draining *draining, struct err *err)
{
	_cleanup_close_ int lock = -1;
	bool alone;
	int r = 0;

	if (draining->drain.phase == DRAIN_DRAINING) {
		wait_for_connections(draining);
		r = enter(draining, DRAIN_STOPPING, err);
	}
	if (r < 0 || draining->drain.phase != DRAIN_STOPPING)
		return r;
	alone = lock_out_apply(draining, &lock);
	r = stop_apps(draining, err);
	if (r < 0)
		return r;
	if (alone)
		note_stopped(draining);
	run_hooks(draining);
	return enter(draining, DRAIN_DRAINED, err);
}
