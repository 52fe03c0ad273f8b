/* SPDX-License-Identifier: ISC */
/*
 * list - LIST, LSUB, STATUS (RFC 9051 6.3.9, 6.3.11, 5258, 5819, 6154).
 *
 * The store's list is taken as it is at the beginning, and answered as the
 * client reads, with a STATUS behind each name where it wants that.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "imap.h"
#include "mail/utf8.h"
#include "pattern.h"

#define LIST_PATTERNS	32	/* of one LIST */
#define NAMES_BYTES	(64 * 1024 * 1024)

enum {
	SEL_SUBSCRIBED = 1, SEL_REMOTE = 2, SEL_RECURSIVE = 4, SEL_SPECIAL = 8,
	RET_SUBSCRIBED = 1, RET_CHILDREN = 2, RET_SPECIAL = 4, RET_STATUS = 8,
};

struct listed {
	size_t		 at, n;		/* the name, in ->names */
	bool		 exists, has_children, subscribed;
	bool		 below;		/* something below is subscribed */
	unsigned	 special_use;
};

struct list_job {
	struct job	 job;
	bool		 lsub;
	bool		 extended;	/* the syntax of RFC 5258 was used */
	bool		 wants_delimiter; /* the only pattern is empty */
	unsigned	 select, ret, status;
	struct slice	 patterns[LIST_PATTERNS];
	size_t		 npatterns;
	struct buf	 names;
	struct listed	*v;		/* owned */
	size_t		 n, cap, at;
	size_t		*sorted;	/* owned: indices by name */
};

static bool	 take_list(struct imap_session *, struct cursor *,
		    struct list_job *);
static bool	 take_select(struct cursor *, struct list_job *);
static bool	 take_patterns(struct imap_session *, struct cursor *,
		    struct slice reference, struct list_job *);
static bool	 take_return(struct imap_session *, struct cursor *,
		    struct list_job *);
static void	 begin(struct imap_session *, struct list_job *);
static bool	 add_entry(void *, const struct mailbox_entry *);
static void	 mark_above(struct list_job *);
static enum job_state step(struct imap_session *, struct job *);
static bool	 is_wanted(const struct list_job *, const struct listed *);
static void	 tell(struct imap_session *, const struct list_job *,
		    const struct listed *);
static void	 free_job(struct job *);
static bool	 status_items_parse(struct imap_session *, struct cursor *,
		    unsigned *items_r);

void
cmd_list(struct imap_session *s, struct cursor *c)
{
	struct list_job *j = mem_alloc(sizeof(*j));

	j->job = (struct job){ step, free_job };
	buf_init(&j->names, NAMES_BYTES);
	if (take_list(s, c, j) && cur_end(c))
		begin(s, j);
	else {
		bad_args(s, "a reference and patterns");
		free_job(&j->job);
	}
}

void
cmd_lsub(struct imap_session *s, struct cursor *c)
{
	struct list_job *j = mem_alloc(sizeof(*j));
	struct slice reference;

	j->job = (struct job){ step, free_job };
	buf_init(&j->names, NAMES_BYTES);
	j->lsub = true;
	j->select = SEL_SUBSCRIBED;
	if (cur_sp(c) && cur_astring(c, &reference) && cur_sp(c) &&
	    take_patterns(s, c, reference, j) && cur_end(c))
		begin(s, j);
	else {
		bad_args(s, "a reference and a pattern");
		free_job(&j->job);
	}
}

static bool
take_list(struct imap_session *s, struct cursor *c, struct list_job *j)
{
	struct slice reference;

	if (!cur_sp(c) || (cur_peek(c) == '(' &&
	    (!take_select(c, j) || !cur_sp(c))))
		return false;
	return cur_astring(c, &reference) && cur_sp(c) &&
	    take_patterns(s, c, reference, j) &&
	    (!cur_sp_word(c, "RETURN") || take_return(s, c, j));
}

