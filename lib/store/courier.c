/* SPDX-License-Identifier: ISC */
/* courier - see courier.h. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "courier.h"
#include "takeover.h"

#define KEYWORDS_DIR	"courierimapkeywords"
#define PLAIN_FILE	UINT64_MAX	/* newer than all with a number */

/* ---- keywords ----------------------------------------------------------- */

/* The bit of a keyword, made where it is missing; -1: no room. */
static int
keyword_bit(struct state *s, struct slice name)
{
	int bit, free_bit = -1;

	if (!keyword_is_valid(name))
		return -1;
	for (bit = STORE_KEYWORDS - 1; bit >= 0; bit--) {
		if (s->keywords[bit] == NULL)
			free_bit = bit;
		else if (slice_eq_nocase(slice_str(s->keywords[bit]), name))
			return bit;
	}
	if (free_bit != -1)
		s->keywords[free_bit] = mem_slicedup(name);
	return free_bit;
}

/* The keywords of a message stand in the state that its files then meet. */
static void
parse_line(struct slice line, const int *bits, unsigned n, struct state *s)
{
	size_t colon = slice_find(line, ':');
	struct slice word;
	uint64_t at;
	ssize_t i;

	if (colon == line.n)
		return;
	i = state_find_name(s, slice_first(line, colon));
	line = slice_from(line, colon + 1);
	while (i != -1 && line.p != NULL && slice_next(&line, ' ', &word))
		if (slice_to_u64(word, 0, STORE_KEYWORDS - 1, &at) && at < n &&
		    bits[at] != -1)
			s->entries[i].keywords |= UINT64_C(1) << bits[at];
}

void
courier_keywords_parse(struct slice text, struct state *s)
{
	int bits[STORE_KEYWORDS];
	struct slice line;
	unsigned n = 0;

	while (text.p != NULL && slice_next(&text, '\n', &line) && line.n > 0)
		if (n < STORE_KEYWORDS)
			bits[n++] = keyword_bit(s, line);
	while (text.p != NULL && slice_next(&text, '\n', &line))
		parse_line(line, bits, n, s);
}

void
courier_keyword_file(struct slice text, struct state *s, size_t i)
{
	struct slice line;
	int bit;

	s->entries[i].keywords = 0;
	while (text.p != NULL && slice_next(&text, '\n', &line)) {
		bit = keyword_bit(s, slice_trim(line));
		if (bit != -1)
			s->entries[i].keywords |= UINT64_C(1) << bit;
	}
}

/* "base", or ".N.base" with the number of a change; a later one counts. */
static bool
parse_file_name(struct slice name, struct slice *base_r, uint64_t *rank_r)
{
	*base_r = name;
	*rank_r = PLAIN_FILE;
	if (name.n == 0 || name.p[0] != '.')
		return name.n > 0 && name.p[0] != ':';
	name = slice_from(name, 1);
	if (parse_u64(&name, rank_r) != PARSE_OK || name.n < 2 ||
	    name.p[0] != '.' || *rank_r >= PLAIN_FILE - 1)
		return false;
	++*rank_r;
	*base_r = slice_from(name, 1);
	return true;
}

static void
read_file(const struct fs *fs, int dir, const char *name,
    struct state *s, uint64_t *ranks)
{
	struct buf b = BUF_INIT(KEYWORD_FILE_BYTES);
	struct slice base;
	uint64_t rank;
	ssize_t i;

	if (!parse_file_name(slice_str(name), &base, &rank))
		return;
	i = state_find_name(s, slice_first(base, slice_find(base, ':')));
	if (i != -1 && rank > ranks[i] && fs_read_file(fs, dir, name, &b,
	    KEYWORD_FILE_BYTES, NULL) == 0) {
		ranks[i] = rank;
		courier_keyword_file(buf_slice(&b), s, (size_t)i);
	}
	buf_clear(&b);
}

