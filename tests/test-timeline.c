/* SPDX-License-Identifier: Apache-2.0 */
/* timeline: from what systemd, the state and the agent know to text, SVG and JSON. */
#include <stdlib.h>
#include <sys/wait.h>

#include "../bootstrap/timeline.h"
#include "cleanup.h"
#include "scratch.h"
#include "tap.h"

static struct metadata metadata;
static struct state state;
static struct timeline timeline;

#define MS 1000ull

static void note(const char *what, uint64_t began, uint64_t ended)
{
	struct state_moment *moment = &state.moments[state.n_moments++];

	snprintf(moment->what, sizeof moment->what, "%s", what);
	moment->began = began * MS;
	moment->ended = ended * MS;
}

static const struct timeline_unit units[] = {
	{TIMELINE_APPS, "instance-app-web.service", 5100 * MS, 5200 * MS, false},
	{TIMELINE_INSTANCED, "instance-bootstrap.service", 2000 * MS, 5300 * MS, false},
	{TIMELINE_SYSTEM, "network-online.target", 3900 * MS, 3900 * MS, false},
	{TIMELINE_SYSTEM, "networking.service", 0, 0, false},
	{TIMELINE_SYSTEM, "cloud-final.service", 5800 * MS, 0, true},
};

/* A boot of six seconds: a volume is formatted while the metadata service comes. */
static struct timeline_facts boot_facts(void)
{
	memset(&state, 0, sizeof state);
	state.metadata = &metadata;
	note("volume logs: mkfs", 3000, 3500);
	note("volume data: mkfs", 3800, 4600);
	note("volume data: mount", 4600, 4700);
	note("metadata", 4000, 4100);
	note("app web: run", 5050, 5250);
	note("apply", 2100, 5290);
	return (struct timeline_facts){.state = &state,
		.userspace = 1500 * MS,
		.finish = 5900 * MS,
		.units = units,
		.n_units = sizeof units / sizeof units[0],
		.agent = 2050 * MS,
		.ready = 5250 * MS,
		.now = 6000 * MS};
}

static const struct timeline_span *find(const char *what)
{
	for (size_t i = 0; i < timeline.n; i++)
		if (strcmp(timeline.spans[i].what, what) == 0)
			return &timeline.spans[i];
	return NULL;
}

static bool spans(const char *what, int64_t began_ms, int64_t ended_ms)
{
	const struct timeline_span *span = find(what);

	return span && span->began == began_ms * 1000 && span->ended == ended_ms * 1000;
}

static void test_tick(void)
{
	static const struct {
		int64_t length;
		unsigned most;
		int64_t tick;
	} rows[] = {{1, 8, 1}, {8, 8, 1}, {9, 8, 2}, {6000000, 8, 1000000}, {9000000, 8, 2000000},
		{41000000, 8, 10000000}, {40000000, 8, 5000000}, {INT64_MAX, 2, 0}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t tick = timeline_tick(rows[i].length, rows[i].most);

		if (rows[i].tick)
			is_int(tick, rows[i].tick, "marks stand 1, 2 or 5 apart");
		else
			ok(tick > 0, "a length beyond measure ends the search");
	}
}

static void test_spans(void)
{
	struct timeline_facts facts = boot_facts();

	timeline_make(&facts, &timeline);
	ok(spans("kernel", 0, 1500) && spans("systemd", 1500, 5900),
		"the kernel ends where systemd begins");
	ok(!find("firmware") && !find("initrd"), "what was not there is not shown");
	ok(!find("networking.service"), "a unit that never began is left out");
	ok(spans("network-online.target", 3900, 3900), "a target is a moment");
	ok(find("cloud-final.service")->open && spans("cloud-final.service", 5800, 6000),
		"what is starting is open, up to now");
	ok(find("wait for metadata")->wait && spans("wait for metadata", 2000, 4000),
		"the wait for the metadata service is told apart");
	ok(spans("first 200", 5250, 5250), "the first 200 is a moment");
	is_int(find("app web: run")->group, TIMELINE_APPS, "what was done for an app is the app's");
	is_int(find("volume data: mount")->group, TIMELINE_INSTANCED, "the rest is instanced's");
	is_str(timeline.spans[0].what, "kernel", "the kernel comes first");
	is_str(timeline.spans[timeline.n - 1].what, "instance-app-web.service",
		"apps last, by time");

	facts.firmware = 3000 * MS;
	facts.loader = 1000 * MS;
	facts.initrd = 700 * MS;
	facts.finish = 0;
	timeline_make(&facts, &timeline);
	ok(spans("firmware", -3000, -1000) && spans("loader", -1000, 0),
		"firmware and loader are before the kernel");
	ok(spans("kernel", 0, 700) && spans("initrd", 700, 1500), "an initrd follows the kernel");
	ok(find("systemd")->open, "a boot that goes on is open");
}

