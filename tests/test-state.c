/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "scratch.h"
#include "tap.h"

static struct metadata identity = {
	.fields = {[METADATA_INSTANCE_ID] = (char *)"i-0123456789abcdef0",
		[METADATA_AVAILABILITY_ZONE] = (char *)"eu-west-1b"},
	.tags = {{(char *)"Name", (char *)"wéb"}, {(char *)"none", NULL}},
	.n_tags = 2,
};

static struct state example = {
	.settled = true,
	.reason = "the metadata service is silent",
	.updated = 1767225600,
	.metadata = &identity,
	.items =
		{
			{.kind = STATE_VOLUME,
				.name = "data",
				.required = true,
				.status = STATE_OK,
				.path = "/data",
				.device = "/dev/nvme1n1",
				.volume_id = "vol-0123456789abcdef0",
				.filesystem = "xfs",
				.size = 8ull << 40},
			{.kind = STATE_INDEX_PAGE,
				.name = "index",
				.status = STATE_REFUSED,
				.reason = "unknown name {{x}}",
				.path = "/var/www/html/index.html"},
			{.kind = STATE_APP,
				.name = "web",
				.required = true,
				.status = STATE_MISSING,
				.release = "3f2a",
				.health = "http://127.0.0.1:80/task"},
		},
	.n_items = 3,
};

static bool same_item(const struct state_item *a, const struct state_item *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && a->required == b->required &&
	       a->status == b->status && strcmp(a->reason, b->reason) == 0 &&
	       strcmp(a->path, b->path) == 0 && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->volume_id, b->volume_id) == 0 &&
	       strcmp(a->filesystem, b->filesystem) == 0 && a->size == b->size &&
	       a->number == b->number && strcmp(a->release, b->release) == 0 &&
	       strcmp(a->health, b->health) == 0;
}

static void test_round_trip(void)
{
	struct state *state = NULL;
	struct err err = {""};
	struct stat st;

	example.items[0].number = makedev(259, 1048575);
	is_int(state_write(&example, scratch_directory, &err), 0, "a state is written");
	ok(stat(scratch_path(STATE_FILE), &st) == 0 && (st.st_mode & 07777) == 0644,
		"for everybody to read");
	is_int(state_read(scratch_directory, &state, &err), 0, "and read again");
	if (!state)
		return;
	ok(state->settled && state->updated == 1767225600, "phase and time are the same");
	is_str(state->reason, example.reason, "so is the reason");
	is_str(metadata_value(state->metadata, "instance-id"), "i-0123456789abcdef0",
		"so is the identity");
	is_str(metadata_value(state->metadata, "tag:Name"), "wéb", "with its tags");
	ok(!metadata_value(state->metadata, "hostname") &&
			!metadata_value(state->metadata, "tag:none"),
		"without what the instance has not");
	is_int((long long)state->n_items, 3, "as many items");
	ok(same_item(&state->items[0], &example.items[0]), "the volume is the same");
	ok(same_item(&state->items[1], &example.items[1]), "the index is the same");
	ok(same_item(&state->items[2], &example.items[2]), "the app is the same");
	state_free(state);
}

static void test_round_trip_small(void)
{
	struct state none = {.updated = 1}, *state = NULL;

	ok(state_write(&none, scratch_directory, NULL) == 0 &&
			state_read(scratch_directory, &state, NULL) == 0 && !state->settled &&
			!state->metadata && state->n_items == 0 && !*state->reason,
		"a state of nothing stays one");
	state_free(state);
}

static void test_every_status(void)
{
	struct state many = {.n_items = STATE_ITEMS_MAX}, *state = NULL;
	bool same = true;

	for (size_t i = 0; i < STATE_ITEMS_MAX; i++) {
		many.items[i] = (struct state_item){.kind = (enum state_kind)(i % 3),
			.status = (enum state_status)(i % (STATE_MISSING + 1))};
		snprintf(many.items[i].name, sizeof many.items[i].name, "n%zu", i);
	}
	ok(state_write(&many, scratch_directory, NULL) == 0 &&
			state_read(scratch_directory, &state, NULL) == 0 &&
			state->n_items == STATE_ITEMS_MAX,
		"as many items as there may be");
	for (size_t i = 0; state && i < STATE_ITEMS_MAX; i++)
		same &= same_item(&many.items[i], &state->items[i]);
	ok(same, "every kind and status is the same");
	state_free(state);
}

