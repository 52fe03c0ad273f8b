/* SPDX-License-Identifier: ISC */
/*
 * append - new messages, and copies.
 *
 * Files are made in tmp/, or in staging, and get their names there.  One group
 * of records then says that they are messages of the mailbox: that is the
 * moment when they are, all of them.  Whoever has the lock afterwards, if need
 * be in place of one who died, renames them to cur/.
 *
 * A message alone, which is what most clients send, goes to cur/ first, under
 * the lock and whole, and then there is the record: if we die between the two,
 * it is found as a message that another program has put there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache.h"
#include "list.h"
#include "quota.h"
#include "staging.h"

#define OUT_BYTES	(64 * 1024)
#define OPEN_FILES	8	/* synced one by one; more by syncfs() */
#define MESSAGES	100000	/* of one append or copy */

struct one {
	char		 name[MESSAGE_NAME_BYTES];	/* of its file */
	uint8_t		 base_n;
	uint8_t		 made_n;	/* of that, the name it was made by */
	uint8_t		 flags;
	uint64_t	 size, stored;
	int64_t		 internal_ms, saved_ms;
	uint8_t		 guid[16];
	uint64_t	 bits;		/* keywords in the target */
	struct slice	*keywords;	/* owned, and what they point to */
	size_t		 nkeywords;
};

struct append {
	struct store	*store;
	char		*mailbox;	/* owned: its name */
	struct mailbox	*to;		/* borrowed; see target() */
	unsigned	 closings;	/* of the store when that was found */
	struct one	*v;		/* owned */
	size_t		 n, cap;
	uint64_t	 bytes;
	struct quota	 freed;		/* what append_replace() will free */
	int		 fds[OPEN_FILES]; /* owned: of the first ones */
	size_t		 nfds;
	/* The one that is being written, or was written last: */
	bool		 loose;		/* where it was made, by that name */
	int		 staged;	/* borrowed: there; -1: in tmp/ */
	int		 fd;		/* owned; -1: none */
	bool		 cr;		/* the last byte was CR */
	bool		 after_cr;	/* the last byte in the file is */
	struct buf	 out;
	enum store_result failed;
	bool		 committed;
};

static enum store_result has_room(struct append *, uint64_t bytes,
		    size_t messages);
static enum store_result find_target(struct append *);
static enum store_result target(struct append *);
static enum store_result make_file(struct append *, const struct one *);
static enum store_result flush(struct append *);
static enum store_result put_into_tmp(struct append *);
static enum store_result commit(struct append *, struct appended *);
static enum store_result commit_locked(struct append *, int cur,
		    struct appended *);
static enum store_result commit_alone(struct append *, int cur);
static enum store_result sync_files(struct append *);
static enum store_result sync_names(struct append *, int cur);
static enum store_result link_one(struct append *, struct mailbox *from,
		    size_t i);
static enum store_result copy_bytes(struct append *, struct mailbox *from,
		    const char *path, const char *to);

enum store_result
append_begin(struct store *s, struct slice mailbox, struct append **a_r)
{
	struct append *a = mem_alloc(sizeof(*a));
	enum store_result r;

	a->store = s;
	a->fd = -1;
	a->mailbox = mem_slicedup(mailbox);
	buf_init(&a->out, OUT_BYTES + 1);
	r = find_target(a);
	if (r != STORE_OK)
		append_abort(&a);
	*a_r = a;
	return r;
}

static enum store_result
find_target(struct append *a)
{
	enum store_result r = mailbox_target(a->store, slice_str(a->mailbox),
	    &a->to);

	if (r != STORE_OK)
		a->to = NULL;
	a->closings = a->store->closings;
	return r;
}

/* Another call may have closed it. */
static enum store_result
target(struct append *a)
{
	return a->to != NULL && a->closings == a->store->closings ? STORE_OK :
	    find_target(a);
}

static struct one *
next_one(struct append *a)
{
	struct one *o;

	a->v = mem_room(a->v, a->n, &a->cap, sizeof(*a->v), 4);
	o = &a->v[a->n];
	memset(o, 0, sizeof(*o));
	return o;
}

