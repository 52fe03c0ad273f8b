/* SPDX-License-Identifier: ISC */
/*
 * report_plot - see report.h: pictures in SVG, within the page.
 *
 * Each is drawn twice, for a wide and for a narrow page, so that letters have
 * the same size on both; the page's style shows one of them.
 */
#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "report.h"

#define TICK_ROOM	110	/* of a label of time, px */
#define US		1000000

struct plot {
	FILE		*f;
	const struct report *r;
	int		 width, height;
	int		 left, right, top, bottom;	/* of the area, px */
};

struct bars {
	const char	*title;
	const struct plot_series *series;
	size_t		 n;
	uint64_t	 most;
};

static void	 draw(FILE *, const struct report *, const char *title,
		    void (*)(const struct plot *, const void *),
		    const void *);
static void	 draw_bars(const struct plot *, const void *);
static void	 draw_stack(const struct plot *, const struct bars *, size_t,
		    uint64_t top);
static void	 draw_delays(const struct plot *, const void *);
static void	 draw_quantile(const struct plot *, double q, const char *css,
		    double most);
static void	 draw_classes(const struct plot *, const void *);
static void	 draw_time_axis(const struct plot *);
static uint64_t	 draw_count_axis(const struct plot *, uint64_t most);
static void	 draw_line_at(const struct plot *, double y);
static double	 x_of(const struct plot *, double bucket);
static double	 y_of(const struct plot *, double part);
static void	 put_count(FILE *, uint64_t);

/* ---- frames -------------------------------------------------------------- */

static void
draw(FILE *f, const struct report *r, const char *title,
    void (*inside)(const struct plot *, const void *), const void *arg)
{
	static const struct {
		const char	*css;
		int		 width, height;
	} forms[] = { { "wide", 960, 250 }, { "narrow", 400, 240 } };
	struct plot p;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		p = (struct plot){ .f = f, .r = r, .width = forms[i].width,
			.height = forms[i].height, .left = 52,
			.right = forms[i].width - 10, .top = 12,
			.bottom = forms[i].height - 40 };
		fprintf(f, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" "
		    "role=\"img\" aria-label=\"%s\">\n", forms[i].css, p.width,
		    p.height, title);
		inside(&p, arg);
		fprintf(f, "</svg>\n");
	}
}

static double
x_of(const struct plot *p, double bucket)
{
	return p->left + (p->right - p->left) * bucket /
	    (double)p->r->nbuckets;
}

static double
y_of(const struct plot *p, double part)
{
	return p->bottom - (p->bottom - p->top) * part;
}

static void
draw_line_at(const struct plot *p, double y)
{
	fprintf(p->f, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" "
	    "y2=\"%.1f\"/>", p->left, p->right, y, y);
}

/* ---- axes ---------------------------------------------------------------- */

/* Multiples on the wall's clock, with the date where it is another. */
static void
draw_time_axis(const struct plot *p)
{
	static const int steps[] = { 300, 600, 900, 1800, 3600, 7200, 10800,
		21600, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400,
		28 * 86400, 91 * 86400, 364 * 86400 };
	int64_t us, span = (int64_t)p->r->nbuckets * p->r->step_us;
	int ticks = (p->right - p->left) / TICK_ROOM, last_day = -1;
	size_t i, b;
	struct tm tm;
	time_t t;

	for (i = 0; i + 1 < sizeof(steps) / sizeof(steps[0]) &&
	    span / US / steps[i] > ticks; i++)
		;
	draw_line_at(p, p->bottom);
	for (b = 0; b < p->r->nbuckets; b++) {
		us = p->r->since_us + (int64_t)b * p->r->step_us;
		t = (time_t)(us / US);
		if (localtime_r(&t, &tm) == NULL ||
		    (t + tm.tm_gmtoff) % steps[i] != 0)
			continue;
		fprintf(p->f, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" "
		    "y1=\"%d\" y2=\"%d\"/>", x_of(p, (double)b),
		    x_of(p, (double)b), p->bottom, p->bottom + 5);
		fprintf(p->f, "<text class=\"time\" x=\"%.1f\" y=\"%d\">",
		    x_of(p, (double)b), p->bottom + 18);
		page_time(p->f, us, steps[i] < 86400 ? TIME_CLOCK : TIME_DAY);
		fprintf(p->f, "</text>");
		if (steps[i] < 86400 && tm.tm_yday != last_day) {
			fprintf(p->f, "<text class=\"time\" x=\"%.1f\" "
			    "y=\"%d\">", x_of(p, (double)b), p->bottom + 33);
			page_time(p->f, us, TIME_DAY);
			fprintf(p->f, "</text>");
		}
		last_day = tm.tm_yday;
	}
	fputc('\n', p->f);
}

