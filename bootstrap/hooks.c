/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "host.h"

#define UNIT "instance-drain-hook" /* one name: what a run that was killed left is ended first */

bool hooks_is_name(const char *name)
{
	static const char *const left_over[] = {
		".*", "*~", "*.bak", "*.swp", "*.dpkg-*", "*.rpmsave", "*.rpmnew", "*.rpmorig"};

	FOREACH_ELEMENT (i, left_over)
		if (fnmatch(left_over[i], name, 0) == 0)
			return false;
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_executable(int directory, const char *name)
{
	struct stat st;

	return fstatat(directory, name, &st, 0) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static int take(struct hooks *hooks, DIR *stream, struct err *err)
{
	struct dirent *entry;

	for (errno = 0; (entry = readdir(stream)); errno = 0) {
		if (!hooks_is_name(entry->d_name) || !is_executable(dirfd(stream), entry->d_name))
			continue;
		if (hooks->n == HOOKS_MAX)
			return err_set(
				err, -E2BIG, "%s: has more than %d", hooks->directory, HOOKS_MAX);
		hooks->names[hooks->n] = strdup(entry->d_name);
		if (!hooks->names[hooks->n++])
			return err_set(err, -ENOMEM, "%m");
	}
	return errno ? err_set(err, -errno, "%s: %m", hooks->directory) : 0;
}

int hooks_list(const char *config, struct hooks *ret_hooks, struct err *err)
{
	const char *slash = strrchr(config, '/');
	struct hooks hooks = {.n = 0};
	char path[PATH_MAX];
	DIR *stream;
	int r;

	snprintf(path, sizeof path, "%.*s" HOOKS_DIRECTORY, slash ? (int)(slash - config) + 1 : 0,
		config);
	*ret_hooks = hooks;
	if (!realpath(path, hooks.directory))
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %m", path);
	stream = opendir(hooks.directory);
	if (!stream)
		return err_set(err, -errno, "%s: %m", hooks.directory);
	r = take(&hooks, stream, err);
	(void)closedir(stream);
	qsort(hooks.names, hooks.n, sizeof hooks.names[0], by_name);
	if (r < 0)
		hooks_clear(&hooks);
	else
		*ret_hooks = hooks;
	return r;
}

void hooks_clear(struct hooks *hooks)
{
	while (hooks->n > 0)
		free(hooks->names[--hooks->n]);
}

/* Both who can put another in its place, and who can change what a link leads to. */
static int check(const char *path, const char *real, struct err *err)
{
	struct stat st;
	int r = file_check_way(path, err);

	if (r == 0)
		r = file_check_way(real, err);
	if (r < 0)
		return r;
	if (stat(real, &st) < 0)
		return err_set(err, -errno, "%s: %m", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(err, -EPERM, "%s: belongs to user %u, not to root", path, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, -EPERM, "%s: may be written to by others than root", path);
	return 0;
}

int hooks_run(const struct hooks *hooks, size_t i, const char *kind, const char *const *env,
	uint64_t timeout_usec, struct err *err)
{
	char path[PATH_MAX], name[sizeof HOOKS_DIRECTORY + NAME_MAX + 1];
	_cleanup_free_ char *real = NULL;
	const char *argv[] = {NULL, kind, NULL};
	int r;

	if (snprintf(path, sizeof path, "%s/%s", hooks->directory, hooks->names[i]) >=
		(int)sizeof path)
		return err_set(err, -ENAMETOOLONG, "%m");
	real = realpath(path, NULL);
	if (!real)
		return err_set(err, -errno, "%s: %m", path);
	r = check(path, real, err);
	if (r < 0)
		return r;
	argv[0] = real;
	snprintf(name, sizeof name, HOOKS_DIRECTORY "/%s", hooks->names[i]);
	return host()->run(UNIT,
		&(struct spawn){.argv = argv,
			.env = env,
			.cwd = "/",
			.name = name,
			.label = name,
			.proxies = true,
			.unconfined = true,
			.alone = true,
			.timeout_usec = timeout_usec},
		NULL, err);
}
