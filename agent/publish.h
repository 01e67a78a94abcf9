/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish: what scaling needs, to CloudWatch (API Reference, PutMetricData): the statistic sets of
 * each period, once under the instance and, if it is in one, once under its Auto Scaling group.
 *
 * Each instance has a phase of its own within the period, so that a fleet does not knock at once.
 * There is one call at a time, with as many periods as fit. What is not delivered is held, and sent
 * in a later period, with back-off; when there is too much the oldest goes. A call that timed out
 * may have been taken nevertheless: then CloudWatch counts its samples twice, which leaves average,
 * minimum and maximum as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "aws.h"
#include "backlog.h"
#include "config.h"
#include "query.h"
#include "statistics.h"

#define PUBLISH_HELD_MAX    180  /* periods: half an hour of 10 s */
#define PUBLISH_METRICS_MAX 1000 /* in a call: CloudWatch's own bound */
/* bytes before gzip: so is this, with room for what aws.h puts in front */
#define PUBLISH_BODY_MAX   (QUERY_MAX - 1024)
#define PUBLISH_AGE_MAX    (14 * 86400ull) /* seconds: CloudWatch takes nothing older … */
#define PUBLISH_AHEAD_MAX  (2 * 3600ull)   /* … nor this far ahead */
#define PUBLISH_CALL_USEC  8000000ull      /* a call is over before the next period's */
#define PUBLISH_LAST_USEC  2000000ull
#define PUBLISH_SLOW_USEC  1000000ull /* a call that took so long is not waited for at the end */
#define PUBLISH_PAUSE_MAX  120        /* seconds: the longest back-off … */
#define PUBLISH_DENIED_FOR 300        /* … but when there is no permission */
#define PUBLISH_GROUP_MAX  255        /* characters of a group's name */
#define PUBLISH_ID_MAX     63

struct publish;

/* Metrics, as CloudWatch bills and counts them, and calls. */
struct publish_counters {
	uint64_t published, dropped /* held for too long, or too many */, refused /* by it */;
	uint64_t calls, failures;
	size_t held; /* now */
};

/* In words for people: when publishing begins to fail, and when it works again. */
typedef void (*publish_said)(bool works, const char *words, void *userdata);

/* `aws` and `config` must outlive it. Nothing is sent until both instance and group are set. */
int publish_new(sd_event *event, struct aws *aws, const struct config *config, publish_said said,
	void *userdata, struct publish **ret_publish);
struct publish *publish_free(struct publish *publish);

void publish_set_instance(struct publish *publish, const char *id);
/*
 * NULL: it is in none. -EINVAL: CloudWatch takes no such name (it is not ASCII, or too long); then
 * there are only the instance's metrics.
 */
int publish_set_group(struct publish *publish, const char *name);
bool publish_has_group(const struct publish *publish); /* or is known to be in none */

/* The second that ended at `now_usec` (CLOCK_REALTIME), statistics.h. */
void publish_add(struct publish *publish, uint64_t now_usec, const double *values);

/* Closes the period that is open and sends what is held, within PUBLISH_LAST_USEC. */
void publish_last(struct publish *publish);
bool publish_busy(const struct publish *publish);

struct publish_counters publish_counters(const struct publish *publish);

/* -- decisions -- */

struct publish_labels {
	const char *namespace, *instance;
	const char *group;                   /* NULL: in none */
	unsigned seconds;                    /* of a period */
	const struct config_volume *volumes; /* in the sets' order */
};

/*
 * Adds the namespace, and the sets of the oldest periods under both dimensions: as many periods as
 * fit into one call. Returns how many those are; ret_metrics: how many metrics.
 */
size_t publish_query(struct query *query, const struct publish_labels *labels,
	const struct backlog *backlog, size_t *ret_metrics);

/* After so many failures in a row (1 is the first): how many periods to let pass. */
unsigned publish_pause(unsigned failures, int result, unsigned seconds, uint32_t random);

CLEANUP_FOR(publish, publish_free);
