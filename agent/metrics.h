/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats"). */
#pragma once

struct view_facts;

/* The caller frees. -ENOMEM. */
int metrics_render(const struct view_facts *facts, char **ret_text);
