/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command: what main() hands to each command, and the commands themselves; one file each,
 * cmd-NAME.c. A command returns an exit status (err.h).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "imds.h"

struct options {
	const char *config;         /* path */
	bool config_given;          /* then it must exist */
	const char *imds;           /* URL; NULL: the service's own addresses */
	uint64_t imds_timeout_usec; /* 0: the command's own choice */
	const char *state;          /* directory, gone at reboot */
	const char *data;           /* directory, kept over reboots */
	bool json, verbose;
	/* of single commands */
	const char *device; /* apply --device */
	bool reference;     /* check --reference */
	bool wait;          /* status --wait */
	uint64_t wait_usec;
	const char *argument; /* metadata PATH */
};

int cmd_apply(const struct options *options);
int cmd_check(const struct options *options);
int cmd_metadata(const struct options *options);
int cmd_plan(const struct options *options);
int cmd_status(const struct options *options);
int cmd_volumes(const struct options *options);

/* -- what several commands do -- */

/* Loads the configuration, or reports all of its errors and returns EXIT_USAGE. */
int command_config(const struct options *options, struct config **ret_config);

/* The loop, the HTTP client and the metadata service in one. */
struct service {
	sd_event *event;
	struct http *http;
	struct imds *imds;
};
int service_open(const struct options *options, struct service *ret_service, struct err *err);
void service_close(struct service *service);

/* Prints a JSON document on standard output, takes the reference. */
void command_print_json(json_t *json);
