/* SPDX-License-Identifier: Apache-2.0 */
#include "metadata.h"

#include <errno.h>
#include <stdlib.h>

#include "fake-http.h"
#include "tap.h"

#define SECOND  1000000ull
#define LONG    (30 * SECOND) /* where no time limit is meant */
#define KEY_MAX 128           /* of a tag */

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
	{"a region in UTF-8", "{\"instanceId\": \"i-1\", \"region\": \"s\\u00fcd\"}",
		"region is not what", NULL},
	{"a region with a line end", "{\"instanceId\": \"i-1\", \"region\": \"a\\nb\"}",
		"region is not what", NULL},
	{"an instanceId with a slash", "{\"instanceId\": \"../i-1\"}", "instanceId is not what",
		NULL},
	{"hostname is not the document's", "{\"instanceId\": \"i-1\", \"hostname\": 7}", NULL,
		NULL},
	{"no instanceId", "{\"region\": \"r\"}", "there is no instanceId", NULL},
	{"an instanceId of null", "{\"instanceId\": null}", "there is no instanceId", NULL},
	{"a number for text", "{\"instanceId\": 7}", "instanceId is not what", NULL},
	{"a list for text", "{\"instanceId\": \"i-1\", \"region\": []}", "region is not what",
		NULL},
	{"a control character", "{\"instanceId\": \"i-1\", \"region\": \"a\\u001b[2J\"}",
		"region is not what", NULL},
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
	snprintf(many, sizeof many, "{\"instanceId\": \"%0*d\"}", METADATA_WORD_MAX + 1, 7);
	is_int(metadata_parse_identity(&metadata, many, strlen(many), NULL), -EBADMSG,
		"an instance ID of 256 characters");
	one = calloc(1, sizeof *one);
	snprintf(many, sizeof many, "{\"instanceId\": \"%0*d\"}", METADATA_WORD_MAX, 7);
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
	for (int i = 0; i < 10 && fake_http_pending() > 0; i++)
		(void)sd_event_run(event, 0); /* a request for a token may have been begun */
	if (fake_http_pending() > 0)
		ok(false, "nothing is left under way");
	imds_free(imds);
	http_free(http);
	(void)sd_event_unref(event);
	return r;
}

/* The same to no avail within a short time; a busy machine may need some tries to hear why. */
static int collect_in_vain(int expected, const char *words)
{
	int r, tries = 0;

	do {
		fake_n_requests = 0;
		r = collect(300000);
	} while ((r != expected || !strstr(collect_err.text, words)) && ++tries < 10);
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
		IS("meta-data/public-hostname", ""),
		IS("meta-data/security-groups", "default\nweb"), NOTHING_ELSE);
	is_int(collect(LONG), 0, "metadata is collected");
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
	is_int((long long)collected->n_tags, 0, "tags that are off are no tags");
	is_int((long long)fake_http_count("PUT", ""), 1, "all for one token");
	is_int((long long)fake_http_count("GET", "/document"), 2,
		"the identity document is read before and after");
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
	{"odd", "odd"},
	{"gone", "gone"},
};

