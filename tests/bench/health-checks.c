/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a server on 127.0.0.1 for /instance as a load balancer does: every few milliseconds, each
 * time over a connection of its own, from connect() to the end of the answer; prints how long each
 * took, in microseconds.
 *
 *	health-checks PORT COUNT INTERVAL_MSEC
 *
 * A load balancer is another machine: this runs before everything else here (SCHED_FIFO, where it
 * may), so that what it waits for is the server and not its own turn. A time counts from when it
 * was due, so that checks which had to wait behind a slow one are slow too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 1000000
#define NSEC      1000000000ll

static int64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC + now.tv_nsec;
}

static void sleep_until(int64_t nsec)
{
	struct timespec at = {.tv_sec = nsec / NSEC, .tv_nsec = nsec % NSEC};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
		;
}

static void check_once(const struct sockaddr_in *address)
{
	static const char request[] =
		"GET /instance HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		"User-Agent: ELB-HealthChecker/2.0\r\nConnection: close\r\n\r\n";
	char answer[16384];
	size_t length = 0;
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
		error(1, errno, "connect");
	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1)
		error(1, errno, "send");
	while ((n = recv(fd, answer + length, sizeof answer - length, 0)) > 0)
		length += (size_t)n;
	if (n < 0)
		error(1, errno, "recv");
	if (length < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0)
		error(1, 0, "not a 200: %.*s", (int)(length < 40 ? length : 40), answer);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sched_param first = {.sched_priority = 50};
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0))};
	long count = argc > 2 ? atol(argv[2]) : 0;
	int64_t interval = argc > 3 ? atol(argv[3]) * (NSEC / 1000) : 0;
	int64_t *took, due;

	if (argc != 4 || count < 1 || count > COUNT_MAX || interval < 1)
		error(2, 0, "usage: health-checks PORT COUNT INTERVAL_MSEC");
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		error(0, errno, "no real-time priority: this shows our own delays too");
	took = calloc((size_t)count, sizeof *took);
	if (!took)
		error(1, errno, "memory");
	due = now_nsec();
	for (long i = 0; i < count; i++, due += interval) {
		sleep_until(due);
		check_once(&address);
		took[i] = now_nsec() - due;
	}
	for (long i = 0; i < count; i++)
		printf("%lld\n", (long long)took[i] / 1000);
	free(took);
	return 0;
}
