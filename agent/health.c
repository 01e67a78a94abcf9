/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define TIMEOUT_MAX 5000000ull /* usec for one answer; less if the interval is shorter */
#define BODY_MAX    ((size_t)64 << 10)

struct probe {
	struct health *health;
	struct probe *next;
	char app[CHECK_NAME_MAX], release[64], url[HEALTH_URL_MAX];
	struct damper damper;
	uint64_t began, patience; /* usec of CLOCK_MONOTONIC; how long it may take to be well */
	char reason[CHECK_REASON_MAX];
	sd_event_source *timer;
	struct http_call *call;
	bool named; /* since health_begin() */
};

struct health {
	sd_event *event;
	struct http *http;
	struct config_health config;
	const struct health_memory *memory;
	health_changed changed;
	void *userdata;
	struct probe *probes;
};

bool damper_note(struct damper *damper, bool good, unsigned rise, unsigned fall)
{
	enum check_result before = damper->result;

	damper->good = good ? damper->good + 1 : 0;
	damper->bad = good ? 0 : damper->bad + 1;
	if (damper->good >= rise)
		damper->result = CHECK_PASS;
	else if (damper->bad >= fall && damper->result == CHECK_PASS)
		damper->result = CHECK_FAIL;
	return damper->result != before;
}

static void on_answer(struct http_response *response, void *userdata)
{
	struct probe *probe = userdata;
	struct health *health = probe->health;
	bool good = response->status >= 200 && response->status < 400, changed;
	char reason[CHECK_REASON_MAX] = "";

	probe->call = NULL;
	if (!good && response->status)
		snprintf(reason, sizeof reason, "%.200s answered %d", probe->url, response->status);
	else if (!good)
		snprintf(reason, sizeof reason, "%.120s: %.120s", probe->url, response->reason);
	changed = damper_note(&probe->damper, good, health->config.rise, health->config.fall);
	if (!good && probe->damper.result == CHECK_WAIT &&
		clock_monotonic() - probe->began >= probe->patience) {
		probe->damper.result = CHECK_FAIL;
		changed = true;
	}
	if (changed || strcmp(reason, probe->reason) != 0) {
		memcpy(probe->reason, reason, sizeof reason);
		health->changed(health->userdata);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct probe *probe = userdata;
	struct health *health = probe->health;
	uint64_t interval = health->config.interval_usec;
	struct http_request request = {.url = probe->url, .body_max = BODY_MAX};

	if (probe->damper.result == CHECK_WAIT && interval > HEALTH_FIRST_INTERVAL)
		interval = HEALTH_FIRST_INTERVAL;
	(void)sd_event_source_set_time(source, usec + interval);
	(void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (probe->call) /* the last question is still open; its own time limit ends it */
		return 0;
	request.timeout_usec = health->config.interval_usec < TIMEOUT_MAX
				       ? health->config.interval_usec
				       : TIMEOUT_MAX;
	(void)http_start(health->http, &request, on_answer, probe, &probe->call);
	return 0;
}

static struct probe *probe_free(struct probe *probe)
{
	http_cancel(probe->call);
	(void)sd_event_source_disable_unref(probe->timer);
	free(probe);
	return NULL;
}

static struct probe *find(const struct health *health, const char *app)
{
	struct probe *probe = health->probes;

	while (probe && strcmp(probe->app, app) != 0)
		probe = probe->next;
	return probe;
}

void health_begin(struct health *health)
{
	for (struct probe *probe = health->probes; probe; probe = probe->next)
		probe->named = false;
}

void health_end(struct health *health)
{
	for (struct probe **link = &health->probes; *link;) {
		struct probe *probe = *link;

		if (probe->named) {
			link = &probe->next;
			continue;
		}
		*link = probe->next;
		probe_free(probe);
	}
}

/* Is asked at once, and often, until it is well. */
static void begin_afresh(struct probe *probe, const char *url)
{
	http_cancel(probe->call);
	probe->call = NULL;
	snprintf(probe->url, sizeof probe->url, "%s", url);
	snprintf(probe->reason, sizeof probe->reason, "%.200s was not asked yet", url);
	probe->damper = (struct damper){.result = CHECK_WAIT};
	probe->began = clock_monotonic();
	(void)sd_event_source_set_time_relative(probe->timer, 0);
}

/* As it was before a reload; false: it was not asked, or not about this. */
static bool recall(struct probe *probe, const char *release, const char *url)
{
	const struct health_memory *memory = probe->health->memory;

	for (size_t i = 0; i < memory->n; i++) {
		const struct health_remembered *one = &memory->apps[i];

		if (strcmp(one->app, probe->app) != 0 || strcmp(one->release, release) != 0 ||
			strcmp(one->url, url) != 0)
			continue;
		begin_afresh(probe, url);
		probe->damper = one->damper;
		return true;
	}
	return false;
}

void health_remember(const struct health *health, struct health_memory *ret_memory)
{
	*ret_memory = (struct health_memory){0};
	for (const struct probe *probe = health->probes; probe && ret_memory->n < CONFIG_APPS_MAX;
		probe = probe->next) {
		struct health_remembered *one = &ret_memory->apps[ret_memory->n++];

		memcpy(one->app, probe->app, sizeof one->app);
		memcpy(one->release, probe->release, sizeof one->release);
		memcpy(one->url, probe->url, sizeof one->url);
		one->damper = probe->damper;
	}
}

static int add(struct health *health, const char *app, struct probe **ret_probe)
{
	struct probe *probe = calloc(1, sizeof *probe);
	int r;

	if (!probe)
		return -ENOMEM;
	probe->health = health;
	r = sd_event_add_time_relative(
		health->event, &probe->timer, CLOCK_MONOTONIC, 0, 1, on_timer, probe);
	if (r < 0) {
		free(probe);
		return r;
	}
	snprintf(probe->app, sizeof probe->app, "%s", app);
	probe->next = health->probes;
	*ret_probe = health->probes = probe;
	return 0;
}

int health_watch(struct health *health, const char *app, const char *release, const char *url,
	uint64_t patience_usec)
{
	struct probe *probe = find(health, app);
	bool known = probe != NULL;
	int r = known ? 0 : add(health, app, &probe);

	if (r < 0)
		return r;
	probe->patience = patience_usec;
	if (!known && recall(probe, release, url))
		known = true;
	else if (strcmp(probe->url, url) != 0 ||
		 (strcmp(probe->release, release) != 0 && probe->damper.result != CHECK_PASS))
		begin_afresh(probe, url);
	snprintf(probe->release, sizeof probe->release, "%s", release);
	probe->named = true;
	return 0;
}

void health_check(const struct health *health, const char *app, struct check *check)
{
	const struct probe *probe = find(health, app);

	if (!probe || probe->damper.result == CHECK_PASS)
		return;
	check->result = probe->damper.result;
	memcpy(check->reason, probe->reason, sizeof check->reason);
}

int health_new(sd_event *event, struct http *http, const struct config_health *config,
	const struct health_memory *memory, health_changed changed, void *userdata,
	struct health **ret_health)
{
	struct health *health = calloc(1, sizeof *health);

	if (!health)
		return -ENOMEM;
	*health = (struct health){.event = sd_event_ref(event),
		.http = http,
		.config = *config,
		.memory = memory,
		.changed = changed,
		.userdata = userdata};
	*ret_health = health;
	return 0;
}

struct health *health_free(struct health *health)
{
	if (!health)
		return NULL;
	health_begin(health);
	health_end(health);
	(void)sd_event_unref(health->event);
	free(health);
	return NULL;
}
