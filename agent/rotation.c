/* SPDX-License-Identifier: Apache-2.0 */
#include "rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void rotation_decide(const struct drain *drain, const struct notice notices[static NOTICE_KINDS],
	struct rotation *ret_rotation)
{
	struct rotation rotation = {.leaving = drain_holds(drain)};
	const struct notice *aside = NULL, *end = NULL;

	for (int kind = NOTICE_KINDS - 1; kind >= 0; kind--) {
		const struct notice *notice = &notices[kind];

		if (notice->verdict == NOTICE_ASIDE)
			aside = notice;
		else if (notice->verdict == NOTICE_DRAIN && !drain_is_undone(drain, notice->key))
			end = notice;
	}
	if (rotation.leaving)
		snprintf(rotation.reason, sizeof rotation.reason, "%s: %s",
			drain_phase_name(drain->phase), drain->reason);
	else if (end || aside)
		snprintf(rotation.reason, sizeof rotation.reason, "%s",
			end ? end->reason : aside->reason);
	rotation.request = end && drain->phase != DRAIN_DRAINED;
	rotation.leaving |= end != NULL;
	rotation.out = rotation.leaving || aside;
	*ret_rotation = rotation;
}

static void request_path(const char *run, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/" DRAIN_REQUEST, run);
}

int rotation_ask(const char *run)
{
	char path[PATH_MAX];
	int fd;

	/* A new file, so that who watches the directory and who looks for the file both see it. */
	rotation_withdraw(run);
	request_path(run, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

void rotation_withdraw(const char *run)
{
	char path[PATH_MAX];

	request_path(run, path);
	(void)unlink(path);
}
