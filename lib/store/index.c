/* SPDX-License-Identifier: ISC */
/*
 * index - a mailbox's log and snapshot.
 *
 * The snapshot of generation G and the log of generation G make the state.  A
 * new generation is made under the lock: first the snapshot takes the old
 * one's place, then an empty log the old one's; who finds a snapshot that is
 * one ahead of the log knows that the log's contents are in it.
 *
 * The lock is an OFD lock on the log; readers take none.  A record counts when
 * its group is whole.  UIDs and mod-sequences are given out below limits that
 * a synced REC_RESERVE has named, so they need no sync of their own: after the
 * machine was started anew (the boot time in the record differs) all numbers
 * below the limits are passed over (S2), and each message gets a new
 * mod-sequence, since changes that a client has seen may be lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "box.h"

#define LOAD_TRIES	4	/* without the lock */
#define FIRST_BYTES	(64 * 1024)	/* of a snapshot: numbers, or all */
#define PIECE_BYTES	(128 * 1024)	/* of the rest, written at once */

enum load {
	LOADED,
	LOAD_NONE,	/* there is no log */
	LOAD_AGAIN,	/* somebody is making a new generation */
	LOAD_DAMAGED,
	LOAD_NEWER,	/* a later version has written it */
	LOAD_FAILED,	/* errno */
};

static const char *const subs[2] = { "new", "cur" };

static enum store_result reload(struct mailbox *);
static enum store_result take_over_again(struct mailbox *);
static enum load load(struct mailbox *, struct state *);
static enum load read_log_header(struct mailbox *, struct file_header *);
static enum load read_snap(struct mailbox *, const struct file_header *,
		    struct state *);
static enum load read_rest(struct mailbox *, struct state *);
static bool	 group_needs_rest(struct state *, struct slice group);
static enum load replay(struct mailbox *, struct state *, struct changes *);
static enum store_result adopt(struct mailbox *, struct state *take);
static enum store_result create(struct mailbox *);
static enum store_result install_log(struct mailbox *);
static enum store_result stale(struct mailbox *);
static enum store_result lock_fd(struct mailbox *, int fd);
static enum store_result take_lock(struct mailbox *);
static enum store_result after_boot(struct mailbox *);

static enum store_result
failed(struct mailbox *mb)
{
	return store_failed(mb->store);
}

/* ---- opening ------------------------------------------------------------ */

enum store_result
index_open(struct mailbox *mb)
{
	enum store_result r;

	mb->log = -1;
	state_init(&mb->state);
	buf_init(&mb->group, GROUP_BYTES);
	r = reload(mb);
	if (r == STORE_OK && mb->log != -1 && takeover_is_newer(mb))
		r = take_over_again(mb);
	if (r == STORE_OK)
		state_compact(&mb->state);
	return r;
}

static int
open_log(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = fs->openat(mb->dir, LOG_NAME, O_RDWR | flags, 0);

	if (fd == -1 && (errno == EACCES || errno == EROFS)) {
		fd = fs->openat(mb->dir, LOG_NAME, O_RDONLY | flags, 0);
		mb->read_only = true;
	}
	return fd;
}

bool
index_is_writable(const struct mailbox *mb)
{
	return mb->log != -1 && (!mb->read_only ||
	    (fcntl(mb->log, F_GETFL) & O_ACCMODE) != O_RDONLY);
}

enum store_result
index_load(struct mailbox *mb)
{
	enum load l = LOAD_AGAIN;
	struct state s;
	int i;

	state_init(&mb->state);
	buf_init(&mb->group, GROUP_BYTES);
	for (i = 0; i < LOAD_TRIES && l != LOADED; i++) {
		fs_close(mb->store->fs, mb->log);
		mb->log = open_log(mb);
		if (mb->log == -1)
			return errno == ENOENT ? STORE_DAMAGED : failed(mb);
		l = load(mb, &s);
		if (l != LOADED)
			usleep(2000);
	}
	if (l == LOAD_FAILED)
		return failed(mb);
	if (l == LOAD_NEWER)
		return STORE_NEWER;
	if (l != LOADED)
		return STORE_DAMAGED;
	state_replace(&mb->state, &s, NULL);
	state_compact(&mb->state);
	l = mb->state.partial > 0 ? read_rest(mb, &mb->state) : LOADED;
	return l == LOADED ? STORE_OK : l == LOAD_FAILED ? failed(mb) :
	    STORE_DAMAGED;
}

