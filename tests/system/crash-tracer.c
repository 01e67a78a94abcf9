/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash-tracer: runs a program and all that it starts, stops them at each system call that changes
 * the world, and lets something go wrong at one of them; for crash.t and resources.t.
 *
 *	crash-tracer REPORT POINT ACTION PROGRAM [ARGUMENT]...
 *
 * POINT counts from 1, right before the call; 0 is none, and "all" every one. ACTION is
 *
 *	kill		everything is killed there, as in a power cut
 *	kill-one	the process that is there, and nobody else
 *	ENOSPC EIO EROFS EMFILE
 *			the call fails so; only calls that can fail so count
 *	EINTR		as well, but what counts are calls of the program itself that wait for
 *			others; of "all", each fails until its process tries it again
 *
 * A write counts if it goes to a file or a disk. Of a signal, and of the reads of a disk, which may
 * be another's that comes and goes beside us, the first counts. When the program has ended, what it
 * left running is killed.
 *
 * REPORT gets one line: "killed at POINT: CALL of PROGRAM: FILE", "hangs", or "STATUS after POINTS:
 * CALL …" with the call that failed. Exit status: that of the program, 137 if killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define HANGS_AFTER 300 /* seconds */
#define ATTEMPTS    65536
#define KILLED      137

enum kind {
	CHANGES, /* and may find a full disk, or a read-only or a broken one */
	ENDS,    /* removes, or gives up: needs no room */
	STARTS,  /* programs, signals */
	WAITS,   /* for others; a signal can interrupt it */
	OPENS,   /* CHANGES, if it makes or cuts a file */
	ASKS,    /* CHANGES, if it is one of the requests that do */
	WRITES,  /* CHANGES on a file or disk */
	READS,   /* WAITS on a pipe */
};

#define CALL(name, kind)                                                                           \
	{                                                                                          \
#name, SYS_##name, kind, -1                                                        \
	}
#define PATH(name, kind, argument)                                                                 \
	{                                                                                          \
#name, SYS_##name, kind, argument                                                  \
	}

/* clang-format off */
static const struct call {
	const char *name;
	int number;
	enum kind kind;
	int path; /* the argument that names a file; -1: the first is a descriptor, or nothing */
} calls[] = {
	CALL(write, WRITES), CALL(writev, WRITES), CALL(pwrite64, WRITES), CALL(pwritev, WRITES),
	CALL(pwritev2, WRITES), CALL(sendfile, WRITES), CALL(copy_file_range, CHANGES),
	CALL(io_submit, CHANGES), CALL(fallocate, CHANGES), CALL(ftruncate, CHANGES),
	PATH(truncate, CHANGES, 0), CALL(fsync, CHANGES), CALL(fdatasync, CHANGES),
	CALL(syncfs, CHANGES), CALL(sync, ENDS), PATH(openat, OPENS, 1), CALL(ioctl, ASKS),
	PATH(mkdirat, CHANGES, 1), PATH(mknodat, CHANGES, 1), PATH(linkat, CHANGES, 3),
	PATH(symlinkat, CHANGES, 2), PATH(renameat, CHANGES, 3), PATH(renameat2, CHANGES, 3),
	PATH(unlinkat, ENDS, 1), CALL(fchmod, CHANGES), PATH(fchmodat, CHANGES, 1),
	CALL(fchown, CHANGES), PATH(fchownat, CHANGES, 1), PATH(utimensat, CHANGES, 1),
	PATH(setxattr, CHANGES, 0), PATH(lsetxattr, CHANGES, 0), CALL(fsetxattr, CHANGES),
	PATH(mount, STARTS, 1), PATH(umount2, STARTS, 0), PATH(open_tree, STARTS, 1),
	CALL(fsopen, STARTS), CALL(fsconfig, STARTS), CALL(fsmount, STARTS),
	PATH(move_mount, STARTS, 3), CALL(mount_setattr, STARTS), PATH(execve, STARTS, 0),
	CALL(kill, STARTS), CALL(pidfd_send_signal, STARTS),
#ifdef SYS_rename
	PATH(open, OPENS, 0), PATH(creat, CHANGES, 0), PATH(mkdir, CHANGES, 0),
	PATH(mknod, CHANGES, 0), PATH(link, CHANGES, 1), PATH(symlink, CHANGES, 1),
	PATH(rename, CHANGES, 1), PATH(unlink, ENDS, 0), PATH(rmdir, ENDS, 0),
	PATH(chmod, CHANGES, 0), PATH(chown, CHANGES, 0), PATH(lchown, CHANGES, 0),
	CALL(poll, WAITS), CALL(epoll_wait, WAITS),
#endif
	CALL(read, READS), CALL(readv, READS), CALL(flock, WAITS), CALL(wait4, WAITS),
	CALL(waitid, WAITS), CALL(ppoll, WAITS), CALL(epoll_pwait, WAITS), CALL(nanosleep, WAITS),
	CALL(clock_nanosleep, WAITS), CALL(rt_sigtimedwait, WAITS),
};
/* clang-format on */
#define N_CALLS (sizeof calls / sizeof calls[0])

