/* SPDX-License-Identifier: ISC */
/*
 * login_test - connections over socket pairs: the client, auth, master and the
 * session are the test's own, in the same loop.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/stream_layer.h"
#include "ev/test_keys.h"
#include "ev/tickets.h"
#include "login/login.h"

#define SEEN_BYTES	(8 * 1024 * 1024)

/* ---- a protocol of one word a line --------------------------------------- */

static void
say_hello(struct conn *c)
{
	conn_say(c, SLICE_LIT("hello\n"));
}

static bool
take_line(struct conn *c)
{
	struct slice in = conn_input(c), line;
	size_t n = slice_find(in, '\n');

	if (n == in.n)
		return false;
	line = slice_first(in, n);
	if (c->state == CONN_RESPONSE) {
		char copy[100];

		memcpy(copy, line.p, n);
		conn_consume(c, n + 1);
		conn_respond(c, slice_of(copy, n));
		return true;
	}
	if (slice_starts(line, SLICE_LIT("auth "))) {
		size_t m = slice_find(slice_from(line, 5), ' ');
		char *copy = mem_slicedup(line);

		conn_consume(c, n + 1);
		conn_authenticate(c, slice_of(copy + 5, m),
		    slice_of(copy + 5 + m +
		    (5 + m < n), n - 5 - m - (5 + m < n)), SLICE_EMPTY);
		free(copy);
		return true;
	}
	if (slice_eq(line, SLICE_LIT("login"))) {
		conn_consume(c, n + 1);
		conn_login(c, SLICE_LIT("alice"), SLICE_LIT("secret"),
		    SLICE_EMPTY);
		return true;
	}
	conn_consume(c, n + 1);
	conn_say(c, SLICE_LIT("bad\n"));
	conn_error(c);
	return true;
}

static void
say_failed(struct conn *c, enum auth_failure why, struct slice text)
{
	(void)text;
	conn_printf(c, "failed %d\n", (int)why);
}

static void
say_refused(struct conn *c, enum session_refusal why)
{
	conn_printf(c, "refused %d\n", (int)why);
}

static void
say_bye(struct conn *c, enum login_end end, bool in_session)
{
	(void)in_session;
	conn_printf(c, "bye %d\n", (int)end);
}

static void
say_not_sasl(struct conn *c, const char *text)
{
	conn_printf(c, "not SASL: %s\n", text);
}

static struct slice
tag(const struct conn *c)
{
	(void)c;
	return SLICE_LIT("tag");
}

static const struct login_protocol protocol = {
	.role = ROLE_IMAP_LOGIN, .session = ROLE_IMAP_SESSION,
	.auth = AUTH_IMAP, .listener = LISTENER_IMAP, .front_bytes = 1,
	.greet = say_hello, .take = take_line, .secured = say_hello,
	.not_sasl = say_not_sasl, .failed = say_failed,
	.refused = say_refused, .bye = say_bye, .tag = tag,
};

/* ---- auth and master ----------------------------------------------------- */

static const struct message_rule master_rules[] = RULES_OF(MASTER_CHILD);
static const struct message_rule seat_rules[] = RULES_OF(SEAT);

static struct login l;
static struct channel *auth, *master;
static uint64_t auth_id;		/* of the last that was asked for */
static struct {
	uint64_t	 id;
	uint64_t	 session;
	unsigned	 times;
	int		 fds[2];	/* channel, bytes; -1 */
	uint64_t	 ended;		/* the last that nobody wants */
	bool		 is_free;	/* its process is */
	unsigned	 ends;
} wanted;

/* What auth was told last, after the mechanism's name of AU_START. */
static struct buf auth_told = BUF_INIT(SASL_BYTES + 100);

static void
auth_is_asked(void *arg, struct channel *c, struct message *m)
{
	int i;

	(void)arg;
	(void)c;
	buf_reset(&auth_told);
	if (m->type == AU_CANCEL)
		buf_add_str(&auth_told, "cancel");
	if (m->type == AU_START) {
		auth_id = m->id;
		get_u8(&m->body);
		buf_add_str(&auth_told, get_u8(&m->body) & AUTH_INITIAL ?
		    "initial " : "none ");
		for (i = 0; i < 4; i++)		/* both addresses */
			get_u64(&m->body);
		for (i = 0; i < 5; i++)
			get_slice(&m->body, 512);
	}
	if (m->type == AU_START || m->type == AU_RESPONSE)
		buf_add(&auth_told, m->type == AU_START ?
		    get_slice(&m->body, SASL_BYTES) : get_rest(&m->body));
}

