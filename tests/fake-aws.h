/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-aws: stands in for aws.c by linking. A test scripts the answers as a table; every call is
 * written down. Time is the event loop's own.
 */
#pragma once

#include "aws.h"

#define FAKE_AWS_SILENT 1000000u /* delay_ms: until the call's own time limit */

struct fake_aws_answer {
	enum aws_action action; /* which it answers: the first row that fits and is not used up */
	unsigned times;         /* how often; 0: always */
	int result;
	bool gone;
	const char *code, *words; /* "" unless set */
	const char *json;         /* the result element; NULL: an empty one */
	unsigned delay_ms;
};

struct fake_aws_call {
	enum aws_action action;
	char *query;           /* without Action and Version */
	uint64_t timeout_usec; /* and when it came: CLOCK_MONOTONIC */
	uint64_t usec;
};

#define FAKE_AWS_CALLS_MAX 256
extern struct fake_aws_call fake_aws_calls[FAKE_AWS_CALLS_MAX];
extern size_t fake_aws_n_calls;

/* Starts anew with these rows, which stay the caller's; what no row fits is -EPROTO. */
void fake_aws_script(const struct fake_aws_answer *answers, size_t n);
#define FAKE_AWS_SCRIPT(...)                                                                       \
	fake_aws_script((const struct fake_aws_answer[]){__VA_ARGS__},                             \
		sizeof((const struct fake_aws_answer[]){__VA_ARGS__}) /                            \
			sizeof(struct fake_aws_answer))

/* Calls of this action so far. */
size_t fake_aws_count(enum aws_action action);

/* Calls under way. */
size_t fake_aws_pending(void);
