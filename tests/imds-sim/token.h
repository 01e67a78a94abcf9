/* SPDX-License-Identifier: Apache-2.0 */
/* The session tokens of IMDSv2: who may ask, and for how long. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TOKEN_BYTES = 40,      /* what the real service gives: 40 bytes, ... */
	TOKEN_CHARS = 56,      /* ... as url-safe base64 with its padding, which begins AQAAA */
	TOKEN_TTL_MAX = 21600, /* seconds; six hours */
	TOKENS_MAX = 4096,     /* remembered at a time; the oldest is forgotten first */
};

/* Big: keep it off the stack. All zeroes is an empty one. */
struct tokens {
	size_t issued;
	struct token {
		char text[TOKEN_CHARS + 1];
		int64_t expires_ms;
	} ring[TOKENS_MAX];
};

/*
 * Reads a time to live as the request header gives it: decimal digits and nothing else,
 * 1..TOKEN_TTL_MAX seconds. NULL is a missing header. 0 or -EINVAL.
 */
int token_parse_ttl(const char *text, unsigned *ret_seconds);

/*
 * Issues a token that is good for `seconds` from `now_ms` (any monotonic clock, the same at each
 * call). The text belongs to `t` and stays until TOKENS_MAX more have been issued. 0 or -errno.
 */
int token_issue(struct tokens *t, unsigned seconds, int64_t now_ms, const char **ret_text);

/* Seconds for which `text` is still good, rounded up; 0 when it is unknown or has expired. */
unsigned token_left(const struct tokens *t, const char *text, int64_t now_ms);

void token_forget_all(struct tokens *t);
