/* SPDX-License-Identifier: Apache-2.0 */
#include "../agent/publish.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "fake-aws.h"
#include "tap.h"

#define MS     1000ull
#define SECOND 1000000ull
#define EPOCH  1767225600ull /* 2026-01-01T00:00:00Z */
#define PUT    AWS_PUT_METRIC_DATA

static uint32_t next_random;

/* Stands in for the C library's: the phase and the pauses of a publisher are what a test says. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
	(void)flags;
	memset(buffer, 0, length);
	memcpy(buffer, &next_random, length < sizeof next_random ? length : sizeof next_random);
	return (ssize_t)length;
}

/* -- the query -- */

static struct config_volume volumes[CONFIG_VOLUMES_MAX];
static struct backlog backlog;

static void held(unsigned seconds, size_t n_volumes)
{
	struct statistics statistics;

	backlog_release(&backlog);
	statistics_init(&statistics, seconds, n_volumes);
	(void)backlog_init(&backlog, &statistics, PUBLISH_HELD_MAX);
}

static void hold_full(uint64_t start)
{
	struct period period = {.start = start};

	for (size_t i = 0; i < STATISTICS_MAX; i++)
		period.sets[i] = (struct statistic_set){10, 123.456, 1.25, 99.875};
	backlog_push(&backlog, &period);
}

#define PARAMETER(n, name, value) "&MetricData.member." n "." name "=" value
#define DATUM(n, metric, resolution, dimension, owner)                                             \
	PARAMETER(n, "MetricName", metric)                                                         \
	PARAMETER(n, "Timestamp", "2026-01-01T00%3A00%3A00Z")                                      \
	PARAMETER(n, "Unit", "Percent")                                                            \
	PARAMETER(n, "StorageResolution", resolution)                                              \
	PARAMETER(n, "Dimensions.member.1.Name", dimension)                                        \
	PARAMETER(n, "Dimensions.member.1.Value", owner)
#define SET(n, count, sum, minimum, maximum)                                                       \
	PARAMETER(n, "StatisticValues.SampleCount", count)                                         \
	PARAMETER(n, "StatisticValues.Sum", sum)                                                   \
	PARAMETER(n, "StatisticValues.Minimum", minimum)                                           \
	PARAMETER(n, "StatisticValues.Maximum", maximum)

static void test_query_text(void)
{
	struct publish_labels labels = {.namespace = "My App/x",
		.instance = "i-0aa",
		.group = "web, blue",
		.seconds = 10,
		.volumes = volumes};
	struct period period = {.start = EPOCH};
	struct query query = {0};
	size_t n;

	volumes[0].name = (char *)"data";
	held(10, 1);
	period.sets[STATISTIC_DEMAND] = (struct statistic_set){10, 512.5, 3, 100};
	period.sets[STATISTIC_DISK] = (struct statistic_set){1, 40, 40, 40};
	backlog_push(&backlog, &period);
	is_int((long long)publish_query(&query, &labels, &backlog, &n), 1, "a period");
	is_int((long long)n, 4, "has a metric for each set that holds something, under both");
	is_str(query.text,
		"Namespace=My%20App%2Fx" DATUM("1", "demand", "1", "InstanceId", "i-0aa") SET(
			"1", "10", "512.5", "3", "100") DATUM("2", "demand", "1",
			"AutoScalingGroupName", "web%2C%20blue") SET("2", "10", "512.5", "3", "100")
			DATUM("3", "disk", "1", "InstanceId", "i-0aa") PARAMETER(
				"3", "Dimensions.member.2.Name", "Volume") PARAMETER("3",
				"Dimensions.member.2.Value", "data") SET("3", "1", "40", "40", "40")
				DATUM("4", "disk", "1", "AutoScalingGroupName", "web%2C%20blue")
					PARAMETER("4", "Dimensions.member.2.Name", "Volume")
						PARAMETER("4", "Dimensions.member.2.Value", "data")
							SET("4", "1", "40", "40", "40"),
		"in CloudWatch's words");
	query_clear(&query);

	labels.group = NULL;
	labels.seconds = 60;
	held(60, 0);
	backlog_push(&backlog, &period);
	(void)publish_query(&query, &labels, &backlog, &n);
	is_str(query.text,
		"Namespace=My%20App%2Fx" DATUM("1", "demand", "60", "InstanceId", "i-0aa")
			SET("1", "10", "512.5", "3", "100"),
		"in no group, and at the common resolution when a period is a minute");
	query_clear(&query);
}

