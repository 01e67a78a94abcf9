/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "cleanup.h"
#include "network.h"
#include "tap.h"

static struct sockaddr_storage peer_of(const char *text)
{
	struct sockaddr_storage peer = {.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (peer.ss_family == AF_INET6)
		(void)inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&peer)->sin6_addr);
	else
		(void)inet_pton(AF_INET, text, &((struct sockaddr_in *)&peer)->sin_addr);
	return peer;
}

static void test_contains(void)
{
	static const struct {
		const char *range, *peer;
		bool expected;
	} vectors[] = {
		{"127.0.0.0/8", "127.0.0.1", true},
		{"127.0.0.0/8", "127.255.255.255", true},
		{"127.0.0.0/8", "128.0.0.0", false},
		{"127.0.0.0/8", "::ffff:127.0.0.1", true},
		{"127.0.0.0/8", "::ffff:10.0.0.1", false},
		{"127.0.0.0/8", "::1", false},
		{"10.0.0.4/30", "10.0.0.7", true},
		{"10.0.0.4/30", "10.0.0.8", false},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.6", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::1", false},
		{"::1", "::1", true},
		{"::1", "::2", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "192.0.2.7", false},
		{"::/0", "::ffff:192.0.2.7", false},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"::ffff:10.0.0.0/104", "10.1.2.3", true},
		{"::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true},
		{"::ffff:10.0.0.0/104", "11.0.0.0", false},
	};

	FOREACH_ELEMENT (i, vectors) {
		struct sockaddr_storage peer = peer_of(vectors[i].peer);
		struct network network;
		char name[128];

		(void)snprintf(name, sizeof name, "%s %s %s", vectors[i].range,
			vectors[i].expected ? "holds" : "does not hold", vectors[i].peer);
		ok(network_parse(vectors[i].range, &network, NULL) == 0 &&
				network_contains(&network, (struct sockaddr *)&peer) ==
					vectors[i].expected,
			name);
	}
}

static void test_local_peer(void)
{
	struct sockaddr_un peer = {.sun_family = AF_UNIX};
	struct network network;

	(void)network_parse("0.0.0.0/0", &network, NULL);
	ok(!network_contains(&network, (struct sockaddr *)&peer), "a local socket is in no range");
}

static void test_parse_errors(void)
{
	static const struct {
		const char *text, *words;
	} vectors[] = {
		{"", "expected one like"},
		{"localhost", "expected one like"},
		{"10.0.0", "expected one like"},
		{"10.0.0.256", "expected one like"},
		{" 10.0.0.1", "expected one like"},
		{"/8", "expected one like"},
		{"::g", "expected one like"},
		{"fe80::1%eth0", "expected one like"},
		{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", "expected one like"},
		{"10.0.0.0/", "prefix from 0 to 32"},
		{"10.0.0.0/33", "prefix from 0 to 32"},
		{"10.0.0.0/-1", "prefix from 0 to 32"},
		{"10.0.0.0/8 ", "prefix from 0 to 32"},
		{"10.0.0.0/8/8", "prefix from 0 to 32"},
		{"10.0.0.0/99999999999999999999", "prefix from 0 to 32"},
		{"::/129", "prefix from 0 to 128"},
		{"10.1.2.3/8", "zero bits after the first 8"},
		{"10.0.0.1/31", "zero bits after the first 31"},
		{"2001:db8::1/64", "zero bits after the first 64"},
	};

	FOREACH_ELEMENT (i, vectors) {
		struct network network = {.prefix = 77};
		struct err err = {""};
		char name[128];

		(void)snprintf(name, sizeof name, "\"%s\" is no range", vectors[i].text);
		if (!ok(network_parse(vectors[i].text, &network, &err) == -EINVAL &&
				    network.prefix == 77 && strstr(err.text, vectors[i].words),
			    name))
			printf("# %s\n", err.text);
	}
}

static void test_listen(void)
{
	static const char *const round_trips[] = {"0.0.0.0:8080", "127.0.0.1:0", "[::]:8080",
		"[::1]:65535", "[2001:db8::7]:80", "unix:/run/instanced/http.sock"};
	static const struct {
		const char *text, *words;
	} errors[] = {
		{"", "expected ADDRESS:PORT"},
		{"8080", "expected ADDRESS:PORT"},
		{":8080", "expected ADDRESS:PORT"},
		{"localhost:8080", "expected ADDRESS:PORT"},
		{"::1:8080", "expected ADDRESS:PORT"},
		{"[::1]", "expected ADDRESS:PORT"},
		{"[::1", "expected ADDRESS:PORT"},
		{"[::1]x:80", "expected ADDRESS:PORT"},
		{"[127.0.0.1]:80", "expected ADDRESS:PORT"},
		{"127.0.0.1:", "port from 0 to 65535"},
		{"127.0.0.1:65536", "port from 0 to 65535"},
		{"127.0.0.1:http", "port from 0 to 65535"},
		{"127.0.0.1:+80", "port from 0 to 65535"},
		{"unix:", "absolute path"},
		{"unix:http.sock", "absolute path"},
	};
	struct sockaddr_storage address;
	socklen_t length;
	char text[NETWORK_TEXT_MAX], path[256] = "unix:/";

	FOREACH_ELEMENT (i, round_trips) {
		char name[NETWORK_TEXT_MAX + 32];

		text[0] = '\0';
		(void)snprintf(name, sizeof name, "%s there and back", round_trips[i]);
		if (network_parse_listen(round_trips[i], &address, &length, NULL) == 0)
			network_format_listen(&address, text);
		is_str(text, round_trips[i], name);
	}
	FOREACH_ELEMENT (i, errors) {
		struct err err = {""};
		char name[128];

		(void)snprintf(name, sizeof name, "\"%s\" is no place to listen", errors[i].text);
		if (!ok(network_parse_listen(errors[i].text, &address, &length, &err) == -EINVAL &&
				    strstr(err.text, errors[i].words),
			    name))
			printf("# %s\n", err.text);
	}
	memset(path + 6, 'x', 106);
	is_int(network_parse_listen(path, &address, &length, NULL), 0, "a path of 107 bytes fits");
	network_format_listen(&address, text);
	is_str(text, path, "and is written back whole");
	path[6 + 106] = 'x';
	is_int(network_parse_listen(path, &address, &length, NULL), -ENAMETOOLONG,
		"one of 108 not");
}

int main(void)
{
	test_contains();
	test_local_peer();
	test_parse_errors();
	test_listen();
	return done_testing();
}
