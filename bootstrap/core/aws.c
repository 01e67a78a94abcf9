/* SPDX-License-Identifier: Apache-2.0 */
#include "aws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws-judge.h"
#include "aws-origin.h"
#include "clock.h"
#include "gzip.h"
#include "random.h"
#include "xml.h"

#define SECOND           1000000ull
#define EXCHANGE_TIMEOUT (10 * SECOND) /* of one HTTP exchange; then it is tried again */
#define URL_MAX          512

struct aws {
	sd_event *event;
	struct http *http;
	char *endpoint; /* NULL: Amazon's */
	struct aws_origin origin;
	struct aws_call *calls; /* doubly linked */
};

struct aws_call {
	struct aws *aws;
	struct aws_call *previous, *next;
	enum aws_action action;
	char *body;
	size_t length;
	uint64_t started, deadline; /* usec of CLOCK_BOOTTIME */
	sd_event_source *timer;     /* the next try, or the deadline */
	struct http_call *exchange;
	bool waits;                  /* for the origin */
	bool renewed;                /* had its second chance after credentials that had expired */
	unsigned credentials_number; /* of those it was sent with */
	unsigned attempt;
	int trouble; /* why it is tried again: -EAGAIN, -ETIMEDOUT; 0: not yet */
	struct err words;
	aws_done done;
	void *userdata;
};

static struct aws_call *call_free(struct aws_call *call)
{
	if (call->previous)
		call->previous->next = call->next;
	else
		call->aws->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	http_cancel(call->exchange);
	(void)sd_event_source_disable_unref(call->timer);
	free(call->body);
	free(call);
	return NULL;
}

static void call_finish(struct aws_call *call, struct aws_answer *answer)
{
	aws_done done = call->done;
	void *userdata = call->userdata;

	call_free(call);
	done(answer, userdata);
	json_decref(answer->json);
}

static void call_time_out(struct aws_call *call)
{
	struct aws_answer answer = {.result = call->trouble ? call->trouble : -ETIMEDOUT};
	double seconds = (double)(clock_boot() - call->started) / 1e6;

	if (call->attempt > 0)
		err_set(&answer.err, 0, "%s (tried %u time%s in %.1f s)", call->words.text,
			call->attempt, call->attempt == 1 ? "" : "s", seconds);
	else if (!call->waits || !imds_trouble(call->aws->origin.imds, &answer.err))
		err_set(&answer.err, 0, "%s: no answer in %.1f s", aws_action_name(call->action),
			seconds);
	call_finish(call, &answer);
}

/* Until `usec` from now, or the call's deadline if that is earlier. */
static void call_sleep(struct aws_call *call, uint64_t usec)
{
	uint64_t until = clock_boot() + usec;

	if (until < usec || until > call->deadline)
		until = call->deadline;
	(void)sd_event_source_set_time(call->timer, until);
	(void)sd_event_source_set_enabled(call->timer, SD_EVENT_ONESHOT);
}

static void call_retry(struct aws_call *call, int trouble)
{
	call->trouble = trouble;
	call_sleep(call, aws_backoff(++call->attempt, random_bits()));
}

static void call_fail(struct aws_call *call, int result)
{
	struct aws_answer answer = {.result = result, .err = call->words};

	call_finish(call, &answer);
}

/* -- an answer -- */

/* The element ACTIONResult as an object; an action that has none to tell has an empty one. */
static int result_read(
	const struct aws_call *call, const struct http_response *response, json_t **ret_json)
{
	json_t *root = NULL, *result;
	char name[AWS_CODE_MAX];
	int r = xml_to_json(response->body, response->length, &root);

	if (r < 0)
		return r;
	(void)snprintf(name, sizeof name, "%sResult", aws_action_name(call->action));
	result = json_object_get(root, name);
	*ret_json = json_is_object(result) ? json_incref(result) : json_object();
	json_decref(root);
	return 0;
}

static void call_use(struct aws_call *call, const struct http_response *response)
{
	struct aws_answer answer = {0};

	if (result_read(call, response, &answer.json) < 0)
		answer.result = err_set(&answer.err, -EPROTO,
			"%s: %d, but the answer is no XML of the service's",
			aws_action_name(call->action), response->status);
	call_finish(call, &answer);
}