static void
drop_fds(void)
{
	int i;

	for (i = 0; i < 2; i++)
		if (wanted.fds[i] != -1) {
			close(wanted.fds[i]);
			wanted.fds[i] = -1;
		}
}

static void
master_is_asked(void *arg, struct channel *c, struct message *m)
{
	(void)arg;
	(void)c;
	if (m->type == CTL_SESSION_END) {
		wanted.ended = get_u64(&m->body);
		wanted.is_free = get_u8(&m->body);
		wanted.ends++;
	}
	if (m->type != CTL_SESSION_WANTED)
		return;
	drop_fds();
	wanted.id = m->id;
	wanted.session = get_u64(&m->body);
	wanted.times++;
	memcpy(wanted.fds, m->fds, sizeof(wanted.fds));
	m->fds[0] = m->fds[1] = -1;
}

static void
master_says(void *arg, struct channel *c, struct message *m)
{
	(void)c;
	session_control(arg, m);
}

static void
is_down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

static const struct channel_ops fake_auth = { auth_is_asked, is_down, NULL },
	fake_master = { master_is_asked, is_down, NULL },
	to_master = { master_says, is_down, NULL };

static void
turn(void)
{
	int i;

	for (i = 0; i < 40; i++)
		ev_turn(&l.child.loop, 0);
}

/* Until a timer has ended all connections. */
static void
turn_to_the_end(void)
{
	int i;

	for (i = 0; i < 1000 && l.nconns > 0; i++) {
		usleep(1000);
		turn();
	}
	turn();
}

static void
auth_says_yes(void)
{
	struct buf *b = channel_begin(auth, AU_OK, auth_id);

	put_slice(b, SLICE_LIT("alice"));
	put_slice(b, SLICE_LIT("grant"));
	channel_end(auth);
	turn();
}

static void
auth_says_no(void)
{
	struct buf *b = channel_begin(auth, AU_FAIL, auth_id);

	put_u8(b, AUTH_BAD);
	put_slice(b, SLICE_EMPTY);
	channel_end(auth);
	turn();
}

static void
auth_asks(const char *challenge)
{
	channel_send(auth, AU_CHALLENGE, auth_id, slice_str(challenge));
	turn();
}

static void
master_refuses(enum session_refusal why)
{
	struct buf *b = channel_begin(master, CTL_SESSION_REFUSED, wanted.id);

	put_u8(b, (uint8_t)why);
	put_slice(b, SLICE_EMPTY);
	channel_end(master);
	drop_fds();
	turn();
}

/* ---- the session --------------------------------------------------------- */

static struct {
	struct channel	*channel;
	int		 fd;		/* the client's bytes; -1 */
	unsigned	 begun;
	struct buf	 tag, unread, state;
	unsigned	 byes;
} session = { .fd = -1 };

static void
session_is_told(void *arg, struct channel *c, struct message *m)
{
	(void)arg;
	(void)c;
	session.byes += m->type == SE_BYE;
	if (m->type != SE_BEGIN)
		return;
	session.begun++;
	buf_reset(&session.tag);
	buf_reset(&session.unread);
	buf_reset(&session.state);
	get_u8(&m->body);
	buf_add(&session.tag, get_slice(&m->body, SESSION_TAG_BYTES));
	get_slice(&m->body, 64);
	buf_add(&session.unread, get_slice(&m->body, SESSION_UNREAD_BYTES));
	buf_add(&session.state, get_slice(&m->body, SESSION_STATE_BYTES));
	assert_true(wire_done(&m->body));
}

static void
session_is_let_go(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
	session.channel = NULL;
}

static const struct channel_ops fake_session = { session_is_told,
	session_is_let_go, NULL };

static void
session_starts(void)
{
	struct buf *b = channel_begin(master, CTL_SESSION, wanted.id);

	put_u64(b, 7);
	put_slice(b, SLICE_LIT("alice"));
	put_slice(b, SLICE_LIT("/mail/alice"));
	channel_end(master);
	session.channel = channel_new(&l.child.loop, wanted.fds[0], seat_rules,
	    ROLE_IMAP_SESSION, ROLE_IMAP_LOGIN, 0, &fake_session, NULL);
	session.fd = wanted.fds[1];
	fcntl(session.fd, F_SETFL, O_NONBLOCK);
	wanted.fds[0] = wanted.fds[1] = -1;
	turn();
}

