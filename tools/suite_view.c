/* SPDX-License-Identifier: ISC */
/* suite_view - see suite_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "suite_view.h"

static int	 take_lines(struct channel *, uint16_t type, struct slice body,
		    char ***lines, size_t *n);
static bool	 take_hops(struct view *, struct channel *);

int
view_take(struct view *v, struct channel *control, struct channel *queue,
    bool few, bool sessions)
{
	struct buf max = BUF_INIT(8);
	int r;

	*v = (struct view){ .at_ms = clock_mono_ms() };
	put_u32(&max, VIEW_SESSIONS);
	r = take_lines(control, TL_STATUS, few ? SLICE_LIT("\1") :
	    SLICE_EMPTY, &v->lines, &v->nlines);
	if (r == 0 && sessions)
		r = take_lines(control, TL_SESSIONS, buf_slice(&max),
		    &v->sessions, &v->nsessions);
	buf_clear(&max);
	v->hops_known = queue != NULL && take_hops(v, queue);
	if (r == -1 || v->nlines == 0) {
		view_clear(v);
		return -1;
	}
	return 0;
}

static int
take_lines(struct channel *c, uint16_t type, struct slice body,
    char ***lines, size_t *n)
{
	struct message m;

	channel_send(c, type, 1, body);
	while (channel_wait(c, &m, VIEW_PATIENCE_MS) == 0) {
		if (m.type == TL_END)
			return 0;
		if (m.type != TL_LINE)
			continue;
		*lines = mem_regrow(*lines, *n + 1, sizeof(**lines));
		(*lines)[(*n)++] = mem_slicedup(get_rest(&m.body));
	}
	return -1;
}

static bool
take_hops(struct view *v, struct channel *c)
{
	struct buf *b = channel_begin(c, TL_NEXT_HOPS, 1);
	struct view_hop h;
	struct message m;

	if (b != NULL)
		put_u32(b, VIEW_HOPS);
	channel_end(c);
	while (channel_wait(c, &m, VIEW_PATIENCE_MS) == 0) {
		if (m.type == TL_END)
			return true;
		if (m.type != TL_NEXT_HOP)
			continue;
		hop_row_unpack(&m.body, &h.row);
		if (!wire_done(&m.body))
			break;
		h.name = clean_text(h.row.sum.name);
		h.why = clean_text(h.row.why);
		h.row.sum.name = h.row.why = SLICE_EMPTY;
		v->hops = mem_regrow(v->hops, v->nhops + 1, sizeof(h));
		v->hops[v->nhops++] = h;
	}
	return false;
}

static void
free_lines(char **lines, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
}

void
view_clear(struct view *v)
{
	size_t i;

	free_lines(v->lines, v->nlines);
	free_lines(v->sessions, v->nsessions);
	for (i = 0; i < v->nhops; i++) {
		free(v->hops[i].name);
		free(v->hops[i].why);
	}
	free(v->hops);
	*v = (struct view){ .nlines = 0 };
}

/* ---- words --------------------------------------------------------------- */

bool
word_next(struct slice *rest, struct slice *key, struct slice *value)
{
	size_t end;

	*rest = slice_trim(*rest);
	if (rest->n == 0)
		return false;
	end = slice_find(*rest, '=');
	*key = slice_first(*rest, end);
	*rest = slice_from(*rest, end < rest->n ? end + 1 : end);
	if (rest->n > 0 && rest->p[0] == '"') {
		end = slice_find(slice_from(*rest, 1), '"') + 2;
		end = end > rest->n ? rest->n : end;
	} else
		end = slice_find(*rest, ' ');
	*value = slice_first(*rest, end);
	*rest = slice_from(*rest, end);
	return true;
}

struct slice
word_of(const char *line, const char *key)
{
	struct slice rest = slice_str(line), k, v;

	while (word_next(&rest, &k, &v)) {
		if (!slice_eq(k, slice_str(key)))
			continue;
		if (v.n >= 2 && v.p[0] == '"')
			v = slice_of(v.p + 1, v.n - 2);
		return v;
	}
	return SLICE_LIT("?");
}

uint64_t
word_number(const char *line, const char *key)
{
	uint64_t n = 0;

	slice_to_u64(word_of(line, key), 0, UINT64_MAX, &n);
	return n;
}

static bool
counts_in(struct slice role, const char *group)
{
	if (strcmp(group, "login") == 0)
		return slice_eq(role, SLICE_LIT("imapd")) ||
		    slice_eq(role, SLICE_LIT("pop3d"));
	return slice_eq(role, slice_str(group));
}

uint64_t
view_sum(const struct view *v, const char *group, const char *word)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < v->nlines; i++)
		if (counts_in(word_of(v->lines[i], "role"), group))
			n += word_number(v->lines[i], word);
	return n;
}

uint64_t
view_recent(const struct view *v, const char *name)
{
	return view_sum(v, "metrics", name);
}

int64_t
view_recent_ms(const struct view *v)
{
	return (int64_t)view_sum(v, "metrics", "recent_ms");
}

/* ---- how it is shown ----------------------------------------------------- */

struct age_text
age_text(uint64_t s)
{
	struct age_text t;

	if (s < 60)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "m%02" PRIu64 "s",
		    s / 60, s % 60);
	else if (s < 86400)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "h%02" PRIu64 "m",
		    s / 3600, s / 60 % 60);
	else
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "d%02" PRIu64 "h",
		    s / 86400, s / 3600 % 24);
	return t;
}

struct time_text
time_text(uint64_t us)
{
	struct time_text t;

	if (us < 1000)
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "us", us);
	else if (us < 1000000)
		snprintf(t.s, sizeof(t.s), "%.*fms", us < 10000,
		    (double)us / 1e3);
	else if (us < 120000000)
		snprintf(t.s, sizeof(t.s), "%.1fs", (double)us / 1e6);
	else
		snprintf(t.s, sizeof(t.s), "%s",
		    age_text(us / 1000000).s);
	return t;
}

static struct count_text
scaled(uint64_t n, unsigned base, const char *units)
{
	struct count_text t;
	double x = (double)n;
	size_t i = 0;

	while (x >= base * 10 && units[i + 1] != '\0') {
		x /= base;
		i++;
	}
	if (i == 0)
		snprintf(t.s, sizeof(t.s), "%" PRIu64, n);
	else
		snprintf(t.s, sizeof(t.s), "%.*f%c", x < 100, x, units[i]);
	return t;
}

struct count_text
count_text(uint64_t n)
{
	return scaled(n, 1000, " kMG");
}

struct count_text
size_text(uint64_t bytes)
{
	return scaled(bytes, 1024, " KMGT");
}

char *
clean_text(struct slice s)
{
	char *text = mem_slicedup(s);
	size_t i;

	for (i = 0; i < s.n; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = text[i] == '\n' ? ' ' : '?';
	return text;
}
