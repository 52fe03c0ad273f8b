/* SPDX-License-Identifier: ISC */
/*
 * verbs - see verbs.h.
 *
 * A line ends in CRLF and in nothing else.  The dispatcher answers what is
 * unknown, too long, or out of place, so that a handler starts from a legal
 * state.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "content.h"
#include "login.h"
#include "mail/address.h"
#include "mail/esmtp.h"
#include "os/takeover.h"
#include "path.h"
#include "rcpt.h"
#include "session.h"
#include "submission.h"
#include "submit.h"
#include "verbs.h"

enum {
	LAST_IN_GROUP = 1,	/* RFC 2920 section 3.1 */
	SMTP_ONLY = 2,
	LMTP_ONLY = 4,		/* RFC 2033 section 4.1 */
	IN_CLEAR = 8,		/* also where TLS is required */
};

struct verb {
	const char	*name;
	unsigned	 legal_in;	/* states; elsewhere: 503 */
	unsigned	 flags;
	const char	*stage;		/* for the log */
	void		(*run)(struct session *, struct slice args);
};

#define EHLO_BYTES	4096	/* of what is not in settings */

enum line { LINE_WHOLE, LINE_PART, LINE_TOO_LONG, LINE_BARE_LF };

static enum line find_line(const struct session *, struct slice, size_t *,
		    size_t *);
static bool	 skip_rest_of_line(struct session *);
static const struct verb *find_verb(struct slice line, struct slice *);
static void	 run_line(struct session *, struct slice, bool more);
static void	 out_of_place(struct session *, const struct verb *);
static bool	 is_clean(struct slice);
static void	 cmd_ehlo(struct session *, struct slice);
static void	 cmd_starttls(struct session *, struct slice);
static void	 cmd_helo(struct session *, struct slice);
static bool	 take_helo(struct session *, struct slice, bool extended);
static void	 cmd_mail(struct session *, struct slice);
static bool	 may_send(struct session *);
static bool	 parse_mail(struct session *, struct slice);
static void	 cmd_rcpt(struct session *, struct slice);
static void	 cmd_data(struct session *, struct slice);
static void	 cmd_bdat(struct session *, struct slice);
static void	 cmd_rset(struct session *, struct slice);
static void	 cmd_noop(struct session *, struct slice);
static void	 cmd_vrfy(struct session *, struct slice);
static void	 cmd_expn(struct session *, struct slice);
static void	 cmd_help(struct session *, struct slice);
static void	 cmd_quit(struct session *, struct slice);
static void	 cmd_not_here(struct session *, struct slice);
static void	 cut_stranger(struct session *, struct slice);

/* BDAT answers for its place itself: whatever it says, its octets follow. */
static const struct verb verbs[] = {
	{ "MAIL", S_READY,	  0,		 "mail", cmd_mail },
	{ "RCPT", S_MAIL | S_RCPT | S_RCPT_ASKED, 0, "rcpt", cmd_rcpt },
	{ "DATA", S_MAIL | S_RCPT, LAST_IN_GROUP, "data", cmd_data },
	{ "BDAT", S_COMMANDS,	  IN_CLEAR,	 "bdat", cmd_bdat },
	{ "EHLO", S_COMMANDS,	  LAST_IN_GROUP | SMTP_ONLY | IN_CLEAR, "helo",
	    cmd_ehlo },
	{ "HELO", S_COMMANDS,	  SMTP_ONLY | IN_CLEAR, "helo", cmd_helo },
	{ "LHLO", S_COMMANDS,	  LAST_IN_GROUP | LMTP_ONLY | IN_CLEAR, "helo",
	    cmd_ehlo },
	{ "RSET", S_COMMANDS,	  IN_CLEAR,	 "rset", cmd_rset },
	{ "NOOP", S_COMMANDS,	  IN_CLEAR,	 "noop", cmd_noop },
	{ "QUIT", S_COMMANDS,	  IN_CLEAR,	 "quit", cmd_quit },
	{ "VRFY", S_COMMANDS,	  0,		 "vrfy", cmd_vrfy },
	{ "EXPN", S_COMMANDS,	  0,		 "expn", cmd_expn },
	{ "HELP", S_COMMANDS,	  0,		 "help", cmd_help },
	{ "AUTH", S_READY,	  SMTP_ONLY,	 "auth", login_command },
	{ "STARTTLS", S_START | S_READY, LAST_IN_GROUP | IN_CLEAR, "starttls",
	    cmd_starttls },
	{ "ETRN", S_COMMANDS,	  0,		 "etrn", cmd_not_here },
	{ "TURN", S_COMMANDS,	  0,		 "turn", cmd_not_here },
	/* Browsers that were led here, and proxies: RFC 5321 knows none of
	 * these, and what follows them is not meant for us. */
	{ "GET",  S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "POST", S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "PUT",  S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "HEAD", S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "CONNECT", S_COMMANDS,  0,		 "http", cut_stranger },
	{ "OPTIONS", S_COMMANDS,  0,		 "http", cut_stranger },
	{ "DELETE", S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "PATCH", S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "TRACE", S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "PRI",  S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "HOST:", S_COMMANDS,	  0,		 "http", cut_stranger },
	{ "USER-AGENT:", S_COMMANDS, 0,		 "http", cut_stranger },
	{ "CONTENT-TYPE:", S_COMMANDS, 0,	 "http", cut_stranger },
};

