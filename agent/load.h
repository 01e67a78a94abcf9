/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: how busy the processors are, what the hypervisor takes away, what is waiting, and how much
 * memory is used.
 *
 * One snapshot of the kernel's counters a second is kept for five minutes; a window is the
 * difference of two of them. All shares are fractions of all processors' time, 0..1. The
 * arithmetic is pure; load_open() and load_sample() are the only parts that touch the machine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_WINDOW_MAX 300                   /* seconds */
#define LOAD_SNAPSHOTS  (LOAD_WINDOW_MAX + 1) /* one a second, and the one before them */
#define LOAD_FILE_MAX   4096                  /* bytes read of each /proc file: its first lines */

/* Columns of the "cpu" line of /proc/stat, in its order: proc_stat(5). */
enum cpu_counter {
	CPU_USER, /* guest time is inside */
	CPU_NICE, /* guest_nice is inside */
	CPU_SYSTEM,
	CPU_IDLE,
	CPU_IOWAIT, /* idle too; can run backwards */
	CPU_IRQ,
	CPU_SOFTIRQ,
	CPU_STEAL, /* wanted to run, another guest did; can run backwards */
	CPU_COUNTERS
};

struct cpu_counters {
	uint64_t ticks[CPU_COUNTERS]; /* of 1/USER_HZ second, all processors together */
};

struct load_share {
	double utilization; /* user, nice, system, irq and softirq */
	double steal;
	double demand;  /* utilization + steal: 1 on a burstable instance out of credits */
	double seconds; /* what was covered, 0: nothing yet */
};

/* Share of time in which tasks waited for a resource: Documentation/accounting/psi.rst. */
struct pressure_share {
	bool available;
	double avg10, avg60, avg300; /* fractions, 0..1, over so many seconds */
};

struct pressure {
	struct pressure_share some, full; /* at least one task waited; all of them did */
};

/* Of /proc/meminfo, in bytes; total 0: not known. `available` is for programs, without swapping. */
struct memory {
	uint64_t total, available;
};

enum load_file {
	LOAD_STAT,
	LOAD_AVERAGES,
	LOAD_PRESSURE_CPU,
	LOAD_PRESSURE_IO,
	LOAD_PRESSURE_MEMORY,
	LOAD_MEMORY,
	LOAD_FILES
};

struct load {
	double averages[3];              /* 1, 5 and 15 minutes */
	struct pressure cpu, io, memory; /* not `available` where the kernel does not give it */
	struct memory ram;

	/* private */
	unsigned ticks_per_second;
	struct cpu_counters highest; /* of each counter since the last reset */
	struct load_snapshot {
		uint64_t at_usec, total, busy, stolen;
	} ring[LOAD_SNAPSHOTS];
	size_t newest, n_snapshots;
	int fds[LOAD_FILES]; /* -1: not open */
};

/* Reads the first line. Counters that an old kernel lacks are 0. -EBADMSG: not such a text. */
int load_parse_stat(const char *proc_stat, struct cpu_counters *ret);
/* Reads /proc/loadavg: proc_loadavg(5). -EBADMSG: not such a text. */
int load_parse_averages(const char *proc_loadavg, double ret[static 3]);
/* Reads one of /proc/pressure/. -EBADMSG: not such a text. */
int load_parse_pressure(const char *proc_pressure, struct pressure *ret);

/* Reads /proc/meminfo: proc_meminfo(5). -EBADMSG: not such a text, or of Linux before 3.14. */
int load_parse_memory(const char *proc_meminfo, struct memory *ret);

/* The used share, 0..1: what is not available, of all; -1: not known. */
double load_memory_used(const struct load *load);

/*
 * What a counter has come to, in seconds of one processor; it never falls but to begin again, as
 * load_add() says. 0 before the first sample.
 */
double load_seconds(const struct load *load, enum cpu_counter counter);

/* An empty history. `ticks_per_second` is USER_HZ, sysconf(_SC_CLK_TCK). Opens nothing. */
void load_init(struct load *load, unsigned ticks_per_second);

/*
 * Adds a snapshot, to be called once a second with the monotonic time. A counter that ran
 * backwards stays where it was; when idle dropped by 3 s or more (processors came or went, the
 * machine was resumed), the history starts again. 0: there is something new to say; -ENODATA: not
 * yet (the first snapshot, or no tick since the last); -EINVAL: time ran backwards.
 */
int load_add(struct load *load, uint64_t now_usec, const struct cpu_counters *counters);

/*
 * The share over the last `seconds` (1..LOAD_WINDOW_MAX): from the newest snapshot back to the one
 * whose age is nearest to that. ret->seconds says what that was: more after a missed second, less
 * while the history is short. -ENODATA: fewer than two snapshots.
 */
int load_window(const struct load *load, unsigned seconds, struct load_share *ret);

/* The share of each interval, the oldest first; returns how many there are. */
size_t load_history(const struct load *load, struct load_share ret[static LOAD_WINDOW_MAX]);

/*
 * Opens the files under `proc` ("/proc"), which stay open until load_free(). Pressure may be
 * and memory may be missing. A negative errno when the counters or the averages cannot be opened.
 */
int load_open(struct load *load, const char *proc);

/*
 * Reads all of the open files, and adds a snapshot: as load_add(), or a negative errno when the
 * counters or the averages cannot be read. Blocks for no more than a system call's time.
 */
int load_sample(struct load *load);

/* Closes the files. The history stays readable. */
void load_free(struct load *load);
