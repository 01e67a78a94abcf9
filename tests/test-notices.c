/* SPDX-License-Identifier: Apache-2.0 */
/* notices: who is asked how often, and what counts. Over a scripted metadata service. */
#include "../agent/notices.h"

#include "fake-http.h"
#include "tap.h"

/* What every instance has. */
#define IT_IS                                                                                      \
	{                                                                                          \
		.url = "meta-data/instance-id", .status = 200, .body = "i-1"                       \
	}

#define SECOND 1000000ull

static const struct config_lifecycle config = {.maintenance = true};

struct stage {
	sd_event *event;
	struct http *http;
	struct imds *imds;
	struct notices *notices;
	struct notice standing[NOTICE_KINDS];
	int changes, troubles, reliefs;
	char words[256];
};

static void on_change(void *userdata)
{
	((struct stage *)userdata)->changes++;
}

static void on_trouble(const char *words, void *userdata)
{
	struct stage *stage = userdata;

	stage->troubles += words != NULL;
	stage->reliefs += words == NULL;
	snprintf(stage->words, sizeof stage->words, "%s", words ? words : "");
}

static void turn(sd_event *event, uint64_t usec)
{
	uint64_t end = fake_now() + usec, now;

	while ((now = fake_now()) < end)
		(void)sd_event_run(event, end - now);
}

/* Until so many requests are answered, for at most 15 s. */
static void turn_until(sd_event *event, size_t n)
{
	uint64_t end = fake_now() + 15 * SECOND;

	while ((fake_n_requests < n || fake_http_pending() > 0) && fake_now() < end)
		turn(event, 10000);
}

/* Until the first requests, so many, are answered; 0: they will not be. */
static struct stage *begin(struct stage *stage, bool spot, size_t n)
{
	stage->changes = stage->troubles = stage->reliefs = 0;
	(void)sd_event_new(&stage->event);
	(void)http_new(stage->event, &stage->http);
	(void)imds_new(stage->event, stage->http, "http://imds", &stage->imds);
	is_int(notices_new(stage->event, stage->imds, spot, &config, stage->standing, on_change,
		       on_trouble, stage, &stage->notices),
		0, "notices are watched");
	turn(stage->event, NOTICES_START_USEC + 250000); /* as long as the first questions take */
	if (n > 0)
		turn_until(stage->event, n);
	return stage;
}

static void end(struct stage *stage)
{
	stage->notices = notices_free(stage->notices);
	(void)sd_event_run(stage->event, 0);
	stage->imds = imds_free(stage->imds);
	stage->http = http_free(stage->http);
	stage->event = sd_event_unref(stage->event);
}

static const struct notice *standing(const struct stage *stage, enum notice_kind kind)
{
	return &stage->standing[kind];
}

static void test_on_demand(void)
{
	struct stage stage = {0};

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"},
		{.url = "target-lifecycle-state", .status = 200, .body = "Standby"}, IT_IS,
		{.status = 404});
	begin(&stage, false, 4);
	is_int((int)fake_n_requests, 4,
		"an on-demand instance asks for a token, two things, and who says 404");
	is_int((int)fake_http_count("GET", "spot/"), 0, "but not for interruptions");
	is_int((int)fake_http_count("GET", "recommendations/"), 0, "or recommendations");
	ok(notices_all_known(stage.notices), "and then knows all");
	is_int(stage.changes, 2, "each first answer is news");
	is_str(standing(&stage, NOTICE_LIFECYCLE)->state, "Standby", "one says the target state");
	is_int(standing(&stage, NOTICE_LIFECYCLE)->verdict, NOTICE_ASIDE, "and what it means");
	is_int(standing(&stage, NOTICE_MAINTENANCE)->verdict, NOTICE_NOTHING,
		"the other, a 404, nothing");
	is_int((int)notices_counted(stage.notices, NOTICE_LIFECYCLE).asked, 1, "it is counted");
	is_int((int)notices_counted(stage.notices, NOTICE_LIFECYCLE).failed, 0, "as good");
	end(&stage);
}

