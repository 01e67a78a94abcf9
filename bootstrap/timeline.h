/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline: where the time since boot went: from what systemd, the state and the agent know to
 * spans, and from spans to text, SVG and JSON. Pure.
 *
 * All times are microseconds since the kernel started, on CLOCK_BOOTTIME. systemd's are on
 * CLOCK_MONOTONIC, which is the same until a first suspend.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "state.h"

enum timeline_group { TIMELINE_KERNEL, TIMELINE_SYSTEM, TIMELINE_INSTANCED, TIMELINE_APPS };

#define TIMELINE_WHAT_MAX  96
#define TIMELINE_UNITS_MAX 112
#define TIMELINE_SPANS_MAX (STATE_MOMENTS_MAX + TIMELINE_UNITS_MAX + 8)
#define TIMELINE_WORDS_MAX 400

/* A unit's last start. */
struct timeline_unit {
	enum timeline_group group;
	char name[TIMELINE_WHAT_MAX];
	uint64_t began, active; /* 0: never */
	bool starting;          /* at this moment */
};

/* What is known. Borrowed; a time of 0 is not known. */
struct timeline_facts {
	const struct state *state;
	/* org.freedesktop.systemd1(5), "…TimestampMonotonic"; the first two count backwards */
	uint64_t firmware, loader, initrd, userspace, finish;
	const struct timeline_unit *units;
	size_t n_units;
	uint64_t agent;    /* when the agent that runs now began */
	uint64_t ready;    /* when it first answered 200 … */
	const char *words; /* … or why that is not known */
	uint64_t now;
};

struct timeline_span {
	enum timeline_group group;
	char what[TIMELINE_WHAT_MAX]; /* printable ASCII */
	int64_t began, ended;         /* the same: a moment. Before the kernel: negative */
	bool open;                    /* not over: ended is now */
	bool wait;                    /* for somebody else */
	bool shown;                   /* else long before or after what is to be seen; timeline.c */
};

struct timeline {
	const struct metadata *metadata;                /* of the facts, or NULL */
	struct timeline_span spans[TIMELINE_SPANS_MAX]; /* by group, then by time */
	size_t n, n_shown;
	int64_t from, to;   /* what is shown; from < to */
	int64_t reachable;  /* when the metadata service first answered; -1: not known */
	int64_t ready, own; /* the first 200, and instanced's own share of it; -1: not known */
	char words[TIMELINE_WORDS_MAX]; /* all that in a sentence */
};

void timeline_make(const struct timeline_facts *facts, struct timeline *ret_timeline);

/*
 * How far apart marks stand on an axis of so many microseconds, at most `most` of them: 1, 2 or 5
 * times a power of ten.
 */
int64_t timeline_tick(int64_t length, unsigned most);

const char *timeline_group_name(enum timeline_group group);

/* One line a span, `width` columns wide (but not less than is readable), as show.h shows things. */
void timeline_print(const struct timeline *timeline, unsigned width, FILE *out);

/* A whole SVG document, for itself: no script, nothing to fetch, light or dark as the reader is. */
void timeline_svg(const struct timeline *timeline, FILE *out);

/* Every span, those not shown too. */
json_t *timeline_to_json(const struct timeline *timeline);
