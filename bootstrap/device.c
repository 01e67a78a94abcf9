/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "device-use.h"
#include "file.h"

#define ATTRIBUTE_MAX       4096
#define IDENTIFY_TIMEOUT_MS 5000

/* Kernel names that are no disks of ours, and what they are. */
static const struct {
	const char *prefix, *what;
} not_disks[] = {
	{"dm-", "a device-mapper device"},
	{"md", "an md array"},
	{"ram", "a RAM disk"},
	{"sr", "an optical drive"},
	{"fd", "a floppy drive"},
};

/* Reads an attribute of the device in sysfs, without trailing space; "" when there is none. */
static void attribute(dev_t number, const char *name, char *ret_text, size_t room)
{
	char path[PATH_MAX], text[ATTRIBUTE_MAX];
	size_t length;

	(void)snprintf(path, sizeof path, DEVICE_SYSFS "/%s", major(number), minor(number), name);
	(void)file_read_small(path, text, sizeof text);
	length = strlen(text);
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	if (length >= room)
		length = 0;
	for (size_t i = 0; i < length; i++)
		ret_text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	ret_text[length] = '\0';
}

static uint64_t attribute_number(dev_t number, const char *name)
{
	char text[32];

	attribute(number, name, text, sizeof text);
	return strtoull(text, NULL, 0);
}

/* Documentation/block/stat.rst: the seventh and the fourteenth number. */
static uint64_t sectors_written(dev_t number)
{
	unsigned long long written = 0, discarded = 0;
	char text[ATTRIBUTE_MAX];

	attribute(number, "stat", text, sizeof text);
	if (sscanf(text, "%*u %*u %*u %*u %*u %*u %llu %*u %*u %*u %*u %*u %*u %llu", &written,
		    &discarded) < 1)
		return VOLUME_WRITTEN_UNKNOWN;
	return written + discarded;
}

/* The kernel's name: the last part of where /sys/dev/block/MAJOR:MINOR points to. */
static int kernel_name(dev_t number, char ret_name[static VOLUME_NODE_MAX])
{
	char path[64], target[PATH_MAX];
	const char *name;
	ssize_t n;

	(void)snprintf(path, sizeof path, DEVICE_SYSFS, major(number), minor(number));
	n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	target[n] = '\0';
	name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (strlen(name) >= VOLUME_NODE_MAX - sizeof "/dev/")
		return -ENAMETOOLONG;
	for (size_t i = 0;; i++) {
		ret_name[i] = name[i] == '!' ? '/' : name[i];
		if (name[i] == '\0')
			return 0;
	}
}

static int refuse_other(dev_t number, const char *name, struct err *err)
{
	if (device_has(number, "partition")) {
		char disk[VOLUME_NODE_MAX] = "another device";

		(void)kernel_name(device_parent(number), disk);
		return err_set(
			err, -EINVAL, "%s is a partition of %s; name the whole disk", name, disk);
	}
	FOREACH_ELEMENT (i, not_disks)
		if (strncmp(name, not_disks[i].prefix, strlen(not_disks[i].prefix)) == 0)
			return err_set(
				err, -EINVAL, "%s is %s, not a disk", name, not_disks[i].what);
	if (device_has(number, "dm") || device_has(number, "md"))
		return err_set(err, -EINVAL, "%s is made of other devices, not a disk", name);
	return 0;
}

/* NVM Express base specification, "Identify command": opcode 06h, CNS 01h for the controller. */
static int identify(int fd, uint8_t ret_identify[static NVME_IDENTIFY_SIZE])
{
	_Alignas(NVME_IDENTIFY_SIZE) uint8_t data[NVME_IDENTIFY_SIZE] = {0};
	struct nvme_admin_cmd command = {
		.opcode = 0x06,
		.addr = (uint64_t)(uintptr_t)data,
		.data_len = sizeof data,
		.cdw10 = 1,
		.timeout_ms = IDENTIFY_TIMEOUT_MS,
	};
	int r = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);

	if (r != 0)
		return r < 0 ? -errno : -EIO; /* positive: an NVMe status */
	memcpy(ret_identify, data, sizeof data);
	return 0;
}

/*
 * What sysfs knows of the structure. `device` is the controller, or with multi-path the subsystem,
 * which has no PCI parent: then the model alone says whose it is.
 */
static void identify_from_sysfs(dev_t number, uint8_t ret_identify[static NVME_IDENTIFY_SIZE])
{
	char serial[21], model[41];
	uint64_t vendor = 0x1d0f;

	attribute(number, "device/serial", serial, sizeof serial);
	attribute(number, "device/model", model, sizeof model);
	if (device_has(number, "device/device/vendor"))
		vendor = attribute_number(number, "device/device/vendor");
	memset(ret_identify, 0, NVME_IDENTIFY_SIZE);
	ret_identify[0] = vendor & 0xff;
	ret_identify[1] = vendor >> 8 & 0xff;
	memcpy(ret_identify + 4, serial, strlen(serial));
	memcpy(ret_identify + 24, model, strlen(model));
}

/* The attachment name of udev's link in /dev that leads to the node. */
static void mapping_from_link(struct volume *volume)
{
	DIR *dir = opendir("/dev");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		char names[2][VOLUME_NODE_MAX];
		struct stat st;

		if (entry->d_type == DT_LNK && length < sizeof volume->mapping &&
			volume_xen_names(entry->d_name, names) > 0 &&
			fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISBLK(st.st_mode) &&
			st.st_rdev == volume->number)
			memcpy(volume->mapping, entry->d_name, length + 1);
	}
	if (dir)
		(void)closedir(dir);
}