void
append_frees(struct append *a, struct mailbox *mb, uint32_t uid)
{
	struct store_usage limits;
	ssize_t i;

	if (!store_has_quota(a->store, &limits) || index_whole(mb) != STORE_OK)
		return;
	i = state_find(&mb->state, uid);
	if (i != -1 && facts_need(mb, (size_t)i, FACT_DATES) == STORE_OK)
		a->freed = (struct quota){ mb->state.slots[i].stored, 1 };
}

static enum store_result
has_room(struct append *a, uint64_t bytes, size_t messages)
{
	return store_has_room(a->store, bytes - (bytes < a->freed.bytes ?
	    bytes : a->freed.bytes), messages - a->freed.messages);
}

/* ---- one message -------------------------------------------------------- */

enum store_result
append_message(struct append *a, uint64_t size, uint8_t flags,
    const struct slice *keywords, size_t nkeywords, int64_t internal_ms)
{
	enum store_result r = has_room(a, a->bytes + size, a->n + 1);
	struct one *o;
	size_t i;

	if (r == STORE_OK)
		r = target(a);
	if (r == STORE_OK)
		r = put_into_tmp(a);
	if (r == STORE_OK && a->n >= MESSAGES)
		r = STORE_LIMIT;
	if (r != STORE_OK)
		return r;
	o = next_one(a);
	store_unique_name(a->store, o->name, &o->saved_ms);
	o->made_n = (uint8_t)strlen(o->name);
	o->flags = flags & FLAGS_STORED;
	o->internal_ms = internal_ms;
	r = make_file(a, o);
	if (r != STORE_OK)
		return r;
	o->keywords = mem_array(nkeywords + 1, sizeof(*o->keywords));
	for (i = 0; i < nkeywords; i++)
		o->keywords[i] = slice_of(mem_slicedup(keywords[i]),
		    keywords[i].n);
	o->nkeywords = nkeywords;
	a->n++;
	a->cr = a->after_cr = false;
	a->failed = STORE_OK;
	buf_reset(&a->out);
	return STORE_OK;
}

/* In staging where it is worth while there. */
static enum store_result
make_file(struct append *a, const struct one *o)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const struct fs *fs = a->store->fs;
	struct staging *staging = a->store->staging;
	int64_t start = clock_mono_us();
	char path[NAME_MAX + 8];
	struct stat st;

	a->fd = a->staged = -1;
	if (staging != NULL && fs->fstat(a->to->dir, &st) == 0)
		a->staged = staging_dir(staging, st.st_dev);
	if (a->staged != -1) {
		a->fd = fs->openat(a->staged, o->name, flags, 0600);
		if (a->fd == -1) {
			staging_took(staging, -1);
			a->staged = -1;
		}
	}
	if (a->fd == -1) {
		snprintf(path, sizeof(path), "tmp/%s", o->name);
		a->fd = fs->openat(a->to->dir, path, flags, 0600);
	}
	if (a->fd == -1)
		return store_failed(a->store);
	if (a->staged != -1)
		staging_took(staging, clock_mono_us() - start);
	else if (staging != NULL)
		staging_elsewhere_took(staging, clock_mono_us() - start);
	a->loose = true;
	return STORE_OK;
}

/* CRLF becomes LF; a CR alone stays, and of CR CR LF is read as the LF's. */
enum store_result
append_bytes(struct append *a, struct slice s)
{
	struct one *o = &a->v[a->n - 1];
	const char *cr;
	size_t n;

	while (s.n > 0 && a->failed == STORE_OK) {
		if (a->out.n + 2 > OUT_BYTES)
			a->failed = flush(a);
		if (a->cr && s.p[0] != '\n') {
			buf_add_byte(&a->out, '\r');
			o->stored++;
			o->size++;
			a->after_cr = true;
		}
		a->cr = false;
		cr = memchr(s.p, '\r', s.n);
		n = cr == NULL ? s.n : (size_t)(cr - s.p);
		if (n > OUT_BYTES - a->out.n)
			n = OUT_BYTES - a->out.n;
		else if (cr != NULL)
			a->cr = true;
		buf_add(&a->out, slice_first(s, n));
		o->stored += n;
		o->size += n;
		for (cr = s.p; (cr = memchr(cr, '\n',
		    (size_t)(s.p + n - cr))) != NULL; cr++)
			o->size += cr > s.p || !a->after_cr;
		if (n > 0)
			a->after_cr = false;
		s = slice_from(s, n + a->cr);
	}
	return a->failed;
}

