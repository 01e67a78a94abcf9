/* SPDX-License-Identifier: Apache-2.0 */
#include "imds.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake-http.h"
#include "tap.h"

#define URL    "http://127.0.0.1:1338"
#define MS     1000ull
#define SECOND 1000000ull
#define LONG   (60 * SECOND) /* where no time limit is meant */
#define TOKEN  "api/token"

/* A token for whoever asks. */
#define GOOD_TOKEN                                                                                 \
	{                                                                                          \
		.method = "PUT", .url = TOKEN, .status = 200, .body = "t1"                         \
	}

static struct {
	sd_event *event;
	struct http *http;
	struct imds *imds;
} on;

static void begin(const char *url)
{
	(void)sd_event_new(&on.event);
	(void)http_new(on.event, &on.http);
	(void)imds_new(on.event, on.http, url, &on.imds);
}

static void end(void)
{
	on.imds = imds_free(on.imds);
	on.http = http_free(on.http);
	on.event = sd_event_unref(on.event);
}

/* What came of a call. */
struct got {
	unsigned times;
	int result;
	char body[64];
	struct err err;
	unsigned again; /* ask this often once more, inside `done` */
};

static void on_got(struct imds_answer *answer, void *userdata)
{
	struct got *got = userdata;

	got->times++;
	got->result = answer->result;
	got->err = answer->err;
	(void)snprintf(got->body, sizeof got->body, "%s", answer->body ? answer->body : "");
	if (got->again > 0) {
		got->again--;
		(void)imds_get(on.imds, "meta-data/again", LONG, on_got, got);
	}
}

static void run_for(uint64_t usec)
{
	uint64_t until = fake_now() + usec, now;

	while ((now = fake_now()) < until)
		(void)sd_event_run(on.event, until - now);
}

static void run_until(const struct got *got, unsigned times)
{
	uint64_t until = fake_now() + 10 * SECOND;

	while (got->times < times && fake_now() < until)
		(void)sd_event_run(on.event, 100 * MS);
}

/* Until there were so many requests, and so many of them are under way, for at most 10 s. */
static void run_until_requests(size_t n, size_t pending)
{
	uint64_t until = fake_now() + 10 * SECOND;

	while ((fake_n_requests < n || fake_http_pending() != pending) && fake_now() < until)
		(void)sd_event_run(on.event, 100 * MS);
}

/* One call from a new client to its end. */
static struct got ask(const char *path, uint64_t timeout_usec)
{
	struct got got = {0};

	begin(URL);
	(void)imds_get(on.imds, path, timeout_usec, on_got, &got);
	run_until(&got, 1);
	return got;
}

/* The same within a short time; a busy machine may need some tries for so many requests. */
static struct got ask_briefly(const char *path, uint64_t timeout_usec, size_t n_requests)
{
	struct got got;
	int tries = 0;

	do {
		end();
		fake_n_requests = 0;
		got = ask(path, timeout_usec);
	} while (fake_n_requests < n_requests && ++tries < 10);
	return got;
}

/* Not earlier, and only as much later as a busy machine may be. */
static bool near(uint64_t usec, uint64_t expected)
{
	return usec >= expected && usec < expected + 5 * SECOND;
}

/* -- decisions -- */

