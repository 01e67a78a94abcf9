/* SPDX-License-Identifier: Apache-2.0 */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#define UNKNOWN -1

const char *timeline_group_name(enum timeline_group group)
{
	static const char *const names[] = {
		[TIMELINE_KERNEL] = "kernel",
		[TIMELINE_SYSTEM] = "system",
		[TIMELINE_INSTANCED] = "instanced",
		[TIMELINE_APPS] = "apps",
	};

	return names[group];
}

int64_t timeline_tick(int64_t length, unsigned most)
{
	static const int steps[] = {1, 2, 5};

	for (int64_t power = 1;; power *= 10)
		FOREACH_ELEMENT (i, steps)
			if (power > INT64_MAX / 100 || power * steps[i] * most >= length)
				return power * steps[i];
}

/* -- from facts to spans -- */

static struct timeline_span *add(struct timeline *timeline, enum timeline_group group,
	const char *what, int64_t began, int64_t ended)
{
	struct timeline_span *span = &timeline->spans[timeline->n];

	if (timeline->n == TIMELINE_SPANS_MAX)
		return span - 1;
	timeline->n++;
	*span = (struct timeline_span){
		.group = group, .began = began, .ended = ended < began ? began : ended};
	snprintf(span->what, sizeof span->what, "%s", what);
	for (char *c = span->what; *c; c++)
		if (*c < ' ' || *c > '~') /* char may be unsigned: then the second says it */
			*c = '?';
	return span;
}

static void add_boot(struct timeline *timeline, const struct timeline_facts *facts)
{
	int64_t firmware = -(int64_t)facts->firmware, loader = -(int64_t)facts->loader,
		initrd = (int64_t)facts->initrd, userspace = (int64_t)facts->userspace;

	if (firmware < loader)
		add(timeline, TIMELINE_KERNEL, "firmware", firmware, loader);
	if (loader < 0)
		add(timeline, TIMELINE_KERNEL, "loader", loader, 0);
	if (userspace)
		add(timeline, TIMELINE_KERNEL, "kernel", 0, initrd ? initrd : userspace);
	if (userspace && initrd)
		add(timeline, TIMELINE_KERNEL, "initrd", initrd, userspace);
	if (userspace)
		add(timeline, TIMELINE_SYSTEM, "systemd", userspace,
			(int64_t)(facts->finish ? facts->finish : facts->now))
			->open = facts->finish == 0;
}

/* One that is not starting and was never active after its start has failed, or ended at once. */
static void add_unit(struct timeline *timeline, const struct timeline_unit *unit,
	const struct timeline_facts *facts)
{
	uint64_t began = unit->began ? unit->began : unit->active;

	if (began)
		add(timeline, unit->group, unit->name, (int64_t)began,
			(int64_t)(unit->starting ? facts->now : unit->active))
			->open = unit->starting;
}

static const struct state_moment *first(const struct state *state, const char *what)
{
	for (size_t i = 0; i < state->n_moments; i++)
		if (strcmp(state->moments[i].what, what) == 0)
			return &state->moments[i];
	return NULL;
}

static void add_moments(struct timeline *timeline, const struct state *state)
{
	for (size_t i = 0; i < state->n_moments; i++) {
		const struct state_moment *moment = &state->moments[i];
		bool app = strncmp(moment->what, "app ", strlen("app ")) == 0;

		add(timeline, app ? TIMELINE_APPS : TIMELINE_INSTANCED, moment->what,
			(int64_t)moment->began, (int64_t)moment->ended);
	}
}

/* What lies between the start of the bootstrap and the first answer of the metadata service. */
static void add_wait(struct timeline *timeline, const struct timeline_facts *facts)
{
	for (size_t i = 0; i < facts->n_units; i++) {
		const struct timeline_unit *unit = &facts->units[i];

		if (strcmp(unit->name, "instance-bootstrap.service") == 0 && unit->began &&
			(int64_t)unit->began < timeline->reachable)
			add(timeline, TIMELINE_INSTANCED, "wait for metadata", (int64_t)unit->began,
				timeline->reachable)
				->wait = true;
	}
}

/* -- the sum -- */

static bool is_mkfs(const struct state_moment *moment)
{
	const char *colon = strrchr(moment->what, ':');

	return colon && strcmp(colon, ": mkfs") == 0;
}

/* How long something was formatted in this time; what happened at once counts once. */
static int64_t formatting(const struct state *state, int64_t from, int64_t to)
{
	int64_t sum = 0;

	while (from < to) {
		int64_t began = to, ended = to;

		for (size_t i = 0; i < state->n_moments; i++) {
			const struct state_moment *moment = &state->moments[i];

			if (is_mkfs(moment) && (int64_t)moment->ended > from &&
				(int64_t)moment->began < began) {
				began = (int64_t)moment->began;
				ended = (int64_t)moment->ended;
			}
		}
		began = began < from ? from : began;
		ended = ended > to ? to : ended;
		sum += ended - began;
		from = ended;
	}
	return sum;
}

