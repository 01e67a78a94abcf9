/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans as text: one line a step, "MARK SUBJECT OP: WHAT (REASON)". Each vector starts with a
 * machine on which nothing is attached and everything is installed, and changes what it is about.
 */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "filesystem.h"
#include "tap.h"

#define GIB       (1ull << 30)
#define DISKS_MAX 8

#define DATA "[volume data]\ndevice = /dev/sdf\nmount = /data\n"
#define APP  "[app web]\nsource = file:///src/web\nrun = ./serve\n"

static struct config *config;
static struct inventory inventory;
static struct volume disks[DISKS_MAX];
static struct plan *plan;
static struct metadata *metadata;

static struct metadata identity = {
	.fields = {[METADATA_INSTANCE_ID] = (char *)"i-1", [METADATA_HOSTNAME] = (char *)"h"},
};

static void machine(const char *text)
{
	struct config_problems problems = {.n_errors = 0};

	config = config_free(config);
	if (config_parse(text, strlen(text), "test.conf", &config, &problems) < 0) {
		printf("# %s\n", problems.errors[0].message);
		config_problems_clear(&problems);
		exit(99);
	}
	free(inventory.index.content);
	memset(&inventory, 0, sizeof inventory);
	memset(disks, 0, sizeof disks);
	inventory.root = true;
	inventory.volumes = disks;
	for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
		inventory.for_volumes[i].mkfs_there = true;
	metadata = &identity;
}

/* Attaches a blank EBS volume of 8 GiB, proven, under this mapping name. */
static struct volume *attach(const char *mapping)
{
	size_t i = inventory.n_volumes++;
	struct volume *disk = &disks[i];

	*disk = (struct volume){.kind = VOLUME_EBS,
		.number = makedev(259, (unsigned)i + 1),
		.size = 8 * GIB,
		.probed = true,
		.n_evidence = VOLUME_RULES,
		.proven = true};
	snprintf(disk->node, sizeof disk->node, "/dev/nvme%zun1", i + 1);
	snprintf(disk->mapping, sizeof disk->mapping, "%s", mapping);
	snprintf(disk->volume_id, sizeof disk->volume_id, "vol-0000000%zu", i + 1);
	for (size_t j = 0; j < VOLUME_RULES; j++)
		disk->evidence[j] =
			(struct evidence){.rule = volume_rule_names[j], .holds = true, .text = "t"};
	return disk;
}

static struct volume *attach_store(void)
{
	struct volume *disk = attach("");

	disk->kind = VOLUME_INSTANCE_STORE;
	disk->volume_id[0] = '\0';
	return disk;
}

/* Puts a file system on the disk. */
static void fill(struct volume *disk, const char *type, const char *label)
{
	snprintf(disk->type, sizeof disk->type, "%s", type);
	snprintf(disk->label, sizeof disk->label, "%s", label);
	disk->proven = disk->half_made = false;
	disk->evidence[VOLUME_RULE_SIGNATURE].holds = false;
	snprintf(disk->evidence[VOLUME_RULE_SIGNATURE].text, VOLUME_TEXT_MAX, "%s", type);
}

/* Mounts the disk where [volume i] wants it. */
static void mounted(size_t i, struct volume *disk, const char *type)
{
	struct inventory_volume *there = &inventory.for_volumes[i];

	fill(disk, type, "");
	there->mounted = true;
	there->mounted_disk = disk->number;
	there->mode = 0755;
	snprintf(there->mounted_type, sizeof there->mounted_type, "%s", type);
	snprintf(there->mounted_source, sizeof there->mounted_source, "%s", disk->node);
	snprintf(disk->mount, sizeof disk->mount, "%s", config->volumes[i].mount);
}

static const char *planned(void)
{
	static char text[8192];
	size_t length = 0;

	plan = plan_free(plan);
	if (plan_make(config, metadata, &inventory, &plan) < 0)
		return "-ENOMEM";
	text[0] = '\0';
	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_step *step = &plan->steps[i];
		char subject[96];

		plan_subject_name(config, step, subject, sizeof subject);
		length += (size_t)snprintf(text + length, sizeof text - length,
			"%s%s %s %s: %s (%s)", i ? "\n" : "", plan_sign_mark(step->sign), subject,
			plan_op_name(step->op), step->what, step->reason);
	}
	return text;
}

