/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"

#define SECOND 1000000ull

struct publish {
	sd_event *event;
	struct aws *aws;
	const struct config *config;
	publish_said said;
	void *userdata;
	char instance[PUBLISH_ID_MAX + 1]; /* "": not known yet */
	char group[PUBLISH_GROUP_MAX + 1];
	bool group_known;
	struct statistics statistics;
	struct backlog backlog;
	sd_event_source *timer; /* this period's time to send */
	uint64_t phase_usec;
	struct aws_call *call; /* NULL: none */
	uint64_t called_usec;
	size_t n_sent, n_metrics; /* periods and metrics of the call */
	uint64_t last_usec;       /* when the last call must be over; 0: the agent goes on */
	unsigned failures;        /* in a row */
	int result;               /* of the last of them */
	unsigned pause;           /* periods that are let pass */
	struct publish_counters counters;
};

static void on_answer(const struct aws_answer *answer, void *userdata);

static bool denied(int result)
{
	return result == -EACCES || result == -ENOENT;
}

unsigned publish_pause(unsigned failures, int result, unsigned seconds, uint32_t random)
{
	unsigned longest = PUBLISH_PAUSE_MAX / seconds, bound = 1;

	if (denied(result))
		return PUBLISH_DENIED_FOR / seconds;
	for (unsigned i = 1; i < failures && bound < longest; i++)
		bound *= 2;
	return random % ((bound < longest ? bound : longest) + 1);
}

/* -- what is held -- */

static size_t metrics_held(const struct publish *publish, size_t periods)
{
	return backlog_count(&publish->backlog, periods) * (publish->group[0] ? 2 : 1);
}

static void forget(struct publish *publish, size_t periods, uint64_t *counter)
{
	*counter += metrics_held(publish, periods);
	backlog_drop(&publish->backlog, periods);
}

/* CloudWatch refuses a whole call for one of these; the clock may have been set. */
static void forget_outdated(struct publish *publish, uint64_t now)
{
	struct backlog *backlog = &publish->backlog;
	size_t before = metrics_held(publish, backlog->n);

	for (size_t i = 0; i < backlog->n; i++) {
		uint64_t start = backlog_start(backlog, i);

		if (start + PUBLISH_AGE_MAX < now || start > now + PUBLISH_AHEAD_MAX)
			backlog_clear(backlog, i);
	}
	publish->counters.dropped += before - metrics_held(publish, backlog->n);
}

static void hold(struct publish *publish, const struct period *period)
{
	if (publish->backlog.n == publish->backlog.max) {
		if (publish->n_sent > 0) /* it is on its way, but not to be waited for */
			publish->n_sent--;
		forget(publish, 1, &publish->counters.dropped);
	}
	backlog_push(&publish->backlog, period);
}

/* -- sending -- */

static void failed(struct publish *publish, int result, const char *words)
{
	bool same = publish->failures > 0 && denied(publish->result) == denied(result);

	publish->failures++;
	publish->counters.failures++;
	publish->result = result;
	publish->pause = publish_pause(
		publish->failures, result, publish->statistics.seconds, random_bits());
	if (!same)
		publish->said(false, words, publish->userdata);
}

static uint64_t time_left(const struct publish *publish)
{
	uint64_t now = 0;

	if (!publish->last_usec)
		return PUBLISH_CALL_USEC;
	(void)sd_event_now(publish->event, CLOCK_MONOTONIC, &now);
	return now < publish->last_usec ? publish->last_usec - now : 0;
}

static void send_held(struct publish *publish)
{
	struct publish_labels labels = {.namespace = publish->config->scaling.namespace,
		.instance = publish->instance,
		.group = publish->group[0] ? publish->group : NULL,
		.seconds = publish->statistics.seconds,
		.volumes = publish->config->volumes};
	_cleanup_(query_clear) struct query query = {0};
	uint64_t timeout_usec = time_left(publish);
	int r;

	if (!publish->instance[0] || !publish->group_known || timeout_usec == 0)
		return;
	forget_outdated(publish, (uint64_t)time(NULL));
	publish->n_sent = publish_query(&query, &labels, &publish->backlog, &publish->n_metrics);
	if (publish->n_metrics == 0 && query.error == 0) {
		backlog_drop(&publish->backlog, publish->n_sent);
		return;
	}
	publish->counters.calls++;
	(void)sd_event_now(publish->event, CLOCK_MONOTONIC, &publish->called_usec);
	r = aws_start(publish->aws, AWS_PUT_METRIC_DATA, &query, timeout_usec, on_answer, publish,
		&publish->call);
	if (r < 0) {
		publish->n_sent = 0;
		failed(publish, r, strerror(-r));
	}
}

