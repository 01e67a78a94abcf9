/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define DATE_LENGTH 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	FOREACH_ELEMENT (i, reasons)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return ""; /* RFC 9112 section 4: may be empty */
}

/* IMF-fixdate, RFC 9110 section 5.6.7; strftime() would speak the locale's language. */
static void format_date(time_t when, char ret_date[static DATE_LENGTH])
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm = {0};
	char text[128];

	(void)gmtime_r(&when, &tm);
	(void)snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
		tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(ret_date, text, DATE_LENGTH);
}

int response_render(struct response *response, int status, const char *content_type,
	const char *extra, const void *body, size_t length)
{
	_cleanup_free_ char *head = NULL;
	char date[DATE_LENGTH + 1] = "";
	time_t now = time(NULL);
	int n;

	format_date(now, date);
	n = asprintf(&head,
		"HTTP/1.1 %d %s\r\n"
		"Date: %s\r\n"
		"Server: instanced\r\n"
		"Content-Type: %s\r\n"
		"Content-Length: %zu\r\n"
		"Cache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"%s\r\n",
		status, reason_of(status), date, content_type, length, extra ? extra : "");
	if (n < 0) {
		head = NULL;
		return -ENOMEM;
	}
	if (response->capacity < (size_t)n + length) {
		char *grown = realloc(response->data, (size_t)n + length);

		if (!grown)
			return -ENOMEM;
		response->data = grown;
		response->capacity = (size_t)n + length;
	}
	memcpy(response->data, head, (size_t)n);
	if (length > 0)
		memcpy(response->data + n, body, length);
	response->head_length = (size_t)n;
	response->length = (size_t)n + length;
	response->date = (size_t)(strchr(head, '\n') - head) + sizeof "Date: ";
	response->rendered = now;
	return 0;
}

int response_render_error(struct response *response, int status)
{
	char body[64];
	int n = snprintf(body, sizeof body, "%d %s\n", status, reason_of(status));

	return response_render(response, status, "text/plain; charset=utf-8",
		status == 405 ? "Allow: GET, HEAD\r\n" RESPONSE_CLOSED : RESPONSE_CLOSED, body,
		(size_t)n);
}

const struct response *response_touch(struct response *response)
{
	time_t now = time(NULL);

	if (response->data && response->rendered != now) {
		format_date(now, response->data + response->date);
		response->rendered = now;
	}
	return response;
}

void response_release(struct response *response)
{
	free(response->data);
	*response = (struct response){0};
}
