/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blank.h"
#include "clock.h"
#include "device.h"
#include "file.h"
#include "filesystem.h"
#include "grow.h"
#include "host.h"
#include "intent.h"
#include "mkfs.h"
#include "op.h"
#include "spawn.h"
#include "state.h"

#define MIB         ((size_t)1 << 20)
#define OPTIONS_MAX 512 /* what a line of configuration holds, and more */

/* Holds the disk of the plan: the same one, locked, read anew. */
static int hold(const struct volume *planned, int *ret_fd, struct volume *ret_now, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int r = blank_open(planned->node, &fd, err);

	if (r == 0)
		r = blank_lock(fd, BLANK_LOCK_WAIT_MS, err);
	if (r == 0 && fsync(fd) < 0) /* what was written before counts as that: blank_unchanged() */
		r = err_set(err, -errno, "%s: %m", planned->node);
	if (r == 0)
		r = device_read_fd(fd, ret_now, err);
	if (r < 0)
		return r;
	if (ret_now->number != planned->number || ret_now->diskseq != planned->diskseq ||
		ret_now->size != planned->size || strcmp(ret_now->serial, planned->serial) != 0)
		return err_set(
			err, -ESTALE, "%s: is another device than a moment ago", planned->node);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int prove_blank(int fd, struct volume *volume, struct err *err)
{
	const struct evidence *objection;
	int r = blank_prove(fd, volume);

	if (r < 0)
		return err_set(err, r, "%s: %m", volume->node);
	objection = volume_objection(volume);
	if (objection)
		return err_set(err, -EEXIST, "%s: is not proven blank: %s: %s", volume->node,
			objection->rule, objection->text);
	return 0;
}

/* What our own cut off mkfs left is proven to be nothing else. */
static int prove_half_made(const char *data, int fd, const struct filesystem *wanted,
	struct volume *volume, struct err *err)
{
	const struct evidence *objection;
	int r = intent_prove(data, fd, volume, err);

	if (r < 0)
		return err_wrap(err, r, "%s", volume->node);
	objection = volume_objection(volume);
	if (!volume->half_made)
		return err_set(err, -EEXIST, "%s: is not what a cut off run of ours left: %s: %s",
			volume->node, objection->rule, objection->text);
	if (strcmp(volume->type, wanted->name) != 0)
		return err_set(err, -EEXIST,
			"%s: a run of ours was cut off while it made %s; configuration now asks "
			"for %s",
			volume->node, volume->type, wanted->name);
	return 0;
}

/*
 * Clears the unfinished superblock, which mkfs would refuse to write over; the rest it overwrites.
 * Through the descriptor, and not if anybody has come to hold the device.
 */
static int clear_half_made(int fd, const struct volume *volume, struct err *err)
{
	static const char zeros[MIB];
	_cleanup_close_ int out = -1;
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	out = open(path, O_WRONLY | O_EXCL | O_CLOEXEC);
	if (out < 0 || pwrite(out, zeros, MIB, 0) != (ssize_t)MIB || fsync(out) < 0)
		return err_set(err, -errno, "%s: cannot be cleared: %m", volume->node);
	return 0;
}

static int verify(int fd, const struct config_volume *wanted, struct volume *volume,
	const char *uuid, struct err *err)
{
	int r = fsync(fd) < 0 ? -errno : blank_probe(fd, volume);

	if (r < 0)
		return err_set(err, r, "%s: after mkfs: %m", volume->node);
	if (strcmp(volume->type, wanted->filesystem->name) != 0 || strcmp(volume->uuid, uuid) != 0)
		return err_set(err, -EIO, "%s: mkfs has ended but there is no %s with its UUID",
			volume->node, wanted->filesystem->name);
	return 0;
}

int op_format(struct op *op, struct err *err)
{
	const struct config_volume *wanted = &op->config->volumes[op->step->index];
	const struct volume *planned = op->step->volume;
	_cleanup_close_ int fd = -1;
	struct volume volume;
	char uuid[UUID_SIZE];
	int r;

	r = hold(planned, &fd, &volume, err);
	if (r == 0)
		r = planned->half_made
			    ? prove_half_made(op->data, fd, wanted->filesystem, &volume, err)
			    : prove_blank(fd, &volume, err);
	if (r == 0)
		r = intent_write(op->data, &volume, wanted->filesystem, uuid, err);
	if (r == 0)
		r = blank_unchanged(fd, &volume, err);
	if (r == 0 && volume.half_made)
		r = clear_half_made(fd, &volume, err);
	op->mkfs_began = clock_boot();
	if (r == 0)
		r = mkfs_run(wanted->filesystem, wanted->label, uuid, fd, err);
	if (r == 0)
		op->mkfs_ended = clock_boot();
	if (r == 0)
		r = verify(fd, wanted, &volume, uuid, err);
	if (r == 0)
		r = intent_remove(op->data, &volume, err);
	if (r == 0)
		snprintf(op->note, sizeof op->note, "UUID %s", uuid);
	return r;
}

static int set_owner(const struct config_volume *wanted, struct err *err)
{
	_cleanup_close_ int fd = open(wanted->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	if (fd < 0)
		return err_set(err, -errno, "%s: %m", wanted->mount);
	if (wanted->owner && spawn_owner(wanted->owner, &uid, &gid, err) < 0)
		return -EINVAL;
	if (wanted->owner && fchown(fd, uid, strchr(wanted->owner, ':') ? gid : (gid_t)-1) < 0)
		return err_set(err, -errno, "%s: owner %s: %m", wanted->mount, wanted->owner);
	if (wanted->mode != CONFIG_MODE_UNSET && fchmod(fd, wanted->mode) < 0)
		return err_set(
			err, -errno, "%s: mode %04o: %m", wanted->mount, (unsigned)wanted->mode);
	return 0;
}

/* A record that is left of a format which had ended: the file system is complete. */
static int mount_disk(struct op *op, const struct config_volume *wanted, struct err *err)
{
	const char *clone = op->step->clone_option;
	char options[OPTIONS_MAX];
	const struct volume *planned = op->step->volume;
	_cleanup_close_ int fd = -1;
	struct volume volume;
	int r = hold(planned, &fd, &volume, err);

	if (r == 0)
		r = blank_probe(fd, &volume);
	if (r == 0 && strcmp(volume.type, wanted->filesystem->name) != 0)
		r = err_set(err, -ESTALE, "%s: does not hold %s", volume.node,
			wanted->filesystem->name);
	if (r == 0)
		r = intent_remove(op->data, &volume, err);
	if (r < 0)
		return r;
	snprintf(options, sizeof options, "%s%s%s", wanted->options ? wanted->options : "",
		wanted->options && clone ? "," : "", clone ? clone : "");
	r = file_make_directories(wanted->mount);
	if (r < 0)
		return err_set(err, r, "%s: %m", wanted->mount);
	return host()->mount(
		&volume, wanted->mount, wanted->filesystem->name, options[0] ? options : NULL, err);
}

int op_mount(struct op *op, struct err *err)
{
	const struct config_volume *wanted = &op->config->volumes[op->step->index];
	int r = 0;

	if (op->step->sign == PLAN_CREATE)
		r = mount_disk(op, wanted, err);
	return r < 0 ? r : set_owner(wanted, err);
}

int op_grow(struct op *op, struct err *err)
{
	const struct config_volume *wanted = &op->config->volumes[op->step->index];
	const struct volume *volume = op->step->volume;
	char text[VOLUME_SIZE_TEXT_MAX];
	uint64_t used;
	int r = grow_run(wanted->filesystem, volume->node, wanted->mount, err);

	if (r == 0)
		r = grow_used(wanted->filesystem, volume->node, wanted->mount, &used);
	else
		return err_wrap(err, r, "%s", wanted->mount);
	if (r < 0)
		return err_set(err, r, "%s: its size cannot be read: %m", wanted->mount);
	volume_size_text(used, text);
	snprintf(op->note, sizeof op->note, "%s", text);
	return 0;
}
