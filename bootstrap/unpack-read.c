/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack-read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <linux/close_range.h>
#include <locale.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "identity.h"

#define BLOCK     65536        /* read at once */
#define BUFFER    (128u << 10) /* of records */
#define STACK_MAX (8ull << 20) /* libarchive calls itself for a header of a header */

struct reading {
	struct archive *archive;
	FILE *records;
	int fd;
	off_t size, at;
	char block[BLOCK];
};

/* -- records -- */

/* What cannot be written, nobody waits for any more. */
static void put(struct reading *reading, const void *data, size_t length)
{
	if (length > 0 && fwrite(data, length, 1, reading->records) != 1)
		_exit(EXIT_FAILURE);
}

static void put_entry(struct reading *reading, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry), *target = archive_entry_symlink(entry);
	mode_t mode = archive_entry_mode(entry);
	struct unpack_record record = {.what = UNPACK_ENTRY,
		.kind = S_ISREG(mode)   ? UNPACK_FILE
			: S_ISDIR(mode) ? UNPACK_DIRECTORY
			: S_ISLNK(mode) ? UNPACK_LINK
					: UNPACK_OTHER};

	if (!path)
		record.flags |= UNPACK_NAMELESS;
	else if (strlen(path) >= PATH_MAX)
		record.flags |= UNPACK_TOO_LONG;
	else
		record.length = (uint32_t)strlen(path);
	if (target && strlen(target) < PATH_MAX)
		record.target = (uint32_t)strlen(target);
	if (mode & S_IXUSR)
		record.flags |= UNPACK_EXECUTABLE;
	if (mode & (S_ISUID | S_ISGID))
		record.flags |= UNPACK_SET_ID;
	if (archive_entry_hardlink(entry))
		record.flags |= UNPACK_HARD_LINK;
	if (archive_entry_is_encrypted(entry))
		record.flags |= UNPACK_ENCRYPTED;
	put(reading, &record, sizeof record);
	put(reading, path, record.length);
	put(reading, target, record.target);
}

static void put_data(struct reading *reading, uint64_t offset, const char *block, size_t size)
{
	do {
		size_t n = size < UNPACK_BLOCK_MAX ? size : UNPACK_BLOCK_MAX;
		struct unpack_record record = {
			.what = UNPACK_DATA, .length = (uint32_t)n, .offset = offset};

		put(reading, &record, sizeof record);
		put(reading, block, n);
		offset += n;
		block += n;
		size -= n;
	} while (size > 0);
}

static void put_failure(struct reading *reading, int code, const char *words)
{
	struct unpack_record record = {.what = UNPACK_FAILURE,
		.code = code,
		.length = (uint32_t)strnlen(words, UNPACK_WORDS_MAX)};

	put(reading, &record, sizeof record);
	put(reading, words, record.length);
}

/* -- confinement -- */

static const struct {
	int resource;
	rlim_t soft, hard;
} limits[] = {
	{RLIMIT_CORE, 0, 0},
	{RLIMIT_CPU, UNPACK_CPU_MAX, UNPACK_CPU_MAX + 1}, /* at the hard one it would be KILL */
	{RLIMIT_FSIZE, 0, 0},
	{RLIMIT_NOFILE, 0, 0}, /* of files to come */
	{RLIMIT_NPROC, 0, 0},
	{RLIMIT_STACK, STACK_MAX, STACK_MAX},
};

/* Never raises one. */
static int set_limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return -errno;
	if (hard < limit.rlim_max)
		limit.rlim_max = hard;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

