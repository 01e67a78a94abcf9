/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "publish.h"

/* One metric of the request: what it is, and under whose name. */
struct datum {
	size_t index; /* from 1 */
	const char *timestamp, *resolution;
	const char *dimension, *owner;
	const char *metric, *volume; /* or NULL */
};

static void add_dimension(
	struct query *query, size_t datum, int i, const char *name, const char *value)
{
	query_add(query, name, "MetricData.member.%zu.Dimensions.member.%d.Name", datum, i);
	query_add(query, value, "MetricData.member.%zu.Dimensions.member.%d.Value", datum, i);
}

static void add_datum(
	struct query *query, const struct datum *datum, const struct statistic_set *set)
{
	const struct {
		const char *name;
		double value;
	} statistics[] = {{"SampleCount", set->count}, {"Sum", set->sum}, {"Minimum", set->minimum},
		{"Maximum", set->maximum}};
	const struct {
		const char *name, *value;
	} members[] = {{"MetricName", datum->metric}, {"Timestamp", datum->timestamp},
		{"Unit", "Percent"}, {"StorageResolution", datum->resolution}};

	FOREACH_ELEMENT (i, members)
		query_add(query, members[i].value, "MetricData.member.%zu.%s", datum->index,
			members[i].name);
	add_dimension(query, datum->index, 1, datum->dimension, datum->owner);
	if (datum->volume)
		add_dimension(query, datum->index, 2, "Volume", datum->volume);
	FOREACH_ELEMENT (i, statistics)
		query_add_number(query, statistics[i].value,
			"MetricData.member.%zu.StatisticValues.%s", datum->index,
			statistics[i].name);
}

/* All of a period; returns how many metrics there are with it. */
static size_t add_period(struct query *query, const struct publish_labels *labels,
	const struct backlog *backlog, size_t period, size_t n_metrics)
{
	const struct statistic_set *sets = backlog_sets(backlog, period);
	const char *const owners[][2] = {
		{"InstanceId", labels->instance}, {"AutoScalingGroupName", labels->group}};
	time_t start = (time_t)backlog_start(backlog, period);
	char timestamp[32];
	struct tm tm;

	(void)strftime(timestamp, sizeof timestamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&start, &tm));
	for (size_t i = 0; i < backlog->n_sets; i++) {
		struct datum datum = {.timestamp = timestamp,
			.resolution = labels->seconds < 60 ? "1" : "60",
			.metric = statistic_name(i)};

		if (i >= STATISTIC_DISK)
			datum.volume = labels->volumes[i - STATISTIC_DISK].name;
		FOREACH_ELEMENT (o, owners) {
			if (sets[i].count == 0 || !owners[o][1])
				continue;
			datum.index = ++n_metrics;
			datum.dimension = owners[o][0];
			datum.owner = owners[o][1];
			add_datum(query, &datum, &sets[i]);
		}
	}
	return n_metrics;
}

size_t publish_query(struct query *query, const struct publish_labels *labels,
	const struct backlog *backlog, size_t *ret_metrics)
{
	size_t n_metrics = 0, n;

	query_add(query, labels->namespace, "Namespace");
	for (n = 0; n < backlog->n && query->error == 0; n++) {
		size_t length = query->length;
		size_t with = add_period(query, labels, backlog, n, n_metrics);

		if (with > PUBLISH_METRICS_MAX || query->error == -E2BIG ||
			query->length > PUBLISH_BODY_MAX) { /* as if it had not been added */
			query->length = length;
			query->text[length] = '\0';
			query->error = 0;
			break;
		}
		n_metrics = with;
	}
	*ret_metrics = n_metrics;
	return n;
}
