/* SPDX-License-Identifier: ISC */
/* fetch - FETCH and UID FETCH (RFC 9051 6.4.5, 7162, 9394, 9586). */
#include <stdlib.h>

#include "base/mem.h"
#include "fetch.h"
#include "number.h"

#define SEEN_BATCH	64	/* messages whose \Seen is set together */
#define FLAGS_BYTES	256	/* of the system flags, and of all around them */

struct modifiers {
	uint64_t	 since;		/* CHANGEDSINCE; UINT64_MAX: none */
	bool		 vanished;
	bool		 partial;
	int64_t		 from, to;	/* RFC 9394; negative: from the end */
};

struct fetch_job {
	struct job	 job;
	struct fetch	 fetch;
	struct fetch_reader reader;
	struct modifiers mod;
	struct uids	 uids;
	size_t		 at;		/* in uids */
	size_t		 seen_to;	/* \Seen is set up to there */
	size_t		 position;	/* where the next one should be */
	bool		 in_message;
	bool		 flags_only;
	bool		 missing;
	uint32_t	 limited;	/* MESSAGELIMIT; the lowest UID, or 0 */
};

static bool	 take_modifiers(struct imap_session *, struct cursor *,
		    struct fetch_job *);
static bool	 take_partial(struct cursor *, struct modifiers *);
static void	 begin(struct imap_session *, struct fetch_job *,
		    struct set *);
static enum job_state step(struct imap_session *, struct job *);
static void	 write_flags(struct imap_session *, struct fetch_job *);
static bool	 begin_message(struct imap_session *, struct fetch_job *);
static void	 set_seen(struct imap_session *, struct fetch_job *);
static void	 free_job(struct job *);

void
cmd_fetch(struct imap_session *s, struct cursor *c)
{
	struct fetch_job *j = mem_alloc(sizeof(*j));
	struct set set = { 0 };

	j->job = (struct job){ step, free_job };
	j->mod.since = UINT64_MAX;
	if (!cur_sp(c) || !cur_set(c, SET_STAR | SET_SAVED, &set) ||
	    !cur_sp(c) || !fetch_parse(c, &j->fetch) ||
	    !take_modifiers(s, c, j) || !cur_end(c)) {
		bad_args(s, "a set, and what to fetch");
		free_job(&j->job);
	} else
		begin(s, j, &set);
	set_clear(&set);
}

static bool
take_modifiers(struct imap_session *s, struct cursor *c, struct fetch_job *j)
{
	struct modifiers *m = &j->mod;

	if (j->fetch.has & 1u << F_MODSEQ)
		s->enabled |= EN_CONDSTORE;
	if (!cur_sp(c))
		return true;
	if (!cur_open(c))
		return false;
	do {
		if (cur_word(c, "CHANGEDSINCE")) {
			if (!cur_sp(c) || !cur_number64(c, &m->since))
				return false;
		} else if (cur_word(c, "VANISHED"))
			m->vanished = true;
		else if (!s->by_uid || !cur_word(c, "PARTIAL") ||
		    !cur_sp(c) || !take_partial(c, m))
			return false;
	} while (cur_sp(c));
	if (!cur_close(c))
		return false;
	if (m->since != UINT64_MAX)
		s->enabled |= EN_CONDSTORE;
	/* RFC 7162 3.2.6 */
	return !m->vanished || (s->by_uid && m->since != UINT64_MAX &&
	    s->enabled & EN_QRESYNC);
}

static bool
take_partial(struct cursor *c, struct modifiers *m)
{
	m->partial = true;
	return partial_parse(c, &m->from, &m->to);
}

/* "1:100", or "-1:-100" from the end; neither is 0. */
bool
partial_parse(struct cursor *c, int64_t *from_r, int64_t *to_r)
{
	uint32_t a, b;
	bool end = cur_byte(c, '-');

	if (!cur_nz_number(c, &a) || !cur_byte(c, ':') ||
	    end != cur_byte(c, '-') || !cur_nz_number(c, &b))
		return false;
	*from_r = end ? -(int64_t)a : a;
	*to_r = end ? -(int64_t)b : b;
	return true;
}

