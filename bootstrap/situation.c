/* SPDX-License-Identifier: Apache-2.0 */
#include "situation.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "clock.h"

#define POLL (300ull * 1000)

/* The agent tells reasons only to those in `details`; the state knows those of its own. */
static void add_reason(const struct state *state, struct check *check)
{
	struct check checks[STATUS_CHECKS_MAX];
	size_t n = check->reason[0] ? 0 : state_checks(state, checks);

	for (size_t i = 0; i < n; i++)
		if (strcmp(checks[i].name, check->name) == 0)
			memcpy(check->reason, checks[i].reason, sizeof check->reason);
}

/* The agent's checks, in place of those that follow from the state alone. */
static void take_checks(struct situation *situation)
{
	json_t *list = json_object_get(situation->agent, "checks"), *one;
	size_t i;

	situation->n_checks = 0;
	json_array_foreach (list, i, one) {
		struct check *check = &situation->checks[situation->n_checks];
		const char *name = "", *status = "", *reason = "";
		struct err words;

		(void)json_unpack(one, "{s:s, s:s, s?s}", "name", &name, "status", &status,
			"reason", &reason);
		*check = (struct check){.required = strcmp(status, "fail") == 0,
			.result = strcmp(status, "pass") == 0   ? CHECK_PASS
				  : strcmp(status, "warn") == 0 ? CHECK_WARN
								: CHECK_FAIL};
		snprintf(check->name, sizeof check->name, "%s", name);
		err_set(&words, 0, "%s", reason); /* the agent's, on root's terminal */
		snprintf(check->reason, sizeof check->reason, "%.*s", (int)sizeof check->reason - 1,
			words.text);
		if (check->result != CHECK_PASS)
			add_reason(situation->state, check);
		if (++situation->n_checks == STATUS_CHECKS_MAX)
			break;
	}
}

static void look_once(const struct options *options, const struct config *config,
	struct service *service, struct situation *ret)
{
	const char *status;

	*ret = (struct situation){0};
	(void)state_read(options->state, &ret->state, NULL);
	ret->n_checks = state_checks(ret->state, ret->checks);
	(void)drain_read(options->state, &ret->drain, NULL);
	ret->status = status_decide(ret->checks, ret->n_checks, drain_holds(&ret->drain));
	ret->agent = ask_agent(config, service, "/instance", &ret->agent_err);
	status = json_string_value(json_object_get(ret->agent, "status"));
	for (int s = STATUS_STARTING; status && s <= STATUS_FAILED; s++)
		if (strcmp(status, status_name((enum status)s)) == 0)
			ret->status = (enum status)s;
	if (status)
		take_checks(ret);
}

void situation_clear(struct situation *situation)
{
	situation->state = state_free(situation->state);
	json_decref(situation->agent);
	situation->agent = NULL;
}

bool situation_is_final(const struct situation *situation)
{
	return status_serves(situation->status) || situation->drain.phase == DRAIN_DRAINED ||
	       (situation->status == STATUS_FAILED && situation->state &&
		       situation->state->settled);
}

void situation_look(const struct options *options, const struct config *config,
	struct service *service, struct situation *ret_situation)
{
	uint64_t start = clock_boot();

	look_once(options, config, service, ret_situation);
	while (options->wait && !situation_is_final(ret_situation) &&
		clock_boot() - start < options->wait_usec) {
		situation_clear(ret_situation);
		(void)nanosleep(&(struct timespec){.tv_nsec = POLL * 1000}, NULL);
		look_once(options, config, service, ret_situation);
	}
}
