/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "view.h"

/* A label's value: backslash, quote and newline are escaped. */
static void put_label(FILE *out, const char *separator, const char *name, const char *value)
{
	fprintf(out, "%s%s=\"", separator, name);
	for (; value && *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_head(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_identity(FILE *out, const struct metadata *metadata)
{
	static const struct {
		const char *label;
		enum metadata_field field;
	} labels[] = {{"instance_id", METADATA_INSTANCE_ID},
		{"instance_type", METADATA_INSTANCE_TYPE}, {"image_id", METADATA_IMAGE_ID},
		{"region", METADATA_REGION}, {"availability_zone", METADATA_AVAILABILITY_ZONE}};

	put_head(out, "instanced_instance_info", "Which instance this is.");
	fputs("instanced_instance_info{", out);
	FOREACH_ELEMENT (i, labels)
		put_label(out, i ? "," : "", labels[i].label,
			metadata ? metadata->fields[labels[i].field] : NULL);
	fputs("} 1\n", out);
}

static void put_status(FILE *out, const struct view_facts *facts)
{
	put_head(out, "instanced_status", "1 for the status that the instance has.");
	for (int status = STATUS_STARTING; status <= STATUS_FAILED; status++) {
		put_label(out, "instanced_status{", "status", status_name((enum status)status));
		fprintf(out, "} %d\n", facts->status == (enum status)status);
	}
	put_head(out, "instanced_check_passing", "1 for a check that passes.");
	for (size_t i = 0; i < facts->n_checks; i++) {
		put_label(out, "instanced_check_passing{", "check", facts->checks[i].name);
		fprintf(out, "} %d\n", facts->checks[i].result == CHECK_PASS);
	}
	if (!facts->ready_usec)
		return;
	put_head(out, "instanced_time_to_ready_seconds",
		"From the kernel's start to the first 200 of this agent.");
	fprintf(out, "instanced_time_to_ready_seconds %.3f\n", (double)facts->ready_usec / 1e6);
}

static void put_load(FILE *out, const struct load *load)
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
	static const int minutes[] = {1, 5, 15};
	struct load_share share;

	if (load_window(load, 10, &share) == 0) {
		FOREACH_ELEMENT (i, shares) {
			put_head(out, shares[i].name, shares[i].help);
			fprintf(out, "%s %.6f\n", shares[i].name,
				*(const double *)((const char *)&share + shares[i].offset));
		}
	}
	FOREACH_ELEMENT (i, minutes) {
		char name[32];

		snprintf(name, sizeof name, "instanced_load%d", minutes[i]);
		put_head(out, name, "Load average.");
		fprintf(out, "%s %.2f\n", name, load->averages[i]);
	}
}

int metrics_render(const struct view_facts *facts, char **ret_text)
{
	size_t length;
	FILE *out = open_memstream(ret_text, &length);

	if (!out)
		return -ENOMEM;
	put_identity(out, facts->metadata);
	put_status(out, facts);
	put_load(out, facts->load);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}
