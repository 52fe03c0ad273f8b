/* SPDX-License-Identifier: ISC */
/* message_check - for tests and fuzz targets: what holds of every message. */
#ifndef MAIL_MESSAGE_CHECK_H
#define MAIL_MESSAGE_CHECK_H

#include <assert.h>

#include "mail/message.h"

static inline void
check_part(const struct message *m, const struct part *p)
{
	struct slice body = part_body(m, p);
	const struct part *c;
	uint64_t lines = 0;
	uint32_t i;
	size_t at = p->body;

	assert(p->header <= p->body && p->body <= p->end &&
	    p->end <= m->bytes.n);
	assert(p->header_size == crlf_size(part_header(m, p)));
	assert(p->body_size == crlf_size(body));
	for (i = 0; i < body.n; i++)
		lines += body.p[i] == '\n';
	assert(p->lines == lines);
	assert(p->depth < MESSAGE_DEPTH);
	assert(p->type.n > 0 && p->subtype.n > 0);
	assert(p->kind != PART_LEAF || p->first == PART_NONE);
	assert(p->kind != PART_MESSAGE || p->first != PART_NONE);
	for (i = p->first; i != PART_NONE; i = c->next) {
		c = &m->parts[i];
		assert(c->parent == (uint32_t)(p - m->parts));
		assert(c->header >= at && c->end <= p->end);
		assert(c->depth == p->depth + 1);
		at = c->end;
	}
}

static inline void
check_same(const struct message *a, const struct message *b)
{
	const struct part *p, *q;
	uint32_t i;

	assert(a->nparts == b->nparts);
	for (i = 0; i < a->nparts; i++) {
		p = &a->parts[i];
		q = &b->parts[i];
		assert(p->parent == q->parent && p->first == q->first &&
		    p->next == q->next && p->kind == q->kind &&
		    p->opaque == q->opaque && p->encoding == q->encoding);
		assert(p->header == q->header && p->body == q->body &&
		    p->end == q->end && p->header_size == q->header_size &&
		    p->body_size == q->body_size && p->lines == q->lines);
		assert(p->content_type.p == q->content_type.p &&
		    slice_eq(p->type, q->type) &&
		    slice_eq(p->subtype, q->subtype));
	}
}

/* message must be parsed already. */
static inline void
check_message(const struct message *m)
{
	struct buf table = BUF_INIT(MESSAGE_PARTS * 64);
	struct buf text = BUF_INIT(1 << 26), body = BUF_INIT(1 << 26);
	struct message again;
	uint32_t i;

	assert(m->nparts > 0 && m->nparts <= MESSAGE_PARTS);
	for (i = 0; i < m->nparts; i++)
		check_part(m, &m->parts[i]);
	assert(message_put_parts(m, &table) == 0);
	assert(message_restore(&again, m->bytes, buf_slice(&table)));
	check_same(m, &again);
	message_clear(&again);
	if (imap_bodystructure(&text, m, 0) == 0)
		assert(imap_body(&body, buf_slice(&text)) == 0);
	buf_reset(&text);
	imap_envelope(&text, part_header(m, &m->parts[0]), IMAP_UTF8);
	buf_clear(&table);
	buf_clear(&text);
	buf_clear(&body);
}

#endif
