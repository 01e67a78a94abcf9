/* SPDX-License-Identifier: Apache-2.0 */
/*
 * half-made-drive: cuts off a format at any of its writes, and takes the step that the next plan
 * takes, for half-made.t.
 *
 *	half-made-drive DEVICE FILESYSTEM DIRECTORY COMMAND
 *
 *	look	what the plan says: "blank", "half made", "holds", "refused: WHY"
 *	format	what apply would do: the plan's format, if there is one
 *	force	formats as half made, whatever the plan says
 *	kill N	format, with everything killed at write number N to the device; says "killed",
 *		or "ended after N"
 *	check	mounts it, writes a file, says "sound"
 *	sweep STEP
 *		for every STEP-th write: a zeroed device, kill, look, format, check; for every
 *		fourth of them the same with half of what was written lost, as in a power cut.
 *		Says how often what came of it, and explains what could not be finished
 *
 * DIRECTORY has the records (data/) and is where the volume is mounted (mnt/).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../bootstrap/blank.h"
#include "../../bootstrap/intent.h"
#include "../../bootstrap/inventory.h"
#include "../../bootstrap/op.h"
#include "cleanup.h"
#include "config.h"
#include "plan.h"

#define ATOMIC_BTRFS                                                                               \
	(16u << 10) /* what a disk writes whole: a node, with torn write prevention                \
		     */
#define ATOMIC    (4u << 10)
#define KILLS_MAX 5000

struct drive {
	const char *device, *filesystem;
	char data[PATH_MAX], mount[PATH_MAX];
	struct config *config;
	struct inventory *inventory;
	struct plan *plan;
	const struct plan_step *format; /* NULL: the plan has none */
	char verdict[640];
};

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(99);
}

/* -- plan and format -- */

static void look(struct drive *drive)
{
	struct inventory_request request = {
		.config = drive->config, .state = drive->data, .data = drive->data};
	const struct plan_step *step = NULL;
	struct err err;

	drive->plan = plan_free(drive->plan);
	drive->inventory = inventory_free(drive->inventory);
	drive->format = NULL;
	if (inventory_take(&request, NULL, &drive->inventory, &err) < 0 ||
		plan_make(drive->config, NULL, drive->inventory, &drive->plan) < 0)
		die("plan");
	step = &drive->plan->steps[0];
	if (step->op == PLAN_OP_FORMAT && step->sign != PLAN_KEEP)
		drive->format = step;
	snprintf(drive->verdict, sizeof drive->verdict, "%s%s",
		step->sign == PLAN_CREATE   ? "blank"
		: step->sign == PLAN_CHANGE ? "half made"
		: step->sign == PLAN_KEEP   ? "holds"
					    : "refused: ",
		step->sign == PLAN_REFUSE ? step->reason : "");
}

static int format(struct drive *drive, struct err *err)
{
	struct op op = {.config = drive->config,
		.state = drive->data,
		.data = drive->data,
		.step = drive->format};

	return drive->format ? op_format(&op, err) : err_set(err, -ENOENT, "%s", drive->verdict);
}

static int force(struct drive *drive, struct err *err)
{
	struct plan_step step = drive->plan->steps[0];
	struct volume volume = *step.volume;

	volume.half_made = true;
	step.volume = &volume;
	drive->format = &step;
	return format(drive, err);
}

/* -- killing -- */

static const int writing[] = {SYS_write, SYS_writev, SYS_pwrite64, SYS_pwritev, SYS_pwritev2,
	SYS_fallocate, SYS_ioctl}; /* of ioctl, BLKZEROOUT and BLKDISCARD */
#define N_WRITING (sizeof writing / sizeof writing[0])

/* From here on this process and its children stop for the tracer at each of these, and only those.
 */
static void stop_at_writes(void)
{
	struct sock_filter filter[N_WRITING + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
	struct sock_fprog program = {N_WRITING + 3, filter};

	FOREACH_ELEMENT (i, writing)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			(unsigned int)writing[i], (uint8_t)(N_WRITING - i), 0);
	filter[N_WRITING + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[N_WRITING + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(99);
}

/* Whether the thread is about to write to the device. */
static bool writes(pid_t thread, const char *device)
{
	struct __ptrace_syscall_info info;
	char path[64], target[PATH_MAX];
	ssize_t n;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0 ||
		info.op != PTRACE_SYSCALL_INFO_SECCOMP ||
		(info.seccomp.nr == SYS_ioctl && info.seccomp.args[1] != BLKZEROOUT &&
			info.seccomp.args[1] != BLKDISCARD))
		return false;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", thread, (int)info.seccomp.args[0]);
	n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, device) == 0;
}

