/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "../agent/details.h"
#include "tap.h"

static const struct {
	const char *peer, *host; /* peer: NULL is a Unix socket */
	bool allowed;
} cases[] = {
	{NULL, "rebind.example.org", true},
	{"::ffff:127.0.0.1", "", true}, /* HTTP/1.0 */
	{"::ffff:127.0.0.1", "127.0.0.1", true},
	{"::ffff:127.0.0.1", "10.0.0.1:8080", true},
	{"::ffff:127.0.0.1", "localhost:8080", true},
	{"::ffff:127.9.9.9", "web", true},
	{"::1", "[::1]:8080", true},
	{"::1", "[fd00::1]", true},
	{"::ffff:127.0.0.1", "rebind.example.org", false},
	{"::ffff:127.0.0.1", "rebind.example.org:8080", false},
	{"::1", "rebind.example.org", false},
	{"::ffff:127.0.0.1", "127.0.0.1.example.org", false},
	{"::ffff:127.0.0.1", "127.0.0.1.", false},
	{"::ffff:127.0.0.1", "127.1", false},
	{"::ffff:127.0.0.1", "localhost.", false},
	{"::ffff:127.0.0.1", "a-name-that-is-longer-than-any-address.example.org", false},
	{"::ffff:10.0.0.5", "rebind.example.org", true}, /* as Prometheus asks, by a name */
	{"::ffff:10.0.1.5", "127.0.0.1", false},
};

int main(void)
{
	char networks[][16] = {"127.0.0.0/8", "::1", "10.0.0.0/24"};
	const struct config_list list = {.items = {networks[0], networks[1], networks[2]}, .n = 3};
	struct details details;
	struct err err;

	is_int(details_read(&list, &details, &err), 0, "the networks are read");
	FOREACH_ELEMENT (i, cases) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
		struct sockaddr local = {.sa_family = AF_UNIX};
		const struct span host = {cases[i].host, strlen(cases[i].host)};
		char name[128];

		(void)inet_pton(AF_INET6, cases[i].peer ? cases[i].peer : "::", &in6.sin6_addr);
		(void)snprintf(name, sizeof name, "%s, who asks for \"%s\"",
			cases[i].peer ? cases[i].peer : "a Unix socket", cases[i].host);
		is_int(details_allow(&details,
			       cases[i].peer ? (const struct sockaddr *)&in6 : &local, host),
			cases[i].allowed, name);
	}
	return done_testing();
}
