/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blank.h"
#include "clock.h"
#include "device.h"
#include "file.h"
#include "filesystem.h"
#include "grow.h"
#include "host.h"
#include "inside.h"
#include "intent.h"
#include "link.h"
#include "mount.h"
#include "packages.h"
#include "page-file.h"
#include "release.h"
#include "spawn.h"
#include "template.h"

/* -- disks: content and proof, each in a thread of its own -- */

#define ASK_PAUSE (30 * 1000000ull) /* usec until a source that did not answer is asked again */

struct proof {
	pthread_t thread;
	struct volume *volume;
	bool started;
};

static void *prove(void *userdata)
{
	struct volume *volume = userdata;
	_cleanup_close_ int fd = -1;
	struct err err = {0};

	if (blank_open(volume->node, &fd, &err) < 0)
		snprintf(volume->unread, sizeof volume->unread, "%.*s",
			(int)sizeof volume->unread - 1, err.text);
	else
		(void)blank_prove(fd, volume);
	if (fd >= 0 && !volume->probed) /* in use: no proof, but its content has a name */
		(void)blank_probe(fd, volume);
	return NULL;
}

static void prove_in_parallel(struct volume *const *volumes, size_t n)
{
	struct proof proofs[CONFIG_VOLUMES_MAX];

	for (size_t from = 0; from < n; from += CONFIG_VOLUMES_MAX) {
		size_t count = n - from < CONFIG_VOLUMES_MAX ? n - from : CONFIG_VOLUMES_MAX;

		for (size_t i = 0; i < count; i++) {
			proofs[i].started = pthread_create(&proofs[i].thread, NULL, prove,
						    volumes[from + i]) == 0;
			if (!proofs[i].started)
				(void)prove(volumes[from + i]);
		}
		for (size_t i = 0; i < count; i++)
			if (proofs[i].started)
				(void)pthread_join(proofs[i].thread, NULL);
	}
}

/* Content and proof from an earlier look, if it is the same disk and nobody uses it. */
static bool take_over(struct volume *volume, const struct inventory *previous)
{
	for (size_t i = 0; previous && i < previous->n_volumes; i++) {
		const struct volume *known = &previous->volumes[i];

		if (strcmp(known->node, volume->node) != 0 || known->number != volume->number ||
			known->diskseq != volume->diskseq || known->size != volume->size ||
			!known->probed || strcmp(known->mount, volume->mount) != 0 ||
			strcmp(known->in_use, volume->in_use) != 0)
			continue;
		*volume = *known;
		return true;
	}
	return false;
}

static bool is_wanted(
	const struct inventory *inventory, const struct config *config, const struct volume *volume)
{
	for (size_t i = 0; i < config->n_volumes; i++) {
		const char *canonical = inventory->for_volumes[i].canonical;
		struct volume_selector selector = config_selector(&config->volumes[i]);

		if (volume_matches(volume, &selector, canonical[0] ? canonical : NULL) !=
			VOLUME_NO_MATCH)
			return true;
	}
	return false;
}

static int look_at_disks(const struct inventory_request *request, const struct inventory *previous,
	struct inventory *inventory, struct err *err)
{
	struct volume *to_prove[DEVICE_MAX];
	size_t n = 0;
	int r = device_list(&inventory->volumes, &inventory->n_volumes, err);

	for (size_t i = 0; r == 0 && i < inventory->n_volumes; i++) {
		struct volume *volume = &inventory->volumes[i];

		if ((request->prove_all || is_wanted(inventory, request->config, volume)) &&
			!take_over(volume, previous))
			to_prove[n++] = volume;
	}
	prove_in_parallel(to_prove, n);
	return r;
}

/* -- what configuration says of volumes, on this machine -- */

static void resolve_device(const char *device, struct inventory_volume *ret)
{
	char names[2][VOLUME_NODE_MAX];
	size_t n = volume_xen_names(device, names);
	struct volume volume;
	struct stat st;

	if (n == 0)
		snprintf(names[n++], sizeof names[0], "%.*s", VOLUME_NODE_MAX - 1, device);
	for (size_t i = 0; i < n && !ret->canonical[0]; i++) {
		if (stat(names[i], &st) < 0)
			continue;
		if (device_read(names[i], &volume, &ret->no_disk) == 0) {
			snprintf(ret->canonical, sizeof ret->canonical, "%s", volume.node);
			ret->no_disk.text[0] = '\0';
		}
	}
}

static void look_at_mount(const struct config_volume *wanted, struct inventory_volume *ret)
{
	struct mount mount;
	struct stat st;

	if (mount_find(wanted->mount, &mount, NULL) < 0)
		return;
	ret->mounted = true;
	ret->mounted_disk = mount.disk;
	snprintf(ret->mounted_source, sizeof ret->mounted_source, "%s", mount.source);
	snprintf(ret->mounted_type, sizeof ret->mounted_type, "%s", mount.type);
	if (stat(wanted->mount, &st) == 0) {
		ret->uid = st.st_uid;
		ret->gid = st.st_gid;
		ret->mode = st.st_mode & 07777;
	}
	if (strcmp(mount.type, wanted->filesystem->name) == 0)
		(void)grow_used(
			wanted->filesystem, mount.source, wanted->mount, &ret->mounted_size);
}

static void look_at_wish(const struct config_volume *wanted, struct inventory_volume *ret)
{
	char program[256];

	*ret = (struct inventory_volume){0};
	if (wanted->device)
		resolve_device(wanted->device, ret);
	look_at_mount(wanted, ret);
	ret->owner_known = wanted->owner &&
			   spawn_owner(wanted->owner, &ret->owner_uid, &ret->owner_gid, NULL) == 0;
	ret->mkfs_there = spawn_find(wanted->filesystem->mkfs[0], program, sizeof program) == 0;
}

