/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "tree.h"

#define BLOCK 65536

struct extraction {
	struct archive *archive;
	const char *name; /* of the archive */
	struct err *err;
	int into;
	size_t entries;
	uint64_t packed, unpacked;
	char path[PATH_MAX]; /* of the entry, clean */
};

static int refuse(struct extraction *x, int code, const char *why)
{
	return err_set(x->err, code, "%s: entry %s %s", x->name, x->path, why);
}

static int failed(struct extraction *x, int code)
{
	return refuse(x, code, strerror(-code));
}

static int damaged(struct extraction *x)
{
	const char *why = archive_error_string(x->archive);

	return err_set(x->err, -EBADMSG, "%s: %s", x->name, why ? why : "is damaged");
}

/* "./a//b/" to "a/b"; -EPERM for a name that leads out; "" is the top itself. */
static int set_path(struct extraction *x, const char *path)
{
	size_t length = 0, depth = 0;

	if (!path || strlen(path) >= sizeof x->path) {
		snprintf(x->path, sizeof x->path, "%zu", x->entries);
		return refuse(x, -EPERM, path ? "has too long a name" : "has no readable name");
	}
	snprintf(x->path, sizeof x->path, "%s", path);
	if (*path == '/')
		return refuse(x, -EPERM, "has an absolute name");
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n == 2 && memcmp(p, "..", 2) == 0)
			return refuse(x, -EPERM, "has .. in its name");
		if (n > NAME_MAX || ++depth > TREE_DEPTH_MAX)
			return refuse(x, -EPERM, "is too deep or has too long a name");
		p += n;
	}
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (!(n == 1 && *p == '.')) {
			if (length > 0)
				x->path[length++] = '/';
			memmove(x->path + length, p, n);
			length += n;
		}
		p += n;
	}
	x->path[length] = '\0';
	return 0;
}