static bool
take_select(struct cursor *c, struct list_job *j)
{
	static const struct { const char *name; unsigned bit; } options[] = {
		{ "SUBSCRIBED", SEL_SUBSCRIBED }, { "REMOTE", SEL_REMOTE },
		{ "RECURSIVEMATCH", SEL_RECURSIVE },
		{ "SPECIAL-USE", SEL_SPECIAL },
	};
	size_t i;

	j->extended = true;
	if (!cur_open(c))
		return false;
	if (cur_close(c))
		return true;
	do {
		for (i = 0; i < 4 && !cur_word(c, options[i].name); i++)
			;
		if (i == 4)
			return false;
		j->select |= options[i].bit;
	} while (cur_sp(c));
	/* RFC 5258 3: not by itself. */
	return cur_close(c) && ((j->select & SEL_RECURSIVE) == 0 ||
	    j->select & (SEL_SUBSCRIBED | SEL_SPECIAL));
}

/* The reference is what a name starts with. */
static bool
add_pattern(struct imap_session *s, struct slice reference, struct slice text,
    struct list_job *j)
{
	struct buf whole = BUF_INIT(2 * STORE_NAME_BYTES);
	struct buf eight = BUF_INIT(2 * STORE_NAME_BYTES);
	struct slice p;
	bool good;

	if (j->npatterns == LIST_PATTERNS)
		return false;
	good = buf_add(&whole, reference) == 0 && buf_add(&whole, text) == 0;
	p = buf_slice(&whole);
	if (good && !speaks_utf8(s) && mutf7_decode(p, &eight) == PARSE_OK)
		p = buf_slice(&eight);
	good = good &&
	    arena_copy(&s->arena, p, &j->patterns[j->npatterns]) == 0;
	j->npatterns++;
	buf_clear(&whole);
	buf_clear(&eight);
	return good;
}

static bool
take_patterns(struct imap_session *s, struct cursor *c, struct slice reference,
    struct list_job *j)
{
	struct slice text;

	if (!cur_open(c)) {
		if (!cur_list_mailbox(c, &text))
			return false;
		j->wants_delimiter = text.n == 0;
		return add_pattern(s, reference, text, j);
	}
	j->extended = true;
	do {
		if (!cur_list_mailbox(c, &text) ||
		    !add_pattern(s, reference, text, j))
			return false;
	} while (cur_sp(c));
	return cur_close(c);
}

static bool
take_return(struct imap_session *s, struct cursor *c, struct list_job *j)
{
	j->extended = true;
	if (!cur_sp(c) || !cur_open(c))
		return false;
	if (cur_close(c))
		return true;
	do {
		if (cur_word(c, "SUBSCRIBED"))
			j->ret |= RET_SUBSCRIBED;
		else if (cur_word(c, "CHILDREN"))
			j->ret |= RET_CHILDREN;
		else if (cur_word(c, "SPECIAL-USE"))
			j->ret |= RET_SPECIAL;
		else if (!cur_word(c, "STATUS") || !cur_sp(c) ||
		    !status_items_parse(s, c, &j->status))
			return false;
		else
			j->ret |= RET_STATUS;
	} while (cur_sp(c));
	return cur_close(c);
}

static void
begin(struct imap_session *s, struct list_job *j)
{
	enum store_result r;

	/* RFC 9051 6.3.9: what the delimiter is. */
	if (j->wants_delimiter && !j->lsub) {
		say(s, "* LIST (\\Noselect) \"%c\" \"\"", DELIMITER);
		tagged(s, OK, NULL, "Done");
		free_job(&j->job);
		return;
	}
	r = store_list(s->store, add_entry, j);
	if (r != STORE_OK) {
		store_refused(s, r);
		free_job(&j->job);
		return;
	}
	if (j->lsub || j->select & SEL_RECURSIVE)
		mark_above(j);
	session_work(s, &j->job);
}

