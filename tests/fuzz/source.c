/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of apps, objects in S3, and what servers answer about them: a text, an endpoint, and a
 * body, each ended by a NUL. What is asked for is asked for where the source says.
 *
 * Covers: bootstrap/core/source.c bootstrap/s3.c bootstrap/download.c
 */
#include "source.h"

#include <errno.h>

#include "../../bootstrap/download.h"
#include "../../bootstrap/s3.h"
#include "fuzz.h"

static void check_url(const char *url)
{
	must(strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0);
	must(strlen(url) < S3_URL_SIZE);
	for (; *url; url++)
		must(*url > ' ' && *url <= '~' && *url != '#');
}

static void check_object(const char *text, const char *endpoint, const char *body)
{
	struct s3_object object;
	char url[S3_URL_SIZE], code[S3_CODE_SIZE];
	struct err words;

	if (s3_parse(text, &object, NULL) < 0)
		return;
	must(s3_url(&object, NULL, "eu-west-1", "amazonaws.com", url) == 0);
	check_url(url);
	must(strncmp(url, "https://", 8) == 0 && strstr(url, ".amazonaws.com/"));
	(void)s3_has_dots(url);
	if (s3_is_endpoint(endpoint) && s3_url(&object, endpoint, NULL, NULL, url) == 0)
		check_url(url);
	s3_element(body, "Code", code, sizeof code);
	s3_explain(&object, "eu-west-1", 400, body, NULL, &words);
	s3_explain(&object, "eu-west-1", 301, body, endpoint, &words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	_cleanup_free_ char *text = input_text(&input), *endpoint = input_text(&input),
			    *body = input_text(&input);
	struct source source;
	uint64_t first, total;

	if (source_parse(text, &source, NULL) == 0) {
		must(source.place[0] && source.place[0] != '-' && source.ref[0] != '-');
		must((source.kind == SOURCE_GIT) == (source.protocol != NULL));
	}
	check_object(text, endpoint, body);
	(void)download_range(text, &first, &total);
	return 0;
}
