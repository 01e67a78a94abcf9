/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confirm: asks the metadata service itself what the agent says that it has seen. The agent talks
 * to the network; what it asks root for, root believes only from where nobody else can write.
 */
#pragma once

#include "command.h"
#include "notice.h"

#define CONFIRM_TIMEOUT (5 * 1000000ull) /* usec for all sources together */

/*
 * Asks for every source at once, for at most CONFIRM_TIMEOUT or what --imds-timeout says. What is
 * not there is NOTICE_NOTHING; so is what did not answer, and then `ret_trouble` has the first
 * reason, else "". Errors are the loop's.
 */
int confirm_ask(const struct options *options, const struct config_lifecycle *config,
	struct notice ret_notices[static NOTICE_KINDS], struct err *ret_trouble, struct err *err);

/*
 * Takes the agent's request away. 1: there was one. The .path unit looks for it again as soon as we
 * are done: whatever the agent has put there, what has the name is removed, and no link followed.
 * -EEXIST: a directory with something in it.
 */
int confirm_take_request(const struct options *options, struct err *err);
