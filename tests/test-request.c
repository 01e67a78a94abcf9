/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/request.h"
#include "cleanup.h"
#include "tap.h"

#define H "Host: h\r\n"

enum { WHOLE = 1 }; /* expected: the head takes all the bytes of the vector */

static const struct vector {
	const char *name;
	const char *bytes;
	size_t length; /* 0: up to the NUL */
	int expected;  /* WHOLE, 0 for incomplete, a negative status */
} vectors[] = {
	/* what is right */
	{"a plain GET", "GET / HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"HEAD", "HEAD / HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"a health check of 1.0 without Host", "GET /instance HTTP/1.0\r\n\r\n", 0, WHOLE},
	{"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, WHOLE},
	{"Host with a port", "GET / HTTP/1.1\r\nHost: a-b.example:8080\r\n\r\n", 0, WHOLE},
	{"Host as IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", 0, WHOLE},
	{"Host with an empty port", "GET / HTTP/1.1\r\nHost: h:\r\n\r\n", 0, WHOLE},
	{"white space around a value", "GET / HTTP/1.1\r\nHost: \t h \t\r\n\r\n", 0, WHOLE},
	{"field names in any case", "GET / HTTP/1.1\r\nhOsT:h\r\n\r\n", 0, WHOLE},
	{"an empty value", "GET / HTTP/1.1\r\n" H "X:\r\n\r\n", 0, WHOLE},
	{"bytes over 127 in a value", "GET / HTTP/1.1\r\n" H "X: \xc3\xa9\r\n\r\n", 0, WHOLE},
	{"every token character in a name",
		"GET / HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n", 0, WHOLE},
	{"one empty line in front", "\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"Content-Length: 0", "GET / HTTP/1.1\r\n" H "Content-Length: 000\r\n\r\n", 0, WHOLE},
	{"a target with odd characters", "GET /%zz?a[]={|} HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"absolute-form", "GET http://h:80/x HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"absolute-form in capitals", "GET HTTP://[::1]/x HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"OPTIONS *", "OPTIONS * HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"CONNECT to an authority", "CONNECT h:443 HTTP/1.1\r\n" H "\r\n", 0, WHOLE},
	{"POST with a body", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n", 0, WHOLE},
	{"POST in chunks", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 0, WHOLE},

	/* what is not whole yet */
	{"no line yet", "GET / HTT", 0, 0},
	{"a CR that waits for its LF", "GET / HTTP/1.1\r", 0, 0},
	{"no empty line yet", "GET / HTTP/1.1\r\n" H, 0, 0},
	{"half of the empty line", "GET / HTTP/1.1\r\n" H "\r", 0, 0},
	{"only an empty line", "\r\n", 0, 0},

	/* the request line */
	{"two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"white space in front", " GET / HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"two spaces before the target", "GET  / HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"two spaces after the target", "GET /  HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"a tab for a space", "GET\t/ HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"a space at the end of the line", "GET / HTTP/1.1 \r\n" H "\r\n", 0, -400},
	{"HTTP/0.9", "GET /\r\n\r\n", 0, -400},
	{"a method that is no token", "G@T / HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"no method", " / HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"a method nobody knows", "BREW / HTTP/1.1\r\n" H "\r\n", 0, -501},
	{"a method in lower case", "get / HTTP/1.1\r\n" H "\r\n", 0, -501},
	{"HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", 0, -505},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 0, -505},
	{"HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", 0, -505},
	{"HTTP/0.9 in words", "GET / HTTP/0.9\r\n\r\n", 0, -505},
	{"a version with two digits", "GET / HTTP/1.10\r\n" H "\r\n", 0, -400},
	{"a version in lower case", "GET / http/1.1\r\n" H "\r\n", 0, -400},
	{"a version without a dot", "GET / HTTP/11\r\n" H "\r\n", 0, -400},
	{"a relative target", "GET instance HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"a target with a fragment", "GET /#x HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"a target of raw bytes", "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"GET *", "GET * HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"CONNECT to a path", "CONNECT /x HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"GET of an authority", "GET h:80 HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"absolute-form of another scheme", "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"absolute-form without a host", "GET http:///x HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"absolute-form with a user", "GET http://u@h/x HTTP/1.1\r\n" H "\r\n", 0, -400},

	/* lines and characters */
	{"a bare LF after the request line", "GET / HTTP/1.1\n" H "\r\n", 0, -400},
	{"bare LFs alone", "GET / HTTP/1.1\nHost: h\n\n", 0, -400},
	{"a bare LF as empty line", "GET / HTTP/1.1\r\n" H "\n", 0, -400},
	{"a bare CR in a value", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 0, -400},
	{"CR CR LF", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", 0, -400},
	{"an LF first", "\nGET / HTTP/1.1\r\n" H "\r\n", 0, -400},
	{"a NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 35, -400},
	{"a NUL in the target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28, -400},
	{"a control character in a value", "GET / HTTP/1.1\r\n" H "X: \x01\r\n\r\n", 0, -400},
	{"DEL in a value", "GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", 0, -400},
	{"a TLS client, at its first byte", "\x16\x03\x01", 0, -400},

	/* fields */
	{"white space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 0, -400},
	{"a folded line", "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 0, -400},
	{"a folded line with a tab", "GET / HTTP/1.1\r\n" H "X: a\r\n\tb: c\r\n\r\n", 0, -400},
	{"white space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 0, -400},
	{"a line without a colon", "GET / HTTP/1.1\r\n" H "X\r\n\r\n", 0, -400},
	{"a field without a name", "GET / HTTP/1.1\r\n" H ": x\r\n\r\n", 0, -400},
	{"a name that is no token", "GET / HTTP/1.1\r\n" H "X(y): z\r\n\r\n", 0, -400},
	{"a name with raw bytes", "GET / HTTP/1.1\r\n" H "\xc3\xa9: z\r\n\r\n", 0, -400},

	/* Host */
	{"no Host in 1.1", "GET / HTTP/1.1\r\n\r\n", 0, -400},
	{"no Host beside absolute-form", "GET http://h/ HTTP/1.1\r\n\r\n", 0, -400},
	{"two Hosts", "GET / HTTP/1.1\r\n" H H "\r\n", 0, -400},
	{"two Hosts in 1.0", "GET / HTTP/1.0\r\n" H H "\r\n", 0, -400},
	{"a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 0, -400},
	{"a Host with a path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", 0, -400},
	{"a Host with a user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 0, -400},
	{"a Host with a word for a port", "GET / HTTP/1.1\r\nHost: h:http\r\n\r\n", 0, -400},
	{"a Host with two ports", "GET / HTTP/1.1\r\nHost: h:1:2\r\n\r\n", 0, -400},
	{"a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 0, -400},
	{"a Host with empty brackets", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 0, -400},
	{"a Host with raw bytes", "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 0, -400},

	/* framing */
	{"GET with a body", "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n", 0, -413},
	{"HEAD with a body", "HEAD / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n", 0, -413},
	{"a body past all counting",
		"GET / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999\r\n\r\n", 0,
		-413},
	{"GET in chunks", "GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 0, -501},
	{"an empty Transfer-Encoding", "GET / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 0,
		-501},
	{"chunks in 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0, -400},
	{"a length and chunks",
		"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		0, -400},
	{"a length of zero and chunks",
		"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 0,
		-400},
	{"two equal lengths",
		"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 0, -400},
	{"two lengths of zero",
		"GET / HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 0, -400},
	{"a list of lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\n", 0, -400},
	{"a length with a plus", "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n", 0, -400},
	{"a negative length", "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 0, -400},
	{"a hexadecimal length", "POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\n", 0, -400},
	{"an empty length", "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 0, -400},
};

/* Gives the parser one byte more at a time, each time in memory of just that size. */
static ssize_t drip(const char *bytes, size_t length, size_t *ret_at)
{
	ssize_t r = 0;
	size_t n;

	for (n = 1; n <= length && r == 0; n++) {
		_cleanup_free_ char *copy = malloc(n);
		struct request request;

		memcpy(copy, bytes, n);
		r = request_parse(copy, n, n - 1, &request);
	}
	*ret_at = n - 1;
	return r;
}

static void test_vectors(void)
{
	FOREACH_ELEMENT (i, vectors) {
		const struct vector *v = &vectors[i];
		size_t length = v->length ? v->length : strlen(v->bytes), at;
		ssize_t expected = v->expected == WHOLE ? (ssize_t)length : v->expected;
		_cleanup_free_ char *copy = malloc(length + 4);
		struct request request = {.minor = 77};
		char name[128];
		ssize_t r;

		memcpy(copy, v->bytes, length);
		is_int(request_parse(copy, length, 0, &request), expected, v->name);
		(void)snprintf(name, sizeof name, "%s, drop by drop", v->name);
		r = drip(v->bytes, length, &at);
		ok(r == expected && (expected <= 0 || at == length), name);
		if (expected <= 0) {
			(void)snprintf(name, sizeof name, "%s leaves the request alone", v->name);
			is_int(request.minor, 77, name);
		} else {
			(void)snprintf(
				name, sizeof name, "%s, and the next one behind it", v->name);
			memcpy(copy + length, "\nGE", 4);
			is_int(request_parse(copy, length + 4, 0, &request), expected, name);
		}
	}
}

/* A head of just this many bytes: `line` of them in the request line's target. */
static size_t make_head(char *buffer, size_t line, size_t total)
{
	int n = sprintf(buffer, "GET /%0*d HTTP/1.1\r\n" H "X: ", (int)line, 0);

	memset(buffer + n, 'x', total - (size_t)n - 4);
	memcpy(buffer + total - 4, "\r\n\r\n", 4);
	return total;
}

static void test_limits(void)
{
	static char buffer[3 * REQUEST_HEAD_MAX];
	struct request request;
	size_t at;

	(void)make_head(buffer, 1, REQUEST_HEAD_MAX);
	is_int(request_parse(buffer, REQUEST_HEAD_MAX, 0, &request), REQUEST_HEAD_MAX,
		"a head of 8 KiB is taken");
	(void)make_head(buffer, 8000, REQUEST_HEAD_MAX);
	is_int(request_parse(buffer, sizeof buffer, 0, &request), REQUEST_HEAD_MAX,
		"a request line of over 8000 bytes is taken");
	(void)make_head(buffer, 1, REQUEST_HEAD_MAX + 1);
	is_int(request_parse(buffer, REQUEST_HEAD_MAX - 1, 0, &request), 0,
		"before it is full, it may still end");
	is_int(request_parse(buffer, REQUEST_HEAD_MAX, 0, &request), -431, "a byte more is not");
	is_int(request_parse(buffer, sizeof buffer, 0, &request), -431,
		"also when it is all there");
	is_int(drip(buffer, REQUEST_HEAD_MAX + 1, &at), -431, "and drop by drop");
	(void)make_head(buffer, REQUEST_HEAD_MAX, REQUEST_HEAD_MAX + 100);
	is_int(request_parse(buffer, REQUEST_HEAD_MAX, 0, &request), -414,
		"a request line that fills the head is a long URI");
	buffer[0] = '\r';
	buffer[1] = '\n';
	is_int(request_parse(buffer, REQUEST_HEAD_MAX, 0, &request), -414,
		"the empty line in front is not the request line");
}

static void test_drip_is_linear(void)
{
	static char buffer[REQUEST_HEAD_MAX];
	struct request request;

	memset(buffer, 'x', sizeof buffer);
	buffer[10] = '\n';
	is_int(request_parse(buffer, 100, 0, &request), -400, "a bare LF is seen");
	is_int(request_parse(buffer, 100, 50, &request), 0, "bytes seen before are not read again");
}

static void test_meaning(void)
{
	static const struct {
		const char *name, *bytes, *path, *accept;
		enum method method;
		int minor;
		bool keep_alive, body;
	} heads[] = {
		{"1.1 keeps alive", "GET /instance HTTP/1.1\r\n" H "\r\n", "/instance", "",
			METHOD_GET, 1, true, false},
		{"1.0 closes", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/", "",
			METHOD_GET, 0, false, false},
		{"Connection: close closes", "HEAD / HTTP/1.1\r\n" H "Connection: close\r\n\r\n",
			"/", "", METHOD_HEAD, 1, false, false},
		{"close in a list, in any case",
			"GET / HTTP/1.1\r\n" H "Connection: te , ,CLOSE\r\n\r\n", "/", "",
			METHOD_GET, 1, false, false},
		{"close in a second field",
			"GET / HTTP/1.1\r\n" H "Connection: a\r\nConnection: close\r\n\r\n", "/",
			"", METHOD_GET, 1, false, false},
		{"disclosed is not close",
			"GET / HTTP/1.1\r\n" H "Connection: closed, xclose\r\n\r\n", "/", "",
			METHOD_GET, 1, true, false},
		{"the query is cut off", "GET /a%2Fb?c?d=/ HTTP/1.1\r\n" H "\r\n", "/a%2Fb", "",
			METHOD_GET, 1, true, false},
		{"absolute-form has a path", "GET http://h/a?b HTTP/1.1\r\n" H "\r\n", "/a", "",
			METHOD_GET, 1, true, false},
		{"absolute-form without one is /", "GET http://h HTTP/1.1\r\n" H "\r\n", "/", "",
			METHOD_GET, 1, true, false},
		{"absolute-form with only a query too", "GET http://h?x HTTP/1.1\r\n" H "\r\n", "/",
			"", METHOD_GET, 1, true, false},
		{"two slashes are a path", "GET //h/x HTTP/1.1\r\n" H "\r\n", "//h/x", "",
			METHOD_GET, 1, true, false},
		{"Accept is found",
			"GET / HTTP/1.1\r\n" H "accept:  text/html \r\nAccept: x\r\n\r\n", "/",
			"text/html", METHOD_GET, 1, true, false},
		{"OPTIONS * is another method", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "*", "",
			METHOD_OTHER, 1, true, false},
		{"DELETE may keep alive", "DELETE /x HTTP/1.1\r\n" H "\r\n", "/x", "", METHOD_OTHER,
			1, true, false},
		{"POST with a body may not", "POST / HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n",
			"/", "", METHOD_OTHER, 1, false, true},
		{"nor one in chunks", "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "/",
			"", METHOD_OTHER, 1, false, true},
		{"POST with an empty body may", "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
			"/", "", METHOD_OTHER, 1, true, false},
	};

	FOREACH_ELEMENT (i, heads) {
		struct request r;

		ok(request_parse(heads[i].bytes, strlen(heads[i].bytes), 0, &r) > 0 &&
				r.method == heads[i].method && r.minor == heads[i].minor &&
				r.keep_alive == heads[i].keep_alive && r.body == heads[i].body &&
				request_path_is(&r, heads[i].path) &&
				r.accept.length == strlen(heads[i].accept) &&
				memcmp(r.accept.data ? r.accept.data : "", heads[i].accept,
					r.accept.length) == 0,
			heads[i].name);
	}
}

static void test_media(void)
{
	static const struct {
		const char *accept;
		enum media expected;
	} accepts[] = {
		{"", MEDIA_JSON},
		{"*/*", MEDIA_JSON},
		{"application/json", MEDIA_JSON},
		{"application/*", MEDIA_JSON},
		{"APPLICATION/JSON", MEDIA_JSON},
		{"text/plain", MEDIA_TEXT},
		{"text/*", MEDIA_TEXT},
		{"text/html", MEDIA_HTML},
		{"text/html;charset=utf-8", MEDIA_HTML},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
			MEDIA_HTML},
		{"application/json, text/plain, */*", MEDIA_JSON},
		{"text/plain, */*", MEDIA_TEXT},
		{"text/plain;q=0.5, application/json;q=0.4", MEDIA_TEXT},
		{"text/plain;q=0.5, application/json;q=0.501", MEDIA_JSON},
		{"text/plain ; Q=0.5 , text/html ; q=1.000", MEDIA_HTML},
		{"*/*, application/json;q=0", MEDIA_TEXT},
		{"text/*, text/plain;q=0", MEDIA_HTML},
		{"*/*;q=0.1, text/*;q=0.2, text/plain;q=0.05", MEDIA_HTML},
		{"text/html;q=0", MEDIA_JSON},
		{"application/openmetrics-text, text/plain;q=0.5", MEDIA_TEXT},
		{"*/*;q=0", MEDIA_JSON},
		{"image/png", MEDIA_JSON},
		{"text/html;q=2, text/plain;q=0.1", MEDIA_TEXT},
		{"text/html;q=0.1234, text/plain;q=0.1", MEDIA_TEXT},
		{"text/html;q=.5, text/plain;q=0.1", MEDIA_TEXT},
		{"text/html;q=, text/plain;q=0.1", MEDIA_TEXT},
		{",, ,text/html,", MEDIA_HTML},
		{"text/htm", MEDIA_JSON},
		{"text/htmlx", MEDIA_JSON},
		{"*", MEDIA_JSON},
		{";;;=,q=1", MEDIA_JSON},
	};

	static const struct {
		const char *accept;
		enum media expected;
		const char *name;
	} of_scrapers[] = {
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		 "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
			MEDIA_OPENMETRICS, "Prometheus 2 prefers OpenMetrics"},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
		 "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
		 "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
			MEDIA_OPENMETRICS, "and so does Prometheus 3"},
		{"text/plain;version=0.0.4;q=1,*/*;q=0.1", MEDIA_TEXT, "Telegraf prefers text"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
		 "encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
			MEDIA_TEXT, "an old Prometheus takes text"},
		{"*/*", MEDIA_TEXT, "curl gets text"},
		{"", MEDIA_TEXT, "who says nothing gets text"},
		{"application/json, text/html", MEDIA_TEXT,
			"who wants what there is not gets text"},
		{"application/*;q=0.5, text/*;q=0.4", MEDIA_OPENMETRICS, "a group is enough"},
	};
	static const char text[] = "text/plain";
	char many[REQUEST_RANGES_MAX + sizeof text];
	const unsigned of_instance = 1u << MEDIA_JSON | 1u << MEDIA_TEXT | 1u << MEDIA_HTML;
	const unsigned of_metrics = 1u << MEDIA_TEXT | 1u << MEDIA_OPENMETRICS;

	FOREACH_ELEMENT (i, accepts) {
		size_t length = strlen(accepts[i].accept);
		_cleanup_free_ char *copy = malloc(length + 1);
		char name[128];

		memcpy(copy, accepts[i].accept, length);
		(void)snprintf(name, sizeof name, "Accept: %s", accepts[i].accept);
		is_int(request_media((struct span){copy, length}, of_instance), accepts[i].expected,
			name);
	}
	is_int(request_media((struct span){NULL, 0}, of_instance), MEDIA_JSON, "no Accept at all");
	memset(many, ',', sizeof many);
	memcpy(many + REQUEST_RANGES_MAX - 1, text, sizeof text - 1);
	is_int(request_media((struct span){many, sizeof many}, of_instance), MEDIA_TEXT,
		"the last range that counts");
	memset(many, ',', sizeof many);
	memcpy(many + REQUEST_RANGES_MAX, text, sizeof text - 1);
	is_int(request_media((struct span){many, sizeof many}, of_instance), MEDIA_JSON,
		"and the first that does not");
	FOREACH_ELEMENT (i, of_scrapers) {
		struct span accept = {of_scrapers[i].accept, strlen(of_scrapers[i].accept)};

		is_int(request_media(accept, of_metrics), of_scrapers[i].expected,
			of_scrapers[i].name);
	}
}

int main(void)
{
	test_vectors();
	test_limits();
	test_drip_is_linear();
	test_meaning();
	test_media();
	return done_testing();
}
