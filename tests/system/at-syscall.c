/* SPDX-License-Identifier: Apache-2.0 */
/*
 * at-syscall: does something at a moment of a program's run that is named by a system call; for
 * blank-changed.t.
 *
 *	at-syscall [--from FIRST] CALL PATH N COMMAND PROGRAM [ARGUMENT]...
 *
 * Runs PROGRAM. When it or a child of its is about to make the N-th CALL on PATH (a pattern), it is
 * stopped, COMMAND is run by a shell, and it goes on. CALL is of the table below, or "any" of it;
 * of io_submit all count. With --from those count that come after the first call FIRST, of the
 * thread that made it: the others are not stopped, and would not wait for what it does next. Prints
 * the call that it was at, or all if N is 0; exits with 98 when there was none, or else as PROGRAM
 * does.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

#define NO_SUCH_CALL 98
#define TROUBLE      99

/* What a call is on. */
enum object { PATH_0, PATH_1, DESCRIPTOR, ANYTHING };

static const struct {
	const char *name;
	int number;
	enum object object;
} calls[] = {
	{"openat", SYS_openat, PATH_1},
	{"flock", SYS_flock, DESCRIPTOR},
	{"fsync", SYS_fsync, DESCRIPTOR},
	{"ioctl", SYS_ioctl, DESCRIPTOR},
	{"fadvise64", SYS_fadvise64, DESCRIPTOR},
	{"io_submit", SYS_io_submit, ANYTHING},
	{"execve", SYS_execve, PATH_0},
};
#define N_CALLS (sizeof calls / sizeof calls[0])

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(TROUBLE);
}

/* Runs the program, whose calls of the table wait for an answer at the listener. */
static _Noreturn void be_watched(int say, char **argv)
{
	struct sock_filter filter[N_CALLS + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	struct sock_fprog program = {N_CALLS + 3, filter};
	int listener;

	for (size_t i = 0; i < N_CALLS; i++)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			(unsigned int)calls[i].number, (uint8_t)(N_CALLS - i), 0);
	filter[N_CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[N_CALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(TROUBLE);
	listener = (int)syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0 || write(say, &listener, sizeof listener) != sizeof listener)
		_exit(TROUBLE);
	execv(argv[0], argv);
	_exit(TROUBLE);
}

static int take_listener(pid_t program, int told)
{
	int pidfd = (int)syscall(SYS_pidfd_open, program, 0), theirs, listener;

	if (pidfd < 0 || read(told, &theirs, sizeof theirs) != sizeof theirs)
		die("listener");
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	if (listener < 0)
		die("listener");
	return listener;
}

static void read_object(
	pid_t thread, enum object object, const __u64 *args, char ret_text[static PATH_MAX])
{
	const void *at = (const void *)(uintptr_t)args[object == PATH_1];
	ssize_t n = 0;
	char link[64];

	if (object == DESCRIPTOR) {
		snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, (int)args[0]);
		n = readlink(link, ret_text, PATH_MAX - 1);
	} else if (object != ANYTHING) { /* up to the end of its page, and the next */
		struct iovec here = {ret_text, PATH_MAX - 1}, there = {(void *)at, PATH_MAX - 1};

		n = process_vm_readv(thread, &here, 1, &there, 1, 0);
		if (n < 0) {
			there.iov_len = 4096 - (uintptr_t)at % 4096;
			n = process_vm_readv(thread, &here, 1, &there, 1, 0);
		}
	}
	ret_text[n < 0 ? 0 : n] = '\0';
}

/* The name of the call, if it is one that counts. */
static const char *call_of(const struct seccomp_notif *wait, const char *call, const char *pattern)
{
	char object[PATH_MAX];

	FOREACH_ELEMENT (i, calls) {
		if (calls[i].number != wait->data.nr ||
			(strcmp(call, "any") != 0 && strcmp(call, calls[i].name) != 0))
			continue;
		read_object((pid_t)wait->pid, calls[i].object, wait->data.args, object);
		if (calls[i].object == ANYTHING || fnmatch(pattern, object, 0) == 0)
			return calls[i].name;
	}
	return NULL;
}

/* Until the program and its children have ended. Returns how many calls there were. */
static unsigned int watch(int listener, const char *from, char **argv)
{
	unsigned int at = (unsigned int)atoi(argv[3]), count = 0;
	struct pollfd events = {.fd = listener, .events = POLLIN};
	__u32 only = 0; /* the thread that counts */

	while (poll(&events, 1, -1) > 0 && !(events.revents & POLLHUP)) {
		struct seccomp_notif wait = {0};
		struct seccomp_notif_resp answer = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		const char *name;

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &wait) < 0)
			continue; /* it was killed meanwhile */
		answer.id = wait.id;
		name = call_of(&wait, from ? from : argv[1], argv[2]);
		if (from && name) {
			only = wait.pid;
			from = name = NULL;
		}
		if (only && wait.pid != only)
			name = NULL;
		count += name != NULL;
		if (name && (at == 0 || count == at))
			fprintf(stderr, "%s\n", name);
		if (name && count == at && system(argv[4]) != 0)
			die(argv[4]);
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return count;
}

int main(int argc, char **argv)
{
	const char *from = NULL;
	int told[2], status;
	unsigned int count;
	pid_t program;

	if (argc > 2 && strcmp(argv[1], "--from") == 0) {
		from = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc < 6)
		return TROUBLE;
	if (pipe2(told, O_CLOEXEC) < 0)
		die("pipe");
	program = fork();
	if (program == 0)
		be_watched(told[1], argv + 5);
	count = watch(take_listener(program, told[0]), from, argv);
	if (waitpid(program, &status, 0) < 0 || !WIFEXITED(status))
		return TROUBLE;
	return count < (unsigned int)atoi(argv[3]) ? NO_SUCH_CALL : WEXITSTATUS(status);
}
