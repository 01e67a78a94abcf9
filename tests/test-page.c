/* SPDX-License-Identifier: Apache-2.0 */
#include "../agent/page.h"

#include <errno.h>
#include <stdlib.h>

#include "../agent/load.h"
#include "cleanup.h"
#include "tap.h"

#define SECOND 1000000ull

static const struct page_check some_checks[] = {
	{"volume data", "pass", "/data, xfs"},
	{"volume cache", "warn", "no device answers to /dev/sdg"},
	{"app web", "fail", "connection refused"},
};

static struct page page_example(void)
{
	return (struct page){
		.title = "Hola",
		.instance_id = "i-0123456789abcdef0",
		.instance_type = "t3.micro",
		.availability_zone = "eu-west-1b",
		.status = "ready",
		.since = 1767225600,
		.now = 1767225600 + 3 * 3600 + 7 * 60,
		.checks = some_checks,
		.n_checks = 3,
		.details = true,
	};
}

/* The page, or NULL; it stays until the next call. */
static const char *render(const struct page *page)
{
	static char *html;
	size_t length = 0;
	char *fresh = NULL;
	int r = page_render(page, &fresh, &length);

	free(html);
	html = fresh;
	return r == 0 && html && strlen(html) == length ? html : NULL;
}

static bool has(const char *html, const char *text)
{
	return html && strstr(html, text);
}

static size_t count(const char *html, const char *text)
{
	size_t n = 0;

	for (const char *p = html; p && (p = strstr(p, text)); p += strlen(text))
		n++;
	return n;
}

/* So many seconds of one processor, half busy, and so much of it stolen. */
static void load_example(struct load *load, unsigned seconds, unsigned stolen)
{
	struct cpu_counters counters = {0};

	load_init(load, 100);
	for (unsigned i = 0; i <= seconds; i++) {
		(void)load_add(load, (i + 1) * SECOND, &counters);
		counters.ticks[CPU_USER] += 50;
		counters.ticks[CPU_STEAL] += stolen;
		counters.ticks[CPU_IDLE] += 50 - stolen;
	}
}

static void test_statuses(void)
{
	static const struct {
		const char *status, *word, *code;
	} expected[] = {
		{"starting", "<b>Starting</b>", "HTTP 503"},
		{"ready", "<b>Ready</b>", "HTTP 200"},
		{"degraded", "<b>Degraded</b>", "HTTP 200"},
		{"draining", "<b>Draining</b>", "HTTP 503"},
		{"failed", "<b>Failed</b>", "HTTP 503"},
	};
	static const struct page_check odd = {"x", "maybe", NULL};
	struct page page = page_example();
	char *html = NULL;
	size_t length = 7;

	FOREACH_ELEMENT (i, expected) {
		char name[64];
		const char *text;

		page.status = expected[i].status;
		text = render(&page);
		snprintf(name, sizeof(name), "%s is there in a word and a code", page.status);
		ok(has(text, expected[i].word) && has(text, expected[i].code), name);
	}
	page.status = "confused";
	is_int(page_render(&page, &html, &length), -EINVAL, "an unknown status is refused");
	page.status = NULL;
	is_int(page_render(&page, &html, &length), -EINVAL, "and so is none");
	page = page_example();
	page.checks = &odd;
	page.n_checks = 1;
	is_int(page_render(&page, &html, &length), -EINVAL, "an unknown check status is refused");
	ok(!html && length == 7, "a refusal leaves the results untouched");
}

