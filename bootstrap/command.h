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
	bool boot;          /* apply --boot */
	const char *app;    /* deploy; NULL: all that is configured */
	bool reference;     /* check --reference */
	bool wait;          /* status, signal, probe: --wait */
	uint64_t wait_usec;
	const char *argument; /* metadata PATH, deploy APP, fetch URL, probe URL, signal RESULT */
	bool svg;             /* timeline --svg */
	bool yes;             /* seal --yes */
	const char *root;     /* seal --root; NULL: this machine */
	bool baked;           /* user-data --baked */
	const char *url, *sha256;      /* user-data: the package and its digest */
	bool rollback;                 /* deploy --rollback */
	bool requested;                /* drain --requested */
	const char *reason;            /* drain --reason; NULL: none given */
	const char *run;               /* drain --run; NULL: DRAIN_RUN_DEFAULT */
	bool head;                     /* fetch --head */
	const char *region, *endpoint; /* fetch */
	const char *stack, *resource;  /* signal; NULL: as the instance's tags say */
};

int cmd_apply(const struct options *options);
int cmd_check(const struct options *options);
int cmd_deploy(const struct options *options);
int cmd_drain(const struct options *options);
int cmd_fetch(const struct options *options);
int cmd_metadata(const struct options *options);
int cmd_plan(const struct options *options);
int cmd_probe(const struct options *options);
int cmd_seal(const struct options *options);
int cmd_signal(const struct options *options);
int cmd_status(const struct options *options);
int cmd_timeline(const struct options *options);
int cmd_undrain(const struct options *options);
int cmd_user_data(const struct options *options);
int cmd_volumes(const struct options *options);

/* -- what several commands do -- */

/* The layer of user-data, untouched while it is not known; or says why it cannot be read, and
 * returns EXIT_FAILED. */
int command_layer(const struct options *options, struct config_layer *ret_layer);

/*
 * Loads the configuration with the layer of user-data that apply keeps in the state directory, or
 * reports all errors and returns EXIT_USAGE; EXIT_FAILED: what it says cannot be told.
 */
int command_config(const struct options *options, struct config **ret_config);

/* The same with this layer. `ret_problem` (may be NULL) gets the words of the first error. */
int command_config_with(const struct options *options, const struct config_layer *user_data,
	struct config **ret_config, struct err *ret_problem);

/*
 * Whether only root (and we) can write to the directories of state and of records, or put others in
 * their place: a configuration layer, and what was begun to be formatted, is believed there. What
 * is not there yet is good. Else -EPERM.
 */
int command_check_places(const struct options *options, struct err *err);

#define COMMAND_LOCK_APPLY "apply.lock"
#define COMMAND_LOCK_DRAIN "drain.lock"

/*
 * Opens a lock in the state directory, which one apply, or one drain, holds while it is at work,
 * and takes it. 1: it is held by somebody; then command_lock_wait() takes it later, or gives up
 * with -ETIMEDOUT (UINT64_MAX: never). It ends with the process, or when closed.
 */
int command_lock(const char *state, const char *name, int *ret_fd, struct err *err);
int command_lock_wait(int fd, uint64_t timeout_usec, struct err *err);

/*
 * For a command that only reads what all may, and asks the network or the agent: root becomes the
 * agent's user, for good. Others stay who they are.
 */
int command_give_up_root(struct err *err);

/* The loop, the HTTP client and the metadata service in one. */
struct service {
	sd_event *event;
	struct http *http;
	struct imds *imds;
};
int service_open(const struct options *options, struct service *ret_service, struct err *err);
void service_close(struct service *service);

/*
 * The layer in user-data: what apply keeps of it since boot or, before it has, what the metadata
 * service says within `timeout_usec`. 1: just asked for; 0: kept. -EBADMSG: it is broken; other
 * errors: it is not known. The caller clears the layer.
 */
int service_user_data(const struct options *options, struct service *service, uint64_t timeout_usec,
	struct config_layer *ret_layer, struct err *err);

/*
 * Where a process of ours that has a network finds the metadata service: --imds, unless that is the
 * way for those who have none (a Unix socket). NULL: at its own address.
 */
const char *command_reach(const struct options *options);

/* Prints a JSON document on standard output, takes the reference. */
void command_print_json(json_t *json);