/* Opens the directory that holds the entry, made as needed; no component may be a link. */
static int open_parent(struct extraction *x, int *ret_fd, const char **ret_name)
{
	_cleanup_close_ int fd = openat(x->into, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *p = x->path;

	if (fd < 0)
		return failed(x, -errno);
	for (const char *slash; (slash = strchr(p, '/')); p = slash + 1) {
		char component[NAME_MAX + 1];
		int next;

		memcpy(component, p, (size_t)(slash - p));
		component[slash - p] = '\0';
		if (mkdirat(fd, component, 0755) < 0 && errno != EEXIST)
			return failed(x, -errno);
		next = openat(fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return errno == ELOOP || errno == ENOTDIR
				       ? refuse(x, -EPERM, "passes through what is no directory")
				       : failed(x, -errno);
		(void)close(fd);
		fd = next;
	}
	*ret_fd = steal_fd(&fd);
	*ret_name = p;
	return 0;
}

static int put_directory(struct extraction *x, int parent, const char *name)
{
	struct stat st;

	if (mkdirat(parent, name, 0755) == 0)
		return 0;
	if (errno == EEXIST && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode))
		return 0; /* made for an entry in it */
	return errno == EEXIST ? refuse(x, -EPERM, "is there twice") : failed(x, -errno);
}

static int put_link(struct extraction *x, int parent, const char *name, const char *target)
{
	if (!target || !tree_link_is_inside(x->path, target))
		return refuse(x, -EPERM, "is a symbolic link that leads out");
	if (symlinkat(target, parent, name) == 0)
		return 0;
	return errno == EEXIST ? refuse(x, -EPERM, "is there twice") : failed(x, -errno);
}

static int count(struct extraction *x, size_t bytes)
{
	x->unpacked += bytes;
	if (x->unpacked > TREE_BYTES_MAX)
		return refuse(x, -EFBIG, "is too much in all");
	if (x->unpacked > UNPACK_RATIO_FROM && x->unpacked / UNPACK_RATIO_MAX > x->packed)
		return refuse(x, -EFBIG, "is packed more tightly than anything honest");
	return 0;
}

static int put_file(struct extraction *x, int parent, const char *name, bool executable)
{
	_cleanup_close_ int fd = openat(parent, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, executable ? 0755 : 0644);
	la_int64_t offset;
	const void *block;
	size_t size;
	int r;

	if (fd < 0)
		return errno == EEXIST ? refuse(x, -EPERM, "is there twice") : failed(x, -errno);
	while ((r = archive_read_data_block(x->archive, &block, &size, &offset)) == ARCHIVE_OK) {
		/* The whole length of a sparse file counts: it is what a copy would take. */
		if (offset < 0 || (uint64_t)offset > TREE_BYTES_MAX)
			return refuse(x, -EFBIG, "is too large");
		r = count(x, size);
		for (size_t done = 0; r == 0 && done < size;) {
			ssize_t n = pwrite(fd, (const char *)block + done, size - done,
				(off_t)(offset + (la_int64_t)done));

			if (n < 0)
				return failed(x, -errno);
			done += (size_t)n;
		}
		if (r < 0)
			return r;
	}
	return r == ARCHIVE_EOF ? 0 : damaged(x);
}

static int put_entry(struct extraction *x, struct archive_entry *entry)
{
	_cleanup_close_ int parent = -1;
	mode_t mode = archive_entry_mode(entry);
	const char *name = NULL;
	int r = set_path(x, archive_entry_pathname(entry));

	if (r < 0)
		return r;
	if (++x->entries > TREE_ENTRIES_MAX)
		return refuse(x, -E2BIG, "is one too many");
	if (archive_entry_hardlink(entry))
		return refuse(x, -EPERM, "is a hard link");
	if (archive_entry_is_encrypted(entry))
		return refuse(x, -EPERM, "is encrypted");
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		return refuse(x, -EPERM, "is no file, directory or symbolic link");
	if (S_ISREG(mode) && mode & (S_ISUID | S_ISGID))
		return refuse(x, -EPERM, "has a set-user-ID or set-group-ID bit");
	if (!x->path[0])
		return S_ISDIR(mode) ? 0 : refuse(x, -EPERM, "has no name");
	r = open_parent(x, &parent, &name);
	if (r < 0)
		return r;
	if (S_ISDIR(mode))
		return put_directory(x, parent, name);
	if (S_ISLNK(mode))
		return put_link(x, parent, name, archive_entry_symlink(entry));
	return put_file(x, parent, name, mode & S_IXUSR);
}

/* Built-in ones only: libarchive would run programs for others. */
static int open_archive(struct extraction *x, int fd)
{
	struct archive *a = x->archive;
	struct stat st;

	if (lseek(fd, 0, SEEK_SET) < 0 || fstat(fd, &st) < 0)
		return err_set(x->err, -errno, "%s: %m", x->name);
	x->packed = (uint64_t)st.st_size;
	if (archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
		archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
		archive_read_support_filter_xz(a) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
		archive_read_support_format_tar(a) != ARCHIVE_OK ||
		archive_read_support_format_zip(a) != ARCHIVE_OK)
		return err_set(
			x->err, -ENOSYS, "%s: libarchive is built without what it needs", x->name);
	return archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK ? 0 : damaged(x);
}

static int extract(struct extraction *x, int fd)
{
	struct archive_entry *entry;
	int r = open_archive(x, fd);

	while (r == 0) {
		int a = archive_read_next_header(x->archive, &entry);

		if (a == ARCHIVE_EOF)
			break;
		/* A warning is about something it could not read: not to be trusted either. */
		r = a == ARCHIVE_OK ? put_entry(x, entry) : damaged(x);
	}
	if (r == 0 && x->entries == 0)
		r = err_set(x->err, -EBADMSG, "%s: is empty", x->name);
	return r;
}

int unpack_archive(int fd, const char *name, const char *into, struct err *err)
{
	_cleanup_close_ int directory = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct extraction x = {.name = name, .err = err, .into = directory};
	locale_t utf8, before;
	int r;

	if (directory < 0)
		return err_set(err, -errno, "%s: %m", into);
	x.archive = archive_read_new();
	if (!x.archive)
		return err_set(err, -ENOMEM, "%s: %m", name);
	/* libarchive puts names into the locale's encoding, and has none for "ñ" in C. */
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	before = uselocale(utf8);
	r = extract(&x, fd);
	(void)archive_read_free(x.archive);
	(void)uselocale(before);
	if (utf8)
		freelocale(utf8);
	return r;
}
