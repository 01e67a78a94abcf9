/* SPDX-License-Identifier: Apache-2.0 */
#include "../agent/load.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "tap.h"

#define HZ     100
#define SECOND 1000000ull

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static int add_text(struct load *load, double seconds, const char *proc_stat)
{
	struct cpu_counters counters;
	int r = load_parse_stat(proc_stat, &counters);

	return r < 0 ? r : load_add(load, (uint64_t)(seconds * SECOND), &counters);
}

/* One processor's second after second: so many ticks busy and stolen, the rest idle. */
static void add_seconds(struct load *load, uint64_t *now, struct cpu_counters *counters,
	unsigned seconds, unsigned busy, unsigned stolen)
{
	for (unsigned i = 0; i < seconds; i++) {
		counters->ticks[CPU_USER] += busy;
		counters->ticks[CPU_STEAL] += stolen;
		counters->ticks[CPU_IDLE] += HZ - busy - stolen;
		*now += SECOND;
		(void)load_add(load, *now, counters);
	}
}

static void test_parse(void)
{
	static const char *const garbage[] = {
		"",
		"cpu",
		"cpu  1 2 3 4",
		"cpu  1 2 3\n",
		"cpu  1 2 x 4 5 6 7 8\n",
		"cpu  1 2 -3 4 5 6 7 8\n",
		"cpu  1 2 3 99999999999999999999 5 6 7 8\n",
		"cpu0 1 2 3 4 5 6 7 8\n",
		"intr 1 2 3 4 5 6 7 8\n",
	};
	struct cpu_counters counters;
	bool refused = true;

	is_int(load_parse_stat("cpu  2840 1 2094 146055 222 3 57 8 0 0\ncpu0 9 9 9 9\n", &counters),
		0, "the first line of /proc/stat is read");
	ok(counters.ticks[CPU_USER] == 2840 && counters.ticks[CPU_IDLE] == 146055 &&
			counters.ticks[CPU_IOWAIT] == 222 && counters.ticks[CPU_STEAL] == 8,
		"each counter is in its place");
	is_int(load_parse_stat("cpu  10 0 20 70\ncpu0 10 0 20 70\n", &counters), 0,
		"an old kernel's four counters are enough");
	ok(counters.ticks[CPU_IDLE] == 70 && counters.ticks[CPU_STEAL] == 0,
		"what an old kernel lacks is 0");
	is_int(load_parse_stat("cpu  1 2 3 4 5 6 7\n", &counters), 0,
		"so are seven, without steal");

	counters.ticks[CPU_USER] = 12345;
	FOREACH_ELEMENT (i, garbage)
		refused = refused && load_parse_stat(garbage[i], &counters) == -EBADMSG;
	ok(refused, "garbage, a cut line, negative and huge numbers are refused");
	ok(counters.ticks[CPU_USER] == 12345, "garbage leaves the result untouched");
}

static void test_parse_waiting(void)
{
	double averages[3] = {9, 9, 9};
	struct pressure pressure;

	ok(load_parse_averages("0.50 1.25 12.00 2/86 6211\n", averages) == 0 &&
			averages[0] == 0.5 && averages[1] == 1.25 && averages[2] == 12,
		"load averages are read");
	ok(load_parse_averages("nan 0 0 1/2 3\n", averages) == -EBADMSG &&
			load_parse_averages("0.1 0.2\n", averages) == -EBADMSG &&
			averages[0] == 0.5,
		"load averages that are no numbers are refused");

	is_int(load_parse_pressure("some avg10=1.50 avg60=0.23 avg300=100.00 total=4887967\n"
				   "full avg10=0.50 avg60=0.00 avg300=0.00 total=0\n",
		       &pressure),
		0, "pressure is read");
	ok(pressure.some.available && near(pressure.some.avg10, 0.015) &&
			near(pressure.some.avg300, 1) && pressure.full.available &&
			near(pressure.full.avg10, 0.005),
		"pressure is a fraction, some and full");
	ok(load_parse_pressure("some avg10=1.50 avg60=0.23 avg300=0.17 total=1\n", &pressure) ==
				0 &&
			pressure.some.available && !pressure.full.available,
		"an older kernel has no `full` for the processors");
	ok(load_parse_pressure("some avg10=1 avg60=0 avg300=0\nfull avg10=50 avg60=", &pressure) ==
				0 &&
			!pressure.full.available && pressure.full.avg10 == 0,
		"half a line says nothing");
	ok(load_parse_pressure("", &pressure) == -EBADMSG &&
			load_parse_pressure("some avg10=101 avg60=0 avg300=0\n", &pressure) ==
				-EBADMSG &&
			load_parse_pressure("some avg10=nan avg60=0 avg300=0\n", &pressure) ==
				-EBADMSG,
		"pressure beyond 100 % and garbage are refused");
}

