/* SPDX-License-Identifier: Apache-2.0 */
/* Everything but signatures, which system/signal.t has checked by somebody else. */
#include "aws.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "autoscaling.h"
#include "credentials.h"
#include "fake-http.h"
#include "gzip.h"
#include "tap.h"

#define SECOND 1000000ull
#define MS     1000ull
#define ROLES  "security-credentials/"

/* -- decisions -- */

static const struct {
	const char *name;
	enum aws_action action;
	int status;
	const char *code, *message;
	enum aws_verdict verdict, when_fresh;
} answers[] = {
	{"200", AWS_PUT_METRIC_DATA, 200, "", "", AWS_USE, AWS_USE},
	{"no answer", AWS_PUT_METRIC_DATA, 0, "", "", AWS_RETRY, AWS_RETRY},
	{"503", AWS_PUT_METRIC_DATA, 503, "ServiceUnavailable", "", AWS_RETRY, AWS_RETRY},
	{"500 without a word", AWS_PUT_METRIC_DATA, 500, "", "", AWS_RETRY, AWS_RETRY},
	{"a gateway's 502", AWS_PUT_METRIC_DATA, 502, "", "", AWS_RETRY, AWS_RETRY},
	{"429", AWS_PUT_METRIC_DATA, 429, "", "", AWS_RETRY, AWS_RETRY},
	{"throttled with 400", AWS_PUT_METRIC_DATA, 400, "Throttling", "Rate exceeded", AWS_RETRY,
		AWS_RETRY},
	{"throttled otherwise", AWS_DESCRIBE_LIFECYCLE_HOOKS, 400, "RequestLimitExceeded", "",
		AWS_RETRY, AWS_RETRY},
	{"an update is pending", AWS_COMPLETE_LIFECYCLE_ACTION, 500, "ResourceContention", "",
		AWS_RETRY, AWS_RETRY},
	{"expired credentials", AWS_PUT_METRIC_DATA, 403, "ExpiredToken", "", AWS_RENEW,
		AWS_DENIED},
	{"unknown credentials", AWS_PUT_METRIC_DATA, 403, "InvalidClientTokenId", "", AWS_RENEW,
		AWS_DENIED},
	{"no permission", AWS_PUT_METRIC_DATA, 403, "AccessDenied", "", AWS_DENIED, AWS_DENIED},
	{"a 403 without a word", AWS_PUT_METRIC_DATA, 403, "", "", AWS_DENIED, AWS_DENIED},
	{"a wrong signature", AWS_PUT_METRIC_DATA, 403, "SignatureDoesNotMatch", "", AWS_DENIED,
		AWS_DENIED},
	{"a wrong clock", AWS_PUT_METRIC_DATA, 400, "RequestExpired", "", AWS_DENIED, AWS_DENIED},
	{"a wrong value", AWS_PUT_METRIC_DATA, 400, "InvalidParameterValue", "", AWS_REFUSED,
		AWS_REFUSED},
	{"a redirect", AWS_PUT_METRIC_DATA, 302, "", "", AWS_REFUSED, AWS_REFUSED},
	{"an action that is done", AWS_COMPLETE_LIFECYCLE_ACTION, 400, "ValidationError",
		"No active Lifecycle Action found with instance ID i-0", AWS_GONE, AWS_GONE},
	{"a heartbeat for it", AWS_RECORD_LIFECYCLE_ACTION_HEARTBEAT, 400, "ValidationError",
		"No active Lifecycle Action found with instance ID i-0", AWS_GONE, AWS_GONE},
	{"a group that is not there", AWS_COMPLETE_LIFECYCLE_ACTION, 400, "ValidationError",
		"AutoScalingGroup name not found", AWS_REFUSED, AWS_REFUSED},
	{"the same words to another action", AWS_SET_INSTANCE_HEALTH, 400, "ValidationError",
		"No active Lifecycle Action found", AWS_REFUSED, AWS_REFUSED},
	{"a stack that waits no more", AWS_SIGNAL_RESOURCE, 400, "ValidationError",
		"Stack arn:aws:… is in CREATE_COMPLETE state and cannot be signaled", AWS_GONE,
		AWS_GONE},
	{"a signal that is there", AWS_SIGNAL_RESOURCE, 400, "ValidationError",
		"Signal with ID i-0 for resource web already exists. Signals may only be updated "
		"with a FAILURE status.",
		AWS_GONE, AWS_GONE},
	{"a stack that is not there", AWS_SIGNAL_RESOURCE, 400, "ValidationError",
		"Stack with id web does not exist", AWS_REFUSED, AWS_REFUSED},
	{"a target group that is not there", AWS_DEREGISTER_TARGETS, 400, "TargetGroupNotFound", "",
		AWS_GONE, AWS_GONE},
	{"nor is one to register at", AWS_REGISTER_TARGETS, 400, "TargetGroupNotFound", "",
		AWS_REFUSED, AWS_REFUSED},
};

