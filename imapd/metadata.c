/* SPDX-License-Identifier: ISC */
/* metadata - GETMETADATA, SETMETADATA (RFC 5464). */
#include "imap.h"

#define ASKED_ENTRIES	100	/* of one GETMETADATA */
#define ADMIN		"/shared/admin"
#define SPECIAL_USE	"/private/specialuse"

struct get {
	struct imap_session *s;
	struct slice	 mailbox;
	struct slice	 asked[ASKED_ENTRIES];
	bool		 found[ASKED_ENTRIES];
	size_t		 n;
	uint64_t	 max;		/* MAXSIZE; UINT64_MAX: none */
	unsigned	 depth;		/* 0, 1; 2: all below */
	uint64_t	 longest;	/* that was left out */
	bool		 any;
};

static bool	 take_options(struct cursor *, struct get *);
static bool	 take_entries(struct imap_session *, struct cursor *,
		    struct get *);
static bool	 take_entry(struct imap_session *, struct cursor *,
		    struct slice *);
static int	 below(struct slice entry, struct slice asked);
static bool	 tell_entry(void *, struct slice entry, struct slice value);
static void	 put_entry(struct get *, struct slice entry,
		    struct slice value);

void
cmd_getmetadata(struct imap_session *s, struct cursor *c)
{
	struct get g = { .s = s, .max = UINT64_MAX };
	enum store_result r;
	char code[64];
	size_t i;

	if (!cur_sp(c) || (cur_peek(c) == '(' &&
	    (!take_options(c, &g) || !cur_sp(c))) ||
	    !cur_mailbox(s, c, &g.mailbox) || !cur_sp(c) ||
	    !take_entries(s, c, &g) || !cur_end(c)) {
		bad_args(s, "a mailbox and entries");
		return;
	}
	r = store_metadata_each(s->store, g.mailbox, tell_entry, &g);
	if (r != STORE_OK) {
		if (g.any)
			put_str(s, ")\r\n");
		store_refused(s, r);
		return;
	}
	if (g.mailbox.n == 0 && s->config.admin != NULL &&
	    s->config.admin[0] != '\0')
		tell_entry(&g, SLICE_LIT(ADMIN), slice_str(s->config.admin));
	for (i = 0; i < g.n; i++)
		if (!g.found[i] && g.depth == 0)
			put_entry(&g, g.asked[i], (struct slice){ NULL, 0 });
	if (g.any)
		put_str(s, ")\r\n");
	if (g.longest > 0) {
		snprintf(code, sizeof(code), "METADATA LONGENTRIES %llu",
		    (unsigned long long)g.longest);
		tagged(s, OK, code, "Done");
	} else
		tagged(s, OK, NULL, "Done");
}

static bool
take_options(struct cursor *c, struct get *g)
{
	if (!cur_open(c))
		return false;
	do {
		if (cur_word(c, "MAXSIZE")) {
			if (!cur_sp(c) || !cur_number64(c, &g->max))
				return false;
		} else if (!cur_word(c, "DEPTH") || !cur_sp(c))
			return false;
		else if (cur_word(c, "0"))
			g->depth = 0;
		else if (cur_word(c, "1"))
			g->depth = 1;
		else if (cur_word(c, "infinity"))
			g->depth = 2;
		else
			return false;
	} while (cur_sp(c));
	return cur_close(c);
}

static bool
take_entries(struct imap_session *s, struct cursor *c, struct get *g)
{
	if (!cur_open(c)) {
		g->n = 1;
		return take_entry(s, c, &g->asked[0]);
	}
	do {
		if (g->n == ASKED_ENTRIES ||
		    !take_entry(s, c, &g->asked[g->n++]))
			return false;
	} while (cur_sp(c));
	return cur_close(c);
}

/* RFC 5464 3: case does not matter; no "//", no "*" or "%", no "/" at the
 * end; below one of the two roots. */
static bool
take_entry(struct imap_session *s, struct cursor *c, struct slice *r)
{
	struct slice raw;
	char *to;
	size_t i;

	if (!cur_astring(c, &raw) || raw.n == 0 ||
	    (to = arena_alloc(&s->arena, raw.n)) == NULL)
		return false;
	for (i = 0; i < raw.n; i++) {
		to[i] = ascii_lower(raw.p[i]);
		if (to[i] <= ' ' || to[i] == '*' || to[i] == '%' ||
		    (to[i] == '/' && i > 0 && to[i - 1] == '/'))
			return false;
	}
	*r = slice_of(to, raw.n);
	return to[raw.n - 1] != '/' &&
	    (below(*r, SLICE_LIT("/private")) != -1 ||
	    below(*r, SLICE_LIT("/shared")) != -1);
}

