/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "show.h"
#include "timeline.h"

#define WIDTH_MIN            60
#define WIDTH_MAX            320
#define LABEL_MAX            36
#define CHART_MIN            20
#define TICK_EVERY           9                  /* columns, at least: room for a mark's number */
#define COLUMNS              "  %-*s %9s %9s  " /* what, start, took */
#define COLUMNS_WIDTH(label) (2 + (label) + 1 + 9 + 1 + 9 + 2)

enum ground { GROUND_EMPTY, GROUND_MARK, GROUND_READY };

struct chart {
	const struct timeline *timeline;
	FILE *out;
	int label,
		width; /* columns of the names, of the bars; one more is for moments at the end */
	int64_t tick;
	enum ground ground[WIDTH_MAX + 1]; /* what a column shows where there is no bar … */
	int ground_end;                    /* … up to here */
};

/* In half columns. */
static int place(const struct chart *chart, int64_t usec)
{
	const struct timeline *timeline = chart->timeline;
	double share = (double)(usec - timeline->from) / (double)(timeline->to - timeline->from);
	int half = (int)(share * 2 * chart->width);

	return half < 0 ? 0 : half > 2 * chart->width ? 2 * chart->width : half;
}

static int64_t first_tick(const struct chart *chart)
{
	int64_t from = chart->timeline->from, first = from - from % chart->tick;

	return first < from ? first + chart->tick : first;
}

static void lay_ground(struct chart *chart)
{
	const struct timeline *timeline = chart->timeline;
	unsigned most = (unsigned)(chart->width / TICK_EVERY);
	int ready;

	chart->tick = timeline_tick(timeline->to - timeline->from, most);
	for (int64_t t = first_tick(chart); t <= timeline->to; t += chart->tick) {
		chart->ground[place(chart, t) / 2] = GROUND_MARK;
		chart->ground_end = place(chart, t) / 2 + 1;
	}
	if (timeline->ready < 0)
		return;
	ready = place(chart, timeline->ready) / 2;
	chart->ground[ready] = GROUND_READY;
	chart->ground_end = ready < chart->ground_end ? chart->ground_end : ready + 1;
}

/* One column of a span's line: a sign, and its colour. */
static const char *sign(const struct chart *chart, const struct timeline_span *span, int column,
	enum show_colour *ret_colour)
{
	static const enum show_colour colours[] = {
		[TIMELINE_KERNEL] = SHOW_DIM,
		[TIMELINE_SYSTEM] = SHOW_DIM,
		[TIMELINE_INSTANCED] = SHOW_GOOD,
		[TIMELINE_APPS] = SHOW_BOLD,
	};
	int from = place(chart, span->began), to = place(chart, span->ended);
	bool left, right;

	to = to > from ? to : from + 1;
	left = from <= 2 * column && 2 * column < to;
	right = from <= 2 * column + 1 && 2 * column + 1 < to;
	*ret_colour = colours[span->group];
	if (left || right)
		return span->began == span->ended ? "◆"
		       : span->wait               ? "░"
		       : left && right            ? "█"
		       : left                     ? "▌"
						  : "▐";
	*ret_colour = chart->ground[column] == GROUND_READY  ? SHOW_GOOD
		      : chart->ground[column] == GROUND_MARK ? SHOW_DIM
							     : SHOW_PLAIN;
	return chart->ground[column] == GROUND_READY  ? "│"
	       : chart->ground[column] == GROUND_MARK ? "┊"
						      : " ";
}

static void put_bar(const struct chart *chart, const struct timeline_span *span)
{
	int from = place(chart, span->began), to = place(chart, span->ended);
	int end = ((to > from ? to : from + 1) + 1) / 2;
	enum show_colour before = SHOW_PLAIN, now;

	end = end > chart->ground_end ? end : chart->ground_end;
	for (int column = 0; column < end; column++) {
		const char *text = sign(chart, span, column, &now);

		if (now != before && before != SHOW_PLAIN)
			fputs(show_colour(chart->out, SHOW_PLAIN), chart->out);
		if (now != before && now != SHOW_PLAIN)
			fputs(show_colour(chart->out, now), chart->out);
		fputs(text, chart->out);
		before = now;
	}
	fputs(before != SHOW_PLAIN ? show_colour(chart->out, SHOW_PLAIN) : "", chart->out);
}

