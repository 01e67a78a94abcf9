/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "command.h"
#include "log.h"
#include "spawn.h"

#define BODY_MAX ((size_t)64 << 10)
#define TIMEOUT  (5 * 1000000ull) /* of one answer */
#define INTERVAL 250000ull        /* between two questions */
#define RISE     2                /* good answers in a row, when it is waited for them */

struct probe {
	sd_event *event;
	bool good;
	struct err err;
};

static void on_answer(struct http_response *response, void *userdata)
{
	struct probe *probe = userdata;

	probe->good = response->status >= 200 && response->status < 400;
	if (response->status)
		err_set(&probe->err, 0, "answered %d", response->status);
	else
		err_set(&probe->err, 0, "%s", response->reason);
	(void)sd_event_exit(probe->event, 0);
}

static int ask(struct probe *probe, const char *url)
{
	_cleanup_(http_free_p) struct http *http = NULL;
	const struct http_request request = {
		.url = url, .timeout_usec = TIMEOUT, .body_max = BODY_MAX};
	int r = sd_event_new(&probe->event);

	if (r >= 0)
		r = http_new(probe->event, &http);
	if (r >= 0)
		r = http_start(http, &request, on_answer, probe, NULL);
	if (r >= 0)
		r = sd_event_loop(probe->event);
	http = http_free(http);
	probe->event = sd_event_unref(probe->event);
	return r;
}

int cmd_probe(const struct options *options)
{
	uint64_t start = clock_monotonic();
	unsigned good = 0, rise = options->wait ? RISE : 1;
	struct err err;
	int r = command_give_up_root(&err);

	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	for (;;) {
		struct probe probe = {0};

		r = ask(&probe, options->argument);
		if (r < 0)
			err_set(&probe.err, r, "%m");
		good = probe.good ? good + 1 : 0;
		if (good == rise) {
			printf("%s %s\n", options->argument, probe.err.text);
			return EXIT_DONE;
		}
		if (r < 0 || !options->wait ||
			clock_monotonic() - start + INTERVAL > options->wait_usec) {
			log_error("%s %s", options->argument, probe.err.text);
			return EXIT_FAILED;
		}
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0,
			&(struct timespec){.tv_nsec = (long)(INTERVAL * 1000)}, NULL);
	}
}
