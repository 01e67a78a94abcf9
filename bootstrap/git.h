/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git: asks and fetches a repository with the git program. No configuration of the machine or of a
 * person, no hooks, no submodules, no prompt, and no protocol but the one that is asked for. What
 * speaks to the network does so as `user`, not as root.
 */
#pragma once

#include "err.h"

#define GIT_COMMIT_SIZE    65 /* SHA-1 or SHA-256 in hex, with the NUL */
#define GIT_REF_SIZE       256
#define GIT_LOOKUP_TIMEOUT (60 * 1000000ull)
#define GIT_FETCH_TIMEOUT  (900 * 1000000ull)

struct git {
	const char *protocol; /* "file", "https" */
	const char *url;
	const char *app;  /* for which; there is one run of git at a time for each */
	const char *user; /* "https": who runs git; NULL: as the caller */
};

/*
 * The commit that `ref` names there: a tag, else a branch, else a full "refs/…"; "" is HEAD.
 * -ENOENT: there is none of that name.
 */
int git_resolve(const struct git *git, const char *ref, char ret_commit[static GIT_COMMIT_SIZE],
	struct err *err);

/*
 * The files of the commit into the directory `into`, which is there and empty; without .git. In the
 * end all is the caller's.
 */
int git_fetch(const struct git *git, const char *commit, const char *into, struct err *err);