static void test_tags(void)
{
	char keys[1024] = "", name[96], url[256];

	for (size_t i = 0; i < sizeof tag_paths / sizeof tag_paths[0]; i++)
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%s\n", tag_paths[i].key);
	FAKE_SCRIPT(TOKEN, IDENTITY, IS("meta-data/tags/instance/Name", "web"),
		IS("meta-data/tags/instance/odd", "a\x1b[2J\n"),
		NOT("meta-data/tags/instance/gone", 404), IS("meta-data/tags/instance/", "ö<\"'&>"),
		IS("meta-data/tags/instance", keys), NOTHING_ELSE);
	is_int(collect(LONG), 0, "tags are collected");
	is_int((long long)(collected ? collected->n_tags : 0), 5, "each key in a line");
	if (!collected)
		return;
	is_str(metadata_value(collected, "tag:Name"), "web", "with its value");
	is_str(metadata_value(collected, "tag:a+b=c.d,e_f@g-h"), "ö<\"'&>", "under its own name");
	is_str(metadata_value(collected, "tag:gone"), NULL, "a tag gone meanwhile has none");
	is_str(metadata_value(collected, "tag:odd"), NULL, "nor has one of control characters");
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
	char longest[KEY_MAX + 1];

	memset(longest, 'k', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	snprintf(keys, sizeof keys, "\n%s\n\n", longest);
	FAKE_SCRIPT(TOKEN, IDENTITY, IS("meta-data/tags/instance/", "v"),
		IS("meta-data/tags/instance", keys), NOTHING_ELSE);
	(void)collect(LONG);
	ok(collected && collected->n_tags == 1 && strcmp(collected->tags[0].key, longest) == 0,
		"a key of 128 characters is a key");

	keys[0] = '\0';
	for (int i = 0; i < 100; i++)
		snprintf(keys + strlen(keys), sizeof keys - strlen(keys), "%stag%d", i ? "\n" : "",
			i);
	(void)collect(LONG);
	ok(collected && collected->n_tags == METADATA_TAGS_MAX &&
			metadata_value(collected, "tag:tag63"),
		"of 100 tags 64 are taken");
}

static void test_no_identity(void)
{
	FAKE_SCRIPT(TOKEN, NOTHING_ELSE);
	is_int(collect_in_vain(-ENOENT, ""), -ENOENT, "no identity document is no metadata");
	ok(!collected && strstr(collect_err.text, "there is no dynamic/instance-identity/document"),
		"in words");
	is_int((long long)fake_http_count("GET", ""),
		(long long)fake_http_count("GET", "/document"), "and nothing else is asked for");

	FAKE_SCRIPT(TOKEN, IS("dynamic/instance-identity/document", "<html>"), NOTHING_ELSE);
	is_int(collect_in_vain(-EBADMSG, ""), -EBADMSG, "nor is a page in its place");
	ok(!collected && strstr(collect_err.text, "instance identity document: "), "in words");

	FAKE_SCRIPT({.method = "PUT", .status = 403});
	is_int(collect(LONG), -EACCES, "nor a service that is switched off");
	ok(!collected && strstr(collect_err.text, "switched off"), "in words");

	FAKE_SCRIPT({.error = -ETIMEDOUT, .reason = "Timeout was reached"});
	is_int(collect_in_vain(-ETIMEDOUT, "tried "), -ETIMEDOUT, "nor a silent one");
	ok(!collected && strstr(collect_err.text, "tried "), "in words");
}

static void test_slow_fields(void)
{
	uint64_t start = fake_now();

	FAKE_SCRIPT(TOKEN, IDENTITY,
		{.url = "/hostname", .status = 200, .body = "h", .delay_ms = 300},
		{.url = "/mac", .status = 200, .body = "m", .delay_ms = 300},
		{.status = 404, .delay_ms = 300}); /* ten in all */
	ok(collect(LONG) == 0 && metadata_value(collected, "hostname") &&
			metadata_value(collected, "mac") && fake_now() - start < 10 * 300000,
		"requests run beside each other");

	FAKE_SCRIPT(TOKEN, IDENTITY, {.url = "/hostname", .delay_ms = FAKE_SILENT},
		IS("meta-data/mac", "m"), NOTHING_ELSE);
	is_int(collect(300000), -ETIMEDOUT, "while one never answers, none is there");
}

/* -- forms -- */

static const struct {
	const char *name, *value;
	size_t length;     /* 0: that of the text */
	const char *forms; /* that it fits: W, N, L, S for lines */
} forms[] = {
	{"an instance ID", "i-0123456789abcdef0", 0, "WNLS"},
	{"a type", "u-6tb1.metal", 0, "WNLS"},
	{"a MAC", "02:29:96:8f:6a:2d", 0, "WNLS"},
	{"a time", "2016-11-19T16:32:11Z", 0, "WNLS"},
	{"an architecture", "x86_64", 0, "WNLS"},
	{"a name in two domains", "ip-10-0-0-7.a.example b.example", 0, "NLS"},
	{"UTF-8", "Größe", 0, "LS"},
	{"a page", "<html>", 0, "LS"},
	{"quotes", "\"'`", 0, "LS"},
	{"a way out", "../../etc/passwd", 0, "LS"},
	{"a shell's words", "$(reboot);x", 0, "LS"},
	{"lines", "default\nweb", 0, "S"},
	{"a line end", "i-1\n", 0, "S"},
	{"a header", "x\r\nHost: y", 0, ""},
	{"a tab", "a\tb", 0, ""},
	{"an escape", "a\x1b[2J", 0, ""},
	{"a DEL", "a\x7f", 0, ""},
	{"a NUL", "a\0b", 3, ""},
	{"a NUL at the end", "a\0", 2, ""},
	{"no UTF-8", "caf\xe9", 0, ""},
	{"UTF-8 that is cut off", "caf\xc3", 0, ""},
};

static void test_forms(void)
{
	static const char letters[] = "WNLS";
	char long_value[METADATA_VALUE_MAX + 1];

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		size_t length = forms[i].length ? forms[i].length : strlen(forms[i].value);
		char fits[5] = "", *end = fits;

		for (int form = METADATA_WORD; form <= METADATA_LINES; form++)
			if (metadata_fits((enum metadata_form)form, forms[i].value, length))
				*end++ = letters[form];
		is_str(fits, forms[i].forms, forms[i].name);
	}
	memset(long_value, 'x', sizeof long_value);
	for (int form = METADATA_WORD; form <= METADATA_LINES; form++) {
		size_t max = form <= METADATA_NAMES ? METADATA_WORD_MAX : METADATA_VALUE_MAX;

		ok(metadata_fits((enum metadata_form)form, long_value, max) &&
				!metadata_fits((enum metadata_form)form, long_value, max + 1) &&
				!metadata_fits((enum metadata_form)form, long_value, 0),
			"a value has an end");
	}
}

