/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#define URL_CHARACTERS                                                                             \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]!$&'()*+,;=%"
#define REF_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/+="

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
	return strlen(ref) < SOURCE_REF_SIZE && *ref && *ref != '-' && *ref != '/' &&
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

	if (strlen(text) >= PATH_MAX)
		return err_set(err, -EINVAL, "source: longer than %d characters", PATH_MAX - 1);
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
