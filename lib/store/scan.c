/* SPDX-License-Identifier: ISC */
/*
 * scan - what a Maildir's directories say, and how the index learns it.
 *
 * A directory is read only when it is not as the stamp in the index says.
 * The kernel's clock for files ticks slowly, so a change may leave the time as
 * it was; therefore a directory that changed a moment ago gets a time from us
 * before it is read, which no later change can leave as it is.
 *
 * A rename while a directory is read can hide the file from the reader: what
 * is missing counts as gone only where the directory did not change meanwhile.
 *
 * Flags: the index remembers the name that each file had.  Where a file's name
 * has changed and is not the one that we would have given it, somebody else
 * has changed flags, and those win.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "box.h"

#define TRIES		5
#define NAMES_BYTES	(UINT64_C(2) << 30)
#define USEC_BITS	20
#define UNKNOWN		(UINT64_C(1) << 63)
#define RADIX		256

/* A file that no message has yet. */
struct found {
	/* Where it comes: the place in the known state of one whose UID is
	 * known, which go first; of the others UNKNOWN and the time in the
	 * name, as other servers do. */
	uint64_t	 order;
	uint32_t	 name;		/* in names, with a NUL */
	uint32_t	 hash;		/* name_hash() */
	uint8_t		 base_n, info_n;
	bool		 in_new;
};

struct scan {
	struct mailbox	*mb;
	int		 what;
	struct state	*known;		/* NULL, or the state is a new one */
	struct buf	*names;		/* own_names, or those of a new state */
	struct buf	 own_names;
	struct found	*found;		/* owned */
	size_t		 nfound, cap;
	struct stamp	 stamps[2];
	bool		 stable;
	bool		 stuck;		/* on a name that may be one of the rest */
};

static const char *const subs[2] = { "new", "cur" };

static enum store_result read_directory(struct scan *, int i);
static void	 see(struct scan *, const char *name, bool in_new);
static bool	 end_rename(struct scan *, struct slice name, size_t base_n);
static void	 see_again(struct scan *, size_t i, struct slice name,
		    size_t base_n, bool in_new);
static void	 expunge_missing(struct scan *);
static void	 add_found(struct scan *);
static void	 add_one(struct scan *, struct found *, int dir);
static bool	 wants_name(const struct mailbox *, size_t i,
		    char info[MESSAGE_NAME_BYTES], size_t *n_r);

/* ---- stamps ------------------------------------------------------------- */

static int64_t
ns_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static struct stamp
stamp_of(const struct stat *st)
{
	return (struct stamp){ st->st_ino, ns_of(&st->st_mtim),
		ns_of(&st->st_ctim) };
}

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->ino == b->ino && a->mtime_ns == b->mtime_ns &&
	    a->ctime_ns == b->ctime_ns;
}

static struct stamp
stamp_now(struct mailbox *mb, int i)
{
	struct stat st;

	if (mb->store->fs->fstatat(mb->dir, subs[i], &st) == -1)
		return (struct stamp){ 0, 0, 0 };
	return stamp_of(&st);
}

int
scan_needed(struct mailbox *mb)
{
	const struct state *s = &mb->state;
	struct stamp now[2] = { stamp_now(mb, 0), stamp_now(mb, 1) };
	int64_t age = clock_wall_ms() - s->scanned_ms;
	int what = 0;

	/* A change of somebody else in the same moment as one of ours can be
	 * overlooked; not for ever. */
	if (age > RESCAN_MS || age < 0)
		return SCAN_NEW | SCAN_CUR;
	if (!same_stamp(&now[0], &s->new_stamp))
		what |= SCAN_NEW;
	if (!same_stamp(&now[1], &s->cur_stamp))
		what |= SCAN_CUR;
	return what;
}

static void
put_stamps(struct mailbox *mb, const struct stamp *a, const struct stamp *b,
    int64_t scanned_ms)
{
	size_t at;

	record_begin(&mb->group, REC_STAMP, &at);
	put_stamp(&mb->group, a);
	put_stamp(&mb->group, b);
	put_u64(&mb->group, (uint64_t)scanned_ms);
	record_end(&mb->group, at);
}

/* A time of its own for a directory that changed a moment ago: nanoseconds
 * that no clock tick has.  It must not go back. */
