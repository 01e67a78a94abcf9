/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the instance out of rotation: because a person says so, or because the agent has asked for
 * it and the metadata service says so too.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "confirm.h"
#include "draining.h"
#include "log.h"
#include "show.h"

#define CLEAR_LINE    "\r\033[K" /* progress is written over */
#define PERSON_REASON "a person asked for it"

/* What is told at the end, as JSON. */
struct words {
	json_t *steps; /* NULL: told as it happens */
	char text[ERR_TEXT_MAX];
};

/* -- words -- */

static const struct {
	const char *name, *mark;
	enum show_colour colour;
} outcomes[] = {
	[DRAINING_PROGRESS] = {"progress", "·", SHOW_DIM},
	[DRAINING_DONE] = {"done", "~", SHOW_GOOD},
	[DRAINING_FAILED] = {"failed", "✗", SHOW_BAD},
};

static void collect_report(const struct draining_report *report, struct words *words)
{
	if (report->outcome != DRAINING_PROGRESS)
		(void)json_array_append_new(words->steps,
			json_pack("{s:s, s:s, s:s, s:s, s:f}", "subject", report->subject, "what",
				report->what, "outcome", outcomes[report->outcome].name, "text",
				report->text, "seconds", report->seconds));
}

static void on_report(const struct draining_report *report, void *userdata)
{
	enum show_colour colour = outcomes[report->outcome].colour;
	/* A terminal that takes colours takes a line that is written over, too. */
	bool redraws = *show_colour(stdout, SHOW_PLAIN);
	struct words *words = userdata;

	if (words->steps) {
		collect_report(report, words);
		return;
	}
	if (report->outcome == DRAINING_PROGRESS && !redraws)
		return; /* for somebody who watches */
	printf("%s%s%s %-14s%s %s: ", redraws ? CLEAR_LINE : "", show_colour(stdout, colour),
		outcomes[report->outcome].mark, report->subject, show_colour(stdout, SHOW_PLAIN),
		report->what);
	if (report->outcome != DRAINING_PROGRESS)
		printf("%s in %.2f s%s", outcomes[report->outcome].name, report->seconds,
			report->text[0] ? ": " : "");
	printf("%s%s", report->text, report->outcome == DRAINING_PROGRESS ? "" : "\n");
	(void)fflush(stdout);
}

static void say(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct words *words, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(words->text, sizeof words->text, format, ap);
	va_end(ap);
	if (!words->steps) {
		puts(words->text);
		(void)fflush(stdout);
	}
}

static void print_json(const struct drain *drain, struct words *words)
{
	command_print_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:O}", "phase",
		drain_phase_name(drain->phase), "text", words->text, "key", drain->key, "reason",
		drain->reason, "since", (json_int_t)drain->since, "until", (json_int_t)drain->until,
		"failed", drain->failed, "steps", words->steps));
}

/* -- why -- */

/* 1: the service does not say so. */
static int confirm(const struct options *options, const struct config *config,
	const struct drain *now, struct notice *ret_why, time_t *ret_at, struct words *words,
	struct err *err)
{
	struct notice notices[NOTICE_KINDS];
	const struct notice *chosen;
	struct err trouble;
	int r = confirm_ask(options, &config->lifecycle, notices, &trouble, err);

	if (r < 0)
		return r;
	chosen = draining_choose(notices, now);
	if (!chosen && trouble.text[0])
		return err_set(err, -EAGAIN, "not confirmed: %s", trouble.text);
	if (!chosen) {
		say(words, "not confirmed: the metadata service gives no reason to drain");
		return 1;
	}
	*ret_why = *chosen;
	*ret_at = draining_earliest(notices, now, time(NULL));
	return 0;
}

/* `ret_why` is not set when there is something to go on with: that was confirmed when it began. */
static int find_reason(const struct options *options, const struct config *config,
	const struct drain *now, struct notice *ret_why, time_t *ret_at, struct words *words,
	struct err *err)
{
	bool under_way = now->phase == DRAIN_DRAINING || now->phase == DRAIN_STOPPING;
	int r;

