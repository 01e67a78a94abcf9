/* SPDX-License-Identifier: Apache-2.0 */
/* HAProxy's agent-check: what is said, and that whoever asks gets it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "../agent/agent-check.h"
#include "cleanup.h"
#include "network.h"
#include "pump.h"
#include "tap.h"

static struct listeners none;

static void test_weight(void)
{
	static const struct {
		unsigned previous;
		double demand;
		unsigned expected;
		const char *name;
	} rows[] = {
		{0, 0, 100, "an idle instance has the whole weight"},
		{0, 0.5, 100, "so has one of 50 % demand"},
		{0, 0.6, 82, "above, it falls in a line"},
		{0, 0.75, 55, "which is half way down at 75 %"},
		{0, 1, 10, "at 100 % demand 10 % are left"},
		{0, 1.7, 10, "and never less"},
		{100, 0.55, 100, "less than 10 points are not told"},
		{100, 0.56, 89, "11 points are"},
		{55, 0.79, 55, "nor are they downwards"},
		{55, 0.71, 55, "nor upwards"},
		{55, 0.81, 44, "but more is, down"},
		{55, 0.69, 66, "and up"},
		{19, 1, 10, "the lower end is always told"},
		{91, 0.5, 100, "and so is the upper"},
		{10, 0.99, 10, "leaving an end takes 10 points, too"},
		{0, -1, 100, "before there is a sample, the weight is whole"},
		{37, -1, 37, "without a sample it stays"},
		{37, 0.0 / 0.0, 37, "what is no number is no sample"},
	};
	unsigned weight = 0, changes = 0;

	FOREACH_ELEMENT (i, rows)
		is_int(agent_check_weight(rows[i].previous, rows[i].demand), rows[i].expected,
			rows[i].name);
	for (int i = 0; i < 1000; i++) {
		unsigned now = agent_check_weight(weight, 0.75 + (i % 2 ? 0.02 : -0.02));

		changes += now != weight;
		weight = now;
	}
	is_int(changes, 1, "a demand that wobbles by 2 points to each side changes nothing");
}

static void test_line(void)
{
	static const struct {
		enum status status;
		const char *line;
	} rows[] = {
		{STATUS_STARTING, "ready down #starting\n"},
		{STATUS_READY, "ready up 42%\n"},
		{STATUS_DEGRADED, "ready up 42%\n"},
		{STATUS_DRAINING, "drain\n"},
		{STATUS_FAILED, "ready fail #failed\n"},
	};

	FOREACH_ELEMENT (i, rows) {
		char line[AGENT_CHECK_LINE_MAX];

		agent_check_line(rows[i].status, 42, line);
		is_str(line, rows[i].line, status_name(rows[i].status));
	}
}

/* -- over sockets -- */

static sd_event *event;

static int client_to(const char *address)
{
	struct sockaddr_storage storage;
	socklen_t length;
	int fd;

	if (network_parse_listen(address, &storage, &length, NULL) < 0)
		return -1;
	fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&storage, length) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* All that comes within the time, and " closed", " reset" or " open". */
static const char *hear(int fd, unsigned long ms)
{
	static char text[256];
	uint64_t until = now_ms() + ms;
	size_t length = 0;
	ssize_t n;

	do {
		pump(event, 0);
		n = recv(fd, text + length, sizeof text - 16 - length, MSG_DONTWAIT);
		if (n > 0)
			length += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EAGAIN)) && now_ms() < until);
	strcpy(text + length, n == 0 ? " closed" : errno == EAGAIN ? " open" : " reset");
	return text;
}

static size_t descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Pumps until so many are open, for at most 5 s. */
static long long descriptors_become(size_t wanted)
{
	uint64_t until = now_ms() + 5000;

	while (descriptors() != wanted && now_ms() < until)
		pump(event, 0);
	return (long long)descriptors();
}

