/* SPDX-License-Identifier: Apache-2.0 */
#include "seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tree.h"

#define OTHER_MOUNT "something is mounted there"
#define IS_LINK     "it is a symbolic link, which is not followed"

/* -- one step down -- */

static bool is_mount_point(int fd)
{
	struct statx sx;

	return statx(fd, "", AT_EMPTY_PATH, 0, &sx) < 0 ||
	       sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static bool is_volume(const struct config *config, const char *path)
{
	for (size_t i = 0; i < config->n_volumes; i++)
		if (strcmp(config->volumes[i].mount, path) == 0)
			return true;
	return false;
}

/* On a disk, or of the root's own kind (subvolumes of btrfs, overlays); not in memory, not NFS. */
static bool is_local(int fd)
{
	struct statfs here, root;
	struct stat st;

	return fstat(fd, &st) == 0 && fstatfs(fd, &here) == 0 && statfs("/", &root) == 0 &&
	       (major(st.st_dev) != 0 || here.f_type == root.f_type);
}

/*
 * Opens the directory `name` in `directory`; `path` is where that is. -ENOENT: there is none;
 * -ELOOP: it is a symbolic link; -EXDEV: a mount point that is not crossed.
 */
static int enter(const struct seal_request *request, int directory, const char *name,
	const char *path, int *ret_fd)
{
	_cleanup_close_ int fd =
		openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOTDIR && /* so a link is said to be, with O_DIRECTORY */
		fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISLNK(st.st_mode) ? -ELOOP : -ENOENT;
	if (fd < 0)
		return -errno;
	if (is_mount_point(fd) &&
		(!seal_may_cross(path) || is_volume(request->config, path) || !is_local(fd)))
		return -EXDEV;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* -- what is there -- */

struct search {
	const struct seal_request *request;
	const struct seal_rule *rule;
	struct seal *seal;
	struct err *err;
	char path[PATH_MAX]; /* where the search is */
	const char *wild;    /* what of the pattern may have "*" in it begins here */
};

static int add(struct search *search, enum seal_how how, const char *why, uint64_t bytes)
{
	struct seal *seal = search->seal;
	struct seal_item *item;

	for (size_t i = 0; i < seal->n; i++)
		if (how == SEAL_KEEP && strcmp(seal->items[i].path, search->path) == 0)
			return 0; /* many rules pass there */
	if (seal->n == SEAL_ITEMS_MAX)
		return err_set(
			search->err, -E2BIG, "%s: is one thing too many to remove", search->path);
	item = &seal->items[seal->n];
	*item = (struct seal_item){
		.what = search->rule->what, .how = how, .why = why, .bytes = bytes};
	item->path = strdup(search->path);
	if (!item->path)
		return err_set(search->err, -ENOMEM, "%m");
	seal->n++;
	seal->todo += how != SEAL_KEEP;
	return 0;
}

static int is_entry(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

/* Adds up what is in a tree. -EXDEV: something is mounted in it. */
static int measure(int directory, const char *name, int depth, size_t *entries, uint64_t *bytes)
{
	_cleanup_close_ int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct dirent **list;
	struct stat st;
	int n, r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (is_mount_point(fd))
		return -EXDEV;
	if (depth > SEAL_DEPTH_MAX || ++*entries > SEAL_ENTRIES_MAX)
		return -E2BIG;
	*bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	if (!S_ISDIR(st.st_mode))
		return 0;
	n = scandirat(fd, ".", &list, is_entry, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = measure(fd, list[i]->d_name, depth + 1, entries, bytes);
		free(list[i]);
	}
	free(list);
	return r;
}

/* The last component of a pattern has this name; search->path is it. */
static int found(struct search *search, int directory, const char *name)
{
	const struct seal_rule *rule = search->rule;
	const char *why = NULL;
	uint64_t bytes = 0;
	size_t entries = 0;
	struct stat st;
	int r;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(search->err, -errno, "%s: %m", search->path);
	if (rule->how == SEAL_EMPTY && S_ISLNK(st.st_mode))
		return add(search, SEAL_KEEP, IS_LINK, 0);
	if (!rule->trees && !S_ISREG(st.st_mode))
		return 0;
	r = measure(directory, name, 0, &entries, &bytes);
	if (r == -EXDEV)
		return add(search, SEAL_KEEP, OTHER_MOUNT, 0);
	if (r < 0)
		return err_set(search->err, r, "%s: %m", search->path);
	if (bytes == 0 && (rule->how == SEAL_EMPTY || rule->how == SEAL_KEEP))
		return 0;
	if (rule->how == SEAL_EMPTY && st.st_nlink > 1)
		return add(search, SEAL_KEEP, "it has another name, and would be emptied there too",
			0);
	if (rule->objection)
		why = rule->objection(search->request, search->path);
	if (why && !*why)
		return 0;
	return add(search, why ? SEAL_KEEP : rule->how, why ? why : rule->why, bytes);
}

static int search_in(struct search *search, int directory, const char *pattern);

/* `name` is what the first component of the pattern stands for; `rest` follows. */
static int search_name(struct search *search, int directory, const char *name, const char *rest)
{
	size_t length = strlen(search->path);
	_cleanup_close_ int fd = -1;
	int r;

	if (length + 1 + strlen(name) >= sizeof search->path)
		return err_set(search->err, -ENAMETOOLONG, "%s/%s: %m", search->path, name);
	sprintf(search->path + length, "/%s", name);
	if (!*rest) {
		r = found(search, directory, name);
	} else {
		r = enter(search->request, directory, name, search->path, &fd);
		if (r == 0)
			r = search_in(search, fd, rest);
		else if (r == -EXDEV || r == -ELOOP)
			r = add(search, SEAL_KEEP, r == -EXDEV ? OTHER_MOUNT : IS_LINK, 0);
		else if (r == -ENOENT)
			r = 0;
		else
			r = err_set(search->err, r, "%s: %m", search->path);
	}
	search->path[length] = '\0';
	return r;
}

static int search_in(struct search *search, int directory, const char *pattern)
{
	char component[NAME_MAX + 1];
	const char *rest = pattern + strcspn(pattern, "/");
	struct dirent **list;
	int n, r = 0;

	n = snprintf(component, sizeof component, "%.*s", (int)(rest - pattern), pattern);
	if (n > NAME_MAX || strcmp(component, "..") == 0)
		return err_set(search->err, -EINVAL, "%s/%s: %m", search->path, component);
	rest += strspn(rest, "/");
	if (pattern < search->wild || !strpbrk(component, "*?["))
		return search_name(search, directory, component, rest);
	n = scandirat(directory, ".", &list, is_entry, alphasort);
	if (n < 0)
		return err_set(search->err, -errno, "%s: %m", search->path);
	for (int i = 0; i < n; i++) {
		if (r == 0 && fnmatch(component, list[i]->d_name, 0) == 0)
			r = search_name(search, directory, list[i]->d_name, rest);
		free(list[i]);
	}
	free(list);
	return r;
}

/* The path that a pattern begins with by its prefix, which is skipped; NULL: there is none. */
static const char *base_of(const struct seal_request *request, const char **pattern)
{
	const struct {
		const char *prefix, *path;
	} bases[] = {
		{"DATA:", request->data},
		{"STATE:", request->state},
		{"PAGE:", request->config->index.path},
	};

	FOREACH_ELEMENT (i, bases) {
		size_t length = strlen(bases[i].prefix);

		if (strncmp(*pattern, bases[i].prefix, length) == 0) {
			*pattern += length;
			return bases[i].path;
		}
	}
	return "";
}

static int search_pattern(struct search *search, int root, const char *pattern, size_t length)
{
	const char *end = pattern + length, *base = base_of(search->request, &pattern);
	char whole[PATH_MAX];
	int n;

	if (!base)
		return 0;
	n = snprintf(whole, sizeof whole, "%s%s%.*s", base, *base && pattern < end ? "/" : "",
		(int)(end - pattern), pattern);
	if (n >= (int)sizeof whole)
		return err_set(search->err, -ENAMETOOLONG, "%s: %m", base);
	search->path[0] = '\0';
	search->wild = whole + strlen(base); /* a base is no pattern, whatever is in it */
	return search_in(search, root, whole + strspn(whole, "/"));
}

static int search_rule(struct search *search, int root)
{
	int r = 0;

	for (const char *p = search->rule->paths; r == 0 && *p;) {
		size_t length = strcspn(p, " ");

		r = search_pattern(search, root, p, length);
		p += length;
		p += strspn(p, " ");
	}
	return r;
}

/* They are not touched; but an image is not made of the root disk alone. */
static int add_volumes(struct search *search)
{
	static const struct seal_rule volumes = {.what = "configured volumes"};
	const struct config *config = search->request->config;
	int r = 0;

	search->rule = &volumes;
	for (size_t i = 0; r == 0 && i < config->n_volumes; i++) {
		_cleanup_close_ int fd = open(config->volumes[i].mount, O_PATH | O_CLOEXEC);

		if (fd < 0 || !is_mount_point(fd))
			continue;
		snprintf(search->path, sizeof search->path, "%s", config->volumes[i].mount);
		r = add(search, SEAL_KEEP,
			"it is mounted, and not touched; create-image takes a snapshot of it too, "
			"unless told not to",
			0);
	}
	return r;
}

int seal_find(const struct seal_request *request, struct seal **ret_seal, struct err *err)
{
	_cleanup_(seal_free_p) struct seal *seal = calloc(1, sizeof *seal);
	_cleanup_free_ struct search *search = calloc(1, sizeof *search);
	_cleanup_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (seal)
		seal->items = calloc(SEAL_ITEMS_MAX, sizeof *seal->items);
	if (!seal || !search || !seal->items)
		return err_set(err, -ENOMEM, "%m");
	if (root < 0)
		return err_set(err, -errno, "/: %m");
	search->request = request;
	search->seal = seal;
	search->err = err;
	for (size_t i = 0; r == 0 && i < seal_rules_count; i++) {
		search->rule = &seal_rules[i];
		r = search_rule(search, root);
	}
	if (r == 0)
		r = add_volumes(search);
	if (r == 0)
		*ret_seal = steal_ptr(seal);
	return r;
}

struct seal *seal_free(struct seal *seal)
{
	if (!seal)
		return NULL;
	for (size_t i = 0; i < seal->n; i++)
		free(seal->items[i].path);
	free(seal->items);
	free(seal);
	return NULL;
}

/* -- and away -- */

static int remove_entry(int directory, const char *name, struct err *err)
{
	struct stat st;

	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %m", name);
	if (!S_ISDIR(st.st_mode))
		return unlinkat(directory, name, 0) < 0 ? err_set(err, -errno, "%s: %m", name) : 0;
	if (fchdir(directory) < 0)
		return err_set(err, -errno, "%s: %m", name);
	return tree_remove(name, err);
}

/* A regular file for writing; -ELOOP: it became something else. */
static int open_content(int directory, const char *name, struct stat *ret_st)
{
	_cleanup_close_ int fd =
		openat(directory, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, ret_st) < 0)
		return -errno;
	return S_ISREG(ret_st->st_mode) ? steal_fd(&fd) : -ELOOP;
}

/* The name goes first: a boot that finds half of a key would not make a new one. */
static int erase_entry(int directory, const char *name, struct err *err)
{
	static const char nothing[4096];
	struct stat st;
	_cleanup_close_ int fd = open_content(directory, name, &st);

	if (fd < 0)
		return fd == -ENOENT ? 0 : err_set(err, fd, "%s: %m", name);
	if (unlinkat(directory, name, 0) < 0 || fsync(directory) < 0)
		return err_set(err, -errno, "%s: %m", name);
	if (st.st_nlink > 1)
		return 0; /* it is somebody else's too */
	for (off_t at = 0; at < st.st_size; at += (off_t)sizeof nothing)
		if (pwrite(fd, nothing, sizeof nothing, at) < 0)
			return err_set(err, -errno, "%s: cannot be overwritten: %m", name);
	return fdatasync(fd) < 0 ? err_set(err, -errno, "%s: %m", name) : 0;
}

static int empty_entry(int directory, const char *name, struct err *err)
{
	struct stat st;
	_cleanup_close_ int fd = open_content(directory, name, &st);

	if (fd < 0)
		return fd == -ENOENT ? 0 : err_set(err, fd, "%s: %m", name);
	if (st.st_nlink > 1)
		return err_set(err, -EMLINK, "%s: has another name", name);
	return ftruncate(fd, 0) < 0 || fsync(fd) < 0 ? err_set(err, -errno, "%s: %m", name) : 0;
}

static const struct {
	const char *name;
	int (*take)(int directory, const char *name, struct err *err);
} hows[] = {
	[SEAL_REMOVE] = {"remove", remove_entry},
	[SEAL_ERASE] = {"erase", erase_entry},
	[SEAL_EMPTY] = {"empty", empty_entry},
	[SEAL_KEEP] = {"keep", NULL},
};

const char *seal_how_name(enum seal_how how)
{
	return hows[how].name;
}

/* Down to the directory of the item, by the same steps as it was found. */
static int open_parent(const struct seal_request *request, const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char above[PATH_MAX], *slash = above;
	int r = fd < 0 ? -errno : 0;

	snprintf(above, sizeof above, "%s", path);
	while (r == 0 && (slash = strchr(slash + 1, '/'))) {
		int next = -1;
		const char *name;

		*slash = '\0';
		name = strrchr(above, '/') + 1;
		r = enter(request, fd, name, above, &next);
		*slash = '/';
		cleanup_close(&fd);
		fd = next;
	}
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

int seal_take(const struct seal_request *request, const struct seal_item *item, struct err *err)
{
	const char *slash = strrchr(item->path, '/');
	_cleanup_close_ int directory = -1;
	int r;

	if (!hows[item->how].take)
		return 0;
	r = open_parent(request, item->path, &directory);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, r, "%s: %m", item->path);
	r = hows[item->how].take(directory, slash + 1, err);
	if (r == 0 && fsync(directory) < 0)
		r = err_set(err, -errno, "%s: %m", slash + 1);
	return r < 0 ? err_wrap(err, r, "%.*s", (int)(slash - item->path), item->path) : 0;
}
