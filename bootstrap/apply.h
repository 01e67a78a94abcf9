/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: walks plans until there is nothing left to do. Each round takes the inventory, makes the
 * plan, starts a worker for every subject (a volume, the page, an app) that has a step to take and
 * no worker yet, and writes the state; the next round follows when a worker ends, metadata
 * arrives, or a device may have. So what is late holds up only what needs it.
 */
#pragma once

#include "command.h"
#include "inventory.h"
#include "plan.h"
#include "state.h"

#define APPLY_USER_DATA "user-data" /* the item of the state that says it is not known */

enum apply_outcome {
	APPLY_BEGINS,
	APPLY_PROGRESS, /* the text says how far the step is */
	APPLY_DONE,
	APPLY_KEPT,
	APPLY_FAILED,
	APPLY_WAITS,
	APPLY_REFUSED
};

/* Told to the caller as it happens; APPLY_KEPT, _WAITS and _REFUSED at the end, once each. */
struct apply_report {
	char subject[96];
	const struct plan_step *step; /* valid during the call */
	enum apply_outcome outcome;
	const char *text; /* note, reason or error */
	double seconds;   /* of the subject's worker; 0 */
};
typedef void (*apply_tell)(const struct apply_report *report, void *userdata);

struct apply_result {
	enum status status; /* that the state, or the one app that was asked for, has */
	/* options->boot: the metadata service has not said all, and is to be asked again; the state
	 * is not settled then */
	bool again;
};

/*
 * Converges. `service` answers metadata, for at most options->imds_timeout_usec. `ahead`, which is
 * taken over, is what is known of the machine already, or NULL; `user_data_trouble` why user-data
 * is not known though there may be some, or "". A negative errno with words when it could not even
 * look. -ENODEV: options->device or options->app is none of the configuration's, and nothing was
 * done.
 */
int apply_walk(const struct options *options, const struct config *config, struct service *service,
	struct inventory *ahead, const char *user_data_trouble, apply_tell tell, void *userdata,
	struct apply_result *ret_result, struct err *err);
