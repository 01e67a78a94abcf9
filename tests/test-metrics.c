/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus is told, in both formats, and the load in a header. */
#include "../agent/metrics.h"

#include <stdlib.h>

#include "../agent/orca.h"
#include "../agent/view.h"
#include "cleanup.h"
#include "tap.h"

static struct load load;
static struct metadata metadata;

/* The text, until the next call. */
static const char *render(const struct view_facts *facts, enum metrics_format format)
{
	static char *text;

	free(text);
	text = NULL;
	if (metrics_render(facts, format, &text) < 0)
		printf("Bail out! out of memory\n"), exit(1);
	return text;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

/* One processor: 2 s of user time, 1 s stolen, 1 s idle; 3/4 demand. */
static void load_example(void)
{
	struct cpu_counters counters = {.ticks = {[CPU_IDLE] = 1000}};

	load_init(&load, 100);
	(void)load_add(&load, 1000000, &counters);
	counters.ticks[CPU_USER] += 200;
	counters.ticks[CPU_STEAL] += 100;
	counters.ticks[CPU_IDLE] += 100;
	(void)load_add(&load, 5000000, &counters);
	load.ram = (struct memory){.total = 4096, .available = 1024};
	load.io.some = (struct pressure_share){true, 0.125, 0, 0};
}

static void test_labels(void)
{
	static const struct {
		const char *value, *expected;
	} rows[] = {
		{"plain", "{instance_id=\"plain\"}"},
		{"", "{instance_id=\"\"}"},
		{"back\\slash", "{instance_id=\"back\\\\slash\"}"},
		{"quo\"te", "{instance_id=\"quo\\\"te\"}"},
		{"new\nline", "{instance_id=\"new\\nline\"}"},
		{"\\n", "{instance_id=\"\\\\n\"}"},
		{"\"} 1\nevil 1 #", "{instance_id=\"\\\"} 1\\nevil 1 #\"}"},
		{"ñ {},=", "{instance_id=\"ñ {},=\"}"},
	};
	struct view_facts facts = {.metadata = &metadata, .load = &load};

	FOREACH_ELEMENT (i, rows) {
		char id[64], name[128], line[128];

		snprintf(id, sizeof id, "%s", rows[i].value);
		metadata.fields[METADATA_INSTANCE_ID] = id;
		snprintf(line, sizeof line, "\ninstanced_instance_info%s 1\n", rows[i].expected);
		snprintf(name, sizeof name, "a label's value is escaped: %s", rows[i].expected);
		ok(strstr(render(&facts, METRICS_TEXT), line) &&
				strstr(render(&facts, METRICS_OPENMETRICS), line),
			name);
	}
	metadata.fields[METADATA_INSTANCE_ID] = NULL;
	ok(strstr(render(&facts, METRICS_TEXT), "\ninstanced_instance_info 1\n"),
		"what is not known is no label");
}

static void test_formats(void)
{
	static const struct metric_counter counters[] = {{"test_things", "Things.", UINT64_MAX}};
	static const struct {
		const char *text, *openmetrics, *name;
	} rows[] = {
		{"# HELP test_things_total Things.\n# TYPE test_things_total counter\n"
		 "test_things_total 18446744073709551615\n",
			"# HELP test_things Things.\n# TYPE test_things counter\n"
			"test_things_total 18446744073709551615\n",
			"a counter's family has the suffix in text, and has it not in OpenMetrics"},
		{"# TYPE instanced_build_info gauge\n", "# TYPE instanced_build info\n",
			"what informs is a gauge in text, a type of its own in OpenMetrics"},
		{"# TYPE instanced_memory_size_bytes gauge\ninstanced_memory_size_bytes 4096\n",
			"# TYPE instanced_memory_size_bytes gauge\n"
			"# UNIT instanced_memory_size_bytes bytes\n"
			"instanced_memory_size_bytes 4096\n",
			"OpenMetrics has units"},
		{"# TYPE instanced_cpu_seconds_total counter\n"
		 "instanced_cpu_seconds_total{mode=\"user\"} 2.00\n",
			"# TYPE instanced_cpu_seconds counter\n"
			"# UNIT instanced_cpu_seconds seconds\n"
			"instanced_cpu_seconds_total{mode=\"user\"} 2.00\n",
			"and a counter may have one"},
		{"instanced_cpu_demand_ratio 0.750000\n", "instanced_cpu_demand_ratio 0.750000\n",
			"demand is a ratio"},
		{"instanced_pressure_ratio{resource=\"io\",tasks=\"some\"} 0.1250\n",
			"instanced_pressure_ratio{resource=\"io\",tasks=\"some\"} 0.1250\n",
			"and so is pressure"},
		{"instanced_volume_available_bytes{volume=\"data\",mountpoint=\"/a\\\"b\"} 7\n",
			"instanced_volume_available_bytes{volume=\"data\",mountpoint=\"/a\\\"b\"} "
			"7\n",
			"a volume that is known is told"},
		{"instanced_agent_check_weight_ratio 0.55\n",
			"instanced_agent_check_weight_ratio 0.55\n", "the weight is a ratio"},
	};
	const struct space_volume volumes[] = {
		{.name = "data", .path = "/a\"b", .known = true, .size = 9, .available = 7},
		{.name = "hung", .path = "/hung"},
	};
	struct view_facts facts = {.load = &load,
		.weight = 55,
		.volumes = volumes,
		.n_volumes = 2,
		.counters = counters,
		.n_counters = 1};
	const char *text;

	FOREACH_ELEMENT (i, rows)
		ok(strstr(render(&facts, METRICS_TEXT), rows[i].text) &&
				strstr(render(&facts, METRICS_OPENMETRICS), rows[i].openmetrics),
			rows[i].name);
	text = render(&facts, METRICS_OPENMETRICS);
	ok(count(text, "# EOF\n") == 1 && strcmp(text + strlen(text) - 6, "# EOF\n") == 0,
		"OpenMetrics says where it ends");
	ok(!strstr(text, "hung"), "a volume that does not answer has no values");
	text = render(&facts, METRICS_TEXT);
	ok(!strstr(text, "# EOF") && !strstr(text, "# UNIT"), "text has neither end nor units");
	is_int((long long)count(text, "# TYPE instanced_pressure_ratio "), 1,
		"a family begins once");
}

static void test_unknown(void)
{
	struct load nothing;
	struct view_facts facts = {.load = &nothing};
	const char *text;

	load_init(&nothing, 100);
	text = render(&facts, METRICS_TEXT);
	ok(!strstr(text, "instance_info") && !strstr(text, "_cpu_") && !strstr(text, "memory") &&
			!strstr(text, "pressure") && !strstr(text, "volume") &&
			!strstr(text, "weight") && !strstr(text, "check_passing"),
		"what is not known is not told, not as a 0 either");
}

static void test_orca(void)
{
	struct load nothing;
	char field[ORCA_FIELD_MAX] = "x";

	load_init(&nothing, 100);
	orca_render(&nothing, field);
	is_str(field, "", "without a sample there is no ORCA header");
	orca_render(&load, field);
	is_str(field,
		"endpoint-load-metrics: TEXT cpu_utilization:0.5000, "
		"application_utilization:0.7500, named_metrics.demand:0.7500, "
		"named_metrics.steal:0.2500, mem_utilization:0.7500\r\n",
		"with one it has utilization, demand, steal and memory");
	load.ram.total = 0;
	orca_render(&load, field);
	ok(!strstr(field, "mem_") && strcmp(field + strlen(field) - 2, "\r\n") == 0,
		"memory that is not known is left out");
}

int main(void)
{
	load_example();
	test_labels();
	test_formats();
	test_unknown();
	test_orca();
	return done_testing();
}
