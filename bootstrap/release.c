/* SPDX-License-Identifier: Apache-2.0 */
#include "release.h"

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
#include "digest.h"
#include "file.h"
#include "host.h"
#include "source.h"
#include "spawn.h"
#include "tree.h"

#define FINGERPRINT_DIGITS 12
#define SHAPE_DIGITS       8
#define ID_LENGTH          (FINGERPRINT_DIGITS + 1 + SHAPE_DIGITS)
#define MARK               ".complete"
#define HOME               ".home"
#define PLACE_MAX          (PATH_MAX + 128) /* app->path, and the names above */
#define LOCK_PAUSE_USEC    100000

/* -- names -- */

static bool is_id(const char *text)
{
	return strspn(text, "0123456789abcdef") == FINGERPRINT_DIGITS &&
	       text[FINGERPRINT_DIGITS] == '-' &&
	       strspn(text + FINGERPRINT_DIGITS + 1, "0123456789abcdef") == SHAPE_DIGITS;
}

static void place(const struct config_app *app, const char *name, const char *suffix,
	char ret[static PLACE_MAX])
{
	snprintf(ret, PLACE_MAX, "%.*s/releases/%.80s%s", PATH_MAX, app->path, name, suffix);
}

bool release_is_complete(const struct config_app *app, const char *id)
{
	char path[PLACE_MAX];
	struct stat st;

	if (!is_id(id) || id[ID_LENGTH])
		return false;
	place(app, id, MARK, path);
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	place(app, id, "", path);
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int release_current(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err)
{
	static const char prefix[] = "releases/";
	char link[PLACE_MAX], target[RELEASE_ID_MAX + sizeof prefix];
	const char *id = target + strlen(prefix);
	ssize_t n;

	snprintf(link, sizeof link, "%s/current", app->path);
	n = readlink(link, target, sizeof target - 1);
	if (n < 0)
		return err_set(err, -errno, "%s: %m", link);
	target[n] = '\0';
	if (strncmp(target, prefix, strlen(prefix)) != 0 || !release_is_complete(app, id))
		return err_set(err, -ENOENT, "%s: does not lead to a complete release", link);
	memcpy(ret_id, id, ID_LENGTH + 1);
	return 0;
}

/* What else than the source makes a release what it is. */
static int shape(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_add_text(digest, app->user);
	for (size_t i = 0; i < app->build.n; i++)
		digest_add_text(digest, app->build.items[i]);
	digest_add_text(digest, NULL);
	for (size_t i = 0; i < app->env.n; i++)
		digest_add_text(digest, app->env.items[i]);
	return digest_end(digest, ret_hex);
}

/* The ID and the fingerprint that it is short for. */
static int identify(const struct config_app *app, char ret_id[static RELEASE_ID_MAX],
	char ret_fingerprint[static DIGEST_HEX_SIZE], struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r = source_fingerprint(app, ret_fingerprint, err);

	if (r < 0)
		return r;
	r = shape(app, hex);
	if (r < 0)
		return err_set(err, r, "%m");
	snprintf(ret_id, RELEASE_ID_MAX, "%.*s-%.*s", FINGERPRINT_DIGITS, ret_fingerprint,
		SHAPE_DIGITS, hex);
	return 0;
}

int release_wanted(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err)
{
	char id[RELEASE_ID_MAX], fingerprint[DIGEST_HEX_SIZE];
	int r = identify(app, id, fingerprint, err);

	if (r == 0)
		memcpy(ret_id, id, sizeof id);
	return r;
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
	uint64_t deadline = spawn_now() + RELEASE_LOCK_TIMEOUT;

	if (fd < 0)
		return err_set(err, -errno, "%s: %m", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_set(err, -errno, "%s: %m", path);
		if (spawn_now() > deadline)
			return err_set(err, -EBUSY, "%s: another run is at it", path);
		(void)usleep(LOCK_PAUSE_USEC);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int open_releases(const struct config_app *app, int *ret_fd, struct err *err)
{
	char path[PLACE_MAX];
	int r;

	if (strlen(app->path) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: %m", app->path);
	place(app, "", "", path);
	r = file_make_directories(path);
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	r = check_owner(app->path, err);
	if (r == 0)
		r = check_owner(path, err);
	return r < 0 ? r : lock(path, ret_fd, err);
}

/* First the mark: whatever happens then, the release does not count as whole. */
static int remove_release(
	const struct config_app *app, int releases, const char *id, struct err *err)
{
	char path[PLACE_MAX];

	place(app, id, MARK, path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "%s: %m", path);
	if (fsync(releases) < 0)
		return err_set(err, -errno, "%s: %m", path);
	place(app, id, "", path);
	return tree_remove(path, err);
}

static int is_ours(const struct dirent *d)
{
	return is_id(d->d_name) || strcmp(d->d_name, HOME) == 0;
}

/* Whether it is the directory or the mark of a complete release. */
static bool is_part(const struct config_app *app, const char *name)
{
	char id[ID_LENGTH + 1];

	snprintf(id, sizeof id, "%.*s", ID_LENGTH, name);
	return release_is_complete(app, id) &&
	       (!name[ID_LENGTH] || strcmp(name + ID_LENGTH, MARK) == 0);
}

/* Removes what runs that were cut off have left: all of ours that is not of a complete release. */
static int clean(const struct config_app *app, struct err *err)
{
	char path[PLACE_MAX];
	struct dirent **list;
	int n, r = 0;

	place(app, "", "", path);
	n = scandir(path, &list, is_ours, NULL);
	if (n < 0)
		return err_set(err, -errno, "%s: %m", path);
	for (int i = 0; i < n; i++) {
		place(app, list[i]->d_name, "", path);
		if (r == 0 && !is_part(app, list[i]->d_name))
			r = tree_remove(path, err);
		free(list[i]);
	}
	free(list);
	return r;
}

/* -- making one -- */

static int build(const struct config_app *app, const char *path, const char *home, struct err *err)
{
	const char *env[CONFIG_LIST_MAX + 2] = {0};
	char home_variable[PLACE_MAX + 8];
	int r = 0;

	for (size_t i = 0; i < app->env.n; i++)
		env[i] = app->env.items[i];
	snprintf(home_variable, sizeof home_variable, "HOME=%s", home);
	env[app->env.n] = home_variable;
	for (size_t i = 0; r == 0 && i < app->build.n; i++) {
		const char *const argv[] = {"/bin/sh", "-c", app->build.items[i], NULL};
		char name[256], unit[64];

		snprintf(name, sizeof name, "build line `%s`", app->build.items[i]);
		snprintf(unit, sizeof unit, "instance-build-%.40s", app->name);
		r = host()->run(unit,
			&(struct spawn){.argv = argv,
				.env = env,
				.cwd = path,
				.user = app->user,
				.name = name,
				.label = app->name,
				.limit_nofile = app->limit_nofile,
				.alone = true,
				.timeout_usec = RELEASE_BUILD_TIMEOUT},
			NULL, err);
	}
	return r;
}

/* Build as the app's user: the tree is theirs for that time, and nobody else's files get in. */
static int build_as_user(const struct config_app *app, const char *path, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char home[PLACE_MAX];
	int r = 0;

	if (app->user)
		r = spawn_owner(app->user, &uid, &gid, err);
	if (r < 0)
		return r;
	place(app, HOME, "", home);
	if (mkdir(home, 0755) < 0)
		return err_set(err, -errno, "%s: %m", home);
	r = tree_own(home, uid, gid, (uid_t)-1, err);
	if (r == 0)
		r = tree_own(path, uid, gid, (uid_t)-1, err);
	if (r == 0)
		r = build(app, path, home, err);
	if (r == 0)
		r = tree_own(path, geteuid(), getegid(), uid, err);
	(void)tree_remove(home, NULL); /* or clean() will, and say why not */
	return r;
}

static int mark_complete(const struct config_app *app, const char *id, const char *path,
	const char *fingerprint, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char mark[PLACE_MAX], text[PATH_MAX + DIGEST_HEX_SIZE + 8];
	int r;

	if (fd < 0 || syncfs(fd) < 0)
		return err_set(err, -errno, "%s: %m", path);
	place(app, id, MARK, mark);
	snprintf(text, sizeof text, "%s\n%.*s\n", fingerprint, PATH_MAX, app->source);
	r = file_write(mark, text, strlen(text), 0644);
	return r < 0 ? err_set(err, r, "%s: %m", mark) : 0;
}

static int make(const struct config_app *app, const char *id, const char *fingerprint,
	const char *path, struct err *err)
{
	int r = 0;

	if (mkdir(path, 0700) < 0)
		return err_set(err, -errno, "%s: %m", path);
	r = source_fetch(app, fingerprint, path, err);
	if (r == 0 && app->build.n > 0)
		r = build_as_user(app, path, err);
	else if (r == 0)
		r = tree_own(path, geteuid(), getegid(), (uid_t)-1, err);
	if (r == 0)
		r = mark_complete(app, id, path, fingerprint, err);
	return r;
}

int release_make(const struct config_app *app, const char *id, struct err *err)
{
	char found[RELEASE_ID_MAX], fingerprint[DIGEST_HEX_SIZE], path[PLACE_MAX];
	_cleanup_close_ int releases = -1;
	int r;

	if (!is_id(id) || id[ID_LENGTH])
		return err_set(err, -EINVAL, "%s: is no release", id);
	r = open_releases(app, &releases, err);
	if (r == 0)
		r = clean(app, err);
	if (r < 0 || release_is_complete(app, id))
		return r;
	r = identify(app, found, fingerprint, err);
	if (r == 0 && strcmp(found, id) != 0)
		r = err_set(err, -ESTALE, "%s: holds %s now, not %s", app->source, found, id);
	if (r < 0)
		return r;
	place(app, id, "", path);
	r = make(app, id, fingerprint, path, err);
	if (r < 0)
		(void)remove_release(app, releases, id, NULL); /* or clean() will */
	return r;
}

/* -- which one -- */

static int replace_link(const struct config_app *app, const char *id, struct err *err)
{
	char link[PLACE_MAX], temporary[PLACE_MAX], target[RELEASE_ID_MAX + 16];
	_cleanup_close_ int fd = open(app->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	snprintf(link, sizeof link, "%s/current", app->path);
	snprintf(temporary, sizeof temporary, "%s/.current.new", app->path);
	snprintf(target, sizeof target, "releases/%s", id);
	if (lstat(link, &st) == 0 && !S_ISLNK(st.st_mode))
		return err_set(err, -EEXIST, "%s: is not a symbolic link, and not ours", link);
	if (unlink(temporary) < 0 && errno != ENOENT)
		return err_set(err, -errno, "%s: %m", temporary);
	if (symlink(target, temporary) < 0 || rename(temporary, link) < 0)
		return err_set(err, -errno, "%s: %m", link);
	return fd < 0 || fsync(fd) < 0 ? err_set(err, -errno, "%s: %m", app->path) : 0;
}

int release_switch(const struct config_app *app, const char *id, struct err *err)
{
	_cleanup_close_ int releases = -1;
	char current[RELEASE_ID_MAX];
	int r = open_releases(app, &releases, err);

	if (r < 0)
		return r;
	if (!release_is_complete(app, id))
		return err_set(err, -ENOENT, "there is no complete release %s", id);
	if (release_current(app, current, NULL) == 0 && strcmp(current, id) == 0)
		return 0;
	return replace_link(app, id, err);
}

struct made {
	struct timespec when;
	char id[ID_LENGTH + 1];
};

static int newest_first(const void *a, const void *b)
{
	const struct made *x = a, *y = b;

	if (x->when.tv_sec != y->when.tv_sec)
		return x->when.tv_sec < y->when.tv_sec ? 1 : -1;
	if (x->when.tv_nsec != y->when.tv_nsec)
		return x->when.tv_nsec < y->when.tv_nsec ? 1 : -1;
	return strcmp(x->id, y->id);
}

/* The complete ones, by the time of their marks. The caller frees. */
static int list_made(
	const struct config_app *app, struct made **ret_made, size_t *ret_n, struct err *err)
{
	char path[PLACE_MAX];
	struct dirent **list;
	struct made *made;
	size_t n_made = 0;
	int n;

	place(app, "", "", path);
	n = scandir(path, &list, is_ours, NULL);
	if (n < 0)
		return err_set(err, -errno, "%s: %m", path);
	made = calloc((size_t)n + 1, sizeof *made);
	for (int i = 0; i < n; i++) {
		struct stat st;

		place(app, list[i]->d_name, MARK, path);
		if (made && release_is_complete(app, list[i]->d_name) && lstat(path, &st) == 0) {
			made[n_made].when = st.st_mtim;
			memcpy(made[n_made++].id, list[i]->d_name, ID_LENGTH + 1);
		}
		free(list[i]);
	}
	free(list);
	if (!made)
		return err_set(err, -ENOMEM, "%m");
	*ret_made = made;
	*ret_n = n_made;
	return 0;
}

int release_prune(const struct config_app *app, struct err *err)
{
	_cleanup_close_ int releases = -1;
	_cleanup_free_ struct made *made = NULL;
	char current[RELEASE_ID_MAX] = "";
	size_t n = 0;
	int r = open_releases(app, &releases, err);

	if (r == 0)
		r = list_made(app, &made, &n, err);
	if (r < 0)
		return r;
	(void)release_current(app, current, NULL);
	qsort(made, n, sizeof *made, newest_first);
	for (size_t i = app->keep; r == 0 && i < n; i++)
		if (strcmp(made[i].id, current) != 0)
			r = remove_release(app, releases, made[i].id, err);
	return r;
}
