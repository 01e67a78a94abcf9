/* SPDX-License-Identifier: Apache-2.0 */
/* aws-judge: the table of actions, and what a service's answer means. Pure. */
#pragma once

#include "aws.h"

#define AWS_MESSAGE_MAX 512

struct aws_error {
	int status;
	char code[AWS_CODE_MAX], message[AWS_MESSAGE_MAX]; /* "": none was there */
};

struct aws_row {
	const char *name;
	const char *service; /* signed for, and the first label of its host */
	const char *version;
	bool gzip; /* takes a body with Content-Encoding: gzip */
	struct {
		const char *code, *message; /* a part of it; NULL: any */
	} gone[2];
};
extern const struct aws_row aws_rows[AWS_ACTIONS];

/*
 * Where the action is posted to: `endpoint` with the names in it replaced, or Amazon's place.
 * -ENAMETOOLONG.
 */
int aws_url(const struct aws_row *row, const char *endpoint, const char *region, const char *domain,
	char *ret_url, size_t size);

/*
 * Reads <ErrorResponse><Error><Code>…<Message>…. A message is cut to its first line: after it the
 * service may recite the request, the session's token included.
 */
void aws_error_read(int status, const char *text, size_t length, struct aws_error *ret_error);

/* Whether the service means: less often. Else it is not well, which is waited out as well. */
bool aws_is_throttled(const struct aws_error *error);

/* "PutMetricData: 403 SignatureDoesNotMatch: … (this machine's clock is wrong)". */
void aws_error_text(enum aws_action action, const struct aws_error *error, struct err *ret_words);
