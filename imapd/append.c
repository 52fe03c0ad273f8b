/* SPDX-License-Identifier: ISC */
/*
 * append - APPEND, several messages at once, CATENATE, REPLACE (RFC 9051
 * 6.3.12, 3502, 4469, 8508, 9755).
 *
 * A message's bytes go to the store as they come.  The text between them is
 * parsed as far as it is there each time a literal is announced; ->parsed only
 * moves over whole elements, so that a name which turns out to be a literal is
 * read again when it has come.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "catenate.h"
#include "imap.h"

#define APPEND_MESSAGES	10000	/* of one APPEND */

/*
 * TO --mailbox--> ARGS --literal--> DATA --its end--> NEXT
 *                   |                '--in UTF8 (--> CLOSE --")"--> NEXT
 *                   '--CATENATE (--> PARTS <--TEXT literal--> PART_DATA
 *                                      '--")"--> NEXT
 * NEXT --SP--> ARGS, or the line ends
 */
enum phase { TO, ARGS, DATA, CLOSE, PARTS, PART_DATA, NEXT };

struct append_command {
	struct append	*to;		/* owned; NULL: not begun */
	enum phase	 phase;
	size_t		 parsed;	/* in the collector's text */
	struct slice	 mailbox;
	bool		 replaces;
	uint32_t	 uid;		/* the message it replaces */
	bool		 in_message;
	bool		 first_part;
	bool		 utf8;
	uint64_t	 left;		/* of the literal that passes */
	uint64_t	 size;		/* of the message, so far */
	unsigned	 messages;
	/* Why it is to fail; the rest of the command is read all the same. */
	enum store_result trouble;
	enum status	 how;		/* or by this, a text and a code */
	const char	*refused;
	const char	*code;
	/* Arguments of the message to come. */
	uint8_t		 flags;
	struct slice	 keywords[STORE_KEYWORDS];
	size_t		 nkeywords;
	int64_t		 internal_ms;	/* INT64_MIN: now */
};

enum next {
	NEXT_BAD,		/* not the grammar */
	NEXT_COLLECT,		/* the literal is a name */
	NEXT_MESSAGE,		/* the literal is content */
	NEXT_END,		/* the text is used up */
};

static struct append_command *begin(struct imap_session *, bool replaces);
static enum next advance(struct imap_session *, struct slice text,
		    bool literal);
static bool	 take_replaced(struct imap_session *, struct cursor *);
static enum next parse_to(struct imap_session *, struct cursor *, bool);
static enum next parse_args(struct imap_session *, struct cursor *, bool);
static enum next parse_parts(struct imap_session *, struct cursor *, bool);
static bool	 take_flags(struct cursor *, struct append_command *);
static void	 start_message(struct imap_session *, uint64_t size);
static void	 end_message(struct append_command *);
static void	 add_bytes(struct imap_session *, struct slice);
static void	 literal_done(struct append_command *);
static void	 refuse(struct imap_session *);
static void	 commit(struct imap_session *);

static struct append_command *
begin(struct imap_session *s, bool replaces)
{
	s->append = mem_alloc(sizeof(*s->append));
	s->append->replaces = replaces;
	return s->append;
}

void
append_free(struct imap_session *s)
{
	if (s->append != NULL && s->append->to != NULL)
		append_abort(&s->append->to);
	free(s->append);
	s->append = NULL;
}

static bool
has_failed(const struct append_command *a)
{
	return a->trouble != STORE_OK || a->refused != NULL;
}

static void
fail_with(struct append_command *a, enum status how, const char *code,
    const char *why)
{
	if (has_failed(a))
		return;
	a->how = how;
	a->code = code;
	a->refused = why;
}

/* ---- as it comes --------------------------------------------------------- */

