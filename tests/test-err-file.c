/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cleanup.h"
#include "err.h"
#include "file.h"
#include "scratch.h"
#include "tap.h"

static void test_err(void)
{
	char many[ERR_TEXT_MAX * 2];
	struct err err = {""};

	is_int(err_set(&err, -ENOENT, "%s: %m", "/etc/x"), -ENOENT, "err_set gives the code back");
	is_str(err.text, "/etc/x: No such file or directory", "and %m is the code's words");
	is_int(err_wrap(&err, -EIO, "line %d", 7), -EIO, "err_wrap gives the code back");
	is_str(err.text, "line 7: /etc/x: No such file or directory",
		"and puts a context in front");
	ok(err_set(NULL, -EINVAL, "x") == -EINVAL && err_wrap(NULL, -EINVAL, "x") == -EINVAL,
		"nobody has to want the words");

	err_set(&err, -EIO, "%s", "a\x1b[2Jb\r\x7f\tc\nd");
	is_str(err.text, "a?[2Jb??\tc\nd", "what a terminal takes for orders is taken out");

	memset(many, 'x', sizeof many);
	many[ERR_TEXT_MAX - 1] = '\0';
	err_set(&err, -EIO, "%s", many);
	is_str(err.text, many, "a text that just fits is not cut");
	many[ERR_TEXT_MAX - 1] = 'x';
	many[ERR_TEXT_MAX] = '\0';
	err_set(&err, -EIO, "%s", many);
	ok(strlen(err.text) == ERR_TEXT_MAX - 1 && strcmp(err.text + ERR_TEXT_MAX - 6, "xx…") == 0,
		"one byte more is cut with an ellipsis");
	err_set(&err, -EIO, "%s", "the end");
	err_wrap(&err, -EIO, "%s", many);
	ok(strlen(err.text) == ERR_TEXT_MAX - 1 && strstr(err.text, "x…"),
		"a context that is too long, too");
}

static void test_err_utf8(void)
{
	bool whole = true;

	for (size_t lead = 0; lead < 4; lead++) {
		char many[ERR_TEXT_MAX * 2] = "";
		struct err err = {""};
		size_t length = 0;

		memset(many, 'x', lead);
		while (strlen(many) < ERR_TEXT_MAX + 8)
			strcat(many, "😀");
		err_set(&err, -EIO, "%s", many);
		length = strlen(err.text);
		whole &= length > 3 && strcmp(err.text + length - 3, "…") == 0 &&
			 (length - 3 - lead) % 4 == 0;
	}
	ok(whole, "the cut never splits a character");
}

static void test_read(void)
{
	const char *path = scratch_write("read", "0123456789");
	_cleanup_free_ char *text = NULL;
	char *untouched = NULL, *proc = NULL;
	size_t length = 0;
	int ends[2];

	is_int(file_read(path, 10, &text, &length), 0, "a file of the most bytes is read");
	ok(length == 10 && strcmp(text, "0123456789") == 0, "whole, with a NUL behind");
	ok(file_read(path, 9, &untouched, NULL) == -EFBIG && !untouched,
		"one of more bytes is -EFBIG and nothing is returned");
	is_int(file_read(scratch_path("none"), 9, &untouched, NULL), -ENOENT, "no file is -ENOENT");
	is_int(file_read(scratch_directory, 9, &untouched, NULL), -EISDIR,
		"a directory is -EISDIR");
	ok(file_read("/proc/self/status", 1 << 16, &proc, &length) == 0 && length > 100 &&
			strlen(proc) == length,
		"a file without a size, of /proc, is read to its end");
	free(proc);

	if (pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "ab\0c", 4) == 4) {
		(void)close(ends[1]);
		free(text);
		text = NULL;
		ok(file_read_fd(ends[0], 100, &text, &length) == 0 && length == 4 &&
				memcmp(text, "ab\0c", 5) == 0,
			"a pipe is read to its end, NULs and all");
		(void)close(ends[0]);
	}
}

static void test_read_large(void)
{
	static char many[70000];
	_cleanup_free_ char *text = NULL;
	size_t length;

	memset(many, 'x', sizeof many - 1);
	ok(file_write(scratch_path("large"), many, sizeof many - 1, 0600) == 0 &&
			file_read(scratch_path("large"), sizeof many, &text, &length) == 0 &&
			length == sizeof many - 1 && strcmp(text, many) == 0,
		"what is longer than the first buffer is read whole");
}

static unsigned entries(const char *directory)
{
	DIR *dir = opendir(directory);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	(void)closedir(dir);
	return n - 2; /* . and .. */
}