/* As a process that is gone. */
static void
session_dies(void)
{
	channel_free(&session.channel);
	if (session.fd != -1)
		close(session.fd);
	session.fd = -1;
	turn();
}

/* As a spawn that cannot fork. */
static void
session_has_no_process(void)
{
	channel_send(session.channel, SE_NONE, 0, SLICE_EMPTY);
	channel_flush(session.channel);
	session_dies();
}

static void
session_says_something(void)
{
	struct buf *b = channel_begin(session.channel, SE_WATCH, 0);

	put_u16(b, 1);
	put_slice(b, SLICE_LIT("INBOX"));
	channel_end(session.channel);
	turn();
}

static void
session_parks(void)
{
	struct buf *b = channel_begin(session.channel, SE_PARK, 0);
	int fd = dup(session.fd);

	put_u32(b, 0);
	put_slice(b, SLICE_LIT("state"));
	channel_end_fds(session.channel, &fd, 1);
	channel_flush(session.channel);
	session_dies();
}

static void
session_ends(const char *why)
{
	struct buf *b = channel_begin(session.channel, SE_OVER, 0);

	put_slice(b, slice_str(why));
	channel_end(session.channel);
	channel_flush(session.channel);
	session_dies();
}

/* As a process that waits for the next client. */
static void
session_is_free(bool over)
{
	struct buf *b;

	if (over) {
		b = channel_begin(session.channel, SE_OVER, 0);
		put_slice(b, SLICE_LIT("logout"));
		channel_end(session.channel);
	}
	channel_send(session.channel, SE_FREE, 0, SLICE_EMPTY);
	channel_flush(session.channel);
	session_dies();
}

/* What the session's descriptor has; "EOF" at the end. */
static void
session_reads(struct buf *to)
{
	char *room;
	ssize_t n = -1;

	while ((room = buf_reserve(to, 65536)) != NULL &&
	    (n = recv(session.fd, room, 65536, 0)) > 0)
		to->n += (size_t)n;
	if (n == 0)
		buf_add(to, SLICE_LIT("EOF"));
}

/* ---- the client ---------------------------------------------------------- */

static struct test_key key;
static struct tls_context *server_tls, *client_tls;
static struct ticket_memory tickets;
static struct {
	struct stream	 stream;
	bool		 blind;		/* does not read */
	struct buf	 got;
	unsigned	 ends;
} client;

static int
sign(void *arg, uint32_t which, unsigned scheme, struct slice input,
    struct buf *out)
{
	(void)arg;
	(void)which;
	return test_key_sign(&key, scheme, input, out);
}

static void
client_reads(void *arg)
{
	struct slice in = stream_input(&client.stream);

	(void)arg;
	if (client.blind) {
		stream_pause(&client.stream);
		return;
	}
	buf_add(&client.got, in);
	stream_consume(&client.stream, in.n);
}

static void
client_ended(void *arg, enum stream_end how)
{
	(void)arg;
	(void)how;
	client.ends++;
	stream_close(&client.stream);
}

static const struct stream_ops client_ops = { .input = client_reads,
	.ended = client_ended };

static const struct peer from_outside = { .family = AF_INET,
	.text = "192.0.2.1",
	.addr = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 1 } };

static struct conn *
client_connects(bool tls, bool local)
{
	static const struct tls_demand demand;
	struct peer who = from_outside;
	struct conn *c;
	int s[2];

	stream_close(&client.stream);
	buf_reset(&client.got);
	client.ends = 0;
	client.blind = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	stream_open(&client.stream, &l.child.loop, s[0], SEEN_BYTES,
	    &client_ops, NULL);
	if (local)
		memcpy(who.ours, who.addr, sizeof(who.ours));
	conn_new(&l, s[1], &who, "test");
	c = TAILQ_LAST(&l.conns, conn_list);
	turn();
	if (tls) {
		conn_enter(c, CONN_SECURING);
		stream_tls_accept(&c->client, server_tls);
		stream_tls_connect(&client.stream, client_tls, &demand);
		turn();
		assert_true(conn_is_tls(c));
	}
	return c;
}

static void
client_says(const char *text)
{
	stream_write(&client.stream, slice_str(text));
	turn();
}

static void
client_sends(size_t n)
{
	char piece[1000];
	size_t i, k;

	for (; n > 0; n -= k) {
		k = n < sizeof(piece) ? n : sizeof(piece);
		for (i = 0; i < k; i++)
			piece[i] = (char)('a' + (n - i) % 23);
		stream_write(&client.stream, slice_of(piece, k));
	}
	turn();
}

