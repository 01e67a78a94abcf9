/* SPDX-License-Identifier: Apache-2.0 */
#include "../bootstrap/s3.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "tap.h"

#define A16   "aaaaaaaaaaaaaaaa"
#define A64   A16 A16 A16 A16
#define A256  A64 A64 A64 A64
#define A1024 A256 A256 A256 A256

static const struct {
	const char *url, *bucket, *key, *words;
} names[] = {
	{"s3://bucket/key", "bucket", "key", NULL},
	{"s3://my.bucket-1/a/b.tar.gz", "my.bucket-1", "a/b.tar.gz", NULL},
	{"s3://Old_Bucket/k", "Old_Bucket", "k", NULL},
	{"s3://bucket//a", "bucket", "/a", NULL},
	{"s3://bucket/a?b#c%20d e", "bucket", "a?b#c%20d e", NULL},
	{"s3://bucket/ñ", "bucket", "ñ", NULL},
	{"s3://bucket/../a", "bucket", "../a", NULL},
	{"s3://bucket/" A1024, "bucket", A1024, NULL},
	{"s3://bucket/" A1024 "a", NULL, NULL, "longer than 1024 bytes"},
	{"s3://bucket", NULL, NULL, "there is no key"},
	{"s3://bucket/", NULL, NULL, "there is no key"},
	{"s3:///key", NULL, NULL, "\"\" is no bucket"},
	{"s3://../key", NULL, NULL, "\"..\" is no bucket"},
	{"s3://a b/key", NULL, NULL, "\"a b\" is no bucket"},
	{"s3://bucket:80/key", NULL, NULL, "\"bucket:80\" is no bucket"},
	{"s3://me@host/key", NULL, NULL, "\"me@host\" is no bucket"},
	{"s3://" A256 "/key", NULL, NULL, "is no bucket"},
	{"s3://bucket/a\tb", NULL, NULL, "a control character"},
	{"s3:bucket/key", NULL, NULL, "expected s3://BUCKET/KEY"},
	{"https://bucket/key", NULL, NULL, "expected s3://BUCKET/KEY"},
};

static void test_names(void)
{
	FOREACH_ELEMENT (i, names) {
		struct s3_object object = {.bucket = "untouched"};
		struct err err = {0};
		char name[64];
		int r = s3_parse(names[i].url, &object, &err);

		(void)snprintf(name, sizeof name, "%.60s", names[i].url);
		if (names[i].bucket)
			ok(r == 0 && strcmp(object.bucket, names[i].bucket) == 0 &&
					strcmp(object.key, names[i].key) == 0,
				name);
		else if (!ok(r == -EINVAL && strstr(err.text, names[i].words) &&
					 strcmp(object.bucket, "untouched") == 0,
				 name))
			printf("# %d %s\n", r, err.text);
	}
}

static const struct {
	const char *bucket, *key, *endpoint, *region, *domain, *url;
} urls[] = {
	{"bucket", "key", NULL, "us-east-1", "amazonaws.com",
		"https://bucket.s3.us-east-1.amazonaws.com/key"},
	{"bucket", "a/b", NULL, "cn-north-1", "amazonaws.com.cn",
		"https://bucket.s3.cn-north-1.amazonaws.com.cn/a/b"},
	{"my.bucket", "key", NULL, "eu-west-1", "amazonaws.com",
		"https://s3.eu-west-1.amazonaws.com/my.bucket/key"},
	{"Bucket", "key", NULL, "us-east-1", "amazonaws.com",
		"https://s3.us-east-1.amazonaws.com/Bucket/key"},
	{"a_b", "key", NULL, "us-east-1", "amazonaws.com",
		"https://s3.us-east-1.amazonaws.com/a_b/key"},
	{A64, "key", NULL, "us-east-1", "amazonaws.com",
		"https://s3.us-east-1.amazonaws.com/" A64 "/key"},
	{"bucket", "key", "http://10.0.0.5:9000", NULL, NULL, "http://10.0.0.5:9000/bucket/key"},
	{"bucket", "/key", "https://s3.example.org//", "r", NULL,
		"https://s3.example.org/bucket//key"},
	{"my.bucket", "key", "https://example.org/s3/", NULL, NULL,
		"https://example.org/s3/my.bucket/key"},
	{"my.bucket", "key", "https://{bucket}.example.org:9000", NULL, NULL,
		"https://my.bucket.example.org:9000/key"},
	{"b", "a b+c%d=e~f*g(h)i", "http://x", NULL, NULL,
		"http://x/b/a%20b%2Bc%25d%3De~f%2Ag%28h%29i"},
	{"b", "ñ/日", "http://x", NULL, NULL, "http://x/b/%C3%B1/%E6%97%A5"},
	{"b", "a?b#c&d;e:f@g,h!i$j'k\"l<m>n\\o^p`q{r|s}t", "http://x", NULL, NULL,
		"http://x/b/a%3Fb%23c%26d%3Be%3Af%40g%2Ch%21i%24j%27k%22l%3Cm%3En%5Co%5Ep%60q%7Br"
		"%7Cs%7Dt"},
	{"b", "../a//./b/", "http://x", NULL, NULL, "http://x/b/../a//./b/"},
	{"b", "{bucket}", "http://x", NULL, NULL, "http://x/b/%7Bbucket%7D"},
};

