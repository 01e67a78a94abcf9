/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "tap.h"

static const struct {
	const char *value, *encoded;
} values[] = {
	{"", ""},
	{"AZaz09-._~", "AZaz09-._~"},
	{"a b+c", "a%20b%2Bc"},
	{"2026-01-01T00:00:00Z", "2026-01-01T00%3A00%3A00Z"},
	{"a&b=c%d", "a%26b%3Dc%25d"},
	{"/*'()!\"", "%2F%2A%27%28%29%21%22"},
	{"grüße\n\x7f", "gr%C3%BC%C3%9Fe%0A%7F"},
	{"arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef",
		"arn%3Aaws%3Aelasticloadbalancing%3Aeu-west-1%3A123456789012%3Atargetgroup%2Fweb%"
		"2F0123456789abcdef"},
};

static const struct {
	double value;
	const char *text;
} numbers[] = {
	{0, "0"},
	{10, "10"},
	{-1.5, "-1.5"},
	{0.1, "0.1"},
	{1.0 / 3, "0.3333333333333333"},
	{99.95, "99.95"},
	{1e21, "1e%2B21"},
	{0.1 + 0.2, "0.30000000000000004"},
};

static void test_values(void)
{
	FOREACH_ELEMENT (i, values) {
		struct query query = {0};
		char wanted[256];

		query_add(&query, values[i].value, "A");
		(void)snprintf(wanted, sizeof wanted, "A=%s", values[i].encoded);
		is_str(query.text, wanted, values[i].value);
		query_clear(&query);
	}
	FOREACH_ELEMENT (i, numbers) {
		struct query query = {0};

		query_add_number(&query, numbers[i].value, "N");
		is_str(query.text ? query.text + 2 : NULL, numbers[i].text, numbers[i].text);
		query_clear(&query);
	}
}

static void test_many(void)
{
	struct query query = {0};

	query_add(&query, "PutMetricData", "Action");
	query_add(&query, "a b", "MetricData.member.%u.%s", 12, "MetricName");
	query_add_number(&query, 0.5, "MetricData.member.%u.Value", 12);
	is_str(query.text,
		"Action=PutMetricData&MetricData.member.12.MetricName=a%20b&"
		"MetricData.member.12.Value=0.5",
		"parameters in their order, names printed");
	ok(query.length == strlen(query.text) && query.error == 0, "with their length");
	query_clear(&query);
	ok(!query.text && query.length == 0 && query.capacity == 0, "cleared it is empty");
}

static void test_bounds(void)
{
	struct query query = {0};
	char *large = malloc(QUERY_MAX);
	size_t length;

	memset(large, 'x', QUERY_MAX - 3);
	large[QUERY_MAX - 3] = '\0';
	query_add(&query, large, "A");
	ok(query.error == 0 && query.length == QUERY_MAX - 1, "as much as there may be");
	query_clear(&query);
	memset(large, '/', QUERY_MAX / 3);
	large[QUERY_MAX / 3] = '\0';
	query_add(&query, "1", "A");
	length = query.length;
	query_add(&query, large, "B");
	ok(query.error == -E2BIG && query.length == length, "too much is left out, and an error");
	query_add(&query, "2", "C");
	ok(query.error == -E2BIG && strcmp(query.text, "A=1") == 0, "so is what comes after it");
	query_clear(&query);
	free(large);

	query_add_number(&query, NAN, "N");
	is_int(query.error, -EINVAL, "NaN is no value of a metric");
	query_clear(&query);
	query_add_number(&query, -INFINITY, "N");
	is_int(query.error, -EINVAL, "nor is infinity");
	query_clear(&query);
	query_add(&query, "x", "%0300d", 1);
	is_int(query.error, -E2BIG, "a name that is too long");
	query_clear(&query);
}

int main(void)
{
	test_values();
	test_many();
	test_bounds();
	return done_testing();
}
