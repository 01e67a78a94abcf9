/* SPDX-License-Identifier: Apache-2.0 */
#include "page-file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "digest.h"
#include "file.h"
#include "template.h"

#define ATTRIBUTE "user.instanced.sha256"
#define KEPT_MAX  100

int page_file_read(const char *path, char **ret_content, bool *ret_ours)
{
	char marked[DIGEST_HEX_SIZE], actual[DIGEST_HEX_SIZE];
	size_t length;
	ssize_t n;
	int r = file_read(path, TEMPLATE_MAX, ret_content, &length);

	if (r < 0)
		return r;
	n = getxattr(path, ATTRIBUTE, marked, sizeof marked);
	*ret_ours = n == DIGEST_HEX_SIZE - 1 && digest_sha256(*ret_content, length, actual) == 0 &&
		    memcmp(marked, actual, (size_t)n) == 0;
	return 0;
}

static bool is_same(const char *path, const char *other)
{
	struct stat a, b;

	return lstat(path, &a) == 0 && lstat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/*
 * A second name for the content: it is there at every moment, under one name or two. A run that was
 * cut off may have given it that name.
 */
static int keep(const char *path, char *ret_kept, struct err *err)
{
	for (int i = 0; i < KEPT_MAX; i++) {
		char number[8] = "";
		int r;

		if (i > 0)
			snprintf(number, sizeof number, ".%d", i);
		snprintf(ret_kept, PATH_MAX, "%s.before-instanced%s", path, number);
		r = link(path, ret_kept) < 0 ? -errno : 0;
		if (r == 0 || (r == -EEXIST && is_same(path, ret_kept)))
			return 0;
		if (r != -EEXIST)
			return err_set(err, r, "%s: cannot be kept as %s: %m", path, ret_kept);
	}
	return err_set(err, -EEXIST, "%s: all names to keep it under are taken", path);
}

int page_file_write(const char *path, const char *content, char *ret_kept, struct err *err)
{
	_cleanup_free_ char *there = NULL;
	char digest[DIGEST_HEX_SIZE];
	bool ours = false;
	int r = page_file_read(path, &there, &ours);

	ret_kept[0] = '\0';
	if (r < 0 && r != -ENOENT)
		return err_set(err, r, "%s: %m", path);
	if (r == 0 && !ours && strcmp(there, content) != 0)
		r = keep(path, ret_kept, err);
	else
		r = file_make_parents(path);
	if (r < 0)
		return ret_kept[0] ? r : err_set(err, r, "%s: %m", path);
	/* Where the file system has no such attributes, the next page will be kept beside. */
	r = digest_sha256(content, strlen(content), digest);
	if (r == 0)
		r = file_write_with(path, content, strlen(content), 0644,
			&(struct file_attribute){ATTRIBUTE, digest});
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}
