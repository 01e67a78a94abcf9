/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: what an https: or s3: source names, by a process of its own: `instancectl fetch`, which
 * has a network and one open file, and nothing else: it runs as FETCH_USER, not as us and not as an
 * app. We never speak to the network while we can change the machine.
 */
#pragma once

#include "err.h"

#define FETCH_USER         "daemon" /* every distribution has it, and no app of ours runs as it */
#define FETCH_HEAD_TIMEOUT (120 * 1000000ull)
#define FETCH_TIMEOUT      (6 * 3600 * 1000000ull) /* it gives up by itself when nothing comes */

/* How a source is reached, and who is told how far it is. */
struct reach {
	const char
		*imds; /* the metadata service for the role's credentials; NULL: its own address */
	void (*progress)(const char *text, void *userdata); /* NULL: nobody */
	void *userdata;
};

struct fetch {
	const char *app, *url;
	const char *region, *endpoint; /* s3:, or NULL */
	const struct reach *reach;
};

/* What the server calls the version that it has now, as a line; the caller frees. */
int fetch_version(const struct fetch *fetch, char **ret_line, struct err *err);

/* Appends to the regular file `fd` (open for appending) what is not in it yet. */
int fetch_into(const struct fetch *fetch, int fd, struct err *err);
