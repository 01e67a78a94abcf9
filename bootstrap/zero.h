/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zero: whether ranges of a device read as zeros, or as what our own mkfs left. Read past the page
 * cache (O_DIRECT) where the device allows, so that what another machine wrote to a shared volume
 * is seen; many at a time by kernel AIO (io_submit(2)), since a network disk answers in a
 * millisecond. Where there is no AIO to be had, one by one: slower, with the same result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remains.h"
#include "volume.h"

#define ZERO_BLOCK    4096u        /* ranges start at a multiple of it */
#define ZERO_CHUNK    (64u << 10)  /* longest range */
#define ZERO_BATCH    128          /* reads in flight of one check, at most */
#define ZERO_POOL     (512u << 10) /* memory they read into */
#define ZERO_CONTEXTS 64           /* AIO contexts kept for later checks */

struct zero_range {
	const char *what; /* whose place it is: "btrfs mirrors"; NULL nobody's */
	uint64_t offset;
	uint32_t length; /* bytes; a multiple of the logical block, at most ZERO_CHUNK */
};

/*
 * True only if every byte of every range was read and is zero, or in a block that `remains` (NULL:
 * none) cover. `ret_text` says how many reads it took, or what was found first, in the order of the
 * ranges: "data at byte 67108928, a place of btrfs mirrors", "read error at byte 81920000:
 * Input/output error". Up to a batch of ranges behind that one have been read too.
 *
 * May be called by many threads at a time. No read is in flight when it returns.
 */
bool zero_check(int fd, const struct zero_range *ranges, size_t n, const struct remains *remains,
	char ret_text[static VOLUME_TEXT_MAX]);
