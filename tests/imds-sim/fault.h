/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to go wrong, from the text of the control file .faults. A line is
 *
 *	PATTERN STATUS [Retry-After=SECONDS]
 *
 * PATTERN is a shell pattern for what follows the version in the path, such as meta-data/iam*
 * or api/token; its stars also match slashes. STATUS is 400..599. The first line that matches
 * counts. Empty lines and lines that begin with # are skipped.
 */
#pragma once

struct fault {
	unsigned status;
	unsigned retry_after; /* seconds; 0: no such header */
};

/*
 * Finds what `text` (changed in passing) says of `path`. Returns 0; 1 when it says something, in
 * `ret`; -EBADMSG when a line up to there is none of the above, its number in `ret_line`.
 */
int fault_find(char *text, const char *path, struct fault *ret, unsigned *ret_line);
