/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "html.h"
#include "load.h"
#include "text.h"

#define HUES           8 /* few enough to be told apart at a glance */
#define GLYPH_SIDE     5
#define GLYPH_TEXT_MAX (GLYPH_SIDE * GLYPH_SIDE * sizeof("M0 0h1v1h-1z"))
#define CHART_HEIGHT   50
#define CHART_POINTS   (LOAD_WINDOW_MAX / PAGE_REFRESH_SECONDS)

/*
 * Ink, dim and the colours of states have a contrast of 4.5 and more on paper and card, in both
 * schemes. --h is the hue of the instance and --k its neighbour; OKLCH keeps all hues equally
 * light.
 */
/* clang-format off */
static const char style[] =
	":root{color-scheme:light dark;--paper:#f7f7f5;--card:#fff;--ink:#1b1b19;--dim:#63625d;"
	"--line:#e4e3df;--good:#15703a;--warn:#8f5a00;--bad:#b42318;--busy:#1d5fbf;--away:#6941b8;"
	"--me:oklch(.5 .15 var(--h));--soft:oklch(.87 .07 var(--h));"
	"--from:oklch(.92 .06 var(--h));--to:oklch(.95 .05 var(--k))}"
	"@media(prefers-color-scheme:dark){:root{--paper:#121211;--card:#1b1b1a;--ink:#ecebe6;"
	"--dim:#a3a19a;--line:#31302d;--good:#5fc88a;--warn:#e5b04d;--bad:#ff8a7a;--busy:#7db2f5;"
	"--away:#b79cf2;--me:oklch(.8 .13 var(--h));--soft:oklch(.38 .07 var(--h));"
	"--from:oklch(.3 .07 var(--h));--to:oklch(.25 .06 var(--k))}}"
	".nobody{--me:var(--dim);--soft:var(--line);--from:var(--line);--to:var(--line)}"
	".ready,.pass{--s:var(--good)}.degraded,.warn{--s:var(--warn)}"
	".failed,.fail{--s:var(--bad)}.starting{--s:var(--busy)}.draining{--s:var(--away)}"
	"*{box-sizing:border-box;margin:0}"
	"body{background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}"
	"header{background:linear-gradient(100deg,var(--from),var(--to));"
	"border-top:.5rem solid var(--me)}"
	"header>div,main,footer{max-width:54rem;margin:auto;padding:1.25rem}"
	"header>div{display:flex;flex-wrap:wrap;gap:1rem 1.5rem;align-items:center;"
	"padding-block:clamp(1.25rem,4vw,2.25rem)}"
	".glyph{width:clamp(4rem,9vw,6rem);padding:.8rem;border-radius:1rem;background:var(--card);"
	"fill:var(--me)}"
	"h1{font:600 clamp(1.65rem,5.4vw,2.9rem)/1.2 ui-monospace,monospace;"
	"letter-spacing:-.02em;overflow-wrap:anywhere}"
	"h2{font-size:1rem;font-weight:600;margin-bottom:.75rem}"
	".state{display:flex;flex-wrap:wrap;gap:.25rem .75rem;align-items:center;margin-top:.6rem}"
	".state b{background:var(--s);color:var(--card);border-radius:2rem;padding:.1rem .9rem}"
	"main{display:grid;gap:1rem}"
	"section{background:var(--card);border:1px solid var(--line);border-radius:.9rem;"
	"padding:1.25rem;min-width:0}"
	"dl{display:flex;flex-wrap:wrap;gap:1rem}"
	"dl div{flex:1 0 auto;min-width:8rem;max-width:100%}"
	".load{display:grid;grid-template-columns:repeat(4,1fr);gap:.5rem}.load div{min-width:0}"
	".waiting{gap:.5rem}.waiting div{flex:1 0 8rem}"
	"dt,.dim,footer{color:var(--dim);font-size:.875rem}"
	"dd{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
	".load dd b{font-size:1.75rem;line-height:1.3;font-weight:600}"
	".top{text-align:right;margin-top:.5rem}ul+p{margin-top:.75rem}"
	".chart{display:block;width:100%;margin:.1rem 0 .25rem;fill:var(--soft)}"
	".grid{stroke:var(--line);stroke-width:.5}"
	".line{stroke:var(--me);fill:none;stroke-linejoin:round}"
	".axis,.axis+p{margin-bottom:1rem}.axis{display:flex;justify-content:space-between;gap:1rem}"
	"i{display:inline-block;width:.8em;height:.8em;border-radius:.2em;background:var(--soft);"
	"margin:0 .35em 0 .7em}"
	"i.steal{background:repeating-linear-gradient(135deg,var(--me) 0 1px,var(--card) 0 3px)}"
	"ul{list-style:none;padding:0}"
	"li{display:flex;gap:0 .75rem;padding:.5rem 0;border-top:1px solid var(--line)}"
	"li:first-child{border:0;padding-top:0}li:last-child{padding-bottom:0}"
	"li b{color:var(--s);flex:0 0 4.2em}"
	"li div{overflow-wrap:anywhere;min-width:0}"
	"footer{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding-top:0}"
	"a{color:inherit}";
