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

static int parse_later(const char *prefix, const char *rest, struct source *source, struct err *err)
{
	(void)rest;
	(void)source;
	return err_set(err, -EOPNOTSUPP,
		"%s is not there yet; use file:, git+https: or git+file:", prefix);
}

static const struct scheme schemes[] = {
	{"file:", parse_file},
	{"git+file:", parse_git_file},
	{"git+https:", parse_git_https},
	{"https:", parse_later},
	{"s3:", parse_later},
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
	return err_set(err, -EINVAL, "source %s: expected file:, git+https: or git+file:", text);
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
		r = unpack_archive(fd, source->place, into, err);
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
	return git_resolve(&(struct git){source->protocol, source->place, app->name}, source->ref,
		ret_hex, err);
}

/* -- both -- */

int source_fingerprint(
	const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	struct source source;
	int r = source_parse(app->source, &source, err);

	if (r < 0)
		return r;
	return source.kind == SOURCE_GIT ? git_fingerprint(app, &source, ret_hex, err)
					 : file_fingerprint(app, &source, ret_hex, err);
}

int source_fetch(
	const struct config_app *app, const char *fingerprint, const char *into, struct err *err)
{
	struct source source;
	int r = source_parse(app->source, &source, err);

	if (r < 0)
		return r;
	if (source.kind == SOURCE_FILE)
		return file_fetch(app, &source, fingerprint, into, err);
	return git_fetch(
		&(struct git){source.protocol, source.place, app->name}, fingerprint, into, err);
}
