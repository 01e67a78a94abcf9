/* SPDX-License-Identifier: Apache-2.0 */
#include "aws-judge.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xml.h"

#define BACKOFF_FIRST 500000ull
#define BACKOFF_MAX   20000000ull

#define NO_ACTION                                                                                  \
	{                                                                                          \
		"ValidationError", "No active Lifecycle Action found"                              \
	}

/* clang-format off */
const struct aws_row aws_rows[AWS_ACTIONS] = {
	[AWS_COMPLETE_LIFECYCLE_ACTION] = {"CompleteLifecycleAction", "autoscaling", "2011-01-01",
		.gone = {NO_ACTION}},
	[AWS_RECORD_LIFECYCLE_ACTION_HEARTBEAT] = {"RecordLifecycleActionHeartbeat", "autoscaling",
		"2011-01-01", .gone = {NO_ACTION}},
	[AWS_DESCRIBE_AUTO_SCALING_INSTANCES] = {"DescribeAutoScalingInstances", "autoscaling",
		"2011-01-01"},
	[AWS_DESCRIBE_LIFECYCLE_HOOKS] = {"DescribeLifecycleHooks", "autoscaling", "2011-01-01"},
	[AWS_SET_INSTANCE_HEALTH] = {"SetInstanceHealth", "autoscaling", "2011-01-01"},
	[AWS_SIGNAL_RESOURCE] = {"SignalResource", "cloudformation", "2010-05-15",
		.gone = {{"ValidationError", "not be signaled"}, /* it is complete, or failed */
			{"ValidationError", "already exists"}}}, /* ours, when its answer was lost */
	[AWS_REGISTER_TARGETS] = {"RegisterTargets", "elasticloadbalancing", "2015-12-01"},
	[AWS_DEREGISTER_TARGETS] = {"DeregisterTargets", "elasticloadbalancing", "2015-12-01",
		.gone = {{"TargetGroupNotFound", NULL}, {"InvalidTarget", NULL}}},
	[AWS_PUT_METRIC_DATA] = {"PutMetricData", "monitoring", "2010-08-01", .gzip = true},
};
/* clang-format on */

/*
 * Codes that several services share: each API Reference, "Common Errors". What is not here is
 * judged by its status. `hint` is for people.
 */
static const struct meaning {
	const char *code;
	enum aws_verdict verdict;
	bool throttled;
	const char *hint;
} meanings[] = {
	{"ExpiredToken", AWS_RENEW, false, "the metadata service has no newer credentials"},
	{"ExpiredTokenException", AWS_RENEW, false,
		"the metadata service has no newer credentials"},
	{"InvalidClientTokenId", AWS_RENEW, false, "the instance's role is not known there"},
	{"UnrecognizedClientException", AWS_RENEW, false, "the instance's role is not known there"},
	{"Throttling", AWS_RETRY, true, NULL},
	{"ThrottlingException", AWS_RETRY, true, NULL},
	{"ThrottledException", AWS_RETRY, true, NULL},
	{"RequestThrottled", AWS_RETRY, true, NULL},
	{"RequestThrottledException", AWS_RETRY, true, NULL},
	{"RequestLimitExceeded", AWS_RETRY, true, NULL},
	{"TooManyRequestsException", AWS_RETRY, true, NULL},
	{"ResourceContention", AWS_RETRY, false, NULL}, /* of Auto Scaling: an update is pending */
	{"RequestTimeout", AWS_RETRY, false, NULL},
	{"RequestTimeoutException", AWS_RETRY, false, NULL},
	{"AccessDenied", AWS_DENIED, false, "the role's policy must allow it"},
	{"AccessDeniedException", AWS_DENIED, false, "the role's policy must allow it"},
	{"SignatureDoesNotMatch", AWS_DENIED, false, NULL},
	{"IncompleteSignature", AWS_DENIED, false, NULL},
	{"MissingAuthenticationToken", AWS_DENIED, false, NULL},
	{"OptInRequired", AWS_DENIED, false, NULL},
	{"RequestExpired", AWS_DENIED, false, "this machine's clock is wrong"},
	{"RequestTimeTooSkewed", AWS_DENIED, false, "this machine's clock is wrong"},
	{"SignatureExpired", AWS_DENIED, false, "this machine's clock is wrong"},
};

static const struct meaning *meaning_of(const char *code)
{
	FOREACH_ELEMENT (i, meanings)
		if (strcmp(meanings[i].code, code) == 0)
			return &meanings[i];
	return NULL;
}

