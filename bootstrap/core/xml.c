/* SPDX-License-Identifier: Apache-2.0 */
#include "xml.h"

#include <errno.h>
#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

/* An element that is open: what is in it so far. */
struct frame {
	json_t *members, *children; /* NULL: none yet */
	char *text;
	size_t length, capacity;
};

struct reading {
	XML_Parser parser;
	struct frame frames[XML_DEPTH_MAX + 1]; /* frames[0] holds the root */
	size_t depth, n_elements;
	int error;
};

static void stop(struct reading *reading, int error)
{
	reading->error = reading->error < 0 ? reading->error : error;
	(void)XML_StopParser(reading->parser, XML_FALSE);
}

static void frame_clear(struct frame *frame)
{
	json_decref(frame->members);
	json_decref(frame->children);
	free(frame->text);
	*frame = (struct frame){0};
}

/* A new reference; NULL: no memory, or no UTF-8. */
static json_t *frame_value(const struct frame *frame)
{
	json_t *object;

	if (!frame->children)
		return frame->members ? json_incref(frame->members)
				      : json_stringn(frame->text ? frame->text : "", frame->length);
	object = json_incref(frame->children);
	if (frame->members && json_object_set(object, "member", frame->members) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int frame_add(struct frame *frame, const char *name, json_t *value)
{
	if (strcmp(name, "member") == 0) {
		frame->members = frame->members ? frame->members : json_array();
		return json_array_append_new(frame->members, value);
	}
	frame->children = frame->children ? frame->children : json_object();
	return json_object_set_new(frame->children, name, value);
}

static void on_start(void *userdata, const char *name, const char **attributes)
{
	struct reading *reading = userdata;

	(void)name, (void)attributes;
	if (reading->depth == XML_DEPTH_MAX || reading->n_elements == XML_ELEMENTS_MAX) {
		stop(reading, -EBADMSG);
		return;
	}
	reading->n_elements++;
	reading->frames[++reading->depth] = (struct frame){0};
}

static void on_end(void *userdata, const char *name)
{
	struct reading *reading = userdata;
	const char *space = strrchr(name, ' '); /* between namespace and name */
	json_t *value;

	if (reading->error < 0) /* an empty element that was too much */
		return;
	value = frame_value(&reading->frames[reading->depth]);
	frame_clear(&reading->frames[reading->depth]);
	reading->depth--;
	name = reading->depth == 0 ? "root" : space ? space + 1 : name;
	if (!value || frame_add(&reading->frames[reading->depth], name, value) < 0)
		stop(reading, -ENOMEM);
}

static void on_text(void *userdata, const char *text, int length)
{
	struct reading *reading = userdata;
	struct frame *frame = &reading->frames[reading->depth];
	size_t wanted = frame->length + (size_t)length;

	if (wanted > frame->capacity) {
		char *grown = realloc(frame->text, wanted * 2);

		if (!grown) {
			stop(reading, -ENOMEM);
			return;
		}
		frame->text = grown;
		frame->capacity = wanted * 2;
	}
	memcpy(frame->text + frame->length, text, (size_t)length);
	frame->length = wanted;
}

static void on_doctype(
	void *userdata, const char *name, const char *system, const char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	stop(userdata, -EBADMSG);
}

int xml_to_json(const char *text, size_t length, json_t **ret_json)
{
	struct reading reading = {.parser = XML_ParserCreateNS(NULL, ' ')};
	json_t *root = NULL;

	if (!reading.parser)
		return -ENOMEM;
	XML_SetUserData(reading.parser, &reading);
	XML_SetElementHandler(reading.parser, on_start, on_end);
	XML_SetCharacterDataHandler(reading.parser, on_text);
	XML_SetStartDoctypeDeclHandler(reading.parser, on_doctype);
	if (length > INT_MAX || XML_Parse(reading.parser, text, (int)length, 1) != XML_STATUS_OK)
		stop(&reading, -EBADMSG);
	if (reading.error == 0)
		root = json_incref(json_object_get(reading.frames[0].children, "root"));
	XML_ParserFree(reading.parser);
	for (size_t i = 0; i <= XML_DEPTH_MAX; i++)
		frame_clear(&reading.frames[i]);
	if (reading.error == 0)
		*ret_json = root;
	return reading.error;
}
