/* SPDX-License-Identifier: Apache-2.0 */
/* notice: every form that AWS documents, what is none, and what the configuration wants of it. */
#include "notice.h"

#include <errno.h>

#include "cleanup.h"
#include "tap.h"

#define NOON 1767268800 /* 2026-01-01T12:00:00Z */

static const struct config_lifecycle usual = {.drain_usec = 30000000, .maintenance = true};
static const struct config_lifecycle eager = {.drain_usec = 30000000, .rebalance = true};

#define EVENT(before, more) "{\"NotBefore\": \"" before "\", \"Code\": \"system-reboot\"" more "}"
#define ID(id)              ", \"EventId\": \"" id "\""

/* As in the User Guide, "View scheduled events", with the time of these tests. */
#define DOCUMENTED                                                                                 \
	"[\n  {\n    \"NotBefore\" : \"01 Jan 2026 12:01:00 GMT\",\n"                              \
	"    \"Code\" : \"system-reboot\",\n    \"Description\" : \"scheduled reboot\",\n"         \
	"    \"EventId\" : \"instance-event-0d59937288b749b32\",\n"                                \
	"    \"NotAfter\" : \"01 Jan 2026 12:17:23 GMT\",\n    \"State\" : \"active\"\n  }\n]"

/* clang-format off */
static const struct {
	const char *name;
	enum notice_kind kind;
	const char *text;
	const struct config_lifecycle *config;
	int result;
	enum notice_verdict verdict;
	const char *key, *reason;
	time_t at;
	const char *state;
} vectors[] = {
	{ "no target state: of no group", NOTICE_LIFECYCLE, NULL, &usual, 0, NOTICE_NOTHING },
	{ "InService", NOTICE_LIFECYCLE, "InService", &usual, 0, NOTICE_NOTHING,
		.state = "InService" },
	{ "Terminated", NOTICE_LIFECYCLE, "Terminated", &usual, 0, NOTICE_DRAIN,
		"lifecycle Terminated", "the target lifecycle state is Terminated", 0,
		"Terminated" },
	{ "Detached", NOTICE_LIFECYCLE, "Detached", &usual, 0, NOTICE_NOTHING,
		.state = "Detached" },
	{ "Standby", NOTICE_LIFECYCLE, "Standby", &usual, 0, NOTICE_ASIDE, "lifecycle Standby",
		"the target lifecycle state is Standby", 0, "Standby" },
	{ "Warmed:Hibernated", NOTICE_LIFECYCLE, "Warmed:Hibernated", &usual, 0, NOTICE_ASIDE,
		"lifecycle Warmed:Hibernated", "the target lifecycle state is Warmed:Hibernated",
		0, "Warmed:Hibernated" },
	{ "Warmed:Running", NOTICE_LIFECYCLE, "Warmed:Running", &usual, 0, NOTICE_ASIDE,
		"lifecycle Warmed:Running", "the target lifecycle state is Warmed:Running", 0,
		"Warmed:Running" },
	{ "Warmed:Stopped", NOTICE_LIFECYCLE, "Warmed:Stopped", &usual, 0, NOTICE_ASIDE,
		"lifecycle Warmed:Stopped", "the target lifecycle state is Warmed:Stopped", 0,
		"Warmed:Stopped" },
	{ "Warmed:Terminated is the end", NOTICE_LIFECYCLE, "Warmed:Terminated", &usual, 0,
		NOTICE_DRAIN, "lifecycle Warmed:Terminated",
		"the target lifecycle state is Warmed:Terminated", 0, "Warmed:Terminated" },
	{ "a state that nobody knows", NOTICE_LIFECYCLE, "Retired", &usual, -EBADMSG },
	{ "the beginning of one", NOTICE_LIFECYCLE, "Term", &usual, -EBADMSG },
	{ "one with more behind it", NOTICE_LIFECYCLE, "TerminatedX", &usual, -EBADMSG },
	{ "nothing", NOTICE_LIFECYCLE, "", &usual, -EBADMSG },
	{ "an error page", NOTICE_LIFECYCLE, "<html>InService</html>", &usual, -EBADMSG },
	{ "a state that is too long", NOTICE_LIFECYCLE,
		"Warmed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &usual,
		-EBADMSG },

	{ "no interruption", NOTICE_SPOT, NULL, &usual, 0, NOTICE_NOTHING },
	{ "a Spot Instance is terminated", NOTICE_SPOT,
		"{\"action\": \"terminate\", \"time\": \"2026-01-01T12:02:00Z\"}", &usual, 0,
		NOTICE_DRAIN, "spot terminate 2026-01-01T12:02:00Z",
		"Spot interruption: terminate at 2026-01-01T12:02:00Z", NOON + 120, "" },
	{ "or stopped", NOTICE_SPOT,
		"{\"action\": \"stop\", \"time\": \"2026-01-01T12:02:00Z\"}", &usual, 0,
		NOTICE_DRAIN, "spot stop 2026-01-01T12:02:00Z",
		"Spot interruption: stop at 2026-01-01T12:02:00Z", NOON + 120, "" },
	{ "or hibernated", NOTICE_SPOT,
		"{\"action\": \"hibernate\", \"time\": \"2026-01-01T12:02:00Z\"}", &usual, 0,
		NOTICE_ASIDE, "spot hibernate 2026-01-01T12:02:00Z",
		"Spot interruption: hibernate at 2026-01-01T12:02:00Z", NOON + 120, "" },
	{ "until it is over", NOTICE_SPOT,
		"{\"action\": \"hibernate\", \"time\": \"2026-01-01T11:55:00Z\"}", &usual, 0,
		NOTICE_NOTHING, "", "", NOON - 300, "" },
	{ "a stop that is late is one all the same", NOTICE_SPOT,
		"{\"action\": \"stop\", \"time\": \"2026-01-01T11:55:00Z\"}", &usual, 0,
		NOTICE_DRAIN, "spot stop 2026-01-01T11:55:00Z",
		"Spot interruption: stop at 2026-01-01T11:55:00Z", NOON - 300, "" },
	{ "at a time that is none", NOTICE_SPOT,
		"{\"action\": \"stop\", \"time\": \"tomorrow\"}", &usual, -EBADMSG },
	{ "at a time with more behind it", NOTICE_SPOT,
		"{\"action\": \"stop\", \"time\": \"2026-01-01T12:02:00Z+1\"}", &usual, -EBADMSG },
	{ "in a month that is none", NOTICE_SPOT,
		"{\"action\": \"stop\", \"time\": \"2026-13-01T12:02:00Z\"}", &usual, -EBADMSG },
	{ "with an action for a terminal", NOTICE_SPOT,
		"{\"action\": \"stop\\u001b[2J\", \"time\": \"2026-01-01T12:02:00Z\"}", &usual,
		-EBADMSG },
	{ "with an action of two lines", NOTICE_SPOT,
		"{\"action\": \"stop\\nX=y\", \"time\": \"2026-01-01T12:02:00Z\"}", &usual,
		-EBADMSG },
	{ "with an action that is a page", NOTICE_SPOT,
		"{\"action\": \"<script>\", \"time\": \"2026-01-01T12:02:00Z\"}", &usual,
		-EBADMSG },
	{ "without a time", NOTICE_SPOT, "{\"action\": \"stop\"}", &usual, -EBADMSG },
	{ "with an action of another type", NOTICE_SPOT,
		"{\"action\": 1, \"time\": \"2026-01-01T12:02:00Z\"}", &usual, -EBADMSG },
	{ "twice", NOTICE_SPOT,
		"{\"action\": \"stop\", \"action\": \"terminate\", "
		"\"time\": \"2026-01-01T12:02:00Z\"}", &usual, -EBADMSG },
	{ "no JSON", NOTICE_SPOT, "terminate", &usual, -EBADMSG },
	{ "JSON that is cut off", NOTICE_SPOT, "{\"action\": \"term", &usual, -EBADMSG },
	{ "a list", NOTICE_SPOT, "[]", &usual, -EBADMSG },

	{ "no recommendation", NOTICE_REBALANCE, NULL, &eager, 0, NOTICE_NOTHING },
	{ "a recommendation that is not wanted", NOTICE_REBALANCE,
		"{\"noticeTime\": \"2026-01-01T11:59:00Z\"}", &usual, 0, NOTICE_NOTHING },
	{ "one that is", NOTICE_REBALANCE, "{\"noticeTime\": \"2026-01-01T11:59:00Z\"}", &eager,
		0, NOTICE_DRAIN, "rebalance 2026-01-01T11:59:00Z",
		"rebalance recommendation of 2026-01-01T11:59:00Z", 0, "" },
	{ "one without a time", NOTICE_REBALANCE, "{}", &eager, -EBADMSG },
	{ "one that is broken, wanted or not", NOTICE_REBALANCE, "{", &usual, -EBADMSG },

	{ "maintenance is not heard of", NOTICE_MAINTENANCE, NULL, &usual, 0, NOTICE_NOTHING },
	{ "an event with a code of two lines", NOTICE_MAINTENANCE,
		"[{\"NotBefore\": \"01 Jan 2026 12:01:00 GMT\", \"Code\": \"system-reboot\\nX\"}]",
		&usual, -EBADMSG },
	{ "an event with an ID that is a way out", NOTICE_MAINTENANCE,
		"[{\"NotBefore\": \"01 Jan 2026 12:01:00 GMT\", \"Code\": \"system-reboot\", "
		"\"EventId\": \"../x\"}]",
		&usual, -EBADMSG },
	{ "nothing is scheduled", NOTICE_MAINTENANCE, "[]", &usual, 0, NOTICE_NOTHING },
	{ "an event as documented, a minute ahead", NOTICE_MAINTENANCE, DOCUMENTED, &usual, 0,
		NOTICE_DRAIN,
		"maintenance instance-event-0d59937288b749b32 01 Jan 2026 12:01:00 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 12:01:00 GMT",
		NOON + 60, "" },
	{ "that is not wanted", NOTICE_MAINTENANCE, DOCUMENTED, &eager, 0, NOTICE_NOTHING },
	{ "150 s ahead: the time that draining takes, and two minutes", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:02:30 GMT", "") "]", &usual, 0, NOTICE_DRAIN,
		"maintenance  01 Jan 2026 12:02:30 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 12:02:30 GMT",
		NOON + 150, "" },
	{ "151 s ahead: not yet", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:02:31 GMT", "") "]", &usual, 0, NOTICE_NOTHING },
	{ "days ahead", NOTICE_MAINTENANCE, "[" EVENT("21 Jan 2026 09:00:43 GMT", "") "]", &usual,
		0, NOTICE_NOTHING },
	{ "one that was completed", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:01:00 GMT", ", \"State\": \"completed\"") "]", &usual, 0,
		NOTICE_NOTHING },
	{ "one that was canceled", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:01:00 GMT", ", \"State\": \"canceled\"") "]", &usual, 0,
		NOTICE_NOTHING },
	{ "of two, the earlier counts", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:02:00 GMT", ID("b")) ", "
		EVENT("01 Jan 2026 12:01:00 GMT", ID("a")) "]", &usual, 0, NOTICE_DRAIN,
		"maintenance a 01 Jan 2026 12:01:00 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 12:01:00 GMT",
		NOON + 60, "" },
	{ "in the other order, too", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:01:00 GMT", ID("a")) ", "
		EVENT("01 Jan 2026 12:02:00 GMT", ID("b")) "]", &usual, 0, NOTICE_DRAIN,
		"maintenance a 01 Jan 2026 12:01:00 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 12:01:00 GMT",
		NOON + 60, "" },
	{ "one that is to come before one that is late", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 11:59:00 GMT", ID("a")) ", "
		EVENT("01 Jan 2026 12:01:00 GMT", ID("b")) "]", &usual, 0, NOTICE_DRAIN,
		"maintenance b 01 Jan 2026 12:01:00 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 12:01:00 GMT",
		NOON + 60, "" },
	{ "whatever their order", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:01:00 GMT", ID("b")) ", "
		EVENT("01 Jan 2026 11:59:00 GMT", ID("a")) "]", &usual, 0, NOTICE_DRAIN,
		"maintenance b 01 Jan 2026 12:01:00 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 12:01:00 GMT",
		NOON + 60, "" },
	{ "one that is late has begun", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 11:59:00 GMT", ID("a")) "]", &usual, 0, NOTICE_DRAIN,
		"maintenance a 01 Jan 2026 11:59:00 GMT",
		"scheduled maintenance: system-reboot not before 01 Jan 2026 11:59:00 GMT",
		NOON - 60, "" },
	{ "one from before the boot may be why it booted", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 10:59:59 GMT", ID("a")) "]", &usual, 0, NOTICE_NOTHING },
	{ "one broken event spoils all: nobody knows what it was", NOTICE_MAINTENANCE,
		"[" EVENT("01 Jan 2026 12:01:00 GMT", "") ", {\"Code\": \"x\"}]", &usual,
		-EBADMSG },
	{ "a time in another form", NOTICE_MAINTENANCE,
		"[" EVENT("2026-01-01T12:01:00Z", "") "]", &usual, -EBADMSG },
	{ "an object", NOTICE_MAINTENANCE, "{}", &usual, -EBADMSG },
	{ "a list of numbers", NOTICE_MAINTENANCE, "[1]", &usual, -EBADMSG },
	{ "no JSON at all", NOTICE_MAINTENANCE, "Not Found", &usual, -EBADMSG },
};
/* clang-format on */

