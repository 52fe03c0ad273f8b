/* SPDX-License-Identifier: ISC */
/* state - see state.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/heap.h"
#include "state.h"

#define NAMES_BYTES	UINT32_MAX	/* offsets are 32 bits wide */
#define SNAP_RANGES	1024		/* in one REC_VANISHED */
#define TOUCHED		65536		/* entries, before they are read */
#define FEW_ASKS	16		/* for names, before a table is made */

static bool	 apply_message(struct state *, const struct record *,
		    struct changes *);
static bool	 apply_delivered(struct state *, const struct record *,
		    struct changes *);
static bool	 apply_flags(struct state *, const struct record *, bool own,
		    struct changes *);
static bool	 apply_expunge(struct state *, const struct record *,
		    struct changes *);
static bool	 apply_keyword(struct state *, const struct record *);
static bool	 apply_name(struct state *, const struct record *);
static bool	 apply_move(struct state *, const struct record *);
static bool	 apply_small(struct state *, const struct record *,
		    struct changes *);
static bool	 apply_vanished(struct state *, const struct record *);
static bool	 apply_snap(struct state *, const struct record *);
static bool	 is_missing(const struct state *, size_t i);
static bool	 put_off(struct state *, const struct record *);
static bool	 apply_facts(struct state *, const struct record *);
static bool	 apply_entries(struct state *, const struct record *);
static bool	 apply_rest(struct state *, const struct record *);
static void	 state_set_info(struct state *, size_t i, struct slice info);
static void	 grow(struct state *, size_t cap);
static bool	 add_at(struct state *, const struct message_record *,
		    uint32_t hash, size_t name);
static void	 set_slot(struct state *, size_t i,
		    const struct message_record *, size_t name);
static size_t	 add_names(struct state *, const struct message_record *);
static void	 table_add(struct state *, size_t i);
static void	 table_drop(struct state *);

void
state_init(struct state *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->names, NAMES_BYTES);
	buf_init(&s->unlinks, NAMES_BYTES);
	buf_init(&s->links, NAMES_BYTES);
	buf_init(&s->late, NAMES_BYTES);
	buf_init(&s->move, NAMES_BYTES);
	s->rest_fd = -1;
	s->uidnext = 1;
	s->recent_from = 1;
	s->modseq = 1;
}

void
state_clear(struct state *s)
{
	unsigned i;

	free(s->entries);
	free(s->slots);
	free(s->vanished);
	free(s->table);
	for (i = 0; i < STORE_KEYWORDS; i++)
		free(s->keywords[i]);
	buf_clear(&s->names);
	buf_clear(&s->unlinks);
	buf_clear(&s->links);
	buf_clear(&s->late);
	buf_clear(&s->move);
	if (s->rest_fd != -1)
		close(s->rest_fd);
	state_init(s);
}

/* ---- records ------------------------------------------------------------ */

bool
state_apply(struct state *s, const struct record *r, bool own,
    struct changes *c)
{
	switch (r->type) {
	case REC_ADD:
		return apply_message(s, r, c);
	case REC_DELIVERED:
		return apply_delivered(s, r, c);
	case REC_FLAGS:
		return apply_flags(s, r, own, c);
	case REC_EXPUNGE:
		return apply_expunge(s, r, c);
	case REC_KEYWORD:
		return apply_keyword(s, r);
	case REC_NAME:
		return apply_name(s, r) && put_off(s, r);
	case REC_FACTS:
		return apply_facts(s, r) && put_off(s, r);
	case REC_MOVE:
		return apply_move(s, r);
	case REC_MOVED:
		buf_reset(&s->move);
		s->unlinks_moved = s->unlinks.n > 0;
		return true;
	case REC_ENTRIES:
		return apply_entries(s, r);
	case REC_REST:
		return apply_rest(s, r);
	case REC_VANISHED:
		return apply_vanished(s, r);
	case REC_SNAP:
		return apply_snap(s, r);
	case REC_STAMP:
	case REC_RESERVE:
	case REC_EPOCH:
	case REC_RECENT:
	case REC_TAKEN:
	case REC_UIDL:
		return apply_small(s, r, c);
	case REC_DONE:
		buf_reset(&s->unlinks);
		s->unlinks_moved = false;
		buf_reset(&s->links);
		return true;
	case REC_CACHE:
		break;
	}
	return false;
}

/* The mod-sequence of a record that changes something. */
static uint64_t
next_modseq(struct state *s, const struct record *r)
{
	if (r->modseq == 0)
		s->modseq++;
	else if (r->modseq > s->modseq && r->modseq < UINT64_MAX / 4)
		s->modseq = r->modseq;
	return s->modseq;
}

