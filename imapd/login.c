/* SPDX-License-Identifier: ISC */
/*
 * login - IMAP before the login: RFC 9051 sections 6.1 and 6.2, SASL-IR (4959),
 * LITERAL+ (7888), ID (2971), response codes of 5530.
 */
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "login.h"
#include "os/takeover.h"

#define COMMAND_BYTES	(LOGIN_INPUT_BYTES - 1024)
#define CLIENT_NAME_BYTES 64

struct front {
	struct front_frame	 frame;
	char			 tag[FRONT_TAG_BYTES + 1]; /* of what waits */
	char			 name[CLIENT_NAME_BYTES + 1]; /* by ID */
};

struct verb {
	const char	*name;
	void		(*run)(struct conn *, const struct front_command *);
};

static void	 greet(struct conn *);
static bool	 take(struct conn *);
static bool	 take_command(struct conn *);
static bool	 take_response(struct conn *);
static void	 run_command(struct conn *, char *, size_t);
static void	 secured(struct conn *);
static void	 not_sasl(struct conn *, const char *);
static void	 failed(struct conn *, enum auth_failure, struct slice);
static void	 refused(struct conn *, enum session_refusal);
static void	 bye(struct conn *, enum login_end, bool);
static struct slice tag(const struct conn *);
static void	 capabilities(struct conn *, struct buf *);
static void	 remember_tag(struct conn *, struct slice);
static void	 bad(struct conn *, struct slice tag, const char *);
static bool	 needs_tls(struct conn *, struct slice tag);
static bool	 are_strings(const struct front_command *, size_t n);
static void	 cmd_capability(struct conn *, const struct front_command *);
static void	 cmd_noop(struct conn *, const struct front_command *);
static void	 cmd_logout(struct conn *, const struct front_command *);
static void	 cmd_id(struct conn *, const struct front_command *);
static void	 cmd_starttls(struct conn *, const struct front_command *);
static void	 cmd_login(struct conn *, const struct front_command *);
static void	 cmd_authenticate(struct conn *, const struct front_command *);

const struct login_protocol imap_login = {
	.role = ROLE_IMAP_LOGIN, .session = ROLE_IMAP_SESSION,
	.auth = AUTH_IMAP, .listener = LISTENER_IMAP,
	.front_bytes = sizeof(struct front), .greet = greet, .take = take,
	.secured = secured, .not_sasl = not_sasl, .failed = failed,
	.refused = refused, .bye = bye, .tag = tag,
};

static const struct verb verbs[] = {
	{ "CAPABILITY",	  cmd_capability },
	{ "NOOP",	  cmd_noop },
	{ "LOGOUT",	  cmd_logout },
	{ "ID",		  cmd_id },
	{ "STARTTLS",	  cmd_starttls },
	{ "LOGIN",	  cmd_login },
	{ "AUTHENTICATE", cmd_authenticate },
};

/* What a failure is to the client: RFC 5530. */
static const struct {
	const char	*status;
	const char	*code;
	const char	*text;		/* where auth gives none */
} failures[] = {
	[AUTH_BAD] = { "NO", "[AUTHENTICATIONFAILED] ",
	    "Name or password is wrong" },
	[AUTH_TRY_LATER] = { "NO", "[UNAVAILABLE] ",
	    "Logins are not possible now" },
	[AUTH_NOT_ALLOWED] = { "NO", "[AUTHORIZATIONFAILED] ",
	    "This login may not use IMAP" },
	[AUTH_NEEDS_TLS] = { "NO", "[PRIVACYREQUIRED] ",
	    "Say STARTTLS first" },
	[AUTH_EXPIRED] = { "NO", "[EXPIRED] ", "The password has expired" },
	[AUTH_TOO_MANY] = { "NO", "[LIMIT] ",
	    "Too many logins, try again later" },
	[AUTH_PROTOCOL] = { "BAD", "", "This is not what the mechanism "
	    "wants" },
	[AUTH_NO_MECHANISM] = { "NO", "[CANNOT] ", "No such mechanism here" },
};

static void
greet(struct conn *c)
{
	struct buf b = BUF_INIT(4096);

	buf_add_str(&b, "* OK [CAPABILITY ");
	capabilities(c, &b);
	buf_printf(&b, "] %s IMAP Chasqui\r\n", c->l->hostname);
	conn_say(c, buf_slice(&b));
	buf_clear(&b);
}

static void
capabilities(struct conn *c, struct buf *b)
{
	bool closed = conn_must_start_tls(c);
	struct slice word, rest = closed ? SLICE_EMPTY : conn_mechanisms(c);

	buf_add_str(b, "IMAP4rev1 IMAP4rev2 LITERAL+ ID ENABLE SASL-IR");
	if (conn_may_start_tls(c))
		buf_add_str(b, " STARTTLS");
	if (closed || !conn_offers(c, SLICE_LIT("PLAIN")))
		buf_add_str(b, " LOGINDISABLED");
	while (rest.n > 0 && slice_next(&rest, ' ', &word)) {
		buf_add_str(b, " AUTH=");
		buf_add(b, word);
	}
}

