/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from where a drain is, and from who asks for one. */
#include "../bootstrap/draining.h"

#include <stdlib.h>

#include "../bootstrap/hooks.h"
#include "tap.h"

#define NOW  1000000
#define SPOT "spot terminate T"

static const struct config_lifecycle config = {.drain_usec = 30 * 1000000ull};
static const struct notice person = {NOTICE_DRAIN, DRAINING_PERSON, "by hand", 0, ""};
static const struct notice terminated = {NOTICE_DRAIN, "lifecycle Terminated", "LT", 0, ""};

static struct notice spot_at(time_t at)
{
	return (struct notice){NOTICE_DRAIN, SPOT, "spot", at, ""};
}

/* "WORK PHASE KEY since+until" */
static const char *decided(
	enum drain_phase phase, const char *key, time_t until, const struct notice *why)
{
	static const char *const works[] = {"nothing", "note", "begin", "go on"};
	static char text[256];
	struct drain now = {.phase = phase, .since = 5, .until = until}, next;
	enum draining_work work;

	snprintf(now.key, sizeof now.key, "%s", key);
	if (phase == DRAIN_UNDRAINED)
		drain_undo(&now);
	work = draining_decide(&now, why, &config, NOW, &next);
	snprintf(text, sizeof text, "%s %s %s %+lld", works[work], drain_phase_name(next.phase),
		next.key, (long long)next.until - NOW);
	return text;
}

static void test_decide(void)
{
	const struct notice soon = spot_at(NOW + 40), late = spot_at(NOW + 120),
			    over = spot_at(NOW - 3);

	is_str(decided(DRAIN_NONE, "", 0, &person), "begin draining person +30",
		"a person's drain has the configured time");
	is_str(decided(DRAIN_NONE, "", 0, &late), "begin draining " SPOT " +30",
		"so has one for a notice that leaves enough");
	is_str(decided(DRAIN_NONE, "", 0, &soon), "begin draining " SPOT " +15",
		"one that does not ends 25 seconds before");
	is_str(decided(DRAIN_NONE, "", 0, &over), "begin draining " SPOT " +0", "never below zero");
	is_str(decided(DRAIN_DRAINING, "person", NOW + 20, NULL), "go on draining person +20",
		"what was cut off goes on, until then");
	is_str(decided(DRAIN_DRAINING, "person", NOW + 20, &person), "go on draining person +20",
		"also for a person");
	is_str(decided(DRAIN_DRAINING, "person", NOW + 20, &soon), "go on draining person +15",
		"and is shortened for who says that it is urgent");
	is_str(decided(DRAIN_DRAINING, SPOT, NOW - 20, NULL), "go on draining " SPOT " +0",
		"a time that is over is over");
	is_str(decided(DRAIN_STOPPING, SPOT, NOW, &late), "go on stopping " SPOT " +0",
		"a phase is taken up where it was");
	is_str(decided(DRAIN_DRAINED, SPOT, NOW, &late), "nothing drained " SPOT " +0",
		"the same notice is acted on once");
	is_str(decided(DRAIN_DRAINED, SPOT, NOW, &person), "nothing drained " SPOT " +0",
		"a person finds it done");
	is_str(decided(DRAIN_DRAINED, "person", NOW, &terminated),
		"note drained lifecycle Terminated +0", "another notice is noted");
	is_str(decided(DRAIN_UNDRAINED, SPOT, NOW, &late), "nothing undrained " SPOT " +0",
		"a notice that was taken back is not acted on again");
	is_str(decided(DRAIN_UNDRAINED, SPOT, NOW, &terminated),
		"begin draining lifecycle Terminated +30", "another one is");
	is_str(decided(DRAIN_UNDRAINED, "person", NOW, &person), "begin draining person +30",
		"and so is what a person asks for again");
}

/* Two notices stand; each is taken back, then somebody drains by hand. */
static void test_undone(void)
{
	const struct notice late = spot_at(NOW + 120);
	struct drain drain = {.phase = DRAIN_DRAINED, .key = SPOT}, next;

	drain_undo(&drain);
	is_int(draining_decide(&drain, &terminated, &config, NOW, &next), DRAINING_BEGIN,
		"one that was not taken back is acted on");
	next.phase = DRAIN_DRAINED;
	is_int(draining_decide(&next, &late, &config, NOW, &drain), DRAINING_NOTHING,
		"one that was is not noted either");
	drain_undo(&drain);
	is_int(draining_decide(&drain, &late, &config, NOW, &next), DRAINING_NOTHING,
		"when both were, neither is");
	is_int(draining_decide(&drain, &terminated, &config, NOW, &next), DRAINING_NOTHING,
		"in whichever order");
	is_int(draining_decide(&drain, &person, &config, NOW, &next), DRAINING_BEGIN,
		"a person's drain is");
	drain_undo(&next);
	is_int(draining_decide(&next, &terminated, &config, NOW, &drain), DRAINING_NOTHING,
		"and changes nothing about them");
}