static const struct {
	const char *name;
	int status, error;
	bool fresh;
	enum imds_verdict expected;
} judgements[] = {
	{"200 is used", 200, 0, false, IMDS_USE},
	{"200 with a fresh token is used", 200, 0, true, IMDS_USE},
	{"401 asks for a new token", 401, 0, false, IMDS_RENEW_TOKEN},
	{"401 with a fresh token is tried again later", 401, 0, true, IMDS_RETRY},
	{"403 is forbidden", 403, 0, false, IMDS_FORBIDDEN},
	{"404 is absent", 404, 0, false, IMDS_ABSENT},
	{"429 is tried again", 429, 0, false, IMDS_RETRY},
	{"500 is tried again", 500, 0, false, IMDS_RETRY},
	{"503 is tried again", 503, 0, true, IMDS_RETRY},
	{"599 is tried again", 599, 0, false, IMDS_RETRY},
	{"silence is tried again", 0, -ETIMEDOUT, false, IMDS_RETRY},
	{"a refused port is tried again", 0, -ECONNREFUSED, false, IMDS_RETRY},
	{"a broken answer is tried again", 0, -EIO, false, IMDS_RETRY},
	{"an answer too long is refused", 0, -EFBIG, false, IMDS_REFUSE},
	{"an answer without a length is refused", 0, -EPROTO, false, IMDS_REFUSE},
	{"a redirect is refused", 301, 0, false, IMDS_REFUSE},
	{"another redirect too", 307, 0, false, IMDS_REFUSE},
	{"400 is refused", 400, 0, false, IMDS_REFUSE},
	{"405 is refused", 405, 0, false, IMDS_REFUSE},
	{"204 is refused", 204, 0, false, IMDS_REFUSE},
	{"206 is refused", 206, 0, false, IMDS_REFUSE},
};

static const struct {
	unsigned attempt;
	uint64_t whole;
} waits[] = {{1, 100 * MS}, {2, 200 * MS}, {3, 400 * MS}, {4, 800 * MS}, {5, 1600 * MS},
	{6, 3200 * MS}, {7, 6400 * MS}, {8, 12800 * MS}, {9, 20 * SECOND}, {10, 20 * SECOND},
	{64, 20 * SECOND}, {4000000000u, 20 * SECOND}};

static const struct {
	const char *name, *retry_after;
	uint64_t expected;
} asked[] = {
	{"Retry-After of 7 s is honoured", "7", 7 * SECOND},
	{"a minute is honoured", "60", 60 * SECOND},
	{"more than a minute is a minute", "61", 60 * SECOND},
	{"much more too", "99999999999999999999999", 60 * SECOND},
	{"0 leaves the back-off", "0", 100 * MS},
	{"a date leaves it", "Wed, 21 Oct 2026 07:28:00 GMT", 100 * MS},
	{"a negative number leaves it", "-5", 100 * MS},
	{"nothing leaves it", "", 100 * MS},
};

static void test_decisions(void)
{
	for (size_t i = 0; i < sizeof judgements / sizeof judgements[0]; i++)
		is_int(imds_judge(judgements[i].status, judgements[i].error, judgements[i].fresh),
			judgements[i].expected, judgements[i].name);
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		uint64_t least = imds_backoff(waits[i].attempt, true, NULL, 0),
			 middle = imds_backoff(waits[i].attempt, true, NULL, UINT32_MAX / 2),
			 most = imds_backoff(waits[i].attempt, true, NULL, UINT32_MAX);
		char name[64];

		snprintf(name, sizeof name, "retry %u waits from %.2f to %.2f s", waits[i].attempt,
			(double)waits[i].whole / 2e6, (double)waits[i].whole / 1e6);
		ok(least == waits[i].whole / 2 && most == waits[i].whole && middle > least &&
				middle < most,
			name);
	}
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
		is_int((long long)imds_backoff(1, true, asked[i].retry_after, UINT32_MAX),
			(long long)asked[i].expected, asked[i].name);
	ok(imds_backoff(9, true, "3", 0) == 10 * SECOND,
		"a Retry-After below the back-off does not shorten it");
	ok(imds_backoff(1, false, NULL, UINT32_MAX) == 100000 &&
			imds_backoff(9, false, NULL, UINT32_MAX) == 200000,
		"while nobody answers, as before the network is up, no wait is longer than 0.2 s");
}

/* -- token -- */

