/* SPDX-License-Identifier: Apache-2.0 */
#include "git.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "digest.h"
#include "host.h"
#include "tree.h"

#define ARGS_MAX 32

/*
 * A repository that belongs to somebody else than root is refused by git's server side as "dubious
 * ownership". Neither -c nor GIT_CONFIG_COUNT reaches that side (git's connect.c clears them); its
 * command line does. It is asked for a listing or a pack, and no hook of the repository runs.
 */
#define UPLOAD_PACK "--upload-pack=git -c safe.directory='*' upload-pack"

static bool is_local(const struct git *git)
{
	return strcmp(git->protocol, "file") == 0;
}

/* A repository on this machine may be for root alone to read. */
static const char *run_as(const struct git *git)
{
	return is_local(git) || geteuid() != 0 ? NULL : git->user;
}

/* Hands the directory to who runs git, or back to us. */
static int hand_over(const struct git *git, const char *directory, bool back, struct err *err)
{
	uid_t uid;
	gid_t gid;
	int r;

	if (!run_as(git))
		return 0;
	r = spawn_owner(git->user, &uid, &gid, err);
	if (r < 0)
		return r;
	return back ? tree_own(directory, geteuid(), getegid(), uid, err)
		    : tree_own(directory, uid, gid, geteuid(), err);
}

static int run(const struct git *git, const char *const *args, const char *directory,
	uint64_t timeout, char **ret_tail, struct err *err)
{
	const char *argv[ARGS_MAX + 1] = {"git", "-c", "core.hooksPath=/dev/null", "-c",
		"advice.detachedHead=false", "-c", "init.defaultBranch=none"};
	char allowed[64], unit[64];
	struct spawn spawn;
	const char *const env[] = {"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", allowed, NULL};
	size_t n = 7; /* after these */

	/* As protocol.allow=never and protocol.X.allow=always; git(1), GIT_ALLOW_PROTOCOL. */
	snprintf(unit, sizeof unit, "instance-git-%.40s", git->app);
	snprintf(allowed, sizeof allowed, "GIT_ALLOW_PROTOCOL=%s", git->protocol);
	while (*args && n < ARGS_MAX)
		argv[n++] = *args++;
	argv[n] = NULL;
	spawn = (struct spawn){.argv = argv,
		.env = env,
		.cwd = directory,
		.user = run_as(git),
		.package = "git",
		.proxies = !is_local(git),
		.alone = true,
		.timeout_usec = timeout};
	return is_local(git) ? spawn_run(&spawn, ret_tail, err)
			     : host()->run(unit, &spawn, ret_tail, err);
}

/* Finds "COMMIT<tab>NAME" among the lines; warnings may be between them. */
static bool find_line(const char *lines, const char *name, char ret_commit[static GIT_COMMIT_SIZE])
{
	size_t name_length = strlen(name);

	for (const char *p = lines; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t length = strcspn(p, "\t\n");
		char commit[GIT_COMMIT_SIZE];

		if ((length != 40 && length != 64) || p[length] != '\t' ||
			strcspn(p + length + 1, "\n") != name_length ||
			memcmp(p + length + 1, name, name_length) != 0)
			continue;
		memcpy(commit, p, length);
		commit[length] = '\0';
		if (!digest_is_hex(commit, length))
			continue;
		memcpy(ret_commit, commit, length + 1);
		return true;
	}
	return false;
}

/* For a repository on this machine; over the network there is nothing to tell the other side. */
static const char *server_side(const struct git *git)
{
	return is_local(git) ? UPLOAD_PACK : "--quiet";
}

int git_resolve(const struct git *git, const char *ref, char ret_commit[static GIT_COMMIT_SIZE],
	struct err *err)
{
	/* In git's own order (gitrevisions(7)); "^{}" is the commit behind a tag object. */
	static const struct {
		const char *prefix, *suffix;
	} forms[] = {{"refs/tags/", "^{}"}, {"refs/tags/", ""}, {"refs/heads/", ""}, {"", "^{}"},
		{"", ""}};
	enum { WHOLE = 3, FORMS = sizeof forms / sizeof forms[0] };
	bool whole = !*ref || strncmp(ref, "refs/", 5) == 0;
	char names[FORMS][GIT_REF_SIZE + 16];
	const char *args[FORMS + 5] = {"ls-remote", server_side(git), "--", git->url};
	_cleanup_free_ char *lines = NULL;
	size_t first = whole ? WHOLE : 0, end = whole ? FORMS : WHOLE, n = 4;
	int r;

	if (!*ref)
		ref = "HEAD";
	for (size_t i = first; i < end; i++) {
		snprintf(
			names[i], sizeof names[i], "%s%s%s", forms[i].prefix, ref, forms[i].suffix);
		args[n++] = names[i];
	}
	r = run(git, args, "/", GIT_LOOKUP_TIMEOUT, &lines, err);
	if (r < 0)
		return err_wrap(err, r, "%s", git->url);
	for (size_t i = first; i < end; i++)
		if (find_line(lines, names[i], ret_commit))
			return 0;
	return err_set(err, -ENOENT,
		"%s has no tag or branch %s (a commit must be given with all its digits)", git->url,
		ref);
}

int git_fetch(const struct git *git, const char *commit, const char *into, struct err *err)
{
	const char *const init[] = {"init", "--quiet", "--template=", ".", NULL};
	const char *const one[] = {"fetch", "--quiet", "--depth=1", "--no-tags",
		"--no-recurse-submodules", server_side(git), "--", git->url, commit, NULL};
	const char *const all[] = {"fetch", "--quiet", "--no-tags", "--no-recurse-submodules",
		server_side(git), "--", git->url, "+refs/*:refs/fetched/*", NULL};
	const char *const checkout[] = {"checkout", "--quiet", "--detach", "--force", commit, NULL};
	char inside[PATH_MAX];
	int r;

	if (snprintf(inside, sizeof inside, "%s/.git", into) >= (int)sizeof inside)
		return err_set(err, -ENAMETOOLONG, "%s: %m", into);
	r = hand_over(git, into, false, err);
	if (r < 0)
		return r;
	r = run(git, init, into, GIT_FETCH_TIMEOUT, NULL, err);
	/* A server may refuse a commit that no branch or tag is at; its history has it. */
	if (r == 0 && run(git, one, into, GIT_FETCH_TIMEOUT, NULL, NULL) < 0)
		r = run(git, all, into, GIT_FETCH_TIMEOUT, NULL, err);
	if (r == 0)
		r = run(git, checkout, into, GIT_FETCH_TIMEOUT, NULL, err);
	if (r < 0)
		return err_wrap(err, r, "%s", git->url);
	r = hand_over(git, into, true, err); /* before we touch anything in it */
	if (r == 0)
		r = tree_remove(inside, err);
	return r < 0 ? r : tree_check(into, err);
}
