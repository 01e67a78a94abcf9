/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "host.h"
#include "manager.h"
#include "mount.h"
#include "secret.h"
#include "unit.h"

#define TEXT_MAX (64 << 10)

static void unit_place(const char *name, char *path, size_t size)
{
	snprintf(path, size, UNIT_DIRECTORY "/%s", name);
}

/* The text of one of our units; NULL: there is none, or it is somebody else's. */
static char *read_ours(const char *name)
{
	char path[sizeof UNIT_DIRECTORY + UNIT_NAME_MAX + 1];
	_cleanup_free_ char *text = NULL;

	unit_place(name, path, sizeof path);
	if (file_read(path, TEXT_MAX, &text, NULL) < 0 || !unit_is_ours(text))
		return NULL;
	return steal_ptr(text);
}

/* Puts the unit in place and has systemd know it so. What others have under this name stays. */
static int install(struct manager *manager, const char *name, const char *text, struct err *err)
{
	char path[sizeof UNIT_DIRECTORY + UNIT_NAME_MAX + 1];
	_cleanup_free_ char *there = NULL;
	struct manager_unit unit;
	int r;

	unit_place(name, path, sizeof path);
	r = file_read(path, TEXT_MAX, &there, NULL);
	if (r == 0 && !unit_is_ours(there))
		return err_set(err, -EEXIST, "%s: is not ours", path);
	if (r < 0 || strcmp(there, text) != 0)
		r = file_write(path, text, strlen(text), 0644);
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	r = manager_unit(manager, name, &unit, err);
	if (r == 0 && (unit.stale || strcmp(unit.load_state, "loaded") != 0)) {
		r = manager_reload(manager, err);
		if (r == 0)
			r = manager_unit(manager, name, &unit, err);
	}
	if (r == 0 && strcmp(unit.fragment, path) != 0)
		return err_set(err, -EEXIST, "%s is described by %s already (%s)", name,
			unit.fragment[0] ? unit.fragment : "another file", unit.load_state);
	return r;
}

static int start(const char *name, const char *text, struct err *err)
{
	_cleanup_(manager_free_p) struct manager *manager = NULL;
	int r = text ? manager_open(&manager, err) : err_set(err, -ENOMEM, "%m");

	if (r == 0)
		r = install(manager, name, text, err);
	return r < 0 ? r : manager_job(manager, MANAGER_START, name, err);
}

/*
 * By the sequence number of the disk where udev has such a link: the unit stays until the reboot,
 * and what it needs may start it again; the node could be another disk's by then.
 */
static void source_of(const struct volume *volume, char *source, size_t size)
{
	snprintf(source, size, "/dev/disk/by-diskseq/%llu", (unsigned long long)volume->diskseq);
	if (volume->diskseq == 0 || access(source, F_OK) < 0)
		snprintf(source, size, "%s", volume->node);
}

static int mount_by_unit(const struct volume *volume, const char *target, const char *type,
	const char *options, struct err *err)
{
	char name[UNIT_NAME_MAX], source[64];
	_cleanup_free_ char *text = NULL;
	struct mount mount;
	int r = unit_path_name(target, ".mount", name);

	source_of(volume, source, sizeof source);
	text = unit_mount_text(source, target, type, options);
	if (r < 0)
		return err_set(err, r, "%s: %m", target);
	r = start(name, text, err);
	if (r < 0)
		return err_wrap(err, r, "%s on %s", volume->node, target);
	r = mount_find(target, &mount, err);
	return r == -ENOENT ? err_set(err, r, "%s: the mount table does not show it", target) : r;
}

static int run(const char *unit, const struct spawn *spawn, char **ret_tail, struct err *err)
{
	_cleanup_(manager_free_p) struct manager *manager = NULL;
	int r = manager_open(&manager, err);

	return r < 0 ? r : manager_run(manager, unit, spawn, ret_tail, err);
}

static int settle(const char *unit, struct err *err)
{
	_cleanup_(manager_free_p) struct manager *manager = NULL;
	int r = manager_open(&manager, err);

	return r < 0 ? r : manager_settle(manager, unit, err);
}

/* The file says what runs: it is changed only while the app does not run. */
static int app_read(const struct host_app *app, struct host_app_status *ret_status)
{
	_cleanup_(manager_free_p) struct manager *manager = NULL;
	_cleanup_free_ char *there = NULL, *wanted = NULL;
	struct host_app_status status = {0};
	struct manager_unit unit;
	char name[UNIT_NAME_MAX], stamp[DIGEST_HEX_SIZE];
	int r = 0;

	unit_app_name(app->app, name);
	there = read_ours(name);
	if (there) {
		r = manager_open(&manager, NULL);
		if (r == 0)
			r = manager_unit(manager, name, &unit, NULL);
		if (r < 0)
			return r;
		unit_app_release(there, status.release);
		secret_stamp(app->app, stamp);
		wanted = unit_app_text(app->config, app->app, status.release, stamp);
		if (!wanted)
			return -ENOMEM;
		status.running = strcmp(unit.active_state, "inactive") != 0 &&
				 strcmp(unit.active_state, "deactivating") != 0 &&
				 strcmp(unit.active_state, "failed") != 0;
		status.as_configured = strcmp(there, wanted) == 0;
		if (status.running)
			(void)manager_service(manager, name, &status.pid, &status.restarts, NULL);
	}
	*ret_status = status;
	return 0;
}

static int app_start(const struct host_app *app, const char *id, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char name[UNIT_NAME_MAX], stamp[DIGEST_HEX_SIZE];

	secret_stamp(app->app, stamp);
	text = unit_app_text(app->config, app->app, id, stamp);
	unit_app_name(app->app, name);
	return start(name, text, err);
}

static int app_stop(const struct host_app *app, struct err *err)
{
	_cleanup_(manager_free_p) struct manager *manager = NULL;
	char name[UNIT_NAME_MAX];
	int r = manager_open(&manager, err);

	unit_app_name(app->app, name);
	return r < 0 ? r : manager_job(manager, MANAGER_STOP, name, err);
}

const struct host host_systemd = {
	.mount = mount_by_unit,
	.run = run,
	.settle = settle,
	.app_read = app_read,
	.app_start = app_start,
	.app_stop = app_stop,
};
