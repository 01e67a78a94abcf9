/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"

#define TREE_PATH_MAX ((NAME_MAX + 1) * (TREE_DEPTH_MAX + 1)) /* so it is never too long */
#define CHUNK         65536

struct walk;

struct entry {
	int directory;    /* that holds it */
	const char *name; /* in there */
	int fd;           /* O_PATH, of the entry itself */
	struct stat st;
};

typedef int (*visit)(struct walk *walk, const struct entry *entry);

struct walk {
	const char *root;
	struct err *err;
	visit enter, leave;       /* before and after what is in it; may be NULL */
	bool source;              /* the rules and bounds of a source hold */
	char path[TREE_PATH_MAX]; /* of the entry, relative to the root */
	size_t length, depth, entries;
	uint64_t bytes;
	struct digest *digest; /* tree_digest() */
	int into;              /* tree_copy() */
	const char *copy;      /* its name */
	uid_t uid, from;       /* tree_own() */
	gid_t gid;
};

bool tree_link_is_inside(const char *path, const char *target)
{
	size_t depth = 0, up = 0;
	bool down = false;

	for (const char *p = path; (p = strchr(p, '/')); p++)
		depth++;
	if (*target == '/' || *target == '\0')
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && memcmp(target, "..", 2) == 0) {
			if (down || ++up > depth)
				return false;
		} else if (n > 0 && !(n == 1 && *target == '.')) {
			down = true;
		}
		target += n;
		target += *target == '/';
	}
	return true;
}

/* -- the walk -- */

static int refuse(struct walk *walk, int code, const char *why)
{
	return err_set(walk->err, code, "%s/%s: %s", walk->root, walk->path, why);
}

static int failed(struct walk *walk, int code)
{
	return refuse(walk, code, strerror(-code));
}

/* What fails is not the source. */
static int not_copied(struct walk *walk, int code)
{
	return err_set(walk->err, code, "%s/%s cannot be copied to %s: %m", walk->root, walk->path,
		walk->copy);
}

static int read_link(struct walk *walk, const struct entry *entry, char ret[static PATH_MAX])
{
	ssize_t n = readlinkat(entry->fd, "", ret, PATH_MAX);

	if (n < 0 || n == PATH_MAX)
		return failed(walk, n < 0 ? -errno : -ENAMETOOLONG);
	ret[n] = '\0';
	return 0;
}

/* The rules of a source. */
static int check(struct walk *walk, const struct entry *entry)
{
	char target[PATH_MAX];
	int r;

	if (++walk->entries > TREE_ENTRIES_MAX)
		return refuse(walk, -E2BIG, "is one entry too many");
	switch (entry->st.st_mode & S_IFMT) {
	case S_IFDIR: return 0;
	case S_IFREG:
		if (entry->st.st_mode & (S_ISUID | S_ISGID))
			return refuse(walk, -EPERM, "has a set-user-ID or set-group-ID bit");
		walk->bytes += (uint64_t)entry->st.st_size;
		return walk->bytes <= TREE_BYTES_MAX ? 0
						     : refuse(walk, -EFBIG, "is too much in all");
	case S_IFLNK:
		r = read_link(walk, entry, target);
		if (r == 0 && !tree_link_is_inside(walk->path, target))
			r = refuse(walk, -EPERM, "is a symbolic link that leads out of the source");
		return r;
	default: return refuse(walk, -EPERM, "is no file, directory or symbolic link");
	}
}

