/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"

int file_read_fd(int fd, size_t max, char **ret_text, size_t *ret_length)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (length + 1 >= room) {
			char *grown = realloc(text, room = room ? room * 2 : 4096);

			if (!grown)
				return -ENOMEM;
			text = grown;
		}
		n = read(fd, text + length, room - length - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
		if (length > max)
			return -EFBIG;
	}
	text[length] = '\0';
	*ret_text = steal_ptr(text);
	if (ret_length)
		*ret_length = length;
	return 0;
}

int file_read(const char *path, size_t max, char **ret_text, size_t *ret_length)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	return fd < 0 ? -errno : file_read_fd(fd, max, ret_text, ret_length);
}

int file_read_small(const char *path, char *ret_text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t length = 0;
	ssize_t n;

	ret_text[0] = '\0';
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, ret_text + length, size - length);
		length += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && length < size) || (n < 0 && errno == EINTR));
	if (n < 0 || length == size) {
		ret_text[0] = '\0';
		return n < 0 ? -errno : -EFBIG;
	}
	ret_text[length] = '\0';
	return 0;
}

void file_unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

int file_write_all(int fd, const void *data, size_t length)
{
	const char *rest = data;

	while (length > 0) {
		ssize_t n = write(fd, rest, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		rest += n;
		length -= (size_t)n;
	}
	return 0;
}

static int parent_of(const char *path, char ret_parent[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret_parent, path, length);
	ret_parent[length] = '\0';
	if (length == 0)
		strcpy(ret_parent, slash ? "/" : ".");
	return 0;
}

static int sync_parent(const char *path)
{
	char parent[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = parent_of(path, parent);

	if (r < 0)
		return r;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_temporary(int fd, const void *data, size_t length, mode_t mode,
	const struct file_attribute *attribute)
{
	int r = file_write_all(fd, data, length);

	if (r < 0)
		return r;
	if (attribute &&
		fsetxattr(fd, attribute->name, attribute->value, strlen(attribute->value), 0) < 0 &&
		errno != EOPNOTSUPP && errno != EPERM)
		return -errno;
	return fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_write(const char *path, const void *data, size_t length, mode_t mode)
{
	return file_write_with(path, data, length, mode, NULL);
}

int file_write_with(const char *path, const void *data, size_t length, mode_t mode,
	const struct file_attribute *attribute)
{
	char temporary[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if (snprintf(temporary, sizeof temporary, "%s" FILE_TEMPORARY, path) >=
		(int)sizeof temporary)
		return -ENAMETOOLONG;
	if (unlink(temporary) < 0 && errno != ENOENT)
		return -errno;
	/* Nobody else's, and no link that somebody has put there. */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_temporary(fd, data, length, mode, attribute);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(temporary);
		return r;
	}
	return sync_parent(path);
}

bool file_equals(const char *path, const void *data, size_t length)
{
	_cleanup_free_ char *text = NULL;
	size_t there;

	return file_read(path, length, &text, &there) == 0 && there == length &&
	       memcmp(text, data, length) == 0;
}

int file_make_directories(const char *path)
{
	char partial[PATH_MAX];
	size_t length = strlen(path);
	struct stat st;

	if (length >= sizeof partial)
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(partial, path, i);
		partial[i] = '\0';
		if (mkdir(partial, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return stat(path, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_make_parents(const char *path)
{
	char parent[PATH_MAX];
	int r = parent_of(path, parent);

	return r < 0 ? r : file_make_directories(parent);
}

int file_check_way(const char *path, struct err *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		char directory[PATH_MAX];
		struct stat st;
		bool open;

		if (snprintf(directory, sizeof directory, "%.*s",
			    slash == path ? 1 : (int)(slash - path), path) >= (int)sizeof directory)
			return err_set(err, -ENAMETOOLONG, "%s: %m", path);
		if (stat(directory, &st) < 0)
			return err_set(err, -errno, "%s: %m", directory);
		open = st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX);
		if (open || (st.st_uid != 0 && st.st_uid != geteuid()))
			return err_set(err, -EPERM,
				"%s: others than root may write there, and could replace %s",
				directory, path);
	}
	return 0;
}
