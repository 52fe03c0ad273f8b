/* SPDX-License-Identifier: ISC */
/*
 * check - see check.h.
 *
 * The order is that of recover.c: the journal, whose messages are young; then
 * the files, of which one that the journal has, too, is of no account.
 *
 * Beside a qmgr at work the journal is read again after the files.  Bytes of a
 * segment are a fault if they were one both times, in the same generation: had
 * it been taken for use between, its header would say so.  A file that was no
 * good is read once more after that: had it been written at the time, its
 * message would be young, or it would be whole by now.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/num.h"
#include "check.h"
#include "ev/loop.h"
#include "mail/dropfile.h"
#include "mail/queue_format.h"
#include "muster.h"
#include "qmgr.h"
#include "roll.h"

#define DROP_BYTES	(512u * 1024 * 1024)	/* the largest that is read */

/* Damage that was seen the first time. */
struct sight {
	enum damage_kind kind;
	char		 name[16];
	uint64_t	 generation;
	uint64_t	 from;
};

struct look {
	struct check	*c;
	struct ev_loop	 loop;
	struct journal	*journal;
	struct queue	 young;
	bool		 first;		/* of two times: nothing is told */
	struct sight	*sights;	/* owned */
	size_t		 nsights;
	uint64_t	 given_out;	/* queue ids, by the journal */
	uint64_t	*suspects;	/* owned: ids of files */
	size_t		 nsuspects;
};

static int	 read_journal(struct look *);
static void	 take_record(void *, const struct record *);
static void	 take_message(struct look *, const struct record *);
static void	 take_change(struct look *, const struct record *);
static void	 bad_record(struct look *, const struct record *);
static void	 forget(struct look *, uint64_t id);
static void	 take_damage(void *, const struct journal_damage *);
static bool	 seen_before(struct look *, const struct journal_damage *);
static void	 tell_damage(struct look *, const struct journal_damage *);
static void	 tell_unopened(struct look *, const struct journal_damage *,
		    const char *file);
static void	 look_at_directories(struct look *);
static void	 look_at_directory(struct look *, const char *path);
static void	 look_at_corrupt(struct look *);
static void	 walk(struct look *, const char *dir,
		    void (*)(void *, uint64_t, const struct stat *));
static void	 look_at_file(void *, uint64_t id, const struct stat *);
static void	 judge_file(struct look *, uint64_t id);
static void	 judge_bytes(struct look *, struct load *);
static void	 judge_log(struct look *, const struct load *,
		    const struct stored *);
static int	 write_anew(struct look *, const struct load *,
		    const struct stored *);
static void	 judge_large(struct look *, uint64_t id, uint64_t size,
		    uint32_t crc);
static void	 count_large(void *, uint64_t id, const struct stat *);
static void	 look_at_young_large(struct look *);
static void	 look_at_drops(struct look *, const char *dir);
static void	 look_at_limits(struct look *);
static void	 look_at_clock(struct look *);
static void	 look_at_roll(struct look *);
static void	 look_at_muster(struct look *);
static void	 miss(struct look *, uint64_t id);
static void	 look_at_format(struct look *);
static void	 put_aside(struct look *, const char *path, const char *name,
		    const char *remedy, const char *fmt, ...)
		    __attribute__((format(printf, 5, 6)));
static void	 tell(struct look *, struct finding, const char *fmt, ...)
		    __attribute__((format(printf, 3, 4)));

int
queue_check(struct check *c)
{
	struct look l = { .c = c, .first = c->live };
	int r;

	c->segments = c->records = c->messages = c->large = c->drops = 0;
	c->findings = c->mended = 0;
	ev_loop_init(&l.loop);
	look_at_directories(&l);
	r = read_journal(&l);
	if (r == 0) {
		look_at_muster(&l);
		walk(&l, STORE_DEFERRED, look_at_file);
		walk(&l, STORE_LARGE, count_large);
		look_at_young_large(&l);
		look_at_drops(&l, DROP_DIR);
		look_at_drops(&l, TAKEN_DIR);
		look_at_limits(&l);
		look_at_clock(&l);
		look_at_roll(&l);
		look_at_format(&l);
	}
	if (r == 0 && c->live) {
		l.first = false;
		r = read_journal(&l);
		while (r == 0 && l.nsuspects > 0)
			judge_file(&l, l.suspects[--l.nsuspects]);
	}
	/* Who was put aside is not missed. */
	if (c->mended > 0)
		muster_remove(c->dir);
	free(l.sights);
	free(l.suspects);
	queue_clear(&l.young);
	ev_loop_clear(&l.loop);
	return r;
}

