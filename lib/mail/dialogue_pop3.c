/* SPDX-License-Identifier: ISC */
/*
 * dialogue_pop3 - see dialogue.h: POP3 with RFC 2449 (pipelining), 2595, 5034.
 *
 * Each command has one answer, in order; d->answers has what is awaited.  Where
 * it is not known what an answer belongs to, lists count as messages.
 */
#include "mail/dialogue_internal.h"

enum kind {
	LINE,			/* one line */
	LIST,			/* lines until "." that may be shown */
	MESSAGE,		/* the same, and they may not */
	SASL,
};

static void	 client_line(struct dialogue *, struct slice, uint64_t);
static enum kind command(struct dialogue *, struct slice, uint64_t);
static void	 await(struct dialogue *, enum kind);
static void	 server_line(struct dialogue *, struct slice, uint64_t);
static void	 listed(struct dialogue *, struct slice, uint64_t);
static void	 answered(struct dialogue *, bool ok);

const struct dialogue_rules dialogue_pop3 = {
	{ [DIALOGUE_CLIENT] = client_line, [DIALOGUE_SERVER] = server_line },
	"octets" };

static const struct {
	const char	*name;
	bool		 secret;	/* its arguments */
	enum kind	 with, without;	/* arguments */
} verbs[] = {
	{ "USER", false, LINE, LINE },	  { "PASS", true, LINE, LINE },
	{ "APOP", true, LINE, LINE },	  { "AUTH", true, SASL, LIST },
	{ "STLS", false, LINE, LINE },	  { "CAPA", false, LIST, LIST },
	{ "LANG", false, LINE, LIST },	  { "UTF8", false, LINE, LINE },
	{ "NOOP", false, LINE, LINE },	  { "QUIT", false, LINE, LINE },
	{ "STAT", false, LINE, LINE },	  { "LIST", false, LINE, LIST },
	{ "UIDL", false, LINE, LIST },	  { "DELE", false, LINE, LINE },
	{ "RSET", false, LINE, LINE },	  { "LAST", false, LINE, LINE },
	{ "RETR", false, MESSAGE, MESSAGE },
	{ "TOP", false, MESSAGE, MESSAGE },
};

static void
client_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	if (d->state == DIALOGUE_SASL)
		dialogue_hide(d, DIALOGUE_CLIENT, SLICE_EMPTY, "SASL response",
		    bytes);
	else if (d->state == DIALOGUE_MIDDLE)
		dialogue_hush(d, DIALOGUE_CLIENT, bytes);
	else
		await(d, command(d, s, bytes));
}

static enum kind
command(struct dialogue *d, struct slice s, uint64_t bytes)
{
	struct slice args, word = dialogue_word(s, &args);
	enum kind kind;
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_eq_nocase(word, slice_str(verbs[i].name)))
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0])) {
		dialogue_hide(d, DIALOGUE_CLIENT, SLICE_EMPTY,
		    "unknown command", bytes);
		return LINE;
	}
	kind = args.n > 0 ? verbs[i].with : verbs[i].without;
	if (kind == SASL)
		dialogue_sasl(d, word, args, bytes);
	else if (verbs[i].secret && args.n > 0)
		dialogue_hide(d, DIALOGUE_CLIENT, word, "hidden",
		    bytes - word.n);
	else
		dialogue_show(d, DIALOGUE_CLIENT, s, bytes);
	return kind;
}

/* More than can be remembered: nothing is certain any more. */
static void
await(struct dialogue *d, enum kind kind)
{
	if (d->nanswers == DIALOGUE_OWED) {
		d->nanswers = 0;
		d->uncertain = true;
		d->state = DIALOGUE_MIDDLE;
		return;
	}
	d->answers[(d->first_answer + d->nanswers++) % DIALOGUE_OWED] =
	    (uint8_t)kind;
}

static void
server_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	bool ok = slice_starts_nocase(s, SLICE_LIT("+OK"));

	if (d->state == DIALOGUE_MIDDLE) {
		dialogue_hush(d, DIALOGUE_SERVER, bytes);
		/* In a message it would have another dot before it. */
		if (bytes == 1 && s.p[0] == '.')
			dialogue_commands(d);
	} else if (d->listing != 0)
		listed(d, s, bytes);
	else if (d->state == DIALOGUE_SASL && s.n > 0 && s.p[0] == '+' && !ok)
		dialogue_hide(d, DIALOGUE_SERVER, SLICE_LIT("+"), "challenge",
		    bytes > 2 ? bytes - 2 : 0);
	else if (ok || slice_starts_nocase(s, SLICE_LIT("-ERR"))) {
		dialogue_show(d, DIALOGUE_SERVER, s, bytes);
		answered(d, ok);
	} else
		dialogue_hide(d, DIALOGUE_SERVER, SLICE_EMPTY, "not an answer",
		    bytes);
}

static void
listed(struct dialogue *d, struct slice s, uint64_t bytes)
{
	bool over = bytes == 1 && s.p[0] == '.';

	if (d->listing == LIST || over)
		dialogue_show(d, DIALOGUE_SERVER, s, bytes);
	else
		dialogue_hush(d, DIALOGUE_SERVER, bytes);
	if (over)
		d->listing = 0;
}

static void
answered(struct dialogue *d, bool ok)
{
	enum kind kind;

	if (d->nanswers == 0)
		return;			/* the greeting, or a farewell */
	kind = d->answers[d->first_answer];
	d->first_answer = (d->first_answer + 1) % DIALOGUE_OWED;
	d->nanswers--;
	if (kind == SASL)
		dialogue_commands(d);
	else if (ok && kind != LINE)
		d->listing = d->uncertain ? MESSAGE : (uint8_t)kind;
}
