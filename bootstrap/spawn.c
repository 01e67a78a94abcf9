/* SPDX-License-Identifier: Apache-2.0 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "file.h"

#define OURS_MAX          8 /* variables of our own */
#define CHILDREN_TEXT_MAX 65536
#define SWEEP_PAUSE_USEC  10000
#define USEC_PER_SEC      1000000ull

/* Everything that the child needs, made before the fork. */
struct child {
	const struct spawn *spawn;
	bool change_user;
	uid_t uid;
	gid_t gid;
	gid_t groups[SPAWN_GROUPS_MAX];
	int n_groups;
	char home[sizeof "HOME=" + 255], user[sizeof "USER=" + 63], logname[sizeof "LOGNAME=" + 63];
	const char *env[SPAWN_ENV_MAX + 1];
	size_t n_env;
};

enum stage { STAGE_SESSION, STAGE_FILES, STAGE_LIMITS, STAGE_USER, STAGE_CWD, STAGE_EXEC };

/* What the child says when it cannot become the program. */
struct failure {
	enum stage stage;
	int code; /* negative errno */
};

static const char *name_of(const struct spawn *spawn)
{
	return spawn->name ? spawn->name : spawn->argv[0];
}

/* -- who -- */

/* NULL without errno: there is none. */
static const struct passwd *find_user(const char *name)
{
	const struct passwd *user;
	char *end;
	unsigned long number;

	errno = 0;
	user = getpwnam(name);
	if (user)
		return user;
	number = strtoul(name, &end, 10);
	return *name && *end == '\0' ? getpwuid((uid_t)number) : NULL;
}

static int find_group(const char *name, gid_t *ret_gid)
{
	const struct group *group = getgrnam(name);
	unsigned long number;
	char *end;

	if (group) {
		*ret_gid = group->gr_gid;
		return 0;
	}
	number = strtoul(name, &end, 10);
	if (!*name || *end != '\0')
		return -ESRCH;
	*ret_gid = (gid_t)number;
	return 0;
}

int spawn_owner(const char *owner, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
	const char *group = strchr(owner, ':');
	const struct passwd *user;
	char name[64];
	gid_t gid;

	snprintf(name, sizeof name, "%.*s", (int)strcspn(owner, ":"), owner);
	user = find_user(name);
	if (!user)
		return err_set(err, -ESRCH, "there is no user %s", name);
	gid = user->pw_gid;
	if (group && find_group(group + 1, &gid) < 0)
		return err_set(err, -ESRCH, "there is no group %s", group + 1);
	*ret_uid = user->pw_uid;
	*ret_gid = gid;
	return 0;
}

/* Without a user, the caller's own home. */
static int set_identity(struct child *child, struct err *err)
{
	const char *name = child->spawn->user;
	const struct passwd *user = name ? find_user(name) : getpwuid(geteuid());

	if (!user && name)
		return err_set(
			err, -ESRCH, "there is no user %s to run %s", name, name_of(child->spawn));
	snprintf(child->home, sizeof child->home, "HOME=%s", user ? user->pw_dir : "/");
	snprintf(child->user, sizeof child->user, "USER=%s", user ? user->pw_name : "root");
	snprintf(child->logname, sizeof child->logname, "LOGNAME=%s", child->user + 5);
	if (!name || (user->pw_uid == geteuid() && geteuid() != 0))
		return 0;
	child->change_user = true;
	child->uid = user->pw_uid;
	child->gid = user->pw_gid;
	child->n_groups = SPAWN_GROUPS_MAX;
	if (getgrouplist(user->pw_name, user->pw_gid, child->groups, &child->n_groups) < 0)
		return err_set(
			err, -E2BIG, "user %s is in more than %d groups", name, SPAWN_GROUPS_MAX);
	return 0;
}

/* -- environment -- */

static bool has_variable(const struct child *child, const char *variable)
{
	size_t length = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < child->n_env; i++)
		if (strncmp(child->env[i], variable, length) == 0)
			return true;
	return false;
}

