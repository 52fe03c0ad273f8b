/* SPDX-License-Identifier: ISC */
/* answer - how things are written (RFC 9051 section 9). */
#include "base/mem.h"
#include "imap.h"
#include "mail/address.h"
#include "mail/utf8.h"
#include "number.h"
#include "store/names.h"

#define QUOTED_BYTES	1000	/* longer strings go as literals */

static bool	 is_quotable(const struct imap_session *, struct slice);
static void	 put_literal(struct imap_session *, struct slice);
static void	 put_quoted(struct imap_session *, struct slice);
static bool	 mailbox_from_client(struct imap_session *, struct slice,
		    struct slice *);

void
put(struct imap_session *s, struct slice text)
{
	if (buf_add(&s->out, text) == -1)
		s->stuck = true;
}

void
put_str(struct imap_session *s, const char *text)
{
	put(s, slice_str(text));
}

void
say(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(&s->out, fmt, ap) == -1)
		s->stuck = true;
	va_end(ap);
	put_str(s, "\r\n");
}

void
put_number(struct imap_session *s, uint64_t v)
{
	char *to = buf_reserve(&s->out, NUMBER_BYTES);

	if (to == NULL) {
		s->stuck = true;
		return;
	}
	s->out.n += (size_t)(number_write(to, v) - to);
}

void
put_nstring(struct imap_session *s, struct slice text)
{
	if (text.p == NULL)
		put_str(s, "NIL");
	else if (is_quotable(s, text))
		put_quoted(s, text);
	else
		put_literal(s, text);
}

static bool
is_quotable(const struct imap_session *s, struct slice text)
{
	bool eight = false;
	size_t i;

	if (text.n > QUOTED_BYTES)
		return false;
	for (i = 0; i < text.n; i++) {
		if (text.p[i] & 0x80)
			eight = true;
		else if (!imap_is(text.p[i], IC_QUOTED) && text.p[i] != '"' &&
		    text.p[i] != '\\')
			return false;
	}
	return !eight || (speaks_utf8(s) && slice_is_utf8(text));
}

static void
put_quoted(struct imap_session *s, struct slice text)
{
	char *to = buf_reserve(&s->out, text.n * 2 + 2);
	size_t i;

	if (to == NULL) {
		s->stuck = true;
		return;
	}
	*to++ = '"';
	for (i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			*to++ = '\\';
		*to++ = text.p[i];
	}
	*to++ = '"';
	s->out.n = (size_t)(to - s->out.p);
}

static void
put_literal(struct imap_session *s, struct slice text)
{
	put_str(s, "{");
	put_number(s, text.n);
	put_str(s, "}\r\n");
	put(s, text);
}

void
put_astring(struct imap_session *s, struct slice text)
{
	size_t i = 0;

	while (i < text.n && imap_is(text.p[i], IC_ASTRING))
		i++;
	if (i == text.n && i > 0 && !slice_eq_nocase(text, SLICE_LIT("NIL")))
		put(s, text);
	else
		put_nstring(s, text);
}

/* ---- names of mailboxes -------------------------------------------------- */

void
put_mailbox(struct imap_session *s, struct slice name)
{
	struct buf seven = BUF_INIT(4 * STORE_NAME_BYTES + 8);

	if (!speaks_utf8(s) && mutf7_encode(name, &seven) == 0)
		name = buf_slice(&seven);
	put_astring(s, name);
	buf_clear(&seven);
}

bool
cur_mailbox(struct imap_session *s, struct cursor *c, struct slice *r)
{
	struct cursor at = *c;
	struct slice raw;

	if (!cur_astring(&at, &raw)) {
		s->not_utf7 = !speaks_utf8(s) && !slice_is_ascii(at.rest);
		return false;
	}
	if (!mailbox_from_client(s, raw, r))
		return false;
	*c = at;
	return true;
}

static bool
mailbox_from_client(struct imap_session *s, struct slice raw, struct slice *r)
{
	struct buf eight = BUF_INIT(4 * STORE_NAME_BYTES);
	char *room = arena_alloc(&s->arena, raw.n);
	bool good = true;

	if (room != NULL)
		raw = name_fold_inbox(raw, room);
	if (speaks_utf8(s)) {
		*r = raw;
		return slice_is_utf8(raw);
	}
	if (slice_find(raw, '&') == raw.n && slice_is_ascii(raw)) {
		*r = raw;
		return true;
	}
	good = mutf7_decode(raw, &eight) == PARSE_OK &&
	    arena_copy(&s->arena, buf_slice(&eight), r) == 0;
	s->not_utf7 = !good;
	buf_clear(&eight);
	return good;
}

/* ---- flags --------------------------------------------------------------- */

static const struct {
	uint8_t		 bit;
	const char	*name;
} system_flags[] = {
	{ FLAG_ANSWERED, "\\Answered" }, { FLAG_FLAGGED, "\\Flagged" },
	{ FLAG_DELETED, "\\Deleted" }, { FLAG_SEEN, "\\Seen" },
	{ FLAG_DRAFT, "\\Draft" }, { FLAG_RECENT, "\\Recent" },
};

void
put_flag_list(struct imap_session *s, uint8_t flags, uint64_t keywords)
{
	const char *sep = "", *name;
	size_t i;
	unsigned k;

	put_str(s, "(");
	for (i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++) {
		if ((flags & system_flags[i].bit) == 0 ||
		    (system_flags[i].bit == FLAG_RECENT &&
		    s->enabled & EN_REV2))
			continue;
		put_str(s, sep);
		put_str(s, system_flags[i].name);
		sep = " ";
	}
	for (k = 0; keywords != 0; k++, keywords >>= 1) {
		name = mailbox_keyword_name(s->view.mailbox, k);
		if ((keywords & 1) == 0 || name[0] == '\0')
			continue;
		put_str(s, sep);
		put_str(s, name);
		sep = " ";
	}
	put_str(s, ")");
}

uint8_t
system_flag(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++)
		if (slice_eq_nocase(name, slice_str(system_flags[i].name)))
			return system_flags[i].bit;
	return 0;
}

/* ---- dates and ids ------------------------------------------------------- */

void
put_internaldate(struct imap_session *s, int64_t ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t sec = ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
	time_t t = (time_t)sec;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099 ||
	    tm.tm_year < -1900)
		memset(&tm, 0, sizeof(tm)), tm.tm_mday = 1, tm.tm_year = 70;
	if (buf_printf(&s->out, "\"%2d-%.3s-%04d %02d:%02d:%02d +0000\"",
	    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec) == -1)
		s->stuck = true;
}

void
put_object_id(struct imap_session *s, char prefix, const uint8_t guid[16])
{
	static const char hex[] = "0123456789abcdef";
	char text[33];
	size_t i;

	text[0] = prefix;
	for (i = 0; i < 16; i++) {
		text[1 + 2 * i] = hex[guid[i] >> 4];
		text[2 + 2 * i] = hex[guid[i] & 15];
	}
	put_str(s, "(");
	put(s, slice_of(text, sizeof(text)));
	put_str(s, ")");
}

void
begin_fetch(struct imap_session *s, size_t position, bool uid)
{
	uint32_t u = s->view.v[position].uid;

	put_str(s, "* ");
	if (s->enabled & EN_UIDONLY) {
		put_number(s, u);
		put_str(s, " UIDFETCH (");
		return;
	}
	put_number(s, position + 1);
	put_str(s, " FETCH (");
	if (uid) {
		put_str(s, "UID ");
		put_number(s, u);
		put_str(s, " ");
	}
}
