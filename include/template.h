/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template: a page with {{names}}. A name is one of the metadata fields (metadata.h), "title", or
 * "tag:KEY". Values are escaped for HTML text and quoted attributes. A field that the instance does
 * not have (no public address, no such tag) is empty; an unknown name is an error. "{{" that no
 * "}}" follows in the same line is an error too.
 */
#pragma once

#include <stddef.h>

#include "err.h"

#define TEMPLATE_MAX ((size_t)256 << 10) /* bytes of a template, and of a rendered page */

struct metadata;

/* The page when configuration names no template. */
extern const char template_builtin[];

/* -EINVAL with the reason and the line of the first thing wrong. */
int template_check(const char *text, unsigned *ret_line, struct err *err);

/*
 * Renders; `title` stands for {{title}}. The caller frees. -EINVAL as template_check(), -EFBIG,
 * -ENOMEM.
 */
int template_render(const char *text, const struct metadata *metadata, const char *title,
	char **ret_page, struct err *err);
