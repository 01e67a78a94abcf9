/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof of blankness, rule by rule, in a world of which each thing can be spoiled: in the place
 * of the kernel, of libblkid and of what reads the device are doubles that answer from `world`.
 * What they stand for is shown on real disks by system/blank.t and its neighbours.
 */
#include "../bootstrap/blank.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "../bootstrap/device-use.h"
#include "../bootstrap/device.h"
#include "../bootstrap/zero.h"
#include "cleanup.h"
#include "tap.h"

#define NODE    "/dev/xvdf"
#define DEVICE  1011 /* the descriptor of the disk */
#define CLAIMED 1012 /* what it is opened as exclusively */
#define SIZE    (64ull << 20)

enum set_up { NEW, SET_DEVICE, SUPERBLOCKS, SUPERBLOCK_FLAGS, PARTITIONS, PARTITION_FLAGS, ALL };

struct signature {
	const char *type, *label, *uuid, *offset, *bad, *table, *table_uuid, *table_offset;
};

static struct world {
	struct volume volume; /* the device, as it is described */
	int describe_error;
	mode_t mode, node_mode, claimed_mode;
	dev_t number, node_number, claimed_number;
	uint64_t size;
	int no_open, no_stat, no_node, no_claimed_stat, no_size, no_mode, no_sync; /* errno, or 0 */
	int read_only;
	const char *attribute; /* directory in sysfs: "dm" */

	int no_lock;          /* errno */
	unsigned int lock_at; /* try that gets it */

	enum set_up fails; /* what libblkid cannot do */
	int set_up_errno;
	int probe, probe_errno; /* its answer */
	struct signature signatures[4];

	size_t data_in;       /* zero_check() that finds data, from 1; 0 none */
	unsigned int busy;    /* tries until it opens exclusively */
	int no_claim;         /* errno */
	unsigned int checked; /* calls of zero_check() */
	const struct remains *remains;
	unsigned int no_stat_at; /* look at the device that fails, from 1; 0 none */
	unsigned int tries, slept, signature, stats;
} world;

/* -- the kernel -- */

static int result(int error)
{
	errno = error;
	return error ? -1 : 0;
}

/* What is not about the disk is the kernel's: the account of coverage is written so. */
static bool is_ours(int fd)
{
	return fd == DEVICE || fd == CLAIMED;
}

int open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list list;

	va_start(list, flags);
	mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
	va_end(list);
	if (strcmp(path, NODE) == 0)
		return world.no_open ? result(world.no_open) : DEVICE;
	if (strcmp(path, "/proc/self/fd/1011") != 0 || !(flags & O_EXCL))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (world.no_claim)
		return result(world.no_claim);
	return world.tries++ < world.busy ? result(EBUSY) : CLAIMED;
}

int close(int fd)
{
	return is_ours(fd) ? 0 : (int)syscall(SYS_close, fd);
}

int fstat(int fd, struct stat *ret)
{
	if (!is_ours(fd))
		return (int)syscall(SYS_newfstatat, fd, "", ret, AT_EMPTY_PATH);
	*ret = (struct stat){.st_mode = fd == CLAIMED ? world.claimed_mode : world.mode,
		.st_rdev = fd == CLAIMED ? world.claimed_number : world.number};
	if (fd == DEVICE && ++world.stats == world.no_stat_at)
		return result(EIO);
	return result(fd == CLAIMED ? world.no_claimed_stat : world.no_stat);
}

int stat(const char *path, struct stat *ret)
{
	if (strcmp(path, NODE) != 0)
		return (int)syscall(SYS_newfstatat, AT_FDCWD, path, ret, 0);
	*ret = (struct stat){.st_mode = world.node_mode, .st_rdev = world.node_number};
	return result(world.no_node);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *ret;

	(void)fd;
	va_start(list, request);
	ret = va_arg(list, void *);
	va_end(list);
	if (request == BLKGETSIZE64)
		*(uint64_t *)ret = world.size;
	else
		*(int *)ret = world.read_only;
	return result(request == BLKGETSIZE64 ? world.no_size : world.no_mode);
}

int flock(int fd, int operation)
{
	(void)fd, (void)operation;
	return ++world.tries == world.lock_at ? 0 : result(world.no_lock);
}

