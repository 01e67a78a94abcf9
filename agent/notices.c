/* SPDX-License-Identifier: Apache-2.0 */
#include "notices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"

#define ACCURACY         100000ull /* usec */
#define CONFIRM_TIMEOUT  800000ull /* less than is left of an interval */
#define INSTANCE_ID_PATH "meta-data/instance-id"

struct source {
	struct notices *notices;
	enum notice_kind kind;
	sd_event_source *timer; /* NULL: not watched */
	bool pending, known, absent;
	struct notices_count count;
	unsigned failures; /* in a row */
};

struct notices {
	struct imds *imds;
	const struct config_lifecycle *config;
	notices_changed changed;
	notices_trouble trouble;
	void *userdata;
	unsigned troubled; /* sources that failed so often */
	struct source sources[NOTICE_KINDS];
	struct notice *standing; /* the caller's */
};

static bool same(const struct notice *a, const struct notice *b)
{
	return a->verdict == b->verdict && strcmp(a->key, b->key) == 0 &&
	       strcmp(a->state, b->state) == 0;
}

static void note_failure(struct source *source, const char *words)
{
	struct notices *notices = source->notices;

	source->count.failed++;
	if (++source->failures == NOTICES_TROUBLE && notices->troubled++ == 0)
		notices->trouble(words, notices->userdata);
}

static void note_success(struct source *source)
{
	struct notices *notices = source->notices;

	if (source->failures >= NOTICES_TROUBLE && --notices->troubled == 0)
		notices->trouble(NULL, notices->userdata);
	source->failures = 0;
}

uint64_t notices_interval(enum notice_kind kind, bool absent, bool blocked)
{
	const struct notice_source *about = &notice_sources[kind];
	uint64_t usec = absent ? about->absent_usec : about->interval_usec;

	return blocked && usec < NOTICES_BLOCKED_USEC ? NOTICES_BLOCKED_USEC : usec;
}

/* NULL: a 404 that is believed. */
static void take(struct source *source, const char *text)
{
	struct notices *notices = source->notices;
	struct notice *standing = &notices->standing[source->kind], now;
	struct err words;
	bool news;

	if (notice_parse(source->kind, text, notice_moment_now(), notices->config, &now, &words) <
		0) {
		note_failure(source, words.text);
		return;
	}
	note_success(source);
	news = !source->known || !same(&now, standing);
	source->known = true;
	source->absent = !text;
	*standing = now;
	if (news)
		notices->changed(notices->userdata);
}

/* Whether who said 404 is an instance's service. */
static void on_confirmed(struct imds_answer *answer, void *userdata)
{
	struct source *source = userdata;

	source->pending = false;
	if (answer->result == 0)
		take(source, NULL);
	else
		note_failure(source, answer->err.text);
}

static void on_answer(struct imds_answer *answer, void *userdata)
{
	struct source *source = userdata;
	bool absent = answer->result == -ENOENT;

	if (absent && !source->absent &&
		imds_get(source->notices->imds, INSTANCE_ID_PATH, CONFIRM_TIMEOUT, on_confirmed,
			source) == 0)
		return;
	source->pending = false;
	if (answer->result < 0 && !absent)
		note_failure(source, answer->err.text);
	else
		take(source, absent ? NULL : answer->body);
}

static int on_timer(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct source *source = userdata;
	const struct notice_source *about = &notice_sources[source->kind];
	uint64_t timeout = about->interval_usec / 5 * 4;
	bool blocked = source->notices->troubled > 0 && imds_answered(source->notices->imds) == 0;

	(void)usec;
	(void)sd_event_source_set_time_relative(
		timer, notices_interval(source->kind, source->absent, blocked));
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
	if (source->pending)
		return 0;
	if (timeout > NOTICES_TIMEOUT_USEC)
		timeout = NOTICES_TIMEOUT_USEC;
	source->count.asked++;
	source->pending =
		imds_get(source->notices->imds, about->path, timeout, on_answer, source) == 0;
	if (!source->pending)
		note_failure(source, "metadata service: too many questions at a time");
	return 0;
}

int notices_new(sd_event *event, struct imds *imds, bool spot,
	const struct config_lifecycle *config, struct notice standing[static NOTICE_KINDS],
	notices_changed changed, notices_trouble trouble, void *userdata,
	struct notices **ret_notices)
{
	_cleanup_(notices_free_p) struct notices *notices = calloc(1, sizeof *notices);

	if (!notices)
		return -ENOMEM;
	*notices = (struct notices){.imds = imds,
		.config = config,
		.changed = changed,
		.trouble = trouble,
		.userdata = userdata,
		.standing = standing};
	for (int kind = 0; kind < NOTICE_KINDS; kind++) {
		struct source *source = &notices->sources[kind];
		int r;

		*source = (struct source){.notices = notices, .kind = (enum notice_kind)kind};
		if (notice_sources[kind].spot && !spot)
			continue;
		r = sd_event_add_time_relative(event, &source->timer, CLOCK_BOOTTIME,
			random_bits() % NOTICES_START_USEC, ACCURACY, on_timer, source);
		if (r < 0)
			return r;
	}
	*ret_notices = steal_ptr(notices);
	return 0;
}

struct notices *notices_free(struct notices *notices)
{
	if (!notices)
		return NULL;
	for (int kind = 0; kind < NOTICE_KINDS; kind++) {
		imds_cancel(notices->imds, &notices->sources[kind]);
		(void)sd_event_source_disable_unref(notices->sources[kind].timer);
	}
	free(notices);
	return NULL;
}

bool notices_known(const struct notices *notices, enum notice_kind kind)
{
	return notices->sources[kind].known;
}

bool notices_all_known(const struct notices *notices)
{
	for (int kind = 0; kind < NOTICE_KINDS; kind++)
		if (notices->sources[kind].timer && !notices->sources[kind].known)
			return false;
	return true;
}

struct notices_count notices_counted(const struct notices *notices, enum notice_kind kind)
{
	return notices->sources[kind].count;
}
