/* SPDX-License-Identifier: ISC */
/*
 * search_cmd - SEARCH, SORT, THREAD: their options and answers (RFC 9051 6.4.4,
 * 7.3.4, 4731, 5182, 5256, 7162, 9394, 9585).  What matches is search.c's.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "imap.h"
#include "search.h"

#define SLICE_MS	50	/* then the loop turns */
#define PROGRESS_MS	2000	/* between two INPROGRESS */

enum { R_MIN = 1, R_MAX = 2, R_ALL = 4, R_COUNT = 8, R_SAVE = 16,
	R_PARTIAL = 32 };

struct search_job {
	struct job	 job;
	enum { SEARCHES, SORTS, THREADS } what;
	bool		 extended;	/* ESEARCH is the answer */
	bool		 begun;
	unsigned	 ret;
	int64_t		 from, to;	/* PARTIAL */
	struct search	*search;	/* owned */
	struct sort_key	 keys[SORT_KEYS];
	size_t		 nkeys;
	enum thread_algorithm algorithm;
	struct uids	 positions;	/* sorted; filled when done */
	size_t		 at;		/* written up to there */
	int64_t		 told_ms;
};

static void	 begin(struct imap_session *, struct cursor *,
		    struct search_job *);
static bool	 take_return(struct cursor *, struct search_job *);
static enum job_state step(struct imap_session *, struct job *);
static void	 tell_progress(struct imap_session *, struct search_job *);
static enum job_state answer(struct imap_session *, struct search_job *);
static enum job_state write_list(struct imap_session *, struct search_job *);
static void	 write_extended(struct imap_session *, struct search_job *);
static void	 save(struct imap_session *, const struct search_job *);
static void	 free_job(struct job *);

static struct search_job *
new_job(int what)
{
	struct search_job *j = mem_alloc(sizeof(*j));

	j->job = (struct job){ step, free_job };
	j->what = what == 0 ? SEARCHES : what == 1 ? SORTS : THREADS;
	return j;
}

void
cmd_search(struct imap_session *s, struct cursor *c)
{
	struct search_job *j = new_job(0);

	if (cur_sp_word(c, "RETURN") && !take_return(c, j)) {
		bad_args(s, "RETURN (options)");
		free_job(&j->job);
		return;
	}
	j->extended = j->extended || s->enabled & (EN_REV2 | EN_UIDONLY);
	if (j->extended && j->ret == 0)
		j->ret = R_ALL;
	begin(s, c, j);
}

void
cmd_sort(struct imap_session *s, struct cursor *c)
{
	struct search_job *j = new_job(1);

	if (!cur_sp(c) || !sort_parse(c, j->keys, &j->nkeys)) {
		bad_args(s, "(keys), a charset, and what to search");
		free_job(&j->job);
		return;
	}
	begin(s, c, j);
}

void
cmd_thread(struct imap_session *s, struct cursor *c)
{
	struct search_job *j = new_job(2);

	if (cur_sp_word(c, "ORDEREDSUBJECT"))
		j->algorithm = THREAD_ORDEREDSUBJECT;
	else if (cur_sp_word(c, "REFERENCES"))
		j->algorithm = THREAD_REFERENCES;
	else {
		bad_args(s, "an algorithm, a charset, and what to search");
		free_job(&j->job);
		return;
	}
	begin(s, c, j);
}

static bool
take_return(struct cursor *c, struct search_job *j)
{
	static const char *const names[] = { "MIN", "MAX", "ALL", "COUNT",
		"SAVE", "PARTIAL" };
	size_t i;

	j->extended = true;
	if (!cur_sp(c) || !cur_open(c))
		return false;
	if (cur_close(c))
		return true;
	do {
		for (i = 0; i < 6 && !cur_word(c, names[i]);)
			i++;
		if (i == 6)
			return false;
		j->ret |= 1u << i;
		if (i == 5 && (!cur_sp(c) ||
		    !partial_parse(c, &j->from, &j->to)))
			return false;
	} while (cur_sp(c));
	/* RFC 9394 3.1: one of both. */
	return cur_close(c) &&
	    (j->ret & (R_ALL | R_PARTIAL)) != (R_ALL | R_PARTIAL);
}

