/* SPDX-License-Identifier: ISC */
/*
 * report_page - see report.h: one file that needs no other, and no network.
 *
 * Always: what comes from events goes through page_text(), all else is ours.
 */
#include <inttypes.h>
#include <time.h>

#include "mail/address.h"
#include "mail/utf8.h"
#include "report.h"

#define SHOWN		15	/* names of each table */
#define SHOWN_BYTES	100	/* of a name */

static void	 write_head(FILE *, const char *host);
static void	 write_title(const struct report *, const char *host,
		    int64_t now_us, FILE *);
static void	 write_tiles(const struct report *, FILE *);
static void	 write_tile(FILE *, const char *css, uint64_t,
		    const char *name);
static void	 write_volume(const struct report *, FILE *);
static void	 write_numbers(const struct report *, FILE *);
static void	 write_delays(const struct report *, FILE *);
static void	 write_refusals(const struct report *, FILE *);
static void	 write_hops(const struct report *, FILE *);
static void	 write_addresses(const struct report *, FILE *);
static void	 write_logins(const struct report *, FILE *);
static void	 write_service(const struct report *, FILE *);
static void	 write_simple_table(FILE *, const struct top *,
		    const char *title, const char *name, const char *count);
static void	 write_name(FILE *, const struct top_name *, uint64_t most);
static void	 write_count(FILE *, uint64_t);
static void	 write_error(FILE *, const struct top *);
static void	 write_size(FILE *, uint64_t);
static void	 page_text(FILE *, struct slice);

int
report_write(const struct report *r, const char *host, int64_t now_us, FILE *f)
{
	write_head(f, host);
	write_title(r, host, now_us, f);
	write_tiles(r, f);
	write_volume(r, f);
	write_delays(r, f);
	write_hops(r, f);
	write_refusals(r, f);
	write_addresses(r, f);
	write_logins(r, f);
	write_service(r, f);
	fprintf(f, "</main>\n</body>\n</html>\n");
	return fflush(f) == 0 && !ferror(f) ? 0 : -1;
}

/* ---- text ---------------------------------------------------------------- */

/* What could be taken for something else, or turn a line around, is a mark. */
static bool
is_harmless(uint32_t c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0xad &&
	    !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
	    !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff &&
	    !(c >= 0xfff0 && c <= 0xffff) && c < 0xe0000;
}

static void
put_char(FILE *f, uint32_t c)
{
	char bytes[4];

	switch (c) {
	case '&':
		fputs("&amp;", f);
		break;
	case '<':
		fputs("&lt;", f);
		break;
	case '>':
		fputs("&gt;", f);
		break;
	case '"':
		fputs("&quot;", f);
		break;
	case '\'':
		fputs("&#39;", f);
		break;
	default:
		if (is_harmless(c))
			fwrite(bytes, 1, utf8_encode(c, bytes), f);
		else
			fputs("\xef\xbf\xbd", f);
	}
}

/* Bytes that anybody may have sent, as text of HTML. */
static void
page_text(FILE *f, struct slice s)
{
	bool cut = s.n > SHOWN_BYTES, is_utf8;
	size_t i;

	if (cut)
		s.n = SHOWN_BYTES;
	/* A character may have been cut, here or before. */
	for (i = 0; !(is_utf8 = slice_is_utf8(s)) && i < 3 && s.n > 0; i++)
		s.n--;
	if (!is_utf8)
		s.n += i;
	while (s.n > 0)
		if (is_utf8)
			put_char(f, utf8_decode(&s));
		else {
			put_char(f, (unsigned char)s.p[0] < 0x80 ?
			    (unsigned char)s.p[0] : 0xfffd);
			s = slice_from(s, 1);
		}
	if (cut)
		fputs("\xe2\x80\xa6", f);
}

void
page_duration(FILE *f, double s)
{
	if (s < 1)
		fprintf(f, "%.0f ms", s * 1000);
	else if (s < 10)
		fprintf(f, "%.1f s", s);
	else if (s < 100)
		fprintf(f, "%.0f s", s);
	else if (s < 5400)
		fprintf(f, "%.0f min", s / 60);
	else if (s < 2 * 86400)
		fprintf(f, "%.1f h", s / 3600);
	else
		fprintf(f, "%.1f d", s / 86400);
}

