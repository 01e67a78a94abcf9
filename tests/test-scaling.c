/* SPDX-License-Identifier: Apache-2.0 */
#include "../agent/scaling.h"

#include <time.h>

#include "fake-aws.h"
#include "tap.h"

#define MS     1000ull
#define SECOND 1000000ull
#define PUT    AWS_PUT_METRIC_DATA

static struct {
	sd_event *event;
	struct aws *aws;
	struct config config;
	struct space *space;
	struct scaling *scaling;
	struct load load;
	unsigned n_bad;
	char words[256];
} on;

static void on_said(bool works, const char *words, void *userdata)
{
	(void)userdata;
	on.n_bad += !works;
	snprintf(on.words, sizeof on.words, "%s", words);
}

static void begin(const char *group)
{
	memset(&on, 0, sizeof on);
	on.config.scaling = (struct config_scaling){
		.namespace = (char *)"n", .period_usec = SECOND, .group = (char *)group};
	load_init(&on.load, 100);
	(void)sd_event_new(&on.event);
	(void)space_new(on.event, SECOND, &on.space);
	(void)aws_new(on.event, NULL, NULL, NULL, &on.aws);
	(void)scaling_new(on.event, on.aws, &on.config, on_said, NULL, &on.scaling);
}

static void end(void)
{
	on.scaling = scaling_free(on.scaling);
	on.aws = aws_free(on.aws);
	on.space = space_free(on.space);
	on.event = sd_event_unref(on.event);
}

/* Who it is is told twice, as states come and go. */
static void identify(void)
{
	static struct metadata metadata = {.fields = {[METADATA_INSTANCE_ID] = (char *)"i-0aa"}};

	scaling_identify(on.scaling, NULL);
	scaling_identify(on.scaling, &metadata);
	scaling_identify(on.scaling, &metadata);
}

/* A second of a trace is published; returns the query. */
static const char *publish(void)
{
	struct cpu_counters before = {{0}}, after = {{30, 0, 0, 70}};

	(void)load_add(&on.load, SECOND, &before);
	(void)load_add(&on.load, 2 * SECOND, &after);
	scaling_second(on.scaling, &on.load, on.space);
	publish_last(scaling_publish(on.scaling));
	for (int i = 0; i < 100 && publish_busy(scaling_publish(on.scaling)); i++)
		(void)sd_event_run(on.event, 10 * MS);
	for (size_t i = 0; i < fake_aws_n_calls; i++)
		if (fake_aws_calls[i].action == PUT)
			return fake_aws_calls[i].query;
	return "";
}

static void test_counters(void)
{
	struct metric_counter counters[SCALING_COUNTERS];

	FAKE_AWS_SCRIPT({.action = PUT});
	begin("web");
	identify();
	(void)publish();
	is_int((long long)scaling_counters(on.scaling, counters), SCALING_COUNTERS, "it counts");
	is_str(counters[0].name, "instanced_cloudwatch_metrics_published", "what was published");
	is_int((long long)counters[0].value, 6, "three metrics under two names");
	end();
	is_int((long long)scaling_counters(NULL, counters), 0, "NULL counts nothing");
}

static void test_configured(void)
{
	const char *query;

	FAKE_AWS_SCRIPT({.action = PUT});
	begin("configured");
	identify();
	scaling_set_group(on.scaling, "told");
	query = publish();
	ok(strstr(query, "Value=configured&") && strstr(query, "Value=i-0aa&"),
		"the group is the configured one, whatever is told");
	ok(strstr(query, "StatisticValues.Maximum=30"), "what is published is what was sampled");
	end();
}

static void test_told(void)
{
	FAKE_AWS_SCRIPT({.action = PUT});
	begin(NULL);
	identify();
	ok(!publish_has_group(scaling_publish(on.scaling)),
		"while it is not known nothing is sent");
	scaling_set_group(on.scaling, "told");
	scaling_set_group(on.scaling, NULL);
	ok(strstr(publish(), "Value=told&"), "then it is sent, and a name that is known stays");
	end();

	FAKE_AWS_SCRIPT({.action = PUT});
	begin(NULL);
	identify();
	scaling_set_group(on.scaling, NULL);
	ok(publish_has_group(scaling_publish(on.scaling)) &&
			!strstr(publish(), "AutoScalingGroupName"),
		"in no group there are the instance's metrics alone");
	is_int(on.n_bad, 0, "without a word");
	end();

	begin("gr\303\266n");
	identify();
	is_str(on.words, "CloudWatch takes no name like that of the group gr\303\266n",
		"a name that CloudWatch does not take is told of");
	end();
	ok(!scaling_free(NULL) && !scaling_publish(NULL), "NULL is none");
}

int main(void)
{
	test_configured();
	test_told();
	test_counters();
	return done_testing();
}