static void test_parse_memory(void)
{
	static const char *const garbage[] = {"", "MemTotal: 100 kB\n",
		"MemTotal: 0 kB\nMemAvailable: 0 kB\n", "MemTotal: x\nMemAvailable: 1 kB\n",
		"MemTotal: 100 kB\nMemAvailable: 101 kB\n",
		"MemTotal: 100 kB\nNotMemAvailable: 50 kB\n"};
	struct load load = {0};
	bool refused = true;

	ok(load_memory_used(&load) < 0, "before a sample no share of memory is known");
	is_int(load_parse_memory("MemTotal:        4030016 kB\nMemFree:          120000 kB\n"
				 "MemAvailable:    1007504 kB\nBuffers:          1 kB\n",
		       &load.ram),
		0, "memory is read");
	ok(load.ram.total == 4030016ull * 1024 && load.ram.available == 1007504ull * 1024,
		"in bytes");
	ok(near(load_memory_used(&load), 0.75), "what is not available is used");
	FOREACH_ELEMENT (i, garbage)
		refused = refused && load_parse_memory(garbage[i], &load.ram) == -EBADMSG;
	ok(refused && load.ram.total == 4030016ull * 1024,
		"garbage, more available than there is, and kernels without MemAvailable are "
		"refused");
}

static void test_shares(void)
{
	struct load_share share = {.demand = 42};
	struct load load;

	/* A t3.nano without credits runs 10 % of the time that it asks for. */
	load_init(&load, HZ);
	is_int(load_window(&load, 1, &share), -ENODATA, "there is no window before a sample");
	is_int(add_text(&load, 1, "cpu  1000 0 200 50000 100 0 10 4000 0 0\n"), -ENODATA,
		"the first sample says nothing yet");
	is_int(load_window(&load, 1, &share), -ENODATA, "nor does a window of one sample");
	ok(share.demand == 42, "a window that is not there leaves the result untouched");
	is_int(add_text(&load, 2, "cpu  1016 0 203 50000 100 0 11 4180 0 0\n"), 0,
		"the second sample says something");
	is_int(load_window(&load, 1, &share), 0, "and there is a window");
	ok(near(share.utilization, 0.1) && near(share.steal, 0.9) && near(share.demand, 1),
		"out of credits: 10 % utilization, 90 % steal, 100 % demand");
	is_int(add_text(&load, 3, "cpu  1016 0 203 50000 100 0 11 4180 0 0\n"), -ENODATA,
		"equal samples say nothing new");
	is_int(add_text(&load, 2, "cpu  1017 0 203 50100 100 0 11 4180 0 0\n"), -EINVAL,
		"time that runs backwards is refused");
	(void)add_text(&load, 4, "cpu  1216 0 203 50000 100 0 11 4180 0 0\n");
	ok(load_window(&load, 1, &share) == 0 && near(share.utilization, 1) &&
			near(share.seconds, 2),
		"a sample after an equal one covers both seconds");

	load_init(&load, HZ);
	(void)add_text(&load, 1, "cpu  100 10 0 1000 0 0 0 0 50 10\n");
	(void)add_text(&load, 2, "cpu  140 20 0 1050 0 0 0 0 90 20\n");
	(void)load_window(&load, 1, &share);
	ok(near(share.utilization, 0.5), "guest time is not counted twice");

	load_init(&load, HZ);
	(void)add_text(&load, 1, "cpu  0 0 0 1000 0 0 0 0\n");
	(void)add_text(&load, 2, "cpu  10 10 10 1020 30 10 10 0\n");
	(void)load_window(&load, 1, &share);
	ok(near(load_seconds(&load, CPU_USER), 0.1) && near(load_seconds(&load, CPU_IDLE), 10.2),
		"what the counters have come to is told in seconds");
	ok(near(share.utilization, 0.5), "busy is user, nice, system, irq, softirq; iowait is not");
}

