/* SPDX-License-Identifier: Apache-2.0 */
#include "device-use.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "file.h"

#define TABLE_MAX  (16u << 20) /* /proc/self/mountinfo and /proc/swaps, bytes */
#define ROOTS_MAX  32          /* devices under /: one, or an overlay's layers */
#define DEPTH_MAX  16          /* partition on LVM on md on partition … */
#define NUMBER_MAX 32          /* "259:17" */

struct mount {
	dev_t numbers[2]; /* the file system's and its source's; 0 none (or anonymous) */
	const char *point;
};

struct device_users {
	char *mounts_text;
	struct mount *mounts;
	size_t n_mounts;
	dev_t *swaps;
	size_t n_swaps;
	dev_t roots[ROOTS_MAX];
	size_t n_roots;
};

bool device_has(dev_t number, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, DEVICE_SYSFS "/%s", major(number), minor(number), name);
	return faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

/* The device number in a file of sysfs; `ret_number` is 0 when there is none. */
static int number_in(const char *path, dev_t *ret_number)
{
	char text[NUMBER_MAX];
	unsigned int major_number, minor_number;
	int r = file_read_small(path, text, sizeof text);

	*ret_number = 0;
	if (r < 0)
		return r == -ENOENT || r == -ENODEV ? 0 : r;
	if (sscanf(text, "%u:%u", &major_number, &minor_number) == 2)
		*ret_number = makedev(major_number, minor_number);
	return 0;
}

static int read_parent(dev_t partition, dev_t *ret_disk)
{
	char path[PATH_MAX];

	(void)snprintf(
		path, sizeof path, DEVICE_SYSFS "/../dev", major(partition), minor(partition));
	return number_in(path, ret_disk);
}

dev_t device_parent(dev_t partition)
{
	dev_t disk;

	(void)read_parent(partition, &disk);
	return disk;
}

/* `ret_dir` is NULL when there is none. */
static int open_directory(const char *path, DIR **ret_dir)
{
	*ret_dir = opendir(path);
	return *ret_dir || errno == ENOENT ? 0 : -errno;
}

/* Entries of a directory but the dotted ones; NULL after the last, or with an error in *r. */
static const char *next_name(DIR *dir, int *r)
{
	struct dirent *entry;

	errno = 0;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return entry->d_name;
	if (errno)
		*r = -errno;
	return NULL;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* 1 if `upper` is the disk, or stands on it. What is too deep to follow counts as that. */
static int stands_on(dev_t upper, dev_t disk, int depth)
{
	_cleanup_(close_dir) DIR *slaves = NULL;
	char path[PATH_MAX];
	const char *name;
	dev_t lower;
	int r;

	if (upper == 0)
		return 0;
	if (upper == disk || depth >= DEPTH_MAX)
		return 1;
	if (device_has(upper, "partition")) {
		r = read_parent(upper, &lower);
		return r < 0 ? r : stands_on(lower, disk, depth + 1);
	}
	(void)snprintf(path, sizeof path, DEVICE_SYSFS "/slaves", major(upper), minor(upper));
	r = open_directory(path, &slaves);
	while (r == 0 && (name = next_name(slaves, &r))) {
		(void)snprintf(path, sizeof path, DEVICE_SYSFS "/slaves/%s/dev", major(upper),
			minor(upper), name);
		r = number_in(path, &lower);
		if (r == 0)
			r = stands_on(lower, disk, depth + 1);
	}
	return r;
}

/* The device that a path names, or that its file system is on; 0 for none. */
static dev_t number_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	if (S_ISBLK(st.st_mode))
		return st.st_rdev;
	return major(st.st_dev) ? st.st_dev : 0;
}

static void add_root(struct device_users *users, dev_t number)
{
	if (number && users->n_roots < ROOTS_MAX)
		users->roots[users->n_roots++] = number;
}

/* The layers of an overlay that is the root: Documentation/filesystems/overlayfs.rst. */
static void add_layers(struct device_users *users, char *options)
{
	char *save_option, *save_layer;

	for (char *option = strtok_r(options, ",", &save_option); option;
		option = strtok_r(NULL, ",", &save_option)) {
		char *value = strchr(option, '=');

		if (!value || (strncmp(option, "lowerdir", 8) != 0 &&
				      strncmp(option, "upperdir", 8) != 0))
			continue;
		for (char *layer = strtok_r(value + 1, ":", &save_layer); layer;
			layer = strtok_r(NULL, ":", &save_layer)) {
			file_unescape(layer);
			add_root(users, number_of(layer));
		}
	}
}