/* clang-format on */

static const struct status {
	const char *name, *word;
	int code; /* what /instance answers: README "Operate" */
	const char *sentence;
} statuses[] = {
	{"starting", "Starting", 503, "Not ready for traffic yet."},
	{"ready", "Ready", 200, "Everything required is in place."},
	{"degraded", "Degraded", 200, "Serving; not everything is as wanted."},
	{"draining", "Draining", 503, "On its way out of rotation."},
	{"failed", "Failed", 503, "Something required is missing."},
};

static const struct check_word {
	const char *name, *word;
} check_words[] = {{"pass", "✓ pass"}, {"warn", "! warn"}, {"fail", "✕ fail"}};

static const struct status *status_find(const char *name)
{
	FOREACH_ELEMENT (i, statuses)
		if (name && strcmp(statuses[i].name, name) == 0)
			return &statuses[i];
	return NULL;
}

static const char *check_word(const char *name)
{
	FOREACH_ELEMENT (i, check_words)
		if (name && strcmp(check_words[i].name, name) == 0)
			return check_words[i].word;
	return NULL;
}

/* In the two largest units: "8 s", "12 min", "2 h 14 min", "5 d 3 h". */
static void put_duration(FILE *f, long long seconds)
{
	if (seconds < 60)
		fprintf(f, "%lld s", seconds > 0 ? seconds : 0);
	else if (seconds < 3600)
		fprintf(f, "%lld min", seconds / 60);
	else if (seconds < 86400)
		fprintf(f, "%lld h %lld min", seconds / 3600, seconds / 60 % 60);
	else
		fprintf(f, "%lld d %lld h", seconds / 86400, seconds / 3600 % 24);
}

static int percent(double fraction)
{
	return (int)(fraction * 100 + 0.5);
}

/* FNV-1a, with a last mix: IDs that differ in one digit shall not look alike. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	h = (h ^ (h >> 16)) * 0x85ebca6bu;
	return h ^ (h >> 13);
}

/* A symmetric pattern of squares, as an SVG path. */
static void glyph_draw(uint32_t bits, char ret[static GLYPH_TEXT_MAX])
{
	const int middle = GLYPH_SIDE / 2;
	char *p = ret;

	for (int y = 0; y < GLYPH_SIDE; y++)
		for (int x = 0; x < GLYPH_SIDE; x++) {
			int column = x > middle ? GLYPH_SIDE - 1 - x : x;
			bool centre = x == middle && y == middle; /* never empty */

			if (centre || bits >> (column * GLYPH_SIDE + y) & 1)
				p += sprintf(p, "M%d %dh1v1h-1z", x, y);
		}
}

