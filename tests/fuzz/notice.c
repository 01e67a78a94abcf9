/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices of the metadata service; the first byte is the kind. What is acted on has a key, and all
 * of it is text that drain.json can hold.
 *
 * Covers: bootstrap/core/notice.c
 */
#include "notice.h"

#include <errno.h>
#include <jansson.h>

#include "fuzz.h"

static void check_text(const char *text, size_t size)
{
	json_t *json = json_string(text); /* NULL unless UTF-8 */

	must(strlen(text) < size && json);
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_lifecycle config = {
		.drain_usec = 30 * 1000000ull, .rebalance = true, .maintenance = true};
	struct input input = {data, size};
	enum notice_kind kind = input_byte(&input) % NOTICE_KINDS;
	_cleanup_free_ char *text = input_text(&input);
	struct notice notice = {0}, again;
	struct err err = {""};
	int r = notice_parse(
		kind, text, (struct notice_moment){1767225600, 1767139200}, &config, &notice, &err);

	must(r == 0 || (r == -EBADMSG && err.text[0]));
	must(r == 0 || notice.verdict == NOTICE_NOTHING);
	must((notice.verdict == NOTICE_NOTHING) == (notice.key[0] == '\0'));
	must((notice.verdict == NOTICE_NOTHING) == (notice.reason[0] == '\0'));
	check_text(notice.key, sizeof notice.key);
	check_text(notice.reason, sizeof notice.reason);
	check_text(notice.state, sizeof notice.state);
	if (r == 0)
		must(notice_parse(kind, text, (struct notice_moment){1767225600, 1767139200},
			     &config, &again, NULL) == 0 &&
			strcmp(again.key, notice.key) == 0);
	return 0;
}
