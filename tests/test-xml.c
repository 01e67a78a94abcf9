/* SPDX-License-Identifier: Apache-2.0 */
#include "xml.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "tap.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

static const struct {
	const char *name, *xml, *json; /* NULL: -EBADMSG */
} texts[] = {
	{"a text", "<a>x</a>", "\"x\""},
	{"nothing in it", "<a/>", "\"\""},
	{"elements", "<a><b>1</b><c>2</c></a>", "{\"b\": \"1\", \"c\": \"2\"}"},
	{"text beside elements is left out", "<a>\n  <b>1</b>\n</a>", "{\"b\": \"1\"}"},
	{"a list", "<a><member>1</member><member>2</member></a>", "[\"1\", \"2\"]"},
	{"a list of objects", "<a><member><b>1</b></member></a>", "[{\"b\": \"1\"}]"},
	{"a list beside something", "<a><b>1</b><member>2</member></a>",
		"{\"b\": \"1\", \"member\": [\"2\"]}"},
	{"two of the same name: the last one", "<a><b>1</b><b>2</b></a>", "{\"b\": \"2\"}"},
	{"a list in a list", "<a><member><member>1</member></member></a>", "[[\"1\"]]"},
	{"attributes and namespaces",
		HEAD "<x:a xmlns:x=\"http://a/\" y=\"1\"><x:b x:z='2'>1</x:b></x:a>",
		"{\"b\": \"1\"}"},
	{"the five entities and characters", "<a>&lt;&gt;&amp;&quot;&apos;&#228;&#x20ac;</a>",
		"\"<>&\\\"'\\u00e4\\u20ac\""},
	{"CDATA in parts", "<a>1<![CDATA[<&>]]>2</a>", "\"1<&>2\""},
	{"comments, instructions", "<!-- x --><a>1<?y z?><!-- <b> -->2</a>", "\"12\""},
	{"blanks are text", "<a> 1\t</a>", "\" 1\\t\""},
	{"another encoding", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>",
		"\"\\u00e4\""},
	{"a document type", "<!DOCTYPE a><a>1</a>", NULL},
	{"an entity of its own", "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", NULL},
	{"one from outside", "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
		NULL},
	{"an entity that nobody knows", "<a>&nbsp;</a>", NULL},
	{"a prefix that nobody knows", "<x:a/>", NULL},
	{"cut off", "<a><b>1</b>", NULL},
	{"cut in a tag", "<a><b", NULL},
	{"crossed", "<a><b></a></b>", NULL},
	{"two roots", "<a/><b/>", NULL},
	{"no element", HEAD, NULL},
	{"nothing", "", NULL},
	{"JSON", "{\"a\": 1}", NULL},
	{"HTML", "<html><p>Bad gateway<br></html>", NULL},
	{"no UTF-8", "<a>\xff</a>", NULL},
	{"half a character", "<a>\xe2\x82</a>", NULL},
	{"a control character", "<a>\x01</a>", NULL},
};

static void test_texts(void)
{
	FOREACH_ELEMENT (i, texts) {
		json_t *json = NULL, *wanted = NULL;
		int r = xml_to_json(texts[i].xml, strlen(texts[i].xml), &json);

		if (texts[i].json)
			wanted = json_loads(texts[i].json, JSON_DECODE_ANY, NULL);
		if (!ok(texts[i].json ? r == 0 && json_equal(json, wanted) : r == -EBADMSG && !json,
			    texts[i].name)) {
			char *got = json_dumps(json, JSON_ENCODE_ANY);

			printf("# %d %s\n", r, got ? got : "");
			free(got);
		}
		json_decref(json);
		json_decref(wanted);
	}
}

/* TIMES of START, then of END. */
static int nested(const char *start, const char *end, size_t times)
{
	char *text = malloc(times * (strlen(start) + strlen(end)) + 8), *p = text;
	json_t *json = NULL;
	int r;

	for (size_t i = 0; i < times; i++)
		p = stpcpy(p, start);
	for (size_t i = 0; i < times; i++)
		p = stpcpy(p, end);
	r = xml_to_json(text, (size_t)(p - text), &json);
	json_decref(json);
	free(text);
	return r;
}

static int wide(size_t elements)
{
	char *text = malloc(elements * 4 + 8), *p = stpcpy(text, "<a>");
	json_t *json = NULL;
	int r;

	for (size_t i = 1; i < elements; i++)
		p = stpcpy(p, "<b/>");
	p = stpcpy(p, "</a>");
	r = xml_to_json(text, (size_t)(p - text), &json);
	json_decref(json);
	free(text);
	return r;
}

int main(void)
{
	test_texts();
	is_int(nested("<a>", "</a>", XML_DEPTH_MAX), 0, "as deep as may be");
	is_int(nested("<a>", "</a>", XML_DEPTH_MAX + 1), -EBADMSG, "one deeper");
	is_int(nested("<a>", "</a>", 100000), -EBADMSG, "very deep");
	is_int(nested("<a>", "", 100), -EBADMSG, "deep, and cut off");
	is_int(wide(XML_ELEMENTS_MAX), 0, "as many as may be");
	is_int(wide(XML_ELEMENTS_MAX + 1), -EBADMSG, "one more");
	return done_testing();
}
