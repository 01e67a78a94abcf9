/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever kernel AIO does, the verdict of zero_check() is that of reading one by one. Between it
 * and the kernel stands a syscall() of our own, which takes few reads, brings events singly, spoils
 * one, or fails. Reads themselves are real, from a sparse file. In the place of remains.c is a
 * double.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bootstrap/zero.h"
#include "cleanup.h"
#include "tap.h"

#define RANGES  300 /* two batches and a part of one */
#define SPACING (64u << 10)

/* What is between. */
static struct {
	int no_setup, no_submit, no_events; /* errno; 0: as the kernel does */
	long take;                          /* reads taken at most; 0: all */
	bool singly;                        /* an event a call, and a signal before each */
	uint64_t spoil;                     /* offset of a read */
	int64_t result;                     /* that it gets */
	bool astray;                        /* what it reads goes elsewhere */
} way;

static _Alignas(4096) uint8_t elsewhere[ZERO_CHUNK]; /* as O_DIRECT wants it */
static int contexts, fd = -1;
static uint64_t spoiled; /* aio_data of it in this batch */
static bool spoils, interrupted;

static int64_t spoil(struct io_event *events, long n)
{
	for (long i = 0; i < n; i++)
		if (spoils && events[i].data == spoiled)
			events[i].res = way.result;
	return n;
}

static long fail(int error)
{
	errno = error;
	return -1;
}

long syscall(long number, ...)
{
	long (*kernel)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"), a[5], r;
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 5; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	switch (number) {
	case SYS_io_setup:
		if (way.no_setup)
			return fail(way.no_setup);
		r = kernel(number, a[0], a[1]);
		contexts += r == 0;
		return r;
	case SYS_io_destroy: contexts--; break;
	case SYS_io_submit:
		if (way.no_submit)
			return fail(way.no_submit);
		a[1] = way.take && way.take < a[1] ? way.take : a[1];
		spoils = false;
		for (long i = 0; (way.result || way.astray) && i < a[1]; i++) {
			struct iocb *read = ((struct iocb **)a[2])[i];

			if ((uint64_t)read->aio_offset != way.spoil)
				continue;
			spoils = way.result != 0, spoiled = read->aio_data;
			if (way.astray)
				read->aio_buf = (uintptr_t)elsewhere;
		}
		break;
	case SYS_io_getevents:
		if (way.no_events)
			return fail(way.no_events);
		if (way.singly && (interrupted = !interrupted))
			return fail(EINTR);
		if (way.singly)
			a[1] = a[2] = 1;
		r = kernel(number, a[0], a[1], a[2], a[3], a[4]);
		return spoil((struct io_event *)a[3], r);
	}
	return kernel(number, a[0], a[1], a[2], a[3], a[4]);
}

static uint64_t covered; /* the block that the double covers */

bool remains_cover(const struct remains *remains, int device, uint64_t offset)
{
	(void)remains, (void)device;
	return offset == covered;
}

/* Every third is of the longest, every third of the shortest. */
static struct zero_range ranges[RANGES];

static void make_ranges(void)
{
	static const uint32_t lengths[] = {ZERO_BLOCK, ZERO_CHUNK, 512};

	for (size_t i = 0; i < RANGES; i++)
		ranges[i] = (struct zero_range){NULL, (uint64_t)i * SPACING, lengths[i % 3]};
}

static bool put(size_t range, uint8_t byte) /* the last of it */
{
	return pwrite(fd, &byte, 1, (off_t)(ranges[range].offset + ranges[range].length - 1)) == 1;
}

static const char *check(void)
{
	static char text[VOLUME_TEXT_MAX];
	bool zero = zero_check(fd, ranges, RANGES, NULL, text);

	if (zero != (strcmp(text, "300 reads") == 0))
		return "verdict and words differ";
	return text;
}

static const char *data_in(size_t range)
{
	static char text[VOLUME_TEXT_MAX];

	snprintf(text, sizeof text, "data at byte %llu",
		(unsigned long long)(ranges[range].offset + ranges[range].length - 1));
	return text;
}

