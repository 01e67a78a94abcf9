/* SPDX-License-Identifier: Apache-2.0 */
#include "orca.h"

#include <stdio.h>

/* There is no rate of requests in it: those of the app do not come through here. */
void orca_render(const struct load *load, char ret_field[static ORCA_FIELD_MAX])
{
	double memory = load_memory_used(load);
	struct load_share share;
	int n;

	ret_field[0] = '\0';
	if (load_window(load, 10, &share) < 0)
		return;
	n = snprintf(ret_field, ORCA_FIELD_MAX,
		"endpoint-load-metrics: TEXT cpu_utilization:%.4f, application_utilization:%.4f, "
		"named_metrics.demand:%.4f, named_metrics.steal:%.4f",
		share.utilization, share.demand, share.demand, share.steal);
	if (memory >= 0)
		n += snprintf(ret_field + n, ORCA_FIELD_MAX - (size_t)n, ", mem_utilization:%.4f",
			memory);
	(void)snprintf(ret_field + n, ORCA_FIELD_MAX - (size_t)n, "\r\n");
}
