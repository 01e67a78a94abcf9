/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as the kernel prints them on x86-64 and arm64; each line is one thing. */
#include "../bootstrap/connections.h"

#include <stdlib.h>

#include "tap.h"

#define HEAD                                                                                       \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "      \
	"timeout inode\n"
#define REST(uid)                                                                                  \
	" 00000000:00000000 00:00000000 00000000 " uid                                             \
	"        0 9 1 0000000000000000 100 0 0 10 "                                               \
	"0   \n"
#define ROW(local, peer, state) "   0: " local " " peer " " state REST("    33")
#define OWN(local, peer)        "   1: " local " " peer " 01" REST("   999")

/* 10.0.2.15:8000 and 203.0.113.7:40000 */
#define HERE  "0F02000A:1F40"
#define THERE "077100CB:9C40"
/* 127.0.0.1, and the same on a dual-stack socket */
#define LOCAL   "0100007F"
#define LOCAL_6 "0000000000000000FFFF00000100007F"
#define ONE_6   "00000000000000000000000001000000" /* ::1 */
#define THERE_6 "B80D0120000000000000000007000000:9C40"
#define HERE_6  "B80D0120000000000000000001000000:1F40"

static const struct connections_rule rule = {.ports = {8000, 443}, .n_ports = 2, .agent = 999};

static const struct {
	const char *name, *tcp, *tcp6;
	size_t count;
} vectors[] = {
	/* clang-format off */
	{"no tables, no connections", NULL, NULL, 0},
	{"empty tables", HEAD, HEAD, 0},
	{"one that is established", HEAD ROW(HERE, THERE, "01"), HEAD, 1},
	{"one that is being opened", ROW(HERE, THERE, "03"), NULL, 1},
	{"the last of an answer is under way", ROW(HERE, THERE, "04"), NULL, 1},
	{"all of it has arrived", ROW(HERE, THERE, "05"), NULL, 0},
	{"the network is to forget it", ROW(HERE, THERE, "06"), NULL, 0},
	{"it is closed", ROW(HERE, THERE, "07"), NULL, 0},
	{"the peer has asked all, and reads", ROW(HERE, THERE, "08"), NULL, 1},
	{"the peer was done first, our last is under way", ROW(HERE, THERE, "09"), NULL, 1},
	{"somebody listens", ROW(HERE, "00000000:0000", "0A"), NULL, 0},
	{"both close at once", ROW(HERE, THERE, "0B"), NULL, 1},
	{"a state of the future", ROW(HERE, THERE, "0E") ROW(HERE, THERE, "FF"), NULL, 0},
	{"each of several", ROW(HERE, THERE, "01") ROW(HERE, THERE, "01"), ROW(HERE_6, THERE_6, "01"), 3},
	{"another port, also of ours", ROW("0F02000A:01BB", THERE, "01"), NULL, 1},
	{"a port that is not", ROW("0F02000A:1F41", THERE, "01"), NULL, 0},
	{"one from here to such a port elsewhere", ROW("0F02000A:9C40", "077100CB:01BB", "01"), NULL, 0},
	{"a proxy on this machine", ROW(LOCAL ":1F40", LOCAL ":9C40", "01")
		ROW(LOCAL ":9C40", LOCAL ":1F40", "01"), NULL, 1},
	{"the agent's health check", ROW(LOCAL ":1F40", LOCAL ":9C40", "01")
		OWN(LOCAL ":9C40", LOCAL ":1F40"), NULL, 0},
	{"… beside somebody's request", ROW(LOCAL ":1F40", LOCAL ":9C40", "01")
		OWN(LOCAL ":9C40", LOCAL ":1F40") ROW(HERE, THERE, "01"), NULL, 1},
	{"… of an app that listens on [::]", OWN(LOCAL ":9C40", LOCAL ":1F40"),
		ROW(LOCAL_6 ":1F40", LOCAL_6 ":9C40", "01"), 0},
	{"… at ::1", NULL, ROW(ONE_6 ":1F40", ONE_6 ":9C40", "01") OWN(ONE_6 ":9C40", ONE_6 ":1F40"), 0},
	{"… at the instance's own address", ROW(HERE, "0F02000A:9C40", "01")
		OWN("0F02000A:9C40", HERE), NULL, 0},
	{"somebody elsewhere with the same port as the agent", ROW(HERE, THERE, "01")
		OWN(LOCAL ":9C40", LOCAL ":1F40"), NULL, 1},
	{"lines that are none", "\n  x\n 0: zz\n" "   0: 0100007F:1F40\n" ROW(HERE, THERE, "01"), NULL, 1},
	{"a last line without its end", ROW(HERE, THERE, "01") "   0: " HERE " " THERE " 01 0000", NULL, 1},
	/* clang-format on */
};

static void test_without_agent(void)
{
	const struct connections_rule none = {.ports = {8000}, .n_ports = 1};

	is_int((long long)connections_count(ROW(LOCAL ":1F40", LOCAL ":9C40", "01")
						    OWN(LOCAL ":9C40", LOCAL ":1F40"),
		       NULL, &none),
		1, "where there is no agent, all count");
}

/* What one look costs when an instance is full: quadratic, it would take minutes. */
static void test_many(void)
{
	static const char row[] = ROW(HERE, THERE, "01");
	size_t length = strlen(row), n = 100000;
	char *table = malloc(n * length + 1);

	for (size_t i = 0; table && i < n; i++)
		memcpy(table + i * length, row, length + 1);
	is_int((long long)connections_count(table, NULL, &rule), (long long)n,
		"a hundred thousand are counted");
	free(table);
}

int main(void)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		is_int((long long)connections_count(vectors[i].tcp, vectors[i].tcp6, &rule),
			(long long)vectors[i].count, vectors[i].name);
	test_without_agent();
	test_many();
	return done_testing();
}
