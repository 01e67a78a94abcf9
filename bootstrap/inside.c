/* SPDX-License-Identifier: Apache-2.0 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "tree.h"

#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int failed(const char *root, const char *place, int code, struct err *err)
{
	return err_set(err, code, "%s/%s: %m", root, place);
}

/* Opens the directory that holds the place. */
static int open_parent(
	const char *root, const char *place, bool make, int *ret_fd, const char **ret_name)
{
	_cleanup_close_ int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (const char *slash; (slash = strchr(place, '/')); place = slash + 1) {
		char component[NAME_MAX + 1];
		int next;

		if ((size_t)(slash - place) >= sizeof component)
			return -ENAMETOOLONG;
		snprintf(component, sizeof component, "%.*s", (int)(slash - place), place);
		if (make && mkdirat(fd, component, 0755) < 0 && errno != EEXIST)
			return -errno;
		next = openat(fd, component, DIRECTORY);
		if (next < 0)
			return -errno;
		(void)close(fd);
		fd = next;
	}
	*ret_fd = steal_fd(&fd);
	*ret_name = place;
	return 0;
}

int inside_read(const char *root, const char *place, char **ret_text)
{
	_cleanup_close_ int parent = -1, fd = -1;
	const char *name;
	struct stat st;
	int r = open_parent(root, place, false, &parent, &name);

	if (r < 0)
		return r;
	fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? file_read_fd(fd, INSIDE_READ_MAX, ret_text, NULL) : -EINVAL;
}

/* By way of the open directory, whose path has no link in it then. */
static void path_in(int fd, const char *name, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "/proc/self/fd/%d/%s", fd, name);
}

int inside_write(const char *root, const char *place, const char *text, struct err *err)
{
	_cleanup_close_ int parent = -1;
	char path[PATH_MAX];
	const char *name;
	struct stat st;
	int r = open_parent(root, place, true, &parent, &name);

	if (r == 0 && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		r = -EISDIR;
	if (r == 0) {
		path_in(parent, name, path);
		r = file_write(path, text, strlen(text), 0644);
	}
	return r < 0 ? failed(root, place, r, err) : 0;
}

int inside_make(const char *root, const char *place, uid_t uid, gid_t gid, struct err *err)
{
	_cleanup_close_ int parent = -1, fd = -1;
	const char *name;
	struct stat st;
	int r = open_parent(root, place, true, &parent, &name);

	if (r == 0 && mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0) {
		fd = openat(parent, name, DIRECTORY);
		if (fd < 0 || fstat(fd, &st) < 0)
			r = -errno;
		else if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
			r = -errno;
	}
	return r < 0 ? failed(root, place, r, err) : 0;
}

int inside_own(const char *root, const char *place, uid_t uid, gid_t gid, struct err *err)
{
	_cleanup_close_ int parent = -1;
	char path[PATH_MAX];
	const char *name;
	int r = inside_make(root, place, uid, gid, err);

	if (r < 0)
		return r;
	r = open_parent(root, place, false, &parent, &name);
	if (r < 0)
		return failed(root, place, r, err);
	path_in(parent, name, path);
	r = tree_own(path, uid, gid, (uid_t)-1, err);
	return r < 0 ? err_wrap(err, r, "%s/%s", root, place) : 0;
}

int inside_link(const char *root, const char *place, const char *target, struct err *err)
{
	_cleanup_close_ int parent = -1;
	char path[PATH_MAX];
	const char *name;
	int r = open_parent(root, place, true, &parent, &name);

	if (r < 0)
		return failed(root, place, r, err);
	path_in(parent, name, path);
	r = tree_remove(path, err);
	if (r == 0 && symlinkat(target, parent, name) < 0)
		r = failed(root, place, -errno, err);
	return r;
}