static enum store_result
flush(struct append *a)
{
	if (fs_write(a->store->fs, a->fd, buf_slice(&a->out)) == -1)
		return store_failed(a->store);
	buf_reset(&a->out);
	return STORE_OK;
}

/* The final name; the file does not have it yet. */
static enum store_result
name_it(struct append *a, struct one *o)
{
	char base[MESSAGE_NAME_BYTES], info[MESSAGE_NAME_BYTES];
	size_t n;
	int len;

	n = info_write(info, SLICE_EMPTY, o->flags, 0, 0);
	len = snprintf(base, sizeof(base), "%s,S=%llu,W=%llu", o->name,
	    (unsigned long long)o->stored, (unsigned long long)o->size);
	if (len < 0 || (size_t)len + n >= sizeof(base)) {
		errno = ENAMETOOLONG;
		return store_failed(a->store);
	}
	o->base_n = (uint8_t)len;
	guid_of_name(slice_of(base, (size_t)len), o->guid);
	memcpy(o->name, base, (size_t)len);
	memcpy(o->name + len, info, n);
	o->name[(size_t)len + n] = '\0';
	return STORE_OK;
}

/* Where the last one is while it is loose: the directory, and a path. */
static int
loose_path(const struct append *a, char path[NAME_MAX + 8])
{
	const struct one *o = &a->v[a->n - 1];

	snprintf(path, NAME_MAX + 8, "%s%.*s", a->staged == -1 ? "tmp/" : "",
	    (int)o->made_n, o->name);
	return a->staged == -1 ? a->to->dir : a->staged;
}

static enum store_result
move_loose(struct append *a, int dir, const char *to)
{
	char from[NAME_MAX + 8];
	int from_dir = loose_path(a, from);
	enum store_result r;

	if (a->store->fs->renameat(from_dir, from, dir, to) == 0) {
		a->loose = false;
		return STORE_OK;
	}
	r = store_failed(a->store);
	/* Another mount of the same file system: not again. */
	if (a->staged != -1 && a->store->error == EXDEV) {
		a->loose = false;
		staging_free(&a->store->staging);
	}
	return r;
}

static enum store_result
put_into_tmp(struct append *a)
{
	char to[NAME_MAX + 8];

	if (!a->loose)
		return STORE_OK;
	snprintf(to, sizeof(to), "tmp/%s", a->v[a->n - 1].name);
	return move_loose(a, a->to->dir, to);
}

enum store_result
append_end(struct append *a)
{
	const struct fs *fs = a->store->fs;
	struct one *o = &a->v[a->n - 1];
	struct timespec t[2];

	if (a->cr) {
		buf_add_byte(&a->out, '\r');
		o->stored++;
		o->size++;
		a->cr = false;
	}
	if (a->failed == STORE_OK)
		a->failed = flush(a);
	if (a->failed == STORE_OK)
		a->failed = has_room(a, a->bytes + o->stored, a->n);
	if (a->failed == STORE_OK)
		a->failed = target(a);
	if (a->failed == STORE_OK)
		a->failed = name_it(a, o);
	a->bytes += o->stored;
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = (time_t)(o->internal_ms / 1000);
	t[1].tv_nsec = o->internal_ms % 1000 * 1000000;
	if (t[1].tv_nsec < 0) {
		t[1].tv_sec--;
		t[1].tv_nsec += 1000000000;
	}
	(void)!fs->futimens(a->fd, t);
	if (a->nfds < OPEN_FILES && a->nfds + 1 == a->n)
		a->fds[a->nfds++] = a->fd;
	else
		fs_close(fs, a->fd);
	a->fd = -1;
	return a->failed;
}

