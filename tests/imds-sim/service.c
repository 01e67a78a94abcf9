/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "tree.h"

static const char epoch_file[] = ".token-epoch";
static const char faults_file[] = ".faults";

/* As the service lists them; all show the same tree here. */
static const char *const versions[] = {
	"1.0",
	"2007-01-19",
	"2007-03-01",
	"2007-08-29",
	"2007-10-10",
	"2007-12-15",
	"2008-02-01",
	"2008-09-01",
	"2009-04-04",
	"2011-01-01",
	"2011-05-01",
	"2012-01-12",
	"2014-02-25",
	"2014-11-05",
	"2015-10-20",
	"2016-04-19",
	"2016-06-30",
	"2016-09-02",
	"2018-03-28",
	"2018-08-17",
	"2018-09-24",
	"2019-10-01",
	"2020-10-27",
	"2021-01-03",
	"2021-03-23",
	"2021-07-15",
	"2022-09-24",
	"2024-04-11",
	"latest",
};

/* The errors that come with a page; the others (403, 405) are empty, as the service has it. */
static const struct {
	unsigned status;
	const char *reason;
} pages[] = {
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{404, "Not Found"},
	{429, "Too Many Requests"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
};

/* A path taken apart: "/latest/meta-data//mac/" is "latest" and "meta-data/mac". */
struct place {
	bool exists; /* false: nothing is ever there (a dot component, a hidden name, too long) */
	char version[32];
	char path[SERVICE_PATH_MAX];
};

static void place_parse(const char *url, struct place *ret)
{
	size_t size = 0;

	*ret = (struct place){.exists = true};
	for (;;) {
		size_t n;
		bool first = ret->version[0] == '\0';

		url += strspn(url, "/");
		n = strcspn(url, "/");
		if (n == 0)
			return;
		if ((n == 1 && url[0] == '.') || (n == 2 && url[0] == '.' && url[1] == '.') ||
			(size == 0 && url[0] == '.') ||
			n >= (first ? sizeof(ret->version) : sizeof(ret->path) - size - 1)) {
			*ret = (struct place){.exists = false};
			return;
		}
		if (first) {
			memcpy(ret->version, url, n);
		} else {
			if (size)
				ret->path[size++] = '/';
			memcpy(ret->path + size, url, n);
			size += n;
		}
		url += n;
	}
}

static bool version_known(const char *version)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (strcmp(versions[i], version) == 0)
			return true;
	return false;
}

static void answer_status(struct answer *a, unsigned status)
{
	const char *reason = NULL;
	int n;

	free(a->body);
	a->status = status;
	a->body = NULL;
	a->size = 0;
	a->type = "text/plain";
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (pages[i].status == status)
			reason = pages[i].reason;
	if (!reason)
		return;
	n = asprintf(&a->body,
		"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n"
		"<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n"
		"\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n"
		"<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n"
		" <head>\n"
		"  <title>%u - %s</title>\n"
		" </head>\n"
		" <body>\n"
		"  <h1>%u - %s</h1>\n"
		" </body>\n"
		"</html>\n",
		status, reason, status, reason);
	if (n < 0) {
		a->body = NULL;
		return;
	}
	a->size = (size_t)n;
	a->type = "text/html";
}

/* What is absent, outside or a socket (ENXIO) is not there; the rest is our own trouble. */
static void answer_errno(struct answer *a, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV:
	case ENAMETOOLONG:
	case ENXIO: answer_status(a, 404); break;
	default: answer_status(a, 500);
	}
}

/* Ends a listing, or any text made with open_memstream: the last newline goes. */
static void answer_lines(struct answer *a, FILE *stream, char **text, size_t *size)
{
	bool failed = ferror(stream);

	if (fclose(stream) != 0 || failed) {
		free(*text);
		answer_status(a, 500);
		return;
	}
	if (*size && (*text)[*size - 1] == '\n')
		(*size)--;
	a->status = 200;
	a->body = *text;
	a->size = *size;
}

static void answer_versions(struct answer *a)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream) {
		answer_status(a, 500);
		return;
	}
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		fprintf(stream, "%s\n", versions[i]);
	answer_lines(a, stream, &text, &size);
}

static bool is_directory(int root, const char *path)
{
	struct stat st;
	int fd = tree_open(root, path);
	bool directory = fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

	if (fd >= 0)
		close(fd);
	return directory;
}

static const char keys_path[] = "meta-data/public-keys";

/* A key is listed as 0=my-key. Its name is also the comment in the key itself: the last word. */
static void list_public_key(FILE *out, int root, const char *index)
{
	char path[sizeof(keys_path) + NAME_MAX + sizeof("/openssh-key")];
	char *key = NULL, *name;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s/openssh-key", keys_path, index);
	if (tree_load(root, path, &key, &size) < 0)
		return;
	key[strcspn(key, "\r\n")] = '\0';
	name = strrchr(key, ' ');
	fprintf(out, "%s=%s\n", index, name ? name + 1 : "");
	free(key);
}