/* A reason is cut to its buffer by bytes. */
static void test_cut_reason(void)
{
	struct state one = {.n_items = 1}, *state = NULL;
	struct state_item *item = &one.items[0];

	*item = (struct state_item){.name = "data"};
	snprintf(item->reason, sizeof item->reason, "cut: \xe2\x80");
	snprintf(one.reason, sizeof one.reason, "cut, too \xf0\x9f\x98");
	ok(state_write(&one, scratch_directory, NULL) == 0 &&
			state_read(scratch_directory, &state, NULL) == 0,
		"a reason that ends within a character is written");
	if (!state)
		return;
	is_str(state->items[0].reason, "cut: ", "without that character");
	is_str(state->reason, "cut, too ", "and so is the whole's");
	state_free(state);
}

#define HEAD "{\"version\": 1, \"phase\": \"working\", \"updated\": 5, "
#define ITEM "{\"kind\": \"volume\", \"name\": \"data\", \"required\": true, \"status\": \"ok\""

static const struct {
	const char *name, *text;
	int expected;
} files[] = {
	{"the least that is a state", HEAD "\"items\": []}", 0},
	{"members that are not known are ignored",
		HEAD "\"colour\": {\"x\": []}, \"items\": [" ITEM ", \"smell\": 7}]}", 0},
	{"another version",
		"{\"version\": 2, \"phase\": \"working\", \"updated\": 5, \"items\": []}",
		-EBADMSG},
	{"no version", "{\"phase\": \"working\", \"updated\": 5, \"items\": []}", -EBADMSG},
	{"a version that is text",
		"{\"version\": \"1\", \"phase\": \"working\", \"updated\": 5, \"items\": []}",
		-EBADMSG},
	{"no items", "{\"version\": 1, \"phase\": \"working\", \"updated\": 5}", -EBADMSG},
	{"items that are no list", HEAD "\"items\": {}}", -EBADMSG},
	{"an item that is no object", HEAD "\"items\": [7]}", -EBADMSG},
	{"an item without a name",
		HEAD "\"items\": [{\"kind\": \"volume\", \"required\": true, \"status\": \"ok\"}]}",
		-EBADMSG},
	{"an item of an unknown kind",
		HEAD "\"items\": [{\"kind\": \"x\", \"name\": \"n\", \"required\": true, "
		     "\"status\": \"ok\"}]}",
		-EBADMSG},
	{"an item of an unknown status",
		HEAD "\"items\": [{\"kind\": \"app\", \"name\": \"n\", \"required\": true, "
		     "\"status\": \"fine\"}]}",
		-EBADMSG},
	{"a size that is text", HEAD "\"items\": [" ITEM ", \"sizeBytes\": \"7\"}]}", -EBADMSG},
	{"truncated", HEAD "\"items\": [" ITEM, -EBADMSG},
	{"empty", "", -EBADMSG},
	{"garbage",
		"\x7f"
		"ELF\x02\x01",
		-EBADMSG},
	{"a list", "[]", -EBADMSG},
	{"a member twice", HEAD "\"updated\": 6, \"items\": []}", -EBADMSG},
	{"two documents", HEAD "\"items\": []} {}", -EBADMSG},
};

static void test_files(void)
{
	FOREACH_ELEMENT (i, files) {
		struct state *state = NULL;
		struct err err = {""};
		int r;

		scratch_write(STATE_FILE, files[i].text);
		r = state_read(scratch_directory, &state, &err);
		is_int(r, files[i].expected, files[i].name);
		if (r < 0)
			ok(!state && strstr(err.text, "state.json: is no state of version 1"),
				"  says so, and returns nothing");
		state_free(state);
	}
}

