/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack-read: the half of unpack that reads what somebody else packed. Parsers of archives are
 * where the holes are, so this one runs in a process of its own, which gives up everything before
 * it sees the first byte: it can read the archive, write records, and allocate memory, and is
 * killed when it tries anything else.
 *
 * What it finds goes into a pipe, as records: for each entry one UNPACK_ENTRY, for a file's
 * contents UNPACK_DATA in the order of their offsets, at the end one UNPACK_END or UNPACK_FAILURE.
 * Both ends are the same program on the same machine: numbers are in its byte order.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "unpack.h"

#define UNPACK_BLOCK_MAX  (256u << 10)   /* bytes of contents in a record */
#define UNPACK_WORDS_MAX  512u           /* bytes of words for a failure */
#define UNPACK_CPU_MAX    600            /* seconds of processor time; tree.h bounds the output */
#define UNPACK_MEMORY_MAX (512ull << 20) /* xz -9 takes 65 MiB, zstd --long 128 MiB */

enum unpack_what { UNPACK_ENTRY = 1, UNPACK_DATA, UNPACK_END, UNPACK_FAILURE };

struct unpack_record {
	uint32_t what;
	uint32_t length; /* of what follows: the path; contents; the words. No NUL at its end */
	uint32_t target; /* entry: length of a symbolic link's target, which follows the path */
	uint32_t kind;   /* entry: enum unpack_kind */
	uint32_t flags;  /* entry: enum unpack_flag */
	int32_t code;    /* failure: negative errno */
	uint64_t offset; /* data: in the file. Without contents, this is where the file ends */
};

#define UNPACK_FOLLOWS_MAX UNPACK_BLOCK_MAX /* bytes that follow a record */
_Static_assert(2 * PATH_MAX <= UNPACK_FOLLOWS_MAX && UNPACK_WORDS_MAX <= UNPACK_FOLLOWS_MAX,
	"all that follows a record fits");

/*
 * In a child of `parent`: reads the archive, a regular file of `size` bytes (its file position is
 * neither used nor moved), and writes records. Never returns.
 */
_Noreturn void unpack_read(int archive, uint64_t size, int records, pid_t parent);

/*
 * Takes from the calling process, which must have one thread, what it does not need to turn the
 * one file into the other: other open files, the user, capabilities, privileges to come, more of
 * any resource, and system calls but a few. It dies with `parent`. There is no way back. After an
 * error it may be half confined, and must end.
 */
int unpack_read_confine(int archive, int records, pid_t parent);
