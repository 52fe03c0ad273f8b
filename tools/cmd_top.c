/* SPDX-License-Identifier: ISC */
/*
 * cmd_top - what the suite is doing, live: processes, sessions, next hops, and
 * the stages of a message's road by how long they take.
 *
 * A look is a struct view.  Each pane makes a table of it, rows of cells, which
 * is sorted and drawn; nothing is kept from one look to the next but the one
 * before it, for the rates.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "chasqui.h"
#include "ipc/counters.h"
#include "suite_view.h"
#include "terminal.h"

#define DELAY_MS	2000
#define CELLS		8
#define CELL_BYTES	128

struct cell {
	char		 text[CELL_BYTES];
	double		 key;		/* what a number is sorted by */
};

struct row {
	struct cell	 cells[CELLS];
};

struct table {
	struct row	*rows;		/* owned */
	size_t		 n;
};

struct column {
	const char	*name;		/* NULL: there are no more */
	int		 width;		/* > 0: a number, at the right */
};

/* Two looks, the later one first. */
struct looks {
	struct view	 now;
	struct view	 before;	/* nlines 0: there is none */
};

struct pane {
	char		 key;
	const char	*name;
	struct column	 columns[CELLS + 1];	/* the last has no name */
	unsigned	 sort;		/* to begin with */
	void		(*fill)(struct table *, const struct looks *);
};

struct top {
	struct tool	*tool;
	struct channel	*control;	/* owned; NULL: not connected */
	struct channel	*queue;
	struct looks	 looks;
	bool		 is_live;	/* at a terminal */
	bool		 is_down;	/* the suite does not answer */
	size_t		 pane;
	unsigned	 sort[4];
	bool		 reversed;
	size_t		 first;		/* row that is shown */
	int64_t		 delay_ms;
};

static int	 run(struct tool *, int, char *[]);
static int	 run_batch(struct top *, uint64_t looks);
static int	 run_live(struct top *);
static bool	 look(struct top *);
static bool	 take_key(struct top *, int key);
static void	 draw(struct top *);
static void	 put_head(const struct top *, struct buf *);
static void	 put_pane(const struct top *, struct buf *, size_t pane,
		    size_t rows);
static void	 fill_processes(struct table *, const struct looks *);
static void	 fill_sessions(struct table *, const struct looks *);
static void	 fill_hops(struct table *, const struct looks *);
static void	 fill_stages(struct table *, const struct looks *);

const struct command cmd_top = { "top",
	"[--delay SECONDS] [--batch N | --once]",
	"show live what the suite is doing", run };

static const struct pane panes[] = {
	{ 'p', "processes", {
	    { "PROCESS", -14 }, { "PID", 8 }, { "STATE", -9 }, { "AGE", 8 },
	    { "RESTARTS", 9 }, { "CPU%", 6 }, { "MEMORY", 7 },
	    { "WORK/S", 8 } }, 5, fill_processes },
	{ 's', "sessions", {
	    { "LOGIN", -32 }, { "PROTOCOL", -9 }, { "STATE", -8 },
	    { "AGE", 8 }, { "UID", 8 }, { "SESSION", 9 } }, 3,
	    fill_sessions },
	{ 'n', "next hops", {
	    { "NEXT HOP", -20 }, { "STATE", -7 }, { "WAITING", 8 },
	    { "READY", 6 }, { "ACTIVE", 7 }, { "AGAIN", 7 },
	    { "WHY", -100 } }, 2, fill_hops },
	{ 't', "stages", {
	    { "STAGE", -18 }, { "TIMES/S", 8 }, { "HALF", 8 }, { "99%", 8 },
	    { "WHAT IT IS", -100 } }, 3, fill_stages },
};
#define PANES	(sizeof(panes) / sizeof(panes[0]))

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "delay", required_argument, NULL, 'd' },
		{ "batch", required_argument, NULL, 'b' },
		{ "once", no_argument, NULL, '1' },
		{ NULL, 0, NULL, 0 },
	};
	static struct top top;
	uint64_t seconds, looks = 0;
	size_t i;
	int ch;

	top.tool = t;
	top.delay_ms = DELAY_MS;
	for (i = 0; i < PANES; i++)
		top.sort[i] = panes[i].sort;
	while ((ch = getopt_long(argc, argv, "d:b:1", options, NULL)) != -1)
		switch (ch) {
		case 'd':
			if (!slice_to_u64(slice_str(optarg), 1, 3600,
			    &seconds))
				return tool_fail(EX_USAGE, "--delay takes "
				    "seconds, 1 to 3600");
			top.delay_ms = (int64_t)seconds * 1000;
			break;
		case 'b':
			if (!slice_to_u64(slice_str(optarg), 1, UINT32_MAX,
			    &looks))
				return tool_fail(EX_USAGE, "--batch takes how "
				    "many times to look");
			break;
		case '1':
			looks = 1;
			break;
		default:
			return tool_usage(&cmd_top);
		}
	if (optind != argc)
		return tool_usage(&cmd_top);
	if (looks == 0 && !terminal_is_there())
		looks = 1;
	top.control = tool_connect(t, SOCKET_CONTROL);
	return looks > 0 ? run_batch(&top, looks) : run_live(&top);
}

