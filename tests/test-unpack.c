/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is decided over an entry of an archive, and what the half that writes makes of records that
 * no unpacker of ours would send. Real archives are in system/unpack.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../bootstrap/tree.h"
#include "../bootstrap/unpack-read.h"
#include "../bootstrap/unpack.h"
#include "cleanup.h"
#include "scratch.h"
#include "tap.h"

#define FILE_   UNPACK_FILE
#define DIR_    UNPACK_DIRECTORY
#define LINK_   UNPACK_LINK
#define MEBI    (1ull << 20)
#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN
#define D10     "d/d/d/d/d/d/d/d/d/d/"
#define D100    D10 D10 D10 D10 D10 D10 D10 D10 D10 D10
#define DEEP    "is too deep or has too long a name"
#define OUT     "is a symbolic link that leads out"
#define NO_SUCH "is no file, directory or symbolic link"

static const struct {
	const char *name;
	struct unpack_entry entry;
	unsigned strip;
	const char *place; /* NULL: refused */
	const char *path, *why;
} vectors[] = {
	{"a file", {FILE_, 0, "file", ""}, 0, "file", "file"},
	{"an executable", {FILE_, UNPACK_EXECUTABLE, "bin/run", ""}, 0, "bin/run", "bin/run"},
	{"a name is cleaned", {FILE_, 0, "./a//b/./c", ""}, 0, "a/b/c", "a/b/c"},
	{"a directory with its slash", {DIR_, 0, "a/b/", ""}, 0, "a/b", "a/b"},
	{"the top itself is skipped", {DIR_, 0, "./", ""}, 0, "", ""},
	{"three dots are a name", {FILE_, 0, "...", ""}, 0, "...", "..."},
	{"any bytes are a name", {FILE_, 0, "a\n\xff", ""}, 0, "a\n\xff", "a\n\xff"},
	{"the longest name of one", {FILE_, 0, FIFTY FIFTY FIFTY FIFTY FIFTY "abcde", ""}, 0,
		FIFTY FIFTY FIFTY FIFTY FIFTY "abcde", FIFTY FIFTY FIFTY FIFTY FIFTY "abcde"},
	{"one byte longer", {FILE_, 0, FIFTY FIFTY FIFTY FIFTY FIFTY "abcdef", ""}, 0, NULL,
		FIFTY FIFTY FIFTY FIFTY FIFTY "abcdef", DEEP},
	{"the deepest", {DIR_, 0, D100, ""}, 50, D10 D10 D10 D10 "d/d/d/d/d/d/d/d/d/d", NULL},
	{"one deeper", {FILE_, 0, D100 "f", ""}, 0, NULL, D100 "f", DEEP},
	{"no name", {FILE_, 0, "", ""}, 0, NULL, "", "has no name"},
	{"a file that is the top", {FILE_, 0, "./", ""}, 0, NULL, "", "has no name"},
	{"a link that is the top", {LINK_, 0, ".", "x"}, 0, NULL, "", "has no name"},
	{"an unreadable name", {FILE_, UNPACK_NAMELESS, "", ""}, 0, NULL, "7",
		"has no readable name"},
	{"an endless name", {FILE_, UNPACK_TOO_LONG, "", ""}, 0, NULL, "7", "has too long a name"},
	{"an absolute name", {FILE_, 0, "/etc/passwd", ""}, 0, NULL, "/etc/passwd",
		"has an absolute name"},
	{"an absolute name, stripped", {FILE_, 0, "/etc/passwd", ""}, 1, NULL, "/etc/passwd",
		"has an absolute name"},
	{"..", {DIR_, 0, "..", ""}, 0, NULL, "..", "has .. in its name"},
	{".. inside", {FILE_, 0, "a/../b", ""}, 0, NULL, "a/../b", "has .. in its name"},
	{".. at the end", {DIR_, 0, "a/b/..", ""}, 0, NULL, "a/b/..", "has .. in its name"},
	{".. that would be stripped", {FILE_, 0, "../a", ""}, 1, NULL, "../a",
		"has .. in its name"},
	{"a hard link", {FILE_, UNPACK_HARD_LINK, "h", ""}, 0, NULL, "h", "is a hard link"},
	{"a hard link that would be stripped", {FILE_, UNPACK_HARD_LINK, "h", ""}, 1, NULL, "h",
		"is a hard link"},
	{"an encrypted file", {FILE_, UNPACK_ENCRYPTED, "e", ""}, 0, NULL, "e", "is encrypted"},
	{"a device", {UNPACK_OTHER, 0, "null", ""}, 0, NULL, "null", NO_SUCH},
	{"a kind that there is not", {(enum unpack_kind)77, 0, "x", ""}, 0, NULL, "x", NO_SUCH},
	{"no kind", {(enum unpack_kind)0, 0, "x", ""}, 0, NULL, "x", NO_SUCH},
	{"a set-user-ID file", {FILE_, UNPACK_SET_ID, "su", ""}, 0, NULL, "su",
		"has a set-user-ID or set-group-ID bit"},
	{"a set-group-ID directory", {DIR_, UNPACK_SET_ID, "d", ""}, 0, "d", "d"},
	{"a link", {LINK_, 0, "a/l", "../b"}, 0, "a/l", "a/l"},
	{"an absolute link", {LINK_, 0, "l", "/etc"}, 0, NULL, "l", OUT},
	{"a link to nothing", {LINK_, 0, "l", ""}, 0, NULL, "l", OUT},
	{"a link that leads out", {LINK_, 0, "a/l", "../../b"}, 0, NULL, "a/l", OUT},
	{"a link by way of another", {LINK_, 0, "a/l", "b/../../../c"}, 0, NULL, "a/l", OUT},
	{"strip 1", {FILE_, 0, "top/a/b", ""}, 1, "a/b", "top/a/b"},
	{"strip 1 behind ./", {FILE_, 0, ".//top/a", ""}, 1, "a", "top/a"},
	{"strip 2", {FILE_, 0, "top/a/b", ""}, 2, "b", "top/a/b"},
	{"a file that is stripped away", {FILE_, 0, "README", ""}, 1, "", "README"},
	{"a directory that is stripped away", {DIR_, 0, "top/", ""}, 1, "", "top"},
	{"strip more than there is", {FILE_, 0, "top/a", ""}, 4000000000u, "", "top/a"},
	{"a link is judged where it will be", {LINK_, 0, "top/l", "../x"}, 1, NULL, "top/l", OUT},
	{"and so inside", {LINK_, 0, "top/a/l", "../x"}, 1, "a/l", "top/a/l"},
	{"a link that is stripped away", {LINK_, 0, "l", "/etc"}, 1, "", "l"},
};

