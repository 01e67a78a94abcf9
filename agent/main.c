/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instanced: the agent. Samples the load each second, follows the state that root writes, asks the
 * apps how they are, and has every answer ready before somebody asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent-check.h"
#include "cloud.h"
#include "config.h"
#include "details.h"
#include "health.h"
#include "imds.h"
#include "lifecycle.h"
#include "load.h"
#include "log.h"
#include "server.h"
#include "space.h"
#include "view.h"
#include "watch.h"

#define SECOND       1000000ull
#define COUNTERS_MAX 16
#define RELOAD       100 /* the loop's end when there is another configuration */

struct places {
	const char *config, *state, *imds, *run; /* imds: NULL: its own addresses */
	bool config_given;
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
	struct lifecycle *lifecycle;
	struct health *health;
	struct space *space;
	struct agent_check *agent_check; /* NULL unless configured */
	struct server *server;
	struct check checks[STATUS_CHECKS_MAX + 1];   /* and "rotation"; the view borrows them */
	struct metric_counter counters[COUNTERS_MAX]; /* likewise */
	struct view view;
	sd_event_source *second, *render, *end;
	enum status status;
	time_t since;
	uint64_t *ready_usec; /* view.h; kept over a reload */
	bool draining;
	uint64_t requests;
};

/* -- what we know -> what we answer -- */

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
	struct notices_count notices = {0};
	size_t n = 0;

	counters[n++] = (struct metric_counter){"instanced_http_requests",
		"Requests that were understood, whatever the answer.", agent->requests};
	for (int kind = 0; kind < NOTICE_KINDS; kind++) {
		struct notices_count one =
			lifecycle_notices_counted(agent->lifecycle, (enum notice_kind)kind);

		notices.asked += one.asked;
		notices.failed += one.failed;
	}
	counters[n++] = (struct metric_counter){"instanced_metadata_requests",
		"Questions to the metadata service for notices.", notices.asked};
	counters[n++] = (struct metric_counter){"instanced_metadata_failures",
		"Those without an answer that makes sense.", notices.failed};
	return n;
}

static void note_status(struct agent *agent, enum status status)
{
	if (*agent->ready_usec == 0 && status_serves(status))
		*agent->ready_usec = state_now();
	if (agent->since && status == agent->status)
		return;
	if (agent->since)
		log_notice("status: %s, was %s", status_name(status), status_name(agent->status));
	agent->status = status;
	agent->since = time(NULL);
	(void)sd_notifyf(0, "STATUS=%s", status_name(status));
}

static int on_render(sd_event_source *source, void *userdata)
{
	struct agent *agent = userdata;
	const struct state *state = watch_state(agent->watch);
	size_t n = collect_checks(agent);
	struct load_share share = {.demand = -1};
	struct view_facts facts;
	bool out;

	(void)source;
	lifecycle_judge(agent->lifecycle, status_decide(agent->checks, n, false));
	out = lifecycle_rotation(agent->lifecycle, &agent->checks[n]);
	n += out;
	note_status(agent, status_decide(agent->checks, n, agent->draining || out));
	(void)load_window(&agent->load, 10, &share);
	agent_check_update(agent->agent_check, agent->status, share.demand);
	facts = (struct view_facts){.metadata = state ? state->metadata : NULL,
		.title = agent->config->index.title,
		.index = watch_index(agent->watch),
		.status = agent->status,
		.since = agent->since,
		.now = time(NULL),
		.ready_usec = *agent->ready_usec,
		.checks = agent->checks,
		.n_checks = n,
		.load = &agent->load,
		.weight = agent_check_told(agent->agent_check),
		.counters = agent->counters};
	facts.n_counters = collect_counters(agent);
	facts.volumes = space_volumes(agent->space, &facts.n_volumes);
	if (view_render(&agent->view, &facts) < 0)
		log_error("out of memory while rendering; the answers before stay");
	return 0;
}

/* However many things change at a time, there is one rendering. */
static void render_soon(void *userdata)
{
	struct agent *agent = userdata;

	if (agent->render)
		(void)sd_event_source_set_enabled(agent->render, SD_EVENT_ONESHOT);
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	uint64_t now = usec;
	int r = load_sample(&agent->load);

	if (r < 0 && r != -ENODATA)
		log_warning("load sample: %s", strerror(-r));
	(void)sd_event_now(agent->event, CLOCK_MONOTONIC, &now);
	if (now - usec > SECOND) /* after a suspend: no burst of samples */
		usec = now;
	(void)sd_event_source_set_time(source, usec + SECOND);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	render_soon(agent);
	return 0;
}

/* -- apps -- */

