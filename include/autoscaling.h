/* SPDX-License-Identifier: Apache-2.0 */
/*
 * autoscaling: what an Auto Scaling group thinks of this instance, and what is said to it: the
 * queries of the actions in aws.h, and what their answers mean. Pure but for memory.
 *
 * Source: Amazon EC2 Auto Scaling API Reference (2011-01-01); User Guide, "Amazon EC2 Auto Scaling
 * lifecycle hooks", "Amazon EC2 Auto Scaling instance lifecycle".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "query.h"

#define AUTOSCALING_GROUP_TAG "aws:autoscaling:groupName"

#define AUTOSCALING_NAME_SIZE 1024 /* 255 characters of UTF-8 */
#define AUTOSCALING_HOOKS_MAX 50   /* the service's own limit for a group */

struct autoscaling_instance {
	char group[AUTOSCALING_NAME_SIZE];
	char state[48];  /* LifecycleState: "InService", "Pending:Wait", "Warmed:Pending:Wait" */
	char health[16]; /* "HEALTHY", "UNHEALTHY" */
};

struct autoscaling_hook {
	char name[256];
	bool launching;             /* else terminating */
	unsigned heartbeat_timeout; /* seconds */
	bool abandons;              /* what happens when nobody completes the action in time */
};

struct autoscaling_hooks {
	struct autoscaling_hook items[AUTOSCALING_HOOKS_MAX];
	size_t n;
};

/* DescribeAutoScalingInstances, DescribeLifecycleHooks */
void autoscaling_query_instance(struct query *query, const char *instance_id);
void autoscaling_query_hooks(struct query *query, const char *group);

/* CompleteLifecycleAction (CONTINUE, or else ABANDON), RecordLifecycleActionHeartbeat */
void autoscaling_query_complete(struct query *query, const char *group, const char *hook,
	const char *instance_id, bool go_on);
void autoscaling_query_heartbeat(
	struct query *query, const char *group, const char *hook, const char *instance_id);

/* SetInstanceHealth: Unhealthy, after the group's grace period */
void autoscaling_query_unhealthy(struct query *query, const char *instance_id);

/*
 * Of the answer to DescribeAutoScalingInstances. -ENOENT: the instance is in no group; -EBADMSG: it
 * is no such answer.
 */
int autoscaling_read_instance(const json_t *answer, const char *instance_id,
	struct autoscaling_instance *ret_instance, struct err *err);

/* Of the answer to DescribeLifecycleHooks; none is no error. */
int autoscaling_read_hooks(
	const json_t *answer, struct autoscaling_hooks *ret_hooks, struct err *err);

/* Whether a lifecycle action is to be completed in this state, at launch or at termination. */
bool autoscaling_waits(const char *state, bool launching);
