/* SPDX-License-Identifier: Apache-2.0 */
/* instancectl: options, then one command of the table. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json-text.h"
#include "log.h"
#include "state.h"

#define DATA_DIRECTORY_DEFAULT "/var/lib/instanced"

static const struct command {
	const char *name;
	int (*run)(const struct options *options);
	const char *arguments; /* with a word in capitals first, or in brackets, it takes one */
	const char *does;
} commands[] = {
	{"apply", cmd_apply, "[--boot] [--device DEV]",
		"converge: volumes, index page, apps; at any time"},
	{"check", cmd_check, "[--reference]", "validate the configuration, or list all its keys"},
	{"deploy", cmd_deploy, "APP [--rollback]", "deploy an app again, or go back a release"},
	{"drain", cmd_drain, "[--reason TEXT] [--requested] [--run DIR]",
		"take this instance out of rotation, then stop its apps"},
	{"fetch", cmd_fetch, "URL [--head] [--region R] [--endpoint URL]",
		"write what an https: or s3: URL names to standard output"},
	{"metadata", cmd_metadata, "[PATH]", "read the instance's metadata (IMDSv2)"},
	{"plan", cmd_plan, "", "show what apply would do, and why, and touch nothing"},
	{"probe", cmd_probe, "URL [--wait[=SECONDS]]", "ask a health URL, until it is well"},
	{"seal", cmd_seal, "[--yes] [--root DIR]", "prepare this machine to become an AMI"},
	{"signal", cmd_signal, "[RESULT] [--wait] [--stack S --resource R]",
		"tell CloudFormation and Auto Scaling how this launch went"},
	{"status", cmd_status, "[--wait[=SECONDS]]", "how this instance is, with every check"},
	{"timeline", cmd_timeline, "[--svg]", "where the time since boot went"},
	{"undrain", cmd_undrain, "", "take a drain back, and start the apps again"},
	{"user-data", cmd_user_data, "[--baked] [--url URL --sha256 HEX]",
		"print user-data for a launch template"},
	{"volumes", cmd_volumes, "", "every attached disk, and whether it would be formatted"},
};

enum {
	OPT_CONFIG = 256,
	OPT_IMDS,
	OPT_IMDS_TIMEOUT,
	OPT_STATE,
	OPT_DATA,
	OPT_JSON,
	OPT_BOOT,
	OPT_DEVICE,
	OPT_REFERENCE,
	OPT_WAIT,
	OPT_YES,
	OPT_ROOT,
	OPT_SVG,
	OPT_BAKED,
	OPT_URL,
	OPT_SHA256,
	OPT_ROLLBACK,
	OPT_REASON,
	OPT_REQUESTED,
	OPT_RUN,
	OPT_HEAD,
	OPT_REGION,
	OPT_ENDPOINT,
	OPT_STACK,
	OPT_RESOURCE,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"imds", required_argument, NULL, OPT_IMDS},
	{"imds-timeout", required_argument, NULL, OPT_IMDS_TIMEOUT},
	{"state", required_argument, NULL, OPT_STATE},
	{"data", required_argument, NULL, OPT_DATA},
	{"json", no_argument, NULL, OPT_JSON},
	{"boot", no_argument, NULL, OPT_BOOT},
	{"device", required_argument, NULL, OPT_DEVICE},
	{"reference", no_argument, NULL, OPT_REFERENCE},
	{"wait", optional_argument, NULL, OPT_WAIT},
	{"yes", no_argument, NULL, OPT_YES},
	{"root", required_argument, NULL, OPT_ROOT},
	{"svg", no_argument, NULL, OPT_SVG},
	{"baked", no_argument, NULL, OPT_BAKED},
	{"url", required_argument, NULL, OPT_URL},
	{"sha256", required_argument, NULL, OPT_SHA256},
	{"rollback", no_argument, NULL, OPT_ROLLBACK},
	{"reason", required_argument, NULL, OPT_REASON},
	{"requested", no_argument, NULL, OPT_REQUESTED},
	{"run", required_argument, NULL, OPT_RUN},
	{"head", no_argument, NULL, OPT_HEAD},
	{"region", required_argument, NULL, OPT_REGION},
	{"endpoint", required_argument, NULL, OPT_ENDPOINT},
	{"stack", required_argument, NULL, OPT_STACK},
	{"resource", required_argument, NULL, OPT_RESOURCE},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static void print_help(FILE *out)
{
	fputs("Usage: instancectl [OPTION]... COMMAND\n"
	      "Brings an EC2 instance to what its configuration says: volumes, index page, apps.\n"
	      "\nCommands:\n",
		out);
	FOREACH_ELEMENT (i, commands)
		fprintf(out, "  %-10s%-44s%s\n", commands[i].name, commands[i].arguments,
			commands[i].does);
	fputs("\nOptions:\n"
	      "  --config FILE           configuration; conf.d/*.conf beside it are read after it\n"
	      "                          (default " CONFIG_PATH_DEFAULT ")\n"
	      "  --imds URL              metadata service, also unix:/PATH "
	      "(default " IMDS_URL_DEFAULT ",\n                          then IPv6)\n"
	      "  --imds-timeout SECONDS  how long to wait for it (default 5, apply: 120)\n"
	      "  --state DIR             state that a reboot clears "
	      "(default " STATE_DIRECTORY_DEFAULT ")\n"
	      "  --data DIR              records that a reboot keeps "
	      "(default " DATA_DIRECTORY_DEFAULT ")\n"
	      "  --json                  print JSON\n"
	      "  -v, --verbose           say more\n"
	      "  -h, --help              print this\n"
	      "  --version               print the version\n"
	      "\nExit status: 0 done, converged or ready; 1 a required step failed or was "
	      "refused;\n"
	      "2 bad usage or bad configuration, nothing touched; 3 in progress or degraded.\n",
		out);
}