/* ---- the journal -------------------------------------------------------- */

static int
read_journal(struct look *l)
{
	static const struct journal_ops ops = { NULL, NULL };
	struct journal_config conf = { .dir = l->c->dir, .loop = &l->loop,
		.look = true, .mend = l->c->repair };
	struct journal_stats st;

	l->c->records = 0;
	queue_clear(&l->young);
	l->journal = journal_open(&conf, &ops, NULL);
	if (l->journal == NULL)
		/* What is no directory has been told. */
		return errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	journal_replay(l->journal, take_record, take_damage, l);
	l->given_out = journal_ids(l->journal);
	journal_stats(l->journal, &st);
	l->c->segments = st.segments;
	/* The second time the files have been counted, too. */
	if (l->first || !l->c->live)
		l->c->messages = l->young.slots.n;
	journal_close(&l->journal);
	return 0;
}

static void
take_record(void *arg, const struct record *rec)
{
	struct look *l = arg;
	struct wire w = wire_of(rec->body);
	uint64_t ids;

	l->c->records++;
	switch (rec->type) {
	case REC_MESSAGE:
		take_message(l, rec);
		break;
	case REC_STATUS:
	case REC_EXPAND:
	case REC_HOLD:
	case REC_REROUTE:
		take_change(l, rec);
		break;
	case REC_DONE:
		forget(l, rec->id);
		break;
	case REC_IDS:
		ids = get_u64(&w);
		if (!wire_done(&w))
			bad_record(l, rec);
		else if (ids > journal_ids(l->journal))
			journal_set_ids(l->journal, ids);
		break;
	case REC_BACK:
	case REC_VOID:
		break;
	default:
		bad_record(l, rec);
		break;
	}
}

static void
take_message(struct look *l, const struct record *rec)
{
	struct message_body m;
	struct entry *e;
	struct slot *s;

	forget(l, rec->id);
	if (!message_unpack(rec->body, &m)) {
		bad_record(l, rec);
		return;
	}
	s = queue_slot_new(&l->young, rec->id);
	e = entry_new(&l->young, s, m.envelope);
	if (e == NULL) {
		queue_slot_free(&l->young, &s);
		bad_record(l, rec);
		return;
	}
	e->flags = m.flags;
	e->large_n = m.large_n;
	e->large_crc = m.large_crc;
}

/* Of a young message; one about a file is judged with the file. */
static void
take_change(struct look *l, const struct record *rec)
{
	struct slot *s = queue_find(&l->young, rec->id);

	if (s != NULL && record_apply(&l->young, s->entry, rec->type,
	    rec->body, true) == APPLIED_BAD)
		bad_record(l, rec);
}

static void
bad_record(struct look *l, const struct record *rec)
{
	char file[32];

	snprintf(file, sizeof(file), "journal/%s", segment_name(rec->segment));
	tell(l, (struct finding){ .file = file,
		.remedy = "nothing; qmgr passes over it" },
	    "the record at %llu, type %u, of message %s is whole and makes no "
	    "sense", (unsigned long long)rec->at - RECORD_HEADER_BYTES,
	    (unsigned)rec->type, queue_id_text(rec->id).s);
}

static void
forget(struct look *l, uint64_t id)
{
	struct slot *s = queue_find(&l->young, id);

	if (s == NULL)
		return;
	entry_free(&l->young, &s->entry);
	queue_slot_free(&l->young, &s);
}

static void
take_damage(void *arg, const struct journal_damage *d)
{
	struct look *l = arg;
	struct sight *s;

	/* Beside a qmgr it is what is being written. */
	if (l->c->live && d->kind == DAMAGE_TAIL)
		return;
	if (l->first) {
		l->sights = mem_regrow(l->sights, l->nsights + 1, sizeof(*s));
		s = &l->sights[l->nsights++];
		*s = (struct sight){ .kind = d->kind, .from = d->from,
			.generation = d->generation };
		snprintf(s->name, sizeof(s->name), "%s", d->name);
	} else if (!l->c->live || seen_before(l, d))
		tell_damage(l, d);
}

