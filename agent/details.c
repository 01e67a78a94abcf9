/* SPDX-License-Identifier: Apache-2.0 */
#include "details.h"

#include <arpa/inet.h>
#include <string.h>

int details_read(const struct config_list *list, struct details *ret_details, struct err *err)
{
	struct details details = {0};
	int r = network_parse("127.0.0.0/8", &details.loopback[0], err);

	if (r == 0)
		r = network_parse("::1", &details.loopback[1], err);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = network_parse(list->items[i], &details.networks[details.n++], err);
	if (r == 0)
		*ret_details = details;
	return r;
}

/* Of a name that somebody may have bought: not of an address, and not of one label. */
static bool is_domain(struct span host)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr address;
	size_t length = 0;

	if (host.length == 0 || host.data[0] == '[')
		return false;
	while (length < host.length && host.data[length] != ':')
		length++;
	if (!memchr(host.data, '.', length))
		return false;
	if (length >= sizeof text)
		return true;
	memcpy(text, host.data, length);
	text[length] = '\0';
	return inet_pton(AF_INET, text, &address) != 1;
}

bool details_allow(const struct details *details, const struct sockaddr *peer, struct span host)
{
	if (peer->sa_family == AF_UNIX)
		return true;
	if (is_domain(host) && (network_contains(&details->loopback[0], peer) ||
				       network_contains(&details->loopback[1], peer)))
		return false;
	for (size_t i = 0; i < details->n; i++)
		if (network_contains(&details->networks[i], peer))
			return true;
	return false;
}