	if (!options->requested) {
		*ret_why = (struct notice){.verdict = NOTICE_DRAIN, .key = DRAINING_PERSON};
		snprintf(ret_why->reason, sizeof ret_why->reason, "%s",
			options->reason ? options->reason : PERSON_REASON);
		return 0;
	}
	r = confirm(options, config, now, ret_why, ret_at, words, err);
	if (r == 0 || !under_way)
		return r;
	if (r < 0)
		log_warning("%s; going on with what was begun", err->text);
	*ret_why = (struct notice){.verdict = NOTICE_NOTHING};
	return 0;
}

/* -- doing it -- */

static int act(
	struct draining *draining, const struct notice *why, struct words *words, struct err *err)
{
	struct drain *drain = &draining->drain;
	struct notice decisive = *why;
	enum draining_work work;
	struct drain next;
	int r = 0;

	if (why->at && (!draining->at || why->at < draining->at))
		draining->at = why->at;
	decisive.at = draining->at; /* of all that stand: the end does not wait for its reason */
	work = draining_decide(drain, why->key[0] ? &decisive : NULL, &draining->config->lifecycle,
		time(NULL), &next);
	if (work != DRAINING_NOTHING)
		r = drain_write(draining->options->state, &next, err);
	if (r < 0)
		return r;
	*drain = next;
	switch (work) {
	case DRAINING_NOTHING:
		say(words,
			drain->phase == DRAIN_DRAINED
				? "is drained already: %s"
				: "was taken back by `instancectl undrain`, and stays so: %s",
			drain->reason);
		return 0;
	case DRAINING_NOTE:
		say(words, "is drained already; now also because %s", drain->reason);
		return 0;
	case DRAINING_BEGIN: say(words, "draining: %s", drain->reason); break;
	case DRAINING_GO_ON:
		say(words, "going on with a drain that was cut off: %s", drain->reason);
		break;
	}
	r = draining_run(draining, err);
	if (r == 0)
		say(words, "drained: %s%s%s", drain->reason, drain->failed[0] ? "; failed: " : "",
			drain->failed);
	return r;
}

static int run(const struct options *options, const struct config *config, struct words *words,
	struct draining *draining, struct err *err)
{
	_cleanup_close_ int lock = -1;
	struct notice why = {.verdict = NOTICE_NOTHING};
	int r = command_lock(options->state, COMMAND_LOCK_DRAIN, &lock, err);

	if (r == 1) { /* which heeds the request: it is not taken from it */
		log_notice("another drain is at work; waiting for it to end");
		r = command_lock_wait(lock, UINT64_MAX, err);
	}
	if (r == 0 && options->requested)
		r = confirm_take_request(options, err);
	if (r >= 0)
		r = drain_read(options->state, &draining->drain, err);
	if (r == 0)
		r = find_reason(options, config, &draining->drain, &why, &draining->at, words, err);
	return r == 0 ? act(draining, &why, words, err) : r;
}

static bool is_line(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

static bool is_good(const struct options *options)
{
	json_t *text = options->reason ? json_string(options->reason) : NULL; /* UTF-8 */
	bool good = !options->reason || (text && !options->requested && is_line(options->reason) &&
						strlen(options->reason) < NOTICE_REASON_MAX);

	json_decref(text);
	if (!good)
		log_error("--reason: %s",
			options->requested
				? "with --requested it is the metadata service that gives it"
				: "a line of UTF-8 of at most 255 bytes is expected");
	return good;
}

int cmd_drain(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	struct words words = {.steps = options->json ? json_array() : NULL};
	struct draining draining = {.options = options, .tell = on_report, .userdata = &words};
	struct err err;
	int r = is_good(options) ? command_config(options, &config) : EXIT_USAGE;

	if (r != EXIT_DONE) {
		json_decref(words.steps);
		return r;
	}
	draining.config = config;
	r = run(options, config, &words, &draining, &err);
	if (r < 0)
		log_error("%s", err.text);
	else if (words.steps)
		print_json(&draining.drain, &words);
	json_decref(words.steps);
	return r < 0 || (r == 0 && draining.drain.failed[0]) ? EXIT_FAILED : EXIT_DONE;
}
