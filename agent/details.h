/* SPDX-License-Identifier: Apache-2.0 */
/* details: who may see reasons, numbers of volumes, and metrics: `details` of instanced.conf(5). */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "config.h"
#include "network.h"
#include "request.h"

struct details {
	struct network networks[CONFIG_LIST_MAX];
	size_t n;
	struct network loopback[2];
};

int details_read(const struct config_list *list, struct details *ret_details, struct err *err);

/*
 * A peer of a unix socket always may. Over the loopback interface, only who asks for an address, or
 * for a name without a dot, as localhost: another name may be one that its owner has lead here, so
 * that his page in a browser on this machine may read the answer (DNS rebinding).
 */
bool details_allow(const struct details *details, const struct sockaddr *peer, struct span host);