void
index_settle(struct mailbox *mb)
{
	bool names = mb->names_late && !mb->read_only;

	if (index_is_writable(mb) && (names || mb->facts_late ||
	    mb->log_at > LOG_MIN_BYTES) && index_lock(mb) == STORE_OK) {
		if (names)
			scan_set_names(mb);
		if (mb->facts_late)
			facts_write(mb);
		index_snapshot(mb, false);
		index_unlock(mb);
	}
	if (index_is_writable(mb) && mb->unsynced_ms != 0)
		index_sync(mb);
}

void
index_close(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;

	fs_close(fs, mb->log);
	mb->log = -1;
	state_clear(&mb->state);
	buf_clear(&mb->group);
	free(mb->pending.v);
	free(mb->told.v);
}

/* With the newest log: the state is made anew, and what differs from the old
 * one is among the changes. */
static enum store_result
reload(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct state s;
	enum load l = LOAD_AGAIN;
	enum store_result r;
	struct stat st;
	int i;

	mb->stale = false;
	for (i = 0; i < LOAD_TRIES && l == LOAD_AGAIN; i++) {
		if (mb->locked == 0) {
			fs_close(fs, mb->log);
			mb->log = open_log(mb);
		}
		if (mb->log == -1 && errno != ENOENT)
			return failed(mb);
		l = mb->log == -1 ? LOAD_NONE : load(mb, &s);
		if (l == LOAD_AGAIN && i > 0)
			usleep(1000);
	}
	switch (l) {
	case LOADED:
		return adopt(mb, &s);
	case LOAD_NONE:
		if (mb->store->fs->fstat(mb->dir, &st) == 0 &&
		    st.st_nlink == 0)
			return STORE_NO_MAILBOX;
		return create(mb);
	case LOAD_NEWER:
		return STORE_NEWER;
	case LOAD_FAILED:
		return failed(mb);
	case LOAD_AGAIN:
	case LOAD_DAMAGED:
		break;
	}
	/* Without the lock it may only have looked so. */
	if (mb->locked > 0)
		return index_rebuild(mb, "damaged");
	if (!index_is_writable(mb))
		return STORE_DAMAGED;
	r = take_lock(mb);
	if (r != STORE_OK)
		return r;
	l = load(mb, &s);
	if (l == LOADED)
		r = adopt(mb, &s);
	else if (l == LOAD_FAILED)
		r = failed(mb);
	else if (l == LOAD_NEWER)
		r = STORE_NEWER;
	else
		r = index_rebuild(mb, "damaged");
	index_unlock(mb);
	return r;
}

/* A state that was loaded takes the place of ours. */
static enum store_result
adopt(struct mailbox *mb, struct state *take)
{
	enum load l = LOADED;

	if (mb->state.n > 0 && take->partial > 0)
		l = read_rest(mb, take);
	if (l != LOADED) {
		state_clear(take);
		mb->stale = mb->distrusted = true;
		return l == LOAD_FAILED ? failed(mb) : STORE_DAMAGED;
	}
	mb->distrusted = false;
	state_replace(&mb->state, take, mailbox_changes(mb));
	return after_boot(mb);
}

/* Into a new state; nothing of mb changes but log_at.  s is initialised, and
 * empty unless it is LOADED. */
static enum load
load(struct mailbox *mb, struct state *s)
{
	struct file_header h;
	enum load l;

	state_init(s);
	l = read_log_header(mb, &h);
	if (l == LOADED)
		l = read_snap(mb, &h, s);
	if (l == LOADED && s->generation == h.generation) {
		mb->log_at = FILE_HEADER_BYTES;
		l = replay(mb, s, NULL);
	} else if (l == LOADED) {
		/* The snapshot is one ahead, and nobody is at work on the log
		 * that belongs to it: its maker has died. */
		struct state old = mb->state;

		mb->state = *s;
		state_init(s);
		l = install_log(mb) == STORE_OK ? LOADED : LOAD_FAILED;
		*s = mb->state;
		mb->state = old;
	}
	if (l != LOADED)
		state_clear(s);
	return l;
}

static enum load
read_log_header(struct mailbox *mb, struct file_header *h)
{
	struct buf b = BUF_INIT(FILE_HEADER_BYTES);
	enum load l = LOAD_DAMAGED;

	if (fs_read(mb->store->fs, mb->log, &b, FILE_HEADER_BYTES, 0) ==
	    -1)
		l = LOAD_FAILED;
	else if (file_header_unpack(buf_slice(&b), FILE_LOG, h))
		l = LOADED;
	else if (file_header_is_newer(buf_slice(&b), FILE_LOG))
		l = LOAD_NEWER;
	buf_clear(&b);
	return l;
}