#define plans(expected, name) is_str(planned(), expected, name)

/* -- one volume -- */

#define DISK "/dev/nvme1n1 vol-00000001 sdf (8 GiB)"
#define FORMAT                                                                                     \
	"+ volume data format: " DISK " as xfs, label data (is proven blank: all 12 rules hold)"

static void test_not_attached(void)
{
	machine(DATA "timeout = 90s\n");
	plans("… volume data mount: /dev/sdf (is not attached; waits up to 90 s)",
		"a volume that is not attached is waited for");
	machine("[volume data]\nvolume = vol-00000009\nmount = /data\n");
	attach("sdf");
	plans("… volume data mount: vol-00000009 (is not attached; waits up to 120 s)",
		"another volume is not it");
	machine("[volume data]\ninstance_store = yes\nmount = /data\n");
	attach("sdf");
	plans("… volume data mount: an instance store disk (is not attached; waits up to 120 s)",
		"an EBS volume is no instance store");
	machine(DATA);
	err_set(&inventory.for_volumes[0].no_disk, -EINVAL, "/dev/sdf: is a partition of /dev/sda");
	plans("! volume data mount: /dev/sdf (/dev/sdf: is a partition of /dev/sda)",
		"a device that is no disk is refused with its reason");
}

static void test_blank(void)
{
	machine(DATA);
	attach("sdf");
	plans(FORMAT "\n+ volume data mount: /data (is not mounted)",
		"a blank volume is formatted and mounted");
	ok(plan->steps[0].volume == &disks[0] && plan->steps[1].volume == &disks[0] &&
			!plan->steps[0].after && !plan->steps[1].after,
		"the steps name the disk, and come now");
	machine("[volume data]\nvolume = vol-00000002\nmount = /srv/x\nfilesystem = ext4\n"
		"label = mine\nowner = www-data\noptions = noatime\n");
	inventory.for_volumes[0].owner_known = true;
	attach("sdf");
	attach("sdg");
	plans("+ volume data format: /dev/nvme2n1 vol-00000002 sdg (8 GiB) as ext4, label mine (is "
	      "proven blank: all 12 rules hold)\n"
	      "+ volume data mount: /srv/x owner www-data options noatime (is not mounted)",
		"by ID, as configured in all");
	machine(DATA);
	attach("xvdf");
	is_int(strncmp(planned(), "+ volume data format: /dev/nvme1n1 ", 35), 0,
		"sdf and xvdf are one name");
}

static void test_content(void)
{
	struct volume *disk;

	machine(DATA);
	disk = attach("sdf");
	fill(disk, "xfs", "old");
	plans("= volume data format: " DISK " (holds xfs, label old)\n"
	      "+ volume data mount: /data (is not mounted)",
		"the file system asked for is kept and mounted");
	fill(disk, "ext4", "photos");
	plans("! volume data mount: " DISK
	      " (holds ext4, label photos, configuration asks for xfs: left alone)",
		"another file system is refused and named");
	fill(disk, "LVM2_member", "");
	plans("! volume data mount: " DISK
	      " (holds LVM2_member, configuration asks for xfs: left alone)",
		"so is anything else with a signature");
	fill(disk, "ambivalent", "");
	plans("! volume data mount: " DISK
	      " (holds ambivalent, configuration asks for xfs: left alone)",
		"and what has several");
}