/* Which of n results: [*first_r, *first_r + *n_r). */
void
partial_range(int64_t from, int64_t to, size_t n, size_t *first_r, size_t *n_r)
{
	int64_t a = from < 0 ? (int64_t)n + from : from - 1;
	int64_t b = to < 0 ? (int64_t)n + to : to - 1, swap;

	if (a > b) {
		swap = a;
		a = b;
		b = swap;
	}
	if (a < 0)
		a = 0;
	if (b >= (int64_t)n)
		b = (int64_t)n - 1;
	*first_r = a > b ? 0 : (size_t)a;
	*n_r = a > b ? 0 : (size_t)(b - a + 1);
}

static void
keep_range(struct uids *u, size_t first, size_t n)
{
	if (n > 0 && first > 0)
		memmove(u->v, u->v + first, n * sizeof(*u->v));
	u->n = n;
}

static void
keep_changed(struct view *v, struct uids *u, uint64_t since)
{
	size_t i, n = 0, p;

	for (i = 0; i < u->n; i++) {
		const struct message_entry *e;

		p = view_position(v, u->v[i]);
		e = view_entry(v, p);
		if (e != NULL && e->modseq > since)
			u->v[n++] = u->v[i];
	}
	u->n = n;
}

static void
begin(struct imap_session *s, struct fetch_job *j, struct set *set)
{
	size_t first, n;

	if (!view_resolve(&s->view, set, s->by_uid, &j->uids)) {
		tagged(s, BAD, NULL, "There is no message of that number");
		free_job(&j->job);
		return;
	}
	if (j->mod.vanished)
		tell_vanished(s, j->mod.since, set);
	if (j->mod.since != UINT64_MAX) {
		keep_changed(&s->view, &j->uids, j->mod.since);
		if ((j->fetch.has & 1u << F_MODSEQ) == 0 &&
		    j->fetch.n < FETCH_ITEMS) {
			j->fetch.items[j->fetch.n++].what = F_MODSEQ;
			j->fetch.has |= 1u << F_MODSEQ;
		}
	}
	if (j->mod.partial) {
		partial_range(j->mod.from, j->mod.to, j->uids.n, &first, &n);
		keep_range(&j->uids, first, n);
	}
	if (j->uids.n > MESSAGE_LIMIT) {
		/* RFC 9738 section 3.1: the highest are answered. */
		keep_range(&j->uids, j->uids.n - MESSAGE_LIMIT, MESSAGE_LIMIT);
		j->limited = j->uids.v[0];
	}
	j->fetch.sets_seen = j->fetch.sets_seen && !s->read_only;
	j->flags_only = (j->fetch.has & ~(1u << F_UID)) == 1u << F_FLAGS &&
	    (s->enabled & EN_CONDSTORE) == 0;
	j->reader.s = s;
	j->reader.f = &j->fetch;
	j->reader.by_uid = s->by_uid;
	buf_init(&j->reader.decoded, OUT_BYTES);
	buf_init(&j->reader.window, OUT_BYTES);
	session_work(s, &j->job);
}

static enum job_state
step(struct imap_session *s, struct job *job)
{
	struct fetch_job *j = (struct fetch_job *)job;
	char code[64];

	if (j->flags_only)
		write_flags(s, j);
	while (s->out.n < PIECE_BYTES && j->at < j->uids.n && !s->stuck) {
		if (!j->in_message && !begin_message(s, j))
			continue;
		j->in_message = fetch_go_on(&j->reader);
		if (!j->in_message)
			j->at++;
	}
	if (j->at < j->uids.n || j->in_message)
		return s->stuck ? JOB_LATER : JOB_MORE;
	if (j->limited != 0) {
		snprintf(code, sizeof(code), "MESSAGELIMIT %d %u",
		    MESSAGE_LIMIT, j->limited);
		tagged(s, OK, code, "Only a part was fetched");
	} else if (j->reader.trouble != NULL)
		tagged(s, NO, j->reader.trouble, "Not all could be fetched");
	else if (j->missing)
		tagged(s, OK, "EXPUNGEISSUED", "Some messages are gone");
	else
		tagged(s, OK, NULL, "Done");
	return JOB_DONE;
}

