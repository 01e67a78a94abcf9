/* SPDX-License-Identifier: Apache-2.0 */
/* What is planned for the index page and for apps. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "plan-machine.h"
#include "tap.h"

/* -- index -- */

static void test_index(void)
{
	machine("[index]\npath = /srv/index.html\ntitle = T\n");
	free(config->index.template_text);
	config->index.template_text = strdup("{{title}} {{instance-id}}");
	plans("+ index page: /srv/index.html (is not there)", "a page that is not there is made");
	is_str(plan->steps[0].page, "T i-1", "with what the template says");
	inventory.index.content = strdup("T i-1");
	plans("= index page: /srv/index.html (says who this is)", "the right page is kept");
	is_str(plan->steps[0].page, "T i-1", "and known");
	inventory.index.content[2] = 'x';
	inventory.index.ours = true;
	plans("~ index page: /srv/index.html (says something else than this instance is)",
		"our page of another instance is changed");
	inventory.index.ours = false;
	plans("~ index page: /srv/index.html (somebody else's page is there; it is kept beside)",
		"somebody's page is changed too, and kept");
	err_set(&inventory.index.unread, -EACCES, "/srv/index.html: %m");
	plans("! index page: /srv/index.html (/srv/index.html: Permission denied)",
		"a page that root cannot read is refused");
	inventory.root = false;
	plans("… index page: /srv/index.html (/srv/index.html: Permission denied)",
		"one that others cannot read is unknown");
	metadata = NULL;
	plans("… index page: /srv/index.html (the metadata service has not answered yet)",
		"without metadata it waits");
	ok(!plan->steps[0].page, "and there is no page");
	err_set(&inventory.metadata_trouble, 0, "no route");
	plans("… index page: /srv/index.html (no route)", "and says why");
	metadata = &identity;
	free(config->index.template_text);
	config->index.template_text = strdup("{{colour}}");
	ok(strstr(planned(), "! index page: /srv/index.html (unknown name {{colour}}"),
		"a template with an error is refused");
}

static void test_index_below(void)
{
	machine("[index]\npath = /data/www/index.html\n" DATA);
	attach("sdf");
	inventory.index.content = strdup("below");
	planned();
	ok(plan->n == 3 && plan->steps[2].sign == PLAN_CREATE &&
			plan->steps[2].after == &config->volumes[0],
		"a page on a volume comes after it, whatever lies there before it is mounted");
	is_str(plan->steps[2].reason, "is not there; after [volume data]", "and says so");
	mounted(0, &disks[0], "xfs");
	planned();
	ok(!plan->steps[2].after && plan->steps[2].sign == PLAN_CHANGE, "then it comes now");
	machine("[index]\npath = /data/www/index.html\n" DATA);
	planned();
	ok(plan->n == 2 && plan->steps[1].sign == PLAN_WAIT,
		"while the volume is waited for it waits");
	machine("[index]\npath = /srv/index.html\n" DATA);
	planned();
	ok(plan->n == 2 && plan->steps[1].sign == PLAN_CREATE && !plan->steps[1].after,
		"a page elsewhere does not");
}

/* -- apps -- */

static const struct {
	const char *name, *wanted, *current, *running, *expected;
} apps[] = {
	{"nothing is there: deployed and started", "r2", "", NULL,
		"+ app web release: r2 from file:///src/web (nothing is deployed)\n"
		"+ app web run: ./serve (with the new release)\n"
		"+ app web prove: that it goes on running (the new release is not proven)"},
	{"the release is there: kept and started", "r2", "r2", NULL,
		"= app web release: r2 from file:///src/web (is current)\n"
		"+ app web run: ./serve (is not running)"},
	{"all is there: kept", "r2", "r2", "r2",
		"= app web release: r2 from file:///src/web (is current)\n"
		"= app web run: ./serve (is running)"},
	{"an old release: changed and restarted", "r2", "r1", "r1",
		"~ app web release: r2 from file:///src/web (r1 is current)\n"
		"~ app web run: ./serve (with the new release)\n"
		"+ app web prove: that it goes on running (the new release is not proven)"},
	{"an old release that does not run: changed and started", "r2", "r1", NULL,
		"~ app web release: r2 from file:///src/web (r1 is current)\n"
		"+ app web run: ./serve (with the new release)\n"
		"+ app web prove: that it goes on running (the new release is not proven)"},
	{"an old one still runs: restarted", "r2", "r2", "r1",
		"= app web release: r2 from file:///src/web (is current)\n"
		"~ app web run: ./serve (release r1 is running)"},
	{"no source and nothing deployed: refused", "", "", NULL,
		"! app web release: file:///src/web (the source cannot be read)"},
	{"no source: the current release is started", "", "r1", NULL,
		"! app web release: file:///src/web (the source cannot be read)\n"
		"+ app web run: ./serve (is not running)"},
	{"no source: the current release goes on", "", "r1", "r1",
		"! app web release: file:///src/web (the source cannot be read)\n"
		"= app web run: ./serve (is running)"},
};

