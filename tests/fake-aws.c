/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-aws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWERS_MAX 64

struct aws {
	sd_event *event;
};

struct aws_call {
	struct fake_aws_answer answer;
	sd_event_source *timer;
	aws_done done;
	void *userdata;
};

struct fake_aws_call fake_aws_calls[FAKE_AWS_CALLS_MAX];
size_t fake_aws_n_calls;
static struct fake_aws_answer script[ANSWERS_MAX];
static unsigned used[ANSWERS_MAX];
static size_t n_script, pending;

void fake_aws_script(const struct fake_aws_answer *answers, size_t n)
{
	for (size_t i = 0; i < fake_aws_n_calls; i++)
		free(fake_aws_calls[i].query);
	fake_aws_n_calls = 0;
	for (n_script = 0; n_script < n && n_script < ANSWERS_MAX; n_script++) {
		script[n_script] = answers[n_script];
		used[n_script] = 0;
	}
}

size_t fake_aws_count(enum aws_action action)
{
	size_t n = 0;

	for (size_t i = 0; i < fake_aws_n_calls; i++)
		n += fake_aws_calls[i].action == action;
	return n;
}

size_t fake_aws_pending(void)
{
	return pending;
}

int aws_new(sd_event *event, struct http *http, struct imds *imds, const char *endpoint,
	struct aws **ret_aws)
{
	struct aws *aws = calloc(1, sizeof *aws);

	(void)http, (void)imds, (void)endpoint;
	if (!aws)
		return -ENOMEM;
	aws->event = sd_event_ref(event);
	*ret_aws = aws;
	return 0;
}

struct aws *aws_free(struct aws *aws)
{
	if (aws)
		(void)sd_event_unref(aws->event);
	free(aws);
	return NULL;
}

void aws_cancel(struct aws_call *call)
{
	if (!call)
		return;
	pending--;
	(void)sd_event_source_disable_unref(call->timer);
	free(call);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct aws_call *call = userdata;
	const struct fake_aws_answer *from = &call->answer;
	struct aws_answer answer = {.result = from->result, .gone = from->gone};
	aws_done done = call->done;
	void *data = call->userdata;

	(void)source, (void)usec;
	(void)snprintf(answer.code, sizeof answer.code, "%s", from->code ? from->code : "");
	if (from->result < 0)
		err_set(&answer.err, 0, "%s", from->words ? from->words : "");
	else
		answer.json = json_loads(from->json ? from->json : "{}", 0, NULL);
	aws_cancel(call);
	done(&answer, data);
	json_decref(answer.json);
	return 0;
}

static struct fake_aws_answer answer_find(enum aws_action action)
{
	for (size_t i = 0; i < n_script; i++)
		if (script[i].action == action && (!script[i].times || used[i] < script[i].times)) {
			used[i]++;
			return script[i];
		}
	return (struct fake_aws_answer){.result = -EPROTO, .words = "not in the script"};
}

int aws_start(struct aws *aws, enum aws_action action, const struct query *query,
	uint64_t timeout_usec, aws_done done, void *userdata, struct aws_call **ret_call)
{
	struct aws_call *call;
	uint64_t delay_usec, now = 0;

	if (query->error < 0)
		return query->error;
	call = calloc(1, sizeof *call);
	if (!call)
		return -ENOMEM;
	*call = (struct aws_call){
		.answer = answer_find(action), .done = done, .userdata = userdata};
	delay_usec = call->answer.delay_ms * 1000ull;
	if (delay_usec >= timeout_usec) {
		delay_usec = timeout_usec;
		call->answer = (struct fake_aws_answer){.result = -ETIMEDOUT, .words = "no answer"};
	}
	(void)sd_event_now(aws->event, CLOCK_MONOTONIC, &now);
	if (fake_aws_n_calls < FAKE_AWS_CALLS_MAX)
		fake_aws_calls[fake_aws_n_calls++] = (struct fake_aws_call){.action = action,
			.query = strdup(query->text ? query->text : ""),
			.timeout_usec = timeout_usec,
			.usec = now};
	pending++;
	*ret_call = call;
	return sd_event_add_time(
		aws->event, &call->timer, CLOCK_MONOTONIC, now + delay_usec, 1, on_time, call);
}
