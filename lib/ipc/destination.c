/* SPDX-License-Identifier: ISC */
/* destination - see destination.h. */
#include "ipc/destination.h"
#include "ipc/fields.h"

static bool	get_kind(struct wire *, enum destination_kind *);

int
destination_pack(struct buf *b, const struct destination *d)
{
	size_t n = b->n;

	if (put_u8(b, (uint8_t)d->kind) == 0 && put_u8(b, d->flags) == 0 &&
	    put_slice(b, d->next_hop) == 0 && put_u32(b, d->uid) == 0 &&
	    put_u32(b, d->gid) == 0 && put_slice(b, d->user) == 0 &&
	    put_slice(b, d->home) == 0 && put_slice(b, d->path) == 0 &&
	    put_u64(b, d->quota_bytes) == 0 &&
	    put_u64(b, d->quota_messages) == 0 && put_u16(b, d->code) == 0 &&
	    put_slice(b, d->text) == 0)
		return 0;
	b->n = n;
	return -1;
}

bool
destination_unpack(struct wire *w, struct destination *d_r)
{
	struct destination d = { 0 };

	if (!get_kind(w, &d.kind))
		return false;
	d.flags = get_enum(w, DEST_FORWARD | DEST_VIRTUAL);
	d.next_hop = get_text(w, NEXT_HOP_BYTES);
	d.uid = get_u32(w);
	d.gid = get_u32(w);
	d.user = get_text(w, USER_BYTES);
	d.home = get_text(w, PATH_BYTES);
	d.path = get_text(w, PATH_BYTES);
	d.quota_bytes = get_u64(w);
	d.quota_messages = get_u64(w);
	d.code = get_u16(w);
	d.text = get_text(w, TEXT_BYTES);
	if (d.code != 0 && (d.code < 200 || d.code > 599))
		wire_fail(w);
	if (w->bad)
		return false;
	*d_r = d;
	return true;
}

static bool
get_kind(struct wire *w, enum destination_kind *kind_r)
{
	uint8_t kind = get_enum(w, DEST_DEFER);

	if (w->bad || kind < DEST_MAILDIR) {
		wire_fail(w);
		return false;
	}
	*kind_r = (enum destination_kind)kind;
	return true;
}
