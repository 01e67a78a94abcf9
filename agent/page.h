/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page: what a person sees at /instance: one HTML document that stands alone, without scripts.
 *
 * Each instance has a hue and a glyph of its own, made from its ID, so that whoever refreshes
 * behind a load balancer sees at once that another one answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct load;

#define PAGE_CHECKS_MAX      64 /* further ones are counted, not shown */
#define PAGE_REFRESH_SECONDS 5  /* also the step of the chart, which so keeps its shape */

/* For the header Content-Security-Policy: nothing but the style within, and the icon. */
#define PAGE_SECURITY_POLICY                                                                       \
	"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "          \
	"form-action 'none'"

struct page_check {
	const char *name;
	const char *status; /* "pass", "warn", "fail" */
	const char *reason; /* or NULL */
};

/* Texts are UTF-8, may be NULL (not known), are escaped here, and belong to the caller. */
struct page {
	const char *title; /* of the index page */
	const char *instance_id, *instance_type, *image_id;
	const char *region, *availability_zone, *private_ip;
	const char *status;      /* "starting", "ready", "degraded", "draining", "failed" */
	time_t since, now;       /* of the status, of the page */
	const struct load *load; /* NULL: not measured */
	const struct page_check *checks;
	size_t n_checks;
	bool details; /* whether reasons may be shown to this reader */
};

/*
 * Renders UTF-8 followed by a NUL that does not count; 6 to 8 KB with a few checks. The caller
 * frees. -EINVAL: a status that is none of the above; -ENOMEM.
 */
int page_render(const struct page *page, char **ret_html, size_t *ret_length);
