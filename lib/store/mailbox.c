/* SPDX-License-Identifier: ISC */
/* mailbox - one mailbox that is open: what is in it, and changes to it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "box.h"
#include "cache.h"
#include "names.h"
#include "quota.h"
#include "takeover.h"

static enum store_result open_directory(struct mailbox *);
static struct mailbox *take_kept(struct store *, struct slice name);
static bool	 keep(struct mailbox *);
static void	 mailbox_free(struct mailbox **);
static enum store_result take_in(struct mailbox *);
static enum store_result claim_recent(struct mailbox *);
static void	 count(struct mailbox *);
static enum store_result expunge(struct mailbox *, struct uid_list,
		    bool deleted_only, bool ends_move);
static bool	 wants(const struct message_entry *,
		    const struct flag_request *);
static int64_t	 mailbox_due(const struct mailbox *);
static enum store_result mailbox_work(struct mailbox *);

/* ---- opening ------------------------------------------------------------ */

/* Nothing of it is open: it can be freed at any time. */
static struct mailbox *
mailbox_new(struct store *s, struct slice name)
{
	struct mailbox *mb = mem_alloc(sizeof(*mb));

	mb->store = s;
	mb->dir = mb->log = -1;
	mb->name = mem_slicedup(name);
	state_init(&mb->state);
	return mb;
}

static enum store_result
open_as(struct store *s, struct slice name, bool read_only, bool quiet,
    uint32_t uidvalidity, struct mailbox **mb_r)
{
	struct mailbox *mb = mailbox_new(s, name_canonical(name));
	enum store_result r;

	*mb_r = NULL;
	mb->read_only = read_only;
	mb->quiet = quiet;
	mb->uidvalidity = uidvalidity;
	buf_init(&mb->summary, SIZE_MAX / 2);
	r = open_directory(mb);
	if (r == STORE_OK)
		r = index_open(mb);
	if (r == STORE_OK)
		r = take_in(mb);
	if (r != STORE_OK) {
		mailbox_free(&mb);
		return r;
	}
	mb->is_open = true;
	if (quiet) {
		*mb_r = mb;
		return STORE_OK;
	}
	mb->next = s->open;
	s->open = mb;
	*mb_r = mb;
	return STORE_OK;
}

enum store_result
mailbox_open(struct store *s, struct slice name, bool read_only,
    struct mailbox **mb_r)
{
	struct mailbox *mb = read_only ? NULL : take_kept(s, name);

	if (mb == NULL)
		return open_as(s, name, read_only, false, 0, mb_r);
	mb->pending.n = 0;
	mb->next = s->open;
	s->open = mb;
	*mb_r = mb;
	return STORE_OK;
}

/* ---- opening again ------------------------------------------------------- */

/* Whether the name still leads to the directory that we have. */
static bool
is_in_place(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	char dir[NAME_MAX + 1];
	struct stat ours, now;

	return store_dir_of(mb->store, slice_str(mb->name), dir) == STORE_OK &&
	    fs->fstat(mb->dir, &ours) == 0 &&
	    fs->fstatat(mb->store->root, dir, &now) == 0 &&
	    now.st_ino == ours.st_ino && now.st_dev == ours.st_dev;
}

static struct mailbox *
take_kept(struct store *s, struct slice name)
{
	struct mailbox *mb = NULL;
	size_t i, at;

	name = name_canonical(name);
	for (at = 0; at < KEPT && mb == NULL; at++)
		if (s->kept[at] != NULL &&
		    slice_eq(slice_str(s->kept[at]->name), name))
			mb = s->kept[at];
	if (mb == NULL)
		return NULL;
	for (i = at; i < KEPT; i++)
		s->kept[i - 1] = s->kept[i];
	s->kept[KEPT - 1] = NULL;
	if (!is_in_place(mb) || takeover_is_newer(mb) ||
	    take_in(mb) != STORE_OK)
		mailbox_free(&mb);
	return mb;
}

