/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "host.h"
#include "spawn.h"

#define ARGS_MAX 16

/* "fetched N of M bytes" (download.h) to words for a person; other lines are not for us. */
static bool on_line(const char *line, void *userdata)
{
	const struct reach *reach = userdata;
	unsigned long long done, all = 0;
	char text[96];

	if (sscanf(line, "fetched %llu of ", &done) != 1)
		return false;
	if (sscanf(line, "fetched %llu of %llu bytes", &done, &all) == 2 && all > 0)
		snprintf(text, sizeof text, "fetched %llu of %llu MiB (%llu %%)", done >> 20,
			all >> 20, done * 100 / all);
	else
		snprintf(text, sizeof text, "fetched %llu MiB", done >> 20);
	if (reach->progress)
		reach->progress(text, reach->userdata);
	return true;
}

static int run(const struct fetch *fetch, bool head, int fd, char **ret_tail, struct err *err)
{
	const char *argv[ARGS_MAX] = {"/proc/self/exe", "fetch"};
	const struct {
		const char *option, *value;
	} given[] = {{"--region", fetch->region}, {"--endpoint", fetch->endpoint},
		{"--imds", fetch->reach->imds}};
	char unit[64];
	size_t n = 2;

	if (head)
		argv[n++] = "--head";
	for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
		if (!given[i].value)
			continue;
		argv[n++] = given[i].option;
		argv[n++] = given[i].value;
	}
	argv[n++] = "--";
	argv[n++] = fetch->url;
	snprintf(unit, sizeof unit, "instance-fetch-%.40s", fetch->app);
	return host()->run(unit,
		&(struct spawn){.argv = argv,
			.cwd = "/",
			.user = geteuid() == 0 ? FETCH_USER : NULL,
			.name = "fetch",
			.label = head ? NULL : fetch->app,
			.line = on_line,
			.userdata = (void *)fetch->reach,
			.output = fd,
			.proxies = true,
			.alone = true,
			.timeout_usec = head ? FETCH_HEAD_TIMEOUT : FETCH_TIMEOUT},
		ret_tail, err);
}

int fetch_version(const struct fetch *fetch, char **ret_line, struct err *err)
{
	_cleanup_free_ char *tail = NULL;
	int r = run(fetch, true, 0, &tail, err);

	if (r < 0)
		return r;
	/* There may be a warning before it. */
	for (char *rest = tail, *line; (line = strsep(&rest, "\n"));)
		if (strncmp(line, "etag ", 5) == 0 || strncmp(line, "modified ", 9) == 0 ||
			strncmp(line, "version ", 8) == 0)
			return (*ret_line = strdup(line)) ? 0 : err_set(err, -ENOMEM, "%m");
	return err_set(err, -EPROTO, "%s: its version was not told", fetch->url);
}

int fetch_into(const struct fetch *fetch, int fd, struct err *err)
{
	return run(fetch, false, fd, NULL, err);
}
