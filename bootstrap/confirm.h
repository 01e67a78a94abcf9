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
 * Asks for every source at once, running the loop, for at most `timeout_usec`. What is not there is
 * NOTICE_NOTHING; so is what did not answer, and then `ret_trouble` has the first reason, else "".
 * A source of Spot Instances that does not answer is none. Errors are the loop's.
 */
int confirm_ask(struct service *service, const struct config_lifecycle *config,
	uint64_t timeout_usec, struct notice ret_notices[static NOTICE_KINDS],
	struct err *ret_trouble, struct err *err);
