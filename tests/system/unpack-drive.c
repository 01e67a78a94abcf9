/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack-drive: unpacking from the command line, and its confined process by itself, for unpack.t.
 *
 *	unpack-drive unpack ARCHIVE STRIP DIRECTORY
 *
 *	unpack-drive hold ARCHIVE
 *		starts the process that reads, takes nothing from it, says its number, and waits
 *		until standard input ends
 *
 *	unpack-drive try CALL
 *		confines a process as that one is, makes one system call there, and says how it
 *		ended: "returned", "failed", "signal SYS"
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../bootstrap/spawn.h"
#include "../../bootstrap/unpack-read.h"
#include "../../bootstrap/unpack.h"
#include "cleanup.h"

#define PAGE  4096u
#define SLACK (64u << 20) /* what may have become free since the limit was set */

static int usage(void)
{
	fputs("unpack-drive: unpack ARCHIVE STRIP DIRECTORY | hold ARCHIVE | try CALL\n", stderr);
	return EXIT_USAGE;
}

static int unpack(const char *archive, const char *strip, const char *into)
{
	_cleanup_close_ int fd = open(archive, O_RDONLY | O_CLOEXEC);
	struct err err = {""};
	sigset_t blocked;
	int r;

	/* As those have it who unpack. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
	r = unpack_archive(fd, archive, (unsigned)strtoul(strip, NULL, 10), into, &err);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", strerrorname_np(-r), err.text);
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		fputs("and a child is left\n", stderr);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int hold(const char *archive)
{
	_cleanup_close_ int fd = open(archive, O_RDONLY | O_CLOEXEC);
	pid_t parent = getpid(), pid;
	struct stat st;
	int ends[2];

	if (fd < 0 || fstat(fd, &st) < 0 || pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror(archive);
		return EXIT_FAILED;
	}
	if (pid == 0)
		unpack_read(fd, (uint64_t)st.st_size, ends[1], parent);
	printf("%d\n", (int)pid);
	(void)fflush(stdout);
	while (getchar() != EOF)
		;
	return EXIT_DONE; /* and the child dies with us */
}

/* -- one system call; all but the last three are none of an unpacker's business -- */

static int ends[2], archive_fd;
static void *page;

static long try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long try_create(void)
{
	return open("/tmp", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
}

static long try_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}

static long try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long try_exec(void)
{
	char *const none[] = {NULL};

	return execve("/bin/true", none, none);
}

static long try_kill(void)
{
	return kill(getppid(), 0);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_setuid(void)
{
	return syscall(SYS_setresuid, 0, 0, 0);
}

static long map(size_t size, int protection, int flags)
{
	void *p = mmap(NULL, size, protection, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long try_execute(void)
{
	return map(PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

static long try_share(void)
{
	return map(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static long try_grow(void)
{
	return map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN);
}

static long try_make_executable(void)
{
	return mprotect(page, PAGE, PROT_READ | PROT_EXEC);
}

static long try_write_archive(void)
{
	return write(archive_fd, "x", 1);
}

static long try_write_error(void)
{
	return write(STDERR_FILENO, "x", 1);
}

static long try_read_records(void)
{
	char c;

	return pread(ends[1], &c, 1, 0);
}

static long try_limit(void)
{
	return syscall(SYS_prlimit64, 0, 0, NULL, NULL);
}

static long try_write(void)
{
	return write(ends[1], "x", 1);
}

static long try_read(void)
{
	char c;

	return pread(archive_fd, &c, 1, 0);
}

static long try_memory(void)
{
	return map(UNPACK_MEMORY_MAX + SLACK, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {{"open", try_open}, {"create", try_create}, {"stat", try_stat}, {"socket", try_socket},
	{"fork", try_fork}, {"exec", try_exec}, {"kill", try_kill}, {"ptrace", try_ptrace},
	{"setuid", try_setuid}, {"execute", try_execute}, {"share", try_share}, {"grow", try_grow},
	{"make-executable", try_make_executable}, {"write-archive", try_write_archive},
	{"write-error", try_write_error}, {"read-records", try_read_records}, {"limit", try_limit},
	{"write", try_write}, {"read", try_read}, {"memory", try_memory}};

static int try(const char *name)
{
	pid_t parent = getpid(), pid;
	char ending[32];
	int status;

	archive_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (archive_fd < 0 || page == MAP_FAILED || pipe2(ends, O_CLOEXEC) < 0)
		return EXIT_FAILED;
	pid = fork();
	if (pid == 0) {
		if (unpack_read_confine(archive_fd, ends[1], parent) < 0)
			_exit(2);
		FOREACH_ELEMENT (i, calls)
			if (strcmp(calls[i].name, name) == 0)
				_exit(calls[i].call() < 0);
		_exit(3);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return EXIT_FAILED;
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		puts(WEXITSTATUS(status) == 0 ? "returned" : "failed");
	else
		puts(spawn_ending(status, ending, sizeof ending));
	return EXIT_DONE;
}

int main(int argc, char *argv[])
{
	if (argc == 5 && strcmp(argv[1], "unpack") == 0)
		return unpack(argv[2], argv[3], argv[4]);
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2]);
	if (argc == 3 && strcmp(argv[1], "try") == 0)
		return try(argv[2]);
	return usage();
}
