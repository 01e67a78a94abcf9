/* SPDX-License-Identifier: Apache-2.0 */
/* What is planned for packages; plans that are walked to their end; a plan as JSON. */
#include <errno.h>

#include "plan-machine.h"
#include "tap.h"

/* -- packages -- */

#define PACKAGES "[packages]\ninstall = nginx, git, xfsprogs\n"

static void test_packages(void)
{
	machine(PACKAGES);
	plans("= packages install: nginx, git, xfsprogs (installed)", "packages that are there");
	inventory.packages.missing[0] = inventory.packages.missing[2] = true;
	plans("+ packages install: nginx, xfsprogs (not installed)", "those missing are named");
	inventory.packages.given_up = true;
	plans("+ packages install: nginx, xfsprogs (not installed)", "after a failure, too");
	err_set(&inventory.packages.unknown, -ENOENT, "none of apt-get, dnf and yum is here");
	plans("! packages install: nginx, xfsprogs (none of apt-get, dnf and yum is here)",
		"no package manager: refused");
	machine("[packages]\nupdate = security\n");
	plans("= packages update: security updates (done since boot)", "an update that was done");
	inventory.packages.update_due = true;
	plans("~ packages update: security updates (not yet since boot)", "an update that is due");
	machine(PACKAGES "update = all\n");
	inventory.packages.update_due = inventory.packages.missing[1] = true;
	plans("+ packages install: git (not installed)\n"
	      "~ packages update: all updates (not yet since boot)",
		"first what is missing");
}

static void test_after_packages(void)
{
	machine(PACKAGES APP);
	web("r2", "", NULL);
	inventory.packages.missing[1] = true;
	planned();
	ok(plan->n > 2 && plan->steps[1].sign == PLAN_CREATE && plan->steps[1].after_packages &&
			plan->steps[2].after_packages,
		"an app is built after packages");
	is_str(plan->steps[1].reason, "nothing is deployed; after packages", "and says so");
	web("", "", NULL);
	err_set(&inventory.apps[0].wanted_err, -ENOENT, "git is not installed");
	planned();
	ok(plan->steps[1].sign == PLAN_WAIT && plan->steps[1].after_packages,
		"a source that cannot be read yet is waited for");
	web("", "r1", NULL);
	planned();
	ok(plan->n == 3 && plan->steps[2].sign == PLAN_CREATE && !plan->steps[2].after_packages,
		"what is deployed runs without");
	web("r2", "r2", NULL);
	planned();
	ok(plan->steps[2].sign == PLAN_CREATE && !plan->steps[2].after_packages,
		"also if its source can be read");
	web("r2", "", NULL);
	inventory.packages.given_up = true;
	planned();
	ok(plan->steps[1].sign == PLAN_CREATE && !plan->steps[1].after_packages,
		"an app is tried without packages that failed");
}

static void test_awaits_no_packages(void)
{
	machine(PACKAGES APP);
	web("", "", NULL);
	inventory.packages.missing[1] = true;
	memset(inventory.apps[0].wanted_err.text, 'x',
		sizeof inventory.apps[0].wanted_err.text - 1);
	planned();
	ok(plan->steps[1].sign == PLAN_WAIT && plan->steps[1].after_packages &&
			strlen(plan->steps[1].reason) == sizeof plan->steps[1].reason - 1,
		"a long reason stays whole");
	err_set(&inventory.packages.unknown, -ENOENT, "none of apt-get, dnf and yum is here");
	planned();
	ok(plan->steps[1].sign == PLAN_REFUSE && !plan->steps[1].after_packages,
		"what nothing can install is not waited for");
}

static void test_volume_after_packages(void)
{
	machine(PACKAGES DATA "owner = www-data\n");
	attach("sdf");
	inventory.packages.missing[0] = true;
	planned();
	ok(plan->n == 2 && plan->steps[1].sign == PLAN_WAIT && plan->steps[1].after_packages,
		"an owner may come with a package");
	inventory.for_volumes[0].owner_known = true;
	inventory.for_volumes[0].mkfs_there = false;
	planned();
	ok(plan->n == 2 && plan->steps[1].sign == PLAN_WAIT && plan->steps[1].after_packages,
		"and so may mkfs");
	is_str(plan->steps[1].reason,
		"mkfs.xfs is not installed; it comes with the package xfsprogs; after packages",
		"and says so");
	inventory.packages.given_up = true;
	planned();
	ok(plan->steps[1].sign == PLAN_REFUSE && !plan->steps[1].after_packages,
		"not with one that failed");
	inventory.for_volumes[0].mkfs_there = true;
	planned();
	ok(plan->n == 3 && plan->steps[1].sign == PLAN_CREATE && !plan->steps[1].after_packages,
		"a volume that lacks nothing waits for no package");
}

/* -- to the end -- */

static const struct {
	const char *name, *text;
	size_t steps;
} whole[] = {
	{"everything at once", DATA "owner = www-data\nmode = 0750\n[index]\npath = /srv/i\n" APP,
		5},
	{"nested mounts, the outer first", A B C, 6},
	{"nested mounts, the inner first", C B A, 6},
	{"nested mounts, the middle last", C A B, 6},
	{"nested mounts, mixed", B C A "[index]\npath = /a/b/i\n" APP "path = /a/b/c/web\n", 9},
	{"instance store beside EBS", STORE("x", "/x") DATA STORE("y", "/x/y"), 6},
	{"an index on an app's volume", DATA "[index]\npath = /data/i\n" APP "path = /data/w\n", 5},
};