static void test_write(void)
{
	char path[PATH_MAX];
	_cleanup_close_ int old = -1;
	struct stat st;
	char read_old[8] = "";
	unsigned before;

	snprintf(path, sizeof path, "%s", scratch_path("w/file"));
	is_int(file_write(path, "x", 1, 0644), -ENOENT, "no directory to write in is -ENOENT");
	is_int(file_make_parents(path), 0, "the directory is made");
	is_int(file_write(path, "old", 3, 0640), 0, "a file is written");
	ok(file_equals(path, "old", 3), "with its content");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640,
		"and its mode, whatever the umask");

	old = open(path, O_RDONLY | O_CLOEXEC);
	is_int(file_write(path, "new content", 11, 0600), 0, "it is replaced");
	ok(file_equals(path, "new content", 11), "with the new content");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "and the new mode");
	ok(read(old, read_old, sizeof read_old) == 3 && memcmp(read_old, "old", 3) == 0,
		"who has the old one open still reads all of it");
	ok(file_write(path, "", 0, 0600) == 0 && file_equals(path, "", 0),
		"an empty file can be written");
	is_int(entries(scratch_path("w")), 1, "no temporary is left beside");

	before = entries(scratch_path("w"));
	is_int(file_write(scratch_path("w"), "x", 1, 0644), -EISDIR,
		"a directory is not replaced by a file");
	is_int(entries(scratch_directory), 3, "and no temporary is left");
	ok(entries(scratch_path("w")) == before, "nor anything changed in it");
}

static void test_write_through_link(void)
{
	char target[PATH_MAX], link[PATH_MAX];
	struct stat st;

	snprintf(target, sizeof target, "%s", scratch_write("target", "precious"));
	snprintf(link, sizeof link, "%s", scratch_path("link"));
	ok(symlink(target, link) == 0 && file_write(link, "x", 1, 0644) == 0 &&
			file_equals(target, "precious", 8) && lstat(link, &st) == 0 &&
			S_ISREG(st.st_mode),
		"a link is replaced, what it pointed to is untouched");
}

static void test_write_no_room(void)
{
	char path[PATH_MAX + 64];

	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	is_int(file_write(path, "x", 1, 0644), -ENAMETOOLONG, "a path too long is -ENAMETOOLONG");
	is_int(file_make_directories(path), -ENAMETOOLONG, "for a directory too");
	is_int(file_make_parents("plain"), 0,
		"a name without a slash is in a directory that is there");
}

static void test_equals(void)
{
	const char *path = scratch_write("equals", "same");

	ok(file_equals(path, "same", 4), "the same content is equal");
	ok(!file_equals(path, "samE", 4), "another one is not");
	ok(!file_equals(path, "sam", 3), "nor a shorter one");
	ok(!file_equals(path, "same!", 5), "nor a longer one");
	ok(!file_equals(scratch_path("none"), "", 0), "no file equals nothing");
}

static void test_directories(void)
{
	struct stat st;

	is_int(file_make_directories(scratch_path("d/e/f")), 0, "a directory and its parents");
	ok(stat(scratch_path("d/e/f"), &st) == 0 && S_ISDIR(st.st_mode), "are there");
	is_int(file_make_directories(scratch_path("d/e/f/")), 0, "a second time is fine");
	ok(chmod(scratch_path("d"), 0700) == 0 && file_make_directories(scratch_path("d/g")) == 0 &&
			stat(scratch_path("d"), &st) == 0 && (st.st_mode & 07777) == 0700,
		"what was there keeps its mode");
	scratch_write("plain", "");
	is_int(file_make_directories(scratch_path("plain")), -ENOTDIR,
		"a file in the place of the directory is an error");
	is_int(file_make_directories(scratch_path("plain/sub")), -ENOTDIR,
		"and in the place of a parent");
}

static void test_cleanup(void)
{
	int fd = 7;
	char *text = strdup("x"), *stolen = steal_ptr(text);

	ok(!text && stolen, "steal_ptr takes the pointer");
	free(stolen);
	ok(steal_fd(&fd) == 7 && fd == -1, "steal_fd takes the descriptor");
	errno = ENOENT;
	cleanup_close(&fd);
	fd = 100000; /* not open */
	cleanup_close(&fd);
	is_int(errno, ENOENT, "cleanup_close keeps errno");
}

int main(void)
{
	(void)umask(077);
	scratch_make();
	test_err();
	test_err_utf8();
	test_read();
	test_read_large();
	test_write();
	test_write_through_link();
	test_write_no_room();
	test_equals();
	test_directories();
	test_cleanup();
	return done_testing();
}