/* One group: all of it or none. */
static bool
apply_snap_group(struct slice in, uint64_t generation, struct state *s)
{
	struct record r = { .commit = true };

	while (record_read(in, generation, &r) == RECORD_OK) {
		if (!state_apply(s, &r, false, NULL))
			return false;
		in = slice_from(in, r.bytes);
	}
	return in.n == 0 && r.commit;
}

/* Where the second group of a snapshot begins; its end where there is none. 0:
 * it is damaged. */
static uint64_t
rest_begins(struct slice snap, uint64_t generation, uint64_t end)
{
	struct snap_record v;
	struct record r;
	struct wire w;

	if (record_read(slice_from(snap, FILE_HEADER_BYTES), generation, &r) !=
	    RECORD_OK || r.type != REC_SNAP)
		return 0;
	w = wire_of(r.body);
	v = get_snap(&w);
	if (!wire_done(&w) || (v.rest_at != 0 &&
	    (v.rest_at < FILE_HEADER_BYTES || v.rest_at > end)))
		return 0;
	return v.rest_at != 0 ? v.rest_at : end;
}

static enum load
read_snap(struct mailbox *mb, const struct file_header *log, struct state *s)
{
	const struct fs *fs = mb->store->fs;
	struct buf b = BUF_INIT(GROUP_BYTES);
	struct file_header h;
	enum load l = LOAD_DAMAGED;
	struct stat st;
	uint64_t rest;
	int fd = fs->openat(mb->dir, SNAP_NAME, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0);

	if (fd == -1) {
		l = errno == ENOENT || errno == ELOOP ? LOAD_DAMAGED :
		    LOAD_FAILED;
		/* Its maker links the log first. */
		if (errno == ENOENT && mb->locked == 0)
			l = LOAD_AGAIN;
		goto end;
	}
	if (fs->fstat(fd, &st) == -1) {
		l = LOAD_FAILED;
		goto end;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > GROUP_BYTES)
		goto end;
	mb->snap_bytes = (uint64_t)st.st_size;
	if (fs_read(fs, fd, &b, FIRST_BYTES, 0) == -1) {
		l = LOAD_FAILED;
		goto end;
	}
	if (file_header_is_newer(buf_slice(&b), FILE_SNAP)) {
		l = LOAD_NEWER;
		goto end;
	}
	if (!file_header_unpack(buf_slice(&b), FILE_SNAP, &h) ||
	    memcmp(h.guid, log->guid, sizeof(h.guid)) != 0)
		goto end;
	if (h.generation != log->generation && mb->locked == 0) {
		l = LOAD_AGAIN;
		goto end;
	}
	if (h.generation != log->generation &&
	    h.generation != log->generation + 1)
		goto end;
	rest = rest_begins(buf_slice(&b), h.generation, mb->snap_bytes);
	if (rest > b.n && fs_read(fs, fd, &b, (size_t)rest - b.n,
	    (off_t)b.n) == -1) {
		l = LOAD_FAILED;
		goto end;
	}
	if (b.n < rest || !apply_snap_group(slice_from(slice_first(
	    buf_slice(&b), (size_t)rest), FILE_HEADER_BYTES), h.generation, s))
		goto end;
	s->rest_at = rest;
	s->rest_end = mb->snap_bytes;
	s->rest_fd = fd;
	fd = -1;
	memcpy(s->guid, h.guid, sizeof(s->guid));
	s->generation = h.generation;
	s->uidvalidity = h.uidvalidity;
	l = LOADED;
	if (s->partial == 0 || mb->distrusted)
		l = read_rest(mb, s);
end:
	fs_close(fs, fd);
	buf_clear(&b);
	return l;
}

/* The second group of the snapshot that a state was made of. */
static enum load
read_rest(struct mailbox *mb, struct state *s)
{
	struct buf b = BUF_INIT(GROUP_BYTES);
	size_t n = (size_t)(s->rest_end - s->rest_at);
	enum load l = LOADED;

	if (fs_read(mb->store->fs, s->rest_fd, &b, n,
	    (off_t)s->rest_at) == -1)
		l = LOAD_FAILED;
	else if (b.n < n || !apply_snap_group(buf_slice(&b), s->generation,
	    s) || !state_end_rest(s))
		l = LOAD_DAMAGED;
	buf_clear(&b);
	return l;
}