static void test_query_bounds(void)
{
	struct publish_labels labels = {
		.namespace = "n", .instance = "i-0aa", .seconds = 10, .volumes = volumes};
	static char group[PUBLISH_GROUP_MAX + 1], namespace[94175],
		name[] = "a-name-of-thirty-two-characters-";
	struct query query = {0};
	size_t n;

	held(10, 0);
	for (unsigned i = 0; i < PUBLISH_HELD_MAX; i++)
		hold_full(EPOCH + i * 10);
	labels.group = "web";
	is_int((long long)publish_query(&query, &labels, &backlog, &n), 125,
		"as many periods as make 1000 metrics fit into a call");
	is_int((long long)n, 1000, "whole ones");
	ok(strstr(query.text, "MetricData.member.1000.StatisticValues.Maximum=99.875") &&
			!strstr(query.text, "member.1001."),
		"and no part of the next one");
	ok(query.error == 0 && query.length == strlen(query.text), "the query is good");
	query_clear(&query);

	memset(group, '/', sizeof group - 1);
	labels.group = group;
	memset(namespace, 'n', sizeof namespace - 1);
	labels.namespace = namespace;
	for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
		volumes[i].name = name;
	held(10, CONFIG_VOLUMES_MAX);
	for (unsigned i = 0; i < 20; i++)
		hold_full(EPOCH + i * 10);
	n = 0;
	is_int((long long)publish_query(&query, &labels, &backlog, &n), 6,
		"where all is long, as many as make a megabyte");
	ok(n == 6 * 2 * STATISTICS_MAX && query.error == 0 && query.length < PUBLISH_BODY_MAX &&
			query.length > PUBLISH_BODY_MAX / 10 * 8,
		"of whole ones, too");
	query_clear(&query);
	backlog_drop(&backlog, 19);
	ok(publish_query(&query, &labels, &backlog, &n) == 1 && n == 2 * STATISTICS_MAX,
		"a single one always fits");
	query_clear(&query);
	backlog_release(&backlog);
}

/* -- pauses -- */

static void test_pauses(void)
{
	unsigned most = 0;

	is_int(publish_pause(1, -EAGAIN, 10, 0), 0, "after a failure it may be the next period");
	is_int(publish_pause(1, -EAGAIN, 10, 1), 1, "or the one after it");
	for (uint32_t random = 0; random < 1000; random++) {
		unsigned pause = publish_pause(4, -ETIMEDOUT, 10, random);

		most = pause > most ? pause : most;
	}
	is_int(most, 8, "the bound doubles with each failure");
	most = 0;
	for (uint32_t random = 0; random < 1000; random++) {
		unsigned pause = publish_pause(UINT32_MAX, -ETIMEDOUT, 30, random);

		most = pause > most ? pause : most;
	}
	is_int(most, 4, "to two minutes");
	is_int(publish_pause(1, -EACCES, 10, 3), 30, "without permission it is five minutes");
	is_int(publish_pause(9, -ENOENT, 60, 3), 5, "without a role too");
}

/* -- publishing -- */

static struct {
	sd_event *event;
	struct aws *aws;
	struct config config;
	struct publish *publish;
	unsigned n_good, n_bad;
	char words[256];
	uint64_t clock; /* seconds since 1970 */
} on;

static void on_said(bool works, const char *words, void *userdata)
{
	(void)userdata;
	on.n_good += works;
	on.n_bad += !works;
	snprintf(on.words, sizeof on.words, "%s", words);
}

/* Periods of a second, sent as soon as they are closed. */
static void begin(void)
{
	memset(&on, 0, sizeof on);
	next_random = 0;
	on.clock = (uint64_t)time(NULL) - 1000;
	on.config.scaling = (struct config_scaling){
		.namespace = (char *)"n", .period_usec = SECOND, .cloudwatch = true};
	(void)sd_event_new(&on.event);
	(void)aws_new(on.event, NULL, NULL, NULL, &on.aws);
	(void)publish_new(on.event, on.aws, &on.config, on_said, NULL, &on.publish);
}

static void begin_known(void)
{
	begin();
	publish_set_instance(on.publish, "i-0aa");
	publish_set_group(on.publish, NULL);
}

static void end(void)
{
	on.publish = publish_free(on.publish);
	on.aws = aws_free(on.aws);
	on.event = sd_event_unref(on.event);
}

