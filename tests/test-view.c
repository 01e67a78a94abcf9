/* SPDX-License-Identifier: Apache-2.0 */
/* view: what is answered, to whom, in which form. */
#include <jansson.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "../agent/health.h"
#include "../agent/mounts.h"
#include "../agent/view.h"
#include "metadata.h"
#include "tap.h"

static struct load load;
static struct metadata metadata;

static struct request request_for(const char *path, const char *accept)
{
	return (struct request){
		.path = {path, strlen(path)}, .accept = {accept, strlen(accept)}, .minor = 1};
}

static const char *body_of(const struct response *response)
{
	static char body[65536];

	snprintf(body, sizeof body, "%.*s",
		response ? (int)(response->length - response->head_length) : 0,
		response ? response->data + response->head_length : "");
	return body;
}

static bool head_says(const struct response *response, const char *text)
{
	char head[8192];

	if (!response)
		return false;
	snprintf(head, sizeof head, "%.*s", (int)response->head_length, response->data);
	return strstr(head, text);
}

static const struct response *ask(
	struct view *view, const char *path, const char *accept, bool details)
{
	struct request request = request_for(path, accept);

	return view_find(view, &request, details);
}

static const struct check one_fails[] = {
	{.name = "volume data", .required = true, .result = CHECK_PASS},
	{.name = "app web",
		.required = true,
		.result = CHECK_FAIL,
		.reason = "http://127.0.0.1/secret answered 500"},
};

static void test_instance(void)
{
	struct view view = {0};
	struct view_facts facts = {.metadata = &metadata,
		.status = STATUS_READY,
		.since = 1767225600,
		.now = 1767225700,
		.checks = one_fails,
		.n_checks = 1,
		.load = &load};
	const struct response *response;
	json_t *json;

	is_int(view_render(&view, &facts), 0, "all documents are rendered");
	response = ask(&view, "/instance", "*/*", false);
	json = json_loads(body_of(response), 0, NULL);
	ok(head_says(response, "HTTP/1.1 200 "), "/instance of a ready instance is 200");
	ok(head_says(response, "Content-Type: application/json\r\n"),
		"/instance is JSON by default");
	is_str(json_string_value(json_object_get(json, "instanceId")), "i-0123456789abcdef0",
		"/instance names the instance as the identity document does");
	is_str(json_string_value(json_object_get(json, "since")), "2026-01-01T00:00:00Z",
		"since is a UTC time");
	is_int((long long)json_array_size(json_object_get(json, "checks")), 1,
		"checks is an array");
	ok(json_is_null(json_object_get(json, "imageId")), "a field that is not known is null");
	json_decref(json);
	is_str(body_of(ask(&view, "/instance", "text/plain", false)), "i-0123456789abcdef0 ready\n",
		"/instance as text is one line");
	response = ask(&view, "/instance", "text/html,*/*;q=0.8", false);
	ok(head_says(response, "text/html") && head_says(response, "Content-Security-Policy: "),
		"/instance for a browser is a page with a security policy");

	facts.status = STATUS_FAILED;
	facts.n_checks = 2;
	(void)view_render(&view, &facts);
	response = ask(&view, "/instance", "", false);
	ok(head_says(response, "HTTP/1.1 503 "), "/instance of a failed instance is 503");
	ok(!strstr(body_of(response), "secret"), "others do not see reasons");
	ok(strstr(body_of(ask(&view, "/instance", "", true)), "secret"), "details show reasons");
	ok(!strstr(body_of(ask(&view, "/instance", "text/html", false)), "secret"),
		"the page for others does not show reasons");
	ok(head_says(ask(&view, "/instance/live", "", false), "HTTP/1.1 200 "),
		"/instance/live is 200 whatever the status");
	view_release(&view);
}

static void test_statuses(void)
{
	static const struct {
		enum status status;
		const char *line;
	} rows[] = {
		{STATUS_STARTING, "HTTP/1.1 503 "},
		{STATUS_READY, "HTTP/1.1 200 "},
		{STATUS_DEGRADED, "HTTP/1.1 200 "},
		{STATUS_DRAINING, "HTTP/1.1 503 "},
		{STATUS_FAILED, "HTTP/1.1 503 "},
	};
	struct view view = {0};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct view_facts facts = {.status = rows[i].status, .load = &load};
		char name[64];

		snprintf(name, sizeof name, "%s is answered with %.3s", status_name(rows[i].status),
			rows[i].line + 9);
		(void)view_render(&view, &facts);
		ok(head_says(ask(&view, "/instance", "", false), rows[i].line), name);
	}
	view_release(&view);
}

