/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates, with values of any text: a template, title, instance ID, and a tag, each ended by a
 * NUL. Nothing of a value is markup.
 *
 * Covers: bootstrap/core/template.c bootstrap/core/html.c
 */
#include "template.h"

#include <errno.h>

#include "fuzz.h"
#include "metadata.h"

/* The same template with values that need no escape must have as much markup. */
static void check_markup(const char *text, const char *page)
{
	static const char markup[] = "<>\"'";
	char *word = (char[]){"x"};
	struct metadata plain = {.fields = {[METADATA_INSTANCE_ID] = word},
		.tags = {{(char[]){"Name"}, word}},
		.n_tags = 1};
	_cleanup_free_ char *other = NULL;

	must(template_render(text, &plain, word, &other, NULL) == 0);
	for (const char *p = markup; *p; p++)
		must(count_of(page, *p) == count_of(other, *p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	_cleanup_free_ char *text = input_text(&input), *title = input_text(&input),
			    *id = input_text(&input), *tag = input_text(&input), *page = NULL;
	struct metadata metadata = {.fields = {[METADATA_INSTANCE_ID] = id},
		.tags = {{(char[]){"Name"}, tag}},
		.n_tags = 1};
	struct err err = {""};
	unsigned line = 0;
	int checked = template_check(text, &line, &err), r;

	must(checked == 0 || (checked == -EINVAL && err.text[0] && line > 0));
	must(line <= count_of(text, '\n') + 1);
	r = template_render(text, &metadata, title, &page, NULL);
	must(r == checked || (checked == 0 && r == -EFBIG));
	if (r == 0) {
		must(strlen(page) <= TEMPLATE_MAX);
		check_markup(text, page);
	}
	return 0;
}