static int is_mount_point(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, 0, &sx) < 0)
		return -errno;
	return (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int is_entry(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_entry(struct walk *walk, int directory, const char *name);

/* What is in the directory of this fd, in the order of the names. */
static int walk_directory(struct walk *walk, int fd)
{
	struct dirent **list;
	int n = scandirat(fd, ".", &list, is_entry, by_bytes), r = 0;

	if (n < 0)
		return failed(walk, -errno);
	if (walk->depth == TREE_DEPTH_MAX && n > 0)
		r = refuse(walk, -ELOOP, "is too deep");
	walk->depth++;
	for (int i = 0; i < n; i++) {
		if (r == 0 &&
			!(walk->source && walk->depth == 1 && strcmp(list[i]->d_name, ".git") == 0))
			r = walk_entry(walk, fd, list[i]->d_name);
		free(list[i]);
	}
	walk->depth--;
	free(list);
	return r;
}

static int walk_entry(struct walk *walk, int directory, const char *name)
{
	_cleanup_close_ int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct entry entry = {.directory = directory, .name = name, .fd = fd};
	size_t length = walk->length;
	int r = 0;

	walk->length += (size_t)snprintf(
		walk->path + length, sizeof walk->path - length, "%s%s", length ? "/" : "", name);
	if (fd < 0 || fstat(fd, &entry.st) < 0)
		r = failed(walk, -errno);
	if (r == 0 && S_ISDIR(entry.st.st_mode) && is_mount_point(fd) != 0)
		r = refuse(walk, -EXDEV, "is a mount point");
	if (r == 0 && walk->source)
		r = check(walk, &entry);
	if (r == 0 && walk->enter)
		r = walk->enter(walk, &entry);
	if (r == 0 && S_ISDIR(entry.st.st_mode))
		r = walk_directory(walk, fd);
	if (r == 0 && walk->leave)
		r = walk->leave(walk, &entry);
	walk->length = length;
	walk->path[length] = '\0';
	return r;
}

/* Of everything below the root, not of the root itself. */
static int walk_tree(struct walk *walk, const char *root, struct err *err)
{
	/* Where a source is, its owner says, by a link as well; all else is ours. */
	_cleanup_close_ int fd =
		open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (walk->source ? 0 : O_NOFOLLOW));

	walk->root = root;
	walk->err = err;
	return fd < 0 ? err_set(err, -errno, "%s: %m", root) : walk_directory(walk, fd);
}

static int walk_new(visit enter, visit leave, bool source, struct walk **ret_walk, struct err *err)
{
	struct walk *walk = calloc(1, sizeof *walk);

	if (!walk)
		return err_set(err, -ENOMEM, "%m");
	walk->enter = enter;
	walk->leave = leave;
	walk->source = source;
	*ret_walk = walk;
	return 0;
}

/* -- the visits -- */

int tree_check(const char *root, struct err *err)
{
	_cleanup_free_ struct walk *walk = NULL;
	int r = walk_new(NULL, NULL, true, &walk, err);

	return r < 0 ? r : walk_tree(walk, root, err);
}

/* For reading. Without blocking: it may have become a FIFO. */
static int open_file(struct walk *walk, const struct entry *entry, int *ret_fd)
{
	_cleanup_close_ int fd = openat(entry->directory, entry->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return failed(walk, -errno);
	if (!S_ISREG(st.st_mode))
		return refuse(walk, -ESTALE, "changes while it is read");
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int digest_entry(struct walk *walk, const struct entry *entry)
{
	char text[PATH_MAX] = "", content[DIGEST_HEX_SIZE];
	_cleanup_close_ int fd = -1;
	const char *kind = "directory";
	int r = 0;

	if (S_ISLNK(entry->st.st_mode)) {
		kind = "link";
		r = read_link(walk, entry, text);
	} else if (S_ISREG(entry->st.st_mode)) {
		kind = entry->st.st_mode & S_IXUSR ? "program" : "file";
		r = open_file(walk, entry, &fd);
		if (r == 0) {
			r = digest_fd(fd, TREE_BYTES_MAX, content);
			if (r < 0)
				return failed(walk, r);
			memcpy(text, content, sizeof content);
		}
	}
	digest_add_text(walk->digest, kind);
	digest_add_text(walk->digest, walk->path);
	digest_add_text(walk->digest, text);
	return r;
}

int tree_digest(const char *root, char ret_hex[static DIGEST_HEX_SIZE], struct err *err)
{
	_cleanup_free_ struct walk *walk = NULL;
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	int r = walk_new(digest_entry, NULL, true, &walk, err);

	if (r < 0)
		return r;
	r = digest_new(&digest);
	if (r < 0)
		return err_set(err, r, "%m");
	walk->digest = digest;
	r = walk_tree(walk, root, err);
	if (r < 0)
		return r;
	r = digest_end(digest, ret_hex);
	return r < 0 ? err_set(err, r, "%s: %m", root) : 0;
}

static int copy_content(struct walk *walk, int from, int to)
{
	char chunk[CHUNK];
	uint64_t total = 0;

	for (;;) {
		ssize_t n = read(from, chunk, sizeof chunk);
		int r;

		if (n < 0)
			return failed(walk, -errno);
		if (n == 0)
			return 0;
		r = file_write_all(to, chunk, (size_t)n);
		if (r < 0)
			return not_copied(walk, r);
		total += (uint64_t)n;
		if (total > TREE_BYTES_MAX)
			return refuse(walk, -EFBIG, "grows without end");
	}
}

static int copy_entry(struct walk *walk, const struct entry *entry)
{
	_cleanup_close_ int from = -1, to = -1;
	mode_t mode = entry->st.st_mode & S_IXUSR ? 0755 : 0644;
	char target[PATH_MAX];
	int r;

	if (S_ISDIR(entry->st.st_mode))
		return mkdirat(walk->into, walk->path, 0755) < 0 ? not_copied(walk, -errno) : 0;
	if (S_ISLNK(entry->st.st_mode)) {
		r = read_link(walk, entry, target);
		if (r == 0 && symlinkat(target, walk->into, walk->path) < 0)
			r = not_copied(walk, -errno);
		return r;
	}
	r = open_file(walk, entry, &from);
	if (r < 0)
		return r;
	to = openat(walk->into, walk->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	return to < 0 ? not_copied(walk, -errno) : copy_content(walk, from, to);
}

int tree_copy(const char *root, const char *into, struct err *err)
{
	_cleanup_free_ struct walk *walk = NULL;
	_cleanup_close_ int fd = open(into, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(err, -errno, "%s: %m", into);
	r = walk_new(copy_entry, NULL, true, &walk, err);
	if (r < 0)
		return r;
	walk->into = fd;
	walk->copy = into;
	return walk_tree(walk, root, err);
}

/* fchown() and fchmod() do not take an O_PATH fd; these ways do. */
static int own_fd(const struct walk *walk, int fd, mode_t mode)
{
	char self[32];

	if (fchownat(fd, "", walk->uid, walk->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (S_ISLNK(mode))
		return 0;
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return chmod(self, S_ISDIR(mode) || mode & S_IXUSR ? 0755 : 0644) < 0 ? -errno : 0;
}

static int own_entry(struct walk *walk, const struct entry *entry)
{
	int r;

	if (walk->from != (uid_t)-1 && entry->st.st_uid != walk->from)
		return refuse(walk, -EPERM, "belongs to somebody else");
	r = own_fd(walk, entry->fd, entry->st.st_mode);
	return r < 0 ? failed(walk, r) : 0;
}

int tree_own(const char *root, uid_t uid, gid_t gid, uid_t from, struct err *err)
{
	_cleanup_free_ struct walk *walk = NULL;
	_cleanup_close_ int fd = open(root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool give = uid != geteuid();
	int r;

	if (fd < 0)
		return err_set(err, -errno, "%s: %m", root);
	r = give ? walk_new(NULL, own_entry, false, &walk, err)
		 : walk_new(own_entry, NULL, false, &walk, err);
	if (r < 0)
		return r;
	walk->uid = uid;
	walk->gid = gid;
	walk->from = from;
	r = give ? walk_tree(walk, root, err) : 0;
	if (r == 0 && (r = own_fd(walk, fd, S_IFDIR)) < 0)
		(void)err_set(err, r, "%s: %m", root);
	return r < 0 || give ? r : walk_tree(walk, root, err);
}

static int remove_entry(struct walk *walk, const struct entry *entry)
{
	int flag = S_ISDIR(entry->st.st_mode) ? AT_REMOVEDIR : 0;

	return unlinkat(entry->directory, entry->name, flag) < 0 ? failed(walk, -errno) : 0;
}

int tree_remove(const char *root, struct err *err)
{
	_cleanup_free_ struct walk *walk = NULL;
	struct stat st;
	int r;

	if (lstat(root, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %m", root);
	if (!S_ISDIR(st.st_mode))
		return unlink(root) < 0 ? err_set(err, -errno, "%s: %m", root) : 0;
	r = walk_new(NULL, remove_entry, false, &walk, err);
	if (r == 0)
		r = walk_tree(walk, root, err);
	if (r == 0 && rmdir(root) < 0)
		r = err_set(err, -errno, "%s: %m", root);
	return r;
}