void
courier_keyword_files(const struct fs *fs, int dir, struct state *s)
{
	DIR *d = fs_list(fs, dir, KEYWORDS_DIR, 0);
	struct dirent *e;
	uint64_t *ranks;
	size_t n = 0;

	if (d == NULL)
		return;
	ranks = mem_array(s->n + 1, sizeof(*ranks));
	while (n++ < 2 * (size_t)STORE_MESSAGES && (e = readdir(d)) != NULL)
		if (e->d_type != DT_DIR)
			read_file(fs, dirfd(d), e->d_name, s, ranks);
	free(ranks);
	closedir(d);
}

/* ---- POP3 --------------------------------------------------------------- */

/* What the server said where it had no number: the name, escaped. */
static void
escape_name(struct slice base, struct buf *b)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < base.n; i++) {
		c = (unsigned char)base.p[i];
		if (c < 0x21 || c > 0x7e || c == '\'' || c == '"' || c == '+')
			buf_printf(b, "+%02X", c);
		else
			buf_add_byte(b, (char)c);
	}
}

/* The name moves to the end, with its UIDL. */
static void
set_uidl(struct state *s, size_t i, struct slice uidl)
{
	struct slot *t = &s->slots[i];
	size_t name = s->names.n;

	if (buf_reserve(&s->names, t->base_n + t->info_n + uidl.n) == NULL)
		return;
	buf_add(&s->names, state_base(s, i));
	buf_add(&s->names, state_info(s, i));
	buf_add(&s->names, uidl);
	t->name = (uint32_t)name;
	t->uidl_n = (uint8_t)uidl.n;
}

/* "1700000000.M1P1.host:2,S 1234 5:1400000000:0"; the name may have blanks. */
static void
parse_size(struct slice line, struct state *s)
{
	struct message_record m = { .uid = s->uidnext,
		.unknown = NAME_ONLY };
	struct buf uidl = BUF_INIT(1024);
	size_t blank = slice_rfind(line, ' '), before;
	struct slice last, name;
	uint64_t uid, validity = 0;
	ssize_t i;

	before = slice_rfind(slice_first(line, blank), ' ');
	if (blank == line.n || before == blank)
		return;
	last = slice_from(line, blank + 1);
	name = slice_first(line, before);
	m.base = slice_first(name, slice_find(name, ':'));
	if (parse_u64(&last, &uid) != PARSE_OK || uid > UINT32_MAX ||
	    m.base.n == 0 || m.base.n > MESSAGE_NAME_BYTES ||
	    memchr(m.base.p, '/', m.base.n) != NULL ||
	    memchr(m.base.p, '\0', m.base.n) != NULL)
		return;
	if (last.n > 0 && last.p[0] == ':') {
		last = slice_from(last, 1);
		if (parse_u64(&last, &validity) != PARSE_OK)
			return;
	}
	if (uid == 0)
		escape_name(m.base, &uidl);
	else if (validity == 0)
		buf_printf(&uidl, "UID%llu", (unsigned long long)uid);
	else
		buf_printf(&uidl, "UID%llu-%llu", (unsigned long long)uid,
		    (unsigned long long)validity);
	m.uidl = buf_slice(&uidl);
	i = state_find_name(s, m.base);
	if (m.uidl.n > MESSAGE_UIDL_BYTES)
		;		/* no UIDL that POP3 could say */
	else if (i != -1)
		set_uidl(s, (size_t)i, m.uidl);
	else {
		guid_of_name(m.base, m.facts.guid);
		state_add(s, &m);
	}
	buf_clear(&uidl);
}

bool
courier_sizelist_parse(struct slice text, struct state *s)
{
	struct slice line;
	uint64_t version;

	if (!slice_next(&text, '\n', &line) || line.n < 2 || line.p[0] != '/')
		return false;
	line = slice_from(line, 1);
	if (parse_u64(&line, &version) != PARSE_OK || version < 2 ||
	    version > 3)
		return false;
	/* A last line without its end was being written. */
	while (text.p != NULL && slice_next(&text, '\n', &line))
		if (text.p != NULL)
			parse_size(line, s);
	return true;
}
