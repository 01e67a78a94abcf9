/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "file.h"
#include "secret.h"
#include "spawn.h"
#include "tree.h"

#define CHUNK      16384
#define RUN_MAX    4096
#define LOCK_TRIES 10
#define MARKED_FD  (STDERR_FILENO + 1) /* where the report pipe is put */

struct supervise {
	const struct config_app *app;
	const char *id, *state;
	char digest[DIGEST_HEX_SIZE], directory[SUPERVISE_PATH_MAX];
	int lock, log, signals, output_in, output_out;
	off_t logged;      /* bytes in the log */
	pid_t pid;         /* of the app; 0: not running */
	uint64_t started;  /* clock_monotonic() */
	uint64_t deadline; /* of the next start, or the next signal; 0: none */
	uint64_t pause;    /* back-off */
	unsigned restarts;
	size_t signals_sent; /* of stop_signals; more than 0: it is ending */
	bool done;
};

static const int stop_signals[] = {SIGTERM, SIGKILL};

void supervise_path(const struct config_app *app, const char *state, const char *suffix,
	char ret_path[static SUPERVISE_PATH_MAX])
{
	snprintf(ret_path, SUPERVISE_PATH_MAX, "%.*s/app-%.80s%s", PATH_MAX, state, app->name,
		suffix);
}

/* -- the log -- */

static void log_open_file(struct supervise *s)
{
	char path[SUPERVISE_PATH_MAX];
	struct stat st;

	supervise_path(s->app, s->state, ".log", path);
	s->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	s->logged = s->log >= 0 && fstat(s->log, &st) == 0 ? st.st_size : 0;
}

/* What cannot be written is lost: the app must go on. */
static void log_add(struct supervise *s, const char *data, size_t length)
{
	if (s->logged + (off_t)length > SUPERVISOR_LOG_MAX) {
		char path[SUPERVISE_PATH_MAX], old[SUPERVISE_PATH_MAX];

		supervise_path(s->app, s->state, ".log", path);
		supervise_path(s->app, s->state, ".log.1", old);
		(void)rename(path, old);
		cleanup_close(&s->log);
		log_open_file(s);
	}
	if (s->log >= 0 && write(s->log, data, length) > 0)
		s->logged += (off_t)length;
}

static void note(struct supervise *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct supervise *s, const char *format, ...)
{
	char line[ERR_TEXT_MAX + 64];
	size_t n;
	va_list ap;

	n = (size_t)snprintf(line, sizeof line, "instancectl: ");
	va_start(ap, format);
	(void)vsnprintf(line + n, sizeof line - n - 1, format, ap);
	va_end(ap);
	n = strlen(line);
	line[n] = '\n';
	log_add(s, line, n + 1);
}

/* One piece, so that a signal never waits behind an app that writes without end. */
static bool log_output(struct supervise *s)
{
	char data[CHUNK];
	ssize_t n = read(s->output_out, data, sizeof data);

	if (n > 0)
		log_add(s, data, (size_t)n);
	return n > 0;
}

/* -- the record -- */

static void record(const struct supervise *s)
{
	char path[SUPERVISE_PATH_MAX], since[sizeof "2026-01-01T00:00:00Z"];
	time_t now = time(NULL);
	struct tm tm;
	json_t *json;
	char *text;

	(void)strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json = json_pack("{s:I, s:I, s:s, s:s, s:I, s:s}", "pid", (json_int_t)getpid(), "appPid",
		(json_int_t)s->pid, "release", s->id, "digest", s->digest, "restarts",
		(json_int_t)s->restarts, "startedAt", since);
	text = json_dumps(json, JSON_COMPACT);
	supervise_path(s->app, s->state, ".json", path);
	if (text)
		(void)file_write(path, text, strlen(text), 0644);
	free(text);
	json_decref(json);
}

/* -- the app -- */