static struct stamp
mark(struct mailbox *mb, int fd, struct stamp was)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, { 0, 0 } };
	struct stat st;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &t[1]);
	ns = ns_of(&t[1]);
	if (ns - was.mtime_ns > FS_TICK_NS || mb->read_only)
		return was;
	if (ns <= was.mtime_ns)
		ns = was.mtime_ns + 1;
	t[1].tv_sec = (time_t)(ns / 1000000000);
	t[1].tv_nsec = ns % 1000000000;
	if (mb->store->fs->futimens(fd, t) == -1 ||
	    mb->store->fs->fstat(fd, &st) == -1)
		return was;
	return stamp_of(&st);
}

void
scan_stamp_before(struct mailbox *mb, struct stamp before[2])
{
	before[0] = stamp_now(mb, 0);
	before[1] = stamp_now(mb, 1);
}

/* Only where it was as the index says is it as the index says now. */
void
scan_stamp_after(struct mailbox *mb, const struct stamp before[2])
{
	const struct fs *fs = mb->store->fs;
	struct state *s = &mb->state;
	struct stamp now[2] = { s->new_stamp, s->cur_stamp };
	bool changed = false;
	int i, fd;

	for (i = 0; i < 2; i++) {
		if (!same_stamp(&before[i], &now[i]))
			continue;
		now[i] = stamp_now(mb, i);
		if (same_stamp(&before[i], &now[i]))
			continue;
		fd = fs_open_dir(fs, mb->dir, subs[i]);
		if (fd == -1)
			continue;
		now[i] = mark(mb, fd, now[i]);
		fs->close(fd);
		changed = true;
	}
	if (changed)
		put_stamps(mb, &now[0], &now[1], s->scanned_ms);
}

void
scan_stamp_cur(struct mailbox *mb, int cur, const struct stat *before)
{
	const struct state *s = &mb->state;
	struct stamp stamp = stamp_of(before);
	struct stat st;

	if (!same_stamp(&stamp, &s->cur_stamp) ||
	    mb->store->fs->fstat(cur, &st) == -1)
		return;
	stamp = mark(mb, cur, stamp_of(&st));
	put_stamps(mb, &s->new_stamp, &stamp, s->scanned_ms);
}

/* ---- reading ------------------------------------------------------------ */

static void
scan_clear(struct scan *c)
{
	free(c->found);
	buf_clear(&c->own_names);
	c->found = NULL;
	c->nfound = c->cap = 0;
}

static void
begin_try(struct scan *c)
{
	struct state *s = &c->mb->state;
	size_t i;

	buf_reset(c->names);
	buf_reset(&c->mb->group);
	c->mb->added = 0;
	c->nfound = 0;
	c->stable = true;
	c->stuck = false;
	for (i = s->partial; i < s->n; i++)
		s->slots[i].unseen_file = !state_is_gone(s, i) &&
		    (state_is_new(s, i) ? c->what & SCAN_NEW :
		    c->what & SCAN_CUR);
}

/* After a delivery there are names in new/ that the log knows, and nothing of
 * what the snapshot has is there. */
static bool
needs_rest(const struct scan *c)
{
	const struct state *s = &c->mb->state;
	size_t i;

	if (c->what != SCAN_NEW || c->stuck)
		return true;
	for (i = 0; i < s->partial; i++)
		if (state_is_new(s, i) && !state_is_gone(s, i))
			return true;
	return false;
}

static bool
any_missing(const struct scan *c)
{
	const struct state *s = &c->mb->state;
	size_t i;

	for (i = s->partial; i < s->n; i++)
		if (s->slots[i].unseen_file)
			return true;
	return false;
}

