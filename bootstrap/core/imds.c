/* SPDX-License-Identifier: Apache-2.0 */
#include "imds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "random.h"

#define SECOND           1000000ull
#define TOKEN_TTL        21600u
#define TOKEN_TTL_TEXT   "21600"
#define TOKEN_MARGIN_MAX (60 * SECOND) /* renewed this long before it expires */
#define TOKEN_MAX        512
#define EXCHANGE_TIMEOUT (3 * SECOND) /* of one HTTP exchange on the link */
#define URL_MAX          256
#define IMDS_PATH_MAX    512
#define CALLS_MAX        256

/* Since when, how often, with what last. */
struct trouble {
	uint64_t since;
	unsigned tries; /* 0: none */
	struct err last;
};

struct imds_call {
	struct imds *imds;
	struct imds_call *next;
	char path[IMDS_PATH_MAX];
	uint64_t started, deadline;
	sd_event_source *timer; /* the next try, or the deadline */
	struct http_call *exchange;
	bool ready;            /* wants to be sent as soon as there is a token */
	bool renewed;          /* had its second chance after a 401 */
	bool refused;          /* the last answer was not the service's way */
	unsigned token_number; /* of the token it was sent with */
	size_t url;            /* it was sent to */
	unsigned attempt;
	struct trouble trouble;
	imds_done done;
	void *userdata;
};

struct imds {
	sd_event *event;
	struct http *http;
	char urls[2][URL_MAX];
	char *socket;       /* instead of the network; NULL */
	size_t n_urls, url; /* url: the one in use */
	char token[TOKEN_MAX];
	unsigned token_number; /* counts tokens */
	uint64_t token_until;  /* CLOCK_BOOTTIME; 0: none */
	struct http_call *token_exchange;
	sd_event_source *token_timer;
	unsigned token_attempt;
	struct imds_call *calls;
	size_t n_calls;
	uint64_t answered; /* CLOCK_BOOTTIME, the first time; 0: not yet */
	struct trouble trouble;
	struct err doubt; /* "": none */
};

static void advance(struct imds *imds);

enum imds_verdict imds_judge(int status, int error, bool token_is_fresh)
{
	if (status == 0)
		return error == -EFBIG || error == -EPROTO ? IMDS_REFUSE : IMDS_RETRY;
	if (status == 200)
		return IMDS_USE;
	if (status == 401)
		return token_is_fresh ? IMDS_RETRY : IMDS_RENEW_TOKEN;
	if (status == 403)
		return IMDS_FORBIDDEN;
	if (status == 404)
		return IMDS_ABSENT;
	return status == 429 || status >= 500 ? IMDS_RETRY : IMDS_REFUSE;
}

uint64_t imds_backoff(unsigned attempt, bool answered, const char *retry_after, uint32_t random)
{
	uint64_t longest = answered ? 20 * SECOND : 200 * 1000;
	uint64_t whole = attempt > 8 ? 20 * SECOND : (100000ull << (attempt ? attempt - 1 : 0));
	bool seconds = retry_after && *retry_after >= '0' && *retry_after <= '9';
	uint64_t wait, asked = seconds ? strtoull(retry_after, NULL, 10) : 0;

	whole = whole > longest ? longest : whole;
	wait = whole / 2 + (whole / 2) * random / UINT32_MAX;
	asked = (asked > 60 ? 60 : asked) * SECOND;
	return asked > wait ? asked : wait;
}

static void trouble_add(struct trouble *trouble, const struct err *words)
{
	if (trouble->tries++ == 0)
		trouble->since = clock_boot();
	trouble->last = *words;
}

/* Of the service as a whole, and of a call if it is one's. */
static void trouble_note(struct imds *imds, struct imds_call *call,
	const struct http_response *response, bool refused)
{
	const char *what = call ? call->path : "a request for a token",
		   *url = imds->urls[call ? call->url : imds->url],
		   *way = refused ? ", which is not the metadata service's way" : "";
	struct err words;

	if (response->status == 200)
		err_set(&words, 0, "%s gave nonsense to %s", url, what);
	else if (response->status)
		err_set(&words, 0, "%s answered %d to %s%s", url, response->status, what, way);
	else
		err_set(&words, 0, "%s: %s%s", url, response->reason, way);
	trouble_add(&imds->trouble, &words);
	if (call)
		trouble_add(&call->trouble, &words);
}

static bool trouble_words(const struct trouble *trouble, struct err *ret_words)
{
	if (trouble->tries == 0)
		return false;
	err_set(ret_words, 0, "metadata service: %s (tried %u time%s in %.1f s)",
		trouble->last.text, trouble->tries, trouble->tries == 1 ? "" : "s",
		(double)(clock_boot() - trouble->since) / 1e6);
	return true;
}