/*
 * An agent that began when the boot and the first apply were over was started anew: its first 200
 * is not the instance's.
 */
static bool knows_ready(const struct timeline_facts *facts)
{
	const struct state_moment *apply = first(facts->state, "apply");

	return facts->ready && !(facts->finish && facts->agent > facts->finish && apply &&
				       facts->agent > apply->ended);
}

static void sum_up(struct timeline *timeline, const struct timeline_facts *facts)
{
	const struct state_moment *metadata = first(facts->state, "metadata");
	char *words = timeline->words;
	size_t size = sizeof timeline->words;

	if (metadata && facts->state->metadata)
		timeline->reachable = (int64_t)metadata->began;
	if (!facts->ready)
		snprintf(words, size, "%s", facts->words ? facts->words : "not ready yet");
	else if (!knows_ready(facts))
		snprintf(words, size,
			"when the instance was ready is not known: its agent began only %.3f s "
			"after the kernel",
			(double)facts->agent / 1e6);
	else
		timeline->ready = (int64_t)facts->ready;
	if (timeline->ready < 0)
		return;
	snprintf(words, size, "ready %.3f s after the kernel started",
		(double)timeline->ready / 1e6);
	if (timeline->reachable < 0)
		return;
	timeline->own =
		timeline->ready <= timeline->reachable
			? 0
			: timeline->ready - timeline->reachable -
				  formatting(facts->state, timeline->reachable, timeline->ready);
	snprintf(words + strlen(words), size - strlen(words),
		"; instanced's own share %.3f s (metadata reachable → first 200, less mkfs)",
		(double)timeline->own / 1e6);
}

/* -- what is seen -- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/*
 * Up to the end of the boot, of the first apply, or the first 200, whichever is last: a volume that
 * is attached next week must not squeeze all that into one column. And without the boot where
 * instanced came to a machine that was long up.
 */
static void choose(struct timeline *timeline, const struct timeline_facts *facts)
{
	const struct state *state = facts->state;
	const struct state_moment *apply = first(state, "apply");
	int64_t end = later(timeline->ready, (int64_t)facts->finish), begin = INT64_MIN;

	end = apply ? later(end, (int64_t)apply->ended) : INT64_MAX;
	if (facts->finish && state->n_moments && state->moments[0].began > facts->finish)
		begin = (int64_t)facts->finish;
	timeline->from = INT64_MAX;
	timeline->to = INT64_MIN;
	for (size_t i = 0; i < timeline->n; i++) {
		struct timeline_span *span = &timeline->spans[i];

		span->shown = span->began <= end && span->ended > begin;
		if (!span->shown)
			continue;
		timeline->n_shown++;
		timeline->from = span->began < timeline->from ? span->began : timeline->from;
		timeline->to = later(timeline->to, span->ended);
	}
	if (timeline->n_shown == 0)
		timeline->from = timeline->to = 0;
	timeline->to = later(timeline->to, timeline->from + 1);
}

static int order(const void *x, const void *y)
{
	const struct timeline_span *a = x, *b = y;

	return a->group != b->group   ? (int)a->group - (int)b->group
	       : a->began != b->began ? (a->began < b->began ? -1 : 1)
	       : a->ended != b->ended ? (a->ended > b->ended ? -1 : 1)
				      : strcmp(a->what, b->what);
}

void timeline_make(const struct timeline_facts *facts, struct timeline *ret_timeline)
{
	struct timeline *timeline = ret_timeline;

	*timeline = (struct timeline){.metadata = facts->state->metadata,
		.reachable = UNKNOWN,
		.ready = UNKNOWN,
		.own = UNKNOWN};
	sum_up(timeline, facts);
	add_boot(timeline, facts);
	for (size_t i = 0; i < facts->n_units; i++)
		add_unit(timeline, &facts->units[i], facts);
	add_wait(timeline, facts);
	add_moments(timeline, facts->state);
	if (timeline->ready >= 0)
		add(timeline, TIMELINE_INSTANCED, "first 200", timeline->ready, timeline->ready);
	choose(timeline, facts);
	qsort(timeline->spans, timeline->n, sizeof timeline->spans[0], order);
}

json_t *timeline_to_json(const struct timeline *timeline)
{
	const struct {
		const char *name;
		int64_t usec;
	} sums[] = {{"metadataUsec", timeline->reachable}, {"readyUsec", timeline->ready},
		{"ownUsec", timeline->own}};
	json_t *json = json_object(), *list = json_array();

	FOREACH_ELEMENT (i, sums)
		(void)json_object_set_new(json, sums[i].name,
			sums[i].usec < 0 ? json_null() : json_integer(sums[i].usec));
	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_span *span = &timeline->spans[i];

		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:o, s:b}", "group",
				      timeline_group_name(span->group), "what", span->what,
				      "beganUsec", (json_int_t)span->began, "endedUsec",
				      span->open ? json_null() : json_integer(span->ended), "wait",
				      span->wait));
	}
	(void)json_object_set_new(json, "summary", json_string(timeline->words));
	(void)json_object_set_new(json, "spans", list);
	return json;
}
