/* SPDX-License-Identifier: Apache-2.0 */
#include "user-data.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "gzip.h"
#include "mime.h"

#define FIRST_LINE "#instanced"
#define OUR_TYPE   "text/x-instanced"

/* One walk through a document and all that is wrapped in it. */
struct search {
	struct err *err;
	size_t budget; /* bytes that gzip may still expand to */
	char *text;    /* ours, once it is found */
	size_t length;
};

/* How a part is judged; a type that is not here is somebody else's. */
static const struct judgement {
	const char *type;
	bool ours; /* whatever its first line is; else by that */
} judgements[] = {
	{OUR_TYPE, true},
	{"text/plain", false},
	{"application/gzip", false}, /* the names that cloud-init takes for gzip */
	{"application/gzip-compressed", false},
	{"application/gzipped", false},
	{"application/x-compress", false},
	{"application/x-compressed", false},
	{"application/x-gunzip", false},
	{"application/x-gzip", false},
	{"application/x-gzip-compressed", false},
};

static int search_document(struct search *search, struct span text, bool ours, unsigned depth);

static bool starts_with(struct span text, const char *what)
{
	return span_size(text) >= strlen(what) && memcmp(text.at, what, strlen(what)) == 0;
}

static bool has_first_line(struct span text)
{
	struct span line;

	span_skip_blanks(&text);
	span_line(&text, &line);
	if (!starts_with(line, FIRST_LINE))
		return false;
	line.at += strlen(FIRST_LINE);
	span_skip_blanks(&line);
	return line.at == line.end;
}

static bool is_mime(struct span text)
{
	struct mime_entity entity;

	mime_read(text, &entity);
	return entity.has_fields;
}

/* Of what could not be read to its end: whether the part that could leaves it open. */
static bool may_be_ours(struct span text)
{
	return span_size(text) < sizeof FIRST_LINE || has_first_line(text) || is_mime(text);
}

static bool names_our_type(struct span text)
{
	for (; span_size(text) >= strlen(OUR_TYPE); text.at++)
		if (strncasecmp(text.at, OUR_TYPE, strlen(OUR_TYPE)) == 0)
			return true;
	return false;
}

static int take(struct search *search, struct span text)
{
	size_t length = span_size(text);

	if (search->text)
		return err_set(search->err, -EBADMSG,
			"there is more than one " FIRST_LINE " document in it");
	search->text = malloc(length + 1);
	if (!search->text)
		return err_set(search->err, -ENOMEM, "%m");
	memcpy(search->text, text.at, length);
	search->text[length] = '\0';
	search->length = length;
	return 0;
}

static int search_gzip(struct search *search, struct span data, bool ours, unsigned depth)
{
	_cleanup_free_ char *expanded = NULL;
	struct span text;
	size_t length;
	int r = gzip_expand(
		data.at, span_size(data), search->budget, &expanded, &length, search->err);

	if (r == -ENOMEM)
		return r;
	if (r == -EFBIG)
		r = err_set(search->err, -EBADMSG, "its gzip expands to more than 1 MiB");
	text = (struct span){expanded, expanded + length};
	search->budget -= length;
	if (r < 0)
		return !ours && !may_be_ours(text) ? 0 : r;
	return search_document(search, text, ours, depth + 1);
}

/* As cloud-init 23.3 has it: the whole document, encoded before it was given to EC2's tools. */
static int search_base64(struct search *search, struct span text, unsigned depth)
{
	_cleanup_free_ char *decoded = malloc(span_size(text) + 1);
	struct span inner;
	size_t length;
	int r;

	if (!decoded)
		return err_set(search->err, -ENOMEM, "%m");
	r = mime_decode_base64(text, decoded, &length, search->err);
	inner = (struct span){decoded, decoded + length};
	if (r < 0)
		return has_first_line(inner) ? r : 0;
	return search_document(search, inner, false, depth + 1);
}

static int search_single(struct search *search, const struct mime_entity *entity, unsigned depth)
{
	_cleanup_free_ char *decoded = NULL;
	const struct judgement *judgement = NULL;
	struct span text;
	size_t length;
	int r;

	FOREACH_ELEMENT (i, judgements)
		if (strcmp(entity->type, judgements[i].type) == 0)
			judgement = &judgements[i];
	if (!judgement)
		return 0;
	decoded = malloc(span_size(entity->body) + 1);
	if (!decoded)
		return err_set(search->err, -ENOMEM, "%m");
	r = mime_decode(entity->body, entity->encoding, decoded, &length, search->err);
	text = (struct span){decoded, decoded + length};
	if (r < 0)
		return judgement->ours || may_be_ours(text) ? r : 0;
	return search_document(search, text, judgement->ours, depth + 1);
}

static int search_entity(struct search *search, struct span text, unsigned depth)
{
	struct mime_entity entity;
	enum mime_delimiter delimiter;
	struct span part;
	int r = 0;

	mime_read(text, &entity);
	if (strncmp(entity.type, "multipart/", strlen("multipart/")) != 0)
		return search_single(search, &entity, depth);
	if (depth == USER_DATA_DEPTH_MAX)
		return err_set(search->err, -EBADMSG, "its parts are nested too deep");
	text = entity.body;
	delimiter = *entity.boundary ? mime_next(&text, entity.boundary, &part) : MIME_END;
	if (delimiter != MIME_OPEN && names_our_type(entity.body))
		return err_set(search->err, -EBADMSG,
			"it is MIME multipart and names " OUR_TYPE ", but no part begins with its "
			"boundary \"%s\"",
			entity.boundary);
	while (r == 0 && delimiter == MIME_OPEN) {
		const char *before = search->text;

		delimiter = mime_next(&text, entity.boundary, &part);
		r = search_entity(search, part, depth + 1);
		if (r == 0 && delimiter == MIME_END && search->text != before)
			r = err_set(search->err, -EBADMSG,
				"its " FIRST_LINE " part is cut off: no line \"--%s--\" closes it",
				entity.boundary);
	}
	return r;
}

static int search_document(struct search *search, struct span text, bool ours, unsigned depth)
{
	if (depth > USER_DATA_DEPTH_MAX)
		return err_set(search->err, -EBADMSG, "it is wrapped too often");
	if (starts_with(text, "\xef\xbb\xbf"))
		text.at += 3;
	if (gzip_is(text.at, span_size(text)))
		return search_gzip(search, text, ours, depth);
	if (ours || has_first_line(text))
		return take(search, text);
	if (is_mime(text))
		return search_entity(search, text, depth);
	return depth == 0 ? search_base64(search, text, depth) : 0;
}

int user_data_layer(
	const void *data, size_t size, char **ret_text, size_t *ret_length, struct err *err)
{
	struct err why; /* also of what is then found to be somebody else's */
	struct search search = {.err = &why, .budget = USER_DATA_EXPANDED_MAX};
	_cleanup_free_ char *text = NULL;
	const char *start = size > 0 ? data : "";
	int r;

	if (size > USER_DATA_MAX)
		return err_set(err, -EBADMSG, "it has %zu bytes, EC2 keeps at most %zu", size,
			USER_DATA_MAX);
	r = search_document(&search, (struct span){start, start + size}, false, 0);
	text = search.text;
	if (r < 0 && err)
		*err = why;
	if (r < 0 || !text)
		return r;
	*ret_text = steal_ptr(text);
	*ret_length = search.length;
	return 1;
}