static void call_gone(struct aws_call *call, const struct aws_error *error)
{
	struct aws_answer answer = {.gone = true, .json = json_object()};

	memcpy(answer.code, error->code, sizeof answer.code);
	call_finish(call, &answer);
}

static void call_refused(struct aws_call *call, const struct aws_error *error, int result)
{
	struct aws_answer answer = {.result = result, .err = call->words};

	memcpy(answer.code, error->code, sizeof answer.code);
	call_finish(call, &answer);
}

/* Of no answer: what trying again does not change. */
static bool is_final(int error)
{
	return error == -EFBIG || error == -EINVAL || error == -EKEYREJECTED || error == -ENOKEY;
}

static void call_advance(struct aws_call *call);

static void on_response(struct http_response *response, void *userdata)
{
	struct aws_call *call = userdata;
	struct aws_error error = {0};

	call->exchange = NULL;
	if (response->status / 100 > 2) {
		aws_error_read(response->status, response->body, response->length, &error);
		aws_error_text(call->action, &error, &call->words);
	} else if (!response->status) {
		err_set(&call->words, 0, "%s: %s", aws_action_name(call->action), response->reason);
	}
	if (is_final(response->error)) {
		call_fail(call, -EPROTO);
		return;
	}
	switch (aws_judge(
		call->action, response->status, error.code, error.message, call->renewed)) {
	case AWS_USE: call_use(call, response); break;
	case AWS_GONE: call_gone(call, &error); break;
	case AWS_RENEW:
		call->renewed = true;
		aws_origin_renew(&call->aws->origin, call->credentials_number);
		call_advance(call);
		break;
	case AWS_RETRY: call_retry(call, aws_is_throttled(&error) ? -EAGAIN : -ETIMEDOUT); break;
	case AWS_DENIED: call_refused(call, &error, -EACCES); break;
	case AWS_REFUSED: call_refused(call, &error, *error.code ? -EINVAL : -EPROTO); break;
	}
}

/* -- a request -- */

static int call_send(struct aws_call *call)
{
	const struct aws_row *row = &aws_rows[call->action];
	const struct aws_origin *origin = &call->aws->origin;
	const struct http_signer signer = {.access_key = origin->credentials->access_key,
		.secret = origin->credentials->secret,
		.token = origin->credentials->token,
		.region = origin->region,
		.service = row->service};
	char url[URL_MAX];
	uint64_t left = call->deadline - clock_boot();
	struct http_request request = {.url = url,
		.headers = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
			row->gzip ? "Content-Encoding: gzip" : NULL},
		.body = call->body,
		.body_length = call->length,
		.timeout_usec = left < EXCHANGE_TIMEOUT ? left : EXCHANGE_TIMEOUT,
		.body_max = AWS_ANSWER_MAX,
		.proxied = true,
		.signer = &signer};
	int r = aws_url(row, call->aws->endpoint, origin->region, origin->domain, url, sizeof url);

	if (r < 0)
		return r;
	call->credentials_number = origin->number;
	return http_start(call->aws->http, &request, on_response, call, &call->exchange);
}