int nanosleep(const struct timespec *time, struct timespec *ret_left)
{
	(void)ret_left;
	world.slept += (unsigned int)(time->tv_nsec / 1000000);
	return 0;
}

int fsync(int fd)
{
	(void)fd;
	return result(world.no_sync);
}

int posix_fadvise(int fd, off_t offset, off_t length, int advice)
{
	(void)fd, (void)offset, (void)length, (void)advice;
	return 0;
}

/* -- device.c, zero.c -- */

bool device_has(dev_t number, const char *name)
{
	return number == world.number && world.attribute && strcmp(world.attribute, name) == 0;
}

int device_read_fd(int fd, struct volume *ret, struct err *err)
{
	(void)fd;
	if (world.describe_error)
		return err_set(err, world.describe_error, "gone");
	*ret = world.volume;
	return 0;
}

bool zero_check(int fd, const struct zero_range *ranges, size_t n, const struct remains *remains,
	char ret_text[static VOLUME_TEXT_MAX])
{
	(void)fd, (void)ranges;
	world.checked++;
	world.remains = remains;
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%zu reads", n);
	return world.checked != world.data_in;
}

/* -- libblkid -- */

static int set_up(enum set_up what)
{
	errno = what == world.fails ? world.set_up_errno : 0;
	return what == world.fails ? -1 : 0;
}

blkid_probe blkid_new_probe(void)
{
	return set_up(NEW) < 0 ? NULL : (blkid_probe)(void *)&world;
}

void blkid_free_probe(blkid_probe probe)
{
	(void)probe;
}

int blkid_probe_set_device(blkid_probe probe, int fd, blkid_loff_t offset, blkid_loff_t size)
{
	(void)probe, (void)fd, (void)offset, (void)size;
	return set_up(SET_DEVICE);
}

int blkid_probe_enable_superblocks(blkid_probe probe, int enable)
{
	(void)probe, (void)enable;
	return set_up(SUPERBLOCKS);
}

int blkid_probe_set_superblocks_flags(blkid_probe probe, int flags)
{
	(void)probe;
	ok(flags & BLKID_SUBLKS_BADCSUM, "a bad checksum counts");
	return set_up(SUPERBLOCK_FLAGS);
}

int blkid_probe_enable_partitions(blkid_probe probe, int enable)
{
	(void)probe, (void)enable;
	return set_up(PARTITIONS);
}

int blkid_probe_set_partitions_flags(blkid_probe probe, int flags)
{
	(void)probe;
	ok(flags & BLKID_PARTS_FORCE_GPT, "a GPT counts without its MBR");
	return set_up(PARTITION_FLAGS);
}

int blkid_do_safeprobe(blkid_probe probe)
{
	(void)probe;
	world.signature = 1;
	errno = world.probe_errno;
	return world.probe;
}

void blkid_reset_probe(blkid_probe probe)
{
	(void)probe;
	world.signature = 0;
}

int blkid_do_probe(blkid_probe probe)
{
	(void)probe;
	return world.signatures[world.signature++].type ? 0 : 1;
}

int blkid_probe_lookup_value(blkid_probe probe, const char *name, const char **data, size_t *length)
{
	const struct signature *s = &world.signatures[world.signature - 1];
	const struct {
		const char *name, *value;
	} values[] = {{"TYPE", s->type}, {"LABEL", s->label}, {"UUID", s->uuid},
		{"SBMAGIC_OFFSET", s->offset}, {"SBBADCSUM", s->bad}, {"PTTYPE", s->table},
		{"PTUUID", s->table_uuid}, {"PTMAGIC_OFFSET", s->table_offset}};

	(void)probe, (void)length;
	FOREACH_ELEMENT (i, values) {
		if (strcmp(values[i].name, name) != 0 || !values[i].value)
			continue;
		*data = values[i].value;
		return 0;
	}
	return -1;
}

/* -- the tests -- */

static struct volume volume; /* what is proven */

static struct world blank_world(void)
{
	return (struct world){
		.volume = {.node = NODE, .number = makedev(7, 1), .size = SIZE},
		.mode = S_IFBLK,
		.node_mode = S_IFBLK,
		.claimed_mode = S_IFBLK,
		.number = makedev(7, 1),
		.node_number = makedev(7, 1),
		.claimed_number = makedev(7, 1),
		.size = SIZE,
		.fails = ALL,
		.probe = 1,
	};
}

