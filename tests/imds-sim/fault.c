/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool parse(char *line, const char **ret_pattern, struct fault *ret)
{
	static const char blanks[] = " \t\r";
	struct fault fault = {0};
	char *rest, *pattern = strtok_r(line, blanks, &rest);
	char *status = strtok_r(NULL, blanks, &rest);
	char *option = strtok_r(NULL, blanks, &rest);
	int end = 0;

	if (!status || sscanf(status, "%3u%n", &fault.status, &end) != 1 || status[end])
		return false;
	if (fault.status < 400 || fault.status > 599)
		return false;
	end = 0;
	if (option &&
		(sscanf(option, "Retry-After=%6u%n", &fault.retry_after, &end) != 1 || option[end]))
		return false;
	if (strtok_r(NULL, blanks, &rest))
		return false;
	*ret_pattern = pattern;
	*ret = fault;
	return true;
}

int fault_find(char *text, const char *path, struct fault *ret, unsigned *ret_line)
{
	const char *pattern;
	struct fault fault;
	char *line;

	for (unsigned number = 1; (line = strsep(&text, "\n")); number++) {
		if (line[strspn(line, " \t\r")] == '\0' || *line == '#')
			continue;
		if (!parse(line, &pattern, &fault)) {
			*ret_line = number;
			return -EBADMSG;
		}
		if (fnmatch(pattern, path, 0) == 0) {
			*ret = fault;
			return 1;
		}
	}
	return 0;
}