static bool
seen_before(struct look *l, const struct journal_damage *d)
{
	const struct sight *s;
	size_t i;

	for (i = 0; i < l->nsights; i++) {
		s = &l->sights[i];
		if (s->kind == d->kind && s->from == d->from &&
		    s->generation == d->generation &&
		    strcmp(s->name, d->name) == 0)
			return true;
	}
	return false;
}

static bool
is_no_file(const struct journal_damage *d)
{
	return d->kind == DAMAGE_UNOPENED && (d->error == EISDIR ||
	    d->error == ENODEV || d->error == ELOOP || d->error == ENXIO);
}

/* qmgr does not start beside it. */
static void
tell_unopened(struct look *l, const struct journal_damage *d, const char *file)
{
	if (d->error == EPROTONOSUPPORT)
		tell(l, (struct finding){ .file = file,
			.remedy = "start that version" },
		    "was written by a later version");
	else
		tell(l, (struct finding){ .file = file,
			.remedy = "see to the disk, or to its owner and "
			    "permissions" },
		    "cannot be opened: %s", strerror(d->error));
}

static bool
is_put_aside(const struct journal_damage *d)
{
	return d->kind == DAMAGE_SEGMENT || d->kind == DAMAGE_EMPTIED ||
	    is_no_file(d);
}

static void
tell_damage(struct look *l, const struct journal_damage *d)
{
	static const struct {
		const char	*what;
		const char	*remedy;
		bool		 save;
		bool		 can;
	} kinds[] = {
		[DAMAGE_RECORDS] = { "are no records",
		    "copy them to corrupt/ and write an empty record there",
		    true, true },
		[DAMAGE_TAIL] = { "are no whole record: a write that a crash "
		    "cut short, or damage",
		    "copy them to corrupt/ and write an empty record there",
		    true, true },
		[DAMAGE_HEADER] = { "are its header, which is damaged at one "
		    "of its two places", "write it anew from the other",
		    false, true },
		[DAMAGE_SHORT] = { "are missing at its end",
		    "make it as long as it was", false, true },
		[DAMAGE_SEGMENT] = { "cannot be read, for both headers are "
		    "damaged", "move it to corrupt/", false, true },
		[DAMAGE_EMPTIED] = { "are all that is left of it",
		    "move it to corrupt/", false, true },
		[DAMAGE_UNOPENED] = { "is no regular file, and qmgr does not "
		    "start", "move it to corrupt/", false, true },
		[DAMAGE_MISSING] = { "was there and is not; what was in it "
		    "alone is lost unless it is put back", "miss it no more",
		    false, true },
	};
	struct finding f = { .remedy = kinds[d->kind].remedy,
		.can_mend = kinds[d->kind].can };
	struct store_name to;
	char file[32], name[32];
	int r = 0;

	snprintf(file, sizeof(file), "journal/%s", d->name);
	snprintf(name, sizeof(name), "journal-%s", d->name);
	if (d->kind == DAMAGE_UNOPENED && !is_no_file(d)) {
		tell_unopened(l, d, file);
		return;
	}
	f.file = file;
	if (l->c->repair) {
		if (kinds[d->kind].save)
			r = store_save_damage(l->c->dir, d);
		if (r == 0 && is_put_aside(d))
			r = store_put_aside(l->c->dir, file, name, &to) == 0 ?
			    journal_strike(l->journal, d) : -1;
		else if (r == 0)
			r = journal_mend(l->journal, d);
		f.mended = r == 0;
		f.error = r == 0 ? 0 : errno;
	}
	if (d->kind >= DAMAGE_UNOPENED)
		tell(l, f, "%s", kinds[d->kind].what);
	else
		tell(l, f, "%llu bytes at %llu %s",
		    (unsigned long long)(d->to - d->from),
		    (unsigned long long)d->from, kinds[d->kind].what);
}

/* ---- directories -------------------------------------------------------- */

/* What is in the place of a directory is in qmgr's way, which makes those that
 * are not there. */
