/* SPDX-License-Identifier: Apache-2.0 */
/* What is planned for volumes. */
#include <errno.h>

#include "plan-machine.h"
#include "tap.h"

/* -- one volume -- */

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
	machine_end();
	return done_testing();
}
