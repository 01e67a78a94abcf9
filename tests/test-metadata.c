/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata.h"

#include <errno.h>
#include <stdlib.h>

#include "fake-http.h"
#include "tap.h"

#define SECOND  1000000ull
#define KEY_MAX 128 /* of a tag */

/* As the User Guide shows it, with the nulls that the real one has. */
#define DOCUMENT                                                                                   \
	"{\n"                                                                                      \
	"    \"devpayProductCodes\" : null,\n"                                                     \
	"    \"marketplaceProductCodes\" : [ \"1abc2defghijklm3nopqrs4tu\" ],\n"                   \
	"    \"availabilityZone\" : \"us-west-2b\",\n"                                             \
	"    \"privateIp\" : \"10.158.112.84\",\n"                                                 \
	"    \"version\" : \"2017-09-30\",\n"                                                      \
	"    \"instanceId\" : \"i-1234567890abcdef0\",\n"                                          \
	"    \"billingProducts\" : null,\n"                                                        \
	"    \"instanceType\" : \"t2.micro\",\n"                                                   \
	"    \"accountId\" : \"123456789012\",\n"                                                  \
	"    \"imageId\" : \"ami-5fb8c835\",\n"                                                    \
	"    \"pendingTime\" : \"2016-11-19T16:32:11Z\",\n"                                        \
	"    \"architecture\" : \"x86_64\",\n"                                                     \
	"    \"kernelId\" : null,\n"                                                               \
	"    \"ramdiskId\" : null,\n"                                                              \
	"    \"region\" : \"us-west-2\"\n"                                                         \
	"}"

/* -- the identity document -- */

static const struct {
	const char *field, *value;
} document_fields[] = {
	{"instance-id", "i-1234567890abcdef0"},
	{"instance-type", "t2.micro"},
	{"ami-id", "ami-5fb8c835"},
	{"region", "us-west-2"},
	{"availability-zone", "us-west-2b"},
	{"account-id", "123456789012"},
	{"architecture", "x86_64"},
	{"local-ipv4", "10.158.112.84"},
	{"pending-time", "2016-11-19T16:32:11Z"},
	{"hostname", NULL},
};

static const struct {
	const char *name, *text;
	const char *words; /* NULL: it is read */
	const char *region;
} documents[] = {
	{"the least that is one", "{\"instanceId\": \"i-1\"}", NULL, NULL},
	{"a null is no value", "{\"instanceId\": \"i-1\", \"region\": null}", NULL, NULL},
	{"an empty text is no value", "{\"instanceId\": \"i-1\", \"region\": \"\"}", NULL, NULL},
	{"a member that is not known is ignored", "{\"instanceId\": \"i-1\", \"x\": [1, {}]}", NULL,
		NULL},
	{"a value in UTF-8", "{\"instanceId\": \"i-1\", \"region\": \"s\\u00fcd\"}", NULL, "süd"},
	{"hostname is not the document's", "{\"instanceId\": \"i-1\", \"hostname\": 7}", NULL,
		NULL},
	{"no instanceId", "{\"region\": \"r\"}", "there is no instanceId", NULL},
	{"an instanceId of null", "{\"instanceId\": null}", "there is no instanceId", NULL},
	{"a number for text", "{\"instanceId\": 7}", "instanceId is no text", NULL},
	{"a list for text", "{\"instanceId\": \"i-1\", \"region\": []}", "region is no text", NULL},
	{"a control character", "{\"instanceId\": \"i-1\", \"region\": \"a\\u001b[2J\"}",
		"region is no text", NULL},
	{"a list", "[]", "no JSON object", NULL},
	{"an empty document", "", "'[' or '{' expected near end of file", NULL},
	{"a page", "<html>", "'[' or '{' expected near '<'", NULL},
	{"a truncated document", "{\"instanceId\": \"i-1\"", "'}' expected near end of file", NULL},
	{"a member twice", "{\"instanceId\": \"i-1\", \"instanceId\": \"i-2\"}",
		"duplicate object key", NULL},
	{"an escaped NUL", "{\"instanceId\": \"i\\u00001\"}", "\\u0000 is not allowed", NULL},
	{"bytes that are no UTF-8", "{\"instanceId\": \"\xff\"}", "unable to decode byte 0xff",
		NULL},
	{"something behind it", "{\"instanceId\": \"i-1\"} x", "end of file expected near 'x'",
		NULL},
};