/* One rule after the other does not hold. */
static void test_not_proven(void)
{
	char name[96], expected[256];

	for (size_t i = 0; i < VOLUME_RULES; i++) {
		struct volume *disk;

		machine(DATA);
		disk = attach("sdf");
		disk->evidence[i].holds = false;
		snprintf(disk->evidence[i].text, VOLUME_TEXT_MAX, "found %zu", i);
		snprintf(name, sizeof name, "refused unless: %s", volume_rule_names[i]);
		snprintf(expected, sizeof expected,
			"! volume data mount: " DISK
			" (is not proven blank: %s: found %zu: left alone)",
			volume_rule_names[i], i);
		plans(expected, name);
	}
	machine(DATA);
	attach("sdf")->n_evidence--;
	plans("! volume data mount: " DISK
	      " (is not proven blank: proven: not every rule was asked: left alone)",
		"refused when a rule was not asked");
	machine(DATA);
	attach("sdf")->proven = false;
	ok(strstr(planned(), "! volume data mount") && plan->n == 1,
		"refused when the proof was not completed");
	machine(DATA);
	strcpy(attach("sdf")->label, "x");
	ok(strstr(planned(), "! volume data mount") && plan->n == 1,
		"refused when there is a label without a type");
}

static void test_unread(void)
{
	struct volume *disk;

	machine(DATA);
	disk = attach("sdf");
	disk->probed = false;
	strcpy(disk->unread, "permission denied");
	plans("! volume data mount: " DISK " (cannot be read: permission denied)",
		"a disk that root cannot read is refused");
	inventory.root = false;
	plans("… volume data mount: " DISK
	      " (cannot be read without root (permission denied), so it is unknown what is on it)",
		"one that others cannot read is unknown");
}

static void test_half_made(void)
{
	struct volume *disk;

	machine(DATA);
	disk = attach("sdf");
	fill(disk, "xfs", "");
	disk->half_made = true;
	plans("~ volume data format: " DISK
	      " as xfs, label data (a run of ours was cut off while it formatted this volume)\n"
	      "+ volume data mount: /data (is not mounted)",
		"what our own mkfs left half made is made again");
	disk->size = 100ull << 20;
	plans("! volume data mount: /dev/nvme1n1 vol-00000001 sdf (100 MiB) (is too small: xfs "
	      "needs "
	      "300 MiB at least)",
		"by the rules of any other");
	disk->size = 8 * GIB;
	disk->probed = false;
	plans("! volume data mount: " DISK " (cannot be read: )", "and not without reading it");
	disk->probed = true;
	strcpy(disk->type, "ext4");
	plans("! volume data mount: " DISK " (holds ext4, configuration asks for xfs: left alone)",
		"and of what configuration asks for");
	strcpy(disk->type, "xfs");
	strcpy(disk->in_use, "held by dm-0");
	plans("! volume data mount: " DISK " (is in use: held by dm-0)", "nor when it is used");
	disk->in_use[0] = '\0';
	fill(disk, "ext4", "");
	plans("! volume data mount: " DISK " (holds ext4, configuration asks for xfs: left alone)",
		"nor as another file system than it was to become");
}

static void test_refused(void)
{
	struct volume *disk;

	machine(DATA);
	disk = attach("sdf");
	disk->root_disk = true;
	plans("! volume data mount: " DISK " (is the root disk)", "the root disk is refused");
	fill(disk, "xfs", "");
	plans("! volume data mount: " DISK " (is the root disk)", "whatever is on it");
	machine(DATA);
	disk = attach("sdf");
	strcpy(disk->mount, "/mnt");
	plans("! volume data mount: " DISK " (is mounted on /mnt)", "a disk mounted elsewhere");
	machine(DATA);
	disk = attach("sdf");
	strcpy(disk->in_use, "swap");
	plans("! volume data mount: " DISK " (is in use: swap)", "a disk in use");
	machine(DATA);
	attach("sdf");
	inventory.for_volumes[0].mounted = true;
	strcpy(inventory.for_volumes[0].mounted_source, "tmpfs");
	strcpy(inventory.for_volumes[0].mounted_type, "tmpfs");
	plans("! volume data mount: " DISK " (/data is the mount point of tmpfs (tmpfs) already)",
		"a mount point that something else has");
	machine(DATA);
	attach("sdf")->size = 300 * (GIB / 1024) - 1;
	plans("! volume data mount: /dev/nvme1n1 vol-00000001 sdf (300 MiB) (is too small: xfs "
	      "needs "
	      "300 MiB at least)",
		"a disk too small");
	machine(DATA);
	attach("sdf");
	inventory.for_volumes[0].mkfs_there = false;
	plans("! volume data mount: " DISK
	      " (mkfs.xfs is not installed; it comes with the package xfsprogs)",
		"a blank disk without mkfs");
	machine(DATA);
	fill(attach("sdf"), "xfs", "");
	inventory.for_volumes[0].mkfs_there = false;
	is_str(plan_sign_name(planned()[0] ? plan->steps[1].sign : PLAN_WAIT), "create",
		"a disk that is formatted needs none");
}

