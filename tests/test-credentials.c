/* SPDX-License-Identifier: Apache-2.0 */
#include "credentials.h"

#include <errno.h>
#include <stdlib.h>

#include "fake-http.h"
#include "tap.h"

#define SECOND 1000000ull
#define ROLES  "security-credentials/"

/* As the User Guide shows it. */
#define DOCUMENT                                                                                   \
	"{\n"                                                                                      \
	"  \"Code\" : \"Success\",\n"                                                              \
	"  \"LastUpdated\" : \"2012-04-26T16:39:16Z\",\n"                                          \
	"  \"Type\" : \"AWS-HMAC\",\n"                                                             \
	"  \"AccessKeyId\" : \"ASIAIOSFODNN7EXAMPLE\",\n"                                          \
	"  \"SecretAccessKey\" : \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\",\n"                  \
	"  \"Token\" : \"token\",\n"                                                               \
	"  \"Expiration\" : \"2017-05-17T15:09:54Z\"\n"                                            \
	"}"
#define EXPIRES 1495033794

#define KEYS "\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"SSSS\", \"Token\": \"TTTT\""

static const struct {
	const char *name, *text;
	int result;
	const char *words;
} documents[] = {
	{"the least that is one",
		"{\"Code\": \"Success\", " KEYS ", \"Expiration\": \"2017-05-17T15:09:54Z\"}", 0,
		NULL},
	{"a failure", "{\"Code\": \"AssumeRoleUnauthorizedAccess\", \"Message\": \"EC2 cannot.\"}",
		-EACCES,
		"the instance's role has no credentials: AssumeRoleUnauthorizedAccess: EC2 "
		"cannot."},
	{"a failure without words", "{\"Code\": \"Failed\"}", -EACCES,
		"the instance's role has no credentials: Failed"},
	{"no Code", "{" KEYS ", \"Expiration\": \"2017-05-17T15:09:54Z\"}", -EBADMSG, "no Code"},
	{"no Token",
		"{\"Code\": \"Success\", \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"SSSS\", "
		"\"Expiration\": \"2017-05-17T15:09:54Z\"}",
		-EBADMSG, "Token is no text"},
	{"a header in a header",
		"{\"Code\": \"Success\", \"AccessKeyId\": \"A\", \"SecretAccessKey\": \"SSSS\", "
		"\"Token\": \"TTTT\\r\\nX: y\", \"Expiration\": \"2017-05-17T15:09:54Z\"}",
		-EBADMSG, "Token is no text"},
	{"an empty key",
		"{\"Code\": \"Success\", \"AccessKeyId\": \"\", \"SecretAccessKey\": \"SSSS\", "
		"\"Token\": \"TTTT\", \"Expiration\": \"2017-05-17T15:09:54Z\"}",
		-EBADMSG, "AccessKeyId"},
	{"a number for a text",
		"{\"Code\": \"Success\", \"AccessKeyId\": 1, \"SecretAccessKey\": \"SSSS\", "
		"\"Token\": \"TTTT\", \"Expiration\": \"2017-05-17T15:09:54Z\"}",
		-EBADMSG, "AccessKeyId"},
	{"no Expiration", "{\"Code\": \"Success\", " KEYS "}", -EBADMSG, "Expiration is no time"},
	{"an Expiration that is none",
		"{\"Code\": \"Success\", " KEYS ", \"Expiration\": \"2017-05-17\"}", -EBADMSG,
		"Expiration is no time"},
	{"twice the same",
		"{\"Code\": \"Success\", \"Code\": \"Success\", " KEYS
		", \"Expiration\": \"2017-05-17T15:09:54Z\"}",
		-EBADMSG, "no JSON object"},
	{"an array", "[]", -EBADMSG, "no JSON object"},
	{"no JSON", "SSSS", -EBADMSG, "no JSON object"},
	{"nothing", "", -EBADMSG, "no JSON object"},
};

static void test_parse(void)
{
	_cleanup_(credentials_free_p) struct credentials *credentials = NULL;

	is_int(credentials_parse(DOCUMENT, strlen(DOCUMENT), &credentials, NULL), 0,
		"the User Guide's example is read");
	if (credentials) {
		is_str(credentials->access_key, "ASIAIOSFODNN7EXAMPLE", "its access key");
		is_str(credentials->secret, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
			"its secret");
		is_str(credentials->token, "token", "its token");
		is_int(credentials->expires, EXPIRES, "when it expires");
		ok(!credentials_is_stale(credentials, EXPIRES - CREDENTIALS_STALE_SECONDS - 1),
			"fresh, a second before it is due");
		ok(credentials_is_stale(credentials, EXPIRES - CREDENTIALS_STALE_SECONDS),
			"stale 15 minutes before it expires");
		ok(credentials_is_stale(credentials, EXPIRES + 1), "stale when it has expired");
	}
	FOREACH_ELEMENT (i, documents) {
		_cleanup_(credentials_free_p) struct credentials *other = NULL;
		struct err err = {0};
		int r = credentials_parse(
			documents[i].text, strlen(documents[i].text), &other, &err);

		if (!ok(r == documents[i].result && !other == (r < 0) &&
				    (r == 0 || strstr(err.text, documents[i].words)) &&
				    !strstr(err.text, "SSSS") && !strstr(err.text, "TTTT"),
			    documents[i].name))
			printf("# %d %s\n", r, err.text);
	}
	ok(!credentials_free(NULL), "NULL can be freed");
}