static void test_judge(void)
{
	FOREACH_ELEMENT (i, answers)
		ok(aws_judge(answers[i].action, answers[i].status, answers[i].code,
			   answers[i].message, false) == answers[i].verdict &&
				aws_judge(answers[i].action, answers[i].status, answers[i].code,
					answers[i].message, true) == answers[i].when_fresh,
			answers[i].name);
}

static const struct {
	unsigned attempt;
	uint64_t longest;
} waits[] = {{1, 500 * MS}, {2, SECOND}, {3, 2 * SECOND}, {6, 16 * SECOND}, {7, 20 * SECOND},
	{100, 20 * SECOND}, {UINT32_MAX, 20 * SECOND}};

static void test_backoff(void)
{
	FOREACH_ELEMENT (i, waits) {
		char name[64];

		(void)snprintf(name, sizeof name, "wait %u: up to %llu ms", waits[i].attempt,
			(unsigned long long)(waits[i].longest / MS));
		ok(aws_backoff(waits[i].attempt, UINT32_MAX) == waits[i].longest &&
				aws_backoff(waits[i].attempt, 0) == 0 &&
				aws_backoff(waits[i].attempt, UINT32_MAX / 2) <=
					waits[i].longest / 2,
			name);
	}
}

/* -- calls -- */

static struct {
	sd_event *event;
	struct http *http;
	struct imds *imds;
	struct aws *aws;
} on;

static char documents[3][512]; /* credentials: of an hour, others, and some that are stale */

static void begin(const char *endpoint)
{
	static const int minutes[] = {60, 60, 10};

	for (int i = 0; i < 3; i++) {
		time_t expires = time(NULL) + minutes[i] * 60;
		char text[32];

		(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&expires));
		(void)snprintf(documents[i], sizeof documents[i],
			"{\"Code\": \"Success\", \"AccessKeyId\": \"AKID%d\", "
			"\"SecretAccessKey\": \"SSSS\", \"Token\": \"TTTT%d\", "
			"\"Expiration\": \"%s\"}",
			i + 1, i + 1, text);
	}
	(void)sd_event_new(&on.event);
	(void)http_new(on.event, &on.http);
	(void)imds_new(on.event, on.http, "http://imds", &on.imds);
	(void)aws_new(on.event, on.http, on.imds, endpoint, &on.aws);
}

static void end(void)
{
	on.aws = aws_free(on.aws);
	on.imds = imds_free(on.imds);
	on.http = http_free(on.http);
	on.event = sd_event_unref(on.event);
}

static int call(enum aws_action action, uint64_t timeout, struct aws_answer *ret_answer)
{
	struct query query = {0};
	int r;

	query_add(&query, "i-0", "InstanceId");
	r = aws_wait(on.aws, action, &query, timeout, ret_answer);
	query_clear(&query);
	ok((r < 0) == (*ret_answer->err.text != '\0') && !strstr(ret_answer->err.text, "TTTT") &&
			!strstr(ret_answer->err.text, "SSSS"),
		"words only of a failure, and no secret in them");
	json_decref(ret_answer->json);
	return r;
}

static const struct fake_request *last(void)
{
	return &fake_requests[fake_n_requests - 1];
}