static void test_one_token(void)
{
	struct got got = {0};
	uint64_t answered;

	FAKE_SCRIPT(GOOD_TOKEN,
		{.method = "GET", .url = "/latest/meta-data/", .status = 200, .body = "value"});
	begin(URL "/");
	for (int i = 0; i < 5; i++)
		(void)imds_get(on.imds, "meta-data/instance-id", LONG, on_got, &got);
	ok(got.times == 0, "`done` is not called from within imds_get()");
	ok(imds_answered(on.imds) == 0, "before that it has not answered");
	run_until(&got, 5);
	answered = imds_answered(on.imds);
	(void)imds_get(on.imds, "meta-data/mac", LONG, on_got, &got);
	run_until(&got, 6);
	ok(got.times == 6 && got.result == 0, "six calls are answered");
	ok(answered > 0 && imds_answered(on.imds) == answered,
		"and when it answered first is known");
	is_str(got.body, "value", "with the body");
	is_int((long long)fake_http_count("PUT", ""), 1, "for one token");
	is_str(fake_requests[0].url, URL "/latest/api/token",
		"of the right place, whatever slash the URL ended with");
	is_str(fake_requests[0].header, "X-aws-ec2-metadata-token-ttl-seconds: 21600",
		"for six hours");
	is_str(fake_requests[1].url, URL "/latest/meta-data/instance-id",
		"a call asks for its path");
	is_str(fake_requests[1].header, "X-aws-ec2-metadata-token: t1", "with the token");
	end();
}

static void test_token_renewed(void)
{
	struct got got = {0};

	FAKE_SCRIPT({.method = "PUT",
			    .times = 1,
			    .status = 200,
			    .body = "t1",
			    .headers = {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 1"}},
		{.method = "PUT", .status = 200, .body = "t2"},
		{.header = "token: t", .status = 200, .body = "v"});
	begin(URL);
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_until(&got, 1);
	run_for(500 * MS);
	(void)imds_get(on.imds, "b", LONG, on_got, &got);
	run_until(&got, 2);
	ok(fake_http_count("PUT", TOKEN) == 1 || fake_now() - fake_requests[0].usec > 850 * MS,
		"a token of 1 s serves for half of it");
	run_for(430 * MS);
	(void)imds_get(on.imds, "c", LONG, on_got, &got);
	run_until(&got, 3);
	is_int((long long)fake_http_count("PUT", TOKEN), 2, "and is renewed before its end");
	is_str(fake_requests[fake_n_requests - 1].header, "X-aws-ec2-metadata-token: t2",
		"the next call has the new one");
	is_int(got.result, 0, "and is answered");
	end();
}

static void test_token_refused_once(void)
{
	struct got got;
	uint64_t took = SECOND;

	for (int tries = 0; tries < 10 && took >= 50 * MS; tries++) {
		end();
		FAKE_SCRIPT({.method = "PUT", .times = 1, .status = 200, .body = "t1"},
			{.method = "PUT", .status = 200, .body = "t2"},
			{.header = "token: t1", .status = 401},
			{.header = "token: t2", .status = 200, .body = "v"});
		got = ask("a", LONG);
		took = fake_requests[3].usec - fake_requests[0].usec;
	}
	ok(got.result == 0 && strcmp(got.body, "v") == 0, "after a 401 the call is answered");
	is_int((long long)fake_http_count("PUT", TOKEN), 2, "with one new token");
	is_int((long long)fake_http_count("GET", "/a"), 2, "and one more try");
	ok(took < 50 * MS, "at once, with no back-off");
	end();
}

/* One 401 comes before the new token, the other after it. */
static void test_token_refused_to_several(void)
{
	struct got a = {0}, b = {0};

	FAKE_SCRIPT({.method = "PUT", .times = 1, .status = 200, .body = "t1"},
		{.method = "PUT", .status = 200, .body = "t2"},
		{.header = "token: t1", .url = "/a", .status = 401},
		{.header = "token: t1", .url = "/b", .status = 401, .delay_ms = 50},
		{.header = "token: t2", .status = 200, .body = "v"});
	begin(URL);
	(void)imds_get(on.imds, "a", LONG, on_got, &a);
	(void)imds_get(on.imds, "b", LONG, on_got, &b);
	run_until(&a, 1);
	run_until(&b, 1);
	ok(a.times == 1 && b.times == 1 && a.result == 0 && b.result == 0,
		"two calls with an old token are both answered");
	is_int((long long)fake_http_count("PUT", TOKEN), 2, "with one new token for both");
	end();
}

static void test_token_never_good(void)
{
	struct got got;
	size_t puts, gets;

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 401});
	got = ask_briefly("a", 700 * MS, 5);
	puts = fake_http_count("PUT", TOKEN);
	gets = fake_http_count("GET", "/a");
	is_int(got.result, -ETIMEDOUT, "when no token is ever good the call times out");
	ok(gets >= 3 && gets <= 10 && puts <= gets, "with a few tries, not in a loop");
	ok(strstr(got.err.text, "answered 401 to a"), "and says why");
	end();
}