static void put_head(FILE *f, const struct page *page, const struct status *status)
{
	uint32_t h = hash(page->instance_id ? page->instance_id : "");
	unsigned hue = h % HUES * (360 / HUES);
	unsigned second = hue + 270 + h / HUES % 4 * 60; /* 30 or 90 degrees to either side */
	char glyph[GLYPH_TEXT_MAX];

	glyph_draw(h >> 8, glyph);
	fprintf(f,
		"<!DOCTYPE html>\n<html lang=\"en\" style=\"--h:%u;--k:%u\">\n<head>\n"
		"<meta charset=\"utf-8\"/>\n"
		"<meta name=\"viewport\" content=\"width=device-width\"/>\n"
		"<meta http-equiv=\"refresh\" content=\"%d\"/>\n<title>",
		hue, second, PAGE_REFRESH_SECONDS);
	html_escape(f, page->instance_id ? page->instance_id : "No identity yet");
	fprintf(f,
		" · %s</title>\n<link rel=\"icon\" href=\"data:image/svg+xml,"
		"%%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 5 5'%%3E"
		"%%3Cpath fill='hsl(%u,60%%25,48%%25)' d='%s'/%%3E%%3C/svg%%3E\"/>\n"
		"<style>%s</style>\n</head>\n<body%s>\n"
		"<header><div>\n<svg class=\"glyph\" viewBox=\"0 0 5 5\" aria-hidden=\"true\">"
		"<path d=\"%s\"/></svg>\n<div>",
		status->name, hue, glyph, style, page->instance_id ? "" : " class=\"nobody\"",
		glyph);
	if (page->title) {
		fputs("<p>", f);
		html_escape(f, page->title);
		fputs("</p>", f);
	}
	fputs("<h1>", f);
	html_escape(f, page->instance_id ? page->instance_id : "No identity yet");
	fprintf(f, "</h1>\n<p class=\"state %s\"><b>%s</b><span>for ", status->name, status->word);
	put_duration(f, page->now - page->since);
	fprintf(f, " · %s", status->sentence);
	for (size_t i = 0; page->details && i < page->n_checks; i++) {
		const struct page_check *check = &page->checks[i];

		if (check->name && strcmp(check->name, "rotation") == 0 && check->reason) {
			fputs(" Because ", f);
			html_escape(f, check->reason);
		}
	}
	fputs("</span></p></div>\n</div></header>\n", f);
}

static void put_identity(FILE *f, const struct page *page)
{
	const struct {
		const char *label, *value;
	} facts[] = {
		{"Type", page->instance_type},
		{"Availability zone", page->availability_zone},
		{"Region", page->region},
		{"Private address", page->private_ip},
		{"Image", page->image_id},
	};

	if (!page->instance_id) {
		fputs("<section><p>The instance metadata service has not answered yet.</p>"
		      "</section>\n",
			f);
		return;
	}
	fputs("<section aria-label=\"Identity\"><dl>", f);
	FOREACH_ELEMENT (i, facts) {
		if (!facts[i].value)
			continue;
		fprintf(f, "<div><dt>%s</dt><dd>", facts[i].label);
		html_escape(f, facts[i].value);
		fputs("</dd></div>", f);
	}
	fputs("</dl></section>\n", f);
}

static void put_windows(FILE *f, const struct load *load)
{
	static const struct {
		unsigned seconds;
		const char *label;
	} windows[] = {{1, "now"}, {10, "10 s"}, {60, "1 min"}, {300, "5 min"}};

	fputs("<dl class=\"load\">", f);
	FOREACH_ELEMENT (i, windows) {
		struct load_share share;

		fprintf(f, "<div><dt>%s</dt><dd>", windows[i].label);
		if (load_window(load, windows[i].seconds, &share) < 0)
			fputs("<b>–</b>", f);
		else {
			fprintf(f, "<b>%d%%</b>", percent(share.demand));
			if (percent(share.steal) > 0)
				fprintf(f, "<p class=\"dim\">%d%% stolen</p>",
					percent(share.steal));
			if (share.seconds < windows[i].seconds * 0.9) {
				fputs("<p class=\"dim\">", f);
				put_duration(f, (long long)share.seconds);
				fputs(" so far</p>", f);
			}
		}
		fputs("</dd></div>", f);
	}
	fputs("</dl>\n", f);
}

