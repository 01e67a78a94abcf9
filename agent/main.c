/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instanced: the agent. Samples the load each second, follows the state that root writes, asks the
 * apps how they are, takes part in the instance's lifecycle, and has every answer ready before
 * somebody asks.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "confine.h"
#include "json-text.h"

/* An exit status, or AGENT_RELOAD. */
static int agent_run(const struct places *places, struct kept *kept)
{
	struct agent agent = {.places = places, .kept = kept};
	struct err err;
	int r = kept->config ? 0 : agent_load_config(places, &kept->user_data, &kept->config);

	if (r < 0) {
		config_layer_clear(&kept->user_data);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	agent.config = steal_ptr(kept->config);
	agent.user_data = kept->user_data;
	kept->user_data = (struct config_layer){0};
	load_init(&agent.load, (unsigned)sysconf(_SC_CLK_TCK));
	r = details_read(&agent.config->agent.details, &agent.details, &err);
	if (r == 0)
		r = agent_start_load(&agent, &err);
	if (r == 0)
		r = agent_start_loop(&agent, &err);
	if (r == 0)
		r = cloud_open(
			&agent.cloud, agent.event, places->imds, agent.config->aws.endpoint, &err);
	if (r == 0)
		r = agent_start_lifecycle(&agent, &err);
	if (r == 0)
		r = agent_start_scaling(&agent, &err);
	if (r == 0)
		r = agent_start_answering(&agent, &err);
	if (r == 0) {
		r = sd_event_loop(agent.event);
		err_set(&err, r, "event loop: %m");
	}
	if (r < 0)
		log_error("%s", err.text);
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
	"  --imds URL      metadata service, also unix:/PATH (default " IMDS_URL_DEFAULT ")\n"
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

/* systemd.exec(5): the first of those that the unit names. */
static const char *state_directory(void)
{
	static char first[PATH_MAX];
	const char *all = getenv("STATE_DIRECTORY");

	snprintf(first, sizeof first, "%.*s", all ? (int)strcspn(all, ":") : 0, all ? all : "");
	return first[0] ? first : NULL;
}

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
		.run = DRAIN_RUN_DEFAULT,
		.lasting = state_directory()};
	struct kept kept = {0};
	bool verbose = false;
	struct err err;
	int option, status, r;

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
	json_whole_or_end();
	r = confine_process(&err);
	if (r < 0) /* a build that is made to be watched is no surprise */
		log_print(r == -EOPNOTSUPP ? LOG_DEBUG : LOG_WARNING, "%s", err.text);
	while ((status = agent_run(&places, &kept)) == AGENT_RELOAD)
		;
	config_layer_clear(&kept.user_data);
	config_free(kept.config);
	return status;
}
