/* SPDX-License-Identifier: ISC */
/* test_box - for tests and fuzz targets of search, sort and thread: a mailbox
 * of messages in memory, in place of the store. */
#ifndef IMAPD_TEST_BOX_H
#define IMAPD_TEST_BOX_H

#include <assert.h>

#include "mail/summary.h"
#include "search.h"
#include "store/fake_content.h"

#define HOUR	INT64_C(3600000)
#define DAY	(24 * HOUR)

#define MESSAGES	30000
static struct mailbox {
	struct message_entry	 e[MESSAGES];
	struct slice		 content[MESSAGES];
	struct buf		 summary[MESSAGES];
	size_t			 n;
	struct mailbox_status	 head;
	bool			 no_summaries, no_content;
	unsigned		 reads;
} box;

void
mailbox_close(struct mailbox **m)
{
	*m = NULL;
}

const struct mailbox_status *
mailbox_head(const struct mailbox *m)
{
	return &m->head;
}

const struct message_entry *
mailbox_entries(const struct mailbox *m, size_t *n_r)
{
	*n_r = m->n;
	return m->e;
}

int
mailbox_keyword(struct mailbox *m, struct slice name, bool create)
{
	(void)m;
	(void)create;
	return slice_eq_nocase(name, SLICE_LIT("$Forwarded")) ? 3 : -1;
}

enum store_result
mailbox_facts(struct mailbox *m, uint32_t uid, unsigned wanted,
    struct message_facts *f)
{
	int64_t i = (int64_t)uid - 1;

	(void)wanted;
	*f = (struct message_facts){ .size = m->content[i].n,
		.internal_ms = i * DAY, .saved_ms = i * DAY + HOUR };
	f->guid[15] = (uint8_t)i;
	return STORE_OK;
}

enum store_result
mailbox_content(struct mailbox *m, uint32_t uid, struct message_content *c)
{
	m->reads++;
	if (m->no_content)
		return STORE_EXPUNGED;
	*c = (struct message_content){ .bytes = m->content[uid - 1] };
	return STORE_OK;
}

enum store_result
mailbox_content_away(struct mailbox *m, uint32_t uid, struct message_content *c)
{
	return mailbox_content(m, uid, c);
}

void
message_content_clear(struct message_content *c)
{
	*c = (struct message_content){ .map = NULL };
}

enum store_result
mailbox_summary(struct mailbox *m, uint32_t uid, struct slice *r)
{
	struct buf *b = &m->summary[uid - 1];

	*r = SLICE_EMPTY;
	if (m->no_summaries)
		return STORE_OK;
	if (b->n == 0) {
		*b = BUF_INIT(SUMMARY_BYTES);
		assert(summary_build(m->content[uid - 1], b) == 0);
	}
	*r = buf_slice(b);
	return STORE_OK;
}

/* UIDs are 1, 2, ...; nothing is kept of the message but a reference. */
static inline void
box_add(struct slice message)
{
	struct message_entry *e = &box.e[box.n];

	*e = (struct message_entry){ .uid = (uint32_t)box.n + 1 };
	e->modseq = box.n + 10;
	box.content[box.n++] = message;
}

static inline void
box_clear(void)
{
	size_t i;

	for (i = 0; i < box.n; i++)
		buf_clear(&box.summary[i]);
	box.n = 0;
	box.no_summaries = box.no_content = false;
}

#endif