static void test_sum(void)
{
	struct timeline_facts facts = boot_facts();

	timeline_make(&facts, &timeline);
	is_int(timeline.own, 650000,
		"the share is from metadata to the first 200, less the mkfs in between");
	is_str(timeline.words,
		"ready 5.250 s after the kernel started; instanced's own share 0.650 s "
		"(metadata reachable → first 200, less mkfs)",
		"a sentence says it");
	note("volume more: mkfs", 4200, 4900);
	timeline_make(&facts, &timeline);
	is_int(timeline.own, 350000, "what was formatted at once counts once");
	note("volume last: mkfs", 5200, 9000);
	timeline_make(&facts, &timeline);
	is_int(timeline.own, 300000, "mkfs after the first 200 does not count");
	facts.ready = 3500 * MS;
	timeline_make(&facts, &timeline);
	is_int(timeline.own, 0, "ready before the metadata service came: no share");

	facts = boot_facts();
	state.metadata = NULL;
	timeline_make(&facts, &timeline);
	ok(timeline.own < 0 && !find("wait for metadata"),
		"where the service never answered, there is no share");
	is_str(timeline.words, "ready 5.250 s after the kernel started", "then only the time");
	facts = boot_facts();
	facts.ready = 0;
	facts.words = "not ready yet: starting";
	timeline_make(&facts, &timeline);
	ok(timeline.ready < 0 && timeline.own < 0 && !find("first 200"),
		"no first 200 before there was one");
	is_str(timeline.words, "not ready yet: starting", "then the words of the facts");
	facts = boot_facts();
	facts.agent = 86400 * 1000 * MS;
	facts.ready = facts.agent + 10 * MS;
	timeline_make(&facts, &timeline);
	ok(timeline.ready < 0 && strstr(timeline.words, "began only 86400.000 s after"),
		"an agent that was started anew is not believed");
}

static void test_choice(void)
{
	struct timeline_facts facts = boot_facts();

	note("volume late: mkfs", 600000, 601000);
	note("apply", 600000, 601000);
	timeline_make(&facts, &timeline);
	ok(!find("volume late: mkfs")->shown && timeline.to == 6000000,
		"what came long after does not squeeze the boot");
	is_int((long long)(timeline.n - timeline.n_shown), 2, "it is counted");
	is_int(timeline.from, 0, "the axis begins with the kernel");

	facts = boot_facts();
	for (size_t i = 0; i < state.n_moments; i++) {
		state.moments[i].began += 7200 * 1000 * MS;
		state.moments[i].ended += 7200 * 1000 * MS;
	}
	facts.n_units = 0;
	facts.agent += 7200 * 1000 * MS;
	facts.ready += 7200 * 1000 * MS;
	timeline_make(&facts, &timeline);
	ok(!find("kernel")->shown && timeline.from == 7202100000,
		"where instanced came hours later, the boot is not shown");
	is_int(timeline.own, 650000, "the share is the same");

	facts = (struct timeline_facts){.state = &state, .now = 6000 * MS};
	memset(&state, 0, sizeof state);
	timeline_make(&facts, &timeline);
	ok(timeline.n == 0 && timeline.from < timeline.to, "nothing known is no division by zero");
}

/* The stream's content; the next call's replaces it. */
static const char *rendered(unsigned width)
{
	static char *text;
	size_t length;
	FILE *out;

	free(text);
	text = NULL;
	out = open_memstream(&text, &length);
	if (width)
		timeline_print(&timeline, width, out);
	else
		timeline_svg(&timeline, out);
	(void)fclose(out);
	return text;
}