static void test_entries(void)
{
	FOREACH_ELEMENT (i, vectors) {
		struct unpack_verdict v;
		int r = unpack_judge(&vectors[i].entry, 7, vectors[i].strip, &v);
		bool good = (r == 0) == (vectors[i].place != NULL);

		if (good && vectors[i].place)
			good = !v.why && strcmp(v.path + v.place, vectors[i].place) == 0;
		else if (good)
			good = r == -EPERM && v.why && strcmp(v.why, vectors[i].why) == 0;
		if (good && vectors[i].path)
			good = strcmp(v.path, vectors[i].path) == 0;
		if (!ok(good, vectors[i].name))
			printf("# %d, %s, %s, %s\n", r, v.path, v.path + v.place,
				v.why ? v.why : "-");
	}
}

static void test_number(void)
{
	const struct unpack_entry entry = {UNPACK_FILE, 0, "f", ""};
	struct unpack_verdict v;

	is_int(unpack_judge(&entry, TREE_ENTRIES_MAX, 0, &v), 0, "as many entries as there may be");
	is_int(unpack_judge(&entry, TREE_ENTRIES_MAX + 1, 0, &v), -E2BIG, "and one more");
	is_str(v.why, "is one too many", "which is said");
}

static int more(struct unpack_sizes *sizes, uint64_t offset, size_t length, const char *words)
{
	const char *why;
	int r = unpack_judge_data(sizes, offset, length, &why);

	if (words ? !why || strcmp(why, words) != 0 : why != NULL)
		printf("# said %s\n", why ? why : "nothing");
	return words && (!why || strcmp(why, words) != 0) ? 1 : r;
}