/* ---- all of them -------------------------------------------------------- */

/* Names become bits of the target; each new one is a group of its own. */
static void
make_keywords(struct append *a)
{
	struct one *o;
	size_t i;
	int bit;

	for (o = a->v; o < a->v + a->n; o++)
		for (i = 0; i < o->nkeywords; i++) {
			bit = mailbox_make_keyword(a->to, o->keywords[i]);
			if (bit != -1)
				o->bits |= UINT64_C(1) << bit;
		}
}

static int
put_one(struct append *a, const struct one *o, uint32_t uid)
{
	struct message_record m = { .uid = uid, .flags = o->flags,
		.in_tmp = !a->loose, .keywords = o->bits,
		.facts = { .size = o->size, .internal_ms = o->internal_ms,
		.saved_ms = o->saved_ms }, .stored = o->stored };
	size_t at;

	memcpy(m.facts.guid, o->guid, sizeof(o->guid));
	m.base = slice_of(o->name, o->base_n);
	m.info = slice_str(o->name + o->base_n);
	return record_begin(&a->to->group, REC_ADD, &at) == -1 ||
	    put_message(&a->to->group, &m) == -1 ||
	    record_end(&a->to->group, at) == -1 ? -1 : 0;
}

static enum store_result
commit_locked(struct append *a, int cur, struct appended *done)
{
	struct mailbox *mb = a->to;
	uint32_t uid;
	size_t i;

	make_keywords(a);
	uid = mb->state.uidnext;
	if (uid >= UINT32_MAX - a->n)
		return STORE_LIMIT;
	buf_reset(&mb->group);
	for (i = 0; i < a->n; i++)
		if (put_one(a, &a->v[i], uid + (uint32_t)i) == -1)
			return STORE_LIMIT;
	*done = (struct appended){ mb->state.uidvalidity, uid,
		(uint32_t)a->n };
	return a->loose ? commit_alone(a, cur) : index_commit(mb, false);
}

/* One message, whose file goes to cur/ before there is a record of it. */
static enum store_result
commit_alone(struct append *a, int cur)
{
	const struct fs *fs = a->store->fs;
	const char *name = a->v[0].name;
	enum store_result r;
	struct stat before;

	if (fs->fstat(cur, &before) == -1)
		return store_failed(a->store);
	r = move_loose(a, cur, name);
	if (r != STORE_OK)
		return r;
	scan_stamp_cur(a->to, cur, &before);
	r = index_commit(a->to, false);
	if (r != STORE_OK)
		fs->unlinkat(cur, name, 0);
	return r;
}

/* Files become messages.  When it fails before that, nothing is one. */
static enum store_result
commit(struct append *a, struct appended *done)
{
	const struct fs *fs = a->store->fs;
	struct mailbox *mb = a->to;
	int cur = fs_open_dir(fs, mb->dir, "cur");
	enum store_result r = cur == -1 ? store_failed(a->store) : STORE_OK;

	if (r == STORE_OK && a->n > 1)
		r = put_into_tmp(a);
	/* Before there is a record that names them, and so before anybody else
	 * can see them: after a power cut it is all or nothing, and whole. */
	if (r == STORE_OK)
		r = sync_files(a);
	if (r == STORE_OK)
		r = index_lock(mb);
	if (r != STORE_OK)
		goto end;
	r = commit_locked(a, cur, done);
	a->committed = r == STORE_OK;
	if (a->committed) {
		if (mb->state.links.n > 0)
			r = index_finish(mb);
		quota_change(fs, a->store->root, (int64_t)a->bytes,
		    (int64_t)a->n);
	}
	index_unlock(mb);
	if (r == STORE_OK)
		r = sync_names(a, cur);
end:
	fs_close(fs, cur);
	return r;
}

