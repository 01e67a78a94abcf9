/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "mount.h"

#define KEPT_MAX 1000 /* names that are tried */

static void target_of(const struct config_app *app, char target[static PATH_MAX])
{
	snprintf(target, PATH_MAX, "%s/current", app->path);
}

static bool leads_to(const char *path, const char *target)
{
	char there[PATH_MAX];
	ssize_t n = readlink(path, there, sizeof there - 1);

	return n > 0 && (size_t)n == strlen(target) && memcmp(there, target, (size_t)n) == 0;
}

void link_read(const struct config_app *app, bool *ret_right, char *ret_there, size_t size)
{
	char wanted[PATH_MAX];
	struct stat st;

	target_of(app, wanted);
	*ret_right = leads_to(app->link, wanted);
	ret_there[0] = '\0';
	if (!*ret_right && lstat(app->link, &st) == 0)
		snprintf(ret_there, size, "%s",
			S_ISLNK(st.st_mode)   ? "another link"
			: S_ISDIR(st.st_mode) ? "a directory"
					      : "a file");
}

static int sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
	fd = open(directory[0] ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Makes the link under the name that will be of what was there; one that was left so is taken. */
static int make_beside(
	const struct config_app *app, const char *target, char ret_name[static PATH_MAX])
{
	for (int i = 0; i < KEPT_MAX; i++) {
		if (snprintf(ret_name, PATH_MAX, "%s.before-%s%.0d", app->link, app->name, i) >=
			PATH_MAX)
			return -ENAMETOOLONG;
		if (symlink(target, ret_name) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (leads_to(ret_name, target))
			return 0;
	}
	return -EEXIST;
}

int link_put(const struct config_app *app, char ret_kept[static PATH_MAX], struct err *err)
{
	char target[PATH_MAX], beside[PATH_MAX];
	struct mount mount;
	struct stat st;
	bool taken;
	int r = file_make_parents(app->link);

	ret_kept[0] = '\0';
	if (r < 0)
		return err_set(err, r, "%s: %m", app->link);
	if (mount_find(app->link, &mount, NULL) == 0)
		return err_set(err, -EBUSY, "%s: something is mounted there", app->link);
	target_of(app, target);
	r = make_beside(app, target, beside);
	if (r < 0)
		return err_set(err, r, "%s: %m", app->link);
	taken = lstat(app->link, &st) == 0;
	if (renameat2(AT_FDCWD, beside, AT_FDCWD, app->link,
		    taken ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
		return err_set(err, -errno, "%s: %m", app->link);
	if (taken)
		memcpy(ret_kept, beside, sizeof beside);
	r = sync_directory_of(app->link);
	return r < 0 ? err_set(err, r, "%s: %m", app->link) : 0;
}
