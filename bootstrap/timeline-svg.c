/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "html.h"
#include "timeline.h"

/* Lengths are the document's own, which are a browser's pixels. */
#define WIDTH     1000
#define MARGIN    24
#define CHART_X   276 /* left of it the names, … */
#define CHART_END 896 /* … right of it room for the last bar's number */
#define TOP       92  /* of the axis */
#define HEAD      98  /* above the first group */
#define ROW       19
#define GROUP     30
#define BAR       11
#define NAME_MAX  36 /* characters */
#define TICKS     9
#define GAP       7
#define LETTER    6.2 /* of a small text, on average */

/*
 * Colours without variables, which not every program that shows SVG knows; the same as the agent's
 * page.
 */
/* clang-format off */
static const char style[] =
	"text{font:12px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1b1b19}"
	".h{font-size:20px;font-weight:600}.b{font-weight:600}"
	".d{fill:#63625d}.n{fill:#63625d;font-size:11px;font-variant-numeric:tabular-nums}"
	".e{text-anchor:end}.m{text-anchor:middle}"
	".paper{fill:#fff}.grid{stroke:#e4e3df}.zero{stroke:#b9b7b0}"
	".kernel{fill:#a09e97}.system{fill:#8fa6c6}.instanced{fill:#1d5fbf}.apps{fill:#7a4fd0}"
	".wait{fill:#1d5fbf;fill-opacity:.22}.own{fill:#15703a;fill-opacity:.1}"
	".ready{stroke:#15703a;stroke-width:1.5}.ok{fill:#15703a}.no{fill:#8f5a00}"
	"@media(prefers-color-scheme:dark){"
	"text{fill:#ecebe6}.d,.n{fill:#a3a19a}"
	".paper{fill:#121211}.grid{stroke:#2b2a28}.zero{stroke:#5d5b56}"
	".kernel{fill:#7d7b74}.system{fill:#5f789c}.instanced{fill:#7db2f5}.apps{fill:#b79cf2}"
	".wait{fill:#7db2f5;fill-opacity:.28}.own{fill:#5fc88a;fill-opacity:.14}"
	".ready{stroke:#5fc88a}.ok{fill:#5fc88a}.no{fill:#e5b04d}}";
/* clang-format on */

struct drawing {
	const struct timeline *timeline;
	FILE *out;
	int bottom; /* of the chart */
};

static double place(const struct drawing *drawing, int64_t usec)
{
	const struct timeline *timeline = drawing->timeline;

	return CHART_X + (double)(CHART_END - CHART_X) * (double)(usec - timeline->from) /
				 (double)(timeline->to - timeline->from);
}

