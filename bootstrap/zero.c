/* SPDX-License-Identifier: Apache-2.0 */
#include "zero.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

/* One zero_check(), shared by its readers. */
struct check {
	int fd;
	const struct zero_range *ranges;
	size_t n;
	const struct remains *remains; /* NULL: none */
	atomic_size_t covered;         /* blocks of them */
	atomic_size_t next;            /* range that no reader has taken */
	atomic_size_t found;           /* first range that is not zero; n if none */
	pthread_mutex_t lock;
	char text[VOLUME_TEXT_MAX]; /* of `found` */
};

/* Reads all of a range: NULL, or why not. */
static const char *read_range(int fd, const struct zero_range *range, uint8_t *buffer)
{
	ssize_t n;

	do
		n = pread(fd, buffer, range->length, (off_t)range->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return strerror(errno);
	return (size_t)n == range->length ? NULL : "short read";
}

static bool all_zero(const uint8_t *data, size_t length)
{
	return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static bool is_allowed(struct check *check, uint64_t block)
{
	if (!check->remains || !remains_cover(check->remains, check->fd, block))
		return false;
	(void)atomic_fetch_add(&check->covered, 1);
	return true;
}

static void say_data(const struct check *check, const struct zero_range *range, uint64_t offset,
	char ret_text[static VOLUME_TEXT_MAX])
{
	(void)snprintf(ret_text, VOLUME_TEXT_MAX, "data at byte %" PRIu64 "%s%.64s%s%s", offset,
		range->what ? ", a place of " : "", range->what ? range->what : "",
		check->remains ? ", not of our cut off " : "",
		check->remains ? check->remains->filesystem->mkfs[0] : "");
}

/* Zero, or else block by block what is allowed. */
static bool is_zero(struct check *check, const struct zero_range *range, uint8_t *buffer,
	char ret_text[static VOLUME_TEXT_MAX])
{
	const char *trouble = read_range(check->fd, range, buffer);

	if (trouble) {
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "read error at byte %" PRIu64 ": %s",
			range->offset, trouble);
		return false;
	}
	if (all_zero(buffer, range->length))
		return true;
	for (uint32_t at = 0; at < range->length; at += ZERO_BLOCK) {
		uint32_t left = range->length - at, length = left < ZERO_BLOCK ? left : ZERO_BLOCK;

		if (all_zero(buffer + at, length) || is_allowed(check, range->offset + at))
			continue;
		while (buffer[at] == 0)
			at++;
		say_data(check, range, range->offset + at, ret_text);
		return false;
	}
	return true;
}

/* Ranges are taken in order, so all before the first find have been taken when it is found. */
static void *reader(void *argument)
{
	_Alignas(ZERO_BLOCK) uint8_t buffer[ZERO_CHUNK];
	struct check *check = argument;
	char text[VOLUME_TEXT_MAX];

	for (;;) {
		size_t i = atomic_fetch_add(&check->next, 1);

		if (i >= check->n || i > atomic_load(&check->found))
			return NULL;
		if (is_zero(check, &check->ranges[i], buffer, text))
			continue;
		(void)pthread_mutex_lock(&check->lock);
		if (i < atomic_load(&check->found)) {
			atomic_store(&check->found, i);
			memcpy(check->text, text, sizeof text);
		}
		(void)pthread_mutex_unlock(&check->lock);
	}
}

/* The same device, read past the cache; if it cannot be, with what the cache has dropped. */
static int open_direct(int fd)
{
	char path[32];
	int direct;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (direct < 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return direct;
}

bool zero_check(int fd, const struct zero_range *ranges, size_t n, const struct remains *remains,
	char ret_text[static VOLUME_TEXT_MAX])
{
	_cleanup_close_ int direct = open_direct(fd);
	struct check check = {
		.fd = direct < 0 ? fd : direct,
		.ranges = ranges,
		.n = n,
		.remains = remains,
		.found = n,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	pthread_t threads[ZERO_READERS - 1];
	size_t n_threads = 0;

	while (n_threads < ZERO_READERS - 1 && n_threads + 1 < n &&
		pthread_create(&threads[n_threads], NULL, reader, &check) == 0)
		n_threads++;
	(void)reader(&check); /* this thread is one of them, and enough if there are no others */
	while (n_threads > 0)
		(void)pthread_join(threads[--n_threads], NULL);
	if (check.found < n)
		memcpy(ret_text, check.text, VOLUME_TEXT_MAX);
	else if (check.covered > 0)
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%zu reads, %zu blocks of our cut off %s",
			n, (size_t)check.covered, remains->filesystem->mkfs[0]);
	else
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%zu reads", n);
	return check.found == n;
}
