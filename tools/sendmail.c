/* SPDX-License-Identifier: ISC */
/*
 * sendmail - how programs of this host hand in mail; see sendmail(8).
 *
 * It has no rights but its caller's: smtpd learns by the socket who that is,
 * qmgr by the owner of a file.
 */
#include <err.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "chasqui.h"
#include "mail/address.h"
#include "mail/esmtp.h"
#include "mail/header.h"
#include "queue_print.h"
#include "submission.h"

/* With its argument: "O:" takes one, "q::" may have one attached. */
#define OPTIONS	"+A:B:C:D:E::F:GIL:N:O:R:UV:X:b:cd::e:f:h:imno:p:q::r:stvx"

enum mode {
	MODE_MAIL, MODE_SESSION, MODE_LIST, MODE_ALIASES, MODE_RUN,
	MODE_VERIFY,
};

struct options {
	enum mode	 mode;
	const char	*dir;
	const char	*sender;	/* NULL: not given */
	const char	*full_name;	/* NULL: not given */
	const char	*run;		/* -q: what is behind it */
	bool		 from_header;	/* -t */
	bool		 dots_stay;	/* -i */
	bool		 verbose;
};

static int	take_option(struct options *, struct submission *, int,
		    const char *);
static int	take_mode(struct options *, const char *);
static int	take_notify(struct submission *, const char *);
static int	take_ret(struct submission *, const char *);
static int	take_envid(struct submission *, const char *);
static void	load_settings(struct tool *, const struct options *);
static struct conf *default_settings(void);
static const char *local_domain(const struct conf *);
static int	run_mail(struct tool *, const struct options *,
		    struct submission *, char *rcpts[]);
static int	identify(struct submission *, const struct options *);
static void	name_of(const struct passwd *, struct submission *);
static int	read_text(struct submission *, const struct options *);
static int	hand_in(struct tool *, const struct options *,
		    struct submission *);
static int	run_session(struct tool *);
static int	run_list(struct tool *);
static int	run_queue(struct tool *, const struct options *);
static int	run_verify(struct tool *, struct submission *, char *rcpts[]);
static char	*run_path(struct tool *, const char *name);

int
main(int argc, char *argv[])
{
	struct tool t = { 0 };
	struct options o = { 0 };
	struct submission s;
	int opt, status = EX_OK;

	tool_begin();
	signal(SIGPIPE, SIG_IGN);
	submission_init(&s, SIZE_MAX / 4);
	while ((opt = getopt(argc, argv, OPTIONS)) != -1 && status == EX_OK)
		status = take_option(&o, &s, opt, optarg);
	if (status != EX_OK)
		return status;
	tool_directory(&t, o.dir);
	load_settings(&t, &o);
	switch (o.mode) {
	case MODE_MAIL:
		status = run_mail(&t, &o, &s, argv + optind);
		break;
	case MODE_SESSION:
		status = run_session(&t);
		break;
	case MODE_LIST:
		status = run_list(&t);
		break;
	case MODE_ALIASES:
		status = newaliases(&t);
		break;
	case MODE_RUN:
		status = run_queue(&t, &o);
		break;
	case MODE_VERIFY:
		status = run_verify(&t, &s, argv + optind);
		break;
	}
	submission_clear(&s);
	return tool_finish(status);
}

/* ---- options ------------------------------------------------------------ */

static int
take_option(struct options *o, struct submission *s, int opt, const char *arg)
{
	switch (opt) {
	case 'C':
		o->dir = arg;
		return EX_OK;
	case 'F':
		o->full_name = arg;
		return EX_OK;
	case 'I':
		o->mode = MODE_ALIASES;
		return EX_OK;
	case 'N':
		return take_notify(s, arg);
	case 'R':
		return take_ret(s, arg);
	case 'V':
		return take_envid(s, arg);
	case 'b':
		return take_mode(o, arg);
	case 'f':
	case 'r':
		o->sender = arg;
		return EX_OK;
	case 'i':
		o->dots_stay = true;
		return EX_OK;
	case 'o':
		/* -oi; the others say how and when errors are told and mail is
		 * delivered, which we do in one way only. */
		if (strcmp(arg, "i") == 0)
			o->dots_stay = true;
		return EX_OK;
	case 'q':
		o->mode = MODE_RUN;
		o->run = arg;
		return EX_OK;
	case 't':
		o->from_header = true;
		return EX_OK;
	case 'v':
		o->verbose = true;
		return EX_OK;
	case '?':
		fprintf(stderr, "usage: sendmail [-itv] [-C directory] "
		    "[-F name] [-f sender] [-N notify] [-R return]\n"
		    "           [-V envid] [recipient ...]\n"
		    "       sendmail -bv recipient ...\n"
		    "       sendmail -bs | -bp | -bi | -q\n");
		return EX_USAGE;
	default:
		return EX_OK;	/* programs pass them; they change nothing */
	}
}