struct chart {
	struct point {
		double seconds, demand, utilization;
	} points[CHART_POINTS]; /* the oldest first; 0 seconds: nothing is known */
	double highest;
	bool steal;
};

/* Means of the history over steps of PAGE_REFRESH_SECONDS. */
static struct chart chart_make(const struct load *load)
{
	struct load_share history[LOAD_WINDOW_MAX];
	struct chart chart = {0};
	double age = 0;

	for (size_t i = load_history(load, history); i > 0; i--) {
		const struct load_share *share = &history[i - 1];
		size_t step = (size_t)((age + share->seconds / 2) / PAGE_REFRESH_SECONDS);
		struct point *point;

		if (step >= CHART_POINTS)
			break;
		point = &chart.points[CHART_POINTS - 1 - step];
		point->seconds += share->seconds;
		point->demand += share->seconds * share->demand;
		point->utilization += share->seconds * share->utilization;
		age += share->seconds;
	}
	FOREACH_ELEMENT (i, chart.points) {
		struct point *point = &chart.points[i];

		if (point->seconds == 0)
			continue;
		point->demand /= point->seconds;
		point->utilization /= point->seconds;
		if (point->demand > chart.highest)
			chart.highest = point->demand;
		if (percent(point->demand - point->utilization) > 0)
			chart.steal = true;
	}
	return chart;
}

enum chart_path { PATH_USED, PATH_DEMAND, PATH_LINE };

static void put_path(FILE *f, const struct chart *chart, enum chart_path kind)
{
	static const char *const attributes[] = {
		[PATH_USED] = "class=\"used\"",
		[PATH_DEMAND] = "fill=\"url(#steal)\"",
		[PATH_LINE] = "class=\"line\"",
	};
	bool first = true;

	fprintf(f, "<path %s d=\"", attributes[kind]);
	FOREACH_ELEMENT (i, chart->points) {
		const struct point *point = &chart->points[i];
		size_t x = i * PAGE_REFRESH_SECONDS;
		double value = kind == PATH_USED ? point->utilization : point->demand;

		if (point->seconds == 0)
			continue;
		if (!first)
			putc('L', f);
		else if (kind == PATH_LINE)
			putc('M', f);
		else
			fprintf(f, "M%zu %dL", x, CHART_HEIGHT);
		fprintf(f, "%zu %.1f", x, CHART_HEIGHT * (1 - value));
		first = false;
	}
	if (kind != PATH_LINE)
		fprintf(f, "V%dz", CHART_HEIGHT);
	fputs("\"/>", f);
}

static void put_chart(FILE *f, const struct load *load)
{
	struct chart chart = chart_make(load);
	int width = (CHART_POINTS - 1) * PAGE_REFRESH_SECONDS;

	fprintf(f,
		"<p class=\"dim top\">100%%</p>\n<svg class=\"chart\" viewBox=\"0 -1 %d %d\" "
		"role=\"img\" aria-label=\"CPU demand over the last 5 minutes, at most %d%%\">"
		"<path class=\"grid\" d=\"M0 0H%dM0 %dH%dM0 %dH%d\"/>",
		width, CHART_HEIGHT + 2, percent(chart.highest), width, CHART_HEIGHT / 2, width,
		CHART_HEIGHT, width);
	if (chart.steal) {
		fputs("<pattern id=\"steal\" width=\"3\" height=\"3\" "
		      "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
		      "<path class=\"line\" d=\"M0 0v3\"/></pattern>",
			f);
		put_path(f, &chart, PATH_DEMAND);
	}
	if (chart.highest > 0) {
		put_path(f, &chart, PATH_USED);
		put_path(f, &chart, PATH_LINE);
	}
	fputs("</svg>\n<p class=\"axis dim\"><span>5 min ago</span><span><i></i>used", f);
	if (chart.steal)
		fputs(" <i class=\"steal\"></i>stolen", f);
	fputs("</span><span>now</span></p>\n", f);
	if (chart.steal)
		fputs("<p class=\"dim\">Stolen is time that the hypervisor withheld, as it "
		      "does when CPU credits run out.</p>\n",
			f);
}

