/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent answers, with any UTF-8 in what it knows: title, instance type, a check's name and
 * reason (which are cut to fit), each ended by a NUL. Documents keep their form: JSON is JSON, no
 * text is markup, no label ends a line of metrics.
 *
 * Covers: agent/view.c agent/page.c agent/metrics.c agent/response.c
 */
#include "../../agent/view.h"
#include "fuzz.h"

static const struct {
	const char *path, *accept;
} documents[] = {
	{"/instance", "application/json"},
	{"/instance", "text/plain"},
	{"/instance", "text/html"},
	{"/instance/live", ""},
	{"/instance/load", ""},
	{"/instance/health", ""},
	{"/metrics", ""},
	{"/metrics", "application/openmetrics-text"},
};

static void check_same_form(const char *body, const char *plain, const char *marks)
{
	for (; *marks; marks++)
		must(count_of(body, *marks) == count_of(plain, *marks));
}

static char *body_of(const struct response *response)
{
	char *body = strndup(
		response->data + response->head_length, response->length - response->head_length);

	must(body);
	return body;
}

static void check_document(size_t i, const struct response *response, const struct response *plain)
{
	_cleanup_free_ char *body = body_of(response), *plain_body = body_of(plain);

	must(response->length >= response->head_length);
	must(strncmp(response->data + response->head_length - 4, "\r\n\r\n", 4) == 0);
	if (strncmp(body, "{", 1) == 0) {
		json_t *json = json_loads(body, JSON_REJECT_DUPLICATES, NULL);

		must(json);
		json_decref(json);
	} else if (strncmp(body, "<", 1) == 0) {
		check_same_form(body, plain_body, "<>\"");
	} else if (strcmp(documents[i].path, "/metrics") == 0) {
		check_same_form(body, plain_body, "\n");
	}
}

static void facts_fill(struct view_facts *facts, struct metadata *metadata, struct check *check,
	char *title, char *type, const char *name, const char *reason)
{
	static char id[] = "i-0123456789abcdef0";
	static struct load load;

	load_init(&load, 100);
	*metadata = (struct metadata){.fields = {[METADATA_INSTANCE_ID] = id,
					      [METADATA_INSTANCE_TYPE] = type,
					      [METADATA_IMAGE_ID] = type,
					      [METADATA_AVAILABILITY_ZONE] = type}};
	*check = (struct check){.required = true, .result = CHECK_WARN};
	(void)snprintf(check->name, sizeof check->name, "%s", name);
	(void)snprintf(check->reason, sizeof check->reason, "%s", reason);
	*facts = (struct view_facts){.metadata = metadata,
		.title = title,
		.status = STATUS_DEGRADED,
		.since = 1767225600,
		.now = 1767225600,
		.checks = check,
		.n_checks = 1,
		.load = &load};
}

static bool is_utf8(const char *text)
{
	json_t *json = json_string(text);

	json_decref(json);
	return json != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct view view, plain;
	struct input input = {data, size};
	_cleanup_free_ char *title = input_text(&input), *type = input_text(&input),
			    *name = input_text(&input), *reason = input_text(&input);
	struct metadata metadata[2];
	struct check checks[2];
	struct view_facts facts[2];

	if (!is_utf8(title) || !is_utf8(type) || !is_utf8(name) || !is_utf8(reason))
		return 0;
	facts_fill(&facts[0], &metadata[0], &checks[0], title, type, name, reason);
	facts_fill(&facts[1], &metadata[1], &checks[1], *title ? (char[]){"x"} : title,
		*type ? (char[]){"x"} : type, *name ? "x" : "", *reason ? "x" : "");
	must(view_render(&view, &facts[0]) == 0 && view_render(&plain, &facts[1]) == 0);
	FOREACH_ELEMENT (i, documents) {
		const struct request request = {.method = METHOD_GET,
			.path = {documents[i].path, strlen(documents[i].path)},
			.accept = {documents[i].accept, strlen(documents[i].accept)}};

		for (int details = 0; details < 2; details++)
			check_document(i, view_find(&view, &request, details),
				view_find(&plain, &request, details));
	}
	view_release(&view);
	view_release(&plain);
	return 0;
}