enum store_result
index_whole(struct mailbox *mb)
{
	enum load l = LOADED;
	enum store_result r;

	if (mb->state.partial > 0)
		l = read_rest(mb, &mb->state);
	if (l != LOAD_DAMAGED)
		return l == LOADED ? STORE_OK : failed(mb);
	/* Whoever reads it next reads all of it, and sees that. */
	mb->stale = mb->distrusted = true;
	if (!index_is_writable(mb))
		return STORE_DAMAGED;
	if (mb->locked > 0)
		return reload(mb);
	r = index_lock(mb);
	if (r == STORE_OK)
		index_unlock(mb);
	return r;
}

/* The bytes of the whole group at the front; 0: it is not whole. */
static size_t
group_bytes(struct slice in, uint64_t generation)
{
	struct record r;
	size_t n = 0;

	while (record_read(slice_from(in, n), generation, &r) == RECORD_OK) {
		n += r.bytes;
		if (r.commit)
			return n;
	}
	return 0;
}

static bool
apply_group(struct state *s, struct slice group, bool own, struct changes *c)
{
	struct record r;
	bool ok = true;

	while (group.n > 0 &&
	    record_read(group, s->generation, &r) == RECORD_OK) {
		if (!state_apply(s, &r, own, c))
			ok = false;
		group = slice_from(group, r.bytes);
	}
	return ok;
}

static bool
group_needs_rest(struct state *s, struct slice group)
{
	struct record r;

	if (s->partial == 0)
		return false;
	for (; record_read(group, s->generation, &r) == RECORD_OK;
	    group = slice_from(group, r.bytes))
		if (state_needs_rest(s, &r))
			return true;
	return false;
}

/* The log from log_at on, into a state of its generation. */
static enum load
replay(struct mailbox *mb, struct state *s, struct changes *c)
{
	const struct fs *fs = mb->store->fs;
	struct buf b = BUF_INIT(LOG_BYTES);
	struct slice in;
	struct stat st;
	enum load l = LOADED;
	size_t n, budget = SEARCH_BYTES;

	if (fs->fstat(mb->log, &st) == -1)
		return LOAD_FAILED;
	if ((uint64_t)st.st_size < mb->log_at)
		return LOAD_DAMAGED;
	if ((uint64_t)st.st_size == mb->log_at)
		return LOADED;
	if (fs_read(fs, mb->log, &b, (size_t)st.st_size - mb->log_at,
	    (off_t)mb->log_at) == -1) {
		buf_clear(&b);
		return LOAD_FAILED;
	}
	in = buf_slice(&b);
	while ((n = group_bytes(in, s->generation)) > 0) {
		if (group_needs_rest(s, slice_first(in, n)))
			l = read_rest(mb, s);
		if (l != LOADED)
			goto end;
		/* With a right checksum and wrong contents: not ours. */
		if (!apply_group(s, slice_first(in, n), false, c)) {
			l = LOAD_DAMAGED;
			goto end;
		}
		in = slice_from(in, n);
		mb->log_at += n;
	}
	/* Without the lock the rest may be a record that is being written. */
	if (in.n > 0 && mb->locked > 0) {
		if (in.n > RECORD_ALIGN && record_search(slice_from(in,
		    RECORD_ALIGN), s->generation, &budget, &n))
			l = LOAD_DAMAGED;
		else if (fs->ftruncate(mb->log, (off_t)mb->log_at) == -1)
			l = LOAD_FAILED;
	}
end:
	buf_clear(&b);
	return l;
}

enum store_result
index_catch_up(struct mailbox *mb)
{
	struct stat st;
	enum load l;

	if (mb->log == -1)
		return STORE_OK;
	if (mb->store->fs->fstat(mb->log, &st) == -1)
		return failed(mb);
	if ((st.st_nlink == 0 && mb->locked == 0) || mb->stale)
		return reload(mb);
	if ((uint64_t)st.st_size == mb->log_at)
		return STORE_OK;
	l = replay(mb, &mb->state, mailbox_changes(mb));
	if (l == LOAD_DAMAGED)
		return reload(mb);
	return l == LOADED ? STORE_OK : failed(mb);
}

/* ---- the lock ----------------------------------------------------------- */

/* There is no call that waits with a time-out, so it is tried, more and more
 * seldom.  STORE_FAILED with errno. */