static void find_who(struct volume *volume, const char *name, int fd)
{
	uint8_t data[NVME_IDENTIFY_SIZE];
	char bus[16];

	volume->size = attribute_number(volume->number, "size") * 512;
	volume->diskseq = attribute_number(volume->number, "diskseq");
	volume->read_only = attribute_number(volume->number, "ro") != 0;
	volume->written = sectors_written(volume->number);
	attribute(volume->number, "device/devtype", bus, sizeof bus);
	if (strncmp(name, "xvd", 3) == 0 || strcmp(bus, "vbd") == 0)
		volume->kind = VOLUME_XEN;
	if (strncmp(name, "nvme", 4) != 0) {
		attribute(volume->number, "device/model", volume->model, sizeof volume->model);
		attribute(volume->number, "serial", volume->serial, sizeof volume->serial);
		return;
	}
	if (fd >= 0 && identify(fd, data) == 0) {
		volume_parse_identify(volume, data);
		return;
	}
	identify_from_sysfs(volume->number, data);
	volume_parse_identify(volume, data);
	if (fd < 0 && volume->kind != VOLUME_OTHER)
		mapping_from_link(volume);
}

/* All of one device but content and proof. `fd` holds it, or is negative: may not be opened. */
static int describe(
	dev_t number, int fd, const struct device_users *users, struct volume *ret, struct err *err)
{
	struct volume volume = {.number = number};
	char name[VOLUME_NODE_MAX];
	int r = kernel_name(number, name);

	if (r < 0)
		return err_set(err, r, "device %u:%u is not in /sys/dev/block: %m", major(number),
			minor(number));
	r = refuse_other(number, name, err);
	if (r < 0)
		return r;
	(void)snprintf(volume.node, sizeof volume.node, "/dev/%.*s",
		(int)(sizeof volume.node - sizeof "/dev/"), name);
	find_who(&volume, name, fd);
	device_users_find(users, &volume);
	*ret = volume;
	return 0;
}

/* Opens the node if it is there, permitted, and this very device; else -1. */
static int try_open(const char *node, dev_t number)
{
	int fd = open(node, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != number)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static int read_number(dev_t number, int fd, struct volume *ret, struct err *err)
{
	_cleanup_(device_users_free_p) struct device_users *users = NULL;
	int r = device_users_read(&users, err);

	return r < 0 ? r : describe(number, fd, users, ret, err);
}

int device_read_fd(int fd, struct volume *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%m");
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "not a block device");
	return read_number(st.st_rdev, fd, ret, err);
}

int device_read(const char *path, struct volume *ret, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return err_set(err, -errno,
			errno == ENOENT ? "%s: there is no such device" : "%s: %m", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "%s is a directory, not a block device", path);
	if (S_ISREG(st.st_mode))
		return err_set(err, -ENOTBLK, "%s is a regular file, not a block device", path);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "%s is not a block device", path);
	fd = try_open(path, st.st_rdev);
	r = read_number(st.st_rdev, fd, ret, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

/* A device that goes away while it is looked at, or is no disk, is left out. */
static bool add(const char *name, const struct device_users *users, struct volume *ret)
{
	char path[PATH_MAX], text[32], number[32], node[PATH_MAX];
	_cleanup_close_ int fd = -1;
	unsigned int major_number, minor_number;
	dev_t dev;

	(void)snprintf(path, sizeof path, "/sys/block/%s/dev", name);
	if (file_read_small(path, number, sizeof number) < 0 ||
		sscanf(number, "%u:%u", &major_number, &minor_number) != 2)
		return false;
	dev = makedev(major_number, minor_number);
	attribute(dev, "hidden", text, sizeof text); /* one path of a multi-path NVMe namespace */
	if (strcmp(text, "1") == 0 || attribute_number(dev, "size") == 0)
		return false;
	(void)snprintf(node, sizeof node, "/dev/%s", name);
	for (char *p = strchr(node, '!'); p; p = strchr(p, '!'))
		*p = '/';
	fd = try_open(node, dev);
	return describe(dev, fd, users, ret, NULL) == 0;
}

static int is_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int device_list(struct volume **ret_volumes, size_t *ret_n, struct err *err)
{
	_cleanup_(device_users_free_p) struct device_users *users = NULL;
	_cleanup_free_ struct volume *volumes = NULL;
	struct dirent **names = NULL;
	size_t n = 0;
	int n_names, r = device_users_read(&users, err);

	if (r < 0)
		return r;
	n_names = scandir("/sys/block", &names, is_name, versionsort);
	if (n_names < 0)
		return err_set(err, -errno, "/sys/block: %m");
	volumes = calloc(DEVICE_MAX, sizeof *volumes);
	r = volumes ? 0 : err_set(err, -ENOMEM, "%m");
	for (int i = 0; i < n_names; i++) {
		struct volume volume;

		if (r == 0 && add(names[i]->d_name, users, &volume)) {
			if (n < DEVICE_MAX)
				volumes[n++] = volume;
			else
				r = err_set(
					err, -E2BIG, "there are more than %d disks", DEVICE_MAX);
		}
		free(names[i]);
	}
	free(names);
	if (r < 0)
		return r;
	*ret_volumes = steal_ptr(volumes);
	*ret_n = n;
	return 0;
}