static bool
is_as_sent(struct slice s, size_t n)
{
	size_t i;

	for (i = 0; i < s.n && s.p[i] == (char)('a' + (n - i) % 23);)
		i++;
	return i == n && s.n == n;
}

#define GOT(text)							\
	assert_true(slice_eq(buf_slice(&client.got), SLICE_LIT(text)))

static struct conn *
logged_in(bool tls)
{
	struct conn *c = client_connects(tls, true);

	buf_reset(&client.got);
	client_says("login\n");
	auth_says_yes();
	session_starts();
	assert_int_equal(c->state, CONN_SESSION);
	return c;
}

static int
make_all(void **state)
{
	const char *names[] = { "mx.example" };
	struct tls_self self = { TLS_SELF_P256, names, 1, NULL, 30 };
	struct tls_certificate list;
	struct tls_server_config server = { .certificates = &list,
		.ncertificates = 1, .ticket_keys = (const void *)&tickets,
		.ticket_bytes = sizeof(tickets), .ticket_life_ms = 60000,
		.name = "test", .sign = sign };
	struct tls_client_config config = { SLICE_EMPTY };
	struct buf why = BUF_INIT(1000);

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	tls_init();
	test_key_make(&key, &self);
	list = (struct tls_certificate){ buf_slice(&key.chain), 0 };
	tickets_init(&tickets);
	server_tls = tls_server_new(&server, &why);
	client_tls = tls_client_new(&config, &why);
	assert_non_null(server_tls);
	assert_non_null(client_tls);
	buf_clear(&why);
	return 0;
}

static int
clear_all(void **state)
{
	(void)state;
	tls_context_release(&server_tls);
	tls_context_release(&client_tls);
	test_key_clear(&key);
	return 0;
}

static struct channel *
pair(struct channel **fake_r, const struct message_rule *rules,
    enum role peer, const struct channel_ops *ops,
    const struct channel_ops *fake)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	*fake_r = channel_new(&l.child.loop, s[1], rules, peer,
	    ROLE_IMAP_LOGIN, 0, fake, NULL);
	return channel_new(&l.child.loop, s[0], rules, ROLE_IMAP_LOGIN, peer,
	    0, ops, &l);
}

static int
set_up(void **state)
{
	struct buf why = BUF_INIT(4096);

	(void)state;
	login_init(&l, &protocol);
	ev_loop_init(&l.child.loop);
	l.child.conf = conf_parse(SLICE_LIT(""), "test", &why);
	assert_non_null(l.child.conf);
	certificates_init(&l.certificates, &l.child);
	l.idle_ms = 60000;
	l.child.peers[0] = pair(&auth, auth_rules, ROLE_AUTH, &auth_ops,
	    &fake_auth);
	l.child.npeers = 1;
	l.child.master = pair(&master, master_rules, ROLE_MASTER, &to_master,
	    &fake_master);
	memset(&wanted, 0, sizeof(wanted));
	wanted.fds[0] = wanted.fds[1] = -1;
	memset(&session, 0, sizeof(session));
	session.fd = -1;
	buf_init(&session.tag, 1000);
	buf_init(&session.unread, SESSION_UNREAD_BYTES);
	buf_init(&session.state, SESSION_STATE_BYTES);
	memset(&client, 0, sizeof(client));
	buf_init(&client.got, SEEN_BYTES);
	buf_clear(&why);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	drop_fds();
	session_dies();
	stream_close(&client.stream);
	login_clear(&l);
	certificates_clear(&l.certificates);
	channel_free(&l.child.peers[0]);
	channel_free(&l.child.master);
	channel_free(&auth);
	channel_free(&master);
	conf_free(&l.child.conf);
	ev_loop_clear(&l.child.loop);
	buf_clear(&session.tag);
	buf_clear(&session.unread);
	buf_clear(&session.state);
	buf_clear(&client.got);
	return 0;
}

/* ---- before the login ---------------------------------------------------- */

/* A client of its own, beside `client`. */
static int
another(bool local)
{
	struct peer who = from_outside;
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    s), 0);
	if (local)
		memcpy(who.ours, who.addr, sizeof(who.ours));
	conn_new(&l, s[1], &who, "test");
	turn();
	return s[0];
}

