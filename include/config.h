/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: the INI configuration of both programs (README "Configure"). One table in
 * core/config-keys.c holds every section and key with its parser, default and help; the parser,
 * the checks and the reference page are made from it.
 *
 * Layers: the main file, then conf.d/ *.conf beside it in the order of their names, then what the
 * instance's user-data holds (user-data.h). A later layer may set a key again; within one layer
 * that is an error. From a configuration with any error nothing is returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "cleanup.h"
#include "err.h"
#include "volume.h"

#define CONFIG_PATH_DEFAULT "/etc/instanced/instanced.conf"
#define CONFIG_USER_DATA    "user-data.conf"
#define CONFIG_FILE_MAX     ((size_t)256 << 10) /* bytes in one layer */
#define CONFIG_LINE_MAX     198 /* characters; inih's buffer, as distributions build it */
#define CONFIG_NAME_MAX     49  /* characters of a section or a key, likewise */
#define CONFIG_VOLUMES_MAX  64
#define CONFIG_APPS_MAX     16
#define CONFIG_LISTEN_MAX   16 /* addresses of the agent */
#define CONFIG_LIST_MAX     64 /* entries of one list */
#define CONFIG_PROBLEMS_MAX 20 /* errors reported in one run */

struct config_list {
	char *items[CONFIG_LIST_MAX];
	size_t n;
};

struct config_agent {
	struct config_list listen; /* at most CONFIG_LISTEN_MAX */
	struct config_list details;
	char *agent_check;
};

struct config_index {
	char *path; /* NULL: no index page */
	char *title;
	char *template;
	char *template_text; /* what `template` holds; NULL: the built-in page */
};

enum config_update { CONFIG_UPDATE_NO, CONFIG_UPDATE_SECURITY, CONFIG_UPDATE_ALL };

struct config_packages {
	struct config_list install;
	enum config_update update;
};

/* Where a named section begins, for errors about the section as a whole. */
struct config_origin {
	char *file;
	unsigned line;
};

struct config_volume {
	char *name;
	struct config_origin origin;
	char *device, *volume_id;
	bool instance_store;
	const struct filesystem *filesystem; /* never NULL after config_load() */
	char *label;                         /* NULL: the volume's name, cut to what fits */
	char *mount;
	char *options;
	char *owner; /* user:group, NULL: as it is */
	mode_t mode; /* CONFIG_MODE_UNSET: as it is */
	bool grow, required;
	uint64_t timeout_usec;
};
#define CONFIG_MODE_UNSET ((mode_t)-1)

struct config_app {
	char *name;
	struct config_origin origin;
	char *source;
	char *sha256;
	bool unpinned;            /* a network archive may come without sha256 */
	unsigned strip;           /* leading directories of an archive's names that are left out */
	char *region;             /* of the bucket; NULL: the instance's */
	char *endpoint;           /* of an S3 store, may hold "{bucket}"; NULL: Amazon's */
	char *path;               /* the application's directory: releases/, current, shared/ */
	char *link;               /* leads to current; NULL: none */
	struct config_list build; /* the user's shell lines */
	uint64_t build_timeout_usec, build_memory; /* for each line; bytes */
	char *run;                                 /* NULL: files for others to serve */
	char *user;
	struct config_list env;              /* "NAME=value" */
	char *env_file;                      /* more of these, secret; NULL: none */
	struct config_list credentials;      /* "NAME=/file" or "NAME=CREDENTIAL" */
	struct config_list files;            /* "path/in/release=/template" */
	char *file_texts[CONFIG_LIST_MAX];   /* what the templates hold, as `files` */
	struct config_list writable, shared; /* directories of a release, relative to it */
	unsigned limit_nofile;               /* 0: as it is */
	char *health;                        /* URL; NULL: none */
	uint64_t ready_timeout_usec;         /* from start to healthy */
	unsigned keep;                       /* releases that remain */
};