/* Sends it, or sees first to what it needs. */
static void call_advance(struct aws_call *call)
{
	uint64_t start = clock_boot();
	int r;

	if (start + SECOND / 1000 >= call->deadline) { /* libcurl's unit; 0 would be no limit */
		call_time_out(call);
		return;
	}
	call_sleep(call, UINT64_MAX); /* there may be no answer in time */
	call->waits = !aws_origin_ready(&call->aws->origin, time(NULL), call->deadline - start);
	if (call->waits)
		return;
	r = call_send(call);
	if (r == 0)
		return;
	err_set(&call->words, r, "%s: %m", aws_action_name(call->action));
	if (r == -ENAMETOOLONG)
		call_fail(call, -EPROTO);
	else
		call_retry(call, -ETIMEDOUT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct aws_call *call = userdata;

	(void)source, (void)usec;
	if (clock_boot() >= call->deadline) {
		call_time_out(call);
		return 0;
	}
	call_advance(call);
	return 0;
}

/* What can be done for those who wait. Inside a `done` calls may end and begin. */
static void on_origin(int result, const struct err *err, void *userdata)
{
	struct aws *aws = userdata;
	struct aws_call *call;
	bool again = result == 0 || result == -ETIMEDOUT;

	do {
		for (call = aws->calls; call && !call->waits;)
			call = call->next;
		if (!call)
			break;
		call->waits = false;
		if (again) { /* by the timer, so that one that waits once more is not met here */
			(void)sd_event_source_set_time(call->timer, 0);
			continue;
		}
		err_set(&call->words, 0, "%s: %s", aws_action_name(call->action), err->text);
		call_fail(call, result == -ENOENT || result == -EACCES ? result : -EPROTO);
	} while (call);
}

/* -- from outside -- */

static int body_make(struct aws_call *call, const struct query *query)
{
	const struct aws_row *row = &aws_rows[call->action];
	_cleanup_free_ char *form = NULL;
	int n = asprintf(&form, "Action=%s&Version=%s%s%s", row->name, row->version,
		query->length ? "&" : "", query->length ? query->text : "");

	if (n < 0) {
		form = NULL;
		return -ENOMEM;
	}
	if ((size_t)n > HTTP_BODY_MAX)
		return -E2BIG;
	if (row->gzip)
		return gzip_compress(form, (size_t)n, &call->body, &call->length);
	call->body = steal_ptr(form);
	call->length = (size_t)n;
	return 0;
}

int aws_start(struct aws *aws, enum aws_action action, const struct query *query,
	uint64_t timeout_usec, aws_done done, void *userdata, struct aws_call **ret_call)
{
	uint64_t start = clock_boot();
	struct aws_call *call;
	int r;

	if (query->error < 0)
		return query->error;
	call = calloc(1, sizeof *call);
	if (!call)
		return -ENOMEM;
	*call = (struct aws_call){.aws = aws,
		.next = aws->calls,
		.action = action,
		.started = start,
		.deadline = timeout_usec > UINT64_MAX - start ? UINT64_MAX : start + timeout_usec,
		.done = done,
		.userdata = userdata};
	if (call->next)
		call->next->previous = call;
	aws->calls = call;
	r = body_make(call, query);
	/* First at once, so that `done` is never called from within this function. */
	if (r == 0)
		r = sd_event_add_time(
			aws->event, &call->timer, CLOCK_BOOTTIME, 0, 1, on_timer, call);
	if (r < 0) {
		call_free(call);
		return r;
	}
	if (ret_call)
		*ret_call = call;
	return 0;
}

void aws_cancel(struct aws_call *call)
{
	if (call)
		call_free(call);
}

struct waiting {
	struct aws_answer answer;
	bool done;
};

static void on_waited(const struct aws_answer *answer, void *userdata)
{
	struct waiting *waiting = userdata;

	waiting->answer = *answer;
	json_incref(answer->json);
	waiting->done = true;
}

int aws_wait(struct aws *aws, enum aws_action action, const struct query *query,
	uint64_t timeout_usec, struct aws_answer *ret_answer)
{
	struct waiting waiting = {0};
	struct aws_call *call = NULL;
	int r = aws_start(aws, action, query, timeout_usec, on_waited, &waiting, &call);

	while (r >= 0 && !waiting.done)
		r = sd_event_run(aws->event, UINT64_MAX);
	if (r < 0) {
		if (!waiting.done) /* nobody is here any more when the answer comes */
			aws_cancel(call);
		waiting.answer.result =
			err_set(&waiting.answer.err, r, "%s: %m", aws_action_name(action));
	}
	*ret_answer = waiting.answer;
	return waiting.answer.result;
}

int aws_new(sd_event *event, struct http *http, struct imds *imds, const char *endpoint,
	struct aws **ret_aws)
{
	_cleanup_(aws_free_p) struct aws *aws = calloc(1, sizeof *aws);

	if (!aws)
		return -ENOMEM;
	aws->event = sd_event_ref(event);
	aws->http = http;
	aws->origin = (struct aws_origin){
		.imds = imds, .wants_domain = !endpoint, .changed = on_origin, .userdata = aws};
	if (endpoint) {
		aws->endpoint = strdup(endpoint);
		if (!aws->endpoint)
			return -ENOMEM;
	}
	*ret_aws = steal_ptr(aws);
	return 0;
}

struct aws *aws_free(struct aws *aws)
{
	if (!aws)
		return NULL;
	while (aws->calls)
		call_free(aws->calls);
	aws_origin_clear(&aws->origin);
	(void)sd_event_unref(aws->event);
	free(aws->endpoint);
	free(aws);
	return NULL;
}