/* All that it was told, and then EOF or not. */
static void
assert_told(int fd, const char *text, bool eof)
{
	char got[1000];
	size_t n = strlen(text);

	assert_int_equal(recv(fd, got, sizeof(got), 0), n);
	assert_memory_equal(got, text, n);
	assert_int_equal(recv(fd, got, sizeof(got), 0), eof ? 0 : -1);
	close(fd);
	turn();
}

static void
too_many_are_turned_away(void **state)
{
	struct conn *c = client_connects(false, false);

	(void)state;
	GOT("hello\n");
	l.client_connections = 1;
	assert_told(another(false), "bye 3\n", true);
	assert_told(another(true), "hello\n", false);
	l.client_connections = 100;
	l.max_connections = 1;
	assert_told(another(true), "bye 2\n", true);
	l.max_connections = 2;
	assert_told(another(true), "hello\n", false);
	assert_int_equal(c->state, CONN_TALK);
	assert_int_equal(l.nconns, 1);
}

static void
too_much_before_the_login_ends_it(void **state)
{
	int i;

	(void)state;
	client_connects(false, true);
	client_sends(LOGIN_INPUT_BYTES + 1000);
	GOT("hello\nbye 5\n");
	assert_int_equal(l.nconns, 0);
	client_connects(false, true);
	for (i = 0; i < LOGIN_ERRORS; i++)
		client_says("what\n");
	assert_int_equal(l.nconns, 0);
	assert_true(slice_ends_nocase(buf_slice(&client.got),
	    SLICE_LIT("bad\nbye 4\n")));
	client_connects(false, true);
	for (i = 0; i < LOGIN_FAILURES; i++) {
		client_says("login\n");
		auth_says_no();
	}
	assert_int_equal(l.nconns, 0);
	assert_true(slice_ends_nocase(buf_slice(&client.got),
	    SLICE_LIT("failed 1\nbye 4\n")));
	l.login_ms = 1;
	client_connects(false, true);
	turn_to_the_end();
	GOT("hello\nbye 0\n");
	assert_int_equal(l.nconns, 0);
}

static void
refused_session_leads_back_to_the_login(void **state)
{
	struct conn *c = client_connects(true, true);

	(void)state;
	buf_reset(&client.got);
	client_says("login\n");
	assert_int_equal(c->state, CONN_AUTH);
	auth_says_yes();
	assert_int_equal(c->state, CONN_STARTING);
	assert_int_equal(wanted.session, 0);
	master_refuses(SESSION_TOO_MANY);
	GOT("refused 3\n");
	assert_int_equal(c->state, CONN_TALK);
	client_says("login\n");
	auth_says_yes();
	session_starts();
	assert_int_equal(c->state, CONN_SESSION);
}

static void
log_out(struct slice login)
{
	struct buf b = BUF_INIT(400);

	put_slice(&b, login);
	login_logout(&l, buf_slice(&b));
	buf_clear(&b);
}

/* Its password may have been checked before it was changed. */
static void
login_that_is_ended_while_auth_is_asked_fails(void **state)
{
	struct conn *c = client_connects(true, true);

	(void)state;
	log_out(SLICE_LIT("alice"));
	buf_reset(&client.got);
	client_says("login\n");
	log_out(SLICE_LIT("bob"));
	log_out(SLICE_LIT("Alice"));
	auth_says_yes();
	assert_int_equal(c->state, CONN_TALK);
	GOT("failed 2\n");
	client_says("login\n");
	auth_says_yes();
	session_starts();
	assert_int_equal(c->state, CONN_SESSION);
}

#define TOLD(text)							\
	assert_true(slice_eq(buf_slice(&auth_told), SLICE_LIT(text)))

static void
dialogue_of_sasl_is_in_base64(void **state)
{
	struct conn *c;

	(void)state;
	l.from_here = (free(l.from_here), mem_strdup("PLAIN"));
	c = client_connects(false, true);
	client_says("auth PLAIN\n");
	TOLD("none ");
	auth_asks("who?");
	client_says("*\n");
	TOLD("cancel");
	client_says("auth PLAIN =\n");
	TOLD("initial ");
	auth_asks("");
	client_says("bWU=\n");
	TOLD("me");
	auth_asks("again?");
	client_says("b W U\n");
	TOLD("cancel");
	client_says("auth plain b\n");
	client_says("auth OTHER\n");
	client_says("auth PLAIN bWU=\n");
	assert_int_equal(c->state, CONN_AUTH);
	GOT("hello\n+ d2hvPw==\r\nnot SASL: Cancelled\n"
	    "+ \r\n+ YWdhaW4/\r\nnot SASL: That is not base64\n"
	    "not SASL: That is not base64\nfailed 2\n");
}

