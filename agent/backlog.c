/* SPDX-License-Identifier: Apache-2.0 */
#include "backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int backlog_init(struct backlog *backlog, const struct statistics *statistics, size_t max)
{
	*backlog = (struct backlog){.n_sets = statistics->n,
		.max = max,
		.starts = calloc(max, sizeof *backlog->starts),
		.sets = calloc(max * statistics->n, sizeof *backlog->sets)};
	if (backlog->starts && backlog->sets)
		return 0;
	backlog_release(backlog);
	return -ENOMEM;
}

void backlog_release(struct backlog *backlog)
{
	free(backlog->starts);
	free(backlog->sets);
	*backlog = (struct backlog){0};
}

static size_t slot(const struct backlog *backlog, size_t i)
{
	return (backlog->first + i) % backlog->max;
}

void backlog_push(struct backlog *backlog, const struct period *period)
{
	size_t to = slot(backlog, backlog->n);

	backlog->starts[to] = period->start;
	memcpy(&backlog->sets[to * backlog->n_sets], period->sets,
		backlog->n_sets * sizeof *backlog->sets);
	backlog->n++;
}

uint64_t backlog_start(const struct backlog *backlog, size_t i)
{
	return backlog->starts[slot(backlog, i)];
}

const struct statistic_set *backlog_sets(const struct backlog *backlog, size_t i)
{
	return &backlog->sets[slot(backlog, i) * backlog->n_sets];
}

void backlog_clear(struct backlog *backlog, size_t i)
{
	memset(&backlog->sets[slot(backlog, i) * backlog->n_sets], 0,
		backlog->n_sets * sizeof *backlog->sets);
}

size_t backlog_count(const struct backlog *backlog, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; s < backlog->n_sets; s++)
			count += backlog_sets(backlog, i)[s].count > 0;
	return count;
}

void backlog_drop(struct backlog *backlog, size_t n)
{
	backlog->first = slot(backlog, n);
	backlog->n -= n;
}