static void
begin(struct imap_session *s, struct cursor *c, struct search_job *j)
{
	unsigned flags = (j->what == SEARCHES ? 0 : SEARCH_CHARSET_FIRST) |
	    (s->enabled & EN_UTF8 ? SEARCH_UTF8 : 0) |
	    (s->enabled & EN_UIDONLY ? SEARCH_UIDONLY : 0);
	enum search_error e = SEARCH_BAD;
	struct buf code = BUF_INIT(1000);

	c->utf8 = true;
	if (cur_sp(c))
		e = search_parse(c, flags, &j->search);
	switch (e) {
	case SEARCH_OK:
		if (search_uses_modseq(j->search))
			s->enabled |= EN_CONDSTORE;
		if (j->what == THREADS ||
		    (j->what == SORTS && sort_reads(j->keys, j->nkeys)))
			search_wants_summaries(j->search);
		j->told_ms = clock_mono_ms();
		session_work(s, &j->job);
		return;
	case SEARCH_BAD:
		bad_args(s, "what to search");
		break;
	case SEARCH_BADCHARSET:
		buf_printf(&code, "BADCHARSET (%s)", search_charsets);
		tagged(s, NO, buf_cstr(&code),
		    "That charset is not known, or the text is not in it");
		break;
	case SEARCH_UIDREQUIRED:
		tagged(s, BAD, "UIDREQUIRED", "UIDONLY is enabled");
		break;
	case SEARCH_LIMIT:
		tagged(s, NO, "LIMIT", "Too much to search for at once");
		break;
	}
	/* RFC 5182 2.1: NO empties it, BAD does not. */
	if (e != SEARCH_BAD && e != SEARCH_UIDREQUIRED && j->ret & R_SAVE)
		uids_clear(&s->view.saved);
	buf_clear(&code);
	free_job(&j->job);
}

static enum job_state
step(struct imap_session *s, struct job *job)
{
	struct search_job *j = (struct search_job *)job;

	if (j->search == NULL)
		return write_list(s, j);
	if (!j->begun) {
		j->begun = true;
		search_begin(j->search, &s->view);
	}
	if (search_step(j->search, SLICE_MS) == SEARCH_GOING_ON) {
		tell_progress(s, j);
		return JOB_LATER;
	}
	return answer(s, j);
}

static void
tell_progress(struct imap_session *s, struct search_job *j)
{
	int64_t now = clock_mono_ms();
	uint32_t done, all;

	if (now - j->told_ms < PROGRESS_MS)
		return;
	j->told_ms = now;
	search_progress(j->search, &done, &all);
	say(s, "* OK [INPROGRESS (\"%s\" %u %u)] Still searching", s->tag,
	    done, all);
}

static enum job_state
answer(struct imap_session *s, struct search_job *j)
{
	uids_copy(&j->positions, search_hits(j->search));
	if (j->ret & R_SAVE)
		save(s, j);
	if (j->extended) {
		/* RFC 5182 2.1: "$" is all that was asked for. */
		if (j->ret != R_SAVE)
			write_extended(s, j);
		tagged(s, OK, NULL, "Done");
		return JOB_DONE;
	}
	if (j->what == THREADS) {
		put_str(s, j->positions.n > 0 ? "* THREAD " : "* THREAD");
		if (thread_write(&s->view, j->algorithm, &j->positions,
		    s->by_uid, &s->out) == -1)
			s->stuck = true;
		put_str(s, "\r\n");
		tagged(s, OK, NULL, "Done");
		return JOB_DONE;
	}
	if (j->what == SORTS)
		sort_positions(&s->view, j->keys, j->nkeys, &j->positions);
	put_str(s, j->what == SORTS ? "* SORT" : "* SEARCH");
	if (!search_uses_modseq(j->search) || j->positions.n == 0)
		search_free(&j->search);
	return write_list(s, j);
}

static uint32_t
number_of(struct imap_session *s, uint32_t position)
{
	return s->by_uid || s->enabled & EN_UIDONLY ?
	    s->view.v[position].uid : position + 1;
}

static uint64_t
highest_modseq(struct imap_session *s, const uint32_t *v, size_t n)
{
	const struct message_entry *e;
	uint64_t max = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		e = view_entry(&s->view, v[i]);
		if (e != NULL && e->modseq > max)
			max = e->modseq;
	}
	return max;
}

