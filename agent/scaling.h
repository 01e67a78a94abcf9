/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling: [scaling] of the configuration: each second of the agent goes to publish.h, under the
 * names that are learnt. The Auto Scaling group is the configured one, else what lifecycle.h has
 * learnt; until that is known, nothing is sent.
 */
#pragma once

#include <systemd/sd-event.h>

#include "aws.h"
#include "config.h"
#include "load.h"
#include "metadata.h"
#include "metrics.h"
#include "publish.h"
#include "space.h"

struct scaling;

/* What goes wrong, or works again, in words for people. */
typedef void (*scaling_said)(bool works, const char *words, void *userdata);

/* `aws` and `config` must outlive it. */
int scaling_new(sd_event *event, struct aws *aws, const struct config *config, scaling_said said,
	void *userdata, struct scaling **ret_scaling);
struct scaling *scaling_free(struct scaling *scaling);

/* Who this is, whenever that is known; NULL: it is not. */
void scaling_identify(struct scaling *scaling, const struct metadata *metadata);

/*
 * The group's name is known; NULL: it is in none, or cannot be known now, and publishes as an
 * instance of none. Changes nothing where configuration says it.
 */
void scaling_set_group(struct scaling *scaling, const char *name);

/* The second that ends now is over, and sampled. */
void scaling_second(struct scaling *scaling, const struct load *load, const struct space *space);

/* Its publisher, for publish_last() and publish_busy(); NULL has none. */
struct publish *scaling_publish(const struct scaling *scaling);

/* What it counts: publish_counters(), for people and Prometheus. NULL counts nothing. */
#define SCALING_COUNTERS 5
size_t scaling_counters(
	const struct scaling *scaling, struct metric_counter ret_counters[static SCALING_COUNTERS]);

CLEANUP_FOR(scaling, scaling_free);