bool
state_add(struct state *s, const struct message_record *m)
{
	size_t name = s->names.n;

	if (buf_reserve(&s->names, m->base.n + m->info.n + m->uidl.n) == NULL)
		return false;
	if (!add_at(s, m, name_hash(m->base), name))
		return false;
	add_names(s, m);
	return true;
}

bool
state_add_named(struct state *s, const struct message_record *m, uint32_t hash,
    uint32_t name)
{
	struct message_record with_uidl;

	if (m->uidl.n == 0)
		return add_at(s, m, hash, name);
	if (buf_reserve(&s->names, m->base.n + m->info.n + m->uidl.n) == NULL)
		return false;
	/* Names may have moved. */
	with_uidl = *m;
	with_uidl.base.p = s->names.p + name;
	with_uidl.info.p = with_uidl.base.p + m->base.n;
	return state_add(s, &with_uidl);
}

static bool
add_at(struct state *s, const struct message_record *m, uint32_t hash,
    size_t name)
{
	if (m->uid == 0 || m->uid == UINT32_MAX || s->n >= STORE_MESSAGES ||
	    (s->n > 0 && m->uid <= s->entries[s->n - 1].uid))
		return false;
	if (s->n == s->cap)
		grow(s, s->cap * 2 + 64);
	s->entries[s->n] = (struct message_entry){ .uid = m->uid,
		.flags = m->flags, .marks = m->in_new ? MARK_NEW : 0,
		.name_hash = hash, .keywords = m->keywords,
		.modseq = m->modseq };
	set_slot(s, s->n, m, name);
	s->n++;
	if (m->uid >= s->uidnext)
		s->uidnext = m->uid + 1;
	if (s->table != NULL)
		table_add(s, s->n - 1);
	return true;
}

void
state_reserve(struct state *s, size_t n)
{
	if (s->n + n <= s->cap)
		return;
	grow(s, s->n + n + 64);
	heap_touch(s->entries, (s->n + n) * sizeof(*s->entries));
	heap_touch(s->slots, (s->n + n) * sizeof(*s->slots));
}

/* New slots are empty; pages of them that nobody needs are never touched. */
static void
grow(struct state *s, size_t cap)
{
	s->entries = mem_regrow(s->entries, cap, sizeof(*s->entries));
	if (s->slots == NULL)
		s->slots = mem_array(cap, sizeof(*s->slots));
	else {
		s->slots = mem_regrow(s->slots, cap, sizeof(*s->slots));
		memset(s->slots + s->cap, 0,
		    (cap - s->cap) * sizeof(*s->slots));
	}
	s->cap = cap;
}

/* All of a message that is not in its entry. */
static void
set_slot(struct state *s, size_t i, const struct message_record *m,
    size_t name)
{
	s->slots[i] = (struct slot){ .facts = m->facts,
		.name = (uint32_t)name, .base_n = (uint8_t)m->base.n,
		.info_n = (uint8_t)m->info.n, .uidl_n = (uint8_t)m->uidl.n,
		.unknown = m->unknown, .cache_at = m->cache_at,
		.cache_n = m->cache_n, .stored = m->stored };
}

/* Where they begin.  There is room. */
static size_t
add_names(struct state *s, const struct message_record *m)
{
	size_t at = s->names.n;

	buf_add(&s->names, m->base);
	buf_add(&s->names, m->info);
	buf_add(&s->names, m->uidl);
	return at;
}

static bool
apply_message(struct state *s, const struct record *r, struct changes *c)
{
	struct wire w = wire_of(r->body);
	struct message_record m = get_message(&w);

	if (!wire_done(&w))
		return false;
	if (m.modseq == 0 || m.modseq > s->modseq)
		m.modseq = next_modseq(s, r);
	if (!state_add(s, &m))
		return false;
	changes_add(c, m.uid, CHANGE_NEW, m.modseq);
	if (m.in_tmp) {
		buf_add(&s->links, m.base);
		buf_add(&s->links, m.info);
		buf_add_byte(&s->links, '\0');
	}
	return true;
}

bool
state_is_of_boot(const struct state *s, uint32_t boot_s)
{
	uint32_t later = boot_s - (uint32_t)s->boot_s;

	return later <= BOOT_SLACK_S || -later <= BOOT_SLACK_S;
}

