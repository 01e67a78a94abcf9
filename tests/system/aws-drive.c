/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws-drive: calls to AWS from standard input, a line each, for aws.t. One client makes them all.
 *
 *	aws-drive IMDS-URL ENDPOINT
 *	ACTION SECONDS [NAME=VALUE]...
 *	metrics SECONDS N              PutMetricData of N metrics
 *
 * For each a line: "ok JSON", "gone CODE", or "ENAME CODE: words".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws.h"

static void add_metrics(struct query *query, unsigned n)
{
	time_t now = time(NULL);
	char stamp[32];

	(void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	query_add(query, "instanced/test", "Namespace");
	for (unsigned i = 1; i <= n; i++) {
		query_add(query, "demand", "MetricData.member.%u.MetricName", i);
		query_add(query, stamp, "MetricData.member.%u.Timestamp", i);
		query_add(query, "Percent", "MetricData.member.%u.Unit", i);
		query_add(query, "1", "MetricData.member.%u.StorageResolution", i);
		query_add(query, "Instance~Id *+", "MetricData.member.%u.Dimensions.member.1.Name",
			i);
		query_add(query, "a b/c&d=e%2F+", "MetricData.member.%u.Dimensions.member.1.Value",
			i);
		query_add_number(query, 10, "MetricData.member.%u.StatisticValues.SampleCount", i);
		query_add_number(query, 1.0 / 3, "MetricData.member.%u.StatisticValues.Sum", i);
		query_add_number(query, 1e-9, "MetricData.member.%u.StatisticValues.Minimum", i);
		query_add_number(query, 0.25, "MetricData.member.%u.StatisticValues.Maximum", i);
	}
}

static bool find_action(const char *name, enum aws_action *ret_action)
{
	for (int i = 0; i < AWS_ACTIONS; i++)
		if (strcmp(aws_action_name((enum aws_action)i), name) == 0) {
			*ret_action = (enum aws_action)i;
			return true;
		}
	*ret_action = AWS_PUT_METRIC_DATA;
	return strcmp(name, "metrics") == 0;
}

static void print(const struct aws_answer *answer)
{
	char *text = json_dumps(answer->json, JSON_COMPACT);

	if (answer->result < 0)
		printf("%s %s: %s\n", strerrorname_np(-answer->result), answer->code,
			answer->err.text);
	else if (answer->gone)
		printf("gone %s\n", answer->code);
	else
		printf("ok %s\n", text);
	(void)fflush(stdout);
	free(text);
}

static void run(struct aws *aws, char *line)
{
	char *name = strtok(line, " \n"), *seconds = strtok(NULL, " \n"), *word;
	struct query query = {0};
	struct aws_answer answer;
	enum aws_action action;

	if (!name || !seconds || !find_action(name, &action)) {
		puts("no such line");
		return;
	}
	while ((word = strtok(NULL, " \n"))) {
		char *value = strchr(word, '=');

		if (strcmp(name, "metrics") == 0) {
			add_metrics(&query, (unsigned)strtoul(word, NULL, 10));
		} else if (value) {
			*value = '\0';
			query_add(&query, value + 1, "%s", word);
		}
	}
	(void)aws_wait(aws, action, &query, (uint64_t)(strtod(seconds, NULL) * 1e6), &answer);
	query_clear(&query);
	print(&answer);
	json_decref(answer.json);
}

int main(int argc, char **argv)
{
	sd_event *event = NULL;
	struct http *http = NULL;
	struct imds *imds = NULL;
	struct aws *aws = NULL;
	char line[1024];

	if (argc != 3 || sd_event_new(&event) < 0 || http_new(event, &http) < 0 ||
		imds_new(event, http, argv[1], &imds) < 0 ||
		aws_new(event, http, imds, argv[2], &aws) < 0) {
		fputs("aws-drive: IMDS-URL ENDPOINT\n", stderr);
		return EXIT_USAGE;
	}
	while (fgets(line, sizeof line, stdin))
		run(aws, line);
	aws_free(aws);
	imds_free(imds);
	http_free(http);
	(void)sd_event_unref(event);
	return EXIT_DONE;
}