static void test_named_wrong(void)
{
	struct volume *disk;

	machine(DATA);
	disk = attach("sdg");
	strcpy(inventory.for_volumes[0].canonical, disk->node);
	plans("! volume data mount: /dev/nvme1n1 vol-00000001 sdg (8 GiB) (answers to /dev/sdf but "
	      "says that it is sdg: left alone)",
		"a node of that name which says it is another");
	attach("sdf");
	ok(strstr(planned(), "+ volume data format: /dev/nvme2n1 "),
		"unless another volume says that it is the one");
	machine(DATA);
	attach("sdf");
	attach("xvdf");
	plans("! volume data mount: /dev/nvme2n1 vol-00000002 xvdf (8 GiB) (2 volumes answer to "
	      "/dev/sdf: left alone)",
		"two volumes of one name");
}

static void test_named_twice(void)
{
	machine(DATA "[volume other]\nvolume = vol-00000001\nmount = /other\n");
	attach("sdf");
	plans(FORMAT "\n+ volume data mount: /data (is not mounted)\n"
		     "! volume other mount: " DISK " (is the disk of [volume data])",
		"one disk that two sections name is the first one's");
	machine(DATA "[volume other]\ndevice = /dev/xvdf\nmount = /other\n");
	attach("sdf");
	attach("xvdf");
	planned();
	ok(plan->n == 2 && plan->steps[0].sign == PLAN_REFUSE && plan->steps[1].sign == PLAN_REFUSE,
		"of two disks that two sections name, none is taken");
}

static void test_owner(void)
{
	struct volume *disk;
	struct inventory_volume *there = &inventory.for_volumes[0];

	machine(DATA "owner = www-data:www-data\nmode = 0750\n");
	disk = attach("sdf");
	plans("! volume data mount: " DISK " (there is no user or group \"www-data:www-data\")",
		"an owner that is not known is refused");
	mounted(0, disk, "xfs");
	plans("! volume data mount: " DISK " (there is no user or group \"www-data:www-data\")",
		"also of a volume that is mounted");
	there->owner_known = true;
	there->owner_uid = there->owner_gid = 33;
	there->uid = there->gid = 33;
	there->mode = 0750;
	plans("= volume data format: " DISK " (holds xfs)\n= volume data mount: /data (is mounted)",
		"what is mounted as asked for is kept");
	there->mode = 0755;
	plans("= volume data format: " DISK " (holds xfs)\n"
	      "~ volume data mount: /data (is mounted; the top directory is 33:33 0755)",
		"another mode is changed");
	there->mode = 0750;
	there->gid = 0;
	ok(strstr(planned(),
		   "~ volume data mount: /data (is mounted; the top directory is 33:0 0750)"),
		"so is another group");
	there->gid = 33;
	there->uid = 1000;
	ok(strstr(planned(), "~ volume data mount"), "and another user");

	machine(DATA "owner = www-data\n");
	mounted(0, attach("sdf"), "xfs");
	there->owner_known = true;
	there->owner_uid = there->owner_gid = there->uid = 33;
	there->gid = 1000;
	ok(strstr(planned(), "= volume data mount"), "a group that was not asked for may be any");
	machine(DATA);
	mounted(0, attach("sdf"), "xfs");
	there->uid = 1000;
	there->mode = 0;
	ok(strstr(planned(), "= volume data mount"), "so may owner and mode");
}

