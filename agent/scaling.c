/* SPDX-License-Identifier: Apache-2.0 */
#include "scaling.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

struct scaling {
	sd_event *event;
	struct aws *aws;
	const struct config *config;
	scaling_said said;
	void *userdata;
	struct publish *publish;
};

struct publish *scaling_publish(const struct scaling *scaling)
{
	return scaling ? scaling->publish : NULL;
}

static void set_group(struct scaling *scaling, const char *name)
{
	struct err err;

	if (publish_set_group(scaling->publish, name) < 0) {
		err_set(&err, 0, "CloudWatch takes no name like that of the group %s", name);
		scaling->said(false, err.text, scaling->userdata);
	}
}

void scaling_set_group(struct scaling *scaling, const char *name)
{
	if (!scaling->config->scaling.group && (name || !publish_has_group(scaling->publish)))
		set_group(scaling, name);
}

void scaling_identify(struct scaling *scaling, const struct metadata *metadata)
{
	const char *id = metadata ? metadata->fields[METADATA_INSTANCE_ID] : NULL;

	if (!id)
		return;
	publish_set_instance(scaling->publish, id);
	if (scaling->config->scaling.group && !publish_has_group(scaling->publish))
		set_group(scaling, scaling->config->scaling.group);
}

void scaling_second(struct scaling *scaling, const struct load *load, const struct space *space)
{
	double values[STATISTICS_MAX];
	uint64_t now_usec;

	statistics_read(load, values);
	for (size_t i = 0; i < scaling->config->n_volumes; i++) {
		double used = space_used(space, scaling->config->volumes[i].name);

		values[STATISTIC_DISK + i] = used < 0 ? NAN : 100 * used;
	}
	if (sd_event_now(scaling->event, CLOCK_REALTIME, &now_usec) >= 0)
		publish_add(scaling->publish, now_usec, values);
}

size_t scaling_counters(
	const struct scaling *scaling, struct metric_counter ret_counters[static SCALING_COUNTERS])
{
	struct publish_counters counters;

	if (!scaling)
		return 0;
	counters = publish_counters(scaling->publish);
	memcpy(ret_counters,
		(const struct metric_counter[SCALING_COUNTERS]){
			{"instanced_cloudwatch_metrics_published", "Metrics that CloudWatch took.",
				counters.published},
			{"instanced_cloudwatch_metrics_dropped",
				"Metrics that were held for too long, or too many.",
				counters.dropped},
			{"instanced_cloudwatch_metrics_refused", "Metrics that CloudWatch refused.",
				counters.refused},
			{"instanced_cloudwatch_calls", "Calls of PutMetricData.", counters.calls},
			{"instanced_cloudwatch_calls_failed", "Those of them that failed.",
				counters.failures},
		},
		SCALING_COUNTERS * sizeof *ret_counters);
	return SCALING_COUNTERS;
}

int scaling_new(sd_event *event, struct aws *aws, const struct config *config, scaling_said said,
	void *userdata, struct scaling **ret_scaling)
{
	_cleanup_(scaling_free_p) struct scaling *scaling = calloc(1, sizeof *scaling);
	int r;

	if (!scaling)
		return -ENOMEM;
	*scaling = (struct scaling){.event = sd_event_ref(event),
		.aws = aws,
		.config = config,
		.said = said,
		.userdata = userdata};
	r = publish_new(event, aws, config, said, userdata, &scaling->publish);
	if (r < 0)
		return r;
	*ret_scaling = steal_ptr(scaling);
	return 0;
}

struct scaling *scaling_free(struct scaling *scaling)
{
	if (!scaling)
		return NULL;
	publish_free(scaling->publish);
	(void)sd_event_unref(scaling->event);
	free(scaling);
	return NULL;
}