static void run_for(uint64_t usec)
{
	uint64_t until, now;

	(void)sd_event_now(on.event, CLOCK_MONOTONIC, &now);
	for (until = now + usec; now < until; (void)sd_event_now(on.event, CLOCK_MONOTONIC, &now))
		(void)sd_event_run(on.event, until - now);
}

/* Does what is due, without a sleep, which may take long on a busy machine. */
static void run_due(void)
{
	while (sd_event_run(on.event, 0) > 0)
		;
}

static void run_until_calls(size_t n)
{
	for (unsigned i = 0; i < 500 && (fake_aws_n_calls < n || fake_aws_pending() > 0); i++)
		(void)sd_event_run(on.event, 10 * MS);
}

/* A second, which closes the period of the one before. One metric, so points are periods. */
static void second(double demand)
{
	double values[STATISTICS_MAX];

	for (size_t i = 0; i < STATISTICS_MAX; i++)
		values[i] = NAN;
	values[STATISTIC_DEMAND] = demand;
	publish_add(on.publish, ++on.clock * SECOND, values);
}

static void seconds(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		second(i);
}

static struct publish_counters counters(void)
{
	return publish_counters(on.publish);
}

static void test_good(void)
{
	FAKE_AWS_SCRIPT({.action = PUT});
	begin_known();
	seconds(2);
	run_until_calls(1);
	is_int((long long)fake_aws_n_calls, 1, "a closed period is published");
	ok(fake_aws_calls[0].timeout_usec == PUBLISH_CALL_USEC, "in bounded time");
	ok(counters().published == 1 && counters().calls == 1 && counters().held == 0,
		"and counted");
	run_for(20 * MS);
	is_int((long long)fake_aws_n_calls, 1, "once");
	second(7);
	run_until_calls(2);
	ok(strstr(fake_aws_calls[1].query, "Sum=1&") &&
			!strstr(fake_aws_calls[1].query, "member.2."),
		"the next one by itself");
	ok(on.n_good == 0 && on.n_bad == 0, "and nothing is said");
	end();
}

static void test_phase(void)
{
	uint64_t before;

	FAKE_AWS_SCRIPT({.action = PUT});
	begin_known();
	end();
	next_random = 0;
	begin_known();
	on.publish = publish_free(on.publish);
	next_random = 3000000u + 150000u;
	(void)publish_new(on.event, on.aws, &on.config, on_said, NULL, &on.publish);
	publish_set_instance(on.publish, "i-0aa");
	publish_set_group(on.publish, NULL);
	(void)sd_event_now(on.event, CLOCK_MONOTONIC, &before);
	seconds(2);
	run_until_calls(1);
	ok(fake_aws_calls[0].usec - before > 140 * MS && fake_aws_calls[0].usec - before < SECOND,
		"each instance has a time of its own within the period");
	end();
}

static void test_who(void)
{
	FAKE_AWS_SCRIPT({.action = PUT});
	begin();
	seconds(3);
	run_for(20 * MS);
	publish_set_instance(on.publish, "i-0bb");
	second(1);
	run_for(20 * MS);
	ok(fake_aws_n_calls == 0 && counters().held == 3 && !publish_has_group(on.publish),
		"while it is not known whose metrics they are, they are held");
	publish_set_group(on.publish, "web");
	is_int((long long)counters().held, 6, "counted under both names, once these are known");
	second(1);
	run_until_calls(1);
	ok(publish_has_group(on.publish) && fake_aws_n_calls == 1 && counters().published == 8,
		"then all go in one call, under both names");
	ok(strstr(fake_aws_calls[0].query, "Value=i-0bb&") &&
			strstr(fake_aws_calls[0].query, "Value=web&"),
		"which are these");
	end();
}

static void test_outage(void)
{
	FAKE_AWS_SCRIPT({.action = PUT, .times = 3, .result = -EAGAIN, .words = "throttled"},
		{.action = PUT});
	begin_known();
	seconds(2);
	for (size_t n = 1; n <= 3; n++) {
		run_until_calls(n);
		ok(counters().failures == n && counters().held == n && counters().published == 0,
			"a call that fails keeps its periods");
		second(1);
	}
	run_until_calls(4);
	ok(counters().published == 4 && counters().held == 0 && counters().dropped == 0,
		"which go with those that came since");
	ok(strstr(fake_aws_calls[3].query, "member.4.") &&
			!strstr(fake_aws_calls[3].query, "member.5."),
		"in one call");
	second(9);
	second(8);
	run_until_calls(5);
	ok(strstr(fake_aws_calls[4].query, "member.1.StatisticValues.Sum=1&") &&
			strstr(fake_aws_calls[4].query, "member.2.StatisticValues.Sum=9&"),
		"after them come the next ones");
	ok(on.n_bad == 1 && on.n_good == 1, "that it fails is said once, and that it works again");
	end();
}

