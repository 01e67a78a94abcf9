/* SPDX-License-Identifier: Apache-2.0 */
#include "../bootstrap/secret.h"

#include <errno.h>

#include "scratch.h"
#include "tap.h"

static struct config_app app;

static const struct {
	const char *name, *text, *variables, *error;
} files[] = {
	{"one", "A=1\n", "A=1", NULL},
	{"several, without a last newline", "A=1\nB_2=two", "A=1|B_2=two", NULL},
	{"comments and empty lines", "# a\n\n; b\n  \nA=1\n", "A=1", NULL},
	{"blanks around", "  A=1 2  \t\r\n", "A=1 2", NULL},
	{"an empty value", "A=\n", "A=", NULL},
	{"quotes", "A=\"1 \"\nB='\"'\nC=\"x\n", "A=1 |B=\"|C=\"x", NULL},
	{"an equals sign in a value", "A=b=c\n", "A=b=c", NULL},
	{"a name that is none", "A=1\n1B=2\n", NULL, ":2: expected NAME=value"},
	{"a blank before the equals sign", "A =1\n", NULL, ":1: expected NAME=value"},
	{"no equals sign", "secret\n", NULL, ":1: expected NAME=value"},
	{"export, as shells have it", "export A=1\n", NULL, ":1: expected NAME=value"},
};

static void test_environment(void)
{
	FOREACH_ELEMENT (i, files) {
		struct config_list list = {0};
		struct err err = {""};
		char text[256] = "";
		int r;

		app.env_file = (char *)scratch_write("env", files[i].text);
		r = secret_environment(&app, &list, &err);
		for (size_t j = 0; j < list.n; j++) {
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
				j ? "|" : "", list.items[j]);
			free(list.items[j]);
		}
		if (files[i].variables)
			is_str(r == 0 ? text : err.text, files[i].variables, files[i].name);
		else
			ok(r == -EINVAL && strstr(err.text, files[i].error) &&
					!strstr(err.text, "secret"),
				files[i].name);
	}
}

static void test_who_may_read(void)
{
	struct err err = {""};

	app.env_file = (char *)scratch_write("env", "A=1\n");
	(void)chmod(app.env_file, 0600);
	is_int(secret_check(&app, &err), 0, "a file for its owner alone is good");
	(void)chmod(app.env_file, 0640);
	is_int(secret_check(&app, &err), -EPERM, "one that a group may read is not");
	ok(strstr(err.text, "0640") && strstr(err.text, "0600"),
		"which is said, with the mode it should have");
	app.env_file = (char *)scratch_path("none");
	is_int(secret_check(&app, &err), -ENOENT, "nor one that is not there");
	app.env_file = scratch_directory;
	is_int(secret_check(&app, &err), -EINVAL, "nor a directory");
	if (geteuid() == 0) {
		app.env_file = (char *)scratch_write("env", "A=1\n");
		(void)chmod(app.env_file, 0600);
		(void)!chown(app.env_file, 65534, 65534);
		is_int(secret_check(&app, &err), -EPERM, "nor one of somebody else");
	}
}

static void test_stamp(void)
{
	char one[DIGEST_HEX_SIZE], two[DIGEST_HEX_SIZE];

	app.env_file = (char *)scratch_write("stamp", "A=1\n");
	secret_stamp(&app, one);
	secret_stamp(&app, two);
	is_str(one, two, "the stamp stays while the file does");
	(void)scratch_write("stamp", "A=22\n");
	secret_stamp(&app, two);
	ok(strcmp(one, two) != 0, "and changes with it");
}

static void test_credentials(void)
{
	char item[PATH_MAX + 256], directory[PATH_MAX + 64], path[PATH_MAX + 128];
	struct stat st;
	struct err err = {""};

	app.env_file = NULL;
	snprintf(item, sizeof item, "key=%s", scratch_write("key", "a secret"));
	app.credentials.items[0] = item;
	app.credentials.n = 1;
	snprintf(directory, sizeof directory, "%s/credentials", scratch_directory);
	is_int(secret_lay_out(&app, directory, geteuid(), getegid(), &err), 0,
		"credentials are laid out");
	is_int(secret_lay_out(&app, directory, geteuid(), getegid(), &err), 0, "again");
	snprintf(path, sizeof path, "%s/key", directory);
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0400 && st.st_size == 8,
		"for the app alone to read");
	ok(stat(directory, &st) == 0 && (st.st_mode & 07777) == 0500, "and to find");
	app.credentials.items[0] = (char *)"key=no-such-credential";
	is_int(secret_lay_out(&app, directory, geteuid(), getegid(), &err), -ENOENT,
		"one that is not in the store is an error");
	ok(strstr(err.text, SECRET_STORE "no-such-credential") != NULL, "which names it");
	(void)chmod(directory, 0700);
}

int main(void)
{
	scratch_make();
	test_environment();
	test_who_may_read();
	test_stamp();
	test_credentials();
	return done_testing();
}
