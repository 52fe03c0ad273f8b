/* SPDX-License-Identifier: ISC */
/*
 * rebuild - an index made anew: from what can be read of the one before, and
 * from the Maildir.
 *
 * Every record that has kept its checksum counts, wherever it stands.  Numbers
 * go on above all that may have been given out (S2), and a message of which no
 * record is left is a new one.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "box.h"

static bool	 snap_is_newer(struct mailbox *);
static void	 salvage_file(struct mailbox *, const char *name,
		    enum file_kind, struct state *, struct file_header *);
static void	 set_aside(struct mailbox *, const char *name, struct slice);
static void	 salvage_records(struct state *, const struct buf *,
		    uint64_t generation, bool entries);
static void	 begin_anew(struct mailbox *, struct state *known,
		    const struct file_header *, struct state *);

enum store_result
index_rebuild(struct mailbox *mb, const char *why)
{
	struct file_header snap = { 0 }, log = { 0 };
	enum store_result r;
	struct state known;

	if (why != NULL && snap_is_newer(mb))
		return STORE_NEWER;
	state_init(&known);
	salvage_file(mb, SNAP_NAME, FILE_SNAP, &known, &snap);
	if (why != NULL)
		salvage_file(mb, LOG_NAME, FILE_LOG, &known, &log);
	if (log.uidvalidity > 1)
		snap.uidvalidity = log.uidvalidity;
	if (log.generation > snap.generation)
		snap.generation = log.generation;
	if (snap.uidvalidity == 0 || known.n == 0)
		takeover_read(mb, &known);
	r = index_fill(mb, &known, &snap);
	state_clear(&known);
	mb->distrusted = r != STORE_OK;
	return r;
}

/* The log cannot say so any more. */
static bool
snap_is_newer(struct mailbox *mb)
{
	struct buf b = BUF_INIT(GROUP_BYTES);
	bool newer = fs_read_file(mb->store->fs, mb->dir, SNAP_NAME, &b,
	    GROUP_BYTES, NULL) == 0 &&
	    file_header_is_newer(buf_slice(&b), FILE_SNAP);

	buf_clear(&b);
	return newer;
}

/* ---- what can be read ---------------------------------------------------- */

/* Every record that has kept its checksum, in order. */
static void
salvage_file(struct mailbox *mb, const char *name, enum file_kind kind,
    struct state *known, struct file_header *h)
{
	struct buf b = BUF_INIT(LOG_BYTES);

	if (fs_read_file(mb->store->fs, mb->dir, name, &b, LOG_BYTES,
	    NULL) == -1 || b.n <= FILE_HEADER_BYTES ||
	    !file_header_unpack(buf_slice(&b), kind, h)) {
		if (b.n > FILE_HEADER_BYTES)
			set_aside(mb, name, buf_slice(&b));
		buf_clear(&b);
		return;
	}
	set_aside(mb, name, buf_slice(&b));
	known->salvage = kind == FILE_SNAP;
	salvage_records(known, &b, h->generation, false);
	/* Flags, now that there are messages to have them. */
	if (kind == FILE_SNAP)
		salvage_records(known, &b, h->generation, true);
	known->salvage = false;
	buf_clear(&b);
}

/* A copy, since who has the old ones open must see that they are gone. */
static void
set_aside(struct mailbox *mb, const char *name, struct slice content)
{
	char to[64];

	snprintf(to, sizeof(to), "%s.damaged", name);
	(void)!fs_replace(mb->store->fs, mb->dir, to, content, false);
}

static void
salvage_records(struct state *known, const struct buf *b, uint64_t generation,
    bool entries)
{
	struct slice in = slice_from(buf_slice(b), FILE_HEADER_BYTES);
	size_t at, budget = SEARCH_BYTES;
	struct record r;

	while (record_search(in, generation, &budget, &at)) {
		in = slice_from(in, at);
		/* Deliveries, which have no numbers, may be what is lost. */
		if (at > 0 && !known->salvage &&
		    known->uidnext < known->uid_limit)
			known->uidnext = known->uid_limit;
		record_read(in, generation, &r);
		/* What ends a move may be all that is left of its group. */
		if ((r.type == REC_ENTRIES) == entries && r.type != REC_MOVED)
			state_apply(known, &r, false, NULL);
		in = slice_from(in, r.bytes);
	}
}

/* ---- the new one --------------------------------------------------------- */

enum store_result
index_fill(struct mailbox *mb, struct state *known, const struct file_header *h)
{
	struct state s, old;
	enum store_result r;
	int log = mb->log;

	state_init(&s);
	begin_anew(mb, known, h, &s);
	/* The scan's records go into memory only, then all into a snapshot. */
	old = mb->state;
	mb->state = s;
	mb->log = -1;
	buf_reset(&mb->group);
	r = scan_mailbox(mb, SCAN_NEW | SCAN_CUR, known);
	mb->log = log;
	mb->state.uid_limit = mb->state.uidnext > UINT32_MAX - UID_RESERVE ?
	    UINT32_MAX : mb->state.uidnext + UID_RESERVE;
	if (r == STORE_OK && log != -1)
		r = index_new_generation(mb);
	s = mb->state;
	mb->state = old;
	if (r == STORE_OK)
		state_replace(&mb->state, &s, mailbox_changes(mb));
	else
		state_clear(&s);
	return r;
}

/* The numbers of the new state are above all that the old one may have given
 * out. */
static void
begin_anew(struct mailbox *mb, struct state *known, const struct file_header *h,
    struct state *s)
{
	static const uint8_t none[16];
	uint64_t modseq = known->modseq > known->modseq_limit ? known->modseq :
	    known->modseq_limit;
	unsigned i;

	s->generation = h->generation;
	s->uidvalidity = h->uidvalidity > 1 ? h->uidvalidity :
	    known->uidvalidity;
	if (s->uidvalidity == 0)
		s->uidvalidity = mb->uidvalidity;
	if (s->uidvalidity == 0)
		s->uidvalidity = (uint32_t)time(NULL);
	if (memcmp(h->guid, none, sizeof(none)) != 0)
		memcpy(s->guid, h->guid, sizeof(s->guid));
	else if (memcmp(known->guid, none, sizeof(none)) != 0)
		memcpy(s->guid, known->guid, sizeof(s->guid));
	else
		arc4random_buf(s->guid, sizeof(s->guid));
	s->uidnext = known->uidnext > known->uid_limit ? known->uidnext :
	    known->uid_limit;
	s->recent_from = known->recent_from;
	/* Time has passed at least as many units as changes were made. */
	s->modseq = modseq + 1;
	s->vanished_floor = s->modseq;
	for (i = 0; i < STORE_KEYWORDS; i++)
		if (known->keywords[i] != NULL)
			s->keywords[i] = mem_strdup(known->keywords[i]);
	memcpy(s->taken, known->taken, sizeof(s->taken));
	s->uidl_format = known->uidl_format;
	move_keep(s, known);
	s->boot_s = mb->store->fs->boot_s();
	s->uid_limit = s->uidnext;
	s->modseq_limit = s->modseq + MODSEQ_RESERVE;
}
