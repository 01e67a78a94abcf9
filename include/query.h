/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query: the parameters of an AWS Query API request, as the form that is posted (each service's API
 * Reference, "Making API requests"; application/x-www-form-urlencoded). Values are percent-encoded,
 * all but the unreserved characters of RFC 3986. Pure but for memory.
 */
#pragma once

#include <stddef.h>

#include "cleanup.h"

#define QUERY_MAX ((size_t)1 << 20) /* bytes; PutMetricData's own bound, the largest there is */

/* Zero-initialized it is empty. */
struct query {
	char *text; /* "Action=…&Version=…&A=b", NUL-terminated; NULL: nothing yet */
	size_t length, capacity;
	int error; /* the first one: -ENOMEM, -E2BIG; what comes after it is left out */
};

/* Adds NAME=value; NAME is printed: "MetricData.member.%u.MetricName". */
void query_add(struct query *query, const char *value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

/* A number, in the shortest form that reads back as the same. NaN and infinities are -EINVAL. */
void query_add_number(struct query *query, double value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

/* Frees the text and leaves an empty query. */
void query_clear(struct query *query);
