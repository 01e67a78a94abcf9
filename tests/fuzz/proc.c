/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says in /proc: any text is read, or is not, and what is read makes sense.
 *
 * Covers: agent/load.c agent/mounts.c bootstrap/connections.c
 */
#include <errno.h>
#include <math.h>

#include "../../agent/load.h"
#include "../../agent/mounts.h"
#include "../../bootstrap/connections.h"
#include "fuzz.h"

static bool is_share(double share)
{
	return share >= 0 && share <= 1;
}

static void check_pressure(const struct pressure_share *share)
{
	must(is_share(share->avg10) && is_share(share->avg60) && is_share(share->avg300));
}

static void check_load(const char *text)
{
	static struct load load;
	struct cpu_counters counters, before = {0};
	struct pressure pressure;
	struct load_share share;
	double averages[3];

	if (load_parse_averages(text, averages) == 0)
		FOREACH_ELEMENT (i, averages)
			must(isfinite(averages[i]) && averages[i] >= 0);
	if (load_parse_pressure(text, &pressure) == 0) {
		must(pressure.some.available);
		check_pressure(&pressure.some);
		check_pressure(&pressure.full);
	}
	if (load_parse_stat(text, &counters) < 0)
		return;
	load_init(&load, 100);
	must(load_add(&load, 1000000, &before) == -ENODATA);
	if (load_add(&load, 2000000, &counters) == 0 && load_window(&load, 1, &share) == 0)
		must(isfinite(share.demand) && share.demand >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct connections_rule rule = {
		.ports = {80, 8000}, .n_ports = 2, .agent = 997};
	struct input input = {data, size};
	_cleanup_free_ char *text = input_text(&input), *other = input_text(&input);

	check_load(text);
	(void)mounts_show(text, "/data", 0x10300, "/dev/nvme1n1");
	must(connections_count(text, other, &rule) <=
		count_of(text, '\n') + count_of(other, '\n') + 2);
	return 0;
}
