/* SPDX-License-Identifier: Apache-2.0 */
#include "notice.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json-text.h"

#define SECOND 1000000ull
/* Before scheduled maintenance begins: the drain itself, apps that stop, drain.d. */
#define MAINTENANCE_MARGIN 120 /* seconds */
/* Who is still there so long after the time of a hibernation has come back from it. */
#define HIBERNATE_MAX 300 /* seconds */

const struct notice_source notice_sources[NOTICE_KINDS] = {
	[NOTICE_LIFECYCLE] = {"lifecycle", "meta-data/autoscaling/target-lifecycle-state",
		5 * SECOND, 60 * SECOND},
	[NOTICE_SPOT] = {"spot", "meta-data/spot/instance-action", 5 * SECOND, 5 * SECOND,
		.spot = true},
	[NOTICE_REBALANCE] = {"rebalance", "meta-data/events/recommendations/rebalance", 5 * SECOND,
		5 * SECOND, .spot = true},
	[NOTICE_MAINTENANCE] = {"maintenance", "meta-data/events/maintenance/scheduled",
		60 * SECOND, 60 * SECOND},
};

/* What goes into keys and reasons: EC2's own words, "instance-stop", "instance-event-0d5…". */
static bool is_word(const char *text)
{
	return *text && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789-_.:") == strlen(text);
}

static void say(
	struct notice *notice, enum notice_verdict verdict, const char *key, const char *reason)
{
	notice->verdict = verdict;
	snprintf(notice->key, sizeof notice->key, "%s", key);
	snprintf(notice->reason, sizeof notice->reason, "%s", reason);
}

/* -- the Auto Scaling group's target state -- */

/* By the beginning of the state; the first that fits. */
static const struct {
	const char *state;
	bool whole;
	enum notice_verdict verdict;
} lifecycle_states[] = {
	{"InService", true, NOTICE_NOTHING},
	{"Terminated", true, NOTICE_DRAIN},
	{"Warmed:Terminated", true, NOTICE_DRAIN},
	{"Warmed:", false, NOTICE_ASIDE},
	{"Standby", true, NOTICE_ASIDE},
	{"Detached", true, NOTICE_NOTHING},
};

static int parse_lifecycle(const char *text, struct notice_moment when,
	const struct config_lifecycle *config, struct notice *notice)
{
	char reason[NOTICE_REASON_MAX], key[NOTICE_KEY_MAX];

	(void)when, (void)config;
	if (strlen(text) >= sizeof notice->state ||
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz:") !=
			strlen(text))
		return -EBADMSG;
	FOREACH_ELEMENT (i, lifecycle_states) {
		const char *state = lifecycle_states[i].state;

		if (lifecycle_states[i].whole ? strcmp(text, state) != 0
					      : strncmp(text, state, strlen(state)) != 0)
			continue;
		strcpy(notice->state, text);
		snprintf(key, sizeof key, "lifecycle %s", text);
		snprintf(reason, sizeof reason, "the target lifecycle state is %s", text);
		if (lifecycle_states[i].verdict != NOTICE_NOTHING)
			say(notice, lifecycle_states[i].verdict, key, reason);
		return 0;
	}
	return -EBADMSG;
}

/* -- Spot -- */

static int parse_iso_time(const char *text, time_t *ret_time)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (!end || *end)
		return -EBADMSG;
	*ret_time = timegm(&tm);
	return 0;
}

/*
 * {"action": "terminate" | "stop" | "hibernate", "time": "2017-09-18T08:22:00Z"}. Who hibernates
 * goes on where it was, with its apps; the notice may be there still.
 */
static int parse_spot(const char *text, struct notice_moment when,
	const struct config_lifecycle *config, struct notice *notice)
{
	json_t *json = json_from_text(text, strlen(text), NULL);
	const char *action, *time;
	char key[NOTICE_KEY_MAX], reason[NOTICE_REASON_MAX];
	int r = -EBADMSG;

	(void)config;
	if (json_unpack(json, "{s:s, s:s}", "action", &action, "time", &time) == 0)
		r = is_word(action) ? parse_iso_time(time, &notice->at) : -EBADMSG;
	if (r == 0) {
		snprintf(key, sizeof key, "spot %.32s %.32s", action, time);
		snprintf(reason, sizeof reason, "Spot interruption: %.32s at %.32s", action, time);
		if (strcmp(action, "hibernate") != 0)
			say(notice, NOTICE_DRAIN, key, reason);
		else if (when.now < notice->at + HIBERNATE_MAX)
			say(notice, NOTICE_ASIDE, key, reason);
	}
	json_decref(json);
	return r;
}

