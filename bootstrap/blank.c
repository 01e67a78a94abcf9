/* SPDX-License-Identifier: Apache-2.0 */
#include "blank.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "blank-places.h"
#include "cleanup.h"
#include "device-use.h"
#include "device.h"

#define LOCK_POLL_MS 50
#define CLAIM_TRIES  20 /* a second */

/* libblkid's answers: blkid_do_safeprobe(). */
#define PROBE_NOTHING    1
#define PROBE_AMBIVALENT (-2)

int blank_open(const char *node, int *ret_fd, struct err *err)
{
	/* O_NONBLOCK: not to wait for the other end of a FIFO */
	_cleanup_close_ int fd = open(node, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: %m", node);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "%s is not a block device", node);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int blank_lock(int fd, unsigned int wait_ms, struct err *err)
{
	const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000};

	for (unsigned int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, -errno, "cannot be locked: %m");
		if (waited >= wait_ms)
			return err_set(
				err, -EBUSY, "somebody else has held its lock for %u ms", wait_ms);
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

CLEANUP_FOR(blkid_struct_probe, blkid_free_probe);

/* A value of the probe as printable ASCII; "" when there is none. */
static void copy_value(blkid_probe probe, const char *name, char *ret_text, size_t room)
{
	const char *value;
	size_t i = 0;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0)
		for (; value[i] && i < room - 1; i++)
			ret_text[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '?';
	ret_text[i] = '\0';
}

/* Bad checksums count, and a GPT without its protective MBR: traces of data are data. */
static blkid_probe make_probe(int fd)
{
	_cleanup_(blkid_free_probe_p) blkid_probe probe = blkid_new_probe();

	if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0 ||
		blkid_probe_enable_superblocks(probe, true) != 0 ||
		blkid_probe_set_superblocks_flags(probe,
			BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
				BLKID_SUBLKS_USAGE | BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM) !=
			0 ||
		blkid_probe_enable_partitions(probe, true) != 0 ||
		blkid_probe_set_partitions_flags(
			probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT) != 0)
		return NULL;
	return steal_ptr(probe);
}

/* What was found, and where. */
static void read_content(
	blkid_probe probe, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	char offset[24], bad[4];

	copy_value(probe, "TYPE", volume->type, sizeof volume->type);
	copy_value(probe, "LABEL", volume->label, sizeof volume->label);
	copy_value(probe, "UUID", volume->uuid, sizeof volume->uuid);
	copy_value(probe, "SBMAGIC_OFFSET", offset, sizeof offset);
	copy_value(probe, "SBBADCSUM", bad, sizeof bad);
	if (!*volume->type) {
		copy_value(probe, "PTTYPE", volume->type, sizeof volume->type);
		copy_value(probe, "PTUUID", volume->uuid, sizeof volume->uuid);
		copy_value(probe, "PTMAGIC_OFFSET", offset, sizeof offset);
	}
	if (!*volume->type)
		(void)snprintf(volume->type, sizeof volume->type, "unknown");
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s%s%s%s", volume->type,
		*offset ? " at byte " : "", offset, strcmp(bad, "1") == 0 ? ", bad checksum" : "");
}

/* Of several signatures the names and places. */
static void read_all(blkid_probe probe, char ret_text[static VOLUME_TEXT_MAX])
{
	size_t length = (size_t)snprintf(ret_text, VOLUME_TEXT_MAX, "several signatures");
	struct volume one = {0};
	char text[VOLUME_TEXT_MAX];

	blkid_reset_probe(probe);
	while (length < VOLUME_TEXT_MAX && blkid_do_probe(probe) == 0) {
		read_content(probe, &one, text);
		length += (size_t)snprintf(ret_text + length, VOLUME_TEXT_MAX - length, "%s %s",
			strchr(ret_text, ':') ? "," : ":", text);
	}
}

/* Returns what libblkid does, 1 for nothing. `ret_text` says what was found, or why not. */
static int probe_content(int fd, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	_cleanup_(blkid_free_probe_p) blkid_probe probe = NULL;
	int r;

	volume->probed = false;
	volume->type[0] = volume->label[0] = volume->uuid[0] = volume->unread[0] = '\0';
	errno = 0;
	probe = make_probe(fd);
	r = probe ? blkid_do_safeprobe(probe) : errno ? -errno : -EIO;
	if (r < 0 && r != PROBE_AMBIVALENT) {
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "could not be probed: %s",
			strerror(r == -1 && errno ? errno : -r));
		memcpy(volume->unread, ret_text, sizeof volume->unread);
		return r;
	}
	volume->probed = true;
	if (r == 0) {
		read_content(probe, volume, ret_text);
	} else if (r == PROBE_NOTHING) {
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "libblkid knows nothing on it");
	} else {
		(void)strcpy(volume->type, "ambivalent");
		read_all(probe, ret_text);
	}
	return r;
}

