/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order a release is made, switched to, judged and left again, and what happens when any
 * of these fails. What does them is a double that writes down its name.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "../bootstrap/gate.h"
#include "../bootstrap/host.h"
#include "../bootstrap/link.h"
#include "../bootstrap/op.h"
#include "../bootstrap/release.h"
#include "../bootstrap/secret.h"
#include "drain.h"
#include "scratch.h"
#include "tap.h"

#define NEW "aaaaaaaaaaaa-11111111"
#define OLD "bbbbbbbbbbbb-22222222"

static char done[512];    /* names, in order */
static const char *fails; /* one of them, … */
static int error;         /* … with this */
static const char *then;  /* and after that this one, with EIO */
static bool proven, progressed;
static const char *drains;            /* one of them, during which a drain … */
static enum drain_phase drains_until; /* … gets so far */

static int step(const char *name, struct err *err)
{
	size_t length = strlen(done);

	snprintf(done + length, sizeof done - length, "%s%s", length ? " " : "", name);
	if (drains && strcmp(drains, name) == 0) {
		struct drain drain = {.phase = drains_until, .key = "person", .reason = "told"};

		is_int(drain_write(scratch_directory, &drain, NULL), 0, "a drain begins");
	}
	if (fails && strcmp(fails, name) == 0)
		return err_set(err, error, "%s failed", name);
	return then && strcmp(then, name) == 0 ? err_set(err, -EIO, "%s failed", name) : 0;
}

int spawn_owner(const char *owner, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	(void)owner;
	*ret_uid = 0, *ret_gid = 0;
	return step("owner", err);
}

int secret_check(const struct config_app *app, struct err *err)
{
	(void)app;
	return step("secret", err);
}

int link_put(const struct config_app *app, char ret_kept[static PATH_MAX], struct err *err)
{
	(void)app;
	ret_kept[0] = '\0';
	return step("link", err);
}

int release_wanted(const struct config_app *app, const struct reach *reach,
	char ret_id[static RELEASE_ID_MAX], struct err *err)
{
	(void)app, (void)reach;
	strcpy(ret_id, NEW);
	return step("wanted", err);
}

int release_make(const struct config_app *app, const struct reach *reach, const char *id,
	char *const *files, struct err *err)
{
	(void)app, (void)reach, (void)id, (void)files;
	return step("make", err);
}

int release_write_files(
	const struct config_app *app, const char *id, char *const *files, struct err *err)
{
	(void)app, (void)id, (void)files;
	return step("files", err);
}

int release_doubt(const struct config_app *app, const char *id, struct err *err)
{
	(void)app, (void)id;
	return step("doubt", err);
}

int release_switch(const struct config_app *app, const char *id, struct err *err)
{
	(void)app;
	return step(strcmp(id, NEW) == 0 ? "switch" : "switch-back", err);
}

int release_current(
	const struct config_app *app, char ret_id[static RELEASE_ID_MAX], struct err *err)
{
	(void)app;
	strcpy(ret_id, NEW);
	return step("current", err);
}

void release_own(const struct config_app *app, const char *id, struct release_own *ret_own)
{
	(void)id;
	*ret_own = (struct release_own){.app = *app};
}

void release_own_clear(struct release_own *own)
{
	(void)own;
}

bool release_is_proven(const struct config_app *app, const char *id)
{
	(void)app, (void)id;
	return proven;
}

int release_prove(const struct config_app *app, const char *id, struct err *err)
{
	(void)app, (void)id;
	return step("prove", err);
}

int release_prune(const struct config_app *app, struct err *err)
{
	(void)app;
	return step("prune", err);
}

int release_condemn(const struct config_app *app, const char *id, const char *why, struct err *err)
{
	(void)app, (void)why;
	is_str(id, NEW, "the new one is condemned");
	return step("condemn", err);
}

int release_before(const struct config_app *app, const char *id, char ret_id[static RELEASE_ID_MAX],
	struct err *err)
{
	(void)app, (void)id;
	strcpy(ret_id, OLD);
	return step("before", err);
}

int gate_pass(const struct host_app *app, struct err *err)
{
	(void)app;
	return step("gate", err);
}

static int app_start(const struct host_app *app, const char *id, struct err *err)
{
	(void)app;
	return step(strcmp(id, NEW) == 0 ? "start" : "start-back", err);
}

static int app_stop(const struct host_app *app, struct err *err)
{
	(void)app;
	return step("stop", err);
}

const struct host *host(void)
{
	static const struct host doubles = {.app_start = app_start, .app_stop = app_stop};

	return &doubles;
}

static void on_progress(const char *what, void *userdata)
{
	(void)what, (void)userdata;
	progressed = true;
}

/* -- */

static struct config *config;
static struct plan_step step_of = {.subject = PLAN_APP};
static struct op op;
static struct err err;

/* Does it with that failing (NULL: nothing); returns what was done. */
static const char *did(int (*what)(struct op *op, struct err *err), const char *failing, int with)
{
	fails = failing;
	error = with;
	done[0] = op.note[0] = err.text[0] = '\0';
	is_int(what(&op, &err), failing ? with : 0, failing ? failing : "all is well");
	return done;
}

static void test_release(void)
{
	static const char whole[] = "owner secret wanted make files doubt switch";
	static const char *const steps[] = {
		"owner", "secret", "wanted", "make", "files", "doubt", "switch"};

	is_str(did(op_release, NULL, 0), whole, "a release is whole before it is switched to");
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		const char *end = strstr(whole, steps[i]) + strlen(steps[i]);

		ok(strncmp(did(op_release, steps[i], -EIO), whole, (size_t)(end - whole)) == 0 &&
				strlen(done) == (size_t)(end - whole),
			"and nothing is done after what failed");
	}
}

