/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connections: who is still connected to the ports of an app: proc(5), /proc/net/tcp and tcp6.
 *
 * A connection counts from the moment the kernel has it until all that was answered is on its way
 * and acknowledged: what only waits for the network to forget it (FIN_WAIT2, TIME_WAIT) does not.
 * One that is kept alive and idle counts: from outside it looks like any other. The health checks
 * of the agent do not count, or none would ever be seen without; they are known by the user of the
 * socket at their other end. Whoever else connects from this machine, as a proxy does, counts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONNECTIONS_PORTS_MAX 64
#define CONNECTIONS_TABLE_MAX ((size_t)128 << 20) /* bytes of one table: 800,000 connections */
#define CONNECTIONS_OWN_MAX   256 /* of the agent, that are left out; it has one for each app */

struct connections_rule {
	uint16_t ports[CONNECTIONS_PORTS_MAX];
	size_t n_ports;
	uid_t agent; /* whose connections do not count; 0: there is no such user */
};

/* Counts in the texts of both tables; either may be NULL. Lines it cannot read are left out. */
size_t connections_count(const char *tcp, const char *tcp6, const struct connections_rule *rule);

/* The same of this network namespace, now. A table that the kernel does not have is empty. */
int connections_read(const struct connections_rule *rule, size_t *ret_count);