/* What RLIMIT_DATA counts, and the stack: proc(5), /proc/pid/statm, the sixth number. */
static int data_in_use(rlim_t *ret_bytes)
{
	_cleanup_fclose_ FILE *statm = fopen("/proc/self/statm", "re");
	unsigned long pages;

	if (!statm)
		return -errno;
	if (fscanf(statm, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
		return -EIO;
	*ret_bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static int limit_resources(void)
{
	rlim_t used = 0;
	int r = data_in_use(&used);

	if (r == 0)
		r = set_limit(RLIMIT_DATA, used + UNPACK_MEMORY_MAX, used + UNPACK_MEMORY_MAX);
	for (size_t i = 0; r == 0 && i < sizeof limits / sizeof limits[0]; i++)
		r = set_limit(limits[i].resource, limits[i].soft, limits[i].hard);
	return r;
}

static int close_others(int one, int other)
{
	unsigned low = (unsigned)(one < other ? one : other);
	unsigned high = (unsigned)(one < other ? other : one);

	if ((low > 0 && close_range(0, low - 1, 0) < 0) ||
		(high - low > 1 && close_range(low + 1, high - 1, 0) < 0) ||
		close_range(high + 1, ~0u, 0) < 0)
		return -errno;
	return 0;
}

/* Signals are for the parent, but those that its limits and its filter end it with. */
static int set_signals(void)
{
	sigset_t others;

	sigfillset(&others);
	sigdelset(&others, SIGXCPU);
	sigdelset(&others, SIGSYS);
	if (signal(SIGXCPU, SIG_DFL) == SIG_ERR || signal(SIGSYS, SIG_DFL) == SIG_ERR ||
		sigprocmask(SIG_SETMASK, &others, NULL) < 0)
		return -errno;
	return 0;
}

static int set_process(pid_t parent)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) /* forgotten with a change of user */
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static int filter_calls(int archive, int records)
{
	/*
	 * Each with `n` conditions on its arguments; a file's number is an unsigned int. Memory
	 * that is shared or grows down is not counted by RLIMIT_DATA. sched_yield and sigaltstack
	 * are for AddressSanitizer, and harm nobody.
	 */
	const struct {
		int call;
		unsigned n;
		struct scmp_arg_cmp only[2];
	} allowed[] = {
		{SCMP_SYS(pread64), 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, (scmp_datum_t)archive)}},
		{SCMP_SYS(write), 1, {SCMP_A0(SCMP_CMP_MASKED_EQ, ~0u, (scmp_datum_t)records)}},
		{SCMP_SYS(mmap), 2,
			{SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_SHARED | MAP_GROWSDOWN, 0)}},
		{SCMP_SYS(mprotect), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)}},
		{.call = SCMP_SYS(brk)},
		{.call = SCMP_SYS(mremap)},
		{.call = SCMP_SYS(munmap)},
		{.call = SCMP_SYS(madvise)},
		{.call = SCMP_SYS(futex)},
		{.call = SCMP_SYS(clock_gettime)},
		{.call = SCMP_SYS(getrandom)},
		{.call = SCMP_SYS(sched_yield)},
		{.call = SCMP_SYS(sigaltstack)},
		{.call = SCMP_SYS(exit_group)},
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -EOPNOTSUPP;

	for (size_t i = 0; r == 0 && i < sizeof allowed / sizeof allowed[0]; i++)
		r = seccomp_rule_add_exact_array(
			filter, SCMP_ACT_ALLOW, allowed[i].call, allowed[i].n, allowed[i].only);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int unpack_read_confine(int archive, int records, pid_t parent)
{
	int r = close_others(archive, records);

	if (r == 0)
		r = limit_resources();
	if (r == 0)
		r = identity_give_up(IDENTITY_NOBODY, IDENTITY_NOBODY);
	if (r == 0)
		r = set_signals();
	if (r == 0)
		r = set_process(parent);
	return r < 0 ? r : filter_calls(archive, records);
}

/* -- the archive: by offset, so that one system call is enough -- */