static void test_mounted_other(void)
{
	machine(DATA "filesystem = ext4\n");
	mounted(0, attach("sdf"), "xfs");
	plans("! volume data mount: " DISK
	      " (xfs is mounted on /data; configuration asks for ext4)",
		"a volume mounted with another file system is refused");
}

/* -- several volumes -- */

#define STORE(name, at) "[volume " name "]\ninstance_store = yes\nmount = " at "\n"

static void test_instance_store(void)
{
	machine(STORE("a", "/a") STORE("b", "/b"));
	attach("sdf");
	attach_store();
	attach_store();
	planned();
	ok(plan->n == 4 && plan->steps[0].volume == &disks[1] && plan->steps[2].volume == &disks[2],
		"two sections take two disks, in their order");
	machine(STORE("a", "/a") STORE("b", "/b"));
	attach_store();
	planned();
	ok(plan->n == 3 && plan->steps[0].volume == &disks[0] && plan->steps[2].sign == PLAN_WAIT,
		"one disk is taken once");
	machine(STORE("a", "/a") STORE("b", "/b"));
	attach_store();
	attach_store();
	mounted(1, &disks[0], "xfs");
	planned();
	ok(plan->n == 4 && plan->steps[0].volume == &disks[1] &&
			plan->steps[0].sign == PLAN_CREATE && plan->steps[2].volume == &disks[0] &&
			plan->steps[3].sign == PLAN_KEEP,
		"a disk that is mounted stays with its section");
	machine(STORE("a", "/a"));
	attach_store();
	attach_store();
	mounted(0, &disks[1], "xfs");
	planned();
	ok(plan->n == 2 && plan->steps[0].volume == &disks[1] && plan->steps[1].sign == PLAN_KEEP,
		"even if another comes first");
	machine(STORE("a", "/a"));
	strcpy(attach_store()->mount, "/mnt");
	attach_store();
	planned();
	ok(plan->steps[0].volume == &disks[1], "a disk mounted elsewhere is not taken");
	machine(STORE("a", "/a") "[volume b]\ndevice = /dev/sdb\nmount = /b\n");
	strcpy(attach_store()->mapping, "sdb");
	attach_store();
	planned();
	ok(plan->n == 4 && plan->steps[0].volume == &disks[1] && plan->steps[2].volume == &disks[0],
		"a disk that another section names is left to it");
}

#define A "[volume a]\ndevice = /dev/sdf\nmount = /a\n"
#define B "[volume b]\ndevice = /dev/sdg\nmount = /a/b\n"
#define C "[volume c]\ndevice = /dev/sdh\nmount = /a/b/c\n"

static void test_nested(void)
{
	machine(B A);
	attach("sdg");
	attach("sdf");
	planned();
	ok(plan->n == 4 && plan->steps[1].after == &config->volumes[1] && !plan->steps[3].after,
		"a volume inside another comes after it");
	ok(plan->steps[0].after == &config->volumes[1], "with all of its steps");
	ok(strstr(plan->steps[1].reason, "is not mounted; after [volume a]"), "and says so");
	machine(B A);
	attach("sdg");
	planned();
	ok(plan->n == 3 && plan->steps[0].sign == PLAN_WAIT && plan->steps[1].sign == PLAN_WAIT &&
			plan->steps[2].sign == PLAN_WAIT,
		"it waits when the other one waits");
	machine(C B A);
	attach("sdh");
	attach("sdg");
	attach("sdf");
	planned();
	ok(plan->steps[1].after == &config->volumes[1] &&
			plan->steps[3].after == &config->volumes[2],
		"of three, each comes after the next one");
	machine(C A B);
	attach("sdh");
	attach("sdf");
	attach("sdg");
	planned();
	ok(plan->steps[1].after == &config->volumes[2] &&
			plan->steps[5].after == &config->volumes[1],
		"in whatever order they are written");
	machine(C B A);
	attach("sdh");
	attach("sdg");
	attach("sdf");
	disks[2].root_disk = true;
	planned();
	ok(plan->n == 5 && plan->steps[0].sign == PLAN_WAIT && plan->steps[1].sign == PLAN_WAIT &&
			plan->steps[3].sign == PLAN_WAIT && plan->steps[4].sign == PLAN_REFUSE,
		"when the outermost is refused all wait");
	machine("[volume x]\ndevice = /dev/sdg\nmount = /ab\n" A);
	attach("sdg");
	planned();
	ok(!plan->steps[0].after, "/ab is not inside /a");
}

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

