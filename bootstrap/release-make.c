/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release_make(): fetch, render, build, and hand the result to root.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "digest.h"
#include "file.h"
#include "host.h"
#include "inside.h"
#include "release-store.h"
#include "source-fetch.h"
#include "spawn.h"
#include "text.h"
#include "tree.h"

/* -- what it will be called -- */

static void add_list(struct digest *digest, const struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		digest_add_text(digest, list->items[i]);
	digest_add_text(digest, NULL);
}

/* What else than the source makes a release what it is. */
static int shape(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_add_text(digest, app->user);
	digest_add_text(digest, app->run);
	digest_add(digest, &app->limit_nofile, sizeof app->limit_nofile);
	add_list(digest, &app->build);
	add_list(digest, &app->env);
	add_list(digest, &app->writable);
	add_list(digest, &app->shared);
	for (size_t i = 0; i < app->files.n; i++) {
		digest_add_text(digest, app->files.items[i]);
		digest_add_text(digest, app->file_texts[i]);
	}
	digest_add(digest, &app->strip, sizeof app->strip);
	return digest_end(digest, ret_hex);
}

bool release_is_shaped(const struct config_app *app, const char *id)
{
	char hex[DIGEST_HEX_SIZE];

	return release_is_id(id) && shape(app, hex) == 0 &&
	       strncmp(id + RELEASE_FINGERPRINT_DIGITS + 1, hex, RELEASE_SHAPE_DIGITS) == 0;
}

/* The ID and the fingerprint that it is short for. */
static int identify(const struct config_app *app, const struct reach *reach,
	char ret_id[static RELEASE_ID_MAX], char ret_fingerprint[static DIGEST_HEX_SIZE],
	struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r = source_fingerprint(app, reach, ret_fingerprint, err);

	if (r < 0)
		return r;
	r = shape(app, hex);
	if (r < 0)
		return err_set(err, r, "%m");
	snprintf(ret_id, RELEASE_ID_MAX, "%.*s-%.*s", RELEASE_FINGERPRINT_DIGITS, ret_fingerprint,
		RELEASE_SHAPE_DIGITS, hex);
	return 0;
}

int release_wanted(const struct config_app *app, const struct reach *reach,
	char ret_id[static RELEASE_ID_MAX], struct err *err)
{
	char id[RELEASE_ID_MAX], fingerprint[DIGEST_HEX_SIZE];
	int r = identify(app, reach, id, fingerprint, err);

	if (r == 0)
		memcpy(ret_id, id, sizeof id);
	return r;
}

/* -- what others have left -- */

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int is_ours(const struct dirent *d)
{
	return release_starts_with_id(d->d_name) || begins(d->d_name, RELEASE_DOWNLOAD) ||
	       strcmp(d->d_name, RELEASE_HOME) == 0;
}

/* Whether it belongs to a complete release, is known of `wanted`, or is a part of its archive. */
static bool is_of_use(const struct config_app *app, const char *wanted, const char *name)
{
	char id[RELEASE_ID_LENGTH + 1];

	if (begins(name, RELEASE_DOWNLOAD))
		return strncmp(name + strlen(RELEASE_DOWNLOAD), wanted,
			       RELEASE_FINGERPRINT_DIGITS) == 0;
	snprintf(id, sizeof id, "%.*s", RELEASE_ID_LENGTH, name);
	return release_is_complete(app, id) ||
	       (strcmp(id, wanted) == 0 && strcmp(name + RELEASE_ID_LENGTH, RELEASE_BAD) == 0);
}

/* Removes what runs that were cut off have left: all of ours that is of no use. */
static int clean(const struct config_app *app, const char *wanted, struct err *err)
{
	char path[RELEASE_PLACE_MAX];
	struct dirent **list;
	int n, r = 0;

	release_place(app, "", "", path);
	n = scandir(path, &list, is_ours, NULL);
	if (n < 0)
		return err_set(err, -errno, "%s: %m", path);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		/* What else cannot be removed is in nobody's way. */
		bool matters = strncmp(name, wanted, RELEASE_ID_LENGTH) == 0 ||
			       strcmp(name, RELEASE_HOME) == 0;

		release_place(app, name, "", path);
		if (r == 0 && !is_of_use(app, wanted, name)) {
			r = tree_remove(path, err);
			r = matters ? r : 0;
		}
		free(list[i]);
	}
	free(list);
	return r;
}

