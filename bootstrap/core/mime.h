/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mime: reads MIME entities (RFC 2045, RFC 2046) as far as user-data needs it: type, boundary,
 * transfer encoding, and what is between the delimiters. Lines end in LF or CRLF, also mixed. Pure,
 * and nothing is copied but what is decoded. Private to core/user-data.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define MIME_TYPE_MAX     64
#define MIME_BOUNDARY_MAX 200 /* RFC 2046 section 5.1.1 says 70; Python's reader has no limit */

/* Bytes of somebody else's. */
struct span {
	const char *at, *end;
};

struct mime_entity {
	bool has_fields;          /* Content-Type or MIME-Version */
	char type[MIME_TYPE_MAX]; /* lower case, no parameters; "text/plain" unless given */
	char boundary[MIME_BOUNDARY_MAX + 1]; /* "": none that can be used */
	struct span encoding;                 /* of the transfer; empty unless given */
	struct span body;
};

enum mime_delimiter {
	MIME_END,   /* there is none */
	MIME_OPEN,  /* "--boundary": a part follows */
	MIME_CLOSE, /* "--boundary--": no part follows */
};

size_t span_size(struct span span);
bool span_equal_nocase(struct span span, const char *text);
void span_skip_blanks(struct span *text); /* ends of lines too */
/* Takes one line (or what is left) off `text`; `ret_line` is without its end of line. */
void span_line(struct span *text, struct span *ret_line);

/* Reads header fields up to the first line that is none; that line is the body's unless empty. */
void mime_read(struct span text, struct mime_entity *ret_entity);

/*
 * The next delimiter line of `boundary` in `text`, which moves behind it. `ret_before` is what was
 * before it, less the end of line that belongs to the delimiter.
 */
enum mime_delimiter mime_next(struct span *text, const char *boundary, struct span *ret_before);

/*
 * Undoes the transfer encoding; `out` has room for as many bytes as `text` has. `ret_length` bytes
 * are written also when the rest is broken. Returns 0, or -EBADMSG.
 */
int mime_decode(
	struct span text, struct span encoding, char *out, size_t *ret_length, struct err *err);
int mime_decode_base64(struct span text, char *out, size_t *ret_length, struct err *err);