static void test_sockets(void)
{
	struct agent_check *check = NULL;
	char address[LISTENER_ADDRESS_MAX], big[100000] = {0};
	int clients[AGENT_CHECK_CONNECTIONS_MAX + 20], fd;
	const size_t n_clients = sizeof clients / sizeof clients[0];
	size_t before, told = 0;
	struct err err;

	is_int(agent_check_new(event, &none, "127.0.0.1:0", &check, &err), 0, "it listens");
	(void)agent_check_address(check, address);
	fd = client_to(address);
	is_str(hear(fd, 2000), "ready down #starting\n closed", "before it knows, it is starting");
	close(fd);
	pump(event, 50);
	before = descriptors(); /* the loop has its timer by now */
	agent_check_update(check, STATUS_READY, 0.75);
	fd = client_to(address);
	is_str(hear(fd, 2000), "ready up 55%\n closed", "then it says what it was told");
	is_int(agent_check_told(check), 55, "and tells the weight to others");
	close(fd);
	fd = client_to(address);
	(void)!send(fd, "web/server\n", 11, MSG_NOSIGNAL);
	pump(event, 20);
	(void)!send(fd, "and more\n", 9, MSG_NOSIGNAL);
	pump(event, 20);
	is_str(hear(fd, 2000), "ready up 55%\n closed",
		"who sends something, before and after, gets the line and no reset");
	close(fd);
	fd = client_to(address);
	(void)!send(fd, big, sizeof big, MSG_NOSIGNAL | MSG_DONTWAIT);
	is_str(hear(fd, 2000), "ready up 55%\n closed", "and so does who sends a lot");
	close(fd);
	is_int(descriptors_become(before), (long long)before, "nothing stays open");

	FOREACH_ELEMENT (i, clients)
		clients[i] = client_to(address);
	while (sd_event_run(event, 0) > 0)
		; /* all are taken, in less than the second that they may stay */
	is_int(descriptors_become(before + n_clients + AGENT_CHECK_CONNECTIONS_MAX),
		(long long)(before + n_clients + AGENT_CHECK_CONNECTIONS_MAX),
		"where there are more than places the oldest make room");
	FOREACH_ELEMENT (i, clients)
		told += strcmp(hear(clients[i], 2000), "ready up 55%\n closed") == 0;
	is_int((long long)told, (long long)n_clients, "and all are answered");
	is_int(descriptors_become(before + n_clients), (long long)(before + n_clients),
		"who does not close is let go after a second");
	FOREACH_ELEMENT (i, clients)
		close(clients[i]);
	agent_check_free(check);
	ok(client_to(address) < 0, "after the end nobody listens");
}

static void test_unix(void)
{
	char directory[] = "/tmp/test-agent-check-XXXXXX", address[64];
	struct agent_check *check = NULL;
	struct err err;
	int fd;

	if (!mkdtemp(directory))
		printf("Bail out! cannot make a directory\n"), exit(1);
	snprintf(address, sizeof address, "unix:%s/a", directory);
	is_int(agent_check_new(event, &none, address, &check, &err), 0,
		"it listens on a unix socket");
	agent_check_update(check, STATUS_DRAINING, 0);
	fd = client_to(address);
	is_str(hear(fd, 2000), "drain\n closed", "and answers there");
	close(fd);
	agent_check_free(check);
	is_int(rmdir(directory), 0, "whose file is gone afterwards");
	is_int(agent_check_new(event, &none, "unix:/nonexistent/a", &check, &err), -ENOENT,
		"where it cannot listen it says so");
	is_str(err.text,
		"agent_check: cannot listen on unix:/nonexistent/a: No such file or directory",
		"and why");
	agent_check_update(NULL, STATUS_READY, 0);
	is_int(agent_check_told(NULL), 0, "who is not asked for has no weight");
}

int main(void)
{
	if (sd_event_new(&event) < 0)
		return 1;
	test_weight();
	test_line();
	test_sockets();
	test_unix();
	sd_event_unref(event);
	return done_testing();
}
