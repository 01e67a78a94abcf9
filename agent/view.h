/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: what the agent answers. One table holds every document: its path, its media type, who may
 * see it and how it is made. What load balancers ask for (/instance in its short form, but not the
 * page) is rendered when something changed, not when they ask; everything else when somebody asks,
 * at most once a change. Pure but for memory and the time that is handed in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "load.h"
#include "metrics.h"
#include "request.h"
#include "response.h"
#include "space.h"
#include "state.h"
#include "status.h"

/* What is known at this moment; what it points to is borrowed until the next view_render(). */
struct view_facts {
	const struct metadata *metadata; /* or NULL */
	const char *title;               /* of the index page, or NULL */
	const char *index;               /* the page for /, or NULL */
	enum status status;
	time_t since, now;
	uint64_t ready_usec; /* CLOCK_BOOTTIME: when this agent first answered 200; 0: not yet */
	const struct check *checks;
	size_t n_checks;
	const struct load *load;
	unsigned weight; /* what HAProxy's agent-check is told, percent; 0: it is off */
	const struct space_volume *volumes;
	size_t n_volumes;
	const struct metric_counter *counters; /* only in /metrics */
	size_t n_counters;
};

#define VIEW_DOCUMENTS_MAX 12

struct view {
	/* [document][0] the short form for everybody, [1] with details */
	struct response responses[VIEW_DOCUMENTS_MAX][2];
	bool stale[VIEW_DOCUMENTS_MAX][2]; /* older than the facts */
	struct view_facts facts;
	struct response forbidden;
};

/*
 * These are the facts from now on. -ENOMEM leaves some documents as they were, to be rendered again
 * when asked for.
 */
int view_render(struct view *view, const struct view_facts *facts);

/* The document that this request asks for; NULL: there is none (404). */
const struct response *view_find(struct view *view, const struct request *request, bool details);

void view_release(struct view *view);
