/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent-check: HAProxy's auxiliary health check (its configuration manual, "agent-check"). Whoever
 * connects gets one line and the end of the connection; what he says is not looked at.
 *
 * Each line says everything that HAProxy keeps of the lines before: the administrative state, the
 * operating state, and the weight while requests are wanted. So no state of before sticks.
 */
#pragma once

#include <stddef.h>

#include "cleanup.h"
#include "err.h"
#include "listener.h"
#include "status.h"

#define AGENT_CHECK_LINE_MAX        64
#define AGENT_CHECK_CONNECTIONS_MAX 32 /* at which a newcomer displaces the oldest */

#define AGENT_CHECK_WEIGHT_MAX  100 /* percent of the configured weight, up to … */
#define AGENT_CHECK_DEMAND      0.5 /* … this demand; from there it falls to … */
#define AGENT_CHECK_WEIGHT_MIN  10 /* … this at a demand of 1: a busy instance stays in rotation */
#define AGENT_CHECK_WEIGHT_STEP 10 /* smaller changes are not told, but for the two ends */

struct sd_event;
struct agent_check;

/*
 * The weight to tell after `previous` (0: none yet), by the demand (load.h; negative: not known,
 * which changes nothing). Pure.
 */
unsigned agent_check_weight(unsigned previous, double demand);

/* The line for a status, with its LF: "ready up 85%", "drain", "ready down #starting". Pure. */
void agent_check_line(
	enum status status, unsigned weight, char ret_line[static AGENT_CHECK_LINE_MAX]);

/*
 * Listens on an address as listeners_open(), and says that it is starting. Never blocks the loop,
 * of which a reference is held.
 */
int agent_check_new(struct sd_event *event, struct listeners *kept, const char *address,
	struct agent_check **ret_agent_check, struct err *err);

/* Gives the listener away, when it is about to be freed. */
void agent_check_keep_listener(struct agent_check *agent_check, struct listeners *kept);

/*
 * What is said from now on; to be called at each change and once a second. `agent_check` may be
 * NULL.
 */
void agent_check_update(struct agent_check *agent_check, enum status status, double demand);

/* The weight that is told, in percent; 0 for NULL. */
unsigned agent_check_told(const struct agent_check *agent_check);

int agent_check_address(
	const struct agent_check *agent_check, char ret_text[static LISTENER_ADDRESS_MAX]);

/* Takes NULL, and returns it. */
struct agent_check *agent_check_free(struct agent_check *agent_check);
CLEANUP_FOR(agent_check, agent_check_free);