static bool
apply_delivered(struct state *s, const struct record *r, struct changes *c)
{
	struct wire w = wire_of(r->body);
	struct message_record m = get_message(&w);

	if (!wire_done(&w))
		return false;
	/* A scan was faster than the worker's record. */
	if (state_may_have_name(s, m.base) && state_find_name(s, m.base) != -1)
		return true;
	/* The machine was started anew between: UIDs may have been seen whose
	 * records are lost (S2). */
	if (m.uid != 0 && !state_is_of_boot(s, m.uid) &&
	    s->uidnext < s->uid_limit)
		s->uidnext = s->uid_limit;
	m.uid = s->uidnext;
	m.modseq = next_modseq(s, r);
	m.cache_at = 0;
	if (!state_add(s, &m))
		return false;
	changes_add(c, m.uid, CHANGE_NEW, m.modseq);
	return true;
}

static bool
ranges_are_good(struct wire w)
{
	struct range r;

	while (get_range(&w, &r))
		continue;
	return wire_done(&w);
}

static bool
apply_flags(struct state *s, const struct record *r, bool own,
    struct changes *c)
{
	struct wire w = wire_of(r->body);
	struct flags_record f = get_flags(&w);
	struct message_entry *e;
	struct range uids;
	uint64_t modseq;
	size_t i;

	if (!ranges_are_good(w))
		return false;
	modseq = next_modseq(s, r);
	while (get_range(&w, &uids))
		for (i = state_lower(s, uids.lo); i < s->n &&
		    s->entries[i].uid <= uids.hi; i++) {
			e = &s->entries[i];
			e->flags = (uint8_t)((e->flags & ~f.del) | f.add);
			e->keywords = (e->keywords & ~f.kdel) | f.kadd;
			e->modseq = modseq;
			if (!own)
				changes_add(c, e->uid, CHANGE_FLAGS, modseq);
		}
	return true;
}

static void
vanish(struct state *s, uint32_t uid, uint64_t modseq)
{
	struct vanished *v;
	size_t half;

	if (s->nvanished > 0) {
		v = &s->vanished[s->nvanished - 1];
		if (v->modseq == modseq && v->uids.hi + 1 == uid) {
			v->uids.hi = uid;
			return;
		}
	}
	if (s->nvanished == VANISHED_MAX) {
		half = VANISHED_MAX / 2;
		s->vanished_floor = s->vanished[half - 1].modseq;
		memmove(s->vanished, s->vanished + half,
		    (s->nvanished - half) * sizeof(*s->vanished));
		s->nvanished -= half;
	}
	s->vanished = mem_room(s->vanished, s->nvanished, &s->vanished_cap,
	    sizeof(*s->vanished), 16);
	s->vanished[s->nvanished++] = (struct vanished){ { uid, uid }, modseq };
}

static bool
apply_expunge(struct state *s, const struct record *r, struct changes *c)
{
	struct wire w = wire_of(r->body);
	struct range uids;
	uint64_t modseq;
	size_t i;

	if (!ranges_are_good(w) || s->partial > 0)
		return false;
	modseq = next_modseq(s, r);
	while (get_range(&w, &uids))
		for (i = state_lower(s, uids.lo); i < s->n &&
		    s->entries[i].uid <= uids.hi; i++) {
			if (state_is_gone(s, i))
				continue;
			state_mark_gone(s, i);
			state_path(s, i, &s->unlinks);
			buf_add_byte(&s->unlinks, '\0');
			vanish(s, s->entries[i].uid, modseq);
			changes_add(c, s->entries[i].uid, CHANGE_EXPUNGED,
			    modseq);
		}
	return true;
}

static bool
apply_keyword(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	uint8_t bit = get_u8(&w);
	struct slice name = get_text(&w, STORE_KEYWORD_BYTES);

	if (!wire_done(&w) || bit >= STORE_KEYWORDS || name.n == 0)
		return false;
	free(s->keywords[bit]);
	s->keywords[bit] = mem_slicedup(name);
	return true;
}

static bool
apply_name(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	uint32_t uid = get_u32(&w);
	bool in_new = get_bool(&w);
	struct slice info = get_slice(&w, MESSAGE_NAME_BYTES);
	ssize_t i;

	if (!wire_done(&w) || memchr(info.p, '/', info.n) != NULL ||
	    memchr(info.p, '\0', info.n) != NULL)
		return false;
	i = state_find(s, uid);
	if (i == -1)
		return true;
	if (s->slots[i].base_n + info.n > MESSAGE_NAME_BYTES)
		return false;
	s->entries[i].marks = (uint8_t)((s->entries[i].marks & ~MARK_NEW) |
	    (in_new ? MARK_NEW : 0));
	if (!is_missing(s, (size_t)i))
		state_set_info(s, (size_t)i, info);
	return true;
}

