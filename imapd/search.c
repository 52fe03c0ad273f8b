/* SPDX-License-Identifier: ISC */
/*
 * search - evaluates criteria, message by message; see search.h, criteria.h.
 *
 * What the index knows is asked first, then what the summary knows; the message
 * itself is read only if nothing else has decided.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "criteria.h"

#define DAY_MS		INT64_C(86400000)
#define LOOK_EVERY	256	/* messages between two looks at the clock... */
#define LOOK_READ	8	/* ... when they are read */

static void	 settle(struct search *, struct criterion *);
static void	 look_at(struct search *);
static bool	 matches(struct search *, const struct criterion *,
		    const struct message_entry *);
static bool	 matches_entry(struct search *, const struct criterion *,
		    const struct message_entry *);
static bool	 is_id(struct slice, char prefix, const uint8_t guid[16]);
static int64_t	 day_of(int64_t ms);

struct search *
search_new(size_t bytes)
{
	struct search *s = mem_alloc(sizeof(*s));

	s->arena = ARENA_INIT(bytes + SEARCH_KEYS * sizeof(struct criterion));
	return s;
}

void
search_free(struct search **ps)
{
	struct search *s = *ps;
	struct criterion *k;

	*ps = NULL;
	if (s == NULL)
		return;
	for (k = s->all; k != NULL; k = k->all)
		set_clear(&k->set);
	candidate_free(&s->candidate);
	uids_clear(&s->hits);
	uids_clear(&s->saved);
	arena_clear(&s->arena);
	free(s);
}

bool
search_uses_modseq(const struct search *s)
{
	return s->uses_modseq;
}

void
search_wants_summaries(struct search *s)
{
	s->wants_summaries = true;
}

void
search_begin(struct search *s, struct view *view)
{
	struct criterion *k;

	s->view = view;
	s->at = 0;
	s->hits.n = 0;
	if (s->candidate == NULL)
		s->candidate = candidate_new();
	uids_clear(&s->saved);
	uids_copy(&s->saved, &view->saved);
	for (k = s->all; k != NULL; k = k->all)
		settle(s, k);
}

/* A number above what there is matches none. */
static void
settle(struct search *s, struct criterion *k)
{
	const struct view *v = s->view;

	if (k->kind == C_SEQUENCE)
		set_settle(&k->set, (uint32_t)v->n);
	else if (k->kind == C_UIDS)
		set_settle(&k->set, v->n > 0 ? v->v[v->n - 1].uid : 0);
	else if (k->kind == C_KEYWORD)
		k->bit = mailbox_keyword(v->mailbox, k->name, false);
}

enum search_state
search_step(struct search *s, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	bool reads = s->root->cost > COST_ENTRY || s->wants_summaries;
	size_t every = reads ? LOOK_READ : LOOK_EVERY;

	while (s->at < s->view->n) {
		look_at(s);
		if (++s->at % every == 0 && s->at < s->view->n &&
		    clock_mono_ms() > until)
			return SEARCH_GOING_ON;
	}
	candidate_set(s->candidate, NULL, 0);
	return SEARCH_DONE;
}

static void
look_at(struct search *s)
{
	const struct message_entry *e = view_entry(s->view, s->at);
	bool reads = s->root->cost > COST_ENTRY;
	struct message_entry entry;
	struct slice summary;

	if (e == NULL)
		return;
	/* Looking into a message may take in what others have changed. */
	entry = *e;
	if (reads)
		candidate_set(s->candidate, s->view->mailbox, entry.uid);
	if (!matches(s, s->root, &entry) ||
	    (reads && candidate_failed(s->candidate)))
		return;
	uids_add(&s->hits, (uint32_t)s->at);
	if (s->wants_summaries)
		mailbox_summary(s->view->mailbox, entry.uid, &summary);
}

void
search_progress(const struct search *s, uint32_t *done_r, uint32_t *all_r)
{
	*done_r = (uint32_t)s->at;
	*all_r = (uint32_t)s->view->n;
}

const struct uids *
search_hits(const struct search *s)
{
	return &s->hits;
}