static int wait_for_credentials(struct credentials **ret_credentials, struct err *err)
{
	_cleanup_(http_free_p) struct http *http = NULL;
	_cleanup_(imds_free_p) struct imds *imds = NULL;
	sd_event *event = NULL;
	int r = sd_event_new(&event);

	if (r >= 0)
		r = http_new(event, &http);
	if (r >= 0)
		r = imds_new(event, http, "http://sim", &imds);
	if (r >= 0)
		r = credentials_wait(event, imds, SECOND, ret_credentials, err);
	imds = imds_free(imds);
	http = http_free(http);
	(void)sd_event_unref(event);
	return r;
}

#define TOKEN                                                                                      \
	{                                                                                          \
		.method = "PUT", .status = 200, .body = "token"                                    \
	}

static void test_ask(void)
{
	struct credentials *credentials = NULL;
	struct err err;

	FAKE_SCRIPT(TOKEN, {.url = ROLES "a.role+1", .status = 200, .body = DOCUMENT},
		{.url = ROLES, .status = 200, .body = "a.role+1\nanother"});
	is_int(wait_for_credentials(&credentials, &err), 0, "role, then credentials");
	if (credentials)
		is_str(credentials->access_key, "ASIAIOSFODNN7EXAMPLE", "of the first role");
	credentials = credentials_free(credentials);
	is_int((long long)fake_http_count("GET", ROLES), 2, "in two requests");

	FAKE_SCRIPT(TOKEN, {.url = ROLES, .status = 404});
	is_int(wait_for_credentials(&credentials, &err), -ENOENT, "no role is -ENOENT");
	is_str(err.text, "the instance has no role", "in words");
	FAKE_SCRIPT(TOKEN, {.url = ROLES, .status = 200, .body = ""});
	is_int(wait_for_credentials(&credentials, &err), -ENOENT, "so is an empty list");
	FAKE_SCRIPT(TOKEN, {.url = ROLES, .status = 200, .body = "../../user-data"});
	is_int(wait_for_credentials(&credentials, &err), -EBADMSG, "a path is no role's name");
	is_int((long long)fake_http_count("GET", "user-data"), 0, "and is not asked for");
	FAKE_SCRIPT(TOKEN, {.url = ROLES, .status = 403});
	is_int(wait_for_credentials(&credentials, &err), -EACCES, "what is forbidden is -EACCES");
	FAKE_SCRIPT(TOKEN, {.url = ROLES "role", .status = 200, .body = "{\"Code\": \"Failed\"}"},
		{.url = ROLES, .status = 200, .body = "role"});
	is_int(wait_for_credentials(&credentials, &err), -EACCES, "no success is -EACCES");
	FAKE_SCRIPT(TOKEN, {.url = ROLES, .delay_ms = FAKE_SILENT});
	is_int(wait_for_credentials(&credentials, &err), -ETIMEDOUT, "silence is -ETIMEDOUT");
	ok(!credentials, "the output is untouched on failure");
}

static void on_never(
	int result, struct credentials *credentials, const struct err *err, void *userdata)
{
	(void)result, (void)err;
	credentials_free(credentials);
	*(bool *)userdata = true;
}

/* In the first question, and in the second. */
static void test_cancel(void)
{
	static const char *const slow[] = {ROLES, ROLES "role"};

	FOREACH_ELEMENT (i, slow) {
		struct credentials_call *call = NULL;
		sd_event *event = NULL;
		struct http *http = NULL;
		struct imds *imds = NULL;
		bool called = false;
		uint64_t until;

		FAKE_SCRIPT(TOKEN, {.url = slow[i], .delay_ms = FAKE_SILENT},
			{.url = ROLES, .status = 200, .body = "role"});
		(void)sd_event_new(&event);
		(void)http_new(event, &http);
		(void)imds_new(event, http, "http://sim", &imds);
		(void)credentials_get(imds, SECOND, on_never, &called, &call);
		until = fake_now() + SECOND;
		while (fake_http_count("GET", slow[i]) == 0 && fake_now() < until)
			(void)sd_event_run(event, 10000);
		is_int((long long)fake_http_pending(), 1, "a question is under way");
		credentials_cancel(call);
		is_int((long long)fake_http_pending(), 0, "cancelled it is none");
		(void)sd_event_run(event, 10000);
		ok(!called, "and nobody hears of it");
		imds_free(imds);
		http_free(http);
		(void)sd_event_unref(event);
	}
	credentials_cancel(NULL);
}

int main(void)
{
	test_parse();
	test_ask();
	test_cancel();
	return done_testing();
}