static int
take_mode(struct options *o, const char *arg)
{
	switch (arg[0]) {
	case 'm':
		o->mode = MODE_MAIL;
		return EX_OK;
	case 's':
		o->mode = MODE_SESSION;
		return EX_OK;
	case 'p':
		o->mode = MODE_LIST;
		return EX_OK;
	case 'i':
		o->mode = MODE_ALIASES;
		return EX_OK;
	case 'd':
	case 'D':
		return tool_fail(EX_USAGE, "-b%s: the mail system is started "
		    "by `chasqui start`", arg);
	case 'v':
		o->mode = MODE_VERIFY;
		return EX_OK;
	default:
		return tool_fail(EX_USAGE, "-b%s is not implemented", arg);
	}
}

/* The values are those of RCPT and MAIL, so their parsers read them. */
static int
take_notify(struct submission *s, const char *arg)
{
	struct buf b = BUF_INIT(1000);
	struct rcpt_params p = { 0 };
	struct esmtp_error e;
	bool ok;

	ok = buf_printf(&b, " NOTIFY=%s", arg) == 0 &&
	    rcpt_params_parse(buf_slice(&b), &s->arena, &p, &e) &&
	    p.has == RCPT_HAS_NOTIFY;
	s->notify = p.notify;
	buf_clear(&b);
	return ok ? EX_OK : tool_fail(EX_USAGE, "-N %s: never, or some of "
	    "success,failure,delay", arg);
}

static int
take_ret(struct submission *s, const char *arg)
{
	if (strcasecmp(arg, "full") == 0)
		s->ret = RET_FULL;
	else if (strcasecmp(arg, "hdrs") == 0)
		s->ret = RET_HDRS;
	else
		return tool_fail(EX_USAGE, "-R %s: full or hdrs", arg);
	return EX_OK;
}

/* The identifier itself; its encoding is SMTP's. */
static int
take_envid(struct submission *s, const char *arg)
{
	size_t i;

	s->envid = slice_str(arg);
	for (i = 0; i < s->envid.n; i++)
		if (arg[i] < ' ' || arg[i] > '~')
			break;
	if (i < s->envid.n || i == 0 || i > ENVID_BYTES)
		return tool_fail(EX_USAGE, "-V: at most %d printable "
		    "characters", ENVID_BYTES);
	return EX_OK;
}

/* ---- settings ----------------------------------------------------------- */

/*
 * A configuration that somebody is just editing must not lose the mail of
 * programs: where the default one cannot be used, its default paths can.
 */
static void
load_settings(struct tool *t, const struct options *o)
{
	struct buf why = BUF_INIT(64 * 1024);

	if (o->mode == MODE_LIST || o->mode == MODE_RUN ||
	    o->mode == MODE_SESSION || o->mode == MODE_VERIFY) {
		tool_conf_to_ask(t);
		return;
	}
	if (o->mode != MODE_MAIL || !t->dir_is_default) {
		tool_conf(t);
		return;
	}
	t->conf = conf_load(tool_conf_path(t), &why);
	if (t->conf == NULL) {
		fprintf(stderr, "%s", buf_cstr(&why));
		t->conf = default_settings();
		tool_fail(EX_CONFIG, "%s cannot be used; trying the default "
		    "paths", tool_conf_path(t));
	}
	buf_clear(&why);
}

static struct conf *
default_settings(void)
{
	struct buf text = BUF_INIT(1000), why = BUF_INIT(1000);
	char host[256] = "localhost";
	struct conf *c;

	if (gethostname(host, sizeof(host) - 1) == -1 ||
	    !domain_is_valid(slice_str(host), 0))
		snprintf(host, sizeof(host), "localhost");
	buf_printf(&text, "hostname = %s\n", host);
	c = conf_parse(buf_slice(&text), "", &why);
	if (c == NULL)
		exit(tool_fail(EX_CONFIG, "%s", buf_cstr(&why)));
	buf_clear(&text);
	buf_clear(&why);
	return c;
}