/* What the source holds, what is deployed, what runs; "" and NULL for nothing. */
static void web(const char *wanted, const char *current, const char *running)
{
	struct inventory_app *there = &inventory.apps[0];

	*there = (struct inventory_app){.running = running != NULL,
		.running_as_configured = true,
		.proven = true,
		.shaped = true};
	snprintf(there->wanted, sizeof there->wanted, "%s", wanted);
	snprintf(there->current, sizeof there->current, "%s", current);
	snprintf(there->running_release, sizeof there->running_release, "%s",
		running ? running : "");
}

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

static bool hidden; /* something was put where a volume is mounted over it later */

static void check_hidden(const char *path)
{
	for (size_t i = 0; i < config->n_volumes; i++) {
		const char *mount = config->volumes[i].mount;
		size_t length = strlen(mount);

		hidden |= strncmp(path, mount, length) == 0 && path[length] == '/' &&
			  !inventory.for_volumes[i].mounted;
	}
}

static void do_step(const struct plan_step *step)
{
	struct inventory_volume *there = &inventory.for_volumes[step->index];
	struct inventory_app *app = &inventory.apps[step->index];
	struct volume *disk = step->volume ? &disks[step->volume - disks] : NULL;

	switch (step->op) {
	case PLAN_OP_INSTALL:
		memset(inventory.packages.missing, 0, sizeof inventory.packages.missing);
		for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
			inventory.for_volumes[i].mkfs_there = inventory.for_volumes[i].owner_known =
				true;
		break;
	case PLAN_OP_UPDATE: inventory.packages.update_due = false; break;
	case PLAN_OP_FORMAT:
		fill(disk, config->volumes[step->index].filesystem->name,
			config->volumes[step->index].label);
		break;
	case PLAN_OP_MOUNT:
		check_hidden(config->volumes[step->index].mount);
		mounted(step->index, disk, config->volumes[step->index].filesystem->name);
		there->uid = there->owner_uid;
		there->gid = there->owner_gid;
		if (config->volumes[step->index].mode != CONFIG_MODE_UNSET)
			there->mode = config->volumes[step->index].mode;
		break;
	case PLAN_OP_GROW: there->mounted_size = disk->size; break;
	case PLAN_OP_PAGE:
		check_hidden(config->index.path);
		free(inventory.index.content);
		inventory.index.content = strdup(step->page);
		inventory.index.ours = true;
		break;
	case PLAN_OP_RELEASE:
		check_hidden(config->apps[step->index].path);
		memcpy(app->current, app->wanted, sizeof app->current);
		app->proven = false;
		break;
	case PLAN_OP_FILES: break;
	case PLAN_OP_LINK: app->link_right = true; break;
	case PLAN_OP_PROVE: app->proven = true; break;
	case PLAN_OP_RUN:
		app->running = app->running_as_configured = true;
		memcpy(app->running_release, app->current, sizeof app->running_release);
		break;
	}
}

/*
 * Walks as apply does: what does not come after anything, then a new plan. Returns the rounds that
 * it took until nothing is left to do; 0 when it does not end.
 */
static unsigned walk(void)
{
	for (unsigned rounds = 1; rounds < 20; rounds++) {
		struct plan *walked;
		bool any = false;

		(void)planned();
		walked = plan;
		plan = NULL;
		for (size_t i = 0; i < walked->n; i++) {
			const struct plan_step *step = &walked->steps[i];

			if ((step->sign != PLAN_CREATE && step->sign != PLAN_CHANGE) ||
				step->after || step->after_packages)
				continue;
			do_step(step);
			any = true;
		}
		plan_free(walked);
		if (!any)
			return rounds;
	}
	return 0;
}