/* One that was opened to be written, and has nothing left to be done. */
static bool
keep(struct mailbox *mb)
{
	struct store *s = mb->store;
	size_t i;

	if (mb->read_only || mb->quiet || mb->log == -1 || mb->stale ||
	    mb->locked > 0 || mb->unsynced_ms != 0 || mb->names_late)
		return false;
	for (i = 0; mb->nrecent > 0 && i < mb->state.n; i++)
		mb->state.entries[i].flags &= FLAGS_STORED;
	if (mb->nrecent > 0)
		mb->counted = UINT64_MAX;
	mb->nrecent = 0;
	mb->pending.n = mb->told.n = 0;
	buf_clear(&mb->summary);
	mailbox_free(&s->kept[KEPT - 1]);
	for (i = KEPT - 1; i > 0; i--)
		s->kept[i] = s->kept[i - 1];
	s->kept[0] = mb;
	return true;
}

void
mailbox_drop_kept(struct store *s)
{
	size_t i;

	for (i = 0; i < KEPT; i++)
		mailbox_free(&s->kept[i]);
}

enum store_result
mailbox_open_quiet(struct store *s, struct slice name, struct mailbox **mb_r)
{
	return open_as(s, name, false, true, 0, mb_r);
}

enum store_result
mailbox_open_new(struct store *s, struct slice name, uint32_t uidvalidity,
    struct mailbox **mb_r)
{
	return open_as(s, name, false, true, uidvalidity, mb_r);
}

enum store_result
mailbox_open_index(struct store *s, struct slice name, struct mailbox **mb_r)
{
	struct mailbox *mb = mailbox_new(s, name);
	enum store_result r;

	mb->read_only = mb->quiet = true;
	r = open_directory(mb);
	if (r == STORE_OK)
		r = index_load(mb);
	if (r != STORE_OK && r != STORE_DAMAGED)
		mailbox_close(&mb);
	*mb_r = mb;
	return r;
}

enum store_result
mailbox_target(struct store *s, struct slice name, struct mailbox **mb_r)
{
	enum store_result r;
	struct mailbox *mb;

	name = name_canonical(name);
	/* Somebody may have given it another name, and this one to another. */
	for (mb = s->open; mb != NULL; mb = mb->next)
		if (slice_eq(slice_str(mb->name), name) && !mb->read_only &&
		    mb->log != -1 && is_in_place(mb)) {
			*mb_r = mb;
			return STORE_OK;
		}
	if (s->target != NULL && slice_eq(slice_str(s->target->name), name) &&
	    is_in_place(s->target)) {
		*mb_r = s->target;
		return STORE_OK;
	}
	mailbox_close(&s->target);
	r = mailbox_open_quiet(s, name, &s->target);
	*mb_r = s->target;
	return r == STORE_OK && (s->target->read_only ||
	    s->target->log == -1) ? STORE_READ_ONLY : r;
}