static void
look_at_directory(struct look *l, const char *path)
{
	char name[32], *slash;
	struct stat st;

	if (fs->fstatat(l->c->dir, path, &st) == -1) {
		if (errno != ENOENT && errno != ENOTDIR)
			tell(l, (struct finding){ .file = path,
				.remedy = "see to the disk" },
			    "cannot be seen: %s", strerror(errno));
		return;
	}
	snprintf(name, sizeof(name), "%s", path);
	slash = strchr(name, '/');
	if (slash != NULL)
		*slash = '-';
	if (!S_ISDIR(st.st_mode))
		put_aside(l, path, name, "move it to corrupt/; the start makes "
		    "the directory",
		    "is no directory, and qmgr does not start");
}

static void
look_at_directories(struct look *l)
{
	static const char *const tops[] = { STORE_DEFERRED, STORE_LARGE,
		STORE_DELETED };
	char path[32];
	size_t i;
	unsigned n;

	look_at_corrupt(l);
	look_at_directory(l, "journal");
	look_at_directory(l, DROP_DIR);
	look_at_directory(l, TAKEN_DIR);
	for (i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		look_at_directory(l, tops[i]);
		for (n = 0; n < STORE_DIRS; n++) {
			snprintf(path, sizeof(path), "%s/%02x", tops[i], n);
			look_at_directory(l, path);
		}
	}
}

static void
unlisted(void *arg, const char *path)
{
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		tell(arg, (struct finding){ .file = path,
			.remedy = "see to the disk, or to its owner and "
			    "permissions" },
		    "cannot be listed: %s", strerror(errno));
}

static void
walk(struct look *l, const char *dir,
    void (*found)(void *, uint64_t, const struct stat *))
{
	store_walk(l->c->dir, dir, found, unlisted, l);
}

/* Where all else is put aside. */
static void
look_at_corrupt(struct look *l)
{
	struct finding f = { .file = "corrupt", .can_mend = true,
		.remedy = "rename it to corrupt.file; the start makes the "
		    "directory" };
	struct stat st;

	if (fs->fstatat(l->c->dir, f.file, &st) == -1 || S_ISDIR(st.st_mode))
		return;
	if (l->c->repair) {
		f.mended = fs->renameat(l->c->dir, f.file, l->c->dir,
		    "corrupt.file") == 0 &&
		    fs_make_dir(fs, l->c->dir, f.file, 0700) == 0;
		f.error = f.mended ? 0 : errno;
	}
	tell(l, f, "is no directory, and nothing can be put aside");
}

/* ---- files of messages -------------------------------------------------- */

static void
look_at_file(void *arg, uint64_t id, const struct stat *st)
{
	struct look *l = arg;
	struct store_name name = store_name("deferred", id);

	if (!S_ISREG(st->st_mode)) {
		put_aside(l, name.s, queue_id_text(id).s, "move it to corrupt/",
		    "is no regular file");
		return;
	}
	/* The journal has all of it; qmgr removes the file at its start. */
	if (queue_find(&l->young, id) != NULL)
		return;
	l->c->messages++;
	judge_file(l, id);
}

static void
judge_file(struct look *l, uint64_t id)
{
	struct store_name name = store_name("deferred", id);
	struct load load = { .id = id };

	if (queue_find(&l->young, id) != NULL)
		return;
	if (store_read(l->c->dir, &load) == 0)
		judge_bytes(l, &load);
	else if (load.error != ENOENT)
		tell(l, (struct finding){ .file = name.s,
			.remedy = "nothing", .error = load.error },
		    "cannot be read");
	buf_clear(&load.bytes);
}

static bool
is_suspect(struct look *l, uint64_t id)
{
	if (!l->first)
		return false;
	l->suspects = mem_regrow(l->suspects, l->nsuspects + 1,
	    sizeof(*l->suspects));
	l->suspects[l->nsuspects++] = id;
	return true;
}

/* " (from <a> to <b>, <c>)", as far as it can be read. */
static void
add_envelope(struct buf *b, struct slice packed)
{
	struct arena arena = ARENA_INIT(1024 * 1024);
	struct wire w = wire_of(packed);
	struct envelope e;
	size_t i;

	if (packed.n > 0 && envelope_unpack(&w, &arena, &e)) {
		buf_printf(b, " (from <%.*s> to", SLICE_ARG(e.reverse_path));
		for (i = 0; i < e.nrecipients && i < 5; i++)
			buf_printf(b, "%s <%.*s>", i > 0 ? "," : "",
			    SLICE_ARG(e.recipients[i].address));
		buf_printf(b, "%s)", i < e.nrecipients ? " ..." : "");
	}
	arena_clear(&arena);
}