static void
login_process_without_auth_says_so(void **state)
{
	(void)state;
	client_connects(false, true);
	buf_reset(&client.got);
	client_says("login\n");
	channel_free(&auth);
	l.child.npeers = 0;		/* as child.c does */
	turn();
	l.child.peers[0] = NULL;
	GOT("failed 2\n");
}

/* ---- the session's bytes ------------------------------------------------- */

static void
session_gets_what_was_read_ahead(void **state)
{
	struct buf b = BUF_INIT(SEEN_BYTES);
	int tls;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		client_connects(tls, true);
		buf_reset(&client.got);
		client_says("login\nearly ");
		auth_says_yes();
		client_says("late");
		session_starts();
		assert_true(slice_eq(buf_slice(&session.tag),
		    SLICE_LIT("tag")));
		buf_reset(&b);
		buf_add(&b, buf_slice(&session.unread));
		session_reads(&b);
		assert_true(slice_eq(buf_slice(&b), SLICE_LIT("early late")));
		assert_int_equal(write(session.fd, "answer", 6), 6);
		turn();
		GOT("answer");
		session_ends("logout");
		assert_int_equal(l.nconns, 0);
		assert_int_equal(client.ends, 1);
		assert_int_equal(wanted.ended, 7);
	}
	buf_clear(&b);
}

static void
session_that_dies_is_told_of(void **state)
{
	int tls;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		logged_in(tls);
		assert_int_equal(write(session.fd, "half", 4), 4);
		session_dies();
		GOT("halfbye 7\n");
		assert_int_equal(l.nconns, 0);
	}
}

static void
process_that_is_free_is_said_to_be_so_once(void **state)
{
	int tls;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		logged_in(tls);
		wanted.ends = 0;
		buf_reset(&client.got);
		assert_int_equal(write(session.fd, "* BYE\n", 6), 6);
		session_is_free(true);
		GOT("* BYE\n");
		assert_int_equal(l.nconns, 0);
		assert_int_equal(wanted.ended, 7);
		assert_true(wanted.is_free);
		assert_int_equal(wanted.ends, 1);
	}
}

/* The client may be gone before it is. */
static void
process_that_is_free_late_is_kept_too(void **state)
{
	(void)state;
	logged_in(true);
	wanted.ends = 0;
	close(session.fd);
	session.fd = -1;
	turn();
	shutdown(client.stream.fd, SHUT_WR);
	turn();
	assert_int_equal(l.nconns, 1);
	session_is_free(true);
	assert_int_equal(l.nconns, 0);
	assert_int_equal(wanted.ends, 1);
	assert_true(wanted.is_free);
}

static void
process_that_is_free_without_an_end_is_not_believed(void **state)
{
	(void)state;
	logged_in(false);
	wanted.ends = 0;
	session_is_free(false);
	GOT("bye 7\n");
	assert_int_equal(wanted.ends, 1);
	assert_false(wanted.is_free);
}

/* Within TLS: what the client still says cannot be written any more. */
static void
last_words_of_a_session_outlive_its_end(void **state)
{
	(void)state;
	logged_in(true);
	buf_reset(&client.got);
	client_sends(3 * PUMP_BYTES);
	assert_int_equal(send(session.fd, "* BYE\n", 6, 0), 6);
	session_ends("errors");
	GOT("* BYE\n");
}

static void
session_without_a_process_leads_back_to_the_login(void **state)
{
	struct conn *c;
	int tls;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		c = logged_in(tls);
		buf_reset(&client.got);
		session_has_no_process();
		GOT("refused 4\n");
		assert_int_equal(wanted.ended, 7);
		assert_int_equal(c->state, CONN_TALK);
		client_says("login\n");
		auth_says_yes();
		assert_int_equal(wanted.session, 0);
		session_starts();
		assert_int_equal(c->state, CONN_SESSION);
		session_ends("logout");
	}
	/* What was handed over with it is lost. */
	c = client_connects(true, true);
	buf_reset(&client.got);
	client_says("login\nmore");
	auth_says_yes();
	session_starts();
	session_has_no_process();
	GOT("bye 2\n");
}