static void test_private(void)
{
	struct view view = {0};
	struct view_facts facts = {.metadata = &metadata,
		.status = STATUS_DEGRADED,
		.checks = one_fails,
		.n_checks = 2,
		.load = &load};
	json_t *json;

	(void)view_render(&view, &facts);
	ok(head_says(ask(&view, "/metrics", "", false), "HTTP/1.1 403 "),
		"/metrics is not for all");
	ok(head_says(ask(&view, "/instance/health", "", false), "HTTP/1.1 403 "),
		"/instance/health is not for all");
	ok(strstr(body_of(ask(&view, "/metrics", "", true)),
		   "instanced_check_passing{check=\"app web\"} 0\n"),
		"/metrics has a line a check");
	json = json_loads(body_of(ask(&view, "/instance/health", "", true)), 0, NULL);
	is_str(json_string_value(json_object_get(json, "status")), "warn",
		"degraded is warn in health+json");
	ok(json_is_array(json_object_get(json_object_get(json, "checks"), "app:web")),
		"checks map component:measurement to arrays");
	ok(!json_object_get(json, "timeToReadySeconds") &&
			!strstr(body_of(ask(&view, "/metrics", "", true)), "time_to_ready"),
		"until it first answered 200, no time to ready is told");
	json_decref(json);
	facts.ready_usec = 6123456;
	(void)view_render(&view, &facts);
	json = json_loads(body_of(ask(&view, "/instance/health", "", true)), 0, NULL);
	is_int((long long)(json_real_value(json_object_get(json, "timeToReadySeconds")) * 1000),
		6123, "then /instance/health tells it in seconds");
	ok(strstr(body_of(ask(&view, "/metrics", "", true)),
		   "# TYPE instanced_time_to_ready_seconds gauge\n"
		   "instanced_time_to_ready_seconds 6.123\n"),
		"and so does /metrics");
	json_decref(json);
	view_release(&view);
}

static void test_load_document(void)
{
	static const struct space_volume volumes[] = {
		{.name = "data", .path = "/secret", .known = true, .size = 100, .available = 25},
		{.name = "hung", .path = "/hung"},
	};
	struct view view = {0};
	struct load measured = load;
	struct view_facts facts = {
		.status = STATUS_READY, .load = &measured, .volumes = volumes, .n_volumes = 2};
	json_t *json, *volume;

	(void)view_render(&view, &facts);
	json = json_loads(body_of(ask(&view, "/instance/load", "", false)), 0, NULL);
	ok(json_is_null(json_object_get(json, "memory")), "memory that is not known is null");
	ok(!json_object_get(json, "volumes"), "others do not see volumes");
	ok(!head_says(ask(&view, "/instance", "", false), "endpoint-load-metrics"),
		"without a sample there is no ORCA header");
	json_decref(json);

	measured.ram = (struct memory){.total = 4096, .available = 1024};
	(void)load_add(&measured, 1000000, &(struct cpu_counters){{0}});
	(void)load_add(&measured, 2000000, &(struct cpu_counters){{[CPU_USER] = 100}});
	(void)view_render(&view, &facts);
	json = json_loads(body_of(ask(&view, "/instance/load", "", true)), 0, NULL);
	is_int((long long)(100 * json_real_value(json_object_get(
					 json_object_get(json, "memory"), "utilization"))),
		75, "the used share of memory is told");
	volume = json_object_get(json_object_get(json, "volumes"), "data");
	is_int((long long)(100 * json_real_value(json_object_get(volume, "utilization"))), 75,
		"and that of volumes to details");
	is_str(json_string_value(json_object_get(volume, "path")), "/secret", "with their place");
	ok(json_is_null(json_object_get(json_object_get(json, "volumes"), "hung")),
		"a volume that does not answer is null");
	json_decref(json);
	ok(head_says(ask(&view, "/instance", "", false),
		   "endpoint-load-metrics: TEXT cpu_utilization:1.0000, ") &&
			head_says(ask(&view, "/instance", "text/html", false),
				"endpoint-load-metrics: ") &&
			head_says(
				ask(&view, "/instance/load", "", false), "endpoint-load-metrics: "),
		"/instance and /instance/load have the ORCA header in each form");
	ok(!head_says(ask(&view, "/instance/live", "", false), "endpoint-load-metrics") &&
			!head_says(ask(&view, "/metrics", "", true), "endpoint-load-metrics"),
		"others have not");
	view_release(&view);
}

static void test_metrics_formats(void)
{
	static const char *const prometheus = "application/openmetrics-text;version=1.0.0,"
					      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
	struct view view = {0};
	struct view_facts facts = {.status = STATUS_READY, .load = &load};
	const struct response *response;

	(void)view_render(&view, &facts);
	response = ask(&view, "/metrics", prometheus, true);
	ok(head_says(response, "Content-Type: application/openmetrics-text; version=1.0.0; ") &&
			strstr(body_of(response), "# EOF\n"),
		"Prometheus gets OpenMetrics");
	response = ask(&view, "/metrics", "*/*", true);
	ok(head_says(response, "Content-Type: text/plain; version=0.0.4; ") &&
			!strstr(body_of(response), "# EOF\n"),
		"others get text");
	ok(head_says(response, "Vary: Accept\r\n"), "which Vary tells");
	ok(head_says(ask(&view, "/metrics", prometheus, false), "HTTP/1.1 403 "),
		"in no format it is for all");
	view_release(&view);
}

