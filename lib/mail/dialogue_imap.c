/* SPDX-License-Identifier: ISC */
/*
 * dialogue_imap - see dialogue.h: IMAP4rev1, IMAP4rev2 and extensions.
 *
 * Commands are pipelined and answered when they are done, so what the server
 * says is understood by itself: an answer is shown whose tag is that of a
 * command that was shown, since the tag of what is no command may be anything
 * (base64 has the form of a tag).
 */
#include "base/buf.h"
#include "base/num.h"
#include "mail/dialogue_internal.h"

static void	 client_line(struct dialogue *, struct slice, uint64_t);
static void	 command(struct dialogue *, struct slice, uint64_t);
static void	 show_command(struct dialogue *, struct slice line,
		    struct slice name, struct slice args, uint64_t);
static void	 hide_command(struct dialogue *, struct slice name,
		    const char *, uint64_t);
static void	 server_line(struct dialogue *, struct slice, uint64_t);
static void	 tagged(struct dialogue *, struct slice tag, struct slice line,
		    uint64_t);
static void	 show_tagged(struct dialogue *, bool known, struct slice line,
		    struct slice rest, uint64_t);
static void	 find_beginning(struct dialogue *, struct slice tag,
		    struct slice line, struct slice rest, uint64_t);
static void	 show_response(struct dialogue *, struct slice, uint64_t);
static void	 show_without_strings(struct dialogue *, enum dialogue_side,
		    struct slice, uint64_t);
static bool	 ends_in_literal(const struct dialogue_half *, uint64_t *,
		    bool *);
static bool	 find_tag(const struct dialogue *, struct slice);
static void	 set_tag(struct dialogue_tag *, struct slice);
static bool	 is_tag(const struct dialogue_tag *, struct slice);

const struct dialogue_rules dialogue_imap = {
	{ [DIALOGUE_CLIENT] = client_line, [DIALOGUE_SERVER] = server_line },
	"literal" };

/* STRINGS: a quoted one may be a note, or a URL with a token (RFC 4467). */
enum policy { SHOW, STRINGS, SECRET, SASL, COMPRESS };
static const struct {
	const char	*name;
	enum policy	 policy;
} commands[] = {
	{ "APPEND", STRINGS }, { "CANCELUPDATE", SHOW }, { "CAPABILITY", SHOW },
	{ "CHECK", SHOW }, { "CLOSE", SHOW }, { "CONVERSIONS", SHOW },
	{ "COPY", SHOW }, { "CREATE", SHOW }, { "DELETE", SHOW },
	{ "DELETEACL", SHOW }, { "ENABLE", SHOW }, { "ESEARCH", SHOW },
	{ "EXAMINE", SHOW }, { "EXPUNGE", SHOW }, { "FETCH", SHOW },
	{ "GETACL", SHOW }, { "GETMETADATA", SHOW }, { "GETQUOTA", SHOW },
	{ "GETQUOTAROOT", SHOW }, { "ID", SHOW }, { "IDLE", SHOW },
	{ "LIST", SHOW }, { "LISTRIGHTS", SHOW }, { "LOGOUT", SHOW },
	{ "LSUB", SHOW }, { "MOVE", SHOW }, { "MYRIGHTS", SHOW },
	{ "NAMESPACE", SHOW }, { "NOOP", SHOW }, { "NOTIFY", SHOW },
	{ "RENAME", SHOW }, { "REPLACE", STRINGS }, { "SEARCH", SHOW },
	{ "SELECT", SHOW }, { "SETACL", SHOW }, { "SETQUOTA", SHOW },
	{ "SORT", SHOW }, { "STARTTLS", SHOW }, { "STATUS", SHOW },
	{ "STORE", SHOW }, { "SUBSCRIBE", SHOW }, { "THREAD", SHOW },
	{ "UID", SHOW }, { "UNAUTHENTICATE", SHOW }, { "UNSELECT", SHOW },
	{ "UNSUBSCRIBE", SHOW }, { "XLIST", SHOW },
	{ "SETMETADATA", STRINGS }, { "LOGIN", SECRET },
	{ "AUTHENTICATE", SASL }, { "COMPRESS", COMPRESS },
};

/* ---- the client ---------------------------------------------------------- */