static void put_text(
	const struct drawing *drawing, double x, double y, const char *class, const char *text)
{
	fprintf(drawing->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	html_escape(drawing->out, text);
	fputs("</text>\n", drawing->out);
}

static void put_line(const struct drawing *drawing, double x, double y, const char *class)
{
	fprintf(drawing->out, "<path d=\"M%.1f %.1fV%d\" class=\"%s\"/>\n", x, y, drawing->bottom,
		class);
}

/* -- around the bars -- */

static void put_head(const struct drawing *drawing)
{
	const struct timeline *timeline = drawing->timeline;
	const struct metadata *metadata = timeline->metadata;
	const char *id = metadata ? metadata->fields[METADATA_INSTANCE_ID] : NULL;

	fprintf(drawing->out, "<text x=\"%d\" y=\"38\" class=\"h\">", MARGIN);
	html_escape(drawing->out, id ? id : "instance not known");
	fputs("<tspan class=\"d\" font-size=\"13\" font-weight=\"400\" dx=\"6\">", drawing->out);
	for (size_t i = METADATA_INSTANCE_TYPE; metadata && i <= METADATA_AVAILABILITY_ZONE; i++) {
		if (!metadata->fields[i])
			continue;
		fputs(i > METADATA_INSTANCE_TYPE ? " · " : " ", drawing->out);
		html_escape(drawing->out, metadata->fields[i]);
	}
	fputs("</tspan></text>\n", drawing->out);
	put_text(drawing, MARGIN, 62, timeline->ready < 0 ? "no" : "ok", timeline->words);
}

static void put_axis(const struct drawing *drawing)
{
	const struct timeline *timeline = drawing->timeline;
	int64_t tick = timeline_tick(timeline->to - timeline->from, TICKS);

	for (int64_t t = timeline->from - timeline->from % tick; t <= timeline->to; t += tick) {
		char number[24];

		if (t < timeline->from)
			continue;
		snprintf(number, sizeof number, "%.9g s", (double)t / 1e6);
		put_line(drawing, place(drawing, t), TOP, t == 0 ? "zero" : "grid");
		put_text(drawing, place(drawing, t), TOP - 6, "n m", number);
	}
}

/* The first 200, and the time from the metadata service's first answer to it. */
static void put_ready(const struct drawing *drawing)
{
	const struct timeline *timeline = drawing->timeline;
	double x = place(drawing, timeline->ready), since = place(drawing, timeline->reachable);
	char number[48];

	if (timeline->ready < 0)
		return;
	if (timeline->reachable >= timeline->from && since < x) {
		fprintf(drawing->out, "<path d=\"M%.1f %dV%dH%.1fV%dz\" class=\"own\"/>\n", since,
			TOP, drawing->bottom, x, TOP);
		put_text(drawing, since - GAP, drawing->bottom - 2, "ok e", "metadata reachable");
	}
	snprintf(number, sizeof number, "ready %.3f s", (double)timeline->ready / 1e6);
	put_line(drawing, x, TOP, "ready");
	put_text(drawing, x + GAP, drawing->bottom - 2, "ok", number);
}

/* -- the bars -- */

/* Beside the bar: right of it, but neither out of the drawing nor across the line of the first 200.
 */
static void put_took(const struct drawing *drawing, const struct timeline_span *span, double from,
	double to, int y)
{
	const struct timeline *timeline = drawing->timeline;
	double ready = timeline->ready < 0 ? WIDTH : place(drawing, timeline->ready), end;
	char number[48];

	if (span->began == span->ended && !span->open)
		snprintf(number, sizeof number, "at %.3f s", (double)span->began / 1e6);
	else
		snprintf(number, sizeof number, "%.3f s%s",
			(double)(span->ended - span->began) / 1e6, span->open ? " so far" : "");
	end = to + GAP + LETTER * (double)strlen(number);
	if ((end > WIDTH - GAP || (to < ready && ready < end)) && from - (end - to) > CHART_X)
		put_text(drawing, from - GAP, y + 14, "n e", number);
	else
		put_text(drawing, to + GAP, y + 14, "n", number);
}

static void put_span(const struct drawing *drawing, const struct timeline_span *span, int y)
{
	double from = place(drawing, span->began), to = place(drawing, span->ended);
	const char *class = span->wait ? "wait" : timeline_group_name(span->group);
	char what[TIMELINE_WHAT_MAX + 4];

	snprintf(what, sizeof what, "%.*s%s", NAME_MAX, span->what,
		strlen(span->what) > NAME_MAX ? "…" : "");
	fputs("<g><title>", drawing->out);
	html_escape(drawing->out, span->what);
	fprintf(drawing->out, ": %.3f s", (double)span->began / 1e6);
	if (span->began != span->ended)
		fprintf(drawing->out, " – %.3f s", (double)span->ended / 1e6);
	fputs("</title>\n", drawing->out);
	put_text(drawing, CHART_X - 12, y + 14, "e", what);
	if (span->began == span->ended) {
		fprintf(drawing->out, "<path d=\"M%.1f %dl5 5.5-5 5.5-5-5.5z\" class=\"%s\"/>\n",
			from, y + 4, class);
		from -= 5;
		to += 5;
	} else {
		to = to < from + 2 ? from + 2 : to;
		fprintf(drawing->out,
			"<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" "
			"class=\"%s\"/>\n",
			from, y + 4, to - from, BAR, class);
	}
	put_took(drawing, span, from, to, y);
	fputs("</g>\n", drawing->out);
}

static bool begins_group(const struct timeline_span *before, const struct timeline_span *span)
{
	return !before || before->group != span->group;
}

static void put_spans(const struct drawing *drawing)
{
	const struct timeline *timeline = drawing->timeline;
	const struct timeline_span *before = NULL;
	int y = HEAD;

	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_span *span = &timeline->spans[i];

		if (!span->shown)
			continue;
		if (begins_group(before, span)) {
			put_text(drawing, MARGIN, y + 21, "b", timeline_group_name(span->group));
			y += GROUP;
		}
		put_span(drawing, span, y);
		y += ROW;
		before = span;
	}
}

static int bottom_of(const struct timeline *timeline)
{
	const struct timeline_span *before = NULL;
	int y = HEAD;

	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_span *span = &timeline->spans[i];

		if (!span->shown)
			continue;
		y += ROW + (begins_group(before, span) ? GROUP : 0);
		before = span;
	}
	return y + ROW;
}

void timeline_svg(const struct timeline *timeline, FILE *out)
{
	struct drawing drawing = {.timeline = timeline, .out = out, .bottom = bottom_of(timeline)};
	int height = drawing.bottom + MARGIN * 2 / 3;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\">\n<title>Where the time since boot went</title>\n<style>%s</style>\n"
		"<rect width=\"%d\" height=\"%d\" class=\"paper\"/>\n",
		WIDTH, height, WIDTH, height, style, WIDTH, height);
	put_head(&drawing);
	put_axis(&drawing);
	put_ready(&drawing);
	put_spans(&drawing);
	fputs("</svg>\n", out);
}