/* Recursion ends at SEARCH_DEPTH. */
static bool
matches(struct search *s, const struct criterion *k,
    const struct message_entry *e)
{
	const struct criterion *child;
	uint8_t id[16];
	int64_t day;

	switch (k->kind) {
	case C_NOT:
		return !matches(s, k->first, e);
	case C_AND:
		for (child = k->first; child != NULL; child = child->next)
			if (!matches(s, child, e))
				return false;
		return true;
	case C_OR:
		for (child = k->first; child != NULL; child = child->next)
			if (matches(s, child, e))
				return true;
		return false;
	case C_SENT_DAY:
		return candidate_sent_day(s->candidate, &day) &&
		    day >= k->least && day <= k->most;
	case C_THREADID:
		return candidate_thread(s->candidate, id) &&
		    is_id(k->name, 'T', id);
	case C_SUBJECT:
		return candidate_subject_has(s->candidate, k->needle);
	case C_HEADER:
		return candidate_header_has(s->candidate, k->name, k->needle);
	case C_BODY:
		return candidate_text_has(s->candidate, k->needle, false);
	case C_TEXT:
		return candidate_text_has(s->candidate, k->needle, true);
	case C_ALL:
	case C_FLAGS:
	case C_KEYWORD:
	case C_SEQUENCE:
	case C_UIDS:
	case C_UID_RANGE:
	case C_SAVED:
	case C_SIZE:
	case C_INTERNAL_DAY:
	case C_INTERNAL_AGE:
	case C_SAVED_DAY:
	case C_MODSEQ:
	case C_EMAILID:
		break;
	}
	return matches_entry(s, k, e);
}

static bool
within(const struct criterion *k, int64_t v)
{
	return v >= k->least && v <= k->most;
}

static bool
facts_of(struct search *s, const struct message_entry *e, unsigned wanted,
    struct message_facts *f)
{
	return mailbox_facts(s->view->mailbox, e->uid, wanted, f) == STORE_OK;
}

static bool
matches_entry(struct search *s, const struct criterion *k,
    const struct message_entry *e)
{
	const struct told *told = &s->view->v[s->at];
	uint8_t flags = e->flags | (told->flags & FLAG_RECENT);
	struct message_facts f;

	switch ((int)k->kind) {
	case C_ALL:
		return true;
	case C_FLAGS:
		return (flags & k->mask) == k->want;
	case C_KEYWORD:
		return (k->bit >= 0 && (e->keywords >> k->bit & 1) != 0) ==
		    (k->want != 0);
	case C_SEQUENCE:
		return set_has(&k->set, (uint32_t)s->at + 1);
	case C_UIDS:
		return set_has(&k->set, e->uid);
	case C_UID_RANGE:
		return within(k, e->uid);
	case C_SAVED:
		return uids_have(&s->saved, e->uid);
	case C_SIZE:
		return facts_of(s, e, FACT_SIZE, &f) && within(k,
		    f.size > INT64_MAX ? INT64_MAX : (int64_t)f.size);
	case C_INTERNAL_DAY:
		return facts_of(s, e, FACT_DATES, &f) &&
		    within(k, day_of(f.internal_ms));
	case C_INTERNAL_AGE:
		return facts_of(s, e, FACT_DATES, &f) &&
		    within(k, f.internal_ms);
	case C_SAVED_DAY:
		return facts_of(s, e, FACT_DATES, &f) &&
		    within(k, day_of(f.saved_ms));
	case C_MODSEQ:
		return e->modseq >= (uint64_t)k->least;
	case C_EMAILID:
		return facts_of(s, e, FACT_GUID, &f) &&
		    is_id(k->name, 'M', f.guid);
	}
	return false;
}

/* A letter and 32 hexadecimal digits, as FETCH answers. */
static bool
is_id(struct slice id, char prefix, const uint8_t guid[16])
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	if (id.n != 33 || id.p[0] != prefix)
		return false;
	for (i = 0; i < 16; i++)
		if (id.p[1 + 2 * i] != hex[guid[i] >> 4] ||
		    id.p[2 + 2 * i] != hex[guid[i] & 15])
			return false;
	return true;
}

static int64_t
day_of(int64_t ms)
{
	return ms >= 0 ? ms / DAY_MS : -((DAY_MS - 1 - ms) / DAY_MS);
}
