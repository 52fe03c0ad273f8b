/* SPDX-License-Identifier: ISC */
/* search_parse - search programs, RFC 9051 section 9 (search-program) and the
 * extensions that search.h names. */
#include "base/clock.h"
#include "criteria.h"
#include "mail/charset.h"

const char search_charsets[] = "UTF-8 US-ASCII ISO-8859-1 ISO-8859-2 "
    "ISO-8859-15 WINDOWS-1250 WINDOWS-1251 WINDOWS-1252 KOI8-R GB18030 BIG5 "
    "SHIFT_JIS ISO-2022-JP EUC-JP EUC-KR UTF-16";

struct parser {
	struct search	*search;
	struct cursor	*c;
	unsigned	 flags;
	unsigned	 depth;
	struct slice	 charset;	/* .n 0: none was given */
	enum search_error error;	/* why a function returned NULL */
};

/* What follows the name of a key. */
enum form {
	F_NOTHING,	/* flags: mask, want */
	F_KEYWORD,	/* a flag-keyword; want 0: not */
	F_FIELD,	/* text in the field of this name */
	F_SUBJECT, F_BODY, F_TEXT, F_HEADER,
	F_BEFORE, F_ON, F_SINCE,	/* a date; kind */
	F_LARGER, F_SMALLER, F_OLDER, F_YOUNGER,
	F_UID, F_UIDAFTER, F_UIDBEFORE, F_MODSEQ, F_ID, F_NOT, F_OR,
};

static const struct key {
	const char	*name;
	enum form	 form;
	enum criterion_kind kind;
	uint8_t		 mask, want;
} keys[] = {
	{ "ALL",	F_NOTHING,	C_ALL,	0, 0 },
	{ "ANSWERED",	F_NOTHING,	C_FLAGS, FLAG_ANSWERED, FLAG_ANSWERED },
	{ "BCC",	F_FIELD,	C_HEADER, 0, 0 },
	{ "BEFORE",	F_BEFORE,	C_INTERNAL_DAY, 0, 0 },
	{ "BODY",	F_BODY,		C_BODY,	0, 0 },
	{ "CC",		F_FIELD,	C_HEADER, 0, 0 },
	{ "DELETED",	F_NOTHING,	C_FLAGS, FLAG_DELETED, FLAG_DELETED },
	{ "DRAFT",	F_NOTHING,	C_FLAGS, FLAG_DRAFT, FLAG_DRAFT },
	{ "EMAILID",	F_ID,		C_EMAILID, 0, 0 },
	{ "FLAGGED",	F_NOTHING,	C_FLAGS, FLAG_FLAGGED, FLAG_FLAGGED },
	{ "FROM",	F_FIELD,	C_HEADER, 0, 0 },
	{ "HEADER",	F_HEADER,	C_HEADER, 0, 0 },
	{ "KEYWORD",	F_KEYWORD,	C_KEYWORD, 0, 1 },
	{ "LARGER",	F_LARGER,	C_SIZE,	0, 0 },
	{ "MODSEQ",	F_MODSEQ,	C_MODSEQ, 0, 0 },
	{ "NEW",	F_NOTHING,	C_FLAGS, FLAG_RECENT | FLAG_SEEN,
	    FLAG_RECENT },
	{ "NOT",	F_NOT,		C_NOT,	0, 0 },
	{ "OLD",	F_NOTHING,	C_FLAGS, FLAG_RECENT, 0 },
	{ "OLDER",	F_OLDER,	C_INTERNAL_AGE, 0, 0 },
	{ "ON",		F_ON,		C_INTERNAL_DAY, 0, 0 },
	{ "OR",		F_OR,		C_OR,	0, 0 },
	{ "RECENT",	F_NOTHING,	C_FLAGS, FLAG_RECENT, FLAG_RECENT },
	{ "SAVEDATESUPPORTED", F_NOTHING, C_ALL, 0, 0 },
	{ "SAVEDBEFORE", F_BEFORE,	C_SAVED_DAY, 0, 0 },
	{ "SAVEDON",	F_ON,		C_SAVED_DAY, 0, 0 },
	{ "SAVEDSINCE",	F_SINCE,	C_SAVED_DAY, 0, 0 },
	{ "SEEN",	F_NOTHING,	C_FLAGS, FLAG_SEEN, FLAG_SEEN },
	{ "SENTBEFORE",	F_BEFORE,	C_SENT_DAY, 0, 0 },
	{ "SENTON",	F_ON,		C_SENT_DAY, 0, 0 },
	{ "SENTSINCE",	F_SINCE,	C_SENT_DAY, 0, 0 },
	{ "SINCE",	F_SINCE,	C_INTERNAL_DAY, 0, 0 },
	{ "SMALLER",	F_SMALLER,	C_SIZE,	0, 0 },
	{ "SUBJECT",	F_SUBJECT,	C_SUBJECT, 0, 0 },
	{ "TEXT",	F_TEXT,		C_TEXT,	0, 0 },
	{ "THREADID",	F_ID,		C_THREADID,	0, 0 },
	{ "TO",		F_FIELD,	C_HEADER, 0, 0 },
	{ "UID",	F_UID,		C_UIDS,	0, 0 },
	{ "UIDAFTER",	F_UIDAFTER,	C_UID_RANGE, 0, 0 },
	{ "UIDBEFORE",	F_UIDBEFORE,	C_UID_RANGE, 0, 0 },
	{ "UNANSWERED",	F_NOTHING,	C_FLAGS, FLAG_ANSWERED, 0 },
	{ "UNDELETED",	F_NOTHING,	C_FLAGS, FLAG_DELETED, 0 },
	{ "UNDRAFT",	F_NOTHING,	C_FLAGS, FLAG_DRAFT, 0 },
	{ "UNFLAGGED",	F_NOTHING,	C_FLAGS, FLAG_FLAGGED, 0 },
	{ "UNKEYWORD",	F_KEYWORD,	C_KEYWORD, 0, 0 },
	{ "UNSEEN",	F_NOTHING,	C_FLAGS, FLAG_SEEN, 0 },
	{ "YOUNGER",	F_YOUNGER,	C_INTERNAL_AGE, 0, 0 },
};

