/* SPDX-License-Identifier: Apache-2.0 */
#include "mount.h"

#include <errno.h>
#include <libmount.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cleanup.h"

#define WORDS_MAX 256

static struct libmnt_table *table_free(struct libmnt_table *table)
{
	mnt_unref_table(table);
	return NULL;
}
CLEANUP_FOR(libmnt_table, table_free);

static struct libmnt_context *context_free(struct libmnt_context *context)
{
	mnt_free_context(context);
	return NULL;
}
CLEANUP_FOR(libmnt_context, context_free);

int mount_find(const char *target, struct mount *ret_mount, struct err *err)
{
	_cleanup_(table_free_p) struct libmnt_table *table =
		mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_fs *fs;
	struct stat st;

	if (!table)
		return err_set(err, -errno, "/proc/self/mountinfo: %m");
	fs = mnt_table_find_target(table, target, MNT_ITER_BACKWARD);
	if (!fs)
		return -ENOENT;
	*ret_mount = (struct mount){0};
	snprintf(ret_mount->source, sizeof ret_mount->source, "%s", mnt_fs_get_source(fs));
	snprintf(ret_mount->type, sizeof ret_mount->type, "%s", mnt_fs_get_fstype(fs));
	/* btrfs shows an anonymous number; the source's own number is the disk's. */
	if (ret_mount->source[0] == '/' && stat(ret_mount->source, &st) == 0 && S_ISBLK(st.st_mode))
		ret_mount->disk = st.st_rdev;
	return 0;
}

int mount_attach(const char *source, const char *target, const char *type, const char *options,
	struct err *err)
{
	_cleanup_(context_free_p) struct libmnt_context *context = mnt_new_context();
	char words[WORDS_MAX] = "";
	struct mount mount;
	int rc, code;

	if (!context)
		return err_set(err, -ENOMEM, "%m");
	(void)mnt_context_disable_helpers(context, 1);
	(void)mnt_context_disable_swapmatch(context, 1);
	if (mnt_context_set_source(context, source) || mnt_context_set_target(context, target) ||
		mnt_context_set_fstype(context, type) ||
		(options && mnt_context_set_options(context, options)))
		return err_set(err, -ENOMEM, "%m");
	rc = mnt_context_mount(context);
	code = mnt_context_get_excode(context, rc, words, sizeof words);
	if (code != 0)
		return err_set(err, -EIO, "%s: mount on %s: %s", source, target,
			words[0] ? words : "failed");
	rc = mount_find(target, &mount, err);
	return rc == -ENOENT ? err_set(err, rc, "%s: the mount table does not show it", target)
			     : rc;
}
