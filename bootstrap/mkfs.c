/* SPDX-License-Identifier: Apache-2.0 */
#include "mkfs.h"

#include <stdio.h>

#include "spawn.h"

#define MKFS_TIMEOUT (15ull * 60 * 1000000)

int mkfs_run(const struct filesystem *filesystem, const char *label, const char *uuid, int fd,
	struct err *err)
{
	const char *argv[FILESYSTEM_ARGS_MAX + 6];
	char uuid_argument[UUID_SIZE + 8], device[32];
	size_t n = 0;

	snprintf(uuid_argument, sizeof uuid_argument, "%s%s", filesystem->uuid_prefix, uuid);
	snprintf(device, sizeof device, "/proc/self/fd/%d", fd);
	while (filesystem->mkfs[n]) {
		argv[n] = filesystem->mkfs[n];
		n++;
	}
	argv[n++] = filesystem->label_option;
	argv[n++] = label;
	argv[n++] = filesystem->uuid_option;
	argv[n++] = uuid_argument;
	argv[n++] = device;
	argv[n] = NULL;
	return spawn_run(&(struct spawn){.argv = argv,
				 .package = filesystem->package,
				 .keep_fd = fd,
				 .timeout_usec = MKFS_TIMEOUT},
		NULL, err);
}