static int watch_health(struct agent *agent, const struct state_item *item)
{
	int r = 0;

	if (!agent->health)
		r = health_new(agent->event, agent->cloud.http, &agent->config->health, render_soon,
			agent, &agent->health);
	return r < 0 ? r : health_watch(agent->health, item->name, item->release, item->health);
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

static void on_state(void *userdata)
{
	struct agent *agent = userdata;
	const struct state *state = watch_state(agent->watch);

	if (agent->health)
		health_begin(agent->health);
	for (size_t i = 0; state && i < state->n_items; i++) {
		const struct state_item *item = &state->items[i];

		if (item->kind == STATE_APP && item->health[0] && watch_health(agent, item) < 0)
			log_error("app %s: its health cannot be asked for", item->name);
	}
	if (agent->health)
		health_end(agent->health);
	follow_space(agent, state);
	lifecycle_follow(agent->lifecycle, state, watch_drain(agent->watch));
	(void)on_render(NULL, agent); /* now: the view still borrows of the state before */
}

/* -- what happens to the instance -- */

static void on_said(int level, const char *words, void *userdata)
{
	(void)userdata;
	log_print(level, "%s", words);
}

static int start_lifecycle(struct agent *agent, struct err *err)
{
	static const struct lifecycle_events events = {.changed = render_soon, .said = on_said};
	const struct config *config = agent->config;
	int r = cloud_open(
		&agent->cloud, agent->event, agent->places->imds, config->aws.endpoint, err);

	if (r < 0)
		return r;
	r = lifecycle_new(agent->event, agent->cloud.imds, agent->cloud.aws, config,
		agent->places->run, &events, agent, &agent->lifecycle);
	return r < 0 ? err_set(err, r, "lifecycle: %m") : 0;
}

/* -- requests -- */

static const struct response *on_request(
	const struct request *request, const struct sockaddr *peer, void *userdata)
{
	struct agent *agent = userdata;

	agent->requests++;
	return view_find(&agent->view, request, details_allow(&agent->details, peer));
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
		r = server_listen(agent->server, agent->config->agent.listen.items[i], err);
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

/* -- configuration -- */

static int load_config(
	const struct places *places, struct config_layer *ret_user_data, struct config **ret_config)
{
	struct config_problems problems = {0};
	int r;

	(void)config_layer_read(places->state, ret_user_data);
	r = config_load(places->config, places->config_given, ret_user_data, ret_config, &problems);
	config_problems_log(&problems);
	config_problems_clear(&problems);
	return r;
}

/* Begins anew with what is configured now; what has an error does not replace what works. */
static void reload(struct agent *agent)
{
	_cleanup_(config_layer_clear) struct config_layer user_data = {0};
	_cleanup_(config_free_p) struct config *config = NULL;

	if (agent->draining || load_config(agent->places, &user_data, &config) < 0)
		return;
	log_notice("reading the configuration again");
	(void)sd_event_exit(agent->event, RELOAD);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source, (void)info;
	reload(userdata);
	return 0;
}

static void on_user_data(void *userdata)
{
	struct agent *agent = userdata;
	_cleanup_(config_layer_clear) struct config_layer now = {0};

	if (config_layer_read(agent->places->state, &now) == 0 &&
		(now.length != agent->user_data.length ||
			(now.text && memcmp(now.text, agent->user_data.text, now.length) != 0)))
		reload(agent);
}

/* -- beginning and end -- */

static int on_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct agent *agent = userdata;
	uint64_t step = SECOND / 50;

	if (server_connections(agent->server) == 0 || agent->config->lifecycle.drain_usec < step)
		return sd_event_exit(agent->event, 0);
	agent->config->lifecycle.drain_usec -= step;
	(void)sd_event_source_set_time(source, usec + step);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* TERM, INT: who is in the middle of a request gets an answer, a 503; nobody else gets in. */
static int on_terminate(
	sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct agent *agent = userdata;

	(void)source, (void)info;
	if (agent->draining)
		return sd_event_exit(agent->event, 0);
	agent->draining = true;
	(void)sd_notify(0, "STOPPING=1");
	(void)on_render(NULL, agent);
	server_drain(agent->server);
	return sd_event_add_time_relative(
		agent->event, &agent->end, CLOCK_MONOTONIC, 0, 1, on_end, agent);
}

static int start_load(struct agent *agent, struct err *err)
{
	int r = load_open(&agent->load, "/proc");

	return r < 0 ? err_set(err, r, "/proc: %m") : 0;
}

static int start_loop(struct agent *agent, struct err *err)
{
	sigset_t signals;
	int r = sd_event_default(&agent->event);

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	if (r >= 0)
		r = sd_event_add_signal(agent->event, NULL, SIGTERM, on_terminate, agent);
	if (r >= 0)
		r = sd_event_add_signal(agent->event, NULL, SIGINT, on_terminate, agent);
	if (r >= 0)
		r = sd_event_add_signal(agent->event, NULL, SIGHUP, on_hangup, agent);
	if (r >= 0)
		r = sd_event_add_time_relative(
			agent->event, &agent->second, CLOCK_MONOTONIC, 0, 1, on_second, agent);
	if (r >= 0)
		r = sd_event_add_defer(agent->event, &agent->render, on_render, agent);
	if (r >= 0)
		r = sd_event_set_watchdog(agent->event, true);
	return r < 0 ? err_set(err, r, "event loop: %m") : 0;
}

static int start_answering(struct agent *agent, struct err *err)
{
	const char *state = agent->places->state;
	struct server_limits limits = SERVER_LIMITS_DEFAULT;
	int r = watch_new(agent->event, state, on_state, on_user_data, agent, &agent->watch);

	if (r >= 0)
		r = server_new(agent->event, &limits, on_request, agent, &agent->server);
	if (r >= 0)
		r = space_new(agent->event, SPACE_INTERVAL_USEC, &agent->space);
	if (r < 0)
		return err_set(err, r, "%s: %m", state);
	r = listen_all(agent, err);
	if (r == 0 && agent->config->agent.agent_check)
		r = agent_check_new(
			agent->event, agent->config->agent.agent_check, &agent->agent_check, err);
	if (r < 0)
		return r;
	on_state(agent); /* the first request finds an answer */
	log_addresses(agent);
	(void)sd_notify(0, "READY=1");
	return 0;
}

static void agent_stop(struct agent *agent)
{
	server_free(agent->server);
	agent_check_free(agent->agent_check);
	space_free(agent->space);
	health_free(agent->health);
	lifecycle_free(agent->lifecycle);
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

/* An exit status, or RELOAD. */
static int agent_run(const struct places *places, uint64_t *ready_usec)
{
	struct agent agent = {.places = places, .ready_usec = ready_usec};
	struct err err;
	int r = load_config(places, &agent.user_data, &agent.config);

	if (r < 0) {
		config_layer_clear(&agent.user_data);
		return EXIT_USAGE;
	}
	load_init(&agent.load, (unsigned)sysconf(_SC_CLK_TCK));
	r = details_read(&agent.config->agent.details, &agent.details, &err);
	if (r == 0)
		r = start_load(&agent, &err);
	if (r == 0)
		r = start_loop(&agent, &err);
	if (r == 0)
		r = start_lifecycle(&agent, &err);
	if (r == 0)
		r = start_answering(&agent, &err);
	if (r < 0)
		log_error("%s", err.text);
	else
		r = sd_event_loop(agent.event);
	agent_stop(&agent);
	return r < 0 ? EXIT_FAILED : r;
}

static const char help[] =
	"Usage: instanced [OPTION]...\n"
	"Answers load balancers at /instance, measures the CPU load, checks volumes and apps.\n"
	"Runs in the foreground; ends on TERM when open requests are answered.\n"
	"\nOptions:\n"
	"  --config FILE   configuration; conf.d/*.conf beside it are read after it\n"
	"                  (default " CONFIG_PATH_DEFAULT ")\n"
	"  --imds URL      metadata service (default " IMDS_URL_DEFAULT ")\n"
	"  --run DIR       the agent's own directory, where root sees what it asks for\n"
	"                  (default " DRAIN_RUN_DEFAULT ")\n"
	"  --state DIR     where instancectl apply writes the state "
	"(default " STATE_DIRECTORY_DEFAULT ")\n"
	"  --json          accepted: answers are JSON anyway\n"
	"  -v, --verbose   say more\n"
	"  -h, --help      print this\n"
	"  --version       print the version\n"
	"\nExit status: 0 ended as told; 1 it cannot run, as when a port is in use; 2 bad usage "
	"or\n"
	"configuration.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"imds", required_argument, NULL, 'i'},
		{"run", required_argument, NULL, 'r'},
		{"state", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct places places = {.config = CONFIG_PATH_DEFAULT,
		.state = STATE_DIRECTORY_DEFAULT,
		.run = DRAIN_RUN_DEFAULT};
	uint64_t ready_usec = 0;
	bool verbose = false;
	int option, status;

	while ((option = getopt_long(argc, argv, "vh", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			places.config = optarg;
			places.config_given = true;
			break;
		case 'i': places.imds = optarg; break;
		case 'r': places.run = optarg; break;
		case 's': places.state = optarg; break;
		case 'j': break;
		case 'v': verbose = true; break;
		case 'h': fputs(help, stdout); return EXIT_DONE;
		case 'V': puts("instanced " PACKAGE_VERSION); return EXIT_DONE;
		default: fputs("Try `instanced --help`.\n", stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "instanced: unexpected argument \"%s\"\nTry `instanced --help`.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	log_open("instanced", verbose ? LOG_DEBUG : LOG_INFO);
	while ((status = agent_run(&places, &ready_usec)) == RELOAD)
		;
	return status;
}