#define REPLY(action) "<" action "Response><ResponseMetadata/></" action "Response>"
#define ERROR(code, message)                                                                       \
	"<ErrorResponse xmlns=\"http://x/\"><Error><Type>Sender</Type><Code>" code                 \
	"</Code><Message>" message "</Message></Error></ErrorResponse>"
#define HEALTHY                                                                                    \
	{                                                                                          \
		.method = "POST", .status = 200, .body = REPLY("SetInstanceHealth")                \
	}
/* clang-format off */
#define IMDS_BUT_CREDENTIALS                                                                       \
	{.method = "PUT", .status = 200, .body = "token"},                                         \
	{.url = "/placement/region", .status = 200, .body = "eu-west-1\n"},                        \
	{.url = "/services/domain", .status = 200, .body = "amazonaws.com.cn"}
#define IMDS                                                                                       \
	IMDS_BUT_CREDENTIALS,                                                                      \
	{.url = ROLES "role", .status = 200, .body = documents[0]},                                \
	{.url = ROLES, .status = 200, .body = "role"}
/* clang-format on */

static void test_request(void)
{
	struct aws_answer answer;
	char *form = NULL;
	size_t length;

	begin(NULL);
	FAKE_SCRIPT(IMDS, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), 0, "an action is done");
	is_str(last()->url, "https://autoscaling.eu-west-1.amazonaws.com.cn/",
		"at the service of region and partition");
	is_str(last()->body, "Action=SetInstanceHealth&Version=2011-01-01&InstanceId=i-0",
		"Action and Version come first");
	is_str(last()->header, "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
		"as a form");
	is_str(last()->signer, "AKID1 TTTT1 eu-west-1 autoscaling",
		"signed with the role's credentials");
	ok(fake_http_count("GET", "region") == 1 && fake_http_count("GET", ROLES) == 2,
		"asked for once");
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), 0, "and once more");
	ok(fake_http_count("GET", "region") == 1 && fake_http_count("GET", "domain") == 1 &&
			fake_http_count("GET", ROLES) == 2,
		"without asking again");
	FAKE_SCRIPT({.method = "POST", .status = 200, .body = REPLY("PutMetricData")});
	is_int(call(AWS_PUT_METRIC_DATA, 10 * SECOND, &answer), 0, "metrics");
	ok(gzip_is(last()->body, last()->body_length) &&
			gzip_expand(
				last()->body, last()->body_length, 1000, &form, &length, NULL) == 0,
		"go gzipped");
	is_str(form, "Action=PutMetricData&Version=2010-08-01&InstanceId=i-0", "as they are");
	is_str(last()->signer, "AKID1 TTTT1 eu-west-1 monitoring", "signed for CloudWatch");
	free(form);
	end();
}

static void test_places(void)
{
	struct aws_answer answer;

	begin(NULL);
	FAKE_SCRIPT({.url = "domain", .status = 404}, IMDS, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), 0,
		"without a domain in metadata");
	is_str(last()->url, "https://autoscaling.eu-west-1.amazonaws.com/", "it is Amazon's");
	end();
	begin("http://{region}.sim:80/{service}/x");
	FAKE_SCRIPT(IMDS, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), 0, "an endpoint that is given");
	is_str(last()->url, "http://eu-west-1.sim:80/autoscaling/x", "is used");
	is_int((long long)fake_http_count("GET", "domain"), 0, "then no domain is asked for");
	end();
	begin("http://sim");
	FAKE_SCRIPT({.url = "region", .status = 200, .body = "evil.example/#"}, IMDS, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), -EPROTO,
		"a region that is none");
	FAKE_SCRIPT({.url = "region", .status = 404}, IMDS, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), -EPROTO, "no region");
	end();
}