static enum store_result
sync_files(struct append *a)
{
	const struct fs *fs = a->store->fs;
	size_t i;

	if (a->nfds < a->n)
		return fs->syncfs(a->store->root) == -1 ?
		    store_failed(a->store) : STORE_OK;
	for (i = 0; i < a->nfds; i++)
		if (fs->fdatasync(a->fds[i]) == -1)
			return store_failed(a->store);
	return STORE_OK;
}

/* Names and records. */
static enum store_result
sync_names(struct append *a, int cur)
{
	const struct fs *fs = a->store->fs;

	if (a->nfds < a->n) {
		if (fs->syncfs(a->store->root) == -1)
			return store_failed(a->store);
		a->to->unsynced_ms = 0;
		return STORE_OK;
	}
	if (fs->fsync(cur) == -1)
		return store_failed(a->store);
	return index_sync(a->to);
}

enum store_result
append_commit(struct append **ap, struct appended *done)
{
	struct append *a = *ap;
	enum store_result r = a->failed;

	memset(done, 0, sizeof(*done));
	if (r == STORE_OK && a->n > 0)
		r = find_target(a);
	if (r == STORE_OK && a->n > 0)
		r = commit(a, done);
	append_abort(ap);
	return r;
}

enum store_result
append_replace(struct append **ap, struct mailbox *mb, uint32_t uid,
    struct appended *done)
{
	enum store_result r;

	if (state_find(&mb->state, uid) == -1) {
		append_abort(ap);
		return STORE_EXPUNGED;
	}
	r = append_commit(ap, done);
	if (r == STORE_OK)
		r = mailbox_expunge(mb, (struct uid_list){ &uid, 1 }, false);
	return r;
}

void
append_abort(struct append **ap)
{
	struct append *a = *ap;
	char path[NAME_MAX + 8];
	size_t i, k;
	int dir;

	*ap = NULL;
	if (a == NULL)
		return;
	fs_close(a->store->fs, a->fd);
	for (i = 0; i < a->nfds; i++)
		fs_close(a->store->fs, a->fds[i]);
	if (!a->committed && a->n > 0 && target(a) == STORE_OK) {
		if (a->loose) {
			dir = loose_path(a, path);
			a->store->fs->unlinkat(dir, path, 0);
		}
		for (i = 0; i < a->n - a->loose; i++) {
			snprintf(path, sizeof(path), "tmp/%s", a->v[i].name);
			a->store->fs->unlinkat(a->to->dir, path, 0);
		}
	}
	for (i = 0; i < a->n; i++) {
		for (k = 0; k < a->v[i].nkeywords; k++)
			free((void *)(uintptr_t)a->v[i].keywords[k].p);
		free(a->v[i].keywords);
	}
	free(a->v);
	free(a->mailbox);
	buf_clear(&a->out);
	free(a);
}

/* ---- copies ------------------------------------------------------------- */

