/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <string.h>
#include <unistd.h>

#include "manager.h"
#include "state.h"

const struct host *host(void)
{
	return manager_is_there() && geteuid() == 0 ? &host_systemd : &host_direct;
}

const struct host *host_to_ask(const char *state)
{
	return manager_is_there() && strcmp(state, STATE_DIRECTORY_DEFAULT) == 0 ? &host_systemd
										 : host();
}