/* All that the session says reaches who has closed its side. */
static void
half_closed_client_gets_all_answers(void **state)
{
	static char answer[3 * PUMP_BYTES];
	struct buf b = BUF_INIT(SEEN_BYTES);
	size_t at = 0;
	ssize_t n;
	int how;

	(void)state;
	/* with close_notify, without, and before the session is there */
	for (how = 0; how < 3; how++) {
		client_connects(true, true);
		buf_reset(&client.got);
		client_says("login\n");
		client_says("all");
		if (how == 2)
			shutdown(client.stream.fd, SHUT_WR);
		turn();
		auth_says_yes();
		session_starts();
		if (how == 0)
			client.stream.layer->finish(&client.stream);
		if (how == 1)
			shutdown(client.stream.fd, SHUT_WR);
		turn();
		buf_reset(&b);
		buf_add(&b, buf_slice(&session.unread));
		session_reads(&b);
		assert_true(slice_eq(buf_slice(&b), SLICE_LIT("allEOF")));
		for (at = 0; at < sizeof(answer); at += (size_t)n) {
			n = write(session.fd, answer + at,
			    sizeof(answer) - at);
			if (n == -1)
				n = 0;
			turn();
		}
		session_ends("logout");
		turn();
		assert_int_equal(client.got.n, sizeof(answer));
		assert_int_equal(l.nconns, 0);
	}
	buf_clear(&b);
}

static void
session_that_outlives_its_client_is_cut_off(void **state)
{
	(void)state;
	logged_in(true);
	l.gone_ms = 1;
	stream_close(&client.stream);
	turn_to_the_end();
	assert_int_equal(l.nconns, 0);
	assert_int_equal(wanted.ended, 7);
}

static void
client_that_says_no_more_is_still_answered(void **state)
{
	(void)state;
	client_connects(true, true);
	buf_reset(&client.got);
	stream_write(&client.stream, SLICE_LIT("what\nlogin\n"));
	ev_turn(&l.child.loop, 0);
	shutdown(client.stream.fd, SHUT_WR);
	turn();
	GOT("bad\n");
	auth_says_no();
	GOT("bad\nfailed 1\n");
	assert_int_equal(l.nconns, 0);
}

/* Who does not read is held back in both directions. */
static void
pump_holds_back(void **state)
{
	static char piece[65536];
	struct conn *c = logged_in(true);
	struct buf b = BUF_INIT(SEEN_BYTES);
	size_t sent = 0, before;
	ssize_t n;
	int i;

	(void)state;
	client_sends(4 * 1024 * 1024);
	assert_true(stream_unsent(&c->inner) <= PUMP_BYTES);
	assert_true(stream_unsent(&client.stream) > 1024 * 1024);
	for (i = 0; i < 1000 && b.n < 4 * 1024 * 1024; i++) {
		session_reads(&b);
		turn();
		assert_true(stream_unsent(&c->inner) <= PUMP_BYTES);
	}
	assert_true(is_as_sent(buf_slice(&b), 4 * 1024 * 1024));
	client.blind = true;
	do {
		before = sent;
		while ((n = write(session.fd, piece, sizeof(piece))) > 0)
			sent += (size_t)n;
		turn();
		assert_true(stream_unsent(&c->client) <= PUMP_BYTES);
	} while (sent > before);
	assert_in_range(sent, PUMP_BYTES, 4 * 1024 * 1024);
	client.blind = false;
	stream_resume(&client.stream);
	for (i = 0; i < 1000 && client.got.n < sent; i++)
		turn();
	assert_int_equal(client.got.n, sent);
	buf_clear(&b);
}

/* ---- parked -------------------------------------------------------------- */

static void
input_wakes_a_parked_session(void **state)
{
	struct buf b = BUF_INIT(SEEN_BYTES);
	struct conn *c;
	int tls;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		c = logged_in(tls);
		session_parks();
		assert_int_equal(c->state, CONN_PARKED);
		assert_null(c->seat);
		client_says("one ");
		assert_int_equal(c->state, CONN_STARTING);
		assert_int_equal(wanted.session, 7);
		session_starts();
		assert_true(slice_eq(buf_slice(&session.state),
		    SLICE_LIT("state")));
		assert_int_equal(session.tag.n, 0);
		session_says_something();
		client_says("two");
		buf_reset(&b);
		buf_add(&b, buf_slice(&session.unread));
		session_reads(&b);
		assert_true(slice_eq(buf_slice(&b), SLICE_LIT("one two")));
		session_ends("logout");
	}
	buf_clear(&b);
}

