/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of AWS services: XML as JSON, errors, and what Auto Scaling says. What an error says is
 * one line of text.
 *
 * Covers: bootstrap/core/xml.c bootstrap/core/aws-judge.c bootstrap/core/autoscaling.c
 */
#include <errno.h>

#include "../../bootstrap/core/aws-judge.h"
#include "autoscaling.h"
#include "fuzz.h"
#include "xml.h"

#define STATUSES 7

static void check_line(const char *text)
{
	json_t *json = json_string(text); /* NULL unless UTF-8 */

	must(json);
	json_decref(json);
	for (; *text; text++)
		must((unsigned char)*text >= ' ' && *text != 0x7f);
}

static size_t depth_of(const json_t *json)
{
	size_t deepest = 0, depth, i;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)json, key, value)
		deepest = (depth = depth_of(value)) > deepest ? depth : deepest;
	json_array_foreach (json, i, value)
		deepest = (depth = depth_of(value)) > deepest ? depth : deepest;
	return deepest + 1;
}

static void check_error(int status, const char *text, size_t length)
{
	struct aws_error error;
	struct err words;

	aws_error_read(status, text, length, &error);
	check_line(error.code);
	check_line(error.message);
	aws_error_text(AWS_SET_INSTANCE_HEALTH, &error, &words);
	must((aws_judge(AWS_SET_INSTANCE_HEALTH, status, error.code, error.message, true) ==
		     AWS_USE) == (status / 100 == 2));
	(void)aws_is_throttled(&error);
}

/* The answer is in the result element, which is in the root (aws.c). */
static void check_answer(const json_t *root)
{
	static struct autoscaling_hooks hooks;
	struct autoscaling_instance instance;
	struct err err = {""};
	const char *key;
	json_t *result;
	int r;

	json_object_foreach ((json_t *)root, key, result) {
		r = autoscaling_read_instance(result, "i-1", &instance, &err);
		must(r == 0 || ((r == -EBADMSG || r == -ENOENT) && err.text[0]));
		if (r == 0)
			(void)autoscaling_waits(instance.state, true);
		hooks.n = 0;
		r = autoscaling_read_hooks(result, &hooks, &err);
		must(r == 0 || r == -EBADMSG);
		for (size_t i = 0; r == 0 && i < hooks.n; i++)
			must(hooks.items[i].heartbeat_timeout <= 7 * 86400);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[STATUSES] = {0, 200, 301, 400, 403, 429, 503};
	struct input input = {data, size};
	int status = statuses[input_byte(&input) % STATUSES];
	const char *text = (const char *)input.data;
	json_t *root = NULL;
	int r = xml_to_json(text, input.size, &root);

	must(r == 0 ? root != NULL : r == -EBADMSG && root == NULL);
	check_error(status, text, input.size);
	if (r == 0) {
		must(depth_of(root) <= XML_DEPTH_MAX + 1);
		check_answer(root);
	}
	json_decref(root);
	return 0;
}