/* One line of mountinfo: ID parent major:minor root point options [tags] - type source options. */
static int add_mount(struct device_users *users, char *line)
{
	enum { NUMBER = 2, POINT = 4, HEAD = 6, TYPE = HEAD, SOURCE, OPTIONS, FIELDS };
	char *field[FIELDS] = {NULL}, *save, *word = strtok_r(line, " ", &save);
	unsigned int major_number, minor_number;
	struct mount mount = {.numbers = {0}};
	size_t n = 0;

	for (bool tags = true; word && n < FIELDS; word = strtok_r(NULL, " ", &save))
		if (n != HEAD || !tags)
			field[n++] = word;
		else if (strcmp(word, "-") == 0)
			tags = false;
	if (n < OPTIONS || sscanf(field[NUMBER], "%u:%u", &major_number, &minor_number) != 2)
		return -EBADMSG;
	file_unescape(field[POINT]);
	file_unescape(field[SOURCE]);
	mount.point = field[POINT];
	if (major_number)
		mount.numbers[0] = makedev(major_number, minor_number);
	if (strncmp(field[SOURCE], "/dev/", 5) == 0) /* btrfs: the file system's is anonymous */
		mount.numbers[1] = number_of(field[SOURCE]);
	users->mounts[users->n_mounts++] = mount;
	if (strcmp(mount.point, "/") != 0)
		return 0;
	add_root(users, mount.numbers[0]);
	add_root(users, mount.numbers[1]);
	if (strcmp(field[TYPE], "overlay") == 0 && field[OPTIONS])
		add_layers(users, field[OPTIONS]);
	return 0;
}

/* Calls `take` with every line of a table. */
static int each_line(
	char *text, struct device_users *users, int (*take)(struct device_users *users, char *line))
{
	char *save;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
		line = strtok_r(NULL, "\n", &save))
		r = take(users, line);
	return r;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	while ((text = strchr(text, '\n')))
		n++, text++;
	return n;
}

/* One line of /proc/swaps; its heading names no file. */
static int add_swap(struct device_users *users, char *line)
{
	line[strcspn(line, " \t")] = '\0';
	file_unescape(line);
	if (line[0] == '/')
		users->swaps[users->n_swaps++] = number_of(line);
	return 0;
}

static int read_mounts(struct device_users *users)
{
	int r = file_read("/proc/self/mountinfo", TABLE_MAX, &users->mounts_text, NULL);

	if (r < 0)
		return r;
	users->mounts = calloc(count_lines(users->mounts_text), sizeof *users->mounts);
	return users->mounts ? each_line(users->mounts_text, users, add_mount) : -ENOMEM;
}

static int read_swaps(struct device_users *users)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read("/proc/swaps", TABLE_MAX, &text, NULL);

	if (r == -ENOENT)
		return 0; /* a kernel without swap */
	if (r < 0)
		return r;
	users->swaps = calloc(count_lines(text), sizeof *users->swaps);
	return users->swaps ? each_line(text, users, add_swap) : -ENOMEM;
}

int device_users_read(struct device_users **ret, struct err *err)
{
	_cleanup_(device_users_free_p) struct device_users *users = calloc(1, sizeof *users);
	int r;

	if (!users)
		return err_set(err, -ENOMEM, "%m");
	add_root(users, number_of("/"));
	r = read_mounts(users);
	if (r < 0)
		return err_set(err, r, "/proc/self/mountinfo: %m");
	r = read_swaps(users);
	if (r < 0)
		return err_set(err, r, "/proc/swaps: %m");
	*ret = steal_ptr(users);
	return 0;
}

void device_users_free(struct device_users *users)
{
	if (!users)
		return;
	free(users->mounts_text);
	free(users->mounts);
	free(users->swaps);
	free(users);
}

static void set_use(struct volume *volume, const char *what, const char *name)
{
	if (!*volume->in_use)
		(void)snprintf(volume->in_use, sizeof volume->in_use, "%s%.100s", what, name);
}

