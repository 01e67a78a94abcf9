/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "html.h"
#include "metadata.h"
#include "tap.h"

/* Somebody gave the instance a hostile tag. */
static struct metadata example = {
	.fields =
		{
			[METADATA_INSTANCE_ID] = (char *)"i-0123456789abcdef0",
			[METADATA_INSTANCE_TYPE] = (char *)"t3.micro",
			[METADATA_AVAILABILITY_ZONE] = (char *)"eu-west-1b",
			[METADATA_HOSTNAME] = (char *)"ip-10-0-0-7.ec2.internal",
			[METADATA_LOCAL_IPV4] = (char *)"10.0.0.7",
		},
	.tags =
		{
			{(char *)"Name", (char *)"web \"1\" <b>&'"},
			{(char *)"a b", (char *)"spaced"},
			{(char *)"silent", NULL},
		},
	.n_tags = 3,
};

static const struct {
	const char *name, *text, *expected;
} good[] = {
	{"text without names stays as it is", "<p>a } b { c</p>\n", "<p>a } b { c</p>\n"},
	{"an empty template is an empty page", "", ""},
	{"a field", "{{instance-id}}", "i-0123456789abcdef0"},
	{"fields and text between them", "<{{instance-type}}|{{hostname}}>",
		"<t3.micro|ip-10-0-0-7.ec2.internal>"},
	{"the same field twice", "{{local-ipv4}}{{local-ipv4}}", "10.0.0.710.0.0.7"},
	{"spaces and tabs inside the braces", "{{  instance-id\t }}", "i-0123456789abcdef0"},
	{"a tag is escaped for text and attributes", "{{tag:Name}}",
		"web &quot;1&quot; &lt;b&gt;&amp;&#39;"},
	{"a tag's key may hold a space", "{{ tag:a b }}", "spaced"},
	{"the title is escaped too", "{{title}}", "T &amp; T"},
	{"a field that the instance has not is empty", "[{{public-ipv4}}]", "[]"},
	{"a tag that the instance has not is empty", "[{{tag:Nobody}}]", "[]"},
	{"a tag without a value is empty", "[{{tag:silent}}]", "[]"},
	{"closing braces alone are text", "a }} b", "a }} b"},
	{"a value is not looked at again for names", "{{tag:Name}}{{instance-id}}",
		"web &quot;1&quot; &lt;b&gt;&amp;&#39;i-0123456789abcdef0"},
	{"UTF-8 passes", "Grüße {{instance-type}}", "Grüße t3.micro"},
};

static const struct {
	const char *name, *text;
	unsigned line;
	const char *words;
} bad[] = {
	{"an unknown name is named, with its line", "<p>\n\n{{instance-idd}}\n", 3,
		"unknown name {{instance-idd}}; a field of `instancectl metadata`, title or "
		"tag:KEY "
		"is expected"},
	{"a line behind names that are known", "{{title}}\n{{hostname}}\n{{x}}", 3,
		"unknown name {{x}}; a field of `instancectl metadata`, title or tag:KEY is "
		"expected"},
	{"no name", "{{}}", 1,
		"unknown name {{}}; a field of `instancectl metadata`, title or tag:KEY is "
		"expected"},
	{"a tag without a key", "\n{{tag:}}", 2,
		"unknown name {{tag:}}; a field of `instancectl metadata`, title or tag:KEY is "
		"expected"},
	{"names are lower-case", "{{Title}}", 1,
		"unknown name {{Title}}; a field of `instancectl metadata`, title or tag:KEY is "
		"expected"},
	{"not terminated", "a\n{{title", 2, "\"{{\" without \"}}\" in the same line"},
	{"terminated in another line", "a\nb {{title\n}}", 2,
		"\"{{\" without \"}}\" in the same line"},
	{"braces open at the end", "a\n\n{{", 3, "\"{{\" without \"}}\" in the same line"},
};

static void test_escape(void)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	html_escape(out, NULL);
	html_escape(out, "<a href='x' title=\"y\">&amp;</a>");
	(void)fclose(out);
	is_str(text, "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;&lt;/a&gt;",
		"all five characters are escaped, NULL is nothing");
	free(text);
}

static void test_good(void)
{
	FOREACH_ELEMENT (i, good) {
		_cleanup_free_ char *page = NULL;
		struct err err = {""};
		unsigned line;

		(void)template_render(good[i].text, &example, "T & T", &page, &err);
		is_str(page, good[i].expected, good[i].name);
		if (template_check(good[i].text, &line, &err) != 0)
			ok(false, "and the check has nothing against it");
	}
}

static void test_bad(void)
{
	FOREACH_ELEMENT (i, bad) {
		char *page = NULL, name[128];
		struct err err = {""};
		unsigned line = 0;

		is_int(template_check(bad[i].text, &line, &err), -EINVAL, bad[i].name);
		is_str(err.text, bad[i].words, "  in these words");
		snprintf(name, sizeof name, "  in line %u", bad[i].line);
		is_int(line, bad[i].line, name);
		ok(template_render(bad[i].text, &example, "T", &page, NULL) == -EINVAL && !page,
			"  and nothing is rendered");
	}
}

static void test_bounds(void)
{
	static char text[400 + TEMPLATE_MAX];
	char *page = NULL;
	struct err err = {""};
	unsigned line = 0;

	snprintf(text, sizeof text, "{{tag:%0150d}}", 7);
	is_int(template_check(text, &line, &err), 0, "a name of 154 characters is read");
	snprintf(text, sizeof text, "{{tag:%0156d}}", 7);
	is_int(template_check(text, &line, &err), -EINVAL, "one of 160 is refused");
	is_str(err.text, "the name after \"{{\" is longer than 159 characters", "in these words");

	memset(text, 'x', TEMPLATE_MAX);
	text[TEMPLATE_MAX] = '\0';
	is_int(template_render(text, &example, "", &page, &err), 0,
		"a page of 256 KiB is rendered");
	free(page);
	page = NULL;
	strcat(text, "x");
	ok(template_render(text, &example, "", &page, &err) == -EFBIG && !page,
		"one byte more is -EFBIG");
	is_str(err.text, "the rendered page is longer than 256 KiB", "in these words");
}

static void test_builtin(void)
{
	_cleanup_free_ char *page = NULL;
	struct err err = {""};
	unsigned line = 0;

	is_int(template_check(template_builtin, &line, &err), 0, "the built-in page has no error");
	ok(template_render(template_builtin, &example, "Hola <b>", &page, &err) == 0 &&
			strstr(page, "Hola &lt;b&gt;") && strstr(page, "i-0123456789abcdef0") &&
			strstr(page, "eu-west-1b") && strstr(page, "10.0.0.7") &&
			!strstr(page, "{{"),
		"and says who this is");
}

int main(void)
{
	test_escape();
	test_good();
	test_bad();
	test_bounds();
	test_builtin();
	return done_testing();
}