/* A second name of the same file, or its bytes where there cannot be one. */
static enum store_result
link_one(struct append *a, struct mailbox *from, size_t i)
{
	const struct fs *fs = a->store->fs;
	const struct message_entry *e = &from->state.entries[i];
	const struct slot *t = &from->state.slots[i];
	struct buf path = BUF_INIT(PATH_MAX);
	char to[NAME_MAX + 8], unique[MESSAGE_NAME_BYTES];
	char info[MESSAGE_NAME_BYTES];
	struct one *o = next_one(a);
	enum store_result r;
	size_t n;
	int len;

	r = facts_need(from, i, FACT_SIZE | FACT_DATES);
	if (r != STORE_OK)
		return r;
	store_unique_name(a->store, unique, &o->saved_ms);
	n = info_write(info, SLICE_EMPTY, e->flags, 0, 0);
	len = snprintf(o->name, sizeof(o->name), "%s,S=%llu,W=%llu%.*s", unique,
	    (unsigned long long)t->stored,
	    (unsigned long long)t->facts.size,
	    (int)n, info);
	if (len < 0 || (size_t)len >= sizeof(o->name)) {
		errno = ENAMETOOLONG;
		return store_failed(a->store);
	}
	o->base_n = (uint8_t)((size_t)len - n);
	o->flags = e->flags & FLAGS_STORED;
	o->bits = e->keywords;
	o->size = t->facts.size;
	o->stored = t->stored;
	o->internal_ms = t->facts.internal_ms;
	memcpy(o->guid, t->facts.guid, sizeof(o->guid));
	snprintf(to, sizeof(to), "tmp/%s", o->name);
	state_path(&from->state, i, &path);
	if (fs->linkat(from->dir, buf_cstr(&path), a->to->dir, to) == 0) {
		if (a->nfds < OPEN_FILES && a->nfds == a->n)
			a->fds[a->nfds++] = fs->openat(a->to->dir, to,
			    O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	} else if (errno == EXDEV || errno == EMLINK || errno == EPERM)
		r = copy_bytes(a, from, buf_cstr(&path), to);
	else
		r = errno == ENOENT ? STORE_EXPUNGED : store_failed(a->store);
	buf_clear(&path);
	if (r == STORE_OK) {
		a->bytes += o->stored;
		a->n++;
	}
	return r;
}

static enum store_result
copy_bytes(struct append *a, struct mailbox *from, const char *path,
    const char *to)
{
	const struct fs *fs = a->store->fs;
	struct buf b = BUF_INIT((size_t)1 << 30);
	struct timespec t[2];
	struct stat st;
	int fd, r;

	r = fs_read_file(fs, from->dir, path, &b, (size_t)1 << 30, &st);
	fd = r == -1 ? -1 : fs->openat(a->to->dir, to, O_WRONLY | O_CREAT |
	    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd == -1 ? -1 : fs_write(fs, fd, buf_slice(&b));
	buf_clear(&b);
	if (fd == -1)
		return store_failed(a->store);
	t[0] = st.st_mtim;
	t[1] = st.st_mtim;
	if (r == -1 || fs->futimens(fd, t) == -1 || fs->fsync(fd) == -1) {
		enum store_result bad = store_failed(a->store);

		fs_close(fs, fd);
		fs->unlinkat(a->to->dir, to, 0);
		return bad;
	}
	fs_close(fs, fd);
	return STORE_OK;
}

/* Bits of one mailbox as bits of another. */
static void
translate_keywords(struct append *a, const struct mailbox *from)
{
	uint64_t used = 0, bits;
	int map[STORE_KEYWORDS], k;
	size_t i;

	for (i = 0; i < a->n; i++)
		used |= a->v[i].bits;
	for (k = 0; k < STORE_KEYWORDS; k++)
		map[k] = used >> k & 1 && from->state.keywords[k] != NULL ?
		    mailbox_make_keyword(a->to,
		    slice_str(from->state.keywords[k])) : -1;
	for (i = 0; i < a->n; i++) {
		bits = 0;
		for (k = 0; k < STORE_KEYWORDS; k++)
			if (a->v[i].bits >> k & 1 && map[k] != -1)
				bits |= UINT64_C(1) << map[k];
		a->v[i].bits = bits;
	}
}

/* One name in tmp/ for each message; those that are gone are left out. */
static enum store_result
link_all(struct append *a, struct mailbox *from, struct uid_list uids,
    bool move, struct copied *c)
{
	enum store_result r = index_whole(from);
	struct quota more = { 0, 0 };
	ssize_t found;
	size_t i;

	for (i = 0; i < uids.n; i++) {
		found = state_find(&from->state, uids.v[i]);
		if (found != -1 && r == STORE_OK &&
		    facts_need(from, (size_t)found, FACT_DATES) == STORE_OK) {
			more.bytes += from->state.slots[found].stored;
			more.messages++;
		}
	}
	if (!move && r == STORE_OK)
		r = store_has_room(a->store, more.bytes, more.messages);
	for (i = 0; i < uids.n && r == STORE_OK; i++) {
		found = state_find(&from->state, uids.v[i]);
		if (found == -1)
			continue;
		r = link_one(a, from, (size_t)found);
		if (r == STORE_EXPUNGED) {
			/* Renamed by somebody, or gone. */
			r = mailbox_find_file(from, uids.v[i], &found);
			if (r == STORE_OK)
				r = link_one(a, from, (size_t)found);
			if (r == STORE_EXPUNGED) {
				r = STORE_OK;
				continue;
			}
		}
		if (r == STORE_OK)
			c->from[c->n++] = uids.v[i];
	}
	return r;
}

static enum store_result
copy_all(struct append *a, struct mailbox *from, struct appended *done)
{
	struct mailbox *to = a->to;
	enum store_result r = index_lock(to);

	if (r != STORE_OK)
		return r;
	translate_keywords(a, from);
	r = commit(a, done);
	index_unlock(to);
	return r;
}

/* Both, always in the same order: two sessions may move to and fro. */
static enum store_result
lock_both(struct mailbox *a, struct mailbox *b)
{
	const struct fs *fs = a->store->fs;
	enum store_result r;
	struct stat x, y;

	if (fs->fstat(a->dir, &x) == -1 || fs->fstat(b->dir, &y) == -1)
		return store_failed(a->store);
	r = index_lock(x.st_ino < y.st_ino ? a : b);
	if (r != STORE_OK)
		return r;
	r = index_lock(x.st_ino < y.st_ino ? b : a);
	if (r != STORE_OK)
		index_unlock(x.st_ino < y.st_ino ? a : b);
	return r;
}

static void
put_intent(const struct append *a, struct mailbox *from, struct uid_list uids)
{
	struct slice *bases = mem_array(a->n, sizeof(*bases));
	size_t i;

	for (i = 0; i < a->n; i++)
		bases[i] = slice_of(a->v[i].name, a->v[i].base_n);
	move_put(from, slice_str(a->to->name), bases, uids);
	free(bases);
}

/* See move.c.  What has arrived, and may not be durable, stays in both. */
static enum store_result
move_all(struct append *a, struct mailbox *from, struct uid_list uids,
    struct appended *done)
{
	struct mailbox *to = a->to;
	enum store_result r = lock_both(from, to);

	if (r != STORE_OK)
		return r;
	from->moving = true;
	translate_keywords(a, from);
	buf_reset(&from->group);
	if (from != to)
		put_intent(a, from, uids);
	r = index_commit(from, true);
	if (r == STORE_OK)
		r = index_sync(from);
	if (r == STORE_OK)
		r = commit(a, done);
	if (r == STORE_OK)
		r = mailbox_expunge_moved(from, uids);
	else {
		buf_reset(&from->group);
		move_put_end(from);
		(void)!index_commit(from, true);
	}
	from->moving = false;
	index_unlock(to);
	index_unlock(from);
	return r;
}

enum store_result
mailbox_copy(struct mailbox *mb, struct uid_list uids, struct slice to,
    bool move, struct copied *c)
{
	struct appended done = { 0 };
	struct append *a;
	enum store_result r;
	size_t i;

	memset(c, 0, sizeof(*c));
	if (uids.n > STORE_MESSAGES)
		return STORE_LIMIT;
	if (move && (mb->read_only || mb->log == -1))
		return STORE_READ_ONLY;
	r = append_begin(mb->store, to, &a);
	if (r != STORE_OK)
		return r;
	c->from = mem_array(uids.n + 1, sizeof(*c->from));
	c->to = mem_array(uids.n + 1, sizeof(*c->to));
	r = link_all(a, mb, uids, move, c);
	if (r == STORE_OK && a->n > 0)
		r = move ? move_all(a, mb, (struct uid_list){ c->from, c->n },
		    &done) : copy_all(a, mb, &done);
	append_abort(&a);
	for (i = 0; i < c->n; i++)
		c->to[i] = done.first_uid + (uint32_t)i;
	c->uidvalidity = done.uidvalidity;
	if (r != STORE_OK) {
		free(c->from);
		free(c->to);
		memset(c, 0, sizeof(*c));
	}
	return r;
}