static void test_token_forbidden(void)
{
	struct got got[3] = {{0}};

	FAKE_SCRIPT({.method = "PUT", .status = 403, .delay_ms = 20});
	begin(URL);
	for (int i = 0; i < 3; i++)
		(void)imds_get(on.imds, "a", LONG, on_got, &got[i]);
	run_until(&got[0], 1);
	ok(got[0].times == 1 && got[1].times == 1 && got[2].times == 1,
		"403 to the token ends all calls at once");
	ok(got[0].result == -EACCES && got[1].result == -EACCES && got[2].result == -EACCES,
		"with -EACCES");
	is_str(got[2].err.text,
		"metadata service: switched off for this instance (" URL
		" answered 403 to a request for a token)",
		"and these words");
	is_int((long long)fake_n_requests, 1, "after one request");
	end();
}

static void test_token_forbidden_asked_again(void)
{
	struct got got = {.again = 3};

	FAKE_SCRIPT({.method = "PUT", .status = 403, .delay_ms = 10});
	begin(URL);
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_until(&got, 4);
	run_for(50 * MS);
	is_int(got.times, 4, "who asks again from `done` gets an answer for each");
	is_int((long long)fake_http_count("PUT", TOKEN), 4, "from the service, not in a loop");
	end();
}

static const struct {
	const char *name;
	struct fake_answer token;
} bad_tokens[] = {
	{"an empty token", {.method = "PUT", .status = 200, .body = ""}},
	{"a token with a line end", {.method = "PUT", .status = 200, .body = "a\r\nX: y"}},
	{"a token with a NUL", {.method = "PUT", .status = 200, .body = "a\0b", .length = 3}},
	{"a token with a life of 0",
		{.method = "PUT",
			.status = 200,
			.body = "t",
			.headers = {"X-aws-ec2-metadata-token-ttl-seconds: 0"}}},
	{"a redirect instead of a token", {.method = "PUT", .status = 302}},
	{"404 instead of a token", {.method = "PUT", .status = 404}},
};

static void test_token_bad(void)
{
	for (size_t i = 0; i < sizeof bad_tokens / sizeof bad_tokens[0]; i++) {
		struct got got;

		FAKE_SCRIPT(bad_tokens[i].token, {.status = 200, .body = "v"});
		got = ask_briefly("a", 250 * MS, 2);
		ok(got.result == -ETIMEDOUT && fake_http_count("GET", "") == 0, bad_tokens[i].name);
		ok(fake_n_requests >= 2 && fake_n_requests <= 5,
			"  is asked for again, not in a loop");
		end();
	}
}

/* -- answers -- */

static const struct {
	const char *name;
	struct fake_answer answer;
	int result;
	const char *words;
	bool again; /* asked again, until the time is over */
} answers[] = {
	{"404 is -ENOENT", {.status = 404}, -ENOENT, "metadata service: there is no meta-data/x",
		false},
	{"403 is -EACCES", {.status = 403}, -EACCES,
		"metadata service: meta-data/x is forbidden (403)", false},
	{"a redirect is refused", {.status = 301, .headers = {"Location: http://evil/"}}, -EPROTO,
		"metadata service: " URL
		" answered 301 to meta-data/x, which is not the metadata service's way (tried ",
		true},
	{"400 is refused", {.status = 400}, -EPROTO,
		"metadata service: " URL
		" answered 400 to meta-data/x, which is not the metadata service's way (tried ",
		true},
	{"an answer too long is refused", {.error = -EFBIG, .reason = "the answer is too long"},
		-EPROTO,
		"metadata service: " URL
		": the answer is too long, which is not the metadata service's way (tried ",
		true},
	{"an answer with a NUL is refused", {.status = 200, .body = "InService\0x", .length = 11},
		-EPROTO, "metadata service: " URL " gave nonsense to meta-data/x (tried ", true},
};