static bool every_range_counts(void)
{
	for (size_t i = 0; i < RANGES; i++) {
		bool found = put(i, 1) && strcmp(check(), data_in(i)) == 0;

		if (!put(i, 0) || !found) {
			printf("# but range %zu does not\n", i);
			return false;
		}
	}
	return true;
}

static void test_way(const char *name)
{
	printf("# %s\n", name);
	is_str(check(), "300 reads", "zeros are");
	ok(every_range_counts(), "every range counts");
	ok(put(290, 1) && put(129, 1) && put(128, 1) && put(127, 1), "(data in four)");
	is_str(check(), data_in(127), "the first in order is named");
	ok(put(127, 0), "(three)");
	is_str(check(), data_in(128), "the first of the next");
	ok(put(128, 0) && put(129, 0) && put(290, 0), "(none)");
	ok(ftruncate(fd, (off_t)ranges[200].offset) == 0, "(the file ends early)");
	is_str(check(), "read error at byte 13107200: short read", "what is not there is no zeros");
	ok(put(199, 1), "(data before)");
	is_str(check(), data_in(199), "data before it is named first");
	ok(put(199, 0) && ftruncate(fd, RANGES * SPACING) == 0, "(as before)");
}

static void test_ways(void)
{
	test_way("as the kernel does");
	way.singly = true;
	test_way("events singly, with signals");
	way.singly = false, way.take = 5;
	test_way("five reads are taken");
	way.take = 0, way.no_submit = EAGAIN;
	test_way("no reads are taken");
	way.no_submit = 0;
}

static void test_spoiled(void)
{
	way.spoil = ranges[150].offset;
	way.result = -EIO;
	is_str(check(), "read error at byte 9830400: Input/output error", "an error is told");
	ok(put(149, 1), "(data before)");
	is_str(check(), data_in(149), "but not before data that is first");
	ok(put(149, 0) && put(151, 1), "(data behind)");
	is_str(check(), "read error at byte 9830400: Input/output error", "the error is first");
	ok(put(151, 0), "(no data)");
	way.result = 512;
	way.spoil = ranges[151].offset;
	is_str(check(), "read error at byte 9895936: short read", "a short read is no zeros");
	way.result = -EINTR;
	is_str(check(), "300 reads", "one that was interrupted is done again");
	ok(put(151, 1), "(data there)");
	is_str(check(), data_in(151), "and judged");
	ok(put(151, 0), "(no data)");
	way.result = 0;
	way.astray = true;
	is_str(check(), "data at byte 9895936", "what was not written by the read is no zeros");
	way.astray = false;
	is_str(check(), "300 reads", "as it was");
}

static void test_no_events(void)
{
	way.no_events = EINVAL;
	is_str(check(), "read error at byte 0: Input/output error", "lost reads are no zeros");
	is_int(contexts, 0, "their context is not used again");
	way.no_events = 0;
	is_str(check(), "300 reads", "a new one is");
	is_int(contexts, 1, "and kept");
}

/* apply has looked before it forks the worker that formats. */
static void test_fork(void)
{
	int before = contexts, status = -1;
	pid_t child;

	(void)check();
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		contexts = 0;
		_exit(strcmp(check(), "300 reads") == 0 && contexts == 1 ? 0 : 1);
	}
	(void)waitpid(child, &status, 0);
	is_int(status, 0, "a child makes a context of its own");
	(void)check();
	is_int(contexts, before, "and its parent still has its");
}

/* Before the first context is kept. */
static void no_setup(int error)
{
	way.no_setup = error;
	test_way(strerror(error));
	is_int(contexts, 0, "there was no context");
}

/* QEMU's user emulation has none. */
static bool has_aio(void)
{
	aio_context_t context = 0;

	if (syscall(SYS_io_setup, 1, &context) < 0)
		return false;
	(void)syscall(SYS_io_destroy, context);
	return true;
}

