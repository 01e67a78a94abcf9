/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

struct digest {
	EVP_MD_CTX *context;
	bool failed;
};

struct digest *digest_free(struct digest *digest)
{
	if (!digest)
		return NULL;
	EVP_MD_CTX_free(digest->context);
	free(digest);
	return NULL;
}

int digest_new(struct digest **ret_digest)
{
	_cleanup_(digest_free_p) struct digest *digest = calloc(1, sizeof *digest);

	if (!digest)
		return -ENOMEM;
	digest->context = EVP_MD_CTX_new();
	if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	*ret_digest = steal_ptr(digest);
	return 0;
}

void digest_add(struct digest *digest, const void *data, size_t length)
{
	if (EVP_DigestUpdate(digest->context, data, length) != 1)
		digest->failed = true;
}

void digest_add_text(struct digest *digest, const char *text)
{
	uint64_t length = text ? strlen(text) : UINT64_MAX;
	uint8_t little_endian[8];

	for (unsigned i = 0; i < 8; i++)
		little_endian[i] = (uint8_t)(length >> (8 * i));
	digest_add(digest, little_endian, sizeof little_endian);
	if (text)
		digest_add(digest, text, length);
}

int digest_end(struct digest *digest, char ret_hex[static DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char value[EVP_MAX_MD_SIZE];
	unsigned length;

	if (digest->failed || EVP_DigestFinal_ex(digest->context, value, &length) != 1)
		return -ENOMEM;
	for (unsigned i = 0; i < length; i++) {
		ret_hex[2 * i] = digits[value[i] >> 4];
		ret_hex[2 * i + 1] = digits[value[i] & 15];
	}
	ret_hex[2 * length] = '\0';
	return 0;
}

int digest_sha256(const void *data, size_t length, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	digest_add(digest, data, length);
	return digest_end(digest, ret_hex);
}

int digest_fd(int fd, uint64_t max, char ret_hex[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;
	uint8_t chunk[CHUNK];
	uint64_t total = 0;
	int r = digest_new(&digest);

	while (r == 0) {
		ssize_t n = read(fd, chunk, sizeof chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return digest_end(digest, ret_hex);
		total += (uint64_t)n;
		if (total > max)
			return -EFBIG;
		digest_add(digest, chunk, (size_t)n);
	}
	return r;
}

bool digest_is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdefABCDEF") == length;
}