/* {"noticeTime": "2020-10-27T08:22:00Z"} */
static int parse_rebalance(const char *text, struct notice_moment when,
	const struct config_lifecycle *config, struct notice *notice)
{
	json_t *json = json_from_text(text, strlen(text), NULL);
	char key[NOTICE_KEY_MAX], reason[NOTICE_REASON_MAX];
	const char *time;
	time_t noticed;
	int r = -EBADMSG;

	(void)when;
	if (json_unpack(json, "{s:s}", "noticeTime", &time) == 0)
		r = parse_iso_time(time, &noticed);
	if (r == 0 && config->rebalance) {
		snprintf(key, sizeof key, "rebalance %.32s", time);
		snprintf(reason, sizeof reason, "rebalance recommendation of %.32s", time);
		say(notice, NOTICE_DRAIN, key, reason);
	}
	json_decref(json);
	return r;
}

/* -- scheduled events -- */

/* The earliest one to come before all whose time is over: they may have happened. */
static bool comes_first(time_t begin, const struct notice *other, time_t now)
{
	return other->verdict == NOTICE_NOTHING ||
	       (begin >= now && (other->at < now || begin < other->at));
}

/* [{"NotBefore": "21 Jan 2019 09:00:43 GMT", "Code": "system-reboot", "EventId":
 * "instance-event-…", "State": "active", …}, …]; of those that are active one counts. */
static int parse_maintenance(const char *text, struct notice_moment when,
	const struct config_lifecycle *config, struct notice *notice)
{
	json_t *events = json_from_text(text, strlen(text), NULL), *event;
	time_t lead = (time_t)(config->drain_usec / SECOND) + MAINTENANCE_MARGIN;
	int r = json_is_array(events) ? 0 : -EBADMSG;
	size_t i;

	json_array_foreach (events, i, event) {
		const char *before, *code, *id = "", *state = "active", *end;
		char key[NOTICE_KEY_MAX], reason[NOTICE_REASON_MAX];
		struct tm tm = {0};
		time_t begin;

		if (json_unpack(event, "{s:s, s:s, s?s, s?s}", "NotBefore", &before, "Code", &code,
			    "EventId", &id, "State", &state) < 0) {
			r = -EBADMSG;
			break;
		}
		end = strptime(before, "%d %b %Y %H:%M:%S GMT", &tm);
		if (!end || *end || !is_word(code) || (*id && !is_word(id))) {
			r = -EBADMSG;
			break;
		}
		begin = timegm(&tm);
		if (!config->maintenance || strcmp(state, "active") != 0 ||
			begin - lead > when.now || begin < when.booted ||
			!comes_first(begin, notice, when.now))
			continue;
		snprintf(key, sizeof key, "maintenance %.64s %.32s", id, before);
		snprintf(reason, sizeof reason, "scheduled maintenance: %.64s not before %.32s",
			code, before);
		say(notice, NOTICE_DRAIN, key, reason);
		notice->at = begin;
	}
	json_decref(events);
	return r;
}

struct notice_moment notice_moment_now(void)
{
	time_t now = time(NULL);

	return (struct notice_moment){now, now - (time_t)(clock_boot() / SECOND)};
}

int notice_parse(enum notice_kind kind, const char *text, struct notice_moment when,
	const struct config_lifecycle *config, struct notice *ret_notice, struct err *err)
{
	static int (*const parsers[NOTICE_KINDS])(const char *text, struct notice_moment when,
		const struct config_lifecycle *config, struct notice *notice) = {
		[NOTICE_LIFECYCLE] = parse_lifecycle,
		[NOTICE_SPOT] = parse_spot,
		[NOTICE_REBALANCE] = parse_rebalance,
		[NOTICE_MAINTENANCE] = parse_maintenance,
	};
	struct notice notice = {0};
	int r = text ? parsers[kind](text, when, config, &notice) : 0;

	if (r < 0)
		return err_set(err, r, "metadata service: %s is not what it should be",
			notice_sources[kind].path);
	*ret_notice = notice;
	return 0;
}
