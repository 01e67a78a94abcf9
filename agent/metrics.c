/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "view.h"

struct exposition {
	FILE *f;
	enum metrics_format format;
};

/* What a family is: in both formats a type, and how the names of its samples end. */
enum kind { GAUGE, COUNTER, INFO };

static const struct {
	const char *text, *openmetrics, *suffix;
} kinds[] = {
	[GAUGE] = {"gauge", "gauge", ""},
	[COUNTER] = {"counter", "counter", "_total"},
	[INFO] = {"gauge", "info", "_info"},
};

/*
 * Begins a family. `name` is without the suffix of its kind. A unit is what a name ends in, when it
 * is one.
 */
static void put_family(
	const struct exposition *out, enum kind kind, const char *name, const char *help)
{
	static const char *const units[] = {"bytes", "ratio", "seconds"};
	const char *last = strrchr(name, '_') + 1;
	bool open = out->format == METRICS_OPENMETRICS;
	const char *suffix = open ? "" : kinds[kind].suffix;

	fprintf(out->f, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
		open ? kinds[kind].openmetrics : kinds[kind].text);
	FOREACH_ELEMENT (i, units)
		if (open && strcmp(last, units[i]) == 0)
			fprintf(out->f, "# UNIT %s %s\n", name, units[i]);
}

/* name="value", escaped: backslash, quote and newline. */
static void put_label(FILE *f, const char *separator, const char *name, const char *value)
{
	fprintf(f, "%s%s=\"", separator, name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', f);
		if (*value == '\n')
			fputs("\\n", f);
		else
			fputc(*value, f);
	}
	fputc('"', f);
}

/* A family of one sample, without labels. */
static void put_gauge(const struct exposition *out, const char *name, const char *help,
	int decimals, double value)
{
	put_family(out, GAUGE, name, help);
	fprintf(out->f, "%s %.*f\n", name, decimals, value);
}

static void put_identity(const struct exposition *out, const struct metadata *metadata)
{
	static const struct {
		const char *label;
		enum metadata_field field;
	} labels[] = {{"instance_id", METADATA_INSTANCE_ID},
		{"instance_type", METADATA_INSTANCE_TYPE}, {"image_id", METADATA_IMAGE_ID},
		{"region", METADATA_REGION}, {"availability_zone", METADATA_AVAILABILITY_ZONE}};
	const char *separator = "{";

	put_family(out, INFO, "instanced_build", "Which instanced this is.");
	fputs("instanced_build_info{version=\"" PACKAGE_VERSION "\"} 1\n", out->f);
	if (!metadata)
		return;
	put_family(out, INFO, "instanced_instance", "Which instance this is.");
	fputs("instanced_instance_info", out->f);
	FOREACH_ELEMENT (i, labels) {
		const char *value = metadata->fields[labels[i].field];

		if (!value)
			continue;
		put_label(out->f, separator, labels[i].label, value);
		separator = ",";
	}
	fputs(*separator == ',' ? "} 1\n" : " 1\n", out->f);
}

static void put_status(const struct exposition *out, const struct view_facts *facts)
{
	put_family(out, GAUGE, "instanced_status", "1 for the status that the instance has.");
	for (int status = STATUS_STARTING; status <= STATUS_FAILED; status++) {
		put_label(out->f, "instanced_status{", "status", status_name((enum status)status));
		fprintf(out->f, "} %d\n", facts->status == (enum status)status);
	}
	if (facts->n_checks > 0)
		put_family(out, GAUGE, "instanced_check_passing", "1 for a check that passes.");
	for (size_t i = 0; i < facts->n_checks; i++) {
		put_label(out->f, "instanced_check_passing{", "check", facts->checks[i].name);
		fprintf(out->f, "} %d\n", facts->checks[i].result == CHECK_PASS);
	}
	if (facts->ready_usec)
		put_gauge(out, "instanced_time_to_ready_seconds",
			"From the kernel's start to the first 200 of this agent.", 3,
			(double)facts->ready_usec / 1e6);
	if (facts->weight)
		put_gauge(out, "instanced_agent_check_weight_ratio",
			"The weight that HAProxy's agent-check is told.", 2, facts->weight / 100.0);
}