static void test_failures(void)
{
	struct stage stage = {0};

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"},
		{.url = "target-lifecycle-state", .status = 200, .body = "<html>"},
		{.url = "maintenance", .status = 403});
	begin(&stage, false, 3);
	is_int(stage.changes, 0, "answers that make no sense, or are refused, change nothing");
	ok(!notices_known(stage.notices, NOTICE_LIFECYCLE) && !notices_all_known(stage.notices),
		"and nothing is known by them");
	is_int(standing(&stage, NOTICE_LIFECYCLE)->verdict, NOTICE_NOTHING, "so nothing stands");
	is_int((int)notices_counted(stage.notices, NOTICE_LIFECYCLE).failed, 1, "one is counted");
	is_int((int)notices_counted(stage.notices, NOTICE_MAINTENANCE).failed, 1, "and the other");
	end(&stage);

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"}, {.status = 404});
	begin(&stage, false, 5);
	ok(stage.changes == 0 && !notices_known(stage.notices, NOTICE_LIFECYCLE),
		"who says 404 to what every instance has is not believed");
	is_int((int)notices_counted(stage.notices, NOTICE_LIFECYCLE).failed, 1, "that is counted");
	end(&stage);

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"}, {.delay_ms = FAKE_SILENT});
	begin(&stage, false, 0);
	is_int(stage.changes, 0, "silence changes nothing");
	end(&stage);
	is_int(stage.changes, 0, "nor does an end in the middle of questions");
}

/* As over a reload. */
static void test_again(void)
{
	struct stage stage = {0};

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"},
		{.url = "target-lifecycle-state", .status = 200, .body = "Standby"}, IT_IS,
		{.status = 404});
	begin(&stage, false, 4);
	end(&stage);
	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"}, {.delay_ms = FAKE_SILENT});
	begin(&stage, false, 0);
	is_int(standing(&stage, NOTICE_LIFECYCLE)->verdict, NOTICE_ASIDE,
		"what stood goes on standing for who comes after");
	ok(!notices_known(stage.notices, NOTICE_LIFECYCLE), "though it has not been heard");
	end(&stage);
	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"}, IT_IS, {.status = 404});
	begin(&stage, false, 5);
	is_int(standing(&stage, NOTICE_LIFECYCLE)->verdict, NOTICE_NOTHING,
		"until there is an answer");
	ok(notices_known(stage.notices, NOTICE_LIFECYCLE), "which is heard");
	end(&stage);
}

/* A Spot Instance has four sources, of which three are asked every 5 s. */
static void test_trouble(void)
{
	struct stage stage = {0};

	FAKE_SCRIPT({.method = "PUT", .status = 200, .body = "TOKEN"},
		{.times = 7, .status = 200, .body = "<html>"},
		{.url = "spot/instance-action",
			.status = 200,
			.body = "{\"action\": \"stop\", \"time\": \"2026-01-01T12:02:00Z\"}"},
		IT_IS, {.status = 404});
	begin(&stage, true, 5);
	is_int((int)fake_n_requests, 5, "a Spot Instance asks for a token, and four things");
	is_int(stage.troubles, 0, "one failure is nothing to speak of");
	turn_until(stage.event, 8);
	is_int(stage.troubles, 1, "when they go on, that is said, once");
	ok(strstr(stage.words, "metadata service: ") != NULL, "with the reason");
	turn_until(stage.event, 13);
	is_int(stage.reliefs, 1, "a good answer ends it, which is said, too");
	is_int(standing(&stage, NOTICE_SPOT)->verdict, NOTICE_DRAIN, "and what it says, stands");
	ok(notices_counted(stage.notices, NOTICE_SPOT).asked == 3 &&
			fake_requests[8].usec - fake_requests[1].usec > 9 * SECOND,
		"the question came at its interval");
	is_int((int)notices_counted(stage.notices, NOTICE_MAINTENANCE).asked, 1,
		"as did that about maintenance, which is not due yet");
	end(&stage);
}

static void test_interval(void)
{
	static const struct {
		enum notice_kind kind;
		bool absent, blocked;
		int seconds;
	} vectors[] = {
		{NOTICE_LIFECYCLE, false, false, 5},
		{NOTICE_LIFECYCLE, true, false, 60},
		{NOTICE_LIFECYCLE, false, true, 60},
		{NOTICE_SPOT, true, false, 5},
		{NOTICE_SPOT, true, true, 60},
		{NOTICE_MAINTENANCE, false, false, 60},
		{NOTICE_MAINTENANCE, false, true, 60},
	};

	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		is_int((int)(notices_interval(
				     vectors[i].kind, vectors[i].absent, vectors[i].blocked) /
			       1000000),
			vectors[i].seconds, "a source is asked at its interval");
}

int main(void)
{
	test_on_demand();
	test_failures();
	test_again();
	test_trouble();
	test_interval();
	return done_testing();
}