static void
judge_bytes(struct look *l, struct load *load)
{
	struct store_name name = store_name("deferred", load->id);
	struct slice bytes = buf_slice(&load->bytes);
	struct queue apart = { .due = { 0 } };
	struct slot slot = { .id = load->id };
	struct stored s = { 0 };
	struct buf who = BUF_INIT(8192);
	const char *why = stored_fault(bytes, load->id, false, &s);

	if (why == NULL && stored_entry(&apart, &slot, bytes, load->id,
	    false) == NULL)
		why = "its checksums are right and it makes no sense";
	if (why != NULL && is_suspect(l, load->id))
		goto out;
	if (why != NULL) {
		add_envelope(&who, s.envelope);
		put_aside(l, name.s, queue_id_text(load->id).s,
		    "move it to corrupt/", "%s%.*s", why,
		    SLICE_ARG(buf_slice(&who)));
		goto out;
	}
	if (s.flags & ENTRY_LARGE)
		judge_large(l, load->id, s.large_n, s.large_crc);
	if (!l->c->live)
		judge_log(l, load, &s);
out:
	entry_free(&apart, &slot.entry);
	buf_clear(&who);
}

/* Bytes of the log that are no record, between others or at its end. */
static void
judge_log(struct look *l, const struct load *load, const struct stored *s)
{
	struct store_name name = store_name("deferred", load->id);
	struct finding f = { .file = name.s, .can_mend = true,
		.remedy = "copy it to corrupt/ and write it anew without "
		    "them" };
	struct slice log = s->log, body;
	size_t good = 0;
	uint16_t type;

	while (stored_log_next(&log, &type, &body) == PARSE_OK)
		good += store_append_bytes(body.n);
	if (good == s->log.n)
		return;
	if (l->c->repair) {
		f.mended = write_anew(l, load, s) == 0;
		f.error = f.mended ? 0 : errno;
	}
	tell(l, f, "%zu bytes of its log are no whole record%s",
	    s->log.n - good, log.n == s->log.n - good ?
	    ": a write that a crash cut short, or damage" : "");
}

/* Head to content as they are, and the good part of the log; a copy is aside
 * before the file changes. */
static int
write_anew(struct look *l, const struct load *load, const struct stored *s)
{
	struct store_name name = store_name("deferred", load->id), aside;
	struct slice log = s->log, body, bytes = buf_slice(&load->bytes);
	struct buf out = BUF_INIT(SIZE_MAX / 2);
	int dir = l->c->dir, fd = -1, r = -1, error;
	uint16_t type;
	const char *temporary = "deferred/.anew";

	aside = store_aside_name(dir, queue_id_text(load->id).s);
	buf_add(&out, slice_of(bytes.p, bytes.n - s->log.n));
	while (stored_log_next(&log, &type, &body) == PARSE_OK)
		buf_add(&out, slice_of(body.p - store_append_bytes(0),
		    store_append_bytes(body.n)));
	if (store_copy_file(dir, name.s, aside.s) == -1)
		goto out;
	fd = fs_open(fs, dir, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd != -1 && fs_pwrite(fs, fd, buf_slice(&out), 0) == 0 &&
	    fs_set_mtime(fs, fd, load->mtime) == 0 && fs->syncfs(dir) == 0)
		r = fs->renameat(dir, temporary, dir, name.s);
out:
	error = errno;
	if (fd != -1)
		fs->close(fd);
	buf_clear(&out);
	errno = error;
	return r;
}

/* ---- large content ------------------------------------------------------ */

/* What is wrong with it, in words; NULL: nothing, or it cannot be read, which
 * is told here. */
