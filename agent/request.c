/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <string.h>
#include <strings.h>

#include "cleanup.h"

/* What a head says about itself, field by field. */
struct head {
	struct request request;
	bool host, close;
	bool length, content; /* there is a Content-Length; it is not zero */
	bool coding;          /* there is a Transfer-Encoding */
};

/* What may stand beside letters and digits: RFC 9110 section 5.6.2, RFC 3986 section 3.2.2. */
#define TOKEN    "!#$%&'*+-.^_`|~"
#define REG_NAME "-._~%!$&'()*+,;="

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* How many of the first bytes are letters, digits, or one of the others. */
static size_t run_of(struct span text, const char *others)
{
	size_t n = 0, n_others = strlen(others);

	while (n < text.length && (is_letter(text.data[n]) || is_digit(text.data[n]) ||
					  memchr(others, text.data[n], n_others)))
		n++;
	return n;
}

static bool is_token(struct span text)
{
	return text.length > 0 && run_of(text, TOKEN) == text.length;
}

static bool span_is(struct span text, const char *word)
{
	return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

/* Field names, media types and the like: case does not count. */
static bool span_is_nocase(struct span text, const char *word)
{
	return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

static struct span skip(struct span text, size_t n)
{
	return (struct span){text.data + n, text.length - n};
}

/* Cuts off and returns what stands before `delimiter`, or all when there is none. */
static struct span take_until(struct span *text, char delimiter)
{
	const char *found = text->length ? memchr(text->data, delimiter, text->length) : NULL;
	struct span part = {text->data, found ? (size_t)(found - text->data) : text->length};

	*text = skip(*text, part.length + (found != NULL));
	return part;
}

static struct span trim(struct span text)
{
	while (text.length && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = skip(text, 1);
	while (text.length &&
		(text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
		text.length--;
	return text;
}

/* One empty line before the request line is forgiven: RFC 9112 section 2.2. */
static size_t lead_of(const char *data, size_t length)
{
	return length >= 2 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

/*
 * Finds the empty line. Every line ends in CRLF, and CR, LF and other control characters are
 * nowhere else; judged byte by byte, so that what can never become a head is refused at once.
 */
static ssize_t find_end(const char *data, size_t length, size_t seen)
{
	size_t limit = length < REQUEST_HEAD_MAX ? length : REQUEST_HEAD_MAX;
	size_t lead = lead_of(data, limit);

	for (size_t i = seen; i < limit; i++) {
		unsigned char c = (unsigned char)data[i];
		bool after_cr = i > 0 && data[i - 1] == '\r';

		if (after_cr != (c == '\n'))
			return -400;
		if (c == '\n' && i >= 2 && data[i - 2] == '\n')
			return (ssize_t)i + 1;
		if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return -400;
	}
	if (limit < REQUEST_HEAD_MAX)
		return 0;
	return memchr(data + lead, '\n', limit - lead) ? -431 : -414;
}

/* uri-host [ ":" port ], RFC 9110 section 7.2; an empty host is one. */
static bool is_authority(struct span text)
{
	size_t n;

	if (text.length && text.data[0] == '[') {
		n = 1 + run_of(skip(text, 1), ".:");
		if (n == 1 || n == text.length || text.data[n] != ']')
			return false;
		n++;
	} else {
		n = run_of(text, REG_NAME);
	}
	if (n < text.length && text.data[n++] != ':')
		return false;
	while (n < text.length && is_digit(text.data[n]))
		n++;
	return n == text.length;
}

/* The same where the host may not be empty: RFC 9110 section 4.2.1. */
static bool names_host(struct span text)
{
	return text.length && text.data[0] != ':' && is_authority(text);
}

/* Takes "http://authority" off an absolute-form target. */
static int strip_authority(struct span *target)
{
	static const char scheme[] = "http://";
	struct span authority;
	size_t n = 0;

	if (target->length < sizeof scheme - 1 ||
		strncasecmp(target->data, scheme, sizeof scheme - 1) != 0)
		return -400;
	authority = skip(*target, sizeof scheme - 1);
	while (n < authority.length && authority.data[n] != '/' && authority.data[n] != '?')
		n++;
	*target = skip(authority, n);
	authority.length = n;
	if (target->length == 0 || target->data[0] == '?')
		*target = (struct span){"/", 1};
	return names_host(authority) ? 0 : -400;
}

/* The four forms of RFC 9112 section 3.2, of visible characters and without a fragment. */
static int parse_target(struct span method, struct span target, struct span *ret_path)
{
	for (size_t i = 0; i < target.length; i++)
		if (target.data[i] <= ' ' || target.data[i] > '~' || target.data[i] == '#')
			return -400;
	if (span_is(method, "CONNECT") || (span_is(method, "OPTIONS") && span_is(target, "*"))) {
		*ret_path = target;
		return span_is(target, "*") || names_host(target) ? 0 : -400;
	}
	if (target.length == 0 || (target.data[0] != '/' && strip_authority(&target) < 0))
		return -400;
	*ret_path = take_until(&target, '?');
	return 0;
}

static int parse_version(struct span version, int *ret_minor)
{
	static const char name[] = "HTTP/";
	const char *digits = version.data + sizeof name - 1;

	if (version.length != sizeof name + 2 || memcmp(version.data, name, sizeof name - 1) != 0 ||
		!is_digit(digits[0]) || digits[1] != '.' || !is_digit(digits[2]))
		return -400;
	if (digits[0] != '1' || digits[2] > '1')
		return -505;
	*ret_minor = digits[2] - '0';
	return 0;
}

static int parse_method(struct span text, enum method *ret_method)
{
	static const struct {
		const char *name;
		enum method method;
	} methods[] = {
		{"GET", METHOD_GET},
		{"HEAD", METHOD_HEAD},
		{"POST", METHOD_OTHER},
		{"PUT", METHOD_OTHER},
		{"DELETE", METHOD_OTHER},
		{"OPTIONS", METHOD_OTHER},
		{"PATCH", METHOD_OTHER},
		{"TRACE", METHOD_OTHER},
		{"CONNECT", METHOD_OTHER},
	};

	FOREACH_ELEMENT (i, methods) {
		if (!span_is(text, methods[i].name))
			continue;
		*ret_method = methods[i].method;
		return 0;
	}
	return is_token(text) ? -501 : -400;
}

static int parse_request_line(struct span line, struct request *request)
{
	struct span method = take_until(&line, ' ');
	struct span target = take_until(&line, ' ');
	int r = parse_version(line, &request->minor);

	if (r == 0)
		r = parse_method(method, &request->method);
	return r < 0 ? r : parse_target(method, target, &request->path);
}

static int on_host(struct span value, struct head *head)
{
	if (head->host || !is_authority(value))
		return -400;
	head->host = true;
	head->request.host = value;
	return 0;
}

/* Digits alone: no sign, no list. What matters is only whether it is zero. */
static int on_content_length(struct span value, struct head *head)
{
	if (head->length || value.length == 0)
		return -400;
	head->length = true;
	for (size_t i = 0; i < value.length; i++) {
		if (!is_digit(value.data[i]))
			return -400;
		head->content |= value.data[i] != '0';
	}
	return 0;
}

static int on_transfer_encoding(struct span value, struct head *head)
{
	(void)value;
	head->coding = true;
	return 0;
}

static int on_connection(struct span value, struct head *head)
{
	while (value.length)
		head->close |= span_is_nocase(trim(take_until(&value, ',')), "close");
	return 0;
}

static int on_accept(struct span value, struct head *head)
{
	if (head->request.accept.length == 0)
		head->request.accept = value;
	return 0;
}

/*
 * field-name ":" OWS field-value OWS, RFC 9112 section 5. A line that begins with white space
 * (obs-fold), and white space before the colon, fail as a name that is no token.
 */
static int parse_field(struct span line, struct head *head)
{
	static const struct {
		const char *name;
		int (*take)(struct span value, struct head *head);
	} fields[] = {
		{"Host", on_host},
		{"Connection", on_connection},
		{"Accept", on_accept},
		{"Content-Length", on_content_length},
		{"Transfer-Encoding", on_transfer_encoding},
	};
	bool colon = memchr(line.data, ':', line.length) != NULL;
	struct span name = take_until(&line, ':');

	if (!colon || !is_token(name))
		return -400;
	FOREACH_ELEMENT (i, fields)
		if (span_is_nocase(name, fields[i].name))
			return fields[i].take(trim(line), head);
	return 0;
}

/* Where the next request would begin must be beyond doubt: RFC 9112 sections 3.2, 6.1 and 6.3. */
static int check_framing(struct head *head)
{
	struct request *request = &head->request;

	if (request->minor == 1 && !head->host)
		return -400;
	if (head->coding && (head->length || request->minor == 0))
		return -400;
	request->body = head->coding || head->content;
	if (request->body && request->method != METHOD_OTHER)
		return head->coding ? -501 : -413;
	request->keep_alive = request->minor == 1 && !head->close && !request->body;
	return 0;
}

ssize_t request_parse(const char *data, size_t length, size_t seen, struct request *ret_request)
{
	ssize_t end = find_end(data, length, seen);
	size_t lead = lead_of(data, length);
	struct head head = {0};
	struct span lines, line;
	int r;

	if (end <= 0)
		return end;
	lines = (struct span){data + lead, (size_t)end - lead - 2};
	line = take_until(&lines, '\r');
	r = parse_request_line(line, &head.request);
	while (r == 0 && lines.length > 1) {
		lines = skip(lines, 1); /* the LF */
		line = take_until(&lines, '\r');
		r = parse_field(line, &head);
	}
	if (r == 0)
		r = check_framing(&head);
	if (r < 0)
		return r;
	*ret_request = head.request;
	return end;
}

bool request_path_is(const struct request *request, const char *path)
{
	return span_is(request->path, path);
}

/* qvalue, RFC 9110 section 12.4.2, in thousandths; 0 when malformed: the range does not count. */
static int parse_qvalue(struct span text)
{
	int value = 0, unit = 1000;

	for (size_t i = 0; i < text.length; i++) {
		if (i == 1 && text.data[i] == '.')
			continue;
		if (i == 1 || !is_digit(text.data[i]) || unit == 0)
			return 0;
		value += (text.data[i] - '0') * unit;
		unit /= 10;
	}
	return value <= 1000 ? value : 0;
}

static int parse_weight(struct span parameters)
{
	while (parameters.length) {
		struct span value = take_until(&parameters, ';');
		struct span name = trim(take_until(&value, '='));

		if (span_is_nocase(name, "q"))
			return parse_qvalue(trim(value));
	}
	return 1000;
}

/* How closely a media range names the type: 3 itself, 2 its group, 1 anything, 0 not at all. */
static int match(struct span range, const char *type)
{
	size_t group = (size_t)(strchr(type, '/') - type) + 1;

	if (span_is_nocase(range, type))
		return 3;
	if (range.length == group + 1 && range.data[group] == '*' &&
		strncasecmp(range.data, type, group) == 0)
		return 2;
	return span_is(range, "*/*");
}

enum media request_media(struct span accept, unsigned media)
{
	static const char *const types[MEDIA_TYPES] = {
		[MEDIA_JSON] = "application/json",
		[MEDIA_TEXT] = "text/plain",
		[MEDIA_HTML] = "text/html",
		[MEDIA_OPENMETRICS] = "application/openmetrics-text",
	};
	struct {
		int rank, quality;
	} found[MEDIA_TYPES] = {0};
	enum media best = MEDIA_TYPES;

	for (int n = 0; accept.length && n < REQUEST_RANGES_MAX; n++) {
		struct span parameters = take_until(&accept, ',');
		struct span range = trim(take_until(&parameters, ';'));

		FOREACH_ELEMENT (i, types) {
			int rank = match(range, types[i]);

			if (rank <= found[i].rank)
				continue;
			found[i].rank = rank;
			found[i].quality = parse_weight(parameters);
		}
	}
	FOREACH_ELEMENT (i, types) {
		int better;

		if (!(media & 1u << i))
			continue;
		if (best == MEDIA_TYPES) {
			best = (enum media)i;
			continue;
		}
		better = found[i].quality - found[best].quality;
		if (better > 0 ||
			(better == 0 && found[i].quality > 0 && found[i].rank > found[best].rank))
			best = (enum media)i;
	}
	return best;
}
