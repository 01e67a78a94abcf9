/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int tree_open(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int tree_read(int fd, char **ret_data, size_t *ret_size)
{
	size_t size = 0, room = 4096;
	char *data = malloc(room + 1);

	while (data) {
		ssize_t n = read(fd, data + size, room - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || size > TREE_FILE_MAX) {
			int r = n < 0 ? -errno : -EFBIG;

			free(data);
			return r;
		}
		if (n == 0) {
			data[size] = '\0';
			*ret_data = data;
			*ret_size = size;
			return 0;
		}
		size += (size_t)n;
		if (size == room) {
			char *more = realloc(data, (room *= 2) + 1);

			if (!more)
				free(data);
			data = more;
		}
	}
	return -ENOMEM;
}

int tree_load(int root, const char *path, char **ret_data, size_t *ret_size)
{
	int fd = tree_open(root, path);
	int r;

	if (fd < 0)
		return fd;
	r = tree_read(fd, ret_data, ret_size);
	close(fd);
	return r;
}