void
page_time(FILE *f, int64_t us, enum time_form form)
{
	time_t t = (time_t)(us / 1000000);
	char text[80] = "";
	const size_t n = sizeof(text);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return;
	switch (form) {
	case TIME_CLOCK:
		strftime(text, n, "%H:%M", &tm);
		break;
	case TIME_DAY:
		strftime(text, n, "%d %b", &tm);
		break;
	case TIME_BOTH:
		strftime(text, n, "%d %b %H:%M", &tm);
		break;
	case TIME_EXACT:
		strftime(text, n, "%d %b %H:%M:%S", &tm);
		break;
	case TIME_LONG:
		strftime(text, n, "%A, %d %B %Y, %H:%M", &tm);
		break;
	case TIME_LONG_ZONE:
		strftime(text, n, "%A, %d %B %Y, %H:%M %Z", &tm);
		break;
	case TIME_MADE:
		strftime(text, n, "%d %B %Y, %H:%M:%S %Z", &tm);
		break;
	}
	fputs(text, f);
}

static void
write_count(FILE *f, uint64_t n)
{
	fprintf(f, "<td class=\"n\">%" PRIu64 "</td>", n);
}

static void
write_size(FILE *f, uint64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)n;
	size_t i;

	for (i = 0; i < 4 && v >= 1024; i++)
		v /= 1024;
	fprintf(f, i == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[i]);
}

/* ---- the head ------------------------------------------------------------ */

static const char style[] =
    ":root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1b1f24;"
    "--soft:#59636e;--line:#d8dee4;--delivered:#2a8c55;--relayed:#2f6fbf;"
    "--deferred:#d9930d;--failed:#c8372d;--queued:#4d6f99;--refused:#8a4fa3;"
    "--login:#2a8c55;--median:#2f6fbf;--p95:#d9930d}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#0f1318;--card:#181d24;"
    "--ink:#e4e9ef;--soft:#9aa6b2;--line:#303842;--delivered:#47b57a;"
    "--relayed:#5b9be6;--deferred:#e8ad3c;--failed:#ee6a5f;--queued:#86a9d4;"
    "--refused:#bb86d3;--login:#47b57a;--median:#5b9be6;--p95:#e8ad3c}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--ground);color:var(--ink);"
    "font:15px/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\","
    "sans-serif}\n"
    "main{max-width:1040px;margin:0 auto;padding:24px 16px 48px}\n"
    "header p{color:var(--soft);margin:4px 0 0}\n"
    "h1{font-size:26px;line-height:1.2;margin:0}h2{font-size:18px;margin:0 0 "
    "4px}h3{font-size:15px;margin:18px 0 4px}\n"
    "section{background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;padding:18px;margin-top:16px}\n"
    "section>p,.note{color:var(--soft);margin:0 0 8px}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,"
    "minmax(130px,1fr));gap:12px;margin-top:18px}\n"
    ".tile{background:var(--card);border:1px solid var(--line);border-left:4px "
    "solid;border-radius:8px;padding:10px 14px}\n"
    ".tile b{display:block;font-size:24px;line-height:1.2;"
    "font-variant-numeric:tabular-nums}.tile span{color:var(--soft);"
    "font-size:13px}\n"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;"
    "margin:8px 0;padding:0;font-size:13px}\n"
    ".legend i{display:inline-block;width:11px;height:11px;border-radius:2px;"
    "margin-right:6px;background:currentColor}\n"
    ".legend li,.legend b{color:var(--ink)}\n"
    "svg{display:block;width:100%;height:auto}svg.narrow{display:none}\n"
    "svg text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"DejaVu Sans\",sans-serif;fill:var(--soft)}svg text.time{text-anchor:"
    "middle}svg text.value{text-anchor:end}.narrow text.class{font-size:10px}"
    "\n"
    ".grid{stroke:var(--line)}.tick{stroke:var(--soft)}\n"
    "path{fill:none;stroke:currentColor;stroke-width:2}rect,circle{"
    "fill:currentColor}g:hover rect{opacity:.7}\n"
    ".empty{color:var(--soft);font-style:italic;padding:14px 0;margin:0}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-size:14px}\n"
    "th{color:var(--soft);font-weight:600;font-size:13px;text-align:left}\n"
    "th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}th.n,td.n{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}th:last-child,td:last-child{"
    "padding-right:0}\n"
    "td.name{min-width:140px;overflow-wrap:anywhere}td.name small{display:"
    "block;color:var(--soft)}\n"
    "td.name i{display:block;height:3px;border-radius:2px;margin-top:3px;"
    "background:var(--queued);min-width:2px}\n"
    ".two{display:grid;grid-template-columns:1fr 1fr;gap:0 32px}"
    ".two>div{min-width:0}\n"
    "details{margin-top:10px}summary{cursor:pointer;color:var(--soft);"
    "font-size:13px}\n"
    "tr.bad td{color:var(--failed)}td.when{white-space:nowrap}\n"
    "code{font:13px ui-monospace,\"DejaVu Sans Mono\",monospace;"
    "overflow-wrap:anywhere}\n"
    ".delivered{color:var(--delivered)}.relayed{color:var(--relayed)}"
    ".deferred{color:var(--deferred)}.failed{color:var(--failed)}"
    ".queued{color:var(--queued)}.refused{color:var(--refused)}"
    ".login{color:var(--login)}.median{color:var(--median)}"
    ".p95{color:var(--p95)}\n"
    ".tile b{color:var(--ink)}\n"
    "@media(max-width:640px){svg.wide{display:none}svg.narrow{display:block}"
    ".two{grid-template-columns:1fr}main{padding:16px 10px 32px}"
    "section{padding:14px 12px}h1{font-size:22px}table{font-size:13px}"
    "th,td{padding-right:8px}th.n{white-space:normal}td.name{min-width:120px}"
    ".tiles{grid-template-columns:"
    "1fr 1fr}}\n"
    "@media print{:root{color-scheme:light;--ground:#fff;--card:#fff;"
    "--ink:#000;--soft:#444;--line:#ccc}body{font-size:12px}main{padding:0;"
    "max-width:none}section{break-inside:avoid;border:0;padding:10px 0}"
    "rect,circle,i,.tile{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}details{display:none}}\n";

