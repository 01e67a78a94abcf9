/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User-data from a configuration: which package is meant, and how files become text that nothing
 * in them ends. That the script does what it says is in system/user-data.t.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bootstrap/launch-data.h"
#include "tap.h"
#include "user-data.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbBbB"
#define LOW_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_packages(void)
{
	static const struct {
		const char *url, *sha256;
		int n;
	} vectors[] = {
		{"https://a/x.deb", HEX_A, 1},
		{"http://a/x.deb?a=b&c=d'e", HEX_B, 1},
		{"file:///x.deb", HEX_A, 1},
		{"https://a/{arch}.deb", "amd64=" HEX_A, 1},
		{"https://a/{arch}.deb", "amd64=" HEX_A ",arm64=" HEX_B, 2},
		{"https://a/{arch}/{arch}.rpm", "aarch64=" HEX_A ",x86_64=" HEX_B, 2},
		{"", HEX_A, -EINVAL},
		{"a/x.deb", HEX_A, -EINVAL},
		{"ftp://a/x.deb", HEX_A, -EINVAL},
		{"https://a/ x.deb", HEX_A, -EINVAL},
		{"https://a/x.deb\n", HEX_A, -EINVAL},
		{"https://a/\xc3\xa9.deb", HEX_A, -EINVAL},
		{"https://a/x.deb", "", -EINVAL},
		{"https://a/x.deb", HEX_A "a", -EINVAL},
		{"https://a/x.deb", "g" HEX_A, -EINVAL},
		{"https://a/x.deb", HEX_A "," HEX_B, -EINVAL},
		{"https://a/x.deb", "amd64=" HEX_A, -EINVAL},
		{"https://a/{arch}.deb", HEX_A, -EINVAL},
		{"https://a/{arch}.deb", "", -EINVAL},
		{"https://a/{arch}.deb", "amd64=" HEX_A ",", -EINVAL},
		{"https://a/{arch}.deb", "amd64=", -EINVAL},
		{"https://a/{arch}.deb", "=" HEX_A, -EINVAL},
		{"https://a/{arch}.deb", "riscv64=" HEX_A, -EINVAL},
		{"https://a/{arch}.deb", "amd64=" HEX_A ",x86_64=" HEX_B, -EINVAL},
		{"https://a/{arch}.deb",
			"amd64=" HEX_A ",arm64=" HEX_A ",amd64=" HEX_A ",arm64=" HEX_A
			",amd64=" HEX_A,
			-EINVAL},
	};
	struct launch_package packages[LAUNCH_PACKAGES_MAX];
	struct err err;
	static char longest[LAUNCH_URL_MAX + 1] = "https://";

	FOREACH_ELEMENT (i, vectors) {
		err.text[0] = '\0';
		is_int(launch_packages(vectors[i].url, vectors[i].sha256, packages, &err),
			vectors[i].n, vectors[i].url);
		ok((vectors[i].n < 0) == (err.text[0] != '\0'), "with words exactly if it fails");
	}
	(void)launch_packages(vectors[5].url, vectors[5].sha256, packages, &err);
	is_str(packages[0].url, "https://a/aarch64/aarch64.rpm", "{arch} is what its digest says");
	is_str(packages[0].machine, "aarch64", "on that machine");
	is_str(packages[1].url, "https://a/x86_64/x86_64.rpm", "each for itself");
	is_str(packages[1].sha256, LOW_B, "digests are lower case");
	(void)launch_packages(vectors[4].url, vectors[4].sha256, packages, &err);
	is_str(packages[1].machine, "aarch64", "arm64 is what uname calls aarch64");
	(void)launch_packages(vectors[0].url, vectors[0].sha256, packages, &err);
	ok(!packages[0].machine, "one digest is for any machine");
	memset(longest + 8, 'a', LAUNCH_URL_MAX - 9);
	is_int(launch_packages(longest, HEX_A, packages, &err), 1, "the longest URL");
	longest[LAUNCH_URL_MAX - 1] = 'a';
	is_int(launch_packages(longest, HEX_A, packages, &err), -EINVAL, "and one character more");
}

