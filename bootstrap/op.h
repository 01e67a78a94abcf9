/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op: what carries out one step of a plan, one function each. They run as root in a worker process
 * of their own (apply.c), so they may block; what they do is safe to be cut off at any point. Each
 * asks the machine again before it changes anything: the plan may be seconds old.
 */
#pragma once

#include "fetch.h" /* struct reach */
#include "plan.h"

#define OP_NOTE_MAX 400

struct op {
	const struct config *config;
	const char *state, *data; /* directories */
	const struct plan_step *step;
	char *const *files;              /* PLAN_APP: what its `files` will hold */
	struct reach reach;              /* of sources; its progress is the step's */
	uint64_t mkfs_began, mkfs_ended; /* format: when mkfs ran, clock_boot(); 0: it did not */
	char note[OP_NOTE_MAX];          /* what was done beyond the step's own words; "" nothing */
};

int op_install(struct op *op, struct err *err);
int op_update(struct op *op, struct err *err);
int op_format(struct op *op, struct err *err);
int op_mount(struct op *op, struct err *err);
int op_grow(struct op *op, struct err *err);
int op_page(struct op *op, struct err *err);
int op_release(struct op *op, struct err *err);
int op_files(struct op *op, struct err *err);
int op_link(struct op *op, struct err *err);
int op_prove(struct op *op, struct err *err);
int op_run(struct op *op, struct err *err);