static void
client_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	struct dialogue_half *h = &d->half[DIALOGUE_CLIENT];
	struct slice rest;
	bool waits;
	uint64_t n;

	if (d->state == DIALOGUE_SASL) {
		dialogue_hide(d, DIALOGUE_CLIENT, SLICE_EMPTY, "SASL response",
		    bytes);
		return;
	}
	if (d->state == DIALOGUE_MIDDLE) {
		set_tag(&d->tag, dialogue_word(s, &rest));
		dialogue_hush(d, DIALOGUE_CLIENT, bytes);
		return;
	}
	if (h->continued && bytes > 0)
		dialogue_hide(d, DIALOGUE_CLIENT, SLICE_EMPTY,
		    "the command goes on", bytes);
	else if (!h->continued)
		command(d, s, bytes);
	h->continued = d->state == DIALOGUE_COMMANDS &&
	    ends_in_literal(h, &n, &waits);
	if (h->continued) {
		d->literal_waits = waits;
		dialogue_octets(d, DIALOGUE_CLIENT, n);
	}
}

static void
command(struct dialogue *d, struct slice s, uint64_t bytes)
{
	struct slice rest, args, tag = dialogue_word(s, &rest);
	struct slice name = dialogue_word(rest, &args);

	set_tag(&d->tag, tag);
	/* The end of IDLE (RFC 2177) has no tag. */
	if (bytes == s.n && slice_eq_nocase(s, SLICE_LIT("DONE")))
		dialogue_show(d, DIALOGUE_CLIENT, s, bytes);
	else
		show_command(d, s, name, args, bytes);
}

static void
show_command(struct dialogue *d, struct slice s, struct slice name,
    struct slice args, uint64_t bytes)
{
	struct slice known = slice_first(s, (size_t)(name.p + name.n - s.p));
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_eq_nocase(name, slice_str(commands[i].name)))
			break;
	if (i == sizeof(commands) / sizeof(commands[0]) || d->tag.n == 0) {
		hide_command(d, SLICE_EMPTY, "unknown command", bytes);
		return;
	}
	d->tags[d->next_tag++ % DIALOGUE_TAGS] = d->tag;
	switch (commands[i].policy) {
	case SECRET:
		hide_command(d, known, "hidden", bytes);
		break;
	case SASL:
		d->awaited = d->tag;
		dialogue_sasl(d, known, args, bytes);
		break;
	case STRINGS:
		show_without_strings(d, DIALOGUE_CLIENT, s, bytes);
		break;
	case COMPRESS:
		d->awaited = d->tag;
		dialogue_show(d, DIALOGUE_CLIENT, s, bytes);
		break;
	case SHOW:
		dialogue_show(d, DIALOGUE_CLIENT, s, bytes);
		break;
	}
}

static void
hide_command(struct dialogue *d, struct slice shown, const char *what,
    uint64_t bytes)
{
	dialogue_hide(d, DIALOGUE_CLIENT, shown, what,
	    bytes > shown.n ? bytes - shown.n : 0);
}

/* ---- the server ---------------------------------------------------------- */

static void
server_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	struct dialogue_half *h = &d->half[DIALOGUE_SERVER];
	struct slice rest, tag = dialogue_word(s, &rest);
	bool waits;
	uint64_t n;

	if (d->state == DIALOGUE_MIDDLE) {
		find_beginning(d, tag, s, rest, bytes);
		return;
	}
	if (h->continued)
		show_without_strings(d, DIALOGUE_SERVER, s, bytes);
	else if (slice_eq(tag, SLICE_LIT("+")) && d->state == DIALOGUE_SASL)
		dialogue_hide(d, DIALOGUE_SERVER, tag, "challenge",
		    bytes > 2 ? bytes - 2 : 0);
	else if (slice_eq(tag, SLICE_LIT("+"))) {
		d->literal_waits = false;
		dialogue_show(d, DIALOGUE_SERVER, s, bytes);
	} else if (slice_eq(tag, SLICE_LIT("*")))
		show_response(d, s, bytes);
	else {
		tagged(d, tag, s, bytes);
		return;
	}
	h->continued = ends_in_literal(h, &n, &waits);
	if (h->continued)
		dialogue_octets(d, DIALOGUE_SERVER, n);
}

static void
tagged(struct dialogue *d, struct slice tag, struct slice s, uint64_t bytes)
{
	struct dialogue_half *client = &d->half[DIALOGUE_CLIENT];
	struct slice rest, left, status;

	dialogue_word(s, &rest);
	status = dialogue_word(rest, &left);
	show_tagged(d, find_tag(d, tag), s, rest, bytes);
	/* A literal that was announced, and is not wanted. */
	if (is_tag(&d->tag, tag) && d->literal_waits &&
	    client->octets == client->octets_all) {
		client->octets = client->octets_all = 0;
		client->continued = false;
	}
	if (!is_tag(&d->awaited, tag))
		return;
	d->awaited.n = 0;
	if (d->state == DIALOGUE_SASL)
		dialogue_commands(d);
	else if (slice_eq_nocase(status, SLICE_LIT("OK")))
		d->state = DIALOGUE_OPAQUE;
}

