/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "file.h"
#include "json-text.h"
#include "secret.h"
#include "spawn.h"
#include "supervise.h"

#define RECORD_MAX 4096
#define SETTLE_TIMEOUT                                                                             \
	(5 * 1000000ull) /* until a supervisor that was just started says who it is */
#define SETTLE_PAUSE 20000

uint64_t supervisor_backoff(uint64_t previous_usec, uint64_t lived_usec)
{
	if (previous_usec == 0 || lived_usec >= SUPERVISOR_STEADY)
		return SUPERVISOR_BACKOFF_MIN;
	return previous_usec < SUPERVISOR_BACKOFF_MAX / 2 ? previous_usec * 2
							  : SUPERVISOR_BACKOFF_MAX;
}

int supervisor_digest(const struct config_app *app, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	char limit[24], stamp[DIGEST_HEX_SIZE];
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	snprintf(limit, sizeof limit, "%llu", (unsigned long long)app->limit_nofile);
	digest_add_text(digest, app->path);
	digest_add_text(digest, app->run);
	digest_add_text(digest, app->user);
	digest_add_text(digest, limit);
	for (size_t i = 0; i < app->env.n; i++)
		digest_add_text(digest, app->env.items[i]);
	secret_stamp(app, stamp);
	digest_add_text(digest, stamp);
	return digest_end(digest, ret_hex);
}

/* -- reading -- */

/* 1 and the holder's number (0: not in our namespace), or 0: nobody holds it. */
static int ask_lock(const struct config_app *app, const char *state, pid_t *ret_pid)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = -1;
	char path[SUPERVISE_PATH_MAX];

	supervise_path(app, state, ".lock", path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		return -errno;
	if (lock.l_type == F_UNLCK)
		return 0;
	*ret_pid = lock.l_pid;
	return 1;
}

/* Only what the holder of the lock has written counts; a killed one may have left a record. */
static void read_record(const char *path, struct supervisor_status *status)
{
	_cleanup_free_ char *text = NULL;
	const char *release, *digest;
	json_int_t pid, app_pid, restarts;
	size_t length;
	json_t *json;

	if (file_read(path, RECORD_MAX, &text, &length) < 0)
		return;
	json = json_from_text(text, length, NULL);
	if (json_unpack(json, "{s:I, s:I, s:s, s:s, s:I}", "pid", &pid, "appPid", &app_pid,
		    "release", &release, "digest", &digest, "restarts", &restarts) == 0 &&
		(status->pid == 0 || status->pid == (pid_t)pid)) {
		status->app_pid = (pid_t)app_pid;
		status->restarts = (unsigned)restarts;
		snprintf(status->release, sizeof status->release, "%s", release);
		snprintf(status->digest, sizeof status->digest, "%s", digest);
	}
	json_decref(json);
}

int supervisor_read(
	const struct config_app *app, const char *state, struct supervisor_status *ret_status)
{
	struct supervisor_status status = {0};
	char path[SUPERVISE_PATH_MAX], digest[DIGEST_HEX_SIZE];
	int r = ask_lock(app, state, &status.pid);

	if (r > 0) {
		status.running = true;
		supervise_path(app, state, ".json", path);
		read_record(path, &status);
		r = supervisor_digest(app, digest);
		status.as_configured = r == 0 && strcmp(digest, status.digest) == 0;
	}
	if (r < 0)
		return r;
	*ret_status = status;
	return 0;
}

/* -- starting -- */

/* By a child of a child, which nobody waits for. */
static int start(const struct config_app *app, const char *id, const char *state,
	struct supervise_report *ret_report)
{
	_cleanup_close_ int report = -1;
	pid_t child;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	report = ends[0];
	child = fork();
	if (child == 0) {
		(void)setsid();
		if (fork() == 0)
			supervise(app, id, state, ends[1]);
		_exit(0);
	}
	r = child < 0 ? -errno : 0;
	(void)close(ends[1]);
	if (r < 0)
		return r;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return spawn_take_report(report, ret_report, sizeof *ret_report) ? 0 : -EIO;
}

/* Whether what runs already is what is wanted. Waits for one that is just being started. */
static int compare(const struct config_app *app, const char *id, const char *state,
	bool *ret_running, struct err *err)
{
	uint64_t deadline = clock_monotonic() + SETTLE_TIMEOUT;
	struct supervisor_status status;
	int r;

	for (;;) {
		r = supervisor_read(app, state, &status);
		if (r < 0)
			return err_set(err, r, "supervisor of app %s: %m", app->name);
		if (!status.running || status.release[0] || clock_monotonic() > deadline)
			break;
		(void)usleep(SETTLE_PAUSE);
	}
	*ret_running = status.running;
	if (status.running && (!status.as_configured || strcmp(status.release, id) != 0))
		return err_set(err, -EEXIST, "app %s is running %s with %s configuration",
			app->name, status.release[0] ? status.release : "something",
			status.as_configured ? "this" : "another");
	return 0;
}

int supervisor_start(
	const struct config_app *app, const char *id, const char *state, struct err *err)
{
	struct supervise_report report;
	bool running;
	int r = compare(app, id, state, &running, err);

	if (r < 0 || running)
		return r;
	r = file_make_directories(state);
	if (r < 0)
		return err_set(err, r, "%s: %m", state);
	r = start(app, id, state, &report);
	if (r < 0)
		return err_set(
			err, r, "app %s: its supervisor could not be started: %m", app->name);
	if (report.code != -EBUSY)
		return report.code < 0 ? err_set(err, report.code, "%s", report.err.text) : 0;
	/* Somebody else was faster. */
	r = compare(app, id, state, &running, err);
	return r < 0 || running ? r : err_set(err, -EBUSY, "%s", report.err.text);
}

/* -- stopping -- */

/* By pidfd, and asked again after it is open: then it is the holder of the lock and nobody else. */
static int open_holder(const struct config_app *app, const char *state, int *ret_pidfd)
{
	_cleanup_close_ int fd = -1;
	pid_t pid, again;
	int r = ask_lock(app, state, &pid);

	if (r <= 0)
		return r;
	if (pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	r = ask_lock(app, state, &again);
	if (r <= 0)
		return r;
	if (again != pid)
		return -EAGAIN;
	*ret_pidfd = steal_fd(&fd);
	return 1;
}

int supervisor_stop(
	const struct config_app *app, const char *state, uint64_t timeout_usec, struct err *err)
{
	uint64_t deadline = clock_monotonic() + timeout_usec;
	_cleanup_close_ int pidfd = -1;
	struct pollfd poll_for;
	int r = open_holder(app, state, &pidfd);

	if (r == 0)
		return 0;
	if (r < 0)
		return err_set(err, r, "app %s cannot be stopped: %m", app->name);
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return err_set(err, -errno, "app %s cannot be stopped: %m", app->name);
	poll_for = (struct pollfd){.fd = pidfd, .events = POLLIN};
	do {
		uint64_t now = clock_monotonic(), left = deadline > now ? deadline - now : 0;

		r = poll(&poll_for, 1, (int)(left / 1000));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_set(err, -errno, "app %s cannot be stopped: %m", app->name);
	return r > 0 ? 0
		     : err_set(err, -ETIMEDOUT, "app %s did not stop within %llu s", app->name,
			       (unsigned long long)(timeout_usec / 1000000));
}