static void put_span(const struct chart *chart, const struct timeline_span *span)
{
	char what[LABEL_MAX + 1], start[24], took[24] = "";
	bool whole = (int)strlen(span->what) <= chart->label; /* it is ASCII */

	snprintf(what, sizeof what, "%.*s%s", whole ? LABEL_MAX : chart->label - 3, span->what,
		whole ? "" : "...");
	snprintf(start, sizeof start, "%.3f", (double)span->began / 1e6);
	if (span->began != span->ended || span->open)
		snprintf(took, sizeof took, "%s%.3f", span->open ? ">" : "",
			(double)(span->ended - span->began) / 1e6);
	fprintf(chart->out, COLUMNS, chart->label, what, start, took);
	put_bar(chart, span);
	fputc('\n', chart->out);
}

static void put_axis(const struct chart *chart)
{
	int column = 0;

	fprintf(chart->out, "%s" COLUMNS, show_colour(chart->out, SHOW_DIM), chart->label, "",
		"start", "took");
	for (int64_t t = first_tick(chart); t <= chart->timeline->to; t += chart->tick) {
		int at = place(chart, t) / 2;
		char number[24];
		int length = snprintf(number, sizeof number, "%.9g s", (double)t / 1e6);

		if (at + length > chart->width)
			continue;
		fprintf(chart->out, "%*s%s", at - column, "", number);
		column = at + length;
	}
	fprintf(chart->out, "%s\n", show_colour(chart->out, SHOW_PLAIN));
}

static void put_head(const struct timeline *timeline, FILE *out)
{
	const struct metadata *metadata = timeline->metadata;

	fprintf(out, "%s%s%s", show_colour(out, SHOW_BOLD),
		metadata && metadata->fields[METADATA_INSTANCE_ID]
			? metadata->fields[METADATA_INSTANCE_ID]
			: "instance not known",
		show_colour(out, SHOW_PLAIN));
	for (size_t i = METADATA_INSTANCE_TYPE; metadata && i <= METADATA_AVAILABILITY_ZONE; i++)
		if (metadata->fields[i])
			fprintf(out, "  %s", metadata->fields[i]);
	fprintf(out, "\n%s%s%s\n", show_colour(out, timeline->ready < 0 ? SHOW_WARN : SHOW_GOOD),
		timeline->words, show_colour(out, SHOW_PLAIN));
}

void timeline_print(const struct timeline *timeline, unsigned width, FILE *out)
{
	struct chart chart = {.timeline = timeline, .out = out};
	int columns = width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : (int)width;
	const struct timeline_span *before = NULL;

	put_head(timeline, out);
	for (size_t i = 0; i < timeline->n; i++) {
		int length = (int)strlen(timeline->spans[i].what);

		if (timeline->spans[i].shown && length > chart.label)
			chart.label = length;
	}
	if (chart.label > LABEL_MAX)
		chart.label = LABEL_MAX;
	if (COLUMNS_WIDTH(chart.label) > columns - CHART_MIN)
		chart.label = columns - CHART_MIN - COLUMNS_WIDTH(0);
	chart.width = columns - COLUMNS_WIDTH(chart.label) - 1;
	lay_ground(&chart);
	if (timeline->n_shown)
		put_axis(&chart);
	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_span *span = &timeline->spans[i];

		if (!span->shown)
			continue;
		if (!before || before->group != span->group)
			fprintf(out, "%s%s%s\n", show_colour(out, SHOW_BOLD),
				timeline_group_name(span->group), show_colour(out, SHOW_PLAIN));
		put_span(&chart, span);
		before = span;
	}
	if (timeline->n > timeline->n_shown)
		fprintf(out, "%zu more, long before or after that, are in --json\n",
			timeline->n - timeline->n_shown);
}