void
append_literal(struct imap_session *s)
{
	struct append_command *a = s->append;
	const struct literal *lit = &s->in.literal;

	if (a == NULL)
		a = begin(s, s->command->run == cmd_replace);
	switch (advance(s, slice_first(buf_slice(&s->in.text), s->in.segment),
	    true)) {
	case NEXT_BAD:
	case NEXT_END:
		fail_with(a, NO, NULL, "");		/* BAD */
		break;
	case NEXT_COLLECT:
		if (!collect_literal_keep(&s->in)) {
			fail_with(a, NO, "TOOBIG", "That name is too long");
			break;
		}
		if (lit->waits)
			say(s, "+ OK");
		return;
	case NEXT_MESSAGE:
		start_message(s, lit->bytes);
		break;
	}
	if (has_failed(a) && lit->waits) {
		refuse(s);
		append_free(s);
		return;
	}
	if (has_failed(a) && lit->bytes > SKIP_BYTES) {
		imap_session_bye(s, "[TOOBIG] That is too long");
		return;
	}
	a->left = lit->bytes;
	collect_literal_pass(&s->in);
	a->parsed = s->in.segment;
	if (lit->waits)
		say(s, "+ OK");
	if (a->left == 0)
		literal_done(a);
}

void
append_bytes_come(struct imap_session *s, struct slice bytes)
{
	struct append_command *a = s->append;

	if (a == NULL)
		return;
	a->left -= bytes.n;
	add_bytes(s, bytes);
	if (a->left == 0)
		literal_done(a);
}

static void
add_bytes(struct imap_session *s, struct slice bytes)
{
	struct append_command *a = s->append;

	if (has_failed(a))
		return;
	a->size += bytes.n;
	if (s->config.append_bytes > 0 && a->size > s->config.append_bytes)
		fail_with(a, NO, "TOOBIG", "The message is too large");
	else
		a->trouble = append_bytes(a->to, bytes);
}

static void
literal_done(struct append_command *a)
{
	if (a->phase == PART_DATA) {
		a->phase = PARTS;
		return;
	}
	end_message(a);
	a->phase = a->utf8 ? CLOSE : NEXT;
}

void
append_ends(struct imap_session *s)
{
	if (advance(s, buf_slice(&s->in.text), false) != NEXT_END)
		fail_with(s->append, NO, NULL, "");
	if (has_failed(s->append))
		refuse(s);
	else
		commit(s);
}

/* Without any literal. */
void
cmd_append(struct imap_session *s, struct cursor *c)
{
	(void)c;
	begin(s, false);
	append_ends(s);
}

void
cmd_replace(struct imap_session *s, struct cursor *c)
{
	(void)c;
	begin(s, true);
	append_ends(s);
}

static void
refuse(struct imap_session *s)
{
	const struct append_command *a = s->append;

	if (a->trouble == STORE_NO_MAILBOX)
		tagged(s, NO, "TRYCREATE", "There is no such mailbox");
	else if (a->trouble != STORE_OK)
		store_refused(s, a->trouble);
	else if (a->refused[0] == '\0')
		bad_args(s, "a mailbox, flags, a date, and a message");
	else
		tagged(s, a->how, a->code, "%s", a->refused);
}

static void
commit(struct imap_session *s)
{
	struct append_command *a = s->append;
	struct appended done = { 0 };
	struct buf code = BUF_INIT(200);

	a->trouble = a->replaces ? append_replace(&a->to, s->view.mailbox,
	    a->uid, &done) : append_commit(&a->to, &done);
	if (a->trouble != STORE_OK) {
		refuse(s);
		return;
	}
	changed(s, a->mailbox);
	buf_printf(&code, "APPENDUID %u %u", done.uidvalidity, done.first_uid);
	if (done.n > 1)
		buf_printf(&code, ":%u", done.first_uid + done.n - 1);
	if (a->replaces) {
		changed(s, mailbox_name(s->view.mailbox));
		say(s, "* OK [%s] It is stored", buf_cstr(&code));
		tagged(s, OK, NULL, "Done");
	} else
		tagged(s, OK, buf_cstr(&code), "Done");
	buf_clear(&code);
}

/* ---- the text ------------------------------------------------------------ */