enum store_result
store_log_lock(int fd, int64_t ms)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int64_t until = 0;
	useconds_t pause = 20;

	while (fcntl(fd, F_OFD_SETLK, &l) == -1) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return STORE_FAILED;
		if (until == 0)
			until = clock_mono_ms() + ms;
		else if (clock_mono_ms() > until)
			return STORE_BUSY;
		usleep(pause);
		if (pause < 2000)
			pause += pause / 2;
	}
	return STORE_OK;
}

static enum store_result
lock_fd(struct mailbox *mb, int fd)
{
	enum store_result r = store_log_lock(fd, STORE_LOCK_MS);

	return r == STORE_FAILED ? failed(mb) : r;
}

/* The lock of the log that is the log now: another may have taken the place
 * of the one that we have open.  STORE_OK with locked 1. */
static enum store_result
take_lock(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	enum store_result r;
	struct stat st;

	for (;;) {
		if (mb->log == -1)
			mb->log = open_log(mb);
		if (mb->log == -1)
			return failed(mb);
		if (!index_is_writable(mb))
			return STORE_READ_ONLY;
		r = lock_fd(mb, mb->log);
		if (r != STORE_OK)
			return r;
		if (fs->fstat(mb->log, &st) == -1)
			return failed(mb);
		if (st.st_nlink > 0)
			break;
		fs->close(mb->log);
		mb->log = -1;
		mb->log_at = UINT64_MAX;
	}
	mb->locked = 1;
	return STORE_OK;
}

enum store_result
index_lock(struct mailbox *mb)
{
	enum store_result r;

	if (mb->locked > 0 || mb->log == -1) {
		mb->locked++;
		return STORE_OK;
	}
	r = take_lock(mb);
	if (r != STORE_OK)
		return r;
	r = mb->log_at == UINT64_MAX || mb->stale ? reload(mb) :
	    index_catch_up(mb);
	if (r == STORE_OK && (mb->state.unlinks.n > 0 ||
	    mb->state.links.n > 0))
		r = index_finish(mb);
	if (r == STORE_OK && mb->state.move.n > 0 && !mb->moving)
		r = move_resolve(mb);
	if (r != STORE_OK)
		index_unlock(mb);
	return r;
}

void
index_unlock(struct mailbox *mb)
{
	struct flock l = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (--mb->locked == 0 && mb->log != -1)
		(void)!fcntl(mb->log, F_OFD_SETLK, &l);
}

/* ---- writing ------------------------------------------------------------ */

static bool
is_to_last(const struct record *r)
{
	return r->type == REC_ADD || r->type == REC_FLAGS ||
	    r->type == REC_EXPUNGE || r->type == REC_KEYWORD;
}

static void
put_reserve(struct mailbox *mb, uint32_t uids)
{
	struct state *s = &mb->state;
	uint32_t uid = s->uidnext;
	size_t at;

	if (__builtin_add_overflow(uid, uids + UID_RESERVE, &uid))
		uid = UINT32_MAX;
	record_begin(&mb->group, REC_RESERVE, &at);
	put_u32(&mb->group, uid);
	put_u64(&mb->group, s->modseq + 1 + MODSEQ_RESERVE);
	put_u64(&mb->group, (uint64_t)mb->store->fs->boot_s());
	record_end(&mb->group, at);
}

/* Adds a record that makes room, where numbers run out. */
static bool
reserve(struct mailbox *mb)
{
	struct state *s = &mb->state;
	struct slice in = buf_slice(&mb->group);
	uint32_t adds = 0;

	/* Lengths are there already, checksums are not. */
	while (in.n >= RECORD_HEADER_BYTES) {
		struct wire w = wire_of(in);
		size_t n = get_u32(&w);

		adds += in.p[16] == REC_ADD;
		n = RECORD_HEADER_BYTES + ((n + RECORD_ALIGN - 1) &
		    ~(size_t)(RECORD_ALIGN - 1));
		in = slice_from(in, n);
	}
	if (s->uidnext + (uint64_t)adds <= s->uid_limit &&
	    s->modseq + 1 < s->modseq_limit)
		return false;
	put_reserve(mb, adds);
	return true;
}

static bool
group_is_to_last(const struct mailbox *mb)
{
	struct slice in = buf_slice(&mb->group);
	struct record r;

	for (; record_read(in, mb->state.generation, &r) == RECORD_OK;
	    in = slice_from(in, r.bytes))
		if (is_to_last(&r))
			return true;
	return false;
}