/* ---- without a terminal -------------------------------------------------- */

static int
run_batch(struct top *t, uint64_t looks)
{
	struct buf out = BUF_INIT(16 * 1024 * 1024);
	size_t i;

	while (looks-- > 0) {
		if (!look(t))
			return tool_fail(EX_UNAVAILABLE,
			    "the suite has not answered");
		put_head(t, &out);
		for (i = 0; i < PANES; i++) {
			buf_printf(&out, "\n%s\n", panes[i].name);
			put_pane(t, &out, i, SIZE_MAX);
		}
		fwrite(out.p, 1, out.n, stdout);
		fflush(stdout);
		buf_reset(&out);
		if (looks > 0) {
			printf("\n");
			usleep((useconds_t)t->delay_ms * 1000);
		}
	}
	buf_clear(&out);
	return EX_OK;
}

/* ---- at a terminal ------------------------------------------------------- */

static int
run_live(struct top *t)
{
	int64_t next = 0, now;

	if (!look(t))
		return tool_fail(EX_UNAVAILABLE, "the suite has not answered");
	t->is_live = true;
	terminal_open();
	do {
		now = clock_mono_ms();
		if (now >= next) {
			if (next != 0)
				t->is_down = !look(t);
			next = clock_mono_ms() + t->delay_ms;
		}
		draw(t);
	} while (take_key(t, terminal_key(next - clock_mono_ms())));
	terminal_close();
	return EX_OK;
}

/* Connects anew where that is needed: a restart ends the old channels. */
static bool
look(struct top *t)
{
	struct view v;

	if (t->control == NULL)
		t->control = tool_connect_if_running(t->tool, SOCKET_CONTROL);
	if (t->queue == NULL)
		t->queue = tool_connect_if_running(t->tool, SOCKET_QUEUE);
	if (t->control == NULL ||
	    view_take(&v, t->control, t->queue, true, true) == -1) {
		channel_free(&t->control);
		channel_free(&t->queue);
		return false;
	}
	if (!v.hops_known)
		channel_free(&t->queue);
	view_clear(&t->looks.before);
	t->looks.before = t->looks.now;
	t->looks.now = v;
	return true;
}

static unsigned
columns_of(const struct pane *p)
{
	unsigned n = 0;

	while (p->columns[n].name != NULL)
		n++;
	return n;
}

/* False: the end. */
static bool
take_key(struct top *t, int key)
{
	unsigned columns = columns_of(&panes[t->pane]);
	size_t i;

	for (i = 0; i < PANES; i++)
		if (key == panes[i].key || key == '1' + (int)i) {
			t->pane = i;
			t->first = 0;
			t->reversed = false;
		}
	switch (key) {
	case KEY_END:
	case 'q':
		return false;
	case '\t':
		t->pane = (t->pane + 1) % PANES;
		t->first = 0;
		t->reversed = false;
		break;
	case '<':
	case KEY_LEFT:
		t->sort[t->pane] = (t->sort[t->pane] + columns - 1) % columns;
		break;
	case '>':
	case KEY_RIGHT:
		t->sort[t->pane] = (t->sort[t->pane] + 1) % columns;
		break;
	case 'r':
		t->reversed = !t->reversed;
		break;
	case 'j':
	case KEY_DOWN:
		t->first++;
		break;
	case 'k':
	case KEY_UP:
		t->first -= t->first > 0;
		break;
	}
	return true;
}