static int usage(const char *what, const char *argument)
{
	fprintf(stderr, "instancectl: %s%s\nTry `instancectl --help`.\n", what, argument);
	return EXIT_USAGE;
}

static bool parse_seconds(const char *text, uint64_t *ret_usec)
{
	char *end;
	double seconds = strtod(text, &end);

	if (*end || end == text || !(seconds >= 0 && seconds <= 86400))
		return false;
	*ret_usec = (uint64_t)(seconds * 1e6);
	return true;
}

/* -1: go on; else the exit status. */
static int take_option(int option, struct options *options)
{
	switch (option) {
	case OPT_CONFIG:
		options->config = optarg;
		options->config_given = true;
		return -1;
	case OPT_IMDS:
		options->imds = optarg;
		if ((strncmp(optarg, "http://", 7) != 0 || !optarg[7]) &&
			strncmp(optarg, "unix:/", 6) != 0)
			return usage("--imds: http://… or unix:/PATH is expected, not ", optarg);
		return -1;
	case OPT_IMDS_TIMEOUT:
		if (!parse_seconds(optarg, &options->imds_timeout_usec))
			return usage(
				"--imds-timeout: a number of seconds is expected, not ", optarg);
		return -1;
	case OPT_STATE: options->state = optarg; return -1;
	case OPT_DATA: options->data = optarg; return -1;
	case OPT_JSON: options->json = true; return -1;
	case OPT_BOOT: options->boot = true; return -1;
	case OPT_DEVICE: options->device = optarg; return -1;
	case OPT_REFERENCE: options->reference = true; return -1;
	case OPT_WAIT:
		options->wait = true;
		options->wait_usec = UINT64_MAX;
		if (optarg && !parse_seconds(optarg, &options->wait_usec))
			return usage("--wait: a number of seconds is expected, not ", optarg);
		return -1;
	case OPT_YES: options->yes = true; return -1;
	case OPT_ROOT: options->root = optarg; return -1;
	case OPT_SVG: options->svg = true; return -1;
	case OPT_BAKED: options->baked = true; return -1;
	case OPT_URL: options->url = optarg; return -1;
	case OPT_SHA256: options->sha256 = optarg; return -1;
	case OPT_ROLLBACK: options->rollback = true; return -1;
	case OPT_REASON: options->reason = optarg; return -1;
	case OPT_REQUESTED: options->requested = true; return -1;
	case OPT_RUN: options->run = optarg; return -1;
	case OPT_HEAD: options->head = true; return -1;
	case OPT_REGION: options->region = optarg; return -1;
	case OPT_ENDPOINT: options->endpoint = optarg; return -1;
	case OPT_STACK: options->stack = optarg; return -1;
	case OPT_RESOURCE: options->resource = optarg; return -1;
	case 'v': options->verbose = true; return -1;
	case 'h': print_help(stdout); return EXIT_DONE;
	case OPT_VERSION: puts("instancectl " PACKAGE_VERSION); return EXIT_DONE;
	default: return usage("see the line above", "");
	}
}

/* Whether the command has an argument of its own, and must have it. */
static bool takes_argument(const struct command *command, bool *ret_required)
{
	const char *first = command->arguments;

	*ret_required = isupper((unsigned char)first[0]);
	return *ret_required || (first[0] == '[' && isupper((unsigned char)first[1]));
}

static int run_command(int argc, char **argv, struct options *options)
{
	struct err err;
	bool required;

	if (argc == 0)
		return usage("a command is expected", "");
	FOREACH_ELEMENT (i, commands) {
		if (strcmp(commands[i].name, argv[0]) != 0)
			continue;
		if (argc > 1 + takes_argument(&commands[i], &required))
			return usage("too many arguments for ", argv[0]);
		if (argc == 1 && required)
			return usage("an argument is expected: ", commands[i].arguments);
		options->argument = argv[1];
		if (geteuid() == 0 && command_check_places(options, &err) < 0) {
			log_error("%s", err.text);
			return EXIT_FAILED;
		}
		return commands[i].run(options);
	}
	return usage("there is no command ", argv[0]);
}

int main(int argc, char **argv)
{
	struct options options = {.config = CONFIG_PATH_DEFAULT,
		.state = STATE_DIRECTORY_DEFAULT,
		.data = DATA_DIRECTORY_DEFAULT};
	sigset_t child;
	int option;

	while ((option = getopt_long(argc, argv, "vh", long_options, NULL)) >= 0) {
		int status = take_option(option, &options);

		if (status >= 0)
			return status;
	}
	log_open("instancectl", options.verbose ? LOG_DEBUG : LOG_INFO);
	json_whole_or_end();
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL); /* workers' ends come through the loop */
	return run_command(argc - optind, argv + optind, &options);
}
