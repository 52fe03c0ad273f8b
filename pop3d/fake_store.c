/* SPDX-License-Identifier: ISC */
/* fake_store - see fake_store.h. */
#include <stdlib.h>
#include <string.h>

#include "fake_store.h"
#include "store/fake_content.h"

struct mailbox {
	struct message_entry	 entries[FAKE_MESSAGES];
	struct slice		 contents[FAKE_MESSAGES];
	size_t			 n;
};

static struct {
	struct message_entry	 entries[FAKE_MESSAGES];
	struct slice		 contents[FAKE_MESSAGES];
	size_t			 n;
	enum store_result	 open, expunge;
} here;

void
fake_reset(void)
{
	memset(&here, 0, sizeof(here));
}

void
fake_add(uint32_t uid, struct slice content)
{
	here.entries[here.n].uid = uid;
	here.contents[here.n++] = content;
}

static size_t
find(uint32_t uid)
{
	size_t i;

	for (i = 0; i < here.n; i++)
		if (here.entries[i].uid == uid)
			break;
	return i;
}

void
fake_expunge(uint32_t uid)
{
	size_t i = find(uid);

	if (i == here.n)
		return;
	here.n--;
	memmove(&here.entries[i], &here.entries[i + 1],
	    (here.n - i) * sizeof(here.entries[0]));
	memmove(&here.contents[i], &here.contents[i + 1],
	    (here.n - i) * sizeof(here.contents[0]));
}

bool
fake_has(uint32_t uid)
{
	return find(uid) < here.n;
}

uint8_t
fake_flags(uint32_t uid)
{
	return fake_has(uid) ? here.entries[find(uid)].flags : 0;
}

void
fake_fail_open(enum store_result r)
{
	here.open = r;
}

void
fake_fail_expunge(enum store_result r)
{
	here.expunge = r;
}

/* ---- what a session calls ------------------------------------------------ */

enum store_result
mailbox_open(struct store *s, struct slice name, bool read_only,
    struct mailbox **mr)
{
	(void)s;
	(void)name;
	(void)read_only;
	if (here.open != STORE_OK)
		return here.open;
	*mr = calloc(1, sizeof(**mr));
	memcpy((*mr)->entries, here.entries, sizeof(here.entries));
	memcpy((*mr)->contents, here.contents, sizeof(here.contents));
	(*mr)->n = here.n;
	return STORE_OK;
}

void
mailbox_close(struct mailbox **m)
{
	free(*m);
	*m = NULL;
}

const struct message_entry *
mailbox_entries(const struct mailbox *m, size_t *n_r)
{
	*n_r = m->n;
	return m->entries;
}

enum store_result
mailbox_facts(struct mailbox *m, uint32_t uid, unsigned wanted,
    struct message_facts *f)
{
	size_t i, k;

	(void)wanted;
	memset(f, 0, sizeof(*f));
	for (i = 0; i < m->n && m->entries[i].uid != uid; i++)
		;
	if (i == m->n)
		return STORE_EXPUNGED;
	f->size = m->contents[i].n;
	for (k = 0; k < m->contents[i].n; k++)
		f->size += m->contents[i].p[k] == '\n';
	return STORE_OK;
}

enum store_result
mailbox_content(struct mailbox *m, uint32_t uid, struct message_content *c)
{
	(void)m;
	if (!fake_has(uid))
		return STORE_EXPUNGED;
	memset(c, 0, sizeof(*c));
	c->bytes = here.contents[find(uid)];
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
	memset(c, 0, sizeof(*c));
}

enum store_result
mailbox_uidl(struct mailbox *m, uint32_t uid, struct buf *b)
{
	(void)m;
	if (!fake_has(uid))
		return STORE_EXPUNGED;
	buf_printf(b, "uid%u", (unsigned)uid);
	return STORE_OK;
}

enum store_result
mailbox_expunge(struct mailbox *m, struct uid_list uids, bool deleted_only)
{
	size_t i;

	(void)m;
	(void)deleted_only;
	if (here.expunge != STORE_OK)
		return here.expunge;
	for (i = 0; i < uids.n; i++)
		fake_expunge(uids.v[i]);
	return STORE_OK;
}

enum store_result
mailbox_set_flags(struct mailbox *m, struct uid_list uids,
    const struct flag_request *r, void (*failed)(void *, uint32_t), void *arg,
    uint64_t *modseq_r)
{
	size_t i;

	(void)m;
	(void)failed;
	(void)arg;
	if (modseq_r != NULL)
		*modseq_r = 1;
	for (i = 0; i < uids.n; i++)
		if (fake_has(uids.v[i]))
			here.entries[find(uids.v[i])].flags |= r->flags;
	return STORE_OK;
}

const char *
store_strerror(enum store_result r)
{
	(void)r;
	return "4.2.0 the fake fails";
}
