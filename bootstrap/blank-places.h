/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blank-places: where on a device of a given size the proof of blankness looks. Pure.
 *
 * The first and last MiB hold the primary superblocks and their copies at the end: GPT's backup,
 * MD 0.90 and 1.0, ZFS' labels, nilfs2's second superblock, LDM, vendor RAID.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "zero.h"

#define BLANK_ENDS_SIZE  (1u << 20)
#define BLANK_SAMPLES    1024
#define BLANK_WHOLE_SIZE ((uint64_t)BLANK_SAMPLES * ZERO_CHUNK)
#define BLANK_RANGES_MAX 1024 /* more than any of these writes */

/* They write at most BLANK_RANGES_MAX and return how many; the size is at least VOLUME_SIZE_MIN. */
size_t blank_first_mib(uint64_t size, struct zero_range *ret_ranges);
size_t blank_last_mib(uint64_t size, struct zero_range *ret_ranges);

/* Copies that file systems, RAID and encryption keep elsewhere. 0 when they have no room. */
size_t blank_backups(uint64_t size, struct zero_range *ret_ranges);

/*
 * All of a device of up to 64 MiB, which takes no more reads; of a larger one blocks of 4 KiB at
 * the multiples of size / 1024. Data without a known signature is seen for sure there only if it
 * is a run longer than that distance (100 MiB of 100 GiB); a shorter one may lie between two
 * samples.
 */
size_t blank_samples(uint64_t size, struct zero_range *ret_ranges);
