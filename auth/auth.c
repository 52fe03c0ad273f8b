/* SPDX-License-Identifier: ISC */
/*
 * auth - logins: speaks SASL with the clients of smtpd, imapd and pop3d, asks a
 * verifier for the password and lookup for the mailbox, and answers with a
 * grant that master believes.
 *
 * It holds no passwords and opens no file; what it knows of a password is what
 * a client has just said.  The tables are in another process of the program,
 * the verifier.
 *
 *	dialogue.c	one login, from AU_START to its end
 *	limits.c	who fails too often, and how long he waits
 *	pool.c		which verifier is asked
 *	sessions.c	how many sessions each login has
 *	verifier.c	whether a password is the right one
 *	cache.c		those that were right a moment ago
 *	sources.c	where accounts come from, in their order
 *	accounts.c	password files; system.c: this machine's; pam.c
 *	rows.c		data bases: sqlite.c, postgresql.c
 *	providers.c	whose tokens are believed (OAuth)
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "auth.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/backends.h"
#include "sasl/prep.h"
#include "verifier.h"

static int	 auth_main(int argc, char *argv[]);
static void	 acquire(struct auth *);
static void	 configure(struct auth *, const struct conf *);
static void	 take_secret(void *, const char *, int);
static void	 need_secret(struct auth *);
static int	 reload(void *, const struct conf *, struct buf *);
static void	 tell_status(void *, struct buf *);
static void	 tell_login(void *, struct message *);

static void	 channel_up(void *, struct channel *);
static void	 say_mechanisms(struct auth *, const struct conf *,
		    struct channel *);
static void	 put_mechanisms(const struct auth *, const struct conf *,
		    bool tls, struct buf *);
static void	 client_says(void *, struct channel *, struct message *);
static void	 client_is_down(void *, struct channel *);
static void	 logout(struct auth *, struct client *, struct message *);
static void	 verifier_says(void *, struct channel *, struct message *);
static void	 verifier_is_down(void *, struct channel *);
static void	 lookup_says(void *, struct channel *, struct message *);
static void	 lookup_is_down(void *, struct channel *);

static const struct message_rule client_rules[] = RULES_OF(AUTH_CLIENT);
static const struct message_rule verifier_rules[] = RULES_OF(AUTH_VERIFIER);
static const struct message_rule lookup_rules[] = RULES_OF(AUTH_LOOKUP);
static const struct channel_ops client_ops = { client_says, client_is_down,
	NULL };
static const struct channel_ops verifier_ops = { verifier_says,
	verifier_is_down, NULL };
static const struct channel_ops lookup_ops = { lookup_says, lookup_is_down,
	NULL };

static const struct child_edge edges[] = {
	{ ROLE_SMTPD, client_rules, &client_ops },
	{ ROLE_IMAP_LOGIN, client_rules, &client_ops },
	{ ROLE_POP3_LOGIN, client_rules, &client_ops },
	{ ROLE_VERIFIER, verifier_rules, &verifier_ops },
	{ ROLE_LOOKUP, lookup_rules, &lookup_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec spec = {
	.role = ROLE_AUTH,
	.edges = edges,
	.channel_up = channel_up,
	.shared = take_secret,
	.reload = reload,
	.status = tell_status,
	.control = tell_login,
};

int
main(int argc, char *argv[])
{
	/* The library's own configuration file names modules to load. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_VERIFIER)) == 0)
		return verifier_main(argc, argv);
	return auth_main(argc, argv);
}

static int
auth_main(int argc, char *argv[])
{
	static struct auth a;

	child_init(&a.child, &spec, &a, argc, argv);
	acquire(&a);
	child_enter(&a.child);
	return child_run(&a.child);
}

static void
acquire(struct auth *a)
{
	struct grant none = { .login = SLICE_LIT("x"), .user = SLICE_EMPTY,
		.directory = SLICE_EMPTY, .maildir = SLICE_EMPTY };
	struct buf sealed = BUF_INIT(GRANT_BYTES);
	size_t i;

	a->limits = limits_new();
	a->sessions = sessions_new();
	TAILQ_INIT(&a->clients);
	RB_INIT(&a->by_client);
	TAILQ_INIT(&a->held);
	for (i = 0; i < DIALOGUES_MAX; i++)
		a->free_slots[a->nfree++] = i;
	configure(a, a->child.conf);
	/* The library finds its algorithms while files can be opened. */
	if (grant_seal(&sealed, &none, a->secret) == -1)
		log_fatal("event=no-hmac");
	buf_clear(&sealed);
}