static void test_rotation(void)
{
	static const struct check checks[] = {
		{.name = "volume data", .result = CHECK_PASS},
		{.name = "rotation",
			.result = CHECK_WARN,
			.reason = "the target lifecycle state is Terminated"},
	};
	struct view view = {0};
	struct view_facts facts = {
		.status = STATUS_DRAINING, .load = &load, .checks = checks, .n_checks = 2};
	const struct response *response;

	(void)view_render(&view, &facts);
	response = ask(&view, "/instance", "", true);
	ok(head_says(response, "HTTP/1.1 503 ") &&
			strstr(body_of(response), "\"status\": \"draining\"") &&
			strstr(body_of(response), "lifecycle state is Terminated"),
		"an instance that drains is a 503, with the reason for details");
	ok(!strstr(body_of(ask(&view, "/instance", "", false)), "Terminated"),
		"which others do not see");
	ok(strstr(body_of(ask(&view, "/instance/health", "", true)), "\"rotation\""),
		"health+json has it, too");
	view_release(&view);
}

static void test_index(void)
{
	struct view view = {0};
	struct view_facts facts = {.status = STATUS_READY, .load = &load};

	(void)view_render(&view, &facts);
	ok(!ask(&view, "/", "", true), "without an index page / is not found");
	facts.index = "<h1>Hola</h1>";
	(void)view_render(&view, &facts);
	is_str(body_of(ask(&view, "/", "", false)), "<h1>Hola</h1>",
		"the index page is served at /");
	facts.index = NULL;
	(void)view_render(&view, &facts);
	ok(!ask(&view, "/", "", false), "an index page that is gone is gone");
	ok(!ask(&view, "/instance/", "", true) && !ask(&view, "/nothing", "", true),
		"a path that is not in the table is not found");
	view_release(&view);
}

static void test_mounts(void)
{
	static const char table[] =
		"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
		"40 22 7:3 / /data rw,noatime shared:5 master:2 - xfs /dev/loop3 rw\n"
		"41 22 0:45 / /btr rw - btrfs /dev/loop4 rw,space_cache=v2\n"
		"42 22 7:5 / /with\\040blank rw - ext4 /dev/loop5 rw\n"
		"43 22 7:6 / /twice rw - ext4 /dev/loop6 rw\n"
		"44 43 7:7 / /twice rw - ext4 /dev/loop7 rw\n"
		"45 22 7:8 / /short\\1 rw - ext4 /dev/loop8 rw\n";

	ok(mounts_show(table, "/data", makedev(7, 3), "/dev/loop3"), "a mounted disk is seen");
	ok(!mounts_show(table, "/data", makedev(7, 4), "/dev/loop4"), "another disk is not it");
	ok(!mounts_show(table, "/dat", makedev(7, 3), "/dev/loop3"), "another place is not it");
	ok(mounts_show(table, "/btr", makedev(7, 4), "/dev/loop4"),
		"btrfs is known by its node, its number being anonymous");
	ok(mounts_show(table, "/with blank", makedev(7, 5), "/dev/loop5"),
		"octal escapes are understood");
	ok(mounts_show(table, "/short\\1", makedev(7, 8), "/dev/loop8"),
		"less than three digits are no escape");
	ok(!mounts_show(table, "/twice", makedev(7, 6), "/dev/loop6"),
		"what is hidden by another mount is not mounted");
	ok(!mounts_show("", "/data", makedev(7, 3), "/dev/loop3"), "an empty table shows nothing");
	ok(!mounts_show("garbage\n\n1 2 3\n", "/data", makedev(7, 3), "x"),
		"garbage shows nothing");
}

static void test_damper(void)
{
	static const struct {
		const char *answers; /* g good, b bad, with rise 2 and fall 3 */
		enum check_result result;
		const char *name;
	} rows[] = {
		{"g", CHECK_WAIT, "one good answer is not enough to rise"},
		{"gg", CHECK_PASS, "two good answers in a row rise"},
		{"gbg", CHECK_WAIT, "a bad answer between starts the count again"},
		{"bbbbbb", CHECK_WAIT, "before it was well it waits"},
		{"ggbb", CHECK_PASS, "two bad answers are not enough to fall"},
		{"ggbbb", CHECK_FAIL, "three bad answers in a row fall"},
		{"ggbbgbb", CHECK_PASS, "flapping does not fall"},
		{"ggbbbg", CHECK_FAIL, "it stays down until it rises again"},
		{"ggbbbgg", CHECK_PASS, "it comes back"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct damper damper = {.result = CHECK_WAIT};

		for (const char *a = rows[i].answers; *a; a++)
			(void)damper_note(&damper, *a == 'g', 2, 3);
		is_int(damper.result, rows[i].result, rows[i].name);
	}
}

int main(void)
{
	static char id[] = "i-0123456789abcdef0";

	load_init(&load, 100);
	metadata.fields[METADATA_INSTANCE_ID] = id;
	test_instance();
	test_statuses();
	test_private();
	test_load_document();
	test_metrics_formats();
	test_rotation();
	test_index();
	test_mounts();
	test_damper();
	return done_testing();
}