static void test_sizes(void)
{
	struct unpack_sizes s = {.packed = MEBI};

	is_int(more(&s, 0, 500 * MEBI, NULL), 0, "500 to 1 is honest");
	is_int(more(&s, 500 * MEBI, 2 * MEBI, "is packed more tightly than anything honest"),
		-EFBIG, "more is not");
	s = (struct unpack_sizes){.packed = 1};
	is_int(more(&s, 0, UNPACK_RATIO_FROM, NULL), 0, "as long as it is much");
	is_int(more(&s, UNPACK_RATIO_FROM, 1, "is packed more tightly than anything honest"),
		-EFBIG, "and no longer");
	s = (struct unpack_sizes){.packed = MEBI};
	is_int(more(&s, 4096 * MEBI, 1, NULL), 0, "a sparse file is no bomb");
	is_int(s.unpacked == 1 && s.total == 4096 * MEBI + 1, 1, "though its hole counts");
	is_int(more(&s, 8192 * MEBI, 1, "is too much in all"), -EFBIG, "to the bound of all");
	s = (struct unpack_sizes){.packed = MEBI};
	is_int(more(&s, TREE_BYTES_MAX + 1, 0, "is too large"), -EFBIG, "too far out");
	is_int(more(&s, UINT64_MAX, SIZE_MAX, "is too large"), -EFBIG, "nothing overflows");
	is_int(more(&s, TREE_BYTES_MAX, SIZE_MAX, "is too large"), -EFBIG, "by its length either");
	s = (struct unpack_sizes){.packed = MEBI};
	is_int(more(&s, 10, 10, NULL), 0, "some contents");
	is_int(more(&s, 19, 10, "has its contents out of order"), -EFBIG, "not twice");
	is_int(s.total, 20, "what is refused is not counted");
}

/* -- records -- */

static char stream[4 * UNPACK_BLOCK_MAX];
static size_t streamed;

static void begin(void)
{
	streamed = 0;
}

static void add(const void *data, size_t size)
{
	memcpy(stream + streamed, data, size);
	streamed += size;
}

static void add_record(struct unpack_record record, const char *one, const char *two)
{
	add(&record, sizeof record);
	add(one, strlen(one));
	add(two, strlen(two));
}

static void add_entry(enum unpack_kind kind, const char *path, const char *target)
{
	add_record((struct unpack_record){.what = UNPACK_ENTRY,
			   .kind = kind,
			   .length = (uint32_t)strlen(path),
			   .target = (uint32_t)strlen(target)},
		path, target);
}

static void add_data(uint64_t offset, const char *text)
{
	add_record(
		(struct unpack_record){
			.what = UNPACK_DATA, .length = (uint32_t)strlen(text), .offset = offset},
		text, "");
}

static void add_end(void)
{
	add_record((struct unpack_record){.what = UNPACK_END}, "", "");
}

static void add_failure(int code, const char *words)
{
	add_record(
		(struct unpack_record){
			.what = UNPACK_FAILURE, .length = (uint32_t)strlen(words), .code = code},
		words, "");
}

/* Follows the records, in a new directory "into"; what it says is in `said`. */
static struct err said;

static int follow(void)
{
	static int turn;
	_cleanup_close_ int fd = -1;
	char name[32];
	const char *into;

	snprintf(name, sizeof name, "into%d", ++turn);
	into = scratch_path(name);
	(void)mkdir(into, 0755);
	(void)unlink(scratch_path("into"));
	if (symlink(into, scratch_path("into")) < 0)
		return 1;
	fd = open(scratch_path("records"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, stream, streamed, 0) != (ssize_t)streamed)
		return 1;
	said.text[0] = '\0';
	return unpack_follow(fd, streamed, "x.tar", 0, into, &said);
}

static void is_refused(int code, const char *words, const char *name)
{
	is_int(follow(), code, name);
	if (words)
		is_str(said.text, words, "in these words");
}

static void test_good(void)
{
	struct stat st;

	begin();
	add_entry(UNPACK_DIRECTORY, "a", "");
	add_entry(UNPACK_FILE, "a/file", "");
	add_data(0, "one");
	add_data(3, "two");
	add_entry(UNPACK_LINK, "link", "a/file");
	add_entry(UNPACK_FILE, "sparse", "");
	add_data(5, "x");
	add_data(1000, "");
	add_end();
	is_int(follow(), 0, "records are followed");
	is_int(stat(scratch_path("into/link"), &st) == 0 ? st.st_size : -1, 6, "to a file");
	is_int(stat(scratch_path("into/sparse"), &st) == 0 ? st.st_size : -1, 1000,
		"and one that ends in a hole");
}