enum store_result
index_commit(struct mailbox *mb, bool own)
{
	const struct fs *fs = mb->store->fs;
	struct state *s = &mb->state;
	bool sync;

	if (mb->group.n == 0)
		return STORE_OK;
	sync = mb->log != -1 && reserve(mb);
	group_seal(&mb->group, 0, mb->group.n, s->generation, s->modseq + 1);
	if (mb->log != -1) {
		if (fs_pwrite(fs, mb->log, buf_slice(&mb->group),
		    (off_t)mb->log_at) == -1) {
			enum store_result r = failed(mb);

			(void)!fs->ftruncate(mb->log, (off_t)mb->log_at);
			buf_reset(&mb->group);
			return r;
		}
		mb->log_at += mb->group.n;
		if (mb->unsynced_ms == 0 && group_is_to_last(mb))
			mb->unsynced_ms = clock_mono_ms();
	}
	apply_group(s, buf_slice(&mb->group), own, mailbox_changes(mb));
	buf_reset(&mb->group);
	return sync ? index_sync(mb) : STORE_OK;
}

enum store_result
index_reserve(struct mailbox *mb)
{
	enum store_result r;

	buf_reset(&mb->group);
	put_reserve(mb, 0);
	r = index_commit(mb, true);
	return r == STORE_OK ? index_sync(mb) : r;
}

/* The record says that files are gone: they must not come back. */
static int
sync_unlinks(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	int i, fd, r = 0;

	for (i = 0; i < 2; i++) {
		if (!mb->unlinked[i])
			continue;
		fd = fs_open_dir(fs, mb->dir, subs[i]);
		if (fd == -1 || fs->fsync(fd) == -1)
			r = -1;
		else
			mb->unlinked[i] = false;
		fs_close(fs, fd);
	}
	return r;
}

enum store_result
index_sync(struct mailbox *mb)
{
	if (sync_unlinks(mb) == -1)
		return failed(mb);
	if (mb->log != -1 && mb->store->fs->fdatasync(mb->log) == -1)
		return failed(mb);
	mb->unsynced_ms = 0;
	return STORE_OK;
}

/* Whether one of the paths, each with a NUL, is of this file, whatever flags
 * its name has now. */
static bool
is_expunged(struct slice paths, const char *name)
{
	size_t n = strcspn(name, ":"), len;

	for (; paths.n > 0; paths = slice_from(paths, len + 1)) {
		len = strlen(paths.p);
		if (len >= 4 + n && memcmp(paths.p + 4, name, n) == 0 &&
		    (paths.p[4 + n] == ':' || paths.p[4 + n] == '\0'))
			return true;
	}
	return false;
}

/* Somebody has renamed some of them meanwhile: looked for by name. */
static void
unlink_renamed(struct mailbox *mb, struct slice paths)
{
	const struct fs *fs = mb->store->fs;
	struct dirent *e;
	DIR *d;
	int i;

	for (i = 0; i < 2; i++) {
		d = fs_list(fs, mb->dir, subs[i], 0);
		while (d != NULL && (e = readdir(d)) != NULL)
			if (e->d_name[0] != '.' &&
			    is_expunged(paths, e->d_name)) {
				mb->unlinked[i] = true;
				fs->unlinkat(dirfd(d), e->d_name, 0);
			}
		if (d != NULL)
			closedir(d);
	}
}

/* A name in tmp/ is what the message's name is to be. */
static int
link_added(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	const struct buf *b = &mb->state.links;
	char from[NAME_MAX + 8], to[NAME_MAX + 8];
	const char *p;

	for (p = b->p; p < b->p + b->n; p += strlen(p) + 1) {
		snprintf(from, sizeof(from), "tmp/%s", p);
		snprintf(to, sizeof(to), "cur/%s", p);
		if (fs->renameat(mb->dir, from, mb->dir, to) == -1 &&
		    errno != ENOENT)
			return -1;
	}
	return 0;
}

enum store_result
index_finish(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct state *s = &mb->state;
	struct buf missing = BUF_INIT(UINT32_MAX);
	struct stamp before[2];
	const char *p = s->unlinks.p;
	size_t at;

	scan_stamp_before(mb, before);
	for (; p < s->unlinks.p + s->unlinks.n; p += strlen(p) + 1) {
		mb->unlinked[strncmp(p, "new/", 4) != 0] = true;
		if (fs->unlinkat(mb->dir, p, 0) == 0)
			continue;
		if (errno != ENOENT) {
			buf_clear(&missing);
			return failed(mb);
		}
		buf_add(&missing, slice_of(p, strlen(p) + 1));
	}
	if (link_added(mb) == -1) {
		buf_clear(&missing);
		return failed(mb);
	}
	if (missing.n > 0)
		unlink_renamed(mb, buf_slice(&missing));
	buf_clear(&missing);
	/* Nobody looks for them any more after this record, and a file that
	 * comes back after a power cut is a new message. */
	if (s->unlinks_moved && sync_unlinks(mb) == -1)
		return failed(mb);
	buf_reset(&mb->group);
	record_begin(&mb->group, REC_DONE, &at);
	record_end(&mb->group, at);
	scan_stamp_after(mb, before);
	return index_commit(mb, true);
}

