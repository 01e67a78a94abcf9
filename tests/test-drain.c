/* SPDX-License-Identifier: Apache-2.0 */
/* drain: the file that root and the agent share. */
#include "drain.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "scratch.h"
#include "tap.h"

#define GOOD                                                                                       \
	"\"version\": 1, \"phase\": \"draining\", \"key\": \"k\", \"reason\": \"r\", "             \
	"\"since\": 1, \"until\": 2"

static const struct {
	const char *name, *text;
	int result;
} files[] = {
	{"one as documented", "{" GOOD "}", 0},
	{"one with members of a later time", "{" GOOD ", \"mood\": 1}", 0},
	{"nothing", "", -EBADMSG},
	{"garbage", "\x7f\x45LF", -EBADMSG},
	{"one that is cut off", "{" GOOD, -EBADMSG},
	{"another version",
		"{\"version\": 2, \"phase\": \"draining\", \"key\": \"\", "
		"\"reason\": \"\", \"since\": 1, \"until\": 2}",
		-EBADMSG},
	{"a phase that nobody knows",
		"{\"version\": 1, \"phase\": \"napping\", \"key\": \"\", "
		"\"reason\": \"\", \"since\": 1, \"until\": 2}",
		-EBADMSG},
	{"what was taken back is a text", "{" GOOD ", \"undone\": \"spot\"}", -EBADMSG},
	{"what was taken back has a number in it", "{" GOOD ", \"undone\": [\"spot\", 1]}",
		-EBADMSG},
	{"a key that is a number",
		"{\"version\": 1, \"phase\": \"drained\", \"key\": 1, "
		"\"reason\": \"\", \"since\": 1, \"until\": 2}",
		-EBADMSG},
	{"one without a time",
		"{\"version\": 1, \"phase\": \"drained\", \"key\": \"\", \"reason\": \"\"}",
		-EBADMSG},
};

static void test_files(void)
{
	FOREACH_ELEMENT (i, files) {
		struct drain drain = {.phase = DRAIN_STOPPING};
		struct err err = {""};

		(void)scratch_write(DRAIN_FILE, files[i].text);
		is_int(drain_read(scratch_directory, &drain, &err), files[i].result, files[i].name);
		if (files[i].result < 0)
			ok(drain.phase == DRAIN_STOPPING && strstr(err.text, DRAIN_FILE),
				"leaves what was known, and is named");
	}
}

static void test_phases(void)
{
	static const struct {
		enum drain_phase phase;
		const char *name;
		bool holds;
	} phases[] = {
		{DRAIN_NONE, "none", false},
		{DRAIN_DRAINING, "draining", true},
		{DRAIN_STOPPING, "stopping", true},
		{DRAIN_DRAINED, "drained", true},
		{DRAIN_UNDRAINED, "undrained", false},
	};

	FOREACH_ELEMENT (i, phases) {
		struct drain drain = {.phase = phases[i].phase,
				     .key = "spot terminate 2026-01-01T00:00:00Z",
				     .reason = "Spot “interruption” \\ \n",
				     .since = 1767225600,
				     .until = 4102444800,
				     .failed = "drain.d/10-flush: exit status 1"},
			     back = {0};

		is_str(drain_phase_name(phases[i].phase), phases[i].name, "a phase has its name");
		is_int(drain_holds(&drain), phases[i].holds,
			"and says whether the instance is to be out of rotation");
		is_int(drain_write(scratch_directory, &drain, NULL), 0, "it is written");
		is_int(drain_read(scratch_directory, &back, NULL), 0, "and read");
		ok(back.phase == drain.phase && strcmp(back.key, drain.key) == 0 &&
				strcmp(back.reason, drain.reason) == 0 &&
				back.since == drain.since && back.until == drain.until &&
				strcmp(back.failed, drain.failed) == 0,
			"as it was");
	}
}

static void test_undone(void)
{
	struct drain drain = {.phase = DRAIN_DRAINED}, back = {0};

	for (int i = 0; i < DRAIN_UNDONE_MAX + 2; i++) {
		snprintf(drain.key, sizeof drain.key, "spot %d", i);
		drain_undo(&drain);
		drain_undo(&drain);
	}
	is_int(drain.phase, DRAIN_UNDRAINED, "what is taken back holds no more");
	is_int((long long)drain.n_undone, DRAIN_UNDONE_MAX,
		"the last of them are known, each once");
	ok(!drain_is_undone(&drain, "spot 1") && drain_is_undone(&drain, "spot 2") &&
			drain_is_undone(&drain, "spot 9"),
		"the oldest is forgotten");
	is_int(drain_write(scratch_directory, &drain, NULL), 0, "they are written");
	is_int(drain_read(scratch_directory, &back, NULL), 0, "and read");
	ok(memcmp(back.undone, drain.undone, sizeof back.undone) == 0 &&
			back.n_undone == drain.n_undone,
		"in their order");
}

int main(void)
{
	struct drain drain = {.phase = DRAIN_STOPPING};
	struct err err = {""};
	struct stat st;

	scratch_make();
	is_int(drain_read(scratch_directory, &drain, NULL), 0, "no file is no error");
	is_int(drain.phase, DRAIN_NONE, "and nobody has drained");
	test_files();
	test_phases();
	test_undone();
	ok(stat(scratch_path(DRAIN_FILE), &st) == 0 && (st.st_mode & 0777) == 0644,
		"the agent, which is not root, may read it");
	is_int(drain_write("/nowhere/at/all", &drain, &err), -ENOENT,
		"where it cannot be written that is an error");
	ok(strstr(err.text, "/nowhere/at/all/" DRAIN_FILE), "which names the file");
	return done_testing();
}