static const char *
large_fault(struct look *l, uint64_t id, uint64_t size, uint32_t crc)
{
	static char why[100];
	struct store_name name = store_name("large", id);
	struct stat st;

	if (fs->fstatat(l->c->dir, name.s, &st) == 0 &&
	    (uint64_t)st.st_size != size) {
		snprintf(why, sizeof(why), "has %lld bytes, not the %llu of "
		    "its message", (long long)st.st_size,
		    (unsigned long long)size);
		return why;
	}
	if (store_large_read(l->c->dir, id, size, crc) == 0)
		return NULL;
	if (errno == ENOENT)
		return "is missing";
	if (errno == EBADMSG)
		return "has another checksum than its message says";
	if (!l->first)
		tell(l, (struct finding){ .file = name.s,
			.remedy = "nothing", .error = errno },
		    "cannot be read");
	return NULL;
}

/* The content of a message that has a file. */
static void
judge_large(struct look *l, uint64_t id, uint64_t size, uint32_t crc)
{
	struct store_name name = store_name("large", id);
	struct store_name message = store_name("deferred", id);
	const char *why = large_fault(l, id, size, crc);
	struct stat st;
	bool there;

	/* Its message may have ended since. */
	if (why == NULL || is_suspect(l, id))
		return;
	there = fs->fstatat(l->c->dir, name.s, &st) == 0;
	if (there)
		put_aside(l, name.s, "content", "move it and its message to "
		    "corrupt/", "%s", why);
	put_aside(l, message.s, queue_id_text(id).s, "move it to corrupt/",
	    "its content, %s, is %s", name.s, there ? "damaged" : "missing");
}

/* What belongs to no message goes at qmgr's start and is no fault. */
static void
count_large(void *arg, uint64_t id, const struct stat *st)
{
	struct look *l = arg;

	(void)id;
	(void)st;
	l->c->large++;
}

/* That of young messages.  Beside a qmgr one may have ended since. */
static void
look_at_young_large(struct look *l)
{
	struct finding f = { .remedy = "nothing; its message is held when its "
	    "turn comes" };
	const struct slot *s;
	struct store_name name;
	const char *why;
	size_t cursor = 0;

	if (l->c->live)
		return;
	while ((s = idmap_next(&l->young.slots, &cursor)) != NULL) {
		if (!(s->entry->flags & ENTRY_LARGE))
			continue;
		name = store_name("large", s->id);
		f.file = name.s;
		why = large_fault(l, s->id, s->entry->large_n,
		    s->entry->large_crc);
		if (why != NULL)
			tell(l, f, "%s, the content of a message", why);
	}
}

/* ---- the rest ----------------------------------------------------------- */