/* ---- generations -------------------------------------------------------- */

enum store_result
index_snapshot(struct mailbox *mb, bool always)
{
	if (mb->log == -1 || mb->read_only)
		return STORE_OK;
	if (!always && (mb->log_at < LOG_MIN_BYTES ||
	    mb->log_at < mb->snap_bytes / 4))
		return STORE_OK;
	return index_new_generation(mb);
}

/* Numbers at once, since they say where the rest begins; that in pieces. */
static int
write_snap_to(struct mailbox *mb, int fd, struct buf *b,
    const struct file_header *h)
{
	struct state *s = &mb->state;
	size_t i = 0, from = FILE_HEADER_BYTES;

	file_header_pack(b, h);
	errno = EFBIG;
	if (state_pack(s, b) == -1)
		return -1;
	group_seal(b, from, b->n, h->generation, s->modseq);
	mb->snap_bytes = 0;
	do {
		from = b->n;
		errno = EFBIG;
		if (state_pack_rest(s, &i, b, PIECE_BYTES) == -1)
			return -1;
		group_seal_part(b, from, b->n, h->generation, s->modseq,
		    i == s->n);
		if (fs_write(mb->store->fs, fd, buf_slice(b)) == -1)
			return -1;
		mb->snap_bytes += b->n;
		buf_reset(b);
	} while (i < s->n);
	return 0;
}

static int
write_snap(struct mailbox *mb, uint64_t generation)
{
	struct state *s = &mb->state;
	struct file_header h = { .kind = FILE_SNAP, .generation = generation,
		.uidvalidity = s->uidvalidity };
	struct buf b = BUF_INIT(GROUP_BYTES);
	struct fs_replacement to;
	int r;

	memcpy(h.guid, s->guid, sizeof(h.guid));
	r = fs_replace_begin(mb->store->fs, &to, mb->dir, SNAP_NAME);
	if (r == 0) {
		r = write_snap_to(mb, to.fd, &b, &h);
		r = fs_replace_end(mb->store->fs, &to, r == 0, true);
	}
	buf_clear(&b);
	return r;
}

/* A log with nothing but its header, under another name, locked.  One of
 * generation 0 is only there for its lock, and is as good when it is empty. */
