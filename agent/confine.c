/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

/* The leak detector of a build with sanitizers, which traces the process at its end; else NULL. */
extern void __lsan_do_leak_check(void) __attribute__((weak));

#define WRITES      (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))
#define SOCKET_TYPE 0xf /* of what socket(2) calls type: without flags */

/* clang-format off */
#define ANY(name)         {.call = SCMP_SYS(name)}
#define ONLY(name, ...)   {.call = SCMP_SYS(name), .only = {__VA_ARGS__}}
#define IS(n, value)      SCMP_CMP32(n, SCMP_CMP_EQ, (unsigned)(value))
#define HAS(n, mask, set) SCMP_CMP32(n, SCMP_CMP_MASKED_EQ, (unsigned)(mask), (unsigned)(set))
#define SOCKETS(family)                                                                            \
	ONLY(socket, IS(0, family), HAS(1, SOCKET_TYPE, SOCK_STREAM)),                             \
	ONLY(socket, IS(0, family), HAS(1, SOCKET_TYPE, SOCK_DGRAM))

/* Each row with up to two conditions on arguments; several rows of a call are alternatives. */
static const struct row {
	int call;
	struct scmp_arg_cmp only[2];
} allowed[] = {
	/* files: to read; or new ones, and their change of name in a directory that is ours */
	ONLY(openat, HAS(2, WRITES, O_RDONLY)),
	ONLY(openat, HAS(2, O_CREAT | O_EXCL | O_TRUNC, O_CREAT | O_EXCL)),
	ANY(close), ANY(close_range), ANY(read), ANY(readv), ANY(pread64), ANY(write), ANY(writev),
	ANY(lseek), ANY(fstat), ANY(stat), ANY(lstat), ANY(newfstatat), ANY(statx), ANY(statfs),
	ANY(fstatfs), ANY(access), ANY(faccessat), ANY(faccessat2), ANY(readlink), ANY(readlinkat),
	ANY(getdents64), ANY(getcwd), ANY(fchmod), ANY(fsync), ANY(rename), ANY(renameat),
	ANY(renameat2), ANY(unlink), ANY(unlinkat), ANY(umask), ANY(dup), ANY(dup2), ANY(dup3),
	ANY(fcntl), ANY(pipe), ANY(pipe2),
	ONLY(ioctl, IS(1, FIONBIO)), ONLY(ioctl, IS(1, FIONREAD)), ONLY(ioctl, IS(1, TCGETS)),
	/* sockets */
	SOCKETS(AF_UNIX), SOCKETS(AF_INET), SOCKETS(AF_INET6),
	ONLY(socketpair, IS(0, AF_UNIX)),
	ANY(connect), ANY(bind), ANY(listen), ANY(accept), ANY(accept4), ANY(getsockname),
	ANY(getpeername), ANY(getsockopt), ANY(setsockopt), ANY(shutdown), ANY(sendto), ANY(sendmsg),
	ANY(sendmmsg), ANY(recvfrom), ANY(recvmsg), ANY(recvmmsg),
	/* the loop */
	ANY(epoll_create1), ANY(epoll_ctl), ANY(epoll_wait), ANY(epoll_pwait), ANY(epoll_pwait2),
	ANY(poll), ANY(ppoll), ANY(select), ANY(pselect6), ANY(eventfd2), ANY(signalfd4),
	ANY(timerfd_create), ANY(timerfd_settime), ANY(timerfd_gettime), ANY(inotify_init1),
	ANY(inotify_add_watch), ANY(inotify_rm_watch),
	ANY(clock_gettime), ANY(clock_getres), ANY(clock_nanosleep), ANY(nanosleep),
	ANY(gettimeofday), ANY(time), ANY(restart_syscall),
	ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(rt_sigpending),
	ANY(rt_sigtimedwait), ANY(sigaltstack),
	/* memory and threads, for names and for what a volume has left; but no process */
	ANY(brk), ANY(mmap), ANY(munmap), ANY(mremap), ANY(mprotect), ANY(madvise), ANY(futex),
	ANY(membarrier), ONLY(clone, HAS(0, CLONE_THREAD, CLONE_THREAD)), ANY(set_robust_list),
	ANY(rseq), ANY(sched_yield), ANY(sched_getaffinity), ANY(getcpu), ANY(exit), ANY(exit_group),
	/* who and where we are, and how much there is */
	ANY(getpid), ANY(gettid), ANY(getppid), ANY(getuid), ANY(geteuid), ANY(getgid), ANY(getegid),
	ANY(getresuid), ANY(getresgid), ANY(getgroups), ANY(uname), ANY(sysinfo), ANY(getrusage),
	ANY(getrlimit), ONLY(prlimit64, SCMP_A2(SCMP_CMP_EQ, 0)), ANY(getrandom),
	ONLY(prctl, IS(0, PR_SET_NAME)), ONLY(prctl, IS(0, PR_GET_NAME)),
	ONLY(prctl, IS(0, PR_GET_DUMPABLE)),
};

static const struct row detector[] = {
	ANY(ptrace), ANY(wait4), ANY(prctl), ANY(kill), ANY(process_vm_readv), ANY(getdents),
	ONLY(open, HAS(1, WRITES, O_RDONLY)),
	ONLY(clone, HAS(0, CLONE_VM, CLONE_VM)),
};
/* clang-format on */

static unsigned conditions_of(const struct row *row)
{
	unsigned n = 0;

	while (n < 2 && row->only[n].op)
		n++;
	return n;
}

static int allow(scmp_filter_ctx filter, const struct row *rows, size_t n)
{
	int r = 0;

	/* Not "exact": an architecture has not all of them. */
	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rows[i].call,
			conditions_of(&rows[i]), rows[i].only);
	return r;
}

static int filter_calls(bool watched)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? allow(filter, allowed, sizeof allowed / sizeof allowed[0]) : -EOPNOTSUPP;

	/* To end others no, to abort() yes. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* Its flags are in memory, where no filter looks; libc then makes its thread with clone. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0 && watched)
		r = allow(filter, detector, sizeof detector / sizeof detector[0]);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int confine_process(struct err *err)
{
	const struct rlimit none = {0};
	bool watched = __lsan_do_leak_check != NULL;
	int r = 0;

	/* A sandbox may not let us set it: where nobody may look, nothing is written either. */
	(void)setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		(!watched && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		r = -errno;
	if (r == 0)
		r = filter_calls(watched);
	if (r < 0)
		return err_set(err, r, "without a filter of system calls: %m");
	if (watched)
		return err_set(err, -EOPNOTSUPP,
			"a build with sanitizers: its leak detector may trace this process");
	return 0;
}
