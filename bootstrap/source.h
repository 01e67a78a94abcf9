/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: where an app comes from.
 *
 *	file:/srv/app                          a directory, without a .git at its top
 *	file:/srv/app-1.2.tar.gz               an archive (unpack.h)
 *	git+file:///srv/app.git#v1.2           a repository on this machine
 *	git+https://example.org/app.git#v1.2   a repository on the network
 *
 * After "#" stands a tag, a branch, "refs/…", or a whole commit ID; nothing: HEAD. https: and s3:
 * are known and not there yet.
 */
#pragma once

#include <limits.h>

#include "config.h"
#include "digest.h"
#include "err.h"
#include "git.h"

#define SOURCE_ARCHIVE_MAX (4ull << 30) /* bytes of an archive, packed */

enum source_kind { SOURCE_FILE, SOURCE_GIT };

struct source {
	enum source_kind kind;
	const char *protocol;     /* SOURCE_GIT: "file", "https" */
	char place[PATH_MAX + 8]; /* SOURCE_FILE: the path; SOURCE_GIT: the URL without "git+" */
	char ref[GIT_REF_SIZE];   /* SOURCE_GIT: "" is HEAD */
};

/* Pure. -EINVAL: not a source; -EOPNOTSUPP: a kind that is not there yet. */
int source_parse(const char *text, struct source *ret_source, struct err *err);

/*
 * What the source holds now, in hex: a digest of the tree or the archive, or a commit ID. Nothing
 * is fetched; git is asked over the network unless the source names a whole commit. An archive
 * that is not what `sha256` says is -EBADMSG.
 */
int source_fingerprint(
	const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE], struct err *err);

/*
 * Puts just what `fingerprint` names into the directory `into`, which is there and empty; -ESTALE
 * when the source has changed meanwhile. On failure something may be in it. Modes and owners are
 * the caller's business (tree_own()).
 */
int source_fetch(
	const struct config_app *app, const char *fingerprint, const char *into, struct err *err);
