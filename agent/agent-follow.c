/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"

#define HEALTH_PATIENCE (60 * AGENT_SECOND) /* [app] ready_timeout, by default */

int agent_load_config(
	const struct places *places, struct config_layer *ret_user_data, struct config **ret_config)
{
	struct config_problems problems = {0};
	struct err err;
	int r = config_layer_read(places->state, ret_user_data, &err);

	if (r < 0 && r != -ENOENT) {
		log_error("%s", err.text);
		return r;
	}
	r = config_load(places->config, places->config_given, ret_user_data, ret_config, &problems);
	config_problems_log(&problems);
	config_problems_clear(&problems);
	return r;
}

/*
 * Begins anew with what is configured now; what has an error does not replace what works. It is not
 * read a second time: it may have an error by then.
 */
static int reload(struct agent *agent)
{
	_cleanup_(config_layer_clear) struct config_layer user_data = {0};
	struct kept *kept = agent->kept;
	struct config *config = NULL;
	int r = agent->ending ? -EBUSY : agent_load_config(agent->places, &user_data, &config);

	if (r < 0)
		return r;
	config_free(kept->config);
	config_layer_clear(&kept->user_data);
	kept->config = config;
	kept->user_data = user_data;
	user_data = (struct config_layer){0};
	log_notice("reading the configuration again");
	if (!agent->end)
		(void)agent_end(agent, true);
	return 0;
}

int agent_on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source, (void)info;
	(void)reload(userdata);
	return 0;
}

int agent_on_user_data(void *userdata)
{
	struct agent *agent = userdata;
	_cleanup_(config_layer_clear) struct config_layer now = {0};
	int r = config_layer_read(agent->places->state, &now, NULL);

	if (r == 0 &&
		(now.length != agent->user_data.length ||
			(now.text && memcmp(now.text, agent->user_data.text, now.length) != 0)))
		r = reload(agent);
	return r;
}

/* An app of the state that is not configured (any more) has what is usual. */
static uint64_t patience(const struct config *config, const char *app)
{
	for (size_t i = 0; i < config->n_apps; i++)
		if (strcmp(config->apps[i].name, app) == 0)
			return config->apps[i].ready_timeout_usec;
	return HEALTH_PATIENCE;
}

static int watch_health(struct agent *agent, const struct state_item *item)
{
	int r = 0;

	if (!agent->health)
		r = health_new(agent->event, agent->cloud.http, &agent->config->health,
			&agent->kept->health, agent_render_soon, agent, &agent->health);
	return r < 0 ? r
		     : health_watch(agent->health, item->name, item->release, item->health,
			       patience(agent->config, item->name));
}

static void follow_space(struct agent *agent, const struct state *state)
{
	struct space_volume volumes[SPACE_VOLUMES_MAX];
	size_t n = 0;

	for (size_t i = 0; state && i < state->n_items && n < SPACE_VOLUMES_MAX; i++) {
		const struct state_item *item = &state->items[i];

		if (!watch_mounted(agent->watch, item))
			continue;
		snprintf(volumes[n].name, sizeof volumes[n].name, "%s", item->name);
		snprintf(volumes[n].path, sizeof volumes[n].path, "%s", item->path);
		n++;
	}
	space_follow(agent->space, volumes, n);
}

void agent_on_state(void *userdata)
{
	struct agent *agent = userdata;
	const struct state *state = watch_state(agent->watch);

	if (agent->health)
		health_begin(agent->health);
	for (size_t i = 0; state && i < state->n_items; i++) {
		const struct state_item *item = &state->items[i];

		/* One that waits to run begins anew then: what it said before counts no more. */
		if (item->kind == STATE_APP && item->health[0] && item->status != STATE_WAITING &&
			watch_health(agent, item) < 0)
			log_error("app %s: its health cannot be asked for", item->name);
	}
	if (agent->health)
		health_end(agent->health);
	follow_space(agent, state);
	lifecycle_follow(agent->lifecycle, state, watch_drain(agent->watch));
	if (agent->scaling)
		scaling_identify(agent->scaling, state ? state->metadata : NULL);
	agent_render(agent); /* now: the view still borrows of the state before */
}