/* ---- what a snapshot has in two parts ------------------------------------ */

static bool
is_missing(const struct state *s, size_t i)
{
	return i < s->partial;
}

/* Kept until the slots are there. */
static bool
put_off(struct state *s, const struct record *r)
{
	return s->partial == 0 || (put_u8(&s->late, (uint8_t)r->type) == 0 &&
	    put_slice(&s->late, r->body) == 0);
}

static bool
apply_facts(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	struct facts_record f;
	struct slot *t;
	ssize_t i;

	while (!w.bad && w.rest.n > 0) {
		f = get_facts(&w);
		i = w.bad ? -1 : state_find(s, f.uid);
		if (i == -1 || is_missing(s, (size_t)i))
			continue;
		t = &s->slots[i];
		t->unknown = f.unknown;
		t->facts.size = f.size;
		t->facts.internal_ms = f.internal_ms;
		t->facts.saved_ms = f.saved_ms;
		t->stored = f.stored;
		t->facts_late = false;
	}
	return wire_done(&w);
}

static bool
apply_entries(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	struct entry_record e;
	ssize_t i;

	while (!w.bad && w.rest.n > 0) {
		e = get_entry(&w);
		if (w.bad || e.uid == 0 || e.uid == UINT32_MAX)
			return false;
		if (s->salvage) {
			i = state_find(s, e.uid);
			if (i == -1)
				continue;
			s->entries[i].flags = e.flags;
			s->entries[i].keywords = e.keywords;
			s->entries[i].modseq = e.modseq;
			continue;
		}
		if (s->n != s->partial || s->n >= STORE_MESSAGES ||
		    (s->n > 0 && e.uid <= s->entries[s->n - 1].uid))
			return false;
		if (s->n == s->cap)
			grow(s, s->cap * 2 + 64);
		s->entries[s->n++] = (struct message_entry){ .uid = e.uid,
			.flags = e.flags, .marks = e.in_new ? MARK_NEW : 0,
			.name_hash = e.name_hash, .keywords = e.keywords,
			.modseq = e.modseq };
		s->partial = s->n;
	}
	return wire_done(&w);
}

/* Without its entry a message has the flags of its name. */
static void
salvage_rest(struct state *s, struct message_record *m)
{
	info_parse(m->info, &m->flags, &m->keywords);
	m->modseq = s->modseq;
	(void)state_add(s, m);
}

static bool
apply_rest(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	struct message_record m;

	while (!w.bad && w.rest.n > 0) {
		m = get_message_rest(&w);
		if (w.bad)
			return false;
		if (s->salvage) {
			salvage_rest(s, &m);
			continue;
		}
		if (s->nrest >= s->partial ||
		    s->entries[s->nrest].uid != m.uid ||
		    s->entries[s->nrest].name_hash != name_hash(m.base) ||
		    buf_reserve(&s->names, m.base.n + m.info.n +
		    m.uidl.n) == NULL)
			return false;
		set_slot(s, s->nrest++, &m, add_names(s, &m));
	}
	return wire_done(&w);
}

bool
state_needs_rest(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	struct message_record m;

	if (s->partial == 0)
		return false;
	if (r->type == REC_EXPUNGE)
		return true;
	if (r->type != REC_DELIVERED)
		return false;
	m = get_message(&w);
	return !w.bad && state_may_have_name(s, m.base);
}

bool
state_end_rest(struct state *s)
{
	struct wire w;
	struct record r = { 0 };

	if (s->nrest != s->partial)
		return false;
	s->partial = s->nrest = 0;
	if (s->rest_fd != -1)
		close(s->rest_fd);
	s->rest_fd = -1;
	for (w = wire_of(buf_slice(&s->late)); !w.bad && w.rest.n > 0;) {
		r.type = (enum record_type)get_u8(&w);
		r.body = get_slice(&w, RECORD_BYTES);
		if (!w.bad)
			(void)state_apply(s, &r, true, NULL);
	}
	buf_clear(&s->late);
	buf_init(&s->late, NAMES_BYTES);
	return true;
}

void
state_mark_gone(struct state *s, size_t i)
{
	if (state_is_gone(s, i))
		return;
	s->entries[i].marks |= MARK_GONE;
	s->ngone++;
}

static bool
apply_move(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);

	get_slice(&w, STORE_NAME_BYTES);
	while (!w.bad && w.rest.n > 0) {
		get_u32(&w);
		get_slice(&w, MESSAGE_NAME_BYTES);
	}
	return wire_done(&w) && put_slice(&s->move, r->body) == 0;
}