/* 1, 2 or 5 times a power of ten apart; what stands at the upper edge. */
static uint64_t
draw_count_axis(const struct plot *p, uint64_t most)
{
	static const uint64_t steps[] = { 1, 2, 5 };
	uint64_t power = 1, step = 1, v;
	size_t i = 0;

	while (step * 4 < most) {
		i = (i + 1) % 3;
		power *= i == 0 ? 10 : 1;
		step = steps[i] * power;
	}
	for (v = 0; v <= step * 4; v += step) {
		draw_line_at(p, y_of(p, (double)v / (double)(step * 4)));
		fprintf(p->f, "<text class=\"value\" x=\"%d\" y=\"%.1f\">",
		    p->left - 8, y_of(p, (double)v / (double)(step * 4)) + 4);
		put_count(p->f, v);
		fprintf(p->f, "</text>");
	}
	fputc('\n', p->f);
	return step * 4;
}

static void
put_count(FILE *f, uint64_t v)
{
	if (v >= 10000000)
		fprintf(f, "%" PRIu64 "M", v / 1000000);
	else if (v >= 10000)
		fprintf(f, "%" PRIu64 "k", v / 1000);
	else
		fprintf(f, "%" PRIu64, v);
}

/* ---- bars ---------------------------------------------------------------- */

void
plot_bars(FILE *f, const struct report *r, const char *title,
    const struct plot_series *series, size_t n)
{
	struct bars bars = { title, series, n, 0 };
	uint64_t sum;
	size_t b, i;

	fprintf(f, "<ul class=\"legend\">");
	for (i = 0; i < n; i++)
		fprintf(f, "<li><i class=\"%s\"></i>%s <b>%" PRIu64 "</b></li>",
		    series[i].css, series[i].name,
		    r->totals[series[i].count]);
	fprintf(f, "</ul>\n");
	for (b = 0; b < r->nbuckets; b++) {
		for (sum = 0, i = 0; i < n; i++)
			sum += r->buckets[b].counts[series[i].count];
		bars.most = sum > bars.most ? sum : bars.most;
	}
	if (bars.most == 0)
		fprintf(f, "<p class=\"empty\">None in this time.</p>\n");
	else
		draw(f, r, title, draw_bars, &bars);
}

static void
draw_bars(const struct plot *p, const void *arg)
{
	const struct bars *bars = arg;
	uint64_t top = draw_count_axis(p, bars->most);
	size_t b;

	for (b = 0; b < p->r->nbuckets; b++)
		draw_stack(p, bars, b, top);
	draw_time_axis(p);
}

static void
draw_stack(const struct plot *p, const struct bars *bars, size_t b,
    uint64_t top)
{
	const struct report_bucket *bucket = &p->r->buckets[b];
	double x = x_of(p, (double)b), w = x_of(p, (double)b + 1) - x;
	double h, y = p->bottom;
	uint64_t v, sum = 0;
	size_t i;

	for (i = 0; i < bars->n; i++)
		sum += bucket->counts[bars->series[i].count];
	if (sum == 0)
		return;
	w = w > 4 ? w - 1.5 : w * 0.8;
	fprintf(p->f, "<g><title>");
	page_time(p->f, p->r->since_us + (int64_t)b * p->r->step_us,
	    TIME_BOTH);
	for (i = 0; i < bars->n; i++)
		fprintf(p->f, "&#10;%s: %" PRIu64, bars->series[i].name,
		    bucket->counts[bars->series[i].count]);
	fprintf(p->f, "</title>");
	for (i = 0; i < bars->n; i++) {
		v = bucket->counts[bars->series[i].count];
		h = p->bottom - y_of(p, (double)v / (double)top);
		y -= h;
		if (v > 0)
			fprintf(p->f, "<rect class=\"%s\" x=\"%.1f\" "
			    "y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
			    bars->series[i].css, x, y, w, h);
	}
	fprintf(p->f, "</g>\n");
}

/* ---- delays -------------------------------------------------------------- */

void
plot_delays(FILE *f, const struct report *r)
{
	if (delays_count(&r->delays) == 0) {
		fprintf(f, "<p class=\"empty\">Nothing was delivered in this "
		    "time.</p>\n");
		return;
	}
	fprintf(f, "<ul class=\"legend\"><li><i class=\"median\"></i>half of "
	    "them within <b>");
	page_duration(f, delays_quantile(&r->delays, 0.5));
	fprintf(f, "</b></li><li><i class=\"p95\"></i>95 %% within <b>");
	page_duration(f, delays_quantile(&r->delays, 0.95));
	fprintf(f, "</b></li></ul>\n");
	draw(f, r, "Delay until delivery over time", draw_delays, NULL);
}