static _Noreturn void be_killed(struct drive *drive)
{
	struct err err;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(99);
	stop_at_writes();
	if (format(drive, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	_exit(0);
}

/* One is stopped before its write, which never happens; the others wherever they are. */
static void kill_all(const pid_t *threads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)kill(threads[i], SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

/* Formats, and kills the format and all its children at write number `at`. Returns writes. */
static unsigned int kill_at(struct drive *drive, unsigned int at, bool *ret_killed)
{
	static pid_t threads[1 << 16];
	const int options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
			    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	unsigned int n_writes = 0;
	size_t n = 0;
	int status;
	pid_t pid;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	threads[n++] = fork();
	if (threads[0] == 0)
		be_killed(drive);
	if (waitpid(threads[0], &status, 0) < 0 ||
		ptrace(PTRACE_SETOPTIONS, threads[0], NULL, options) < 0)
		die("ptrace");
	(void)ptrace(PTRACE_CONT, threads[0], NULL, 0);
	*ret_killed = false;
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
		bool known = false;

		if (!WIFSTOPPED(status))
			continue;
		for (size_t i = 0; i < n; i++)
			known |= threads[i] == pid;
		if (!known && n < sizeof threads / sizeof threads[0])
			threads[n++] = pid;
		if (sig == SIGTRAP && writes(pid, drive->device) && ++n_writes == at) {
			*ret_killed = true;
			kill_all(threads, n);
			return n_writes;
		}
		if (sig == SIGTRAP || !known) /* an event, or the stop that a new one begins with */
			sig = 0;
		(void)ptrace(PTRACE_CONT, pid, NULL, sig);
	}
	return n_writes;
}

/* -- the sweep -- */

static int open_device(const struct drive *drive)
{
	int fd = open(drive->device, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(drive->device);
	return fd;
}

static void reset(struct drive *drive)
{
	_cleanup_close_ int fd = open_device(drive);
	uint64_t range[2] = {0};
	struct err err;

	if (ioctl(fd, BLKGETSIZE64, &range[1]) < 0 || ioctl(fd, BLKDISCARD, range) < 0)
		die("discard");
	look(drive);
	for (size_t i = 0; i < drive->inventory->n_volumes; i++)
		if (strcmp(drive->inventory->volumes[i].node, drive->device) == 0 &&
			intent_remove(drive->data, &drive->inventory->volumes[i], &err) < 0)
			die("record");
	if (strcmp(drive->verdict, "blank") != 0)
		die(drive->verdict);
}

/* Half of the blocks that were written are zero again: they had not reached the disk. */
static void lose_half(struct drive *drive, unsigned int seed)
{
	static const uint8_t zeros[ATOMIC_BTRFS];
	_cleanup_close_ int fd = open_device(drive);
	size_t whole = strcmp(drive->filesystem, "btrfs") == 0 ? ATOMIC_BTRFS : ATOMIC;
	uint8_t block[ATOMIC_BTRFS];
	uint64_t size;

	srand(seed);
	if (fsync(fd) < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0)
		die("size");
	for (uint64_t at = 0; at + whole <= size; at += whole) {
		if (pread(fd, block, whole, (off_t)at) != (ssize_t)whole)
			die("read");
		if (memcmp(block, zeros, whole) != 0 && rand() % 2 &&
			pwrite(fd, zeros, whole, (off_t)at) != (ssize_t)whole)
			die("lose");
	}
	if (fsync(fd) < 0)
		die("fsync");
}

static bool check(const struct drive *drive)
{
	char path[PATH_MAX + 8];
	int fd, r;

	if (mount(drive->device, drive->mount, drive->filesystem, 0, NULL) < 0)
		return false;
	snprintf(path, sizeof path, "%s/file", drive->mount);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	r = fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0;
	(void)close(fd);
	return umount(drive->mount) == 0 && r;
}

enum outcome { BLANK, RESUMED, COMPLETE, REFUSED, BROKEN, OUTCOMES };

static enum outcome finish(struct drive *drive, unsigned int at)
{
	enum outcome outcome;
	struct err err;

	look(drive);
	outcome = strcmp(drive->verdict, "blank") == 0       ? BLANK
		  : strcmp(drive->verdict, "half made") == 0 ? RESUMED
		  : strcmp(drive->verdict, "holds") == 0     ? COMPLETE
							     : REFUSED;
	if (outcome == REFUSED) {
		printf("# write %u: %s\n", at, drive->verdict);
		return REFUSED;
	}
	if (outcome != COMPLETE && format(drive, &err) < 0) {
		printf("# write %u: %s: %s\n", at, drive->verdict, err.text);
		return BROKEN;
	}
	if (!check(drive)) {
		printf("# write %u: %s: cannot be used: %m\n", at, drive->verdict);
		return BROKEN;
	}
	return outcome;
}

static void say(const char *how, unsigned int kills, const unsigned int *came)
{
	printf("%s: %u kills: %u blank, %u resumed, %u complete, %u refused, %u broken\n", how,
		kills, came[BLANK], came[RESUMED], came[COMPLETE], came[REFUSED], came[BROKEN]);
}

static int sweep(struct drive *drive, unsigned int step)
{
	unsigned int plain[OUTCOMES] = {0}, lossy[OUTCOMES] = {0}, kills = 0;
	bool killed = true;

	for (unsigned int at = 1; at < KILLS_MAX; at += step) {
		reset(drive);
		(void)kill_at(drive, at, &killed);
		if (!killed)
			break;
		kills++;
		look(drive);
		if (kills % 4 == 0 && strcmp(drive->verdict, "half made") == 0) {
			lose_half(drive, at);
			lossy[finish(drive, at)]++;
			reset(drive);
			(void)kill_at(drive, at, &killed);
		}
		plain[finish(drive, at)]++;
	}
	say("killed", kills, plain);
	say("power cut", lossy[BLANK] + lossy[RESUMED] + lossy[REFUSED] + lossy[BROKEN], lossy);
	return killed ? 1 : 0;
}

/* -- */

static void prepare(struct drive *drive, char **argv)
{
	struct config_problems problems;
	char text[PATH_MAX * 2];

	drive->device = argv[1];
	drive->filesystem = argv[2];
	snprintf(drive->data, sizeof drive->data, "%s/data", argv[3]);
	snprintf(drive->mount, sizeof drive->mount, "%s/mnt", argv[3]);
	(void)mkdir(drive->data, 0755);
	(void)mkdir(drive->mount, 0755);
	snprintf(text, sizeof text, "[volume data]\ndevice = %s\nfilesystem = %s\nmount = %s\n",
		drive->device, drive->filesystem, drive->mount);
	if (config_parse(text, strlen(text), "drive", &drive->config, &problems) < 0)
		die(problems.errors[0].message);
}

static int report(int r, const struct err *err)
{
	printf("%s\n", r < 0 ? err->text : "formatted");
	return r < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 5 ? (unsigned int)atoi(argv[5]) : 1;
	struct drive drive = {0};
	struct err err;
	bool killed;
	int r = 0;

	if (argc < 5)
		return EXIT_USAGE;
	prepare(&drive, argv);
	look(&drive);
	if (strcmp(argv[4], "look") == 0)
		printf("%s\n", drive.verdict);
	else if (strcmp(argv[4], "format") == 0)
		r = report(format(&drive, &err), &err);
	else if (strcmp(argv[4], "force") == 0)
		r = report(force(&drive, &err), &err);
	else if (strcmp(argv[4], "kill") == 0 && (n = kill_at(&drive, n, &killed)) > 0)
		printf(killed ? "killed\n" : "ended after %u\n", n);
	else if (strcmp(argv[4], "check") == 0)
		printf("%s\n", check(&drive) ? "sound" : strerror(errno));
	else if (strcmp(argv[4], "sweep") == 0)
		r = sweep(&drive, n);
	plan_free(drive.plan);
	inventory_free(drive.inventory);
	config_free(drive.config);
	return r;
}