/* The keys stand on the last line, whatever is above. */
static void
draw(struct top *t)
{
	struct buf out = BUF_INIT(1024 * 1024), page = BUF_INIT(1024 * 1024);
	unsigned rows, columns, i;
	struct slice rest, line;

	terminal_size(&rows, &columns);
	put_head(t, &out);
	buf_add_byte(&out, '\n');
	put_pane(t, &out, t->pane, rows);
	rest = buf_slice(&out);
	for (i = 0; i < rows - 1; i++) {
		if (rest.n == 0 || !slice_next(&rest, '\n', &line))
			line = SLICE_EMPTY;
		buf_add(&page, line);
		buf_add_byte(&page, '\n');
	}
	buf_add_str(&page, "\1p processes  s sessions  n next hops  t stages  "
	    "< > sort  r reverse  j k  q quit");
	terminal_draw(&page);
	buf_clear(&page);
	buf_clear(&out);
}

/* The next line is shown in reverse. */
static void
put_mark(const struct top *t, struct buf *out)
{
	if (t->is_live)
		buf_add_byte(out, '\1');
}

/* ---- the head ------------------------------------------------------------ */

static double
rate_of(const struct looks *l, const char *group, const char *word)
{
	uint64_t now = view_sum(&l->now, group, word), then;
	int64_t ms = l->now.at_ms - l->before.at_ms;
	char name[64];

	if (l->before.nlines > 0 && ms > 0) {
		then = view_sum(&l->before, group, word);
		return now < then ? 0 :
		    (double)(now - then) * 1000 / (double)ms;
	}
	ms = view_recent_ms(&l->now);
	snprintf(name, sizeof(name), "%s.%s", group, word);
	return ms == 0 ? 0 :
	    (double)view_recent(&l->now, name) * 1000 / (double)ms;
}

static void
put_head(const struct top *t, struct buf *out)
{
	const struct looks *l = &t->looks;
	const struct view *v = &l->now;
	uint64_t rss = 0;
	size_t i;

	for (i = 0; i < v->nlines; i++)
		rss += word_number(v->lines[i], "rss_kib") * 1024;
	if (t->is_down) {
		put_mark(t, out);
		buf_printf(out, "%s: THE SUITE DOES NOT ANSWER; this is what "
		    "it said last\n", tool_conf(t->tool)->hostname);
	}
	else
		buf_printf(out, "%s: %.*s for %s, %zu processes, %" PRIu64
		    " workers, %s\n", tool_conf(t->tool)->hostname,
		    SLICE_ARG(word_of(v->lines[0], "state")),
		    age_text(word_number(v->lines[0], "uptime")).s, v->nlines,
		    view_sum(v, "local", "workers"), size_text(rss).s);
	buf_printf(out, "in %.1f/s, out %.1f/s, deferred %.1f/s; queue %s; "
	    "clients: SMTP %s, mailboxes %s\n",
	    rate_of(l, "smtpd", "messages"), rate_of(l, "qmgr", "delivered") +
	    rate_of(l, "qmgr", "relayed"), rate_of(l, "qmgr", "deferred"),
	    count_text(view_sum(v, "qmgr", "messages")).s,
	    count_text(view_sum(v, "smtpd", "sessions")).s,
	    count_text(view_sum(v, "login", "clients")).s);
}

/* ---- tables -------------------------------------------------------------- */

/* What qsort() cannot be told otherwise. */
static unsigned sort_column;
static bool sort_text, sort_reversed;

static int
compare(const void *a, const void *b)
{
	const struct cell *x = &((const struct row *)a)->cells[sort_column];
	const struct cell *y = &((const struct row *)b)->cells[sort_column];
	int order;

	if (sort_text)
		order = strcmp(x->text, y->text);
	else
		order = x->key > y->key ? -1 : x->key < y->key;
	if (order == 0)
		order = strcmp(((const struct row *)a)->cells[0].text,
		    ((const struct row *)b)->cells[0].text);
	else if (sort_reversed)
		order = -order;
	return order;
}