int blank_probe(int fd, struct volume *volume)
{
	char text[VOLUME_TEXT_MAX];
	int r = probe_content(fd, volume, text);

	return volume->probed ? 0 : r;
}

/* What one proof asks. */
struct look {
	int fd;
	const struct remains *remains; /* count as nothing; NULL: none */
};

/* The rules. Each writes what it found and returns whether it holds. */
typedef bool rule_ask(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX]);

static bool ask_whole_disk(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	static const char *const other[] = {"partition", "dm", "md"}; /* directories in sysfs */
	uint64_t size = 0;
	struct stat st;

	if (fstat(look->fd, &st) < 0 || st.st_rdev != volume->number ||
		ioctl(look->fd, BLKGETSIZE64, &size) < 0 || size != volume->size) {
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "not the device that was described");
		return false;
	}
	FOREACH_ELEMENT (i, other) {
		if (device_has(st.st_rdev, other[i])) {
			(void)snprintf(ret_text, VOLUME_TEXT_MAX, "no: %s", other[i]);
			return false;
		}
	}
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s, device %u:%u", volume->node,
		major(st.st_rdev), minor(st.st_rdev));
	return true;
}

static bool ask_size(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	(void)look;
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%" PRIu64 " bytes, at least %llu", volume->size,
		VOLUME_SIZE_MIN);
	return volume->size >= VOLUME_SIZE_MIN;
}

static bool ask_root_disk(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	(void)look;
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s",
		volume->root_disk ? "/ is on it" : "/ is elsewhere");
	return !volume->root_disk;
}

static bool ask_writable(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	int read_only = 1;

	if (ioctl(look->fd, BLKROGET, &read_only) < 0)
		read_only = 1;
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s",
		volume->read_only || read_only ? "the device is read-only"
					       : "the device is writable");
	return !volume->read_only && !read_only;
}

static bool ask_mount(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	(void)look;
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s%.128s", *volume->mount ? "mounted at " : "",
		*volume->mount ? volume->mount : "not in the mount table");
	return !*volume->mount;
}

static bool ask_use(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	(void)look;
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s",
		*volume->in_use ? volume->in_use : "no partitions, holders, swap, dm, md or btrfs");
	return !*volume->in_use;
}

/*
 * libblkid reads through the page cache: what is in it may be older than the device. Of remains it
 * may see the unfinished superblock.
 */
static bool ask_signature(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	int r;

	(void)posix_fadvise(look->fd, 0, 0, POSIX_FADV_DONTNEED);
	r = probe_content(look->fd, volume, ret_text);
	return r == PROBE_NOTHING ||
	       (r == 0 && look->remains &&
		       strcmp(volume->type, look->remains->filesystem->name) == 0);
}

static bool ask_zero(const struct look *look, struct volume *volume,
	char ret_text[static VOLUME_TEXT_MAX],
	size_t (*places)(uint64_t size, struct zero_range *ret_ranges))
{
	struct zero_range ranges[BLANK_RANGES_MAX];
	size_t n = places(volume->size, ranges);

	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "no places to read");
	return n > 0 && zero_check(look->fd, ranges, n, look->remains, ret_text);
}

static bool ask_first_mib(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	return ask_zero(look, volume, ret_text, blank_first_mib);
}

static bool ask_last_mib(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	return ask_zero(look, volume, ret_text, blank_last_mib);
}

static bool ask_backups(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	return ask_zero(look, volume, ret_text, blank_backups);
}

static bool ask_samples(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	return ask_zero(look, volume, ret_text, blank_samples);
}

/* By the descriptor's own link, not by name; a mount in any namespace makes it fail. */
static bool ask_exclusive(
	const struct look *look, struct volume *volume, char ret_text[static VOLUME_TEXT_MAX])
{
	static const struct timespec pause = {.tv_nsec = 50 * 1000000};
	_cleanup_close_ int exclusive = -1;
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", look->fd);
	for (int i = 0; i < CLAIM_TRIES; i++) { /* another who only looks is gone in a moment */
		exclusive = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (exclusive >= 0 || errno != EBUSY)
			break;
		(void)nanosleep(&pause, NULL);
	}
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%s",
		exclusive < 0 ? strerror(errno) : "nobody else holds it");
	return exclusive >= 0 && fstat(exclusive, &st) == 0 && st.st_rdev == volume->number;
}

