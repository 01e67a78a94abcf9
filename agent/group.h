/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group: which Auto Scaling group this instance is in, asked of the service
 * (DescribeAutoScalingInstances) where neither configuration nor the instance's tags say so. A
 * question without an answer is asked again, after a while.
 */
#pragma once

#include <systemd/sd-event.h>

#include "aws.h"
#include "cleanup.h"

#define GROUP_TIMEOUT_USEC 30000000ull
#define GROUP_FIRST_USEC   2000000ull   /* the first question comes at random within this time */
#define GROUP_AGAIN_USEC   300000000ull /* after no answer, and at random up to as long again */

struct group;

/*
 * Called from the loop: once with the name, or with NULL when it is in none, and before that with
 * NULL and words each time when there is no answer.
 */
typedef void (*group_known)(const char *name, const char *words, void *userdata);

int group_new(sd_event *event, struct aws *aws, const char *instance_id, group_known known,
	void *userdata, struct group **ret_group);
struct group *group_free(struct group *group);

CLEANUP_FOR(group, group_free);
