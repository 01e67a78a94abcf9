/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manager_run(): a program as a transient service.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manager-bus.h"

#define ENV_MAX (SPAWN_ENV_MAX)
#define MARGIN  (30 * 1000000ull) /* from a program's own time limit to our patience's end */

/* The first that fails is what counts. */
static void put(int *r, int result)
{
	if (*r >= 0 && result < 0)
		*r = result;
}

static void put_words(int *r, sd_bus_message *m, const char *name, const char *const *words)
{
	put(r, sd_bus_message_open_container(m, 'r', "sv"));
	put(r, sd_bus_message_append(m, "s", name));
	put(r, sd_bus_message_open_container(m, 'v', "as"));
	put(r, sd_bus_message_append_strv(m, (char **)words));
	put(r, sd_bus_message_close_container(m));
	put(r, sd_bus_message_close_container(m));
}

static void put_program(int *r, sd_bus_message *m, const struct spawn *spawn, const char *path)
{
	put(r, sd_bus_message_open_container(m, 'r', "sv"));
	put(r, sd_bus_message_append(m, "s", "ExecStart"));
	put(r, sd_bus_message_open_container(m, 'v', "a(sasb)"));
	put(r, sd_bus_message_open_container(m, 'a', "(sasb)"));
	put(r, sd_bus_message_open_container(m, 'r', "sasb"));
	put(r, sd_bus_message_append(m, "s", path));
	put(r, sd_bus_message_append_strv(m, (char **)spawn->argv));
	put(r, sd_bus_message_append(m, "b", false));
	for (int i = 0; i < 4; i++)
		put(r, sd_bus_message_close_container(m));
}

/* What a program may not that only sees to one directory. */
static void put_confinement(int *r, sd_bus_message *m, const struct spawn *spawn)
{
	static const char *const yes[] = {"NoNewPrivileges", "PrivateDevices", "PrivateTmp",
		"ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs",
		"ProtectKernelModules", "ProtectKernelTunables", "RestrictRealtime",
		"RestrictSUIDSGID", "LockPersonality"};
	const char *const writable[] = {spawn->cwd, spawn->writable, NULL};

	put(r, sd_bus_message_append(m, "(sv)", "CapabilityBoundingSet", "t", (uint64_t)0));
	put(r, sd_bus_message_append(m, "(sv)", "ProtectSystem", "s", "strict"));
	FOREACH_ELEMENT (i, yes)
		put(r, sd_bus_message_append(m, "(sv)", yes[i], "b", true));
	if (strcmp(spawn->cwd, "/") != 0)
		put_words(r, m, "ReadWritePaths", writable);
}

static void put_limits(int *r, sd_bus_message *m, const struct spawn *spawn)
{
	put(r, sd_bus_message_append(
		       m, "(sv)", "TimeoutStartUSec", "t", (uint64_t)spawn->timeout_usec));
	put(r, sd_bus_message_append(
		       m, "(sv)", "TimeoutStopUSec", "t", (uint64_t)SPAWN_GRACE_USEC));
	if (spawn->limit_memory) {
		put(r, sd_bus_message_append(
			       m, "(sv)", "MemoryMax", "t", (uint64_t)spawn->limit_memory));
		put(r, sd_bus_message_append(m, "(sv)", "MemorySwapMax", "t", (uint64_t)0));
	}
	if (spawn->limit_nofile)
		put(r, sd_bus_message_append(m, "(sv)(sv)", "LimitNOFILE", "t",
			       (uint64_t)spawn->limit_nofile, "LimitNOFILESoft", "t",
			       (uint64_t)spawn->limit_nofile));
}

static void put_properties(int *r, sd_bus_message *m, const struct spawn *spawn, int output)
{
	const char *env[ENV_MAX + 2] = {"LANG=C.UTF-8"};
	size_t n = 1;

	if (spawn->proxies)
		n += spawn_proxies(env + n);
	for (const char *const *p = spawn->env; p && *p && n <= ENV_MAX; p++)
		env[n++] = *p;
	put(r, sd_bus_message_append(m, "(sv)", "Type", "s", "oneshot"));
	put(r, sd_bus_message_append(m, "(sv)", "CollectMode", "s", "inactive-or-failed"));
	put(r, sd_bus_message_append(m, "(sv)", "WorkingDirectory", "s", spawn->cwd));
	put(r, sd_bus_message_append(m, "(sv)", "StandardOutputFileDescriptor", "h",
		       spawn->output ? spawn->output : output));
	put(r, sd_bus_message_append(m, "(sv)", "StandardErrorFileDescriptor", "h", output));
	put_words(r, m, "Environment", env);
	if (spawn->user)
		put(r, sd_bus_message_append(m, "(sv)", "User", "s", spawn->user));
	put_limits(r, m, spawn);
	if (!spawn->unconfined)
		put_confinement(r, m, spawn);
}

