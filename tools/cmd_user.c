/* SPDX-License-Identifier: ISC */
/*
 * cmd_user - `chasqui user`: the accounts of the password file.
 *
 * A password is read from the terminal, or as one line of the standard input;
 * never from the arguments, which everybody on the host can see.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "chasqui.h"
#include "mail/address.h"
#include "password_file.h"
#include "queue_print.h"
#include "sasl/password.h"
#include "sasl/prep.h"
#include "sasl/scram.h"
#include "table_edit.h"
#include "text_file.h"

#define APP_GROUPS	4	/* of an app password: 4 times 5 characters, */
#define APP_GROUP	5	/* 100 bits */
#define NOT_FOUND	1

/* What is to be done to the lines of a login. */
struct job {
	struct tool		*tool;
	const char		*path;
	struct text_file	 file;
	char			 login[SASL_LOGIN_BYTES + 1];	/* prepared */
	struct buf		 canonical;	/* sasl_prep_login() of it */
	unsigned		 protocols;	/* --protocols; 0: not given */
	const char		*stored;	/* --stored; NULL: not given */
	bool			 json;
	bool			 mailbox;	/* --mailbox */
	char			 given[8];	/* letters of the options */
	struct buf		 out;		/* the new text */
	struct buf		 why;
};

typedef int	user_fn(struct job *, int argc, char *argv[]);

static int	 run_user(struct tool *, int, char *[]);
static user_fn	 run_add, run_passwd, run_del, run_disable, run_enable,
    run_list, run_logout, run_app, app_add, app_list, app_revoke;
static int	 parse_options(struct job *, int *, char *[]);
static int	 begin(struct job *, const char *login, bool to_change);
static int	 name_login(struct job *, const char *);
static int	 finish(struct job *);
static int	 finish_and_log_out(struct job *);
static bool	 find_main(const struct job *, struct account *);
static int	 read_password(const char *login, struct buf *);
static int	 make_account(struct job *, struct slice password,
		    struct account *, struct buf *text);
static void	 replace_main(struct job *, const struct account *);
static bool	 scram_salt_of(const struct job *, struct scram_keys *);
static const struct conf_domain *domain_of(const struct job *);
static void	 today(char *, size_t);

const struct command cmd_user = { "user",
	"add LOGIN [--mailbox] [--protocols LIST]\n"
	"        [--stored HASH] |\n"
	"    passwd LOGIN [--protocols LIST] | del LOGIN |\n"
	"    disable LOGIN | enable LOGIN | logout LOGIN |\n"
	"    list [--json] |\n"
	"    app-password add LOGIN NAME [--protocols LIST] |\n"
	"    app-password list LOGIN | app-password revoke LOGIN NAME\n\n"
	"The password is asked for, or read as a line of the standard input.\n"
	"LIST is of imap, pop3 and smtp, with commas.  --mailbox adds the login to "
	"the\nmailboxes of its virtual domain, too.",
	"add and change those who log in", run_user };

static const struct {
	const char	*name;
	int		 min, max;	/* words behind it */
	const char	*takes;		/* options, by their letters */
	user_fn		*run;
} verbs[] = {
	{ "add",	  1, 1, "psm",	run_add },
	{ "passwd",	  1, 1, "p",	run_passwd },
	{ "del",	  1, 1, "",	run_del },
	{ "disable",	  1, 1, "",	run_disable },
	{ "enable",	  1, 1, "",	run_enable },
	{ "logout",	  1, 1, "",	run_logout },
	{ "list",	  0, 0, "j",	run_list },
	{ "app-password", 2, 3, "p",	run_app },
};

static int
run_user(struct tool *t, int argc, char *argv[])
{
	static struct job j;
	size_t i;
	int r;

	j.tool = t;
	j.out = BUF_INIT(TEXT_FILE_BYTES);
	j.why = BUF_INIT(8192);
	j.canonical = BUF_INIT(SASL_LOGIN_BYTES);
	r = parse_options(&j, &argc, argv);
	if (r != 0)
		return r;
	for (i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0 &&
		    argc - 2 >= verbs[i].min && argc - 2 <= verbs[i].max &&
		    strspn(j.given, verbs[i].takes) == strlen(j.given))
			return verbs[i].run(&j, argc - 2, argv + 2);
	return tool_usage(&cmd_user);
}