static void test_answers(void)
{
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct got got;
		size_t n;

		FAKE_SCRIPT(GOOD_TOKEN, answers[i].answer);
		got = ask_briefly("meta-data/x", answers[i].again ? 400 * MS : LONG,
			answers[i].again ? 4 : 2);
		is_int(got.result, answers[i].result, answers[i].name);
		got.err.text[strlen(answers[i].words)] = '\0';
		is_str(got.err.text, answers[i].words, "  in these words");
		n = fake_http_count("GET", "");
		ok(answers[i].again ? n >= 3 && n <= 4 : n == 1,
			answers[i].again ? "  asked for again, and ever more rarely"
					 : "  and not asked for again");
		end();
	}
}

/* What is somebody else's may go away. */
static void test_refused_then_answered(void)
{
	struct got got;

	FAKE_SCRIPT(GOOD_TOKEN, {.times = 2, .status = 302}, {.status = 200, .body = "v"});
	got = ask("a", LONG);
	ok(got.result == 0 && strcmp(got.body, "v") == 0,
		"after two redirects a good answer is one");
	end();
}

static void test_doubt(void)
{
	const struct err words = {"it makes no sense"};
	struct err said = {""};
	struct got got;

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200, .body = "v"});
	got = ask("a", LONG);
	ok(got.result == 0 && !imds_trouble(on.imds, &said), "good answers are no trouble");
	imds_doubt(on.imds, &words);
	(void)imds_get(on.imds, "b", LONG, on_got, &got);
	run_until(&got, 2);
	ok(imds_trouble(on.imds, &said), "unless somebody doubts them");
	is_str(said.text, words.text, "in these words");
	imds_doubt(on.imds, NULL);
	ok(!imds_trouble(on.imds, &said), "which ends");
	end();
}

static void test_later(void)
{
	struct got got = {0}, late = {0};
	uint64_t start = fake_now();

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200, .body = "v"});
	begin(URL);
	(void)imds_get_later(on.imds, "a", 200 * MS, LONG, on_got, &got);
	(void)imds_get_later(on.imds, "b", 200 * MS, 100 * MS, on_got, &late);
	run_until(&got, 1);
	ok(got.result == 0 && near(fake_now() - start, 200 * MS), "a call may begin later");
	ok(late.times == 1 && late.result == -ETIMEDOUT && fake_http_count("GET", "/b") == 0,
		"its time limit counts from before");
	end();
}

static void test_empty(void)
{
	struct got got;

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200});
	got = ask("a", LONG);
	ok(got.times == 1 && got.result == 0 && !*got.body, "an empty answer is an answer");
	end();
}

static void test_too_long(void)
{
	static char many[IMDS_BODY_MAX + 2];
	struct got got;

	memset(many, 'x', IMDS_BODY_MAX + 1);
	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200, .body = many});
	got = ask_briefly("a", 200 * MS, 3);
	is_int(got.result, -EPROTO, "64 KiB and a byte are asked of HTTP as too long");
	end();
}

static void test_retry(void)
{
	struct got got;
	uint64_t first, both = SECOND;

	for (int tries = 0; tries < 10 && both >= 400 * MS; tries++) {
		end();
		FAKE_SCRIPT(GOOD_TOKEN, {.times = 1, .status = 503}, {.times = 1, .error = -EIO},
			{.status = 200, .body = "v"});
		got = ask("a", LONG);
		first = fake_requests[2].usec - fake_requests[1].usec;
		both = fake_requests[3].usec - fake_requests[1].usec;
	}
	ok(got.result == 0 && fake_http_count("GET", "/a") == 3,
		"503 and a broken answer are tried again");
	ok(first >= 50 * MS && both - first >= 100 * MS && both < 400 * MS, "after the back-off");
	ok(!imds_trouble(on.imds, &got.err), "then there is no trouble any more");
	end();
}

