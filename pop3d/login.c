/* SPDX-License-Identifier: ISC */
/*
 * login - POP3 before the login: RFC 1939 section 4, 2449, 2595, 5034, 6856.
 *
 * APOP is not offered: it would take passwords in clear on our side.
 */
#include <stdlib.h>
#include <string.h>

#include "login.h"
#include "pop3d.h"

/* Of a response, and of a command: tokens come with AUTH, too, though RFC 5034
 * section 4 wants none there that makes the line longer than 255. */
#define LINE_BYTES	(LOGIN_INPUT_BYTES - 1024)

struct front {
	char		 user[LOGIN_BYTES + 1];
	bool		 has_user;
	bool		 utf8;		/* UTF8 was said */
};

struct verb {
	const char	*name;
	void		(*run)(struct conn *, struct slice args);
};

static void	 greet(struct conn *);
static bool	 take(struct conn *);
static void	 run_line(struct conn *, struct slice);
static void	 secured(struct conn *);
static void	 failed(struct conn *, enum auth_failure, struct slice);
static void	 refused(struct conn *, enum session_refusal);
static void	 bye(struct conn *, enum login_end, bool);
static struct slice tag(const struct conn *);
static void	 say_error(struct conn *, const char *); /* not_sasl(), too */
static bool	 needs_tls(struct conn *);
static void	 cmd_user(struct conn *, struct slice);
static void	 cmd_pass(struct conn *, struct slice);
static void	 cmd_auth(struct conn *, struct slice);
static void	 cmd_stls(struct conn *, struct slice);
static void	 cmd_capa(struct conn *, struct slice);
static void	 cmd_lang(struct conn *, struct slice);
static void	 cmd_utf8(struct conn *, struct slice);
static void	 cmd_noop(struct conn *, struct slice);
static void	 cmd_quit(struct conn *, struct slice);
static void	 cmd_apop(struct conn *, struct slice);
static void	 cmd_too_early(struct conn *, struct slice);

const struct login_protocol pop3_login = {
	.role = ROLE_POP3_LOGIN, .session = ROLE_POP3_SESSION,
	.auth = AUTH_POP3, .listener = LISTENER_POP3,
	.front_bytes = sizeof(struct front), .greet = greet, .take = take,
	.secured = secured, .not_sasl = say_error, .failed = failed,
	.refused = refused, .bye = bye, .tag = tag,
};

static const struct verb verbs[] = {
	{ "USER", cmd_user }, { "PASS", cmd_pass }, { "AUTH", cmd_auth },
	{ "STLS", cmd_stls }, { "CAPA", cmd_capa }, { "LANG", cmd_lang },
	{ "UTF8", cmd_utf8 }, { "NOOP", cmd_noop }, { "QUIT", cmd_quit },
	{ "APOP", cmd_apop },
	{ "STAT", cmd_too_early }, { "LIST", cmd_too_early },
	{ "UIDL", cmd_too_early }, { "RETR", cmd_too_early },
	{ "TOP", cmd_too_early }, { "DELE", cmd_too_early },
	{ "RSET", cmd_too_early },
};

/* What a failure is to the client: RFC 3206, 2449 section 8. */
static const struct {
	const char	*code;
	const char	*text;		/* where auth gives none */
} failures[] = {
	[AUTH_BAD] = { "[AUTH] ", "Name or password is wrong" },
	[AUTH_TRY_LATER] = { "[SYS/TEMP] ", "Logins are not possible now" },
	[AUTH_NOT_ALLOWED] = { "[AUTH] ", "This login may not use POP3" },
	[AUTH_NEEDS_TLS] = { "[SYS/PERM] ", "Say STLS first" },
	[AUTH_EXPIRED] = { "[AUTH] ", "The password has expired" },
	[AUTH_TOO_MANY] = { "[IN-USE] ", "Too many logins, try again later" },
	[AUTH_PROTOCOL] = { "", "This is not what the mechanism wants" },
	[AUTH_NO_MECHANISM] = { "", "No such mechanism here" },
};

static void
greet(struct conn *c)
{
	conn_printf(c, "+OK %s POP3 Chasqui\r\n", c->l->hostname);
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

	return f->utf8 ? SLICE_LIT("UTF8") : SLICE_EMPTY;
}

/* ---- lines --------------------------------------------------------------- */

static bool
take(struct conn *c)
{
	bool response = c->state == CONN_RESPONSE;
	struct slice in = conn_input(c), line;
	char copy[LINE_BYTES];
	size_t used, n;

	switch (pop3_find_line(in, LINE_BYTES, &line, &used)) {
	case POP3_LINE_PART:
		return false;
	case POP3_LINE_BAD:
		conn_printf(c, "-ERR Lines end in CR LF and have at most %d "
		    "octets\r\n", LINE_BYTES);
		conn_close(c, "line");
		return false;
	case POP3_LINE:
		break;
	}
	/* The input may move when it is consumed. */
	n = line.n;
	memcpy(copy, line.p, n);
	conn_consume(c, used);
	if (response)
		conn_respond(c, slice_of(copy, n));
	else
		run_line(c, slice_of(copy, n));
	explicit_bzero(copy, n);
	return true;
}

static void
run_line(struct conn *c, struct slice line)
{
	size_t n = slice_find(line, ' '), i;
	struct slice word = slice_first(line, n);
	struct slice args = slice_from(line, n < line.n ? n + 1 : n);

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (slice_eq_nocase(word, slice_str(verbs[i].name))) {
			verbs[i].run(c, args);
			return;
		}
	say_error(c, "Unknown command");
}

static void
say_error(struct conn *c, const char *text)
{
	conn_printf(c, "-ERR %s\r\n", text);
	conn_error(c);
}