/* Options may stand anywhere; the words stay in argv. */
static int
parse_options(struct job *j, int *argc, char *argv[])
{
	static const struct option options[] = {
		{ "protocols", required_argument, NULL, 'p' },
		{ "stored", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "mailbox", no_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	int ch, i, n = 1;

	while ((ch = getopt_long(*argc, argv, "", options, NULL)) != -1) {
		if (strchr(j->given, ch) == NULL)
			j->given[strlen(j->given)] = (char)ch;
		switch (ch) {
		case 'p':
			if (!account_protocols_parse(slice_str(optarg),
			    &j->protocols))
				return tool_fail(EX_USAGE, "--protocols %s: "
				    "imap, pop3 and smtp are known", optarg);
			break;
		case 's':
			j->stored = optarg;
			break;
		case 'j':
			j->json = true;
			break;
		case 'm':
			j->mailbox = true;
			break;
		default:
			return tool_usage(&cmd_user);
		}
	}
	for (i = optind; i < *argc; i++)
		argv[n++] = argv[i];
	*argc = n;
	return 0;
}

/* ---- the file ------------------------------------------------------------ */

/* A new file is for the verifiers to read. */
static void
set_owner(struct job *j)
{
	const struct conf *c = tool_conf(j->tool);
	const struct passwd *pw;
	char name[256];

	j->file.uid = geteuid();
	j->file.gid = getegid();
	j->file.mode = 0600;
	snprintf(name, sizeof(name), "%sverifier", c->user_prefix);
	if (geteuid() == 0 && (pw = getpwnam(name)) != NULL) {
		j->file.gid = pw->pw_gid;
		j->file.mode = 0640;
	}
}

static int
name_login(struct job *j, const char *login)
{
	struct buf b = BUF_INIT(SASL_LOGIN_BYTES);

	if (!sasl_prep_name(slice_str(login), &b) ||
	    !sasl_prep_login(slice_str(login), &j->canonical) ||
	    memchr(b.p, ':', b.n) != NULL || b.p[0] == '#')
		return tool_fail(EX_USAGE, "\"%s\" is not a login name",
		    login);
	snprintf(j->login, sizeof(j->login), "%.*s",
	    SLICE_ARG(buf_slice(&b)));
	buf_clear(&b);
	return 0;
}

static int
begin(struct job *j, const char *login, bool to_change)
{
	const struct conf *c = tool_conf(j->tool);
	int r;

	if (c->auth_passwords.n == 0)
		return tool_fail(EX_CONFIG, "auth.passwords names no file");
	j->path = c->auth_passwords.v[0];
	r = login == NULL ? 0 : name_login(j, login);
	if (r != 0)
		return r;
	set_owner(j);
	if (text_file_open(&j->file, j->path, to_change, &j->why) == -1)
		return tool_fail(errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
		    "%s", buf_cstr(&j->why));
	return 0;
}

static int
finish(struct job *j)
{
	int r = text_file_replace(&j->file, buf_slice(&j->out), &j->why);

	text_file_close(&j->file);
	explicit_bzero(j->out.n > 0 ? j->out.p : j->login, j->out.n);
	buf_clear(&j->out);
	if (r == -1 || j->why.n > 0)
		return tool_fail(EX_CANTCREAT, "%s", buf_cstr(&j->why));
	return EX_OK;
}

static bool
is_his(const struct job *j, const struct account *a)
{
	struct buf b = BUF_INIT(SASL_LOGIN_BYTES);
	bool his = a->login.n > 0 && sasl_prep_login(a->login, &b) &&
	    slice_eq(buf_slice(&b), buf_slice(&j->canonical));

	buf_clear(&b);
	return his;
}

static bool
find_main(const struct job *j, struct account *a_r)
{
	struct slice rest = buf_slice(&j->file.text);
	struct password_line l;

	while (password_file_next(&rest, &l))
		if (is_his(j, &l.account) && l.account.app.n == 0) {
			*a_r = l.account;
			return true;
		}
	return false;
}

/* The line of the login is written anew where it was, or at the end. */
static void
replace_main(struct job *j, const struct account *a)
{
	struct slice rest = buf_slice(&j->file.text);
	struct password_line l;
	bool done = false;

	while (password_file_next(&rest, &l)) {
		if (is_his(j, &l.account) && l.account.app.n == 0) {
			if (!done)
				account_write(&j->out, a);
			done = true;
			continue;
		}
		buf_add(&j->out, l.line);
		if (l.line.p[l.line.n - 1] != '\n')
			buf_add_byte(&j->out, '\n');
	}
	if (!done)
		account_write(&j->out, a);
}

static int
no_such_user(struct job *j)
{
	text_file_close(&j->file);
	return tool_fail(NOT_FOUND, "%s has no account in %s; `chasqui user "
	    "add %s` makes one", j->login, j->path, j->login);
}

/* ---- passwords ----------------------------------------------------------- */

/* Who had what is good no more is not to go on with it. */
static int
finish_and_log_out(struct job *j)
{
	int r = finish(j);

	return r != EX_OK ? r : tool_logout_if_running(j->tool,
	    buf_cstr(&j->canonical));
}

/* One line, prepared. */
static int
read_password(const char *login, struct buf *out)
{
	char once[PASSWORD_BYTES + 2] = "", again[PASSWORD_BYTES + 2] = "";
	char prompt[400], *end;
	int r = 0;

	snprintf(prompt, sizeof(prompt), "Password of %s: ", login);
	if (!isatty(STDIN_FILENO)) {
		if (fgets(once, sizeof(once), stdin) == NULL)
			r = tool_fail(EX_NOINPUT, "no password came");
		/* What a NUL would hide is made one that is refused. */
		end = memchr(once, '\n', sizeof(once));
		if (end != NULL)
			*end = '\0';
		if (end != NULL && strlen(once) < (size_t)(end - once))
			once[strlen(once)] = '\n';
	} else if (readpassphrase(prompt, once, sizeof(once), 0) == NULL ||
	    readpassphrase("Once more: ", again, sizeof(again), 0) == NULL)
		r = tool_fail(EX_NOINPUT, "no password came");
	else if (strcmp(once, again) != 0)
		r = tool_fail(EX_DATAERR, "they are not the same; nothing "
		    "was changed");
	if (r == 0 && once[0] == '\0')
		r = tool_fail(EX_DATAERR, "the password is empty");
	if (r == 0 && !sasl_prep(slice_str(once), out))
		r = tool_fail(EX_DATAERR, "the password has control "
		    "characters, or is too long");
	explicit_bzero(once, sizeof(once));
	explicit_bzero(again, sizeof(again));
	return r;
}

/* The keys of a login share a salt (see the verifier): that of those that
 * stay, if any. */
static bool
scram_salt_of(const struct job *j, struct scram_keys *k)
{
	struct slice rest = buf_slice(&j->file.text);
	struct password_line l;

	while (password_file_next(&rest, &l))
		if (is_his(j, &l.account) && l.account.app.n > 0 &&
		    scram_keys_parse(l.account.scram[SASL_SHA_256],
		    SASL_SHA_256, k))
			return true;
	return false;
}

static int
make_scram(struct slice password, const struct scram_keys *like,
    struct buf *text, struct account *a)
{
	uint8_t salt[SCRAM_NEW_SALT_BYTES];
	enum sasl_hash h;
	struct scram_keys k;
	size_t from;

	arc4random_buf(salt, sizeof(salt));
	for (h = SASL_SHA_1; h <= SASL_SHA_256; h++) {
		from = text->n;
		if (scram_keys_make(&k, h, password, like != NULL ?
		    slice_of(like->salt, like->nsalt) :
		    slice_of(salt, sizeof(salt)),
		    like != NULL ? like->iterations : SCRAM_ITERATIONS) == -1 ||
		    scram_keys_write(text, &k) == -1)
			return tool_fail(EX_SOFTWARE, "no keys for SCRAM");
		a->scram[h] = slice_from(buf_slice(text), from);
	}
	explicit_bzero(&k, sizeof(k));
	return 0;
}

int
user_account_text(struct slice login, struct slice given, struct buf *out)
{
	struct account a = { .protocols = ACCOUNT_ALL };
	struct buf name = BUF_INIT(SASL_LOGIN_BYTES);
	struct buf password = BUF_INIT(PASSWORD_BYTES);
	struct buf text = BUF_INIT(ACCOUNT_LINE_BYTES);
	struct job nothing = { .login = "" };
	int r;

	if (!sasl_prep_name(login, &name) || !sasl_prep(given, &password))
		return tool_fail(EX_USAGE, "%.*s: the name or its password has "
		    "characters that it may not have", SLICE_ARG(login));
	a.login = buf_slice(&name);
	r = make_account(&nothing, buf_slice(&password), &a, &text);
	if (r == 0 && account_write(out, &a) == -1)
		r = tool_fail(EX_USAGE, "%.*s: too long", SLICE_ARG(login));
	explicit_bzero(password.p, password.n);
	buf_clear(&password);
	buf_clear(&text);
	buf_clear(&name);
	return r;
}

/* The slices of the account are in text, which has its room already. */
static int
make_account(struct job *j, struct slice password, struct account *a,
    struct buf *text)
{
	struct scram_keys like;
	bool has_salt = scram_salt_of(j, &like);

	buf_reserve(text, STORED_BYTES + 2 * SCRAM_TEXT_BYTES);
	if (password_make(password, text) == -1)
		return tool_fail(EX_SOFTWARE, "crypt: %s", strerror(errno));
	a->stored = buf_slice(text);
	return make_scram(password, has_salt ? &like : NULL, text, a);
}

static int
set_password(struct job *j, struct account *a)
{
	struct buf password = BUF_INIT(PASSWORD_BYTES);
	struct buf text = BUF_INIT(ACCOUNT_LINE_BYTES);
	int r = read_password(j->login, &password);

	if (r == 0)
		r = make_account(j, buf_slice(&password), a, &text);
	if (r == 0) {
		replace_main(j, a);
		r = finish(j);
	} else
		text_file_close(&j->file);
	if (password.n > 0)
		explicit_bzero(password.p, password.n);
	buf_clear(&password);
	buf_clear(&text);
	return r;
}

/* ---- verbs --------------------------------------------------------------- */

/* A login of a virtual domain needs a mailbox, too. */
static int
put_mailbox(struct job *j, const char *table)
{
	struct table_edit e;
	struct table_entry entry;
	int r = table_edit_begin(&e, tool_conf(j->tool), table, true);

	if (r != 0)
		return r;
	if (table_text_find(&e.reader, buf_slice(&j->canonical), &entry)) {
		table_edit_abandon(&e);
		return EX_OK;
	}
	table_edit_add(&e, buf_slice(&j->canonical), SLICE_EMPTY);
	r = table_edit_finish(&e);
	if (r == 0)
		printf("its mailbox is in the table %s\n", table);
	return r;
}

/* With --mailbox it is made to be there. */
static int
see_to_mailbox(struct job *j)
{
	const struct conf_domain *d = domain_of(j);

	if (strchr(j->login, '@') == NULL)
		return EX_OK;
	if (d == NULL)
		printf("note: %s is not a domain of this host; %s can send, "
		    "but has no mailbox\n", strrchr(j->login, '@') + 1,
		    j->login);
	else if (strcmp(d->type, "virtual") != 0 || d->mailboxes.n == 0)
		return EX_OK;
	else if (j->mailbox)
		return put_mailbox(j, d->mailboxes.v[0]);
	else
		printf("note: the mailbox is that of %s in the table %s "
		    "(`chasqui table query %s %s` shows whether it is "
		    "there)\n", j->login, d->mailboxes.v[0],
		    d->mailboxes.v[0], j->login);
	return EX_OK;
}

/* That of the login; NULL: none of this host's. */
static const struct conf_domain *
domain_of(const struct job *j)
{
	const struct conf *c = tool_conf(j->tool);
	struct slice login = buf_slice(&j->canonical);
	const struct conf_domain *found = NULL;
	struct buf b = BUF_INIT(SASL_LOGIN_BYTES);
	size_t at = slice_rfind(login, '@'), i;

	for (i = 0; at < login.n && found == NULL && i < c->ndomains; i++) {
		buf_reset(&b);
		if (domain_canonical(&b, slice_str(c->domains[i].name)) == 0 &&
		    slice_eq(buf_slice(&b), slice_from(login, at + 1)))
			found = &c->domains[i];
	}
	buf_clear(&b);
	return found;
}

static int
run_add(struct job *j, int argc, char *argv[])
{
	struct account a = { .protocols = ACCOUNT_ALL }, old;
	int r = begin(j, argv[0], true);

	(void)argc;
	if (r != 0)
		return r;
	if (find_main(j, &old)) {
		text_file_close(&j->file);
		return tool_fail(EX_CANTCREAT, "%s has an account already; "
		    "`chasqui user passwd %s` changes its password", j->login,
		    j->login);
	}
	if (j->mailbox && strchr(j->login, '@') != NULL &&
	    domain_of(j) == NULL) {
		text_file_close(&j->file);
		return tool_fail(EX_DATAERR, "%s is not a domain of this host, "
		    "so there can be no mailbox; `chasqui domain add %s` first",
		    strrchr(j->login, '@') + 1, strrchr(j->login, '@') + 1);
	}
	a.login = slice_str(j->login);
	if (j->protocols != 0)
		a.protocols = j->protocols;
	if (j->stored != NULL) {
		a.stored = slice_str(j->stored);
		if (strpbrk(j->stored, " \t\n") != NULL || a.stored.n == 0)
			return tool_fail(EX_USAGE, "--stored is one word");
		if (strcmp(j->stored, "*") != 0 && password_check(a.stored,
		    SLICE_LIT("x")) == PASSWORD_UNKNOWN_SCHEME)
			return tool_fail(EX_DATAERR, "--stored: nobody could "
			    "log in with it; chasqui-passwords(5) lists the "
			    "schemes that are known");
		replace_main(j, &a);
		r = finish(j);
	} else
		r = set_password(j, &a);
	if (r == 0)
		r = see_to_mailbox(j);
	return r;
}

static int
run_passwd(struct job *j, int argc, char *argv[])
{
	struct account a;
	int r = begin(j, argv[0], true);

	(void)argc;
	if (r != 0)
		return r;
	if (!find_main(j, &a))
		return no_such_user(j);
	a.expired = false;
	if (j->protocols != 0)
		a.protocols = j->protocols;
	r = set_password(j, &a);
	return r != EX_OK ? r : tool_logout_if_running(j->tool,
	    buf_cstr(&j->canonical));
}

/* Leaves the lines out that go; how many. */
static size_t
drop_lines(struct job *j, const char *app)
{
	struct slice rest = buf_slice(&j->file.text);
	struct password_line l;
	size_t n = 0;

	while (password_file_next(&rest, &l))
		if (is_his(j, &l.account) && (app == NULL ||
		    slice_eq(l.account.app, slice_str(app))))
			n++;
		else
			buf_add(&j->out, l.line);
	return n;
}

static int
run_del(struct job *j, int argc, char *argv[])
{
	int r = begin(j, argv[0], true);

	(void)argc;
	if (r != 0)
		return r;
	return drop_lines(j, NULL) == 0 ? no_such_user(j) :
	    finish_and_log_out(j);
}

static int
set_disabled(struct job *j, const char *login, bool disabled)
{
	struct account a;
	int r = begin(j, login, true);

	if (r != 0)
		return r;
	if (!find_main(j, &a))
		return no_such_user(j);
	a.disabled = disabled;
	replace_main(j, &a);
	return disabled ? finish_and_log_out(j) : finish(j);
}

static int
run_disable(struct job *j, int argc, char *argv[])
{
	(void)argc;
	return set_disabled(j, argv[0], true);
}

static int
run_enable(struct job *j, int argc, char *argv[])
{
	(void)argc;
	return set_disabled(j, argv[0], false);
}

/* Those made by an older version have keys of one kind; `passwd` makes both. */
static const char *
scram_of(const struct account *a)
{
	bool sha_1 = a->scram[SASL_SHA_1].n > 0;
	bool sha_256 = a->scram[SASL_SHA_256].n > 0;

	return sha_1 && sha_256 ? "scram" : sha_256 ? "scram-sha-256" :
	    sha_1 ? "scram-sha-1" : "";
}

static void
print_account(const struct job *j, const struct account *a)
{
	const char *scheme = password_scheme_name(a->stored);
	char protocols[32];

	snprintf(protocols, sizeof(protocols), "%s%s%s",
	    a->protocols & ACCOUNT_IMAP ? "imap " : "",
	    a->protocols & ACCOUNT_POP3 ? "pop3 " : "",
	    a->protocols & ACCOUNT_SMTP ? "smtp " : "");
	protocols[strlen(protocols) - 1] = '\0';
	if (j->json) {
		putchar('{');
		json_text("login", a->login);
		putchar(',');
		json_text("app", a->app.n > 0 ? a->app : SLICE_EMPTY);
		putchar(',');
		json_text("made", a->made.n > 0 ? a->made : SLICE_EMPTY);
		printf(",\"scheme\":\"%s\",\"scram\":%s,"
		    "\"scram_sha_1\":%s,\"protocols\":\"%s\",\"disabled\":%s,"
		    "\"expired\":%s}\n", scheme,
		    a->scram[SASL_SHA_256].n > 0 ? "true" : "false",
		    a->scram[SASL_SHA_1].n > 0 ? "true" : "false", protocols,
		    a->disabled ? "true" : "false",
		    a->expired ? "true" : "false");
	} else
		printf("%-32.*s %-16.*s %-12s %-13s %-14s %s%s\n",
		    SLICE_ARG(a->login), SLICE_ARG(a->app), scheme,
		    scram_of(a), protocols,
		    a->disabled ? "disabled " : "",
		    a->expired ? "expired" : "");
}

/* apps_of: only the app passwords of one login. */
static int
print_all(struct job *j, bool apps_of)
{
	struct slice rest = buf_slice(&j->file.text);
	struct password_line l;

	if (!j->json)
		printf("%-32s %-16s %-12s %-13s %-14s %s\n", "LOGIN", "APP",
		    "SCHEME", "", "PROTOCOLS", "");
	while (password_file_next(&rest, &l))
		if (l.account.login.n > 0 && (!apps_of ||
		    (is_his(j, &l.account) && l.account.app.n > 0)))
			print_account(j, &l.account);
	text_file_close(&j->file);
	return EX_OK;
}

static int
run_list(struct job *j, int argc, char *argv[])
{
	int r = begin(j, NULL, false);

	(void)argc;
	(void)argv;
	return r != 0 ? r : print_all(j, false);
}

/* Also of a login whose account is in a data base. */
static int
run_logout(struct job *j, int argc, char *argv[])
{
	struct channel *c;
	int r = name_login(j, argv[0]);

	(void)argc;
	if (r != 0)
		return r;
	c = tool_connect(j->tool, SOCKET_CONTROL);
	channel_free(&c);
	return tool_logout_if_running(j->tool, buf_cstr(&j->canonical));
}

/* ---- app passwords ------------------------------------------------------- */

static int
run_app(struct job *j, int argc, char *argv[])
{
	static const struct {
		const char	*name;
		int		 words;
		user_fn		*run;
	} app_verbs[] = { { "add", 2, app_add }, { "list", 1, app_list },
		{ "revoke", 2, app_revoke } };
	size_t i;

	for (i = 0; i < sizeof(app_verbs) / sizeof(app_verbs[0]); i++)
		if (strcmp(app_verbs[i].name, argv[0]) == 0 &&
		    argc - 1 == app_verbs[i].words)
			return app_verbs[i].run(j, argc - 1, argv + 1);
	return tool_usage(&cmd_user);
}

/* Without letters that look like others. */
static void
random_password(char text[APP_GROUPS * (APP_GROUP + 1)])
{
	static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz0123456789";
	size_t i, n = APP_GROUPS * (APP_GROUP + 1) - 1;

	for (i = 0; i < n; i++)
		text[i] = i % (APP_GROUP + 1) == APP_GROUP ? '-' :
		    alphabet[arc4random_uniform(sizeof(alphabet) - 1)];
	text[n] = '\0';
}

static void
today(char *text, size_t room)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, room, "%Y-%m-%d", &tm);
}