static bool
apply_epoch(struct state *s, struct wire *w, struct changes *c)
{
	uint32_t uidnext = get_u32(w);
	uint64_t modseq = get_u64(w);
	size_t i;

	if (!wire_done(w) || modseq >= UINT64_MAX / 4)
		return false;
	if (uidnext > s->uidnext)
		s->uidnext = uidnext;
	s->modseq = modseq > s->modseq ? modseq : s->modseq + 1;
	s->vanished_floor = s->modseq;
	s->nvanished = 0;
	for (i = 0; i < s->n; i++) {
		s->entries[i].modseq = s->modseq;
		changes_add(c, s->entries[i].uid, CHANGE_FLAGS, s->modseq);
	}
	return true;
}

static bool
apply_taken(struct state *s, struct wire *w)
{
	uint8_t kind = get_enum(w, TAKEN_KINDS - 1);
	struct taken t;

	t.mtime_ns = (int64_t)get_u64(w);
	t.size = get_u64(w);
	if (!wire_done(w))
		return false;
	s->taken[kind] = t;
	return true;
}

static bool
apply_reserve(struct state *s, struct wire *w)
{
	uint32_t uid = get_u32(w);
	uint64_t modseq = get_u64(w);
	int64_t boot_s = (int64_t)get_u64(w);

	if (!wire_done(w) || modseq >= UINT64_MAX / 4)
		return false;
	if (uid > s->uid_limit)
		s->uid_limit = uid;
	if (modseq > s->modseq_limit)
		s->modseq_limit = modseq;
	s->boot_s = boot_s;
	return true;
}

/* Records of a number or two. */
static bool
apply_small(struct state *s, const struct record *r, struct changes *c)
{
	struct wire w = wire_of(r->body);
	struct stamp a, b;
	uint64_t v;

	if (r->type == REC_RESERVE)
		return apply_reserve(s, &w);
	if (r->type == REC_TAKEN)
		return apply_taken(s, &w);
	if (r->type == REC_EPOCH)
		return apply_epoch(s, &w, c);
	if (r->type == REC_STAMP) {
		a = get_stamp(&w);
		b = get_stamp(&w);
		v = get_u64(&w);
		if (!wire_done(&w))
			return false;
		s->new_stamp = a;
		s->cur_stamp = b;
		s->scanned_ms = (int64_t)v;
		return true;
	}
	v = r->type == REC_UIDL ? get_u8(&w) : get_u32(&w);
	if (!wire_done(&w))
		return false;
	if (r->type == REC_RECENT)
		s->recent_from = (uint32_t)v;
	else
		s->uidl_format = (uint8_t)v;
	return true;
}

static bool
apply_vanished(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	struct range uids;
	uint64_t modseq;

	modseq = get_u64(&w);
	if (w.bad || !ranges_are_good(w))
		return false;
	while (get_range(&w, &uids)) {
		if (s->nvanished >= VANISHED_MAX)
			return false;
		s->vanished = mem_room(s->vanished, s->nvanished, &s->vanished_cap,
		    sizeof(*s->vanished), 16);
		s->vanished[s->nvanished++] = (struct vanished){ uids, modseq };
	}
	return true;
}

static bool
apply_snap(struct state *s, const struct record *r)
{
	struct wire w = wire_of(r->body);
	struct snap_record v = get_snap(&w);

	if (!wire_done(&w))
		return false;
	s->uidnext = v.uidnext;
	s->uid_limit = v.uid_limit;
	s->recent_from = v.recent_from;
	s->modseq = v.modseq;
	s->modseq_limit = v.modseq_limit;
	s->vanished_floor = v.vanished_floor;
	s->boot_s = v.boot_s;
	s->cache_id = v.cache_id;
	s->cache_end = v.cache_end;
	/* Room at once; a number that lies makes no more than records would. */
	if (v.messages < STORE_MESSAGES && v.messages > s->cap) {
		grow(s, (size_t)v.messages + 64);
		heap_touch(s->entries, sizeof(*s->entries) * (v.messages <
		    TOUCHED ? (size_t)v.messages : TOUCHED));
	}
	return true;
}

/* ---- looking up --------------------------------------------------------- */

