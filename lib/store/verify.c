/* SPDX-License-Identifier: ISC */
/*
 * verify - an index beside its Maildir: what differs, and how to mend it.
 *
 * Without repair nothing is written: the index is loaded, the directories are
 * read, and each difference is a line.  An index that cannot be loaded at all
 * is one difference; repair makes it anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cache.h"
#include "list.h"

struct check {
	struct mailbox	*mb;
	void		(*line)(void *, const char *);
	void		*arg;
	unsigned	 bad;
	bool		*seen;		/* owned; by index of the message */
};

/* A difference; and what is none, but better known. */
static void	 tell(struct check *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));
static void	 say(struct check *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));
static void	 check_directory(struct check *, const char *sub);
static void	 check_file(struct check *, int dir, const char *sub,
		    const char *name);
static void	 check_messages(struct check *);
static void	 check_takeover(struct check *);
static bool	 has_index(struct mailbox *);
static enum store_result repair_mailbox(struct check *, struct slice name);

static void
vsay(struct check *c, const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT(4096);

	buf_vprintf(&b, fmt, ap);
	if (c->line != NULL)
		c->line(c->arg, buf_cstr(&b));
	buf_clear(&b);
}

static void
tell(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(c, fmt, ap);
	va_end(ap);
	c->bad++;
}

static void
say(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(c, fmt, ap);
	va_end(ap);
}

static void
check_directory(struct check *c, const char *sub)
{
	DIR *d = fs_list(c->mb->store->fs, c->mb->dir, sub, 0);
	struct dirent *e;

	if (d == NULL) {
		tell(c, "%s/ cannot be read: %s", sub, strerror(errno));
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && e->d_type != DT_DIR)
			check_file(c, dirfd(d), sub, e->d_name);
	closedir(d);
}

static void
check_file(struct check *c, int dir, const char *sub, const char *name)
{
	struct state *s = &c->mb->state;
	struct slice all = slice_str(name);
	struct slice base = slice_first(all, slice_find(all, ':'));
	struct slice info = slice_from(all, base.n);
	ssize_t i = state_find_name(s, base);
	struct stat st;

	if (i == -1 && c->mb->store->fs->fstatat(dir, name, &st) == 0 &&
	    scan_is_cut(c->mb->store->fs, dir, name, base,
	    (uint64_t)st.st_size)) {
		/* Never acknowledged: the index is right without it. */
		say(c, "%s/%s: left by a power cut, %lld bytes of what its "
		    "name says; no message", sub, name, (long long)st.st_size);
		return;
	}
	if (i == -1) {
		tell(c, "%s/%s: no message of the index", sub, name);
		return;
	}
	if (c->seen[i])
		tell(c, "%s/%s: a second file of UID %" PRIu32, sub, name,
		    s->entries[i].uid);
	c->seen[i] = true;
	if (!slice_eq(info, state_info(s, (size_t)i)) ||
	    state_is_new(s, (size_t)i) != (strcmp(sub, "new") == 0))
		tell(c, "UID %" PRIu32 ": its file is %s/%s now",
		    s->entries[i].uid, sub, name);
	if (!(s->slots[i].unknown & FACT_DATES) &&
	    c->mb->store->fs->fstatat(dir, name, &st) == 0 &&
	    (uint64_t)st.st_size != s->slots[i].stored)
		tell(c, "UID %" PRIu32 ": %lld bytes, %" PRIu64
		    " in the index", s->entries[i].uid, (long long)st.st_size,
		    s->slots[i].stored);
}

static void
check_messages(struct check *c)
{
	const struct state *s = &c->mb->state;
	size_t i;

	for (i = 0; i < s->n; i++)
		if (!c->seen[i] && !state_is_gone(s, i))
			tell(c, "UID %" PRIu32 ": its file is missing",
			    s->entries[i].uid);
}

/* Nothing that a repair could mend. */
static void
check_takeover(struct check *c)
{
	struct buf line = BUF_INIT(1024);

	if (takeover_fault(c->mb, &line))
		tell(c, "%s", buf_cstr(&line));
	buf_clear(&line);
}

/* Where nobody has looked at a mailbox yet there is none. */
static bool
has_index(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct stat st;

	return fs->fstatat(mb->dir, LOG_NAME, &st) == 0 ||
	    fs->fstatat(mb->dir, SNAP_NAME, &st) == 0;
}

static enum store_result
repair_mailbox(struct check *c, struct slice name)
{
	struct mailbox *mb;
	enum store_result r = mailbox_open_quiet(c->mb->store, name, &mb);

	if (r != STORE_OK)
		return r;
	r = index_lock(mb);
	if (r == STORE_OK) {
		r = index_rebuild(mb, "repair");
		index_unlock(mb);
	}
	mailbox_close(&mb);
	c->mb->store->fs->unlinkat(c->mb->store->root, "maildirsize", 0);
	return r;
}

enum store_result
store_verify(struct store *s, struct slice name, bool repair,
    void (*line)(void *, const char *), void *arg, unsigned *bad_r)
{
	struct mailbox *mb;
	struct check c = { .line = line, .arg = arg };
	enum store_result r = mailbox_open_index(s, name, &mb);

	if (r != STORE_OK && r != STORE_DAMAGED)
		return r;
	c.mb = mb;
	if (r == STORE_DAMAGED) {
		if (has_index(mb))
			tell(&c, "the index is damaged, or a part is missing");
	} else {
		c.seen = mem_array(mb->state.n + 1, sizeof(*c.seen));
		check_directory(&c, "new");
		check_directory(&c, "cur");
		check_messages(&c);
		free(c.seen);
		if (!repair)
			check_takeover(&c);
	}
	r = c.bad > 0 && repair ? repair_mailbox(&c, name) : STORE_OK;
	*bad_r = c.bad;
	mailbox_close(&mb);
	return r;
}
