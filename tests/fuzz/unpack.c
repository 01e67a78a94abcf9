/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unpacker says of an archive (unpack-read.h), which may be anything: the half that writes
 * makes only what a source may hold, and nothing beside its directory. The first byte is how many
 * directories are stripped, the rest records.
 *
 * Covers: bootstrap/unpack.c
 */
#include "../../bootstrap/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../bootstrap/tree.h"
#include "../scratch.h"
#include "fuzz.h"

#define PACKED 1000

static unsigned entries_of(const char *path)
{
	struct stat st;

	must(stat(path, &st) == 0);
	return (unsigned)st.st_nlink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int records = -1;
	static char into[PATH_MAX];
	struct input input = {data, size};
	unsigned strip = input_byte(&input) % 3;
	struct err err = {""};
	int r;

	if (records < 0) {
		records = memfd_create("records", MFD_CLOEXEC);
		scratch_make();
		(void)snprintf(into, sizeof into, "%s", scratch_path("into"));
	}
	must(mkdir(into, 0755) == 0);
	must(ftruncate(records, 0) == 0 &&
		pwrite(records, input.data, input.size, 0) == (ssize_t)input.size &&
		lseek(records, 0, SEEK_SET) == 0);
	r = unpack_follow(records, PACKED, "fuzz", strip, into, &err);
	must((r < 0) == (err.text[0] != '\0'));
	for (const char *p = err.text; *p; p++)
		must((unsigned char)*p >= ' ' && *p != 0x7f);
	must(tree_check(into, &err) == 0 || r < 0);
	must(entries_of(scratch_directory) == 3);
	must(tree_remove(into, NULL) == 0);
	return 0;
}