static int
make_log(struct mailbox *mb, uint64_t generation, char name[64])
{
	const struct fs *fs = mb->store->fs;
	struct state *s = &mb->state;
	struct file_header h = { .kind = FILE_LOG, .generation = generation,
		.uidvalidity = s->uidvalidity };
	struct buf b = BUF_INIT(FILE_HEADER_BYTES);
	int fd;

	snprintf(name, 64, LOG_NAME ".tmp.%ld.%u", (long)getpid(),
	    mb->store->turn++);
	/* One that a crash has left may be the log itself by another name. */
	fs->unlinkat(mb->dir, name, 0);
	fd = fs->openat(mb->dir, name, O_RDWR | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	memcpy(h.guid, s->guid, sizeof(h.guid));
	file_header_pack(&b, &h);
	if (fs_pwrite(fs, fd, buf_slice(&b), 0) == -1 ||
	    (generation > 0 && fs->fsync(fd) == -1) ||
	    lock_fd(mb, fd) != STORE_OK) {
		fs_close(fs, fd);
		fs->unlinkat(mb->dir, name, 0);
		fd = -1;
	}
	buf_clear(&b);
	return fd;
}

int
index_sync_names(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	int r, cur = fs_open_dir(fs, mb->dir, "cur");

	if (cur == -1)
		return -1;
	r = fs->fsync(cur);
	fs_close(fs, cur);
	return r;
}

enum store_result
index_new_generation(struct mailbox *mb)
{
	enum store_result r = index_whole(mb);
	uint64_t generation = mb->state.generation + 1;

	if (r != STORE_OK)
		return r;
	/* A snapshot says no more what names were before. */
	if (index_sync_names(mb) == -1)
		return failed(mb);
	if (write_snap(mb, generation) == -1 ||
	    mb->store->fs->fsync(mb->dir) == -1)
		return failed(mb);
	mb->state.generation = generation;
	return install_log(mb);
}

/* An empty log of the state's generation takes the place of the old one.  When
 * it fails, who loads next does it. */
static enum store_result
install_log(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	enum store_result r = STORE_OK;
	char name[64];
	int fd = make_log(mb, mb->state.generation, name);

	if (fd == -1)
		return stale(mb);
	if (fs->renameat(mb->dir, name, mb->dir, LOG_NAME) == -1) {
		r = stale(mb);
		fs_close(fs, fd);
		fs->unlinkat(mb->dir, name, 0);
		return r;
	}
	if (fs->fsync(mb->dir) == -1)
		r = failed(mb);
	fs_close(fs, mb->log);
	mb->log = fd;
	mb->log_at = FILE_HEADER_BYTES;
	mb->unsynced_ms = 0;
	return r;
}

/* The state is of a generation that has no log yet: nothing may be written to
 * the one that we have. */
static enum store_result
stale(struct mailbox *mb)
{
	enum store_result r = failed(mb);

	mb->stale = true;
	return r;
}

/* ---- making one anew ---------------------------------------------------- */

/* Links an empty log as the lock; who comes second waits for the first. */
static enum store_result
create(struct mailbox *mb)
{
	const struct fs *fs = mb->store->fs;
	struct file_header found = { 0 };
	struct state known;
	enum store_result r;
	char name[64];
	int fd;

	state_init(&known);
	mb->log = -1;
	mb->state.uidvalidity = 1;	/* of a log that is never read */
	fd = make_log(mb, 0, name);
	if (fd == -1 && (errno == EACCES || errno == EROFS)) {
		/* Nothing can be written here: it is read-only, in memory. */
		mb->read_only = true;
		mb->state.uidvalidity = 0;
		takeover_read(mb, &known);
		r = index_fill(mb, &known, &found);
		state_clear(&known);
		return r;
	}
	if (fd == -1)
		return failed(mb);
	if (fs->linkat(mb->dir, name, mb->dir, LOG_NAME) == -1) {
		r = errno == EEXIST ? STORE_OK : failed(mb);
		fs_close(fs, fd);
		fs->unlinkat(mb->dir, name, 0);
		return r == STORE_OK ? reload(mb) : r;
	}
	fs->unlinkat(mb->dir, name, 0);
	mb->log = fd;
	mb->log_at = FILE_HEADER_BYTES;
	mb->locked++;
	r = index_rebuild(mb, NULL);
	index_unlock(mb);
	return r;
}

/* Dovecot has served it since. */
static enum store_result
take_over_again(struct mailbox *mb)
{
	enum store_result r = index_lock(mb);
	struct file_header h = { 0 };
	struct state all;

	if (r != STORE_OK)
		return r == STORE_READ_ONLY ? STORE_OK : r;
	r = index_whole(mb);
	if (r == STORE_OK && takeover_is_newer(mb)) {
		state_init(&all);
		h.generation = mb->state.generation;
		if (takeover_again(mb, &all))
			r = index_fill(mb, &all, &h);
		else {
			buf_reset(&mb->group);
			takeover_put_seen(mb);
			r = index_commit(mb, true);
		}
		state_clear(&all);
	}
	index_unlock(mb);
	return r;
}

/* ---- after the machine was started anew --------------------------------- */

static bool
was_booted(const struct mailbox *mb)
{
	return !state_is_of_boot(&mb->state,
	    (uint32_t)mb->store->fs->boot_s());
}

static enum store_result
after_boot(struct mailbox *mb)
{
	struct state *s = &mb->state;
	enum store_result r;
	size_t at;

	if (!was_booted(mb) || !index_is_writable(mb))
		return STORE_OK;
	r = index_lock(mb);
	if (r != STORE_OK)
		return r;
	if (was_booted(mb)) {
		buf_reset(&mb->group);
		record_begin(&mb->group, REC_EPOCH, &at);
		put_u32(&mb->group, s->uid_limit);
		put_u64(&mb->group, s->modseq_limit);
		record_end(&mb->group, at);
		r = index_commit(mb, false);
		if (r == STORE_OK)
			r = index_reserve(mb);
		if (r == STORE_OK)
			r = scan_mailbox(mb, SCAN_NEW | SCAN_CUR | SCAN_SIZES,
			    NULL);
	}
	index_unlock(mb);
	return r;
}
