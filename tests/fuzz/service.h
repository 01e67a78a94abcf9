/* SPDX-License-Identifier: Apache-2.0 */
/* service: a metadata service that fake-http plays, for one question. */
#pragma once

#include "../fake-http.c"
#include "fuzz.h"
#include "imds.h"

struct service {
	sd_event *event;
	struct http *http;
	struct imds *imds;
	uint64_t patience, until;
};

static inline struct service service_begin(uint64_t patience_usec)
{
	struct service service = {.patience = patience_usec, .until = fake_now() + patience_usec};

	must(sd_event_new(&service.event) >= 0 && http_new(service.event, &service.http) == 0 &&
		imds_new(service.event, service.http, "http://sim", &service.imds) == 0);
	return service;
}

static inline void service_end(struct service *service)
{
	/* Who is out of time may have asked for a token just now. */
	must(fake_http_pending() == 0 || fake_now() >= service->until);
	imds_free(service->imds);
	must(fake_http_pending() == 0);
	http_free(service->http);
	(void)sd_event_unref(service->event);
}
