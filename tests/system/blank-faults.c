/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blank-faults: proves a blank disk again and again, with a fault at one of the proof's reads each
 * time, libblkid's and ours alike, until there is none left; for blank-reads.t. Between the proof
 * and the kernel stand read(), pread() and syscall() of our own. To save time a batch of AIO
 *without the fault is answered with zeros by them; without faults all reads are real.
 *
 *	blank-faults DEVICE count	says how many reads a proof takes
 *	blank-faults DEVICE FAULT STEP [pread]
 *		every STEP-th of our reads gets it, and all of libblkid's: error (EIO), short (half
 *of it), end (nothing). Says how many, and which of them left the disk called blank. With pread
 *there is no AIO
 *
 * Of a read that is short libblkid makes nothing, no error either: "wrong" is one that hides what
 *we do not read ourselves.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../bootstrap/blank-places.h"
#include "../../bootstrap/blank.h"
#include "../../bootstrap/device.h"
#include "cleanup.h"

/* The result of the read that is spoiled, of so many bytes. */
static int64_t error(size_t length)
{
	(void)length;
	return -EIO;
}

static int64_t half(size_t length)
{
	return (int64_t)length / 2;
}

static int64_t end(size_t length)
{
	(void)length;
	return 0;
}

static const struct {
	const char *name;
	int64_t (*result)(size_t length);
} faults[] = {{"error", error}, {"short", half}, {"end", end}};

static struct {
	unsigned int at; /* the read that is spoiled, from 1; 0: none */
	int64_t (*result)(size_t length);
	bool no_aio;
	unsigned int reads, libblkid, submissions, most; /* since the proof began */
	uint64_t spoiled_data;                           /* in this batch */
	int64_t spoiled_result;
	bool spoils;
	bool answered; /* by us */
	struct io_event answers[ZERO_BATCH];
	uint64_t offset, length; /* of what was spoiled */
} way;

static bool is_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

/* Whether this one gets the fault. */
static bool is_due(uint64_t offset, uint64_t length)
{
	if (++way.reads != way.at)
		return false;
	way.offset = offset;
	way.length = length;
	return true;
}

