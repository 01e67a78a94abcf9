/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "digest.h"
#include "file.h"
#include "release-store.h"

#define BAD_TEXT_MAX 4096

/* -- which one -- */

void release_directory(const struct config_app *app, const char *id, char *path, size_t size)
{
	snprintf(path, size, "%s/releases/%s", app->path, id);
}

int release_current(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err)
{
	static const char prefix[] = "releases/";
	char link[RELEASE_PLACE_MAX], target[RELEASE_ID_MAX + sizeof prefix];
	const char *id = target + strlen(prefix);
	ssize_t n;

	snprintf(link, sizeof link, "%s/current", app->path);
	n = readlink(link, target, sizeof target - 1);
	if (n < 0)
		return err_set(err, -errno, "%s: %m", link);
	target[n] = '\0';
	if (strncmp(target, prefix, strlen(prefix)) != 0 || !release_is_complete(app, id))
		return err_set(err, -ENOENT, "%s: does not lead to a complete release", link);
	memcpy(ret_id, id, RELEASE_ID_LENGTH + 1);
	return 0;
}

static int read_mark(const struct config_app *app, const char *id, char **ret_text)
{
	char path[RELEASE_PLACE_MAX];

	release_place(app, id, RELEASE_COMPLETE, path);
	return file_read(path, RELEASE_MARK_MAX, ret_text, NULL);
}

/* A line of the mark, which stays in its text. */
static void take_line(struct config_app *app, char *line)
{
	static const char env[] = "env=", run[] = "run=", user[] = "user=",
			  limit[] = "limit_nofile=";

	if (strncmp(line, run, strlen(run)) == 0)
		app->run = line + strlen(run);
	else if (strncmp(line, user, strlen(user)) == 0)
		app->user = line + strlen(user);
	else if (strncmp(line, limit, strlen(limit)) == 0)
		app->limit_nofile = (unsigned)strtoul(line + strlen(limit), NULL, 10);
	else if (strncmp(line, env, strlen(env)) == 0 && app->env.n < CONFIG_LIST_MAX)
		app->env.items[app->env.n++] = line + strlen(env);
}

void release_own(const struct config_app *app, const char *id, struct release_own *ret_own)
{
	char *rest, *line;

	*ret_own = (struct release_own){.app = *app};
	if (read_mark(app, id, &ret_own->text) < 0)
		return;
	ret_own->app.env.n = 0;
	for (rest = ret_own->text; (line = strsep(&rest, "\n"));)
		take_line(&ret_own->app, line);
}

void release_own_clear(struct release_own *own)
{
	free(own->text);
	own->text = NULL;
}

int release_version(
	const struct config_app *app, const char *id, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r = read_mark(app, id, &text);

	if (r < 0)
		return r;
	length = strcspn(text, "\n");
	if (length >= DIGEST_HEX_SIZE)
		return -EBADMSG;
	snprintf(ret_hex, DIGEST_HEX_SIZE, "%.*s", (int)length, text);
	return 0;
}

static int replace_link(const struct config_app *app, const char *id, struct err *err)
{
	char link[RELEASE_PLACE_MAX], temporary[RELEASE_PLACE_MAX], target[RELEASE_ID_MAX + 16];
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
	int r = release_open(app, &releases, err);

	if (r < 0)
		return r;
	if (!release_is_complete(app, id))
		return err_set(err, -ENOENT, "there is no complete release %s", id);
	if (release_current(app, current, NULL) == 0 && strcmp(current, id) == 0)
		return 0;
	return replace_link(app, id, err);
}