/* A rule is asked only if all of the steps before its own hold. */
enum step { LOOK, NAME, READ, CLAIM };

static const struct {
	enum step step;
	rule_ask *ask;
} rules[VOLUME_RULES] = {
	[VOLUME_RULE_WHOLE_DISK] = {LOOK, ask_whole_disk},
	[VOLUME_RULE_SIZE] = {LOOK, ask_size},
	[VOLUME_RULE_ROOT_DISK] = {LOOK, ask_root_disk},
	[VOLUME_RULE_WRITABLE] = {LOOK, ask_writable},
	[VOLUME_RULE_MOUNT] = {LOOK, ask_mount},
	[VOLUME_RULE_USE] = {LOOK, ask_use},
	[VOLUME_RULE_SIGNATURE] = {NAME, ask_signature},
	[VOLUME_RULE_FIRST_MIB] = {READ, ask_first_mib},
	[VOLUME_RULE_LAST_MIB] = {READ, ask_last_mib},
	[VOLUME_RULE_BACKUPS] = {READ, ask_backups},
	[VOLUME_RULE_SAMPLES] = {READ, ask_samples},
	[VOLUME_RULE_EXCLUSIVE] = {CLAIM, ask_exclusive},
};

/* Asks all rules; true if they hold. */
static bool ask_all(const struct look *look, struct volume *volume)
{
	bool holds_before = true, holds = true;
	enum step step = LOOK;

	FOREACH_ELEMENT (i, rules) {
		struct evidence *evidence = &volume->evidence[i];

		if (rules[i].step != step)
			holds_before = holds;
		step = rules[i].step;
		evidence->rule = volume_rule_names[i];
		(void)snprintf(evidence->text, sizeof evidence->text, VOLUME_NOT_ASKED);
		evidence->holds = holds_before && rules[i].ask(look, volume, evidence->text);
		holds = holds && evidence->holds;
	}
	volume->n_evidence = VOLUME_RULES;
	return holds;
}

static int prove(int fd, const struct remains *remains, struct volume *volume)
{
	const struct look look = {fd, remains};
	struct stat st;
	bool holds;

	volume->proven = volume->half_made = false;
	volume->n_evidence = 0;
	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return -EBADF;
	holds = ask_all(&look, volume);
	volume->proven = holds && !remains;
	volume->half_made = holds && remains;
	return 0;
}

int blank_prove(int fd, struct volume *volume)
{
	return prove(fd, NULL, volume);
}

int blank_prove_but(int fd, const struct remains *remains, struct volume *volume)
{
	return prove(fd, remains, volume);
}

int blank_unchanged(int fd, const struct volume *proven, struct err *err)
{
	struct volume now;
	struct stat st;
	int r;

	if (fsync(fd) < 0) /* what others have written into the cache counts from here */
		return err_set(err, -ESTALE, "%s: %s", proven->node, strerror(errno));
	r = device_read_fd(fd, &now, err);
	if (r < 0)
		return err_wrap(err, -ESTALE, "%s", proven->node);
	if (now.number != proven->number || now.diskseq != proven->diskseq ||
		strcmp(now.serial, proven->serial) != 0 ||
		strcmp(now.volume_id, proven->volume_id) != 0 ||
		strcmp(now.mapping, proven->mapping) != 0)
		return err_set(err, -ESTALE, "%s is another device now", proven->node);
	if (now.size != proven->size || now.read_only != proven->read_only)
		return err_set(err, -ESTALE, "%s has changed its size or mode", proven->node);
	if (now.written != proven->written || now.written == VOLUME_WRITTEN_UNKNOWN)
		return err_set(err, -ESTALE,
			"%s has been written to by somebody else while it was proven blank",
			proven->node);
	if (now.root_disk || *now.mount || *now.in_use)
		return err_set(err, -ESTALE, "%s has come into use: %s", proven->node,
			*now.mount ? now.mount : now.in_use);
	if (stat(proven->node, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != proven->number)
		return err_set(err, -ESTALE, "%s leads to another device now", proven->node);
	return 0;
}
