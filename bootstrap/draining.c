/* SPDX-License-Identifier: Apache-2.0 */
#include "draining.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_person(const struct notice *why)
{
	return strcmp(why->key, DRAINING_PERSON) == 0;
}

static void take(struct drain *drain, const struct notice *why)
{
	memcpy(drain->key, why->key, sizeof drain->key);
	memcpy(drain->reason, why->reason, sizeof drain->reason);
}

void draining_shorten(struct drain *drain, time_t at, time_t time)
{
	if (at && at - DRAINING_MARGIN < drain->until)
		drain->until = at - DRAINING_MARGIN;
	if (drain->until < time)
		drain->until = time;
}

enum draining_work draining_decide(const struct drain *now, const struct notice *why,
	const struct config_lifecycle *config, time_t time, struct drain *ret_next)
{
	bool same = why && strcmp(now->key, why->key) == 0;
	bool taken_back = why && !is_person(why) && drain_is_undone(now, why->key);

	*ret_next = *now;
	switch (now->phase) {
	case DRAIN_DRAINING:
	case DRAIN_STOPPING:
		draining_shorten(ret_next, why ? why->at : 0, time);
		return DRAINING_GO_ON;
	case DRAIN_DRAINED:
		if (same || taken_back || is_person(why))
			return DRAINING_NOTHING;
		take(ret_next, why);
		return DRAINING_NOTE;
	case DRAIN_UNDRAINED:
		if (taken_back)
			return DRAINING_NOTHING;
		break;
	case DRAIN_NONE: break;
	}
	ret_next->phase = DRAIN_DRAINING;
	ret_next->since = time;
	ret_next->until = time + (time_t)(config->drain_usec / 1000000);
	ret_next->failed[0] = '\0';
	take(ret_next, why);
	draining_shorten(ret_next, why->at, time);
	return DRAINING_BEGIN;
}

const struct notice *draining_choose(
	const struct notice notices[static NOTICE_KINDS], const struct drain *now)
{
	const struct notice *chosen = NULL;

	for (size_t i = NOTICE_KINDS; i-- > 0;) {
		bool taken_back = drain_is_undone(now, notices[i].key);

		if (notices[i].verdict == NOTICE_DRAIN && (!taken_back || !chosen))
			chosen = &notices[i];
	}
	return chosen;
}

static bool limits(const struct notice *notice, const struct drain *now, time_t time)
{
	return notice->at >= time && !drain_is_undone(now, notice->key);
}

time_t draining_earliest(
	const struct notice notices[static NOTICE_KINDS], const struct drain *now, time_t time)
{
	const struct notice *spot = &notices[NOTICE_SPOT], *event = &notices[NOTICE_MAINTENANCE];
	time_t at = spot->verdict == NOTICE_DRAIN ? spot->at : 0;

	if (event->verdict == NOTICE_DRAIN && limits(event, now, time) && (!at || event->at < at))
		at = event->at;
	return at;
}

void draining_kind(const struct drain *drain, char *ret_kind, size_t size)
{
	snprintf(ret_kind, size, "%.*s", (int)strcspn(drain->key, " "), drain->key);
}

/* -- ports -- */

static void add_port(struct connections_rule *rule, unsigned long port)
{
	for (size_t i = 0; i < rule->n_ports; i++)
		if (rule->ports[i] == port)
			return;
	if (port > 0 && port <= UINT16_MAX && rule->n_ports < CONNECTIONS_PORTS_MAX)
		rule->ports[rule->n_ports++] = (uint16_t)port;
}

/* Of a URL that config has checked: http://HOST[:PORT]/…, https://[::1]:PORT */
static unsigned long url_port(const char *url)
{
	const char *host = strstr(url, "://"), *end;

	if (!host)
		return 0;
	host += strlen("://");
	end = host + strcspn(host, "/?#");
	for (const char *p = end; p > host && p[-1] != ']'; p--)
		if (p[-1] == ':')
			return strtoul(p, NULL, 10);
	return strncmp(url, "https:", strlen("https:")) == 0 ? 443 : 80;
}

void draining_ports(const struct config *config, struct connections_rule *rule)
{
	const struct config_list *ports = &config->lifecycle.ports;

	rule->n_ports = 0;
	for (size_t i = 0; i < ports->n; i++)
		add_port(rule, strtoul(ports->items[i], NULL, 10));
	for (size_t i = 0; ports->n == 0 && i < config->n_apps; i++)
		if (config->apps[i].health)
			add_port(rule, url_port(config->apps[i].health));
}

void draining_ports_text(const struct connections_rule *rule, char *ret_text, size_t size)
{
	size_t length = 0;

	snprintf(ret_text, size, "no known port");
	for (size_t i = 0; i < rule->n_ports && length < size; i++)
		length += (size_t)snprintf(ret_text + length, size - length, "%s%u",
			i                    ? ", "
			: rule->n_ports == 1 ? "port "
					     : "ports ",
			rule->ports[i]);
}

bool draining_is_quiet(uint64_t *since, uint64_t now, size_t connections, uint64_t quiet_usec)
{
	if (connections > 0)
		*since = 0;
	else if (*since == 0)
		*since = now;
	return connections == 0 && now - *since >= quiet_usec;
}