int main(void)
{
	FOREACH_ELEMENT (i, vectors) {
		struct notice notice = {.state = "untouched"};
		char name[256], got[1024], expected[1024];
		struct err err = {""};
		int r = notice_parse(vectors[i].kind, vectors[i].text,
			(struct notice_moment){NOON, NOON - 3600}, vectors[i].config, &notice,
			&err);

		snprintf(name, sizeof name, "%s: %s", notice_sources[vectors[i].kind].name,
			vectors[i].name);
		snprintf(got, sizeof got, "%d %d %s|%s|%lld|%s", r, notice.verdict, notice.key,
			notice.reason, (long long)notice.at, notice.state);
		snprintf(expected, sizeof expected, "%d %d %s|%s|%lld|%s", vectors[i].result,
			vectors[i].verdict, vectors[i].key ? vectors[i].key : "",
			vectors[i].reason ? vectors[i].reason : "", (long long)vectors[i].at,
			vectors[i].result < 0 ? "untouched"
			: vectors[i].state    ? vectors[i].state
					      : "");
		is_str(got, expected, name);
		if (vectors[i].result < 0)
			ok(strstr(err.text, notice_sources[vectors[i].kind].path) != NULL,
				"and the words name the path");
	}
	for (int kind = 0; kind < NOTICE_KINDS; kind++)
		ok(notice_sources[kind].interval_usec >= 5000000 &&
				notice_sources[kind].absent_usec >=
					notice_sources[kind].interval_usec,
			"a source is asked every 5 s at most, and no more often while it is "
			"absent");
	return done_testing();
}
