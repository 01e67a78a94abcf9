/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "metrics.h"
#include "orca.h"
#include "page.h"

#define TIME_TEXT_MAX 32
#define EXTRA_MAX     (ORCA_FIELD_MAX + 512) /* fields of a response */

static const char *iso_time(time_t time, char buffer[static TIME_TEXT_MAX])
{
	struct tm tm;

	(void)strftime(buffer, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &tm));
	return buffer;
}

static const char *field(const struct view_facts *facts, enum metadata_field which)
{
	return facts->metadata ? facts->metadata->fields[which] : NULL;
}

static int finish(json_t *json, char **ret_body)
{
	*ret_body = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(json);
	return *ret_body ? 0 : -ENOMEM;
}

/* -- load -- */

static json_t *share_to_json(const struct load *load, unsigned seconds)
{
	struct load_share share;

	if (load_window(load, seconds, &share) < 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f}", "utilization", share.utilization, "steal",
		share.steal, "demand", share.demand, "seconds", share.seconds);
}

static json_t *pressure_to_json(const struct pressure *pressure)
{
	const struct {
		const char *name;
		const struct pressure_share *share;
	} shares[] = {{"some", &pressure->some}, {"full", &pressure->full}};
	json_t *json = json_object();

	FOREACH_ELEMENT (i, shares)
		if (shares[i].share->available)
			(void)json_object_set_new(json, shares[i].name,
				json_pack("{s:f, s:f, s:f}", "avg10", shares[i].share->avg10,
					"avg60", shares[i].share->avg60, "avg300",
					shares[i].share->avg300));
	return json;
}

static json_t *memory_to_json(const struct load *load)
{
	if (load->ram.total == 0)
		return json_null();
	return json_pack("{s:I, s:I, s:f}", "totalBytes", (json_int_t)load->ram.total,
		"availableBytes", (json_int_t)load->ram.available, "utilization",
		load_memory_used(load));
}

static json_t *volumes_to_json(const struct view_facts *facts)
{
	json_t *json = json_object();

	for (size_t i = 0; i < facts->n_volumes; i++) {
		const struct space_volume *volume = &facts->volumes[i];
		double used = space_share(volume);

		(void)json_object_set_new(json, volume->name,
			used < 0 ? json_null()
				 : json_pack("{s:s, s:I, s:I, s:f}", "path", volume->path,
					   "totalBytes", (json_int_t)volume->size, "availableBytes",
					   (json_int_t)volume->available, "utilization", used));
	}
	return json;
}

/* The ten-second share stands at the top: it is what a scaling decision should look at. */
static json_t *load_to_json(const struct load *load, bool all)
{
	json_t *json = share_to_json(load, 10);

	if (!json_is_object(json)) {
		json_decref(json);
		json = json_object();
	}
	(void)json_object_set_new(json, "averages",
		json_pack("[f, f, f]", load->averages[0], load->averages[1], load->averages[2]));
	if (!all)
		return json;
	(void)json_object_set_new(json, "windows",
		json_pack("{s:o, s:o, s:o, s:o}", "1", share_to_json(load, 1), "10",
			share_to_json(load, 10), "60", share_to_json(load, 60), "300",
			share_to_json(load, 300)));
	if (load->cpu.some.available)
		(void)json_object_set_new(json, "pressure",
			json_pack("{s:o, s:o, s:o}", "cpu", pressure_to_json(&load->cpu), "io",
				pressure_to_json(&load->io), "memory",
				pressure_to_json(&load->memory)));
	return json;
}

static int render_load(const struct view_facts *facts, bool details, char **ret_body)
{
	json_t *json = load_to_json(facts->load, true);

	(void)json_object_set_new(json, "memory", memory_to_json(facts->load));
	if (details)
		(void)json_object_set_new(json, "volumes", volumes_to_json(facts));
	return finish(json, ret_body);
}

/* -- /instance -- */

static json_t *identity_to_json(const struct view_facts *facts)
{
	static const enum metadata_field shown[] = {METADATA_INSTANCE_ID, METADATA_INSTANCE_TYPE,
		METADATA_IMAGE_ID, METADATA_REGION, METADATA_AVAILABILITY_ZONE,
		METADATA_LOCAL_IPV4};
	json_t *json = json_object();

	FOREACH_ELEMENT (i, shown) {
		const char *value = field(facts, shown[i]);

		(void)json_object_set_new(json, metadata_names[shown[i]].json,
			value ? json_string(value) : json_null());
	}
	return json;
}

