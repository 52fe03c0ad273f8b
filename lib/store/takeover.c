/* SPDX-License-Identifier: ISC */
/* takeover - see takeover.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "box.h"
#include "takeover.h"

/* Kinds of REC_TAKEN. */
enum { TAKEN_UIDLIST, TAKEN_KEYWORDS, TAKEN_COURIER };

static bool	 parse_header(struct slice line, struct state *,
		    unsigned *version_r);
static void	 parse_message(struct slice line, unsigned version,
		    struct state *);

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

/* "3 V1234 N5 G0123..." or "1 1234 5". */
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
		    !slice_to_u64(word, 1, UINT32_MAX, &validity) ||
		    line.p == NULL || !slice_next(&line, ' ', &word) ||
		    !slice_to_u64(word, 1, UINT32_MAX, &next))
			return false;
	} else if (slice_eq(word, SLICE_LIT("3"))) {
		*version_r = 3;
		while (line.p != NULL && slice_next(&line, ' ', &word)) {
			if (word.n < 2)
				continue;
			if (word.p[0] == 'V' && !slice_to_u64(
			    slice_from(word, 1), 1, UINT32_MAX, &validity))
				return false;
			if (word.p[0] == 'N' && !slice_to_u64(
			    slice_from(word, 1), 1, UINT32_MAX, &next))
				return false;
			if (word.p[0] == 'G' &&
			    !parse_guid(slice_from(word, 1), s->guid))
				memset(s->guid, 0, sizeof(s->guid));
		}
	} else
		return false;
	if (validity == 0 || next == 0)
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
			m->size = v;
		break;
	case 'P':
		if (value.n > 0 && value.n <= MESSAGE_UIDL_BYTES)
			m->uidl = value;
		break;
	case 'G':
		if (!parse_guid(value, m->guid))
			guid_of_name(value, m->guid);
		break;
	default:
		break;
	}
}

static void
parse_message(struct slice line, unsigned version, struct state *s)
{
	struct message_record m = { 0 };
	struct slice word;
	uint32_t next = s->uidnext;
	uint64_t uid;
	ssize_t earlier;

	if (!slice_next(&line, ' ', &word) || line.p == NULL ||
	    !slice_to_u64(word, 1, UINT32_MAX - 1, &uid))
		return;
	m.uid = (uint32_t)uid;
	while (version == 3 && line.n > 0 && line.p[0] != ':') {
		if (!slice_next(&line, ' ', &word) || line.p == NULL)
			return;
		if (word.n > 0)
			parse_extension(word, &m);
	}
	if (version == 3 && (line.n == 0 || line.p[0] != ':'))
		return;
	m.base = version == 3 ? slice_from(line, 1) : line;
	if (m.base.n > 0 && m.base.p[m.base.n - 1] == '\r')
		m.base.n--;
	m.base.n = slice_find(m.base, ':');
	if (m.base.n == 0 || m.base.n > MESSAGE_NAME_BYTES ||
	    memchr(m.base.p, '/', m.base.n) != NULL ||
	    memchr(m.base.p, '\0', m.base.n) != NULL)
		return;
	static const uint8_t none[16];
	if (memcmp(m.guid, none, sizeof(none)) == 0)
		guid_of_name(m.base, m.guid);
	/* Of a name that stands there twice, the later UID counts. */
	earlier = state_find_name(s, m.base);
	if (state_add(s, &m) && earlier != -1)
		s->slots[earlier].gone = true;
	if (next > s->uidnext)
		s->uidnext = next;
}

enum parse
uidlist_parse(struct slice text, struct state *s)
{
	struct slice line;
	unsigned version;

	if (!slice_next(&text, '\n', &line) || !parse_header(line, s, &version))
		return PARSE_BAD;
	/* A last line without its end was being written. */
	while (text.p != NULL && slice_next(&text, '\n', &line))
		if (line.n > 0 && text.p != NULL)
			parse_message(line, version, s);
	return PARSE_OK;
}

/* ---- keywords ----------------------------------------------------------- */

static void
set_keyword(struct state *s, unsigned bit, struct slice name)
{
	size_t i;

	if (bit >= STORE_KEYWORDS || name.n == 0 ||
	    name.n > STORE_KEYWORD_BYTES)
		return;
	for (i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
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

/* The keywords of a message stand in the state that its files then meet. */
static void
courier_line(struct slice line, unsigned n, struct state *s)
{
	size_t colon = slice_find(line, ':');
	struct slice word;
	uint64_t bit;
	ssize_t i;

	if (colon == line.n)
		return;
	i = state_find_name(s, slice_first(line, colon));
	line = slice_from(line, colon + 1);
	while (i != -1 && line.p != NULL && slice_next(&line, ' ', &word))
		if (slice_to_u64(word, 0, STORE_KEYWORDS - 1, &bit) &&
		    bit < n)
			s->entries[i].keywords |= UINT64_C(1) << bit;
}

void
courier_keywords_parse(struct slice text, struct state *s)
{
	struct slice line;
	unsigned n = 0;

	while (text.p != NULL && slice_next(&text, '\n', &line) && line.n > 0)
		if (n < STORE_KEYWORDS)
			set_keyword(s, n++, line);
	while (text.p != NULL && slice_next(&text, '\n', &line))
		courier_line(line, n, s);
}

/* ---- all of them -------------------------------------------------------- */

static bool
take(struct mailbox *mb, const char *name, size_t max, struct buf *b,
    int kind, struct state *known)
{
	struct stat st;

	buf_reset(b);
	if (store_fs_read_file(mb->store->fs, mb->dir, name, b, max, &st) == -1)
		return false;
	known->taken[kind] = (struct taken){ (int64_t)st.st_mtim.tv_sec *
	    1000000000 + st.st_mtim.tv_nsec, (uint64_t)st.st_size };
	return true;
}

void
takeover_read(struct mailbox *mb, struct state *known)
{
	struct buf b = BUF_INIT(UIDLIST_BYTES);
	uint64_t modseq = known->modseq;
	bool theirs = false;

	if (known->n > 0)
		goto end;
	if (take(mb, "dovecot-uidlist", UIDLIST_BYTES, &b, TAKEN_UIDLIST,
	    known))
		theirs = uidlist_parse(buf_slice(&b), known) == PARSE_OK;
	if (theirs && take(mb, "dovecot-keywords", KEYWORDS_BYTES, &b,
	    TAKEN_KEYWORDS, known))
		dovecot_keywords_parse(buf_slice(&b), known);
	if (!theirs && take(mb, "courierimapuiddb", UIDLIST_BYTES, &b,
	    TAKEN_COURIER, known) &&
	    uidlist_parse(buf_slice(&b), known) == PARSE_OK) {
		theirs = true;
		known->uidl_format = UIDL_COURIER;
		if (take(mb, "courierimapkeywords/:list", UIDLIST_BYTES, &b,
		    TAKEN_KEYWORDS, known))
			courier_keywords_parse(buf_slice(&b), known);
	}
	/* Above whatever they gave out: theirs count changes. */
	if (theirs)
		known->modseq = (uint64_t)time(NULL) << 20;
	if (known->modseq < modseq)
		known->modseq = modseq;
	known->recent_from = known->uidnext;
end:
	buf_clear(&b);
}
