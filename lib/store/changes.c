/* SPDX-License-Identifier: ISC */
/* changes - see changes.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "changes.h"

void
changes_add(struct changes *c, uint32_t uid, int what, uint64_t modseq)
{
	if (c == NULL)
		return;
	c->v = mem_room(c->v, c->n, &c->cap, sizeof(*c->v), 64);
	c->v[c->n].uid = uid;
	c->v[c->n].what = (unsigned)what;
	c->v[c->n++].modseq = modseq;
}

static int
by_uid(const void *a, const void *b)
{
	const struct mailbox_change *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

void
changes_settle(struct changes *c)
{
	struct mailbox_change *to = c->v, *v = c->v, *end;
	unsigned what;

	if (c->n == 0)
		return;
	end = c->v + c->n;
	qsort(c->v, c->n, sizeof(*c->v), by_uid);
	for (; v < end; v++) {
		if (to > c->v && to[-1].uid == v->uid) {
			what = (unsigned)to[-1].what | (unsigned)v->what;
			to[-1].what = what;
			if (v->modseq > to[-1].modseq)
				to[-1].modseq = v->modseq;
		} else
			*to++ = *v;
	}
	end = to;
	for (to = v = c->v; v < end; v++)
		if ((v->what & (CHANGE_NEW | CHANGE_EXPUNGED)) !=
		    (CHANGE_NEW | CHANGE_EXPUNGED))
			*to++ = *v;
	c->n = (size_t)(to - c->v);
}