/* ---- lines ----------------------------------------------------------- */

bool
verbs_take_line(struct session *s)
{
	struct slice in = stream_input(&s->stream);
	char copy[AUTH_COMMAND_BYTES];
	bool secret = slice_starts_nocase(in, SLICE_LIT("AUTH "));
	size_t n, used;

	if (s->skip_line)
		return skip_rest_of_line(s);
	s->stage = "command";
	switch (find_line(s, in, &n, &used)) {
	case LINE_WHOLE:
		break;
	case LINE_PART:
		return false;
	case LINE_TOO_LONG:
		if (s->state == S_RCPT_ASKED)
			return false;
		session_refuse(s, 500, secret ? "5.5.6 Line too long" :
		    "5.5.2 Line too long");
		s->skip_line = true;
		return true;
	case LINE_BARE_LF:
		if (s->state == S_RCPT_ASKED)
			return false;
		session_refuse(s, 500, "5.5.2 Lines end in CR LF");
		session_close(s, "bare-lf");
		return false;
	}
	if (s->state == S_RCPT_ASKED && !rcpt_may_follow(s, in))
		return false;
	/* The input may move when it is consumed. */
	memcpy(copy, in.p, n);
	stream_consume(&s->stream, used);
	run_line(s, slice_of(copy, n), used < in.n);
	if (secret)
		explicit_bzero(copy, n);
	return true;
}

/* n: without the line end; used: with it. */
static enum line
find_line(const struct session *s, struct slice in, size_t *n_r, size_t *used_r)
{
	size_t n, most = COMMAND_BYTES;

	/* A client of another protocol (TLS, say) may never end a line. */
	if (s->state == S_START && s->helo == NULL && in.n > 0 &&
	    (in.p[0] < 0x20 || in.p[0] == 0x7f) && in.p[0] != '\r')
		return LINE_BARE_LF;
	if (submission_is(s) && slice_starts_nocase(in, SLICE_LIT("AUTH ")))
		most = AUTH_COMMAND_BYTES;
	if (in.n > most)
		in.n = most;
	n = slice_find(in, '\n');
	if (n == in.n)
		return n == most ? LINE_TOO_LONG : LINE_PART;
	*used_r = n + 1;
	if (n > 0 && in.p[n - 1] == '\r')
		*n_r = n - 1;
	else if (s->bare_lf)
		*n_r = n;
	else
		return LINE_BARE_LF;
	return LINE_WHOLE;
}

/* Of one that was too long; its CR may be the last that is there. */
static bool
skip_rest_of_line(struct session *s)
{
	struct slice in = stream_input(&s->stream), rest = in;
	size_t n;

	for (;;) {
		n = slice_find(rest, '\n');
		if (n == rest.n)
			break;
		if ((n > 0 && rest.p[n - 1] == '\r') || s->bare_lf ||
		    (n == 0 && rest.p > in.p && rest.p[-1] == '\r')) {
			s->skip_line = false;
			stream_consume(&s->stream,
			    (size_t)(rest.p - in.p) + n + 1);
			return true;
		}
		rest = slice_from(rest, n + 1);
	}
	n = in.n > 0 && in.p[in.n - 1] == '\r' ? in.n - 1 : in.n;
	stream_consume(&s->stream, n);
	return false;
}