static bool
has_app(const struct job *j, struct slice name)
{
	struct slice rest = buf_slice(&j->file.text);
	struct password_line l;

	while (password_file_next(&rest, &l))
		if (is_his(j, &l.account) && slice_eq(l.account.app, name))
			return true;
	return false;
}

static int
app_add(struct job *j, int argc, char *argv[])
{
	char password[APP_GROUPS * (APP_GROUP + 1)], date[32];
	struct account a = { .protocols = ACCOUNT_ALL }, main;
	struct buf text = BUF_INIT(ACCOUNT_LINE_BYTES);
	struct scram_keys like;
	int r = begin(j, argv[0], true);

	(void)argc;
	if (r != 0)
		return r;
	a.app = slice_str(argv[1]);
	if (!find_main(j, &main))
		return no_such_user(j);
	a.login = main.login;
	if (!app_name_is_valid(a.app) || has_app(j, a.app)) {
		text_file_close(&j->file);
		return tool_fail(EX_USAGE, "\"%s\" is not a name for an app "
		    "password (letters, digits, . _ -), or is in use",
		    argv[1]);
	}
	if (j->protocols != 0)
		a.protocols = j->protocols;
	today(date, sizeof(date));
	a.made = slice_str(date);
	random_password(password);
	buf_reserve(&text, STORED_BYTES + 2 * SCRAM_TEXT_BYTES);
	if (password_make_fast(slice_str(password), &text) == -1)
		return tool_fail(EX_SOFTWARE, "no digest");
	a.stored = buf_slice(&text);
	if (scram_keys_parse(main.scram[SASL_SHA_256], SASL_SHA_256, &like))
		r = make_scram(slice_str(password), &like, &text, &a);
	if (r != 0)
		return r;
	buf_add(&j->out, buf_slice(&j->file.text));
	if (j->out.n > 0 && j->out.p[j->out.n - 1] != '\n')
		buf_add_byte(&j->out, '\n');
	account_write(&j->out, &a);
	r = finish(j);
	if (r == 0)
		printf("%s\n", password);
	explicit_bzero(password, sizeof(password));
	buf_clear(&text);
	return r;
}

static int
app_list(struct job *j, int argc, char *argv[])
{
	struct account main;
	int r = begin(j, argv[0], false);

	(void)argc;
	if (r != 0)
		return r;
	return find_main(j, &main) ? print_all(j, true) : no_such_user(j);
}

static int
app_revoke(struct job *j, int argc, char *argv[])
{
	int r = begin(j, argv[0], true);

	(void)argc;
	if (r != 0)
		return r;
	if (argv[1][0] != '\0' && drop_lines(j, argv[1]) > 0)
		return finish_and_log_out(j);
	text_file_close(&j->file);
	return tool_fail(NOT_FOUND, "%s has no app password \"%s\"; `chasqui "
	    "user app-password list %s` shows them", j->login, argv[1],
	    j->login);
}