/* Of a SignatureDoesNotMatch: "Signature expired: 20260101T… is now earlier than …". */
static bool is_skewed(const char *message)
{
	return strncmp(message, "Signature expired", strlen("Signature expired")) == 0 ||
	       strncmp(message, "Signature not yet current", strlen("Signature not yet current")) ==
		       0;
}

static bool is_gone(enum aws_action action, const char *code, const char *message)
{
	FOREACH_ELEMENT (i, aws_rows[action].gone) {
		const char *part = aws_rows[action].gone[i].message;

		if (aws_rows[action].gone[i].code &&
			strcmp(aws_rows[action].gone[i].code, code) == 0 &&
			(!part || strstr(message, part)))
			return true;
	}
	return false;
}

enum aws_verdict aws_judge(enum aws_action action, int status, const char *code,
	const char *message, bool credentials_are_fresh)
{
	const struct meaning *meaning = meaning_of(code);

	if (status / 100 == 2)
		return AWS_USE;
	if (is_gone(action, code, message))
		return AWS_GONE;
	if (meaning && meaning->verdict == AWS_RENEW)
		return credentials_are_fresh ? AWS_DENIED : AWS_RENEW;
	if (meaning)
		return meaning->verdict;
	if (status == 0 || status == 408 || status == 429 || status >= 500)
		return AWS_RETRY;
	return status == 401 || status == 403 ? AWS_DENIED : AWS_REFUSED;
}

uint64_t aws_backoff(unsigned attempt, uint32_t random)
{
	uint64_t bound = attempt > 6 ? BACKOFF_MAX : BACKOFF_FIRST << (attempt ? attempt - 1 : 0);

	return (bound > BACKOFF_MAX ? BACKOFF_MAX : bound) * random / UINT32_MAX;
}

const char *aws_action_name(enum aws_action action)
{
	return aws_rows[action].name;
}

int aws_url(const struct aws_row *row, const char *endpoint, const char *region, const char *domain,
	char *ret_url, size_t size)
{
	const char *p = endpoint ? endpoint : "https://{service}.{region}.{domain}/";
	const struct {
		const char *name, *value;
	} names[] = {{"{service}", row->service}, {"{region}", region}, {"{domain}", domain}};
	size_t n = 0;

	while (*p) {
		const char *value = NULL;

		FOREACH_ELEMENT (i, names)
			if (strncmp(p, names[i].name, strlen(names[i].name)) == 0) {
				value = names[i].value;
				p += strlen(names[i].name);
				break;
			}
		n += (size_t)(value ? snprintf(ret_url + n, size - n, "%s", value)
				    : snprintf(ret_url + n, size - n, "%c", *p++));
		if (n >= size)
			return -ENAMETOOLONG;
	}
	return 0;
}

/* The first line, and of a character of UTF-8 all or nothing. */
static void copy(char *to, size_t size, const char *text)
{
	size_t n = 0;

	text = text ? text : "";
	for (; *text && *text != '\n' && n + 1 < size; text++)
		to[n++] = iscntrl((unsigned char)*text) ? ' ' : *text;
	if ((*text & 0xc0) == 0x80) {
		while ((to[n - 1] & 0xc0) == 0x80)
			n--;
		n--;
	}
	to[n] = '\0';
}

void aws_error_read(int status, const char *text, size_t length, struct aws_error *ret_error)
{
	const char *code = NULL, *message = NULL;
	json_t *root = NULL;

	if (xml_to_json(text, length, &root) == 0)
		(void)json_unpack(
			root, "{s:{s:s, s?s}}", "Error", "Code", &code, "Message", &message);
	ret_error->status = status;
	copy(ret_error->code, sizeof ret_error->code, code);
	copy(ret_error->message, sizeof ret_error->message, message);
	json_decref(root);
}

bool aws_is_throttled(const struct aws_error *error)
{
	const struct meaning *meaning = meaning_of(error->code);

	return error->status == 429 || (meaning && meaning->throttled);
}

void aws_error_text(enum aws_action action, const struct aws_error *error, struct err *ret_words)
{
	const struct meaning *meaning = meaning_of(error->code);
	const char *hint = is_skewed(error->message) ? "this machine's clock is wrong"
			   : meaning                 ? meaning->hint
						     : NULL;

	err_set(ret_words, 0, "%s: %d%s%s%s%s%s%s%s", aws_rows[action].name, error->status,
		*error->code ? " " : "", error->code, *error->message ? ": " : "", error->message,
		hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
}
