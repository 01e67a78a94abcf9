/* SPDX-License-Identifier: Apache-2.0 */
#include "mime.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"

size_t span_size(struct span span)
{
	return (size_t)(span.end - span.at);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void span_skip_blanks(struct span *text)
{
	while (text->at < text->end && is_blank(*text->at))
		text->at++;
}

void span_line(struct span *text, struct span *ret_line)
{
	const char *newline = memchr(text->at, '\n', span_size(*text));

	ret_line->at = text->at;
	ret_line->end = newline ? newline : text->end;
	text->at = newline ? newline + 1 : text->end;
	if (ret_line->end > ret_line->at && ret_line->end[-1] == '\r')
		ret_line->end--;
}

bool span_equal_nocase(struct span span, const char *text)
{
	return span_size(span) == strlen(text) && strncasecmp(span.at, text, span_size(span)) == 0;
}

/* -- header fields -- */

/* One field with the lines that continue it (RFC 5322 section 2.2.3); false where there is none. */
static bool next_field(struct span *text, struct span *ret_name, struct span *ret_value)
{
	struct span rest = *text, line;
	const char *p;

	span_line(&rest, &line);
	for (p = line.at; p<line.end && * p> ' ' && *p < 127 && *p != ':'; p++)
		;
	if (p == line.at || p == line.end || *p != ':')
		return false;
	while (rest.at < rest.end && (*rest.at == ' ' || *rest.at == '\t'))
		span_line(&rest, &line);
	*ret_name = (struct span){text->at, p};
	*ret_value = (struct span){p + 1, line.end};
	*text = rest;
	return true;
}

/* Up to a blank, or a character of `stops`; blanks before it are skipped. */
static struct span next_token(struct span *value, const char *stops)
{
	struct span token;

	span_skip_blanks(value);
	token.at = value->at;
	while (value->at < value->end && !is_blank(*value->at) && *value->at &&
		!strchr(stops, *value->at))
		value->at++;
	token.end = value->at;
	return token;
}

/* Copies a parameter's value, a token or a quoted string; "" when it does not fit. */
static void copy_value(struct span *value, char *out, size_t size)
{
	size_t n = 0;
	bool quoted;

	span_skip_blanks(value);
	quoted = value->at < value->end && *value->at == '"';
	value->at += quoted;
	for (; value->at < value->end; value->at++) {
		if (quoted ? *value->at == '"' : is_blank(*value->at) || *value->at == ';')
			break;
		if (quoted && *value->at == '\\' && value->at + 1 < value->end)
			value->at++;
		if (n < size)
			out[n++] = *value->at;
	}
	out[n < size ? n : 0] = '\0';
}

static void read_content_type(struct span value, struct mime_entity *entity)
{
	struct span type = next_token(&value, ";");
	char ignored[2], *p = entity->type;

	if (span_size(type) >= sizeof entity->type)
		return;
	while (type.at < type.end)
		*p++ = (char)tolower((unsigned char)*type.at++);
	*p = '\0';
	while ((value.at = memchr(value.at, ';', span_size(value)))) {
		struct span name;

		value.at++;
		name = next_token(&value, "=;");
		span_skip_blanks(&value);
		if (value.at == value.end || *value.at != '=')
			continue;
		value.at++;
		if (span_equal_nocase(name, "boundary"))
			copy_value(&value, entity->boundary, sizeof entity->boundary);
		else
			copy_value(&value, ignored, sizeof ignored);
	}
}

void mime_read(struct span text, struct mime_entity *ret_entity)
{
	struct mime_entity entity = {.type = "text/plain", .encoding = {text.at, text.at}};
	struct span name, value, empty;

	while (next_field(&text, &name, &value)) {
		if (span_equal_nocase(name, "Content-Type")) {
			entity.has_fields = true;
			read_content_type(value, &entity);
		} else if (span_equal_nocase(name, "MIME-Version")) {
			entity.has_fields = true;
		} else if (span_equal_nocase(name, "Content-Transfer-Encoding")) {
			entity.encoding = next_token(&value, ";");
		}
	}
	entity.body = text;
	span_line(&text, &empty);
	if (empty.at == empty.end)
		entity.body = text;
	*ret_entity = entity;
}

/* -- multipart -- */

/* RFC 2046 section 5.1.1; blanks may follow. */
static enum mime_delimiter delimiter_of(struct span line, const char *boundary)
{
	size_t length = strlen(boundary);
	enum mime_delimiter delimiter = MIME_OPEN;

	if (span_size(line) < length + 2 || memcmp(line.at, "--", 2) != 0 ||
		memcmp(line.at + 2, boundary, length) != 0)
		return MIME_END;
	line.at += length + 2;
	if (span_size(line) >= 2 && memcmp(line.at, "--", 2) == 0) {
		line.at += 2;
		delimiter = MIME_CLOSE;
	}
	span_skip_blanks(&line);
	return line.at == line.end ? delimiter : MIME_END;
}

enum mime_delimiter mime_next(struct span *text, const char *boundary, struct span *ret_before)
{
	const char *start = text->at;

	while (text->at < text->end) {
		const char *end = text->at;
		struct span line;
		enum mime_delimiter delimiter;

		span_line(text, &line);
		delimiter = delimiter_of(line, boundary);
		if (delimiter == MIME_END)
			continue;
		end -= end > start && end[-1] == '\n';
		end -= end > start && end[-1] == '\r';
		*ret_before = (struct span){start, end};
		return delimiter;
	}
	*ret_before = (struct span){start, text->end};
	return MIME_END;
}

/* -- transfer encodings -- */

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *digit = c ? strchr(digits, c) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

/* RFC 2045 section 6.8, but strict: a foreign character may mean a lost line. */
int mime_decode_base64(struct span text, char *out, size_t *ret_length, struct err *err)
{
	size_t n = 0, digits = 0, padding = 0;
	uint32_t bits = 0;
	bool bad = false;

	for (; text.at < text.end && !bad; text.at++) {
		int digit = base64_digit(*text.at);

		if (is_blank(*text.at))
			continue;
		bad = *text.at == '=' ? ++padding > 2 : digit < 0 || padding > 0;
		if (bad || digit < 0)
			continue;
		bits = bits << 6 | (uint32_t)digit;
		if (digits++ % 4 > 0)
			out[n++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
	}
	*ret_length = n;
	if (bad)
		return err_set(err, -EBADMSG, "there is a character in it that is not base64");
	if ((digits + padding) % 4 != 0)
		return err_set(err, -EBADMSG, "its base64 is cut off");
	return 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

/* RFC 2045 section 6.7: "=XX" is a byte, "=" at the end of a line joins it to the next. */
static int decode_quoted_printable(struct span text, char *out, size_t *ret_length, struct err *err)
{
	char *start = out;
	int r = 0;

	while (text.at < text.end && r == 0) {
		struct span rest = text, line;

		if (*text.at != '=') {
			*out++ = *text.at++;
			continue;
		}
		span_line(&rest, &line);
		line.at++;
		if (span_size(line) >= 2 && hex_digit(line.at[0]) >= 0 &&
			hex_digit(line.at[1]) >= 0) {
			*out++ = (char)(hex_digit(line.at[0]) << 4 | hex_digit(line.at[1]));
			text.at += 3;
			continue;
		}
		span_skip_blanks(&line);
		if (line.at < line.end)
			r = err_set(err, -EBADMSG,
				"a \"=\" in its quoted-printable has no two hexadecimal digits");
		text = rest;
	}
	*ret_length = (size_t)(out - start);
	return r;
}

static int decode_nothing(struct span text, char *out, size_t *ret_length, struct err *err)
{
	(void)err;
	memcpy(out, text.at, span_size(text));
	*ret_length = span_size(text);
	return 0;
}

int mime_decode(
	struct span text, struct span encoding, char *out, size_t *ret_length, struct err *err)
{
	static const struct {
		const char *name;
		int (*decode)(struct span text, char *out, size_t *ret_length, struct err *err);
	} encodings[] = {
		{"", decode_nothing},
		{"7bit", decode_nothing},
		{"8bit", decode_nothing},
		{"binary", decode_nothing},
		{"base64", mime_decode_base64},
		{"quoted-printable", decode_quoted_printable},
	};

	FOREACH_ELEMENT (i, encodings)
		if (span_equal_nocase(encoding, encodings[i].name))
			return encodings[i].decode(text, out, ret_length, err);
	*ret_length = 0;
	return err_set(err, -EBADMSG, "its Content-Transfer-Encoding %.*s is not known",
		span_size(encoding) < 40 ? (int)span_size(encoding) : 40, encoding.at);
}
