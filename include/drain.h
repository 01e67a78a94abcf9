/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain: how far root is with taking this instance out of rotation: STATE/drain.json, written by
 * `instancectl drain` and `undrain`, followed by the agent. There is none until somebody drains.
 *
 *	{ "version": 1, "phase": "draining" | "stopping" | "drained" | "undrained",
 *	  "key": "spot terminate 2026-01-01T00:00:00Z", "reason": "…", "since": 1767225600,
 *	  "until": 1767225630, "failed": "drain.d/10-flush: exit status 1",
 *	  "undone": ["maintenance …"] }
 *
 * The agent asks root for a drain by an empty file, DRAIN_REQUEST in its own runtime directory; a
 * .path unit sees it. Root confirms the reason from the metadata service before it acts.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "err.h"
#include "notice.h"

#define DRAIN_FILE       "drain.json"
#define DRAIN_UNDONE_MAX 8 /* then the oldest is forgotten */
#define DRAIN_REQUEST    "drain-requested"
/* The agent's, where systemd makes it (RuntimeDirectory= of instanced.service). */
#define DRAIN_RUN_DEFAULT "/run/instanced-agent"

enum drain_phase {
	DRAIN_NONE,     /* nobody has drained since boot */
	DRAIN_DRAINING, /* out of rotation, connections are waited for */
	DRAIN_STOPPING, /* apps are stopped, drain.d is run */
	DRAIN_DRAINED,
	DRAIN_UNDRAINED, /* back in rotation */
};

struct drain {
	enum drain_phase phase;
	char key[NOTICE_KEY_MAX];
	char reason[NOTICE_REASON_MAX];
	time_t since, until; /* until: when connections are not waited for any longer */
	char failed[256];    /* what of drain.d failed; "" nothing */
	/* The keys of what was taken back since boot, the latest last: not acted on again. */
	char undone[DRAIN_UNDONE_MAX][NOTICE_KEY_MAX];
	size_t n_undone;
};

/* No file is DRAIN_NONE and 0; -EBADMSG: it is none of ours. */
int drain_read(const char *state, struct drain *ret_drain, struct err *err);
int drain_write(const char *state, const struct drain *drain, struct err *err);

/* The same of the file's text, and that text (the caller frees; NULL: no memory). */
int drain_parse(const char *text, size_t length, struct drain *ret_drain);
char *drain_text(const struct drain *drain);

/* Takes the drain back, whatever its reason. */
void drain_undo(struct drain *drain);

/* Whether a notice of this key was taken back. */
bool drain_is_undone(const struct drain *drain, const char *key);

/* "none", "draining", "stopping", "drained", "undrained". */
const char *drain_phase_name(enum drain_phase phase);

/* Whether the instance is to be out of rotation: between drain and undrain. */
bool drain_holds(const struct drain *drain);
