/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space: with a statvfs() of this test's own, because no file system of Linux can be made to hang
 * in it at will.
 */
#include "../agent/space.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "pump.h"
#include "tap.h"

#define INTERVAL 1000000ull /* usec */

static sem_t awake; /* what /hung waits for */
static atomic_int asked, waiting;

int statvfs(const char *path, struct statvfs *ret)
{
	asked++;
	if (strncmp(path, "/hung", 5) == 0) {
		waiting++;
		(void)sem_wait(&awake);
		waiting--;
	}
	if (strcmp(path, "/gone") == 0) {
		errno = EIO;
		return -1;
	}
	*ret = (struct statvfs){
		.f_frsize = 4096, .f_blocks = 1000, .f_bfree = 400, .f_bavail = 250};
	return 0;
}

static sd_event *event;

/* Pumps until there are so many, for at most 15 s. */
static int reaches(atomic_int *count, int wanted)
{
	uint64_t until = now_ms() + 15000;

	while (*count != wanted && now_ms() < until)
		pump(event, 5);
	return *count;
}

static bool becomes_known(const struct space *space, const char *name)
{
	uint64_t until = now_ms() + 15000;

	while (space_used(space, name) < 0 && now_ms() < until)
		pump(event, 5);
	return space_used(space, name) > 0.7499 && space_used(space, name) < 0.7501;
}

static struct space_volume volume(const char *name, const char *path)
{
	struct space_volume volume = {0};

	snprintf(volume.name, sizeof volume.name, "%s", name);
	snprintf(volume.path, sizeof volume.path, "%s", path);
	return volume;
}

static bool is_near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

static void test_share(void)
{
	static const struct {
		struct space_volume volume;
		double share;
		const char *name;
	} rows[] = {
		{{.known = true, .size = 100, .available = 25}, 0.75,
			"what is not available is used"},
		{{.known = true, .size = 100, .available = 0}, 1, "full is 1"},
		{{.known = true, .size = 100, .available = 100}, 0, "empty is 0"},
		{{.known = false, .size = 100, .available = 25}, -1, "what is not known is -1"},
		{{.known = true, .size = 0, .available = 0}, -1, "and so is no size"},
		{{.known = true, .size = 1, .available = 2}, -1, "and what cannot be"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ok(is_near(space_share(&rows[i].volume), rows[i].share), rows[i].name);
}

static void test_answers(void)
{
	struct space_volume volumes[] = {
		volume("data", "/data"), volume("hung", "/hung"), volume("gone", "/gone")};
	const struct space_volume *shown;
	struct space *space = NULL;
	size_t n;

	is_int(space_new(event, INTERVAL, &space), 0, "it begins");
	ok(space_used(space, "data") < 0, "without volumes nothing is known");
	space_follow(space, volumes, 3);
	ok(becomes_known(space, "data") && reaches(&asked, 3) == 3,
		"a volume is asked at once, and its share is of what users can have");
	shown = space_volumes(space, &n);
	ok(n == 3 && shown[0].size == 4096000 && shown[0].available == 1024000,
		"size and available are in bytes");
	ok(!shown[1].known && space_used(space, "hung") < 0,
		"one that hangs hinders neither the loop nor others, and is not known");
	ok(!shown[2].known, "nor is one that answers with an error");
	space_follow(space, volumes, 3);
	pump(event, 50);
	is_int(asked, 3, "the same volumes again are not asked again");
	ok(is_near(space_used(space, "data"), 0.75), "and what is known of them stays");

	is_int(reaches(&asked, 5), 5,
		"after the interval each is asked again, but not one that still hangs");
	is_int(waiting, 1, "for which there is one thread");
	(void)sem_post(&awake);
	ok(becomes_known(space, "hung"), "one that comes back is known");
	is_int(reaches(&asked, 6), 6, "and asked at once, as it should have been before");
	(void)sem_post(&awake);
	(void)reaches(&waiting, 0);
	pump(event, 20);

	ok(reaches(&waiting, 1) == 1 && is_near(space_used(space, "hung"), 0.75),
		"when it hangs again, what it said last stays for an interval");
	for (int i = 0; i < 150 && space_used(space, "hung") >= 0; i++)
		pump(event, 100);
	ok(space_used(space, "hung") < 0, "and no longer");
	(void)sem_post(&awake);
	ok(becomes_known(space, "hung"), "until it answers");
	(void)reaches(&waiting, 1); /* asked at once, as before */
	(void)sem_post(&awake);
	(void)reaches(&waiting, 0);
	pump(event, 20);

	space_follow(space, volumes + 1, 1);
	ok(space_used(space, "data") < 0 && is_near(space_used(space, "hung"), 0.75),
		"a volume that goes takes what was known of it along, of it alone");
	space_free(space);
}

static void test_many(void)
{
	struct space_volume volumes[SPACE_VOLUMES_MAX];
	struct space *space = NULL;
	size_t known = 0;

	asked = 0;
	for (size_t i = 0; i < SPACE_VOLUMES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof name, "v%zu", i);
		volumes[i] = volume(name, i % 2 ? "/data" : "/hung");
	}
	(void)space_new(event, 60 * INTERVAL, &space);
	space_follow(space, volumes, SPACE_VOLUMES_MAX);
	(void)reaches(&waiting, SPACE_QUESTIONS_MAX);
	pump(event, 50);
	is_int(waiting, SPACE_QUESTIONS_MAX, "there are never more threads than the maximum");
	for (size_t i = 0; i < SPACE_VOLUMES_MAX / 2; i++)
		(void)sem_post(&awake);
	while (known < SPACE_VOLUMES_MAX && becomes_known(space, volumes[known].name))
		known++;
	is_int((long long)known, SPACE_VOLUMES_MAX, "and all are asked in the end");
	is_int(asked, SPACE_VOLUMES_MAX, "each of them once");
	space_free(space);

	(void)space_new(event, INTERVAL, &space);
	volumes[0] = volume("hung", "/hung");
	space_follow(space, volumes, 1);
	(void)reaches(&waiting, 1);
	space_free(space); /* would not come back */
	is_int(waiting, 1, "the end does not wait for who hangs");
	(void)sem_post(&awake);
	(void)reaches(&waiting, 0); /* the thread then frees what is its own; the sanitizer looks */
	pump(event, 50);
}

int main(void)
{
	if (sd_event_new(&event) < 0 || sem_init(&awake, 0, 0) < 0)
		return 1;
	test_share();
	test_answers();
	test_many();
	sd_event_unref(event);
	return done_testing();
}
