/* SPDX-License-Identifier: Apache-2.0 */
#include "../agent/health.h"

#include <stdlib.h>

#include "fake-http.h"
#include "tap.h"

#define MS  1000ull
#define URL "http://app/health"

static const struct config_health config = {.rise = 2, .fall = 3, .interval_usec = 20 * MS};

static struct {
	sd_event *event;
	struct http *http;
	struct health *health;
	struct health_memory memory;
} on;

static void on_changed(void *userdata)
{
	(void)userdata;
}

static void begin(uint64_t patience_usec)
{
	(void)sd_event_new(&on.event);
	(void)http_new(on.event, &on.http);
	(void)health_new(on.event, on.http, &config, &on.memory, on_changed, NULL, &on.health);
	health_begin(on.health);
	(void)health_watch(on.health, "web", "r1", URL, patience_usec);
	health_end(on.health);
}

static void end(void)
{
	health_remember(on.health, &on.memory);
	on.health = health_free(on.health);
	on.http = http_free(on.http);
	on.event = sd_event_unref(on.event);
}

static void run_for(uint64_t usec)
{
	uint64_t until = fake_now() + usec, now;

	while ((now = fake_now()) < until)
		(void)sd_event_run(on.event, until - now);
}

static enum check_result result(void)
{
	struct check check = {.result = CHECK_PASS};

	health_check(on.health, "web", &check);
	return check.result;
}

/* Turns the loop until it is so, for at most 10 s. */
static enum check_result becomes(enum check_result expected)
{
	uint64_t until = fake_now() + 10000 * MS;

	while (result() != expected && fake_now() < until)
		run_for(5 * MS);
	return result();
}

static void test_damper(void)
{
	struct damper damper = {.result = CHECK_WAIT};

	ok(!damper_note(&damper, true, 2, 3), "one good answer is not enough");
	ok(damper_note(&damper, true, 2, 3) && damper.result == CHECK_PASS, "two are");
	(void)damper_note(&damper, false, 2, 3);
	(void)damper_note(&damper, false, 2, 3);
	is_int(damper.result, CHECK_PASS, "two bad ones are an accident");
	(void)damper_note(&damper, false, 2, 3);
	is_int(damper.result, CHECK_FAIL, "three are none");
}

static void test_patience(void)
{
	FAKE_SCRIPT({.url = URL, .status = 500});
	begin(60000 * MS);
	run_for(150 * MS);
	is_int(result(), CHECK_WAIT, "who was never well is waited for");
	end();
	on.memory.n = 0;
	begin(100 * MS);
	is_int(becomes(CHECK_FAIL), CHECK_FAIL, "but not for ever");
	end();
	on.memory.n = 0;
}

static void test_memory(void)
{
	FAKE_SCRIPT({.url = URL, .status = 200});
	begin(60000 * MS);
	is_int(result(), CHECK_WAIT, "nothing is known at first");
	is_int(becomes(CHECK_PASS), CHECK_PASS, "then it is well");
	end();
	begin(60000 * MS);
	is_int(result(), CHECK_PASS, "and stays so over a reload");
	FAKE_SCRIPT({.url = URL, .status = 500});
	is_int(becomes(CHECK_FAIL), CHECK_FAIL, "until it is not");
	health_begin(on.health);
	(void)health_watch(on.health, "web", "r2", URL, 60000 * MS);
	health_end(on.health);
	is_int(result(), CHECK_WAIT, "another release begins afresh");
	end();
	on.memory.n = 0;
}

int main(void)
{
	test_damper();
	test_patience();
	test_memory();
	return done_testing();
}