static void test_document(void)
{
	struct metadata *metadata = calloc(1, sizeof *metadata);
	struct err err = {""};
	char name[64];

	is_int(metadata_parse_identity(metadata, DOCUMENT, sizeof DOCUMENT - 1, &err), 0,
		"the User Guide's document is read");
	for (size_t i = 0; i < sizeof document_fields / sizeof document_fields[0]; i++) {
		snprintf(name, sizeof name, "  its %s", document_fields[i].field);
		is_str(metadata_value(metadata, document_fields[i].field), document_fields[i].value,
			name);
	}
	metadata_free(metadata);
}

static void test_documents(void)
{
	for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
		struct metadata *metadata = calloc(1, sizeof *metadata);
		struct err err = {""};
		int r = metadata_parse_identity(
			metadata, documents[i].text, strlen(documents[i].text), &err);

		is_int(r, documents[i].words ? -EBADMSG : 0, documents[i].name);
		if (documents[i].words)
			ok(strncmp(err.text, "instance identity document: ", 28) == 0 &&
					strstr(err.text, documents[i].words),
				"  says so");
		else
			is_str(metadata_value(metadata, "region"), documents[i].region, "  region");
		if (documents[i].words && !strstr(err.text, documents[i].words))
			printf("# %s\n", err.text);
		metadata_free(metadata);
	}
}

static void test_document_bytes(void)
{
	struct metadata metadata = {.n_tags = 0}, *one;
	char many[METADATA_VALUE_MAX + 64];

	is_int(metadata_parse_identity(&metadata, "{\"instanceId\": \"i-1\"}\0\0", 23, NULL),
		-EBADMSG, "NULs behind the document");
	snprintf(many, sizeof many, "{\"instanceId\": \"%0*d\"}", METADATA_VALUE_MAX + 1, 7);
	is_int(metadata_parse_identity(&metadata, many, strlen(many), NULL), -EBADMSG,
		"a value of more than 1 KiB");
	one = calloc(1, sizeof *one);
	snprintf(many, sizeof many, "{\"instanceId\": \"%0*d\"}", METADATA_VALUE_MAX, 7);
	is_int(metadata_parse_identity(one, many, strlen(many), NULL), 0,
		"one of just that is read");
	metadata_free(one);
}

/* -- names -- */

static void test_names(void)
{
	struct metadata metadata = {
		.fields = {[METADATA_MAC] = (char *)"02:29:96:8f:6a:2d"},
		.tags = {{(char *)"Name", (char *)"web"}, {(char *)"mac", (char *)"tagged"}},
		.n_tags = 2,
	};
	bool has = true, unique = true;

	for (size_t i = 0; i < METADATA_FIELDS; i++) {
		has &= metadata_names[i].name && metadata_names[i].json &&
		       metadata_has_name(metadata_names[i].name);
		for (size_t j = 0; j < i; j++)
			unique &= strcmp(metadata_names[i].name, metadata_names[j].name) != 0 &&
				  strcmp(metadata_names[i].json, metadata_names[j].json) != 0;
	}
	ok(has, "every field has its names");
	ok(unique, "no two the same");
	ok(metadata_has_name("tag:x") && metadata_has_name("tag:a b"), "any tag is a name");
	ok(!metadata_has_name("tag:") && !metadata_has_name("") && !metadata_has_name("x") &&
			!metadata_has_name("instanceId") && !metadata_has_name("Mac"),
		"nothing else is");
	is_str(metadata_value(&metadata, "mac"), "02:29:96:8f:6a:2d", "a field by its name");
	is_str(metadata_value(&metadata, "tag:Name"), "web", "a tag by its key");
	is_str(metadata_value(&metadata, "tag:mac"), "tagged", "a tag that is called like a field");
	ok(!metadata_value(&metadata, "hostname") && !metadata_value(&metadata, "tag:name") &&
			!metadata_value(&metadata, "Name") && !metadata_value(&metadata, "x"),
		"nothing for what is not there");
}

static void test_json(void)
{
	struct metadata metadata = {
		.fields = {[METADATA_INSTANCE_ID] = (char *)"i-1",
			[METADATA_LOCAL_IPV4] = (char *)"10.0.0.7"},
		.tags = {{(char *)"b", (char *)"x\"y"}, {(char *)"none", NULL}},
		.n_tags = 2,
	};
	json_t *json = metadata_to_json(&metadata);
	char *text = json_dumps(json, JSON_COMPACT);

	is_str(text,
		"{\"instanceId\":\"i-1\",\"privateIp\":\"10.0.0.7\",\"tags\":{\"b\":\"x\\\"y\"}}",
		"JSON has what is there, under the document's names");
	free(text);
	json_decref(json);
}