static int find_holders(struct volume *volume)
{
	_cleanup_(close_dir) DIR *holders = NULL;
	char path[PATH_MAX];
	const char *name;
	int r;

	(void)snprintf(path, sizeof path, DEVICE_SYSFS "/holders", major(volume->number),
		minor(volume->number));
	r = open_directory(path, &holders);
	name = next_name(holders, &r);
	if (name)
		set_use(volume, "held by ", name);
	return r;
}

/* Partitions are the directories of the disk that have a file "partition". */
static int find_partitions(struct volume *volume)
{
	const unsigned int numbers[] = {major(volume->number), minor(volume->number)};
	_cleanup_(close_dir) DIR *disk = NULL;
	char path[PATH_MAX];
	const char *name;
	int r;

	(void)snprintf(path, sizeof path, DEVICE_SYSFS, numbers[0], numbers[1]);
	r = open_directory(path, &disk);
	while ((name = next_name(disk, &r))) {
		(void)snprintf(path, sizeof path, DEVICE_SYSFS "/%s/partition", numbers[0],
			numbers[1], name);
		if (faccessat(AT_FDCWD, path, F_OK, 0) == 0)
			set_use(volume, "partition ", name);
	}
	return r;
}

/* A mounted btrfs names one of its devices in the mount table and all of them in sysfs. */
static int find_btrfs(const struct device_users *users, const char *uuid, struct volume *volume)
{
	_cleanup_(close_dir) DIR *devices = NULL;
	bool member = false, root = false;
	char path[PATH_MAX];
	const char *name;
	int r;

	(void)snprintf(path, sizeof path, "/sys/fs/btrfs/%s/devices", uuid);
	r = open_directory(path, &devices);
	while (r >= 0 && (name = next_name(devices, &r))) {
		dev_t number;

		(void)snprintf(path, sizeof path, "/sys/fs/btrfs/%s/devices/%s/dev", uuid, name);
		r = number_in(path, &number);
		if (r == 0)
			r = stands_on(number, volume->number, 0);
		member |= r > 0;
		for (size_t i = 0; i < users->n_roots; i++)
			root |= number && number == users->roots[i];
	}
	if (member)
		set_use(volume, "member of btrfs ", uuid);
	volume->root_disk |= member && root;
	return r < 0 ? r : 0;
}

static int find_all_btrfs(const struct device_users *users, struct volume *volume)
{
	_cleanup_(close_dir) DIR *btrfs = NULL;
	int r = open_directory("/sys/fs/btrfs", &btrfs);
	const char *uuid;

	while (r == 0 && (uuid = next_name(btrfs, &r)))
		r = find_btrfs(users, uuid, volume);
	return r;
}

static int find_mount(const struct device_users *users, struct volume *volume)
{
	int r = 0;

	for (size_t i = 0; i < users->n_mounts && r == 0; i++) {
		const struct mount *mount = &users->mounts[i];

		r = stands_on(mount->numbers[0], volume->number, 0);
		if (r == 0)
			r = stands_on(mount->numbers[1], volume->number, 0);
		if (r > 0)
			(void)snprintf(volume->mount, sizeof volume->mount, "%s", mount->point);
	}
	return r < 0 ? r : 0;
}

static int find_all(const struct device_users *users, struct volume *volume)
{
	int r = 0;

	for (size_t i = 0; i < users->n_roots && r >= 0; i++) {
		r = stands_on(users->roots[i], volume->number, 0);
		volume->root_disk |= r > 0;
	}
	if (r >= 0)
		r = find_mount(users, volume);
	if (r >= 0)
		r = find_partitions(volume);
	if (r >= 0)
		r = find_holders(volume);
	for (size_t i = 0; i < users->n_swaps && r >= 0; i++) {
		r = stands_on(users->swaps[i], volume->number, 0);
		if (r > 0)
			set_use(volume, "swap", "");
	}
	return r < 0 ? r : find_all_btrfs(users, volume);
}

void device_users_find(const struct device_users *users, struct volume *volume)
{
	int r = find_all(users, volume);

	if (r < 0)
		set_use(volume, "what uses it cannot be told: ", strerror(-r));
}