static void test_converges(void)
{
	for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
		unsigned rounds;

		machine(whole[i].text);
		attach("sdf");
		attach("sdg");
		attach("sdh");
		attach_store();
		attach_store();
		for (size_t j = 0; j < config->n_volumes; j++) {
			inventory.for_volumes[j].owner_known = true;
			inventory.for_volumes[j].owner_uid = inventory.for_volumes[j].owner_gid =
				33;
		}
		web("r2", "", NULL);
		rounds = walk();
		ok(rounds >= 2 && rounds <= 6 && all_kept() && plan->n == whole[i].steps && !hidden,
			whole[i].name);
		if (rounds == 0 || !all_kept())
			printf("# %s\n", planned());
	}
}

static void test_converges_late(void)
{
	machine(C B A APP);
	attach("sdh");
	web("r2", "", NULL);
	ok(walk() == 1 && !disks[0].type[0], "while the outer volumes are missing nothing is done");
	attach("sdg");
	ok(walk() == 1, "nor when the middle one comes");
	attach("sdf");
	ok(walk() >= 4 && all_kept() && plan->n == 8, "when the last one comes everything is");
	disks[1].root_disk = false;
	fill(&disks[1], "xfs", "");
	ok(all_kept(), "and stays");
}

static void test_converges_with_packages(void)
{
	machine(PACKAGES "update = all\n" DATA "owner = www-data\n" APP "path = /data/web\n");
	attach("sdf");
	web("r2", "", NULL);
	inventory.packages.missing[2] = inventory.packages.update_due = true;
	inventory.for_volumes[0].mkfs_there = false;
	ok(walk() >= 3 && all_kept() && plan->n == 6 && !hidden,
		"a machine that lacks everything converges");
}

static void test_as_wanted(void)
{
	struct volume *disk;

	machine(DATA);
	disk = attach("sdf");
	fill(disk, "xfs", "");
	disk->half_made = true;
	ok(walk() > 1 && all_kept(), "what was half made ends mounted");
	machine("");
	plans("", "of nothing there is nothing to do");
	ok(!plan_free(NULL), "NULL can be freed");
}

/* -- JSON -- */

static void test_json(void)
{
	json_t *json, *step, *evidence;

	machine(DATA APP);
	attach("sdf")->evidence[VOLUME_RULE_SAMPLES].holds = false;
	web("r2", "", NULL);
	planned();
	json = plan_to_json(config, plan);
	is_int((long long)json_array_size(json), 4, "JSON has the steps in a list");
	step = json_array_get(json, 0);
	is_str(json_string_value(json_object_get(step, "subject")), "volume data", "their subject");
	is_str(json_string_value(json_object_get(step, "op")), "mount", "op");
	is_str(json_string_value(json_object_get(step, "sign")), "refuse", "sign");
	is_str(json_string_value(json_object_get(step, "what")), DISK, "what");
	is_str(json_string_value(json_object_get(step, "reason")),
		"is not proven blank: samples are zero: t: left alone", "reason");
	evidence = json_object_get(step, "evidence");
	is_int((long long)json_array_size(evidence), VOLUME_RULES,
		"and the evidence, rule by rule");
	step = json_array_get(evidence, VOLUME_RULE_SAMPLES);
	ok(json_is_false(json_object_get(step, "holds")) &&
			strcmp(json_string_value(json_object_get(step, "rule")),
				"samples are zero") == 0 &&
			strcmp(json_string_value(json_object_get(step, "found")), "t") == 0,
		"with what was found");
	step = json_array_get(json, 1);
	ok(!json_object_get(step, "evidence") &&
			strcmp(json_string_value(json_object_get(step, "subject")), "app web") == 0,
		"an app has none");
	json_decref(json);
}

/* A text that is cut to its buffer may end within a character. */
static void test_json_cut(void)
{
	json_t *json;

	machine(APP);
	web("", "", NULL);
	memset(inventory.apps[0].wanted_err.text, 'x', 510);
	strcpy(inventory.apps[0].wanted_err.text + 510, "…");
	planned();
	json = plan_to_json(config, plan);
	is_int((long long)json_string_length(json_object_get(json_array_get(json, 0), "reason")),
		510, "a reason that is cut within a character ends before it");
	json_decref(json);
}

static void test_names(void)
{
	is_str(plan_sign_name(PLAN_WAIT), "wait", "a sign has a name");
	is_str(plan_sign_mark(PLAN_REFUSE), "!", "and a mark");
	is_str(plan_op_name(PLAN_OP_RELEASE), "release", "an op has a name");
}

int main(void)
{
	test_packages();
	test_after_packages();
	test_awaits_no_packages();
	test_volume_after_packages();
	test_converges();
	test_converges_late();
	test_converges_with_packages();
	test_as_wanted();
	test_json();
	test_json_cut();
	test_names();
	machine_end();
	return done_testing();
}
