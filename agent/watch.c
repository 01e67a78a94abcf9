/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "file.h"
#include "mounts.h"
#include "template.h"

#define RETRY         1000000ull         /* usec, until the directory is there */
#define MOUNTINFO_MAX ((size_t)64 << 20) /* more than fs.mount-max lines */

struct watch {
	sd_event *event;
	char directory[PATH_MAX];
	watch_changed changed;
	watch_configured configured;
	void *userdata;
	sd_event_source *inotify, *retry, *mounts;
	int mountinfo_fd;
	struct state *state;
	struct drain drain;
	char *index, *mountinfo;
	struct err trouble; /* why there is no state */
};

/* An error that says nothing of what was to be read. */
static bool is_shortage(int r)
{
	return r == -ENOMEM || r == -ENFILE || r == -EMFILE;
}

/* What cannot be read now is looked at again; what is known of it stays until then. */
static void look_again(struct watch *watch)
{
	(void)sd_event_source_set_time_relative(watch->retry, RETRY);
	(void)sd_event_source_set_enabled(watch->retry, SD_EVENT_ONESHOT);
}

static void read_index(struct watch *watch)
{
	char path[PATH_MAX + sizeof STATE_INDEX], *index = NULL;

	snprintf(path, sizeof path, "%s/" STATE_INDEX, watch->directory);
	if (is_shortage(file_read(path, TEMPLATE_MAX, &index, NULL))) {
		look_again(watch);
		return;
	}
	free(watch->index);
	watch->index = index;
}

static void read_directory(struct watch *watch)
{
	struct state *state = NULL;
	int r = state_read(watch->directory, &state, &watch->trouble);

	if (is_shortage(r)) {
		look_again(watch);
		return;
	}
	state_free(watch->state);
	watch->state = state;
	if (r == 0 || r == -ENOENT)
		watch->trouble.text[0] = '\0';
	if (is_shortage(drain_read(watch->directory, &watch->drain, NULL)))
		look_again(watch);
	read_index(watch);
}

static int read_mounts(struct watch *watch)
{
	char *mountinfo;
	int r = lseek(watch->mountinfo_fd, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r == 0)
		r = file_read_fd(watch->mountinfo_fd, MOUNTINFO_MAX, &mountinfo, NULL);
	if (r < 0) {
		look_again(watch);
		return r;
	}
	free(watch->mountinfo);
	watch->mountinfo = mountinfo;
	return 0;
}

static void follow_config(struct watch *watch)
{
	if (is_shortage(watch->configured(watch->userdata)))
		look_again(watch);
}

static int on_mounts(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct watch *watch = userdata;

	(void)source, (void)fd, (void)revents;
	(void)read_mounts(watch);
	watch->changed(watch->userdata);
	return 0;
}

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct watch *watch = userdata;

	(void)source;
	if (event->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) /* the directory is gone */
		(void)sd_event_source_set_enabled(watch->retry, SD_EVENT_ONESHOT);
	else if (event->len && strcmp(event->name, CONFIG_USER_DATA) == 0)
		follow_config(watch);
	else if (event->len && strcmp(event->name, STATE_FILE) != 0 &&
		 strcmp(event->name, STATE_INDEX) != 0 && strcmp(event->name, DRAIN_FILE) != 0)
		return 0;
	read_directory(watch);
	watch->changed(watch->userdata);
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct watch *watch = userdata;

	(void)source, (void)usec;
	(void)read_mounts(watch);
	watch->inotify = sd_event_source_disable_unref(watch->inotify);
	if (sd_event_add_inotify(watch->event, &watch->inotify, watch->directory,
		    IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |
			    IN_ONLYDIR,
		    on_inotify, watch) < 0) {
		look_again(watch);
		return 0;
	}
	read_directory(watch); /* after the watch stands, so that nothing is missed */
	watch->changed(watch->userdata);
	follow_config(watch);
	return 0;
}

int watch_new(sd_event *event, const char *directory, watch_changed changed,
	watch_configured configured, void *userdata, struct watch **ret_watch)
{
	_cleanup_(watch_free_p) struct watch *watch = calloc(1, sizeof *watch);
	int r;

	if (!watch)
		return -ENOMEM;
	*watch = (struct watch){.event = sd_event_ref(event),
		.changed = changed,
		.configured = configured,
		.userdata = userdata,
		.mountinfo_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
	snprintf(watch->directory, sizeof watch->directory, "%s", directory);
	if (watch->mountinfo_fd < 0)
		return -errno;
	r = read_mounts(watch);
	if (r < 0)
		return r;
	/* proc(5): poll() reports POLLPRI and POLLERR when the table changes. */
	r = sd_event_add_io(event, &watch->mounts, watch->mountinfo_fd, EPOLLPRI, on_mounts, watch);
	if (r >= 0)
		r = sd_event_add_time_relative(
			event, &watch->retry, CLOCK_MONOTONIC, 0, 0, on_retry, watch);
	if (r < 0)
		return r;
	read_directory(watch); /* the first answer is true already */
	*ret_watch = steal_ptr(watch);
	return 0;
}

struct watch *watch_free(struct watch *watch)
{
	if (!watch)
		return NULL;
	(void)sd_event_source_disable_unref(watch->inotify);
	(void)sd_event_source_disable_unref(watch->retry);
	(void)sd_event_source_disable_unref(watch->mounts);
	cleanup_close(&watch->mountinfo_fd);
	state_free(watch->state);
	free(watch->index);
	free(watch->mountinfo);
	(void)sd_event_unref(watch->event);
	free(watch);
	return NULL;
}

const struct state *watch_state(const struct watch *watch)
{
	return watch->state;
}

const char *watch_index(const struct watch *watch)
{
	return watch->index;
}

/* As far as root has come: one that it has not mounted may be anybody's. */
static bool should_be_mounted(const struct state_item *item)
{
	return item->kind == STATE_VOLUME &&
	       (item->status == STATE_OK || item->status == STATE_OUTDATED);
}

bool watch_mounted(const struct watch *watch, const struct state_item *item)
{
	return should_be_mounted(item) &&
	       mounts_show(watch->mountinfo, item->path, item->number, item->device);
}

const struct drain *watch_drain(const struct watch *watch)
{
	return &watch->drain;
}

size_t watch_checks(const struct watch *watch, struct check *ret_checks)
{
	size_t n = state_checks(watch->state, ret_checks);

	if (!watch->state && watch->trouble.text[0])
		snprintf(ret_checks->reason, sizeof ret_checks->reason, "%.500s",
			watch->trouble.text);
	for (size_t i = 0; watch->state && i < n; i++) {
		const struct state_item *item = &watch->state->items[i];

		if (!should_be_mounted(item) || watch_mounted(watch, item))
			continue;
		ret_checks[i].result = CHECK_FAIL;
		snprintf(ret_checks[i].reason, sizeof ret_checks[i].reason,
			"%s is not mounted on %.160s any more", item->device, item->path);
	}
	return n;
}
