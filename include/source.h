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

#include "err.h"

#define SOURCE_REF_SIZE 256

enum source_kind { SOURCE_FILE, SOURCE_GIT, SOURCE_NETWORK };

struct source {
	enum source_kind kind;
	const char *protocol;      /* SOURCE_GIT: "file", "https" */
	char place[PATH_MAX + 8];  /* the path; the URL, without "git+" */
	char ref[SOURCE_REF_SIZE]; /* SOURCE_GIT: "" is HEAD */
};

/* Pure. -EINVAL: not a source. */
int source_parse(const char *text, struct source *ret_source, struct err *err);