static void
judge_drop(struct look *l, const char *dir, const char *name)
{
	struct arena arena = ARENA_INIT(16 * 1024 * 1024);
	struct buf b = BUF_INIT(DROP_BYTES);
	struct slice content;
	struct envelope e;
	struct stat st;
	char path[300], to[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(to, sizeof(to), "drop-%.40s", name);
	l->c->drops++;
	if (fs->fstatat(l->c->dir, path, &st) == -1) {
		if (errno != ENOENT)
			tell(l, (struct finding){ .file = path, .error = errno,
				.remedy = "nothing" }, "cannot be seen");
	} else if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		put_aside(l, path, to, "move it to corrupt/",
		    "is no regular file with one link");
	else if (fs_read_file(fs, l->c->dir, path, &b, (&b)->max, NULL) == -1) {
		if (errno != ENOENT)
			tell(l, (struct finding){ .file = path, .error = errno,
				.remedy = "nothing" }, "cannot be read");
	} else if (!drop_parse(buf_slice(&b), &arena, &e, &content))
		put_aside(l, path, to, "move it to corrupt/",
		    "is no message that sendmail left");
	buf_clear(&b);
	arena_clear(&arena);
}

static void
look_at_drops(struct look *l, const char *dir)
{
	DIR *d = fs_list(fs, l->c->dir, dir, O_NOFOLLOW);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			judge_drop(l, dir, e->d_name);
	if (d != NULL)
		closedir(d);
}

/* It is replaced by rename, so it is whole at any time. */
static void
look_at_limits(struct look *l)
{
	struct buf b = BUF_INIT(LIMITS_BYTES);

	if (fs_read_file(fs, l->c->dir, LIMITS_FILE, &b, (&b)->max,
	    NULL) == 0 &&
	    !limits_are_whole(buf_slice(&b)))
		put_aside(l, LIMITS_FILE, LIMITS_FILE, "move it to corrupt/; "
		    "counting begins anew", "its checksum is wrong");
	buf_clear(&b);
}

static void
look_at_clock(struct look *l)
{
	struct buf b = BUF_INIT(4096);
	struct queue_clock c;

	if (fs_read_file(fs, l->c->dir, CLOCK_FILE, &b, (&b)->max, NULL) == 0 &&
	    !clock_unpack(buf_slice(&b), &c))
		put_aside(l, CLOCK_FILE, CLOCK_FILE, "move it to corrupt/",
		    "its checksum is wrong, and how the clock was set is not "
		    "known");
	buf_clear(&b);
}

static void
look_at_roll(struct look *l)
{
	struct roll roll;

	if (roll_read(l->c->dir, &roll) == -1)
		put_aside(l, ROLL_FILE, ROLL_FILE, "move it to corrupt/; it is "
		    "made anew", "its checksum is wrong, and segments that are "
		    "missing are not known");
	roll_clear(&roll);
}

/* Of a qmgr that has ended: one at work has removed it.  Before files are put
 * aside, which are not missed. */
static void
look_at_muster(struct look *l)
{
	struct muster m;
	struct stat st;
	size_t i;

	if (l->c->live)
		return;
	if (muster_read(l->c->dir, l->given_out, &m) == -1)
		put_aside(l, MUSTER_FILE, MUSTER_FILE, "move it to corrupt/",
		    "its checksum is wrong, and messages that are missing are "
		    "not known");
	for (i = 0; i < m.n; i++)
		if (queue_find(&l->young, m.ids[i]) == NULL &&
		    fs->fstatat(l->c->dir,
		    store_name(STORE_DEFERRED, m.ids[i]).s, &st) == -1 &&
		    errno == ENOENT)
			miss(l, m.ids[i]);
	muster_clear(&m);
}

static void
miss(struct look *l, uint64_t id)
{
	struct store_name name = store_name(STORE_DEFERRED, id);
	struct finding f = { .file = name.s, .can_mend = true,
		.remedy = "miss it no more" };

	if (l->c->repair) {
		f.mended = muster_remove(l->c->dir) == 0;
		f.error = f.mended ? 0 : errno;
	}
	tell(l, f, "was there when the suite was stopped and is not; the "
	    "message is lost unless it is put back");
}

/* One that is a number too high is a later version's, and right. */
static void
look_at_format(struct look *l)
{
	struct buf b = BUF_INIT(QUEUE_FORMAT_BYTES);
	uint64_t found;
	bool there = fs_read_file(fs, l->c->dir, QUEUE_FORMAT_NAME, &b,
	    QUEUE_FORMAT_BYTES, NULL) == 0 || errno != ENOENT;

	if (there && !queue_format_parse(buf_slice(&b), &found))
		put_aside(l, QUEUE_FORMAT_NAME, QUEUE_FORMAT_NAME,
		    "move it to corrupt/; the start writes it anew",
		    "is no number of a format, and qmgr does not start");
	buf_clear(&b);
}

/* ---- telling ------------------------------------------------------------ */

static __attribute__((format(printf, 3, 0))) void
tell_v(struct look *l, struct finding *f, const char *fmt, va_list ap)
{
	struct buf what = BUF_INIT(16384);

	l->c->findings++;
	if (f->mended)
		l->c->mended++;
	buf_vprintf(&what, fmt, ap);
	f->what = buf_slice(&what);
	l->c->tell(l->c->arg, f);
	buf_clear(&what);
}

static void
tell(struct look *l, struct finding f, const char *fmt, ...)
{
	va_list ap;

	/* Told when it is looked at for the second time. */
	if (l->first && strncmp(f.file, "journal/", 8) == 0)
		return;
	va_start(ap, fmt);
	tell_v(l, &f, fmt, ap);
	va_end(ap);
}

static void
put_aside(struct look *l, const char *path, const char *name,
    const char *remedy, const char *fmt, ...)
{
	struct finding f = { .file = path, .remedy = remedy,
		.can_mend = true };
	struct store_name to;
	va_list ap;

	if (l->c->repair) {
		f.mended = store_put_aside(l->c->dir, path, name, &to) == 0;
		f.error = f.mended ? 0 : errno;
	}
	va_start(ap, fmt);
	tell_v(l, &f, fmt, ap);
	va_end(ap);
}