static struct criterion *parse_list(struct parser *, bool parenthesis);
static struct criterion *parse_key(struct parser *);
static struct criterion *parse_set(struct parser *);
static struct criterion *parse_named(struct parser *, const struct key *);
static bool	 take_text(struct parser *, struct slice *needle_r);
static bool	 take_days(struct parser *, enum form, struct criterion *);
static bool	 take_size(struct parser *, enum form, struct criterion *);
static bool	 take_uid(struct parser *, enum form, struct criterion *);
static bool	 take_modseq(struct parser *, struct criterion *);
static bool	 take_operands(struct parser *, unsigned n,
		    struct criterion *);
static struct criterion *new_criterion(struct parser *, enum criterion_kind);
static void	 link_child(struct criterion *, struct criterion *);
static enum cost cost_of(enum criterion_kind);

enum search_error
search_parse(struct cursor *c, unsigned flags, struct search **search_r)
{
	struct parser p = { .c = c, .flags = flags, .error = SEARCH_BAD };
	struct cursor at = *c;
	bool ok = true, given = false;

	p.c = &at;
	if (flags & SEARCH_CHARSET_FIRST) {
		ok = cur_astring(&at, &p.charset) && cur_sp(&at);
		given = true;
	} else if (cur_word(&at, "CHARSET")) {
		ok = (flags & SEARCH_UTF8) == 0 && cur_sp(&at) &&
		    cur_astring(&at, &p.charset) && cur_sp(&at);
		given = true;
	}
	if (!ok)
		return SEARCH_BAD;
	if (given && (p.charset.n == 0 || !charset_is_known(p.charset)))
		return SEARCH_BADCHARSET;
	p.search = search_new(SEARCH_BYTES);
	p.search->root = parse_list(&p, false);
	if (p.search->root == NULL || !cur_end(&at)) {
		search_free(&p.search);
		return p.error;
	}
	*c = at;
	*search_r = p.search;
	return SEARCH_OK;
}