static bool prove(const struct remains *remains)
{
	volume = world.volume;
	volume.proven = volume.half_made = true; /* left of an earlier proof */
	if (remains)
		return blank_prove_but(DEVICE, remains, &volume) == 0 && volume.half_made;
	return blank_prove(DEVICE, &volume) == 0 && volume_is_blank(&volume);
}

static void test_blank(void)
{
	world = blank_world();
	ok(prove(NULL) && volume.proven && !volume.half_made, "where every rule holds it is blank");
	is_int((long long)volume.n_evidence, VOLUME_RULES, "and every rule says so");
	is_int(world.checked, 4, "the ends, the places and the samples were read");
	ok(!world.remains, "and nothing but zeros counts");
	is_int((long long)world.tries, 1, "it was claimed");
}

/* What the rules are asked in steps of: those of later ones are not, when one does not hold. */
static const struct {
	enum volume_rule first, last;
} steps[] = {{VOLUME_RULE_WHOLE_DISK, VOLUME_RULE_USE},
	{VOLUME_RULE_SIGNATURE, VOLUME_RULE_SIGNATURE},
	{VOLUME_RULE_FIRST_MIB, VOLUME_RULE_SAMPLES},
	{VOLUME_RULE_EXCLUSIVE, VOLUME_RULE_EXCLUSIVE}};

static bool only_later_are_not_asked(enum volume_rule rule)
{
	bool later = false, right = true;

	FOREACH_ELEMENT (i, steps) {
		for (size_t j = steps[i].first; j <= steps[i].last; j++) {
			const struct evidence *evidence = &volume.evidence[j];
			bool asked = strcmp(evidence->text, VOLUME_NOT_ASKED) != 0;

			right &= asked == !later && evidence->holds == (asked && j != rule);
		}
		later |= rule >= steps[i].first && rule <= steps[i].last;
	}
	return right;
}

static void fails(enum volume_rule rule, const char *says, const char *name)
{
	const struct evidence *objection;

	printf("# %s\n", name);
	ok(!prove(NULL) && !volume.proven, "it is not blank");
	objection = volume_objection(&volume);
	is_str(objection ? objection->rule : NULL, volume_rule_names[rule], "by the rule");
	ok(objection && strstr(objection->text, says), "which says why");
	if (objection && !strstr(objection->text, says))
		printf("# %s\n", objection->text);
	ok(only_later_are_not_asked(rule), "only what comes after its step is not asked");
	world = blank_world();
}