/* ---- commands ------------------------------------------------------------ */

/* True, and the client has been told. */
static bool
needs_tls(struct conn *c)
{
	if (!conn_must_start_tls(c) && (conn_is_tls(c) ||
	    peer_is_local(&c->who) || c->l->without_tls[0] != '\0' ||
	    c->l->with_tls[0] == '\0'))
		return false;
	conn_printf(c, "-ERR [SYS/PERM] Say STLS first\r\n");
	conn_error(c);
	return true;
}

static void
cmd_user(struct conn *c, struct slice args)
{
	struct front *f = c->front;
	struct slice name = slice_trim(args);

	if (needs_tls(c))
		return;
	if (name.n == 0 || name.n > LOGIN_BYTES) {
		say_error(c, "USER wants a name");
		return;
	}
	memcpy(f->user, name.p, name.n);
	f->user[name.n] = '\0';
	f->has_user = true;
	conn_printf(c, "+OK\r\n");
}

/* The password is all that follows the blank (RFC 1939 section 7). */
static void
cmd_pass(struct conn *c, struct slice args)
{
	struct front *f = c->front;

	if (!f->has_user) {
		say_error(c, "Say USER first");
		return;
	}
	if (!conn_offers(c, SLICE_LIT("PLAIN")) &&
	    c->l->with_tls[0] != '\0') {
		failed(c, AUTH_NEEDS_TLS, SLICE_EMPTY);
		return;
	}
	f->has_user = false;
	conn_login(c, slice_str(f->user), args, SLICE_EMPTY);
}

static void
list_mechanisms(struct conn *c)
{
	struct slice rest = conn_mechanisms(c), word;

	conn_printf(c, "+OK\r\n");
	while (slice_next(&rest, ' ', &word))
		if (word.n > 0)
			conn_printf(c, "%.*s\r\n", SLICE_ARG(word));
	conn_printf(c, ".\r\n");
}

static void
cmd_auth(struct conn *c, struct slice args)
{
	struct slice name = slice_first(args, slice_find(args, ' '));
	struct slice initial = slice_trim(slice_from(args, name.n));

	if (name.n == 0)
		list_mechanisms(c);
	else if (!needs_tls(c))
		conn_authenticate(c, name, initial, SLICE_EMPTY);
}

static void
cmd_stls(struct conn *c, struct slice args)
{
	(void)args;
	if (!conn_may_start_tls(c)) {
		say_error(c, conn_is_tls(c) ? "TLS is there already" :
		    "TLS is not to be had here");
		return;
	}
	conn_printf(c, "+OK Begin TLS\r\n");
	conn_start_tls(c);
}

static void
cmd_capa(struct conn *c, struct slice args)
{
	struct buf b = BUF_INIT(4096);

	(void)args;
	pop3_capabilities(&b, true, conn_may_start_tls(c),
	    conn_offers(c, SLICE_LIT("PLAIN")) && !conn_must_start_tls(c),
	    conn_must_start_tls(c) ? SLICE_EMPTY : conn_mechanisms(c));
	conn_say(c, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_lang(struct conn *c, struct slice args)
{
	struct buf b = BUF_INIT(1024);

	pop3_lang(&b, slice_trim(args));
	conn_say(c, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_utf8(struct conn *c, struct slice args)
{
	struct front *f = c->front;

	(void)args;
	f->utf8 = true;
	conn_printf(c, "+OK UTF-8 it is\r\n");
}

static void
cmd_noop(struct conn *c, struct slice args)
{
	(void)args;
	conn_printf(c, "+OK\r\n");
}

static void
cmd_quit(struct conn *c, struct slice args)
{
	(void)args;
	conn_printf(c, "+OK Bye\r\n");
	conn_close(c, "quit");
}

static void
cmd_apop(struct conn *c, struct slice args)
{
	(void)args;
	say_error(c, "APOP is not offered; CAPA tells what is");
}

static void
cmd_too_early(struct conn *c, struct slice args)
{
	(void)args;
	say_error(c, "Log in first");
}

/* ---- what the others say ------------------------------------------------- */

static void
failed(struct conn *c, enum auth_failure why, struct slice text)
{
	if (text.n == 0)
		text = slice_str(failures[why].text);
	conn_printf(c, "-ERR %s%.*s\r\n", failures[why].code,
	    SLICE_ARG(text));
}

static void
refused(struct conn *c, enum session_refusal why)
{
	conn_printf(c, why == SESSION_TOO_MANY ?
	    "-ERR [IN-USE] Too many sessions of this user\r\n" :
	    why == SESSION_FORBIDDEN ?
	    "-ERR [SYS/PERM] This maildrop cannot be served\r\n" :
	    "-ERR [SYS/TEMP] Try again later\r\n");
}

static void
bye(struct conn *c, enum login_end end, bool in_session)
{
	static const char *const words[] = {
		[LOGIN_END_TIME] = "Too slow",
		[LOGIN_END_STOP] = "[SYS/TEMP] The server is shutting down",
		[LOGIN_END_FULL] = "[SYS/TEMP] Too many connections",
		[LOGIN_END_CLIENT] =
		    "[SYS/TEMP] Too many connections of yours",
		[LOGIN_END_ERRORS] = "Too many errors",
		[LOGIN_END_INPUT] = "Too much input",
		[LOGIN_END_NO_TLS] = "[SYS/TEMP] TLS is not to be had now",
		[LOGIN_END_SESSION] = "[SYS/TEMP] The session broke off",
		[LOGIN_END_LOGOUT] = "[SYS/TEMP] Your login was changed",
	};

	/* Nobody knows in the middle of what it broke off. */
	if (!in_session)
		conn_printf(c, "-ERR %s\r\n", words[end]);
}
