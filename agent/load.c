/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"

#define IDLE_DROP_SECONDS 3 /* more than counters wobble by: a different machine is counting */
#define CPU_COUNTERS_MIN  4 /* Linux 2.4 counted user, nice, system and idle */
#define USEC_PER_SEC      1000000ull

static const bool counts_as_busy[CPU_COUNTERS] = {
	[CPU_USER] = true,
	[CPU_NICE] = true,
	[CPU_SYSTEM] = true,
	[CPU_IRQ] = true,
	[CPU_SOFTIRQ] = true,
};

static const char *const file_names[LOAD_FILES] = {
	[LOAD_STAT] = "stat",
	[LOAD_AVERAGES] = "loadavg",
	[LOAD_PRESSURE_CPU] = "pressure/cpu",
	[LOAD_PRESSURE_IO] = "pressure/io",
	[LOAD_PRESSURE_MEMORY] = "pressure/memory",
	[LOAD_MEMORY] = "meminfo",
};

int load_parse_stat(const char *proc_stat, struct cpu_counters *ret)
{
	struct cpu_counters counters = {0};
	const char *p = proc_stat + 3;
	size_t n;

	/* Without its newline the line is cut, and so may be the last number. */
	if (strncmp(proc_stat, "cpu ", 4) != 0 || !strchr(proc_stat, '\n'))
		return -EBADMSG;

	for (n = 0; n < CPU_COUNTERS; n++) {
		char *end;

		p += strspn(p, " ");
		if (*p == '\n')
			break;
		if (!isdigit((unsigned char)*p))
			return -EBADMSG;
		errno = 0;
		counters.ticks[n] = strtoull(p, &end, 10);
		if (errno != 0 || (*end != ' ' && *end != '\n'))
			return -EBADMSG;
		p = end;
	}
	if (n < CPU_COUNTERS_MIN)
		return -EBADMSG;
	*ret = counters;
	return 0;
}

int load_parse_averages(const char *proc_loadavg, double ret[static 3])
{
	double averages[3];

	if (sscanf(proc_loadavg, "%lf %lf %lf", &averages[0], &averages[1], &averages[2]) != 3)
		return -EBADMSG;
	FOREACH_ELEMENT (i, averages)
		if (!isfinite(averages[i]) || averages[i] < 0)
			return -EBADMSG;
	memcpy(ret, averages, sizeof(averages));
	return 0;
}

/* The kernel's percentages to fractions. */
static bool pressure_scale(struct pressure_share *share)
{
	double *const values[] = {&share->avg10, &share->avg60, &share->avg300};

	FOREACH_ELEMENT (i, values) {
		if (!(*values[i] >= 0 && *values[i] <= 100))
			return false;
		*values[i] /= 100;
	}
	share->available = true;
	return true;
}

int load_parse_pressure(const char *proc_pressure, struct pressure *ret)
{
	struct pressure_share some = {0}, full = {0};
	const char *next = strchr(proc_pressure, '\n');

	if (sscanf(proc_pressure, "some avg10=%lf avg60=%lf avg300=%lf", &some.avg10, &some.avg60,
		    &some.avg300) != 3 ||
		!pressure_scale(&some))
		return -EBADMSG;
	/* Before Linux 5.13 there is no such line for the processors. */
	if (!next || sscanf(next, "\nfull avg10=%lf avg60=%lf avg300=%lf", &full.avg10, &full.avg60,
			     &full.avg300) != 3)
		full = (struct pressure_share){0};
	else if (!pressure_scale(&full))
		return -EBADMSG;
	*ret = (struct pressure){.some = some, .full = full};
	return 0;
}

/* A line "MemTotal:        4030016 kB", whose kB are KiB. */
static int memory_line(const char *text, const char *name, uint64_t *ret_bytes)
{
	const char *line = strstr(text, name);
	unsigned long long kib;

	if (!line || (line != text && line[-1] != '\n') ||
		sscanf(line + strlen(name), "%llu kB", &kib) != 1 || kib > UINT64_MAX / 1024)
		return -EBADMSG;
	*ret_bytes = kib * 1024;
	return 0;
}

int load_parse_memory(const char *proc_meminfo, struct memory *ret)
{
	struct memory memory;

	if (memory_line(proc_meminfo, "MemTotal:", &memory.total) < 0 ||
		memory_line(proc_meminfo, "MemAvailable:", &memory.available) < 0 ||
		memory.total == 0 || memory.available > memory.total)
		return -EBADMSG;
	*ret = memory;
	return 0;
}

double load_memory_used(const struct load *load)
{
	if (load->ram.total == 0)
		return -1;
	return 1 - (double)load->ram.available / (double)load->ram.total;
}

double load_seconds(const struct load *load, enum cpu_counter counter)
{
	return (double)load->highest.ticks[counter] / load->ticks_per_second;
}

void load_init(struct load *load, unsigned ticks_per_second)
{
	*load = (struct load){.ticks_per_second = ticks_per_second};
	FOREACH_ELEMENT (i, load->fds)
		load->fds[i] = -1;
}

/* The snapshot that is `back` before the newest. */
static const struct load_snapshot *snapshot_at(const struct load *load, size_t back)
{
	return &load->ring[(load->newest + LOAD_SNAPSHOTS - back) % LOAD_SNAPSHOTS];
}

static struct load_snapshot snapshot_make(uint64_t now_usec, const struct cpu_counters *counters)
{
	struct load_snapshot snapshot = {.at_usec = now_usec};

