/* SPDX-License-Identifier: Apache-2.0 */
#include "converge.h"

int cmd_apply(const struct options *options)
{
	return converge(options, NULL);
}
