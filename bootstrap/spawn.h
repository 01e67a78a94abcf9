/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn: the one way to run another program.
 *
 * Always argv, never a shell (an app's own lines are given to /bin/sh -c by those who run them).
 * The program gets: PATH, LANG=C.UTF-8, HOME, USER, LOGNAME and what `env` adds, nothing else;
 * umask 022; default signals, none blocked; standard input from /dev/null; no open file but
 * standard output and error (and `keep_fd`); a session of its own.
 *
 * spawn_run() puts a keeper between: a process that holds the program's time limit and outlives its
 * caller just long enough to end the program. Whatever happens to the caller, kill -9 included,
 * nothing of the program's process group is left; with `alone`, nothing of all that descends
 * from it. The keeper has the caller's open files: a lock that the caller holds stays taken until
 * the program is gone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define SPAWN_PATH        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SPAWN_ENV_MAX     96 /* variables, ours included */
#define SPAWN_PROXIES_MAX 8
#define SPAWN_GROUPS_MAX  256               /* supplementary groups of a user */
#define SPAWN_GRACE_USEC  (10 * 1000000ull) /* from TERM to KILL, and from KILL to giving up */

struct spawn {
	const char *const *argv; /* ended by NULL; without a slash, argv[0] is looked up in PATH */
	const char *const *env; /* "NAME=value", ended by NULL; wins over ours, the first of a name.
				   NULL: none */
	const char *cwd;        /* NULL: / */
	const char *writable;   /* host()->run(): may be written to besides cwd. NULL: nothing */
	const char *user;       /* with its groups. NULL: as the caller */
	const char *package;    /* that has the program, for the error. NULL: not known */
	const char *name;       /* of the program in errors. NULL: argv[0] */
	const char *label; /* output is passed on to our stderr as "label: line". NULL: is not */
	/* spawn_run() and host()->run() only: told each line of output, before it is passed on;
	 * true: it was for the caller, and is neither passed on nor part of an error. NULL: nobody
	 */
	bool (*line)(const char *line, void *userdata);
	void *userdata;
	int output;            /* standard output goes to this file, not to ours; 0: none */
	bool proxies;          /* gets our own variables that name proxies, too */
	uint64_t limit_memory; /* bytes; 0: none */
	bool unconfined;       /* host()->run(): may change the whole system (a package manager) */
	uint64_t limit_nofile; /* open files, soft and hard; 0: as the caller */
	uint64_t timeout_usec; /* spawn_run() only, and must be set: then TERM, then KILL */
	int keep_fd;           /* stays open under its number; 0: none */
	bool alone; /* spawn_run(): what the program leaves running is ended, daemons too */
};

/*
 * Runs the program to its end. `ret_tail` (may be NULL) gets the last OUTPUT_TAIL_MAX bytes
 * (output.h) of what it wrote to standard output and error, and a NUL; the caller frees.
 *
 * Returns 0 if it exited with 0; -ECHILD if it did not (the text has the exit status or signal, and
 * the last lines of output); -ETIMEDOUT; or what kept it from running, among these -ENOENT and
 * -ENOEXEC for the program, -ESRCH for a user that does not exist.
 */
int spawn_run(const struct spawn *spawn, char **ret_tail, struct err *err);

/*
 * Starts the program and returns when it runs, or with the reason why it does not. Its output goes
 * to `output`. It is killed when the caller dies; everything else is the caller's business:
 * it leads a session and process group of the number `ret_pid`.
 */
int spawn_start(const struct spawn *spawn, int output, pid_t *ret_pid, struct err *err);

/*
 * Whether this child has ended. It is not reaped yet, so that its number still is its group's and
 * nobody else's; other children that have ended are.
 */
bool spawn_has_ended(pid_t pid);

/*
 * Reads what a child has to report, `size` bytes that it writes to the pipe `fd` at once: no more
 * than PIPE_BUF, so that they arrive whole. False if it has ended, or become a program, without a
 * report.
 */
bool spawn_take_report(int fd, void *ret_report, size_t size);

/*
 * Kills and reaps everything that descends from the caller, which must be a subreaper
 * (PR_SET_CHILD_SUBREAPER). Gives up after SPAWN_GRACE_USEC.
 */
void spawn_sweep(void);

/* Our own variables that name proxies (curl(1), "ENVIRONMENT"), ended by NULL; how many. */
size_t spawn_proxies(const char *ret_env[static SPAWN_PROXIES_MAX + 1]);

/* The program of this name in SPAWN_PATH; one with a slash is where it says. -ENOENT. */
int spawn_find(const char *program, char *ret_path, size_t size);

/* "www-data", "www-data:adm", "1000:1000" to numbers; without a group, the user's own. -ESRCH. */
int spawn_owner(const char *owner, uid_t *ret_uid, gid_t *ret_gid, struct err *err);

/* How it ended, for a message: "exit status 3", "signal KILL". Returns `buffer`. */
const char *spawn_ending(int wait_status, char *buffer, size_t size);