static void test_app(void)
{
	for (size_t i = 0; i < sizeof apps / sizeof apps[0]; i++) {
		machine(APP);
		web(apps[i].wanted, apps[i].current, apps[i].running);
		plans(apps[i].expected, apps[i].name);
	}
	machine(APP);
	web("", "", NULL);
	err_set(&inventory.apps[0].wanted_err, -ENOENT, "/src/web: %m");
	plans("! app web release: file:///src/web (/src/web: No such file or directory)",
		"the reason is the source's");
	web("r2", "r2", "r2");
	inventory.apps[0].running_as_configured = false;
	plans("= app web release: r2 from file:///src/web (is current)\n"
	      "~ app web run: ./serve (is running with another configuration)",
		"another run line, user or environment: restarted");
}

#define R1   "0123456789ab-01234561"
#define R2   "0123456789ab-01234562"
#define KEPT "= app web release: " R1 " from file:///src/web (is current)\n"

static void drained(void)
{
	inventory.drain = (struct drain){.phase = DRAIN_DRAINED, .reason = "why"};
}
#define WHY "(the instance is drained: why)"

/* What is out of rotation is left as it is; the rest of the machine is not. */
static void test_app_drained(void)
{
	machine(APP);
	web("r1", "", NULL);
	drained();
	plans("… app web release: r1 from file:///src/web " WHY "\n… app web run: ./serve " WHY
	      "\n… app web prove: that it goes on running " WHY,
		"while the instance is drained nothing is deployed");
	web("r1", "r1", NULL);
	plans("= app web release: r1 from file:///src/web (is current)\n… app web run: "
	      "./serve " WHY,
		"and nothing is started");
	web("r1", "r1", "r1");
	inventory.apps[0].running_as_configured = false;
	inventory.drain.phase = DRAIN_DRAINING;
	plans("= app web release: r1 from file:///src/web (is current)\n… app web run: "
	      "./serve " WHY,
		"nor restarted, while the last are answered");
	web("r1", "r1", "r1");
	inventory.drain.phase = DRAIN_STOPPING;
	plans("= app web release: r1 from file:///src/web (is current)\n"
	      "= app web run: ./serve (is running)",
		"what is as wanted is kept");
	web("", "", NULL);
	plans("! app web release: file:///src/web (the source cannot be read)",
		"what is refused is refused");
	web("r1", "r1", NULL);
	inventory.drain.phase = DRAIN_UNDRAINED;
	plans("= app web release: r1 from file:///src/web (is current)\n"
	      "+ app web run: ./serve (is not running)",
		"after undrain it is started");
	machine(DATA);
	attach("sdf");
	drained();
	plans(FORMAT "\n+ volume data mount: /data (is not mounted)",
		"volumes are seen to all the same");
}