static void list_entry(FILE *out, int root, const char *path, const char *name)
{
	char child[SERVICE_PATH_MAX + NAME_MAX + 1];

	if (!*path) { /* the only place where a directory has no slash */
		if (*name != '.')
			fprintf(out, "%s\n", name);
		return;
	}
	if (strcmp(path, keys_path) == 0) {
		list_public_key(out, root, name);
		return;
	}
	snprintf(child, sizeof(child), "%s/%s", path, name);
	fprintf(out, "%s%s\n", name, is_directory(root, child) ? "/" : "");
}

static int not_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void answer_listing(struct answer *a, int root, const char *path, int fd)
{
	struct dirent **entries = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	int n = stream ? scandirat(fd, ".", &entries, not_dots, alphasort) : 0;

	for (int i = 0; i < n; i++) {
		list_entry(stream, root, path, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	if (stream)
		answer_lines(a, stream, &text, &size);
	if (!stream || n < 0)
		answer_status(a, 500);
}

static void answer_entry(struct answer *a, int root, const char *path)
{
	struct stat st;
	int r, fd = tree_open(root, path);

	if (fd < 0) {
		answer_errno(a, -fd);
		return;
	}
	if (fstat(fd, &st) < 0) {
		answer_errno(a, errno);
	} else if (S_ISDIR(st.st_mode)) {
		answer_listing(a, root, path, fd);
	} else if (!S_ISREG(st.st_mode)) {
		answer_status(a, 404);
	} else if ((r = tree_read(fd, &a->body, &a->size)) < 0) {
		answer_errno(a, -r);
	} else {
		a->status = 200;
		if (strcmp(path, "user-data") == 0)
			a->type = "application/octet-stream";
	}
	if (a->status == 200)
		a->modified = st.st_mtime;
	close(fd);
}

/* PUT .../api/token. Forwarded requests and versioned paths are refused before anything else. */
static void answer_token(struct service *s, const struct request *request, const char *version,
	int64_t now_ms, struct answer *a)
{
	const char *text;
	unsigned ttl;

	if (strcmp(request->method, "PUT") != 0) {
		answer_status(a, 405);
		a->allow = "OPTIONS, PUT";
	} else if (request->forwarded || strcmp(version, "latest") != 0) {
		answer_status(a, 403);
	} else if (token_parse_ttl(request->ttl, &ttl) < 0) {
		answer_status(a, 400);
	} else if (token_issue(&s->tokens, ttl, now_ms, &text) < 0 || !(a->body = strdup(text))) {
		answer_status(a, 500);
	} else {
		a->status = 200;
		a->size = strlen(text);
		a->ttl = ttl;
	}
}

/* The tokens live as long as the text of .token-epoch stays what it was. */
static void check_epoch(struct service *s)
{
	char epoch[SERVICE_EPOCH_MAX] = "";
	char *text;
	size_t size;

	if (tree_load(s->root, epoch_file, &text, &size) == 0) {
		memcpy(epoch, text, size < sizeof(epoch) ? size : sizeof(epoch));
		free(text);
	}
	if (memcmp(epoch, s->epoch, sizeof(epoch)) == 0)
		return;
	memcpy(s->epoch, epoch, sizeof(epoch));
	token_forget_all(&s->tokens);
}

/* Whether .faults took the request. A mistake in that file must not pass for a healthy service. */
static bool answer_fault(struct service *s, const char *path, struct answer *a)
{
	struct fault fault;
	unsigned line;
	size_t size;
	char *text;
	int r = tree_load(s->root, faults_file, &text, &size);

	if (r == -ENOENT)
		return false;
	if (r == 0) {
		r = fault_find(text, path, &fault, &line);
		free(text);
	}
	if (r == 0)
		return false;
	answer_status(a, r > 0 ? fault.status : 500);
	if (r > 0) {
		a->retry_after = fault.retry_after;
	} else if (r == -EBADMSG) {
		free(a->body);
		r = asprintf(&a->body, "%s:%u: expected PATTERN STATUS [Retry-After=SECONDS]\n",
			faults_file, line);
		if (r < 0)
			a->body = NULL;
		a->size = r < 0 ? 0 : (size_t)r;
		a->type = "text/plain";
	}
	return true;
}

void service_answer(
	struct service *s, const struct request *request, int64_t now_ms, struct answer *ret)
{
	struct answer a = {.type = "text/plain", .session = "none"};
	struct place place;

	place_parse(request->path, &place);
	check_epoch(s);
	if (request->token) {
		a.ttl = token_left(&s->tokens, request->token, now_ms);
		a.session = a.ttl ? "valid" : "invalid";
	}

	if (answer_fault(s, place.path, &a)) {
		;
	} else if (strcmp(place.path, "api/token") == 0) {
		answer_token(s, request, place.version, now_ms, &a);
	} else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
		answer_status(&a, 405);
		a.allow = "GET, HEAD";
	} else if (!a.ttl) {
		answer_status(&a, 401);
	} else if (place.exists && !*place.version) {
		answer_versions(&a);
	} else if (!place.exists || !version_known(place.version)) {
		answer_status(&a, 404);
	} else {
		answer_entry(&a, s->root, place.path);
	}
	*ret = a;
}