int release_prune(const struct config_app *app, struct err *err)
{
	_cleanup_close_ int releases = -1;
	_cleanup_free_ struct release_made *made = NULL;
	char current[RELEASE_ID_MAX] = "", why[RELEASE_WHY_MAX];
	size_t n = 0, kept = 0;
	int r = release_open(app, &releases, err);

	if (r == 0)
		r = release_list(app, RELEASE_COMPLETE, &made, &n, err);
	if (r < 0)
		return r;
	(void)release_current(app, current, NULL);
	for (size_t i = 0; i < n; i++) {
		bool bad = release_is_bad(app, made[i].id, why);

		/* One that cannot be removed keeps nothing else from going. */
		if (strcmp(made[i].id, current) != 0 && (bad || kept >= app->keep))
			r = release_remove(app, releases, made[i].id, r == 0 ? err : NULL) < 0
				    ? -EIO
				    : r;
		kept += !bad;
	}
	return r;
}

/* -- what is known of one that ran -- */

bool release_is_proven(const struct config_app *app, const char *id)
{
	return release_marked(app, id, RELEASE_HEALTHY, NULL);
}

int release_doubt(const struct config_app *app, const char *id, struct err *err)
{
	return release_unmark(app, id, RELEASE_HEALTHY, err);
}

int release_prove(const struct config_app *app, const char *id, struct err *err)
{
	int r = release_unmark(app, id, RELEASE_BAD, err);

	if (r < 0 || release_is_proven(app, id))
		return r;
	return release_mark(app, id, RELEASE_HEALTHY, "", err);
}

/* What else of configuration than the release's shape decides whether it is well. */
static int circumstances(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_add_text(digest, app->health);
	digest_add(digest, &app->ready_timeout_usec, sizeof app->ready_timeout_usec);
	digest_add_text(digest, app->env_file);
	for (size_t i = 0; i < app->credentials.n; i++)
		digest_add_text(digest, app->credentials.items[i]);
	return digest_end(digest, ret_hex);
}

int release_condemn(const struct config_app *app, const char *id, const char *why, struct err *err)
{
	char hex[DIGEST_HEX_SIZE], text[DIGEST_HEX_SIZE + RELEASE_WHY_MAX + 2];
	int r = circumstances(app, hex);

	if (r < 0)
		return err_set(err, r, "%m");
	snprintf(text, sizeof text, "%s\n%.*s\n", hex, RELEASE_WHY_MAX - 1, why);
	return release_mark(app, id, RELEASE_BAD, text, err);
}

bool release_is_bad(
	const struct config_app *app, const char *id, char ret_why[static RELEASE_WHY_MAX])
{
	char path[RELEASE_PLACE_MAX], hex[DIGEST_HEX_SIZE];
	_cleanup_free_ char *text = NULL;
	const char *why;

	release_place(app, id, RELEASE_BAD, path);
	if (!release_is_id(id) || file_read(path, BAD_TEXT_MAX, &text, NULL) < 0 ||
		circumstances(app, hex) < 0 || strncmp(text, hex, strlen(hex)) != 0 ||
		text[strlen(hex)] != '\n')
		return false;
	why = text + strlen(hex) + 1;
	snprintf(ret_why, RELEASE_WHY_MAX, "%.*s", (int)strcspn(why, "\n"), why);
	return true;
}

int release_pardon(const struct config_app *app, const char *id, struct err *err)
{
	return release_is_id(id) ? release_unmark(app, id, RELEASE_BAD, err) : 0;
}

int release_before(const struct config_app *app, const char *id, char ret_id[static RELEASE_ID_MAX],
	struct err *err)
{
	_cleanup_free_ struct release_made *made = NULL;
	bool passed = !release_is_proven(app, id);
	char why[RELEASE_WHY_MAX];
	size_t n = 0;
	int r = release_list(app, RELEASE_HEALTHY, &made, &n, err);

	for (size_t i = 0; r == 0 && i < n && made[i].marked; i++) {
		if (strcmp(made[i].id, id) == 0) {
			passed = true;
		} else if (passed && !release_is_bad(app, made[i].id, why)) {
			memcpy(ret_id, made[i].id, sizeof made[i].id);
			return 0;
		}
	}
	return r < 0 ? r : err_set(err, -ENOENT, "there is no earlier release that was well");
}