static void test_text(void)
{
	static const struct timeline_unit few[] = {
		{TIMELINE_SYSTEM, "a-unit-with-a-name-that-is-longer-than-a-line-has-room.service",
			4000 * MS, 4500 * MS, true},
	};
	struct timeline_facts facts = {.state = &state,
		.userspace = 2000 * MS,
		.finish = 4000 * MS,
		.ready = 3000 * MS,
		.now = 4000 * MS};

	memset(&state, 0, sizeof state);
	note("metadata", 1000, 2000);
	note("apply", 1000, 3000);
	timeline_make(&facts, &timeline);
	is_str(rendered(73),
		"instance not known\n"
		"ready 3.000 s after the kernel started\n"
		"                start      took  0 s      1 s       2 s       3 s\n"
		"kernel\n"
		"  kernel        0.000     2.000  ███████████████████▌         │         ┊\n"
		"system\n"
		"  systemd       2.000     2.000  ┊        ┊         ▐███████████████████┊\n"
		"instanced\n"
		"  apply         1.000     2.000  ┊        ▐███████████████████│         ┊\n"
		"  metadata      1.000     1.000  ┊        ▐█████████▌         │         ┊\n"
		"  first 200     3.000            ┊        ┊         ┊         ◆         ┊\n",
		"a line a span, to scale");
	facts.units = few;
	facts.n_units = 1;
	timeline_make(&facts, &timeline);
	ok(strstr(rendered(60), "\n  a-unit-with-a...     4.000    >0.000  "),
		"a name is cut to leave room for bars, what goes on is marked");
	ok(rendered(1) && rendered(100000), "there is no width that it cannot take");
}

static bool is_xml(const char *text)
{
	char command[PATH_MAX + 32];
	int status;

	(void)scratch_write("timeline.svg", text);
	snprintf(command, sizeof command, "xmllint --noout --nonet '%s'",
		scratch_path("timeline.svg"));
	status = system(command);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_svg(void)
{
	static const struct timeline_unit hostile[] = {
		{TIMELINE_SYSTEM, "<script>\"&'\x1b[31m\xff.service", 100 * MS, 5000 * MS, false},
	};
	bool there = system("xmllint --version >/dev/null 2>&1") == 0;
	struct timeline_facts facts = boot_facts();
	const char *svg;

	timeline_make(&facts, &timeline);
	svg = rendered(0);
	ok(strstr(svg, "prefers-color-scheme:dark") && strstr(svg, ">i-0123456789abcdef0<"),
		"the drawing is for light and dark, and names the instance");
	ok(strstr(svg, ">volume data: mount<") && strstr(svg, ">0.100 s<"),
		"a bar has its name and its time");
	ok(!strstr(svg, "href") && !strstr(svg, "url(") && !strstr(svg, "<script"),
		"it fetches and runs nothing");
	if (there)
		ok(is_xml(svg), "it is XML");
	else
		skip("it is XML", "there is no xmllint");

	facts.units = hostile;
	facts.n_units = 1;
	timeline_make(&facts, &timeline);
	svg = rendered(0);
	ok(strstr(svg, "&lt;script&gt;&quot;&amp;&#39;?[31m?.service"), "text is text in it");
	if (there)
		ok(is_xml(svg), "whatever the text is");
	else
		skip("whatever the text is", "there is no xmllint");
	memset(&state, 0, sizeof state);
	facts = (struct timeline_facts){.state = &state};
	timeline_make(&facts, &timeline);
	ok(strstr(rendered(0), "</svg>") && !strstr(rendered(0), "nan"),
		"one of nothing is drawn, too");
}

static void test_json(void)
{
	struct timeline_facts facts = boot_facts();
	json_t *json, *span, *found = NULL;
	size_t i;

	timeline_make(&facts, &timeline);
	json = timeline_to_json(&timeline);
	is_int(json_integer_value(json_object_get(json, "readyUsec")), 5250000,
		"JSON has the time to ready");
	is_int((long long)json_array_size(json_object_get(json, "spans")), (long long)timeline.n,
		"and every span");
	json_array_foreach (json_object_get(json, "spans"), i, span)
		if (strcmp(json_string_value(json_object_get(span, "what")),
			    "cloud-final.service") == 0)
			found = span;
	ok(json_is_null(json_object_get(found, "endedUsec")), "what goes on has no end");
	json_decref(json);
}

int main(void)
{
	static char id[] = "i-0123456789abcdef0";

	scratch_make();
	metadata.fields[METADATA_INSTANCE_ID] = id;
	test_tick();
	test_spans();
	test_sum();
	test_choice();
	test_text();
	test_svg();
	test_json();
	return done_testing();
}