enum store_result
scan_mailbox(struct mailbox *mb, int what, struct state *known)
{
	struct scan c = { .mb = mb, .what = what, .known = known };
	enum store_result r = STORE_OK;
	int i, tries = 0;

	assert(known == NULL || mb->state.n == 0);
	buf_init(&c.own_names, NAMES_BYTES);
	c.names = known != NULL ? &mb->state.names : &c.own_names;
	c.stamps[0] = mb->state.new_stamp;
	c.stamps[1] = mb->state.cur_stamp;
	do {
		if (needs_rest(&c))
			r = index_whole(mb);
		if (r != STORE_OK)
			break;
		begin_try(&c);
		/* new/ first: a message only ever goes from there to cur/. */
		for (i = 0; i < 2 && r == STORE_OK; i++)
			if (c.what & (i == 0 ? SCAN_NEW : SCAN_CUR))
				r = read_directory(&c, i);
		/* It may have been moved to where we have not looked. */
		if (r == STORE_OK && any_missing(&c) &&
		    (c.what & (SCAN_NEW | SCAN_CUR)) != (SCAN_NEW | SCAN_CUR)) {
			c.what |= SCAN_NEW | SCAN_CUR;
			tries--;
			c.stable = false;
		}
		if (c.stuck) {
			tries--;
			c.stable = false;
		}
	} while (r == STORE_OK && !c.stable && ++tries < TRIES);
	if (r == STORE_OK) {
		if (c.stable)
			expunge_missing(&c);
		add_found(&c);
		if (!c.stable)
			memset(c.stamps, 0, sizeof(c.stamps));
		put_stamps(mb, &c.stamps[0], &c.stamps[1],
		    (c.what & SCAN_CUR) ? clock_wall_ms() :
		    mb->state.scanned_ms);
		r = index_commit(mb, false);
	}
	buf_reset(&mb->group);
	scan_clear(&c);
	return r;
}

static bool
is_file(const struct fs *fs, int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_REG;
	return fs->fstatat(dir, e->d_name, &st) == 0 && S_ISREG(st.st_mode);
}

