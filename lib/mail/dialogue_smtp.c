/* SPDX-License-Identifier: ISC */
/*
 * dialogue_smtp - see dialogue.h: SMTP, submission and LMTP.
 *
 * What DATA began is over when its end was said and its reply has come; each
 * alone could be a mistake of ours, or a trick.
 */
#include "base/num.h"
#include "mail/dialogue_internal.h"

static void	 client_line(struct dialogue *, struct slice, uint64_t);
static void	 command(struct dialogue *, struct slice, uint64_t);
static void	 begin_chunk(struct dialogue *, struct slice);
static void	 content_line(struct dialogue *, struct slice, uint64_t);
static void	 server_line(struct dialogue *, struct slice, uint64_t);
static void	 answered(struct dialogue *);
static void	 content_is_over(struct dialogue *);

const struct dialogue_rules dialogue_smtp = {
	{ [DIALOGUE_CLIENT] = client_line, [DIALOGUE_SERVER] = server_line },
	"message content" };

enum policy { SHOW, AUTH, DATA, CHUNK };
static const struct {
	const char	*name;
	enum policy	 policy;
} verbs[] = {
	{ "EHLO", SHOW }, { "HELO", SHOW }, { "LHLO", SHOW },
	{ "MAIL", SHOW }, { "RCPT", SHOW }, { "RSET", SHOW },
	{ "NOOP", SHOW }, { "QUIT", SHOW }, { "VRFY", SHOW },
	{ "EXPN", SHOW }, { "HELP", SHOW }, { "ETRN", SHOW },
	{ "TURN", SHOW }, { "STARTTLS", SHOW }, { "XFORWARD", SHOW },
	{ "AUTH", AUTH }, { "DATA", DATA }, { "BDAT", CHUNK },
};

static void
client_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	switch (d->state) {
	case DIALOGUE_COMMANDS:
		command(d, s, bytes);
		break;
	case DIALOGUE_SASL:
		dialogue_hide(d, DIALOGUE_CLIENT, SLICE_EMPTY, "SASL response",
		    bytes);
		break;
	case DIALOGUE_DATA:
	case DIALOGUE_CONTENT:
		content_line(d, s, bytes);
		break;
	case DIALOGUE_MIDDLE:
	case DIALOGUE_OPAQUE:
		dialogue_hush(d, DIALOGUE_CLIENT, bytes);
		break;
	}
}

static void
command(struct dialogue *d, struct slice s, uint64_t bytes)
{
	struct slice args, word = dialogue_word(s, &args);
	size_t i;

	d->owed++;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_eq_nocase(word, slice_str(verbs[i].name)))
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0])) {
		dialogue_hide(d, DIALOGUE_CLIENT, SLICE_EMPTY,
		    "unknown command", bytes);
		return;
	}
	if (verbs[i].policy == AUTH) {
		dialogue_sasl(d, word, args, bytes);
		return;
	}
	dialogue_show(d, DIALOGUE_CLIENT, s, bytes);
	if (verbs[i].policy == DATA)
		d->state = DIALOGUE_DATA;
	else if (verbs[i].policy == CHUNK)
		begin_chunk(d, args);
}

/* RFC 3030: BDAT 1*DIGIT [LAST].  What follows a size that is none are lines,
 * which are not known to be commands. */
static void
begin_chunk(struct dialogue *d, struct slice args)
{
	struct slice rest;
	uint64_t n;

	args = slice_trim(args);
	if (slice_to_u64(dialogue_word(args, &rest), 1, UINT64_MAX, &n))
		dialogue_octets(d, DIALOGUE_CLIENT, n);
}

static void
content_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	if (bytes == 1 && s.p[0] == '.')
		d->dotted = true;
	else
		dialogue_hush(d, DIALOGUE_CLIENT, bytes);
	if (d->dotted && d->replied)
		content_is_over(d);
}

/* "250 text", "250-text", "250" */
static bool
is_reply(struct slice s)
{
	return s.n >= 3 && s.p[0] >= '2' && s.p[0] <= '5' &&
	    s.p[1] >= '0' && s.p[1] <= '9' && s.p[2] >= '0' &&
	    s.p[2] <= '9' && (s.n == 3 || s.p[3] == ' ' || s.p[3] == '-');
}

static void
server_line(struct dialogue *d, struct slice s, uint64_t bytes)
{
	if (!is_reply(s)) {
		dialogue_hide(d, DIALOGUE_SERVER, SLICE_EMPTY, "not a reply",
		    bytes);
		return;
	}
	if (slice_starts(s, SLICE_LIT("334"))) {
		dialogue_hide(d, DIALOGUE_SERVER, slice_first(s, 3),
		    "challenge", bytes - 3);
		return;
	}
	dialogue_show(d, DIALOGUE_SERVER, s, bytes);
	if (s.n > 3 && s.p[3] == '-')
		return;
	if (slice_starts(s, SLICE_LIT("354"))) {
		if (d->state == DIALOGUE_DATA || d->state == DIALOGUE_MIDDLE)
			d->state = DIALOGUE_CONTENT;
		return;
	}
	answered(d);
}

static void
answered(struct dialogue *d)
{
	if (d->owed > 0)
		d->owed--;
	switch (d->state) {
	case DIALOGUE_SASL:
	case DIALOGUE_DATA:
		if (d->owed == 0)
			dialogue_commands(d);
		break;
	case DIALOGUE_CONTENT:
		d->replied = true;
		if (d->dotted)
			content_is_over(d);
		break;
	case DIALOGUE_MIDDLE:
		dialogue_commands(d);
		break;
	case DIALOGUE_COMMANDS:
	case DIALOGUE_OPAQUE:
		break;
	}
}

static void
content_is_over(struct dialogue *d)
{
	dialogue_commands(d);
	d->owed = 0;
}