/* A release that was switched to must show that it is well; one that was not is not tried again. */
static void test_app_proof(void)
{
	machine(APP "health = http://127.0.0.1/up\n");
	web(R1, R1, R1);
	inventory.apps[0].proven = false;
	plans(KEPT "= app web run: ./serve (is running)\n"
		   "+ app web prove: http://127.0.0.1/up (the current release was not seen well "
		   "yet)",
		"what runs and was not seen well is asked again");
	web(R1, R1, R1);
	plans(KEPT "= app web run: ./serve (is running)", "what was well once is not");
	web(R2, R1, R1);
	strcpy(inventory.apps[0].bad, "it ended 4 times");
	plans("! app web release: " R2 " from file:///src/web (it ended 4 times; not tried again "
	      "until its source or configuration changes, or by `instancectl deploy web`)\n"
	      "= app web run: ./serve (is running)",
		"a release that was bad is not tried again, and the one before goes on");
	web(R2, R2, R2);
	strcpy(inventory.apps[0].bad, "it ended 4 times");
	inventory.apps[0].proven = false;
	planned();
	ok(plan->n == 3 && plan->steps[2].op == PLAN_OP_PROVE && plan->steps[2].sign == PLAN_CREATE,
		"a bad one with nothing before it may still become well");
}

static void test_app_files(void)
{
	char path[] = "/tmp/test-plan-XXXXXX", text[512];
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, "id={{instance-id}}", 18) != 18)
		abort();
	(void)close(fd);
	snprintf(text, sizeof text, APP "files.etc/me = %s\n", path);
	machine(text);
	(void)unlink(path);
	web(R1, R1, R1);
	plans(KEPT "~ app web files: etc/me (says something else than this instance is)\n"
		   "~ app web run: ./serve (with the new files)",
		"a file that is not there is rendered, and the app started anew");
	is_str(plan->files[0][0], "id=i-1", "with metadata");
	inventory.apps[0].files[0] = strdup("id=i-1");
	plans(KEPT "= app web run: ./serve (is running)", "one that says so already stays");
	free(inventory.apps[0].files[0]);
	inventory.apps[0].files[0] = strdup("id=i-2");
	planned();
	ok(plan->n == 3 && plan->steps[1].op == PLAN_OP_FILES, "one of another instance does not");
	inventory.apps[0].shaped = false;
	plans(KEPT "= app web run: ./serve (is running)",
		"a release that was gone back to keeps the files that it had");
	free(inventory.apps[0].files[0]);
	inventory.apps[0].files[0] = NULL;
	metadata = NULL;
	web(R1, R1, NULL);
	planned();
	ok(plan->n == 3 && plan->steps[1].sign == PLAN_WAIT && plan->steps[2].sign == PLAN_WAIT,
		"without metadata the files wait, and the app with them");
	web(R1, "", NULL);
	planned();
	ok(plan->n == 1 && plan->steps[0].sign == PLAN_WAIT, "and so does a first release");
	metadata = &identity;
	web(R1, R1, R1);
	metadata = NULL;
	planned();
	ok(plan->n == 3 && plan->steps[1].sign == PLAN_WAIT && plan->steps[2].sign == PLAN_KEEP,
		"one that runs goes on without metadata");
	metadata = &identity;
}

/* Two templates. */
static void two_files(const char *first)
{
	char paths[2][32] = {"/tmp/test-plan-XXXXXX", "/tmp/test-plan-XXXXXX"}, text[512];

	for (size_t i = 0; i < 2; i++) {
		const char *content = i ? "{{hostname}}" : first;
		int fd = mkstemp(paths[i]);

		if (fd < 0 || write(fd, content, strlen(content)) < 0)
			abort();
		(void)close(fd);
	}
	snprintf(text, sizeof text, APP "files.one = %s\nfiles.two = %s\n", paths[0], paths[1]);
	machine(text);
	(void)unlink(paths[0]);
	(void)unlink(paths[1]);
}

static void test_app_two_files(void)
{
	two_files("{{instance-id}}");
	web(R1, R1, R1);
	planned();
	ok(plan->n == 3 && plan->steps[1].op == PLAN_OP_FILES &&
			strcmp(plan->steps[1].what, "one") == 0,
		"of two files that differ the first is named");
	two_files("");
	free(config->apps[0].file_texts[0]);
	config->apps[0].file_texts[0] = strdup("{{"); /* as one that grows too long */
	web(R1, R1, NULL);
	planned();
	ok(plan->n == 3 && plan->steps[1].op == PLAN_OP_FILES &&
			plan->steps[1].sign == PLAN_REFUSE && plan->steps[2].sign == PLAN_CREATE,
		"a template that cannot be rendered is refused, and the app runs as it is");
}

