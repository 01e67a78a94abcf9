/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle-next: the next single thing to say about this instance to Auto Scaling, Elastic Load
 * Balancing or CloudFormation, from what is known of it. Pure: lifecycle.c does it, and what comes
 * of it is a fact of the next decision.
 *
 * Few calls: an instance in service about which nothing is to be said costs its group one
 * DescribeAutoScalingInstances when the agent starts, one of no group nothing. A state that is
 * waited for is asked for with back-off. The answer to a change of state is to ask, not to guess:
 * only a state that waits (autoscaling_waits()) is completed.
 *
 * Sources: Amazon EC2 Auto Scaling User Guide, "Amazon EC2 Auto Scaling lifecycle hooks" (limits of
 * heartbeats), "Amazon EC2 Auto Scaling instance lifecycle", "Warm pools for Amazon EC2 Auto
 * Scaling", "Retrieve the target lifecycle state through instance metadata"; AWS CloudFormation
 * User Guide, "CreationPolicy attribute".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "autoscaling.h"
#include "config.h"
#include "drain.h"
#include "status.h"

/* Usec. Who starts asks at a moment of its own within the spread: thousands may boot at once. */
#define LIFECYCLE_SPREAD     (5 * 1000000ull)
#define LIFECYCLE_ASK_FIRST  (2 * 1000000ull)  /* until the same is asked again … */
#define LIFECYCLE_ASK_MAX    (60 * 1000000ull) /* … doubled up to this */
#define LIFECYCLE_ASK_LAST   (10 * 1000000ull) /* … or this at the end: the shortest hook is 30 s */
#define LIFECYCLE_FAILED     (5 * 1000000ull) /* how long a failure lasts until it is for good */
#define LIFECYCLE_BEAT_FLOOR (1 * 1000000ull) /* between two heartbeats */

/* A hook lasts no longer than 100 times its timeout: twice as many halves. */
#define LIFECYCLE_BEATS_MAX 200
/* How often it is asked who this instance is when the group does not know it (yet). */
#define LIFECYCLE_STRANGER_MAX 5
/* How often a termination is prolonged while root does not begin to drain. */
#define LIFECYCLE_IDLE_BEATS 2

/* Of target groups and of hooks. */
#define LIFECYCLE_INDEXES CONFIG_LIST_MAX
_Static_assert(LIFECYCLE_INDEXES >= AUTOSCALING_HOOKS_MAX, "each hook has an index");

enum lifecycle_action {
	LIFECYCLE_NOTHING,
	LIFECYCLE_DEREGISTER, /* from target group `index` */
	LIFECYCLE_REGISTER,
	LIFECYCLE_ASK_STATE,
	LIFECYCLE_ASK_HOOKS,
	LIFECYCLE_COMPLETE,  /* hook `index`, by CONTINUE if `good`, else by ABANDON */
	LIFECYCLE_HEARTBEAT, /* for hook `index` */
	LIFECYCLE_SIGNAL,    /* SUCCESS if `good`, else FAILURE */
	LIFECYCLE_REPLACE,   /* SetInstanceHealth Unhealthy */
	LIFECYCLE_ACTIONS,
};

/* Times are usec of CLOCK_BOOTTIME. */
struct lifecycle_facts {
	uint64_t now;
	const struct config_lifecycle *config;

	/* how it is */
	enum status verdict;    /* apart from rotation */
	uint64_t since;         /* of the verdict */
	bool settled;           /* apply has ended: what failed does not get well by itself */
	uint64_t settled_since; /* or working since */
	bool leaving;           /* rotation.h */
	enum drain_phase phase;
	bool notices_known; /* all of them: who is not leaving stays */

	/* what its metadata says of the group */
	bool identified; /* it is known which instance this is */
	bool target_known;
	char target[sizeof((struct notice){0}.state)]; /* "" there is none: 404 */
	uint64_t target_since;                         /* 0: it was so when we came */
	bool tagged;                                   /* with a group's name */
	bool wants_group;                              /* somebody wants to know its name */
	uint64_t first_ask;                            /* not before: the spread */

	/* what Auto Scaling says; forgotten when the target changes */
	char state[sizeof((struct autoscaling_instance){0}.state)]; /* "": no such instance */
	uint64_t asked;                                             /* the last time */
	unsigned asks;
	bool hooks_known;
	struct autoscaling_hooks hooks;
	struct lifecycle_progress {
		uint64_t beat; /* the last heartbeat; 0: none yet */
		unsigned beats;
		bool done; /* completed, by us or before us */
	} progress[AUTOSCALING_HOOKS_MAX];

	/* what was done, and is kept over a restart */
	bool deregistered[CONFIG_LIST_MAX]; /* by us, by the index of target_groups */
	bool signalled;
	uint64_t replaced;              /* when Auto Scaling was told last; 0: never */
	bool stranger[CONFIG_LIST_MAX]; /* that group, or we in it, are not known there; not kept */

	bool stacked; /* tagged as part of a CloudFormation stack */

	/* After failures: lifecycle_retry(). By `index`: one refusal is no affair of others. */
	uint64_t not_before[LIFECYCLE_ACTIONS][LIFECYCLE_INDEXES];
};

struct lifecycle_step {
	enum lifecycle_action action;
	size_t index;
	bool good;
	uint64_t
		until; /* NOTHING: when to decide again, unless a fact changes; UINT64_MAX: never */
};

struct lifecycle_step lifecycle_next(const struct lifecycle_facts *facts);

/* The instance's own moment within the spread, always the same. */
uint64_t lifecycle_spread(const char *instance_id);

/*
 * How long to let an action be after failure number `failures` (1 is the first) in a row: from 5 s
 * to 5 min; after one that a person has to mend, or a role that is new everywhere (`refused`), from
 * 30 s to an hour. A quarter of it is at random (`random`: any 32 bits).
 */
uint64_t lifecycle_retry(unsigned failures, bool refused, uint32_t random);