static void on_answer(const struct aws_answer *answer, void *userdata)
{
	struct publish *publish = userdata;
	struct publish_counters *counters = &publish->counters;

	publish->call = NULL;
	if (answer->result == 0 && publish->failures > 0)
		publish->said(true, "is published again", publish->userdata);
	if (answer->result == 0) {
		publish->failures = 0;
		counters->published += publish->n_metrics;
		backlog_drop(&publish->backlog, publish->n_sent);
	} else {
		failed(publish, answer->result, answer->err.text);
		if (answer->result == -EINVAL) /* it would be refused again */
			forget(publish, publish->n_sent, &counters->refused);
	}
	publish->n_sent = 0;
	if (answer->result == 0)
		send_held(publish);
}

static int on_phase(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct publish *publish = userdata;

	(void)source, (void)usec;
	if (publish->call)
		return 0;
	if (publish->pause > 0)
		publish->pause--;
	else
		send_held(publish);
	return 0;
}

/* -- from outside -- */

void publish_add(struct publish *publish, uint64_t now_usec, const double *values)
{
	struct period closed;
	int waiting = SD_EVENT_OFF;

	if (!statistics_add(&publish->statistics, now_usec, values, &closed))
		return;
	hold(publish, &closed);
	(void)sd_event_source_get_enabled(publish->timer, &waiting);
	if (waiting != SD_EVENT_OFF) /* it is about to be sent, then with this one */
		return;
	(void)sd_event_source_set_time_relative(publish->timer, publish->phase_usec);
	(void)sd_event_source_set_enabled(publish->timer, SD_EVENT_ONESHOT);
}

void publish_last(struct publish *publish)
{
	struct period closed;
	uint64_t now = 0;

	(void)sd_event_source_set_enabled(publish->timer, SD_EVENT_OFF);
	(void)sd_event_now(publish->event, CLOCK_MONOTONIC, &now);
	publish->last_usec = now + PUBLISH_LAST_USEC;
	if (publish->call && now > publish->called_usec + PUBLISH_SLOW_USEC) {
		aws_cancel(publish->call); /* it waits for a better time, and there is none */
		publish->call = NULL;
		publish->n_sent = 0;
	}
	if (statistics_close(&publish->statistics, &closed))
		hold(publish, &closed);
	if (!publish->call)
		send_held(publish);
}

bool publish_busy(const struct publish *publish)
{
	return publish && publish->call && time_left(publish) > 0;
}

void publish_set_instance(struct publish *publish, const char *id)
{
	snprintf(publish->instance, sizeof publish->instance, "%s", id);
}

int publish_set_group(struct publish *publish, const char *name)
{
	bool good = name && strlen(name) <= PUBLISH_GROUP_MAX;

	for (const char *c = name; good && *c; c++)
		good = *c >= ' ' && *c <= '~';
	snprintf(publish->group, sizeof publish->group, "%s", good ? name : "");
	publish->group_known = true;
	return good || !name ? 0 : -EINVAL;
}

bool publish_has_group(const struct publish *publish)
{
	return publish->group_known;
}

struct publish_counters publish_counters(const struct publish *publish)
{
	struct publish_counters counters = publish->counters;

	counters.held = metrics_held(publish, publish->backlog.n);
	return counters;
}

int publish_new(sd_event *event, struct aws *aws, const struct config *config, publish_said said,
	void *userdata, struct publish **ret_publish)
{
	_cleanup_(publish_free_p) struct publish *publish = calloc(1, sizeof *publish);
	uint64_t period_usec = config->scaling.period_usec;
	int r;

	if (!publish)
		return -ENOMEM;
	*publish = (struct publish){.event = sd_event_ref(event),
		.aws = aws,
		.config = config,
		.said = said,
		.userdata = userdata,
		.phase_usec = random_bits() % period_usec};
	statistics_init(&publish->statistics, (unsigned)(period_usec / SECOND), config->n_volumes);
	r = backlog_init(&publish->backlog, &publish->statistics, PUBLISH_HELD_MAX);
	if (r >= 0)
		r = sd_event_add_time(
			event, &publish->timer, CLOCK_MONOTONIC, 0, 1, on_phase, publish);
	if (r >= 0)
		r = sd_event_source_set_enabled(publish->timer, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret_publish = steal_ptr(publish);
	return 0;
}

struct publish *publish_free(struct publish *publish)
{
	if (!publish)
		return NULL;
	aws_cancel(publish->call);
	(void)sd_event_source_disable_unref(publish->timer);
	(void)sd_event_unref(publish->event);
	backlog_release(&publish->backlog);
	free(publish);
	return NULL;
}
