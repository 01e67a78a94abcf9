/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle-call: a decision of lifecycle-next.h as a call to AWS, and the answer as facts. Pure
 * but for memory.
 */
#pragma once

#include "aws.h"
#include "lifecycle-next.h"
#include "metadata.h"
#include "query.h"

/* Whom it is about. */
struct lifecycle_self {
	char instance_id[64];
	char group[AUTOSCALING_NAME_SIZE];                            /* as Auto Scaling says */
	char stack[METADATA_VALUE_MAX], resource[METADATA_VALUE_MAX]; /* of CloudFormation's tags */
};

enum aws_action lifecycle_call_action(enum lifecycle_action action);

void lifecycle_call_query(const struct lifecycle_facts *facts, const struct lifecycle_self *self,
	const struct lifecycle_step *step, struct query *query);

/* Whether the answer is about the group's target, and so about nothing when that has changed. */
bool lifecycle_call_is_of_target(enum lifecycle_action action);

/* Whether what it changes in the facts has to be kept over a restart. */
bool lifecycle_call_is_kept(enum lifecycle_action action);

/*
 * Takes a good answer (or "gone") at facts->now into the facts. `ret_words` says for the log what
 * was done, or is empty. -EBADMSG, with words: it is not what such an answer is.
 */
int lifecycle_call_take(struct lifecycle_facts *facts, struct lifecycle_self *self,
	const struct lifecycle_step *step, const struct aws_answer *answer, struct err *ret_words);
