/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user-data: finds our configuration in EC2 user-data. Pure: bytes in, text out, no I/O.
 *
 * Ours is text whose first line is "#instanced" (blanks behind it, blank lines and a byte order
 * mark before it do not count), or a part of type text/x-instanced in a MIME multipart document
 * (RFC 2045, RFC 2046), which may stand there beside cloud-init's own parts. A text/plain part is
 * judged by its first line, as cloud-init judges it. Each of these may be compressed with gzip
 * (RFC 1952, one member), and encoded in base64 once more than EC2 asks for (cloud-init 23.3 takes
 * that too). Everything else, "#!", "#cloud-config" and so on, is not ours and no error.
 */
#pragma once

#include <stddef.h>

#include "err.h"

#define USER_DATA_MAX          ((size_t)16 << 10) /* raw bytes that EC2 keeps for an instance */
#define USER_DATA_EXPANDED_MAX ((size_t)1 << 20)  /* what all of gzip in it may come to */
#define USER_DATA_DEPTH_MAX    8                  /* gzip, base64 and multipart in each other */

/*
 * Returns 1 with the text, which is NUL-terminated and the caller's to free, or 0: none of ours.
 * Line 1 of the text is the first line of the document or part, so config_parse() with the name
 * "user-data" counts lines as its author does ("#instanced" is a comment to it). Whether the text
 * is UTF-8 without NUL is for config_parse() to say too, with the line; hence the length.
 *
 * -EBADMSG: it is too long, or it is (or, being unreadable, may be) ours and broken: damaged or cut
 * off gzip or base64, a part without its closing delimiter, more than one of ours. -ENOMEM.
 */
int user_data_layer(
	const void *data, size_t size, char **ret_text, size_t *ret_length, struct err *err);