static void test_result(void)
{
	struct query query = {0};
	struct aws_answer answer;

	begin("http://sim");
	FAKE_SCRIPT(IMDS,
		{.method = "POST",
			.status = 200,
			.body = "<DescribeLifecycleHooksResponse xmlns=\"http://x/\">"
				"<DescribeLifecycleHooksResult><LifecycleHooks><member>a</member>"
				"</LifecycleHooks></DescribeLifecycleHooksResult><ResponseMetadata/"
				">"
				"</DescribeLifecycleHooksResponse>"});
	(void)aws_wait(on.aws, AWS_DESCRIBE_LIFECYCLE_HOOKS, &query, 10 * SECOND, &answer);
	is_str(json_string_value(json_array_get(json_object_get(answer.json, "LifecycleHooks"), 0)),
		"a", "the result element is the answer");
	json_decref(answer.json);
	FAKE_SCRIPT({.method = "POST",
		.status = 200,
		.body = "<CompleteLifecycleActionResponse><CompleteLifecycleActionResult/>"
			"</CompleteLifecycleActionResponse>"});
	(void)aws_wait(on.aws, AWS_COMPLETE_LIFECYCLE_ACTION, &query, 10 * SECOND, &answer);
	ok(answer.result == 0 && json_is_object(answer.json) && json_object_size(answer.json) == 0,
		"an empty one is an empty object");
	json_decref(answer.json);
	FAKE_SCRIPT({.method = "POST", .status = 200, .body = "<html><p>Welcome"});
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), -EPROTO,
		"a 200 of somebody else");
	query_add(&query, "x", "%0300d", 1);
	is_int(aws_wait(on.aws, AWS_SET_INSTANCE_HEALTH, &query, 10 * SECOND, &answer), -E2BIG,
		"a query with an error is that error");
	query_clear(&query);
	end();
}

static void test_retries(void)
{
	struct aws_answer answer;
	uint64_t start;

	begin("http://sim");
	FAKE_SCRIPT(IMDS,
		{.method = "POST",
			.times = 2,
			.status = 400,
			.body = ERROR("Throttling", "Rate exceeded")},
		{.method = "POST", .times = 1, .status = 503, .body = "busy"},
		{.method = "POST", .times = 1, .error = -EIO, .reason = "reset"}, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 20 * SECOND, &answer), 0, "trouble is waited out");
	is_int((long long)fake_http_count("POST", "sim"), 5, "with a request each");

	FAKE_SCRIPT(
		{.method = "POST", .status = 400, .body = ERROR("Throttling", "Rate exceeded")});
	start = fake_now();
	is_int(call(AWS_SET_INSTANCE_HEALTH, 400 * MS, &answer), -EAGAIN,
		"throttled until the time is over");
	ok(fake_now() - start >= 390 * MS && fake_now() - start < 3 * SECOND,
		"which is not exceeded");
	ok(strstr(answer.err.text, "SetInstanceHealth: 400 Throttling: Rate exceeded (tried "),
		"it says so");
	FAKE_SCRIPT({.method = "POST", .delay_ms = FAKE_SILENT});
	is_int(call(AWS_SET_INSTANCE_HEALTH, 200 * MS, &answer), -ETIMEDOUT, "silence");
	FAKE_SCRIPT({.method = "POST", .error = -EKEYREJECTED, .reason = "a certificate"});
	is_int(call(AWS_SET_INSTANCE_HEALTH, 9 * SECOND, &answer), -EPROTO,
		"a wrong certificate is not tried again");
	is_int((long long)fake_http_count("POST", "sim"), 1, "not once");
	end();
}

static const struct {
	const char *name;
	int status;
	const char *body;
	int result;
	const char *words, *code;
} refusals[] = {
	{"no permission", 403, ERROR("AccessDenied", "User: arn:x is not authorized"), -EACCES,
		"SetInstanceHealth: 403 AccessDenied: User: arn:x is not authorized (the role's "
		"policy "
		"must allow it)",
		"AccessDenied"},
	{"a value", 400, ERROR("ValidationError", "1 validation\terror"), -EINVAL,
		"SetInstanceHealth: 400 ValidationError: 1 validation error", "ValidationError"},
	{"a clock that is late", 403,
		ERROR("SignatureDoesNotMatch",
			"Signature expired: 20260101T000000Z is now earlier than x"),
		-EACCES, "(this machine's clock is wrong)", "SignatureDoesNotMatch"},
	{"a clock that is early", 403,
		ERROR("SignatureDoesNotMatch",
			"Signature not yet current: x is still later than y"),
		-EACCES, "(this machine's clock is wrong)", "SignatureDoesNotMatch"},
	{"a clock, by name", 403, ERROR("RequestTimeTooSkewed", "x"), -EACCES,
		"(this machine's clock is wrong)", "RequestTimeTooSkewed"},
	{"the request recited", 403,
		ERROR("SignatureDoesNotMatch",
			"It does not match.\n\nThe Canonical String for this "
			"request should have been\n'POST\n/\n\nx-amz-security-"
			"token:TTTT1\n"),
		-EACCES, "SetInstanceHealth: 403 SignatureDoesNotMatch: It does not match.",
		"SignatureDoesNotMatch"},
	{"somebody else's 404", 404, "<html>not here</html>", -EPROTO, "SetInstanceHealth: 404",
		""},
};

