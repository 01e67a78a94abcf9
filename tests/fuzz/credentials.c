/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role's credentials: the list of roles, a NUL, and the document. A role's name is part of no
 * other path, what becomes headers cannot begin another, and no secret gets into words.
 *
 * Covers: bootstrap/core/credentials.c
 */
#include "credentials.h"

#include <errno.h>

#include "../fake-http.c"
#include "fuzz.h"

#define ROLES  "http://sim/latest/meta-data/iam/security-credentials/"
#define SECRET "hush/"
#define MINUTE (60 * 1000000ull)

static int ask(struct credentials **ret_credentials, struct err *err)
{
	sd_event *event = NULL;
	struct http *http = NULL;
	struct imds *imds = NULL;
	int r;

	must(sd_event_new(&event) >= 0 && http_new(event, &http) == 0 &&
		imds_new(event, http, "http://sim", &imds) == 0);
	r = credentials_wait(event, imds, MINUTE, ret_credentials, err);
	must(fake_http_pending() == 0);
	imds_free(imds);
	http_free(http);
	(void)sd_event_unref(event);
	return r;
}

static void check_requests(void)
{
	for (size_t i = 0; i < fake_n_requests; i++) {
		const char *url = fake_requests[i].url;

		must(strcmp(fake_requests[i].method, "PUT") == 0 ||
			(strncmp(url, ROLES, strlen(ROLES)) == 0 &&
				!strpbrk(url + strlen(ROLES), "/?#%\r\n ")));
	}
}

static void check_visible(const char *text)
{
	must(text && *text);
	for (; *text; text++)
		must(*text > ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	_cleanup_free_ char *roles = input_text(&input), *document = input_text(&input);
	_cleanup_(credentials_free_p) struct credentials *credentials = NULL;
	struct err err = {""};
	int r;

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "token"},
		{.url = ROLES, .times = 1, .status = *roles ? 200 : 404, .body = roles},
		{.url = ROLES, .status = 200, .body = document});
	r = ask(&credentials, &err);
	check_requests();
	must(r == 0 || r == -ENOENT || r == -EACCES || r == -EBADMSG || r == -EPROTO);
	must((r < 0) == (err.text[0] != '\0') && (r == 0) == (credentials != NULL));
	must(r != -EBADMSG || !strstr(err.text, SECRET));
	if (r < 0)
		return 0;
	check_visible(credentials->access_key);
	check_visible(credentials->secret);
	check_visible(credentials->token);
	must(credentials_is_stale(credentials, credentials->expires));
	return 0;
}
