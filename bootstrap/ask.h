/* SPDX-License-Identifier: Apache-2.0 */
/* ask: what the agent of this machine answers. */
#pragma once

#include <jansson.h>

#include "command.h"

/*
 * The JSON object at `path`, from the first address that the agent listens on and gives one to us
 * (which addresses may read details is configured), whatever the HTTP status. Runs the loop. NULL:
 * it does not answer, or nowhere with an object. The caller owns the reference.
 */
json_t *ask_agent(
	const struct config *config, struct service *service, const char *path, struct err *err);