static void test_backwards(void)
{
	struct load_share share;
	struct load load;

	load_init(&load, HZ);
	(void)add_text(&load, 1, "cpu  100 0 0 1000 500 0 0 300\n");
	is_int(add_text(&load, 2, "cpu  150 0 0 1050 400 0 0 290\n"), 0,
		"iowait and steal may run backwards");
	(void)load_window(&load, 1, &share);
	ok(near(share.utilization, 0.5) && near(share.steal, 0), "then they count as unchanged");
	(void)add_text(&load, 3, "cpu  200 0 0 1100 450 0 0 300\n");
	(void)load_window(&load, 1, &share);
	ok(near(share.utilization, 0.5) && near(share.steal, 0),
		"what they take back is not counted again");
	(void)add_text(&load, 4, "cpu  225 0 0 1125 510 0 0 340\n");
	(void)load_window(&load, 1, &share);
	ok(near(share.utilization, 0.25) && near(share.steal, 0.4),
		"beyond the maximum they count");

	is_int(add_text(&load, 5, "cpu  275 0 0 1000 560 0 0 340\n"), 0,
		"idle that drops by less than 3 s is noise");
	is_int(add_text(&load, 6, "cpu  50 0 0 825 60 0 0 10\n"), -ENODATA,
		"idle that drops by 3 s starts the history again");
	is_int(load_window(&load, 300, &share), -ENODATA, "nothing is left of the old history");
	(void)add_text(&load, 7, "cpu  75 0 0 900 60 0 0 10\n");
	ok(load_window(&load, 300, &share) == 0 && near(share.utilization, 0.25) &&
			near(share.seconds, 1),
		"the new one counts from the lower counters");
}

static void test_windows(void)
{
	static struct load_share history[LOAD_WINDOW_MAX];
	struct cpu_counters counters = {.ticks = {5, 5, 5, 5, 5, 5, 5, 5}};
	uint64_t now = 77 * SECOND;
	struct load_share share;
	struct load load;
	size_t n;

	load_init(&load, HZ);
	add_seconds(&load, &now, &counters, 5, 40, 0);
	ok(load_window(&load, 60, &share) == 0 && near(share.utilization, 0.4) &&
			near(share.seconds, 4),
		"a short history gives what is there, and says how much");

	/* 400 s at 0 %, then 240 s at 25 %, 50 s at 50 %, 9 s at 100 %, 1 s half stolen. */
	add_seconds(&load, &now, &counters, 400, 0, 0);
	add_seconds(&load, &now, &counters, 240, 25, 0);
	add_seconds(&load, &now, &counters, 50, 50, 0);
	add_seconds(&load, &now, &counters, 9, 100, 0);
	add_seconds(&load, &now, &counters, 1, 50, 50);
	ok(load_window(&load, 1, &share) == 0 && near(share.utilization, 0.5) &&
			near(share.steal, 0.5) && near(share.seconds, 1),
		"1 s is the last interval");
	ok(load_window(&load, 10, &share) == 0 && near(share.utilization, 0.95) &&
			near(share.steal, 0.05) && near(share.demand, 1) && near(share.seconds, 10),
		"10 s");
	ok(load_window(&load, 60, &share) == 0 && near(share.demand, (50 * 0.5 + 10) / 60) &&
			near(share.seconds, 60),
		"60 s");
	ok(load_window(&load, 300, &share) == 0 &&
			near(share.demand, (240 * 0.25 + 50 * 0.5 + 10) / 300) &&
			near(share.seconds, 300),
		"300 s, after the ring has turned over");

	n = load_history(&load, history);
	ok(n == LOAD_WINDOW_MAX && near(history[0].demand, 0.25) &&
			near(history[239].demand, 0.25) && near(history[240].demand, 0.5) &&
			near(history[298].demand, 1) && near(history[299].steal, 0.5),
		"the history has 300 intervals, the oldest first");

	/* The timer came late: 30 s in one interval, all busy. */
	counters.ticks[CPU_USER] += 30 * HZ;
	now += 30 * SECOND;
	(void)load_add(&load, now, &counters);
	add_seconds(&load, &now, &counters, 10, 0, 0);
	ok(load_window(&load, 10, &share) == 0 && near(share.demand, 0) && near(share.seconds, 10),
		"missed seconds do not reach into a window after them");
	ok(load_window(&load, 40, &share) == 0 && near(share.demand, 0.75) &&
			near(share.seconds, 40),
		"a window across missed seconds is as long as asked for");
	ok(load_window(&load, 14, &share) == 0 && near(share.seconds, 10),
		"of two snapshots the one of the nearer age is taken");
}

static void file_put(const char *directory, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("Bail out! cannot write %s\n", path), exit(1);
	close(fd);
}