static struct row *
table_row(struct table *tb)
{
	tb->rows = mem_regrow(tb->rows, tb->n + 1, sizeof(*tb->rows));
	memset(&tb->rows[tb->n], 0, sizeof(*tb->rows));
	return &tb->rows[tb->n++];
}

static void	 set(struct row *, unsigned cell, double key,
		    const char *fmt, ...)
		    __attribute__((format(printf, 4, 5)));

static void
set(struct row *r, unsigned cell, double key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->cells[cell].text, CELL_BYTES, fmt, ap);
	va_end(ap);
	r->cells[cell].key = key;
}

static void
put_cell(struct buf *out, const struct column *c, const char *text)
{
	if (c[1].name == NULL && c->width < 0)
		buf_add_str(out, text);
	else if (c->width > 0)
		buf_printf(out, "%*.*s ", c->width, c->width, text);
	else
		buf_printf(out, "%-*.*s ", -c->width, -c->width, text);
}

/* The column that it is sorted by has a star. */
static void
put_columns(const struct top *t, struct buf *out, size_t pane)
{
	const struct pane *p = &panes[pane];
	unsigned i, n = columns_of(p);
	char name[32];

	put_mark(t, out);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), i == t->sort[pane] ? "%s*" :
		    "%s", p->columns[i].name);
		put_cell(out, &p->columns[i], name);
	}
	buf_add_byte(out, '\n');
}

static void
put_pane(const struct top *t, struct buf *out, size_t pane, size_t rows)
{
	const struct pane *p = &panes[pane];
	unsigned i, n = columns_of(p);
	struct table tb = { .n = 0 };
	size_t r, first;

	p->fill(&tb, &t->looks);
	sort_column = t->sort[pane];
	sort_text = p->columns[sort_column].width < 0;
	sort_reversed = t->reversed;
	if (tb.n > 1)
		qsort(tb.rows, tb.n, sizeof(*tb.rows), compare);
	put_columns(t, out, pane);
	if (tb.n == 0)
		buf_printf(out, "(none)\n");
	first = t->first < tb.n ? t->first : tb.n > 0 ? tb.n - 1 : 0;
	for (r = first; r < tb.n && r - first < rows; r++) {
		for (i = 0; i < n; i++)
			put_cell(out, &p->columns[i],
			    tb.rows[r].cells[i].text);
		buf_add_byte(out, '\n');
	}
	free(tb.rows);
}

/* ---- what the panes show ------------------------------------------------- */

/* What a process is there for, of all that it counts. */
static const struct {
	const char	*role;
	const char	*word;
} works[] = {
	{ "smtpd", "messages" }, { "qmgr", "queued" },
	{ "remote", "messages" }, { "lookup", "rcpts" },
	{ "resolver", "asked" }, { "auth", "logins" },
	{ "verifier", "hashed" }, { "keys", "signed" },
	{ "imapd", "logins" }, { "pop3d", "logins" },
	{ "bounce", "written" },
};

static const char *
line_before(const struct looks *l, const char *line)
{
	size_t i;

	for (i = 0; i < l->before.nlines; i++)
		if (word_number(l->before.lines[i], "pid") ==
		    word_number(line, "pid"))
			return l->before.lines[i];
	return NULL;
}

/* Of a number that grows: a second, since the look before, or since the
 * process began. */
static double
grown(const struct looks *l, const char *line, const char *word)
{
	const char *then = line_before(l, line);
	double ms = (double)(l->now.at_ms - l->before.at_ms);
	double n = (double)word_number(line, word);

	if (then != NULL && ms > 0)
		n -= (double)word_number(then, word);
	else
		ms = 1000 * (double)word_number(line, "uptime");
	return ms <= 0 || n < 0 ? 0 : n * 1000 / ms;
}

