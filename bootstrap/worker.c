/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cleanup.h"

_Static_assert(sizeof(struct worker_message) <= PIPE_BUF, "one write is all or nothing");

struct worker_pipe {
	int fd;
};

struct worker {
	sd_event_source *child, *messages;
	int fd;
	const struct worker_calls *calls;
	void *userdata;
};

void worker_tell(struct worker_pipe *pipe, const struct worker_message *message)
{
	if (write(pipe->fd, message, sizeof *message) != (ssize_t)sizeof *message)
		_exit(1); /* nobody listens any more */
}

static bool take_message(struct worker *worker)
{
	struct worker_message message;

	if (read(worker->fd, &message, sizeof message) != (ssize_t)sizeof message)
		return false;
	worker->calls->told(&message, worker->userdata);
	return true;
}

static int on_message(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	(void)fd, (void)revents;
	if (!take_message(userdata)) /* its end is reported by on_child() */
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static struct worker *worker_free(struct worker *worker)
{
	(void)sd_event_source_disable_unref(worker->messages);
	(void)sd_event_source_disable_unref(worker->child);
	cleanup_close(&worker->fd);
	free(worker);
	return NULL;
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct worker *worker = userdata;
	bool well = info->si_code == CLD_EXITED && info->si_status == 0;
	struct err err;

	(void)source;
	while (take_message(worker))
		;
	err_set(&err, 0, "the worker was ended by %s %d",
		info->si_code == CLD_EXITED ? "exit status" : "signal", info->si_status);
	worker->calls->done(well ? NULL : &err, worker->userdata);
	worker_free(worker);
	return 0;
}

_Noreturn static void child_run(
	int fd, pid_t parent, const struct worker_calls *calls, void *userdata)
{
	struct worker_pipe pipe = {fd};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	calls->run(&pipe, userdata);
	_exit(0);
}

int worker_start(sd_event *event, const struct worker_calls *calls, void *userdata)
{
	struct worker *worker = calloc(1, sizeof *worker);
	_cleanup_close_ int child_end = -1;
	pid_t parent = getpid(), pid;
	int ends[2], r;

	if (!worker)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		free(worker);
		return -errno;
	}
	*worker = (struct worker){.fd = ends[0], .calls = calls, .userdata = userdata};
	child_end = ends[1];
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		child_run(child_end, parent, calls, userdata);
	r = pid < 0 ? -errno : fcntl(worker->fd, F_SETFL, O_NONBLOCK);
	if (r >= 0)
		r = sd_event_add_io(
			event, &worker->messages, worker->fd, EPOLLIN, on_message, worker);
	if (r >= 0)
		r = sd_event_add_child(event, &worker->child, pid, WEXITED, on_child, worker);
	if (r < 0)
		worker_free(worker);
	return r < 0 ? r : 0;
}
