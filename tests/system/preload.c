/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that resources.t puts before all others (LD_PRELOAD):
 *
 * FAIL_ALLOCATION=N: the Nth allocation fails, in each process, with its parents' counted; not
 * those of libcrypto, libcurl and libseccomp, which do not survive it, nor those of glibc when it
 * reads nsswitch.conf.
 * COUNT_ALLOCATIONS=FILE gets how many there were, if the process exits.
 * CLOCK_OFFSET=FILE: seconds in it are added to the clock on the wall, whenever it is read.
 *
 * A sanitizer's allocator is behind it, with ASAN_OPTIONS=verify_asan_link_order=0.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static unsigned long allocations, fails_at;
static int count = -1; /* a file, opened before its process is confined */

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("FAIL_ALLOCATION"), *path = getenv("COUNT_ALLOCATIONS");

	if (path)
		count = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	(void)getpwnam("root");
	allocations = 0; /* what libraries did before does not count */
	fails_at = at ? strtoul(at, NULL, 10) : 0;
}

__attribute__((destructor)) static void end(void)
{
	if (count >= 0)
		dprintf(count, "%-10lu\n", allocations); /* over that of a child, whole */
}

/* -- memory -- */

static int counts(const void *caller)
{
	static const char *const without[] = {
		"/libcrypto.", "/libssl.", "/libcurl.", "/libseccomp."};
	Dl_info info;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return 1;
	for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
		if (strstr(info.dli_fname, without[i]))
			return 0;
	return 1;
}

static int fails(const void *caller)
{
	if (!counts(caller) || __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED) != fails_at)
		return 0;
	errno = ENOMEM;
	return 1;
}

#define REAL(name)                                                                                 \
	static typeof(name) *real;                                                                 \
	if (!real)                                                                                 \
	real = (typeof(name) *)dlsym(RTLD_NEXT, #name)

void *malloc(size_t size)
{
	REAL(malloc);
	return fails(__builtin_return_address(0)) ? NULL : real(size);
}

void *calloc(size_t n, size_t size)
{
	REAL(calloc);
	return fails(__builtin_return_address(0)) ? NULL : real(n, size);
}

void *realloc(void *old, size_t size)
{
	REAL(realloc);
	return fails(__builtin_return_address(0)) ? NULL : real(old, size);
}

/* A sanitizer's own would not come by here. */
static char *copy(const char *text, size_t length, const void *caller)
{
	char *copied;

	REAL(malloc);
	copied = fails(caller) ? NULL : real(length + 1);
	if (copied) {
		memcpy(copied, text, length);
		copied[length] = '\0';
	}
	return copied;
}

char *strndup(const char *text, size_t max)
{
	return copy(text, strnlen(text, max), __builtin_return_address(0));
}

char *strdup(const char *text)
{
	return copy(text, strlen(text), __builtin_return_address(0));
}

/* -- the clock on the wall -- */

static long offset(void)
{
	const char *path = getenv("CLOCK_OFFSET");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[32];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r;

	REAL(clock_gettime);
	r = real(clock, ts);
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += offset();
	return r;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec ts;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