static int set_environment(struct child *child, struct err *err)
{
	const char *const ours[] = {
		"PATH=" SPAWN_PATH, "LANG=C.UTF-8", child->home, child->user, child->logname};
	const char *const *given = child->spawn->env;

	for (; given && *given; given++) {
		if (child->n_env == SPAWN_ENV_MAX - OURS_MAX - SPAWN_PROXIES_MAX)
			return err_set(err, -E2BIG, "%s: more than %d variables",
				name_of(child->spawn),
				SPAWN_ENV_MAX - OURS_MAX - SPAWN_PROXIES_MAX);
		if (!has_variable(child, *given))
			child->env[child->n_env++] = *given;
	}
	if (child->spawn->proxies)
		child->n_env += spawn_proxies(child->env + child->n_env);
	FOREACH_ELEMENT (i, ours)
		if (!has_variable(child, ours[i]))
			child->env[child->n_env++] = ours[i];
	child->env[child->n_env] = NULL;
	return 0;
}

/* -- the child, between fork and exec: system calls only -- */

static int set_session(pid_t parent)
{
	sigset_t none;

	(void)setsid();
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL); /* KILL and STOP say no */
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	(void)umask(022);
	return getppid() == parent ? 0 : -ESRCH;
}

static int set_files(const struct spawn *spawn, int output)
{
	int null = open("/dev/null", O_RDONLY);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
		dup2(spawn->output ? spawn->output : output, STDOUT_FILENO) < 0 ||
		dup2(output, STDERR_FILENO) < 0)
		return -errno;
	/* On exec, and not now: the report must come through if that fails. */
	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	if (spawn->keep_fd > STDERR_FILENO && fcntl(spawn->keep_fd, F_SETFD, 0) < 0)
		return -errno;
	return 0;
}

static int set_limits(const struct spawn *spawn)
{
	const struct rlimit files = {spawn->limit_nofile, spawn->limit_nofile};
	const struct rlimit memory = {spawn->limit_memory, spawn->limit_memory};

	if (spawn->limit_nofile && setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (spawn->limit_memory && setrlimit(RLIMIT_DATA, &memory) < 0)
		return -errno;
	return 0;
}

static int set_user(const struct child *child)
{
	if (!child->change_user)
		return 0;
	if (setgroups((size_t)child->n_groups, child->groups) < 0 ||
		setresgid(child->gid, child->gid, child->gid) < 0 ||
		setresuid(child->uid, child->uid, child->uid) < 0)
		return -errno;
	return 0;
}

/* After the change of user, which forgets the parent-death signal. */
static int set_cwd(const struct spawn *spawn, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || chdir(spawn->cwd ? spawn->cwd : "/") < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static _Noreturn void become(const struct child *child, pid_t parent, int output, int report)
{
	const struct spawn *spawn = child->spawn;
	struct failure failure = {STAGE_SESSION, set_session(parent)};

	if (failure.code == 0)
		failure = (struct failure){STAGE_FILES, set_files(spawn, output)};
	if (failure.code == 0)
		failure = (struct failure){STAGE_LIMITS, set_limits(spawn)};
	if (failure.code == 0)
		failure = (struct failure){STAGE_USER, set_user(child)};
	if (failure.code == 0)
		failure = (struct failure){STAGE_CWD, set_cwd(spawn, parent)};
	if (failure.code == 0) {
		environ = (char **)child->env; /* execvp() takes PATH from here */
		(void)execvp(spawn->argv[0], (char *const *)spawn->argv);
		failure = (struct failure){STAGE_EXEC, -errno};
	}
	(void)!write(report, &failure, sizeof failure);
	_exit(127);
}

/* -- the parent -- */

static int explain(const struct spawn *spawn, const struct failure *failure, struct err *err)
{
	const char *name = name_of(spawn);
	int code = failure->code;

	switch (failure->stage) {
	case STAGE_LIMITS:
		return err_set(err, code, "%s: a limit of %llu open files: %m", name,
			(unsigned long long)spawn->limit_nofile);
	case STAGE_USER:
		return err_set(err, code, "%s: cannot run as user %s: %m", name, spawn->user);
	case STAGE_CWD:
		return err_set(
			err, code, "%s: directory %s: %m", name, spawn->cwd ? spawn->cwd : "/");
	case STAGE_EXEC:
		if (code == -ENOENT && spawn->package)
			return err_set(err, code, "%s is not installed (package %s has it)",
				spawn->argv[0], spawn->package);
		if (code == -ENOENT)
			return err_set(err, code, "%s: there is no such program", spawn->argv[0]);
		break;
	case STAGE_SESSION:
	case STAGE_FILES: break;
	}
	return err_set(err, code, "%s cannot be run: %m", name);
}

int spawn_start(const struct spawn *spawn, int output, pid_t *ret_pid, struct err *err)
{
	_cleanup_close_ int report = -1;
	struct child child = {.spawn = spawn};
	struct failure failure;
	pid_t pid, parent = getpid();
	int ends[2], r;

	r = set_identity(&child, err);
	if (r == 0)
		r = set_environment(&child, err);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: pipe: %m", name_of(spawn));
	report = ends[0];
	pid = fork();
	if (pid == 0)
		become(&child, parent, output, ends[1]);
	r = pid < 0 ? -errno : 0;
	(void)close(ends[1]);
	if (r < 0)
		return err_set(err, r, "%s: fork: %m", name_of(spawn));
	if (spawn_take_report(report, &failure, sizeof failure)) {
		(void)waitpid(pid, NULL, 0);
		return explain(spawn, &failure, err);
	}
	*ret_pid = pid;
	return 0;
}

size_t spawn_proxies(const char *ret_env[static SPAWN_PROXIES_MAX + 1])
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
		"ALL_PROXY", "no_proxy", "NO_PROXY"};
	size_t n = 0;

	FOREACH_ELEMENT (i, names) {
		size_t length = strlen(names[i]);

		for (char **p = environ; *p; p++)
			if (strncmp(*p, names[i], length) == 0 && (*p)[length] == '=')
				ret_env[n++] = *p;
	}
	ret_env[n] = NULL;
	return n;
}

