/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>
#include <sys/random.h>

int token_parse_ttl(const char *text, unsigned *ret_seconds)
{
	unsigned seconds = 0;

	if (!text || !*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		seconds = seconds * 10 + (unsigned)(*text - '0');
		if (seconds > TOKEN_TTL_MAX)
			return -EINVAL;
	}
	if (seconds == 0)
		return -EINVAL;
	*ret_seconds = seconds;
	return 0;
}

static void encode(const uint8_t bytes[TOKEN_BYTES], char text[TOKEN_CHARS + 1])
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < TOKEN_BYTES; i += 3) {
		size_t left = TOKEN_BYTES - i;
		uint32_t group = (uint32_t)bytes[i] << 16 |
				 (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				 (left > 2 ? bytes[i + 2] : 0);

		*text++ = alphabet[group >> 18 & 63];
		*text++ = alphabet[group >> 12 & 63];
		*text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*text++ = left > 2 ? alphabet[group & 63] : '=';
	}
	*text = '\0';
}

int token_issue(struct tokens *t, unsigned seconds, int64_t now_ms, const char **ret_text)
{
	struct token *token = &t->ring[t->issued % TOKENS_MAX];
	uint8_t bytes[TOKEN_BYTES] = {1};

	if (getrandom(bytes + 4, sizeof(bytes) - 4, 0) != (ssize_t)sizeof(bytes) - 4)
		return -EIO;
	encode(bytes, token->text);
	token->expires_ms = now_ms + (int64_t)seconds * 1000;
	t->issued++;
	*ret_text = token->text;
	return 0;
}

unsigned token_left(const struct tokens *t, const char *text, int64_t now_ms)
{
	size_t known = MIN(t->issued, (size_t)TOKENS_MAX);

	for (size_t i = 1; i <= known; i++) { /* from the newest, which is the one asked for */
		const struct token *token = &t->ring[(t->issued - i) % TOKENS_MAX];

		if (strcmp(token->text, text) != 0)
			continue;
		if (token->expires_ms <= now_ms)
			return 0;
		return (unsigned)((token->expires_ms - now_ms + 999) / 1000);
	}
	return 0;
}

void token_forget_all(struct tokens *t)
{
	t->issued = 0;
}