static ssize_t give(int64_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* libblkid's. */
ssize_t read(int fd, void *data, size_t length)
{
	ssize_t (*kernel)(int, void *, size_t) =
		(ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");

	if (!is_device(fd))
		return kernel(fd, data, length);
	way.libblkid++;
	if (!is_due((uint64_t)lseek(fd, 0, SEEK_CUR), length))
		return kernel(fd, data, length);
	length = way.result(length) > 0 ? (size_t)way.result(length) : 0;
	return length ? kernel(fd, data, length) : give(way.result(0));
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
	ssize_t (*kernel)(int, void *, size_t, off_t) =
		(ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
	ssize_t n = kernel(fd, data, length, offset);

	return is_device(fd) && is_due((uint64_t)offset, length) ? give(way.result(length)) : n;
}

/* Returns whether the kernel has to do it. */
static bool look_at_batch(const struct iocb *const *reads, long n)
{
	way.submissions++;
	way.most = n > (long)way.most ? (unsigned int)n : way.most;
	way.spoils = false;
	for (long i = 0; i < n; i++) {
		way.answers[i] = (struct io_event){
			.data = reads[i]->aio_data, .res = (int64_t)reads[i]->aio_nbytes};
		if (!is_due((uint64_t)reads[i]->aio_offset, reads[i]->aio_nbytes))
			continue;
		way.spoils = true;
		way.spoiled_data = reads[i]->aio_data;
		way.spoiled_result = way.result((size_t)reads[i]->aio_nbytes);
	}
	for (long i = 0; way.at && !way.spoils && i < n; i++)
		memset((void *)(uintptr_t)reads[i]->aio_buf, 0, reads[i]->aio_nbytes);
	way.answered = way.at && !way.spoils;
	return !way.answered;
}

long syscall(long number, ...)
{
	long (*kernel)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"), a[5], r;
	struct io_event *events;
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 5; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_io_setup && way.no_aio)
		return give(-ENOSYS);
	if (number == SYS_io_submit && !look_at_batch((const struct iocb *const *)a[2], a[1]))
		return a[1];
	if (number == SYS_io_getevents && way.answered) {
		memcpy((struct io_event *)a[3], way.answers, (size_t)a[2] * sizeof way.answers[0]);
		return a[2];
	}
	r = kernel(number, a[0], a[1], a[2], a[3], a[4]);
	events = (struct io_event *)a[3];
	for (long i = 0; number == SYS_io_getevents && i < r; i++)
		if (way.spoils && events[i].data == way.spoiled_data)
			events[i].res = way.spoiled_result;
	return r;
}

/* -- */

/* Whether it is called blank. */
static bool prove(int fd, struct volume *volume)
{
	way.reads = way.libblkid = way.submissions = way.most = 0;
	return blank_prove(fd, volume) == 0 && volume_is_blank(volume);
}

static int count(int fd, struct volume *volume)
{
	bool blank = prove(fd, volume);

	printf("%s: %u reads, %u of them libblkid's, the others in %u submissions of at most %u\n",
		blank ? "blank" : "not blank", way.reads, way.libblkid, way.submissions, way.most);
	return blank ? EXIT_DONE : EXIT_FAILED;
}

/* Whether a proof reads all of it by itself. */
static bool is_ours(uint64_t size, uint64_t offset, uint64_t length)
{
	static size_t (*const places[])(uint64_t size, struct zero_range * ret_ranges) = {
		blank_first_mib, blank_last_mib, blank_backups, blank_samples};
	static struct zero_range ranges[BLANK_RANGES_MAX];
	uint64_t to = offset + length;

	FOREACH_ELEMENT (i, places) {
		size_t n = places[i](size, ranges);

		for (size_t j = 0; j < n && offset < to; j++)
			if (offset >= ranges[j].offset &&
				offset < ranges[j].offset + ranges[j].length)
				offset = ranges[j].offset + ranges[j].length;
	}
	return offset >= to;
}

/* One proof with a fault. Returns false when there was no such read. */
static bool spoil(int fd, struct volume *volume, unsigned int *wrong)
{
	bool blank = prove(fd, volume), libblkids = way.at <= way.libblkid;

	if (way.reads < way.at)
		return false;
	if (!blank ||
		(libblkids && way.result != error && is_ours(volume->size, way.offset, way.length)))
		return true;
	printf("# read %u (%s), %llu bytes at %llu: called blank\n", way.at,
		libblkids ? "libblkid's" : "ours", (unsigned long long)way.length,
		(unsigned long long)way.offset);
	*wrong += 1;
	return true;
}

static int spoil_each(int fd, struct volume *volume, unsigned int step)
{
	unsigned int n = 0, wrong = 0;
	bool blank;

	for (way.at = 1; spoil(fd, volume, &wrong); n++)
		way.at += way.at <= way.libblkid ? 1 : step;
	way.at = 0;
	blank = prove(fd, volume);
	printf("%u of %u reads, %u wrong; without a fault it is %s\n", n, way.reads, wrong,
		blank ? "blank" : "not blank");
	return wrong > 0 || !blank ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int fd = -1;
	struct volume volume;
	struct err err;

	if (argc < 3 || (argc < 4 && strcmp(argv[2], "count") != 0))
		return EXIT_USAGE;
	if (blank_open(argv[1], &fd, &err) < 0 || device_read_fd(fd, &volume, &err) < 0) {
		printf("%s\n", err.text);
		return EXIT_USAGE;
	}
	if (strcmp(argv[2], "count") == 0)
		return count(fd, &volume);
	way.no_aio = argc > 4;
	FOREACH_ELEMENT (i, faults)
		if (strcmp(argv[2], faults[i].name) == 0)
			way.result = faults[i].result;
	return way.result ? spoil_each(fd, &volume, (unsigned int)atoi(argv[3])) : EXIT_USAGE;
}