bool imds_trouble(const struct imds *imds, struct err *ret_words)
{
	if (trouble_words(&imds->trouble, ret_words))
		return true;
	if (imds->doubt.text[0])
		*ret_words = imds->doubt;
	return imds->doubt.text[0];
}

void imds_doubt(struct imds *imds, const struct err *words)
{
	imds->doubt = words ? *words : (struct err){""};
}

uint64_t imds_answered(const struct imds *imds)
{
	return imds->answered;
}

static struct imds_call *call_free(struct imds_call *call)
{
	struct imds_call **link = &call->imds->calls;

	while (*link && *link != call)
		link = &(*link)->next;
	if (*link) {
		*link = call->next;
		call->imds->n_calls--;
	}
	http_cancel(call->exchange);
	(void)sd_event_source_disable_unref(call->timer);
	free(call);
	return NULL;
}

static void call_finish(struct imds_call *call, struct imds_answer *answer)
{
	imds_done done = call->done;
	void *userdata = call->userdata;

	call_free(call);
	done(answer, userdata);
	free(answer->body);
}

static void call_time_out(struct imds_call *call)
{
	struct imds_answer answer = {.result = call->refused ? -EPROTO : -ETIMEDOUT};

	if (!trouble_words(&call->trouble, &answer.err) && !imds_trouble(call->imds, &answer.err))
		err_set(&answer.err, 0, "metadata service: %s: no answer for %s in %.1f s",
			call->imds->urls[call->imds->url], call->path,
			(double)(clock_boot() - call->started) / 1e6);
	call_finish(call, &answer);
}

/* Sleeps until `usec` from now, or the call's deadline if that is earlier. */
static void call_sleep(struct imds_call *call, uint64_t usec)
{
	uint64_t until = clock_boot() + usec;

	if (until < usec || until > call->deadline)
		until = call->deadline;
	(void)sd_event_source_set_time(call->timer, until);
	(void)sd_event_source_set_enabled(call->timer, SD_EVENT_ONESHOT);
}

static int on_call_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct imds_call *call = userdata;

	(void)source, (void)usec;
	if (clock_boot() >= call->deadline) {
		call_time_out(call);
		return 0;
	}
	call_sleep(call, UINT64_MAX); /* there may be no token in time, or no answer */
	call->ready = true;
	advance(call->imds);
	return 0;
}

/* User-data is the user's, and may be gzip; the service itself has nothing but text. */
static bool has_nul(const struct imds_call *call, const struct http_response *response)
{
	return strcmp(call->path, "user-data") != 0 &&
	       memchr(response->body, '\0', response->length);
}

/*
 * Who answered before, and is silent now, may be gone for good: the other address is asked, which
 * needs a token of its own. The first of several calls that were under way sees to it.
 */
static void turn_away(struct imds *imds, const struct imds_call *call)
{
	if (imds->n_urls == 1 || call->url != imds->url)
		return;
	imds->url = (imds->url + 1) % imds->n_urls;
	imds->token_until = 0;
}

static void call_again(struct imds_call *call, const struct http_response *response, bool refused)
{
	struct imds *imds = call->imds;

	trouble_note(imds, call, response, refused);
	if (response->status == 0)
		turn_away(imds, call);
	call->renewed = false;
	call->refused = refused;
	call_sleep(call, imds_backoff(++call->attempt, true,
				 response->status ? http_header(response, "Retry-After") : NULL,
				 random_bits()));
}

static void on_answer(struct http_response *response, void *userdata)
{
	struct imds_call *call = userdata;
	struct imds *imds = call->imds;
	struct imds_answer answer = {0};
	enum imds_verdict verdict = imds_judge(response->status, response->error, call->renewed);

	call->exchange = NULL;
	if (verdict == IMDS_USE && has_nul(call, response))
		verdict = IMDS_REFUSE;
	switch (verdict) {
	case IMDS_USE:
		imds->trouble.tries = 0;
		answer.body = steal_ptr(response->body);
		answer.length = response->length;
		call_finish(call, &answer);
		break;
	case IMDS_RENEW_TOKEN:
		if (call->token_number == imds->token_number) /* or else there is a newer one */
			imds->token_until = 0;
		call->renewed = call->ready = true;
		advance(imds);
		break;
	case IMDS_ABSENT:
		imds->trouble.tries = 0;
		answer.result = err_set(
			&answer.err, -ENOENT, "metadata service: there is no %s", call->path);
		call_finish(call, &answer);
		break;
	case IMDS_FORBIDDEN:
		imds->trouble.tries = 0;
		answer.result = err_set(&answer.err, -EACCES,
			"metadata service: %s is forbidden (403)", call->path);
		call_finish(call, &answer);
		break;
	case IMDS_RETRY:
	case IMDS_REFUSE: call_again(call, response, verdict == IMDS_REFUSE); break;
	}
}