static void test_too_much(void)
{
	struct state *state = NULL;
	FILE *out = fopen(scratch_path(STATE_FILE), "we");

	fprintf(out, HEAD "\"items\": [");
	for (size_t i = 0; i <= STATE_ITEMS_MAX; i++)
		fprintf(out, "%s" ITEM "}", i ? ", " : "");
	fprintf(out, "]}");
	(void)fclose(out);
	ok(state_read(scratch_directory, &state, NULL) == -EBADMSG && !state,
		"one item too many is no state");

	out = fopen(scratch_path(STATE_FILE), "we");
	fprintf(out, HEAD "\"items\": []}%*s", (int)STATE_FILE_MAX, "");
	(void)fclose(out);
	ok(state_read(scratch_directory, &state, NULL) == -EFBIG && !state,
		"a file too long is not read");
}

static void test_missing(void)
{
	struct state *state = NULL;
	struct err err = {""};

	is_int(state_read(scratch_path("none"), &state, &err), -ENOENT, "no state yet is -ENOENT");
	ok(strstr(err.text, "none/state.json: No such file or directory"), "and says where");
	is_int(state_write(&example, scratch_path("none"), &err), -ENOENT,
		"without its directory it cannot be written");
	ok(strstr(err.text, "none/state.json: No such file or directory"), "and that says where");
	ok(!state_free(NULL), "NULL can be freed");
}

static const struct {
	const char *name;
	struct state_item item;
	struct check expected;
} checks[] = {
	{"a volume that is there passes",
		{.kind = STATE_VOLUME,
			.name = "data",
			.required = true,
			.status = STATE_OK,
			.reason = "is mounted"},
		{.name = "volume data", .required = true, .result = CHECK_PASS}},
	{"what is pending waits",
		{.kind = STATE_APP,
			.name = "web",
			.required = true,
			.status = STATE_PENDING,
			.reason = "new"},
		{.name = "app web",
			.required = true,
			.result = CHECK_WAIT,
			.reason = "pending: new"}},
	{"what is waited for waits",
		{.kind = STATE_VOLUME, .name = "b", .status = STATE_WAITING, .reason = "r"},
		{.name = "volume b", .result = CHECK_WAIT, .reason = "waiting: r"}},
	{"what is refused fails",
		{.kind = STATE_INDEX_PAGE,
			.name = "index",
			.required = true,
			.status = STATE_REFUSED,
			.reason = "r"},
		{.name = "index", .required = true, .result = CHECK_FAIL, .reason = "refused: r"}},
	{"what has failed fails",
		{.kind = STATE_APP, .name = "a", .status = STATE_FAILED, .reason = "r"},
		{.name = "app a", .result = CHECK_FAIL, .reason = "failed: r"}},
	{"what did not come in time fails",
		{.kind = STATE_VOLUME, .name = "a", .status = STATE_MISSING, .reason = "r"},
		{.name = "volume a", .result = CHECK_FAIL, .reason = "missing: r"}},
};

static void test_checks(void)
{
	struct check got[STATUS_CHECKS_MAX];

	ok(state_checks(NULL, got) == 1 && got[0].required && got[0].result == CHECK_WAIT &&
			strcmp(got[0].name, "bootstrap") == 0 && *got[0].reason,
		"no state: one check, bootstrap, that waits");
	FOREACH_ELEMENT (i, checks) {
		struct state state = {.n_items = 1, .items = {checks[i].item}};

		ok(state_checks(&state, got) == 1 &&
				got[0].required == checks[i].expected.required &&
				got[0].result == checks[i].expected.result,
			checks[i].name);
		is_str(got[0].name, checks[i].expected.name, "  under its name");
		is_str(got[0].reason, checks[i].expected.reason, "  for its reason");
	}
}

int main(void)
{
	scratch_make();
	test_round_trip();
	test_round_trip_small();
	test_every_status();
	test_cut_reason();
	test_files();
	test_too_much();
	test_missing();
	test_checks();
	return done_testing();
}
