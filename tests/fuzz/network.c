/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and ranges: an address that was read is written so that it reads the same, and a range
 * of one address holds it.
 *
 * Covers: bootstrap/core/network.c
 */
#include "network.h"

#include <errno.h>
#include <netinet/in.h>

#include "fuzz.h"

static void check_listen(const char *text)
{
	struct sockaddr_storage address, again;
	socklen_t length = 0, length_again = 0;
	char written[NETWORK_TEXT_MAX];
	int r = network_parse_listen(text, &address, &length, NULL);

	must(r == 0 || r == -EINVAL || r == -ENAMETOOLONG);
	if (r < 0)
		return;
	must(length <= sizeof address);
	network_format_listen(&address, written);
	must(network_parse_listen(written, &again, &length_again, NULL) == 0);
	must(length == length_again && memcmp(&address, &again, length) == 0);
}

static void check_range(const char *text)
{
	struct network network;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (network_parse(text, &network, NULL) < 0)
		return;
	must(network.family == AF_INET ? network.prefix <= 32
				       : network.family == AF_INET6 && network.prefix <= 128);
	memcpy(&in.sin_addr, network.bytes, sizeof in.sin_addr);
	memcpy(&in6.sin6_addr, network.bytes, sizeof in6.sin6_addr);
	must(network_contains(&network,
		network.family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	_cleanup_free_ char *text = input_text(&input);

	check_listen(text);
	check_range(text);
	return 0;
}