/* That of this host's users, as lookup has it. */
static const char *
local_domain(const struct conf *c)
{
	size_t i;

	for (i = 0; i < c->ndomains; i++)
		if (strcmp(c->domains[i].type, "system") == 0)
			return c->domains[i].name;
	return c->hostname;
}

static char *
run_path(struct tool *t, const char *name)
{
	struct buf b = BUF_INIT(8192);
	char *path;

	buf_printf(&b, "%s/%s", tool_conf(t)->path_run, name);
	path = mem_slicedup(buf_slice(&b));
	buf_clear(&b);
	return path;
}

/* ---- mail --------------------------------------------------------------- */

static int
run_mail(struct tool *t, const struct options *o, struct submission *s,
    char *rcpts[])
{
	const struct conf *c = tool_conf(t);
	struct slice bad;
	int status;

	s->hostname = c->hostname;
	s->domain = local_domain(c);
	s->text.max = c->smtp_max_message;
	s->line_max = c->smtp_max_line;
	if ((status = identify(s, o)) != EX_OK)
		return status;
	for (; *rcpts != NULL; rcpts++)
		if (submission_add_rcpt(s, slice_str(*rcpts), &bad) == -1)
			return tool_fail(EX_DATAERR, "%.*s: not an address",
			    SLICE_ARG(bad));
	if (s->nrcpts == 0 && !o->from_header)
		return tool_fail(EX_USAGE, "no recipients; name them, or let "
		    "-t take them from the header");
	if ((status = read_text(s, o)) != EX_OK)
		return status;
	if (submission_finish(s, o->from_header, &bad) == -1)
		return bad.n > 0 ? tool_fail(EX_DATAERR,
		    "%.*s: not an address", SLICE_ARG(bad)) :
		    tool_fail(EX_DATAERR, "the message is larger than "
		    "smtp.max_message");
	if (s->nrcpts == 0)
		return tool_fail(EX_USAGE, "no recipients in To, Cc or Bcc");
	return hand_in(t, o, s);
}

/* The caller, unless options say otherwise. */
static int
identify(struct submission *s, const struct options *o)
{
	struct passwd *pw = getpwuid(getuid());
	char number[32];

	s->uid = getuid();
	snprintf(number, sizeof(number), "uid%u", (unsigned)s->uid);
	if (submission_set_sender(s, slice_str(pw != NULL ? pw->pw_name :
	    number)) == -1)
		submission_set_sender(s, slice_str(number));
	if (pw != NULL)
		name_of(pw, s);
	if (o->full_name != NULL)
		s->from_name = o->full_name;
	if (o->sender != NULL &&
	    submission_set_sender(s, slice_str(o->sender)) == -1)
		return tool_fail(EX_DATAERR, "%s: not an address", o->sender);
	return EX_OK;
}

/* The first part of the passwd field, where '&' is the login name. */
static void
name_of(const struct passwd *pw, struct submission *s)
{
	struct slice gecos = slice_str(pw->pw_gecos), copy;
	struct buf b = BUF_INIT(1000);
	size_t i;

	gecos = slice_trim(slice_first(gecos, slice_find(gecos, ',')));
	for (i = 0; i < gecos.n; i++) {
		if (gecos.p[i] != '&') {
			buf_add_byte(&b, gecos.p[i]);
			continue;
		}
		buf_add_str(&b, pw->pw_name);
		if (pw->pw_name[0] >= 'a' && pw->pw_name[0] <= 'z')
			b.p[b.n - strlen(pw->pw_name)] =
			    (char)(pw->pw_name[0] - 'a' + 'A');
	}
	if (arena_copy(&s->arena, buf_slice(&b), &copy) == 0)
		s->from_name = copy.p;
	buf_clear(&b);
}