/* -- collecting -- */

static struct metadata *collected;
static struct err collect_err;

/* Collects from the fake with what FAKE_SCRIPT() has set up. */
static int collect(uint64_t timeout_usec)
{
	sd_event *event = NULL;
	struct http *http = NULL;
	struct imds *imds = NULL;
	int r;

	collected = metadata_free(collected);
	collect_err = (struct err){""};
	(void)sd_event_new(&event);
	(void)http_new(event, &http);
	(void)imds_new(event, http, "http://127.0.0.1:1338", &imds);
	r = metadata_wait(event, imds, timeout_usec, &collected, &collect_err);
	if (fake_http_pending() > 0)
		ok(false, "nothing is left under way");
	imds_free(imds);
	http_free(http);
	(void)sd_event_unref(event);
	return r;
}

#define IS(path, text)                                                                             \
	{                                                                                          \
		.method = "GET", .url = "/latest/" path, .status = 200, .body = text               \
	}
#define NOT(path, code)                                                                            \
	{                                                                                          \
		.method = "GET", .url = "/latest/" path, .status = code                            \
	}
#define TOKEN                                                                                      \
	{                                                                                          \
		.method = "PUT", .status = 200, .body = "t1"                                       \
	}
#define IDENTITY     IS("dynamic/instance-identity/document", DOCUMENT)
#define NOTHING_ELSE NOT("", 404)

static void test_collect(void)
{
	FAKE_SCRIPT(TOKEN, IDENTITY, IS("meta-data/hostname", "ip-10-0-0-7.ec2.internal"),
		IS("meta-data/mac", "02:29:96:8f:6a:2d"), NOT("meta-data/public-ipv4", 403),
		IS("meta-data/public-hostname", ""), IS("meta-data/reservation-id", "a\x01z"),
		{.url = "/instance-life-cycle", .status = 200, .body = "a\0b", .length = 3},
		IS("meta-data/placement/availability-zone-id", "caf\xe9"),
		IS("meta-data/security-groups", "default\nweb"), NOTHING_ELSE);
	is_int(collect(SECOND), 0, "metadata is collected");
	if (!collected)
		return;
	is_str(metadata_value(collected, "instance-id"), "i-1234567890abcdef0",
		"from the identity document");
	is_str(metadata_value(collected, "hostname"), "ip-10-0-0-7.ec2.internal",
		"and from its other paths");
	is_str(metadata_value(collected, "mac"), "02:29:96:8f:6a:2d", "each in its place");
	is_str(metadata_value(collected, "security-groups"), "default\nweb", "several lines stay");
	is_str(metadata_value(collected, "ami-launch-index"), NULL, "404 is no value");
	is_str(metadata_value(collected, "public-ipv4"), NULL, "403 for one field is none either");
	is_str(metadata_value(collected, "public-hostname"), NULL, "nor an empty answer");
	is_str(metadata_value(collected, "reservation-id"), NULL, "control characters are dropped");
	is_str(metadata_value(collected, "instance-life-cycle"), NULL, "NULs are dropped");
	is_str(metadata_value(collected, "availability-zone-id"), NULL,
		"what is no UTF-8 is dropped");
	is_int((long long)collected->n_tags, 0, "tags that are off are no tags");
	is_int((long long)fake_http_count("PUT", ""), 1, "all for one token");
	ok(fake_http_count("GET", "meta-data/placement/region") == 0 &&
			fake_http_count("GET", "meta-data/instance-id") == 0,
		"and the document's fields are not asked for one by one");
}

static const struct {
	const char *key, *path;
} tag_paths[] = {
	{"Name", "Name"},
	{"aws:autoscaling:groupName", "aws%3Aautoscaling%3AgroupName"},
	{"a+b=c.d,e_f@g-h", "a%2Bb%3Dc.d%2Ce_f%40g-h"},
	{"~x", "~x"},
	{"50%", "50%25"},
	{"a?b#c", "a%3Fb%23c"},
	{"Größe", "Gr%C3%B6%C3%9Fe"},
};