/* How many levels an entry is below one that was asked for; -1: it is not. */
static int
below(struct slice entry, struct slice asked)
{
	size_t i;
	int n = 0;

	if (!slice_starts(entry, asked) ||
	    (entry.n > asked.n && entry.p[asked.n] != '/'))
		return -1;
	for (i = asked.n; i < entry.n; i++)
		n += entry.p[i] == '/';
	return n;
}

static bool
tell_entry(void *arg, struct slice entry, struct slice value)
{
	struct get *g = arg;
	bool wanted = false;
	size_t i;
	int d;

	for (i = 0; i < g->n; i++) {
		d = below(entry, g->asked[i]);
		if (d == -1 || (g->depth < 2 && d > (int)g->depth))
			continue;
		wanted = true;
		g->found[i] = true;
	}
	if (!wanted)
		return true;
	if (value.n > g->max) {
		if (value.n > g->longest)
			g->longest = value.n;
	} else
		put_entry(g, entry, value);
	return true;
}

static void
put_entry(struct get *g, struct slice entry, struct slice value)
{
	struct imap_session *s = g->s;

	if (!g->any) {
		put_str(s, "* METADATA ");
		put_mailbox(s, g->mailbox);
		put_str(s, " (");
	} else
		put_str(s, " ");
	g->any = true;
	put_astring(s, entry);
	put_str(s, " ");
	if (value.p != NULL && slice_find(value, '\0') < value.n)
		put_str(s, "~");
	put_nstring(s, value);
}

/* ---- SETMETADATA --------------------------------------------------------- */

static bool
take_value(struct cursor *c, struct slice *r)
{
	bool binary;

	return cur_nstring(c, r) || cur_literal(c, r, &binary);
}

/* RFC 6154 4: as CREATE would. */
static bool
are_uses(struct slice value)
{
	struct slice word;

	while (value.n > 0 && slice_next(&value, ' ', &word))
		if (!special_uses_allowed(special_use_of(word)))
			return false;
	return true;
}

static void
refuse(struct imap_session *s, enum store_result r)
{
	char code[64];

	if (r == STORE_TOO_LARGE) {
		snprintf(code, sizeof(code), "METADATA MAXSIZE %d",
		    STORE_METADATA_BYTES);
		tagged(s, NO, code, "The value is too long");
	} else if (r == STORE_LIMIT)
		tagged(s, NO, "METADATA TOOMANY", "There are too many entries");
	else if (r == STORE_READ_ONLY)
		tagged(s, NO, "NOPERM", "The operator's entry, or a mailbox "
		    "that is read-only");
	else
		store_refused(s, r);
}

void
cmd_setmetadata(struct imap_session *s, struct cursor *c)
{
	struct slice mailbox, entries[ASKED_ENTRIES], values[ASKED_ENTRIES];
	enum store_result r = STORE_OK;
	size_t n = 0, i;
	bool good;

	good = cur_sp(c) && cur_mailbox(s, c, &mailbox) && cur_sp(c) &&
	    cur_open(c);
	while (good) {
		good = n < ASKED_ENTRIES && take_entry(s, c, &entries[n]) &&
		    cur_sp(c) && take_value(c, &values[n]);
		n++;
		if (good && !cur_sp(c))
			break;
	}
	if (!good || !cur_close(c) || !cur_end(c)) {
		bad_args(s, "a mailbox and entries with values");
		return;
	}
	for (i = 0; i < n && r == STORE_OK; i++) {
		if (values[i].p != NULL && values[i].n > STORE_METADATA_BYTES)
			r = STORE_TOO_LARGE;
		else if (mailbox.n == 0 &&
		    slice_eq(entries[i], SLICE_LIT(ADMIN)))
			r = STORE_READ_ONLY;
		else if (slice_eq(entries[i], SLICE_LIT(SPECIAL_USE)) &&
		    !are_uses(values[i])) {
			tagged(s, NO, "USEATTR",
			    "No mailbox can have that use");
			return;
		}
	}
	for (i = 0; i < n && r == STORE_OK; i++)
		r = store_metadata_set(s->store, mailbox, entries[i],
		    values[i]);
	/* News are of mailboxes; who asked for the server's hears all. */
	if (i > 0) {
		changed(s, mailbox.n > 0 ? mailbox : SLICE_LIT("INBOX"));
		notify_own_metadata(s, &(struct own_entries){ mailbox,
		    entries, i });
	}
	if (r == STORE_OK)
		tagged(s, OK, NULL, "Done");
	else
		refuse(s, r);
}