static const struct {
	const char *name;
	int code;
} errors[] = {
	{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EMFILE", EMFILE}, {"EINTR", EINTR}};

struct tracer {
	const char *report, *program; /* the program's name */
	unsigned long at, points;     /* at: ULONG_MAX is all */
	int error;                    /* 0: kill */
	bool one;
	int listener, pidfd;
	pid_t root;
	char where[PATH_MAX + 128];
	bool happened;
	bool failed[ATTEMPTS], seen[ATTEMPTS]; /* the last time, or ever, by what call it is */
};

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(99);
}

/* -- the program, and the filter that it and its children run under -- */

/* A switch over the numbers: those of the table notify, all else is let through. */
static int filter_install(bool waits)
{
	static struct sock_filter filter[N_CALLS * 2 + 2];
	struct sock_fprog program = {.filter = filter};
	unsigned short n = 0;

	filter[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	FOREACH_ELEMENT (i, calls) {
		if (!waits && (calls[i].kind == WAITS || calls[i].kind == READS))
			continue;
		filter[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)calls[i].number, 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	/* Root needs no promise of no new privileges, which apps of other users would inherit. */
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		&program);
}

static void start(struct tracer *tracer, char **argv)
{
	int *shared = mmap(
		NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die("mmap");
	tracer->root = fork();
	if (tracer->root == 0) {
		*shared = filter_install(tracer->error == EINTR);
		(void)raise(SIGSTOP); /* until the listener is in the right hands */
		execvp(argv[0], argv);
		_exit(127);
	}
	if (waitpid(tracer->root, NULL, WUNTRACED) < 0 || *shared < 0)
		die("seccomp");
	tracer->pidfd = (int)syscall(SYS_pidfd_open, tracer->root, 0);
	tracer->listener = (int)syscall(SYS_pidfd_getfd, tracer->pidfd, *shared, 0);
	if (tracer->pidfd < 0 || tracer->listener < 0 || kill(tracer->root, SIGCONT) < 0)
		die("listener");
}

/* -- what a call is -- */

static bool read_link(char *ret, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool read_link(char *ret, size_t size, const char *format, ...)
{
	char path[64];
	va_list ap;
	ssize_t n;

	va_start(ap, format);
	(void)vsnprintf(path, sizeof path, format, ap);
	va_end(ap);
	n = readlink(path, ret, size - 1);
	ret[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* What the call is about: a path as it is given, or what a descriptor leads to. */
static void read_subject(
	const struct seccomp_notif *notif, const struct call *call, char ret[static PATH_MAX])
{
	struct iovec here = {ret, PATH_MAX - 1}, there = {0};
	ssize_t n;

	memset(ret, 0, PATH_MAX);
	if (call->path < 0) {
		(void)read_link(
			ret, PATH_MAX, "/proc/%u/fd/%d", notif->pid, (int)notif->data.args[0]);
		return;
	}
	/* Up to the end of its page, and no further: there may be nothing behind. */
	there.iov_base = (void *)(uintptr_t)notif->data.args[call->path];
	here.iov_len = 4096 - (notif->data.args[call->path] & 4095);
	there.iov_len = here.iov_len = here.iov_len < PATH_MAX ? here.iov_len : PATH_MAX - 1;
	n = process_vm_readv((pid_t)notif->pid, &here, 1, &there, 1, 0);
	ret[n < 0 ? 0 : n] = '\0';
}

static bool asks_for_a_change(uint64_t request)
{
	static const unsigned int requests[] = {BLKDISCARD, BLKZEROOUT, BLKSECDISCARD, BLKRRPART,
		FS_IOC_SETFLAGS, FICLONE, FICLONERANGE};

	FOREACH_ELEMENT (i, requests)
		if (requests[i] == (unsigned int)request)
			return true;
	return false;
}

static enum kind kind_of(
	const struct seccomp_notif *notif, const struct call *call, const char *subject)
{
	const uint64_t flags = notif->data.args[call->path > 0 ? 2 : 1];
	bool file = subject[0] == '/' && strncmp(subject, "/dev/pts/", 9) != 0 &&
		    strcmp(subject, "/dev/null") != 0 && strncmp(subject, "/proc/", 6) != 0;

	switch (call->kind) {
	case OPENS: return flags & (O_CREAT | O_TRUNC) ? CHANGES : READS;
	case ASKS: return asks_for_a_change(flags) ? CHANGES : READS;
	case WRITES: return file ? CHANGES : READS; /* what goes into a pipe of ours fits */
	case READS: return subject[0] == '/' ? READS : WAITS;
	default: return call->kind;
	}
}

static bool is_nonblocking(unsigned int pid, int fd)
{
	char path[64], line[64];
	unsigned int flags = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%u/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	if (file)
		(void)fclose(file);
	return flags & O_NONBLOCK;
}

/* Signals interrupt only who waits. */
static bool waits(const struct seccomp_notif *notif, const struct call *call)
{
	const uint64_t *args = (const uint64_t *)notif->data.args;

	switch (call->number) {
	case SYS_flock: return !(args[1] & LOCK_NB);
	case SYS_wait4: return !(args[2] & WNOHANG);
	case SYS_waitid: return !(args[3] & WNOHANG);
	case SYS_epoll_pwait: return (int)args[3] != 0;
#ifdef SYS_poll
	case SYS_poll: return (int)args[2] != 0;
	case SYS_epoll_wait: return (int)args[3] != 0;
#endif
	default: break;
	}
	return call->kind == WAITS || !is_nonblocking(notif->pid, (int)args[0]);
}

/* READS is what does not count. */
static bool counts(const struct tracer *tracer, const struct seccomp_notif *notif,
	const struct call *call, enum kind kind)
{
	char program[PATH_MAX], *name;

	if (tracer->error == EINTR) {
		if (kind != WAITS || !waits(notif, call) ||
			!read_link(program, sizeof program, "/proc/%u/exe", notif->pid))
			return false;
		name = strrchr(program, '/');
		return strcmp(name ? name + 1 : program, tracer->program) == 0;
	}
	return kind == CHANGES || (tracer->error == 0 && (kind == ENDS || kind == STARTS)) ||
	       (tracer->error == EROFS && kind == ENDS);
}

/* Whether it happens at this call, which counts. */
static bool is_hit(struct tracer *tracer, const struct seccomp_notif *notif)
{
	uint64_t which =
		notif->pid * 8191ull + (unsigned int)notif->data.nr * 127ull + notif->data.args[0];
	bool *failed = &tracer->failed[which % ATTEMPTS], *seen = &tracer->seen[which % ATTEMPTS];

	if ((notif->data.nr == SYS_kill || notif->data.nr == SYS_io_submit) && *seen)
		return false;
	*seen = true;
	tracer->points++;
	if (tracer->at != ULONG_MAX)
		return tracer->points == tracer->at;
	return *failed = !*failed;
}

static void describe(struct tracer *tracer, const struct seccomp_notif *notif,
	const struct call *call, const char *subject)
{
	char comm[32] = "";
	char path[64];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%u/comm", notif->pid);
	file = fopen(path, "re");
	if (file && fgets(comm, sizeof comm, file))
		comm[strcspn(comm, "\n")] = '\0';
	if (file)
		(void)fclose(file);
	snprintf(tracer->where, sizeof tracer->where, "%s of %s: %.*s", call->name, comm, PATH_MAX,
		subject);
}

/* -- what happens -- */

/*
 * Everybody below us. Those who would change something meanwhile wait for our answer and never get
 * it; who loses its parent becomes our child, and is in the list the next time.
 */
static void kill_all(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	for (;;) {
		FILE *children = fopen(path, "re");
		int pid;

		while (children && fscanf(children, "%d", &pid) == 1)
			(void)kill(pid, SIGKILL);
		if (children)
			(void)fclose(children);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		(void)usleep(500);
	}
}

/* Whether it is over. */
static bool on_call(struct tracer *tracer)
{
	struct seccomp_notif notif = {0};
	struct seccomp_notif_resp answer = {0};
	const struct call *call = NULL;
	char subject[PATH_MAX];

	if (ioctl(tracer->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return errno != EINTR && errno != ENOENT; /* it was killed meanwhile */
	answer.id = notif.id;
	answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	FOREACH_ELEMENT (i, calls)
		if (calls[i].number == notif.data.nr)
			call = &calls[i];
	read_subject(&notif, call, subject);
	if (counts(tracer, &notif, call, kind_of(&notif, call, subject)) &&
		is_hit(tracer, &notif)) {
		describe(tracer, &notif, call, subject);
		tracer->happened = true;
		if (tracer->error) {
			answer.flags = 0;
			answer.error = -tracer->error;
		} else if (tracer->one) {
			(void)kill((pid_t)notif.pid, SIGKILL);
		} else {
			return true;
		}
	}
	(void)ioctl(tracer->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* or it is gone */
	return false;
}

/* Until it is over: the program has ended, or is to be killed. Whether it hangs. */
static bool follow(struct tracer *tracer)
{
	time_t end = time(NULL) + HANGS_AFTER;
	struct pollfd fds[] = {{.fd = tracer->listener, .events = POLLIN},
		{.fd = tracer->pidfd, .events = POLLIN}};

	while (time(NULL) < end) {
		if (poll(fds, 2, 1000) < 0)
			continue;
		if (fds[1].revents)
			return false;
		if (fds[0].revents && on_call(tracer))
			return false;
	}
	return true;
}

static int report(const struct tracer *tracer, bool hangs, const siginfo_t *ended)
{
	FILE *file = fopen(tracer->report, "we");
	int status = ended->si_code == CLD_EXITED ? ended->si_status : 128 + ended->si_status;

	if (!file)
		die(tracer->report);
	if (hangs)
		fprintf(file, "hangs after %lu: %s\n", tracer->points, tracer->where);
	else if (ended->si_pid == 0)
		fprintf(file, "killed at %lu: %s\n", tracer->points, tracer->where);
	else
		fprintf(file, "%d after %lu: %s\n", status, tracer->points, tracer->where);
	(void)fclose(file);
	return hangs || ended->si_pid == 0 ? KILLED : status;
}

int main(int argc, char **argv)
{
	struct tracer tracer = {.report = argc > 4 ? argv[1] : ""};
	siginfo_t ended = {0};
	bool hangs;

	if (argc < 5)
		return 2;
	tracer.at = strcmp(argv[2], "all") == 0 ? ULONG_MAX : strtoul(argv[2], NULL, 10);
	tracer.one = strcmp(argv[3], "kill-one") == 0;
	FOREACH_ELEMENT (i, errors)
		if (strcmp(argv[3], errors[i].name) == 0)
			tracer.error = errors[i].code;
	tracer.program = strrchr(argv[4], '/') ? strrchr(argv[4], '/') + 1 : argv[4];
	start(&tracer, argv + 4);
	hangs = follow(&tracer);
	(void)waitid(P_PID, (id_t)tracer.root, &ended, WEXITED | WNOHANG | WNOWAIT);
	kill_all();
	return report(&tracer, hangs, &ended);
}
