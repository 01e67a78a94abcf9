/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: one file from the network, whatever happens on the way: dropped connections, busy
 * servers, credentials that expire.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "err.h"
#include "http.h"
#include "imds.h"
#include "s3.h"

#define DOWNLOAD_STALL        (30 * 1000000ull) /* a connection without a byte is given up */
#define DOWNLOAD_TRIES_MAX    10                /* in a row without a byte more: about a minute */
#define DOWNLOAD_VERSION_SIZE 1024

struct download {
	sd_event *event;
	struct http *http;
	const char *url;                /* https:, or where the object is */
	const struct s3_object *object; /* NULL: not in S3 */
	/* of an object: what signs the request */
	struct imds *imds;
	uint64_t imds_timeout_usec;
	const char *region;
	/* what is there of how much (UINT64_MAX: nobody has said), at each part and at the end */
	void (*progress)(uint64_t size, uint64_t total, void *userdata);
	/* what went wrong, and how long it is to the next try */
	void (*trouble)(const char *words, uint64_t usec, void *userdata);
	void *userdata;
};

/*
 * What `instancectl fetch` writes to standard error, unless that is a terminal, at most once a
 * second and once at the end; fetch.c reads it. N (decimal) is what is there by now, with what was
 * there before; M (decimal) how much it will be, or "?":
 *
 *	fetched N of M bytes
 */
#define DOWNLOAD_LINE "fetched %" PRIu64 " of "

/*
 * Writes it to `fd`. A regular file is continued at its end if the server can do that, and else
 * started over; anything else just gets the bytes, if they need not be taken back. Each try goes on
 * where the last one ended, unless the server has another version by now. -EFBIG: it is more than
 * `max` bytes; other errors: the network, the server, the file, as the words say.
 */
int download_to(const struct download *download, int fd, uint64_t max, struct err *err);

/*
 * What tells this version from others, in a line without its end: `etag "…" length 123`, with
 * `version …` for an object in a versioned bucket; `modified "…"` where there is no ETag. -ENODATA:
 * neither.
 */
int download_version(const struct download *download, char ret_line[static DOWNLOAD_VERSION_SIZE],
	struct err *err);

/* -- decisions -- */

enum download_verdict {
	DOWNLOAD_USE,
	DOWNLOAD_RETRY,
	DOWNLOAD_RENEW,  /* the credentials, and then once more */
	DOWNLOAD_RANGE,  /* 416: there is nothing after what we have */
	DOWNLOAD_REFUSE, /* asking again does not help */
};

/* `status` is HTTP's, 0 with `error` when there was no answer; `code` is S3's, or "". */
enum download_verdict download_judge(int status, int error, const char *code);

/*
 * Reads Content-Range (RFC 9110, section 14.4): "bytes 0-9/10", "bytes 5-9/" "*" or, of a 416,
 * "bytes *" "/10". What it does not say is UINT64_MAX. False: it is nothing of the kind.
 */
bool download_range(const char *text, uint64_t *ret_first, uint64_t *ret_total);