static void
write_head(FILE *f, const char *host)
{
	fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\""
	    "default-src 'none'; style-src 'unsafe-inline'\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\">\n<title>Mail report of ");
	page_text(f, slice_str(host));
	fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n",
	    style);
}

static void
write_title(const struct report *r, const char *host, int64_t now_us, FILE *f)
{
	fprintf(f, "<header>\n<h1>Mail report of ");
	page_text(f, slice_str(host));
	fprintf(f, "</h1>\n<p>");
	page_time(f, r->since_us, TIME_LONG);
	fprintf(f, " to ");
	page_time(f, r->until_us, TIME_LONG_ZONE);
	fprintf(f, "</p>\n<p>Made ");
	page_time(f, now_us, TIME_MADE);
	fprintf(f, " from %" PRIu64 " events of the history; a bar is ",
	    r->events);
	if (r->step_us >= INT64_C(86400000000))
		fprintf(f, "%d day%s", (int)(r->step_us / 86400000000),
		    r->step_us == 86400000000 ? "" : "s");
	else if (r->step_us >= INT64_C(3600000000))
		fprintf(f, "%d hour%s", (int)(r->step_us / 3600000000),
		    r->step_us == 3600000000 ? "" : "s");
	else
		fprintf(f, "%d minute%s", (int)(r->step_us / 60000000),
		    r->step_us == 60000000 ? "" : "s");
	fprintf(f, ".</p>\n</header>\n");
}

static void
write_tile(FILE *f, const char *css, uint64_t n, const char *name)
{
	fprintf(f, "<div class=\"tile %s\"><b>%" PRIu64 "</b><span>%s</span>"
	    "</div>\n", css, n, name);
}

static void
write_tiles(const struct report *r, FILE *f)
{
	fprintf(f, "<div class=\"tiles\">\n");
	write_tile(f, "queued", r->totals[REPORT_QUEUED], "messages taken");
	write_tile(f, "delivered", r->totals[REPORT_DELIVERED],
	    "delivered here");
	write_tile(f, "relayed", r->totals[REPORT_RELAYED],
	    "relayed to others");
	write_tile(f, "deferred", r->totals[REPORT_DEFERRED],
	    "attempts deferred");
	write_tile(f, "failed", r->totals[REPORT_FAILED],
	    "recipients bounced");
	write_tile(f, "refused", r->totals[REPORT_REFUSED],
	    "commands refused");
	fprintf(f, "</div>\n");
}

