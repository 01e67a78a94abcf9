/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several layers as one: the text, and that it means what the files mean.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config-merge.h"
#include "config.h"
#include "scratch.h"
#include "tap.h"

static const char *const layers[][2] = {
	{"instanced.conf", "; a comment\n"
			   "[volume gone]\n" /* no key of it is left: only the last layer's count */
			   "device = /dev/sdg\n"
			   "[index]\n"
			   "path = /srv/index.html ; with one behind\n"
			   "title = first\n"
			   "[agent]\n"
			   "listen = 127.0.0.1:1\n"
			   "listen = 127.0.0.1:2\n"
			   "details = ::1,\n"
			   "   127.0.0.1\n"
			   "[volume data]\n"
			   "device: /dev/sdf\n"
			   "mount=/data\n"},
	{"conf.d/10.conf", "[app web]\n"
			   "source = file:/srv/app\n"
			   "build =\n"
			   "\tmake A='x y' && echo \"#\"\n"
			   "    make install;true\n"
			   "run = ./web --a=b\n"
			   "env.A = 1\n"
			   "env.B = x=y\n"
			   "[index]\n"
			   "title = second\n"},
	{"conf.d/20.conf", "[agent]\n"
			   "listen = 127.0.0.1:3\n"
			   "[app web]\n"
			   "env.A = 2\n"
			   "[volume gone]\n"
			   "device = /dev/sdh\n"
			   "mount = /gone\n"},
};

static const char merged[] = "[index]\n"
			     "path=/srv/index.html\n"
			     "title=second\n"
			     "[agent]\n"
			     "details=::1,\n"
			     " 127.0.0.1\n"
			     "listen=127.0.0.1:3\n"
			     "[volume data]\n"
			     "device=/dev/sdf\n"
			     "mount=/data\n"
			     "[app web]\n"
			     "source=file:/srv/app\n"
			     "build=\n"
			     " make A='x y' && echo \"#\"\n"
			     " make install;true\n"
			     "run=./web --a=b\n"
			     "env.B=x=y\n"
			     "env.A=2\n"
			     "[volume gone]\n"
			     "device=/dev/sdh\n"
			     "mount=/gone\n";

static bool same_list(const struct config_list *a, const struct config_list *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->n != b->n || strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->n == b->n;
}

static void test_meaning(const char *path, const char *text, size_t length)
{
	_cleanup_(config_free_p) struct config *files = NULL, *one = NULL;
	struct config_problems problems = {0};

	is_int(config_load(path, true, NULL, &files, &problems), 0,
		"the files are a configuration");
	is_int(config_parse(text, length, "merged", &one, &problems), 0, "and their one text is");
	if (!files || !one)
		return;
	ok(same_list(&files->agent.listen, &one->agent.listen) &&
			same_list(&files->agent.details, &one->agent.details),
		"with the same lists");
	is_int((long long)one->n_volumes, (long long)files->n_volumes, "the same volumes");
	for (size_t i = 0; i < files->n_volumes; i++)
		is_str(one->volumes[i].name, files->volumes[i].name, "in the same order");
	ok(same_list(&files->apps[0].build, &one->apps[0].build), "the same build");
	is_int((long long)one->apps[0].env.n, (long long)files->apps[0].env.n,
		"and the same environment");
	config_problems_clear(&problems);
}

int main(void)
{
	const char *path;
	char *text = NULL;
	size_t length = 0;

	scratch_make();
	path = scratch_path("instanced.conf");
	is_int(config_merge(path, &text, &length), -EINVAL, "no main file is an error");
	(void)mkdir(scratch_path("conf.d"), 0755);
	for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
		(void)scratch_write(layers[i][0], layers[i][1]);
	path = scratch_path("instanced.conf");
	is_int(config_merge(path, &text, &length), 0, "three layers become one");
	is_str(text, merged, "with what no later layer says again");
	is_int((long long)length, (long long)strlen(merged), "of this length");
	test_meaning(path, text, length);
	free(text);
	(void)scratch_write("conf.d/30.conf", "nonsense\n");
	path = scratch_path("instanced.conf");
	is_int(config_merge(path, &text, &length), -EINVAL, "a layer with an error is one");
	return done_testing();
}
