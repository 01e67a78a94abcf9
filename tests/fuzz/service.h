/* SPDX-License-Identifier: Apache-2.0 */
/* service: a metadata service that fake-http plays, for one question. */
#pragma once

#include "../fake-http.c"
#include "fuzz.h"
#include "imds.h"

#define SERVICE_PATIENCE (60 * 1000000ull)

struct service {
	sd_event *event;
	struct http *http;
	struct imds *imds;
};

static inline struct service service_begin(void)
{
	struct service service = {0};

	must(sd_event_new(&service.event) >= 0 && http_new(service.event, &service.http) == 0 &&
		imds_new(service.event, service.http, "http://sim", &service.imds) == 0);
	return service;
}

static inline void service_end(struct service *service)
{
	imds_free(service->imds);
	must(fake_http_pending() == 0); /* one for a token may have been under way until now */
	http_free(service->http);
	(void)sd_event_unref(service->event);
}
