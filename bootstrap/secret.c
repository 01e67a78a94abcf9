/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "tree.h"

/* The file behind the i-th secret of an app; false: there is no such. env_file is the first. */
static bool file_of(const struct config_app *app, size_t i, char path[static PATH_MAX])
{
	const char *from;

	if (app->env_file && i-- == 0) {
		snprintf(path, PATH_MAX, "%s", app->env_file);
		return true;
	}
	if (i >= app->credentials.n)
		return false;
	from = strchr(app->credentials.items[i], '=') + 1;
	snprintf(path, PATH_MAX, "%s%s", *from == '/' ? "" : SECRET_STORE, from);
	return true;
}

static int check_one(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_set(err, -errno, "%s: %m", path);
	/* A link would do for any file of root's. */
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: is not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(err, -EPERM, "%s: belongs to user %u, and should be root's", path,
			(unsigned)st.st_uid);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, -EPERM,
			"%s: its mode is %04o, so others than root may read it; it should be 0600",
			path, (unsigned)st.st_mode & 07777);
	return file_check_way(path, err);
}

int secret_check(const struct config_app *app, struct err *err)
{
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && file_of(app, i, path); i++)
		r = check_one(path, err);
	return r;
}

void secret_stamp(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	char path[PATH_MAX], text[160];

	ret_hex[0] = '\0';
	if (digest_new(&digest) < 0)
		return;
	for (size_t i = 0; file_of(app, i, path); i++) {
		struct stat st = {0};

		(void)stat(path, &st);
		snprintf(text, sizeof text, "%llu %llu %lld.%09ld", (unsigned long long)st.st_ino,
			(unsigned long long)st.st_size, (long long)st.st_ctim.tv_sec,
			st.st_ctim.tv_nsec);
		digest_add_text(digest, path);
		digest_add_text(digest, text);
	}
	(void)digest_end(digest, ret_hex);
}

/* Of two with one name the later counts, as for systemd. */
static void forget_variable(struct config_list *list, const char *line)
{
	size_t name = strcspn(line, "=") + 1;

	for (size_t i = 0; i < list->n; i++) {
		if (strncmp(list->items[i], line, name) != 0)
			continue;
		explicit_bzero(list->items[i], strlen(list->items[i]));
		free(list->items[i]);
		list->items[i] = list->items[--list->n];
		return;
	}
}

/* "NAME=value" in place: blanks around it and quotes around the value go. */
static bool take_variable(char *line)
{
	size_t name =
		strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	char *value = line + name + 1;
	size_t length;

	if (name == 0 || line[name] != '=' || isdigit((unsigned char)line[0]))
		return false;
	length = strspn(value, " \t");
	memmove(value, value + length, strlen(value + length) + 1);
	length = strlen(value);
	while (length > 0 && isspace((unsigned char)value[length - 1]))
		value[--length] = '\0';
	if (length >= 2 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
		value[length - 1] = '\0';
		memmove(value, value + 1, length - 1);
	}
	return true;
}

static int add_variables(char *text, const char *path, struct config_list *list, struct err *err)
{
	char *rest = text, *line;

	for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
		line += strspn(line, " \t\r");
		if (!*line || *line == '#' || *line == ';')
			continue;
		if (!take_variable(line))
			return err_set(err, -EINVAL, "%s:%u: expected NAME=value", path, number);
		forget_variable(list, line);
		if (list->n == CONFIG_LIST_MAX)
			return err_set(err, -E2BIG,
				"%s: together with env. there are more than %d "
				"variables",
				path, CONFIG_LIST_MAX);
		list->items[list->n] = strdup(line);
		if (!list->items[list->n++])
			return err_set(err, -ENOMEM, "%m");
	}
	return 0;
}

int secret_environment(const struct config_app *app, struct config_list *list, struct err *err)
{
	char *text = NULL;
	size_t length;
	int r;

	if (!app->env_file)
		return 0;
	r = file_read(app->env_file, SECRET_FILE_MAX, &text, &length);
	if (r < 0)
		return err_set(err, r, "%s: %m", app->env_file);
	r = add_variables(text, app->env_file, list, err);
	explicit_bzero(text, length);
	free(text);
	return r;
}

static int copy(const char *from, const char *to, uid_t uid, gid_t gid, struct err *err)
{
	char *data = NULL;
	size_t length;
	_cleanup_close_ int fd = -1;
	int r = file_read(from, SECRET_CREDENTIAL_MAX, &data, &length);

	if (r < 0)
		return err_set(err, r, "%s: %m", from);
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	r = fd < 0 ? -errno : file_write_all(fd, data, length);
	if (r == 0 && geteuid() == 0 && fchown(fd, uid, gid) < 0)
		r = -errno;
	if (r < 0)
		err_set(err, r, "%s: %m", to);
	explicit_bzero(data, length);
	free(data);
	return r;
}

int secret_lay_out(
	const struct config_app *app, const char *directory, uid_t uid, gid_t gid, struct err *err)
{
	size_t first = app->env_file ? 1 : 0;
	char from[PATH_MAX], to[PATH_MAX];
	int r = tree_remove(directory, err);

	if (r == 0 && mkdir(directory, 0500) < 0)
		r = err_set(err, -errno, "%s: %m", directory);
	for (size_t i = 0; r == 0 && i < app->credentials.n; i++) {
		(void)file_of(app, first + i, from);
		if (snprintf(to, sizeof to, "%s/%.*s", directory,
			    (int)strcspn(app->credentials.items[i], "="),
			    app->credentials.items[i]) >= (int)sizeof to)
			return err_set(err, -ENAMETOOLONG, "%s: %m", directory);
		r = copy(from, to, uid, gid, err);
	}
	if (r == 0 && geteuid() == 0 && chown(directory, uid, gid) < 0)
		r = err_set(err, -errno, "%s: %m", directory);
	return r;
}