static void put_cpu(const struct exposition *out, const struct load *load)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} shares[] = {
		{"instanced_cpu_utilization_ratio", "Processor time used, over the last 10 s.",
			offsetof(struct load_share, utilization)},
		{"instanced_cpu_steal_ratio", "Processor time taken away, over the last 10 s.",
			offsetof(struct load_share, steal)},
		{"instanced_cpu_demand_ratio", "Utilization and steal, over the last 10 s.",
			offsetof(struct load_share, demand)},
	};
	static const char *const modes[CPU_COUNTERS] = {
		"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"};
	struct load_share share;

	if (load_window(load, 10, &share) < 0)
		return;
	FOREACH_ELEMENT (i, shares)
		put_gauge(out, shares[i].name, shares[i].help, 6,
			*(const double *)((const char *)&share + shares[i].offset));
	put_family(out, COUNTER, "instanced_cpu_seconds",
		"What all processors together did since boot.");
	FOREACH_ELEMENT (i, modes)
		fprintf(out->f, "instanced_cpu_seconds_total{mode=\"%s\"} %.2f\n", modes[i],
			load_seconds(load, (enum cpu_counter)i));
}

static void put_pressure(const struct exposition *out, const struct load *load)
{
	const struct {
		const char *resource;
		const struct pressure *pressure;
	} all[] = {{"cpu", &load->cpu}, {"io", &load->io}, {"memory", &load->memory}};
	bool begun = false;

	FOREACH_ELEMENT (i, all) {
		const struct {
			const char *tasks;
			const struct pressure_share *share;
		} shares[] = {{"some", &all[i].pressure->some}, {"full", &all[i].pressure->full}};

		FOREACH_ELEMENT (k, shares) {
			if (!shares[k].share->available)
				continue;
			if (!begun)
				put_family(out, GAUGE, "instanced_pressure_ratio",
					"Time in which some or all (full) tasks waited for a "
					"resource, over the last 10 s.");
			begun = true;
			fprintf(out->f,
				"instanced_pressure_ratio{resource=\"%s\",tasks=\"%s\"} %.4f\n",
				all[i].resource, shares[k].tasks, shares[k].share->avg10);
		}
	}
}

static void put_load(const struct exposition *out, const struct load *load)
{
	static const int minutes[] = {1, 5, 15};

	put_cpu(out, load);
	FOREACH_ELEMENT (i, minutes) {
		char name[32];

		snprintf(name, sizeof name, "instanced_load%d", minutes[i]);
		put_gauge(out, name, "Load average.", 2, load->averages[i]);
	}
	put_pressure(out, load);
	if (load->ram.total == 0)
		return;
	put_gauge(out, "instanced_memory_size_bytes", "Memory of the instance.", 0,
		(double)load->ram.total);
	put_gauge(out, "instanced_memory_available_bytes",
		"Memory that programs can have without swapping.", 0, (double)load->ram.available);
}

static void put_volumes(const struct exposition *out, const struct view_facts *facts)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} sizes[] = {
		{"instanced_volume_size_bytes", "Size of the file system of a volume.",
			offsetof(struct space_volume, size)},
		{"instanced_volume_available_bytes",
			"What users without privileges can still write to a volume.",
			offsetof(struct space_volume, available)},
	};

	FOREACH_ELEMENT (i, sizes) {
		bool begun = false;

		for (size_t k = 0; k < facts->n_volumes; k++) {
			const struct space_volume *volume = &facts->volumes[k];

			if (!volume->known)
				continue;
			if (!begun)
				put_family(out, GAUGE, sizes[i].name, sizes[i].help);
			begun = true;
			fputs(sizes[i].name, out->f);
			put_label(out->f, "{", "volume", volume->name);
			put_label(out->f, ",", "mountpoint", volume->path);
			fprintf(out->f, "} %" PRIu64 "\n",
				*(const uint64_t *)((const char *)volume + sizes[i].offset));
		}
	}
}

int metrics_render(const struct view_facts *facts, enum metrics_format format, char **ret_text)
{
	struct exposition out = {.format = format};
	struct text text;

	if (text_begin(&text) < 0)
		return -ENOMEM;
	out.f = text.out;
	put_identity(&out, facts->metadata);
	put_status(&out, facts);
	put_load(&out, facts->load);
	put_volumes(&out, facts);
	for (size_t i = 0; i < facts->n_counters; i++) {
		const struct metric_counter *counter = &facts->counters[i];

		put_family(&out, COUNTER, counter->name, counter->help);
		fprintf(out.f, "%s_total %" PRIu64 "\n", counter->name, counter->value);
	}
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", out.f);
	return text_end(&text, ret_text, NULL);
}
