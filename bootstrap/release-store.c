/* SPDX-License-Identifier: Apache-2.0 */
#include "release-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "file.h"
#include "spawn.h"
#include "tree.h"

#define LOCK_PAUSE_USEC 100000
#define HEX             "0123456789abcdef"

/* -- names -- */

bool release_starts_with_id(const char *text)
{
	return strspn(text, HEX) == RELEASE_FINGERPRINT_DIGITS &&
	       text[RELEASE_FINGERPRINT_DIGITS] == '-' &&
	       strspn(text + RELEASE_FINGERPRINT_DIGITS + 1, HEX) == RELEASE_SHAPE_DIGITS;
}

bool release_is_id(const char *text)
{
	return release_starts_with_id(text) && !text[RELEASE_ID_LENGTH];
}

void release_place(const struct config_app *app, const char *name, const char *suffix,
	char ret[static RELEASE_PLACE_MAX])
{
	snprintf(
		ret, RELEASE_PLACE_MAX, "%.*s/releases/%.80s%s", PATH_MAX, app->path, name, suffix);
}

bool release_is_complete(const struct config_app *app, const char *id)
{
	char path[RELEASE_PLACE_MAX];
	struct stat st;

	if (!release_is_id(id) || !release_marked(app, id, RELEASE_COMPLETE, NULL))
		return false;
	release_place(app, id, "", path);
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* -- the directory -- */

static int check_owner(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, -errno, "%s: %m", path);
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, -EPERM,
			"%s: others than we (uid %u) may write there, and could replace a release",
			path, (unsigned)geteuid());
	return 0;
}

/* Waits for another run, and for what is left of one that was killed. */
static int lock(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t deadline = clock_monotonic() + RELEASE_LOCK_TIMEOUT;

	if (fd < 0)
		return err_set(err, -errno, "%s: %m", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(err, -errno, "%s: %m", path);
		if (clock_monotonic() > deadline)
			return err_set(err, -EBUSY, "%s: another run is at it", path);
		(void)usleep(LOCK_PAUSE_USEC);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int release_open(const struct config_app *app, int *ret_fd, struct err *err)
{
	char path[RELEASE_PLACE_MAX];
	int r;

	if (strlen(app->path) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: %m", app->path);
	release_place(app, "", "", path);
	r = file_make_directories(path);
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	r = file_check_way(app->path, err);
	if (r == 0)
		r = check_owner(app->path, err);
	if (r == 0)
		r = check_owner(path, err);
	return r < 0 ? r : lock(path, ret_fd, err);
}

/* -- marks -- */

/* Marks tell which release came last, also when the clock was set back. */
static int make_newest(
	const struct config_app *app, const char *id, const char *suffix, const char *mark)
{
	_cleanup_free_ struct release_made *made = NULL;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	size_t n = 0;
	int r = release_list(app, suffix, &made, &n, NULL);

	if (r < 0 || n == 0 || !made[0].marked || strcmp(made[0].id, id) == 0)
		return r;
	times[1] = made[0].when;
	if (++times[1].tv_nsec == 1000000000) {
		times[1].tv_sec++;
		times[1].tv_nsec = 0;
	}
	return utimensat(AT_FDCWD, mark, times, 0) < 0 ? -errno : 0;
}

int release_mark(const struct config_app *app, const char *id, const char *suffix, const char *text,
	struct err *err)
{
	char mark[RELEASE_PLACE_MAX];
	int r;

	release_place(app, id, suffix, mark);
	r = file_write(mark, text, strlen(text), 0644);
	if (r == 0)
		r = make_newest(app, id, suffix, mark);
	return r < 0 ? err_set(err, r, "%s: %m", mark) : 0;
}

int release_unmark(
	const struct config_app *app, const char *id, const char *suffix, struct err *err)
{
	char mark[RELEASE_PLACE_MAX];

	release_place(app, id, suffix, mark);
	if (unlink(mark) < 0 && errno != ENOENT)
		return err_set(err, -errno, "%s: %m", mark);
	return 0;
}

bool release_marked(
	const struct config_app *app, const char *id, const char *suffix, struct timespec *ret_when)
{
	char mark[RELEASE_PLACE_MAX];
	struct stat st;

	release_place(app, id, suffix, mark);
	if (lstat(mark, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (ret_when)
		*ret_when = st.st_mtim;
	return true;
}

/* -- all of them -- */

static int newest_first(const void *a, const void *b)
{
	const struct release_made *x = a, *y = b;

	if (x->marked != y->marked)
		return x->marked ? -1 : 1;
	if (x->when.tv_sec != y->when.tv_sec)
		return x->when.tv_sec < y->when.tv_sec ? 1 : -1;
	if (x->when.tv_nsec != y->when.tv_nsec)
		return x->when.tv_nsec < y->when.tv_nsec ? 1 : -1;
	return strcmp(x->id, y->id);
}

static int is_release(const struct dirent *d)
{
	return release_is_id(d->d_name);
}

int release_list(const struct config_app *app, const char *suffix, struct release_made **ret_made,
	size_t *ret_n, struct err *err)
{
	char path[RELEASE_PLACE_MAX];
	struct dirent **list;
	struct release_made *made;
	size_t n_made = 0;
	int n;

	release_place(app, "", "", path);
	n = scandir(path, &list, is_release, NULL);
	if (n < 0)
		return err_set(err, -errno, "%s: %m", path);
	made = calloc((size_t)n + 1, sizeof *made);
	for (int i = 0; i < n; i++) {
		const char *id = list[i]->d_name;

		if (made && release_is_complete(app, id)) {
			struct release_made *one = &made[n_made++];

			one->marked = release_marked(app, id, suffix, &one->when);
			memcpy(one->id, id, sizeof one->id);
		}
		free(list[i]);
	}
	free(list);
	if (!made)
		return err_set(err, -ENOMEM, "%m");
	qsort(made, n_made, sizeof *made, newest_first);
	*ret_made = made;
	*ret_n = n_made;
	return 0;
}

int release_remove(const struct config_app *app, int releases, const char *id, struct err *err)
{
	char path[RELEASE_PLACE_MAX];
	int r = release_unmark(app, id, RELEASE_COMPLETE, err);

	if (r < 0)
		return r;
	release_place(app, id, "", path);
	if (fsync(releases) < 0)
		return err_set(err, -errno, "%s: %m", path);
	r = release_unmark(app, id, RELEASE_HEALTHY, err);
	return r < 0 ? r : tree_remove(path, err);
}
