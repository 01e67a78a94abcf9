/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: asks each app's health URL, and damps what it hears: `rise` good answers in a row make
 * it well, `fall` bad ones in a row make it ill. Until it was well for the first time it is asked
 * more often, so that an instance is ready no later than its app.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "http.h"
#include "status.h"

#define HEALTH_FIRST_INTERVAL 500000ull /* usec, until an app was well for the first time */
#define HEALTH_URL_MAX        256

/* -- the damping, pure -- */

struct damper {
	enum check_result result; /* CHECK_WAIT until it was well for the first time */
	unsigned good, bad;       /* in a row */
};

/* Takes one answer in. Returns whether the result is another now. */
bool damper_note(struct damper *damper, bool good, unsigned rise, unsigned fall);

/* -- the asking -- */

struct health;

/* What is known of apps, for the agent that begins anew after a reload. */
struct health_memory {
	struct health_remembered {
		char app[CHECK_NAME_MAX], release[64], url[HEALTH_URL_MAX];
		struct damper damper;
	} apps[CONFIG_APPS_MAX];
	size_t n;
};

void health_remember(const struct health *health, struct health_memory *ret_memory);

/* Called whenever a result or its reason changed. */
typedef void (*health_changed)(void *userdata);

/* `memory` stays the caller's and must outlive it. */
int health_new(sd_event *event, struct http *http, const struct config_health *config,
	const struct health_memory *memory, health_changed changed, void *userdata,
	struct health **ret_health);
struct health *health_free(struct health *health);

/*
 * Asks this URL about the app from now on. An app that is known keeps its history unless the URL is
 * another; or the release is, and the one before was not well: a deploy by itself takes no instance
 * out of service. One that was not well within `patience_usec` has failed, and may still come. Apps
 * that were not named since health_begin() are forgotten by health_end().
 */
void health_begin(struct health *health);
int health_watch(struct health *health, const char *app, const char *release, const char *url,
	uint64_t patience_usec);
void health_end(struct health *health);

/* Overrides result and reason of a check on this app, if it is watched and not well. */
void health_check(const struct health *health, const char *app, struct check *check);

CLEANUP_FOR(health, health_free);