static void test_retry_after(void)
{
	struct got got;

	FAKE_SCRIPT(GOOD_TOKEN, {.times = 1, .status = 429, .headers = {"Retry-After: 1"}},
		{.status = 200, .body = "v"});
	got = ask("a", LONG);
	ok(got.result == 0 && near(fake_requests[2].usec - fake_requests[1].usec, SECOND),
		"429 is tried again when Retry-After says");
	end();

	FAKE_SCRIPT({.method = "PUT", .times = 1, .status = 503, .headers = {"retry-after: 1"}},
		GOOD_TOKEN, {.status = 200, .body = "v"});
	got = ask("a", LONG);
	ok(got.result == 0 && near(fake_requests[1].usec - fake_requests[0].usec, SECOND),
		"so is a token");
	end();
}

/* -- time -- */

static void test_timeout_words(void)
{
	struct got got;
	unsigned tries = 0;
	double seconds = 0;
	struct err trouble = {""};
	int n = 0;

	for (int i = 0; i < 10 && (n != 2 || seconds < 0.3 || seconds > 0.6); i++) {
		end();
		FAKE_SCRIPT({.error = -ETIMEDOUT, .reason = "Timeout was reached"});
		got = ask("meta-data/x", 400 * MS);
		n = sscanf(got.err.text,
			"metadata service: " URL ": Timeout was reached (tried %u times in %lf s)",
			&tries, &seconds);
	}
	is_int(got.result, -ETIMEDOUT, "a silent service is -ETIMEDOUT");
	is_int(n, 2, "the words name URL, reason, tries and seconds");
	ok(tries == fake_n_requests - fake_http_pending() && tries >= 2, "the tries are right");
	ok(seconds >= 0.3 && seconds <= 0.6, "so are the seconds");
	ok(imds_trouble(on.imds, &trouble) && strstr(trouble.text, "Timeout was reached"),
		"imds_trouble() says it too");
	end();
}

static void test_timeout_first(void)
{
	struct got got;
	uint64_t start = fake_now(), took;
	double seconds = 0;
	int n = 0;

	FAKE_SCRIPT({.delay_ms = FAKE_SILENT});
	got = ask("meta-data/x", 200 * MS);
	took = fake_now() - start;
	ok(got.result == -ETIMEDOUT && near(took, 200 * MS) && fake_http_pending() == 1,
		"a call ends at its own limit, before the first request does");
	(void)sscanf(got.err.text,
		"metadata service: " URL ": no answer for meta-data/x in %lf s%n", &seconds, &n);
	ok(seconds >= 0.2 && seconds < (double)took / 1e6 + 0.1 && n > 0 && !got.err.text[n],
		"and says of whom and for how long");
	end();
}

static void test_timeout_in_backoff(void)
{
	struct got got;
	uint64_t start = fake_now();

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 429, .headers = {"Retry-After: 30"}});
	got = ask("meta-data/x", 300 * MS);
	ok(got.result == -ETIMEDOUT && near(fake_now() - start, 300 * MS),
		"a call ends at its own limit, whatever Retry-After says");
	end();
}

static void test_second_address(void)
{
	struct got got = {0};

	FAKE_SCRIPT({.url = "//169.254.169.254/", .error = -ETIMEDOUT, .reason = "silent"},
		{.url = "//[fd00:ec2::254]/latest/api/token",
			.method = "PUT",
			.status = 200,
			.body = "t6"},
		{.url = "//[fd00:ec2::254]/latest/a", .status = 200, .body = "six"});
	begin(NULL);
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_until(&got, 1);
	ok(got.result == 0 && strcmp(got.body, "six") == 0,
		"when the first address is silent the second is asked");
	is_str(fake_requests[0].url, IMDS_URL_DEFAULT "/latest/api/token", "after the first");
	end();

	FAKE_SCRIPT({.error = -ETIMEDOUT, .reason = "silent"});
	begin(NULL);
	got = (struct got){0};
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_until_requests(3, 0);
	ok(fake_http_count("PUT", "169.254.169.254") >= 2 && fake_http_count("PUT", "fd00") >= 1,
		"when both are, they are asked in turn");
	end();
}

