/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "spawn.h"
#include "tree.h"
#include "unpack-read.h"

#define PIPE_SIZE (1 << 20) /* for both to be at work at the same time */
#define ERRNO_MAX 4095

/* The side that writes. */
struct unpacking {
	const char *name; /* of the archive */
	struct err *err;
	unsigned strip;
	int into;
	const char *place; /* its name */
	size_t entries, made;
	struct unpack_sizes sizes;
	struct unpack_verdict verdict; /* on the entry that has come last */
	bool contents;                 /* may come: the entry is a file … */
	int file;                      /* … and this; -1: it is skipped */
	/* What was received: bytes from `start` to `end` wait to be taken. */
	int records;
	size_t start, end;
	char received[sizeof(struct unpack_record) + UNPACK_FOLLOWS_MAX];
};

/* -- decisions -- */

static int reject(struct unpack_verdict *verdict, int code, const char *why)
{
	verdict->why = why;
	return code;
}

/* "./a//b/" to "a/b"; -EPERM for a name that leads out; "" is the top itself. */
static int set_path(const struct unpack_entry *entry, struct unpack_verdict *v)
{
	size_t length = 0, depth = 0;

	snprintf(v->path, sizeof v->path, "%s", entry->path);
	if (*entry->path == '/')
		return reject(v, -EPERM, "has an absolute name");
	for (const char *p = entry->path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n == 2 && memcmp(p, "..", 2) == 0)
			return reject(v, -EPERM, "has .. in its name");
		if (n > NAME_MAX || ++depth > TREE_DEPTH_MAX)
			return reject(v, -EPERM, "is too deep or has too long a name");
		p += n;
	}
	for (const char *p = entry->path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (!(n == 1 && *p == '.')) {
			if (length > 0)
				v->path[length++] = '/';
			memcpy(v->path + length, p, n);
			length += n;
		}
		p += n;
	}
	v->path[length] = '\0';
	return 0;
}

static size_t strip_directories(const char *path, unsigned strip)
{
	const char *p = path;

	for (; strip > 0 && *p; strip--) {
		p += strcspn(p, "/");
		p += *p == '/';
	}
	return (size_t)(p - path);
}

int unpack_judge(const struct unpack_entry *entry, size_t number, unsigned strip,
	struct unpack_verdict *ret_verdict)
{
	struct unpack_verdict *v = ret_verdict;
	const char *place;
	int r;

	v->place = 0;
	v->why = NULL;
	if (entry->flags & (UNPACK_NAMELESS | UNPACK_TOO_LONG)) {
		snprintf(v->path, sizeof v->path, "%zu", number);
		return reject(v, -EPERM,
			entry->flags & UNPACK_TOO_LONG ? "has too long a name"
						       : "has no readable name");
	}
	r = set_path(entry, v);
	if (r < 0)
		return r;
	if (number > TREE_ENTRIES_MAX)
		return reject(v, -E2BIG, "is one too many");
	if (entry->flags & UNPACK_HARD_LINK)
		return reject(v, -EPERM, "is a hard link");
	if (entry->flags & UNPACK_ENCRYPTED)
		return reject(v, -EPERM, "is encrypted");
	if (entry->kind != UNPACK_FILE && entry->kind != UNPACK_DIRECTORY &&
		entry->kind != UNPACK_LINK)
		return reject(v, -EPERM, "is no file, directory or symbolic link");
	if (entry->kind == UNPACK_FILE && entry->flags & UNPACK_SET_ID)
		return reject(v, -EPERM, "has a set-user-ID or set-group-ID bit");
	if (!v->path[0] && entry->kind != UNPACK_DIRECTORY)
		return reject(v, -EPERM, "has no name");
	v->place = strip_directories(v->path, strip);
	place = v->path + v->place;
	if (entry->kind == UNPACK_LINK && *place && !tree_link_is_inside(place, entry->target))
		return reject(v, -EPERM, "is a symbolic link that leads out");
	return 0;
}

int unpack_judge_data(
	struct unpack_sizes *sizes, uint64_t offset, size_t length, const char **ret_why)
{
	*ret_why = NULL;
	if (offset < sizes->end)
		*ret_why = "has its contents out of order";
	else if (offset > TREE_BYTES_MAX || length > TREE_BYTES_MAX)
		*ret_why = "is too large";
	if (*ret_why)
		return -EFBIG;
	sizes->total += offset + length - sizes->end;
	sizes->unpacked += length;
	sizes->end = offset + length;
	if (sizes->total > TREE_BYTES_MAX)
		*ret_why = "is too much in all";
	else if (sizes->unpacked > UNPACK_RATIO_FROM &&
		 sizes->unpacked / UNPACK_RATIO_MAX > sizes->packed)
		*ret_why = "is packed more tightly than anything honest";
	return *ret_why ? -EFBIG : 0;
}

/* -- writing -- */

static int refuse(struct unpacking *u, int code, const char *why)
{
	return err_set(u->err, code, "%s: entry %s %s", u->name, u->verdict.path, why);
}