/* env., env_file and where the credentials are; the caller frees. */
static int make_environment(struct supervise *s, struct config_list *list, struct err *err)
{
	char directory[SUPERVISE_PATH_MAX], *variable;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = 0;

	r = secret_environment(s->app, list, err); /* the first of a name counts: over env. */
	for (size_t i = 0; r == 0 && i < s->app->env.n; i++) {
		if (list->n == CONFIG_LIST_MAX)
			return err_set(err, -E2BIG, "more than %d variables", CONFIG_LIST_MAX);
		list->items[list->n] = strdup(s->app->env.items[i]);
		if (!list->items[list->n++])
			return err_set(err, -ENOMEM, "%m");
	}
	if (r < 0 || s->app->credentials.n == 0)
		return r;
	if (s->app->user)
		r = spawn_owner(s->app->user, &uid, &gid, err);
	supervise_path(s->app, s->state, ".credentials", directory);
	if (r == 0)
		r = secret_lay_out(s->app, directory, uid, gid, err);
	if (r == 0 && list->n == CONFIG_LIST_MAX)
		r = err_set(err, -E2BIG, "more than %d variables", CONFIG_LIST_MAX);
	if (r == 0 && asprintf(&variable, "CREDENTIALS_DIRECTORY=%s", directory) < 0)
		r = err_set(err, -ENOMEM, "%m");
	if (r == 0)
		list->items[list->n++] = variable;
	return r;
}

static void clear_environment(struct config_list *list)
{
	while (list->n > 0) {
		char *item = list->items[--list->n];

		explicit_bzero(item, strlen(item));
		free(item);
	}
}

static int start(struct supervise *s, struct err *err)
{
	char line[RUN_MAX];
	const char *const argv[] = {"/bin/sh", "-c", line, NULL};
	const char *env[CONFIG_LIST_MAX + 1] = {0};
	struct config_list list = {0};
	int r;

	if (snprintf(line, sizeof line, "exec %s", s->app->run) >= (int)sizeof line)
		return err_set(err, -E2BIG, "app %s: run is too long", s->app->name);
	s->started = clock_monotonic();
	s->deadline = 0;
	r = make_environment(s, &list, err);
	for (size_t i = 0; i < list.n; i++)
		env[i] = list.items[i];
	if (r == 0)
		r = spawn_start(&(struct spawn){.argv = argv,
					.env = env,
					.cwd = s->directory,
					.user = s->app->user,
					.name = s->app->name,
					.limit_nofile = s->app->limit_nofile},
			s->output_in, &s->pid, err);
	clear_environment(&list);
	if (r < 0)
		s->pid = 0;
	return r;
}

static void plan_restart(struct supervise *s, const char *why)
{
	s->pause = supervisor_backoff(s->pause, clock_monotonic() - s->started);
	s->deadline = clock_monotonic() + s->pause;
	note(s, "%s; again in %.1f s", why, (double)s->pause / 1e6);
	record(s);
}

static void on_end(struct supervise *s)
{
	char ending[32], why[64];
	int status = 0;

	if (!s->pid || !spawn_has_ended(s->pid))
		return;
	(void)kill(-s->pid, SIGKILL);
	(void)waitpid(s->pid, &status, 0);
	s->pid = 0;
	spawn_sweep(); /* it may hold the port that the next one needs */
	while (log_output(s))
		;
	snprintf(why, sizeof why, "ended with %s", spawn_ending(status, ending, sizeof ending));
	if (s->signals_sent == 0) {
		plan_restart(s, why);
		return;
	}
	note(s, "%s, as it was told", why);
	s->done = true;
}

static void on_deadline(struct supervise *s)
{
	struct err err;

	if (s->signals_sent == 0) {
		s->restarts++;
		if (start(s, &err) < 0)
			plan_restart(s, err.text);
		else
			record(s);
		return;
	}
	if (s->signals_sent == sizeof stop_signals / sizeof stop_signals[0]) {
		note(s, "cannot be killed");
		s->done = true;
		return;
	}
	(void)kill(-s->pid, stop_signals[s->signals_sent++]);
	s->deadline = clock_monotonic() + SPAWN_GRACE_USEC;
}

