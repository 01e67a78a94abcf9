/* SPDX-License-Identifier: Apache-2.0 */
#include "space.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define STACK_SIZE ((size_t)256 << 10)

/*
 * Belongs to the loop and to its thread; who lets go last frees it. The thread writes the answer,
 * then to `done`, where the loop waits; the loop reads the answer only after that.
 */
struct question {
	atomic_int owners;
	int done; /* eventfd */
	char path[SPACE_PATH_MAX];
	atomic_bool known; /* then the other two are there */
	uint64_t size, available;
};

struct place {
	struct question *question; /* outstanding, or NULL */
	sd_event_source *answered;
	bool due;
};

struct space {
	sd_event *event;
	sd_event_source *timer;
	uint64_t interval_usec;
	/* places[i] is of volumes[i] */
	struct space_volume volumes[SPACE_VOLUMES_MAX];
	struct place places[SPACE_VOLUMES_MAX];
	size_t n, outstanding;
};

static void question_release(struct question *question)
{
	if (!question || atomic_fetch_sub(&question->owners, 1) > 1)
		return;
	cleanup_close(&question->done);
	free(question);
}

static void *ask(void *argument)
{
	struct question *question = argument;
	struct statvfs fs;

	if (statvfs(question->path, &fs) == 0) {
		question->size = (uint64_t)fs.f_blocks * fs.f_frsize;
		question->available = (uint64_t)fs.f_bavail * fs.f_frsize;
		question->known = true;
	}
	(void)eventfd_write(question->done, 1);
	question_release(question);
	return NULL;
}

static int question_ask(const char *path, struct question **ret_question)
{
	struct question *question = calloc(1, sizeof *question);
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	if (!question)
		return -ENOMEM;
	question->owners = 2;
	question->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	snprintf(question->path, sizeof question->path, "%s", path);
	r = question->done < 0 ? errno : pthread_attr_init(&attributes);
	if (r == 0) {
		(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
		r = pthread_create(&thread, &attributes, ask, question);
		(void)pthread_attr_destroy(&attributes);
	}
	if (r != 0) {
		question->owners = 1;
		question_release(question);
		return -r;
	}
	*ret_question = question;
	return 0;
}

/* Lets go of a question, answered or not. */
static void place_clear(struct space *space, struct place *place)
{
	place->answered = sd_event_source_disable_unref(place->answered);
	if (place->question)
		space->outstanding--;
	question_release(place->question);
	place->question = NULL;
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* Asks those that are due, as far as there are questions left. */
static void ask_due(struct space *space)
{
	for (size_t i = 0; i < space->n && space->outstanding < SPACE_QUESTIONS_MAX; i++) {
		struct place *place = &space->places[i];

		if (!place->due || place->question)
			continue;
		place->due = false;
		if (question_ask(space->volumes[i].path, &place->question) < 0)
			continue;
		space->outstanding++;
		if (sd_event_add_io(space->event, &place->answered, place->question->done, EPOLLIN,
			    on_answer, space) < 0)
			place_clear(space, place);
	}
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct space *space = userdata;

	(void)source, (void)revents;
	for (size_t i = 0; i < space->n; i++) {
		struct space_volume *volume = &space->volumes[i];
		struct question *question = space->places[i].question;

		if (!question || question->done != fd)
			continue;
		volume->known = question->known;
		volume->size = question->size;
		volume->available = question->available;
		place_clear(space, &space->places[i]);
	}
	ask_due(space);
	return 0;
}

/* Who owes an answer still, or could not be asked since others owe theirs, has no values any more.
 */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct space *space = userdata;

	for (size_t i = 0; i < space->n; i++) {
		if (space->places[i].question || space->places[i].due)
			space->volumes[i].known = false;
		space->places[i].due = true;
	}
	ask_due(space);
	(void)sd_event_source_set_time(source, usec + space->interval_usec);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int space_new(struct sd_event *event, uint64_t interval_usec, struct space **ret_space)
{
	_cleanup_(space_free_p) struct space *space = calloc(1, sizeof *space);
	int r;

	if (!space)
		return -ENOMEM;
	space->event = sd_event_ref(event);
	space->interval_usec = interval_usec;
	r = sd_event_add_time_relative(
		event, &space->timer, CLOCK_MONOTONIC, interval_usec, 0, on_timer, space);
	if (r < 0)
		return r;
	*ret_space = steal_ptr(space);
	return 0;
}

static bool same(const struct space_volume *a, const struct space_volume *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0;
}

void space_follow(struct space *space, const struct space_volume *volumes, size_t n)
{
	struct space_volume before[SPACE_VOLUMES_MAX];
	struct place places[SPACE_VOLUMES_MAX];
	size_t n_before = space->n;

	memcpy(before, space->volumes, sizeof before);
	memcpy(places, space->places, sizeof places);
	space->n = n < SPACE_VOLUMES_MAX ? n : SPACE_VOLUMES_MAX;
	for (size_t i = 0; i < space->n; i++) {
		size_t k = 0;

		while (k < n_before && !same(&before[k], &volumes[i]))
			k++;
		if (k < n_before) {
			space->volumes[i] = before[k];
			space->places[i] = places[k];
			places[k] = (struct place){0};
			continue;
		}
		space->volumes[i] = volumes[i];
		space->volumes[i].known = false;
		space->places[i] = (struct place){.due = true};
	}
	for (size_t k = 0; k < n_before; k++)
		place_clear(space, &places[k]);
	ask_due(space);
}

const struct space_volume *space_volumes(const struct space *space, size_t *ret_n)
{
	*ret_n = space->n;
	return space->volumes;
}

double space_share(const struct space_volume *volume)
{
	if (!volume->known || volume->size == 0 || volume->available > volume->size)
		return -1;
	return 1 - (double)volume->available / (double)volume->size;
}

double space_used(const struct space *space, const char *name)
{
	for (size_t i = 0; i < space->n; i++)
		if (strcmp(space->volumes[i].name, name) == 0)
			return space_share(&space->volumes[i]);
	return -1;
}

struct space *space_free(struct space *space)
{
	if (!space)
		return NULL;
	for (size_t i = 0; i < space->n; i++)
		place_clear(space, &space->places[i]);
	(void)sd_event_source_disable_unref(space->timer);
	(void)sd_event_unref(space->event);
	free(space);
	return NULL;
}
