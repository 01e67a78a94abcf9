/* SPDX-License-Identifier: Apache-2.0 */
/* rotation: what root does and what the metadata service says, weighed; how root is asked. */
#include "../agent/rotation.h"

#include <errno.h>
#include <fcntl.h>

#include "cleanup.h"
#include "scratch.h"
#include "tap.h"

#define NONE                                                                                       \
	{                                                                                          \
		NOTICE_NOTHING                                                                     \
	}
#define GONE                                                                                       \
	{                                                                                          \
		.verdict = NOTICE_DRAIN, .key = "lifecycle Terminated", .reason = "terminated"     \
	}
#define SPOT                                                                                       \
	{                                                                                          \
		.verdict = NOTICE_DRAIN, .key = "spot stop T", .reason = "spot"                    \
	}
#define ASIDE                                                                                      \
	{                                                                                          \
		.verdict = NOTICE_ASIDE, .key = "lifecycle Standby", .reason = "standby"           \
	}

#define DRAIN(which, about)                                                                        \
	{                                                                                          \
		.phase = which, .key = about, .reason = "why"                                      \
	}

static const struct {
	const char *name;
	struct drain drain;
	struct notice notices[NOTICE_KINDS];
	bool out, leaving, request;
	const char *reason;
} vectors[] = {
	{"nothing at all", DRAIN(DRAIN_NONE, ""), {NONE}, false, false, false, ""},
	{"root drains", DRAIN(DRAIN_DRAINING, "person"), {NONE}, true, true, false,
		"draining: why"},
	{"root stops apps", DRAIN(DRAIN_STOPPING, "person"), {NONE}, true, true, false,
		"stopping: why"},
	{"root has drained", DRAIN(DRAIN_DRAINED, "person"), {NONE}, true, true, false,
		"drained: why"},
	{"root has undrained", DRAIN(DRAIN_UNDRAINED, "person"), {NONE}, false, false, false, ""},
	{"a notice, and nobody drains: root is asked", DRAIN(DRAIN_NONE, ""), {GONE}, true, true,
		true, "terminated"},
	{"a notice, and root drains for it", DRAIN(DRAIN_DRAINING, "lifecycle Terminated"), {GONE},
		true, true, true, "draining: why"},
	{"a notice during somebody's drain, which may never be finished",
		DRAIN(DRAIN_STOPPING, "person"), {GONE}, true, true, true, "stopping: why"},
	{"root has drained for it", DRAIN(DRAIN_DRAINED, "lifecycle Terminated"), {GONE}, true,
		true, false, "drained: why"},
	{"or for another reason", DRAIN(DRAIN_DRAINED, "person"), {GONE}, true, true, false,
		"drained: why"},
	{"a notice that was taken back", DRAIN(DRAIN_UNDRAINED, "lifecycle Terminated"), {GONE},
		false, false, false, ""},
	{"a drain for another reason was taken back", DRAIN(DRAIN_UNDRAINED, "person"), {GONE},
		true, true, true, "terminated"},
	{"one of two was taken back", DRAIN(DRAIN_UNDRAINED, "lifecycle Terminated"), {GONE, SPOT},
		true, true, true, "spot"},
	{"standby lasts a while", DRAIN(DRAIN_NONE, ""), {ASIDE}, true, false, false, "standby"},
	{"also after an undrain", DRAIN(DRAIN_UNDRAINED, "person"), {ASIDE}, true, false, false,
		"standby"},
	{"an end wins over a while", DRAIN(DRAIN_NONE, ""), {ASIDE, SPOT}, true, true, true,
		"spot"},
	{"a drain wins over a while", DRAIN(DRAIN_DRAINED, "person"), {ASIDE}, true, true, false,
		"drained: why"},
};

int main(void)
{
	char *run;
	int before;

	FOREACH_ELEMENT (i, vectors) {
		char got[600], expected[600];
		struct drain drain = vectors[i].drain;
		struct rotation rotation;

		if (drain.phase == DRAIN_UNDRAINED)
			drain_undo(&drain);
		rotation_decide(&drain, vectors[i].notices, &rotation);
		snprintf(got, sizeof got, "%d %d %d %s", rotation.out, rotation.leaving,
			rotation.request, rotation.reason);
		snprintf(expected, sizeof expected, "%d %d %d %s", vectors[i].out,
			vectors[i].leaving, vectors[i].request, vectors[i].reason);
		is_str(got, expected, vectors[i].name);
	}
	scratch_make();
	run = scratch_directory;
	is_int(rotation_ask("/nowhere/at/all"), -ENOENT, "without a directory root is not asked");
	is_int(rotation_ask(run), 0, "with one it is");
	before = open(scratch_path(DRAIN_REQUEST), O_RDONLY | O_CLOEXEC);
	ok(before >= 0, "by a file");
	is_int(rotation_ask(run), 0, "and again");
	if (before >= 0) {
		struct stat old, new;

		ok(fstat(before, &old) == 0 && stat(scratch_path(DRAIN_REQUEST), &new) == 0 &&
				old.st_nlink == 0 && new.st_size == 0,
			"by a new one, which is empty");
		(void)close(before);
	}
	rotation_withdraw(run);
	ok(access(scratch_path(DRAIN_REQUEST), F_OK) < 0, "and not any more");
	rotation_withdraw(run);
	return done_testing();
}