static const struct verb *
find_verb(struct slice line, struct slice *args_r)
{
	size_t i, n = slice_find(line, ' ');
	struct slice word = slice_first(line, n);

	*args_r = slice_trim(slice_from(line, n));
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (ascii_lower(line.n > 0 ? line.p[0] : '\0') ==
		    ascii_lower(verbs[i].name[0]) &&
		    slice_eq_nocase(word, slice_str(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

/* more: the client has sent on without waiting for the reply. */
static void
run_line(struct session *s, struct slice line, bool more)
{
	bool lmtp = s->client.kind == LISTENER_LMTP;
	const struct verb *v;
	struct buf said = BUF_INIT(512);
	struct slice args;

	while (line.n > 0 && (line.p[line.n - 1] == ' ' ||
	    line.p[line.n - 1] == '\t'))
		line.n--;
	if (takeover_line(line, &said)) {
		session_say(s, SLICE_LIT("250 "));
		session_say(s, buf_slice(&said));
		session_say(s, SLICE_LIT("\r\n"));
		buf_clear(&said);
		return;
	}
	v = find_verb(line, &args);
	if (v != NULL)
		s->stage = v->stage;
	if (!is_clean(line))
		session_refuse(s, 500, "5.5.2 Control characters in a command");
	else if (v == NULL || v->flags & (lmtp ? SMTP_ONLY : LMTP_ONLY))
		session_refuse(s, 500, "5.5.2 Command not recognized");
	else if (s->client.tls == LISTENER_TLS_REQUIRED &&
	    !(v->flags & IN_CLEAR) && !session_is_secure(s))
		session_refuse(s, 530, "5.7.0 Say STARTTLS first");
	else if ((v->legal_in & s->state) == 0)
		out_of_place(s, v);
	else if (v->flags & LAST_IN_GROUP && more && !s->exempt) {
		/* It cannot know what we are going to answer: a program that
		 * does not speak SMTP, or one whose HTTP or DATA is meant to
		 * be read as commands. */
		session_refuse(s, 554, "5.5.0 You did not wait for the reply");
		session_close(s, "pipelining");
	} else {
		v->run(s, args);
		if (!(s->state & S_ENDED) && s->state & S_COMMANDS)
			session_touch(s);
	}
}

/* A client that pipelines says RCPT and DATA before it hears that MAIL was
 * refused: that is no error, and no line in the log. */
static void
out_of_place(struct session *s, const struct verb *v)
{
	if (s->mail_refused && (v->run == cmd_rcpt || v->run == cmd_data))
		session_reply(s, 503, "5.5.1 MAIL was refused");
	else
		session_refuse(s, 503, "5.5.1 Bad sequence of commands");
}

static bool
is_clean(struct slice line)
{
	size_t i;

	for (i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
			return false;
	return true;
}

/* ---- greetings ------------------------------------------------------- */

static void
cmd_ehlo(struct session *s, struct slice args)
{
	struct buf b = BUF_INIT(EHLO_BYTES);

	if (!take_helo(s, args, true))
		return;
	session_say(s, buf_slice(&s->set->ehlo));
	if (session_offers_tls(s))
		buf_add_str(&b, "250-STARTTLS\r\n");
	login_offer(s, &b);
	submission_offer(s, &b);
	buf_add_str(&b, "250 HELP\r\n");
	session_say(s, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_starttls(struct session *s, struct slice args)
{
	if (session_is_secure(s))
		session_refuse(s, 503, "5.5.1 TLS is spoken already");
	else if (s->login != NULL)
		session_refuse(s, 503, "5.5.1 You are logged in already");
	else if (s->client.tls == LISTENER_TLS_NONE)
		session_refuse(s, 502, "5.5.1 Command not implemented");
	else if (args.n > 0)
		session_refuse(s, 501, "5.5.4 STARTTLS takes no parameters");
	else if (!session_offers_tls(s))
		session_refuse(s, 454, "4.7.0 TLS is not available");
	else {
		session_say(s, SLICE_LIT("220 2.0.0 Ready for TLS\r\n"));
		session_start_tls(s, s->d->tls_of(s->d->tls_arg,
		    s->client.listener));
	}
}

static void
cmd_helo(struct session *s, struct slice args)
{
	if (take_helo(s, args, false))
		session_reply(s, 250, "%s", s->set->hostname);
}

/* A name that does not resolve, or is no name at all, is not refused: RFC 5321
 * section 4.1.4.  trace.c sees to it that it does no harm. */
static bool
take_helo(struct session *s, struct slice args, bool extended)
{
	struct slice name = slice_first(args, slice_find(args, ' '));

	if (name.n == 0 || name.n > HELO_BYTES) {
		session_refuse(s, 501, "5.5.4 Your host name is expected");
		return false;
	}
	free(s->helo);
	s->helo = mem_slicedup(name);
	s->extended = extended;
	s->mail_refused = false;
	session_ready(s);
	return !(s->state & S_ENDED);
}

/* ---- MAIL ------------------------------------------------------------ */

static void
cmd_mail(struct session *s, struct slice args)
{
	s->mail_refused = true;
	if (!may_send(s))
		return;
	s->tx = tx_new();
	if (!parse_mail(s, args)) {
		tx_free(s->d, &s->tx);
		return;
	}
	s->transactions++;
	if (!submission_ask_sender(s))
		mail_go_on(s);
}

void
mail_go_on(struct session *s)
{
	if (submit_take_id(s))
		mail_begun(s);
	/* else: S_ID_ASKED */
}

void
mail_begun(struct session *s)
{
	s->mail_refused = false;
	session_enter(s, S_MAIL);
	session_say(s, SLICE_LIT("250 2.1.0 Ok\r\n"));
}

/* What the postmaster has paused: `chasqui pause`. */
static const char *
paused_text(const struct session *s)
{
	return submission_is(s) || s->client.kind == LISTENER_SUBMIT ?
	    s->d->paused_submission : s->d->paused_inbound;
}

static bool
may_send(struct session *s)
{
	if (login_is_missing(s))
		return false;
	if (s->transactions >= s->set->max_transactions) {
		session_turn_away(s, "4.5.3 Too many messages in one session",
		    "transactions");
		return false;
	}
	if (s->d->qmgr == NULL) {
		session_refuse(s, 451, "4.3.0 The queue is not available, "
		    "try again later");
		return false;
	}
	if (paused_text(s)[0] != '\0') {
		session_refuse(s, 450, "%s", paused_text(s));
		return false;
	}
	if (s->d->content_bytes >= s->set->memory) {
		session_refuse(s, 452, "4.3.1 Out of memory, try again later");
		return false;
	}
	if (session_over_rate(s)) {
		session_refuse(s, 450, "4.7.1 Too many messages from your "
		    "network, try again later");
		return false;
	}
	return true;
}

static bool
parse_mail(struct session *s, struct slice args)
{
	struct tx *tx = s->tx;
	struct mail_params params;
	struct esmtp_error error;
	struct slice path;

	if (!path_take(&args, "FROM:", ADDRESS_NULL, &tx->arena, &path)) {
		session_refuse(s, 501, "5.1.7 MAIL FROM:<address> expected");
		return false;
	}
	if (!mail_params_parse(args, &tx->arena, &params, &error)) {
		session_refuse(s, error.code, "%s", error.text);
		return false;
	}
	tx->reverse_path = path;
	tx->smtputf8 = params.smtputf8;
	if (!tx->smtputf8 && !slice_is_ascii(path)) {
		session_refuse(s, 553, "5.6.7 The address needs SMTPUTF8");
		return false;
	}
	if (params.size > s->set->max_message) {
		session_refuse(s, 552, "5.3.4 The message is too large; "
		    "the limit is %ju bytes", (uintmax_t)s->set->max_message);
		return false;
	}
	if (!submission_take_params(s, &params))
		return false;
	tx->declared = params.size;
	tx->body = params.body;
	tx->ret = params.ret;
	tx->envid = params.envid;
	tx->envelope_bytes = ENVELOPE_FIXED_BYTES + path.n + tx->envid.n +
	    strlen(s->helo) + tx->extras.login.n + tx->extras.auth.n;
	return true;
}

static void
cmd_rcpt(struct session *s, struct slice args)
{
	rcpt_command(s, args);
}

/* ---- content --------------------------------------------------------- */

static void
cmd_data(struct session *s, struct slice args)
{
	if (args.n > 0)
		session_refuse(s, 501, "5.5.4 DATA takes no parameters");
	else if (s->state == S_MAIL)	/* each was refused for itself */
		session_reply(s, 554, "5.5.1 No valid recipients");
	else if (s->tx->body == BODY_BINARYMIME)	/* RFC 3030 section 3 */
		session_refuse(s, 503, "5.5.1 BODY=BINARYMIME needs BDAT");
	else {
		session_say(s, SLICE_LIT("354 End data with "
		    "<CR><LF>.<CR><LF>\r\n"));
		content_begin(s, false);
		session_enter(s, S_DATA);
	}
}

/* RFC 3030 section 2: the octets follow whatever we answer. */
static void
cmd_bdat(struct session *s, struct slice args)
{
	struct slice size = slice_first(args, slice_find(args, ' '));
	struct slice last = slice_trim(slice_from(args, size.n));
	uint64_t n;

	if (!slice_to_u64(size, 0, UINT64_MAX, &n)) {
		/* Nobody knows where the next command begins. */
		session_refuse(s, 501, "5.5.4 BDAT SIZE [LAST] expected");
		session_close(s, "bdat");
	} else if (last.n > 0 && !slice_eq_nocase(last, SLICE_LIT("LAST"))) {
		session_refuse(s, 501, "5.5.4 BDAT SIZE [LAST] expected");
		s->skip = n;
	} else if (s->state == S_MAIL) {
		session_refuse(s, 554, "5.5.1 No valid recipients");
		s->skip = n;
	} else if (!(s->state & (S_RCPT | S_CHUNKS))) {
		session_refuse(s, 503, "5.5.1 Bad sequence of commands");
		s->skip = n;
	} else
		content_chunk(s, n, last.n > 0);
}

/* ---- the rest -------------------------------------------------------- */

static void
cmd_rset(struct session *s, struct slice args)
{
	(void)args;
	s->mail_refused = false;
	session_ready(s);
	if (!(s->state & S_ENDED))
		session_say(s, SLICE_LIT("250 2.0.0 Ok\r\n"));
}

static void
cmd_noop(struct session *s, struct slice args)
{
	(void)args;
	session_say(s, SLICE_LIT("250 2.0.0 Ok\r\n"));
}

/* Whether an address exists is told at RCPT, to those who are allowed to send
 * there: RFC 5321 section 7.3. */
static void
cmd_vrfy(struct session *s, struct slice args)
{
	if (args.n == 0)
		session_refuse(s, 501, "5.5.4 VRFY takes an address");
	else
		session_say(s, SLICE_LIT("252 2.5.2 Send some mail, and RCPT "
		    "will tell\r\n"));
}

static void
cmd_expn(struct session *s, struct slice args)
{
	(void)args;
	session_refuse(s, 502, "5.5.1 EXPN is not offered");
}

static void
cmd_help(struct session *s, struct slice args)
{
	(void)args;
	session_say(s, SLICE_LIT("214-2.0.0 This is Chasqui.  Commands: EHLO "
	    "HELO MAIL RCPT DATA BDAT\r\n"
	    "214 2.0.0 RSET NOOP VRFY HELP QUIT\r\n"));
}

static void
cmd_quit(struct session *s, struct slice args)
{
	(void)args;
	session_say(s, SLICE_LIT("221 2.0.0 Bye\r\n"));
	session_close(s, "quit");
}

static void
cmd_not_here(struct session *s, struct slice args)
{
	(void)args;
	session_refuse(s, 502, "5.5.1 Command not implemented");
}

static void
cut_stranger(struct session *s, struct slice args)
{
	(void)args;
	session_refuse(s, 554, "5.5.1 This is a mail server");
	session_close(s, "http");
}