static int failed(struct unpacking *u, int code)
{
	return err_set(u->err, code, "%s: entry %s cannot be made in %s: %m", u->name,
		u->verdict.path, u->place);
}

/* Opens the directory that holds the entry, made as needed; no component may be a link. */
static int open_parent(struct unpacking *u, int *ret_fd, const char **ret_name)
{
	_cleanup_close_ int fd = openat(u->into, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *p = u->verdict.path + u->verdict.place;

	if (fd < 0)
		return failed(u, -errno);
	for (const char *slash; (slash = strchr(p, '/')); p = slash + 1) {
		char component[NAME_MAX + 1];
		int next;

		memcpy(component, p, (size_t)(slash - p));
		component[slash - p] = '\0';
		if (mkdirat(fd, component, 0755) < 0 && errno != EEXIST)
			return failed(u, -errno);
		next = openat(fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return errno == ELOOP || errno == ENOTDIR
				       ? refuse(u, -EPERM, "passes through what is no directory")
				       : failed(u, -errno);
		(void)close(fd);
		fd = next;
	}
	*ret_fd = steal_fd(&fd);
	*ret_name = p;
	return 0;
}

/* Whether it is a directory that was made for an entry in it. */
static bool is_directory(int parent, const char *name)
{
	struct stat st;

	return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int make(struct unpacking *u, const struct unpack_entry *entry)
{
	_cleanup_close_ int parent = -1;
	const char *name = NULL;
	int r = open_parent(u, &parent, &name);

	if (r < 0)
		return r;
	if (entry->kind == UNPACK_DIRECTORY) {
		r = mkdirat(parent, name, 0755);
		if (r < 0 && errno == EEXIST && is_directory(parent, name))
			r = 0;
	} else if (entry->kind == UNPACK_LINK) {
		r = symlinkat(entry->target, parent, name);
	} else {
		r = u->file =
			openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				entry->flags & UNPACK_EXECUTABLE ? 0755 : 0644);
	}
	if (r < 0)
		return errno == EEXIST ? refuse(u, -EPERM, "is there twice") : failed(u, -errno);
	u->made++;
	return 0;
}

static int write_block(struct unpacking *u, uint64_t offset, const char *block, size_t size)
{
	if (size == 0 && ftruncate(u->file, (off_t)offset) < 0)
		return failed(u, -errno);
	while (size > 0) {
		ssize_t n = pwrite(u->file, block, size, (off_t)offset);

		if (n < 0)
			return failed(u, -errno);
		offset += (uint64_t)n;
		block += n;
		size -= (size_t)n;
	}
	return 0;
}

/* -- what is received -- */

static int distrust(struct unpacking *u, const char *why)
{
	return err_set(u->err, -EPROTO, "%s: the unpacker %s", u->name, why);
}

/* The next `size` bytes, which stay there until the next call; -EPIPE when it ends before. */
static int take(struct unpacking *u, size_t size, const char **ret_bytes)
{
	if (size > sizeof u->received)
		return distrust(u, "says too much at once");
	if (u->start + size > sizeof u->received) {
		memmove(u->received, u->received + u->start, u->end - u->start);
		u->end -= u->start;
		u->start = 0;
	}
	while (u->end - u->start < size) {
		struct pollfd fd = {.fd = u->records, .events = POLLIN};
		int ready = poll(&fd, 1, UNPACK_SILENCE_MAX * 1000);
		ssize_t n = 0;

		if (ready == 0)
			return err_set(u->err, -ETIMEDOUT,
				"%s: the unpacker has been silent for %d s", u->name,
				UNPACK_SILENCE_MAX);
		if (ready > 0)
			n = read(u->records, u->received + u->end, sizeof u->received - u->end);
		if (ready > 0 && n == 0)
			return err_set(
				u->err, -EPIPE, "%s: the unpacker ended in the middle", u->name);
		if ((ready < 0 || n < 0) && errno != EINTR)
			return err_set(u->err, -errno, "%s: %m", u->name);
		u->end += n > 0 ? (size_t)n : 0;
	}
	*ret_bytes = u->received + u->start;
	u->start += size;
	return 0;
}

static int take_text(struct unpacking *u, size_t length, char ret_text[static PATH_MAX])
{
	const char *bytes;
	int r;

	if (length >= PATH_MAX)
		return distrust(u, "says too long a name");
	r = take(u, length, &bytes);
	if (r < 0)
		return r;
	if (memchr(bytes, '\0', length))
		return distrust(u, "says a name with a zero in it");
	memcpy(ret_text, bytes, length);
	ret_text[length] = '\0';
	return 0;
}

static int take_entry(struct unpacking *u, const struct unpack_record *record)
{
	char path[PATH_MAX], target[PATH_MAX];
	const struct unpack_entry entry = {
		.kind = record->kind, .flags = record->flags, .path = path, .target = target};
	int r = take_text(u, record->length, path);

	if (r == 0)
		r = take_text(u, record->target, target);
	if (r < 0)
		return r;
	cleanup_close(&u->file);
	u->file = -1;
	u->contents = entry.kind == UNPACK_FILE;
	u->sizes.end = 0;
	r = unpack_judge(&entry, ++u->entries, u->strip, &u->verdict);
	if (r < 0)
		return refuse(u, r, u->verdict.why);
	return u->verdict.path[u->verdict.place] ? make(u, &entry) : 0;
}

static int take_data(struct unpacking *u, const struct unpack_record *record)
{
	const char *bytes, *why;
	int r;

	if (!u->contents)
		return distrust(u, "says contents of no file");
	r = take(u, record->length, &bytes);
	if (r < 0)
		return r;
	r = unpack_judge_data(&u->sizes, record->offset, record->length, &why);
	if (r < 0)
		return refuse(u, r, why);
	return u->file < 0 ? 0 : write_block(u, record->offset, bytes, record->length);
}

static int take_failure(struct unpacking *u, const struct unpack_record *record)
{
	const char *words;
	int r;

	if (record->length > UNPACK_WORDS_MAX || record->code >= 0 || record->code < -ERRNO_MAX)
		return distrust(u, "fails in a way that there is not");
	r = take(u, record->length, &words);
	if (r < 0)
		return r;
	if (record->code == -ENOMEM)
		return err_set(u->err, -ENOMEM, "%s: needs more memory than %llu MiB: %.*s",
			u->name, UNPACK_MEMORY_MAX >> 20, (int)record->length, words);
	if (record->code == -EBADMSG)
		return err_set(u->err, -EBADMSG, "%s: %.*s", u->name, (int)record->length, words);
	return err_set(u->err, record->code, "%s: %.*s: %m", u->name, (int)record->length, words);
}

static int end(struct unpacking *u)
{
	if (u->entries == 0)
		return err_set(u->err, -EBADMSG, "%s: is empty", u->name);
	if (u->made == 0 && u->strip > 0)
		return err_set(u->err, -EBADMSG, "%s: has nothing below %u directories", u->name,
			u->strip);
	return 0;
}

static int follow(struct unpacking *u)
{
	for (;;) {
		struct unpack_record record;
		const char *bytes;
		int r = take(u, sizeof record, &bytes);

		if (r < 0)
			return r;
		memcpy(&record, bytes, sizeof record);
		switch (record.what) {
		case UNPACK_ENTRY: r = take_entry(u, &record); break;
		case UNPACK_DATA: r = take_data(u, &record); break;
		case UNPACK_END: return end(u);
		case UNPACK_FAILURE: return take_failure(u, &record);
		default: return distrust(u, "says what nobody understands");
		}
		if (r < 0)
			return r;
	}
}

/* Names in an archive are anything: they must not write to a terminal, or begin lines in a log. */
static void make_printable(struct err *err)
{
	for (char *p = err ? err->text : NULL; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

int unpack_follow(int records, uint64_t packed, const char *name, unsigned strip, const char *into,
	struct err *err)
{
	_cleanup_close_ int directory = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct unpacking *u = calloc(1, sizeof *u);
	int r;

	if (directory < 0)
		return err_set(err, -errno, "%s: %m", into);
	if (!u)
		return err_set(err, -ENOMEM, "%s: %m", name);
	u->name = name;
	u->err = err;
	u->strip = strip;
	u->into = directory;
	u->place = into;
	u->sizes.packed = packed;
	u->file = -1;
	u->records = records;
	r = follow(u);
	cleanup_close(&u->file);
	if (r < 0)
		make_printable(err);
	return r;
}

/* -- the process that reads -- */

static int start(int fd, uint64_t size, int *ret_records, pid_t *ret_pid)
{
	_cleanup_close_ int out = -1, in = -1;
	pid_t parent = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	out = ends[0];
	in = ends[1];
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_SIZE);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		unpack_read(fd, size, in, parent);
	*ret_records = steal_fd(&out);
	*ret_pid = pid;
	return 0;
}

/* How it came that it ended in the middle. */
static int explain(int status, const char *name, struct err *err)
{
	char ending[32];

	(void)spawn_ending(status, ending, sizeof ending);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return err_set(err, -ETIME, "%s: needs more than %d s of processor time", name,
			UNPACK_CPU_MAX);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return err_set(
			err, -EPROTO, "%s: the unpacker did what it may not (%s)", name, ending);
	return err_set(err, -EPROTO, "%s: the unpacker ended with %s", name, ending);
}

int unpack_archive(int fd, const char *name, unsigned strip, const char *into, struct err *err)
{
	_cleanup_close_ int records = -1;
	int status = 0, r;
	struct stat st;
	pid_t pid = 0;

	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else
		r = start(fd, (uint64_t)st.st_size, &records, &pid);
	if (r < 0)
		return err_set(err, r, "%s: %m", name);
	r = unpack_follow(records, (uint64_t)st.st_size, name, strip, into, err);
	/* It has nothing more to say: if it has not ended, it is time; if it has, this does
	 * nothing. */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return r == -EPIPE ? err_set(err, -EPROTO, "%s: %m", name) : r;
	return r == -EPIPE ? explain(status, name, err) : r;
}