#define DOTS                                                                                       \
	"........................................................................................" \
	".."                                                                                       \
	".........."

static void test_refusals(void)
{
	char umlauts[] = ERROR("ValidationError", DOTS DOTS DOTS DOTS DOTS DOTS);
	struct aws_answer answer;
	json_t *words;

	begin("http://sim");
	FOREACH_ELEMENT (i, refusals) {
		FAKE_SCRIPT(IMDS,
			{.method = "POST", .status = refusals[i].status, .body = refusals[i].body});
		if (!ok(call(AWS_SET_INSTANCE_HEALTH, 5 * SECOND, &answer) == refusals[i].result &&
				    strstr(answer.err.text, refusals[i].words) &&
				    strcmp(answer.code, refusals[i].code) == 0 &&
				    fake_http_count("POST", "sim") == 1,
			    refusals[i].name))
			printf("# %d %s %s\n", answer.result, answer.code, answer.err.text);
	}
	for (char *p = strchr(umlauts, '.'); p && *p == '.'; p += 2)
		memcpy(p, "ä", 2);
	FAKE_SCRIPT({.method = "POST", .status = 400, .body = umlauts});
	(void)call(AWS_SET_INSTANCE_HEALTH, 5 * SECOND, &answer);
	words = json_string(answer.err.text);
	ok(words && json_string_length(words) > 400, "a long message is cut between characters");
	json_decref(words);
	FAKE_SCRIPT({.method = "POST",
		.status = 400,
		.body = ERROR("ValidationError",
			"No active Lifecycle Action found with instance ID i-0")});
	is_int(call(AWS_COMPLETE_LIFECYCLE_ACTION, 10 * SECOND, &answer), 0,
		"what is gone already is done");
	ok(answer.gone, "and it is said");
	end();
}

static void test_renewal(void)
{
	struct aws_answer answer;

	begin("http://sim");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS,
		{.url = ROLES "role", .times = 1, .status = 200, .body = documents[0]},
		{.url = ROLES "role", .status = 200, .body = documents[1]},
		{.url = ROLES, .status = 200, .body = "role"},
		{.method = "POST",
			.times = 1,
			.status = 403,
			.body = ERROR("ExpiredToken", "expired")},
		HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 5 * SECOND, &answer), 0,
		"credentials that expired are renewed");
	is_str(last()->signer, "AKID2 TTTT2 eu-west-1 autoscaling", "the new ones are used");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS,
		{.url = ROLES "role", .status = 200, .body = documents[1]},
		{.url = ROLES, .status = 200, .body = "role"},
		{.method = "POST", .status = 403, .body = ERROR("ExpiredToken", "expired")});
	is_int(call(AWS_SET_INSTANCE_HEALTH, 5 * SECOND, &answer), -EACCES,
		"once; then there is nothing for it");
	is_int((long long)fake_http_count("POST", "sim"), 2, "after two requests");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS, {.url = ROLES, .status = 403},
		{.method = "POST", .times = 1, .status = 403, .body = ERROR("ExpiredToken", "x")},
		HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 5 * SECOND, &answer), 0,
		"those that are there are used when no others are to be had");
	end();

	begin("http://sim");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS,
		{.url = ROLES "role", .status = 200, .body = documents[2]},
		{.url = ROLES, .status = 200, .body = "role"}, HEALTHY);
	(void)call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), 0, "stale ones are used");
	is_int((long long)fake_http_count("GET", ROLES "role"), 1,
		"and not asked for again and again");
	end();

	begin("http://sim");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS, {.url = ROLES, .status = 404}, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), -ENOENT, "no role is -ENOENT");
	is_str(answer.err.text, "SetInstanceHealth: the instance has no role", "in words");
	FAKE_SCRIPT(IMDS, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 10 * SECOND, &answer), 0, "until it has one");
	end();

	begin("http://sim");
	FAKE_SCRIPT({.url = "imds", .error = -ECONNREFUSED, .reason = "refused"}, HEALTHY);
	is_int(call(AWS_SET_INSTANCE_HEALTH, 300 * MS, &answer), -ETIMEDOUT,
		"no metadata service in time");
	ok(strstr(answer.err.text, "http://imds: refused"), "in words");
	end();
}