static void
secured(struct conn *c)
{
	memset(c->front, 0, sizeof(struct front));
}

static struct slice
tag(const struct conn *c)
{
	const struct front *f = c->front;

	return slice_str(f->tag);
}

/* ---- input --------------------------------------------------------------- */

static bool
take(struct conn *c)
{
	return c->state == CONN_RESPONSE ? take_response(c) : take_command(c);
}

static bool
take_command(struct conn *c)
{
	struct front *f = c->front;
	struct slice in = conn_input(c);
	char copy[COMMAND_BYTES];
	size_t used;

	switch (front_frame(&f->frame, in, COMMAND_BYTES, &used)) {
	case FRONT_MORE:
		return false;
	case FRONT_GO_AHEAD:
		conn_say(c, SLICE_LIT("+ Go ahead\r\n"));
		return true;
	case FRONT_BAD_LINE:
		conn_say(c, SLICE_LIT("* BAD Lines end in CR LF\r\n"));
		conn_bye(c, LOGIN_END_ERRORS);
		return false;
	case FRONT_TOO_LONG:
		conn_bye(c, LOGIN_END_INPUT);
		return false;
	case FRONT_WHOLE:
		break;
	}
	memset(&f->frame, 0, sizeof(f->frame));
	memcpy(copy, in.p, used);
	conn_consume(c, used);
	run_command(c, copy, used);
	explicit_bzero(copy, used);
	return true;
}

static void
run_command(struct conn *c, char *text, size_t n)
{
	struct buf said = BUF_INIT(512);
	struct front_command cmd;
	enum parse r;
	size_t i;

	if (takeover_line(slice_of(text, n), &said)) {
		conn_printf(c, "* %.*s\r\n", SLICE_ARG(buf_slice(&said)));
		buf_clear(&said);
		return;
	}
	r = front_parse(text, n, &cmd);
	if (cmd.tag.n == 0) {
		bad(c, SLICE_LIT("*"), "A tag and a command are expected");
		return;
	}
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_eq_nocase(cmd.name, slice_str(verbs[i].name)))
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		bad(c, cmd.tag, "Unknown command, or one for after the login");
	else if (r != PARSE_OK)
		bad(c, cmd.tag, "The arguments cannot be understood");
	else
		verbs[i].run(c, &cmd);
}

static void
bad(struct conn *c, struct slice t, const char *text)
{
	conn_printf(c, "%.*s BAD %s\r\n", SLICE_ARG(t), text);
	conn_error(c);
}

static void
remember_tag(struct conn *c, struct slice t)
{
	struct front *f = c->front;

	memcpy(f->tag, t.p, t.n);
	f->tag[t.n] = '\0';
}

static bool
take_response(struct conn *c)
{
	struct slice in = conn_input(c);
	char copy[COMMAND_BYTES];
	size_t n = slice_find(in, '\n');

	if (n == in.n && n <= COMMAND_BYTES)
		return false;
	if (n > COMMAND_BYTES || n == 0 || in.p[n - 1] != '\r') {
		conn_bye(c, n > COMMAND_BYTES ? LOGIN_END_INPUT :
		    LOGIN_END_ERRORS);
		return false;
	}
	memcpy(copy, in.p, n);
	conn_consume(c, n + 1);
	conn_respond(c, slice_of(copy, n - 1));
	explicit_bzero(copy, n);
	return true;
}

/* ---- commands ------------------------------------------------------------ */