/* -- answers that make no sense -- */

static const struct {
	const char *name;
	struct fake_answer answer;
	int result;
	const char *words;
} nonsense[] = {
	{"control characters", IS("meta-data/reservation-id", "a\x01z"), -EBADMSG,
		"reservation-id is not what it should be"},
	{"no UTF-8", IS("meta-data/placement/availability-zone-id", "caf\xe9"), -EBADMSG,
		"availability-zone-id is not what it should be"},
	{"a page", IS("meta-data/hostname", "<html>hello"), -EBADMSG,
		"hostname is not what it should be"},
	{"two lines", IS("meta-data/mac", "02:29:96:8f:6a:2d\nx"), -EBADMSG,
		"mac is not what it should be"},
	{"NULs", {.url = "/instance-life-cycle", .status = 200, .body = "spot\0b", .length = 6},
		-EPROTO, "gave nonsense to meta-data/instance-life-cycle"},
	{"a redirect", NOT("meta-data/public-ipv4", 302), -EPROTO,
		"answered 302 to meta-data/public-ipv4"},
	{"a page for tags", IS("meta-data/tags/instance", "<html>\nhello"), -EBADMSG,
		"the list of tags is not what it should be"},
	{"a way out as a tag", IS("meta-data/tags/instance", "Name\n.."), -EBADMSG,
		"the list of tags is not what it should be"},
	{"503 to the tags", NOT("meta-data/tags/instance", 503), -ETIMEDOUT,
		"answered 503 to meta-data/tags/instance"},
	{"503 to a tag", NOT("meta-data/tags/instance/Name", 503), -ETIMEDOUT,
		"answered 503 to meta-data/tags/instance/Name"},
};

static void test_nonsense(void)
{
	for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
		FAKE_SCRIPT(TOKEN, nonsense[i].answer, IDENTITY,
			IS("meta-data/tags/instance/Name", "web"),
			IS("meta-data/tags/instance", "Name"), NOTHING_ELSE);
		is_int(collect_in_vain(nonsense[i].result, nonsense[i].words), nonsense[i].result,
			nonsense[i].name);
		ok(!collected && strstr(collect_err.text, nonsense[i].words), "  in words");
		ok(fake_n_requests < 150, "  and not in a loop");
	}
}

#define OTHER "{\"instanceId\": \"i-other\", \"region\": \"eu-west-1\"}"

static void test_changed_identity(void)
{
	FAKE_SCRIPT(TOKEN, {.url = "/document", .times = 1, .status = 200, .body = DOCUMENT},
		IS("dynamic/instance-identity/document", OTHER),
		{.url = "/hostname", .times = 1, .status = 200, .body = "of-the-first"},
		IS("meta-data/hostname", "of-the-other"), NOTHING_ELSE);
	is_int(collect(LONG), 0, "an identity that changed meanwhile is read again");
	is_str(collected ? metadata_value(collected, "instance-id") : "", "i-other", "whole");
	is_str(collected ? metadata_value(collected, "hostname") : "", "of-the-other",
		"with nothing of the one before");
	is_str(collected ? metadata_value(collected, "instance-type") : "", NULL,
		"not even where the other has nothing");
	is_int((long long)fake_http_count("GET", "/document"), 4, "and compared again");
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
	test_forms();
	test_nonsense();
	test_changed_identity();
	collected = metadata_free(collected);
	return done_testing();
}
