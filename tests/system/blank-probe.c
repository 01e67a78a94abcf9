/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blank-probe: prints what device.c and blank.c say of a device, for blank.t. It writes nothing.
 *
 *	blank-probe --list	every disk
 *	blank-probe DEVICE	who, use, content, evidence, verdict
 *	blank-probe --hold DEVICE
 *		locks it (200 ms), proves, says "proven" or "not proven", waits for a line on
 *		standard input, and says whether it is unchanged
 *	blank-probe --exclusive DEVICE
 *		is the somebody else who holds it: opens it O_EXCL, says "held", waits for a line
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../bootstrap/blank.h"
#include "../../bootstrap/device.h"
#include "cleanup.h"

#define LOCK_WAIT_MS 200

static int fail(const struct err *err)
{
	printf("error: %s\n", err->text);
	return EXIT_USAGE;
}

static void print_who(const struct volume *volume)
{
	static const char *const kinds[] = {"other", "ebs", "instance store", "xen"};

	printf("node: %s\nkind: %s\nmapping: %s\nid: %s\nmodel: %s\nserial: %s\n", volume->node,
		kinds[volume->kind], volume->mapping, volume->volume_id, volume->model,
		volume->serial);
	printf("size: %llu\nroot: %d\nread-only: %d\nmount: %s\nin use: %s\n",
		(unsigned long long)volume->size, volume->root_disk, volume->read_only,
		volume->mount, volume->in_use);
}

static void print_proof(const struct volume *volume)
{
	const struct evidence *objection = volume_objection(volume);

	printf("type: %s\nlabel: %s\nuuid: %s\nunread: %s\n", volume->type, volume->label,
		volume->uuid, volume->unread);
	for (size_t i = 0; i < volume->n_evidence; i++)
		printf("%s %s: %s\n", volume->evidence[i].holds ? "holds" : "fails",
			volume->evidence[i].rule, volume->evidence[i].text);
	if (objection)
		printf("objection: %s: %s\n", objection->rule, objection->text);
	printf("verdict: %s\n", volume_is_blank(volume) ? "blank" : "not blank");
}

static int list(void)
{
	_cleanup_free_ struct volume *volumes = NULL;
	struct err err;
	size_t n;

	if (device_list(&volumes, &n, &err) < 0)
		return fail(&err);
	for (size_t i = 0; i < n; i++)
		print_who(&volumes[i]);
	return EXIT_DONE;
}

static int probe(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct volume volume;
	struct err err;

	if (device_read(path, &volume, &err) < 0)
		return fail(&err);
	print_who(&volume);
	if (blank_open(path, &fd, &err) < 0 || device_read_fd(fd, &volume, &err) < 0)
		return fail(&err);
	if (blank_probe(fd, &volume) == 0)
		printf("content: %s\n", volume.type);
	if (blank_prove(fd, &volume) == 0)
		print_proof(&volume);
	return volume_is_blank(&volume) ? EXIT_DONE : EXIT_FAILED;
}

static int wait_for_line(const char *say)
{
	char line[16];

	printf("%s\n", say);
	(void)fflush(stdout);
	return fgets(line, sizeof line, stdin) ? EXIT_DONE : EXIT_USAGE;
}

static int exclusive(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

	return wait_for_line(fd < 0 ? "failed" : "held");
}

static int hold(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct volume volume;
	struct err err;

	if (blank_open(path, &fd, &err) < 0 || blank_lock(fd, LOCK_WAIT_MS, &err) < 0 ||
		device_read_fd(fd, &volume, &err) < 0 || blank_prove(fd, &volume) < 0)
		return fail(&err);
	if (wait_for_line(volume_is_blank(&volume) ? "proven" : "not proven") != EXIT_DONE)
		return EXIT_USAGE;
	if (blank_unchanged(fd, &volume, &err) < 0)
		return fail(&err);
	printf("unchanged\n");
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	if (argc == 3 && strcmp(argv[1], "--hold") == 0)
		return hold(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--exclusive") == 0)
		return exclusive(argv[2]);
	return argc == 2 ? probe(argv[1]) : EXIT_USAGE;
}