/* Until it has said something, what it was given is kept for the next. */
static void
process_that_dies_while_it_takes_over_costs_no_byte(void **state)
{
	struct buf b = BUF_INIT(SEEN_BYTES);
	struct conn *c;
	int tls, i;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		c = logged_in(tls);
		session_parks();
		client_says("one ");
		for (i = 0; i < 2; i++) {
			session_starts();
			assert_true(slice_eq(buf_slice(&session.unread),
			    SLICE_LIT("one ")));
			client_says(i == 0 ? "two " : "three");
			session_dies();
			assert_int_equal(c->state, CONN_PARKED);
			wanted.times = 0;
			/* not at once */
			ev_timer_set(&c->timer, 0);
			turn();
			assert_int_equal(wanted.times, 1);
		}
		session_starts();
		assert_true(slice_eq(buf_slice(&session.state),
		    SLICE_LIT("state")));
		session_says_something();
		buf_reset(&b);
		buf_add(&b, buf_slice(&session.unread));
		session_reads(&b);
		assert_true(slice_eq(buf_slice(&b),
		    SLICE_LIT("one two three")));
		/* From now on it is an end. */
		session_dies();
		GOT("bye 7\n");
		assert_int_equal(l.nconns, 0);
	}
	buf_clear(&b);
}

/* More than SE_BEGIN takes follows behind it. */
static void
much_that_came_while_it_parked_is_kept(void **state)
{
	struct conn *c = logged_in(true);
	struct buf b = BUF_INIT(SEEN_BYTES);
	const size_t many = SESSION_UNREAD_BYTES + 50000;

	(void)state;
	client_sends(many);
	session_parks();
	assert_int_equal(c->state, CONN_STARTING);
	session_starts();
	assert_int_equal(session.unread.n, SESSION_UNREAD_BYTES);
	session_says_something();
	buf_add(&b, buf_slice(&session.unread));
	session_reads(&b);
	assert_true(is_as_sent(buf_slice(&b), many));
	buf_clear(&b);
}

/* Where it is too much to keep, there is an end, not a hole. */
static void
too_much_that_came_while_it_parked_ends_it(void **state)
{
	(void)state;
	logged_in(true);
	client_sends(2 * 1024 * 1024);
	session_parks();
	assert_int_equal(wanted.times, 1);
	assert_int_equal(l.nconns, 0);
}

static void
parked_session_that_is_gone_at_master_is_ended(void **state)
{
	struct conn *c = logged_in(true);

	(void)state;
	session_parks();
	client_says("x");
	master_refuses(SESSION_LATER);
	assert_int_equal(c->state, CONN_PARKED);
	ev_timer_set(&c->timer, 0);
	turn();
	assert_int_equal(c->state, CONN_STARTING);
	master_refuses(SESSION_GONE);
	GOT("bye 7\n");
	assert_int_equal(l.nconns, 0);
}

static void
parked_for_too_long_is_ended(void **state)
{
	(void)state;
	l.idle_ms = 1;
	logged_in(true);
	session_parks();
	turn_to_the_end();
	GOT("bye 0\n");
	assert_int_equal(l.nconns, 0);
	assert_int_equal(wanted.ended, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(too_many_are_turned_away),
		TEST(too_much_before_the_login_ends_it),
		TEST(refused_session_leads_back_to_the_login),
		TEST(login_that_is_ended_while_auth_is_asked_fails),
		TEST(dialogue_of_sasl_is_in_base64),
		TEST(login_process_without_auth_says_so),
		TEST(session_gets_what_was_read_ahead),
		TEST(session_that_dies_is_told_of),
		TEST(process_that_is_free_is_said_to_be_so_once),
		TEST(process_that_is_free_late_is_kept_too),
		TEST(process_that_is_free_without_an_end_is_not_believed),
		TEST(last_words_of_a_session_outlive_its_end),
		TEST(session_without_a_process_leads_back_to_the_login),
		TEST(half_closed_client_gets_all_answers),
		TEST(session_that_outlives_its_client_is_cut_off),
		TEST(client_that_says_no_more_is_still_answered),
		TEST(pump_holds_back),
		TEST(input_wakes_a_parked_session),
		TEST(process_that_dies_while_it_takes_over_costs_no_byte),
		TEST(much_that_came_while_it_parked_is_kept),
		TEST(too_much_that_came_while_it_parked_ends_it),
		TEST(parked_session_that_is_gone_at_master_is_ended),
		TEST(parked_for_too_long_is_ended),
	};

	return cmocka_run_group_tests(tests, make_all, clear_all);
}