static void test_protocol(void)
{
	static char long_words[UNPACK_WORDS_MAX + 2], long_path[PATH_MAX + 1];

	memset(long_words, 'w', sizeof long_words - 1);
	memset(long_path, 'p', sizeof long_path - 1);

	begin();
	is_refused(-EPIPE, "x.tar: the unpacker ended in the middle", "no records");
	add_entry(UNPACK_FILE, "f", "");
	is_refused(-EPIPE, NULL, "no end");
	streamed -= 1;
	is_refused(-EPIPE, NULL, "half an entry");
	begin();
	add_end();
	streamed -= 1;
	is_refused(-EPIPE, NULL, "half a record");
	begin();
	add_end();
	is_refused(-EBADMSG, "x.tar: is empty", "nothing in it");

	begin();
	add_record((struct unpack_record){.what = 0}, "", "");
	is_refused(-EPROTO, "x.tar: the unpacker says what nobody understands", "an empty record");
	begin();
	add_record((struct unpack_record){.what = 99}, "", "");
	is_refused(-EPROTO, NULL, "an unknown record");
	begin();
	add_data(0, "x");
	is_refused(-EPROTO, "x.tar: the unpacker says contents of no file", "contents first");
	begin();
	add_entry(UNPACK_LINK, "l", "x");
	add_data(0, "x");
	is_refused(-EPROTO, NULL, "contents of a link");
	begin();
	add_entry(UNPACK_FILE, "f", "");
	add_entry(UNPACK_DIRECTORY, "d", "");
	add_data(0, "x");
	is_refused(-EPROTO, NULL, "contents of a directory");
	begin();
	add_entry(UNPACK_FILE, long_path, "");
	is_refused(-EPROTO, "x.tar: the unpacker says too long a name", "a name without end");
	begin();
	add_entry(UNPACK_LINK, "l", long_path);
	is_refused(-EPROTO, NULL, "a target without end");
	begin();
	add_record(
		(struct unpack_record){
			.what = UNPACK_ENTRY, .kind = UNPACK_FILE, .length = UINT32_MAX},
		"", "");
	is_refused(-EPROTO, NULL, "a name of 4 GiB");
	begin();
	add_record((struct unpack_record){.what = UNPACK_ENTRY, .kind = UNPACK_FILE, .length = 3},
		"a", "");
	add("\0b", 2);
	is_refused(-EPROTO, "x.tar: the unpacker says a name with a zero in it", "a zero");
	begin();
	add_entry(UNPACK_FILE, "f", "");
	add_record((struct unpack_record){.what = UNPACK_DATA, .length = UINT32_MAX}, "", "");
	is_refused(-EPROTO, "x.tar: the unpacker says too much at once", "4 GiB of contents");
	begin();
	add_failure(-EBADMSG, long_words);
	is_refused(-EPROTO, "x.tar: the unpacker fails in a way that there is not", "a speech");
	begin();
	add_failure(0, "all is well");
	is_refused(-EPROTO, NULL, "a failure that is none");
	begin();
	add_failure(INT32_MIN, "x");
	is_refused(-EPROTO, NULL, "an error that there is not");
}

static void test_refused(void)
{
	begin();
	add_failure(-EBADMSG, "is \033[2Jbad\n");
	is_refused(-EBADMSG, "x.tar: is ?[2Jbad?", "words write on no terminal");
	begin();
	add_failure(-ENOMEM, "no");
	is_refused(-ENOMEM, "x.tar: needs more memory than 512 MiB: no", "too much memory");
	begin();
	add_entry(UNPACK_FILE, "../\nx", "");
	is_refused(-EPERM, "x.tar: entry ../?x has .. in its name", "a name out");
	ok(access(scratch_path("\nx"), F_OK) < 0, "and nothing is there");
	begin();
	add_entry(UNPACK_LINK, "l", ".");
	add_entry(UNPACK_FILE, "l/f", "");
	is_refused(
		-EPERM, "x.tar: entry l/f passes through what is no directory", "through a link");
	begin();
	add_entry(UNPACK_FILE, "f", "");
	add_data(0, "one");
	add_entry(UNPACK_FILE, "./f", "");
	is_refused(-EPERM, "x.tar: entry f is there twice", "a name twice");
	begin();
	add_entry(UNPACK_FILE, "f", "");
	add_data(TREE_BYTES_MAX + 1, "");
	is_refused(-EFBIG, "x.tar: entry f is too large", "a huge hole");
	begin();
	add_entry(UNPACK_FILE, "f", "");
	add_data(4, "one");
	add_data(0, "two");
	is_refused(-EFBIG, "x.tar: entry f has its contents out of order", "out of order");
}

int main(void)
{
	scratch_make();
	test_entries();
	test_number();
	test_sizes();
	test_good();
	test_protocol();
	test_refused();
	return done_testing();
}
