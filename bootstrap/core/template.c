/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "html.h"
#include "metadata.h"
#include "text.h"

#define TEMPLATE_NAME_MAX 160

const char template_builtin[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head>\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>{{title}}</title>\n"
	"<style>\n"
	":root { color-scheme: light dark }\n"
	"body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 38rem; margin: 12vh auto; "
	"padding: 0 1.5rem }\n"
	"h1 { font-size: 2rem; line-height: 1.2; overflow-wrap: anywhere }\n"
	"dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem }\n"
	"dt { opacity: .7 }\n"
	"dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere }\n"
	"</style>\n"
	"</head>\n"
	"<body>\n"
	"<h1>{{title}}: {{hostname}}</h1>\n"
	"<dl>\n"
	"<dt>Instance</dt><dd>{{instance-id}}</dd>\n"
	"<dt>Type</dt><dd>{{instance-type}}</dd>\n"
	"<dt>Zone</dt><dd>{{availability-zone}}</dd>\n"
	"<dt>Address</dt><dd>{{local-ipv4}}</dd>\n"
	"</dl>\n"
	"<p><a href=\"/instance\">How this instance is</a></p>\n"
	"</body>\n"
	"</html>\n";

/*
 * Writes `text` up to the next "{{", and reads the name behind it. Returns 1 with a name, 0 at the
 * end, -EINVAL. `*text` moves on; `out` may be NULL.
 */
static int next_name(
	const char **text, FILE *out, char ret_name[static TEMPLATE_NAME_MAX], struct err *err)
{
	const char *open = strstr(*text, "{{"), *start, *close;
	size_t length;

	if (out)
		(void)fwrite(*text, 1, open ? (size_t)(open - *text) : strlen(*text), out);
	if (!open)
		return 0;
	*text = open;
	start = open + 2 + strspn(open + 2, " \t");
	close = strstr(start, "}}");
	if (!close || memchr(start, '\n', (size_t)(close - start)))
		return err_set(err, -EINVAL, "\"{{\" without \"}}\" in the same line");
	length = (size_t)(close - start);
	while (length > 0 && strchr(" \t", start[length - 1]))
		length--;
	if (length >= TEMPLATE_NAME_MAX)
		return err_set(err, -EINVAL, "the name after \"{{\" is longer than %d characters",
			TEMPLATE_NAME_MAX - 1);
	memcpy(ret_name, start, length);
	ret_name[length] = '\0';
	*text = close + 2;
	if (strcmp(ret_name, "title") != 0 && !metadata_has_name(ret_name))
		return err_set(err, -EINVAL,
			"unknown name {{%s}}; a field of `instancectl metadata`, title or tag:KEY "
			"is "
			"expected",
			ret_name);
	return 1;
}

int template_check(const char *text, unsigned *ret_line, struct err *err)
{
	char name[TEMPLATE_NAME_MAX];
	const char *start = text;
	int r;

	while ((r = next_name(&text, NULL, name, err)) > 0)
		;
	if (r < 0) {
		/* next_name() leaves `text` at or behind the name; count the lines before it. */
		*ret_line = 1;
		for (; start < text; start++)
			*ret_line += *start == '\n';
	}
	return r;
}

int template_render(const char *text, const struct metadata *metadata, const char *title,
	char **ret_page, struct err *err)
{
	_cleanup_free_ char *page = NULL;
	char name[TEMPLATE_NAME_MAX];
	size_t length = 0;
	struct text rendered;
	int r;

	if (text_begin(&rendered) < 0)
		return err_set(err, -ENOMEM, "%m");
	while ((r = next_name(&text, rendered.out, name, err)) > 0)
		html_escape(rendered.out,
			strcmp(name, "title") == 0 ? title : metadata_value(metadata, name));
	if (text_end(&rendered, &page, &length) < 0 && r == 0)
		r = err_set(err, -ENOMEM, "%m");
	if (r < 0)
		return r;
	if (length > TEMPLATE_MAX)
		return err_set(err, -EFBIG, "the rendered page is longer than 256 KiB");
	*ret_page = steal_ptr(page);
	return 0;
}
