/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release-drive: sources, releases and the supervisor from the command line, one call each, with an
 * app given as KEY=VALUE arguments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bootstrap/release.h"
#include "../../bootstrap/source-fetch.h"
#include "../../bootstrap/spawn.h"
#include "../../bootstrap/supervisor.h"
#include "cleanup.h"
#include "digest.h"

#define STOP_TIMEOUT (25 * 1000000ull)

static char name[] = "web";
static struct config_app app = {.name = name, .keep = 3, .build_timeout_usec = 1800 * 1000000ull};
static const struct reach reach;
static char *state, *id;
static unsigned long timeout = 60; /* seconds */

static int add(struct config_list *list, char *item)
{
	if (list->n == CONFIG_LIST_MAX)
		return -E2BIG;
	list->items[list->n++] = item;
	return 0;
}

static int set(char *argument)
{
	const struct {
		const char *key;
		char **value;
	} texts[] = {{"name", &app.name}, {"path", &app.path}, {"source", &app.source},
		{"sha256", &app.sha256}, {"run", &app.run}, {"user", &app.user}, {"state", &state},
		{"id", &id}};
	char *value = strchr(argument, '=');

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	FOREACH_ELEMENT (i, texts)
		if (strcmp(argument, texts[i].key) == 0) {
			*texts[i].value = value;
			return 0;
		}
	if (strcmp(argument, "build") == 0)
		return add(&app.build, value);
	if (strcmp(argument, "env") == 0)
		return add(&app.env, value);
	if (strcmp(argument, "writable") == 0)
		return add(&app.writable, value);
	if (strcmp(argument, "shared") == 0)
		return add(&app.shared, value);
	if (strcmp(argument, "keep") == 0)
		app.keep = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(argument, "nofile") == 0)
		app.limit_nofile = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(argument, "timeout") == 0)
		timeout = strtoul(value, NULL, 10);
	else
		return -EINVAL;
	return 0;
}

static int fingerprint(struct err *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r = source_fingerprint(&app, &reach, hex, err);

	if (r == 0)
		puts(hex);
	return r;
}

static int wanted(struct err *err)
{
	char found[RELEASE_ID_MAX];
	int r = release_wanted(&app, &reach, found, err);

	if (r == 0)
		puts(found);
	return r;
}

static int current(struct err *err)
{
	char found[RELEASE_ID_MAX];
	int r = release_current(&app, found, err);

	if (r == 0)
		puts(found);
	return r;
}

static int deploy(struct err *err)
{
	char found[RELEASE_ID_MAX];
	int r = release_wanted(&app, &reach, found, err);

	if (r == 0)
		r = release_make(&app, &reach, found, NULL, err);
	if (r == 0)
		r = release_switch(&app, found, err);
	if (r == 0)
		r = release_prune(&app, err);
	if (r == 0)
		puts(found);
	return r;
}

static int make(struct err *err)
{
	return release_make(&app, &reach, id, NULL, err);
}

static int switch_to(struct err *err)
{
	return release_switch(&app, id, err);
}

static int prove(struct err *err)
{
	return release_prove(&app, id, err);
}

static int condemn(struct err *err)
{
	return release_condemn(&app, id, "it was no good", err);
}

static int pardon(struct err *err)
{
	return release_pardon(&app, id, err);
}

static int bad(struct err *err)
{
	char why[RELEASE_WHY_MAX] = "no";

	(void)err;
	(void)release_is_bad(&app, id, why);
	puts(why);
	return 0;
}

static int before(struct err *err)
{
	char found[RELEASE_ID_MAX];
	int r = release_before(&app, id, found, err);

	if (r == 0)
		puts(found);
	return r;
}

static int start(struct err *err)
{
	char found[RELEASE_ID_MAX];
	int r = release_current(&app, found, err);

	return r < 0 ? r : supervisor_start(&app, found, state, err);
}

static int stop(struct err *err)
{
	return supervisor_stop(&app, state, STOP_TIMEOUT, err);
}

static int status(struct err *err)
{
	struct supervisor_status found;
	int r = supervisor_read(&app, state, &found);

	if (r < 0)
		return err_set(err, r, "%m");
	if (found.running)
		printf("running %s pid %d app %d restarts %u %s\n", found.release, (int)found.pid,
			(int)found.app_pid, found.restarts,
			found.as_configured ? "as configured" : "otherwise");
	else
		puts("stopped");
	return 0;
}

static int backoff(struct err *err)
{
	uint64_t pause = 0;

	(void)err;
	for (int i = 0; i < 11; i++)
		printf("%llu ", (unsigned long long)(pause = supervisor_backoff(pause, 1)) / 1000);
	printf("%llu\n", (unsigned long long)supervisor_backoff(pause, SUPERVISOR_STEADY) / 1000);
	return 0;
}

/* run=LINE by the shell as user=, for timeout= at most; env= and nofile= as given. */
static int run(struct err *err)
{
	const char *const argv[] = {"/bin/sh", "-c", app.run, NULL};
	_cleanup_free_ char *tail = NULL;
	const char *env[CONFIG_LIST_MAX + 1] = {0};
	int r;

	memcpy(env, app.env.items, sizeof app.env.items);
	r = spawn_run(&(struct spawn){.argv = argv,
			      .env = env,
			      .cwd = app.path,
			      .user = app.user,
			      .name = "the line",
			      .limit_nofile = app.limit_nofile,
			      .alone = app.keep == 0,
			      .timeout_usec = timeout * 1000000ull},
		&tail, err);
	if (r == 0)
		fputs(tail, stdout);
	return r;
}

/* run=PROGRAM without a shell. */
static int exec(struct err *err)
{
	const char *const argv[] = {app.run, NULL};

	return spawn_run(
		&(struct spawn){.argv = argv, .package = "some-package", .timeout_usec = 2000000},
		NULL, err);
}

static const struct {
	const char *name;
	int (*run)(struct err *err);
} commands[] = {{"fingerprint", fingerprint}, {"wanted", wanted}, {"current", current},
	{"deploy", deploy}, {"prove", prove}, {"condemn", condemn}, {"pardon", pardon},
	{"bad", bad}, {"before", before}, {"make", make}, {"switch", switch_to}, {"start", start},
	{"stop", stop}, {"status", status}, {"backoff", backoff}, {"run", run}, {"exec", exec}};

int main(int argc, char *argv[])
{
	for (int i = 2; i < argc; i++)
		if (set(argv[i]) < 0) {
			fprintf(stderr, "release-drive: %s?\n", argv[i]);
			return EXIT_USAGE;
		}
	FOREACH_ELEMENT (i, commands) {
		struct err err = {""};
		int r;

		if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
			continue;
		r = commands[i].run(&err);
		if (r < 0)
			fprintf(stderr, "%s: %s\n", strerrorname_np(-r), err.text);
		return r < 0 ? EXIT_FAILED : EXIT_DONE;
	}
	return EXIT_USAGE;
}
