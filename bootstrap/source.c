/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

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

#define URL_CHARACTERS                                                                             \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]!$&'()*+,;=%"
#define REF_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/+="

/* -- what is written in configuration -- */

struct scheme {
	const char *prefix;
	int (*parse)(const char *prefix, const char *rest, struct source *source, struct err *err);
};

/* "/dir" or "///dir"; there is no other machine to read files from. */
static int parse_path(const char *text, const char **ret_path, struct err *err)
{
	if (strncmp(text, "///", 3) == 0)
		text += 2;
	if (*text != '/' || text[1] == '/' || text[1] == '\0')
		return err_set(err, -EINVAL, "expected an absolute path, as file:/srv/app");
	*ret_path = text;
	return 0;
}

static int parse_file(const char *prefix, const char *rest, struct source *source, struct err *err)
{
	const char *path;
	int r = parse_path(rest, &path, err);

	(void)prefix;
	if (r < 0)
		return r;
	source->kind = SOURCE_FILE;
	strcpy(source->place, path);
	return 0;
}

/* git-check-ref-format(1), and a little less: it goes into argv. */
static bool is_ref(const char *ref)
{
	return strlen(ref) < GIT_REF_SIZE && *ref && *ref != '-' && *ref != '/' &&
	       ref[strspn(ref, REF_CHARACTERS)] == '\0' && !strstr(ref, "..") &&
	       !strstr(ref, "//") && ref[strlen(ref) - 1] != '/';
}

/* Takes "#ref" off the end of `place`. */
static int parse_ref(char *place, struct source *source, struct err *err)
{
	char *mark = strchr(place, '#');

	source->kind = SOURCE_GIT;
	if (!mark)
		return 0;
	*mark = '\0';
	if (!is_ref(mark + 1))
		return err_set(err, -EINVAL, "after # expected a tag, a branch or a commit");
	strcpy(source->ref, mark + 1);
	return 0;
}

static int parse_git_file(
	const char *prefix, const char *rest, struct source *source, struct err *err)
{
	char place[PATH_MAX];
	const char *path;
	int r;

	(void)prefix;
	strcpy(place, rest);
	source->protocol = "file";
	r = parse_ref(place, source, err);
	if (r == 0)
		r = parse_path(place, &path, err);
	if (r == 0)
		snprintf(source->place, sizeof source->place, "file://%s", path);
	return r;
}

static int parse_git_https(
	const char *prefix, const char *rest, struct source *source, struct err *err)
{
	char place[PATH_MAX];
	int r;

	(void)prefix;
	strcpy(place, rest);
	source->protocol = "https";
	r = parse_ref(place, source, err);
	if (r < 0)
		return r;
	/* They would be seen in the list of processes, and in every message. */
	if (strchr(place, '@'))
		return err_set(err, -EINVAL, "a user or password has no place in a URL");
	if (strncmp(place, "//", 2) != 0 || strcspn(place + 2, "/") == 0 || place[2] == '-' ||
		place[strspn(place, URL_CHARACTERS)])
		return err_set(err, -EINVAL, "expected git+https://HOST/PATH#REF");
	snprintf(source->place, sizeof source->place, "https:%s", place);
	return 0;
}

/* The rest is judged by `fetch`, which knows URLs (libcurl) and S3. */
static int parse_network(
	const char *prefix, const char *rest, struct source *source, struct err *err)
{
	if (strncmp(rest, "//", 2) != 0 || strcspn(rest + 2, "/") == 0 || rest[2] == '-')
		return err_set(err, -EINVAL, "expected %s//…/…", prefix);
	if (strcmp(prefix, "https:") == 0 && memchr(rest + 2, '@', strcspn(rest + 2, "/")))
		return err_set(err, -EINVAL, "a user or password has no place in a URL");
	source->kind = SOURCE_NETWORK;
	snprintf(source->place, sizeof source->place, "%s%s", prefix, rest);
	return 0;
}

static const struct scheme schemes[] = {
	{"file:", parse_file},
	{"git+file:", parse_git_file},
	{"git+https:", parse_git_https},
	{"https:", parse_network},
	{"s3:", parse_network},
};

int source_parse(const char *text, struct source *ret_source, struct err *err)
{
	struct source source = {0};

	FOREACH_ELEMENT (i, schemes) {
		size_t length = strlen(schemes[i].prefix);
		int r;

		if (strncmp(text, schemes[i].prefix, length) != 0)
			continue;
		r = schemes[i].parse(schemes[i].prefix, text + length, &source, err);
		if (r < 0)
			return err_wrap(err, r, "source %s", text);
		*ret_source = source;
		return 0;
	}
	return err_set(err, -EINVAL,
		"source %s: expected https:, s3:, git+https:, git+file: or file:", text);
}

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
