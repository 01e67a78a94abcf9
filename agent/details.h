/* SPDX-License-Identifier: Apache-2.0 */
/* details: who may see reasons, numbers of volumes, and metrics: `details` of instanced.conf(5). */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "config.h"
#include "network.h"

struct details {
	struct network networks[CONFIG_LIST_MAX];
	size_t n;
};

int details_read(const struct config_list *list, struct details *ret_details, struct err *err);

/* A peer of a unix socket always may. */
bool details_allow(const struct details *details, const struct sockaddr *peer);
