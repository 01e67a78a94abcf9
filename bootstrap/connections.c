/* SPDX-License-Identifier: Apache-2.0 */
#include "connections.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "file.h"

#define LINE_SIZE 512 /* a line has 150 characters, or 175 */

/* The kernel's numbers: include/net/tcp_states.h. */
static const bool counts[] = {
	[1] = true,   /* ESTABLISHED */
	[3] = true,   /* SYN_RECV */
	[4] = true,   /* FIN_WAIT1: we are done, the last of our answer is not acknowledged */
	[8] = true,   /* CLOSE_WAIT: the peer sends nothing more, and may read still */
	[9] = true,   /* LAST_ACK: as FIN_WAIT1 */
	[11] = true,  /* CLOSING: likewise */
	[12] = true,  /* NEW_SYN_RECV */
	[13] = false, /* BOUND_INACTIVE */
};

/* As IPv6 has it; an IPv4 address is the one that is mapped into it. */
struct end {
	uint32_t address[4];
	uint16_t port;
};

struct row {
	struct end local, peer;
	unsigned state;
	uid_t uid;
};

struct own {
	struct end ends[CONNECTIONS_OWN_MAX];
	size_t n;
};

/* The four words are the address in network order, each printed as a number of this machine. */
static bool read_address(const char *text, uint32_t address[static 4])
{
	static const unsigned char mapped[] = {0, 0, 0xff, 0xff};
	unsigned words[4];

	switch (strlen(text)) {
	case 8:
		if (sscanf(text, "%8x", &words[3]) != 1)
			return false;
		address[0] = address[1] = 0;
		memcpy(&address[2], mapped, sizeof mapped);
		address[3] = words[3];
		return true;
	case 32:
		if (sscanf(text, "%8x%8x%8x%8x", &words[0], &words[1], &words[2], &words[3]) != 4)
			return false;
		for (size_t i = 0; i < 4; i++)
			address[i] = words[i];
		return true;
	default: return false;
	}
}

/* "  0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 33 …" */
static bool read_row(const char *line, struct row *ret_row)
{
	char local[33], peer[33];
	unsigned local_port, peer_port, uid;

	if (sscanf(line, " %*u: %32[0-9A-F]:%4x %32[0-9A-F]:%4x %2x %*x:%*x %*x:%*x %*x %u", local,
		    &local_port, peer, &peer_port, &ret_row->state, &uid) != 6 ||
		!read_address(local, ret_row->local.address) ||
		!read_address(peer, ret_row->peer.address))
		return false;
	ret_row->local.port = (uint16_t)local_port;
	ret_row->peer.port = (uint16_t)peer_port;
	ret_row->uid = uid;
	return true;
}

/* A copy: sscanf() measures all that follows, which with many lines is far too much. */
static bool next_row(const char **table, struct row *ret_row)
{
	char line[LINE_SIZE];

	while (*table && **table) {
		size_t length = strcspn(*table, "\n");

		snprintf(line, sizeof line, "%.*s", (int)(length < LINE_SIZE ? length : 0), *table);
		*table += length + ((*table)[length] == '\n');
		if (read_row(line, ret_row))
			return true;
	}
	return false;
}

static bool is_wanted(const struct connections_rule *rule, uint16_t port)
{
	for (size_t i = 0; i < rule->n_ports; i++)
		if (rule->ports[i] == port)
			return true;
	return false;
}

/* The agent's ends of what it asks the apps. */
static void find_own(const char *table, const struct connections_rule *rule, struct own *own)
{
	struct row row;

	while (own->n < CONNECTIONS_OWN_MAX && next_row(&table, &row))
		if (row.uid == rule->agent && is_wanted(rule, row.peer.port))
			own->ends[own->n++] = row.local;
}

static bool is_own(const struct own *own, const struct end *peer)
{
	for (size_t i = 0; i < own->n; i++)
		if (own->ends[i].port == peer->port &&
			memcmp(own->ends[i].address, peer->address, sizeof peer->address) == 0)
			return true;
	return false;
}

static size_t count(const char *table, const struct connections_rule *rule, const struct own *own)
{
	struct row row;
	size_t n = 0;

	while (next_row(&table, &row))
		n += row.state < sizeof counts / sizeof counts[0] && counts[row.state] &&
		     is_wanted(rule, row.local.port) && !is_own(own, &row.peer);
	return n;
}

size_t connections_count(const char *tcp, const char *tcp6, const struct connections_rule *rule)
{
	struct own own = {.n = 0};

	if (rule->agent != 0) {
		find_own(tcp, rule, &own);
		find_own(tcp6, rule, &own);
	}
	return count(tcp, rule, &own) + count(tcp6, rule, &own);
}

int connections_read(const struct connections_rule *rule, size_t *ret_count)
{
	/* Below self/, where a sandbox that hides most of /proc still has them. */
	static const char *const paths[] = {"/proc/self/net/tcp", "/proc/self/net/tcp6"};
	_cleanup_free_ char *tcp = NULL, *tcp6 = NULL;
	char **const texts[] = {&tcp, &tcp6};

	for (size_t i = 0; i < 2; i++) {
		int r = file_read(paths[i], CONNECTIONS_TABLE_MAX, texts[i], NULL);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	*ret_count = connections_count(tcp, tcp6, rule);
	return 0;
}
