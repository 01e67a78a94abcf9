/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch-data: user-data for a launch template, from a configuration. Pure: text in, text out; the
 * same input gives the same bytes.
 */
#pragma once

#include <stddef.h>

#include "digest.h"
#include "err.h"

#define LAUNCH_URL_MAX      2048
#define LAUNCH_PACKAGES_MAX 4

/* The package for one architecture. */
struct launch_package {
	const char *machine; /* as `uname -m` says; NULL: for any */
	char url[LAUNCH_URL_MAX];
	char sha256[DIGEST_HEX_SIZE]; /* lower case */
};

/*
 * From --url and --sha256: one URL and one digest; or a URL with {arch} in it and ARCH=HEX,… where
 * ARCH is what {arch} stands for: amd64 or x86_64, arm64 or aarch64. Returns how many, -EINVAL with
 * what was expected.
 */
int launch_packages(const char *url, const char *sha256,
	struct launch_package ret_packages[static LAUNCH_PACKAGES_MAX], struct err *err);

/* What the script writes: `path` absolute, any bytes but NUL. */
struct launch_file {
	const char *path;
	const char *data;
	size_t length;
};

/*
 * A POSIX shell script that verifies and installs the package, writes the files, byte for byte, and
 * starts the units. Run again it changes only what is not so. The caller frees; -ENOMEM.
 */
int launch_script(const struct launch_package *packages, size_t n_packages,
	const struct launch_file *files, size_t n_files, char **ret_text, size_t *ret_length);

/*
 * The configuration as the bootstrap reads it from user-data (user-data.h): with "#instanced" as
 * its first line, and without a byte order mark. The caller frees; -ENOMEM.
 */
int launch_document(const char *text, size_t length, char **ret_text, size_t *ret_length);
