/* SPDX-License-Identifier: ISC */
/*
 * export - a mailbox as Dovecot would have it: dovecot-uidlist version 3 and
 * dovecot-keywords, with all flags in the file names.
 *
 * Only keywords 0 to 25 have letters; those above stay in our index.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

#define EXPORT_BYTES	((size_t)2 << 30)

static void
put_line(const struct state *s, size_t i, struct buf *b)
{
	const struct message_entry *e = &s->entries[i];
	struct slice base = state_base(s, i), uidl = state_uidl(s, i);

	buf_printf(b, "%" PRIu32, e->uid);
	if (memmem(base.p, base.n, ",S=", 3) == NULL)
		buf_printf(b, " S%" PRIu64, s->slots[i].stored);
	if (memmem(base.p, base.n, ",W=", 3) == NULL)
		buf_printf(b, " W%" PRIu64, s->slots[i].facts.size);
	if (uidl.n > 0)
		buf_printf(b, " P%.*s", SLICE_ARG(uidl));
	else if (s->uidl_format == UIDL_COURIER)
		buf_printf(b, " PUID%" PRIu32 "-%" PRIu32, e->uid,
		    s->uidvalidity);
	buf_printf(b, " :%.*s\n", SLICE_ARG(base));
}

static enum store_result
export_uidlist(struct mailbox *mb)
{
	struct buf b = BUF_INIT(EXPORT_BYTES);
	const struct state *s = &mb->state;
	enum store_result r = STORE_OK;
	size_t i;

	buf_printf(&b, "3 V%" PRIu32 " N%" PRIu32 " G", s->uidvalidity,
	    s->uidnext);
	for (i = 0; i < sizeof(s->guid); i++)
		buf_printf(&b, "%02x", s->guid[i]);
	buf_add_byte(&b, '\n');
	for (i = 0; i < s->n; i++)
		if (!state_is_gone(s, i) && facts_need(mb, i,
		    FACT_SIZE | FACT_DATES) == STORE_OK)
			put_line(s, i, &b);
	if (fs_replace(mb->store->fs, mb->dir, "dovecot-uidlist",
	    buf_slice(&b), true) == -1)
		r = store_failed(mb->store);
	buf_clear(&b);
	return r;
}

static enum store_result
export_keywords(struct mailbox *mb)
{
	struct buf b = BUF_INIT(65536);
	enum store_result r = STORE_OK;
	int i;

	for (i = 0; i < 26; i++)
		if (mb->state.keywords[i] != NULL)
			buf_printf(&b, "%d %s\n", i, mb->state.keywords[i]);
	if (b.n > 0 && fs_replace(mb->store->fs, mb->dir,
	    "dovecot-keywords", buf_slice(&b), true) == -1)
		r = store_failed(mb->store);
	buf_clear(&b);
	return r;
}

enum store_result
store_export_uidlist(struct store *s, struct slice name)
{
	struct mailbox *mb;
	enum store_result r = mailbox_open_quiet(s, name, &mb);

	if (r != STORE_OK)
		return r;
	if (mb->log == -1)
		r = STORE_READ_ONLY;
	if (r == STORE_OK)
		r = index_lock(mb);
	if (r == STORE_OK) {
		r = scan_set_names(mb);
		if (r == STORE_OK)
			r = export_uidlist(mb);
		if (r == STORE_OK)
			r = export_keywords(mb);
		if (r == STORE_OK && s->fs->fsync(mb->dir) == -1)
			r = store_failed(s);
		if (r == STORE_OK) {
			buf_reset(&mb->group);
			takeover_put_seen(mb);
			r = index_commit(mb, true);
		}
		if (r == STORE_OK)
			r = index_sync(mb);
		index_unlock(mb);
	}
	mailbox_close(&mb);
	return r;
}