static void test_choose(void)
{
	struct notice notices[NOTICE_KINDS] = {{NOTICE_NOTHING, "", "", 0, ""}};
	struct drain now = {.phase = DRAIN_NONE};

	ok(!draining_choose(notices, &now), "without a notice there is none");
	is_int(draining_earliest(notices, &now, NOW), 0, "and no time");
	notices[NOTICE_LIFECYCLE].verdict = NOTICE_ASIDE;
	ok(!draining_choose(notices, &now), "one that asks for no drain is none");
	notices[NOTICE_SPOT] = spot_at(NOW + 50);
	notices[NOTICE_MAINTENANCE] = spot_at(NOW + 20);
	notices[NOTICE_REBALANCE] = spot_at(NOW - 20);
	ok(draining_choose(notices, &now) == &notices[NOTICE_SPOT], "the first counts");
	is_int(draining_earliest(notices, &now, NOW), NOW + 20,
		"with the earliest time at which something happens; a recommendation is none");
	is_int(draining_earliest(notices, &now, NOW + 21), NOW + 50, "which is still to come");
	notices[NOTICE_SPOT].verdict = NOTICE_NOTHING;
	is_int(draining_earliest(notices, &now, NOW + 21), 0, "or nobody knows when");
	snprintf(now.key, sizeof now.key, "%s", notices[NOTICE_MAINTENANCE].key);
	drain_undo(&now);
	is_int(draining_earliest(notices, &now, NOW), 0, "what was taken back leaves time");
	now = (struct drain){.phase = DRAIN_NONE};
	notices[NOTICE_SPOT].verdict = NOTICE_DRAIN;
	notices[NOTICE_LIFECYCLE] = terminated;
	ok(draining_choose(notices, &now) == &notices[NOTICE_LIFECYCLE], "lifecycle before all");
	now = (struct drain){.phase = DRAIN_DRAINED, .key = "lifecycle Terminated"};
	drain_undo(&now);
	ok(draining_choose(notices, &now) == &notices[NOTICE_SPOT],
		"one that was not taken back before one that was");
}

static const char *ports_of(const char *text)
{
	static char ports[64];
	struct config_problems problems = {.n_errors = 0};
	struct connections_rule rule = {.n_ports = 0};
	struct config *parsed = NULL;

	if (config_parse(text, strlen(text), "test.conf", &parsed, &problems) < 0)
		printf("# %s\n", problems.errors[0].message);
	config_problems_clear(&problems);
	if (!parsed)
		return "a bad configuration";
	draining_ports(parsed, &rule);
	draining_ports_text(&rule, ports, sizeof ports);
	config_free(parsed);
	return ports;
}

#define APP(name, health) "[app " name "]\nsource = file:///a\nrun = b\nhealth = " health "\n"

static void test_ports(void)
{
	is_str(ports_of(""), "no known port", "without apps there are no ports");
	is_str(ports_of("[app a]\nsource = file:///a\nrun = b\n"), "no known port",
		"nor with one that has no health URL");
	is_str(ports_of(APP("a", "http://127.0.0.1:8000/health:1")), "port 8000",
		"an app's port is that of its health URL");
	is_str(ports_of(APP("a", "http://[::1]:81") APP("b", "http://localhost/a:7/")
			       APP("c", "https://[::1]/") APP("d", "http://127.0.0.1:81/?a:9")),
		"ports 81, 80, 443", "each once, and those that a URL does not say");
	is_str(ports_of("[lifecycle]\nports = 80, 443 80\n" APP("a", "http://127.0.0.1:8000/")),
		"ports 80, 443", "what is configured counts instead");
}

static void test_quiet(void)
{
	uint64_t since = 0;

	ok(!draining_is_quiet(&since, 100, 0, 10), "none just now is not quiet yet");
	ok(!draining_is_quiet(&since, 109, 0, 10), "nor a little later");
	ok(draining_is_quiet(&since, 110, 0, 10), "but when it has lasted");
	ok(!draining_is_quiet(&since, 111, 1, 10), "one ends it");
	ok(!draining_is_quiet(&since, 120, 0, 10), "and it begins anew");
	ok(draining_is_quiet(&since, 130, 0, 10), "until it has lasted again");
	since = 0;
	ok(draining_is_quiet(&since, 100, 0, 0), "no time to last is at once");
}

static void test_names(void)
{
	static const char *const not_run[] = {
		".hidden", "10-a~", "a.dpkg-old", "a.rpmnew", "a.bak"};
	struct drain drain = {.key = "maintenance e-1 x"};
	char kind[32];

	ok(hooks_is_name("10-flush") && hooks_is_name("20-leave.sh"), "names of drain.d");
	for (size_t i = 0; i < sizeof not_run / sizeof not_run[0]; i++)
		ok(!hooks_is_name(not_run[i]), not_run[i]);
	draining_kind(&drain, kind, sizeof kind);
	is_str(kind, "maintenance", "the kind is the first word of the key");
	draining_kind(&(struct drain){.key = "person"}, kind, sizeof kind);
	is_str(kind, "person", "or all of it");
}

int main(void)
{
	test_decide();
	test_undone();
	test_choose();
	test_ports();
	test_quiet();
	test_names();
	return done_testing();
}
