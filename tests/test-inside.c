/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever made the tree may have put a link anywhere in it: nothing outside is read or changed. */
#include "../bootstrap/inside.h"

#include <errno.h>

#include "scratch.h"
#include "tap.h"

static char root[PATH_MAX + 16], outside[PATH_MAX + 16];

static bool holds(const char *directory, const char *name, const char *text)
{
	char path[2 * PATH_MAX], there[64] = "";
	FILE *in;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	in = fopen(path, "re");
	if (!in)
		return false;
	(void)!fread(there, 1, sizeof there - 1, in);
	(void)fclose(in);
	return strcmp(there, text) == 0;
}

static void plant(const char *target, const char *name)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", root, name);
	if (symlink(target, path) < 0)
		abort();
}

static void test_files(void)
{
	struct err err = {""};
	char *text = NULL;

	is_int(inside_write(root, "a/b/c", "one", &err), 0, "a file is put there, with its way");
	is_int(inside_write(root, "a/b/c", "two", &err), 0, "and replaced");
	is_int(inside_read(root, "a/b/c", &text), 0, "and read");
	is_str(text, "two", "as it is");
	free(text);
	is_int(inside_read(root, "a/b/d", &text), -ENOENT, "one that is not there is not");
	is_int(inside_write(root, "a/b", "x", &err), -EISDIR, "a directory is not replaced");
	is_int(inside_write(root, "a/b/c/d", "x", &err), -ENOTDIR, "a file is no way");
}

static void test_links(void)
{
	struct err err = {""};
	char *text = NULL;
	struct stat before, after;

	plant(outside, "out");
	plant("../outside/file", "file");
	is_int(inside_write(root, "out/file", "bad", &err), -ENOTDIR,
		"a file is not written through a link to a directory");
	is_int(inside_read(root, "out/file", &text), -ENOTDIR, "nor read");
	is_int(inside_read(root, "file", &text), -ELOOP, "nor through a link to a file");
	is_int(inside_write(root, "file", "ours", &err), 0, "a link in a file's place is replaced");
	ok(holds(root, "file", "ours") && holds(outside, "file", "theirs"),
		"and what it led to is as it was");
	(void)stat(outside, &before);
	is_int(inside_own(root, "out", 65534, 65534, &err), -ENOTDIR,
		"what a link leads to is given to nobody");
	is_int(inside_make(root, "out/new", 65534, 65534, &err), -ENOTDIR,
		"and nothing is made there");
	is_int(inside_link(root, "out/new", "x", &err), -ENOTDIR, "no link either");
	(void)stat(outside, &after);
	ok(before.st_uid == after.st_uid && before.st_mode == after.st_mode &&
			before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
		"the directory outside is as it was");
	is_int(inside_link(root, "out", "../elsewhere", &err), 0, "a link is replaced by a link");
	ok(holds(outside, "file", "theirs"), "without a look behind it");
	is_int(inside_write(root, "full/x", "1", &err), 0, "a directory with something in it …");
	is_int(inside_link(root, "full", "../elsewhere", &err), 0, "… is replaced by a link too");
}

int main(void)
{
	char path[2 * PATH_MAX];
	FILE *out;

	scratch_make();
	snprintf(root, sizeof root, "%s/root", scratch_directory);
	snprintf(outside, sizeof outside, "%s/outside", scratch_directory);
	(void)mkdir(root, 0755);
	(void)mkdir(outside, 0755);
	snprintf(path, sizeof path, "%s/file", outside);
	out = fopen(path, "we");
	if (!out || fputs("theirs", out) < 0 || fclose(out) != 0)
		return 99;
	test_files();
	test_links();
	return done_testing();
}
