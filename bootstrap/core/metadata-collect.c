/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "metadata.h"

#define IDENTITY_PATH "dynamic/instance-identity/document"
#define TAGS_PATH     "meta-data/tags/instance"
#define FIRST_PAUSE   3   /* of imds_backoff(): 400 ms, for a dozen questions each time */
#define TAG_KEY_MAX   128 /* EC2 User Guide, "Tag restrictions" */

/*
 * A collection under way. Each request that still has to answer is counted, and knows where its
 * value goes. When all have, the identity document is asked for once more.
 */
struct collection {
	struct imds *imds;
	struct metadata *metadata;
	uint64_t deadline; /* CLOCK_BOOTTIME, usec */
	unsigned pending, attempt;
	bool checked; /* the second identity document is there */
	int result;
	struct err err;
	metadata_done done;
	void *userdata;
};

struct slot {
	struct collection *collection;
	char **value;
	enum metadata_form form;
	const char *name;
};

static void on_identity(struct imds_answer *answer, void *userdata);

static uint64_t time_left(const struct collection *c)
{
	uint64_t time = clock_boot();

	return time < c->deadline ? c->deadline - time : 0;
}

static int ask_identity(struct collection *c, uint64_t wait_usec)
{
	int r = imds_get_later(c->imds, IDENTITY_PATH, wait_usec, time_left(c), on_identity, c);

	c->pending += r == 0;
	return r;
}

/* The first fault of an attempt is the one that is told. */
static void note_fault(struct collection *c, int result, const struct err *err)
{
	if (c->result == 0) {
		c->result = result;
		c->err = *err;
	}
}

/*
 * What makes no sense may make sense in a moment: another instance's answers, a page of somebody
 * else's, a service that is not up yet. A service that is switched off says so, and that is that.
 */
static bool begin_again(struct collection *c)
{
	static const int passing[] = {-EBADMSG, -ENOENT, -ESTALE};
	uint64_t wait = imds_backoff(FIRST_PAUSE + c->attempt++, true, NULL, UINT32_MAX);
	struct metadata *fresh;
	bool passes = false;

	FOREACH_ELEMENT (i, passing)
		passes |= c->result == passing[i];
	if (!passes || wait >= time_left(c))
		return false;
	fresh = calloc(1, sizeof *fresh);
	if (!fresh)
		return false;
	imds_doubt(c->imds, &c->err);
	metadata_free(c->metadata);
	c->metadata = fresh;
	c->checked = false;
	c->result = 0;
	return ask_identity(c, wait) == 0;
}

static void collection_settle(struct collection *c)
{
	int r;

	if (c->pending > 0)
		return;
	if (c->result == 0 && !c->checked) {
		r = ask_identity(c, 0);
		if (r == 0)
			return;
		c->result = err_set(&c->err, r, "metadata service: %m");
	}
	if (c->result < 0 && begin_again(c))
		return;
	if (c->result < 0)
		c->metadata = metadata_free(c->metadata);
	imds_doubt(c->imds, NULL);
	c->done(c->result, c->metadata, &c->err, c->userdata);
	free(c);
}

static void on_value(struct imds_answer *answer, void *userdata)
{
	struct slot *slot = userdata;
	struct collection *c = slot->collection;
	bool own_words = slot->form == METADATA_LINE || slot->form == METADATA_LINES;

	if (answer->result == 0 && metadata_fits(slot->form, answer->body, answer->length))
		*slot->value = steal_ptr(answer->body);
	else if (answer->result == 0 && answer->length > 0 && !own_words)
		answer->result = err_set(&answer->err, -EBADMSG,
			"metadata service: %s is not what it should be", slot->name);
	if (answer->result < 0 && answer->result != -ENOENT && answer->result != -EACCES)
		note_fault(c, answer->result, &answer->err);
	free(slot);
	c->pending--;
	collection_settle(c);
}

static void ask(struct collection *c, const char *path, enum metadata_form form, const char *name,
	char **value)
{
	struct slot *slot = calloc(1, sizeof *slot);
	struct err err;
	int r = -ENOMEM;

	if (slot) {
		*slot = (struct slot){c, value, form, name};
		r = imds_get(c->imds, path, time_left(c), on_value, slot);
	}
	if (r == 0) {
		c->pending++;
		return;
	}
	free(slot);
	err_set(&err, r, "metadata service: %s: %m", name);
	note_fault(c, r, &err);
}

/* Percent-encodes what is not unreserved (RFC 3986, section 2.3). */
static void tag_path(const char *key, char *ret_path, size_t size)
{
	size_t n = (size_t)snprintf(ret_path, size, TAGS_PATH "/");

	for (; *key && n + 4 < size; key++)
		n += (size_t)snprintf(ret_path + n, size - n,
			isalnum((unsigned char)*key) || strchr("-._~", *key) ? "%c" : "%%%02X",
			(unsigned char)*key);
}

/* EC2 User Guide, "Tag restrictions for instance metadata": what a key can be made of there. */
static bool is_key(const char *key)
{
	size_t length = strlen(key);

	return length <= TAG_KEY_MAX && strcmp(key, ".") != 0 && strcmp(key, "..") != 0 &&
	       strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			   "0123456789+-=.,_:@") == length;
}

