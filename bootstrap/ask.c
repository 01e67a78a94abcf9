/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json-text.h"

#define AGENT_TIMEOUT  (2ull * 1000000)
#define AGENT_BODY_MAX ((size_t)256 << 10)

/* The URL of a TCP address that the agent listens on, as seen from this machine. */
static void agent_url(const char *address, const char *path, char *ret_url, size_t size)
{
	static const struct {
		const char *prefix, *local;
	} wildcards[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
	const char *local = "";

	FOREACH_ELEMENT (i, wildcards) {
		size_t length = strlen(wildcards[i].prefix);

		if (strncmp(address, wildcards[i].prefix, length) != 0)
			continue;
		local = wildcards[i].local;
		address += length;
	}
	snprintf(ret_url, size, "http://%s%s%s", local, address, path);
}

struct asking {
	const char *address;
	json_t *answer;
	struct err *err;
	bool done;
};

static void on_answer(struct http_response *response, void *userdata)
{
	struct asking *asking = userdata;

	asking->done = true;
	if (response->status == 0) {
		err_set(asking->err, 0, "%s: %s", asking->address, response->reason);
		return;
	}
	asking->answer = json_from_text(response->body, response->length, NULL);
	if (json_is_object(asking->answer))
		return;
	err_set(asking->err, 0, "%s answered %d without a document", asking->address,
		response->status);
	json_decref(asking->answer);
	asking->answer = NULL;
}

static json_t *ask_at(
	const char *address, const char *path, struct service *service, struct err *err)
{
	bool is_socket = strncmp(address, "unix:", strlen("unix:")) == 0;
	char url[256];
	struct asking asking = {.address = address, .err = err};
	struct http_request request = {.url = url,
		.socket = is_socket ? address + strlen("unix:") : NULL,
		.headers = {"Accept: application/json"},
		.timeout_usec = AGENT_TIMEOUT,
		.body_max = AGENT_BODY_MAX};
	struct http_call *call = NULL;
	int r;

	agent_url(is_socket ? "localhost" : address, path, url, sizeof url);
	r = http_start(service->http, &request, on_answer, &asking, &call);
	while (r >= 0 && !asking.done)
		r = sd_event_run(service->event, UINT64_MAX);
	if (r < 0 && !asking.done) /* nobody is here any more when the answer comes */
		http_cancel(call);
	if (r < 0)
		err_set(err, r, "%s: %m", address);
	return asking.answer;
}

json_t *ask_agent(
	const struct config *config, struct service *service, const char *path, struct err *err)
{
	json_t *answer = NULL;

	err_set(err, 0, "it listens nowhere");
	for (size_t i = 0; !answer && i < config->agent.listen.n; i++)
		answer = ask_at(config->agent.listen.items[i], path, service, err);
	return answer;
}