static int
read_text(struct submission *s, const struct options *o)
{
	struct text_reader r = { .dot_ends = !o->dots_stay };
	char part[65536];
	ssize_t n;

	while (!r.done) {
		n = read(STDIN_FILENO, part, sizeof(part));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return tool_fail(EX_IOERR, "standard input: %s",
			    strerror(errno));
		if (n == 0)
			break;
		if (text_read(&r, slice_of(part, (size_t)n), &s->text) == -1)
			goto full;
	}
	if (text_end(&r, &s->text) == 0)
		return EX_OK;
full:
	return tool_fail(EX_DATAERR, "the message is larger than "
	    "smtp.max_message");
}

static int
hand_in(struct tool *t, const struct options *o, struct submission *s)
{
	char *socket = run_path(t, SOCKET_SUBMIT);
	int status = submit(s, socket, o->verbose);

	if (status == -1) {
		status = drop(s, tool_conf(t)->path_queue);
		if (status == EX_OK && o->verbose)
			fprintf(stderr, "the mail system is stopped; the "
			    "message waits for its start\n");
	}
	free(socket);
	return status;
}

/* ---- the other modes ---------------------------------------------------- */

static int
run_session(struct tool *t)
{
	char *socket = run_path(t, SOCKET_SUBMIT);
	int status = submit_session(socket);

	free(socket);
	if (status != -1)
		return status;
	printf("421 4.3.2 The mail system is not running\r\n");
	return tool_fail(EX_UNAVAILABLE, "the mail system is not running; "
	    "`chasqui start` starts it");
}

static int
run_list(struct tool *t)
{
	struct queue_print p = { .form = QUEUE_FORM_MAILQ };
	const struct queue_filter all = { 0 };
	struct channel *c = tool_connect(t, SOCKET_QUEUE);
	int status = queue_print(&p, c, &all);

	channel_free(&c);
	return status;
}

/* -q: all; -qIid, -qRrecipient, -qSsender. */
static int
run_queue(struct tool *t, const struct options *o)
{
	struct queue_term term = { 0 };
	struct queue_filter f = { .terms = &term };
	const char *run = o->run == NULL ? "" : o->run;
	struct channel *c;
	struct buf *b;
	uint64_t id;
	int status;

	if (run[0] == 'I' && queue_id_parse(slice_str(run + 1), &id)) {
		f.ids = &id;
		f.nids = 1;
	} else if (run[0] == 'R' && run[1] != '\0')
		term = (struct queue_term){ .kind = TERM_RECIPIENT,
			.text = slice_str(run + 1) };
	else if (run[0] == 'S' && run[1] != '\0')
		term = (struct queue_term){ .kind = TERM_SENDER,
			.text = slice_str(run + 1) };
	else if (run[0] != '\0')
		return tool_fail(EX_USAGE, "-q%s: only -q, -qIid, "
		    "-qRrecipient and -qSsender; `chasqui start` runs the "
		    "queue", run);
	f.nterms = term.kind != 0;
	c = tool_connect(t, SOCKET_QUEUE);
	b = channel_begin(c, TL_QUEUE_CHANGE, 1);
	if (b != NULL) {
		put_u8(b, QUEUE_RETRY);
		put_u8(b, QUEUE_DO);
		put_slice(b, SLICE_EMPTY);
		queue_filter_pack(b, &f);
	}
	channel_end(c);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	return status;
}

/* -bv: what would become of recipients, as `chasqui explain` has it. */
static int
run_verify(struct tool *t, struct submission *s, char *rcpts[])
{
	struct channel *c;
	struct slice bad;
	struct buf *b;
	size_t i;
	int r, status = EX_OK;

	s->domain = local_domain(tool_conf(t));
	for (; *rcpts != NULL; rcpts++)
		if (submission_add_rcpt(s, slice_str(*rcpts), &bad) == -1)
			return tool_fail(EX_DATAERR, "%.*s: not an address",
			    SLICE_ARG(bad));
	if (s->nrcpts == 0)
		return tool_fail(EX_USAGE, "-bv: which recipients?");
	c = tool_connect(t, SOCKET_LOOKUP);
	for (i = 0; i < s->nrcpts; i++) {
		b = channel_begin(c, TL_EXPLAIN, i + 1);
		if (b != NULL) {
			put_slice(b, s->rcpts[i]);
			put_u8(b, 0);
		}
		channel_end(c);
		if (i > 0)
			putchar('\n');
		r = tool_answer(c, NULL, NULL);
		if (r != EX_OK)
			status = r;
	}
	channel_free(&c);
	return status;
}