static void test_address_gone(void)
{
	struct got got = {0};

	FAKE_SCRIPT({.url = "//169.254.169.254/", .method = "PUT", .status = 200, .body = "t4"},
		{.url = "//169.254.169.254/latest/a", .times = 1, .status = 200, .body = "four"},
		{.url = "//169.254.169.254/", .error = -ETIMEDOUT, .reason = "silent"},
		{.url = "//[fd00:ec2::254]/latest/api/token",
			.method = "PUT",
			.status = 200,
			.body = "t6"},
		{.header = "token: t6", .status = 200, .body = "six"});
	begin(NULL);
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_until(&got, 1);
	is_str(got.body, "four", "the first address answers");
	(void)imds_get(on.imds, "b", LONG, on_got, &got);
	(void)imds_get(on.imds, "c", LONG, on_got, &got);
	run_until(&got, 3);
	ok(got.result == 0 && strcmp(got.body, "six") == 0,
		"when it falls silent the second is asked, with a token of its own");
	is_int((long long)fake_http_count("PUT", ""), 2, "once, however many calls were under way");
	end();
}

/* What has answered once is spared when it breaks. */
static void test_broken_later(void)
{
	struct got got = {0};
	size_t before;

	FAKE_SCRIPT({.method = "PUT", .times = 1, .status = 200, .body = "t1"},
		{.method = "GET", .times = 1, .status = 200, .body = "v"},
		{.method = "GET", .times = 1, .status = 401},
		{.error = -ECONNRESET, .reason = "reset"});
	begin(URL);
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_until(&got, 1);
	before = fake_n_requests;
	(void)imds_get(on.imds, "b", 1500 * MS, on_got, &got);
	run_until(&got, 2);
	ok(got.result == -ETIMEDOUT && fake_n_requests - before <= 7,
		"a service that answered before and resets connections now is asked ever more "
		"rarely");
	end();
}

/* A program works between two runs of its loop. */
static void test_idle_loop(void)
{
	struct got got = {0};

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200, .body = "v"});
	begin(URL);
	run_for(10 * MS);
	(void)usleep(1200 * MS);
	(void)imds_get(on.imds, "a", SECOND, on_got, &got);
	run_until(&got, 1);
	is_int(got.result, 0, "a call has all its time, however long ago the loop ran");
	end();
}

/* -- bounds and ends -- */

static void test_many(void)
{
	static struct got got[200];
	bool all = true;

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200, .body = "v", .delay_ms = 5});
	begin(URL);
	for (size_t i = 0; i < 200; i++)
		all &= imds_get(on.imds, "a", LONG, on_got, &got[i]) == 0;
	for (size_t i = 0; i < 200; i++)
		run_until(&got[i], 1);
	run_for(50 * MS);
	for (size_t i = 0; i < 200; i++)
		all &= got[i].times == 1 && got[i].result == 0;
	ok(all, "200 calls at once are each answered once");
	is_int((long long)fake_http_count("PUT", TOKEN), 1, "with one token");
	end();
}

static void test_bounds(void)
{
	char path[600];
	struct got got = {0};
	struct imds *imds = NULL;
	int r = 0;

	FAKE_SCRIPT(GOOD_TOKEN, {.status = 200, .body = "v"});
	begin(URL);
	memset(path, 'x', sizeof path);
	path[512] = '\0';
	is_int(imds_get(on.imds, path, LONG, on_got, &got), -ENAMETOOLONG, "a path too long");
	path[511] = '\0';
	is_int(imds_get(on.imds, path, LONG, on_got, &got), 0, "one that just fits");
	run_until(&got, 1);
	ok(got.result == 0 && strlen(fake_requests[1].url) == sizeof URL - 1 + 8 + 511,
		"is asked for");
	for (int i = 0; i < 256; i++)
		r |= imds_get(on.imds, "a", LONG, on_got, &got);
	ok(r == 0 && imds_get(on.imds, "a", LONG, on_got, &got) == -EAGAIN,
		"a 257th call at once is -EAGAIN");
	path[511] = 'x';
	path[256] = '\0';
	ok(imds_new(on.event, on.http, path, &imds) == -ENAMETOOLONG && !imds, "a URL too long");
	end();
}