static void test_tags(void)
{
	char keys[1024] = "", name[96], url[256];

	for (size_t i = 0; i < sizeof tag_paths / sizeof tag_paths[0]; i++)
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s\n", tag_paths[i].key);
	FAKE_SCRIPT(TOKEN, IDENTITY, IS("meta-data/tags/instance/Name", "web"),
		NOT("meta-data/tags/instance/~x", 404), IS("meta-data/tags/instance/", "other"),
		IS("meta-data/tags/instance", keys), NOTHING_ELSE);
	is_int(collect(SECOND), 0, "tags are collected");
	is_int((long long)(collected ? collected->n_tags : 0), 7, "each key in a line");
	if (!collected)
		return;
	is_str(metadata_value(collected, "tag:Name"), "web", "with its value");
	is_str(metadata_value(collected, "tag:Größe"), "other", "under its own name");
	is_str(metadata_value(collected, "tag:~x"), NULL, "a tag gone meanwhile has none");
	for (size_t i = 0; i < sizeof tag_paths / sizeof tag_paths[0]; i++) {
		snprintf(name, sizeof name, "the tag %s is asked for as %s", tag_paths[i].key,
			tag_paths[i].path);
		snprintf(url, sizeof url, "/latest/meta-data/tags/instance/%s", tag_paths[i].path);
		is_int((long long)fake_http_count("GET", url), 1, name);
	}
}

static void test_tag_bounds(void)
{
	static char keys[16384];
	char longest[KEY_MAX + 1], longer[KEY_MAX + 2];

	memset(longest, 'k', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	memset(longer, 'k', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	snprintf(keys, sizeof keys, "%s\n%s\n\nbad\x01key\n\xff\n", longest, longer);
	FAKE_SCRIPT(TOKEN, IDENTITY, IS("meta-data/tags/instance/", "v"),
		IS("meta-data/tags/instance", keys), NOTHING_ELSE);
	(void)collect(SECOND);
	ok(collected && collected->n_tags == 1 && strcmp(collected->tags[0].key, longest) == 0,
		"a key of 128 characters is a key; longer ones, empty ones and no text are none");

	keys[0] = '\0';
	for (int i = 0; i < 100; i++)
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%stag%d", i ? "\n" : "",
			i);
	(void)collect(SECOND);
	ok(collected && collected->n_tags == METADATA_TAGS_MAX &&
			metadata_value(collected, "tag:tag63"),
		"of 100 tags 64 are taken");
}

static void test_no_identity(void)
{
	FAKE_SCRIPT(TOKEN, NOTHING_ELSE);
	is_int(collect(SECOND), -ENOENT, "no identity document is no metadata");
	ok(!collected && strstr(collect_err.text, "there is no dynamic/instance-identity/document"),
		"in words");
	is_int((long long)fake_http_count("GET", ""), 1, "and nothing else is asked for");

	FAKE_SCRIPT(TOKEN, IS("dynamic/instance-identity/document", "<html>"), NOTHING_ELSE);
	is_int(collect(SECOND), -EBADMSG, "nor is a page in its place");
	ok(!collected && strstr(collect_err.text, "instance identity document: "), "in words");

	FAKE_SCRIPT({.method = "PUT", .status = 403});
	is_int(collect(SECOND), -EACCES, "nor a service that is switched off");
	ok(!collected && strstr(collect_err.text, "switched off"), "in words");

	FAKE_SCRIPT({.error = -ETIMEDOUT, .reason = "Timeout was reached"});
	is_int(collect(300000), -ETIMEDOUT, "nor a silent one");
	ok(!collected && strstr(collect_err.text, "tried "), "in words");
}

static void test_slow_fields(void)
{
	uint64_t start = fake_now();

	FAKE_SCRIPT(TOKEN, IDENTITY,
		{.url = "/hostname", .status = 200, .body = "h", .delay_ms = 100},
		{.url = "/mac", .status = 200, .body = "m", .delay_ms = 100},
		{.url = "/tags", .status = 404, .delay_ms = 100}, NOTHING_ELSE);
	ok(collect(SECOND) == 0 && metadata_value(collected, "hostname") &&
			metadata_value(collected, "mac") && fake_now() - start < 250000,
		"requests run beside each other");

	FAKE_SCRIPT(TOKEN, IDENTITY, {.url = "/hostname", .delay_ms = FAKE_SILENT},
		IS("meta-data/mac", "m"), NOTHING_ELSE);
	ok(collect(300000) == 0 && !metadata_value(collected, "hostname") &&
			metadata_value(collected, "mac"),
		"one that never answers costs only its own value");
}

int main(void)
{
	test_document();
	test_documents();
	test_document_bytes();
	test_names();
	test_json();
	test_collect();
	test_tags();
	test_tag_bounds();
	test_no_identity();
	test_slow_fields();
	collected = metadata_free(collected);
	return done_testing();
}