/* ---- volume and delays --------------------------------------------------- */

static const struct plot_series
    taken[] = { { "Taken", "queued", REPORT_QUEUED } },
    refused[] = { { "Refused", "refused", REPORT_REFUSED } },
    fates[] = {
	{ "Delivered here", "delivered", REPORT_DELIVERED },
	{ "Relayed", "relayed", REPORT_RELAYED },
	{ "Deferred", "deferred", REPORT_DEFERRED },
	{ "Bounced", "failed", REPORT_FAILED },
    },
    logins[] = {
	{ "Logged in", "login", REPORT_LOGIN },
	{ "Failed", "failed", REPORT_LOGIN_FAILED },
    };

static void
write_volume(const struct report *r, FILE *f)
{
	fprintf(f, "<section id=\"volume\">\n<h2>Volume</h2>\n<p>Messages "
	    "that were taken into the queue, our own reports among them: ");
	write_size(f, r->bytes);
	fprintf(f, ".</p>\n");
	plot_bars(f, r, "Messages taken over time", taken, 1);
	fprintf(f, "<h3>What became of recipients</h3>\n");
	plot_bars(f, r, "Outcomes for recipients over time", fates, 4);
	write_numbers(r, f);
	fprintf(f, "</section>\n");
}

/* The same for who does not look at pictures. */
static void
write_numbers(const struct report *r, FILE *f)
{
	static const char *const names[REPORT_COUNTS] = {
		[REPORT_QUEUED] = "Taken", [REPORT_REFUSED] = "Refused",
		[REPORT_DELIVERED] = "Delivered", [REPORT_RELAYED] = "Relayed",
		[REPORT_DEFERRED] = "Deferred", [REPORT_FAILED] = "Bounced",
		[REPORT_LOGIN] = "Logins",
		[REPORT_LOGIN_FAILED] = "Logins failed",
	};
	uint64_t sum;
	size_t b, i;

	fprintf(f, "<details><summary>In numbers</summary><div "
	    "class=\"scroll\"><table id=\"numbers\">\n<thead><tr>"
	    "<th>From</th>");
	for (i = 0; i < REPORT_COUNTS; i++)
		fprintf(f, "<th class=\"n\">%s</th>", names[i]);
	fprintf(f, "</tr></thead>\n<tbody>\n");
	for (b = 0; b < r->nbuckets; b++) {
		for (sum = 0, i = 0; i < REPORT_COUNTS; i++)
			sum += r->buckets[b].counts[i];
		if (sum == 0)
			continue;
		fprintf(f, "<tr><td class=\"when\">");
		page_time(f, r->since_us + (int64_t)b * r->step_us,
		    TIME_BOTH);
		fprintf(f, "</td>");
		for (i = 0; i < REPORT_COUNTS; i++)
			write_count(f, r->buckets[b].counts[i]);
		fprintf(f, "</tr>\n");
	}
	fprintf(f, "</tbody>\n<tfoot><tr><th>All</th>");
	for (i = 0; i < REPORT_COUNTS; i++)
		write_count(f, r->totals[i]);
	fprintf(f, "</tr></tfoot>\n</table></div></details>\n");
}

static void
write_delays(const struct report *r, FILE *f)
{
	fprintf(f, "<section id=\"delays\">\n<h2>Delays</h2>\n<p>From the "
	    "arrival of a message until a recipient was delivered or "
	    "relayed.</p>\n");
	plot_delays(f, r);
	if (delays_count(&r->delays) > 0)
		fprintf(f, "<h3>How many took how long</h3>\n<p "
		    "class=\"note\">Each bar has those that took at most what "
		    "is written below it, and more than the bar before.</p>"
		    "\n");
	plot_delay_classes(f, r);
	fprintf(f, "</section>\n");
}

/* ---- tables -------------------------------------------------------------- */

static void
write_name(FILE *f, const struct top_name *t, uint64_t most)
{
	fprintf(f, "<tr><td class=\"name\">");
	page_text(f, slice_of(t->name, t->n_name));
	if (t->text[0] != '\0') {
		fprintf(f, "<small>");
		page_text(f, slice_str(t->text));
		fprintf(f, "</small>");
	}
	fprintf(f, "<i style=\"width:%.1f%%\"></i></td>",
	    100 * (double)t->n / (double)(most == 0 ? 1 : most));
}