static bool all_kept(void)
{
	bool all = true;

	(void)planned();
	for (size_t i = 0; i < plan->n; i++)
		all &= plan->steps[i].sign == PLAN_KEEP;
	return all;
}

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

static void test_grow(void)
{
	struct inventory_volume *there = &inventory.for_volumes[0];

	machine(DATA);
	mounted(0, attach("sdf"), "xfs");
	there->mounted_size = 8 * GIB - PLAN_GROW_MIN + 1;
	ok(!strstr(planned(), "grow"),
		"a file system that fills its volume, all but the end, stays");
	there->mounted_size = 6 * GIB;
	ok(strstr(planned(), "~ volume data grow: /data from 6 GiB to 8 GiB (the volume is larger "
			     "than its xfs)") != NULL,
		"one whose volume was enlarged grows");
	ok(walk() == 2 && all_kept(), "until it fills it");
	there->mounted_size = 9 * GIB;
	ok(all_kept(), "what is larger than its volume is no matter of growing");
	there->mounted_size = 0;
	ok(all_kept(), "nor what nobody knows");
	machine(DATA "grow = no\n");
	mounted(0, attach("sdf"), "xfs");
	there->mounted_size = 6 * GIB;
	ok(all_kept(), "with grow = no it stays as it is");
}

static const char *clone_option(size_t i)
{
	(void)planned();
	for (size_t j = 0; j < plan->n; j++)
		if (plan->steps[j].op == PLAN_OP_MOUNT && plan->steps[j].index == i)
			return plan->steps[j].clone_option;
	return "no such step";
}

static void test_clone(void)
{
	struct volume *origin, *clone;

	machine(DATA "[volume copy]\ndevice = /dev/sdg\nmount = /copy\n");
	origin = attach("sdf");
	clone = attach("sdg");
	fill(origin, "xfs", "data");
	fill(clone, "xfs", "data");
	ok(!clone_option(1), "two file systems are no clones");
	strcpy(origin->uuid, "1b671a64-40d5-491e-99b0-da01ff1f3341");
	strcpy(clone->uuid, "1b671a64-40d5-491e-99b0-da01ff1f3342");
	ok(!clone_option(1), "nor are two of other UUIDs");
	strcpy(clone->uuid, origin->uuid);
	is_str(clone_option(1), "nouuid", "a clone of an XFS is mounted beside its origin");
	strcpy(clone->type, "ext4");
	ok(!clone_option(0), "one of another type is none");
	strcpy(clone->type, "xfs");
	mounted(0, origin, "xfs");
	is_str(clone_option(1), "nouuid", "also when that is mounted already");
	inventory.n_volumes = 1;
	*origin = *clone;
	strcpy(origin->mapping, "sdf");
	origin->mount[0] = '\0';
	inventory.for_volumes[0].mounted = false;
	ok(!clone_option(0), "but never needlessly");
	machine(DATA "filesystem = ext4\n[volume copy]\ndevice = /dev/sdg\nmount = /copy\n"
		     "filesystem = ext4\n");
	for (size_t i = 0; i < 2; i++) {
		struct volume *disk = attach(i ? "sdg" : "sdf");

		fill(disk, "ext4", "data");
		strcpy(disk->uuid, "1b671a64-40d5-491e-99b0-da01ff1f3341");
	}
	ok(!clone_option(1), "ext4 needs no word for it");
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
	test_not_attached();
	test_blank();
	test_content();
	test_not_proven();
	test_unread();
	test_half_made();
	test_refused();
	test_named_wrong();
	test_named_twice();
	test_owner();
	test_mounted_other();
	test_grow();
	test_clone();
	test_instance_store();
	test_nested();
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
	plan_free(plan);
	config_free(config);
	free(inventory.index.content);
	return done_testing();
}
