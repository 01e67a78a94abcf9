/* SPDX-License-Identifier: Apache-2.0 */
/* lifecycle-kept: what is read is what was written, by this instance, and nothing else. */
#include "../agent/lifecycle-kept.h"

#include <errno.h>
#include <string.h>

#include "scratch.h"
#include "tap.h"

#define NOW 1000

static const struct config_lifecycle config = {
	.target_groups = {{(char *)"arn:a", (char *)"arn:b", (char *)"arn:c"}, 3}};

/* "DEREGISTERED signalled REPLACED", as it is read by `instance_id` */
static const char *kept(const char *instance_id)
{
	struct lifecycle_facts facts = {.config = &config, .now = NOW};
	static char text[64];

	lifecycle_kept_read("/nowhere", scratch_directory, instance_id, &facts);
	snprintf(text, sizeof text, "%d%d%d %d %d", facts.deregistered[0], facts.deregistered[1],
		facts.deregistered[2], facts.signalled, (int)facts.replaced);
	return text;
}

int main(void)
{
	static const struct {
		const char *name, *text, *kept;
	} files[] = {
		{"nothing of ours", "{}", "000 0 0"},
		{"no object", "[1]", "000 0 0"},
		{"half a file", "{\"instanceId\": \"i-1\", \"signalled\": tr", "000 0 0"},
		{"an ID of another type", "{\"instanceId\": 1, \"signalled\": true}", "000 0 0"},
		{"other types",
			"{\"instanceId\": \"i-1\", \"deregistered\": [1], \"signalled\": 1}",
			"000 0 0"},
		{"a group that is not configured any more",
			"{\"instanceId\": \"i-1\", \"deregistered\": [\"arn:x\", \"arn:b\"]}",
			"010 0 0"},
		{"a time of the boot before", "{\"instanceId\": \"i-1\", \"replaced\": 5000}",
			"000 0 1000"},
		{"a time that is none", "{\"instanceId\": \"i-1\", \"replaced\": -1}", "000 0 0"},
	};
	struct lifecycle_facts facts = {.config = &config,
		.deregistered = {true, false, true},
		.signalled = true,
		.replaced = 700};
	char run[1024];

	scratch_make();
	is_str(kept("i-1"), "000 0 0", "without a file nothing was done");
	snprintf(run, sizeof run, "%.1000s/run", scratch_directory);
	(void)mkdir(run, 0755);
	is_int(lifecycle_kept_write(run, scratch_directory, "i-1", &facts), 0, "it is written");
	for (int i = 0; i < 60000 && strcmp(kept("i-1"), "101 1 700") != 0; i++)
		(void)usleep(1000);
	is_str(kept("i-1"), "101 1 700", "and read, after a reboot");
	facts.signalled = false;
	is_int(lifecycle_kept_write(run, NULL, "i-1", &facts), 0, "of this boot");
	facts = (struct lifecycle_facts){.config = &config, .now = NOW};
	lifecycle_kept_read(run, scratch_directory, "i-1", &facts);
	ok(facts.deregistered[0] && !facts.signalled, "it is what was written last");
	is_int(lifecycle_kept_write("/nowhere", scratch_directory, "i-1", &facts), -ENOENT,
		"without a directory that is said");
	is_str(kept("i-2"), "000 0 0", "but not by another instance");
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		(void)scratch_write(LIFECYCLE_KEPT, files[i].text);
		is_str(kept("i-1"), files[i].kept, files[i].name);
	}
	return done_testing();
}