static la_ssize_t read_block(struct archive *archive, void *userdata, const void **ret_block)
{
	struct reading *reading = userdata;
	ssize_t n = pread(reading->fd, reading->block, sizeof reading->block, reading->at);

	if (n < 0) {
		archive_set_error(archive, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	reading->at += n;
	*ret_block = reading->block;
	return n;
}

static la_int64_t skip_forward(struct archive *archive, void *userdata, la_int64_t wanted)
{
	struct reading *reading = userdata;
	off_t left = reading->size - reading->at;

	(void)archive;
	if (wanted > left)
		wanted = left > 0 ? left : 0;
	reading->at += wanted;
	return wanted;
}

static la_int64_t seek_to(struct archive *archive, void *userdata, la_int64_t offset, int whence)
{
	struct reading *reading = userdata;
	off_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? reading->at : reading->size;

	if (__builtin_add_overflow(base, offset, &base) || base < 0) {
		archive_set_error(archive, EINVAL, "refers to what is before its beginning");
		return ARCHIVE_FATAL;
	}
	return reading->at = base;
}

/*
 * Built-in filters only: libarchive would run programs for others. A zip is read by its directory,
 * which is at its end: one that is cut has none.
 */
static int set_up(struct reading *reading)
{
	struct archive *a = reading->archive = archive_read_new();

	if (!a || archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
		archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
		archive_read_support_filter_xz(a) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
		archive_read_support_format_tar(a) != ARCHIVE_OK ||
		archive_read_support_format_zip_seekable(a) != ARCHIVE_OK)
		return -ENOSYS;
	(void)archive_read_set_read_callback(a, read_block);
	(void)archive_read_set_skip_callback(a, skip_forward);
	(void)archive_read_set_seek_callback(a, seek_to);
	(void)archive_read_set_callback_data(a, reading);
	return 0;
}

/* All that the libraries would open files for, later. */
static int warm_up(void)
{
	/* libarchive puts names into the locale's encoding, and has none for "ñ" in C. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	iconv_t same;

	if (!utf8)
		return -errno;
	(void)uselocale(utf8);
	(void)mblen("ñ", sizeof "ñ");
	same = iconv_open("UTF-8", "UTF-8");
	if (same != (iconv_t)-1)
		(void)iconv_close(same);
	/* Times are read, and not kept; without TZ each one would look at /etc/localtime. */
	(void)setenv("TZ", "UTC0", 1);
	tzset();
	return 0;
}

static int read_file(struct reading *reading, struct archive_entry *entry)
{
	la_int64_t offset, end = 0;
	const void *block;
	size_t size;
	int a;

	while ((a = archive_read_data_block(reading->archive, &block, &size, &offset)) ==
		ARCHIVE_OK) {
		if (size == 0)
			continue;
		put_data(reading, (uint64_t)offset, block, size);
		end = offset + (la_int64_t)size;
	}
	if (a == ARCHIVE_EOF && archive_entry_size_is_set(entry) &&
		archive_entry_size(entry) > end) /* a sparse file that ends in a hole */
		put_data(reading, (uint64_t)archive_entry_size(entry), NULL, 0);
	return a == ARCHIVE_EOF ? ARCHIVE_OK : a;
}

/* A warning is about something it could not read: not to be trusted either. */
static int read_all(struct reading *reading)
{
	struct archive_entry *entry;
	int a = archive_read_open1(reading->archive);

	while (a == ARCHIVE_OK) {
		a = archive_read_next_header(reading->archive, &entry);
		if (a != ARCHIVE_OK)
			break;
		put_entry(reading, entry);
		if (S_ISREG(archive_entry_mode(entry)) && !archive_entry_hardlink(entry))
			a = read_file(reading, entry);
	}
	return a;
}

/* -- the process -- */

/* With words for a person when it fails. */
static int prepare(struct reading *reading, pid_t parent, const char **ret_why)
{
	int r = warm_up();

	*ret_why = "the unpacker has no locale C.UTF-8";
	if (r == 0) {
		*ret_why = "libarchive is built without what it needs";
		r = set_up(reading);
	}
	if (r == 0) {
		*ret_why = "the unpacker cannot be confined";
		r = unpack_read_confine(reading->fd, fileno(reading->records), parent);
	}
	return r;
}

static void put_end(struct reading *reading, int result)
{
	const char *why = archive_error_string(reading->archive);

	if (result == ARCHIVE_EOF)
		put(reading, &(struct unpack_record){.what = UNPACK_END},
			sizeof(struct unpack_record));
	else if (archive_errno(reading->archive) == ENOMEM)
		put_failure(reading, -ENOMEM, why ? why : "");
	else
		put_failure(reading, -EBADMSG, why ? why : "is damaged");
}

_Noreturn void unpack_read(int archive, uint64_t size, int records, pid_t parent)
{
	static struct reading reading;
	static char buffer[BUFFER];
	const char *why;
	int r;

	reading = (struct reading){
		.fd = archive, .size = (off_t)size, .records = fdopen(records, "w")};
	if (!reading.records || setvbuf(reading.records, buffer, _IOFBF, sizeof buffer) != 0)
		_exit(EXIT_FAILURE);
	r = prepare(&reading, parent, &why);
	if (r < 0)
		put_failure(&reading, r, why);
	else
		put_end(&reading, read_all(&reading));
	(void)fflush(reading.records);
	_exit(EXIT_SUCCESS); /* nothing else: what is registered to run at the end is the parent's
			      */
}