	FOREACH_ELEMENT (i, counters->ticks) {
		snapshot.total += counters->ticks[i];
		if (counts_as_busy[i])
			snapshot.busy += counters->ticks[i];
	}
	snapshot.stolen = counters->ticks[CPU_STEAL];
	return snapshot;
}

static struct load_share share_between(
	const struct load_snapshot *from, const struct load_snapshot *to)
{
	double total = to->total - from->total;
	double utilization = (to->busy - from->busy) / total;
	double steal = (to->stolen - from->stolen) / total;

	return (struct load_share){
		.utilization = utilization,
		.steal = steal,
		.demand = utilization + steal,
		.seconds = (double)(to->at_usec - from->at_usec) / USEC_PER_SEC,
	};
}

int load_add(struct load *load, uint64_t now_usec, const struct cpu_counters *counters)
{
	uint64_t *highest = load->highest.ticks;
	struct load_snapshot snapshot;

	if (load->n_snapshots > 0 && now_usec <= snapshot_at(load, 0)->at_usec)
		return -EINVAL;

	if (counters->ticks[CPU_IDLE] + IDLE_DROP_SECONDS * load->ticks_per_second <=
		highest[CPU_IDLE]) {
		load->n_snapshots = 0;
		load->highest = (struct cpu_counters){0};
	}
	FOREACH_ELEMENT (i, counters->ticks)
		if (counters->ticks[i] > highest[i])
			highest[i] = counters->ticks[i];

	/* No counter falls, so neither does the total; but it may stand still. */
	snapshot = snapshot_make(now_usec, &load->highest);
	if (load->n_snapshots > 0 && snapshot.total == snapshot_at(load, 0)->total)
		return -ENODATA;

	load->newest = (load->newest + 1) % LOAD_SNAPSHOTS;
	load->ring[load->newest] = snapshot;
	if (load->n_snapshots < LOAD_SNAPSHOTS)
		load->n_snapshots++;
	return load->n_snapshots > 1 ? 0 : -ENODATA;
}

int load_window(const struct load *load, unsigned seconds, struct load_share *ret)
{
	const struct load_snapshot *newest = snapshot_at(load, 0), *from = NULL;
	int64_t window = seconds * USEC_PER_SEC, nearest = INT64_MAX;

	for (size_t i = 1; i < load->n_snapshots; i++) {
		int64_t distance =
			llabs((int64_t)(newest->at_usec - snapshot_at(load, i)->at_usec) - window);

		if (distance > nearest)
			break; /* ages only grow */
		nearest = distance;
		from = snapshot_at(load, i);
	}
	if (!from)
		return -ENODATA;
	*ret = share_between(from, newest);
	return 0;
}

size_t load_history(const struct load *load, struct load_share ret[static LOAD_WINDOW_MAX])
{
	size_t n = 0;

	for (size_t i = load->n_snapshots; i > 1; i--)
		ret[n++] = share_between(snapshot_at(load, i - 1), snapshot_at(load, i - 2));
	return n;
}

int load_open(struct load *load, const char *proc)
{
	int directory = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (directory < 0)
		return -errno;
	FOREACH_ELEMENT (i, load->fds) {
		load->fds[i] = openat(directory, file_names[i], O_RDONLY | O_CLOEXEC);
		if (load->fds[i] < 0 && i < LOAD_PRESSURE_CPU && r == 0)
			r = -errno;
	}
	close(directory);
	if (r < 0)
		load_free(load);
	return r;
}

/* The beginning of an open file. Reading /proc at 0 again makes the kernel count again. */
static int file_again(int fd, char ret[static LOAD_FILE_MAX])
{
	ssize_t n = pread(fd, ret, LOAD_FILE_MAX - 1, 0);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static void pressure_sample(int fd, struct pressure *pressure)
{
	char text[LOAD_FILE_MAX];

	/* Where pressure is built but not enabled, the files may be there and refuse reading. */
	if (file_again(fd, text) < 0 || load_parse_pressure(text, pressure) < 0)
		*pressure = (struct pressure){0};
}

static void memory_sample(int fd, struct memory *memory)
{
	char text[LOAD_FILE_MAX];

	if (file_again(fd, text) < 0 || load_parse_memory(text, memory) < 0)
		*memory = (struct memory){0};
}

int load_sample(struct load *load)
{
	char text[LOAD_FILE_MAX];
	struct cpu_counters counters;
	int r;

	pressure_sample(load->fds[LOAD_PRESSURE_CPU], &load->cpu);
	pressure_sample(load->fds[LOAD_PRESSURE_IO], &load->io);
	pressure_sample(load->fds[LOAD_PRESSURE_MEMORY], &load->memory);
	memory_sample(load->fds[LOAD_MEMORY], &load->ram);

	r = file_again(load->fds[LOAD_AVERAGES], text);
	if (r < 0)
		return r;
	r = load_parse_averages(text, load->averages);
	if (r < 0)
		return r;

	r = file_again(load->fds[LOAD_STAT], text);
	if (r < 0)
		return r;
	r = load_parse_stat(text, &counters);
	if (r < 0)
		return r;
	return load_add(load, clock_monotonic(), &counters);
}

void load_free(struct load *load)
{
	FOREACH_ELEMENT (i, load->fds) {
		if (load->fds[i] >= 0)
			close(load->fds[i]);
		load->fds[i] = -1;
	}
}
