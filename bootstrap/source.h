/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: where an app comes from.
 *
 *	file:/srv/app                          a directory, without a .git at its top
 *	file:/srv/app-1.2.tar.gz               an archive (unpack.h)
 *	git+file:///srv/app.git#v1.2           a repository on this machine
 *	git+https://example.org/app.git#v1.2   a repository on the network
 *	https://example.org/app-1.2.tar.gz     an archive on the network
 *	s3://bucket/key                        an archive in S3, with the instance role's
 *credentials
 *
 * After "#" stands a tag, a branch, "refs/…", or a whole commit ID; nothing: HEAD.
 */
#pragma once

#include <limits.h>

#include "config.h"
#include "digest.h"
#include "err.h"
#include "fetch.h"
#include "git.h"

#define SOURCE_ARCHIVE_MAX (4ull << 30) /* bytes of an archive, packed */

enum source_kind { SOURCE_FILE, SOURCE_GIT, SOURCE_NETWORK };

struct source {
	enum source_kind kind;
	const char *protocol;     /* SOURCE_GIT: "file", "https" */
	char place[PATH_MAX + 8]; /* the path; the URL, without "git+" */
	char ref[GIT_REF_SIZE];   /* SOURCE_GIT: "" is HEAD */
};

/* Pure. -EINVAL: not a source. */
int source_parse(const char *text, struct source *ret_source, struct err *err);

/*
 * What the source holds now, in hex: a digest of the tree or the archive, a commit ID, or (an
 * archive that is not pinned) a digest of what its server calls its version. Nothing is fetched;
 * git and servers are asked over the network, unless the source names a whole commit or is pinned.
 * A local archive that is not what `sha256` says is -EBADMSG.
 */
int source_fingerprint(const struct config_app *app, const struct reach *reach,
	char ret_hex[static DIGEST_HEX_SIZE], struct err *err);

/*
 * Puts just what `fingerprint` names into the directory `into`, which is there and empty; -ESTALE
 * when the source has changed meanwhile, -EBADMSG with both digests when an archive from the
 * network is not what `sha256` says. On failure something may be in it. What comes from the network
 * is kept in the file `download` meanwhile, and if it was cut off and is pinned, until the next
 * time. Modes and owners are the caller's business (tree_own()).
 */
int source_fetch(const struct config_app *app, const struct reach *reach, const char *fingerprint,
	const char *download, const char *into, struct err *err);
