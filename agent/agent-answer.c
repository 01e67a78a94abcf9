/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "clock.h"

static size_t collect_checks(struct agent *agent)
{
	struct check *checks = agent->checks;
	size_t n = watch_checks(agent->watch, checks);
	const struct state *state = watch_state(agent->watch);

	for (size_t i = 0; state && i < n; i++)
		if (state->items[i].kind == STATE_APP && agent->health &&
			(checks[i].result == CHECK_PASS || checks[i].result == CHECK_WARN))
			health_check(agent->health, state->items[i].name, &checks[i]);
	return n;
}

static size_t collect_counters(struct agent *agent)
{
	struct metric_counter *counters = agent->counters;
	struct notices_count polls = {0};
	size_t n = 0;

	for (int kind = 0; kind < NOTICE_KINDS; kind++) {
		struct notices_count one =
			lifecycle_notices_counted(agent->lifecycle, (enum notice_kind)kind);

		polls.asked += one.asked;
		polls.failed += one.failed;
	}
	counters[n++] = (struct metric_counter){"instanced_http_requests",
		"Requests that were understood, whatever the answer.", agent->requests};
	counters[n++] = (struct metric_counter){"instanced_metadata_polls",
		"Times that the metadata service was asked for notices.", polls.asked};
	counters[n++] = (struct metric_counter){"instanced_metadata_polls_failed",
		"Those of them without an answer that makes sense.", polls.failed};
	n += scaling_counters(agent->scaling, counters + n);
	return n;
}

static void note_status(struct agent *agent, enum status status)
{
	if (agent->kept->ready_usec == 0 && status_serves(status))
		agent->kept->ready_usec = clock_boot();
	if (agent->since && status == agent->status)
		return;
	if (agent->since)
		log_notice("status: %s, was %s", status_name(status), status_name(agent->status));
	agent->status = status;
	agent->since = time(NULL);
	(void)sd_notifyf(0, "STATUS=%s", status_name(status));
}

void agent_render(struct agent *agent)
{
	const struct state *state = watch_state(agent->watch);
	size_t n = collect_checks(agent);
	struct load_share share = {.demand = -1};
	struct view_facts facts;
	bool out;

	lifecycle_judge(agent->lifecycle, status_decide(agent->checks, n, false));
	out = lifecycle_rotation(agent->lifecycle, &agent->checks[n]);
	n += out;
	note_status(agent, status_decide(agent->checks, n, agent->ending || out));
	(void)load_window(&agent->load, 10, &share);
	agent_check_update(agent->agent_check, agent->status, share.demand);
	facts = (struct view_facts){.metadata = state ? state->metadata : NULL,
		.title = agent->config->index.title,
		.index = watch_index(agent->watch),
		.status = agent->status,
		.since = agent->since,
		.now = time(NULL),
		.ready_usec = agent->kept->ready_usec,
		.checks = agent->checks,
		.n_checks = n,
		.load = &agent->load,
		.weight = agent_check_told(agent->agent_check),
		.counters = agent->counters};
	facts.n_counters = collect_counters(agent);
	facts.volumes = space_volumes(agent->space, &facts.n_volumes);
	if (view_render(&agent->view, &facts) < 0)
		log_error("out of memory while rendering; the answers before stay");
}

int agent_on_render(sd_event_source *source, void *userdata)
{
	(void)source;
	agent_render(userdata);
	return 0;
}

void agent_render_soon(void *userdata)
{
	struct agent *agent = userdata;

	if (agent->render)
		(void)sd_event_source_set_enabled(agent->render, SD_EVENT_ONESHOT);
}

int agent_on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	uint64_t now = usec;
	int r = load_sample(&agent->load);

	if (r < 0 && r != -ENODATA)
		log_warning("load sample: %s", strerror(-r));
	if (r == 0 && agent->scaling)
		scaling_second(agent->scaling, &agent->load, agent->space);
	(void)sd_event_now(agent->event, CLOCK_MONOTONIC, &now);
	if (now - usec > AGENT_SECOND) /* after a suspend: no burst of samples */
		usec = now;
	(void)sd_event_source_set_time(source, usec + AGENT_SECOND);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	agent_render_soon(agent);
	return 0;
}

const struct response *agent_on_request(
	const struct request *request, const struct sockaddr *peer, void *userdata)
{
	struct agent *agent = userdata;

	agent->requests++;
	return view_find(
		&agent->view, request, details_allow(&agent->details, peer, request->host));
}