static void test_urls(void)
{
	struct s3_object object = {.bucket = "bucket"};
	char url[S3_URL_SIZE];

	FOREACH_ELEMENT (i, urls) {
		(void)snprintf(object.bucket, sizeof object.bucket, "%s", urls[i].bucket);
		(void)snprintf(object.key, sizeof object.key, "%s", urls[i].key);
		(void)s3_url(&object, urls[i].endpoint, urls[i].region, urls[i].domain, url);
		is_str(url, urls[i].url, urls[i].key);
	}
	memset(object.key, ' ', sizeof object.key - 1);
	object.key[sizeof object.key - 1] = '\0';
	is_int(s3_url(&object, NULL, "eu-west-1", "amazonaws.com", url), 0,
		"the longest key has a URL");
	is_int(s3_url(&object, "http://" A1024, NULL, NULL, url), -ENAMETOOLONG,
		"not behind an endpoint that is too long");
}

static const struct {
	const char *url;
	bool dots;
} paths[] = {
	{"http://x/a/b", false},
	{"http://x/.a/b.", false},
	{"http://x/a/..b/.../c..", false},
	{"http://x/..", true},
	{"http://x/.", true},
	{"http://x/a/./b", true},
	{"http://x/.../../b", true},
	{"http://x/..//", true},
};

static void test_dots(void)
{
	FOREACH_ELEMENT (i, paths)
		ok(s3_has_dots(paths[i].url) == paths[i].dots, paths[i].url);
}

static const struct {
	const char *text;
	bool endpoint, region, domain;
} texts[] = {
	{"us-east-1", false, true, true},
	{"us-gov-west-1", false, true, true},
	{"amazonaws.com.cn", false, false, true},
	{".com", false, false, false},
	{"", false, false, false},
	{"US", false, false, false},
	{"a:b", false, false, false},
	{"a/b", false, false, false},
	{A64, false, false, true},
	{"https://s3.example.org", true, false, false},
	{"http://10.0.0.5:9000/s3", true, false, false},
	{"http://[::1]:9000", true, false, false},
	{"https://{bucket}.s3.example.org", true, false, false},
	{"https://x.{bucket}.example.org", false, false, false},
	{"https://{bucket}", false, false, false},
	{"https://{bucket}.{bucket}.x", false, false, false},
	{"https://x/{bucket}.", false, false, false},
	{"https://", false, false, false},
	{"https:///x", false, false, false},
	{"ftp://x", false, false, false},
	{"https://a:b@x", false, false, false},
	{"https://x?y", false, false, false},
	{"https://x y", false, false, false},
	{"https://x\n", false, false, false},
};

static void test_texts(void)
{
	FOREACH_ELEMENT (i, texts) {
		const char *text = texts[i].text;

		if (!ok(s3_is_endpoint(text) == texts[i].endpoint &&
				    s3_is_region(text) == texts[i].region &&
				    s3_is_domain(text) == texts[i].domain,
			    "endpoint, region, domain or nothing"))
			printf("# %s\n", text);
	}
}

static const struct {
	int status;
	const char *xml, *bucket_region, *words;
} errors[] = {
	{403, "<Error><Code>SignatureDoesNotMatch</Code><Message>We &lt;3 &amp; you.</Message>",
		NULL, "403 SignatureDoesNotMatch: We <3 & you."},
	{404, "<Error><Code>NoSuchKey</Code><Message>No.</Message></Error>", "us-east-1",
		"404 NoSuchKey: No. (upper and lower case differ in a key)"},
	{500, "", NULL, "500"},
	{500, NULL, NULL, "500"},
	{502, "<html>Bad gateway", NULL, "502"},
	{503, "<Code>SlowDown", NULL, "503 SlowDown"},
	{301, "<Error><Code>PermanentRedirect</Code>", "eu-west-1",
		"bucket b is in eu-west-1: set region = eu-west-1"},
	{301, "<Code>PermanentRedirect</Code><Endpoint>b.s3.example</Endpoint>", NULL,
		"301 PermanentRedirect: bucket b is asked for at another place: b.s3.example"},
	{301, "", "<script>", "301 : bucket b is asked for at another place"},
	{307, "<Code>TemporaryRedirect</Code>", "us-east-1",
		"307 TemporaryRedirect: bucket b is asked for at another place"},
	{400, "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>", NULL,
		"bucket b is in eu-west-1: set region = eu-west-1"},
	{400, "<Code>InvalidArgument</Code><Message>a\nb\x1b</Message>", "us-east-1",
		"400 InvalidArgument: a b "},
};

static void test_errors(void)
{
	struct s3_object object = {.bucket = "b", .key = "k"};
	char text[8];

	FOREACH_ELEMENT (i, errors) {
		struct err err = {0};

		s3_explain(&object, "us-east-1", errors[i].status, errors[i].xml,
			errors[i].bucket_region, &err);
		ok(strcmp(err.text, errors[i].words) == 0, err.text);
	}
	s3_element("<Code>0123456789</Code>", "Code", text, sizeof text);
	is_str(text, "0123456", "what is too long is cut");
	s3_element("<Code>a</Code><Code>b</Code>", "Code", text, sizeof text);
	is_str(text, "a", "of two the first counts");
	s3_element("<Code>", "Code", text, sizeof text);
	is_str(text, "", "an element may be empty");
	s3_element("<Code>&am", "Code", text, sizeof text);
	is_str(text, "&am", "half an entity is none");
}

int main(void)
{
	test_names();
	test_urls();
	test_dots();
	test_texts();
	test_errors();
	return done_testing();
}