static size_t
position_of(struct imap_session *s, struct fetch_job *j)
{
	uint32_t uid = j->uids.v[j->at];

	if (j->position >= s->view.n || s->view.v[j->position].uid != uid)
		j->position = view_position(&s->view, uid);
	return j->position++;
}

static bool
begin_message(struct imap_session *s, struct fetch_job *j)
{
	size_t position;

	if (j->fetch.sets_seen && j->at == j->seen_to)
		set_seen(s, j);
	position = position_of(s, j);
	if (fetch_begin(&j->reader, position)) {
		j->in_message = true;
		return true;
	}
	j->missing = true;
	j->at++;
	return false;
}

/* Of the next messages together: one record of the log, not one each. */
static void
set_seen(struct imap_session *s, struct fetch_job *j)
{
	struct flag_request q = { .how = FLAGS_ADD, .flags = FLAG_SEEN,
		.unchanged_since = UINT64_MAX };
	const struct message_entry *e;
	uint32_t todo[SEEN_BATCH];
	size_t n = 0, end = j->at + SEEN_BATCH;
	uint64_t modseq;

	for (; j->seen_to < j->uids.n && j->seen_to < end; j->seen_to++) {
		e = mailbox_find(s->view.mailbox, j->uids.v[j->seen_to]);
		if (e != NULL && (e->flags & FLAG_SEEN) == 0)
			todo[n++] = e->uid;
	}
	if (n == 0)
		return;
	if (mailbox_set_flags(s->view.mailbox, (struct uid_list){ todo, n },
	    &q, NULL, NULL, &modseq) == STORE_OK)
		changed(s, mailbox_name(s->view.mailbox));
}

/* What clients ask most, of the whole mailbox: a straight walk. */
static void
write_flags(struct imap_session *s, struct fetch_job *j)
{
	bool uid = s->by_uid || j->fetch.has & 1u << F_UID;
	const struct message_entry *e;
	struct told *t;
	size_t position;
	char *p;

	if (s->enabled & EN_UIDONLY)
		return;
	while (s->out.n < PIECE_BYTES && j->at < j->uids.n) {
		position = position_of(s, j);
		e = view_entry(&s->view, position);
		j->at++;
		if (e == NULL) {
			j->missing = true;
			continue;
		}
		p = buf_reserve(&s->out, FLAGS_BYTES);
		if (p == NULL) {
			s->stuck = true;
			return;
		}
		memcpy(p, "* ", 2);
		p = number_write(p + 2, position + 1);
		memcpy(p, " FETCH (", 8);
		p += 8;
		if (uid) {
			memcpy(p, "UID ", 4);
			p = number_write(p + 4, e->uid);
			*p++ = ' ';
		}
		memcpy(p, "FLAGS ", 6);
		s->out.n = (size_t)(p + 6 - s->out.p);
		put_flag_list(s, e->flags, e->keywords);
		put(s, SLICE_LIT(")\r\n"));
		t = &s->view.v[position];
		t->flags = e->flags;
		t->keywords = e->keywords;
		t->modseq = e->modseq;
	}
}

static void
free_job(struct job *job)
{
	struct fetch_job *j = (struct fetch_job *)job;

	fetch_reader_clear(&j->reader);
	uids_clear(&j->uids);
	free(j);
}

void
fetch_tell(struct imap_session *s, const struct fetch *f, size_t position)
{
	struct fetch_reader r = { .s = s, .f = f, .by_uid = true };

	buf_init(&r.decoded, OUT_BYTES);
	buf_init(&r.window, OUT_BYTES);
	if (!fetch_begin(&r, position))
		return;
	while (fetch_go_on(&r) && !s->stuck)
		if (s->out.n >= PIECE_BYTES)
			flush(s);
	fetch_reader_clear(&r);
}
