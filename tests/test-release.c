/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which release is current, whether it is well or bad, which one was well before: on a directory
 * with releases and marks as deploys leave them, and with what deploys do not leave there.
 */
#include "../bootstrap/release.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../bootstrap/release-store.h"
#include "scratch.h"
#include "tap.h"

#define A "aaaaaaaaaaaa-11111111"
#define B "bbbbbbbbbbbb-11111111"
#define C "cccccccccccc-11111111"

static struct config_app app;
static struct err err;
static char why[RELEASE_WHY_MAX], id[RELEASE_ID_MAX];

static const char *in(const char *name, const char *suffix)
{
	static char paths[2][RELEASE_PLACE_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 2];

	release_place(&app, name, suffix, path);
	return path;
}

static void make(const char *name)
{
	if (mkdir(in(name, ""), 0755) < 0 ||
		release_mark(&app, name, RELEASE_COMPLETE, "", &err) < 0)
		abort();
}

static void lead(const char *target)
{
	const char *link = scratch_path("web/current");

	(void)unlink(link);
	if (target && symlink(target, link) < 0)
		abort();
}

static void test_current(void)
{
	is_int(release_current(&app, id, &err), -ENOENT, "without a link there is none");
	lead("elsewhere/" A);
	is_int(release_current(&app, id, &err), -ENOENT, "nor is what lies elsewhere");
	lead("releases/" C);
	is_int(release_current(&app, id, &err), -ENOENT, "nor what is not complete");
	lead("releases/" A);
	ok(release_current(&app, id, &err) == 0 && strcmp(id, A) == 0, "a complete one is");
	lead(NULL);
}

static void test_switch(void)
{
	struct config_app other = app;

	is_int(release_switch(&app, C, &err), -ENOENT, "what is not complete is not switched to");
	is_int(release_switch(&app, A, &err), 0, "a complete one is");
	is_int(release_switch(&app, A, &err), 0, "and is again");
	is_int(release_switch(&app, B, &err), 0, "or another");
	ok(release_current(&app, id, &err) == 0 && strcmp(id, B) == 0, "which is current then");
	other.path = (char *)scratch_write("file", "");
	ok(release_switch(&other, A, &err) < 0, "where no directory can be nothing is");
	lead(NULL);
	if (mkdir(scratch_path("web/current"), 0755) < 0)
		abort();
	is_int(release_switch(&app, A, &err), -EEXIST, "what is no link is not ours");
	(void)rmdir(scratch_path("web/current"));
}

static void test_proven(void)
{
	ok(!release_is_proven(&app, A), "a release is not proven");
	is_int(release_prove(&app, A, &err), 0, "until it is");
	ok(release_is_proven(&app, A), "and then it is");
	is_int(release_prove(&app, A, &err), 0, "again, too");
	is_int(release_doubt(&app, A, &err), 0, "it can be doubted");
	ok(!release_is_proven(&app, A), "and is not any more");
	if (mkdir(in(A, RELEASE_BAD), 0755) < 0)
		abort();
	ok(release_prove(&app, A, &err) < 0 && !release_is_proven(&app, A),
		"what cannot be pardoned is not proven");
	(void)rmdir(in(A, RELEASE_BAD));
}

static void test_bad(void)
{
	char text[DIGEST_HEX_SIZE + 16];

	ok(!release_is_bad(&app, "no-id", why), "what is no release is not bad");
	ok(!release_is_bad(&app, A, why), "nor one that nobody condemned");
	is_int(release_condemn(&app, A, "it ended\nat once", &err), 0, "it is condemned");
	ok(release_is_bad(&app, A, why) && strcmp(why, "it ended") == 0, "and bad, with a reason");
	app.health = (char *)"http://127.0.0.1/";
	ok(!release_is_bad(&app, A, why), "under other circumstances it may be well");
	app.health = NULL;
	memset(text, 'f', sizeof text);
	text[sizeof text - 1] = '\0';
	if (release_mark(&app, A, RELEASE_BAD, text, &err) < 0)
		abort();
	ok(!release_is_bad(&app, A, why), "a mark of something else condemns nothing");
	(void)release_condemn(&app, A, "x", &err);
	if (truncate(in(A, RELEASE_BAD), DIGEST_HEX_SIZE - 1) < 0)
		abort();
	ok(!release_is_bad(&app, A, why), "nor does half of one");
	is_int(release_pardon(&app, A, &err), 0, "it is pardoned");
	ok(!release_is_bad(&app, A, why), "and bad no more");
}

static void test_before(void)
{
	struct config_app none = app;

	none.path = (char *)scratch_path("none");
	ok(release_before(&none, A, id, &err) < 0, "where nothing is there is none before");
	is_int(release_before(&app, A, id, &err), -ENOENT, "nor where none was well");
	make(C);
	(void)release_prove(&app, A, &err);
	(void)release_prove(&app, B, &err);
	ok(release_before(&app, B, id, &err) == 0 && strcmp(id, A) == 0,
		"before one that was well comes the one before");
	ok(release_before(&app, C, id, &err) == 0 && strcmp(id, B) == 0,
		"before a new one the newest that was well");
	is_int(release_before(&app, A, id, &err), -ENOENT, "before the first there is none");
	(void)release_prove(&app, C, &err);
	is_int(release_before(&app, A, id, &err), -ENOENT, "also where all were well");
	(void)release_doubt(&app, C, &err);
	(void)release_condemn(&app, B, "x", &err);
	ok(release_before(&app, C, id, &err) == 0 && strcmp(id, A) == 0,
		"a bad one is passed over");
}

int main(void)
{
	scratch_make();
	app = (struct config_app){
		.name = (char *)"web", .path = strdup(scratch_path("web")), .keep = 3};
	if (mkdir(app.path, 0755) < 0 || mkdir(in("", ""), 0755) < 0)
		return 99;
	make(A);
	make(B);
	test_current();
	test_switch();
	test_proven();
	test_bad();
	test_before();
	free(app.path);
	return done_testing();
}
