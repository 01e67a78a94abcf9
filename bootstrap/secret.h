/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: what an app must know and nobody else: its env_file and its credentials. They are named
 * in configuration and read at the moment of use; what they hold is never part of configuration,
 * state, logs or arguments. systemd reads them itself (EnvironmentFile=, LoadCredential=); where it
 * is not process 1, the supervisor does.
 */
#pragma once

#include "config.h"
#include "digest.h"
#include "err.h"

#define SECRET_FILE_MAX       ((size_t)64 << 10)
#define SECRET_CREDENTIAL_MAX ((size_t)1 << 20) /* systemd's own bound */
#define SECRET_STORE          "/etc/credstore/" /* of credentials that are given by name */

/* Whether they are there and nobody but root (and us) can read them; names the one that is not. */
int secret_check(const struct config_app *app, struct err *err);

/*
 * Changes whenever one of the files does: a digest of names, times, sizes and inodes, not of what
 * they hold.
 */
void secret_stamp(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE]);

/*
 * Adds the variables of env_file ("NAME=value" lines; "#" starts a comment line; a value may stand
 * in quotes) to a list whose items the caller frees. -EINVAL names the line, not what is in it.
 */
int secret_environment(const struct config_app *app, struct config_list *list, struct err *err);

/*
 * Copies the credentials into the new directory `directory`, for uid alone to read (0500, 0400). It
 * replaces what is there.
 */
int secret_lay_out(
	const struct config_app *app, const char *directory, uid_t uid, gid_t gid, struct err *err);
