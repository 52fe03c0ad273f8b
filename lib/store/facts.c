/* SPDX-License-Identifier: ISC */
/*
 * facts - what a mailbox tells of a message only when somebody asks.
 *
 * A scan reads names and nothing else.  The first who asks for a size or a date
 * pays for looking at the file; whoever reads the message anyway learns both
 * on the way.  What was learnt is written to the log when the mailbox is
 * closed; if it never is, the next session finds it out again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "box.h"

#define READ_BYTES	(64 * 1024)

static enum store_result ask_file(struct mailbox *, size_t i,
		    unsigned wanted);

static int64_t
ms_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

void
facts_learn(struct mailbox *mb, size_t i, const struct stat *st,
    const uint64_t *crlf_bytes)
{
	struct slot *t = &mb->state.slots[i];
	uint8_t before = t->unknown;

	if (t->unknown & FACT_DATES) {
		t->stored = (uint64_t)st->st_size;
		t->facts.internal_ms = ms_of(&st->st_mtim);
		if (t->facts.saved_ms == 0)
			t->facts.saved_ms = ms_of(&st->st_ctim);
		t->unknown &= (uint8_t)~FACT_DATES;
	}
	if (crlf_bytes != NULL && t->unknown & FACT_SIZE) {
		t->facts.size = *crlf_bytes;
		t->unknown &= (uint8_t)~FACT_SIZE;
	}
	if (t->unknown != before)
		t->facts_late = mb->facts_late = true;
}

/* Bytes of a file with each line's end as CRLF; -1 with errno. */
static int
count_crlf(const struct fs *fs, int fd, uint64_t *bytes_r)
{
	char *buffer = mem_alloc(READ_BYTES);
	uint64_t at = 0, more = 0;
	const char *p, *end;
	char last = '\0';
	ssize_t n;

	while ((n = fs->pread(fd, buffer, READ_BYTES, (off_t)at)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		end = buffer + n;
		for (p = buffer; (p = memchr(p, '\n',
		    (size_t)(end - p))) != NULL; p++)
			more += (p == buffer ? last : p[-1]) != '\r';
		last = end[-1];
		at += (uint64_t)n;
	}
	free(buffer);
	*bytes_r = at + more;
	return n == 0 ? 0 : -1;
}

/* The file under the name that it had last. */
static enum store_result
ask_file(struct mailbox *mb, size_t i, unsigned wanted)
{
	const struct fs *fs = mb->store->fs;
	struct buf path = BUF_INIT(PATH_MAX);
	uint64_t bytes = 0;
	struct stat st;
	int r, fd = -1;

	state_path(&mb->state, i, &path);
	if (wanted & FACT_SIZE) {
		fd = fs->openat(mb->dir, buf_cstr(&path), O_RDONLY |
		    O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
		r = fd == -1 ? -1 : fs->fstat(fd, &st);
		if (r == 0 && S_ISREG(st.st_mode))
			r = count_crlf(fs, fd, &bytes);
		fs_close(fs, fd);
	} else
		r = fs->fstatat(mb->dir, buf_cstr(&path), &st);
	buf_clear(&path);
	if (r == -1)
		return errno == ENOENT ? STORE_EXPUNGED :
		    store_failed(mb->store);
	facts_learn(mb, i, &st, wanted & FACT_SIZE ? &bytes : NULL);
	return STORE_OK;
}

enum store_result
facts_need(struct mailbox *mb, size_t i, unsigned wanted)
{
	wanted &= mb->state.slots[i].unknown;
	return wanted == 0 ? STORE_OK : ask_file(mb, i, wanted);
}

enum store_result
mailbox_facts(struct mailbox *mb, uint32_t uid, unsigned wanted,
    struct message_facts *f)
{
	enum store_result r = index_whole(mb);
	size_t i = state_lower(&mb->state, uid);
	ssize_t found;

	memset(f, 0, sizeof(*f));
	if (r != STORE_OK)
		return r;
	if (i >= mb->state.n || mb->state.entries[i].uid != uid)
		return STORE_EXPUNGED;
	r = facts_need(mb, i, wanted);
	if (r == STORE_EXPUNGED && !state_is_gone(&mb->state, i)) {
		/* Somebody has renamed it, or it is gone. */
		r = mailbox_find_file(mb, uid, &found);
		if (r == STORE_OK) {
			i = (size_t)found;
			r = facts_need(mb, i, wanted);
		} else
			i = state_lower(&mb->state, uid);
	}
	if (i < mb->state.n && mb->state.entries[i].uid == uid)
		*f = mb->state.slots[i].facts;
	return r;
}

enum store_result
store_size(struct store *s, struct slice name, bool deleted_only,
    uint64_t *bytes_r)
{
	const struct message_entry *e;
	struct message_facts f;
	struct mailbox *mb;
	enum store_result r = mailbox_open_quiet(s, name, &mb);
	size_t i;

	*bytes_r = 0;
	if (r != STORE_OK)
		return r;
	for (i = 0; i < mb->state.visible && r == STORE_OK; i++) {
		e = &mb->state.entries[i];
		if (state_is_gone(&mb->state, i) ||
		    (deleted_only && !(e->flags & FLAG_DELETED)))
			continue;
		r = mailbox_facts(mb, e->uid, FACT_SIZE, &f);
		if (r == STORE_EXPUNGED)
			r = STORE_OK;
		*bytes_r += f.size;
	}
	mailbox_close(&mb);
	return r;
}

enum store_result
facts_write(struct mailbox *mb)
{
	struct state *s = &mb->state;
	struct facts_record f;
	struct slot *t;
	size_t i, at = 0;
	bool any = false;

	mb->facts_late = false;
	buf_reset(&mb->group);
	for (i = s->partial; i < s->n; i++) {
		t = &s->slots[i];
		if (!t->facts_late || state_is_gone(s, i))
			continue;
		if (!any)
			record_begin(&mb->group, REC_FACTS, &at);
		any = true;
		f = (struct facts_record){ s->entries[i].uid, t->unknown,
			t->facts.size, t->stored, t->facts.internal_ms,
			t->facts.saved_ms };
		put_facts(&mb->group, &f);
		/* A record has its limit. */
		if (mb->group.n - at > RECORD_BYTES / 2) {
			record_end(&mb->group, at);
			any = false;
		}
	}
	if (any)
		record_end(&mb->group, at);
	return index_commit(mb, true);
}