static void on_tags(struct imds_answer *answer, void *userdata)
{
	struct collection *c = userdata;
	struct metadata *metadata = c->metadata;
	char *rest = answer->result == 0 ? answer->body : NULL, *key;

	if (answer->result < 0 && answer->result != -ENOENT && answer->result != -EACCES)
		note_fault(c, answer->result, &answer->err);
	while ((key = strsep(&rest, "\n")) && metadata->n_tags < METADATA_TAGS_MAX) {
		char path[sizeof TAGS_PATH + 1 + 3 * TAG_KEY_MAX + 4];

		if (!*key)
			continue;
		if (!is_key(key)) {
			err_set(&answer->err, -EBADMSG,
				"metadata service: the list of tags is not what it should be");
			note_fault(c, -EBADMSG, &answer->err);
			break;
		}
		metadata->tags[metadata->n_tags].key = strdup(key);
		if (!metadata->tags[metadata->n_tags].key) {
			err_set(&answer->err, -ENOMEM, "metadata service: %m");
			note_fault(c, -ENOMEM, &answer->err);
			break;
		}
		tag_path(key, path, sizeof path);
		ask(c, path, METADATA_LINE, metadata->tags[metadata->n_tags].key,
			&metadata->tags[metadata->n_tags].value);
		metadata->n_tags++;
	}
	c->pending--;
	collection_settle(c);
}

static void ask_all(struct collection *c)
{
	for (size_t i = 0; i < METADATA_FIELDS; i++) {
		const struct metadata_name *about = &metadata_names[i];
		char path[64];

		if (!about->path)
			continue;
		snprintf(path, sizeof path, "meta-data/%s", about->path);
		ask(c, path, about->form, about->name, &c->metadata->fields[i]);
	}
	if (imds_get(c->imds, TAGS_PATH, time_left(c), on_tags, c) == 0)
		c->pending++;
}

/* The second document: whose all the values are. */
static void check_identity(
	struct collection *c, const struct metadata *again, const struct err *err, int result)
{
	const char *before = c->metadata->fields[METADATA_INSTANCE_ID], *after = before;
	struct err words = *err;

	if (result == 0)
		after = again->fields[METADATA_INSTANCE_ID];
	if (strcmp(before, after) != 0)
		result = err_set(&words, -ESTALE,
			"metadata service: it was that of %.64s and then of %.64s, while it was "
			"read",
			before, after);
	if (result < 0)
		note_fault(c, result, &words);
	c->checked = true;
}

static void on_identity(struct imds_answer *answer, void *userdata)
{
	struct collection *c = userdata;
	bool first = !c->metadata->fields[METADATA_INSTANCE_ID];
	struct metadata *read = first ? c->metadata : calloc(1, sizeof *read);
	int r = answer->result;

	if (!read)
		r = err_set(&answer->err, -ENOMEM, "metadata service: %m");
	if (r == 0)
		r = metadata_parse_identity(read, answer->body, answer->length, &answer->err);
	if (!first) {
		check_identity(c, read, &answer->err, r);
		metadata_free(read);
	} else if (r == 0) {
		ask_all(c);
	} else {
		note_fault(c, r, &answer->err);
	}
	c->pending--;
	collection_settle(c);
}

static int collect(struct imds *imds, uint64_t timeout_usec, metadata_done done, void *userdata,
	struct collection **ret_collection)
{
	struct collection *c = calloc(1, sizeof *c);
	uint64_t start = clock_boot();
	int r = -ENOMEM;

	if (c)
		*c = (struct collection){.imds = imds,
			.metadata = calloc(1, sizeof *c->metadata),
			.deadline = timeout_usec > UINT64_MAX - start ? UINT64_MAX
								      : start + timeout_usec,
			.done = done,
			.userdata = userdata};
	if (c && c->metadata)
		r = ask_identity(c, 0);
	if (r < 0 && c) {
		free(c->metadata);
		free(c);
	}
	*ret_collection = r < 0 ? NULL : c;
	return r;
}

int metadata_collect(struct imds *imds, uint64_t timeout_usec, metadata_done done, void *userdata)
{
	struct collection *c;

	return collect(imds, timeout_usec, done, userdata, &c);
}

struct waited {
	struct metadata *metadata;
	struct err *err;
	int result;
	bool done;
};

static void on_collected(
	int result, struct metadata *metadata, const struct err *err, void *userdata)
{
	struct waited *waited = userdata;

	waited->result = result;
	waited->metadata = metadata;
	if (result < 0 && waited->err)
		*waited->err = *err;
	waited->done = true;
}

/* Of a collection that nobody waits for any more. */
static void on_late(int result, struct metadata *metadata, const struct err *err, void *userdata)
{
	(void)result, (void)err, (void)userdata;
	metadata_free(metadata);
}

int metadata_wait(sd_event *event, struct imds *imds, uint64_t timeout_usec,
	struct metadata **ret_metadata, struct err *err)
{
	struct waited waited = {.err = err};
	struct collection *c;
	int r = collect(imds, timeout_usec, on_collected, &waited, &c);

	while (r >= 0 && !waited.done)
		r = sd_event_run(event, UINT64_MAX);
	if (r < 0 && c && !waited.done)
		c->done = on_late;
	if (r < 0)
		return err_set(err, r, "metadata service: %m");
	if (waited.result < 0)
		return waited.result;
	*ret_metadata = waited.metadata;
	return 0;
}
