/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

/* When all have their answers, or their time is over: what is held goes, and then this agent. */
static int on_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	struct publish *publish = scaling_publish(agent->scaling);
	uint64_t step = AGENT_SECOND / 50;
	bool waits = !agent->last && !agent->reloading && server_connections(agent->server) > 0 &&
		     agent->config->lifecycle.drain_usec >= step;

	if (waits)
		agent->config->lifecycle.drain_usec -= step;
	else if (!agent->last && publish)
		publish_last(publish);
	agent->last = !waits;
	if (!waits && !publish_busy(publish))
		return sd_event_exit(agent->event, agent->reloading ? AGENT_RELOAD : 0);
	(void)sd_event_source_set_time(source, usec + step);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int agent_end(struct agent *agent, bool reload)
{
	agent->reloading = reload;
	agent->last = false;
	agent->end = sd_event_source_disable_unref(agent->end);
	if (sd_event_add_time_relative(
		    agent->event, &agent->end, CLOCK_MONOTONIC, 0, 1, on_end, agent) >= 0)
		return 0;
	return sd_event_exit(agent->event, reload ? AGENT_RELOAD : 0); /* it will not wait, then */
}

int agent_on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct agent *agent = userdata;

	(void)source, (void)info;
	if (agent->ending)
		return sd_event_exit(agent->event, 0);
	agent->ending = true;
	(void)sd_notify(0, "STOPPING=1");
	agent_render(agent);
	server_drain(agent->server);
	return agent_end(agent, false);
}

void agent_stop(struct agent *agent)
{
	if (agent->reloading && agent->server) {
		server_keep_listeners(agent->server, &agent->kept->listeners);
		agent_check_keep_listener(agent->agent_check, &agent->kept->listeners);
	}
	server_free(agent->server);
	agent_check_free(agent->agent_check);
	space_free(agent->space);
	if (agent->health)
		health_remember(agent->health, &agent->kept->health);
	health_free(agent->health);
	lifecycle_free(agent->lifecycle);
	scaling_free(agent->scaling);
	cloud_close(&agent->cloud);
	watch_free(agent->watch);
	view_release(&agent->view);
	load_free(&agent->load);
	(void)sd_event_source_disable_unref(agent->second);
	(void)sd_event_source_disable_unref(agent->render);
	(void)sd_event_source_disable_unref(agent->end);
	(void)sd_event_unref(agent->event);
	config_layer_clear(&agent->user_data);
	config_free(agent->config);
}
