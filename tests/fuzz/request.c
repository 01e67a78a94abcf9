/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of HTTP requests: byte after byte they must come to what they come to as a whole, and what
 * follows a head must make no difference.
 *
 * Covers: agent/request.c
 */
#include "../../agent/request.h"

#include "fuzz.h"

static bool span_equal(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool request_equal(const struct request *a, const struct request *b)
{
	return a->method == b->method && a->minor == b->minor && a->keep_alive == b->keep_alive &&
	       a->body == b->body && span_equal(a->path, b->path) &&
	       span_equal(a->accept, b->accept);
}

static void check_refusal(ssize_t status)
{
	static const int statuses[] = {-400, -413, -414, -431, -501, -505};
	bool known = false;

	FOREACH_ELEMENT (i, statuses)
		known |= statuses[i] == status;
	must(known);
}

static void check_request(const struct request *request, const char *head, size_t length)
{
	must(memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
	must(request->path.length > 0 && request->path.length < length);
	must(!request->keep_alive || (request->minor == 1 && !request->body));
	must(!request->body || request->method == METHOD_OTHER);
	for (unsigned media = 1; media < 1 << MEDIA_TYPES; media++)
		must(1u << request_media(request->accept, media) & media);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct request whole = {0}, dripped = {0}, alone = {0};
	ssize_t r = request_parse(text, size, 0, &whole), drip = 0;
	_cleanup_free_ char *head = NULL;

	for (size_t n = 0; drip == 0 && n <= size; n++)
		drip = request_parse(text, n, n > 0 ? n - 1 : 0, &dripped);
	must(drip == r);
	must(r <= (ssize_t)size && r <= REQUEST_HEAD_MAX);
	must(r != 0 || size < REQUEST_HEAD_MAX);
	if (r < 0)
		check_refusal(r);
	if (r <= 0)
		return 0;
	must(request_equal(&whole, &dripped));
	head = malloc((size_t)r);
	must(head);
	memcpy(head, text, (size_t)r);
	must(request_parse(head, (size_t)r, 0, &alone) == r && request_equal(&whole, &alone));
	check_request(&alone, head, (size_t)r);
	return 0;
}