static void test_cancel(void)
{
	struct got got = {0}, other = {0};

	FAKE_SCRIPT(GOOD_TOKEN, {.url = "/slow", .delay_ms = FAKE_SILENT},
		{.url = "/other", .status = 200, .body = "x", .delay_ms = 500}, {.status = 503});
	begin(URL);
	(void)imds_get(on.imds, "slow", LONG, on_got, &got);
	(void)imds_get(on.imds, "other", LONG, on_got, &other);
	(void)imds_get(on.imds, "fails", LONG, on_got, &got);
	run_until_requests(4, 2);
	(void)imds_get(on.imds, "new", LONG, on_got, &got);
	imds_cancel(on.imds, &got);
	is_int((long long)fake_http_pending() + other.times, 1,
		"cancelled under way, asleep and new");
	run_until(&other, 1);
	run_for(100 * MS);
	ok(other.times == 1 && got.times == 0, "nobody hears of it, and others do");
	end();
}

static void test_free_under_way(void)
{
	struct got got = {0};

	FAKE_SCRIPT(GOOD_TOKEN, {.url = "/slow", .delay_ms = FAKE_SILENT}, {.status = 503});
	begin(URL);
	(void)imds_get(on.imds, "slow", LONG, on_got, &got);
	(void)imds_get(on.imds, "fails", LONG, on_got, &got);
	run_until_requests(3, 1);
	(void)imds_get(on.imds, "new", LONG, on_got, &got);
	is_int((long long)fake_http_pending(), 1, "with calls under way, asleep and new");
	on.imds = imds_free(on.imds);
	is_int((long long)fake_http_pending(), 0, "imds_free() cancels");
	run_for(200 * MS);
	is_int(got.times, 0, "and calls nobody");
	end();

	FAKE_SCRIPT({.delay_ms = FAKE_SILENT});
	begin(URL);
	(void)imds_get(on.imds, "a", LONG, on_got, &got);
	run_for(20 * MS);
	on.imds = imds_free(on.imds);
	ok(fake_http_pending() == 0 && got.times == 0, "a token under way is cancelled too");
	end();
	ok(!imds_free(NULL), "NULL can be freed");
}

static void test_wait(void)
{
	char *body = NULL;
	size_t length = 0;
	struct err err = {""};

	FAKE_SCRIPT(GOOD_TOKEN, {.url = "/none", .status = 404},
		{.status = 200, .body = "a\0b", .length = 3});
	begin(URL);
	ok(imds_wait(on.imds, "user-data", LONG, &body, &length, &err) == 0 && length == 3 &&
			memcmp(body, "a\0b", 4) == 0,
		"imds_wait() gives the bytes as they are");
	free(body);
	body = NULL;
	is_int(imds_wait(on.imds, "none", LONG, &body, NULL, &err), -ENOENT, "or the error");
	ok(!body && strcmp(err.text, "metadata service: there is no none") == 0,
		"in words, and nothing else");
	end();
}

int main(void)
{
	test_decisions();
	test_one_token();
	test_token_renewed();
	test_token_refused_once();
	test_token_refused_to_several();
	test_token_never_good();
	test_token_forbidden();
	test_token_forbidden_asked_again();
	test_token_bad();
	test_answers();
	test_empty();
	test_refused_then_answered();
	test_doubt();
	test_later();
	test_too_long();
	test_retry();
	test_retry_after();
	test_timeout_words();
	test_timeout_first();
	test_timeout_in_backoff();
	test_second_address();
	test_address_gone();
	test_broken_later();
	test_idle_loop();
	test_many();
	test_bounds();
	test_cancel();
	test_free_under_way();
	test_wait();
	return done_testing();
}