/* Ten thousand numbers and more: a piece at a time. */
static enum job_state
write_list(struct imap_session *s, struct search_job *j)
{
	bool modseq = j->search != NULL;

	for (; j->at < j->positions.n && s->out.n < PIECE_BYTES; j->at++) {
		put_str(s, " ");
		put_number(s, number_of(s, j->positions.v[j->at]));
	}
	if (j->at < j->positions.n && !modseq)
		return JOB_MORE;
	for (; j->at < j->positions.n; j->at++) {
		put_str(s, " ");
		put_number(s, number_of(s, j->positions.v[j->at]));
	}
	if (modseq) {
		put_str(s, " (MODSEQ ");
		put_number(s, highest_modseq(s, j->positions.v,
		    j->positions.n));
		put_str(s, ")");
	}
	put_str(s, "\r\n");
	tagged(s, OK, NULL, "Done");
	return JOB_DONE;
}

static void
write_numbers(struct imap_session *s, const uint32_t *positions, size_t n)
{
	struct set_writer w = { .to = &s->out };
	size_t i;

	for (i = 0; i < n; i++)
		set_write(&w, number_of(s, positions[i]));
	set_write_end(&w);
}

/* Which of the hits the answer is about, for MODSEQ and for "$": RFC 7162
 * 3.1.10, RFC 5182 2.4. */
static void
chosen(const struct search_job *j, struct uids *r)
{
	const struct uids *p = &j->positions;
	size_t first, n;

	*r = (struct uids){ 0 };
	if (p->n == 0)
		return;
	if (j->ret & R_PARTIAL) {
		partial_range(j->from, j->to, p->n, &first, &n);
		while (n-- > 0)
			uids_add(r, p->v[first++]);
	} else if (j->ret & (R_ALL | R_COUNT) ||
	    (j->ret & (R_MIN | R_MAX)) == 0)
		uids_copy(r, p);
	else {
		if (j->ret & R_MIN)
			uids_add(r, p->v[0]);
		if (j->ret & R_MAX && (p->n > 1 || (j->ret & R_MIN) == 0))
			uids_add(r, p->v[p->n - 1]);
	}
}

static void
write_extended(struct imap_session *s, struct search_job *j)
{
	const struct uids *p = &j->positions;
	struct uids some;
	size_t first, n;

	put_str(s, "* ESEARCH (TAG \"");
	put_str(s, s->tag);
	put_str(s, s->by_uid || s->enabled & EN_UIDONLY ? "\") UID" : "\")");
	if (j->ret & R_MIN && p->n > 0) {
		put_str(s, " MIN ");
		put_number(s, number_of(s, p->v[0]));
	}
	if (j->ret & R_MAX && p->n > 0) {
		put_str(s, " MAX ");
		put_number(s, number_of(s, p->v[p->n - 1]));
	}
	if (j->ret & R_COUNT) {
		put_str(s, " COUNT ");
		put_number(s, p->n);
	}
	if (j->ret & R_ALL && p->n > 0) {
		put_str(s, " ALL ");
		write_numbers(s, p->v, p->n);
	}
	if (j->ret & R_PARTIAL) {
		buf_printf(&s->out, " PARTIAL (%lld:%lld ", (long long)j->from,
		    (long long)j->to);
		partial_range(j->from, j->to, p->n, &first, &n);
		if (n > 0)
			write_numbers(s, p->v + first, n);
		else
			put_str(s, "NIL");
		put_str(s, ")");
	}
	if (search_uses_modseq(j->search) && p->n > 0) {
		chosen(j, &some);
		put_str(s, " MODSEQ ");
		put_number(s, highest_modseq(s, some.v, some.n));
		uids_clear(&some);
	}
	put_str(s, "\r\n");
}

static void
save(struct imap_session *s, const struct search_job *j)
{
	struct uids some;
	size_t i;

	chosen(j, &some);
	for (i = 0; i < some.n; i++)
		some.v[i] = s->view.v[some.v[i]].uid;
	uids_clear(&s->view.saved);
	s->view.saved = some;
}

static void
free_job(struct job *job)
{
	struct search_job *j = (struct search_job *)job;

	search_free(&j->search);
	uids_clear(&j->positions);
	free(j);
}