/* search-key *(SP search-key), up to ")" or the end. */
static struct criterion *
parse_list(struct parser *p, bool parenthesis)
{
	struct criterion *list = new_criterion(p, C_AND), *key;

	if (list == NULL)
		return NULL;
	do {
		key = parse_key(p);
		if (key == NULL)
			return NULL;
		link_child(list, key);
	} while (cur_sp(p->c));
	if (parenthesis && !cur_close(p->c))
		return NULL;
	return list->first->next == NULL ? list->first : list;
}

static struct criterion *
parse_key(struct parser *p)
{
	struct criterion *k = NULL;
	size_t i;

	if (p->depth == SEARCH_DEPTH) {
		p->error = SEARCH_LIMIT;
		return NULL;
	}
	p->depth++;
	if (cur_peek(p->c) == '(') {
		if (cur_open(p->c))
			k = parse_list(p, true);
		else
			p->error = SEARCH_LIMIT;
		p->depth--;
		return k;
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (cur_word(p->c, keys[i].name))
			break;
	k = i < sizeof(keys) / sizeof(keys[0]) ? parse_named(p, &keys[i]) :
						 parse_set(p);
	p->depth--;
	return k;
}

static struct criterion *
parse_set(struct parser *p)
{
	struct criterion *k = new_criterion(p, C_SEQUENCE);

	if (k == NULL || !cur_set(p->c, SET_STAR | SET_SAVED, &k->set))
		return NULL;
	if (k->set.saved)
		k->kind = C_SAVED;
	else if (p->flags & SEARCH_UIDONLY) {
		p->error = SEARCH_UIDREQUIRED;
		return NULL;
	}
	return k;
}

static struct criterion *
parse_named(struct parser *p, const struct key *key)
{
	struct criterion *k = new_criterion(p, key->kind);
	struct cursor *c = p->c;
	struct slice text;
	bool ok = false;

	if (k == NULL)
		return NULL;
	k->mask = key->mask;
	k->want = key->want;
	if (key->form != F_NOTHING && !cur_sp(c))
		return NULL;
	switch (key->form) {
	case F_NOTHING:
		ok = true;
		break;
	case F_KEYWORD:
	case F_ID:
		ok = cur_atom(c, &text) &&
		    arena_copy(&p->search->arena, text, &k->name) == 0;
		break;
	case F_FIELD:
		k->name = slice_str(key->name);
		ok = take_text(p, &k->needle);
		break;
	case F_HEADER:
		ok = cur_astring(c, &text) &&
		    arena_copy(&p->search->arena, text, &k->name) == 0 &&
		    cur_sp(c) && take_text(p, &k->needle);
		break;
	case F_SUBJECT:
	case F_BODY:
	case F_TEXT:
		ok = take_text(p, &k->needle);
		break;
	case F_BEFORE:
	case F_ON:
	case F_SINCE:
		ok = take_days(p, key->form, k);
		break;
	case F_LARGER:
	case F_SMALLER:
	case F_OLDER:
	case F_YOUNGER:
		ok = take_size(p, key->form, k);
		break;
	case F_UID:
		ok = cur_set(c, SET_STAR | SET_SAVED, &k->set);
		if (ok && k->set.saved)
			k->kind = C_SAVED;
		break;
	case F_UIDAFTER:
	case F_UIDBEFORE:
		ok = take_uid(p, key->form, k);
		break;
	case F_MODSEQ:
		ok = take_modseq(p, k);
		break;
	case F_NOT:
		ok = take_operands(p, 1, k);
		break;
	case F_OR:
		ok = take_operands(p, 2, k);
		break;
	}
	return ok ? k : NULL;
}

/* An astring of the charset, in the form for comparison. */
static bool
take_text(struct parser *p, struct slice *needle_r)
{
	struct buf utf8 = BUF_INIT(SEARCH_BYTES), form = BUF_INIT(SEARCH_BYTES);
	struct slice text, charset = p->charset;
	bool ok = false;

	if (!cur_astring(p->c, &text))
		return false;
	if (charset.n == 0)
		charset = SLICE_LIT("utf-8");
	if (charset_convert(charset, text, &utf8) != 0)
		p->error = SEARCH_BADCHARSET;
	else if (casefold(buf_slice(&utf8), &form) != 0 ||
	    arena_copy(&p->search->arena, buf_slice(&form), needle_r) != 0)
		p->error = SEARCH_LIMIT;
	else
		ok = true;
	buf_clear(&utf8);
	buf_clear(&form);
	return ok;
}

static bool
take_days(struct parser *p, enum form form, struct criterion *k)
{
	int64_t day;

	if (!cur_date(p->c, &day))
		return false;
	k->least = form == F_BEFORE ? INT64_MIN : day;
	k->most = form == F_BEFORE ? day - 1 : form == F_ON ? day : INT64_MAX;
	return true;
}

static bool
take_size(struct parser *p, enum form form, struct criterion *k)
{
	uint64_t n;
	int64_t v, now = clock_wall_ms();

	if (!cur_number64(p->c, &n))
		return false;
	v = n > INT64_MAX ? INT64_MAX : (int64_t)n;
	k->least = INT64_MIN;
	k->most = INT64_MAX;
	if (form == F_LARGER)
		k->least = v == INT64_MAX ? v : v + 1;
	else if (form == F_SMALLER)
		k->most = v - 1;
	else {
		/* RFC 5032: seconds, more than none; measured from now. */
		if (v < 1)
			return false;
		v = v > now / 1000 ? 0 : now - v * 1000;
		if (form == F_OLDER)
			k->most = v;
		else
			k->least = v;
	}
	return true;
}

/* RFC 9738 3.2. */
static bool
take_uid(struct parser *p, enum form form, struct criterion *k)
{
	uint32_t uid;

	if (!cur_nz_number(p->c, &uid))
		return false;
	k->least = form == F_UIDAFTER ? (int64_t)uid + 1 : 0;
	k->most = form == F_UIDAFTER ? INT64_MAX : (int64_t)uid - 1;
	return true;
}

/* RFC 7162 3.1.5: entries of flags have no mod-sequence of their own here. */
static bool
take_modseq(struct parser *p, struct criterion *k)
{
	struct slice entry;
	uint64_t n;

	if (cur_peek(p->c) == '"' &&
	    (!cur_quoted(p->c, &entry) || !cur_sp(p->c) ||
		(!cur_word(p->c, "all") && !cur_word(p->c, "priv") &&
		    !cur_word(p->c, "shared")) ||
		!cur_sp(p->c)))
		return false;
	if (!cur_number64(p->c, &n) || n > INT64_MAX)
		return false;
	k->least = (int64_t)n;
	k->most = INT64_MAX;
	p->search->uses_modseq = true;
	return true;
}

static bool
take_operands(struct parser *p, unsigned n, struct criterion *k)
{
	struct criterion *child;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (i > 0 && !cur_sp(p->c))
			return false;
		child = parse_key(p);
		if (child == NULL)
			return false;
		link_child(k, child);
	}
	return true;
}

/* ---- criteria ----------------------------------------------------------- */

static struct criterion *
new_criterion(struct parser *p, enum criterion_kind kind)
{
	struct criterion *k;

	if (p->search->keys++ == SEARCH_KEYS ||
	    (k = arena_alloc(&p->search->arena, sizeof(*k))) == NULL) {
		p->error = SEARCH_LIMIT;
		return NULL;
	}
	k->kind = kind;
	k->cost = cost_of(kind);
	k->all = p->search->all;
	p->search->all = k;
	return k;
}

static enum cost
cost_of(enum criterion_kind kind)
{
	if (kind >= C_SENT_DAY && kind <= C_HEADER)
		return COST_SUMMARY;
	return kind == C_BODY || kind == C_TEXT ? COST_CONTENT : COST_ENTRY;
}

/* Children in the order of their cost, else as they came. */
static void
link_child(struct criterion *k, struct criterion *child)
{
	struct criterion **at = &k->first;

	while (*at != NULL && (*at)->cost <= child->cost)
		at = &(*at)->next;
	child->next = *at;
	*at = child;
	if (child->cost > k->cost)
		k->cost = child->cost;
}
