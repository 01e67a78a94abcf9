/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETER_MAX 256 /* bytes of a parameter's name */
#define CAPACITY      1024
#define UNRESERVED                                                                                 \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" /* RFC 3986, 2.3 */

static int make_room(struct query *query, size_t more)
{
	size_t wanted = query->length + more + 1, capacity = query->capacity;
	char *grown;

	if (wanted > QUERY_MAX)
		return -E2BIG;
	if (wanted <= capacity)
		return 0;
	while (capacity < wanted)
		capacity = capacity ? capacity * 2 : CAPACITY;
	grown = realloc(query->text, capacity);
	if (!grown)
		return -ENOMEM;
	query->text = grown;
	query->capacity = capacity;
	return 0;
}

static size_t encoded_length(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += strchr(UNRESERVED, *text) ? 1 : 3;
	return n;
}

/* There is room. */
static void append(struct query *query, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to = query->text + query->length;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(UNRESERVED, c)) {
			*to++ = *text;
			continue;
		}
		*to++ = '%';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	query->length = (size_t)(to - query->text);
}

static void add(struct query *query, const char *value, const char *name, va_list ap)
{
	char printed[PARAMETER_MAX];
	int n = vsnprintf(printed, sizeof printed, name, ap);

	if (query->error < 0)
		return;
	if (n < 0 || (size_t)n >= sizeof printed)
		query->error = -E2BIG;
	else
		query->error = make_room(query,
			(query->length > 0) + encoded_length(printed) + 1 + encoded_length(value));
	if (query->error < 0)
		return;
	if (query->length > 0)
		query->text[query->length++] = '&';
	append(query, printed);
	query->text[query->length++] = '=';
	append(query, value);
	query->text[query->length] = '\0';
}

void query_add(struct query *query, const char *value, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	add(query, value, name, ap);
	va_end(ap);
}

void query_add_number(struct query *query, double value, const char *name, ...)
{
	char text[32];
	va_list ap;

	if (!isfinite(value)) {
		query->error = query->error < 0 ? query->error : -EINVAL;
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	va_start(ap, name);
	add(query, text, name, ap);
	va_end(ap);
}

void query_clear(struct query *query)
{
	free(query->text);
	*query = (struct query){0};
}