static enum next
advance(struct imap_session *s, struct slice text, bool literal)
{
	struct append_command *a = s->append;
	struct cursor c = cursor_of(slice_from(text, a->parsed), &s->arena);
	enum next n;

	c.utf8 = speaks_utf8(s);
	for (;;) {
		switch (a->phase) {
		case TO:
			n = parse_to(s, &c, literal);
			break;
		case ARGS:
			n = parse_args(s, &c, literal);
			break;
		case PARTS:
			n = parse_parts(s, &c, literal);
			break;
		case CLOSE:
			n = cur_byte(&c, ')') ? NEXT_MESSAGE : NEXT_BAD;
			a->phase = NEXT;
			break;
		case NEXT:
			if (cur_end(&c) && !literal)
				return NEXT_END;
			if (!cur_sp(&c) || a->replaces)
				return NEXT_BAD;
			a->phase = ARGS;
			n = NEXT_MESSAGE;
			break;
		case DATA:
		case PART_DATA:
			/* All that stood before the literal is used up. */
			return cur_end(&c) && literal ? NEXT_MESSAGE : NEXT_BAD;
		default:
			return NEXT_BAD;
		}
		if (n != NEXT_MESSAGE)
			return n;
		a->parsed = text.n - c.rest.n;
	}
}

/* A message's number and SP (RFC 8508): by sequence "*" may stand, too. */
static bool
take_replaced(struct imap_session *s, struct cursor *c)
{
	struct append_command *a = s->append;
	uint32_t n = (uint32_t)s->view.n;

	if ((s->by_uid || !cur_byte(c, '*')) && !cur_nz_number(c, &n))
		return false;
	if (s->by_uid)
		a->uid = n;
	else if (s->enabled & EN_UIDONLY)
		fail_with(a, BAD, "UIDREQUIRED", "UIDONLY is enabled");
	else if (n == 0 || n > s->view.n)
		fail_with(a, BAD, NULL, "There is no message of that number");
	else
		a->uid = s->view.v[n - 1].uid;
	if (s->read_only)
		fail_with(a, NO, "NOPERM", "The mailbox is read-only");
	return cur_sp(c);
}

/* tag SP "APPEND" SP mailbox SP, or with REPLACE a number before it. */
static enum next
parse_to(struct imap_session *s, struct cursor *c, bool literal)
{
	struct append_command *a = s->append;
	struct slice name;

	if (take_command(s, c) == NULL || !cur_sp(c) ||
	    (a->replaces && !take_replaced(s, c)))
		return NEXT_BAD;
	if (literal && cur_end(c))
		return NEXT_COLLECT;
	if (!cur_mailbox(s, c, &name) ||
	    arena_copy(&s->arena, name, &a->mailbox) == -1 || !cur_sp(c))
		return NEXT_BAD;
	a->phase = ARGS;
	return NEXT_MESSAGE;
}

static enum next
parse_args(struct imap_session *s, struct cursor *c, bool literal)
{
	struct append_command *a = s->append;

	a->flags = 0;
	a->nkeywords = 0;
	a->internal_ms = INT64_MIN;
	a->utf8 = false;
	if (cur_peek(c) == '(' && (!take_flags(c, a) || !cur_sp(c)))
		return NEXT_BAD;
	if (cur_peek(c) == '"' &&
	    (!cur_date_time(c, &a->internal_ms) || !cur_sp(c)))
		return NEXT_BAD;
	if (++a->messages > APPEND_MESSAGES)
		return NEXT_BAD;
	if (cur_word(c, "CATENATE")) {
		if (!cur_sp(c) || !cur_byte(c, '('))
			return NEXT_BAD;
		a->first_part = true;
		a->phase = PARTS;
		start_message(s, 0);
		return NEXT_MESSAGE;
	}
	if (cur_word(c, "UTF8")) {
		if (!cur_sp(c) || !cur_byte(c, '(') ||
		    (s->enabled & (EN_UTF8 | EN_REV2)) == 0)
			return NEXT_BAD;
		a->utf8 = true;
	}
	if (!literal || !cur_end(c))
		return NEXT_BAD;
	a->phase = DATA;
	return NEXT_MESSAGE;
}