static bool
needs_keys(enum sasl_mechanism m)
{
	return slice_starts(slice_str(sasl_mechanism_name(m)),
	    SLICE_LIT("SCRAM-"));
}

static void
configure(struct auth *a, const struct conf *c)
{
	const struct limits_policy policy = {
		.window_ms = c->auth_window,
		.delay_ms = c->auth_fail_delay,
		.delay_max_ms = c->auth_fail_delay_max,
		.max_client = c->auth_max_failures_client,
		.max_network = c->auth_max_failures_network,
		.max_user = c->auth_max_failures_user,
	};
	enum sasl_mechanism m;
	size_t i;

	limits_configure(a->limits, &policy);
	memset(a->offered, 0, sizeof(a->offered));
	for (i = 0; i < c->auth_mechanisms.n; i++) {
		m = sasl_mechanism_find(slice_str(c->auth_mechanisms.v[i]));
		a->offered[m] = m != SASL_NONE && (c->noauths > 0 ||
		    (sasl_mechanism_flags(m) & SASL_TOKEN) == 0) &&
		    (!backends_have_no_keys(c) || !needs_keys(m));
	}
}

/* Of master: sealed memory with what grants are signed by. */
static void
take_secret(void *arg, const char *name, int fd)
{
	struct auth *a = arg;

	if (strcmp(name, "grant") != 0)
		log_fatal("event=unknown-shared-memory name=%s",
		    LOG_Q(slice_str(name)));
	if (pread(fd, a->secret, sizeof(a->secret), 0) !=
	    (ssize_t)sizeof(a->secret))
		log_fatal("event=no-grant-secret why=\"%s\"",
		    strerror(errno));
	a->has_secret = true;
	close(fd);
}

/* Grants that nobody else can check: logins fail, and say why. */
static void
need_secret(struct auth *a)
{
	if (a->has_secret)
		return;
	arc4random_buf(a->secret, sizeof(a->secret));
	a->has_secret = true;
	log_warn("event=no-grant-secret advice=\"mailbox sessions cannot be "
	    "started\"");
}

static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct auth *a = arg;
	const struct client *c;

	(void)why;
	configure(a, conf);
	TAILQ_FOREACH(c, &a->clients, entry)
		say_mechanisms(a, conf, c->channel);
	return 0;
}

static void
tell_status(void *arg, struct buf *out)
{
	const struct auth *a = arg;

	buf_printf(out, "sessions=%llu dialogues=%zu asked=%zu",
	    (unsigned long long)sessions_total(a->sessions),
	    DIALOGUES_MAX - a->nfree, pool_asked(a));
}

/* CTL_LOGIN: what counts against it. */
static void
tell_login(void *arg, struct message *m)
{
	struct auth *a = arg;
	const struct conf *c = a->child.conf;
	struct slice name = get_slice(&m->body, SASL_LOGIN_BYTES);
	struct buf login = BUF_INIT(SASL_LOGIN_BYTES), *b;

	if (m->type != CTL_LOGIN || !wire_done(&m->body))
		log_fatal("event=bad-order type=%u", m->type);
	sasl_prep_login(name, &login);
	b = channel_begin(a->child.master, CTL_LOGIN_IS, m->id);
	if (b != NULL)
		buf_printf(b, "failures that count: %llu of %llu "
		    "(auth.max_failures_user)\nsessions: %llu of %llu "
		    "(auth.max_sessions)\n",
		    (unsigned long long)limits_of_user(a->limits,
		    buf_slice(&login), clock_mono_ms()),
		    (unsigned long long)c->auth_max_failures_user,
		    (unsigned long long)sessions_of(a->sessions,
		    buf_slice(&login)),
		    (unsigned long long)c->auth_max_sessions);
	channel_end(a->child.master);
	buf_clear(&login);
}

/* ---- peers --------------------------------------------------------------- */

