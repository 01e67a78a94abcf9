/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack: takes apart what somebody else packed: tar (plain, gzip, bzip2, xz, zstd) and zip.
 *
 * Only directories, regular files and symbolic links that stay inside (tree_link_is_inside()) are
 * unpacked. Anything else refuses the whole archive, by the entry's name: absolute names and "..",
 * hard links, devices, FIFOs, set-user-ID and set-group-ID files, encrypted entries, a name twice,
 * a name that passes through a link, and what is beyond the bounds here and in tree.h. Of a
 * file's mode only "executable" is kept; owners, times, extended attributes and ACLs are not.
 *
 * Two processes do it: one that reads, and may do nothing else (unpack-read.h), and this one, which
 * decides and writes, and believes the other nothing.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define UNPACK_RATIO_MAX   500           /* unpacked to packed bytes … */
#define UNPACK_RATIO_FROM  (64ull << 20) /* … once this much is unpacked */
#define UNPACK_SILENCE_MAX 300           /* seconds without anything from the one that reads */

/*
 * Unpacks the regular file `fd`, from its start, into the directory `into`, which is there and
 * empty; on failure something may be in it. `name` is the archive's, for errors.
 *
 * The first `strip` directories of every name are left out; an entry of which nothing is left is
 * skipped (as by tar --strip-components, but that "./" in front is no directory). Where a link
 * leads is judged where it will be.
 *
 * -EBADMSG: not an archive, a damaged one, or one with nothing in it; -EPERM, -EFBIG, -E2BIG:
 * refused; -ENOMEM, -ETIME: takes more memory or processor time than unpack-read.h allows;
 * -EPROTO, -ETIMEDOUT: the process that reads did what it should not, or nothing.
 */
int unpack_archive(int fd, const char *name, unsigned strip, const char *into, struct err *err);

/* -- its parts, for tests -- */

enum unpack_kind { UNPACK_FILE = 1, UNPACK_DIRECTORY, UNPACK_LINK, UNPACK_OTHER };

enum unpack_flag {
	UNPACK_EXECUTABLE = 1 << 0,
	UNPACK_SET_ID = 1 << 1, /* either of the two */
	UNPACK_HARD_LINK = 1 << 2,
	UNPACK_ENCRYPTED = 1 << 3,
	UNPACK_NAMELESS = 1 << 4, /* its name cannot be read */
	UNPACK_TOO_LONG = 1 << 5, /* its name is PATH_MAX or more */
};

struct unpack_entry {
	enum unpack_kind kind;
	unsigned flags;
	const char *path;   /* as the archive has it; shorter than PATH_MAX */
	const char *target; /* of a link */
};

struct unpack_verdict {
	char path[PATH_MAX]; /* the entry's name for messages: clean, if it can be */
	size_t place;        /* offset in `path` of what is left of it; nothing: it is skipped */
	const char *why;     /* it is refused */
};

/* Decides over the entry of this number, from 1. The verdict is filled in any case. */
int unpack_judge(const struct unpack_entry *entry, size_t number, unsigned strip,
	struct unpack_verdict *ret_verdict);

struct unpack_sizes {
	uint64_t packed;   /* the archive */
	uint64_t unpacked; /* contents of files so far */
	uint64_t total;    /* with holes in sparse files: it is what a copy would take */
	uint64_t end;      /* of this file's contents so far */
};

/* Decides over `length` bytes more, at this offset of the file, and counts them. */
int unpack_judge_data(
	struct unpack_sizes *sizes, uint64_t offset, size_t length, const char **ret_why);

/* The half that writes: follows the records that come from this file, until they end. -EPIPE: in
 * the middle. */
int unpack_follow(int records, uint64_t packed, const char *name, unsigned strip, const char *into,
	struct err *err);
