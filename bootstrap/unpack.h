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
 * Nothing is stripped: an archive with one directory at its top gives a tree with one directory at
 * its top.
 */
#pragma once

#include "err.h"

#define UNPACK_RATIO_MAX  500           /* unpacked to packed bytes … */
#define UNPACK_RATIO_FROM (64ull << 20) /* … once this much is unpacked */

/*
 * Unpacks the regular file `fd`, from its start, into the directory `into`, which is there and
 * empty; on failure something may be in it. `name` is the archive's, for errors. -EBADMSG: not an
 * archive, or a damaged one; -EPERM, -EFBIG, -E2BIG: refused.
 */
int unpack_archive(int fd, const char *name, const char *into, struct err *err);