/* -- packages -- */

/* They do not go by themselves: asked once, and again when something was installed. */
static void look_at_packages(const struct inventory_request *request,
	const struct inventory *previous, struct inventory_packages *ret)
{
	const struct config_packages *wanted = &request->config->packages;

	if (previous && previous->packages.asked_for == request->config) {
		*ret = previous->packages;
		return;
	}
	ret->asked_for = request->config;
	ret->update_due = packages_update_is_due(wanted->update, request->state);
	if (wanted->install.n > 0)
		(void)packages_missing(wanted, ret->missing, &ret->unknown);
}

/* -- the page and the apps -- */

static void look_at_index(const struct config_index *wanted, struct inventory_index *ret)
{
	int r = wanted->path ? page_file_read(wanted->path, &ret->content, &ret->ours) : -ENOENT;

	if (r < 0 && r != -ENOENT)
		err_set(&ret->unread, r, "%s: %s", wanted->path,
			r == -EFBIG ? "is longer than 256 KiB, which is no index page of ours"
				    : strerror(-r));
}

/* What its releases are, and were. */
static void look_at_releases(const struct config_app *wanted, struct inventory_app *ret)
{
	char directory[PATH_MAX];

	if (wanted->link)
		link_read(wanted, &ret->link_right, ret->link_there, sizeof ret->link_there);
	if (ret->wanted[0] && !release_is_bad(wanted, ret->wanted, ret->bad))
		ret->bad[0] = '\0';
	if (release_current(wanted, ret->current, NULL) < 0) {
		ret->current[0] = '\0';
		return;
	}
	ret->proven = release_is_proven(wanted, ret->current);
	ret->shaped = release_is_shaped(wanted, ret->current);
	(void)release_version(wanted, ret->current, ret->version);
	release_directory(wanted, ret->current, directory, sizeof directory);
	for (size_t i = 0; i < wanted->files.n; i++) {
		char place[CONFIG_LINE_MAX];

		snprintf(place, sizeof place, "%.*s", (int)strcspn(wanted->files.items[i], "="),
			wanted->files.items[i]);
		(void)inside_read(directory, place, &ret->files[i]);
	}
}

/* A source that does not answer holds up all the rest while it is asked. */
static bool was_just_asked(const struct inventory_app *app)
{
	return app->wanted_asked && clock_monotonic() - app->wanted_asked < ASK_PAUSE;
}

static void look_at_app(const struct inventory_request *request, size_t i,
	const struct inventory *previous, struct inventory_app *ret)
{
	const struct config_app *wanted = &request->config->apps[i];
	struct release_own own;
	const struct host_app host_app = {request->config, &own.app, request->state};
	const struct reach reach = {.imds = request->imds};
	struct host_app_status status;
	struct err err = {0};

	if (previous && (previous->apps[i].wanted[0] || was_just_asked(&previous->apps[i]))) {
		memcpy(ret->wanted, previous->apps[i].wanted, sizeof ret->wanted);
		ret->wanted_err = previous->apps[i].wanted_err;
		ret->wanted_asked = previous->apps[i].wanted_asked;
	} else if (!request->sources) {
		err_set(&ret->wanted_err, 0, "the source was not looked at yet");
	} else if (release_wanted(wanted, &reach, ret->wanted, &err) < 0) {
		ret->wanted_err = err;
		ret->wanted_asked = clock_monotonic();
	}
	look_at_releases(wanted, ret);
	release_own(wanted, ret->current, &own);
	ret->running = own.app.run &&
		       host_to_ask(request->state)->app_read(&host_app, &status) >= 0 &&
		       status.running;
	release_own_clear(&own);
	if (!ret->running)
		return;
	ret->running_as_configured = status.as_configured;
	snprintf(ret->running_release, sizeof ret->running_release, "%s", status.release);
}

int inventory_take(const struct inventory_request *request, const struct inventory *previous,
	struct inventory **ret_inventory, struct err *err)
{
	_cleanup_(inventory_free_p) struct inventory *inventory = calloc(1, sizeof *inventory);
	const struct config *config = request->config;
	int r;

	if (!inventory)
		return err_set(err, -ENOMEM, "%m");
	inventory->root = geteuid() == 0;
	r = drain_read(request->state, &inventory->drain, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < config->n_volumes; i++)
		look_at_wish(&config->volumes[i], &inventory->for_volumes[i]);
	r = look_at_disks(request, previous, inventory, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < inventory->n_volumes; i++)
		intent_recognise(request->data, &inventory->volumes[i]);
	look_at_packages(request, previous, &inventory->packages);
	look_at_index(&config->index, &inventory->index);
	for (size_t i = 0; i < config->n_apps; i++)
		look_at_app(request, i, previous, &inventory->apps[i]);
	*ret_inventory = steal_ptr(inventory);
	return 0;
}

void inventory_forget(struct inventory *inventory, const char *node)
{
	for (size_t i = 0; inventory && i < inventory->n_volumes; i++)
		if (strcmp(inventory->volumes[i].node, node) == 0)
			inventory->volumes[i].probed = false;
}

void inventory_forget_sources(struct inventory *inventory)
{
	for (size_t i = 0; inventory && i < CONFIG_APPS_MAX; i++)
		inventory->apps[i].wanted_asked = 0;
}

struct inventory *inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return NULL;
	free(inventory->volumes);
	free(inventory->index.content);
	for (size_t i = 0; i < CONFIG_APPS_MAX; i++)
		for (size_t j = 0; j < CONFIG_LIST_MAX; j++)
			free(inventory->apps[i].files[j]);
	free(inventory);
	return NULL;
}