static int render_json(const struct view_facts *facts, bool details, char **ret_body)
{
	char since[TIME_TEXT_MAX];
	json_t *json = identity_to_json(facts), *checks = json_array();

	for (size_t i = 0; i < facts->n_checks; i++) {
		const struct check *check = &facts->checks[i];
		json_t *one =
			json_pack("{s:s, s:s}", "name", check->name, "status", check_name(check));

		if (details && check->reason[0])
			(void)json_object_set_new(one, "reason", json_string(check->reason));
		(void)json_array_append_new(checks, one);
	}
	(void)json_object_set_new(json, "status", json_string(status_name(facts->status)));
	(void)json_object_set_new(json, "since", json_string(iso_time(facts->since, since)));
	(void)json_object_set_new(json, "load", load_to_json(facts->load, false));
	(void)json_object_set_new(json, "checks", checks);
	return finish(json, ret_body);
}

static int render_text(const struct view_facts *facts, bool details, char **ret_body)
{
	const char *id = field(facts, METADATA_INSTANCE_ID);

	(void)details;
	return asprintf(ret_body, "%s %s\n", id ? id : "-", status_name(facts->status)) < 0
		       ? -ENOMEM
		       : 0;
}

static int render_page(const struct view_facts *facts, bool details, char **ret_body)
{
	struct page_check checks[STATUS_CHECKS_MAX];
	struct page page = {.title = facts->title,
		.instance_id = field(facts, METADATA_INSTANCE_ID),
		.instance_type = field(facts, METADATA_INSTANCE_TYPE),
		.image_id = field(facts, METADATA_IMAGE_ID),
		.region = field(facts, METADATA_REGION),
		.availability_zone = field(facts, METADATA_AVAILABILITY_ZONE),
		.private_ip = field(facts, METADATA_LOCAL_IPV4),
		.status = status_name(facts->status),
		.since = facts->since,
		.now = facts->now,
		.load = facts->load,
		.checks = checks,
		.n_checks = facts->n_checks,
		.details = details};
	size_t length;

	for (size_t i = 0; i < facts->n_checks; i++)
		checks[i] = (struct page_check){.name = facts->checks[i].name,
			.status = check_name(&facts->checks[i]),
			.reason = facts->checks[i].reason[0] ? facts->checks[i].reason : NULL};
	return page_render(&page, ret_body, &length);
}

static int render_live(const struct view_facts *facts, bool details, char **ret_body)
{
	(void)facts, (void)details;
	return (*ret_body = strdup("live\n")) ? 0 : -ENOMEM;
}

/* draft-inadarei-api-health-check: "checks" maps component:measurement to arrays. */
static int render_health(const struct view_facts *facts, bool details, char **ret_body)
{
	const char *id = field(facts, METADATA_INSTANCE_ID);
	json_t *checks = json_object(), *ready = NULL;
	char time[TIME_TEXT_MAX];

	(void)details;
	if (facts->ready_usec)
		ready = json_real((double)facts->ready_usec / 1e6);
	for (size_t i = 0; i < facts->n_checks; i++) {
		const struct check *check = &facts->checks[i];
		char name[CHECK_NAME_MAX];
		json_t *one = json_pack("{s:s, s:s}", "status", check_name(check), "time",
			iso_time(facts->now, time));

		snprintf(name, sizeof name, "%s", check->name);
		if (strchr(name, ' '))
			*strchr(name, ' ') = ':';
		if (check->reason[0])
			(void)json_object_set_new(one, "output", json_string(check->reason));
		(void)json_object_set_new(checks, name, json_pack("[o]", one));
	}
	return finish(json_pack("{s:s, s:s, s:s*, s:o*, s:o}", "status",
			      !status_serves(facts->status)   ? "fail"
			      : facts->status == STATUS_READY ? "pass"
							      : "warn",
			      "description", status_name(facts->status), "serviceId", id,
			      "timeToReadySeconds", ready, "checks", checks),
		ret_body);
}

static int render_metrics(const struct view_facts *facts, bool details, char **ret_body)
{
	(void)details;
	return metrics_render(facts, METRICS_TEXT, ret_body);
}

static int render_openmetrics(const struct view_facts *facts, bool details, char **ret_body)
{
	(void)details;
	return metrics_render(facts, METRICS_OPENMETRICS, ret_body);
}

static int render_index(const struct view_facts *facts, bool details, char **ret_body)
{
	(void)details;
	if (!facts->index)
		return -ENOENT;
	return (*ret_body = strdup(facts->index)) ? 0 : -ENOMEM;
}

