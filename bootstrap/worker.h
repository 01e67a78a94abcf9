/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker: a function in a process of its own, so that it may block, and die, while the loop turns.
 * It tells how far it is; what it tells reaches the loop in order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "err.h"

#define WORKER_NOTE_MAX 512

struct worker_message {
	size_t step;                /* the worker's own count */
	bool ended;                 /* false: the step begins, or … */
	bool progress;              /* … goes on: `note` says how far it is */
	int result;                 /* when ended: 0 or a negative errno … */
	struct err err;             /* … and why */
	char note[WORKER_NOTE_MAX]; /* when ended: what was done beyond the expected */
	double seconds;
	uint64_t program_began, program_ended; /* when it ran another program; 0: it did not */
};

/* In the worker: tells the loop. */
struct worker_pipe;
void worker_tell(struct worker_pipe *pipe, const struct worker_message *message);

struct worker_calls {
	void (*run)(struct worker_pipe *pipe, void *userdata); /* in the child */
	void (*told)(const struct worker_message *message, void *userdata);
	/* It has ended, all was told; `err` (or NULL) if it died. */
	void (*done)(const struct err *err, void *userdata);
};

/* Starts a child that dies with us. SIGCHLD must be blocked. `calls` must stay valid. */
int worker_start(sd_event *event, const struct worker_calls *calls, void *userdata);