static enum store_result
open_directory(struct mailbox *mb)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	const struct fs *fs = mb->store->fs;
	char dir[NAME_MAX + 1];
	enum store_result r = store_dir_of(mb->store, slice_str(mb->name),
	    dir);
	struct stat st;
	size_t i;

	if (r != STORE_OK)
		return r == STORE_BAD_NAME ? STORE_NO_MAILBOX : r;
	mb->dir = fs->openat(mb->store->root, dir,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (mb->dir == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ?
		    STORE_NO_MAILBOX : store_failed(mb->store);
	for (i = 0; i < 3; i++) {
		if (fs->fstatat(mb->dir, parts[i], &st) == 0)
			continue;
		/* A directory without cur/ is no mailbox, but for the inbox. */
		if (errno == ENOENT && i == 0 && strcmp(dir, ".") != 0)
			return STORE_NO_MAILBOX;
		/* tmp/ is for writing only. */
		if (fs->mkdirat(mb->dir, parts[i], 0700) == -1 &&
		    errno != EEXIST && (i < 2 || errno != EROFS))
			return store_failed(mb->store);
	}
	return STORE_OK;
}

void
mailbox_close(struct mailbox **mbp)
{
	struct mailbox *mb = *mbp, **at;

	*mbp = NULL;
	if (mb == NULL)
		return;
	for (at = &mb->store->open; *at != NULL; at = &(*at)->next)
		if (*at == mb) {
			*at = mb->next;
			break;
		}
	cache_close(mb);
	index_settle(mb);
	if (!keep(mb))
		mailbox_free(&mb);
}

static void
mailbox_free(struct mailbox **mbp)
{
	struct mailbox *mb = *mbp;

	*mbp = NULL;
	if (mb == NULL)
		return;
	mb->store->closings++;
	index_close(mb);
	fs_close(mb->store->fs, mb->dir);
	buf_clear(&mb->summary);
	free(mb->name);
	free(mb);
}

/* ---- what is in it ------------------------------------------------------ */

const struct mailbox_status *
mailbox_head(const struct mailbox *mb)
{
	return &mb->head;
}

const struct message_entry *
mailbox_entries(const struct mailbox *mb, size_t *n_r)
{
	*n_r = mb->state.visible;
	return mb->state.entries;
}

const struct message_entry *
mailbox_find(const struct mailbox *mb, uint32_t uid)
{
	size_t i = state_lower(&mb->state, uid);

	return i < mb->state.visible && mb->state.entries[i].uid == uid ?
	    &mb->state.entries[i] : NULL;
}

bool
mailbox_is_read_only(const struct mailbox *mb)
{
	return mb->read_only;
}

struct slice
mailbox_name(const struct mailbox *mb)
{
	return slice_str(mb->name);
}

/* Numbers that a delivery took without asking are made safe before anybody
 * hears of them (index.c). */
static enum store_result
cover_numbers(struct mailbox *mb)
{
	enum store_result r;

	if (!index_is_writable(mb) ||
	    (mb->state.uidnext <= mb->state.uid_limit &&
	    mb->state.modseq < mb->state.modseq_limit))
		return STORE_OK;
	r = index_lock(mb);
	if (r != STORE_OK)
		return r;
	r = index_reserve(mb);
	index_unlock(mb);
	return r;
}

static enum store_result
take_in(struct mailbox *mb)
{
	enum store_result r = index_catch_up(mb);
	int what;

	/* Somebody is between a record and its files, or has died there. */
	if (r == STORE_OK && index_is_writable(mb) &&
	    (mb->state.unlinks.n > 0 || mb->state.links.n > 0 ||
	    (mb->state.move.n > 0 && !mb->store->resolving))) {
		r = index_lock(mb);
		if (r == STORE_OK)
			index_unlock(mb);
	}
	if (r == STORE_OK && scan_needed(mb) != 0) {
		r = index_lock(mb);
		/* EXAMINE without the right to write looks at the files only
		 * when it is opened. */
		if (r == STORE_READ_ONLY)
			r = STORE_OK;
		else if (r == STORE_OK) {
			what = scan_needed(mb);
			if (what != 0)
				r = scan_mailbox(mb, what, NULL);
			/* Once an hour, and when much has changed. */
			if (r == STORE_OK && !mb->read_only &&
			    what == (SCAN_NEW | SCAN_CUR) &&
			    mb->state.links.n == 0)
				tidy_mailbox(mb);
			index_unlock(mb);
		}
	}
	if (r == STORE_OK)
		r = cover_numbers(mb);
	if (r == STORE_OK)
		r = claim_recent(mb);
	if (r != STORE_OK)
		return r;
	count(mb);
	return STORE_OK;
}

/* Only where something was read or written since: the log tells. */
static void
count(struct mailbox *mb)
{
	struct state *s = &mb->state;

	if (mb->log != -1 && mb->counted == mb->log_at &&
	    mb->counted_generation == s->generation && s->visible == s->n &&
	    s->ngone == 0)
		return;
	mb->counted = mb->log_at;
	mb->counted_generation = s->generation;
	state_compact(s);
	state_count(s, &mb->head);
	if (!mb->quiet)
		mb->head.recent = mb->nrecent;
}

static void
mark_recent(struct mailbox *mb, uint32_t from)
{
	struct state *s = &mb->state;
	size_t i;

	for (i = state_lower(s, from); i < s->n; i++) {
		s->entries[i].flags |= FLAG_RECENT;
		if (state_is_new(s, i))
			mb->names_late = true;
	}
	/* Gone ones count until they are told of. */
	for (mb->nrecent = 0, i = s->n; i-- > 0 && s->entries[i].flags &
	    FLAG_RECENT;)
		mb->nrecent += !state_is_gone(s, i);
}

/* The session that sees messages first, has them recent, and no other. */
static enum store_result
claim_recent(struct mailbox *mb)
{
	struct state *s = &mb->state;
	enum store_result r;
	uint32_t from;
	size_t at;

	if (mb->quiet)
		return STORE_OK;
	if (mb->read_only || mb->log == -1) {
		mark_recent(mb, s->recent_from);
		return STORE_OK;
	}
	if (s->recent_from >= s->uidnext) {
		mark_recent(mb, UINT32_MAX);
		return STORE_OK;
	}
	r = index_lock(mb);
	if (r != STORE_OK)
		return r;
	from = s->recent_from;
	if (from < s->uidnext) {
		buf_reset(&mb->group);
		record_begin(&mb->group, REC_RECENT, &at);
		put_u32(&mb->group, s->uidnext);
		record_end(&mb->group, at);
		r = index_commit(mb, true);
	}
	index_unlock(mb);
	if (r == STORE_OK)
		mark_recent(mb, from);
	return r;
}

enum store_result
mailbox_refresh(struct mailbox *mb, const struct mailbox_change **changes_r,
    size_t *n_r)
{
	enum store_result r;
	struct changes c;

	if (mb->store->options.names_at_once || mailbox_due(mb) <=
	    clock_mono_ms())
		mailbox_work(mb);
	r = take_in(mb);
	if (r != STORE_OK)
		return r;
	changes_settle(&mb->pending);
	c = mb->told;
	mb->told = mb->pending;
	mb->pending = c;
	mb->pending.n = 0;
	if (changes_r != NULL) {
		*changes_r = mb->told.v;
		*n_r = mb->told.n;
	}
	return STORE_OK;
}

bool
mailbox_vanished(struct mailbox *mb, uint64_t since,
    void (*each)(void *, uint32_t), void *arg)
{
	const struct state *s = &mb->state;
	const struct vanished *v;
	uint32_t uid;
	size_t i;

	if (since < s->vanished_floor)
		return false;
	for (i = 0; i < s->nvanished; i++) {
		v = &s->vanished[i];
		if (v->modseq <= since)
			continue;
		/* A range that a file claims may be as wide as it likes. */
		for (uid = v->uids.lo; uid <= v->uids.hi &&
		    uid < s->uidnext; uid++)
			each(arg, uid);
	}
	return true;
}

/* ---- keywords ----------------------------------------------------------- */

unsigned
mailbox_keywords(const struct mailbox *mb)
{
	unsigned bit, n = 0;

	for (bit = 0; bit < STORE_KEYWORDS; bit++)
		n += mb->state.keywords[bit] != NULL;
	return n;
}

const char *
mailbox_keyword_name(const struct mailbox *mb, unsigned bit)
{
	return bit < STORE_KEYWORDS && mb->state.keywords[bit] != NULL ?
	    mb->state.keywords[bit] : "";
}

static int
find_keyword(const struct mailbox *mb, struct slice name)
{
	int i;

	for (i = 0; i < STORE_KEYWORDS; i++)
		if (mb->state.keywords[i] != NULL &&
		    slice_eq_nocase(slice_str(mb->state.keywords[i]), name))
			return i;
	return -1;
}

int
mailbox_make_keyword(struct mailbox *mb, struct slice name)
{
	int bit = find_keyword(mb, name);
	size_t at;

	if (bit != -1 || !keyword_is_valid(name))
		return bit;
	for (bit = 0; bit < STORE_KEYWORDS; bit++)
		if (mb->state.keywords[bit] == NULL)
			break;
	if (bit == STORE_KEYWORDS)
		return -1;
	buf_reset(&mb->group);
	record_begin(&mb->group, REC_KEYWORD, &at);
	put_u8(&mb->group, (uint8_t)bit);
	put_slice(&mb->group, name);
	record_end(&mb->group, at);
	return index_commit(mb, true) == STORE_OK ? bit : -1;
}

int
mailbox_keyword(struct mailbox *mb, struct slice name, bool create)
{
	int bit = find_keyword(mb, name);

	if (bit != -1 || !create || mb->read_only)
		return bit;
	if (index_lock(mb) != STORE_OK)
		return -1;
	bit = mailbox_make_keyword(mb, name);
	index_unlock(mb);
	return bit;
}

/* ---- flags -------------------------------------------------------------- */

static struct flags_record
flags_record_of(const struct flag_request *q)
{
	uint8_t flags = q->flags & FLAGS_STORED;

	switch (q->how) {
	case FLAGS_SET:
		return (struct flags_record){ flags, FLAGS_STORED, q->keywords,
			UINT64_MAX };
	case FLAGS_ADD:
		return (struct flags_record){ flags, 0, q->keywords, 0 };
	case FLAGS_REMOVE:
		break;
	}
	return (struct flags_record){ 0, flags, 0, q->keywords };
}

/* Whether it would change anything. */
static bool
wants(const struct message_entry *e, const struct flag_request *q)
{
	struct flags_record f = flags_record_of(q);
	uint8_t flags = (uint8_t)((e->flags & ~f.del) | f.add);

	return flags != e->flags ||
	    ((e->keywords & ~f.kdel) | f.kadd) != e->keywords;
}

/* UIDs that stand side by side in the mailbox become one range. */
struct ranges {
	struct mailbox	*mb;
	struct range	 r;
	size_t		 last;		/* index of r.hi */
	size_t		 n;		/* messages */
};

static void
ranges_add(struct ranges *s, size_t i)
{
	uint32_t uid = s->mb->state.entries[i].uid;

	if (s->n++ > 0 && s->last + 1 == i) {
		s->r.hi = uid;
		s->last = i;
		return;
	}
	if (s->n > 1)
		put_range(&s->mb->group, s->r);
	s->r = (struct range){ uid, uid };
	s->last = i;
}

static void
ranges_end(struct ranges *s)
{
	if (s->n > 0)
		put_range(&s->mb->group, s->r);
}

/* The record of the messages that match and want it; their number. */
static size_t
gather_flags(struct mailbox *mb, struct uid_list uids,
    const struct flag_request *q, void (*failed)(void *, uint32_t), void *arg)
{
	struct flags_record f = flags_record_of(q);
	struct ranges ranges = { .mb = mb };
	const struct message_entry *e;
	size_t at, i;
	ssize_t found;

	buf_reset(&mb->group);
	record_begin(&mb->group, REC_FLAGS, &at);
	put_flag_record(&mb->group, &f);
	for (i = 0; i < uids.n; i++) {
		found = state_find(&mb->state, uids.v[i]);
		if (found == -1)
			continue;
		e = &mb->state.entries[found];
		if (e->modseq > q->unchanged_since) {
			if (failed != NULL)
				failed(arg, e->uid);
		} else if (wants(e, q))
			ranges_add(&ranges, (size_t)found);
	}
	ranges_end(&ranges);
	record_end(&mb->group, at);
	if (ranges.n == 0)
		buf_reset(&mb->group);
	return ranges.n;
}

enum store_result
mailbox_set_flags(struct mailbox *mb, struct uid_list uids,
    const struct flag_request *q, void (*failed)(void *, uint32_t), void *arg,
    uint64_t *modseq_r)
{
	enum store_result r;

	if (modseq_r != NULL)
		*modseq_r = mb->state.modseq;
	if (mb->read_only || mb->log == -1)
		return STORE_READ_ONLY;
	r = index_lock(mb);
	if (r != STORE_OK)
		return r;
	if (gather_flags(mb, uids, q, failed, arg) > 0) {
		r = index_commit(mb, true);
		mb->names_late = true;
		if (r == STORE_OK && mb->store->options.names_at_once)
			(void)!scan_set_names(mb);
	}
	index_unlock(mb);
	if (modseq_r != NULL)
		*modseq_r = mb->state.modseq;
	return r;
}

/* ---- expunge ------------------------------------------------------------ */

enum store_result
mailbox_expunge(struct mailbox *mb, struct uid_list uids, bool deleted_only)
{
	enum store_result r;

	if (mb->read_only || mb->log == -1)
		return STORE_READ_ONLY;
	r = index_lock(mb);
	if (r != STORE_OK)
		return r;
	r = expunge(mb, uids, deleted_only, false);
	index_unlock(mb);
	return r;
}

enum store_result
mailbox_expunge_moved(struct mailbox *mb, struct uid_list uids)
{
	return expunge(mb, uids, false, true);
}

static enum store_result
expunge(struct mailbox *mb, struct uid_list uids, bool deleted_only,
    bool ends_move)
{
	struct ranges ranges = { .mb = mb };
	enum store_result r = index_whole(mb);
	uint64_t bytes = 0;
	size_t at, i;
	ssize_t found;

	if (r != STORE_OK)
		return r;
	buf_reset(&mb->group);
	record_begin(&mb->group, REC_EXPUNGE, &at);
	for (i = 0; i < uids.n; i++) {
		found = state_find(&mb->state, uids.v[i]);
		if (found == -1 || (deleted_only &&
		    !(mb->state.entries[found].flags & FLAG_DELETED)))
			continue;
		ranges_add(&ranges, (size_t)found);
		(void)!facts_need(mb, (size_t)found, FACT_DATES);
		bytes += mb->state.slots[found].stored;
	}
	ranges_end(&ranges);
	record_end(&mb->group, at);
	if (ranges.n == 0)
		buf_reset(&mb->group);
	if (ends_move)
		move_put_end(mb);
	r = index_commit(mb, true);
	if (r == STORE_OK && ranges.n > 0) {
		/* The record counts; files that stay are removed by whoever
		 * has the lock next. */
		(void)!index_finish(mb);
		quota_change(mb->store->fs, mb->store->root,
		    -(int64_t)bytes, -(int64_t)ranges.n);
	}
	return r;
}

/* ---- work put off ------------------------------------------------------- */

static int64_t
mailbox_due(const struct mailbox *mb)
{
	return mb->unsynced_ms == 0 ? INT64_MAX : mb->unsynced_ms + WORK_MS;
}

static enum store_result
mailbox_work(struct mailbox *mb)
{
	enum store_result r = STORE_OK;

	if (mb->names_late && !mb->read_only && mb->log != -1 &&
	    mb->store->options.names_at_once) {
		r = index_lock(mb);
		if (r != STORE_OK)
			return r;
		r = scan_set_names(mb);
		index_unlock(mb);
	}
	return mb->unsynced_ms == 0 ? r : index_sync(mb);
}

int64_t
store_due_ms(const struct store *s)
{
	const struct mailbox *mb;
	int64_t due = INT64_MAX;

	for (mb = s->open; mb != NULL; mb = mb->next)
		if (mailbox_due(mb) < due)
			due = mailbox_due(mb);
	return due;
}

enum store_result
store_work(struct store *s)
{
	enum store_result r = STORE_OK, one;
	struct mailbox *mb;

	for (mb = s->open; mb != NULL; mb = mb->next) {
		one = mailbox_work(mb);
		if (one != STORE_OK)
			r = one;
	}
	return r;
}

/* ---- POP3 --------------------------------------------------------------- */

enum store_result
mailbox_uidl(struct mailbox *mb, uint32_t uid, struct buf *b)
{
	const struct state *s = &mb->state;
	enum store_result whole = index_whole(mb);
	ssize_t i = state_find(s, uid);
	int r;

	if (whole != STORE_OK)
		return whole;
	if (i == -1)
		return STORE_EXPUNGED;
	r = s->slots[i].uidl_n > 0 ? buf_add(b, state_uidl(s, (size_t)i)) :
	    takeover_uidl(mb, (size_t)i, b);
	return r == -1 ? STORE_LIMIT : STORE_OK;
}