/* Where there were more names than can be counted. */
static void
write_error(FILE *f, const struct top *t)
{
	uint64_t error = 0;
	size_t i;

	for (i = 0; i < t->n; i++)
		error = t->v[i].error > error ? t->v[i].error : error;
	if (error > 0)
		fprintf(f, "<p class=\"empty\">There were more names than are "
		    "counted at once (%d): a count may be up to %" PRIu64
		    " too high.</p>\n", TOP_NAMES, error);
}

static void
write_simple_table(FILE *f, const struct top *t, const char *title,
    const char *name, const char *count)
{
	const struct top_name *list[SHOWN];
	size_t i, n = top_list(t, list, SHOWN);

	fprintf(f, "<div><h3>%s</h3>\n", title);
	if (n == 0) {
		fprintf(f, "<p class=\"empty\">None in this time.</p></div>"
		    "\n");
		return;
	}
	fprintf(f, "<div class=\"scroll\"><table>\n<thead><tr><th>%s</th>"
	    "<th class=\"n\">%s</th></tr></thead>\n<tbody>\n", name, count);
	for (i = 0; i < n; i++) {
		write_name(f, list[i], list[0]->n);
		write_count(f, list[i]->n);
		fprintf(f, "</tr>\n");
	}
	fprintf(f, "</tbody></table></div>\n");
	write_error(f, t);
	fprintf(f, "</div>\n");
}

static void
write_refusals(const struct report *r, FILE *f)
{
	fprintf(f, "<section id=\"refusals\">\n<h2>Refusals</h2>\n<p>Commands "
	    "of clients that were answered with 4xx or 5xx.</p>\n");
	plot_bars(f, r, "Refusals over time", refused, 1);
	fprintf(f, "<div class=\"two\">\n");
	write_simple_table(f, &r->refusals, "By reason",
	    "Code, and what the first one was told", "Refused");
	write_simple_table(f, &r->refused_clients, "By client", "Client",
	    "Refused");
	fprintf(f, "</div>\n</section>\n");
}

static void
write_hops(const struct report *r, FILE *f)
{
	const struct top_name *list[SHOWN], *t;
	size_t i, n = top_list(&r->hops, list, SHOWN);

	fprintf(f, "<section id=\"hops\">\n<h2>Next hops</h2>\n<p>Where mail "
	    "went, by attempts for a recipient; the delays are of those that "
	    "arrived.</p>\n");
	if (n == 0) {
		fprintf(f, "<p class=\"empty\">None in this time.</p>\n"
		    "</section>\n");
		return;
	}
	fprintf(f, "<div class=\"scroll\"><table>\n<thead><tr><th>Next hop"
	    "</th><th class=\"n\">Done</th><th class=\"n\">Deferred</th>"
	    "<th class=\"n\">Bounced</th><th class=\"n\">Half within</th>"
	    "<th class=\"n\">95&nbsp;%% within</th></tr></thead>\n<tbody>\n");
	for (i = 0; i < n; i++) {
		t = list[i];
		write_name(f, t, list[0]->n);
		write_count(f, t->numbers[TOP_DONE]);
		write_count(f, t->numbers[TOP_DEFERRED]);
		write_count(f, t->numbers[TOP_FAILED]);
		if (t->numbers[TOP_DONE] > 0) {
			fprintf(f, "<td class=\"n\">");
			page_duration(f, delays_quantile(&t->delays, 0.5));
			fprintf(f, "</td><td class=\"n\">");
			page_duration(f, delays_quantile(&t->delays, 0.95));
			fprintf(f, "</td></tr>\n");
		} else
			fprintf(f, "<td class=\"n\">\xe2\x80\x93</td>"
			    "<td class=\"n\">\xe2\x80\x93</td></tr>\n");
	}
	fprintf(f, "</tbody></table></div>\n");
	write_error(f, &r->hops);
	fprintf(f, "</section>\n");
}