static void
fill_processes(struct table *tb, const struct looks *l)
{
	const char *line;
	struct row *r;
	size_t i, j;
	double x;

	for (i = 0; i < l->now.nlines; i++) {
		line = l->now.lines[i];
		r = table_row(tb);
		set(r, 0, 0, "%.*s %.*s", SLICE_ARG(word_of(line, "role")),
		    SLICE_ARG(word_of(line, "index")));
		set(r, 1, (double)word_number(line, "pid"), "%" PRIu64,
		    word_number(line, "pid"));
		set(r, 2, 0, "%.*s", SLICE_ARG(word_of(line, "state")));
		set(r, 3, (double)word_number(line, "uptime"), "%s",
		    age_text(word_number(line, "uptime")).s);
		set(r, 4, (double)word_number(line, "restarts"), "%" PRIu64,
		    word_number(line, "restarts"));
		x = grown(l, line, "cpu_ms") / 10;
		set(r, 5, x, "%.1f", x);
		set(r, 6, (double)word_number(line, "rss_kib"), "%s",
		    size_text(word_number(line, "rss_kib") * 1024).s);
		for (j = 0; j < sizeof(works) / sizeof(works[0]); j++) {
			if (!slice_eq(word_of(line, "role"),
			    slice_str(works[j].role)))
				continue;
			x = grown(l, line, works[j].word);
			set(r, 7, x, "%.1f", x);
		}
	}
}

static void
fill_sessions(struct table *tb, const struct looks *l)
{
	const char *line;
	char *login;
	struct row *r;
	size_t i;

	for (i = 0; i < l->now.nsessions; i++) {
		line = l->now.sessions[i];
		login = clean_text(word_of(line, "login"));
		r = table_row(tb);
		set(r, 0, 0, "%s", login);
		set(r, 1, 0, "%s", slice_eq(word_of(line, "role"),
		    SLICE_LIT("pop3d")) ? "POP3" : "IMAP");
		set(r, 2, 0, "%.*s", SLICE_ARG(word_of(line, "state")));
		set(r, 3, (double)word_number(line, "uptime"), "%s",
		    age_text(word_number(line, "uptime")).s);
		set(r, 4, (double)word_number(line, "uid"), "%" PRIu64,
		    word_number(line, "uid"));
		set(r, 5, (double)word_number(line, "session"), "%" PRIu64,
		    word_number(line, "session"));
		free(login);
	}
}

static void
fill_hops(struct table *tb, const struct looks *l)
{
	static const char *const states[] = { [HOP_ROW_ALIVE] = "alive",
		[HOP_ROW_DEAD] = "dead", [HOP_ROW_PROBED] = "probed" };
	const struct view_hop *h;
	struct row *r;
	size_t i;

	for (i = 0; i < l->now.nhops; i++) {
		h = &l->now.hops[i];
		r = table_row(tb);
		set(r, 0, 0, "%s", h->name);
		set(r, 1, 0, "%s", h->row.state == 0 ? "?" :
		    states[h->row.state]);
		set(r, 2, (double)h->row.sum.waiting, "%s",
		    count_text(h->row.sum.waiting).s);
		set(r, 3, (double)h->row.sum.ready, "%s",
		    count_text(h->row.sum.ready).s);
		set(r, 4, (double)h->row.sum.active, "%s",
		    count_text(h->row.sum.active).s);
		if (h->row.state == HOP_ROW_DEAD)
			set(r, 5, (double)h->row.again_ms, "%s",
			    age_text((uint64_t)h->row.again_ms / 1000).s);
		set(r, 6, 0, "%s", h->why);
	}
}

/* In the last seconds, as metrics has seen them. */
static void
fill_stages(struct table *tb, const struct looks *l)
{
	int64_t ms = view_recent_ms(&l->now);
	const struct counter_info *info;
	char name[80];
	uint64_t n, p50, p99;
	struct row *r;
	unsigned i;

	for (i = 0; i < TIMES_END; i++) {
		info = &time_infos[i];
		snprintf(name, sizeof(name), "%s.%s_n", info->group,
		    info->word);
		n = view_recent(&l->now, name);
		snprintf(name, sizeof(name), "%s.%s_p50_us", info->group,
		    info->word);
		p50 = view_recent(&l->now, name);
		snprintf(name, sizeof(name), "%s.%s_p99_us", info->group,
		    info->word);
		p99 = view_recent(&l->now, name);
		r = table_row(tb);
		set(r, 0, 0, "%s %s", info->group, info->word);
		set(r, 1, (double)n, "%.1f", ms == 0 ? 0 :
		    (double)n * 1000 / (double)ms);
		set(r, 2, (double)p50, "%s", n == 0 ? "-" : time_text(p50).s);
		set(r, 3, (double)p99, "%s", n == 0 ? "-" : time_text(p99).s);
		set(r, 4, 0, "%s", info->help);
	}
}