bool spawn_take_report(int fd, void *ret_report, size_t size)
{
	ssize_t n;

	do
		n = read(fd, ret_report, size);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)size;
}

bool spawn_has_ended(pid_t pid)
{
	siginfo_t info = {0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
		if (info.si_pid == pid)
			return true;
		(void)waitpid(info.si_pid, NULL, 0);
		info.si_pid = 0;
	}
	return false;
}

void spawn_sweep(void)
{
	uint64_t deadline = clock_monotonic() + SPAWN_GRACE_USEC;

	while (clock_monotonic() < deadline) {
		_cleanup_free_ char *text = NULL;
		char *end;

		/* Children of the dead become ours, and are in the list the next time. They
		 * are not reaped yet, so no number in it can be somebody else's. */
		if (file_read("/proc/thread-self/children", CHILDREN_TEXT_MAX, &text, NULL) == 0)
			for (char *p = text; strtol(p, &end, 10) > 0; p = end)
				(void)kill((pid_t)strtol(p, NULL, 10), SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		(void)usleep(SWEEP_PAUSE_USEC);
	}
}

int spawn_find(const char *program, char *ret_path, size_t size)
{
	static const char path[] = SPAWN_PATH;

	if (strchr(program, '/')) {
		snprintf(ret_path, size, "%s", program);
		return access(program, X_OK) == 0 ? 0 : -ENOENT;
	}
	for (const char *p = path; *p; p += strcspn(p, ":"), p += *p == ':') {
		snprintf(ret_path, size, "%.*s/%s", (int)strcspn(p, ":"), p, program);
		if (access(ret_path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

const char *spawn_ending(int wait_status, char *buffer, size_t size)
{
	const char *signal_name;

	if (WIFEXITED(wait_status)) {
		snprintf(buffer, size, "exit status %d", WEXITSTATUS(wait_status));
		return buffer;
	}
	signal_name = sigabbrev_np(WTERMSIG(wait_status));
	if (signal_name)
		snprintf(buffer, size, "signal %s", signal_name);
	else
		snprintf(buffer, size, "signal %d", WTERMSIG(wait_status));
	return buffer;
}
