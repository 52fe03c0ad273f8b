/* SPDX-License-Identifier: ISC */
/* takeover - see takeover.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "box.h"
#include "courier.h"
#include "takeover.h"

/* Kinds of REC_TAKEN. */
enum { TAKEN_UIDLIST, TAKEN_KEYWORDS, TAKEN_COURIER, TAKEN_SIZELIST };

#define REFUSED_NAME	"dovecot-uidlist.refused"

static bool	 parse_header(struct slice line, struct state *,
		    unsigned *version_r);
static const char *parse_message(struct slice line, unsigned version,
		    struct state *);
static void	 read_theirs(struct mailbox *, struct state *);
static void	 complain(struct mailbox *, const struct uidlist_fault *);

/* ---- lists of UIDs ------------------------------------------------------ */

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
parse_guid(struct slice s, uint8_t guid[16])
{
	size_t i;
	int hi, lo;

	if (s.n != 32)
		return false;
	for (i = 0; i < 16; i++) {
		hi = hex_digit(s.p[2 * i]);
		lo = hex_digit(s.p[2 * i + 1]);
		if (hi == -1 || lo == -1)
			return false;
		guid[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* Of the whole list, where it is not Dovecot's default. */
enum uidl_format
uidl_format_parse(struct slice s)
{
	static const struct { const char *text; enum uidl_format format; }
	    formats[] = {
		{ "%08Xu%08Xv", UIDL_OURS }, { "%v.%u", UIDL_DOTTED },
		{ "%f", UIDL_NAME }, { "f", UIDL_NAME },
		{ "%g", UIDL_GUID }, { "g", UIDL_GUID },
		{ "UID%u-%v", UIDL_COURIER },
	};
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (slice_eq(s, slice_str(formats[i].text)))
			return formats[i].format;
	return UIDL_OURS;
}

static bool
parse_word(struct slice word, struct state *s, uint64_t *validity,
    uint64_t *next)
{
	struct slice value = slice_from(word, 1);

	switch (word.p[0]) {
	case 'V':
		return slice_to_u64(value, 1, UINT32_MAX, validity);
	case 'N':
		if (!slice_to_u64(value, 1, UINT32_MAX, next))
			*next = 0;
		break;
	case 'G':
		if (!parse_guid(value, s->guid))
			memset(s->guid, 0, sizeof(s->guid));
		break;
	case 'P':
		s->uidl_format = (uint8_t)uidl_format_parse(value);
		break;
	default:
		break;
	}
	return true;
}

/* "3 V1234 N5 G0123..." or "1 1234 5".  UIDNEXT 0: it was not to be read. */
static bool
parse_header(struct slice line, struct state *s, unsigned *version_r)
{
	uint64_t validity = 0, next = 0;
	struct slice word;

	if (!slice_next(&line, ' ', &word))
		return false;
	if (slice_eq(word, SLICE_LIT("1"))) {
		*version_r = 1;
		if (line.p == NULL || !slice_next(&line, ' ', &word) ||
		    !slice_to_u64(word, 1, UINT32_MAX, &validity))
			return false;
		if (line.p == NULL || !slice_next(&line, ' ', &word) ||
		    !slice_to_u64(word, 1, UINT32_MAX, &next))
			next = 0;
	} else if (slice_eq(word, SLICE_LIT("3"))) {
		*version_r = 3;
		while (line.p != NULL && slice_next(&line, ' ', &word))
			if (word.n >= 2 &&
			    !parse_word(word, s, &validity, &next))
				return false;
	} else
		return false;
	if (validity == 0)
		return false;
	s->uidvalidity = (uint32_t)validity;
	s->uidnext = (uint32_t)next;
	return true;
}

/* One key and value of a line; those that we have no use for are passed
 * over. */
static void
parse_extension(struct slice word, struct message_record *m)
{
	struct slice value = slice_from(word, 1);
	uint64_t v;

	switch (word.p[0]) {
	case 'W':
		if (slice_to_u64(value, 1, INT64_MAX, &v))
			m->facts.size = v;
		if (m->facts.size > 0)
			m->unknown &= (uint8_t)~FACT_SIZE;
		break;
	case 'P':
		/* Without a value it is the base name. */
		if (value.n <= MESSAGE_UIDL_BYTES)
			m->uidl = value;
		break;
	case 'G':
		if (!parse_guid(value, m->facts.guid))
			guid_of_name(value, m->facts.guid);
		break;
	default:
		break;
	}
}

/* What is wrong with the line, or NULL. */
static const char *
parse_message(struct slice line, unsigned version, struct state *s)
{
	static const uint8_t none[16];
	struct message_record m = { .unknown = NAME_ONLY };
	struct slice word;
	uint32_t next = s->uidnext;
	uint64_t uid;
	ssize_t earlier;

	if (!slice_next(&line, ' ', &word) || line.p == NULL ||
	    !slice_to_u64(word, 1, UINT32_MAX - 1, &uid))
		return "there is no UID";
	m.uid = (uint32_t)uid;
	while (version == 3 && line.n > 0 && line.p[0] != ':') {
		if (!slice_next(&line, ' ', &word) || line.p == NULL)
			return "there is no file name";
		if (word.n > 0)
			parse_extension(word, &m);
	}
	if (version == 3 && (line.n == 0 || line.p[0] != ':'))
		return "there is no file name";
	m.base = version == 3 ? slice_from(line, 1) : line;
	if (m.base.n > 0 && m.base.p[m.base.n - 1] == '\r')
		m.base.n--;
	m.base.n = slice_find(m.base, ':');
	if (m.base.n == 0 || m.base.n > MESSAGE_NAME_BYTES ||
	    memchr(m.base.p, '/', m.base.n) != NULL ||
	    memchr(m.base.p, '\0', m.base.n) != NULL)
		return "that is no file name";
	if (m.uidl.p != NULL && m.uidl.n == 0 &&
	    m.base.n <= MESSAGE_UIDL_BYTES)
		m.uidl = m.base;
	if (memcmp(m.facts.guid, none, sizeof(none)) == 0)
		guid_of_name(m.base, m.facts.guid);
	/* Of a name that stands there twice, the later UID counts. */
	earlier = state_find_name(s, m.base);
	if (!state_add(s, &m))
		return "its UID is not above those before it";
	if (earlier != -1)
		state_mark_gone(s, (size_t)earlier);
	if (next > s->uidnext)
		s->uidnext = next;
	return NULL;
}

enum parse
uidlist_parse(struct slice text, struct state *s, struct uidlist_fault *f)
{
	struct slice line;
	unsigned version, n = 1;
	const char *what;

	*f = (struct uidlist_fault){ 1,
		"the first line is not that of a list of UIDs" };
	if (!slice_next(&text, '\n', &line) || !parse_header(line, s, &version))
		return PARSE_BAD;
	f->what = s->uidnext == 0 ? "the next UID is missing" : NULL;
	/* A last line without its end was being written. */
	while (text.p != NULL && slice_next(&text, '\n', &line)) {
		n++;
		if (line.n == 0 || text.p == NULL)
			continue;
		what = parse_message(line, version, s);
		if (what != NULL && f->what == NULL)
			*f = (struct uidlist_fault){ n, what };
	}
	/* Nobody knows what was given out: pass over a good many. */
	if (f->what != NULL)
		s->uidnext = s->uidnext > UINT32_MAX - 2 * UID_RESERVE ?
		    s->uidnext : s->uidnext + UID_RESERVE;
	if (s->uidnext == 0)
		s->uidnext = 1;
	return PARSE_OK;
}

/* ---- keywords ----------------------------------------------------------- */

bool
keyword_is_valid(struct slice name)
{
	size_t i;

	for (i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' ||
		    (unsigned char)name.p[i] >= 0x7f ||
		    strchr("(){}%*\"\\]", name.p[i]) != NULL)
			return false;
	return name.n > 0 && name.n <= STORE_KEYWORD_BYTES;
}

static void
set_keyword(struct state *s, unsigned bit, struct slice name)
{
	if (bit >= STORE_KEYWORDS || !keyword_is_valid(name))
		return;
	free(s->keywords[bit]);
	s->keywords[bit] = mem_slicedup(name);
}

void
dovecot_keywords_parse(struct slice text, struct state *s)
{
	struct slice line;
	uint64_t bit;

	while (text.p != NULL && slice_next(&text, '\n', &line))
		if (parse_u64(&line, &bit) == PARSE_OK && bit < 26 &&
		    line.n > 1 && line.p[0] == ' ')
			set_keyword(s, (unsigned)bit,
			    slice_trim(slice_from(line, 1)));
}

/* ---- all of them -------------------------------------------------------- */

static struct taken
taken_of(const struct stat *st)
{
	return (struct taken){ (int64_t)st->st_mtim.tv_sec * 1000000000 +
	    st->st_mtim.tv_nsec, (uint64_t)st->st_size };
}

static bool
take(struct mailbox *mb, const char *name, size_t max, struct buf *b,
    int kind, struct state *known)
{
	struct stat st;

	buf_reset(b);
	if (fs_read_file(mb->store->fs, mb->dir, name, b, max, &st) == -1)
		return false;
	known->taken[kind] = taken_of(&st);
	return true;
}

static bool
read_dovecot(struct mailbox *mb, struct buf *b, struct state *known)
{
	struct uidlist_fault fault;
	enum parse r;

	if (!take(mb, "dovecot-uidlist", UIDLIST_BYTES, b, TAKEN_UIDLIST,
	    known))
		return false;
	r = uidlist_parse(buf_slice(b), known, &fault);
	if (fault.what != NULL) {
		/* An export would write over the only copy. */
		if (mb->log != -1)
			(void)!fs_replace(mb->store->fs, mb->dir,
			    REFUSED_NAME, buf_slice(b), true);
		complain(mb, &fault);
	}
	if (r != PARSE_OK)
		return false;
	if (take(mb, "dovecot-keywords", KEYWORDS_BYTES, b, TAKEN_KEYWORDS,
	    known))
		dovecot_keywords_parse(buf_slice(b), known);
	return true;
}

static bool
read_courier(struct mailbox *mb, struct buf *b, struct state *known)
{
	struct uidlist_fault fault;
	bool theirs = false;

	if (take(mb, "courierimapuiddb", UIDLIST_BYTES, b, TAKEN_COURIER,
	    known)) {
		theirs = uidlist_parse(buf_slice(b), known, &fault) ==
		    PARSE_OK;
		if (fault.what != NULL)
			complain(mb, &fault);
	}
	if (theirs) {
		known->uidl_format = UIDL_COURIER;
		if (take(mb, "courierimapkeywords/:list", UIDLIST_BYTES, b,
		    TAKEN_KEYWORDS, known))
			courier_keywords_parse(buf_slice(b), known);
		courier_keyword_files(mb->store->fs, mb->dir, known);
	}
	/* Its numbers are not those of IMAP: what it does not name gets ours,
	 * which can be none of them. */
	if (take(mb, "courierpop3dsizelist", UIDLIST_BYTES, b, TAKEN_SIZELIST,
	    known) && courier_sizelist_parse(buf_slice(b), known)) {
		known->uidl_format = UIDL_OURS;
		theirs = true;
	}
	return theirs;
}

static void
read_theirs(struct mailbox *mb, struct state *known)
{
	struct buf b = BUF_INIT(UIDLIST_BYTES);
	uint64_t modseq = known->modseq;

	/* Above whatever they gave out: theirs count changes. */
	if (read_dovecot(mb, &b, known) || read_courier(mb, &b, known))
		known->modseq = (uint64_t)time(NULL) << 20;
	if (known->modseq < modseq)
		known->modseq = modseq;
	known->recent_from = known->uidnext;
	buf_clear(&b);
}

void
takeover_read(struct mailbox *mb, struct state *known)
{
	if (known->n == 0)
		read_theirs(mb, known);
}

static void
complain(struct mailbox *mb, const struct uidlist_fault *f)
{
	char text[256];

	snprintf(text, sizeof(text), "the list of UIDs of another server is "
	    "broken: line %u: %s", f->line, f->what);
	if (mb->store->options.warn != NULL)
		mb->store->options.warn(mb->name, text);
}

/* ---- when they have written since --------------------------------------- */

static bool
stat_list(const struct mailbox *mb, const char *name, struct stat *st)
{
	return mb->store->fs->fstatat(mb->dir, name, st) == 0 &&
	    S_ISREG(st->st_mode);
}

static bool
is_other(const struct mailbox *mb, int kind, const struct stat *st)
{
	const struct taken *was = &mb->state.taken[kind];
	struct taken now = taken_of(st);

	return now.mtime_ns != was->mtime_ns || now.size != was->size;
}

bool
takeover_is_newer(const struct mailbox *mb)
{
	struct stat st;

	if (!stat_list(mb, "dovecot-uidlist", &st))
		return false;
	/* A new keyword leaves the list as it is. */
	return is_other(mb, TAKEN_UIDLIST, &st) ||
	    (stat_list(mb, "dovecot-keywords", &st) &&
	    is_other(mb, TAKEN_KEYWORDS, &st));
}

/* Their keywords keep their letters; to[bit] is what ours become. */
static void
unite_keywords(struct state *theirs, const struct state *ours,
    int to[STORE_KEYWORDS])
{
	int i, k;

	for (i = 0; i < STORE_KEYWORDS; i++) {
		to[i] = -1;
		if (ours->keywords[i] == NULL)
			continue;
		for (k = 0; k < STORE_KEYWORDS && to[i] == -1; k++)
			if (theirs->keywords[k] != NULL && slice_eq_nocase(
			    slice_str(theirs->keywords[k]),
			    slice_str(ours->keywords[i])))
				to[i] = k;
		if (to[i] == -1 && theirs->keywords[i] == NULL)
			to[i] = i;
		for (k = STORE_KEYWORDS - 1; k >= 0 && to[i] == -1; k--)
			if (theirs->keywords[k] == NULL)
				to[i] = k;
		if (to[i] != -1 && theirs->keywords[to[i]] == NULL)
			theirs->keywords[to[i]] =
			    mem_strdup(ours->keywords[i]);
	}
}

static struct message_record
ours_with(const struct state *ours, size_t i, const int to[STORE_KEYWORDS])
{
	struct message_record m = state_message(ours, i);
	uint64_t keywords = 0;
	int bit;

	for (bit = 0; bit < STORE_KEYWORDS; bit++)
		if (m.keywords & UINT64_C(1) << bit && to[bit] != -1)
			keywords |= UINT64_C(1) << to[bit];
	m.keywords = keywords;
	return m;
}

/* What they have, with what only we know of it; then what only we have, under
 * its UID where that is free, or a new one. */
static void
unite(struct state *theirs, struct state *ours, struct state *all)
{
	bool same = theirs->uidvalidity == ours->uidvalidity;
	bool *done = mem_array(ours->n + 1, sizeof(*done));
	struct message_record m, k;
	int to[STORE_KEYWORDS];
	size_t i, next = 0;
	ssize_t at;

	unite_keywords(theirs, ours, to);
	for (i = 0; i < theirs->n; i++) {
		at = state_is_gone(theirs, i) ? -1 :
		    state_find_name(ours, state_base(theirs, i));
		if (at != -1)
			done[at] = true;
	}
	for (i = 0; i < theirs->n; i++) {
		m = state_message(theirs, i);
		for (; same && next < ours->n &&
		    ours->entries[next].uid <= m.uid; next++)
			if (!done[next] && !state_is_gone(ours, next) &&
			    ours->entries[next].uid < m.uid) {
				k = ours_with(ours, next, to);
				done[next] = state_add(all, &k);
			}
		if (state_is_gone(theirs, i))
			continue;
		at = state_find_name(ours, m.base);
		if (at != -1) {
			k = ours_with(ours, (size_t)at, to);
			k.uid = m.uid;
			if (m.uidl.n > 0)
				k.uidl = m.uidl;
			m = k;
		}
		state_add(all, &m);
	}
	if (all->uidnext < theirs->uidnext)
		all->uidnext = theirs->uidnext;
	for (i = 0; i < ours->n; i++) {
		if (done[i] || state_is_gone(ours, i))
			continue;
		k = ours_with(ours, i, to);
		if (!same || k.uid < all->uidnext)
			k.uid = all->uidnext;
		state_add(all, &k);
	}
	if (same && all->uidnext < ours->uidnext)
		all->uidnext = ours->uidnext;
	free(done);
}

bool
takeover_again(struct mailbox *mb, struct state *all)
{
	static const uint8_t none[16];
	struct state *ours = &mb->state, theirs;
	struct buf b = BUF_INIT(UIDLIST_BYTES);
	bool read;
	int i;

	state_init(&theirs);
	read = read_dovecot(mb, &b, &theirs);
	memcpy(all->taken, ours->taken, sizeof(all->taken));
	all->taken[TAKEN_UIDLIST] = theirs.taken[TAKEN_UIDLIST];
	if (read) {
		unite(&theirs, ours, all);
		all->uidvalidity = theirs.uidvalidity;
		all->taken[TAKEN_KEYWORDS] = theirs.taken[TAKEN_KEYWORDS];
		memcpy(all->guid, memcmp(theirs.guid, none, 16) != 0 ?
		    theirs.guid : ours->guid, 16);
		for (i = 0; i < STORE_KEYWORDS; i++) {
			all->keywords[i] = theirs.keywords[i];
			theirs.keywords[i] = NULL;
		}
		all->uidl_format = theirs.uidl_format != UIDL_OURS ?
		    theirs.uidl_format : ours->uidl_format;
		all->modseq = (uint64_t)time(NULL) << 20;
		if (all->modseq < ours->modseq_limit)
			all->modseq = ours->modseq_limit;
		all->recent_from = all->uidnext;
	}
	state_clear(&theirs);
	buf_clear(&b);
	return read;
}

static void
put_seen(struct mailbox *mb, const char *name, uint8_t kind)
{
	struct taken t;
	struct stat st;
	size_t at;

	if (!stat_list(mb, name, &st))
		return;
	t = taken_of(&st);
	record_begin(&mb->group, REC_TAKEN, &at);
	put_u8(&mb->group, kind);
	put_u64(&mb->group, (uint64_t)t.mtime_ns);
	put_u64(&mb->group, t.size);
	record_end(&mb->group, at);
}

void
takeover_put_seen(struct mailbox *mb)
{
	put_seen(mb, "dovecot-uidlist", TAKEN_UIDLIST);
	put_seen(mb, "dovecot-keywords", TAKEN_KEYWORDS);
}

/* ---- what is to be said of them ----------------------------------------- */

bool
takeover_fault(struct mailbox *mb, struct buf *line)
{
	struct buf b = BUF_INIT(UIDLIST_BYTES);
	struct uidlist_fault fault = { 0, NULL };
	struct state s;

	state_init(&s);
	if (takeover_is_newer(mb))
		buf_add_str(line, "dovecot-uidlist was written since it was "
		    "read; the next session takes it in");
	else if (fs_read_file(mb->store->fs, mb->dir, "dovecot-uidlist",
	    &b, UIDLIST_BYTES, NULL) == 0) {
		uidlist_parse(buf_slice(&b), &s, &fault);
		if (fault.what != NULL)
			buf_printf(line, "dovecot-uidlist is broken: line %u: "
			    "%s; " REFUSED_NAME " is a copy, export-uidlist "
			    "writes a right one", fault.line, fault.what);
	}
	state_clear(&s);
	buf_clear(&b);
	return line->n > 0;
}

/* ---- UIDLs -------------------------------------------------------------- */

/* Dovecot's GUID of a file is its name, where its list has no other. */
static int
put_guid(const struct state *s, size_t i, struct buf *b)
{
	const uint8_t *guid = s->slots[i].facts.guid;
	uint8_t of_name[16];
	size_t k;
	int r = 0;

	guid_of_name(state_base(s, i), of_name);
	if (memcmp(of_name, guid, sizeof(of_name)) == 0)
		return buf_add(b, state_base(s, i));
	for (k = 0; k < sizeof(of_name) && r == 0; k++)
		r = buf_printf(b, "%02x", guid[k]) == -1 ? -1 : 0;
	return r;
}

int
takeover_uidl(const struct mailbox *mb, size_t i, struct buf *b)
{
	const struct state *s = &mb->state;
	uint32_t uid = s->entries[i].uid;

	switch (s->uidl_format != UIDL_OURS ? s->uidl_format :
	    (uint8_t)mb->store->options.uidl_format) {
	case UIDL_COURIER:
		return buf_printf(b, "UID%u-%u", uid, s->uidvalidity);
	case UIDL_DOTTED:
		return buf_printf(b, "%u.%u", s->uidvalidity, uid);
	case UIDL_NAME:
		return buf_add(b, state_base(s, i));
	case UIDL_GUID:
		return put_guid(s, i, b);
	default:
		return buf_printf(b, "%08x%08x", uid, s->uidvalidity);
	}
}

/* ---- UIDVALIDITY of new mailboxes --------------------------------------- */

static bool
parse_hex32(struct slice s, uint32_t *v)
{
	uint32_t all = 0;
	size_t i;

	if (s.n != 8)
		return false;
	for (i = 0; i < 8; i++) {
		int d = hex_digit(s.p[i]);

		if (d == -1)
			return false;
		all = all << 4 | (uint32_t)d;
	}
	*v = all;
	return true;
}

bool
takeover_is_theirs(const struct store *s)
{
	static const char *const files[] = { "dovecot-uidlist",
		"courierimapuiddb", "courierpop3dsizelist" };
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (s->fs->fstatat(s->root, files[i], &st) == 0)
			return true;
	return false;
}

uint32_t
takeover_uidvalidity(struct store *s)
{
	static const char name[] = "dovecot-uidvalidity";
	struct buf b = BUF_INIT(64);
	uint32_t last = 0, v;
	struct dirent *e;
	DIR *d;

	if (fs_read_file(s->fs, s->root, name, &b, 64, NULL) == 0)
		(void)!parse_hex32(slice_trim(buf_slice(&b)), &last);
	buf_clear(&b);
	/* An empty file beside it says the same in its name. */
	d = fs_list(s->fs, s->root, ".", 0);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strncmp(e->d_name, name, sizeof(name) - 1) == 0 &&
		    e->d_name[sizeof(name) - 1] == '.' &&
		    parse_hex32(slice_str(e->d_name + sizeof(name)), &v) &&
		    v > last)
			last = v;
	if (d != NULL)
		closedir(d);
	return last;
}
