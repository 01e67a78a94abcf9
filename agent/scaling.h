/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling: [scaling] of the configuration: each second of the agent goes to publish.h, under the
 * names that are learnt. The Auto Scaling group is the configured one, else that of the tag
 * aws:autoscaling:groupName, else what the API says.
 */
#pragma once

#include <systemd/sd-event.h>

#include "aws.h"
#include "config.h"
#include "load.h"
#include "metadata.h"
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

/* Somebody else has learnt the group's name (NULL: it is in none); nobody is asked any more. */
void scaling_set_group(struct scaling *scaling, const char *name);

/* The second that ends now is over, and sampled. */
void scaling_second(struct scaling *scaling, const struct load *load, const struct space *space);

/* publish_last(), publish_busy(), publish_counters() for these. */
struct publish *scaling_publish(const struct scaling *scaling);

CLEANUP_FOR(scaling, scaling_free);
