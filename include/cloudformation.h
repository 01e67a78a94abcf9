/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudformation: the signal that a stack's CreationPolicy or UpdatePolicy waits for
 * (CloudFormation API Reference, SignalResource). Instances carry the names of their stack and of
 * the resource that made them as tags; in metadata they are only where tags are allowed there.
 */
#pragma once

#include <stdbool.h>

#include "query.h"

#define CLOUDFORMATION_STACK_TAG    "aws:cloudformation:stack-name"
#define CLOUDFORMATION_RESOURCE_TAG "aws:cloudformation:logical-id"

/* SignalResource: SUCCESS, or else FAILURE. */
void cloudformation_query_signal(struct query *query, const char *stack, const char *resource,
	const char *instance_id, bool success);