static void
channel_up(void *arg, struct channel *ch)
{
	struct auth *a = arg;
	struct client *c;

	need_secret(a);
	if (channel_peer(ch) == ROLE_VERIFIER) {
		pool_up(a, ch);
		return;
	}
	if (channel_peer(ch) == ROLE_LOOKUP)
		return;
	c = mem_alloc(sizeof(*c));
	c->channel = ch;
	c->number = ++a->last_client;
	TAILQ_INIT(&c->dialogues);
	TAILQ_INSERT_TAIL(&a->clients, c, entry);
	channel_set_data(ch, c);
	say_mechanisms(a, a->child.conf, ch);
}

static void
say_mechanisms(struct auth *a, const struct conf *conf, struct channel *ch)
{
	struct buf tls = BUF_INIT(400), clear = BUF_INIT(400), *b;

	put_mechanisms(a, conf, true, &tls);
	put_mechanisms(a, conf, false, &clear);
	b = channel_begin(ch, AU_MECHANISMS, 0);
	if (b != NULL) {
		put_slice(b, buf_slice(&tls));
		put_slice(b, buf_slice(&clear));
	}
	channel_end(ch);
	buf_clear(&tls);
	buf_clear(&clear);
}

/* In the order of the configuration. */
static void
put_mechanisms(const struct auth *a, const struct conf *conf, bool tls,
    struct buf *to)
{
	const struct conf_list *list = &conf->auth_mechanisms;
	unsigned without = SASL_PLUS | SASL_CERTIFICATE, flags;
	enum sasl_mechanism m;
	size_t i;

	if (strcmp(conf->auth_plaintext, "any") != 0)
		without |= SASL_CLEARTEXT;
	for (i = 0; i < list->n; i++) {
		m = sasl_mechanism_find(slice_str(list->v[i]));
		flags = sasl_mechanism_flags(m);
		if (!a->offered[m] || (!tls && (flags & without) != 0))
			continue;
		buf_printf(to, "%s%s", to->n > 0 ? " " : "",
		    sasl_mechanism_name(m));
	}
}

static void
client_says(void *arg, struct channel *ch, struct message *m)
{
	struct auth *a = arg;
	struct client *c = channel_data(ch);

	switch (m->type) {
	case AU_START:
		dialogue_start(a, c, m);
		break;
	case AU_RESPONSE:
		dialogue_response(a, c, m->id, get_rest(&m->body));
		break;
	case AU_CANCEL:
		dialogue_cancel(a, c, m->id);
		break;
	case AU_LOGOUT:
		logout(a, c, m);
		break;
	default:
		channel_breach(ch, "not-a-client's");
		break;
	}
}

static void
logout(struct auth *a, struct client *c, struct message *m)
{
	struct slice login = get_slice(&m->body, LOGIN_BYTES);

	if (wire_done(&m->body))
		sessions_end(a->sessions, c->number, login);
	else
		channel_breach(c->channel, "logout");
}

static void
client_is_down(void *arg, struct channel *ch)
{
	struct auth *a = arg;
	struct client *c = channel_data(ch);

	dialogue_cancel_all(a, c);
	sessions_end_all(a->sessions, c->number);
	TAILQ_REMOVE(&a->clients, c, entry);
	free(c);
}

static void
verifier_says(void *arg, struct channel *ch, struct message *m)
{
	struct auth *a = arg;
	bool ok = true;

	if (m->type == AV_SALT)
		ok = dialogue_salt(a, m->id, &m->body);
	else if (m->type == AV_VERDICT)
		ok = dialogue_verdict(a, m->id, &m->body);
	else if (m->type != AV_CHANGED)
		ok = false;
	if (!ok)
		channel_breach(ch, "bad-field");
}

static void
verifier_is_down(void *arg, struct channel *ch)
{
	pool_down(arg, ch);
}

static void
lookup_says(void *arg, struct channel *ch, struct message *m)
{
	struct auth *a = arg;

	if (!dialogue_mailbox(a, m->id, &m->body))
		channel_breach(ch, "bad-field");
}

static void
lookup_is_down(void *arg, struct channel *ch)
{
	(void)ch;
	dialogue_lookup_lost(arg);
}