/* -- what is rendered, and what the app may write -- */

int release_write_files(
	const struct config_app *app, const char *id, char *const *files, struct err *err)
{
	char path[RELEASE_PLACE_MAX];
	int r = 0;

	release_place(app, id, "", path);
	for (size_t i = 0; r == 0 && files && i < app->files.n; i++) {
		char place[CONFIG_LINE_MAX];

		snprintf(place, sizeof place, "%.*s", (int)strcspn(app->files.items[i], "="),
			app->files.items[i]);
		r = inside_write(path, place, files[i], err);
	}
	return r;
}

/* The directory that all releases share, and the link to it: "../" for each level of the place. */
static int share(const struct config_app *app, const char *path, const char *place, uid_t uid,
	gid_t gid, struct err *err)
{
	char target[CONFIG_LINE_MAX * 2] = "../../shared/", there[RELEASE_PLACE_MAX];
	int r;

	for (const char *p = place; (p = strchr(p, '/')); p++) {
		memmove(target + strlen("../"), target, strlen(target) + 1);
		memcpy(target, "../", strlen("../"));
	}
	strncat(target, place, sizeof target - strlen(target) - 1);
	snprintf(there, sizeof there, "%.*s/shared", PATH_MAX, app->path);
	r = file_make_directories(there);
	if (r < 0)
		return err_set(err, r, "%s: %m", there);
	r = inside_make(there, place, uid, gid, err);
	return r < 0 ? r : inside_link(path, place, target, err);
}

static int give_places(const struct config_app *app, const char *path, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = app->user ? spawn_owner(app->user, &uid, &gid, err) : 0;

	for (size_t i = 0; r == 0 && i < app->writable.n; i++)
		r = inside_own(path, app->writable.items[i], uid, gid, err);
	for (size_t i = 0; r == 0 && i < app->shared.n; i++)
		r = share(app, path, app->shared.items[i], uid, gid, err);
	return r;
}

/* -- making one -- */

static int build_line(const struct config_app *app, const struct reach *reach, size_t i,
	const char *path, const char *home, const char *const *env, struct err *err)
{
	const char *const argv[] = {"/bin/sh", "-c", app->build.items[i], NULL};
	char name[256], unit[64], progress[160];

	snprintf(name, sizeof name, "build line `%s`", app->build.items[i]);
	snprintf(unit, sizeof unit, "instance-build-%.40s", app->name);
	snprintf(progress, sizeof progress, "build line %zu of %zu: %.100s", i + 1, app->build.n,
		app->build.items[i]);
	if (reach->progress)
		reach->progress(progress, reach->userdata);
	return host()->run(unit,
		&(struct spawn){.argv = argv,
			.env = env,
			.cwd = path,
			.writable = home,
			.user = app->user,
			.name = name,
			.label = app->name,
			.limit_nofile = app->limit_nofile,
			.limit_memory = app->build_memory,
			.proxies = true,
			.alone = true,
			.timeout_usec = app->build_timeout_usec},
		NULL, err);
}

static int build(const struct config_app *app, const struct reach *reach, const char *path,
	const char *home, struct err *err)
{
	const char *env[CONFIG_LIST_MAX + 2] = {0};
	char home_variable[RELEASE_PLACE_MAX + 8];
	int r = 0;

	for (size_t i = 0; i < app->env.n; i++)
		env[i] = app->env.items[i];
	snprintf(home_variable, sizeof home_variable, "HOME=%s", home);
	env[app->env.n] = home_variable;
	for (size_t i = 0; r == 0 && i < app->build.n; i++)
		r = build_line(app, reach, i, path, home, env, err);
	return r;
}

/* Build as the app's user: the tree is theirs for that time, and nobody else's files get in. */
static int build_as_user(
	const struct config_app *app, const struct reach *reach, const char *path, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char home[RELEASE_PLACE_MAX];
	int r = 0;

	if (app->user)
		r = spawn_owner(app->user, &uid, &gid, err);
	if (r < 0)
		return r;
	release_place(app, RELEASE_HOME, "", home);
	if (mkdir(home, 0755) < 0)
		return err_set(err, -errno, "%s: %m", home);
	r = tree_own(home, uid, gid, (uid_t)-1, err);
	if (r == 0)
		r = tree_own(path, uid, gid, (uid_t)-1, err);
	if (r == 0)
		r = build(app, reach, path, home, err);
	if (r == 0)
		r = tree_own(path, geteuid(), getegid(), uid, err);
	(void)tree_remove(home, NULL); /* or clean() will, and say why not */
	return r;
}

