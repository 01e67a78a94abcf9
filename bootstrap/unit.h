/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit: names and texts of the systemd units that instanced makes at run time. Pure.
 *
 * They lie in /run/systemd/system (systemd.unit(5), "Unit File Load Path"): a reboot clears them,
 * and an image never carries them. What is from configuration is escaped, so that it means in the
 * unit what it means there: no specifier (%), no variable ($), no quote of its own.
 */
#pragma once

#include "config.h"
#include "plan.h" /* RELEASE_ID_MAX */

#define UNIT_DIRECTORY "/run/systemd/system"
#define UNIT_NAME_MAX  256 /* systemd's own, the NUL included */

/*
 * The name of the unit of a path: "/srv/www data" is "srv-www\x20data.mount" (systemd.unit(5),
 * "String Escaping for Inclusion in Unit Names"; as systemd-escape --path). -EINVAL: no absolute
 * path, or one with "." or ".." in it; -ENAMETOOLONG.
 */
int unit_path_name(const char *path, const char *suffix, char ret_name[static UNIT_NAME_MAX]);

/* "instance-app-web.service" */
void unit_app_name(const struct config_app *app, char ret_name[static UNIT_NAME_MAX]);

/* A mount unit. `options` may be NULL. The caller frees; NULL: out of memory. */
char *unit_mount_text(
	const char *source, const char *target, const char *type, const char *options);

/*
 * The service that runs an app in the directory of a release. It requires the mounts of the
 * app's own path and of every volume that is `required`: it starts after them and stops with them.
 * `stamp` changes when one of the app's secrets does (secret_stamp()). The caller frees; NULL: out
 * of memory.
 */
char *unit_app_text(const struct config *config, const struct config_app *app, const char *id,
	const char *stamp);

/* The release that an app's unit is for, or "" if that is none of ours. */
void unit_app_release(const char *text, char ret_id[static RELEASE_ID_MAX]);

/* Whether instanced made this unit. */
bool unit_is_ours(const char *text);
