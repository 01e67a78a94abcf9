/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: what Prometheus scrapes, in its text format 0.0.4 (prometheus.io, "Exposition formats")
 * and in OpenMetrics 1.0.0 (the specification of that name, "Text format"). The two differ in the
 * names of the families, in the type of what only informs, in units, and in the end.
 */
#pragma once

#include <stdint.h>

#define METRICS_TYPE_TEXT        "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* Something that is counted from the agent's start, or from SIGHUP. */
struct metric_counter {
	const char *name; /* without "_total", as "instanced_http_requests" */
	const char *help; /* a sentence, without backslash, quote and newline */
	uint64_t value;
};

struct view_facts;

/* The caller frees. -ENOMEM. */
int metrics_render(const struct view_facts *facts, enum metrics_format format, char **ret_text);