/* What it was made of, and how it is run (release_own()). The caller frees; NULL: no memory. */
static char *describe(const struct config_app *app, const char *fingerprint)
{
	char *description = NULL;
	struct text text;

	if (text_begin(&text) < 0)
		return NULL;
	fprintf(text.out, "%s\n%s\nuser=%s\nlimit_nofile=%u\n", fingerprint, app->source,
		app->user ? app->user : "", app->limit_nofile);
	if (app->run)
		fprintf(text.out, "run=%s\n", app->run);
	for (size_t i = 0; i < app->env.n; i++)
		fprintf(text.out, "env=%s\n", app->env.items[i]);
	(void)text_end(&text, &description, NULL);
	return description;
}

static int mark_complete(const struct config_app *app, const char *id, const char *path,
	const char *fingerprint, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;

	if (fd < 0 || syncfs(fd) < 0)
		return err_set(err, -errno, "%s: %m", path);
	text = describe(app, fingerprint);
	return text ? release_mark(app, id, RELEASE_COMPLETE, text, err)
		    : err_set(err, -ENOMEM, "%m");
}

struct making {
	const struct config_app *app;
	const struct reach *reach;
	const char *id, *fingerprint, *path;
	char *const *files;
};

static int make(const struct making *m, struct err *err)
{
	char download[RELEASE_PLACE_MAX], name[64];
	int r = 0;

	snprintf(name, sizeof name, RELEASE_DOWNLOAD "%.*s", RELEASE_FINGERPRINT_DIGITS,
		m->fingerprint);
	release_place(m->app, name, "", download);
	if (mkdir(m->path, 0700) < 0)
		return err_set(err, -errno, "%s: %m", m->path);
	r = source_fetch(m->app, m->reach, m->fingerprint, download, m->path, err);
	if (r == 0)
		r = release_write_files(m->app, m->id, m->files, err);
	if (r == 0 && m->app->build.n > 0)
		r = build_as_user(m->app, m->reach, m->path, err);
	else if (r == 0)
		r = tree_own(m->path, geteuid(), getegid(), (uid_t)-1, err);
	if (r == 0)
		r = release_write_files(m->app, m->id, m->files, err); /* whatever a build did */
	if (r == 0)
		r = give_places(m->app, m->path, err);
	return r < 0 ? r : mark_complete(m->app, m->id, m->path, m->fingerprint, err);
}

/* Ends what a run that was killed has left at work: its files are about to be removed. */
static int settle(const struct config_app *app, struct err *err)
{
	static const char *const units[] = {"fetch", "git", "build"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof units / sizeof units[0]; i++) {
		char unit[64];

		snprintf(unit, sizeof unit, "instance-%s-%.40s", units[i], app->name);
		r = host()->settle(unit, err);
	}
	return r;
}

int release_make(const struct config_app *app, const struct reach *reach, const char *id,
	char *const *files, struct err *err)
{
	char found[RELEASE_ID_MAX], fingerprint[DIGEST_HEX_SIZE], path[RELEASE_PLACE_MAX];
	const struct making making = {app, reach, id, fingerprint, path, files};
	_cleanup_close_ int releases = -1;
	int r;

	if (!release_is_id(id))
		return err_set(err, -EINVAL, "%s: is no release", id);
	r = release_open(app, &releases, err);
	if (r == 0)
		r = settle(app, err);
	if (r == 0)
		r = clean(app, id, err);
	if (r < 0 || release_is_complete(app, id))
		return r;
	r = identify(app, reach, found, fingerprint, err);
	if (r == 0 && strcmp(found, id) != 0)
		r = err_set(err, -ESTALE, "%s: holds %s now, not %s", app->source, found, id);
	if (r < 0)
		return r;
	release_place(app, id, "", path);
	r = make(&making, err);
	if (r < 0)
		(void)release_remove(app, releases, id, NULL); /* or clean() will */
	return r;
}
