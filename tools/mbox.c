/* SPDX-License-Identifier: ISC */
/*
 * mbox - see mbox.h.  A message of an mbox begins at each line "From " that is
 * the first or follows an empty one, which is not its own.  Its header section
 * is held until it is whole, since it has the message's flags.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/num.h"
#include "mail/chars.h"
#include "mail/message.h"
#include "mbox.h"

struct reader {
	struct append	*to;
	uint64_t	 file_bytes;	/* 0: not known */
	int64_t		 file_ms;	/* the file's time */
	int64_t		 arrived_ms;	/* the message's */
	bool		 mbox;
	bool		 inside;	/* a message */
	bool		 started;	/* and the store knows of it */
	bool		 empty;		/* a line that may not be its own */
	struct buf	 header;	/* of one that has not started */
};

static enum store_result read_line(struct reader *, struct slice);
static bool	 is_from(const struct reader *, struct slice);
static int64_t	 date_of_from(const char *line, int64_t otherwise_ms);
static enum store_result add_text(struct reader *, struct slice);
static enum store_result start(struct reader *);
static enum store_result end(struct reader *);
static bool	 is_quoted_from(struct slice);

enum store_result
mbox_append(struct append *to, FILE *f, const struct stat *st)
{
	struct reader r = { .to = to,
		.file_bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.file_ms = (int64_t)st->st_mtim.tv_sec * 1000,
		.header = BUF_INIT(MBOX_HEADER_BYTES) };
	enum store_result result = STORE_OK;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	r.arrived_ms = r.file_ms;
	while (result == STORE_OK && (n = getline(&line, &cap, f)) > 0)
		result = read_line(&r, slice_of(line, (size_t)n));
	free(line);
	if (result == STORE_OK && r.inside)
		result = end(&r);
	buf_clear(&r.header);
	return result;
}

/* A line ends with '\n' but for the file's last; '\0' follows it. */
static enum store_result
read_line(struct reader *r, struct slice line)
{
	enum store_result result = STORE_OK;

	if (is_from(r, line)) {
		if (r->inside)
			result = end(r);
		r->mbox = r->inside = true;
		r->arrived_ms = date_of_from(line.p, r->file_ms);
		return result;
	}
	r->inside = true;
	if (r->empty)
		result = add_text(r, SLICE_LIT("\n"));
	r->empty = r->mbox && (slice_eq(line, SLICE_LIT("\n")) ||
	    slice_eq(line, SLICE_LIT("\r\n")));
	if (result == STORE_OK && !r->started && (r->empty || !r->mbox))
		result = start(r);
	if (r->mbox && is_quoted_from(line))
		line = slice_from(line, 1);
	return result == STORE_OK && !r->empty ? add_text(r, line) : result;
}

static bool
is_from(const struct reader *r, struct slice line)
{
	return slice_starts(line, SLICE_LIT("From ")) &&
	    (r->mbox ? r->empty : !r->inside);
}

/* When a message of an mbox arrived: "From who Thu Jan  1 12:00:00 2015", UTC;
 * where it does not say, the file's time. */
static int64_t
date_of_from(const char *line, int64_t otherwise_ms)
{
	const char *p = strchr(line + 5, ' ');
	struct tm tm = { 0 };

	while (p != NULL && *p == ' ')
		p++;
	if (p == NULL || strptime(p, "%a %b %d %H:%M:%S %Y", &tm) == NULL)
		return otherwise_ms;
	return (int64_t)timegm(&tm) * 1000;
}

/* ">From ", ">>From " and so on were written with one '>' less. */
static bool
is_quoted_from(struct slice line)
{
	size_t i = 0;

	while (i < line.n && line.p[i] == '>')
		i++;
	return i > 0 && slice_starts(slice_from(line, i), SLICE_LIT("From "));
}

static enum store_result
add_text(struct reader *r, struct slice text)
{
	enum store_result result;

	if (!r->started) {
		if (buf_add(&r->header, text) == 0)
			return STORE_OK;
		result = start(r);
		if (result != STORE_OK)
			return result;
	}
	return append_bytes(r->to, text);
}

static enum store_result
start(struct reader *r)
{
	struct mbox_flags f;
	enum store_result result;

	mbox_flags_parse(buf_slice(&r->header), &f);
	result = append_message(r->to, r->mbox ? 0 : r->file_bytes, f.flags,
	    f.keywords, f.nkeywords, r->arrived_ms);
	if (result == STORE_OK)
		result = append_bytes(r->to, buf_slice(&r->header));
	r->started = true;
	buf_reset(&r->header);
	return result;
}

static enum store_result
end(struct reader *r)
{
	enum store_result result = r->started ? STORE_OK : start(r);

	r->started = r->empty = false;
	return result == STORE_OK ? append_end(r->to) : result;
}

/* ---- flags -------------------------------------------------------------- */

static const struct { char letter; uint8_t flag; } letters[] = {
	{ 'R', FLAG_SEEN }, { 'A', FLAG_ANSWERED }, { 'F', FLAG_FLAGGED },
	{ 'T', FLAG_DRAFT }, { 'D', FLAG_DELETED },
};

static const struct { unsigned bit; uint8_t flag; } mozilla_bits[] = {
	{ 0x0001, FLAG_SEEN }, { 0x0002, FLAG_ANSWERED },
	{ 0x0004, FLAG_FLAGGED }, { 0x0008, FLAG_DELETED },
};

static uint8_t
flags_of_letters(struct slice s)
{
	uint8_t flags = 0;
	size_t i;

	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (slice_find(s, letters[i].letter) < s.n)
			flags |= letters[i].flag;
	return flags;
}

static uint8_t
flags_of_mozilla(struct slice s)
{
	unsigned v = 0;
	uint8_t flags = 0;
	size_t i;

	s = slice_trim(s);
	if (s.n == 0 || s.n > 4)
		return 0;
	for (i = 0; i < s.n; i++) {
		int d = char_hex(s.p[i]);

		if (d < 0)
			return 0;
		v = v << 4 | (unsigned)d;
	}
	for (i = 0; i < sizeof(mozilla_bits) / sizeof(mozilla_bits[0]); i++)
		if (v & mozilla_bits[i].bit)
			flags |= mozilla_bits[i].flag;
	return flags;
}

/* Names between white space; the store takes those that may be keywords. */
static void
add_keywords(struct slice s, struct mbox_flags *f)
{
	size_t i = 0, start;

	while (i < s.n && f->nkeywords < STORE_KEYWORDS) {
		while (i < s.n && (unsigned char)s.p[i] <= ' ')
			i++;
		for (start = i; i < s.n &&
		    (unsigned char)s.p[i] > ' ';)
			i++;
		if (i > start)
			f->keywords[f->nkeywords++] = slice_of(s.p + start,
			    i - start);
	}
}

void
mbox_flags_parse(struct slice header, struct mbox_flags *f)
{
	struct field field;

	f->flags = 0;
	f->nkeywords = 0;
	while (field_next(&header, &field)) {
		if (slice_eq_nocase(field.name, SLICE_LIT("Status")) ||
		    slice_eq_nocase(field.name, SLICE_LIT("X-Status")))
			f->flags |= flags_of_letters(field.body);
		else if (slice_eq_nocase(field.name,
		    SLICE_LIT("X-Mozilla-Status")))
			f->flags |= flags_of_mozilla(field.body);
		else if (slice_eq_nocase(field.name, SLICE_LIT("X-Keywords")) ||
		    slice_eq_nocase(field.name, SLICE_LIT("X-Mozilla-Keys")))
			add_keywords(field.body, f);
	}
}
