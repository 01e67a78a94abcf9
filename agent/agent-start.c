/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "agent.h"

#define FILES_OF_OTHERS 128 /* agent-check, clients of metadata and apps, what is read */

static void on_said(int level, const char *words, void *userdata)
{
	(void)userdata;
	log_print(level, "%s", words);
}

static void on_group(const char *name, void *userdata)
{
	struct agent *agent = userdata;

	if (agent->scaling)
		scaling_set_group(agent->scaling, name);
}

int agent_start_lifecycle(struct agent *agent, struct err *err)
{
	static const struct lifecycle_events events = {
		.changed = agent_render_soon, .group = on_group, .said = on_said};
	int r = lifecycle_new(agent->event, agent->cloud.imds, agent->cloud.aws, agent->config,
		agent->places->run, agent->places->lasting, agent->kept->notices, &events, agent,
		&agent->lifecycle);

	return r < 0 ? err_set(err, r, "lifecycle: %m") : 0;
}

static void on_scaling(bool works, const char *words, void *userdata)
{
	(void)userdata;
	log_print(works ? LOG_NOTICE : LOG_WARNING, "scaling: %s", words);
}

int agent_start_scaling(struct agent *agent, struct err *err)
{
	int r = 0;

	if (agent->config->scaling.cloudwatch)
		r = scaling_new(agent->event, agent->cloud.aws, agent->config, on_scaling, agent,
			&agent->scaling);
	return r < 0 ? err_set(err, r, "scaling: %m") : 0;
}

int agent_start_load(struct agent *agent, struct err *err)
{
	int r = load_open(&agent->load, "/proc");

	return r < 0 ? err_set(err, r, "/proc: %m") : 0;
}

int agent_start_loop(struct agent *agent, struct err *err)
{
	sigset_t signals;
	int r = sd_event_default(&agent->event);

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	if (r >= 0)
		r = sd_event_add_signal(agent->event, NULL, SIGTERM, agent_on_terminate, agent);
	if (r >= 0)
		r = sd_event_add_signal(agent->event, NULL, SIGINT, agent_on_terminate, agent);
	if (r >= 0)
		r = sd_event_add_signal(agent->event, NULL, SIGHUP, agent_on_hangup, agent);
	if (r >= 0)
		r = sd_event_add_time_relative(agent->event, &agent->second, CLOCK_MONOTONIC, 0, 1,
			agent_on_second, agent);
	if (r >= 0)
		r = sd_event_add_defer(agent->event, &agent->render, agent_on_render, agent);
	if (r >= 0)
		r = sd_event_set_watchdog(agent->event, true);
	return r < 0 ? err_set(err, r, "event loop: %m") : 0;
}

/* Whether somebody listens there by this configuration. */
static bool is_wanted(const struct config *config, const char *address)
{
	const char *agent_check = config->agent.agent_check;

	for (size_t i = 0; i < config->agent.listen.n; i++)
		if (strcmp(config->agent.listen.items[i], address) == 0)
			return true;
	return agent_check && strcmp(agent_check, address) == 0;
}

/* First, because the same place may have another name now. */
static void close_unwanted(struct agent *agent)
{
	struct listeners *kept = &agent->kept->listeners;

	for (size_t i = kept->n; i-- > 0;)
		if (!is_wanted(agent->config, kept->items[i].address))
			listeners_close(kept, i);
}

static int listen_all(struct agent *agent, struct err *err)
{
	int passed = sd_listen_fds(false), r = 0;

	for (int i = 0; r == 0 && i < passed; i++) { /* the original stays, for a reload */
		int fd = fcntl(SD_LISTEN_FDS_START + i, F_DUPFD_CLOEXEC, 0);

		r = fd < 0 ? -errno : server_adopt(agent->server, fd);
	}
	if (r < 0)
		return err_set(err, r, "socket activation: %m");
	for (size_t i = 0; passed <= 0 && r == 0 && i < agent->config->agent.listen.n; i++)
		r = server_listen(agent->server, &agent->kept->listeners,
			agent->config->agent.listen.items[i], err);
	return r;
}

static void log_addresses(const struct agent *agent)
{
	char address[LISTENER_ADDRESS_MAX];

	for (size_t i = 0; server_address(agent->server, i, address) == 0; i++)
		log_info("listening on %s", address);
	if (agent->agent_check && agent_check_address(agent->agent_check, address) == 0)
		log_info("answering agent-check on %s", address);
}

/* Connections leave the descriptors that all else needs, where LimitNOFILE is not the unit's. */
static struct server_limits limits_here(void)
{
	struct server_limits limits = SERVER_LIMITS_DEFAULT;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
		files.rlim_cur < limits.max_connections + FILES_OF_OTHERS)
		limits.max_connections = files.rlim_cur > 2 * FILES_OF_OTHERS
						 ? files.rlim_cur - FILES_OF_OTHERS
						 : FILES_OF_OTHERS;
	return limits;
}

int agent_start_answering(struct agent *agent, struct err *err)
{
	const char *state = agent->places->state;
	struct server_limits limits = limits_here();
	int r = watch_new(
		agent->event, state, agent_on_state, agent_on_user_data, agent, &agent->watch);

	if (r >= 0)
		r = server_new(agent->event, &limits, agent_on_request, agent, &agent->server);
	if (r >= 0)
		r = space_new(agent->event, SPACE_INTERVAL_USEC, &agent->space);
	if (r < 0)
		return err_set(err, r, "%s: %m", state);
	close_unwanted(agent);
	r = listen_all(agent, err);
	if (r == 0 && agent->config->agent.agent_check)
		r = agent_check_new(agent->event, &agent->kept->listeners,
			agent->config->agent.agent_check, &agent->agent_check, err);
	if (r < 0)
		return r;
	agent_on_state(agent); /* the first request finds an answer */
	log_addresses(agent);
	(void)sd_notify(0, "READY=1");
	return 0;
}