static void on_signal(struct supervise *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGCHLD || s->signals_sent > 0) {
		on_end(s);
	} else if (s->pid) {
		(void)kill(-s->pid, stop_signals[s->signals_sent++]);
		s->deadline = clock_monotonic() + SPAWN_GRACE_USEC;
	} else {
		s->done = true;
	}
}

/* -- the process -- */

/* The lock of a file that is still the one under this name: a supervisor that ends removes it. */
static int take_lock(struct supervise *s)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[SUPERVISE_PATH_MAX];
	int r = 0;

	supervise_path(s->app, s->state, ".lock", path);
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct stat ours, named;

		s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (s->lock < 0)
			return -errno;
		if (fcntl(s->lock, F_SETLK, &lock) < 0)
			r = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
		else if (fchmod(s->lock, 0644) == 0 && fstat(s->lock, &ours) == 0 &&
			 stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
			 ours.st_dev == named.st_dev)
			return 0;
		(void)close(steal_fd(&s->lock));
		if (r < 0)
			return r;
	}
	return -EBUSY;
}

static int prepare(struct supervise *s)
{
	int ends[2], r;
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)signal(SIGCHLD, SIG_DFL); /* not SIG_IGN, which would reap */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = take_lock(s);
	if (r == 0)
		r = supervisor_digest(s->app, s->digest);
	if (r < 0)
		return r;
	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	s->signals = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->signals < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	s->output_out = ends[0];
	s->output_in = ends[1];
	(void)fcntl(s->output_out, F_SETFL, O_NONBLOCK);
	snprintf(s->directory, sizeof s->directory, "%.*s/releases/%.80s", PATH_MAX, s->app->path,
		s->id);
	log_open_file(s);
	return 0;
}

static void turn(struct supervise *s)
{
	struct pollfd fds[] = {
		{.fd = s->signals, .events = POLLIN}, {.fd = s->output_out, .events = POLLIN}};
	uint64_t now = clock_monotonic();
	int timeout = -1;

	if (s->deadline)
		timeout = s->deadline > now ? (int)((s->deadline - now + 999) / 1000) : 0;
	if (poll(fds, 2, timeout) < 0)
		return;
	if (fds[0].revents)
		on_signal(s);
	if (fds[1].revents)
		(void)log_output(s);
	if (!s->done && s->deadline && clock_monotonic() >= s->deadline)
		on_deadline(s);
}

/* Nothing of who started it: no files, no directory, no terminal. */
static void detach(const struct config_app *app, int report)
{
	char name[16];
	int null = open("/dev/null", O_RDWR);

	(void)dup2(report, MARKED_FD);
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)close_range(MARKED_FD + 1, ~0u, 0);
	(void)fcntl(MARKED_FD, F_SETFD, FD_CLOEXEC);
	(void)!chdir("/");
	(void)umask(022);
	snprintf(name, sizeof name, "app-%.11s", app->name);
	(void)prctl(PR_SET_NAME, name);
}

_Noreturn void supervise(
	const struct config_app *app, const char *id, const char *state, int report)
{
	struct supervise s = {.app = app, .id = id, .state = state};
	struct supervise_report result = {0};
	char path[SUPERVISE_PATH_MAX];

	s.state = realpath(state, NULL); /* while we are still where it may be relative to */
	detach(app, report);
	result.code = s.state ? prepare(&s) : -ENOENT;
	if (result.code < 0)
		err_set(&result.err, result.code, "supervisor of app %s: %m", app->name);
	else
		result.code = start(&s, &result.err);
	if (result.code == 0) {
		note(&s, "release %s started", id);
		record(&s);
	}
	(void)!write(MARKED_FD, &result, sizeof result);
	(void)close(MARKED_FD);
	while (result.code == 0 && !s.done)
		turn(&s);
	if (s.lock < 0)
		_exit(0);
	supervise_path(app, s.state, ".credentials", path);
	(void)tree_remove(path, NULL);
	/* In this order: who sees no lock must see no record. */
	supervise_path(app, s.state, ".json", path);
	(void)unlink(path);
	supervise_path(app, s.state, ".lock", path);
	(void)unlink(path);
	_exit(0);
}