/* The script for one file of this content. */
static char *script(const char *path, const char *data)
{
	struct launch_package package = {.url = "https://a/'x'", .sha256 = HEX_A};
	struct launch_file file = {path, data, strlen(data)};
	char *text = NULL;
	size_t length;

	if (launch_script(&package, 1, &file, 1, &text, &length) < 0 || strlen(text) != length)
		return NULL;
	return text;
}

static void test_script(void)
{
	static const struct {
		const char *name, *path, *data, *expected;
	} vectors[] = {
		{"a file", "/a", "x\n", "\nput '/a' 2 <<'END_OF_FILE'\nx\nEND_OF_FILE\n"},
		{"one without a line end at its end", "/a", "x",
			"\nput '/a' 1 <<'END_OF_FILE'\nx\nEND_OF_FILE\n"},
		{"an empty one", "/a", "", "\nput '/a' 0 <<'END_OF_FILE'\n\nEND_OF_FILE\n"},
		{"what a shell would expand", "/a", "$x\r\n`",
			"\nput '/a' 5 <<'END_OF_FILE'\n$x\r\n`\nEND_OF_FILE\n"},
		{"a name with a quote", "/it's", "x\n",
			"\nput '/it'\\''s' 2 <<'END_OF_FILE'\nx\nEND_OF_FILE\n"},
		{"the delimiter in it", "/a", "END_OF_FILE\n",
			"\nput '/a' 12 <<'END_OF_FILE_1'\nEND_OF_FILE\nEND_OF_FILE_1\n"},
		{"two of these in it", "/a", "END_OF_FILE_1\nEND_OF_FILE_2",
			"\nput '/a' 27 <<'END_OF_FILE_3'\nEND_OF_FILE_1\nEND_OF_FILE_2\n"
			"END_OF_FILE_3\n"},
	};
	struct launch_package packages[2] = {{.machine = "x86_64", .url = "u", .sha256 = HEX_A},
		{.machine = "aarch64", .url = "v", .sha256 = LOW_B}};
	char *text, *again = NULL;
	size_t length;

	FOREACH_ELEMENT (i, vectors) {
		text = script(vectors[i].path, vectors[i].data);
		if (!ok(text && strstr(text, vectors[i].expected), vectors[i].name) && text)
			printf("# %s\n", strstr(text, "\nput '"));
		free(text);
	}
	text = script("/a", "x");
	again = script("/a", "x");
	is_str(text, again, "the same again is the same");
	ok(strncmp(text, "#!/bin/sh\n", 10) == 0, "it is a script");
	ok(strstr(text, "\nurl='https://a/'\\''x'\\'''\nsha256=" HEX_A "\n"), "with its package");
	ok(!strstr(text, "uname"), "for any machine");
	free(text);
	free(again);
	if (launch_script(packages, 2, NULL, 0, &text, &length) < 0)
		return;
	ok(strstr(text, "\nx86_64)\nurl='u'\nsha256=" HEX_A "\n;;\naarch64)\nurl='v'\n"),
		"or for each its own");
	free(text);
}

static void test_document(void)
{
	static const struct {
		const char *text, *expected;
	} vectors[] = {
		{"[index]\n", "#instanced\n[index]\n"},
		{"", "#instanced\n"},
		{"#instanced\n[index]\n", "#instanced\n[index]\n"},
		{"#instanced-too\n", "#instanced\n#instanced-too\n"},
		{"\xef\xbb\xbf[index]", "#instanced\n[index]"},
		{"\xef\xbb\xbf#instanced\n[index]", "#instanced\n[index]"},
	};
	struct err err;

	FOREACH_ELEMENT (i, vectors) {
		char *text = NULL, *layer = NULL;
		size_t length = 0;

		is_int(launch_document(vectors[i].text, strlen(vectors[i].text), &text, &length), 0,
			"a document");
		is_str(text, vectors[i].expected, "has its first line once");
		is_int((long long)length, (long long)strlen(vectors[i].expected), "and its length");
		is_int(user_data_layer(text, length, &layer, &length, &err), 1,
			"and is what the bootstrap looks for");
		free(layer);
		free(text);
	}
}

int main(void)
{
	test_packages();
	test_script();
	test_document();
	return done_testing();
}