static void test_pause(void)
{
	FAKE_AWS_SCRIPT({.action = PUT, .times = 1, .result = -ETIMEDOUT}, {.action = PUT});
	begin_known();
	next_random = 1;
	seconds(2);
	run_until_calls(1);
	second(1);
	run_for(20 * MS);
	is_int((long long)fake_aws_n_calls, 1, "a pause lets a period pass");
	second(1);
	run_until_calls(2);
	ok(fake_aws_n_calls == 2 && counters().published == 3, "and goes on with the next");
	end();
}

static void test_denied(void)
{
	FAKE_AWS_SCRIPT({.action = PUT, .times = 2, .result = -ENOENT, .words = "no role"},
		{.action = PUT});
	begin_known();
	for (unsigned i = 0; i < PUBLISH_DENIED_FOR + 2; i++) {
		second(i);
		run_due();
	}
	run_for(10 * MS);
	is_int((long long)fake_aws_n_calls, 1,
		"without a role it is tried again only after 5 minutes");
	ok(on.n_bad == 1 && strcmp(on.words, "no role") == 0, "which is said once");
	ok(counters().held == PUBLISH_HELD_MAX, "what is held meanwhile is bounded");
	second(1);
	run_until_calls(2);
	ok(fake_aws_n_calls == 2 && on.n_bad == 1, "the next time nothing is said");
	end();
}

static void test_bound(void)
{
	FAKE_AWS_SCRIPT({.action = PUT, .times = 1, .result = -EAGAIN}, {.action = PUT});
	begin_known();
	seconds(2);
	run_until_calls(1);
	seconds(PUBLISH_HELD_MAX + 20);
	is_int((long long)counters().held, PUBLISH_HELD_MAX, "no more is held than the bound");
	is_int((long long)counters().dropped, 21, "the rest is counted");
	run_until_calls(2);
	run_for(20 * MS);
	is_int((long long)counters().published, PUBLISH_HELD_MAX, "all that was held is published");
	ok(strstr(fake_aws_calls[1].query, "member.1.StatisticValues.Sum=19&"),
		"the oldest was dropped");
	end();

	FAKE_AWS_SCRIPT({.action = PUT, .delay_ms = 500});
	begin_known();
	seconds(2);
	run_due();
	is_int((long long)fake_aws_pending(), 1, "when the oldest is on its way");
	seconds(PUBLISH_HELD_MAX + 5);
	run_until_calls(2);
	run_for(100 * MS);
	is_int((long long)counters().held, 0, "  it is not taken for another");
	is_int((long long)counters().dropped, 6, "  and those beyond the bound are dropped");
	is_int((long long)counters().published, 1 + PUBLISH_HELD_MAX, "  and no others");
	end();
}

static void test_refused(void)
{
	FAKE_AWS_SCRIPT(
		{.action = PUT, .times = 1, .result = -EINVAL, .words = "no"}, {.action = PUT});
	begin_known();
	seconds(4);
	run_until_calls(1);
	ok(counters().refused == 3 && counters().held == 0 && counters().dropped == 0,
		"what CloudWatch refuses is not sent again");
	ok(on.n_bad == 1 && strcmp(on.words, "no") == 0, "it is said why");
	second(1);
	run_until_calls(2);
	ok(counters().published == 1, "the next ones go");
	end();
}

static void test_one_at_a_time(void)
{
	FAKE_AWS_SCRIPT({.action = PUT, .times = 1, .delay_ms = 1000}, {.action = PUT});
	begin_known();
	seconds(4);
	for (unsigned i = 0; i < 5; i++) {
		run_due();
		second(1);
	}
	is_int((long long)fake_aws_n_calls, 1, "one call at a time");
	run_until_calls(2);
	ok(fake_aws_n_calls == 2 && counters().published == 8 &&
			strstr(fake_aws_calls[1].query, "member.1.StatisticValues.Sum=3&"),
		"the rest goes when it is over");
	end();
}