/* -- several at once -- */

static unsigned n_done, n_good;

static void on_done(const struct aws_answer *answer, void *userdata)
{
	struct aws_call **other = userdata;

	n_done++;
	n_good += answer->result == 0;
	if (other) {
		aws_cancel(*other);
		*other = NULL;
	}
}

static void run_until(unsigned times)
{
	uint64_t until = fake_now() + 10 * SECOND;

	while (n_done < times && fake_now() < until)
		(void)sd_event_run(on.event, 100 * MS);
}

static void start(unsigned n, void *userdata, struct aws_call **ret_call)
{
	struct query query = {0};

	n_done = n_good = 0;
	for (unsigned i = 0; i < n; i++)
		(void)aws_start(on.aws, AWS_SET_INSTANCE_HEALTH, &query, 10 * SECOND, on_done,
			userdata, ret_call);
}

static void test_several(void)
{
	struct aws_call *one = NULL;

	begin("http://sim");
	FAKE_SCRIPT(IMDS, HEALTHY);
	start(10, NULL, NULL);
	run_until(10);
	ok(n_done == 10 && n_good == 10, "ten at once");
	ok(fake_http_count("GET", ROLES "role") == 1 && fake_http_count("GET", "region") == 1,
		"ask for what they need once");
	end();

	begin("http://sim");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS, {.url = ROLES, .status = 404});
	start(1, NULL, &one);
	start(1, &one, NULL); /* met first, as the newer one */
	run_until(2);
	is_int(n_done, 1, "one that fails may cancel another that waits");
	end();

	begin("http://sim");
	FAKE_SCRIPT(IMDS_BUT_CREDENTIALS, {.url = ROLES, .delay_ms = FAKE_SILENT});
	start(3, NULL, &one);
	(void)sd_event_run(on.event, 0);
	for (int i = 0; i < 50; i++)
		(void)sd_event_run(on.event, MS);
	aws_cancel(one);
	aws_cancel(NULL);
	on.aws = aws_free(on.aws);
	for (int i = 0; i < 10; i++)
		(void)sd_event_run(on.event, MS);
	ok(n_done == 0 && fake_http_pending() == 0,
		"freed while it asks for credentials, nobody hears of it");
	end();

	begin("http://sim");
	FAKE_SCRIPT(IMDS, {.method = "POST", .delay_ms = FAKE_SILENT});
	start(3, NULL, &one);
	for (int i = 0; i < 200 && fake_http_count("POST", "sim") < 3; i++)
		(void)sd_event_run(on.event, MS);
	is_int((long long)fake_http_pending(), 3, "freed under way");
	on.aws = aws_free(on.aws);
	ok(n_done == 0 && fake_http_pending() == 0, "nor then");
	ok(!aws_free(NULL), "NULL can be freed");
	end();
}

int main(void)
{
	test_judge();
	test_backoff();
	test_request();
	test_places();
	test_result();
	test_retries();
	test_refusals();
	test_renewal();
	test_several();
	is_str(aws_action_name(AWS_PUT_METRIC_DATA), "PutMetricData", "actions have names");
	return done_testing();
}
