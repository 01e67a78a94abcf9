/* SPDX-License-Identifier: Apache-2.0 */
#include "zero.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#define UNREAD 0xff /* what a buffer holds before it is read into: not zeros */

_Static_assert(ZERO_CHUNK <= ZERO_POOL, "the pool has room for any range");

/* One zero_check(). */
struct check {
	int fd;
	const struct remains *remains; /* NULL: none */
	size_t covered;                /* blocks of them */
	aio_context_t context;         /* 0: none */
	uint8_t *pool;
};

/* Consecutive ranges that are in memory together. */
struct batch {
	const struct zero_range *ranges;
	size_t n;
	uint8_t *data[ZERO_BATCH]; /* in the pool, each its own */
	int64_t got[ZERO_BATCH];   /* bytes, or negative errno */
};

/*
 * Contexts without reads in flight, for the next check. To destroy one takes the kernel two RCU
 * grace periods, some 30 ms; when the process ends it takes them once for all. They are of one
 * process: a child has copies of the numbers, which the kernel does not know.
 */
static _Atomic(aio_context_t) idle[ZERO_CONTEXTS];
static _Atomic(pid_t) owner;

/* A child has one thread when it comes here first. */
static void forget_parents(void)
{
	if (atomic_exchange(&owner, getpid()) != getpid())
		FOREACH_ELEMENT (i, idle)
			atomic_store(&idle[i], 0);
}

/* 0 if there is none to be had: fs.aio-max-nr, a kernel without AIO, a filter of system calls. */
static aio_context_t take_context(void)
{
	aio_context_t context = 0;

	forget_parents();
	FOREACH_ELEMENT (i, idle) {
		context = atomic_exchange(&idle[i], 0);
		if (context)
			return context;
	}
	return syscall(SYS_io_setup, ZERO_BATCH, &context) < 0 ? 0 : context;
}

static void give_back(aio_context_t context)
{
	FOREACH_ELEMENT (i, idle) {
		aio_context_t none = 0;

		if (atomic_compare_exchange_strong(&idle[i], &none, context))
			return;
	}
	(void)syscall(SYS_io_destroy, context);
}

/* As many of the ranges as there is room for. */
static void fill_batch(const struct check *check, const struct zero_range *ranges, size_t n,
	struct batch *ret_batch)
{
	size_t i, used = 0;

	for (i = 0; i < n && i < ZERO_BATCH && ranges[i].length <= ZERO_POOL - used; i++) {
		ret_batch->data[i] = check->pool + used;
		used += (ranges[i].length + ZERO_BLOCK - 1) / ZERO_BLOCK * ZERO_BLOCK;
	}
	memset(check->pool, UNREAD, used);
	ret_batch->ranges = ranges;
	ret_batch->n = i;
}

/* How many of the batch the kernel took, from the first on. */
static size_t submit(const struct check *check, const struct batch *batch)
{
	struct iocb reads[ZERO_BATCH], *list[ZERO_BATCH];
	long r;

	for (size_t i = 0; i < batch->n; i++) {
		reads[i] = (struct iocb){
			.aio_data = i,
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = (uint32_t)check->fd,
			.aio_buf = (uintptr_t)batch->data[i],
			.aio_nbytes = batch->ranges[i].length,
			.aio_offset = (int64_t)batch->ranges[i].offset,
		};
		list[i] = &reads[i];
	}
	r = syscall(SYS_io_submit, check->context, batch->n, list);
	return r < 0 ? 0 : (size_t)r;
}

static int64_t read_one(int fd, const struct zero_range *range, uint8_t *data)
{
	ssize_t n = pread(fd, data, range->length, (off_t)range->offset);

	return n < 0 ? -errno : n;
}

/*
 * All of the batch: by AIO, and what that did not take by pread(). None is in flight afterwards.
 * Should it be impossible to wait for them, io_destroy(2) "will block on the completion of all
 * operations that could not be canceled"; what they got is unknown then: an error.
 */
static void read_batch(struct check *check, struct batch *batch)
{
	size_t taken = check->context ? submit(check, batch) : 0, in_flight = taken;
	struct io_event events[ZERO_BATCH];

	for (size_t i = 0; i < batch->n; i++)
		batch->got[i] = i < taken ? -EIO : -EINTR;
	while (in_flight > 0) {
		long r = syscall(
			SYS_io_getevents, check->context, in_flight, in_flight, events, NULL);

		if (r < 0 && errno != EINTR) {
			(void)syscall(SYS_io_destroy, check->context);
			check->context = 0;
			break;
		}
		for (long i = 0; i < r; i++, in_flight--)
			batch->got[events[i].data] = events[i].res;
	}
	for (size_t i = 0; i < batch->n; i++)
		while (batch->got[i] == -EINTR)
			batch->got[i] = read_one(check->fd, &batch->ranges[i], batch->data[i]);
}

static bool all_zero(const uint8_t *data, size_t length)
{
	return data[0] == 0 && memcmp(data, data + 1, length - 1) == 0;
}

static bool is_allowed(struct check *check, uint64_t block)
{
	if (!check->remains || !remains_cover(check->remains, check->fd, block))
		return false;
	check->covered++;
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

/* Range `i` of the batch: zero, or else block by block what is allowed. */
static bool is_zero(struct check *check, const struct batch *batch, size_t i,
	char ret_text[static VOLUME_TEXT_MAX])
{
	const struct zero_range *range = &batch->ranges[i];
	const uint8_t *data = batch->data[i];

	if (batch->got[i] != range->length) {
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "read error at byte %" PRIu64 ": %s",
			range->offset,
			batch->got[i] < 0 ? strerror((int)-batch->got[i]) : "short read");
		return false;
	}
	if (all_zero(data, range->length))
		return true;
	for (uint32_t at = 0; at < range->length; at += ZERO_BLOCK) {
		uint32_t left = range->length - at, length = left < ZERO_BLOCK ? left : ZERO_BLOCK;

		if (all_zero(data + at, length) || is_allowed(check, range->offset + at))
			continue;
		while (data[at] == 0)
			at++;
		say_data(check, range, range->offset + at, ret_text);
		return false;
	}
	return true;
}

static bool are_zero(struct check *check, const struct zero_range *ranges, size_t n,
	char ret_text[static VOLUME_TEXT_MAX])
{
	struct batch batch;

	for (; n > 0; ranges += batch.n, n -= batch.n) {
		fill_batch(check, ranges, n, &batch);
		read_batch(check, &batch);
		for (size_t i = 0; i < batch.n; i++)
			if (!is_zero(check, &batch, i, ret_text))
				return false;
	}
	return true;
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
	struct check check = {.fd = direct < 0 ? fd : direct, .remains = remains};
	bool zero;

	/*
	 * Shared, because another thread may fork: O_DIRECT into private memory can then miss it
	 * (open(2)). And not the heap's: should a read be late after all, it hits nobody else's.
	 */
	check.pool =
		mmap(NULL, ZERO_POOL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (check.pool == MAP_FAILED) {
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "no memory to read into: %m");
		return false;
	}
	check.context = take_context();
	zero = are_zero(&check, ranges, n, ret_text);
	give_back(check.context);
	(void)munmap(check.pool, ZERO_POOL);
	if (zero && check.covered > 0)
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%zu reads, %zu blocks of our cut off %s",
			n, check.covered, remains->filesystem->mkfs[0]);
	else if (zero)
		(void)snprintf(ret_text, VOLUME_TEXT_MAX, "%zu reads", n);
	return zero;
}