static void test_escaping(void)
{
	static const char evil[] = "<script>alert('1')</script>\"&amp;";
	static const struct page_check checks[] = {{evil, "fail", evil}};
	struct page page = {
		evil, evil, evil, evil, evil, evil, evil, "failed", 0, 0, NULL, checks, 1, true};
	const char *html = render(&page);

	ok(html && !has(html, "<script") && !has(html, "alert('1')"), "no markup comes through");
	is_int((long long)count(
		       html, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;amp;"),
		10,
		"each text is there, escaped: title, head, heading, five facts, a check, its "
		"reason");
}

static void test_identity(void)
{
	struct page page = page_example();
	char first[64], second[64];
	const char *html = render(&page);

	ok(has(html, "<h1>i-0123456789abcdef0</h1>") && has(html, "t3.micro") &&
			!has(html, ">Image<"),
		"the instance ID is the heading; what is not known is not shown");
	ok(has(html, "for 3 h 7 min") && has(html, "2026-01-01 03:07:00 UTC"),
		"since when, and as of when");
	snprintf(first, sizeof(first), "%s", html ? strstr(html, "style=\"--h:") : "");
	ok(has(html, "http-equiv=\"refresh\" content=\"5\""), "the page refreshes itself");
	ok(has(render(&page), first), "an instance keeps its hue");
	page.instance_id = "i-0123456789abcdef1";
	html = render(&page);
	snprintf(second, sizeof(second), "%s", html ? strstr(html, "style=\"--h:") : "");
	ok(strcmp(first, second) != 0, "another one, of nearly the same ID, has another");

	page.instance_id = NULL;
	page.status = "starting";
	html = render(&page);
	ok(has(html, "<h1>No identity yet</h1>") && has(html, "metadata service has not answered"),
		"without an identity the page says so");
	page.since = page.now + 60;
	ok(has(render(&page), "for 0 s"), "a clock that was set back gives no negative time");
}

static void test_checks(void)
{
	static const struct page_check rotation = {
		"rotation", "warn", "the target state is <Terminated>"};
	static struct page_check many[PAGE_CHECKS_MAX + 3];
	struct page page = page_example();
	const char *html = render(&page);

	ok(has(html, "✓ pass") && has(html, "! warn") && has(html, "✕ fail") &&
			has(html, "connection refused"),
		"checks are in words and signs, with their reasons");
	page.details = false;
	page.status = "degraded";
	html = render(&page);
	ok(has(html, "app web") && !has(html, "connection refused") &&
			has(html, "trusted addresses only") && !has(html, "/metrics"),
		"without details there are no reasons, and the page says why");
	page.status = "draining";
	page.checks = &rotation;
	page.n_checks = 1;
	page.details = true;
	ok(has(render(&page), "out of rotation. Because the target state is &lt;Terminated&gt;"),
		"why it is out of rotation is at the top");
	page.details = false;
	ok(!has(render(&page), "Terminated"), "for those who may see reasons");
	page.n_checks = 0;
	ok(!has(render(&page), "Checks"), "no checks, no section");

	FOREACH_ELEMENT (i, many)
		many[i] = (struct page_check){"x", "pass", NULL};
	page.checks = many;
	page.n_checks = PAGE_CHECKS_MAX + 3;
	html = render(&page);
	ok(count(html, "<li ") == PAGE_CHECKS_MAX && has(html, "and 3 more"),
		"more checks than are shown are counted");
}

static void test_load(void)
{
	struct page page = page_example();
	struct load load;
	const char *html;

	ok(!has(render(&page), "CPU demand"), "without load there is no section");

	load_init(&load, 100);
	page.load = &load;
	html = render(&page);
	ok(count(html, "<b>–</b>") == 4 && !has(html, "class=\"used\"") && !has(html, "nan"),
		"an empty history has no figures and no curve");
	ok(!has(html, "Waiting for"), "pressure that is not available is not shown");

	load_example(&load, 42, 0);
	html = render(&page);
	ok(count(html, "<b>50%</b>") == 4 && count(html, "42 s so far") == 2,
		"a short history says how long it is");
	ok(has(html, "class=\"used\"") && !has(html, "stolen"),
		"without steal nothing speaks of it");

	load_example(&load, 700, 40);
	load.io.some = (struct pressure_share){true, 0.126, 0, 0};
	html = render(&page);
	ok(count(html, "<b>90%</b>") == 4 && count(html, "40% stolen") == 4 &&
			has(html, "url(#steal)"),
		"steal is shown apart, in figures and in the curve");
	ok(has(html, "d=\"M0 50L0 25.0L5 25.0") && has(html, "L295 25.0V50z") &&
			has(html, "d=\"M0 5.0L5 5.0"),
		"the curves reach from five minutes ago to now");
	ok(has(html, "13% of time") && !has(html, "Waiting for CPU"),
		"pressure, as far as it is there");
	ok(html && strlen(html) < 8192, "a full page is below 8 KiB");
	printf("# %zu bytes\n", html ? strlen(html) : 0);
}

int main(void)
{
	test_statuses();
	test_escaping();
	test_identity();
	test_checks();
	test_load();
	return done_testing();
}