static void test_clock(void)
{
	FAKE_AWS_SCRIPT({.action = PUT});
	begin();
	publish_set_group(on.publish, NULL);
	seconds(3);
	on.clock -= PUBLISH_AGE_MAX + 1000;
	seconds(5);
	on.clock = (uint64_t)time(NULL) + PUBLISH_AHEAD_MAX + 60;
	seconds(7);
	on.clock = (uint64_t)time(NULL) - 10;
	publish_set_instance(on.publish, "i-0aa");
	seconds(2);
	run_until_calls(1);
	is_int((long long)counters().dropped, 5 + 7, "what is too old or in the future is dropped");
	is_int((long long)counters().published, 3 + 1, "what is not is published");
	ok(fake_aws_n_calls == 1 && counters().refused == 0, "in one good call");
	end();

	FAKE_AWS_SCRIPT({.action = PUT});
	begin_known();
	on.clock -= PUBLISH_AGE_MAX + 1000;
	seconds(3);
	run_for(20 * MS);
	ok(fake_aws_n_calls == 0 && counters().dropped == 2 && counters().held == 0,
		"where nothing is left there is no call");
	end();
}

static void test_last(void)
{
	uint64_t before, after;

	FAKE_AWS_SCRIPT({.action = PUT});
	begin_known();
	seconds(2);
	publish_last(on.publish);
	ok(publish_busy(on.publish), "at the end what is held is sent at once");
	run_until_calls(1);
	ok(!publish_busy(on.publish) && counters().published == 2, "with the period that was open");
	end();

	FAKE_AWS_SCRIPT({.action = PUT, .delay_ms = FAKE_AWS_SILENT});
	begin_known();
	seconds(2);
	run_for(10 * MS);
	is_int((long long)fake_aws_pending(), 1, "also when a call is under way");
	publish_last(on.publish);
	(void)sd_event_now(on.event, CLOCK_MONOTONIC, &before);
	for (after = before; publish_busy(on.publish) && after < before + 5 * SECOND;
		(void)sd_event_now(on.event, CLOCK_MONOTONIC, &after))
		(void)sd_event_run(on.event, 20 * MS);
	ok(after - before > PUBLISH_LAST_USEC * 9 / 10 && after - before < 5 * SECOND,
		"it ends within its time, whoever is silent");
	end();
	is_int((long long)fake_aws_pending(), 0, "and nothing is left under way");

	FAKE_AWS_SCRIPT({.action = PUT, .times = 1, .delay_ms = FAKE_AWS_SILENT}, {.action = PUT});
	begin_known();
	seconds(2);
	run_for(PUBLISH_SLOW_USEC + 20 * MS);
	publish_last(on.publish);
	run_until_calls(2);
	ok(counters().published == 2 && !publish_busy(on.publish),
		"a call that waits for a better time is given up, and all goes in another");
	end();

	FAKE_AWS_SCRIPT({.action = PUT, .times = 1, .delay_ms = 500}, {.action = PUT});
	begin_known();
	seconds(2);
	run_due();
	second(1);
	publish_last(on.publish);
	run_until_calls(2);
	ok(counters().published == 3 && !publish_busy(on.publish),
		"what could not go with the call under way goes after it");
	end();

	FAKE_AWS_SCRIPT({.action = PUT});
	begin_known();
	publish_last(on.publish);
	ok(!publish_busy(on.publish) && fake_aws_n_calls == 0,
		"where nothing is held there is no call");
	end();
	ok(!publish_busy(NULL) && !publish_free(NULL), "NULL is no publisher");
}

static void test_names(void)
{
	char name[PUBLISH_GROUP_MAX + 2];

	begin();
	memset(name, 'x', sizeof name);
	name[PUBLISH_GROUP_MAX + 1] = '\0';
	ok(publish_set_group(on.publish, name) == -EINVAL && publish_has_group(on.publish),
		"a group's name that is too long for CloudWatch is as none");
	is_int(publish_set_group(on.publish, "gr\303\266n"), -EINVAL,
		"so is one that is not ASCII");
	name[PUBLISH_GROUP_MAX] = '\0';
	is_int(publish_set_group(on.publish, name), 0, "one that just fits is good");
	end();
}

int main(void)
{
	test_query_text();
	test_query_bounds();
	test_pauses();
	test_good();
	test_phase();
	test_who();
	test_outage();
	test_pause();
	test_denied();
	test_bound();
	test_refused();
	test_one_at_a_time();
	test_clock();
	test_last();
	test_names();
	return done_testing();
}
