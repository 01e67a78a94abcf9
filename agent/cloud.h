/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloud: the agent's way out: one HTTP client, the metadata service, signed calls to AWS. Made
 * once, and shared by all that ask somebody: health, publishing, lifecycle.
 */
#pragma once

#include <systemd/sd-event.h>

#include "aws.h"
#include "err.h"
#include "http.h"
#include "imds.h"

/* What is there may be borrowed until cloud_close(). */
struct cloud {
	struct http *http;
	struct imds *imds;
	struct aws *aws;
};

/*
 * Nobody is asked anything before somebody wants to know. `imds`: imds_new()'s URL, `endpoint`:
 * aws_new()'s; both may be NULL.
 */
int cloud_open(struct cloud *cloud, sd_event *event, const char *imds, const char *endpoint,
	struct err *err);

/* After all who borrow of it have gone. */
void cloud_close(struct cloud *cloud);
