/* SPDX-License-Identifier: Apache-2.0 */
/* source-fetch: what a source (source.h) holds now, and how it comes here. */
#pragma once

#include "config.h"
#include "digest.h"
#include "err.h"
#include "fetch.h"
#include "git.h"
#include "source.h"

#define SOURCE_ARCHIVE_MAX (4ull << 30) /* bytes of an archive, packed */

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
