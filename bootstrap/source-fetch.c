/* SPDX-License-Identifier: Apache-2.0 */
#include "source-fetch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "tree.h"
#include "unpack.h"

/* -- directories and archives -- */

/* Opens it and says which of the two it is. */
static int open_place(
	const struct source *source, int *ret_fd, bool *ret_directory, struct err *err)
{
	_cleanup_close_ int fd = open(source->place, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: %m", source->place);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(
			err, -EINVAL, "%s: is neither a directory nor an archive", source->place);
	*ret_directory = S_ISDIR(st.st_mode);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int archive_digest(const struct config_app *app, const struct source *source, int fd,
	char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r = digest_fd(fd, SOURCE_ARCHIVE_MAX, hex);

	if (r < 0)
		return err_set(err, r, "%s: %m", source->place);
	if (app->sha256 && strcasecmp(app->sha256, hex) != 0)
		return err_set(err, -EBADMSG, "%s: its SHA-256 is %s, and should be %s",
			source->place, hex, app->sha256);
	memcpy(ret_hex, hex, sizeof hex);
	return 0;
}

static int file_fingerprint(const struct config_app *app, const struct source *source,
	char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	_cleanup_close_ int fd = -1;
	bool directory;
	int r = open_place(source, &fd, &directory, err);

	if (r < 0)
		return r;
	if (!directory)
		return archive_digest(app, source, fd, ret_hex, err);
	if (app->sha256)
		return err_set(err, -EINVAL, "%s: is a directory; sha256 is for an archive",
			source->place);
	return tree_digest(source->place, ret_hex, err);
}

static int file_fetch(const struct config_app *app, const struct source *source,
	const char *fingerprint, const char *into, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	_cleanup_close_ int fd = -1;
	bool directory;
	int r = open_place(source, &fd, &directory, err);

	if (r == 0)
		r = directory ? tree_copy(source->place, into, err)
			      : archive_digest(app, source, fd, hex, err);
	/* A copy is proven by itself: it was made while the original could change. */
	if (r == 0 && directory)
		r = tree_digest(into, hex, err);
	if (r == 0 && strcmp(hex, fingerprint) != 0)
		r = err_set(err, -ESTALE, "%s: changed while it was read", source->place);
	if (r == 0 && !directory)
		r = unpack_archive(fd, source->place, app->strip, into, err);
	return r;
}

/* -- repositories -- */

static int git_fingerprint(const struct config_app *app, const struct source *source,
	char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	size_t length = strlen(source->ref);

	if (app->sha256)
		return err_set(
			err, -EINVAL, "%s: sha256 is for an archive; name a commit", source->place);
	if (digest_is_hex(source->ref, 40) || digest_is_hex(source->ref, 64)) {
		for (size_t i = 0; i <= length; i++)
			ret_hex[i] = (char)tolower((unsigned char)source->ref[i]);
		return 0;
	}
	return git_resolve(&(struct git){source->protocol, source->place, app->name, app->user},
		source->ref, ret_hex, err);
}

static int git_take(const struct config_app *app, const struct source *source,
	const char *fingerprint, const char *into, struct err *err)
{
	return git_fetch(&(struct git){source->protocol, source->place, app->name, app->user},
		fingerprint, into, err);
}

/* -- archives on the network -- */

static struct fetch fetch_of(
	const struct config_app *app, const struct source *source, const struct reach *reach)
{
	return (struct fetch){.app = app->name,
		.url = source->place,
		.region = app->region,
		.endpoint = app->endpoint,
		.reach = reach};
}

static int network_fingerprint(const struct config_app *app, const struct source *source,
	const struct reach *reach, char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	const struct fetch fetch = fetch_of(app, source, reach);
	_cleanup_free_ char *version = NULL;
	int r;

	if (app->sha256) {
		memcpy(ret_hex, app->sha256, DIGEST_HEX_SIZE);
		return 0;
	}
	r = fetch_version(&fetch, &version, err);
	if (r < 0)
		return r;
	r = digest_sha256(version, strlen(version), ret_hex);
	return r < 0 ? err_set(err, r, "%m") : 0;
}

/* Whether the file is what was asked for. */
static int judge_download(const struct config_app *app, const struct source *source,
	const struct reach *reach, const char *fingerprint, int fd, struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "%s: %m", source->place);
	if (app->sha256)
		return archive_digest(app, source, fd, hex, err);
	r = network_fingerprint(app, source, reach, hex, err);
	if (r == 0 && strcmp(hex, fingerprint) != 0)
		r = err_set(err, -ESTALE, "%s: changed while it was fetched", source->place);
	return r;
}

/* Then a part of an archive is better not kept. */
static bool is_nearly_full(int fd)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) == 0 && fs.f_bavail < fs.f_blocks / 20;
}

static int fetch_once(const struct config_app *app, const struct source *source,
	const struct reach *reach, const char *fingerprint, const char *download, int *ret_fd,
	struct err *err)
{
	const struct fetch fetch = fetch_of(app, source, reach);
	_cleanup_close_ int fd =
		open(download, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return err_set(err, -errno, "%s: %m", download);
	r = fetch_into(&fetch, fd, err);
	if (r < 0 && app->sha256 && !is_nearly_full(fd))
		return r; /* the next time goes on from here */
	if (r == 0)
		r = judge_download(app, source, reach, fingerprint, fd, err);
	(void)unlink(download);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

static int network_take(const struct config_app *app, const struct source *source,
	const struct reach *reach, const char *fingerprint, const char *download, const char *into,
	struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	bool resumed;
	int r;

	if (!app->sha256) /* nothing would show that its beginning is of another version */
		(void)unlink(download);
	resumed = stat(download, &st) == 0 && st.st_size > 0;
	r = fetch_once(app, source, reach, fingerprint, download, &fd, err);

	/* What was begun earlier may have been of another content: then all of it anew. */
	if (r == -EBADMSG && resumed)
		r = fetch_once(app, source, reach, fingerprint, download, &fd, err);
	return r < 0 ? r : unpack_archive(fd, source->place, app->strip, into, err);
}

/* -- all of them -- */

int source_fingerprint(const struct config_app *app, const struct reach *reach,
	char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	struct source source;
	int r = source_parse(app->source, &source, err);

	if (r < 0)
		return r;
	switch (source.kind) {
	case SOURCE_FILE: return file_fingerprint(app, &source, ret_hex, err);
	case SOURCE_GIT: return git_fingerprint(app, &source, ret_hex, err);
	case SOURCE_NETWORK: return network_fingerprint(app, &source, reach, ret_hex, err);
	}
	return -EINVAL;
}

int source_fetch(const struct config_app *app, const struct reach *reach, const char *fingerprint,
	const char *download, const char *into, struct err *err)
{
	struct source source;
	int r = source_parse(app->source, &source, err);

	if (r < 0)
		return r;
	switch (source.kind) {
	case SOURCE_FILE: return file_fetch(app, &source, fingerprint, into, err);
	case SOURCE_GIT: return git_take(app, &source, fingerprint, into, err);
	case SOURCE_NETWORK:
		return network_take(app, &source, reach, fingerprint, download, into, err);
	}
	return -EINVAL;
}
