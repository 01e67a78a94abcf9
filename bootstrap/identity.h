/* SPDX-License-Identifier: Apache-2.0 */
/* identity: root becomes somebody else, for what it does with the bytes of others. */
#pragma once

#include <sys/types.h>

#define IDENTITY_NOBODY 65534

/*
 * Becomes this user and group, with no other group and no capability, for good. Without the right
 * to change it (as in a unit of ours) the user stays; without capabilities, too. 0 or a negative
 * errno.
 */
int identity_give_up(uid_t user, gid_t group);

/* The same as the agent's user or, where there is none, as nobody. */
int identity_give_up_to_agent(void);
