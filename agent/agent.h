/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent: all that instanced is made of, and what its parts say to each other. Private to main.c and
 * the rooms it is divided into: agent-follow.c, what is learnt; agent-answer.c, what is answered;
 * agent-start.c and agent-end.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent-check.h"
#include "cloud.h"
#include "config.h"
#include "details.h"
#include "health.h"
#include "lifecycle.h"
#include "load.h"
#include "log.h"
#include "scaling.h"
#include "server.h"
#include "space.h"
#include "view.h"
#include "watch.h"

#define AGENT_SECOND       1000000ull
#define AGENT_COUNTERS_MAX (3 + SCALING_COUNTERS)
#define AGENT_RELOAD       100 /* the loop's end when there is another configuration */

struct places {
	const char *config, *state, *run;
	const char *lasting; /* of what is known after a reboot; NULL: nowhere */
	const char *imds;    /* NULL: the service's own addresses */
	bool config_given;
};

/* Over a reload. */
struct kept {
	uint64_t ready_usec;        /* view.h */
	struct listeners listeners; /* which go on listening */
	struct config *config;      /* that it is about; NULL: to be read */
	struct config_layer user_data;
	struct health_memory health;
	struct notice notices[NOTICE_KINDS];
};

struct agent {
	const struct places *places;
	struct config_layer user_data;
	sd_event *event;
	struct config *config;
	struct details details;
	struct load load;
	struct watch *watch;
	struct cloud cloud;
	struct health *health; /* NULL until an app wants to be asked */
	struct lifecycle *lifecycle;
	struct scaling *scaling; /* NULL: nothing is published */
	struct space *space;
	struct agent_check *agent_check; /* NULL unless configured */
	struct server *server;
	/* which the view borrows; with the check "rotation" */
	struct check checks[STATUS_CHECKS_MAX + 1];
	struct metric_counter counters[AGENT_COUNTERS_MAX];
	struct view view;
	sd_event_source *second, *render, *end;
	enum status status;
	time_t since;
	struct kept *kept;
	uint64_t requests;
	bool ending, reloading;
	bool last; /* what was to be published is on its way */
};

/* -- agent-answer.c: what we know -> what we answer -- */

/* Brings everything that is told up to what is known now. */
void agent_render(struct agent *agent);

/* The same, at the end of this turn of the loop; however many ask for it, once. */
void agent_render_soon(void *agent);

int agent_on_render(sd_event_source *source, void *agent);

/* Samples the load, each second. */
int agent_on_second(sd_event_source *source, uint64_t usec, void *agent);

const struct response *agent_on_request(
	const struct request *request, const struct sockaddr *peer, void *agent);

/* -- agent-follow.c: what root, and whoever configures, says -- */

/* Into agent->config and agent->user_data; errors are logged. */
int agent_load_config(const struct places *places, struct config_layer *ret_user_data,
	struct config **ret_config);

/* The state, or what is mounted, has changed. */
void agent_on_state(void *agent);

/* The layer of user-data may have. */
int agent_on_user_data(void *agent);

int agent_on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *agent);

/* -- agent-start.c, each part by itself, in the order of main() -- */

int agent_start_load(struct agent *agent, struct err *err);
int agent_start_loop(struct agent *agent, struct err *err);
int agent_start_lifecycle(struct agent *agent, struct err *err);
int agent_start_scaling(struct agent *agent, struct err *err);
int agent_start_answering(struct agent *agent, struct err *err);

/* -- agent-end.c -- */

/* TERM, INT: who is in the middle of a request gets an answer, a 503; nobody else gets in. */
int agent_on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *agent);

/* Ends the loop when what is held has gone out; with AGENT_RELOAD, or with 0. */
int agent_end(struct agent *agent, bool reload);

void agent_stop(struct agent *agent);
