/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal: what makes a machine the one instance that it is, found and taken away, so that an image
 * of it makes instances of their own. Configuration, packages, app releases, users and their data
 * stay. What goes, and in which order, is the table in seal-rules.c.
 *
 * The order makes it safe to stop anywhere, a power cut included: what a boot needs to make
 * something anew is in place before the thing goes (cloud-init's record that it has made the host
 * keys goes before the keys), and the machine ID, by which the machine itself goes on working, goes
 * last. Each step is on disk before the next one begins. The next run finishes.
 *
 * No symbolic link is followed. A mount point is crossed only where systems have file systems of
 * their own (/var, /var/log …), on a local disk, and never that of a configured volume.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "config.h"
#include "err.h"

#define SEAL_ITEMS_MAX   8192
#define SEAL_ENTRIES_MAX 500000 /* in one tree */
#define SEAL_DEPTH_MAX   100    /* of a tree */

enum seal_how {
	SEAL_REMOVE, /* with all that is in it */
	SEAL_ERASE,  /* removed, and its content overwritten: a snapshot has freed blocks too */
	SEAL_EMPTY,  /* stays, with owner, mode and who has it open, without content */
	SEAL_KEEP,   /* stays, and somebody should know */
};

struct seal_item {
	char *path;       /* absolute */
	const char *what; /* "SSH host keys"; of the table */
	enum seal_how how;
	const char *why; /* SEAL_KEEP: why it stays, static; else NULL */
	uint64_t bytes;  /* of content, in all */
};

struct seal {
	struct seal_item *items; /* in the order in which they go */
	size_t n;
	size_t todo; /* how many do not stay */
};

/* All paths are below the process's root. */
struct seal_request {
	const struct config *config; /* of that machine */
	const char *state, *data;    /* directories, absolute */
	bool running;                /* the machine is this one, and works on */
};

/* Looks, and touches nothing. */
int seal_find(const struct seal_request *request, struct seal **ret_seal, struct err *err);

/* Takes one item away; one that is gone is no error. -EBUSY, -ELOOP: it is not what it was. */
int seal_take(const struct seal_request *request, const struct seal_item *item, struct err *err);

struct seal *seal_free(struct seal *seal);

/* "remove", "erase", "empty", "keep" */
const char *seal_how_name(enum seal_how how);

/* -- the table, for seal.c and tests -- */

struct seal_rule {
	const char *what;
	enum seal_how how;
	/*
	 * Where, separated by blanks; "*" and "?" stand for characters other than "/". DATA: and
	 * STATE: begin a path below these directories, PAGE: is the index page.
	 */
	const char *paths;
	bool trees; /* directories, links and others too; else regular files only */
	/* Of one that is there: NULL it goes, "" it is not meant, else why it stays. May be NULL.
	 */
	const char *(*objection)(const struct seal_request *request, const char *path);
	const char *why; /* SEAL_KEEP */
};

extern const struct seal_rule seal_rules[];
extern const size_t seal_rules_count;

/* Whether systems have a file system of their own here. */
bool seal_may_cross(const char *path);

CLEANUP_FOR(seal, seal_free);