static void put_load(FILE *f, const struct load *load)
{
	const struct {
		const char *label;
		const struct pressure *pressure;
	} waiting[] = {
		{"Waiting for CPU", &load->cpu},
		{"Waiting for I/O", &load->io},
		{"Waiting for memory", &load->memory},
	};

	fputs("<section><h2>CPU demand</h2>\n", f);
	put_windows(f, load);
	put_chart(f, load);
	fprintf(f,
		"<dl class=\"waiting\"><div><dt>Load average</dt><dd>%.2f · %.2f · %.2f</dd></div>",
		load->averages[0], load->averages[1], load->averages[2]);
	FOREACH_ELEMENT (i, waiting)
		if (waiting[i].pressure->some.available)
			fprintf(f, "<div><dt>%s</dt><dd>%d%% of time</dd></div>", waiting[i].label,
				percent(waiting[i].pressure->some.avg10));
	fputs("</dl></section>\n", f);
}

static int put_checks(FILE *f, const struct page *page)
{
	if (page->n_checks == 0)
		return 0;
	fputs("<section><h2>Checks</h2>\n<ul>", f);
	for (size_t i = 0; i < page->n_checks && i < PAGE_CHECKS_MAX; i++) {
		const struct page_check *check = &page->checks[i];
		const char *word = check_word(check->status);

		if (!word)
			return -EINVAL;
		fprintf(f, "<li class=\"%s\"><b>%s</b><div>", check->status, word);
		html_escape(f, check->name ? check->name : "");
		if (check->reason && page->details) {
			fputs("<p class=\"dim\">", f);
			html_escape(f, check->reason);
			fputs("</p>", f);
		}
		fputs("</div></li>\n", f);
	}
	fputs("</ul>", f);
	if (page->n_checks > PAGE_CHECKS_MAX)
		fprintf(f, "<p class=\"dim\">and %zu more</p>", page->n_checks - PAGE_CHECKS_MAX);
	if (!page->details && strcmp(page->status, "ready") != 0)
		fputs("<p class=\"dim\">The reasons are shown to trusted addresses only.</p>", f);
	fputs("</section>\n", f);
	return 0;
}

static void put_footer(FILE *f, const struct page *page, const struct status *status)
{
	char text[sizeof("-2147483648-12-31 23:59:59")] = "";
	struct tm utc;

	if (gmtime_r(&page->now, &utc))
		(void)strftime(text, sizeof(text), "%F %T", &utc);
	fprintf(f,
		"<footer><span>%s UTC, refreshes every %d s</span><span>HTTP %d to load "
		"balancers</span>",
		text, PAGE_REFRESH_SECONDS, status->code);
	fputs("<a href=\"/instance/load\">load</a>", f);
	if (page->details)
		fputs("<a href=\"/instance/health\">health</a><a href=\"/metrics\">metrics</a>", f);
	fputs("</footer>\n</body>\n</html>\n", f);
}

int page_render(const struct page *page, char **ret_html, size_t *ret_length)
{
	const struct status *status = status_find(page->status);
	_cleanup_free_ char *html = NULL;
	struct text text;
	size_t length;
	int r;

	if (!status)
		return -EINVAL;
	if (text_begin(&text) < 0)
		return -ENOMEM;
	put_head(text.out, page, status);
	fputs("<main>\n", text.out);
	put_identity(text.out, page);
	r = put_checks(text.out, page);
	if (page->load)
		put_load(text.out, page->load);

	fputs("</main>\n", text.out);
	put_footer(text.out, page, status);
	if (text_end(&text, &html, &length) < 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	*ret_html = steal_ptr(html);
	*ret_length = length;
	return 0;
}
