/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Confines itself as the agent does, tries what the agent never does and then what it does, and
 * says of each how it went: "NAME: ERROR", or "NAME: done".
 *
 *	confine-drive DIRECTORY: where it may write, with a file "there" in it
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../agent/confine.h"

static void say(const char *name, long result)
{
	printf("%s: %s\n", name, result < 0 ? strerrorname_np(errno) : "done");
}

static void try_processes(void)
{
	char program[] = "/bin/true", *const argv[] = {program, NULL}, *const none[] = {NULL};
	const struct rlimit more = {64, 64};
	pid_t pid;

	say("execve", execve(program, argv, none));
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	say("fork", pid);
	say("clone3", syscall(SYS_clone3, NULL, 0));
	say("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	say("process_vm_readv", syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	say("kill", kill(getppid(), 0));
	say("tgkill", (long)syscall(SYS_tgkill, getppid(), getppid(), 0));
	say("dumpable", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	say("prlimit", prlimit(0, RLIMIT_CORE, &more, NULL));
	say("setuid", setuid(0));
	say("unshare", unshare(CLONE_NEWUSER));
}

static void try_system(void)
{
	say("mount", mount("none", "/mnt", "tmpfs", 0, NULL));
	say("umount", umount("/proc"));
	say("chroot", chroot("/"));
	say("bpf", syscall(SYS_bpf, 0, NULL, 0));
	say("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	say("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	say("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	say("userfaultfd", syscall(SYS_userfaultfd, 0));
	say("memfd_create", syscall(SYS_memfd_create, "m", 0));
	say("mknod", mknodat(AT_FDCWD, "fifo", S_IFIFO | 0600, 0));
	say("mkdir", mkdirat(AT_FDCWD, "directory", 0700));
	say("symlink", symlinkat("/etc/passwd", AT_FDCWD, "link"));
	say("link", linkat(AT_FDCWD, "there", AT_FDCWD, "other", 0));
	say("chown", fchownat(AT_FDCWD, "there", 0, 0, 0));
}

static void try_sockets(void)
{
	say("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	say("raw IPv6 socket", socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
	say("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	say("netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	say("vsock socket", socket(AF_VSOCK, SOCK_STREAM, 0));
	say("a stream", socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	say("a datagram", socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static void try_files(void)
{
	static const struct {
		const char *name;
		int flags;
	} ways[] = {
		{"there", O_WRONLY},
		{"there", O_RDWR},
		{"there", O_RDONLY | O_TRUNC},
		{"there", O_WRONLY | O_APPEND},
		{"there", O_WRONLY | O_CREAT},
		{"there", O_WRONLY | O_CREAT | O_TRUNC},
		{".", O_RDWR | O_TMPFILE},
		{"there", O_WRONLY | O_CREAT | O_EXCL},
		{"there", O_RDONLY},
		{"new", O_WRONLY | O_CREAT | O_EXCL},
	};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		char name[64];

		snprintf(name, sizeof name, "open %s %#o", ways[i].name, (unsigned)ways[i].flags);
		say(name, openat(AT_FDCWD, ways[i].name, ways[i].flags, 0600));
	}
	say("rename", renameat(AT_FDCWD, "new", AT_FDCWD, "there"));
	say("/etc/shadow", openat(AT_FDCWD, "/etc/shadow", O_RDONLY));
	say("/proc/self/mountinfo", openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY));
}

static void *nothing(void *userdata)
{
	return userdata;
}

static void try_threads(void)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *addresses = NULL;
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	say("a thread", errno ? -1 : pthread_join(thread, NULL));
	errno = getaddrinfo("localhost", "80", &hints, &addresses) ? EHOSTUNREACH : 0;
	say("a name", errno ? -1 : 0);
	if (addresses)
		freeaddrinfo(addresses);
}

int main(int argc, char **argv)
{
	struct err err;

	if (argc != 2 || chdir(argv[1]) < 0)
		return EXIT_USAGE;
	if (confine_process(&err) < 0)
		printf("confine: %s\n", err.text);
	try_processes();
	try_system();
	try_sockets();
	try_files();
	try_threads();
	(void)fflush(stdout);
	_exit(EXIT_DONE); /* what was tried is in the way of a leak detector */
}