/* -- the table -- */

static const struct document {
	const char *path;
	enum media media; /* asked for when the path has several documents */
	const char *content_type, *extra;
	int (*render)(const struct view_facts *facts, bool details, char **ret_body);
	bool only_details; /* not for others at all */
	bool by_status;    /* 503 unless the status serves */
	bool at_once;      /* what load balancers ask for: see view.h */
	bool load;         /* the load is in its head, too */
} documents[] = {
	{"/instance", MEDIA_JSON, "application/json", "Vary: Accept\r\n" RESPONSE_CLOSED,
		render_json, .by_status = true, .at_once = true, .load = true},
	{"/instance", MEDIA_TEXT, "text/plain; charset=utf-8", "Vary: Accept\r\n" RESPONSE_CLOSED,
		render_text, .by_status = true, .at_once = true, .load = true},
	{"/instance", MEDIA_HTML, "text/html; charset=utf-8",
		"Vary: Accept\r\n" RESPONSE_POLICY(PAGE_SECURITY_POLICY), render_page,
		.by_status = true, .load = true},
	{"/instance/live", MEDIA_TEXT, "text/plain; charset=utf-8", RESPONSE_CLOSED, render_live},
	{"/instance/load", MEDIA_JSON, "application/json", RESPONSE_CLOSED, render_load,
		.load = true},
	{"/instance/health", MEDIA_JSON, "application/health+json", RESPONSE_CLOSED, render_health,
		.only_details = true, .by_status = true},
	{"/metrics", MEDIA_TEXT, METRICS_TYPE_TEXT, "Vary: Accept\r\n" RESPONSE_CLOSED,
		render_metrics, .only_details = true},
	{"/metrics", MEDIA_OPENMETRICS, METRICS_TYPE_OPENMETRICS,
		"Vary: Accept\r\n" RESPONSE_CLOSED, render_openmetrics, .only_details = true},
	{"/", MEDIA_HTML, "text/html; charset=utf-8", NULL, render_index},
};
_Static_assert(sizeof documents / sizeof documents[0] <= VIEW_DOCUMENTS_MAX, "room for all");

static int render_one(struct view *view, size_t i, bool details)
{
	const struct document *document = &documents[i];
	const struct view_facts *facts = &view->facts;
	struct response *response = &view->responses[i][details];
	_cleanup_free_ char *body = NULL;
	char extra[EXTRA_MAX], orca[ORCA_FIELD_MAX] = "";
	int status = document->by_status && !status_serves(facts->status) ? 503 : 200;
	int r = document->render(facts, details, &body);

	if (r == -ENOENT) {
		response_release(response);
		r = 0;
	} else if (r == 0) {
		if (document->load)
			orca_render(facts->load, orca);
		snprintf(extra, sizeof extra, "%s%s", document->extra ? document->extra : "", orca);
		r = response_render(
			response, status, document->content_type, extra, body, strlen(body));
	}
	view->stale[i][details] = r < 0;
	return r;
}

int view_render(struct view *view, const struct view_facts *facts)
{
	int r = view->forbidden.data ? 0 : response_render_error(&view->forbidden, 403);

	view->facts = *facts;
	memset(view->stale, true, sizeof view->stale);
	FOREACH_ELEMENT (i, documents)
		if (r == 0 && documents[i].at_once)
			r = render_one(view, i, false);
	return r;
}

const struct response *view_find(struct view *view, const struct request *request, bool details)
{
	const struct document *found = NULL;
	struct response *response;
	unsigned offered = 0;
	enum media media;
	size_t which;

	FOREACH_ELEMENT (i, documents)
		if (request_path_is(request, documents[i].path))
			offered |= 1u << documents[i].media;
	media = request_media(request->accept, offered);
	FOREACH_ELEMENT (i, documents)
		if (request_path_is(request, documents[i].path) && documents[i].media == media)
			found = &documents[i];
	if (!found)
		return NULL;
	if (found->only_details && !details)
		return response_touch(&view->forbidden);
	which = (size_t)(found - documents);
	response = &view->responses[which][details];
	if (view->stale[which][details])
		(void)render_one(view, which, details); /* else the answer before stays */
	return response->data ? response_touch(response) : NULL;
}

void view_release(struct view *view)
{
	for (size_t i = 0; i < VIEW_DOCUMENTS_MAX; i++)
		for (int details = 0; details < 2; details++)
			response_release(&view->responses[i][details]);
	response_release(&view->forbidden);
}