static int compose(struct manager *manager, const char *unit, const struct spawn *spawn,
	const char *program, int output, sd_bus_message **ret_message)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(
		manager->bus, &m, SERVICE, PATH, MANAGER, "StartTransientUnit");

	if (r < 0)
		return r;
	put(&r, sd_bus_message_append(m, "ss", unit, "replace"));
	put(&r, sd_bus_message_open_container(m, 'a', "(sv)"));
	put_properties(&r, m, spawn, output);
	put_program(&r, m, spawn, program);
	put(&r, sd_bus_message_close_container(m));
	put(&r, sd_bus_message_append(m, "a(sa(sv))", 0));
	if (r < 0)
		m = sd_bus_message_unref(m);
	*ret_message = m;
	return r < 0 ? r : 0;
}

/* Why the service of a program did not succeed; the unit is forgotten then. */
static int explain(struct manager *manager, const char *unit, const struct spawn *spawn,
	struct output *output, struct err *err)
{
	const char *title = spawn->name ? spawn->name : spawn->argv[0];
	char words[OUTPUT_WORDS_MAX], result[32] = "?";
	int32_t status = 0;

	manager_result(manager, unit, result, sizeof result, &status);
	(void)sd_bus_call_method(
		manager->bus, SERVICE, PATH, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
	output_last_words(output, words);
	if (strcmp(result, "timeout") == 0)
		return err_set(err, -ETIMEDOUT, "%s did not end within %llu s%s", title,
			(unsigned long long)(spawn->timeout_usec / 1000000), words);
	if (strcmp(result, "oom-kill") == 0 && spawn->limit_memory)
		return err_set(err, -ENOMEM, "%s needed more than its %llu MiB of memory%s", title,
			(unsigned long long)(spawn->limit_memory >> 20), words);
	if (strcmp(result, "exit-code") == 0)
		return err_set(
			err, -ECHILD, "%s failed with exit status %d%s", title, status, words);
	return err_set(err, -ECHILD, "%s failed (%s)%s", title, result, words);
}

static void cut_end(char *text, const char *end)
{
	size_t length = strlen(text), cut = strlen(end);

	if (length > cut && strcmp(text + length - cut, end) == 0)
		text[length - cut] = '\0';
}

static int run(struct manager *manager, const char *unit, const struct spawn *spawn,
	struct output *output, int output_in, struct err *err)
{
	const char *title = spawn->name ? spawn->name : spawn->argv[0];
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *message = NULL, *reply = NULL;
	char program[PATH_MAX] = "";
	int r = spawn_find(spawn->argv[0], program, sizeof program);

	/* Ourselves: systemd's is another. An upgrade may have put another in our place. */
	if (r == 0 && strcmp(program, "/proc/self/exe") == 0 &&
		readlink("/proc/self/exe", memset(program, 0, sizeof program), sizeof program - 1) <
			0)
		r = -errno;
	if (r == 0)
		cut_end(program, " (deleted)");
	if (r < 0)
		return err_set(err, r, "%s is not installed%s%s", spawn->argv[0],
			spawn->package ? "; it comes with the package " : "",
			spawn->package ? spawn->package : "");
	r = compose(manager, unit, spawn, program, output_in, &message);
	if (r >= 0)
		r = sd_bus_call(manager->bus, message, MANAGER_CALL_TIMEOUT, &error, &reply);
	if (r < 0)
		(void)manager_refused(r, &error, title, err);
	else
		r = manager_wait(manager, reply, title, spawn->timeout_usec + MARGIN, output, err);
	output_end(output);
	if (r >= 0 && strcmp(manager->result, "done") != 0)
		r = explain(manager, unit, spawn, output, err);
	(void)sd_bus_message_unref(message);
	(void)sd_bus_message_unref(reply);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

/* A stop would load the unit first, and systemd complain that it is not there. */
int manager_settle(struct manager *manager, const char *name, struct err *err)
{
	char unit[256];

	snprintf(unit, sizeof unit, "%.200s.service", name);
	if (sd_bus_call_method(
		    manager->bus, SERVICE, PATH, MANAGER, "GetUnit", NULL, NULL, "s", unit) < 0)
		return 0;
	return manager_job(manager, MANAGER_STOP, unit, err);
}

int manager_run(struct manager *manager, const char *name, const struct spawn *spawn,
	char **ret_tail, struct err *err)
{
	_cleanup_free_ struct output *output = calloc(1, sizeof *output);
	_cleanup_close_ int output_in = -1, output_out = -1;
	char unit[256];
	int ends[2], r;

	if (!output || pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, output ? -errno : -ENOMEM, "%m");
	output_out = ends[0];
	output_in = ends[1];
	(void)fcntl(output_out, F_SETFL, O_NONBLOCK);
	*output = (struct output){.label = spawn->label,
		.fd = output_out,
		.told = spawn->line,
		.userdata = spawn->userdata};
	snprintf(unit, sizeof unit, "%.200s.service", name);
	r = manager_settle(manager, name, err);
	if (r == 0)
		r = run(manager, unit, spawn, output, output_in, err);
	if (r == 0 && ret_tail && !(*ret_tail = strdup(output->tail)))
		r = err_set(err, -ENOMEM, "%m");
	return r;
}
