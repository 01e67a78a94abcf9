/* SPDX-License-Identifier: Apache-2.0 */
/*
 * situation: how this instance is. The agent knows more than the state (apps' health, load, what
 * was unmounted since), so it is asked first; without it the state alone decides.
 */
#pragma once

#include "command.h"
#include "drain.h"
#include "state.h"

struct situation {
	struct state *state;  /* or NULL */
	json_t *agent;        /* its /instance document, or NULL … */
	struct err agent_err; /* … and why */
	struct check checks[STATUS_CHECKS_MAX];
	size_t n_checks;
	enum status status;
	struct drain drain;
};

/*
 * Looks once; with --wait until the situation is final, or the time over. The caller clears it.
 */
void situation_look(const struct options *options, const struct config *config,
	struct service *service, struct situation *ret_situation);

/* Whether it serves, is drained, or has failed and nothing more will happen by itself. */
bool situation_is_final(const struct situation *situation);

void situation_clear(struct situation *situation);