size_t
state_lower(const struct state *s, uint32_t uid)
{
	size_t lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->entries[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

ssize_t
state_find(const struct state *s, uint32_t uid)
{
	size_t i = state_lower(s, uid);

	return i < s->n && s->entries[i].uid == uid && !state_is_gone(s, i) ?
	    (ssize_t)i : -1;
}

/* Where nothing has a name there is no memory for names either. */
static struct slice
part_of_names(const struct state *s, size_t at, size_t n)
{
	return n == 0 ? SLICE_EMPTY : slice_of(s->names.p + at, n);
}

struct slice
state_base(const struct state *s, size_t i)
{
	const struct slot *t = &s->slots[i];

	return part_of_names(s, t->name, t->base_n);
}

struct slice
state_info(const struct state *s, size_t i)
{
	const struct slot *t = &s->slots[i];

	return part_of_names(s, t->name + t->base_n, t->info_n);
}

struct slice
state_uidl(const struct state *s, size_t i)
{
	const struct slot *t = &s->slots[i];

	return part_of_names(s, t->name + t->base_n + t->info_n, t->uidl_n);
}

int
state_path(const struct state *s, size_t i, struct buf *b)
{
	return buf_add_str(b, state_is_new(s, i) ? "new/" : "cur/") == -1 ||
	    buf_add(b, state_base(s, i)) == -1 ||
	    buf_add(b, state_info(s, i)) == -1 ? -1 : 0;
}

/* The name moves to the end: what it was is kept. */
static void
state_set_info(struct state *s, size_t i, struct slice info)
{
	struct slot *t = &s->slots[i];
	size_t name = s->names.n;

	if (buf_reserve(&s->names, t->base_n + info.n + t->uidl_n) == NULL)
		return;
	buf_add(&s->names, state_base(s, i));
	buf_add(&s->names, info);
	buf_add(&s->names, state_uidl(s, i));
	t->has_was = true;
	t->was = t->name + t->base_n;
	t->was_n = t->info_n;
	t->name = (uint32_t)name;
	t->info_n = (uint8_t)info.n;
}

bool
state_had_info(const struct state *s, size_t i, struct slice info)
{
	const struct slot *t = &s->slots[i];

	return t->has_was &&
	    slice_eq(part_of_names(s, t->was, t->was_n), info);
}

static void
table_put(struct state *s, size_t i)
{
	size_t at = s->entries[i].name_hash & (s->table_cap - 1);

	while (s->table[at] != 0)
		at = (at + 1) & (s->table_cap - 1);
	s->table[at] = (uint32_t)i + 1;
}

static void
table_build(struct state *s)
{
	size_t i;

	table_drop(s);
	s->table_cap = 64;
	while (s->table_cap < s->n * 2 + 32)
		s->table_cap *= 2;
	s->table = mem_array(s->table_cap, sizeof(*s->table));
	for (i = 0; i < s->n; i++)
		table_put(s, i);
}

static void
table_add(struct state *s, size_t i)
{
	if (s->n * 2 > s->table_cap)
		table_build(s);
	else
		table_put(s, i);
}

static void
table_drop(struct state *s)
{
	free(s->table);
	s->table = NULL;
	s->table_cap = 0;
}

/* The first message of that hash from a place in the table on, or -1. */
static ssize_t
table_next(const struct state *s, uint32_t hash, size_t *at)
{
	size_t i;

	for (; s->table[*at] != 0; *at = (*at + 1) & (s->table_cap - 1)) {
		i = s->table[*at] - 1;
		if (s->entries[i].name_hash == hash)
			return (ssize_t)i;
	}
	return -1;
}

/* Gone ones are passed over: a name may come back. */
ssize_t
state_find_name(struct state *s, struct slice base)
{
	uint32_t hash;
	size_t at;
	ssize_t i;

	if (!state_may_have_name(s, base))
		return -1;
	hash = name_hash(base);
	if (s->table == NULL)
		table_build(s);
	at = hash & (s->table_cap - 1);
	for (; (i = table_next(s, hash, &at)) != -1;
	    at = (at + 1) & (s->table_cap - 1))
		if (!state_is_gone(s, (size_t)i) &&
		    slice_eq(state_base(s, (size_t)i), base))
			return i;
	return -1;
}

bool
state_may_have_name(struct state *s, struct slice base)
{
	uint32_t hash;
	size_t i, at;

	if (s->n == 0)
		return false;
	hash = name_hash(base);
	if (s->table == NULL && ++s->name_asks > FEW_ASKS)
		table_build(s);
	if (s->table != NULL) {
		at = hash & (s->table_cap - 1);
		return table_next(s, hash, &at) != -1;
	}
	for (i = 0; i < s->n; i++)
		if (s->entries[i].name_hash == hash)
			return true;
	return false;
}

struct message_record
state_message(const struct state *s, size_t i)
{
	const struct message_entry *e = &s->entries[i];
	const struct slot *t = &s->slots[i];
	struct message_record m = { .uid = e->uid, .flags = e->flags,
		.in_new = state_is_new(s, i), .keywords = e->keywords,
		.modseq = e->modseq, .unknown = t->unknown,
		.facts = t->facts, .stored = t->stored,
		.cache_at = t->cache_at, .cache_n = t->cache_n,
		.base = state_base(s, i), .info = state_info(s, i),
		.uidl = state_uidl(s, i) };

	m.flags &= FLAGS_STORED;
	return m;
}

/* ---- as a whole --------------------------------------------------------- */

void
state_compact(struct state *s)
{
	size_t i, to = 0;

	if (s->ngone > 0) {
		for (i = 0; i < s->n; i++) {
			if (state_is_gone(s, i))
				continue;
			if (to != i) {
				s->entries[to] = s->entries[i];
				s->slots[to] = s->slots[i];
			}
			to++;
		}
		s->n = to;
		s->ngone = 0;
		table_drop(s);
	}
	s->visible = s->n;
}

static int
pack_vanished(const struct state *s, struct buf *b)
{
	size_t at, i = 0, n;
	uint64_t modseq;

	while (i < s->nvanished) {
		if (record_begin(b, REC_VANISHED, &at) == -1)
			return -1;
		modseq = s->vanished[i].modseq;
		put_u64(b, modseq);
		for (n = 0; n < SNAP_RANGES && i < s->nvanished &&
		    s->vanished[i].modseq == modseq; n++, i++)
			put_range(b, s->vanished[i].uids);
		if (record_end(b, at) == -1)
			return -1;
	}
	return 0;
}

static void
pack_facts(const struct state *s, struct buf *b)
{
	struct wire w;
	size_t at;
	unsigned i;

	for (i = 0; i < STORE_KEYWORDS; i++) {
		if (s->keywords[i] == NULL)
			continue;
		record_begin(b, REC_KEYWORD, &at);
		put_u8(b, (uint8_t)i);
		put_slice(b, slice_str(s->keywords[i]));
		record_end(b, at);
	}
	for (i = 0; i < TAKEN_KINDS; i++) {
		if (s->taken[i].mtime_ns == 0)
			continue;
		record_begin(b, REC_TAKEN, &at);
		put_u8(b, (uint8_t)i);
		put_u64(b, (uint64_t)s->taken[i].mtime_ns);
		put_u64(b, s->taken[i].size);
		record_end(b, at);
	}
	for (w = wire_of(buf_slice(&s->move)); !w.bad && w.rest.n > 0;) {
		record_begin(b, REC_MOVE, &at);
		buf_add(b, get_slice(&w, RECORD_BYTES));
		record_end(b, at);
	}
	record_begin(b, REC_UIDL, &at);
	put_u8(b, s->uidl_format);
	record_end(b, at);
	record_begin(b, REC_STAMP, &at);
	put_stamp(b, &s->new_stamp);
	put_stamp(b, &s->cur_stamp);
	put_u64(b, (uint64_t)s->scanned_ms);
	record_end(b, at);
}

static size_t
next_there(const struct state *s, size_t i)
{
	while (i < s->n && state_is_gone(s, i))
		i++;
	return i;
}

/* A record of a type, of the next messages that are there; *i is then the next
 * one, or n. */
static int
pack_block(const struct state *s, size_t *i, struct buf *b,
    enum record_type type,
    int (*put)(const struct state *, size_t i, struct buf *))
{
	size_t at, n;

	*i = next_there(s, *i);
	if (*i == s->n)
		return 0;
	if (record_begin(b, type, &at) == -1)
		return -1;
	for (n = 0; n < BLOCK_MESSAGES && *i < s->n; n++) {
		if (put(s, *i, b) == -1)
			return -1;
		*i = next_there(s, *i + 1);
	}
	return record_end(b, at);
}

static int
pack_entry(const struct state *s, size_t i, struct buf *b)
{
	const struct message_entry *e = &s->entries[i];
	struct entry_record r = { e->uid, e->name_hash,
		e->flags & FLAGS_STORED, state_is_new(s, i), e->keywords,
		e->modseq };

	return put_entry(b, &r);
}

static int
pack_rest(const struct state *s, size_t i, struct buf *b)
{
	struct message_record m = state_message(s, i);

	return put_message_rest(b, &m);
}

int
state_pack(const struct state *s, struct buf *b)
{
	struct snap_record v = { .uidnext = s->uidnext,
		.uid_limit = s->uid_limit, .recent_from = s->recent_from,
		.modseq = s->modseq, .modseq_limit = s->modseq_limit,
		.vanished_floor = s->vanished_floor, .boot_s = s->boot_s,
		.cache_id = s->cache_id, .cache_end = s->cache_end,
		.messages = s->n - s->ngone };
	size_t at, i = 0;

	if (record_begin(b, REC_SNAP, &at) == -1)
		return -1;
	put_snap(b, &v);
	record_end(b, at);
	pack_facts(s, b);
	if (pack_vanished(s, b) == -1)
		return -1;
	while (i < s->n)
		if (pack_block(s, &i, b, REC_ENTRIES, pack_entry) == -1)
			return -1;
	snap_set_rest(b, at, b->n);
	return 0;
}

int
state_pack_rest(const struct state *s, size_t *i, struct buf *b, size_t bytes)
{
	do {
		if (pack_block(s, i, b, REC_REST, pack_rest) == -1)
			return -1;
	} while (*i < s->n && b->n < bytes);
	return 0;
}

void
state_count(const struct state *s, struct mailbox_status *st)
{
	const struct message_entry *e;
	size_t i;

	memset(st, 0, sizeof(*st));
	for (i = 0; i < s->n; i++) {
		if (state_is_gone(s, i))
			continue;
		e = &s->entries[i];
		st->messages++;
		st->recent += (e->uid >= s->recent_from);
		st->unseen += !(e->flags & FLAG_SEEN);
		st->deleted += !!(e->flags & FLAG_DELETED);
	}
	st->uidnext = s->uidnext;
	st->uidvalidity = s->uidvalidity;
	st->highestmodseq = s->modseq;
	memcpy(st->guid, s->guid, sizeof(st->guid));
}

static bool
same_to_see(const struct message_entry *a, const struct message_entry *b)
{
	return (a->flags & FLAGS_STORED) == (b->flags & FLAGS_STORED) &&
	    a->keywords == b->keywords && a->modseq == b->modseq;
}

/* Takes over message i of the old state as one that is gone.  Nobody asks for
 * its slot, which may be missing. */
static void
keep_gone(struct state *to, const struct state *old, size_t i)
{
	struct message_record m = state_message(old, i);
	uint32_t uidnext = to->uidnext;

	if (!state_add(to, &m))
		return;
	to->uidnext = uidnext;
	to->entries[to->n - 1].name_hash = old->entries[i].name_hash;
	state_mark_gone(to, to->n - 1);
}

void
state_replace(struct state *old, struct state *new, struct changes *c)
{
	struct state all;
	struct message_record m;
	size_t i = 0, j = 0, visible = 0;

	/* What its own log has expunged is not among what is there. */
	state_compact(new);
	if (old->n == 0) {
		for (; c != NULL && j < new->n; j++)
			changes_add(c, new->entries[j].uid, CHANGE_NEW,
			    new->entries[j].modseq);
		state_clear(old);
		*old = *new;
		state_init(new);
		return;
	}
	all = *new;
	all.entries = NULL;
	all.slots = NULL;
	all.n = all.cap = all.ngone = all.table_cap = 0;
	all.table = NULL;
	buf_init(&all.names, NAMES_BYTES);
	while (i < old->n || j < new->n) {
		if (j == new->n || (i < old->n &&
		    old->entries[i].uid < new->entries[j].uid)) {
			if (i < old->visible)
				keep_gone(&all, old, i);
			if (!state_is_gone(old, i))
				changes_add(c, old->entries[i].uid,
				    CHANGE_EXPUNGED, new->modseq);
			visible = i < old->visible ? all.n : visible;
			i++;
			continue;
		}
		m = state_message(new, j);
		state_add(&all, &m);
		all.entries[all.n - 1].flags |= new->entries[j].flags &
		    FLAG_RECENT;
		if (i == old->n || old->entries[i].uid > m.uid)
			changes_add(c, m.uid, CHANGE_NEW, m.modseq);
		else {
			all.entries[all.n - 1].flags |= old->entries[i].flags &
			    FLAG_RECENT;
			if (!same_to_see(&old->entries[i], &new->entries[j]))
				changes_add(c, m.uid, CHANGE_FLAGS, m.modseq);
			visible = i < old->visible ? all.n : visible;
			i++;
		}
		j++;
	}
	all.visible = visible;
	/* What all has taken over stays; the rest of both goes. */
	free(new->entries);
	free(new->slots);
	free(new->table);
	/* all has unlinks, links, move and vanished of the new one, which is
	 * whole. */
	assert(new->partial == 0);
	buf_clear(&new->names);
	state_init(new);
	state_clear(old);
	*old = all;
}
