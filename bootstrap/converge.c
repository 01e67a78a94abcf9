/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ahead.h"
#include "apply.h"
#include "clock.h"
#include "converge.h"
#include "log.h"
#include "show.h"

#define TIMEOUT_DEFAULT (120ull * 1000000)
#define TIMEOUT_LEAST   (5ull * 1000000)
#define SECOND          1000000ull
#define SAY_EVERY       30         /* seconds of waiting */
#define CLEAR_LINE      "\r\033[K" /* progress is written over */

static const struct {
	const char *name;
	const char *mark; /* NULL: the step's own sign */
	enum show_colour colour;
} outcomes[] = {
	[APPLY_BEGINS] = {"begins", "·", SHOW_DIM},
	[APPLY_PROGRESS] = {"progress", "·", SHOW_DIM},
	[APPLY_DONE] = {"done", NULL, SHOW_GOOD},
	[APPLY_KEPT] = {"kept", NULL, SHOW_DIM},
	[APPLY_FAILED] = {"failed", "✗", SHOW_BAD},
	[APPLY_WAITS] = {"waits", "…", SHOW_WARN},
	[APPLY_REFUSED] = {"refused", "!", SHOW_BAD},
};

static void print_report(const struct apply_report *report, void *userdata)
{
	const char *mark = outcomes[report->outcome].mark;
	/* A terminal that takes colours takes a line that is written over, too. */
	bool redraws = *show_colour(stdout, SHOW_PLAIN);

	(void)userdata;
	if (report->outcome <= APPLY_PROGRESS && !isatty(STDOUT_FILENO))
		return; /* for somebody who watches */
	if (redraws)
		fputs(CLEAR_LINE, stdout);
	show_step(stdout, mark ? mark : plan_sign_mark(report->step->sign),
		outcomes[report->outcome].colour, report->subject, report->step);
	if (report->outcome == APPLY_DONE || report->outcome == APPLY_FAILED)
		printf(": %s in %.2f s", outcomes[report->outcome].name, report->seconds);
	printf("%s%s%s", report->text[0] ? ": " : "", report->text,
		report->outcome == APPLY_PROGRESS && redraws ? "" : "\n");
	(void)fflush(stdout);
}

static void collect_report(const struct apply_report *report, void *userdata)
{
	if (report->outcome <= APPLY_PROGRESS)
		return;
	(void)json_array_append_new(userdata,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f}", "subject", report->subject, "op",
			plan_op_name(report->step->op), "sign", plan_sign_name(report->step->sign),
			"what", report->step->what, "outcome", outcomes[report->outcome].name,
			"text", report->text, "seconds", report->seconds));
}

/* --device as its canonical node, as the plan has it. */
static int canonical_device(struct options *options, char *buffer, struct err *err)
{
	struct stat st;

	if (!options->device)
		return 0;
	if (!realpath(options->device, buffer) || stat(buffer, &st) < 0)
		return err_set(err, -errno, "%s: %m", options->device);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "%s: is no block device", options->device);
	options->device = buffer;
	return 0;
}

/* What cannot be planned (yet): for /instance and `status`, which are to say why. */
static void tell_state(const struct options *options, enum state_status status, const char *reason,
	struct metadata *metadata)
{
	struct state *state = calloc(1, sizeof *state);
	struct err err;

	if (!state)
		return;
	state->settled = status == STATE_FAILED;
	state->updated = time(NULL);
	state->metadata = metadata;
	state->n_items = 1;
	state->items[0] = (struct state_item){
		.kind = STATE_BOOTSTRAP, .name = "bootstrap", .required = true, .status = status};
	snprintf(state->items[0].reason, sizeof state->items[0].reason, "%.250s", reason);
	if (state_write(state, options->state, &err) < 0)
		log_error("%s", err.text);
	free(state);
}

/* With whose failure it is: the agent tells others who wait for this instance. */
static void tell_failed(const struct options *options, struct service *service, const char *reason)
{
	_cleanup_(metadata_free_p) struct metadata *metadata = NULL;
	struct err err;

	if (metadata_wait(service->event, service->imds, TIMEOUT_LEAST, &metadata, &err) < 0)
		log_warning("%s", err.text);
	tell_state(options, STATE_FAILED, reason, metadata);
}

/* Who waits for user-data. */
struct waiting {
	const struct options *options;
	struct service *service;
	sd_event_source *timer;
	bool tells; /* the state: not where an apply before has said more */
	unsigned seconds;
};