static struct listed *
add_name(struct list_job *j, struct slice name)
{
	struct listed *l;
	size_t at = j->names.n;

	if (buf_add(&j->names, name) == -1)
		return NULL;
	j->v = mem_room(j->v, j->n, &j->cap, sizeof(*j->v), 16);
	l = &j->v[j->n++];
	*l = (struct listed){ .at = at, .n = name.n };
	return l;
}

static bool
add_entry(void *arg, const struct mailbox_entry *e)
{
	struct listed *l = add_name(arg, e->name);

	if (l == NULL)
		return false;
	l->exists = e->exists;
	l->has_children = e->has_children;
	l->subscribed = e->subscribed;
	l->special_use = e->special_use;
	return true;
}

static struct slice
name_of(const struct list_job *j, const struct listed *l)
{
	return slice_of(j->names.p + l->at, l->n);
}

/* ---- what is above something subscribed ---------------------------------- */

static int
by_name(const void *va, const void *vb, void *arg)
{
	const struct list_job *j = arg;
	const size_t *a = va, *b = vb;

	return slice_cmp(name_of(j, &j->v[*a]), name_of(j, &j->v[*b]));
}

static struct listed *
find(struct list_job *j, size_t n, struct slice name)
{
	size_t low = 0, high = n, mid;
	int d;

	while (low < high) {
		mid = low + (high - low) / 2;
		d = slice_cmp(name_of(j, &j->v[j->sorted[mid]]), name);
		if (d == 0)
			return &j->v[j->sorted[mid]];
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void
mark_above(struct list_job *j)
{
	struct slice name;
	struct listed *l;
	size_t i, n = j->n, end;

	j->sorted = mem_array(n + 1, sizeof(*j->sorted));
	for (i = 0; i < n; i++)
		j->sorted[i] = i;
	qsort_r(j->sorted, n, sizeof(*j->sorted), by_name, j);
	for (i = 0; i < n; i++) {
		if (j->select & SEL_SUBSCRIBED ? !j->v[i].subscribed :
		    j->v[i].special_use == 0)
			continue;
		name = name_of(j, &j->v[i]);
		while ((end = slice_rfind(name, DELIMITER)) < name.n) {
			name.n = end;
			l = find(j, n, name);
			if (l != NULL)
				l->below = true;
		}
	}
}

/* ---- the answer ---------------------------------------------------------- */

static enum job_state
step(struct imap_session *s, struct job *job)
{
	struct list_job *j = (struct list_job *)job;
	const struct listed *l;

	while (s->out.n < PIECE_BYTES && j->at < j->n) {
		l = &j->v[j->at++];
		if (is_wanted(j, l))
			tell(s, j, l);
	}
	if (j->at < j->n)
		return JOB_MORE;
	tagged(s, OK, NULL, "Done");
	return JOB_DONE;
}

static bool
is_wanted(const struct list_job *j, const struct listed *l)
{
	bool self = true;
	size_t i;

	if (j->select & SEL_SUBSCRIBED)
		self = l->subscribed;
	if (j->select & SEL_SPECIAL)
		self = self && l->special_use != 0;
	if ((j->select & (SEL_SUBSCRIBED | SEL_SPECIAL)) == 0)
		self = l->exists || l->has_children;
	if (!self && !(l->below && (j->lsub || j->select & SEL_RECURSIVE)))
		return false;
	for (i = 0; i < j->npatterns; i++) {
		/* What stands for names below it answers "%" only. */
		if (j->lsub && !self && (j->patterns[i].n == 0 ||
		    j->patterns[i].p[j->patterns[i].n - 1] != '%'))
			continue;
		if (pattern_matches(j->patterns[i], name_of(j, l)))
			return true;
	}
	return false;
}

static const struct {
	unsigned	 bit;
	const char	*name;
} special_uses[] = {
	{ SPECIAL_ALL, "\\All" }, { SPECIAL_ARCHIVE, "\\Archive" },
	{ SPECIAL_DRAFTS, "\\Drafts" }, { SPECIAL_FLAGGED, "\\Flagged" },
	{ SPECIAL_JUNK, "\\Junk" }, { SPECIAL_SENT, "\\Sent" },
	{ SPECIAL_TRASH, "\\Trash" }, { SPECIAL_IMPORTANT, "\\Important" },
};

unsigned
special_use_of(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(special_uses) / sizeof(special_uses[0]); i++)
		if (slice_eq_nocase(name, slice_str(special_uses[i].name)))
			return special_uses[i].bit;
	return 0;
}

/* Nothing here gathers messages of other mailboxes. */
bool
special_uses_allowed(unsigned uses)
{
	return uses != 0 && (uses & (SPECIAL_ALL | SPECIAL_FLAGGED)) == 0;
}

static void
put_attribute(struct imap_session *s, const char *name)
{
	if (s->out.p[s->out.n - 1] != '(')
		put_str(s, " ");
	put_str(s, name);
}

static void
put_attributes(struct imap_session *s, const struct list_job *j,
    const struct listed *l)
{
	size_t i;

	put_str(s, "(");
	if (j->lsub) {
		if (!l->subscribed || !l->exists)
			put_attribute(s, "\\Noselect");
		put_str(s, ")");
		return;
	}
	if (!l->exists)
		put_attribute(s, j->extended || s->enabled & EN_REV2 ?
		    "\\NonExistent" : "\\Noselect");
	put_attribute(s, l->has_children ? "\\HasChildren" :
	    "\\HasNoChildren");
	if (l->subscribed && (j->select & SEL_SUBSCRIBED ||
	    j->ret & RET_SUBSCRIBED))
		put_attribute(s, "\\Subscribed");
	for (i = 0; i < sizeof(special_uses) / sizeof(special_uses[0]); i++)
		if (l->special_use & special_uses[i].bit)
			put_attribute(s, special_uses[i].name);
	put_str(s, ")");
}

static void
begin_telling(struct imap_session *s, const struct list_job *j,
    const struct listed *l)
{
	put_str(s, j->lsub ? "* LSUB " : "* LIST ");
	put_attributes(s, j, l);
	put_str(s, " \"/\" ");
	put_mailbox(s, name_of(j, l));
}

void
list_tell(struct imap_session *s, const struct mailbox_entry *e,
    struct slice old)
{
	struct list_job j = { .extended = true, .ret = RET_SUBSCRIBED };

	buf_init(&j.names, NAMES_BYTES);
	if (add_entry(&j, e)) {
		begin_telling(s, &j, &j.v[0]);
		if (old.n > 0) {
			put_str(s, " (\"OLDNAME\" (");
			put_mailbox(s, old);
			put_str(s, "))");
		}
		put_str(s, "\r\n");
	}
	buf_clear(&j.names);
	free(j.v);
}

static void
tell(struct imap_session *s, const struct list_job *j, const struct listed *l)
{
	begin_telling(s, j, l);
	if (l->below && !j->lsub)
		put_str(s, j->select & SEL_SUBSCRIBED ?
		    " (\"CHILDINFO\" (\"SUBSCRIBED\"))" :
		    " (\"CHILDINFO\" (\"SPECIAL-USE\"))");
	put_str(s, "\r\n");
	if (j->ret & RET_STATUS && l->exists)
		status_tell(s, name_of(j, l), j->status);
}

static void
free_job(struct job *job)
{
	struct list_job *j = (struct list_job *)job;

	buf_clear(&j->names);
	free(j->v);
	free(j->sorted);
	free(j);
}

/* ---- STATUS -------------------------------------------------------------- */

static const struct {
	const char	*name;
	unsigned	 bit;
} status_items[] = {
	{ "MESSAGES", STATUS_MESSAGES }, { "UIDNEXT", STATUS_UIDNEXT },
	{ "UIDVALIDITY", STATUS_UIDVALIDITY }, { "UNSEEN", STATUS_UNSEEN },
	{ "DELETED-STORAGE", STATUS_DELETED_STORAGE },
	{ "DELETED", STATUS_DELETED }, { "SIZE", STATUS_SIZE },
	{ "RECENT", STATUS_RECENT },
	{ "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ },
	{ "APPENDLIMIT", STATUS_APPENDLIMIT },
	{ "MAILBOXID", STATUS_MAILBOXID },
};
#define NSTATUS	(sizeof(status_items) / sizeof(status_items[0]))

static bool
status_items_parse(struct imap_session *s, struct cursor *c, unsigned *items_r)
{
	size_t i;

	*items_r = 0;
	if (!cur_open(c))
		return false;
	do {
		for (i = 0; i < NSTATUS && !cur_word(c, status_items[i].name);)
			i++;
		if (i == NSTATUS)
			return false;
		*items_r |= status_items[i].bit;
	} while (cur_sp(c));
	if (*items_r & STATUS_HIGHESTMODSEQ)
		s->enabled |= EN_CONDSTORE;
	return cur_close(c);
}

/* deleted_only: what an EXPUNGE would give back (RFC 9208 4.3). */
static void
put_size(struct imap_session *s, struct slice name, bool deleted_only)
{
	uint64_t bytes;

	if (store_size(s->store, name, deleted_only, &bytes) != STORE_OK)
		bytes = 0;
	put_number(s, bytes);
}

static void
put_status_item(struct imap_session *s, const struct mailbox_status *st,
    struct slice name, unsigned bit)
{
	switch (bit) {
	case STATUS_MESSAGES:
		put_number(s, st->messages);
		break;
	case STATUS_UIDNEXT:
		put_number(s, st->uidnext);
		break;
	case STATUS_UIDVALIDITY:
		put_number(s, st->uidvalidity);
		break;
	case STATUS_UNSEEN:
		put_number(s, st->unseen);
		break;
	case STATUS_DELETED:
		put_number(s, st->deleted);
		break;
	case STATUS_SIZE:
		put_size(s, name, false);
		break;
	case STATUS_RECENT:
		put_number(s, st->recent);
		break;
	case STATUS_HIGHESTMODSEQ:
		put_number(s, st->highestmodseq);
		break;
	case STATUS_APPENDLIMIT:
		if (s->config.append_bytes > 0)
			put_number(s, s->config.append_bytes);
		else
			put_str(s, "NIL");
		break;
	case STATUS_MAILBOXID:
		put_object_id(s, 'F', st->guid);
		break;
	case STATUS_DELETED_STORAGE:
		put_size(s, name, true);
		break;
	}
}

enum store_result
status_tell(struct imap_session *s, struct slice name, unsigned items)
{
	struct mailbox_status st;
	enum store_result r = store_status(s->store, name, &st);
	const char *sep = "";
	size_t i;

	if (r != STORE_OK)
		return r;
	put_str(s, "* STATUS ");
	put_mailbox(s, name);
	put_str(s, " (");
	for (i = 0; i < NSTATUS; i++) {
		if ((items & status_items[i].bit) == 0)
			continue;
		put_str(s, sep);
		put_str(s, status_items[i].name);
		put_str(s, " ");
		put_status_item(s, &st, name, status_items[i].bit);
		sep = " ";
	}
	put_str(s, ")\r\n");
	return STORE_OK;
}

void
cmd_status(struct imap_session *s, struct cursor *c)
{
	struct slice name;
	enum store_result r;
	unsigned items;

	if (!cur_sp(c) || !cur_mailbox(s, c, &name) || !cur_sp(c) ||
	    !status_items_parse(s, c, &items) || !cur_end(c)) {
		bad_args(s, "a mailbox and a list of items");
		return;
	}
	r = status_tell(s, name, items);
	if (r == STORE_OK)
		tagged(s, OK, NULL, "Done");
	else
		store_refused(s, r);
}