static void test_prove(void)
{
	proven = false;
	is_str(did(op_prove, NULL, 0), "current gate prove prune", "one that is well is proven");
	ok(progressed, "and what is waited for is said");
	is_str(did(op_prove, "current", -ENOENT), "current", "without a release nothing is");
	is_str(did(op_prove, "gate", -EIO), "current gate", "what cannot be asked is not judged");
	is_str(did(op_prove, "prove", -ENOSPC), "current gate prove", "nor what cannot be noted");
	fails = "prune";
	error = -EIO;
	done[0] = '\0';
	ok(op_prove(&op, &err) == 0 && strstr(op.note, "an old release stays: prune failed"),
		"an old release that cannot go is told");
	op.reach.progress = NULL;
	config->apps[0].health = (char *)"http://127.0.0.1/";
	(void)did(op_prove, NULL, 0);
	op.reach.progress = on_progress;
	is_str(did(op_prove, NULL, 0), "current gate prove prune", "by its answers, too");
	config->apps[0].health = NULL;
}

static void test_back(void)
{
	is_str(did(op_prove, "gate", -ETIMEDOUT),
		"current gate condemn before switch-back secret stop start-back prune",
		"one that does not get well is left for the one before");
	is_str(err.text, "gate failed; went back from release " NEW " to " OLD, "which is said");
	is_str(did(op_prove, "gate", -ECHILD),
		"current gate condemn before switch-back secret stop start-back prune",
		"one that ends as well");
	config->apps[0].run = NULL;
	is_str(did(op_prove, "gate", -ECHILD), "current gate condemn before switch-back prune",
		"files for others are switched alone");
	config->apps[0].run = (char *)"./serve";
	then = "condemn";
	is_str(did(op_prove, "gate", -ETIMEDOUT),
		"current gate condemn before switch-back secret stop start-back prune",
		"also if that cannot be noted");
	ok(strstr(err.text, "; which could not be noted: condemn failed"), "which is said");
	then = "before";
	is_str(did(op_prove, "gate", -ETIMEDOUT), "current gate condemn before",
		"where there is none before it stays");
	ok(strstr(err.text, "; there is no earlier release to go back to"), "which is said");
	then = "switch-back";
	is_str(did(op_prove, "gate", -ETIMEDOUT), "current gate condemn before switch-back",
		"one that cannot be switched to is not started");
	ok(strstr(err.text, "; and going back failed: switch-back failed"), "which is said");
	then = "start-back";
	is_str(did(op_prove, "gate", -ETIMEDOUT),
		"current gate condemn before switch-back secret stop start-back",
		"nor is one that does not start a success");
	then = NULL;
}

static void test_run(void)
{
	step_of.sign = PLAN_CREATE;
	is_str(did(op_run, NULL, 0), "current secret start", "the first is started");
	step_of.sign = PLAN_CHANGE;
	is_str(did(op_run, NULL, 0), "current secret stop start", "for another one is stopped");
	is_str(did(op_run, "current", -ENOENT), "current", "without a release nothing is");
	proven = true;
	is_str(did(op_run, "start", -EIO), "current secret stop start",
		"one that was well before is not left");
	proven = false;
	is_str(did(op_run, "start", -ECHILD),
		"current secret stop start condemn before switch-back secret stop start-back prune",
		"a new one that does not start is");
	is_str(did(op_run, "start", -ENOSPC),
		"current secret stop start before switch-back secret stop start-back prune",
		"but tried again where the machine is at fault");
}

/* Does it while somebody drains; returns what was done. */
static const char *did_drained(int (*what)(struct op *op, struct err *err), const char *during,
	enum drain_phase until, const char *failing)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof path, "%s/" DRAIN_FILE, scratch_directory);
	drains = during;
	drains_until = until;
	fails = failing;
	error = -ETIMEDOUT;
	done[0] = op.note[0] = err.text[0] = '\0';
	is_int(what(&op, &err), 0, "a drain is no failure");
	drains = NULL;
	(void)remove(path);
	return done;
}

static void test_drained(void)
{
	step_of.sign = PLAN_CHANGE;
	is_str(did_drained(op_run, "current", DRAIN_DRAINING, NULL), "current",
		"an instance that is drained starts nothing");
	is_str(op.note, "not now, the instance is drained: told", "which is said");
	is_str(did_drained(op_run, "start", DRAIN_STOPPING, NULL), "current secret stop start stop",
		"what started while apps were being stopped is stopped");
	is_str(did_drained(op_run, "start", DRAIN_DRAINING, NULL), "current secret stop start",
		"before that who drains sees it");
	is_str(did_drained(op_prove, "current", DRAIN_STOPPING, NULL), "current",
		"what does not run any more is not waited for");
	is_str(did_drained(op_prove, "current", DRAIN_DRAINING, NULL), "current gate prove prune",
		"what runs yet is");
	is_str(did_drained(op_prove, "gate", DRAIN_DRAINED, "gate"), "current gate",
		"one that was stopped before it was well is not condemned");
	is_str(did(op_prove, "gate", -ETIMEDOUT),
		"current gate condemn before switch-back secret stop start-back prune",
		"without a drain it is");
}

int main(void)
{
	scratch_make();
	config = calloc(1, sizeof *config);
	if (!config)
		return 99;
	config->n_apps = 1;
	config->apps[0] = (struct config_app){.name = (char *)"web", .run = (char *)"./serve"};
	op = (struct op){.config = config,
		.state = scratch_directory,
		.step = &step_of,
		.reach = {.progress = on_progress}};
	test_release();
	test_prove();
	test_back();
	test_run();
	test_drained();
	free(config);
	return done_testing();
}
