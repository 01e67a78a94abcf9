/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what instancectl apply knows, for everybody who wants to know it. Written by root as a
 * whole into STATE/state.json, read by the agent and by `instancectl status`.
 *
 *	{ "version": 1, "phase": "working" | "settled", "reason": "…", "updated": 1767225600,
 *	  "identity": { "instanceId": …, …, "tags": {…} },
 *	  "timeline": [ { "what": "volume data: format", "began": 5012345, "ended": 5112345 } ],
 *	  "items": [ { "kind": "volume" | "packages" | "index" | "app" | "bootstrap", "name":
 *"data", "required": true, "status": "pending" | "waiting" | "ok" | "outdated" | "refused" |
 *	                         "failed" | "missing",
 *	               "reason": "…",
 *	               "path", "device", "volumeId", "filesystem", "major", "minor", "sizeBytes"
 *	               (volume), "path" (index), "release", "version" (a commit
 *	               or a digest), "source", "health" (app) } ] }
 *
 * A reader takes any version whose number it knows and ignores members that it does not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "cleanup.h"
#include "err.h"
#include "metadata.h"
#include "status.h"

#define STATE_DIRECTORY_DEFAULT "/run/instanced"
#define STATE_FILE              "state.json"
#define STATE_INDEX             "index.html" /* a copy of the rendered page, for the agent to serve at / */
#define STATE_VERSION           1
#define STATE_ITEMS_MAX         96
#define STATE_MOMENTS_MAX       64
#define STATE_FILE_MAX          ((size_t)1 << 20)

/* STATE_BOOTSTRAP: apply itself, while it cannot even plan. */
enum state_kind { STATE_VOLUME, STATE_PACKAGES, STATE_INDEX_PAGE, STATE_APP, STATE_BOOTSTRAP };

enum state_status {
	STATE_PENDING, /* will be done, or is being done */
	STATE_WAITING, /* something is not there yet, and still in time */
	STATE_OK,
	STATE_OUTDATED, /* serves as it was; what is wanted now is not there (yet), see reason */
	STATE_REFUSED,
	STATE_FAILED,
	STATE_MISSING, /* did not come in time; taken when it comes */
};

struct state_item {
	enum state_kind kind;
	char name[40];
	bool required;
	enum state_status status;
	char reason[CHECK_REASON_MAX];
	char path[256];                                 /* volume: mount; index: the file */
	char device[64], volume_id[32], filesystem[32]; /* volume */
	uint64_t size;                                  /* volume, bytes */
	dev_t number; /* volume: what the mount table must show; 0 unknown */
	char release[64], version[72], source[256], health[256]; /* app */
};

/*
 * What was done since boot, and when: usec of CLOCK_BOOTTIME. The first moment "metadata" begins
 * with the first answer of the service.
 */
struct state_moment {
	char what[96];
	uint64_t began, ended;
};

struct state {
	bool settled;                  /* apply has ended; nothing more will happen by itself */
	char reason[CHECK_REASON_MAX]; /* what is waited for as a whole, or "" */
	time_t updated;
	struct metadata *metadata; /* NULL: not known */
	struct state_item items[STATE_ITEMS_MAX];
	size_t n_items;
	struct state_moment moments[STATE_MOMENTS_MAX]; /* the first of this boot */
	size_t n_moments;
};

int state_write(const struct state *state, const char *directory, struct err *err);

/* -ENOENT: there is none yet; -EBADMSG: not readable as state, or of another version. */
int state_read(const char *directory, struct state **ret_state, struct err *err);

/* The same of the file's text. Pure but for memory. */
int state_parse(const char *text, size_t length, struct state **ret_state);
struct state *state_free(struct state *state);

/* Adds a moment. Beyond the maximum it is left out. */
void state_note(struct state *state, uint64_t began, uint64_t ended, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

json_t *state_to_json(const struct state *state);

/*
 * The checks that follow from the state alone: one an item, and "bootstrap" when `state` is NULL.
 * Returns how many were written, at most STATUS_CHECKS_MAX.
 */
size_t state_checks(const struct state *state, struct check *ret_checks);

const char *state_status_name(enum state_status status);
const char *state_kind_name(enum state_kind kind);

CLEANUP_FOR(state, state_free);