/* The scale is logarithmic, from 10 ms on. */
static double
part_of(double seconds, double most)
{
	double part = log10(seconds / 0.01) / log10(most / 0.01);

	return part < 0 ? 0 : part;
}

static void
draw_delays(const struct plot *p, const void *arg)
{
	static const struct {
		double		 s;
		const char	*name;
	} marks[] = { { 0.01, "10 ms" }, { 0.1, "0.1 s" }, { 1, "1 s" },
		{ 10, "10 s" }, { 60, "1 min" }, { 600, "10 min" },
		{ 3600, "1 h" }, { 6 * 3600, "6 h" }, { 86400, "1 d" },
		{ 7 * 86400, "7 d" }, { 100 * 86400, "100 d" } };
	const size_t n = sizeof(marks) / sizeof(marks[0]);
	double most = delays_quantile(&p->r->delays, 1);
	size_t i, end;

	(void)arg;
	for (end = 2; end + 1 < n && marks[end].s < most; end++)
		;
	for (i = 0; i <= end; i++) {
		double y = y_of(p, part_of(marks[i].s, marks[end].s));

		draw_line_at(p, y);
		fprintf(p->f, "<text class=\"value\" x=\"%d\" y=\"%.1f\">%s"
		    "</text>", p->left - 8, y + 4, marks[i].name);
	}
	fputc('\n', p->f);
	draw_quantile(p, 0.95, "p95", marks[end].s);
	draw_quantile(p, 0.5, "median", marks[end].s);
	draw_time_axis(p);
}

/* A line as long as there is something in each step, and a dot for each. */
static void
draw_quantile(const struct plot *p, double q, const char *css, double most)
{
	const struct delays *d;
	bool in = false;
	size_t b;

	fprintf(p->f, "<path class=\"%s\" d=\"", css);
	for (b = 0; b < p->r->nbuckets; b++) {
		d = &p->r->buckets[b].delays;
		if (delays_count(d) > 0)
			fprintf(p->f, "%c%.1f %.1f", in ? 'L' : 'M',
			    x_of(p, (double)b + 0.5), y_of(p,
			    part_of(delays_quantile(d, q), most)));
		in = delays_count(d) > 0;
	}
	fprintf(p->f, "\"/>");
	for (b = 0; b < p->r->nbuckets; b++) {
		d = &p->r->buckets[b].delays;
		if (delays_count(d) == 0)
			continue;
		fprintf(p->f, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" "
		    "r=\"2.5\"><title>", css, x_of(p, (double)b + 0.5), y_of(p,
		    part_of(delays_quantile(d, q), most)));
		page_time(p->f, p->r->since_us + (int64_t)b * p->r->step_us,
		    TIME_BOTH);
		fprintf(p->f, "&#10;%.0f %% within ", q * 100);
		page_duration(p->f, delays_quantile(d, q));
		fprintf(p->f, "</title></circle>");
	}
	fputc('\n', p->f);
}

void
plot_delay_classes(FILE *f, const struct report *r)
{
	if (delays_count(&r->delays) > 0)
		draw(f, r, "How many deliveries took how long", draw_classes,
		    NULL);
}

static void
draw_classes(const struct plot *p, const void *arg)
{
	double x, y, w = (p->right - p->left) / (double)REPORT_TOOK;
	uint64_t top, most = 0;
	size_t i;

	(void)arg;
	for (i = 0; i < REPORT_TOOK; i++)
		most = p->r->took[i] > most ? p->r->took[i] : most;
	top = draw_count_axis(p, most);
	for (i = 0; i < REPORT_TOOK; i++) {
		x = p->left + (double)i * w;
		y = y_of(p, (double)p->r->took[i] / (double)top);
		fprintf(p->f, "<g><title>%s%s: %" PRIu64 "</title><rect "
		    "class=\"delivered\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
		    "height=\"%.1f\"/></g><text class=\"time class\" "
		    "x=\"%.1f\" y=\"%d\">%s</text>\n",
		    i + 1 < REPORT_TOOK ? "up to " : "", report_took[i].name,
		    p->r->took[i], x + w * 0.12, y, w * 0.76, p->bottom - y,
		    x + w / 2, p->bottom + 18, report_took[i].name);
	}
}