static void test_recorded_files(void)
{
	static const char *const files[] = {"pressure/cpu", "pressure/io", "pressure/memory",
		"pressure", "meminfo", "loadavg", "stat", ""};
	char root[] = "/tmp/test-load-XXXXXX", path[256];
	struct load_share share;
	struct load load;

	if (!mkdtemp(root))
		printf("Bail out! cannot make a directory\n"), exit(1);
	load_init(&load, HZ);
	is_int(load_open(&load, "/nonexistent"), -ENOENT, "no such directory is an error");
	file_put(root, "stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
	is_int(load_open(&load, root), -ENOENT, "so are missing load averages");

	file_put(root, "loadavg", "0.10 0.20 0.30 1/2 3\n");
	is_int(load_open(&load, root), 0, "a machine without pressure is good enough");
	is_int(load_sample(&load), -ENODATA, "its first sample says nothing yet");
	file_put(root, "stat", "cpu  30 0 0 70 0 0 0 0 0 0\n");
	is_int(load_sample(&load), 0, "open files are read again");
	ok(load_window(&load, 1, &share) == 0 && near(share.demand, 0.3) &&
			load.averages[2] == 0.3 && !load.cpu.some.available &&
			!load.io.some.available && load_memory_used(&load) < 0,
		"there is load, and pressure and memory are not available");
	file_put(root, "stat", "cpu  garbage\n");
	is_int(load_sample(&load), -EBADMSG, "garbage in the counters is an error");
	load_free(&load);
	load_free(&load);
	ok(load_window(&load, 1, &share) == 0, "the history outlives the files");

	snprintf(path, sizeof(path), "%s/pressure", root);
	(void)mkdir(path, 0755);
	file_put(root, "pressure/memory", "some avg10=12.00 avg60=0.00 avg300=0.00 total=1\n");
	file_put(root, "pressure/io", "not enabled\n");
	file_put(root, "meminfo", "MemTotal: 100 kB\nMemAvailable: 60 kB\n");
	load_init(&load, HZ);
	file_put(root, "stat", "cpu  1 1 1 1\n");
	ok(load_open(&load, root) == 0 && load_sample(&load) == -ENODATA &&
			near(load.memory.some.avg10, 0.12) && !load.io.some.available,
		"each pressure is there or not for itself");
	ok(near(load_memory_used(&load), 0.4), "and so is memory");
	file_put(root, "meminfo", "garbage\n");
	(void)load_sample(&load);
	ok(load_memory_used(&load) < 0, "which is not known any more when it is garbage");
	load_free(&load);

	FOREACH_ELEMENT (i, files) {
		snprintf(path, sizeof(path), "%s/%s", root, files[i]);
		(void)remove(path);
	}
}

static double cpu_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void spin(double seconds)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < seconds);
}

static void test_this_machine(void)
{
	const unsigned samples = 200;
	struct load_share share = {0};
	double before;
	struct load load;
	pid_t child;

	load_init(&load, (unsigned)sysconf(_SC_CLK_TCK));
	is_int(load_open(&load, "/proc"), 0, "this machine's /proc is opened");
	is_int(load_sample(&load), -ENODATA, "and sampled");

	fflush(stdout);
	child = fork();
	if (child == 0) {
		spin(1.2);
		_exit(0);
	}
	ok(child > 0 && waitpid(child, NULL, 0) == child && load_sample(&load) == 0 &&
			load_window(&load, 1, &share) == 0,
		"a second sample follows a busy loop of 1.2 s");
	/* Half, because others may want the same processor; then nothing is idle anyway. */
	ok(share.demand * sysconf(_SC_NPROCESSORS_ONLN) > 0.5 && share.demand < 1.0001,
		"the busy loop shows");
	ok(load.ram.total > 0 && load_memory_used(&load) > 0 && load_memory_used(&load) < 1,
		"its memory is known");
	ok(share.seconds > 1.1 && share.seconds < 60, "over the time that it took");

	before = cpu_usec();
	for (unsigned i = 0; i < samples; i++)
		(void)load_sample(&load);
	printf("# one sample costs %.1f us of processor time\n", (cpu_usec() - before) / samples);
	printf("# demand %.3f over %.2f s, load averages %.2f %.2f %.2f\n", share.demand,
		share.seconds, load.averages[0], load.averages[1], load.averages[2]);
	load_free(&load);
}

int main(void)
{
	test_parse();
	test_parse_waiting();
	test_parse_memory();
	test_shares();
	test_backwards();
	test_windows();
	test_recorded_files();
	test_this_machine();
	return done_testing();
}
