/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "file.h"

/* The last line about a mount point is the one on top. */
bool mounts_show(const char *mountinfo, const char *mount_point, dev_t number, const char *node)
{
	bool shown = false;

	for (const char *line = mountinfo; *line;
		line += strcspn(line, "\n"), line += *line == '\n') {
		char point[PATH_MAX], source[PATH_MAX], rest[PATH_MAX];
		unsigned major_number, minor_number;
		const char *separator;

		if (sscanf(line, "%*d %*d %u:%u %*s %4095s %4095[^\n]", &major_number,
			    &minor_number, point, rest) != 4)
			continue;
		file_unescape(point);
		separator = strstr(rest, " - ");
		if (strcmp(point, mount_point) != 0 || !separator ||
			sscanf(separator, " - %*s %4095s", source) != 1)
			continue;
		file_unescape(source);
		shown = makedev(major_number, minor_number) == number || strcmp(source, node) == 0;
	}
	return shown;
}
