/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The role's credentials: the list of roles, a NUL, and the document. A role's name is part of no
 * other path, what becomes headers cannot begin another, and no secret gets into words.
 *
 * Covers: bootstrap/core/credentials.c
 */
#include "credentials.h"

#include <errno.h>

#include "service.h"

#define ROLES  "http://sim/latest/meta-data/iam/security-credentials/"
#define SECRET "hush/"

static int ask(struct credentials **ret_credentials, struct err *err)
{
	struct service service = service_begin(60 * 1000000ull);
	int r = credentials_wait(
		service.event, service.imds, service.patience, ret_credentials, err);

	service_end(&service);
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
