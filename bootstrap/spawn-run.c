/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn_run(): the keeper that holds a program's time limit, and the caller that reads its output.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "output.h"
#include "spawn.h"

#define USEC_PER_SEC 1000000ull

/* What the keeper tells its caller; less than PIPE_BUF, so it arrives whole. */
struct verdict {
	int code;   /* of spawn_start() */
	int status; /* of waitpid() */
	bool timed_out, immortal;
	struct err err; /* set with code */
};

/* -- the keeper -- */

/* The next of `signals` or 0 at the deadline. */
static int await(const sigset_t *signals, uint64_t deadline)
{
	uint64_t now = clock_monotonic(), left = deadline > now ? deadline - now : 0;
	struct timespec ts = {(time_t)(left / USEC_PER_SEC), (long)(left % USEC_PER_SEC * 1000)};
	int r = sigtimedwait(signals, NULL, &ts);

	return r > 0 ? r : 0;
}

/* Until the program has ended; TERM and KILL when its time is over or the caller is gone. */
static void attend(pid_t pid, uint64_t timeout, const sigset_t *signals, struct verdict *verdict)
{
	static const int steps[] = {SIGTERM, SIGKILL};
	uint64_t deadline = clock_monotonic() + timeout;
	size_t taken = 0;

	while (!spawn_has_ended(pid)) {
		int sig = await(signals, deadline);

		if (sig == SIGCHLD || (sig == SIGTERM && taken > 0) ||
			(sig == 0 && clock_monotonic() < deadline))
			continue;
		if (taken == sizeof steps / sizeof steps[0]) {
			verdict->immortal = true;
			return;
		}
		verdict->timed_out |= sig == 0;
		(void)kill(-pid, steps[taken++]);
		deadline = clock_monotonic() + SPAWN_GRACE_USEC;
	}
	(void)kill(-pid, SIGKILL);
	(void)waitpid(pid, &verdict->status, 0);
}

static _Noreturn void keep(const struct spawn *spawn, pid_t caller, int output, int report)
{
	struct verdict verdict = {0};
	sigset_t all, signals;
	pid_t pid;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != caller)
		_exit(1);
	verdict.code = spawn_start(spawn, output, &pid, &verdict.err);
	if (verdict.code == 0) {
		attend(pid, spawn->timeout_usec, &signals, &verdict);
		if (spawn->alone)
			spawn_sweep();
	}
	(void)!write(report, &verdict, sizeof verdict);
	_exit(0);
}

/* -- the caller -- */

static int judge(const struct spawn *spawn, const struct verdict *verdict, struct output *output,
	char **ret_tail, struct err *err)
{
	const char *name = spawn->name ? spawn->name : spawn->argv[0];
	unsigned long long seconds = spawn->timeout_usec / USEC_PER_SEC;
	char words[OUTPUT_WORDS_MAX], ending[32];

	if (verdict->code < 0)
		return err_set(err, verdict->code, "%s", verdict->err.text);
	if (verdict->immortal)
		return err_set(err, -ETIMEDOUT, "%s cannot be killed", name);
	if (verdict->status == 0 && !verdict->timed_out) {
		if (ret_tail)
			*ret_tail = strdup(output->tail);
		return ret_tail && !*ret_tail ? err_set(err, -ENOMEM, "%s: %m", name) : 0;
	}
	output_last_words(output, words);
	if (verdict->timed_out)
		return err_set(
			err, -ETIMEDOUT, "%s did not end within %llu s%s", name, seconds, words);
	return err_set(err, -ECHILD, "%s failed with %s%s", name,
		spawn_ending(verdict->status, ending, sizeof ending), words);
}

/* Reads output until the verdict is there, then what is left of it. A daemon that holds our pipe
 * open is not waited for. */
static int follow(struct output *output, int report, struct verdict *ret_verdict)
{
	struct pollfd fds[] = {
		{.fd = output->fd, .events = POLLIN}, {.fd = report, .events = POLLIN}};

	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[0].revents && !output_read(output))
			fds[0].fd = -1;
	}
	output_end(output);
	return spawn_take_report(report, ret_verdict, sizeof *ret_verdict) ? 0 : -EIO;
}

int spawn_run(const struct spawn *spawn, char **ret_tail, struct err *err)
{
	_cleanup_free_ struct output *output = calloc(1, sizeof *output);
	_cleanup_close_ int output_in = -1, output_out = -1, report_in = -1, report_out = -1;
	const char *name = spawn->name ? spawn->name : spawn->argv[0];
	struct verdict verdict;
	pid_t keeper, caller = getpid();
	int ends[2], r;

	if (!output || spawn->timeout_usec == 0)
		return err_set(err, output ? -EINVAL : -ENOMEM, "%s: %m", name);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: pipe: %m", name);
	*output = (struct output){.label = spawn->label,
		.fd = output_out = ends[0],
		.told = spawn->line,
		.userdata = spawn->userdata};
	output_in = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: pipe: %m", name);
	report_out = ends[0];
	report_in = ends[1];
	/* The reading end only: the two ends of a pipe are open files of their own. */
	(void)fcntl(output_out, F_SETFL, O_NONBLOCK);

	keeper = fork();
	if (keeper == 0) {
		(void)close(output_out);
		(void)close(report_out);
		keep(spawn, caller, output_in, report_in);
	}
	if (keeper < 0)
		return err_set(err, -errno, "%s: fork: %m", name);
	(void)close(steal_fd(&output_in));
	(void)close(steal_fd(&report_in));
	r = follow(output, report_out, &verdict);
	while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? err_set(err, r, "%s: its keeper was killed", name)
		     : judge(spawn, &verdict, output, ret_tail, err);
}