/* The slices are kept until the message is begun, which is at once. */
static bool
take_flags(struct cursor *c, struct append_command *a)
{
	struct slice name;

	if (!cur_open(c))
		return false;
	if (cur_close(c))
		return true;
	do {
		if (!cur_flag(c, &name))
			return false;
		if (name.p[0] == '\\') {
			if (system_flag(name) == 0)
				return false;
			a->flags |= system_flag(name) & FLAGS_STORED;
		} else if (a->nkeywords == STORE_KEYWORDS)
			return false;
		else
			a->keywords[a->nkeywords++] = name;
	} while (cur_sp(c));
	return cur_close(c);
}

/* RFC 4469 5: the code names it. */
static const char *
bad_url(struct imap_session *s, struct slice url)
{
	static const char name[] = "BADURL ";
	char *to = arena_alloc(&s->arena, sizeof(name) + 3 * url.n), *at = to;
	size_t i;

	if (to == NULL)
		return "BADURL ?";
	at += snprintf(at, sizeof(name), "%s", name);
	for (i = 0; i < url.n; i++)
		if (url.p[i] > ' ' && imap_is(url.p[i], IC_QUOTED) &&
		    url.p[i] != ']')
			*at++ = url.p[i];
		else
			at += snprintf(at, 4, "%%%02X",
			    (unsigned char)url.p[i]);
	*at = '\0';
	return to;
}

/* "TEXT" SP literal, "URL" SP astring; SP between; ")" at the end. */
static enum next
parse_parts(struct imap_session *s, struct cursor *c, bool literal)
{
	struct append_command *a = s->append;
	struct slice url;

	if (!a->first_part && cur_byte(c, ')')) {
		end_message(a);
		a->phase = NEXT;
		return NEXT_MESSAGE;
	}
	if (!a->first_part && !cur_sp(c))
		return NEXT_BAD;
	if (cur_word(c, "TEXT")) {
		if (!cur_sp(c) || !cur_end(c) || !literal)
			return NEXT_BAD;
		a->first_part = false;
		a->phase = PART_DATA;
		return NEXT_MESSAGE;
	}
	if (!cur_word(c, "URL") || !cur_sp(c))
		return NEXT_BAD;
	if (literal && cur_end(c))
		return NEXT_COLLECT;
	if (!cur_astring(c, &url))
		return NEXT_BAD;
	a->first_part = false;
	if (!has_failed(a) && !catenate_url(s, url, add_bytes))
		fail_with(a, NO, bad_url(s, url),
		    "That is no part of a message here");
	return NEXT_MESSAGE;
}

/* ---- messages ------------------------------------------------------------ */

/* size 0: not known yet, the parts of CATENATE come one by one. */
static void
start_message(struct imap_session *s, uint64_t size)
{
	struct append_command *a = s->append;
	int64_t now = a->internal_ms;
	size_t i;

	if (has_failed(a) || a->in_message)
		return;
	a->size = 0;
	if (s->config.append_bytes > 0 && size > s->config.append_bytes) {
		fail_with(a, NO, "TOOBIG", "The message is too large");
		return;
	}
	for (i = 0; i < a->nkeywords; i++)
		if (a->keywords[i].n > STORE_KEYWORD_BYTES) {
			fail_with(a, NO, "LIMIT", "A keyword is too long");
			return;
		}
	if (size == 0 && a->phase == DATA) {
		/* RFC 3502 6.3.11: so a client says that it gives up. */
		fail_with(a, NO, NULL, "A message is empty; none is stored");
		return;
	}
	if (a->to == NULL)
		a->trouble = append_begin(s->store, a->mailbox, &a->to);
	if (a->trouble == STORE_OK && a->replaces)
		append_frees(a->to, s->view.mailbox, a->uid);
	if (a->trouble == STORE_OK)
		a->trouble = append_message(a->to, size, a->flags, a->keywords,
		    a->nkeywords, now != INT64_MIN ? now : clock_wall_ms());
	a->in_message = a->trouble == STORE_OK;
}

static void
end_message(struct append_command *a)
{
	if (a->in_message && !has_failed(a))
		a->trouble = append_end(a->to);
	a->in_message = false;
}
