/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3: names of objects, where they are asked for, and what an error says (Amazon S3 User Guide,
 * "Methods for accessing a general purpose bucket"; API Reference, "Error responses"). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define S3_BUCKET_SIZE 256  /* with the NUL; 63 at most since 2018 */
#define S3_KEY_SIZE    1025 /* bytes of UTF-8, and the NUL */
#define S3_REGION_SIZE 64
#define S3_URL_SIZE    4096
#define S3_CODE_SIZE   64

struct s3_object {
	char bucket[S3_BUCKET_SIZE];
	char key[S3_KEY_SIZE];
};

/* Reads "s3://BUCKET/KEY"; the key is all that follows, to the letter. -EINVAL: it is none. */
int s3_parse(const char *url, struct s3_object *ret_object, struct err *err);

/* Whether this can be a region, or the domain that follows it ("amazonaws.com.cn"). */
bool s3_is_region(const char *text);
bool s3_is_domain(const char *text);

/* Whether this is "http(s)://HOST[:PORT][/PATH]"; "{bucket}." may stand before the host. */
bool s3_is_endpoint(const char *text);

/*
 * Where the object is. Without an endpoint: https://BUCKET.s3.REGION.DOMAIN/KEY; or, where the
 * server's certificate does not cover such a host (a dot) or there cannot be one (upper case, "_"),
 * https://s3.REGION.DOMAIN/BUCKET/KEY. An endpoint gets /BUCKET/KEY, or /KEY if it holds
 * "{bucket}"; region and domain may be NULL then. The path is encoded as Signature Version 4 wants
 * it signed, once. -ENAMETOOLONG.
 */
int s3_url(const struct s3_object *object, const char *endpoint, const char *region,
	const char *domain, char ret_url[static S3_URL_SIZE]);

/* Whether a segment of its path is "." or "..", which must not be resolved before it is signed. */
bool s3_has_dots(const char *url);

/*
 * The text of the first element of this name in an error's XML ("Code", "Message", "Region"), with
 * its entities resolved and cut to fit; "" when there is none.
 */
void s3_element(const char *xml, const char *name, char *ret_text, size_t size);

/*
 * What an error says, in words for a person, with a hint where there is one: `xml` is its body,
 * `bucket_region` the header x-amz-bucket-region or NULL, `region` the one that was asked.
 */
void s3_explain(const struct s3_object *object, const char *region, int status, const char *xml,
	const char *bucket_region, struct err *ret_words);
