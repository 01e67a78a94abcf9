/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for an answer, in an event loop that fails, is told so; and what is answered later
 * finds nobody. A write into the frame of who is gone is seen by the address sanitizer.
 */
#include <errno.h>
#include <stdlib.h>

#include "aws.h"
#include "credentials.h"
#include "fake-http.h"
#include "metadata.h"
#include "tap.h"

#define SECOND 1000000ull
#define QUIET  20 /* turns of the loop without a question: no more will come */

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_stack_use_after_return=1";
}

static struct {
	sd_event *event;
	struct http *http;
	struct imds *imds;
	struct aws *aws;
	struct err err;
} on;

static int wait_imds(void)
{
	char *body;

	return imds_wait(on.imds, "user-data", SECOND, &body, NULL, &on.err);
}

static int wait_metadata(void)
{
	struct metadata *metadata;

	return metadata_wait(on.event, on.imds, SECOND, &metadata, &on.err);
}

static int wait_credentials(void)
{
	struct credentials *credentials;

	return credentials_wait(on.event, on.imds, SECOND, &credentials, &on.err);
}

static int wait_aws(void)
{
	struct query query = {0};
	struct aws_answer answer;
	int r = aws_wait(on.aws, AWS_SET_INSTANCE_HEALTH, &query, SECOND, &answer);

	on.err = answer.err;
	return r;
}

static const struct {
	const char *name;
	int (*wait)(void);
} waits[] = {
	{"for the metadata service", wait_imds},
	{"for metadata", wait_metadata},
	{"for credentials", wait_credentials},
	{"for AWS", wait_aws},
};

static bool begun;

/* Inside a handler no loop can be run. */
static int on_begin(sd_event_source *source, void *userdata)
{
	int (*const *wait)(void) = userdata;

	begun = true;
	(void)sd_event_source_disable_unref(source);
	is_int((*wait)(), -EBUSY, "it is told so");
	ok(strstr(on.err.text, "busy"), "in words");
	return 0;
}

int main(void)
{
	FOREACH_ELEMENT (i, waits) {
		int (*wait)(void) = waits[i].wait;
		sd_event_source *source;
		uint64_t until;

		printf("# who waits %s in a loop that fails\n", waits[i].name);
		FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "token", .delay_ms = 5},
			{.url = "security-credentials/role", .status = 200, .body = "{}"},
			{.url = "security-credentials/", .status = 200, .body = "role"},
			{.url = "identity/document",
				.status = 200,
				.body = "{\"instanceId\": \"i-1\", \"region\": \"r\"}"},
			{.status = 404, .delay_ms = 5});
		(void)sd_event_new(&on.event);
		(void)http_new(on.event, &on.http);
		(void)imds_new(on.event, on.http, "http://imds", &on.imds);
		(void)aws_new(on.event, on.http, on.imds, "http://aws", &on.aws);
		on.err.text[0] = '\0';
		(void)sd_event_add_defer(on.event, &source, on_begin, &wait);
		begun = false;
		until = fake_now() + 10 * SECOND;
		for (int quiet = 0; quiet < QUIET && fake_now() < until;
			quiet = begun && fake_http_pending() == 0 ? quiet + 1 : 0)
			(void)sd_event_run(on.event, SECOND / 100);
		ok(begun && fake_http_pending() == 0, "and all answers have come since");
		on.aws = aws_free(on.aws);
		on.imds = imds_free(on.imds);
		on.http = http_free(on.http);
		on.event = sd_event_unref(on.event);
	}
	return done_testing();
}