/* What is found, in words. */
static void test_found(void)
{
	static const struct filesystem xfs = {.name = "xfs", .mkfs = {"mkfs.xfs"}};
	static const struct remains remains = {.filesystem = &xfs, .reference = -1};
	const struct zero_range place = {"btrfs mirrors", ranges[1].offset, ZERO_CHUNK};
	uint64_t byte = place.offset + 5 * ZERO_BLOCK;
	char text[VOLUME_TEXT_MAX];

	ok(pwrite(fd, "x", 1, (off_t)place.offset) == 1, "(data)");
	ok(!zero_check(fd, &place, 1, NULL, text), "the first byte of a place counts");
	is_str(text, "data at byte 65536, a place of btrfs mirrors", "and whose place it is");
	ok(pwrite(fd, "\0", 1, (off_t)place.offset) == 1 && pwrite(fd, "x", 1, (off_t)byte) == 1,
		"(data behind)");
	covered = byte;
	ok(!zero_check(fd, &place, 1, NULL, text), "nothing is covered without remains");
	ok(zero_check(fd, &place, 1, &remains, text), "a block that remains cover counts as zero");
	is_str(text, "1 reads, 1 blocks of our cut off mkfs.xfs", "and is told");
	covered = 0;
	ok(!zero_check(fd, &place, 1, &remains, text), "one that they do not is data");
	is_str(text, "data at byte 86016, a place of btrfs mirrors, not of our cut off mkfs.xfs",
		"and so is that");
	ok(pwrite(fd, "\0", 1, (off_t)byte) == 1, "(none)");
	ok(zero_check(fd, &place, 1, &remains, text), "without any it is zero");
	is_str(text, "1 reads", "of which nothing is told");
	ok(!zero_check(-1, &place, 1, NULL, text), "what cannot be read is not zero");
	is_str(text, "read error at byte 65536: Bad file descriptor", "and why is told");
}

/* More than the reads of a batch, which all fit into its memory. */
static void test_small(void)
{
	static struct zero_range blocks[2 * ZERO_BATCH];
	char text[VOLUME_TEXT_MAX];

	FOREACH_ELEMENT (i, blocks)
		blocks[i] = (struct zero_range){NULL, i * ZERO_BLOCK, 512};
	ok(zero_check(fd, blocks, 2 * ZERO_BATCH, NULL, text), "two batches of small reads");
	ok(pwrite(fd, "x", 1, ZERO_BATCH * ZERO_BLOCK + 511) == 1, "(data)");
	ok(!zero_check(fd, blocks, 2 * ZERO_BATCH, NULL, text), "the second counts");
	ok(pwrite(fd, "\0", 1, ZERO_BATCH * ZERO_BLOCK + 511) == 1, "(none)");
	memset(text, 'x', sizeof text);
	for (off_t at = 0; at < 512; at += 128)
		ok(pwrite(fd, text, 128, at) == 128, "(bytes that are all the same)");
	ok(!zero_check(fd, blocks, 1, NULL, text), "are no zeros");
	memset(text, 0, sizeof text);
	for (off_t at = 0; at < 512; at += 128)
		ok(pwrite(fd, text, 128, at) == 128, "(none)");
}

int main(void)
{
	char path[] = "/var/tmp/test-zero-XXXXXX";

	fd = mkstemp(path);
	if (fd < 0 || unlink(path) < 0 || ftruncate(fd, RANGES * SPACING) < 0) {
		printf("1..0 # SKIP no file in /var/tmp\n");
		return 0;
	}
	make_ranges();
	no_setup(EAGAIN);
	no_setup(ENOSYS);
	way.no_setup = 0;
	test_ways();
	test_found();
	test_small();
	if (has_aio()) {
		is_int(contexts, 1, "one context is enough for checks after each other");
		test_spoiled();
		test_no_events();
		test_fork();
	} else {
		skip("what AIO gives is what is judged", "there is no AIO here");
	}
	return done_testing();
}