static int call_send(struct imds_call *call)
{
	struct imds *imds = call->imds;
	char url[URL_MAX + IMDS_PATH_MAX + 16], header[TOKEN_MAX + 64];
	struct http_request request = {.url = url,
		.socket = imds->socket,
		.headers = {header},
		.timeout_usec = EXCHANGE_TIMEOUT,
		.body_max = IMDS_BODY_MAX,
		.framed = true};

	snprintf(url, sizeof url, "%s/latest/%s", imds->urls[imds->url], call->path);
	snprintf(header, sizeof header, "X-aws-ec2-metadata-token: %s", imds->token);
	call->token_number = imds->token_number;
	call->url = imds->url;
	return http_start(imds->http, &request, on_answer, call, &call->exchange);
}

static int on_token_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	advance(userdata);
	return 0;
}

static void token_retry(struct imds *imds, bool answered, const char *retry_after)
{
	imds->url = (imds->url + 1) % imds->n_urls;
	(void)sd_event_source_set_time_relative(imds->token_timer,
		imds_backoff(++imds->token_attempt, answered, retry_after, random_bits()));
	(void)sd_event_source_set_enabled(imds->token_timer, SD_EVENT_ONESHOT);
}

static bool token_keep(struct imds *imds, const struct http_response *response)
{
	const char *ttl_text = http_header(response, "X-aws-ec2-metadata-token-ttl-seconds");
	unsigned long ttl = ttl_text ? strtoul(ttl_text, NULL, 10) : TOKEN_TTL;
	uint64_t life, margin;

	if (response->length == 0 || response->length >= TOKEN_MAX || ttl == 0 ||
		strspn(response->body, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_=+/.") != response->length)
		return false;
	memcpy(imds->token, response->body, response->length + 1);
	imds->token_number++;
	life = (ttl > TOKEN_TTL ? TOKEN_TTL : ttl) * SECOND;
	margin = life / 10 < TOKEN_MARGIN_MAX ? life / 10 : TOKEN_MARGIN_MAX;
	imds->token_until = clock_boot() + life - margin;
	return true;
}

/* Fails who waits for a token; who is asked for anew inside `done` has its own turn later. */
static void calls_forbid(struct imds *imds)
{
	struct imds_call *call = imds->calls;

	while (call) {
		struct imds_answer answer = {.result = -EACCES};

		if (!call->ready) {
			call = call->next;
			continue;
		}
		err_set(&answer.err, 0, "metadata service: switched off for this instance (%s)",
			imds->trouble.last.text);
		call_finish(call, &answer);
		call = imds->calls;
	}
}

static void on_token(struct http_response *response, void *userdata)
{
	struct imds *imds = userdata;

	imds->token_exchange = NULL;
	if (response->status == 200 && token_keep(imds, response)) {
		imds->answered = imds->answered ? imds->answered : clock_boot();
		imds->token_attempt = 0;
		advance(imds);
	} else if (response->status == 403) {
		trouble_note(imds, NULL, response, false);
		calls_forbid(imds);
	} else {
		trouble_note(imds, NULL, response, false);
		token_retry(imds, response->status != 0 || imds->answered,
			response->status ? http_header(response, "Retry-After") : NULL);
	}
}

static void token_fetch(struct imds *imds)
{
	char url[URL_MAX + 32];
	struct http_request request = {.url = url,
		.socket = imds->socket,
		.method = "PUT",
		.headers = {"X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL_TEXT},
		.timeout_usec = EXCHANGE_TIMEOUT,
		.body_max = TOKEN_MAX,
		.framed = true};
	int enabled = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(imds->token_timer, &enabled);
	if (imds->token_exchange || enabled != SD_EVENT_OFF)
		return;
	snprintf(url, sizeof url, "%s/latest/api/token", imds->urls[imds->url]);
	if (http_start(imds->http, &request, on_token, imds, &imds->token_exchange) < 0)
		token_retry(imds, true, NULL);
}

/* Sends what is ready, or sees to a token first. */
static void advance(struct imds *imds)
{
	bool wanted = false;

	for (struct imds_call *call = imds->calls; call && !wanted; call = call->next)
		wanted = call->ready;
	if (!wanted)
		return;
	if (clock_boot() >= imds->token_until) {
		token_fetch(imds);
		return;
	}
	for (struct imds_call *call = imds->calls; call; call = call->next) {
		if (!call->ready)
			continue;
		call->ready = false;
		if (call_send(call) < 0)
			call_sleep(call, imds_backoff(++call->attempt, true, NULL, random_bits()));
	}
}

int imds_get(
	struct imds *imds, const char *path, uint64_t timeout_usec, imds_done done, void *userdata)
{
	return imds_get_later(imds, path, 0, timeout_usec, done, userdata);
}

int imds_get_later(struct imds *imds, const char *path, uint64_t wait_usec, uint64_t timeout_usec,
	imds_done done, void *userdata)
{
	struct imds_call *call;
	uint64_t start = clock_boot();
	int r;

	if (strlen(path) >= IMDS_PATH_MAX)
		return -ENAMETOOLONG;
	if (imds->n_calls == CALLS_MAX)
		return -EAGAIN;
	call = calloc(1, sizeof *call);
	if (!call)
		return -ENOMEM;
	*call = (struct imds_call){.imds = imds,
		.next = imds->calls,
		.started = start,
		.deadline = timeout_usec > UINT64_MAX - start ? UINT64_MAX : start + timeout_usec,
		.done = done,
		.userdata = userdata};
	strcpy(call->path, path);
	/* First at once, so that `done` is never called from within this function. */
	r = sd_event_add_time(imds->event, &call->timer, CLOCK_BOOTTIME,
		wait_usec ? start + wait_usec : 0, 1, on_call_timer, call);
	if (r < 0) {
		free(call);
		return r;
	}
	imds->calls = call;
	imds->n_calls++;
	return 0;
}

void imds_cancel(struct imds *imds, const void *userdata)
{
	struct imds_call *next;

	for (struct imds_call *call = imds->calls; call; call = next) {
		next = call->next;
		if (call->userdata == userdata)
			call_free(call);
	}
}

struct waiting {
	struct imds_answer answer;
	bool done;
};

static void on_waited(struct imds_answer *answer, void *userdata)
{
	struct waiting *waiting = userdata;

	waiting->answer = *answer;
	answer->body = NULL;
	waiting->done = true;
}

int imds_wait(struct imds *imds, const char *path, uint64_t timeout_usec, char **ret_body,
	size_t *ret_length, struct err *err)
{
	struct waiting waiting = {0};
	int r = imds_get(imds, path, timeout_usec, on_waited, &waiting);

	while (r >= 0 && !waiting.done)
		r = sd_event_run(imds->event, UINT64_MAX);
	if (r < 0) { /* nobody is here any more when the answer comes */
		imds_cancel(imds, &waiting);
		free(waiting.answer.body);
		return err_set(err, r, "metadata service: %m");
	}
	if (waiting.answer.result < 0) {
		if (err)
			*err = waiting.answer.err;
		return waiting.answer.result;
	}
	*ret_body = waiting.answer.body;
	if (ret_length)
		*ret_length = waiting.answer.length;
	return 0;
}

int imds_new(sd_event *event, struct http *http, const char *url, struct imds **ret_imds)
{
	_cleanup_(imds_free_p) struct imds *imds = calloc(1, sizeof *imds);
	int r;

	if (!imds)
		return -ENOMEM;
	if (url && strlen(url) >= URL_MAX)
		return -ENAMETOOLONG;
	imds->event = sd_event_ref(event);
	imds->http = http;
	if (url && strncmp(url, "unix:", 5) == 0) {
		imds->socket = strdup(url + 5);
		if (!imds->socket)
			return -ENOMEM;
		url = IMDS_URL_DEFAULT;
	}
	strcpy(imds->urls[imds->n_urls++], url ? url : IMDS_URL_DEFAULT);
	if (!url)
		strcpy(imds->urls[imds->n_urls++], IMDS_URL_IPV6);
	for (size_t i = 0; i < imds->n_urls; i++) /* "http://host/" is "http://host" */
		if (imds->urls[i][0] && imds->urls[i][strlen(imds->urls[i]) - 1] == '/')
			imds->urls[i][strlen(imds->urls[i]) - 1] = '\0';
	r = sd_event_add_time(
		event, &imds->token_timer, CLOCK_BOOTTIME, UINT64_MAX, 1, on_token_timer, imds);
	if (r < 0)
		return r;
	(void)sd_event_source_set_enabled(imds->token_timer, SD_EVENT_OFF);
	*ret_imds = steal_ptr(imds);
	return 0;
}

struct imds *imds_free(struct imds *imds)
{
	if (!imds)
		return NULL;
	while (imds->calls)
		call_free(imds->calls);
	http_cancel(imds->token_exchange);
	(void)sd_event_source_disable_unref(imds->token_timer);
	(void)sd_event_unref(imds->event);
	free(imds->socket);
	free(imds);
	return NULL;
}