static void
write_domains(const struct report *r, FILE *f)
{
	const struct top_name *list[SHOWN];
	size_t i, n = top_list(&r->domains, list, SHOWN);

	fprintf(f, "<div><h3>Recipients' domains</h3>\n");
	if (n == 0) {
		fprintf(f, "<p class=\"empty\">None in this time.</p></div>"
		    "\n");
		return;
	}
	fprintf(f, "<div class=\"scroll\"><table>\n<thead><tr><th>Domain</th>"
	    "<th class=\"n\">Done</th><th class=\"n\">Deferred</th>"
	    "<th class=\"n\">Bounced</th></tr></thead>\n<tbody>\n");
	for (i = 0; i < n; i++) {
		write_name(f, list[i], list[0]->n);
		write_count(f, list[i]->numbers[TOP_DONE]);
		write_count(f, list[i]->numbers[TOP_DEFERRED]);
		write_count(f, list[i]->numbers[TOP_FAILED]);
		fprintf(f, "</tr>\n");
	}
	fprintf(f, "</tbody></table></div>\n");
	write_error(f, &r->domains);
	fprintf(f, "</div>\n");
}

static void
write_senders(const struct report *r, FILE *f)
{
	const struct top_name *list[SHOWN];
	size_t i, n = top_list(&r->senders, list, SHOWN);

	fprintf(f, "<div><h3>Senders</h3>\n");
	if (n == 0) {
		fprintf(f, "<p class=\"empty\">None in this time.</p></div>"
		    "\n");
		return;
	}
	fprintf(f, "<div class=\"scroll\"><table>\n<thead><tr><th>Sender</th>"
	    "<th class=\"n\">Messages</th><th class=\"n\">Size</th></tr>"
	    "</thead>\n<tbody>\n");
	for (i = 0; i < n; i++) {
		write_name(f, list[i], list[0]->n);
		write_count(f, list[i]->n);
		fprintf(f, "<td class=\"n\">");
		write_size(f, list[i]->numbers[TOP_BYTES]);
		fprintf(f, "</td></tr>\n");
	}
	fprintf(f, "</tbody></table></div>\n");
	write_error(f, &r->senders);
	fprintf(f, "</div>\n");
}

static void
write_addresses(const struct report *r, FILE *f)
{
	fprintf(f, "<section id=\"addresses\">\n<h2>Senders and recipients"
	    "</h2>\n<p>Those that come most often.</p>\n"
	    "<div class=\"two\">\n");
	write_senders(r, f);
	write_domains(r, f);
	fprintf(f, "</div>\n</section>\n");
}

static void
write_logins(const struct report *r, FILE *f)
{
	fprintf(f, "<section id=\"logins\">\n<h2>Logins</h2>\n<p>To send and "
	    "to read mail.</p>\n");
	plot_bars(f, r, "Logins over time", logins, 2);
	write_simple_table(f, &r->failed_logins, "Clients whose logins failed",
	    "Client", "Failed");
	fprintf(f, "</section>\n");
}

/* ---- the service --------------------------------------------------------- */

static void
write_service(const struct report *r, FILE *f)
{
	uint64_t n = r->nnotes < REPORT_NOTES ? r->nnotes : REPORT_NOTES, i;
	const struct report_note *note;

	fprintf(f, "<section id=\"service\">\n<h2>The service</h2>\n<p>Starts, "
	    "reloads, restarts, and processes that died; the last first.</p>"
	    "\n");
	if (n == 0)
		fprintf(f, "<p class=\"empty\">Nothing happened to it.</p>\n");
	else
		fprintf(f, "<div class=\"scroll\"><table>\n<thead><tr>"
		    "<th>When</th><th>Event</th></tr></thead>\n<tbody>\n");
	for (i = 0; i < n; i++) {
		note = &r->notes[(r->nnotes - 1 - i) % REPORT_NOTES];
		fprintf(f, "<tr%s><td class=\"when\">", note->bad ?
		    " class=\"bad\"" : "");
		page_time(f, note->us, TIME_EXACT);
		fprintf(f, "</td><td><code>");
		page_text(f, slice_str(note->text));
		fprintf(f, "</code></td></tr>\n");
	}
	if (n > 0)
		fprintf(f, "</tbody></table></div>\n");
	if (r->nnotes > n)
		fprintf(f, "<p class=\"empty\">%" PRIu64 " earlier ones are "
		    "left out.</p>\n", r->nnotes - n);
	fprintf(f, "</section>\n");
}