static void test_rules(void)
{
#define FAILS(rule, says, change)                                                                  \
	do {                                                                                       \
		world = blank_world();                                                             \
		change;                                                                            \
		fails(VOLUME_RULE_##rule, says, #change);                                          \
	} while (0)

	FAILS(WHOLE_DISK, "not the device", world.number++);
	FAILS(WHOLE_DISK, "not the device", world.no_stat_at = 2);
	FAILS(WHOLE_DISK, "not the device", world.no_size = EIO);
	FAILS(WHOLE_DISK, "not the device", world.size += 512);
	FAILS(WHOLE_DISK, "no: partition", world.attribute = "partition");
	FAILS(WHOLE_DISK, "no: dm", world.attribute = "dm");
	FAILS(WHOLE_DISK, "no: md", world.attribute = "md");
	FAILS(SIZE, "at least", world.size = world.volume.size = VOLUME_SIZE_MIN - 512);
	FAILS(ROOT_DISK, "/ is on it", world.volume.root_disk = true);
	FAILS(WRITABLE, "read-only", world.volume.read_only = true);
	FAILS(WRITABLE, "read-only", world.read_only = 1);
	FAILS(WRITABLE, "read-only", world.no_mode = ENOTTY);
	FAILS(MOUNT, "mounted at /data", strcpy(world.volume.mount, "/data"));
	FAILS(USE, "swap", strcpy(world.volume.in_use, "swap"));
	FAILS(FIRST_MIB, "16 reads", world.data_in = 1);
	FAILS(LAST_MIB, "16 reads", world.data_in = 2);
	FAILS(BACKUPS, "reads", world.data_in = 3);
	FAILS(SAMPLES, "1024 reads", world.data_in = 4);
	FAILS(EXCLUSIVE, "busy", world.busy = 1000);
	FAILS(EXCLUSIVE, "denied", world.no_claim = EACCES);
	FAILS(EXCLUSIVE, "nobody", world.no_claimed_stat = EIO);
	FAILS(EXCLUSIVE, "nobody", world.claimed_number++);

	world.busy = 1000;
	(void)prove(NULL);
	ok(world.slept >= 500 && world.slept <= 2000, "who only looks gets a second to go");
	world = blank_world();
	world.busy = 3;
	ok(prove(NULL), "and then it is blank");

	world = blank_world();
	world.no_stat = EIO;
	is_int(blank_prove(DEVICE, &volume), -EBADF, "what cannot be looked at is not proven");
	world = blank_world();
	world.mode = S_IFREG;
	is_int(blank_prove(DEVICE, &volume), -EBADF, "nor what is no block device");
	ok(!volume.proven && volume.n_evidence == 0, "there is no evidence of it");
}

static void test_signature(void)
{
#define SIGNATURE(answer, says, ...)                                                               \
	FAILS(SIGNATURE, says,                                                                     \
		(world.probe = (answer), world.signatures[0] = (struct signature){__VA_ARGS__}))

	SIGNATURE(0, "xfs at byte 0", .type = "xfs", .offset = "0");
	is_str(volume.type, "xfs", "the content has a name");
	SIGNATURE(
		0, "ext4 at byte 1080, bad checksum", .type = "ext4", .offset = "1080", .bad = "1");
	SIGNATURE(0, "vfat", .type = "vfat", .bad = "0", .label = "A\xc3\x7f\n", .uuid = "0A");
	is_str(volume.label, "A???", "a label is printable");
	is_str(volume.uuid, "0A", "and there is a UUID");
	SIGNATURE(0, "xfs", .type = "xfs",
		.uuid = "one that is longer than any UUID is, and than there is room");
	is_str(volume.uuid, "one that is longer than any UUID is, an", "what is too long is cut");
	SIGNATURE(0, "gpt at byte 512", .table = "gpt", .table_offset = "512", .table_uuid = "1");
	is_str(volume.uuid, "1", "a partition table has one too");
	SIGNATURE(0, "unknown", .table_uuid = "1");
	SIGNATURE(-2, "several signatures: xfs at byte 0", .type = "xfs", .offset = "0");
	is_str(volume.type, "ambivalent", "several are not one");
	FAILS(SIGNATURE, "several signatures: xfs at byte 0, ext4 at byte 1080",
		(world.probe = -2,
			world.signatures[0] = (struct signature){.type = "xfs", .offset = "0"},
			world.signatures[1] =
				(struct signature){.type = "ext4", .offset = "1080"}));
	world = blank_world();
	world.probe = -2;
	FOREACH_ELEMENT (i, world.signatures)
		world.signatures[i] = (struct signature){
			.type = "a_very_long_name_of_a_type", .offset = "123456789012345678"};
	world.signatures[3].type = NULL;
	ok(!prove(NULL) && strlen(volume.evidence[VOLUME_RULE_SIGNATURE].text) < VOLUME_TEXT_MAX,
		"long names are cut");
	FAILS(SIGNATURE, "could not be probed: Input/output error", world.probe = -EIO);
	ok(!volume.probed && strstr(volume.unread, "Input/output"), "it is unread");
	FAILS(SIGNATURE, "could not be probed: Input/output error",
		(world.probe = -1, world.probe_errno = EIO));
	FAILS(SIGNATURE, "could not be probed: Operation not", (world.probe = -1));
	FAILS(SIGNATURE, "could not be probed", (world.probe = -1000));
	for (enum set_up i = NEW; i < ALL; i++) {
		FAILS(SIGNATURE, "could not be probed: Input/output error", world.fails = i);
		FAILS(SIGNATURE, "could not be probed: Cannot allocate memory",
			(world.fails = i, world.set_up_errno = ENOMEM));
	}
	world = blank_world();
	world.probe = 0;
	world.signatures[0] = (struct signature){.type = "xfs"};
	is_int(blank_probe(DEVICE, &volume), 0, "content is named without a proof");
	world.probe = -EIO;
	is_int(blank_probe(DEVICE, &volume), -EIO, "or is an error");
}

static void test_remains(void)
{
	static const struct filesystem xfs = {.name = "xfs"};
	static const struct remains remains = {.filesystem = &xfs, .reference = -1};

	world = blank_world();
	ok(prove(&remains) && !volume.proven, "what mkfs left is half made, not blank");
	ok(world.remains == &remains, "it may lie wherever is read");
	world = blank_world();
	world.probe = 0;
	world.signatures[0] = (struct signature){.type = "xfs"};
	ok(prove(&remains) && !volume_is_blank(&volume), "its own superblock may be there");
	world = blank_world();
	world.probe = 0;
	world.signatures[0] = (struct signature){.type = "ext4"};
	ok(!prove(&remains), "but no other");
	world = blank_world();
	world.probe = -2;
	ok(!prove(&remains), "nor several");
	world = blank_world();
	world.data_in = 4;
	ok(!prove(&remains) && !volume.proven, "and nothing that it does not cover");
}

static void test_open(void)
{
	struct err err;
	int fd = -1;

	world = blank_world();
	ok(blank_open(NODE, &fd, &err) == 0 && fd == DEVICE, "a block device is opened");
	world.mode = S_IFIFO;
	is_int(blank_open(NODE, &fd, &err), -ENOTBLK, "nothing else is");
	world.no_stat = EIO;
	is_int(blank_open(NODE, &fd, &err), -EIO, "nor what cannot be looked at");
	world.no_open = ENOENT;
	is_int(blank_open(NODE, &fd, &err), -ENOENT, "nor what is not there");
}

static void test_lock(void)
{
	struct err err;

	world = blank_world();
	world.lock_at = 3;
	world.no_lock = EWOULDBLOCK;
	ok(blank_lock(DEVICE, 200, &err) == 0 && world.slept == 100, "a lock is waited for");
	world.lock_at = world.tries = world.slept = 0;
	ok(blank_lock(DEVICE, 200, &err) == -EBUSY && world.slept == 200, "but no longer");
	world.no_lock = EINTR;
	is_int(blank_lock(DEVICE, 0, &err), -EBUSY, "with signals, too");
	world.no_lock = ENOLCK;
	is_int(blank_lock(DEVICE, 200, &err), -ENOLCK, "another error is one");
}

static void test_unchanged(void)
{
	struct err err;

#define CHANGED(says, change)                                                                      \
	do {                                                                                       \
		world = blank_world();                                                             \
		volume = world.volume;                                                             \
		change;                                                                            \
		printf("# " #change "\n");                                                         \
		is_int(blank_unchanged(DEVICE, &volume, &err), -ESTALE, "it has changed");         \
		ok(strstr(err.text, says), "and how is said");                                     \
	} while (0)

	world = blank_world();
	volume = world.volume;
	is_int(blank_unchanged(DEVICE, &volume, &err), 0,
		"a disk that did not change is unchanged");
	CHANGED("gone", world.describe_error = -ENODEV);
	CHANGED("Input/output", world.no_sync = EIO);
	CHANGED("another device", world.volume.number++);
	CHANGED("another device", world.volume.diskseq++);
	CHANGED("another device", strcpy(world.volume.serial, "vol1"));
	CHANGED("another device", strcpy(world.volume.volume_id, "vol-1"));
	CHANGED("another device", strcpy(world.volume.mapping, "sdg"));
	CHANGED("its size", world.volume.size++);
	CHANGED("or mode", world.volume.read_only = true);
	CHANGED("written to", world.volume.written++);
	CHANGED("written to", volume.written = world.volume.written = VOLUME_WRITTEN_UNKNOWN);
	CHANGED("come into use", world.volume.root_disk = true);
	CHANGED("come into use: /data", strcpy(world.volume.mount, "/data"));
	CHANGED("come into use: swap", strcpy(world.volume.in_use, "swap"));
	CHANGED("leads to another", world.no_node = ENOENT);
	CHANGED("leads to another", world.node_mode = S_IFREG);
	CHANGED("leads to another", world.node_number++);
}

int main(void)
{
	test_blank();
	test_rules();
	test_signature();
	test_remains();
	test_open();
	test_lock();
	test_unchanged();
	return done_testing();
}