static enum store_result
read_directory(struct scan *c, int i)
{
	const struct fs *fs = c->mb->store->fs;
	struct stamp after;
	struct dirent *e;
	struct stat st;
	DIR *d = fs_list(fs, c->mb->dir, subs[i], 0);

	if (d == NULL && errno == ENOENT && i == 0) {
		c->stamps[i] = (struct stamp){ 0, 0, 0 };
		return STORE_OK;
	}
	if (d == NULL)
		return store_failed(c->mb->store);
	if (fs->fstat(dirfd(d), &st) == -1)
		goto failed;
	c->stamps[i] = mark(c->mb, dirfd(d), stamp_of(&st));
	while ((errno = 0, e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && is_file(fs, dirfd(d), e))
			see(c, e->d_name, i == 0);
	if (errno != 0 || fs->fstat(dirfd(d), &st) == -1)
		goto failed;
	after = stamp_of(&st);
	if (!same_stamp(&c->stamps[i], &after))
		c->stable = false;
	closedir(d);
	return STORE_OK;
failed:
	store_failed(c->mb->store);
	closedir(d);
	return STORE_FAILED;
}

static uint64_t
at_most(uint64_t v, unsigned bits)
{
	uint64_t max = (UINT64_C(1) << bits) - 1;

	return v < max ? v : max;
}

/* By the time in a name "1700000000.M123456P..." */
static uint64_t
order_by_time(struct slice base)
{
	struct slice s = base;
	uint64_t sec = 0, usec = 0;
	size_t m;

	if (parse_u64(&s, &sec) == PARSE_OK) {
		m = slice_find(s, 'M');
		s = slice_from(s, m < s.n ? m + 1 : m);
		(void)!parse_u64(&s, &usec);
	}
	return UNKNOWN | at_most(sec, 63 - USEC_BITS) << USEC_BITS |
	    at_most(usec, USEC_BITS);
}

static void
see(struct scan *c, const char *name, bool in_new)
{
	struct slice all = slice_str(name), base, info;
	size_t colon = slice_find(all, ':');
	struct found *f;
	ssize_t i;

	base = slice_first(all, colon);
	info = slice_from(all, colon);
	if (base.n == 0 || all.n > MESSAGE_NAME_BYTES)
		return;
	i = state_find_name(&c->mb->state, base);
	if (i != -1) {
		see_again(c, (size_t)i, all, base.n, in_new);
		return;
	}
	if (c->mb->state.partial > 0 &&
	    state_may_have_name(&c->mb->state, base)) {
		c->stuck = true;
		return;
	}
	if (c->mb->state.n + c->nfound >= STORE_MESSAGES)
		return;
	c->found = mem_room(c->found, c->nfound, &c->cap,
	    sizeof(*c->found), 256);
	f = &c->found[c->nfound];
	i = c->known != NULL ? state_find_name(c->known, base) : -1;
	*f = (struct found){ .name = (uint32_t)c->names->n,
		.order = i != -1 ? (uint64_t)i : order_by_time(base),
		.hash = name_hash(base), .base_n = (uint8_t)base.n,
		.info_n = (uint8_t)info.n, .in_new = in_new };
	if (buf_add(c->names, slice_of(name, all.n + 1)) == 0)
		c->nfound++;
}

static uint64_t
defined_keywords(const struct state *s)
{
	uint64_t known = 0;
	unsigned i;

	for (i = 0; i < STORE_KEYWORDS; i++)
		if (s->keywords[i] != NULL)
			known |= UINT64_C(1) << i;
	return known;
}

/* Letters that have changed, for better or worse, are somebody's wish. */
static void
merge_flags(struct scan *c, size_t i, struct slice info)
{
	struct mailbox *mb = c->mb;
	const struct message_entry *e = &mb->state.entries[i];
	struct flags_record f;
	uint8_t was, is, flags;
	uint64_t kwas, kis, keywords;
	size_t at;

	info_parse(state_info(&mb->state, i), &was, &kwas);
	info_parse(info, &is, &kis);
	kwas &= defined_keywords(&mb->state);
	kis &= defined_keywords(&mb->state);
	flags = (uint8_t)((e->flags & ~(was ^ is)) | (is & (was ^ is)));
	keywords = (e->keywords & ~(kwas ^ kis)) | (kis & (kwas ^ kis));
	if ((flags & FLAGS_STORED) == (e->flags & FLAGS_STORED) &&
	    keywords == e->keywords)
		return;
	f = (struct flags_record){ .add = flags & FLAGS_STORED,
		.del = FLAGS_STORED, .kadd = keywords, .kdel = UINT64_MAX };
	record_begin(&mb->group, REC_FLAGS, &at);
	put_flag_record(&mb->group, &f);
	put_range(&mb->group, (struct range){ e->uid, e->uid });
	record_end(&mb->group, at);
}

/* A power cut in a rename from new/ to cur/ can leave both names, where a file
 * system does not do it as one.  The one in new/ would come back as another
 * message when this one is expunged. */
static bool
end_rename(struct scan *c, struct slice name, size_t base_n)
{
	const struct fs *fs = c->mb->store->fs;
	struct buf from = BUF_INIT(PATH_MAX), to = BUF_INIT(PATH_MAX);
	struct stat a, b;
	bool same;

	buf_printf(&from, "new/%.*s", (int)base_n, name.p);
	buf_printf(&to, "cur/%.*s", SLICE_ARG(name));
	same = fs->fstatat(c->mb->dir, buf_cstr(&from), &a) == 0 &&
	    fs->fstatat(c->mb->dir, buf_cstr(&to), &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_nlink > 1 &&
	    fs->unlinkat(c->mb->dir, buf_cstr(&from), 0) == 0;
	buf_clear(&from);
	buf_clear(&to);
	return same;
}

static void
see_again(struct scan *c, size_t i, struct slice name, size_t base_n,
    bool in_new)
{
	struct mailbox *mb = c->mb;
	struct state *s = &mb->state;
	struct slot *t = &s->slots[i];
	struct slice info = slice_from(name, base_n);
	size_t at;

	/* A second file of that name, or the same in another place. */
	if (!t->unseen_file && (state_is_new(s, i) ? c->what & SCAN_NEW :
	    c->what & SCAN_CUR)) {
		if (in_new || !end_rename(c, name, base_n))
			return;
	} else if (state_is_new(s, i) == in_new &&
	    slice_eq(state_info(s, i), info)) {
		t->unseen_file = false;
		return;
	}
	t->unseen_file = false;
	/* After a power cut a name of ours may be lost, its record not. */
	if (c->what & SCAN_SIZES && state_had_info(s, i, info))
		mb->names_late = true;
	else
		merge_flags(c, i, info);
	record_begin(&mb->group, REC_NAME, &at);
	put_u32(&mb->group, s->entries[i].uid);
	put_u8(&mb->group, in_new);
	put_slice(&mb->group, info);
	record_end(&mb->group, at);
}

/* ---- what is missing, and what is new ----------------------------------- */

static bool
is_shorter(struct scan *c, size_t i)
{
	struct mailbox *mb = c->mb;
	struct buf path = BUF_INIT(PATH_MAX);
	struct stat st;
	bool shorter;

	if (mb->state.slots[i].unknown & FACT_DATES)
		return false;
	state_path(&mb->state, i, &path);
	shorter = mb->store->fs->fstatat(mb->dir, buf_cstr(&path), &st) == 0 &&
	    (uint64_t)st.st_size < mb->state.slots[i].stored;
	buf_clear(&path);
	return shorter;
}

static void
expunge_missing(struct scan *c)
{
	struct mailbox *mb = c->mb;
	struct state *s = &mb->state;
	size_t i, at = 0;
	bool any = false;

	for (i = s->partial; i < s->n; i++) {
		if (state_is_gone(s, i) || (!s->slots[i].unseen_file &&
		    !(c->what & SCAN_SIZES && is_shorter(c, i))))
			continue;
		if (!any)
			record_begin(&mb->group, REC_EXPUNGE, &at);
		any = true;
		put_range(&mb->group, (struct range){ s->entries[i].uid,
			s->entries[i].uid });
	}
	if (!any)
		return;
	record_end(&mb->group, at);
	record_begin(&mb->group, REC_DONE, &at);
	record_end(&mb->group, at);
}

static struct slice
base_of(const struct scan *c, const struct found *f)
{
	return slice_of(c->names->p + f->name, f->base_n);
}

/* By one byte of their order; those that have the same keep theirs. */
static void
sort_by_byte(const struct found *from, struct found *to, size_t n,
    unsigned shift)
{
	size_t at[RADIX] = { 0 }, sum = 0, count, i;

	for (i = 0; i < n; i++)
		at[from[i].order >> shift & (RADIX - 1)]++;
	for (i = 0; i < RADIX; i++) {
		count = at[i];
		at[i] = sum;
		sum += count;
	}
	for (i = 0; i < n; i++)
		to[at[from[i].order >> shift & (RADIX - 1)]++] = from[i];
}

static int
by_name(const void *a, const void *b, void *arg)
{
	return slice_cmp(base_of(arg, a), base_of(arg, b));
}

/* By order, and where that is the same by name. */
static void
sort_found(struct scan *c)
{
	struct found *to = mem_array(c->nfound, sizeof(*to)), *v = c->found;
	uint64_t differ = 0;
	unsigned shift;
	size_t i, end;

	for (i = 1; i < c->nfound; i++)
		differ |= v[i].order ^ v[0].order;
	for (shift = 0; shift < 64; shift += 8)
		if (differ >> shift & (RADIX - 1)) {
			sort_by_byte(v, to, c->nfound, shift);
			c->found = to;
			to = v;
			v = c->found;
		}
	free(to);
	c->cap = c->nfound;
	for (i = 0; i < c->nfound; i = end) {
		for (end = i + 1; end < c->nfound &&
		    v[end].order == v[i].order;)
			end++;
		if (end > i + 1)
			qsort_r(v + i, end - i, sizeof(*v), by_name, c);
	}
}

static void
add_found(struct scan *c)
{
	const struct fs *fs = c->mb->store->fs;
	struct found *f;
	size_t i, next;
	int dirs[2];

	if (c->nfound == 0)
		return;
	sort_found(c);
	if (c->known != NULL)
		state_reserve(&c->mb->state, c->nfound);
	for (i = 0; i < 2; i++)
		dirs[i] = fs_open_dir(fs, c->mb->dir, subs[i]);
	for (i = 0; i < c->nfound; i = next) {
		f = &c->found[i];
		next = i + 1;
		while (next < c->nfound && f->hash == c->found[next].hash &&
		    slice_eq(base_of(c, f), base_of(c, &c->found[next])))
			next++;
		if (next > i + 1 && f->in_new)
			f++;
		if (next > i + 1 && !f->in_new)
			(void)end_rename(c, slice_of(c->names->p + f->name,
			    (size_t)f->base_n + f->info_n), f->base_n);
		add_one(c, f, dirs[!f->in_new]);
	}
	for (i = 0; i < 2; i++)
		fs_close(fs, dirs[i]);
}

/* ",S=1234" in a name. */
static bool
number_in_name(struct slice base, const char *key, uint64_t *v_r)
{
	struct slice s;
	const char *at = memchr(base.p, ',', base.n);

	if (at != NULL)
		at = memmem(at, (size_t)(base.p + base.n - at), key, 3);
	if (at == NULL)
		return false;
	s = slice_of(at + 3, (size_t)(base.p + base.n - at) - 3);
	return parse_u64(&s, v_r) == PARSE_OK && (s.n == 0 || s.p[0] == ',');
}

static bool
skip_text(struct slice *s, struct slice text)
{
	if (!slice_starts(*s, text))
		return false;
	*s = slice_from(*s, text.n);
	return true;
}

static bool
skip_digits(struct slice *s)
{
	uint64_t v;

	return parse_u64(s, &v) == PARSE_OK;
}

/* One that a delivery ("1700000000.M000123Q0123456789abcR1.host,S=8,W=9") or
 * the store ("1700000000.M000123P17Q1.host,S=8,W=9") has made. */
static bool
is_own_name(struct slice base)
{
	struct slice s = base;
	uint64_t v;

	if (!number_in_name(base, ",S=", &v) ||
	    !number_in_name(base, ",W=", &v) ||
	    !skip_digits(&s) || !skip_text(&s, SLICE_LIT(".M")) ||
	    !skip_digits(&s))
		return false;
	if (skip_text(&s, SLICE_LIT("P"))) {
		if (!skip_digits(&s) || !skip_text(&s, SLICE_LIT("Q")))
			return false;
	} else {
		if (!skip_text(&s, SLICE_LIT("Q")) || s.n < QUEUE_ID_CHARS ||
		    !queue_id_parse(slice_first(s, QUEUE_ID_CHARS), &v))
			return false;
		s = slice_from(s, QUEUE_ID_CHARS);
		if (!skip_text(&s, SLICE_LIT("R")))
			return false;
	}
	return skip_digits(&s) && slice_starts(s, SLICE_LIT("."));
}

/* What a power cut has left of a message of ours that was not durable: shorter
 * than its name says.  One that is compressed is so by right; and what another
 * program means by its names is not for us to say. */
bool
scan_is_cut(const struct fs *fs, int dir, const char *name,
    struct slice base, uint64_t stored)
{
	static const struct slice magics[] = { { "\x1f\x8b", 2 },
		{ "BZh", 3 }, { "\x28\xb5\x2f\xfd", 4 },
		{ "\xfd" "7zXZ", 5 }, { "Dovecot-LZ4", 11 } };
	struct buf b = BUF_INIT(16);
	uint64_t whole;
	bool cut = true;
	size_t i;
	int fd;

	if (!number_in_name(base, ",S=", &whole) || stored >= whole ||
	    !is_own_name(base))
		return false;
	fd = fs->openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC, 0);
	if (fd != -1)
		(void)!fs_read(fs, fd, &b, 16, 0);
	fs_close(fs, fd);
	for (i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (slice_starts(buf_slice(&b), magics[i]))
			cut = false;
	buf_clear(&b);
	return cut;
}

/* What the name tells; the rest is left open.  Where a name says how long its
 * file is, a power cut may have left less of it, unless another server has
 * listed it.  False: it is gone, or no message. */
static bool
facts_of_name(struct scan *c, int dir, struct message_record *m,
    const char *name)
{
	const struct fs *fs = c->mb->store->fs;
	struct stat st;
	uint64_t whole;
	bool sized = m->unknown & FACT_SIZE &&
	    number_in_name(m->base, ",W=", &m->facts.size);

	if (sized)
		m->unknown &= (uint8_t)~FACT_SIZE;
	if (m->unknown & KNOWN_BY_LIST ||
	    !number_in_name(m->base, ",S=", &whole))
		return true;
	if (fs->fstatat(dir, name, &st) == -1 || scan_is_cut(fs, dir, name,
	    m->base, (uint64_t)st.st_size))
		return false;
	/* A name that is wrong in one is not believed in the other. */
	if (sized && (uint64_t)st.st_size != whole)
		m->unknown |= FACT_SIZE;
	m->stored = (uint64_t)st.st_size;
	m->facts.internal_ms = ns_of(&st.st_mtim) / 1000000;
	if (m->facts.saved_ms == 0)
		m->facts.saved_ms = ns_of(&st.st_ctim) / 1000000;
	m->unknown &= (uint8_t)~FACT_DATES;
	return true;
}

static void
take_known(const struct state *known, size_t i, struct message_record *m)
{
	struct message_record k = state_message(known, i);

	m->uid = k.uid;
	m->facts = k.facts;
	m->unknown = FACT_DATES | k.unknown;
	m->modseq = k.modseq;
	m->uidl = k.uidl;
	m->keywords |= k.unknown & KNOWN_BY_LIST ? k.keywords : 0;
	/* Flags that had not reached the name yet; a record of an index says
	 * what the name was then. */
	if (!(k.unknown & KNOWN_BY_LIST)) {
		uint8_t was, is = m->flags;
		uint64_t kwas, kis = m->keywords;

		info_parse(k.info, &was, &kwas);
		m->flags = (uint8_t)((k.flags & ~(was ^ is)) |
		    (is & (was ^ is)));
		m->keywords = (k.keywords & ~(kwas ^ kis)) |
		    (kis & (kwas ^ kis));
	}
}

static void
add_one(struct scan *c, struct found *f, int dir)
{
	struct mailbox *mb = c->mb;
	struct state *s = &mb->state;
	const char *name = c->names->p + f->name;
	struct message_record m = { .in_new = f->in_new,
		.unknown = FACT_SIZE | FACT_DATES };
	uint32_t next = s->uidnext;
	size_t at;

	m.base = slice_of(name, f->base_n);
	m.info = slice_of(name + f->base_n, f->info_n);
	info_parse(m.info, &m.flags, &m.keywords);
	guid_of_name(m.base, m.facts.guid);
	if ((f->order & UNKNOWN) == 0)
		take_known(c->known, (size_t)f->order, &m);
	m.keywords &= defined_keywords(s);
	if (!facts_of_name(c, dir, &m, name))
		return;
	m.unknown &= (uint8_t)~KNOWN_BY_LIST;
	/* An index that is being made: there is no log for a record to go
	 * to. */
	if (c->known != NULL) {
		if (m.uid == 0)
			m.uid = next;
		m.modseq = s->modseq;
		(void)state_add_named(s, &m, f->hash, f->name);
		return;
	}
	/* The records are applied when all are there, so UIDs are counted
	 * here: in the group, each takes the next. */
	m.uid = next + mb->added;
	if (m.uid == UINT32_MAX || m.uid < next)
		return;
	mb->added++;
	record_begin(&mb->group, REC_ADD, &at);
	if (put_message(&mb->group, &m) == -1)
		return;
	record_end(&mb->group, at);
}

/* ---- flags into names --------------------------------------------------- */

static bool
wants_name(const struct mailbox *mb, size_t i,
    char info[MESSAGE_NAME_BYTES], size_t *n_r)
{
	const struct state *s = &mb->state;
	struct slice now = state_info(s, i);

	*n_r = info_write(info, now, s->entries[i].flags,
	    s->entries[i].keywords, defined_keywords(s));
	if (s->slots[i].base_n + *n_r > MESSAGE_NAME_BYTES)
		return false;
	return state_is_new(s, i) ? !mb->read_only :
	    !slice_eq(now, slice_of(info, *n_r));
}

static void
set_name(struct mailbox *mb, size_t i, struct slice info)
{
	const struct fs *fs = mb->store->fs;
	struct state *s = &mb->state;
	struct buf from = BUF_INIT(PATH_MAX), to = BUF_INIT(PATH_MAX);
	size_t at;

	/* A new name is another date of the file's last change. */
	(void)!facts_need(mb, i, FACT_DATES);
	state_path(s, i, &from);
	buf_add_str(&to, "cur/");
	buf_add(&to, state_base(s, i));
	buf_add(&to, info);
	/* Somebody else has renamed it: the next scan sees that. */
	if (fs->renameat(mb->dir, buf_cstr(&from), mb->dir, buf_cstr(&to)) ==
	    0) {
		record_begin(&mb->group, REC_NAME, &at);
		put_u32(&mb->group, s->entries[i].uid);
		put_u8(&mb->group, 0);
		put_slice(&mb->group, info);
		record_end(&mb->group, at);
	}
	buf_clear(&from);
	buf_clear(&to);
}

enum store_result
scan_set_names(struct mailbox *mb)
{
	struct state *s = &mb->state;
	char info[MESSAGE_NAME_BYTES];
	struct stamp before[2];
	enum store_result r;
	size_t i, n;

	r = index_whole(mb);
	if (r != STORE_OK)
		return r;
	buf_reset(&mb->group);
	scan_stamp_before(mb, before);
	for (i = 0; i < s->n; i++)
		if (!state_is_gone(s, i) && wants_name(mb, i, info, &n))
			set_name(mb, i, slice_of(info, n));
	mb->names_late = false;
	if (mb->group.n == 0)
		return STORE_OK;
	/* A name that is remembered but was lost would look like a change that
	 * another program made, and win over flags that were acknowledged. */
	if (index_sync_names(mb) == -1)
		return store_failed(mb->store);
	scan_stamp_after(mb, before);
	return index_commit(mb, true);
}