static void
cmd_capability(struct conn *c, const struct front_command *cmd)
{
	struct buf b = BUF_INIT(4096);

	buf_add_str(&b, "* CAPABILITY ");
	capabilities(c, &b);
	buf_printf(&b, "\r\n%.*s OK Done\r\n", SLICE_ARG(cmd->tag));
	conn_say(c, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_noop(struct conn *c, const struct front_command *cmd)
{
	conn_printf(c, "%.*s OK Done\r\n", SLICE_ARG(cmd->tag));
}

static void
cmd_logout(struct conn *c, const struct front_command *cmd)
{
	conn_printf(c, "* BYE Goodbye\r\n%.*s OK Done\r\n",
	    SLICE_ARG(cmd->tag));
	conn_close(c, "logout");
}

/* Of what the client says only its name is kept, for the log of logins. */
static void
cmd_id(struct conn *c, const struct front_command *cmd)
{
	struct front *f = c->front;
	const struct front_token *t = cmd->args;
	size_t i;

	if (cmd->nargs == 0 || (cmd->nargs == 1 && !slice_eq_nocase(t[0].text,
	    SLICE_LIT("NIL"))) || (cmd->nargs > 1 &&
	    (t[0].kind != FRONT_OPEN || cmd->nargs % 2 != 0 ||
	    t[cmd->nargs - 1].kind != FRONT_CLOSE))) {
		bad(c, cmd->tag, "ID wants a list or NIL");
		return;
	}
	for (i = 1; i + 2 < cmd->nargs; i += 2)
		if (slice_eq_nocase(t[i].text, SLICE_LIT("name")) &&
		    t[i + 1].text.n <= CLIENT_NAME_BYTES) {
			memcpy(f->name, t[i + 1].text.p, t[i + 1].text.n);
			f->name[t[i + 1].text.n] = '\0';
		}
	conn_printf(c, "* ID (\"name\" \"Chasqui\")\r\n%.*s OK Done\r\n",
	    SLICE_ARG(cmd->tag));
}

static void
cmd_starttls(struct conn *c, const struct front_command *cmd)
{
	if (conn_is_tls(c)) {
		bad(c, cmd->tag, "TLS is there already");
		return;
	}
	if (!conn_may_start_tls(c)) {
		conn_printf(c, "%.*s NO [UNAVAILABLE] TLS is not to be had "
		    "here\r\n", SLICE_ARG(cmd->tag));
		return;
	}
	conn_printf(c, "%.*s OK Begin TLS\r\n", SLICE_ARG(cmd->tag));
	conn_start_tls(c);
}

/* True, and the client has been told. */
static bool
needs_tls(struct conn *c, struct slice t)
{
	if (!conn_must_start_tls(c))
		return false;
	remember_tag(c, t);
	failed(c, AUTH_NEEDS_TLS, SLICE_EMPTY);
	conn_error(c);
	return true;
}

static bool
are_strings(const struct front_command *cmd, size_t n)
{
	size_t i;

	for (i = 0; i < cmd->nargs; i++)
		if (cmd->args[i].kind != FRONT_ATOM &&
		    cmd->args[i].kind != FRONT_STRING)
			return false;
	return cmd->nargs == n;
}

static void
cmd_login(struct conn *c, const struct front_command *cmd)
{
	const struct front *f = c->front;

	if (!are_strings(cmd, 2)) {
		bad(c, cmd->tag, "LOGIN wants a name and a password");
		return;
	}
	if (needs_tls(c, cmd->tag))
		return;
	remember_tag(c, cmd->tag);
	if (!conn_offers(c, SLICE_LIT("PLAIN")) &&
	    c->l->with_tls[0] != '\0') {
		failed(c, AUTH_NEEDS_TLS, SLICE_EMPTY);
		conn_error(c);
		return;
	}
	conn_login(c, cmd->args[0].text, cmd->args[1].text,
	    slice_str(f->name));
}

static void
cmd_authenticate(struct conn *c, const struct front_command *cmd)
{
	const struct front *f = c->front;

	if (!are_strings(cmd, 1) && !are_strings(cmd, 2)) {
		bad(c, cmd->tag, "AUTHENTICATE wants a mechanism");
		return;
	}
	if (needs_tls(c, cmd->tag))
		return;
	remember_tag(c, cmd->tag);
	conn_authenticate(c, cmd->args[0].text, cmd->nargs == 2 ?
	    cmd->args[1].text : SLICE_EMPTY, slice_str(f->name));
}

/* ---- what the others say ------------------------------------------------- */

static void
not_sasl(struct conn *c, const char *text)
{
	bad(c, tag(c), text);
}

static void
failed(struct conn *c, enum auth_failure why, struct slice text)
{
	if (text.n == 0)
		text = slice_str(failures[why].text);
	conn_printf(c, "%.*s %s %s%.*s\r\n", SLICE_ARG(tag(c)),
	    failures[why].status, failures[why].code, SLICE_ARG(text));
}

static void
refused(struct conn *c, enum session_refusal why)
{
	conn_printf(c, "%.*s NO %s\r\n", SLICE_ARG(tag(c)),
	    why == SESSION_TOO_MANY ? "[LIMIT] Too many sessions of this user" :
	    why == SESSION_FORBIDDEN ?
	    "[CONTACTADMIN] This mailbox cannot be served" :
	    "[UNAVAILABLE] Try again later");
}

static void
bye(struct conn *c, enum login_end end, bool in_session)
{
	static const char *const words[] = {
		[LOGIN_END_TIME] = "Too slow, or idle for too long",
		[LOGIN_END_STOP] = "[UNAVAILABLE] The server is shutting down",
		[LOGIN_END_FULL] = "[UNAVAILABLE] Too many connections",
		[LOGIN_END_CLIENT] = "[LIMIT] Too many connections of yours",
		[LOGIN_END_ERRORS] = "Too many errors",
		[LOGIN_END_INPUT] = "Too much input for a login",
		[LOGIN_END_NO_TLS] = "[UNAVAILABLE] TLS is not to be had now",
		[LOGIN_END_SESSION] = "[UNAVAILABLE] The session broke off",
		[LOGIN_END_LOGOUT] = "Your login was changed",
	};

	(void)in_session;
	conn_printf(c, "* BYE %s\r\n", words[end]);
}
