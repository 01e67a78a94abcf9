/* SPDX-License-Identifier: Apache-2.0 */
#include "details.h"

int details_read(const struct config_list *list, struct details *ret_details, struct err *err)
{
	struct details details = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = network_parse(list->items[i], &details.networks[details.n++], err);
	if (r == 0)
		*ret_details = details;
	return r;
}

bool details_allow(const struct details *details, const struct sockaddr *peer)
{
	if (peer->sa_family == AF_UNIX)
		return true;
	for (size_t i = 0; i < details->n; i++)
		if (network_contains(&details->networks[i], peer))
			return true;
	return false;
}