static int on_waiting(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct waiting *waiting = userdata;
	struct err words;

	if (!imds_trouble(waiting->service->imds, &words))
		err_set(&words, 0, "the metadata service has not answered yet");
	if (waiting->seconds++ % SAY_EVERY == 0)
		log_notice("waiting for user-data, up to %.0f s: %s",
			(double)waiting->options->imds_timeout_usec / 1e6, words.text);
	if (waiting->tells)
		tell_state(waiting->options, STATE_WAITING, words.text, NULL);
	(void)sd_event_source_set_time(timer, usec + SECOND);
	return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* Without the timer nothing is said, and all is done. */
static void waiting_begin(struct waiting *waiting)
{
	_cleanup_(state_free_p) struct state *before = NULL;

	waiting->tells = state_read(waiting->options->state, &before, NULL) != 0;
	(void)sd_event_add_time_relative(waiting->service->event, &waiting->timer, CLOCK_BOOTTIME,
		SECOND, 0, on_waiting, waiting);
}

/*
 * The configuration with what user-data adds to it. Until that is known nothing is done: it may say
 * something else about the same volume. If the service never says, the files are what there is.
 * `ret_trouble` says why, where it may yet be heard, or is "". Returns 1 when user-data has an
 * error, which is told.
 */
static int complete_config(const struct options *options, struct service *service,
	struct config **config, struct inventory **ret_ahead, struct err *ret_trouble,
	struct err *err)
{
	const struct inventory_request request = {
		.config = *config, .state = options->state, .data = options->data};
	_cleanup_(config_layer_clear) struct config_layer layer = {0};
	_cleanup_(config_free_p) struct config *complete = NULL;
	struct waiting waiting = {.options = options, .service = service};
	struct ahead *ahead = NULL;
	struct err words;
	int r = config_layer_read(options->state, &layer, err), status = EXIT_DONE;

	if (r != -ENOENT)
		return r; /* known since boot, and loaded */
	ahead = ahead_start(&request);
	waiting_begin(&waiting);
	r = service_user_data(options, service, options->imds_timeout_usec, &layer, &words);
	(void)sd_event_source_disable_unref(waiting.timer);
	*ret_ahead = ahead_finish(ahead);
	if (r == -ENOMEM) /* it may well say something */
		return err_set(err, r, "user-data: %s", words.text);
	if (r < 0 && r != -EBADMSG) {
		log_warning("user-data is not known, the files alone count: %s", words.text);
		if (r != -EACCES) /* switched off */
			*ret_trouble = words;
		return 0;
	}
	if (r == -EBADMSG) {
		log_error("user-data: %s", words.text);
	} else if (layer.text) {
		status = command_config_with(options, &layer, &complete, &words);
	}
	if (status == EXIT_FAILED)
		return err_set(err, -ENOMEM, "user-data: %m");
	if (r < 0 || status != EXIT_DONE) {
		tell_failed(options, service, words.text);
		return 1;
	}
	if (complete) {
		config_free(*config);
		*config = steal_ptr(complete);
	}
	return config_layer_write(options->state, &layer, err);
}

/* For what comes after user-data; who this instance is, is asked for in any case. */
static uint64_t time_left(uint64_t began, uint64_t timeout_usec)
{
	uint64_t spent = clock_boot() - began,
		 least = timeout_usec < TIMEOUT_LEAST ? timeout_usec : TIMEOUT_LEAST,
		 left = spent < timeout_usec ? timeout_usec - spent : 0;

	return left > least ? left : least;
}

/* Who has asked in vain since boot comes again, and does not keep others waiting. */
static uint64_t time_to_ask(const struct options *options)
{
	uint64_t timeout_usec =
		options->imds_timeout_usec ? options->imds_timeout_usec : TIMEOUT_DEFAULT;
	_cleanup_(state_free_p) struct state *before = NULL;

	if (!options->boot || state_read(options->state, &before, NULL) < 0)
		return timeout_usec;
	for (size_t i = 0; before && i < before->n_items; i++)
		if (strcmp(before->items[i].name, APPLY_USER_DATA) == 0 &&
			before->items[i].kind == STATE_BOOTSTRAP && timeout_usec > TIMEOUT_LEAST)
			return TIMEOUT_LEAST;
	return timeout_usec;
}

/* 1: a bad configuration. */
static int run(const struct options *given, converge_prepare prepare, struct config **config,
	enum exit_status *ret_exit, struct err *err)
{
	_cleanup_close_ int lock = -1;
	struct options options = *given;
	json_t *steps = json_array();
	struct service service = {0};
	struct inventory *ahead = NULL;
	struct apply_result result;
	struct err trouble = {{0}};
	uint64_t began;
	char device[PATH_MAX];
	int r;

	(void)umask(022);
	options.imds_timeout_usec = time_to_ask(&options);
	r = canonical_device(&options, device, err);
	if (r == 0)
		r = command_lock(options.state, COMMAND_LOCK_APPLY, &lock, err);
	if (r == 1) {
		log_notice("another apply is at work; waiting for it to end");
		r = command_lock_wait(lock, UINT64_MAX, err);
	}
	if (r == 0)
		r = service_open(&options, &service, err);
	began = clock_boot();
	if (r == 0)
		r = complete_config(&options, &service, config, &ahead, &trouble, err);
	options.imds_timeout_usec = time_left(began, options.imds_timeout_usec);
	if (r == 0 && prepare)
		r = prepare(&options, *config, err);
	if (r == 0)
		r = apply_walk(&options, *config, &service, steal_ptr(ahead), trouble.text,
			options.json ? collect_report : print_report, steps, &result, err);
	inventory_free(ahead);
	service_close(&service);
	if (r == 0 && options.json)
		command_print_json(json_pack(
			"{s:s, s:O}", "status", status_name(result.status), "steps", steps));
	json_decref(steps);
	if (r == 0)
		*ret_exit = result.again ? EXIT_AGAIN : status_exit(result.status);
	return r;
}

int converge(const struct options *options, converge_prepare prepare)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	enum exit_status status = EXIT_FAILED;
	struct err err;
	int r = command_config(options, &config);

	if (r != EXIT_DONE)
		return r;
	r = run(options, prepare, &config, &status, &err);
	if (r == 1)
		return EXIT_USAGE;
	if (r == -ENODEV && options->device) { /* no failure of a unit that udev starts */
		log_notice("%s", err.text);
		return EXIT_DONE;
	}
	if (r < 0) {
		log_error("%s", err.text);
		return r == -ENODEV ? EXIT_USAGE : EXIT_FAILED;
	}
	return (int)status;
}
