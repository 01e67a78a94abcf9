/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

/* Decimal digits only, and at most `max`; -1 otherwise. */
static long parse_number(const char *text, long max)
{
	long value = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
		if (value > max)
			return -1;
	}
	return value;
}

/* The network's bits of byte `i`, as a mask. */
static unsigned char mask_of(unsigned prefix, unsigned i)
{
	unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;

	return bits >= 8 ? 0xff : (unsigned char)(0xff << (8 - bits));
}

/* Copies what stands before `end` into `ret_part`; false when that is too long for an address. */
static bool split(const char *text, const char *end, char ret_part[static INET6_ADDRSTRLEN])
{
	size_t length = (size_t)(end - text);

	if (length >= INET6_ADDRSTRLEN)
		return false;
	memcpy(ret_part, text, length);
	ret_part[length] = '\0';
	return true;
}

int network_parse(const char *text, struct network *ret_network, struct err *err)
{
	const char *slash = strchrnul(text, '/');
	struct network network = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	unsigned width = network.family == AF_INET6 ? 128 : 32;
	char address[INET6_ADDRSTRLEN];
	long prefix = *slash ? parse_number(slash + 1, width) : width;

	if (!split(text, slash, address) || inet_pton(network.family, address, network.bytes) != 1)
		return err_set(err, -EINVAL,
			"\"%s\" is no address range: expected one like 10.0.0.0/8, 192.0.2.7 or "
			"::1",
			text);
	if (prefix < 0)
		return err_set(err, -EINVAL,
			"\"%s\": expected a prefix from 0 to %u after the slash", text, width);
	network.prefix = (unsigned)prefix;
	for (unsigned i = 0; i < width / 8; i++)
		if (network.bytes[i] & ~mask_of(network.prefix, i))
			return err_set(err, -EINVAL,
				"\"%s\": expected only zero bits after the first %u", text,
				network.prefix);
	if (network.prefix >= 96 && memcmp(network.bytes, mapped, sizeof mapped) == 0) {
		network.family = AF_INET;
		network.prefix -= 96;
		memmove(network.bytes, network.bytes + 12, 4);
		memset(network.bytes + 4, 0, 12);
	}
	*ret_network = network;
	return 0;
}

bool network_contains(const struct network *network, const struct sockaddr *peer)
{
	const unsigned char *bytes;
	int family = peer->sa_family;

	if (family == AF_INET) {
		bytes = (const unsigned char *)&((const struct sockaddr_in *)peer)->sin_addr;
	} else if (family == AF_INET6) {
		bytes = ((const struct sockaddr_in6 *)peer)->sin6_addr.s6_addr;
		if (memcmp(bytes, mapped, sizeof mapped) == 0) {
			family = AF_INET;
			bytes += sizeof mapped;
		}
	} else {
		return false;
	}
	if (family != network->family)
		return false;
	for (unsigned i = 0; i * 8 < network->prefix; i++)
		if ((bytes[i] & mask_of(network->prefix, i)) != network->bytes[i])
			return false;
	return true;
}

static int parse_unix(const char *path, struct sockaddr_storage *ret_address, socklen_t *ret_length,
	struct err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (path[0] != '/')
		return err_set(err, -EINVAL, "\"unix:%s\": expected an absolute path", path);
	if (length >= sizeof un.sun_path)
		return err_set(err, -ENAMETOOLONG,
			"\"unix:%s\": expected a path of at most %zu bytes", path,
			sizeof un.sun_path - 1);
	memcpy(un.sun_path, path, length);
	memset(ret_address, 0, sizeof *ret_address);
	memcpy(ret_address, &un, sizeof un);
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	return 0;
}

int network_parse_listen(const char *text, struct sockaddr_storage *ret_address,
	socklen_t *ret_length, struct err *err)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool bracket = text[0] == '[';
	const char *colon = strrchr(text, ':');
	const char *end = bracket ? strchr(text, ']') : colon;
	char address[INET6_ADDRSTRLEN];
	long port;

	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, ret_address, ret_length, err);
	if (!colon || !end || end + bracket != colon || !split(text + bracket, end, address) ||
		inet_pton(bracket ? AF_INET6 : AF_INET, address,
			bracket ? (void *)&in6.sin6_addr : (void *)&in.sin_addr) != 1)
		return err_set(err, -EINVAL,
			"\"%s\": expected ADDRESS:PORT, [IPV6-ADDRESS]:PORT or unix:/PATH", text);
	port = parse_number(colon + 1, 65535);
	if (port < 0)
		return err_set(err, -EINVAL, "\"%s\": expected a port from 0 to 65535", text);
	in.sin_port = in6.sin6_port = htons((uint16_t)port);
	memset(ret_address, 0, sizeof *ret_address);
	if (bracket)
		memcpy(ret_address, &in6, sizeof in6);
	else
		memcpy(ret_address, &in, sizeof in);
	*ret_length = bracket ? sizeof in6 : sizeof in;
	return 0;
}

void network_format_listen(
	const struct sockaddr_storage *address, char ret_text[static NETWORK_TEXT_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_un *un = (const struct sockaddr_un *)address;
	char text[INET6_ADDRSTRLEN] = "?";

	switch (address->ss_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		(void)snprintf(ret_text, NETWORK_TEXT_MAX, "%s:%u", text, ntohs(in->sin_port));
		break;
	case AF_INET6:
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
		(void)snprintf(ret_text, NETWORK_TEXT_MAX, "[%s]:%u", text, ntohs(in6->sin6_port));
		break;
	case AF_UNIX:
		(void)snprintf(ret_text, NETWORK_TEXT_MAX, "unix:%.*s", (int)sizeof un->sun_path,
			un->sun_path);
		break;
	default: (void)snprintf(ret_text, NETWORK_TEXT_MAX, "?");
	}
}