static void test_app_link(void)
{
	machine("[app web]\nsource = file:///src/web\nlink = /var/www/html\n");
	web(R1, R1, NULL);
	plans(KEPT "+ app web link: /var/www/html (is not there)",
		"files for others: a link, and nothing to run");
	inventory.apps[0].link_right = true;
	plans(KEPT "= app web link: /var/www/html (leads to the current release)", "it is kept");
	inventory.apps[0].link_right = false;
	strcpy(inventory.apps[0].link_there, "a directory");
	plans(KEPT "~ app web link: /var/www/html (a directory is there; it is kept beside)",
		"what is in its place is kept beside");
}

static void test_app_after(void)
{
	machine(DATA APP);
	attach("sdf");
	web("r2", "", NULL);
	planned();
	ok(plan->n == 5 && plan->steps[2].sign == PLAN_CREATE &&
			plan->steps[2].after == &config->volumes[0] &&
			plan->steps[3].after == &config->volumes[0] &&
			plan->steps[4].after == &config->volumes[0],
		"an app comes after a required volume");
	is_str(plan->steps[2].reason, "nothing is deployed; after [volume data]", "and says so");
	disks[0].root_disk = true;
	planned();
	ok(plan->n == 4 && plan->steps[1].sign == PLAN_WAIT && plan->steps[2].sign == PLAN_WAIT &&
			plan->steps[3].sign == PLAN_WAIT,
		"it waits when that is refused");
	inventory.n_volumes = 0;
	planned();
	ok(plan->n == 4 && plan->steps[1].sign == PLAN_WAIT && plan->steps[2].sign == PLAN_WAIT &&
			plan->steps[3].sign == PLAN_WAIT,
		"and when that is waited for");
	machine(DATA APP);
	mounted(0, attach("sdf"), "xfs");
	web("r2", "", NULL);
	planned();
	ok(plan->n == 5 && plan->steps[2].sign == PLAN_CREATE && !plan->steps[2].after,
		"once it is mounted the app comes now");
	machine(DATA APP);
	web("r2", "r2", "r2");
	planned();
	ok(plan->n == 3 && plan->steps[1].sign == PLAN_KEEP && plan->steps[2].sign == PLAN_KEEP,
		"an app that runs goes on without its volume");
}

/* With a volume that comes first. */
static void test_app_change_after(void)
{
	machine(DATA APP);
	attach("sdf");
	web("r2", "r1", "r1");
	planned();
	ok(plan->n == 5 && plan->steps[2].sign == PLAN_CHANGE &&
			strstr(plan->steps[2].reason, "; after [volume data]"),
		"a new release comes after it, too");
	machine(DATA APP "path = /data\n");
	attach("sdf");
	web("r2", "", NULL);
	planned();
	ok(plan->n == 5 && plan->steps[2].after == &config->volumes[0],
		"an app that is the mount point comes after it");
	mounted(0, &disks[0], "xfs");
	planned();
	ok(plan->n == 5 && plan->steps[2].sign == PLAN_CREATE && !plan->steps[2].after,
		"and not when it is mounted");
	machine(DATA APP);
	mounted(0, attach("sdg"), "xfs");
	attach("sdf");
	web("r2", "", NULL);
	planned();
	ok(plan->n == 4 && plan->steps[0].sign == PLAN_REFUSE && plan->steps[1].sign == PLAN_WAIT &&
			plan->steps[1].after == &config->volumes[0],
		"an app does not go to another disk at that mount point");
}

static void test_app_optional(void)
{
	machine(DATA "required = no\n" APP);
	web("r2", "", NULL);
	planned();
	ok(plan->n == 4 && plan->steps[1].sign == PLAN_CREATE && !plan->steps[1].after,
		"an app does not wait for an optional volume");
	machine(DATA "required = no\n" APP "path = /data/web\n");
	web("r2", "", NULL);
	planned();
	ok(plan->n == 4 && plan->steps[1].sign == PLAN_WAIT &&
			plan->steps[1].after == &config->volumes[0],
		"unless it lies on it");
}

int main(void)
{
	test_index();
	test_index_below();
	test_app();
	test_app_drained();
	test_app_proof();
	test_app_files();
	test_app_two_files();
	test_app_link();
	test_app_after();
	test_app_change_after();
	test_app_optional();
	machine_end();
	return done_testing();
}
