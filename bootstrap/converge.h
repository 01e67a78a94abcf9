/* SPDX-License-Identifier: Apache-2.0 */
/*
 * converge: what `apply` and `deploy` do: configuration, one run at a time, the walk, and the words
 * about it.
 */
#pragma once

#include "command.h"

/* Called under the lock, with the whole configuration, before anything is planned. */
typedef int (*converge_prepare)(
	const struct options *options, const struct config *config, struct err *err);

/* `prepare` may be NULL. Returns an exit status. */
int converge(const struct options *options, converge_prepare prepare);
