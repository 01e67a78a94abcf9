/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: SHA-256 (FIPS 180-4) of memory, of a stream, of parts; always as 64 lower-case hex
 * digits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define DIGEST_HEX_SIZE 65 /* with the NUL */

struct digest;

/* -ENOMEM is the only error of what follows, unless it says more. */
int digest_sha256(const void *data, size_t length, char ret_hex[static DIGEST_HEX_SIZE]);

/* What `fd` gives from its position to its end; -EFBIG when that is more than `max` bytes. */
int digest_fd(int fd, uint64_t max, char ret_hex[static DIGEST_HEX_SIZE]);

/* In parts. A failure in digest_add() is kept and comes out of digest_end(). */
int digest_new(struct digest **ret_digest);
void digest_add(struct digest *digest, const void *data, size_t length);
/* With its length in front, so that "ab", "c" and "a", "bc" differ; NULL differs from "". */
void digest_add_text(struct digest *digest, const char *text);
int digest_end(struct digest *digest, char ret_hex[static DIGEST_HEX_SIZE]);
struct digest *digest_free(struct digest *digest);

/* Whether this is `length` hex digits, in any case. */
bool digest_is_hex(const char *text, size_t length);

CLEANUP_FOR(digest, digest_free);