static void
show_tagged(struct dialogue *d, bool known, struct slice s, struct slice rest,
    uint64_t bytes)
{
	struct slice left, status = dialogue_word(rest, &left);

	if (known)
		dialogue_show(d, DIALOGUE_SERVER, s, bytes);
	else if (slice_eq_nocase(status, SLICE_LIT("OK")) ||
	    slice_eq_nocase(status, SLICE_LIT("NO")) ||
	    slice_eq_nocase(status, SLICE_LIT("BAD")))
		dialogue_hide(d, DIALOGUE_SERVER, status,
		    "to a command that is not shown", bytes);
	else
		dialogue_hide(d, DIALOGUE_SERVER, SLICE_EMPTY,
		    "unknown response", bytes);
}

/* From the middle on: once the last line that the client said was a command,
 * which shows by its being answered, the next one is, too. */
static void
find_beginning(struct dialogue *d, struct slice tag, struct slice s,
    struct slice rest, uint64_t bytes)
{
	struct slice left, status = dialogue_word(rest, &left);

	if (is_tag(&d->tag, tag) && d->half[DIALOGUE_CLIENT].bytes == 0 &&
	    (slice_eq(status, SLICE_LIT("OK")) ||
	    slice_eq(status, SLICE_LIT("NO")) ||
	    slice_eq(status, SLICE_LIT("BAD")))) {
		show_tagged(d, false, s, rest, bytes);
		dialogue_commands(d);
	} else
		dialogue_hush(d, DIALOGUE_SERVER, bytes);
}

/* "* 1 FETCH (...", "* METADATA ..." and all others */
static void
show_response(struct dialogue *d, struct slice s, uint64_t bytes)
{
	struct slice rest, first, second;

	dialogue_word(s, &rest);
	first = dialogue_word(rest, &rest);
	second = dialogue_word(rest, &rest);
	if (slice_eq_nocase(second, SLICE_LIT("FETCH")) ||
	    slice_eq_nocase(first, SLICE_LIT("METADATA")))
		show_without_strings(d, DIALOGUE_SERVER, s, bytes);
	else
		dialogue_show(d, DIALOGUE_SERVER, s, bytes);
}

/* ---- strings and literals ------------------------------------------------ */

/* A quoted string that is not empty becomes "..."; the line may be cut in
 * one. */
static void
show_without_strings(struct dialogue *d, enum dialogue_side side,
    struct slice s, uint64_t bytes)
{
	struct buf b = BUF_INIT(2 * DIALOGUE_LINE_BYTES);
	bool in = false;
	size_t i, begun = 0;

	for (i = 0; i < s.n; i++) {
		if (in && s.p[i] == '\\') {
			i++;
		} else if (s.p[i] == '"') {
			if (in && i > begun + 1)
				buf_add_str(&b, "...");
			buf_add_byte(&b, '"');
			begun = i;
			in = !in;
		} else if (!in)
			buf_add_byte(&b, s.p[i]);
	}
	dialogue_show(d, side, buf_slice(&b), bytes > s.n ? bytes : b.n);
	buf_clear(&b);
}

/* "{123}", "{123+}" (RFC 7888), "~{123}" (RFC 3516) at the line's end. */
static bool
ends_in_literal(const struct dialogue_half *h, uint64_t *n_r, bool *waits_r)
{
	struct slice s = slice_of(h->tail, h->ntail);
	size_t at = slice_rfind(s, '{');

	if (at == s.n || s.p[s.n - 1] != '}')
		return false;
	s = slice_from(slice_first(s, s.n - 1), at + 1);
	*waits_r = s.n == 0 || (s.p[s.n - 1] != '+' && s.p[s.n - 1] != '-');
	if (!*waits_r)
		s.n--;
	return slice_to_u64(s, 0, UINT64_MAX, n_r);
}

/* ---- tags ---------------------------------------------------------------- */

static void
set_tag(struct dialogue_tag *t, struct slice s)
{
	t->n = 0;
	if (s.n > sizeof(t->p) || slice_eq(s, SLICE_LIT("*")) ||
	    slice_eq(s, SLICE_LIT("+")))
		return;
	memcpy(t->p, s.p, s.n);
	t->n = (uint8_t)s.n;
}

static bool
is_tag(const struct dialogue_tag *t, struct slice s)
{
	return t->n > 0 && slice_eq(slice_of(t->p, t->n), s);
}

static bool
find_tag(const struct dialogue *d, struct slice s)
{
	size_t i;

	for (i = 0; i < DIALOGUE_TAGS; i++)
		if (is_tag(&d->tags[i], s))
			return true;
	return false;
}
