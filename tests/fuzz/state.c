/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.json and drain.json: what was read is written and read again as the same, and every check
 * that follows has a name.
 *
 * Covers: bootstrap/core/state.c bootstrap/core/drain.c
 */
#include "state.h"

#include <errno.h>

#include "drain.h"
#include "fuzz.h"

static void check_state(const char *text, size_t size)
{
	_cleanup_(state_free_p) struct state *state = NULL, *again = NULL;
	static struct check checks[STATUS_CHECKS_MAX];
	_cleanup_free_ char *written = NULL;
	json_t *json, *json_again;
	size_t n;
	int r = state_parse(text, size, &state);

	must(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	n = state_checks(state, checks);
	must(n == state->n_items && n <= STATUS_CHECKS_MAX);
	for (size_t i = 0; i < n; i++)
		must(checks[i].name[0]);
	must(status_decide(checks, n, false) <= STATUS_FAILED);
	json = state_to_json(state);
	written = json_dumps(json, 0);
	must(written && state_parse(written, strlen(written), &again) == 0);
	json_again = state_to_json(again);
	must(json_equal(json, json_again));
	json_decref(json);
	json_decref(json_again);
}

static void check_drain(const char *text, size_t size)
{
	struct drain drain = {0}, again = {0};
	_cleanup_free_ char *written = NULL;
	int r = drain_parse(text, size, &drain);

	must(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	must(strcmp(drain_phase_name(drain.phase), "none") != 0 || !drain_holds(&drain));
	written = drain_text(&drain);
	must(written && drain_parse(written, strlen(written), &again) == 0);
	must(drain.phase == again.phase && drain.since == again.since &&
		drain.until == again.until);
	must(strncmp(drain.key, again.key, strlen(again.key)) == 0 &&
		strncmp(drain.reason, again.reason, strlen(again.reason)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_state((const char *)data, size);
	check_drain((const char *)data, size);
	return 0;
}