struct config_health {
	unsigned rise, fall;
	uint64_t interval_usec;
};

struct config_aws {
	char *endpoint; /* aws.h; NULL: Amazon's */
};

struct config_scaling {
	bool cloudwatch;
	char *namespace;
	uint64_t period_usec;
	char *group; /* of Auto Scaling; NULL: learnt from tags or the API */
};

struct config_lifecycle {
	uint64_t drain_usec;              /* how long connections are waited for */
	uint64_t quiet_usec;              /* without any, before they count as gone */
	struct config_list ports;         /* whose connections; none: those of the apps' health */
	struct config_list target_groups; /* ARNs */
	bool complete;                    /* lifecycle actions … */
	struct config_list hooks;         /* … of these hooks; none: of all */
	bool abandon;                     /* a launch that failed */
	bool rebalance, maintenance;      /* drain for these, too */
	bool signal;                      /* CloudFormation, without being told to */
	bool replace;                     /* SetInstanceHealth Unhealthy … */
	uint64_t replace_after_usec;      /* … after so long a failure */
};

/* Whether the hook is ours to complete: others of the group may wait for somebody else. */
bool config_hook_is_ours(const struct config_lifecycle *lifecycle, const char *hook);

struct config {
	struct config_agent agent;
	struct config_index index;
	struct config_packages packages;
	struct config_volume volumes[CONFIG_VOLUMES_MAX];
	size_t n_volumes;
	struct config_app apps[CONFIG_APPS_MAX];
	size_t n_apps;
	struct config_health health;
	struct config_aws aws;
	struct config_scaling scaling;
	struct config_lifecycle lifecycle;
};

/* One thing that is wrong, or worth a warning. Strings are owned; any may be NULL but message. */
struct config_problem {
	char *file;
	unsigned line; /* 0: the file as a whole */
	char *section, *key;
	char *message; /* what is wrong, and what was expected */
};

struct config_problems {
	struct config_problem errors[CONFIG_PROBLEMS_MAX];
	size_t n_errors; /* more than the maximum are not kept */
	struct config_problem warnings[CONFIG_PROBLEMS_MAX]; /* what has no effect */
	size_t n_warnings;
};

/* The layer of user-data, above the files. Owned; NULL: user-data is not known, or holds none. */
struct config_layer {
	char *text;
	size_t length;
};

/*
 * Reads the layers; `user_data` may be NULL. A missing main file is an empty configuration unless
 * `path` was asked for by name (`must_exist`). Returns 0, or -EINVAL with at least one error in
 * `problems`, or -ENOMEM.
 */
int config_load(const char *path, bool must_exist, const struct config_layer *user_data,
	struct config **ret_config, struct config_problems *problems);

/*
 * What `apply` keeps of user-data in the state directory since boot: STATE/user-data.conf, empty
 * when user-data holds none of ours. -ENOENT: it is not known yet.
 */
int config_layer_read(const char *state, struct config_layer *ret_layer, struct err *err);
int config_layer_write(const char *state, const struct config_layer *layer, struct err *err);
void config_layer_clear(struct config_layer *layer);

/* The same for one layer that is in memory; `name` stands for the file in errors. For tests and
 * for layers that are no files. */
int config_parse(const char *text, size_t length, const char *name, struct config **ret_config,
	struct config_problems *problems);

struct config *config_free(struct config *config);
void config_problems_clear(struct config_problems *problems);

/* "FILE:LINE: [SECTION] KEY: MESSAGE" into `buffer`. */
void config_problem_text(const struct config_problem *problem, char *buffer, size_t size);

/* Logs each error and warning. */
void config_problems_log(const struct config_problems *problems);

/* Writes the reference of all sections and keys, as an INI file of comments. */
void config_reference(FILE *out);

/* The selector that configuration gives for this volume. */
struct volume_selector config_selector(const struct config_volume *volume);

CLEANUP_FOR(config, config_free);
