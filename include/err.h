/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: the reason for a failure, in words for a person.
 *
 * A function that takes `struct err *` last fills it exactly when it fails; NULL means that the
 * caller does not want the words. Each error is reported once, by the program that handles it.
 */
#pragma once

/* Exit status of both programs: README "Operate". */
enum exit_status {
	EXIT_DONE = 0,     /* done, converged or ready */
	EXIT_FAILED = 1,   /* a required step failed or was refused */
	EXIT_USAGE = 2,    /* bad usage or bad configuration; nothing was touched */
	EXIT_PROGRESS = 3, /* still in progress, or degraded: an optional part is missing */
	EXIT_AGAIN = 75,   /* `apply --boot`: to be run again; EX_TEMPFAIL of <sysexits.h> */
};

#define ERR_TEXT_MAX 1024

struct err {
	char text[ERR_TEXT_MAX]; /* one sentence without a full stop; cut with "…" when too long */
};

/* Sets the text; a conversion %m prints strerror(-code). Returns `code`, a negative errno. */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text that is there. Returns `code`. */
int err_wrap(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
