/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudformation.h"

void cloudformation_query_signal(struct query *query, const char *stack, const char *resource,
	const char *instance_id, bool success)
{
	query_add(query, stack, "StackName");
	query_add(query, resource, "LogicalResourceId");
	query_add(query, instance_id, "UniqueId");
	query_add(query, success ? "SUCCESS" : "FAILURE", "Status");
}
