/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "digest.h"
#include "tap.h"

/* NIST, "Examples with Intermediate Values", SHA-256. */
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OF_MILLION "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void of_texts(const char *const *texts, size_t n, char ret[static DIGEST_HEX_SIZE])
{
	_cleanup_(digest_free_p) struct digest *digest = NULL;

	ret[0] = '\0';
	if (digest_new(&digest) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		digest_add_text(digest, texts[i]);
	(void)digest_end(digest, ret);
}

static int million(void)
{
	char path[] = "/tmp/test-digest-XXXXXX", block[1000];
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		return -1;
	(void)unlink(path);
	memset(block, 'a', sizeof block);
	for (int i = 0; i < 1000; i++)
		if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
			return -1;
	return lseek(fd, 0, SEEK_SET) == 0 ? fd : -1;
}

int main(void)
{
	char hex[DIGEST_HEX_SIZE] = "untouched", other[DIGEST_HEX_SIZE];
	_cleanup_close_ int fd = million();

	is_int(digest_sha256("", 0, hex), 0, "nothing has a digest");
	is_str(hex, OF_NOTHING, "the digest of nothing");
	digest_sha256("abc", 3, hex);
	is_str(hex, OF_ABC, "the digest of abc");

	is_int(digest_fd(fd, 1000000, hex), 0, "a stream of just the limit is read");
	is_str(hex, OF_MILLION, "the digest of a million times a");
	(void)lseek(fd, 0, SEEK_SET);
	strcpy(hex, "untouched");
	is_int(digest_fd(fd, 999999, hex), -EFBIG, "a longer stream is refused");
	is_str(hex, "untouched", "the output is untouched on failure");
	is_int(digest_fd(-1, 1, hex), -EBADF, "what cannot be read is named by its errno");

	of_texts((const char *const[]){"ab", "c"}, 2, hex);
	of_texts((const char *const[]){"a", "bc"}, 2, other);
	ok(strcmp(hex, other) != 0, "texts are kept apart");
	of_texts((const char *const[]){NULL}, 1, hex);
	of_texts((const char *const[]){""}, 1, other);
	ok(strcmp(hex, other) != 0, "no text is not an empty text");

	ok(digest_is_hex(OF_ABC, 64), "64 digits are hex");
	ok(digest_is_hex("ABCDEF", 6), "capitals are hex");
	ok(!digest_is_hex("abcdeg", 6), "g is not hex");
	ok(!digest_is_hex("abcdef0", 6), "a digit too many");
	ok(!digest_is_hex("", 64), "nothing is not 64 digits");
	return done_testing();
}
