/* SPDX-License-Identifier: ISC */
/*
 * remote without its process: jobs go in as qmgr sends them, results come out
 * as qmgr gets them; hosts and the resolver are the test's own, and do what
 * each case's script says.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/test_net.h"
#include "compose.h"
#include "conn.h"
#include "dns/answer.h"
#include "ev/stream.h"
#include "ev/test_keys.h"
#include "secure.h"
#include "site.h"

static const struct message_rule dns_rules[] = RULES_OF(RESOLVER_CLIENT);
static const struct message_rule job_rules[] = RULES_OF(DELIVERY);

/* ---- a host ------------------------------------------------------------- */

#define HOSTS	3		/* 127.0.0.1 and so on, on one port */

/* What a host says; NULL: what a good one would.  "" says nothing, "!" closes
 * the connection, "TEXT!" says it and closes.  RCPT and the end of the content
 * (LMTP) have a list; its last is for the rest. */
struct script {
	const char	*greeting;
	const char	*ehlo;
	const char	*helo;
	const char	*rset;
	const char	*mail[3];
	const char	*rcpt[4];
	const char	*data;
	const char	*end[4];
	const char	*early;		/* said as soon as content comes */
	const char	*starttls;
	const char	*raw;		/* said to the ClientHello; NULL: TLS */
	const char	*inner_ehlo;	/* within TLS; NULL: ehlo */
	bool		 bytewise;	/* replies in writes of one byte */
	bool		 narrow;	/* its kernel takes next to nothing */
	bool		 absent;	/* nobody listens */
	bool		 forgets;	/* what comes with another command */
};

struct host {
	struct fixture		*f;
	const struct script	*script;
	int			 fd;		/* listening, unless absent */
	struct ev_io		 io;
	unsigned		 connections;
};

struct session {
	struct host	*host;
	struct stream	 stream;
	bool		 in_data;
	bool		 lmtp;
	bool		 done;
	bool		 in_mail;	/* a transaction is open */
	uint64_t	 chunk;		/* bytes of BDAT to come */
	bool		 chunk_end;
	bool		 secure_next;	/* STARTTLS was accepted */
	bool		 raw;
	unsigned	 nmail, nrcpt, nend, naccepted;
	struct buf	 content;
	struct session	*next;
};

struct known {
	const char	*name;
	enum dns_type	 type;
	enum dns_status	 status;
	const char	*record;	/* "PREFERENCE NAME" or an address */
	const char	*second;
};

struct fixture {
	struct ev_loop		 loop;
	struct conf		*conf;
	struct relay		 relay;
	uint16_t		 port;
	struct host		 hosts[HOSTS];
	struct session		*sessions;
	const struct known	*known;
	struct channel		*resolver, *resolver_peer;
	struct channel		*qmgr, *qmgr_peer;
	struct buf		 heard;		/* what hosts were told */
	struct buf		 results;
	unsigned		 nresults;
	bool			 full;
	unsigned		 nraw;		/* ClientHellos that got no TLS */
	uint64_t		 socket_id;	/* asked for */
	bool			 stopped;
};

static void
session_say(struct session *s, const char *text)
{
	size_t n = strlen(text);
	bool end = n > 0 && text[n - 1] == '!';

	if (end)
		n--;
	if (n > 0)
		stream_write(&s->stream, slice_of(text, n));
	if (n > 0 && (n < 2 || text[n - 1] != '\n'))
		stream_write(&s->stream, SLICE_LIT("\r\n"));
	if (s->host->script->bytewise)
		while (stream_unsent(&s->stream) > 0) {
			(void)!send(s->stream.fd, s->stream.out.p +
			    s->stream.out_off, 1, MSG_NOSIGNAL);
			s->stream.out_off++;
			if (stream_unsent(&s->stream) % 16 == 0)
				usleep(1);
		}
	if (end) {
		s->done = true;
		stream_close_when_sent(&s->stream);
	}
}

static const char *
nth(const char *const *list, size_t n, size_t i, const char *otherwise)
{
	if (i >= n)
		i = n - 1;
	while (i > 0 && list[i] == NULL)
		i--;
	return list[i] == NULL ? otherwise : list[i];
}
#define NTH(list, i, otherwise)						\
	nth(list, sizeof(list) / sizeof(list[0]), i, otherwise)

static void
session_content_end(struct session *s)
{
	const struct script *sc = s->host->script;
	unsigned i, n = s->lmtp && s->naccepted > 0 ? s->naccepted : 1;

	buf_printf(&s->host->f->heard, "<%zu>", s->content.n);
	if (s->naccepted == 0) {
		session_say(s, "554 5.5.1 no recipients");
		return;
	}
	s->in_mail = false;
	for (i = 0; i < n && !s->done; i++)
		session_say(s, NTH(sc->end, s->nend++,
		    "250 2.0.0 taken"));
}

static struct test_key host_key;

static int
host_sign(void *arg, uint32_t key, unsigned scheme, struct slice input,
    struct buf *out)
{
	(void)arg;
	(void)key;
	return test_key_sign(&host_key, scheme, input, out);
}

/* All hosts have one certificate, which is its own authority. */
static struct tls_context *
host_tls(void)
{
	static const char *const names[] = { "mx.example.org" };
	static struct tls_context *context;
	struct buf why = BUF_INIT(1000);
	struct tls_certificate certificate = { .key = 1 };

	if (context != NULL)
		return context;
	test_key_make(&host_key, &(struct tls_self){ .names = names,
	    .nnames = 1, .days = 30 });
	certificate.chain = buf_slice(&host_key.chain);
	context = tls_server_new(&(struct tls_server_config){
	    .certificates = &certificate, .ncertificates = 1,
	    .sign = host_sign, .name = "test" }, &why);
	if (context == NULL)
		fail_msg("%s", buf_cstr(&why));
	return context;
}

static const char *
ehlo_of(const struct session *s)
{
	const struct script *sc = s->host->script;

	return stream_is_tls(&s->stream) && sc->inner_ehlo != NULL ?
	    sc->inner_ehlo : sc->ehlo;
}

static void
session_line(struct session *s, struct slice line)
{
	const struct script *sc = s->host->script;
	struct slice word = slice_first(line, slice_find(line, ' '));
	const char *reply;

	buf_add(&s->host->f->heard, line);
	buf_add_byte(&s->host->f->heard, '|');
	if (slice_eq(word, SLICE_LIT("EHLO")) ||
	    slice_eq(word, SLICE_LIT("LHLO"))) {
		s->lmtp = line.p[0] == 'L';
		session_say(s, ehlo_of(s) != NULL ? ehlo_of(s) :
		    "250-host.example\r\n250-PIPELINING\r\n250 8BITMIME");
	} else if (slice_eq(word, SLICE_LIT("HELO")))
		session_say(s, sc->helo != NULL ? sc->helo :
		    "250 host.example");
	else if (slice_eq(word, SLICE_LIT("MAIL"))) {
		s->nrcpt = s->naccepted = s->nend = 0;
		buf_reset(&s->content);
		reply = NTH(sc->mail, s->nmail++, "250 2.1.0 ok");
		if (s->in_mail)
			reply = "503 5.5.1 MAIL was given";
		s->in_mail = reply[0] == '2';
		session_say(s, reply);
	} else if (slice_eq(word, SLICE_LIT("RCPT"))) {
		reply = NTH(sc->rcpt, s->nrcpt++, "250 2.1.5 ok");
		s->naccepted += reply[0] == '2';
		session_say(s, reply);
	} else if (slice_eq(word, SLICE_LIT("DATA"))) {
		reply = sc->data != NULL ? sc->data :
		    s->naccepted > 0 ? "354 go on" : "503 5.5.1 no";
		s->in_data = reply[0] == '3';
		session_say(s, reply);
	} else if (slice_eq(word, SLICE_LIT("BDAT"))) {
		struct slice rest = slice_from(line, 5);

		assert_int_equal(parse_u64(&rest, &s->chunk), PARSE_OK);
		s->chunk_end = rest.n > 0;
		s->in_data = true;
	} else if (slice_eq(word, SLICE_LIT("RSET"))) {
		s->in_mail = false;
		session_say(s, sc->rset != NULL ? sc->rset : "250 ok");
	} else if (slice_eq(word, SLICE_LIT("STARTTLS"))) {
		reply = sc->starttls != NULL ? sc->starttls : "220 go";
		session_say(s, reply);
		s->secure_next = reply[0] == '2' && sc->raw == NULL;
		s->raw = reply[0] == '2' && sc->raw != NULL;
	} else if (slice_eq(word, SLICE_LIT("QUIT")))
		session_say(s, "221 bye!");
	else
		session_say(s, "500 what?");
}

static void
session_bytes(struct session *s, struct slice *in)
{
	static const struct slice dot = { ".\r\n", 3 };
	size_t n;

	if (s->host->script->early != NULL) {
		session_say(s, s->host->script->early);
		*in = SLICE_EMPTY;
		return;
	}
	if (s->chunk > 0) {
		n = in->n < s->chunk ? in->n : (size_t)s->chunk;
		buf_add(&s->content, slice_first(*in, n));
		s->chunk -= n;
		*in = slice_from(*in, n);
	} else {
		n = slice_find(*in, '\n');
		if (n == in->n)
			return;
		if (slice_eq(slice_first(*in, n + 1), dot))
			s->in_data = false;
		else
			buf_add(&s->content, slice_first(*in, n + 1));
		*in = slice_from(*in, n + 1);
		if (s->in_data)
			return;
	}
	if (s->chunk == 0) {
		s->in_data = false;
		session_content_end(s);
	}
}

static void
session_input(void *arg)
{
	struct session *s = arg;
	struct slice all = stream_input(&s->stream), in = all, before;
	size_t n;

	if (s->raw) {
		s->host->f->nraw++;
		stream_consume(&s->stream, all.n);
		session_say(s, s->host->script->raw);
		return;
	}
	while (in.n > 0 && !s->done && !s->secure_next && !s->raw) {
		before = in;
		if (s->in_data)
			session_bytes(s, &in);
		else {
			n = slice_find(in, '\n');
			if (n == in.n)
				break;
			session_line(s, slice_first(in, n - 1));
			in = slice_from(in, n + 1);
			if (s->in_data && s->chunk == 0 && s->chunk_end) {
				s->in_data = false;
				session_content_end(s);
			}
		}
		if (in.n == before.n)
			break;
		if (s->host->script->forgets && !s->in_data)
			in.n = 0;
	}
	if (stream_is_open(&s->stream) && !s->done)
		stream_consume(&s->stream, all.n - in.n);
	if (s->secure_next && !s->done) {
		s->secure_next = false;
		stream_tls_accept(&s->stream, host_tls());
		buf_add(&s->host->f->heard, SLICE_LIT("[TLS]"));
	}
}

static void
session_ended(void *arg, enum stream_end how)
{
	struct session *s = arg;

	(void)how;
	s->done = true;
	stream_close(&s->stream);
}

static void
host_ready(void *arg, int ready)
{
	static const struct stream_ops ops = { session_input, NULL, NULL,
		session_ended, NULL };
	struct host *h = arg;
	struct session *s = mem_alloc(sizeof(*s));
	int fd = accept(h->fd, NULL, NULL);

	(void)ready;
	assert_int_not_equal(fd, -1);
	h->connections++;
	s->host = h;
	buf_init(&s->content, 16 << 20);
	s->next = h->f->sessions;
	h->f->sessions = s;
	stream_open(&s->stream, &h->f->loop, fd, 1 << 20, &ops, s);
	session_say(s, h->script->greeting != NULL ? h->script->greeting :
	    "220 host.example ESMTP");
}

static void
host_listen(struct fixture *f, unsigned i)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct host *h = &f->hosts[i];
	socklen_t len = sizeof(sin);
	int on = 1;

	h->f = f;
	h->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(h->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (h->script->narrow)
		setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &on, sizeof(on));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
	sin.sin_port = htons(f->port);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&sin, len), 0);
	getsockname(h->fd, (struct sockaddr *)&sin, &len);
	f->port = ntohs(sin.sin_port);
	/* Without listen() connections are refused, and the port stays ours. */
	if (h->script->absent)
		return;
	listen(h->fd, 16);
	ev_io_init(&h->io, &f->loop, h->fd, host_ready, h);
	ev_io_want(&h->io, EV_WANT_READ);
}

/* ---- resolver ----------------------------------------------------------- */

static void
set_record(struct dns_record *r, enum dns_type type, const char *text)
{
	struct slice s = slice_str(text);
	uint64_t preference = 0;

	memset(r, 0, sizeof(*r));
	if (type != DNS_MX) {
		assert_true(dns_address_parse(s, r->address));
		return;
	}
	assert_int_equal(parse_u64(&s, &preference), PARSE_OK);
	r->preference = (uint16_t)preference;
	r->name = slice_from(s, 1);
}

static void
resolver_asked(void *arg, struct channel *c, struct message *m)
{
	struct fixture *f = arg;
	struct dns_record records[2];
	struct dns_answer a = { .status = DNS_NO_NAME, .ttl = 60,
		.canonical = SLICE_EMPTY, .records = records };
	enum dns_type type = get_u16(&m->body);
	struct buf b = BUF_INIT(65536);
	struct slice name;
	const struct known *k;

	get_u8(&m->body);
	name = get_slice(&m->body, 512);
	for (k = f->known; k != NULL && k->name != NULL; k++) {
		if (!slice_eq(name, slice_str(k->name)))
			continue;
		if (a.status == DNS_NO_NAME)
			a.status = DNS_NO_DATA;
		if (k->type != type)
			continue;
		a.status = k->status;
		if (k->record != NULL)
			set_record(&records[a.nrecords++], type, k->record);
		if (k->second != NULL)
			set_record(&records[a.nrecords++], type, k->second);
	}
	assert_int_equal(dns_answer_pack(&b, type, &a), 0);
	channel_send(c, DN_ANSWER, m->id, buf_slice(&b));
	buf_clear(&b);
}

static void
client_told(void *arg, struct channel *c, struct message *m)
{
	dns_message(&((struct fixture *)arg)->relay.dns, c, m);
}

static void
no_down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
	fail_msg("a channel went down");
}

/* ---- qmgr --------------------------------------------------------------- */

static void
qmgr_told(void *arg, struct channel *c, struct message *m)
{
	struct fixture *f = arg;
	struct slice secured;
	struct outcome o;
	uint32_t n, number;

	(void)c;
	if (m->type == DL_FULL) {
		f->full = true;
		return;
	}
	if (m->type == DL_SECURED) {
		secured = get_slice(&m->body, SECURED_BYTES);
		buf_printf(&f->results, "(%.*s)", SLICE_ARG(secured));
		return;
	}
	assert_int_equal(m->type, DL_RESULT);
	for (n = get_u32(&m->body); n > 0; n--) {
		number = get_u32(&m->body);
		assert_true(outcome_unpack(&m->body, &o));
		buf_printf(&f->results, "%llu/%u %s %u %s%s %.*s%s|",
		    (unsigned long long)m->id, number,
		    outcome_name(o.status), o.code,
		    enhanced_text(o.enhanced).s, o.site ? " site" : "",
		    SLICE_ARG(o.text), o.damaged ? " damaged" : "");
		f->nresults++;
	}
	assert_true(wire_done(&m->body));
}

static void
remote_told(void *arg, struct channel *c, struct message *m)
{
	relay_message(&((struct fixture *)arg)->relay, c, m);
}

static void
make_pair(struct fixture *f, const struct message_rule *rules, enum role self,
    enum role peer, const struct channel_ops *ours,
    const struct channel_ops *theirs, struct channel **c,
    struct channel **other)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*c = channel_new(&f->loop, fds[0], rules, self, peer, 0, ours, f);
	*other = channel_new(&f->loop, fds[1], rules, peer, self, 0, theirs,
	    f);
}

/* ---- master ---- */

static void
socket_asked(void *arg, uint64_t id, struct slice path)
{
	struct fixture *f = arg;

	f->socket_id = id;
	buf_add(&f->heard, path);
}

/* ---- the fixture -------------------------------------------------------- */

static const struct script good = { NULL };

static struct conf *
conf_of(const struct fixture *f, const char *settings)
{
	struct buf text = BUF_INIT(4096), why = BUF_INIT(4096);
	struct conf *c;

	buf_printf(&text, "hostname = us.example\nremote.port = %u\n%s",
	    f->port, settings);
	c = conf_parse(buf_slice(&text), "test", &why);
	if (c == NULL)
		fail_msg("%s", buf_cstr(&why));
	buf_clear(&text);
	buf_clear(&why);
	return c;
}

static void
set_up(struct fixture *f, const struct known *known,
    const struct script *scripts[HOSTS], const char *settings)
{
	static const struct channel_ops dns_client = { client_told, no_down,
		NULL };
	static const struct channel_ops dns_server = { resolver_asked,
		no_down, NULL };
	static const struct channel_ops job_client = { remote_told, no_down,
		NULL };
	static const struct channel_ops job_server = { qmgr_told, no_down,
		NULL };
	unsigned i;

	need_loopback();
	memset(f, 0, sizeof(*f));
	ev_loop_init(&f->loop);
	buf_init(&f->heard, 1 << 20);
	buf_init(&f->results, 1 << 20);
	f->known = known;
	for (i = 0; i < HOSTS; i++) {
		f->hosts[i].script = scripts[i] != NULL ? scripts[i] : &good;
		host_listen(f, i);
	}
	f->conf = conf_of(f, settings);
	relay_init(&f->relay, &f->loop, f->conf);
	make_pair(f, dns_rules, ROLE_REMOTE, ROLE_RESOLVER, &dns_client,
	    &dns_server, &f->resolver, &f->resolver_peer);
	make_pair(f, job_rules, ROLE_REMOTE, ROLE_QMGR, &job_client,
	    &job_server, &f->qmgr, &f->qmgr_peer);
	f->relay.qmgr = f->qmgr;
	f->relay.ask_socket = socket_asked;
	f->relay.ask_socket_arg = f;
	dns_up(&f->relay.dns, f->resolver);
}

static void
tear_down(struct fixture *f)
{
	struct session *s;
	unsigned i;

	relay_clear(&f->relay);
	assert_int_equal(f->relay.nconns, 0);
	assert_int_equal(f->relay.converted, 0);
	while ((s = f->sessions) != NULL) {
		f->sessions = s->next;
		stream_close(&s->stream);
		buf_clear(&s->content);
		free(s);
	}
	for (i = 0; i < HOSTS; i++) {
		ev_io_clear(&f->hosts[i].io);
		close(f->hosts[i].fd);
	}
	channel_free(&f->resolver);
	channel_free(&f->resolver_peer);
	channel_free(&f->qmgr);
	channel_free(&f->qmgr_peer);
	conf_free(&f->conf);
	buf_clear(&f->heard);
	buf_clear(&f->results);
	ev_loop_clear(&f->loop);
}

static void
send_job(struct fixture *f, uint64_t id, const struct job *j, int fd)
{
	struct buf *b = channel_begin(f->qmgr_peer,
	    fd == -1 ? DL_JOB : DL_JOB_FILE, id);

	assert_int_equal(job_pack(b, j), 0);
	channel_end_fds(f->qmgr_peer, &fd, fd == -1 ? 0 : 1);
}

static void
wait_for_results(struct fixture *f, unsigned n)
{
	int64_t end = clock_mono_ms() + 20000;

	while (f->nresults < n && clock_mono_ms() < end)
		ev_turn(&f->loop, 200);
	if (f->nresults != n)
		fail_msg("%u results: %s heard: %s", f->nresults,
		    buf_cstr(&f->results), buf_cstr(&f->heard));
}

#define TURN_UNTIL(f, condition) do {					\
	int64_t end_ = clock_mono_ms() + 20000;				\
									\
	while (!(condition)) {						\
		if (clock_mono_ms() > end_)				\
			fail_msg("waited in vain: %s; results: %s "	\
			    "heard: %s", #condition,			\
			    buf_cstr(&(f)->results),			\
			    buf_cstr(&(f)->heard));			\
		ev_turn(&(f)->loop, 200);				\
	}								\
} while (0)

static struct job
job_to(struct job_recipient *r, size_t n, const char *next_hop)
{
	static const char *const names[] = { "a@example.org", "b@example.org",
		"c@example.org", "d@example.org" };
	size_t i;

	memset(r, 0, n * sizeof(*r));
	for (i = 0; i < n; i++) {
		r[i].number = (uint32_t)i;
		r[i].address = r[i].original = slice_str(names[i % 4]);
		r[i].to.kind = DEST_REMOTE;
		r[i].to.next_hop = slice_str(next_hop);
	}
	return (struct job){ .queue_id = 77,
		.reverse_path = SLICE_LIT("s@us.example"),
		.arrived_ms = 1000,
		.content = SLICE_LIT("Subject: x\r\n\r\n.dot\r\nend\r\n"),
		.recipients = r, .nrecipients = n };
}

/* ---- one host, one job -------------------------------------------------- */

#define ALL_EHLO "250-host.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n"  \
	"250-BINARYMIME\r\n250-8BITMIME\r\n250-SIZE 1000\r\n250-DSN\r\n" \
	"250 SMTPUTF8"
#define NEXT	"[127.0.0.1]"

/* The results of a job with some recipients for one host. */
static const struct single {
	const char	*name;
	struct script	 script;
	unsigned	 recipients;
	const char	*results;
	const char	*heard;		/* NULL: not looked at */
	const char	*hop;		/* NULL: NEXT */
} singles[] = {
	{ "plain", { NULL }, 1, "1/0 relayed 250 2.0.0 taken|",
	    "EHLO us.example|MAIL FROM:<s@us.example>|"
	    "RCPT TO:<a@example.org>|DATA|<26>", NULL },
	{ "bytewise", { .bytewise = true }, 1,
	    "1/0 relayed 250 2.0.0 taken|", NULL, NULL },
	{ "lockstep", { .ehlo = "250 host.example" }, 2,
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|",
	    NULL, NULL },
	{ "helo", { .ehlo = "502 5.5.1 no" }, 1,
	    "1/0 relayed 250 2.0.0 taken|",
	    "EHLO us.example|HELO us.example|MAIL FROM:<s@us.example>|"
	    "RCPT TO:<a@example.org>|DATA|<26>", NULL },
	{ "chunking", { .ehlo = ALL_EHLO }, 1,
	    "1/0 relayed 250 2.0.0 taken|",
	    "EHLO us.example|MAIL FROM:<s@us.example> SIZE=25|"
	    "RCPT TO:<a@example.org>|BDAT 25 LAST|<25>", NULL },
	{ "recipients apart", { .rcpt = { "250 ok", "550 5.1.1 no such user",
	    "450 4.2.1 later" } }, 3,
	    "1/0 relayed 250 2.0.0 taken|1/1 failed 550 5.1.1 no such user|"
	    "1/2 deferred 450 4.2.1 later|", NULL, NULL },
	{ "no enhanced code", { .rcpt = { "550 no" } }, 1,
	    "1/0 failed 550 5.0.0 no|", NULL, NULL },
	{ "enhanced code of another class", { .rcpt = { "450 5.1.1 no" } }, 1,
	    "1/0 deferred 450 4.0.0 5.1.1 no|", NULL, NULL },
	{ "several lines", { .rcpt = { "550-5.1.1 one\r\n550 5.1.1 two" } }, 1,
	    "1/0 failed 550 5.1.1 one\ntwo|", NULL, NULL },
	{ "control characters", { .rcpt = { "550 5.1.1 a\033[2J\001b" } }, 1,
	    "1/0 failed 550 5.1.1 a?[2J?b|", NULL, NULL },
	{ "MAIL refused", { .mail = { "550 5.7.1 go away" } }, 2,
	    "1/0 failed 550 5.7.1 go away|1/1 failed 550 5.7.1 go away|",
	    NULL, NULL },
	{ "MAIL refused, lockstep", { .ehlo = "250 x",
	    .mail = { "451 4.7.1 later" } }, 1,
	    "1/0 deferred 451 4.7.1 later|",
	    "EHLO us.example|MAIL FROM:<s@us.example>|", NULL },
	{ "all recipients refused", { .rcpt = { "550 5.1.1 no" } }, 2,
	    "1/0 failed 550 5.1.1 no|1/1 failed 550 5.1.1 no|", NULL, NULL },
	{ "all refused and DATA accepted", { .rcpt = { "550 5.1.1 no" },
	    .data = "354 go" }, 1, "1/0 failed 550 5.1.1 no|",
	    "EHLO us.example|MAIL FROM:<s@us.example>|"
	    "RCPT TO:<a@example.org>|DATA|<0>", NULL },
	{ "all refused with chunking", { .ehlo = ALL_EHLO,
	    .rcpt = { "550 5.1.1 no" } }, 1, "1/0 failed 550 5.1.1 no|",
	    NULL, NULL },
	{ "DATA refused", { .data = "451 4.3.0 disk" }, 2,
	    "1/0 deferred 451 4.3.0 disk|1/1 deferred 451 4.3.0 disk|", NULL,
	    NULL },
	{ "content refused", { .end = { "554 5.7.1 spam" } }, 1,
	    "1/0 failed 554 5.7.1 spam|", NULL, NULL },
	{ "DSN offered", { .ehlo = "250-x\r\n250 DSN" }, 1,
	    "1/0 relayed 250 2.0.0 taken|", NULL, NULL },
	{ "too many recipients", { .rcpt = { "250 ok", "250 ok",
	    "452 4.5.3 too many" } }, 3,
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|"
	    "1/2 relayed 250 2.0.0 taken|", NULL, NULL },
	{ "too many as RFC 821 had it", { .rcpt = { "250 ok", "552 too many",
	    "250 ok" } }, 3, "1/0 relayed 250 2.0.0 taken|"
	    "1/1 relayed 250 2.0.0 taken|1/2 relayed 250 2.0.0 taken|", NULL,
	    NULL },
	{ "552 for the first", { .rcpt = { "552 full" } }, 1,
	    "1/0 failed 552 5.0.0 full|", NULL, NULL },
	{ "too many from the first", { .rcpt = { "452 4.5.3 too many" } }, 2,
	    "1/0 deferred 452 4.5.3 too many|"
	    "1/1 deferred 452 4.5.3 too many|", NULL, NULL },
	{ "full mailbox is not too many", { .rcpt = { "250 ok",
	    "452 4.2.2 full" } }, 2, "1/0 relayed 250 2.0.0 taken|"
	    "1/1 deferred 452 4.2.2 full|", NULL, NULL },
	{ "LIMITS", { .ehlo = "250-x\r\n250-PIPELINING\r\n"
	    "250 LIMITS RCPTMAX=1" }, 2, "1/0 relayed 250 2.0.0 taken|"
	    "1/1 relayed 250 2.0.0 taken|",
	    "EHLO us.example|MAIL FROM:<s@us.example>|"
	    "RCPT TO:<a@example.org>|DATA|<26>MAIL FROM:<s@us.example>|"
	    "RCPT TO:<b@example.org>|DATA|<26>", NULL },
	{ "LIMITS of one message", { .ehlo = "250-x\r\n250-PIPELINING\r\n"
	    "250 LIMITS RCPTMAX=1 MAILMAX=1" }, 2,
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|", NULL,
	    NULL },
	{ "too large", { .ehlo = "250-x\r\n250 SIZE 20" }, 1,
	    "1/0 failed 552 5.3.4 the message is larger than the host "
	    "takes|", "EHLO us.example|", NULL },
	{ "LMTP", { .end = { "250 2.0.0 in", "550 5.2.1 off", "452 4.2.2 full"
	    } }, 3, "1/0 relayed 250 2.0.0 in|1/1 failed 550 5.2.1 off|"
	    "1/2 deferred 452 4.2.2 full|", NULL, "lmtp:[127.0.0.1]" },
	{ "LMTP with one refused", { .rcpt = { "250 ok", "550 5.1.1 no",
	    "250 ok" }, .end = { "250 2.0.0 in", "452 4.2.2 full" } }, 3,
	    "1/0 relayed 250 2.0.0 in|1/1 failed 550 5.1.1 no|"
	    "1/2 deferred 452 4.2.2 full|", NULL, "lmtp:[127.0.0.1]" },
	{ "LMTP with chunking", { .ehlo = ALL_EHLO, .end = { "250 2.0.0 in",
	    "452 4.2.2 full" } }, 2, "1/0 relayed 250 2.0.0 in|"
	    "1/1 deferred 452 4.2.2 full|", NULL, "lmtp:[127.0.0.1]" },
	{ "LMTP with all refused", { .rcpt = { "550 5.1.1 no" } }, 2,
	    "1/0 failed 550 5.1.1 no|1/1 failed 550 5.1.1 no|", NULL,
	    "lmtp:[127.0.0.1]" },
	/* The connection fails: the site is at fault, but for what is said
	 * after the end of the content. */
	{ "nobody listens", { .absent = true }, 1,
	    "1/0 deferred 0 4.4.1 site H: Connection refused|", NULL, NULL },
	{ "greeting 554", { .greeting = "554 5.7.1 go away!" }, 1,
	    "1/0 deferred 554 4.7.1 site go away|", NULL, NULL },
	{ "greeting 421", { .greeting = "421 4.3.2 busy!" }, 1,
	    "1/0 deferred 421 4.3.2 site busy|", NULL, NULL },
	{ "greeting 250", { .greeting = "250 hello" }, 1, "1/0 deferred 0 "
	    "4.5.0 site H: a reply to the connection that makes no sense "
	    "(250)|", NULL, NULL },
	{ "greeting 221", { .greeting = "221 2.0.0 Bye!" }, 1, "1/0 deferred "
	    "0 4.5.0 site H: a reply to the connection that makes no sense "
	    "(221)|", NULL, NULL },
	{ "no greeting", { .greeting = "!" }, 1, "1/0 deferred 0 4.4.2 site "
	    "H: connection closed while waiting for the reply to the "
	    "connection|", NULL, NULL },
	{ "EHLO closes", { .ehlo = "!" }, 1, "1/0 deferred 0 4.4.2 site "
	    "H: connection closed while waiting for the reply to EHLO|", NULL,
	    NULL },
	{ "EHLO 4xx", { .ehlo = "450 4.3.2 later" }, 1,
	    "1/0 deferred 450 4.3.2 site later|", NULL, NULL },
	{ "HELO 5xx", { .ehlo = "500 what", .helo = "500 what" }, 1,
	    "1/0 deferred 500 4.0.0 site what|", NULL, NULL },
	{ "MAIL 421", { .mail = { "421 4.3.2 busy!" } }, 1,
	    "1/0 deferred 421 4.3.2 site busy|", NULL, NULL },
	{ "RCPT closes", { .ehlo = "250 x", .rcpt = { "250 ok", "!" } }, 2,
	    "1/0 deferred 0 4.4.2 site H: connection closed while waiting for "
	    "the reply to RCPT|1/1 deferred 0 4.4.2 site H: connection closed "
	    "while waiting for the reply to RCPT|", NULL, NULL },
	{ "DATA closes", { .data = "!" }, 1, "1/0 deferred 0 4.4.2 site "
	    "H: connection closed while waiting for the reply to DATA|", NULL,
	    NULL },
	{ "end closes", { .end = { "!" } }, 1, "1/0 deferred 0 4.4.2 "
	    "H: connection closed while waiting for the reply to the end of "
	    "the content|", NULL, NULL },
	{ "end 421", { .end = { "421 4.3.2 busy!" } }, 1,
	    "1/0 deferred 421 4.3.2 site busy|", NULL, NULL },
	{ "LMTP closes in between", { .end = { "250 2.0.0 in", "!" } }, 2,
	    "1/0 relayed 250 2.0.0 in|1/1 deferred 0 4.4.2 H: connection "
	    "closed while waiting for the reply to the end of the content|",
	    NULL, "lmtp:[127.0.0.1]" },
	/* What is no SMTP. */
	{ "garbage", { .greeting = "SSH-2.0-OpenSSH" }, 1, "1/0 deferred 0 "
	    "4.5.0 site H: it does not speak SMTP|", NULL, NULL },
	{ "an unasked reply", { .ehlo = "250 x\r\n250 y\r\n250 z" }, 1,
	    "1/0 deferred 0 4.5.0 site H: it sent a reply to nothing|", NULL,
	    NULL },
	{ "an unasked greeting", { .greeting = "220 x\r\n220 y" }, 1,
	    "1/0 deferred 0 4.5.0 site H: it sent a reply to nothing|", "",
	    NULL },
	{ "a reply too many to MAIL", { .ehlo = "250 x",
	    .mail = { "250 ok\r\n250 ok" } }, 1, "1/0 deferred 0 4.5.0 "
	    "site H: it sent a reply to nothing|",
	    "EHLO us.example|MAIL FROM:<s@us.example>|", NULL },
	{ "421 behind a refusal", { .ehlo = "250 x",
	    .rcpt = { "550 5.1.1 no\r\n421 4.7.0 bye!" } }, 2,
	    "1/0 failed 550 5.1.1 no|1/1 deferred 421 4.7.0 site bye|", NULL,
	    NULL },
	/* Nobody is refused by what was said of another. */
	{ "a reply too many before a refusal", { .mail = { "250 ok\r\n"
	    "250 ok" }, .rcpt = { "550 5.1.1 no", "250 ok" } }, 2,
	    "1/0 deferred 0 4.5.0 site H: a reply to DATA that makes no sense "
	    "(250)|1/1 deferred 0 4.5.0 site H: a reply to DATA that makes no "
	    "sense (250)|", NULL, NULL },
	{ "a reply too many before a refusal for DATA", { .mail = { "250 ok\r\n"
	    "250 ok" }, .rcpt = { "250 ok", "550 5.1.1 no" } }, 2,
	    "1/0 deferred 0 4.5.0 site H: it sent a reply to nothing|"
	    "1/1 deferred 0 4.5.0 site H: it sent a reply to nothing|", NULL,
	    NULL },
	{ "a reply too many and all refused", { .ehlo = ALL_EHLO,
	    .rcpt = { "550 5.1.1 no\r\n250 ok" } }, 1, "1/0 deferred 0 4.5.0 "
	    "site H: it sent a reply to nothing|", NULL, NULL },
	/* A refused message does not pass for one that was taken. */
	{ "a reply too many with chunking", { .ehlo = ALL_EHLO,
	    .rcpt = { "250 ok\r\n250 ok" }, .end = { "550 5.7.1 spam" } }, 1,
	    "1/0 deferred 0 4.5.0 site H: it sent a reply to nothing|", NULL,
	    NULL },
	{ "a reply too many to pipelined MAIL", { .ehlo = ALL_EHLO,
	    .mail = { "250 ok\r\n250 ok" }, .end = { "550 5.7.1 spam" } }, 1,
	    "1/0 deferred 0 4.5.0 site H: it sent a reply to nothing|", NULL,
	    NULL },
	{ "taken and refused", { .end = { "250 ok\r\n550 5.7.1 spam" } }, 1,
	    "1/0 deferred 0 4.5.0 H: the content was accepted and refused|",
	    NULL, NULL },
	{ "taken and refused by LMTP", { .end = { "250 2.0.0 in",
	    "250 2.0.0 in\r\n550 5.7.1 spam" } }, 2, "1/0 relayed 250 2.0.0 "
	    "in|1/1 deferred 0 4.5.0 H: the content was accepted and "
	    "refused|", NULL, "lmtp:[127.0.0.1]" },
	{ "taken twice", { .end = { "250 2.0.0 in\r\n250 2.0.0 in" } }, 1,
	    "1/0 relayed 250 2.0.0 in|", NULL, NULL },
	{ "taken before good-bye", { .end = { "250 2.0.0 in\r\n"
	    "421 4.3.2 bye!" } }, 1, "1/0 relayed 250 2.0.0 in|", NULL, NULL },
	{ "codes that differ", { .ehlo = "250-x\r\n550 y" }, 1, "1/0 deferred "
	    "0 4.5.0 site H: it does not speak SMTP|", NULL, NULL },
	{ "content accepted too early", { .ehlo = "250-x\r\n250 CHUNKING",
	    .data = "250 2.0.0 done" }, 1, "1/0 relayed 250 2.0.0 taken|",
	    NULL, NULL },
	{ "DATA 250", { .data = "250 done" }, 1, "1/0 deferred 0 4.5.0 site "
	    "H: a reply to DATA that makes no sense (250)|", NULL, NULL },
	{ "DATA 354 and taken at once", { .data = "354 go\r\n250 2.0.0 in" },
	    1, "1/0 deferred 0 4.5.0 site H: more than a reply to DATA came "
	    "before the content|", NULL, NULL },
	{ "MAIL 3xx", { .mail = { "354 go" } }, 1, "1/0 deferred 0 4.5.0 site "
	    "H: a reply to MAIL that makes no sense (354)|", NULL, NULL },
	{ "RCPT 3xx", { .rcpt = { "350 hm" } }, 1, "1/0 deferred 0 4.5.0 site "
	    "H: a reply to RCPT that makes no sense (350)|", NULL, NULL },
	{ "content 221", { .end = { "221 2.0.0 Bye!" } }, 1, "1/0 deferred 0 "
	    "4.5.0 site H: a reply to the end of the content that makes no "
	    "sense (221)|", NULL, NULL },
	{ "BDAT 221", { .ehlo = ALL_EHLO, .rcpt = { "250 ok\r\n221 bye!" } },
	    1, "1/0 deferred 0 4.5.0 site H: it sent a reply to nothing|",
	    NULL, NULL },
	{ "DATA refused with good-bye", { .data = "554 5.7.1 no\r\n221 bye!" },
	    1, "1/0 failed 554 5.7.1 no|", NULL, NULL },
	{ "content 3xx", { .end = { "354 more" } }, 1, "1/0 deferred 0 4.5.0 "
	    "site H: a reply to the end of the content that makes no sense "
	    "(354)|", NULL, NULL },
	{ "STARTTLS closes", { .ehlo = "250-x\r\n250 STARTTLS",
	    .starttls = "!" }, 1, "1/0 relayed 250 2.0.0 taken|", NULL, NULL },
};

static void
replace_host(struct fixture *f, char *out, size_t size)
{
	char name[40];
	const char *p = buf_cstr(&f->results), *at;

	snprintf(name, sizeof(name), "[127.0.0.1]:%u", f->port);
	out[0] = '\0';
	while ((at = strstr(p, name)) != NULL) {
		snprintf(out + strlen(out), size - strlen(out), "%.*sH",
		    (int)(at - p), p);
		p = at + strlen(name);
	}
	snprintf(out + strlen(out), size - strlen(out), "%s", p);
}

static void
one_host_decides(void **state)
{
	struct job_recipient r[4];
	const struct single *t;
	struct fixture f;
	struct job j;
	char hop[64], text[4000];

	(void)state;
	for (t = singles; t < singles + sizeof(singles) / sizeof(singles[0]);
	    t++) {
		set_up(&f, NULL, (const struct script *[]){ &t->script, NULL,
		    NULL }, "");
		snprintf(hop, sizeof(hop), "%s:%u",
		    t->hop != NULL ? t->hop : NEXT, f.port);
		j = job_to(r, t->recipients, hop);
		send_job(&f, 1, &j, -1);
		wait_for_results(&f, t->recipients);
		replace_host(&f, text, sizeof(text));
		if (t->results != NULL && strcmp(text, t->results) != 0)
			fail_msg("%s:\n%s\nnot\n%s", t->name, text,
			    t->results);
		if (t->heard != NULL &&
		    strcmp(buf_cstr(&f.heard), t->heard) != 0)
			fail_msg("%s:\n%s\nnot\n%s", t->name,
			    buf_cstr(&f.heard), t->heard);
		tear_down(&f);
	}
}

/* ---- several hosts ------------------------------------------------------ */

static const struct known zone[] = {
	{ "example.org", DNS_MX, DNS_OK, "10 one.example", "20 two.example" },
	{ "one.example", DNS_A, DNS_OK, "127.0.0.1", NULL },
	{ "two.example", DNS_A, DNS_OK, "127.0.0.2", NULL },
	{ "implicit.example", DNS_A, DNS_OK, "127.0.0.3", NULL },
	{ "null.example", DNS_MX, DNS_OK, "0 ", NULL },
	{ "broken.example", DNS_MX, DNS_FAILED, NULL, NULL },
	{ "noaddr.example", DNS_MX, DNS_OK, "5 bare.example", NULL },
	{ "bare.example", DNS_TXT, DNS_NO_DATA, NULL, NULL },
	{ "half.example", DNS_MX, DNS_OK, "5 failing.example", NULL },
	{ "failing.example", DNS_A, DNS_FAILED, NULL, NULL },
	{ "ours.example", DNS_MX, DNS_OK, "5 us.example", "9 one.example" },
	{ "backup.example", DNS_MX, DNS_OK, "5 one.example",
	    "9 us.example" },
	{ "equal.example", DNS_MX, DNS_OK, "5 one.example", "5 us.example" },
	{ "us.example", DNS_A, DNS_OK, "127.0.0.3", NULL },
	{ "mixed.example", DNS_A, DNS_OK, "127.0.0.1", "127.0.0.2" },
	{ "six.example", DNS_AAAA, DNS_OK, "::1", NULL },	/* refused */
	{ "six.example", DNS_A, DNS_OK, "127.0.0.1", NULL },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct several {
	const char	*name;
	const char	*hop;
	struct script	 scripts[HOSTS];
	unsigned	 recipients;
	const char	*results;	/* NULL: not looked at */
	unsigned	 connections[HOSTS];
	bool		 utf8;
	const char	*settings;
} several[] = {
	{ "best first", "example.org", { { NULL } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 0, 0 }, false, NULL },
	{ "best is down", "example.org", { { .absent = true } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 0, 1, 0 }, false, NULL },
	{ "best greets with 554", "example.org", { { .greeting = "554 no!" } },
	    1, "1/0 relayed 250 2.0.0 taken|", { 1, 1, 0 }, false, NULL },
	{ "best hangs up at MAIL", "example.org", { { .mail = { "!" } } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 1, 0 }, false, NULL },
	{ "4xx to MAIL is not of a recipient", "example.org",
	    { { .mail = { "452 4.3.1 no room" } } }, 2,
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|",
	    { 1, 1, 0 }, false, NULL },
	{ "4xx to MAIL with chunking", "example.org",
	    { { .ehlo = ALL_EHLO, .mail = { "452 4.3.1 no room" } } }, 2,
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|",
	    { 1, 1, 0 }, false, NULL },
	{ "4xx to MAIL of all hosts", "example.org",
	    { { .mail = { "452 4.3.1 no room" } },
		{ .mail = { "451 4.3.0 no time" } } }, 1,
	    "1/0 deferred 451 4.3.0 no time|", { 1, 1, 0 }, false, NULL },
	{ "5xx to MAIL is the answer", "example.org",
	    { { .mail = { "550 5.7.1 no" } } }, 1,
	    "1/0 failed 550 5.7.1 no|", { 1, 0, 0 }, false, NULL },
	{ "best says 421 to the content", "example.org",
	    { { .end = { "421 4.3.2 no!" } } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 1, 0 }, false, NULL },
	{ "best is lost after the content: no other", "example.org",
	    { { .end = { "!" } } }, 1, NULL, { 1, 0, 0 }, false, NULL },
	{ "refusals stand, the rest goes on", "example.org",
	    { { .ehlo = "250 x", .rcpt = { "550 5.1.1 no", "250 ok", "!" } } },
	    3, "1/0 failed 550 5.1.1 no|1/1 relayed 250 2.0.0 taken|"
	    "1/2 relayed 250 2.0.0 taken|", { 1, 1, 0 }, false, NULL },
	{ "4xx to RCPT is the answer", "example.org",
	    { { .rcpt = { "450 4.2.0 greylisted" } } }, 1,
	    "1/0 deferred 450 4.2.0 greylisted|", { 1, 0, 0 }, false, NULL },
	{ "all hosts down", "example.org", { { .absent = true },
	    { .absent = true } }, 1, NULL, { 0, 0, 0 }, false, NULL },
	{ "implicit MX", "implicit.example", { { NULL } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 0, 0, 1 }, false, NULL },
	{ "null MX", "null.example", { { NULL } }, 1, "1/0 failed 556 5.1.10 "
	    "the domain takes no mail (null MX record)|", { 0, 0, 0 }, false,
	    NULL },
	{ "no domain", "nonesuch.example", { { NULL } }, 2, "1/0 failed 0 "
	    "5.1.2 there is no such domain|1/1 failed 0 5.1.2 there is no "
	    "such domain|", { 0, 0, 0 }, false, NULL },
	{ "DNS trouble", "broken.example", { { NULL } }, 1, "1/0 deferred 0 "
	    "4.4.3 site the domain's MX records cannot be looked up now|",
	    { 0, 0, 0 }, false, NULL },
	{ "no address", "noaddr.example", { { NULL } }, 1, "1/0 failed 0 "
	    "5.4.4 the next hop has no address|", { 0, 0, 0 }, false, NULL },
	{ "nothing but a name", "bare.example", { { NULL } }, 1, "1/0 failed "
	    "0 5.1.2 the domain has neither MX nor address records|",
	    { 0, 0, 0 }, false, NULL },
	{ "no address of our family", "noaddr.example", { { NULL } }, 1,
	    "1/0 deferred 0 4.4.4 site the next hop has no address of the "
	    "family that this host uses|", { 0, 0, 0 }, false,
	    "remote.ipv6 = no" },
	{ "addresses unknown", "half.example", { { NULL } }, 1, "1/0 deferred "
	    "0 4.4.3 site the next hop's addresses cannot be looked up now|",
	    { 0, 0, 0 }, false, NULL },
	{ "host by name", "[one.example]:P", { { NULL } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 0, 0 }, false, NULL },
	{ "we are the best MX", "ours.example", { { NULL } }, 1, "1/0 failed "
	    "0 5.4.6 the domain's best MX host is this host, which does not "
	    "receive mail for it (loop)|", { 0, 0, 0 }, false, NULL },
	{ "we are a backup MX", "backup.example", { { NULL } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 0, 0 }, false, NULL },
	{ "we are one of the best MX", "equal.example", { { NULL } }, 1,
	    "1/0 failed 0 5.4.6 the domain's best MX host is this host, which "
	    "does not receive mail for it (loop)|", { 0, 0, 0 }, false, NULL },
	{ "the host has our name", "example.org",
	    { { .ehlo = "250 US.example hi" } }, 1, "1/0 failed 0 5.4.6 the "
	    "domain's MX host is this host, which does not receive mail for "
	    "it (loop)|", { 1, 0, 0 }, false, NULL },
	{ "the worse host has our name", "example.org",
	    { { .absent = true }, { .ehlo = "250 us.example" } }, 1,
	    "1/0 deferred 0 4.4.1 site no MX host that is better than this "
	    "host can be reached|", { 0, 1, 0 }, false, NULL },
	{ "a configured host may have our name", "[one.example]:P",
	    { { .ehlo = "250 us.example" } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 0, 0 }, false, NULL },
	{ "unreachable IPv6 falls back", "six.example", { { NULL } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 0, 0 }, false, NULL },
	{ "SMTPUTF8 at the second host", "example.org",
	    { { .ehlo = "250-x\r\n250 8BITMIME" }, { .ehlo = ALL_EHLO } }, 1,
	    "1/0 relayed 250 2.0.0 taken|", { 1, 1, 0 }, true, NULL },
	{ "SMTPUTF8 nowhere", "example.org", { { NULL } }, 1, "1/0 failed 0 "
	    "5.6.7 the host does not take internationalized mail (SMTPUTF8)|",
	    { 1, 1, 0 }, true, NULL },
	{ "SMTPUTF8 perhaps at the host that is down", "example.org",
	    { { NULL }, { .absent = true } }, 1, NULL, { 1, 0, 0 }, true,
	    NULL },
	{ "no next hop at all", "exa mple", { { NULL } }, 1, "1/0 failed 0 "
	    "5.3.5 the configured next hop is none|", { 0, 0, 0 }, false,
	    NULL },
};

static void
set_hop(const char *form, uint16_t port, char *hop, size_t size)
{
	size_t n = strlen(form);

	if (n > 2 && strcmp(form + n - 2, ":P") == 0)
		snprintf(hop, size, "%.*s:%u", (int)n - 2, form, port);
	else
		snprintf(hop, size, "%s", form);
}

static void
several_hosts_are_tried_in_order(void **state)
{
	const struct script *scripts[HOSTS];
	struct job_recipient r[4];
	const struct several *t;
	struct fixture f;
	struct job j;
	char hop[64];
	size_t i;

	(void)state;
	for (t = several; t < several + sizeof(several) / sizeof(several[0]);
	    t++) {
		for (i = 0; i < HOSTS; i++)
			scripts[i] = &t->scripts[i];
		set_up(&f, zone, scripts, t->settings != NULL ? t->settings :
		    "");
		set_hop(t->hop, f.port, hop, sizeof(hop));
		j = job_to(r, t->recipients, hop);
		if (t->utf8) {
			j.smtputf8 = true;
			j.reverse_path = SLICE_LIT("\303\274@us.example");
		}
		send_job(&f, 1, &j, -1);
		wait_for_results(&f, t->recipients);
		if (t->results != NULL &&
		    strcmp(buf_cstr(&f.results), t->results) != 0)
			fail_msg("%s:\n%s\nnot\n%s", t->name,
			    buf_cstr(&f.results), t->results);
		for (i = 0; i < HOSTS; i++)
			if (f.hosts[i].connections != t->connections[i])
				fail_msg("%s: host %zu: %u connections",
				    t->name, i, f.hosts[i].connections);
		if (t->results == NULL)
			assert_non_null(strstr(buf_cstr(&f.results),
			    "deferred"));
		tear_down(&f);
	}
}

static void
host_that_failed_is_passed_over_for_a_while(void **state)
{
	static const struct script down = { .greeting = "554 no!" };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &down, NULL, NULL },
	    "remote.idle = 0s");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_int_equal(f.hosts[0].connections, 1);
	assert_int_equal(f.hosts[1].connections, 2);
	tear_down(&f);
}

static void
host_that_failed_is_tried_where_there_is_no_other(void **state)
{
	static const struct script down = { .greeting = "554 no!" };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &down, &down, NULL }, "");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	f.hosts[0].script = &good;
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_non_null(strstr(buf_cstr(&f.results), "2/0 relayed"));
	assert_int_equal(f.hosts[0].connections, 2);
	tear_down(&f);
}

static void
lmtp_over_a_unix_socket_is_connected_by_master(void **state)
{
	static const struct script no_user = { .end = { "250 2.0.0 in" } };
	static const struct stream_ops ops = { session_input, NULL, NULL,
		session_ended, NULL };
	struct job_recipient r[2];
	struct fixture f;
	struct session *s = mem_alloc(sizeof(*s));
	struct job j = job_to(r, 2, "lmtp:/run/lmtp");
	int fds[2];

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &no_user, NULL, NULL },
	    "");
	send_job(&f, 1, &j, -1);
	while (f.socket_id == 0)
		ev_turn(&f.loop, 1000);
	assert_string_equal(buf_cstr(&f.heard), "/run/lmtp");
	relay_no_socket(&f.relay, f.socket_id + 1, SLICE_EMPTY);
	relay_no_socket(&f.relay, f.socket_id, SLICE_LIT("not there"));
	wait_for_results(&f, 2);
	assert_non_null(strstr(buf_cstr(&f.results), "1/1 deferred 0 4.4.1 "
	    "site connect to /run/lmtp: not there|"));
	buf_reset(&f.results);
	f.socket_id = 0;
	send_job(&f, 2, &j, -1);
	while (f.socket_id == 0)
		ev_turn(&f.loop, 1000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s->host = &f.hosts[0];
	buf_init(&s->content, 1 << 20);
	s->next = f.sessions;
	f.sessions = s;
	stream_open(&s->stream, &f.loop, fds[1], 1 << 20, &ops, s);
	session_say(s, "220 lmtp");
	relay_got_socket(&f.relay, f.socket_id, fds[0]);
	wait_for_results(&f, 4);
	assert_string_equal(buf_cstr(&f.results),
	    "2/0 relayed 250 2.0.0 in|2/1 relayed 250 2.0.0 in|");
	tear_down(&f);
}

/* ---- many jobs ---------------------------------------------------------- */

static void
connection_is_used_again(void **state)
{
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");
	unsigned i;

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL }, "");
	for (i = 0; i < 10; i++) {
		send_job(&f, i, &j, -1);
		wait_for_results(&f, i + 1);
	}
	assert_int_equal(f.hosts[0].connections, 1);
	assert_null(strstr(buf_cstr(&f.heard), "RSET"));
	tear_down(&f);
}

static void
connection_is_reset_after_a_refused_transaction(void **state)
{
	static const struct script rows[] = {
		{ .rcpt = { "550 5.1.1 no" } },
		{ .rcpt = { "550 5.1.1 no" }, .ehlo = "250 x" },
		{ .rcpt = { "550 5.1.1 no" }, .ehlo = ALL_EHLO },
		{ .rcpt = { "550 5.1.1 no" }, .data = "354 go on" },
		{ .data = "554 5.7.1 no" },
		{ .end = { "554 5.7.1 no" }, .ehlo = ALL_EHLO },
	};
	struct job_recipient r[1];
	struct fixture f;
	struct job j;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		j = job_to(r, 1, "example.org");
		set_up(&f, zone, (const struct script *[]){ &rows[i], NULL,
		    NULL }, "");
		send_job(&f, 1, &j, -1);
		wait_for_results(&f, 1);
		f.hosts[0].script = &good;
		send_job(&f, 2, &j, -1);
		wait_for_results(&f, 2);
		assert_int_equal(f.hosts[0].connections, 1);
		assert_non_null(strstr(buf_cstr(&f.heard), "RSET|MAIL"));
		assert_non_null(strstr(buf_cstr(&f.results), "2/0 relayed"));
		tear_down(&f);
	}
}

/* Or the content would be believed to be taken by what was said of its
 * recipient. */
static void
connection_with_a_reply_too_many_is_used_no_more(void **state)
{
	static const struct script two = { .ehlo = ALL_EHLO,
		.end = { "250 taken\r\n250 and again" } };
	static const struct script no = { .ehlo = ALL_EHLO,
		.end = { "554 5.7.1 no" } };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &two, NULL, NULL }, "");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	assert_non_null(strstr(buf_cstr(&f.results), "1/0 relayed"));
	f.hosts[0].script = &no;
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_int_equal(f.hosts[0].connections, 2);
	assert_non_null(strstr(buf_cstr(&f.results), "2/0 failed 554"));
	tear_down(&f);
}

static void
host_that_does_not_know_bdat_gets_data(void **state)
{
	static const struct script sc = { .ehlo = ALL_EHLO,
		.end = { "500 5.5.1 what?" } };
	struct job_recipient r[2];
	struct fixture f;
	struct job j = job_to(r, 2, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &sc, NULL, NULL }, "");
	send_job(&f, 1, &j, -1);
	TURN_UNTIL(&f, strstr(buf_cstr(&f.heard), "BDAT") != NULL);
	TURN_UNTIL(&f, f.hosts[0].connections != 1);
	f.sessions->host->script = &good;
	wait_for_results(&f, 2);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|");
	assert_non_null(strstr(buf_cstr(&f.heard), "DATA|<26>"));
	tear_down(&f);
}

static void
connection_ends_after_max_messages(void **state)
{
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");
	unsigned i;

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL },
	    "remote.max_messages = 2");
	for (i = 0; i < 6; i++) {
		send_job(&f, i, &j, -1);
		wait_for_results(&f, i + 1);
	}
	assert_int_equal(f.hosts[0].connections, 3);
	tear_down(&f);
}

/* The first shows whether the host's replies are in step. */
static void
content_goes_ahead_from_the_second_message_on(void **state)
{
	static const struct script sc = { .ehlo = ALL_EHLO,
		.mail = { "250 ok", "550 5.7.1 no" } };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &sc, NULL, NULL }, "");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	buf_reset(&f.heard);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 relayed 250 2.0.0 taken|2/0 failed 550 5.7.1 no|");
	TURN_UNTIL(&f, strstr(buf_cstr(&f.heard), "BDAT") != NULL);
	tear_down(&f);
}

static void
idle_connection_ends_after_its_time(void **state)
{
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL },
	    "remote.idle = 20ms");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	assert_int_equal(f.relay.nconns, 1);
	TURN_UNTIL(&f, strstr(buf_cstr(&f.heard), "QUIT") != NULL);
	assert_int_equal(f.relay.nconns, 0);
	tear_down(&f);
}

/* The host closes when it has waited long enough; our next job must not suffer
 * for it, whether we have seen the close yet or not. */
static void
connection_closed_while_idle_is_replaced(void **state)
{
	struct job_recipient r[1];
	struct fixture f;
	struct session *s;
	struct job j = job_to(r, 1, "example.org");
	unsigned round;

	(void)state;
	for (round = 0; round < 2; round++) {
		set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL },
		    "");
		send_job(&f, 1, &j, -1);
		wait_for_results(&f, 1);
		for (s = f.sessions; s != NULL; s = s->next)
			if (stream_is_open(&s->stream)) {
				if (round == 1)
					(void)!send(s->stream.fd,
					    "421 4.4.2 idle\r\n", 16, 0);
				session_ended(s, STREAM_EOF);
			}
		send_job(&f, 2, &j, -1);
		wait_for_results(&f, 2);
		assert_non_null(strstr(buf_cstr(&f.results), "2/0 relayed"));
		assert_int_equal(f.hosts[0].connections, 2);
		tear_down(&f);
	}
}

static void
no_more_connections_than_configured(void **state)
{
	static const struct script slow = { .greeting = "" };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &slow, NULL, NULL },
	    "remote.connections = 2");
	send_job(&f, 1, &j, -1);
	send_job(&f, 2, &j, -1);
	send_job(&f, 3, &j, -1);
	while (!f.full)
		ev_turn(&f.loop, 1000);
	assert_int_equal(f.relay.nconns, 2);
	assert_int_equal(f.nresults, 0);
	tear_down(&f);
}

static void
idle_connection_makes_room_for_another_next_hop(void **state)
{
	struct job_recipient r[1], r2[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");
	struct job j2 = job_to(r2, 1, "implicit.example");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL },
	    "remote.connections = 1");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	send_job(&f, 2, &j2, -1);
	wait_for_results(&f, 2);
	assert_false(f.full);
	assert_non_null(strstr(buf_cstr(&f.results), "2/0 relayed"));
	tear_down(&f);
}

static void
step_that_takes_too_long_is_given_up(void **state)
{
	static const struct {
		struct script	 script;
		const char	*setting;
		const char	*why;
	} rows[] = {
		{ { .greeting = "" }, "remote.timeout_greeting = 100ms",
		    "the connection" },
		{ { .ehlo = "250 x", .mail = { "" } },
		    "remote.timeout_mail = 100ms", "MAIL" },
		{ { .ehlo = "250 x", .rcpt = { "" } },
		    "remote.timeout_rcpt = 100ms", "RCPT" },
		{ { .ehlo = "250 x", .data = "" },
		    "remote.timeout_data = 100ms", "DATA" },
		{ { .ehlo = "250 x", .end = { "" } },
		    "remote.timeout_end = 100ms", "the end of the content" },
	};
	struct job_recipient r[1];
	struct fixture f;
	struct job j;
	char hop[40];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up(&f, NULL, (const struct script *[]){ &rows[i].script,
		    NULL, NULL }, rows[i].setting);
		set_hop("[127.0.0.1]:P", f.port, hop, sizeof(hop));
		j = job_to(r, 1, hop);
		send_job(&f, 1, &j, -1);
		wait_for_results(&f, 1);
		assert_non_null(strstr(buf_cstr(&f.results), "timed out"));
		assert_non_null(strstr(buf_cstr(&f.results), rows[i].why));
		tear_down(&f);
	}
}

/* The greeting, which has the same limit, is waited for by another. */
static void
ehlo_that_takes_too_long_is_given_up(void **state)
{
	static const struct script silent = { .greeting = "", .ehlo = "" };
	struct job_recipient r[1];
	struct conf *hasty;
	struct fixture f;
	struct job j;
	char hop[40];

	(void)state;
	set_up(&f, NULL, (const struct script *[]){ &silent, NULL, NULL }, "");
	hasty = conf_of(&f, "remote.timeout_greeting = 100ms");
	set_hop("[127.0.0.1]:P", f.port, hop, sizeof(hop));
	j = job_to(r, 1, hop);
	send_job(&f, 1, &j, -1);
	TURN_UNTIL(&f, f.hosts[0].connections > 0);
	ev_turn(&f.loop, 0);
	relay_configure(&f.relay, hasty);
	session_say(f.sessions, "220 host.example");
	wait_for_results(&f, 1);
	assert_non_null(strstr(buf_cstr(&f.results), "timed out"));
	assert_non_null(strstr(buf_cstr(&f.results), "EHLO"));
	tear_down(&f);
	conf_free(&hasty);
}

static void
who_loses_pipelined_commands_is_told_one_at_a_time(void **state)
{
	static const struct script forgets = { .forgets = true,
	    .ehlo = "250-host.example\r\n250 PIPELINING" };
	struct job_recipient r[2];
	struct conf *patient;
	struct fixture f;
	struct job j;
	char hop[40];

	(void)state;
	set_up(&f, NULL, (const struct script *[]){ &forgets, NULL, NULL },
	    "remote.timeout_rcpt = 100ms");
	patient = conf_of(&f, "");
	set_hop("[127.0.0.1]:P", f.port, hop, sizeof(hop));
	log_set_level(LOG_LEVEL_ERROR + 1);
	j = job_to(r, 2, hop);
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 2);
	assert_non_null(strstr(buf_cstr(&f.results), "timed out"));
	relay_configure(&f.relay, patient);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 4);
	log_set_level(LOG_LEVEL_ERROR);
	assert_non_null(strstr(buf_cstr(&f.results),
	    "2/0 relayed 250 2.0.0 taken|2/1 relayed 250 2.0.0 taken|"));
	tear_down(&f);
	conf_free(&patient);
}

static void
cancelled_job_ends_where_nothing_is_decided(void **state)
{
	static const struct script slow = { .greeting = "" };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &slow, NULL, NULL }, "");
	send_job(&f, 1, &j, -1);
	TURN_UNTIL(&f, f.hosts[0].connections > 0);
	channel_send(f.qmgr_peer, DL_CANCEL, 1, SLICE_EMPTY);
	channel_send(f.qmgr_peer, DL_CANCEL, 99, SLICE_EMPTY);
	wait_for_results(&f, 1);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 deferred 0 4.3.0 the attempt was cancelled|");
	assert_int_equal(f.relay.nconns, 0);
	tear_down(&f);
}

static void
has_stopped(void *arg)
{
	((struct fixture *)arg)->stopped = true;
}

static void
stop_finishes_what_is_under_way(void **state)
{
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL }, "");
	send_job(&f, 1, &j, -1);
	TURN_UNTIL(&f, f.hosts[0].connections > 0);
	relay_stop(&f.relay, has_stopped, &f);
	assert_false(f.stopped);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 1);
	TURN_UNTIL(&f, f.stopped);
	assert_true(f.full);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 relayed 250 2.0.0 taken|");
	tear_down(&f);
}

static void
dead_qmgr_ends_what_is_under_way(void **state)
{
	static const struct script slow = { .end = { "" } };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &slow, NULL, NULL }, "");
	send_job(&f, 1, &j, -1);
	TURN_UNTIL(&f, strstr(buf_cstr(&f.heard), "<26>") != NULL);
	relay_qmgr_down(&f.relay);
	assert_int_equal(f.relay.nconns, 0);
	tear_down(&f);
}

/* ---- content ------------------------------------------------------------ */

#define LARGE	(3u << 20)
#define FITS_THE_KERNEL	(12u << 10)

static int
large_file(size_t size)
{
	char line[64];
	FILE *fp = tmpfile();
	size_t i;
	int fd;

	memset(line, '.', sizeof(line));
	memcpy(line + 62, "\r\n", 2);
	for (i = 0; i < size; i += sizeof(line))
		fwrite(line, 1, sizeof(line), fp);
	fflush(fp);
	fd = dup(fileno(fp));
	fclose(fp);
	return fd;
}

static void
large_content_comes_from_the_descriptor(void **state)
{
	/* With dots doubled: a byte more for each line of 64. */
	static const struct {
		const char	*ehlo;
		size_t		 size;
	} rows[] = {
		{ NULL, LARGE + LARGE / 64 + 5 },
		{ "250-x\r\n250-PIPELINING\r\n250 CHUNKING", LARGE + 5 },
		{ "250-x\r\n250 CHUNKING", LARGE + 5 },
		{ "250 x", LARGE + LARGE / 64 + 5 },
	};
	struct job_recipient r[2];
	struct script sc = { NULL };
	struct fixture f;
	struct job j;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sc.ehlo = rows[i].ehlo;
		set_up(&f, zone, (const struct script *[]){ &sc, NULL, NULL },
		    "");
		j = job_to(r, 2, "example.org");
		j.content = SLICE_LIT("x\r\n\r\n");
		j.offset = 64;
		j.size = LARGE;
		send_job(&f, 1, &j, large_file(LARGE + 128));
		wait_for_results(&f, 2);
		assert_string_equal(buf_cstr(&f.results),
		    "1/0 relayed 250 2.0.0 taken|"
		    "1/1 relayed 250 2.0.0 taken|");
		snprintf(text, sizeof(text), "<%zu>", rows[i].size);
		if (strstr(buf_cstr(&f.heard), text) == NULL)
			fail_msg("%s not in %s", text, buf_cstr(&f.heard));
		tear_down(&f);
	}
}

static void
truncated_file_defers_the_message(void **state)
{
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "implicit.example");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, NULL }, "");
	log_set_level(LOG_LEVEL_ERROR + 1);
	j.size = LARGE;
	send_job(&f, 1, &j, large_file(LARGE / 2));
	wait_for_results(&f, 1);
	assert_non_null(strstr(buf_cstr(&f.results), "deferred 0 4.3.0"));
	assert_null(strstr(buf_cstr(&f.heard), "DATA|<"));
	log_set_level(LOG_LEVEL_ERROR);
	tear_down(&f);
}

/* It costs neither the host its good name nor another host an attempt. */
static void
damaged_content_never_gets_its_end(void **state)
{
	static const struct script rows[] = {
		{ NULL }, { .ehlo = "250-x\r\n250 CHUNKING" },
	};
	char *whole = malloc(LARGE);
	struct job_recipient r[2];
	struct fixture f;
	struct job j;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up(&f, zone, (const struct script *[]){ &rows[i], NULL,
		    NULL }, "");
		log_set_level(LOG_LEVEL_ERROR + 1);
		j = job_to(r, 2, "example.org");
		j.size = LARGE;
		fd = large_file(LARGE);
		assert_int_equal(pread(fd, whole, LARGE, 0), LARGE);
		j.crc = crc32c(0, slice_of(whole, LARGE));
		whole[LARGE / 2] ^= 1;
		assert_int_equal(pwrite(fd, whole, LARGE, 0), LARGE);
		send_job(&f, 1, &j, fd);
		wait_for_results(&f, 2);
		assert_string_equal(buf_cstr(&f.results),
		    "1/0 deferred 0 4.3.0 the content cannot be read (local "
		    "trouble) damaged|1/1 deferred 0 4.3.0 the content cannot "
		    "be read (local trouble) damaged|");
		assert_null(strstr(buf_cstr(&f.heard), "|<"));
		assert_int_equal(f.hosts[1].connections, 0);
		send_job(&f, 2, &j, large_file(LARGE));
		wait_for_results(&f, 4);
		assert_non_null(strstr(buf_cstr(&f.results),
		    "2/1 relayed 250"));
		log_set_level(LOG_LEVEL_ERROR);
		tear_down(&f);
	}
	free(whole);
}

static void
content_refused_before_its_end(void **state)
{
	static const struct script sc = { .early = "552 5.3.4 too much!" };
	struct job_recipient r[1];
	struct fixture f;
	struct job j = job_to(r, 1, "example.org");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &sc, NULL, NULL }, "");
	j.size = LARGE;
	send_job(&f, 1, &j, large_file(LARGE));
	wait_for_results(&f, 1);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 failed 552 5.3.4 too much|");
	assert_int_equal(f.hosts[1].connections, 0);
	tear_down(&f);
}

/* Our kernel has all of it, the host's only a part. */
static void
content_accepted_before_it_has_come(void **state)
{
	static const char *const ehlos[] = { NULL, "250-x\r\n250 CHUNKING" };
	struct script sc = { .early = "250 2.0.0 in", .narrow = true };
	struct job_recipient r[1];
	struct fixture f;
	struct job j;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		sc.ehlo = ehlos[i];
		set_up(&f, zone, (const struct script *[]){ &sc, NULL, NULL },
		    "");
		j = job_to(r, 1, "example.org");
		j.size = FITS_THE_KERNEL;
		send_job(&f, 1, &j, large_file(FITS_THE_KERNEL));
		wait_for_results(&f, 1);
		assert_non_null(strstr(buf_cstr(&f.results), "the content was "
		    "accepted before its end"));
		assert_int_equal(f.hosts[1].connections, 0);
		tear_down(&f);
	}
}

static void
eight_bit_content_is_converted_for_a_host_without_8bitmime(void **state)
{
	static const struct script seven = { .ehlo = "250 x" };
	static const char text[] = "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n\303\274\r\n";
	static const char signed_text[] = "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/signed; boundary=b\r\n\r\n"
	    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n\303\274\r\n"
	    "--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n"
	    "--b--\r\n";
	struct job_recipient r[1];
	struct fixture f;
	struct session *s;
	struct job j = job_to(r, 1, "example.org");
	size_t i;

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &seven, NULL, NULL }, "");
	j.body = BODY_8BITMIME;
	j.content = slice_str(text);
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 relayed 250 2.0.0 taken|");
	for (s = f.sessions; s != NULL; s = s->next)
		for (i = 0; i < s->content.n; i++)
			assert_true((unsigned char)s->content.p[i] < 0x80);
	buf_reset(&f.results);
	j.content = slice_str(signed_text);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_non_null(strstr(buf_cstr(&f.results), "failed 0 5.6.3"));
	tear_down(&f);
}

/* ---- commands ----------------------------------------------------------- */

static void
commands_have_what_the_host_offers(void **state)
{
	static const struct {
		const char	*reverse_path;
		enum dsn_ret	 ret;
		const char	*envid;
		const char	*to;
		uint8_t		 notify;
		const char	*orcpt;
		struct compose	 how;
		const char	*text;
	} rows[] = {
		{ "a@b", 0, "", "c@d", 0, "", { .size = 9 },
		    "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" },
		{ "", RET_FULL, "i d", "c@d", NOTIFY_SUCCESS | NOTIFY_DELAY,
		    "rfc822;c+x@d", { .size = 9 },
		    "MAIL FROM:<>\r\nRCPT TO:<c@d>\r\n" },
		{ "", RET_FULL, "i d", "c@d", NOTIFY_SUCCESS | NOTIFY_DELAY,
		    "rfc822;c+x@d", { .size = 9, .offers = EHLO_DSN |
			EHLO_SIZE }, "MAIL FROM:<> SIZE=9 RET=FULL "
		    "ENVID=i+20d\r\nRCPT TO:<c@d> NOTIFY=SUCCESS,DELAY "
		    "ORCPT=rfc822;c+2Bx@d\r\n" },
		{ "a@b", RET_HDRS, "", "c@d", NOTIFY_NEVER, "",
		    { .offers = EHLO_DSN | EHLO_8BITMIME,
			.body = BODY_8BITMIME },
		    "MAIL FROM:<a@b> BODY=8BITMIME RET=HDRS\r\n"
		    "RCPT TO:<c@d> NOTIFY=NEVER\r\n" },
		{ "a@b", 0, "", "c@d", 0, "", { .offers = EHLO_CHUNKING |
		    EHLO_BINARYMIME, .body = BODY_BINARYMIME },
		    "MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n" },
		{ "\303\274@b", 0, "", "c@\303\274.example", 0, "",
		    { .offers = EHLO_SMTPUTF8, .utf8 = true },
		    "MAIL FROM:<\303\274@b> SMTPUTF8\r\n"
		    "RCPT TO:<c@\303\274.example>\r\n" },
		{ "a@b", 0, "", "c@\303\274.example", 0, "", { .size = 9 },
		    "MAIL FROM:<a@b>\r\nRCPT TO:<c@xn--tda.example>\r\n" },
	};
	struct buf b = BUF_INIT(10000);
	struct job_recipient r;
	struct job j;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		j = job_to(&r, 1, "x");
		j.reverse_path = slice_str(rows[i].reverse_path);
		j.ret = rows[i].ret;
		j.envid = slice_str(rows[i].envid);
		r.address = slice_str(rows[i].to);
		r.notify = rows[i].notify;
		r.orcpt = slice_str(rows[i].orcpt);
		assert_int_equal(compose_mail(&b, &rows[i].how, &j), 0);
		assert_int_equal(compose_rcpt(&b, &rows[i].how, &r), 0);
		assert_string_equal(buf_cstr(&b), rows[i].text);
	}
	buf_clear(&b);
}

static void
extensions_are_passed_on_where_they_are_offered(void **state)
{
	static const struct {
		struct envelope_extras extras;
		struct compose	 how;
		const char	*text;
	} rows[] = {
		{ { .by_mode = BY_RETURN, .by_ms = 61500, .by_trace = true },
		    { .offers = EHLO_DELIVERBY, .now_ms = 1000 },
		    "MAIL FROM:<a@b> BY=60;RT\r\n" },
		{ { .by_mode = BY_RETURN, .by_ms = 61500 }, { .now_ms = 1000 },
		    "MAIL FROM:<a@b>\r\n" },
		{ { .by_mode = BY_RETURN, .by_ms = 500 },
		    { .offers = EHLO_DELIVERBY, .now_ms = 1000 },
		    "MAIL FROM:<a@b> BY=1;R\r\n" },
		{ { .by_mode = BY_NOTIFY, .by_ms = 1000 },
		    { .offers = EHLO_DELIVERBY, .now_ms = 61000 },
		    "MAIL FROM:<a@b> BY=-60;N\r\n" },
		{ { .by_mode = BY_NOTIFY, .by_ms = TIME_MAX_MS },
		    { .offers = EHLO_DELIVERBY },
		    "MAIL FROM:<a@b> BY=999999999;N\r\n" },
		{ { .priority = -9 }, { .offers = EHLO_MT_PRIORITY },
		    "MAIL FROM:<a@b> MT-PRIORITY=-9\r\n" },
		{ { .priority = 9 }, { .offers = 0 },
		    "MAIL FROM:<a@b>\r\n" },
		{ { .auth = SLICE_LIT("<>") }, { .offers = EHLO_AUTH },
		    "MAIL FROM:<a@b> AUTH=<>\r\n" },
		{ { .auth = SLICE_LIT("e=mc+2@d") }, { .offers = EHLO_AUTH },
		    "MAIL FROM:<a@b> AUTH=e+3Dmc+2B2@d\r\n" },
		{ { .auth = SLICE_LIT("<>") }, { .offers = 0 },
		    "MAIL FROM:<a@b>\r\n" },
	};
	struct buf b = BUF_INIT(10000);
	struct job_recipient r;
	struct job j;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		j = job_to(&r, 1, "x");
		j.reverse_path = SLICE_LIT("a@b");
		j.extras = rows[i].extras;
		assert_int_equal(compose_mail(&b, &rows[i].how, &j), 0);
		assert_string_equal(buf_cstr(&b), rows[i].text);
	}
	buf_clear(&b);
}

/* What is a condition is not sent where it cannot be met, and another host is
 * tried. */
static void
conditions_that_a_host_cannot_meet(void **state)
{
	static const char lacks_by[] = "1/0 failed 0 5.3.3 the host does not "
	    "promise to deliver within the time given (DELIVERBY)|";
	static const struct {
		const char	*ehlo[2];
		enum by_mode	 mode;
		bool		 require_tls;
		const char	*results;
	} rows[] = {
		{ { "250 x", "250-x\r\n250 DELIVERBY" }, BY_RETURN, false,
		    "1/0 relayed 250 2.0.0 taken|" },
		{ { "250-x\r\n250 DELIVERBY 3000", "250 x" }, BY_RETURN,
		    false, "1/0 relayed 250 2.0.0 taken|" },
		{ { "250-x\r\n250 DELIVERBY 4000", "250 x" }, BY_RETURN,
		    false, lacks_by },
		{ { "250 x", "250 x" }, BY_RETURN, false, lacks_by },
		{ { "250 x", "250 x" }, BY_NOTIFY, false,
		    "1/0 relayed 250 2.0.0 taken|" },
		{ { "250 x", "250-x\r\n250 REQUIRETLS" }, BY_NONE, true,
		    "1/0 failed 0 5.7.30 the message may only go where TLS is "
		    "required (REQUIRETLS)|" },
	};
	struct script sc[2];
	struct job_recipient r[1];
	struct fixture f;
	struct job j;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(sc, 0, sizeof(sc));
		sc[0].ehlo = rows[i].ehlo[0];
		sc[1].ehlo = rows[i].ehlo[1];
		set_up(&f, zone, (const struct script *[]){ &sc[0], &sc[1],
		    NULL }, "");
		j = job_to(r, 1, "example.org");
		j.extras.by_mode = rows[i].mode;
		if (rows[i].mode != BY_NONE)
			j.extras.by_ms = clock_wall_ms() + 3600000;
		j.extras.require_tls = rows[i].require_tls;
		send_job(&f, 1, &j, -1);
		wait_for_results(&f, 1);
		assert_string_equal(buf_cstr(&f.results), rows[i].results);
		tear_down(&f);
	}
}

static void
original_recipient_without_a_type_is_left_out(void **state)
{
	struct job_recipient r[2];
	struct fixture f;
	struct job j = job_to(r, 2, "example.org");
	static const struct script sc = { .ehlo = ALL_EHLO };

	(void)state;
	set_up(&f, zone, (const struct script *[]){ &sc, NULL, NULL }, "");
	r[0].orcpt = SLICE_LIT("no type");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 2);
	assert_string_equal(buf_cstr(&f.results),
	    "1/0 relayed 250 2.0.0 taken|1/1 relayed 250 2.0.0 taken|");
	assert_null(strstr(buf_cstr(&f.heard), "ORCPT"));
	tear_down(&f);
}

static void
no_more_domains_in_a_transaction_than_the_host_takes(void **state)
{
	static const struct script sc = { .ehlo = "250-x\r\n"
	    "250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1" };
	struct job_recipient r[3];
	struct fixture f;
	struct job j = job_to(r, 3, "implicit.example");

	(void)state;
	set_up(&f, zone, (const struct script *[]){ NULL, NULL, &sc }, "");
	r[1].address = SLICE_LIT("b@other.example");
	r[2].address = SLICE_LIT("c@EXAMPLE.org");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 3);
	assert_string_equal(buf_cstr(&f.heard), "EHLO us.example|"
	    "MAIL FROM:<s@us.example>|RCPT TO:<a@example.org>|"
	    "RCPT TO:<c@EXAMPLE.org>|DATA|<26>"
	    "MAIL FROM:<s@us.example>|RCPT TO:<b@other.example>|DATA|<26>");
	tear_down(&f);
}

static void
smtputf8_is_asked_for_only_where_needed(void **state)
{
	static const struct {
		const char	*reverse_path;
		const char	*to;
		const char	*header;
		bool		 asked;		/* by the client */
		bool		 needed;
	} rows[] = {
		{ "a@b", "c@d", "Subject: x", false, false },
		{ "a@b", "c@d", "Subject: x", true, false },
		{ "a@b", "c@d", "Subject: \303\274", true, true },
		/* Raw 8-bit in a header, which nobody has declared. */
		{ "a@b", "c@d", "Subject: \303\274", false, false },
		{ "\303\274@b", "c@d", "", true, true },
		{ "a@b", "\303\274@d", "", false, true },
		{ "a@b", "c@\303\274.example", "", true, false },
		{ "a@\377\376", "c@d", "", true, true },
	};
	struct job_recipient r;
	struct job j;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		j = job_to(&r, 1, "x");
		j.reverse_path = slice_str(rows[i].reverse_path);
		j.smtputf8 = rows[i].asked;
		r.address = slice_str(rows[i].to);
		assert_int_equal(job_needs_utf8(&j,
		    slice_str(rows[i].header)), rows[i].needed);
	}
}

/* ---- next hops ---------------------------------------------------------- */

/* ---- TLS ----------------------------------------------------------------- */

#define TLS_EHLO "250-host.example\r\n250-PIPELINING\r\n250 STARTTLS"
#define CLEAR_END "MAIL FROM:<s@us.example>|RCPT TO:<a@example.org>|DATA|<26>"
#define INNER "EHLO us.example|STARTTLS|[TLS]EHLO us.example|" CLEAR_END
#define OTHER_PRINT "0000000000000000000000000000000000000000000000000000000000000000"
#define ENCRYPT "remote.tls = encrypt"

/* `heard` is the whole; NULL: nothing of a message, and no "MAIL". */
static const struct secured {
	const char	*name;
	const char	*settings;
	struct script	 script;
	const char	*results;	/* its beginning */
	const char	*within;	/* a part of it; NULL: any */
	const char	*heard;
} secureds[] = {
	{ "may", "", { .ehlo = TLS_EHLO },
	    "(TLSv1.3/encrypted)1/0 relayed 250 2.0.0 taken|", NULL, INNER },
	{ "none", "remote.tls = none", { .ehlo = TLS_EHLO },
	    "1/0 relayed 250 2.0.0 taken|", NULL,
	    "EHLO us.example|" CLEAR_END },
	{ "may, and it refuses", "", { .ehlo = TLS_EHLO,
	    .starttls = "454 4.7.0 not now" }, "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|" CLEAR_END },
	{ "may, and its TLS is garbage", "", { .ehlo = TLS_EHLO,
	    .raw = "250 what?" }, "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|EHLO us.example|" CLEAR_END },
	{ "may, and it closes", "", { .ehlo = TLS_EHLO, .raw = "!" },
	    "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|EHLO us.example|" CLEAR_END },
	{ "may, and it sends an alert", "", { .ehlo = TLS_EHLO,
	    .raw = "\025\003\003\001\002\002\050!" }, "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|EHLO us.example|" CLEAR_END },
	{ "may, and it says nothing", "", { .ehlo = TLS_EHLO,
	    .raw = "" }, "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|EHLO us.example|" CLEAR_END },
	{ "may, and more than 220 comes", "", { .ehlo = TLS_EHLO,
	    .starttls = "220 go\r\n250 injected" }, "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|[TLS]EHLO us.example|" CLEAR_END },
	{ "may, and it closes within TLS", "", { .ehlo = TLS_EHLO,
	    .inner_ehlo = "!" }, "1/0 relayed", NULL,
	    "EHLO us.example|STARTTLS|[TLS]EHLO us.example|EHLO us.example|"
	    CLEAR_END },
	{ "what was offered in clear is void", "", { .ehlo =
	    "250-x\r\n250-STARTTLS\r\n250-SIZE 10\r\n250 CHUNKING",
	    .inner_ehlo = "250 x" }, "(TLSv1.3/encrypted)1/0 relayed", NULL,
	    INNER },
	{ "STARTTLS within TLS is not asked for again", "", { .ehlo = TLS_EHLO,
	    .inner_ehlo = TLS_EHLO }, "(TLSv1.3/encrypted)1/0 relayed", NULL,
	    INNER },
	{ "encrypt", ENCRYPT, { .ehlo = TLS_EHLO },
	    "(TLSv1.3/encrypted)1/0 relayed", NULL, INNER },
	{ "encrypt, stripped", ENCRYPT, { NULL },
	    "1/0 deferred 0 4.7.4 site", "does not offer STARTTLS", NULL },
	{ "encrypt, EHLO unknown", ENCRYPT, { .ehlo = "500 what?" },
	    "1/0 deferred 0 4.7.4 site", "does not offer STARTTLS", NULL },
	{ "encrypt, refused", ENCRYPT, { .ehlo = TLS_EHLO,
	    .starttls = "454 4.7.0 not now" }, "1/0 deferred 0 4.7.4 site",
	    "454 4.7.0 not now", NULL },
	{ "encrypt, 250 instead of 220", ENCRYPT, { .ehlo = TLS_EHLO,
	    .starttls = "250 ok" }, "1/0 deferred 0 4.7.4 site", NULL, NULL },
	{ "encrypt, garbage", ENCRYPT, { .ehlo = TLS_EHLO,
	    .raw = "250 what?" }, "1/0 deferred 0 4.7.5 site", "TLS failed",
	    NULL },
	{ "encrypt, closed", ENCRYPT, { .ehlo = TLS_EHLO, .raw = "!" },
	    "1/0 deferred 0 4.7.5 site", "TLS failed", NULL },
	{ "encrypt, silent", ENCRYPT, { .ehlo = TLS_EHLO, .raw = "" },
	    "1/0 deferred 0 4.7.5 site", "TLS failed: it takes too long", NULL },
	{ "encrypt, more than 220", ENCRYPT, { .ehlo = TLS_EHLO,
	    .starttls = "220 go\r\n250 injected" },
	    "1/0 deferred 0 4.7.5 site", "more than a reply", NULL },
	{ "verify", "remote.tls = verify", { .ehlo = TLS_EHLO },
	    "(TLSv1.3/verified)1/0 relayed", NULL, INNER },
	{ "verify, another name", "nexthop example.org { tls = verify\n"
	    "tls_names = one.example }", { .ehlo = TLS_EHLO },
	    "1/0 deferred 0 4.7.5 site", "ostname mismatch", NULL },
	{ "verify by the block of a domain above", "nexthop .org { "
	    "tls = verify; tls_names = MX.example.org }",
	    { .ehlo = TLS_EHLO }, "(TLSv1.3/verified)1/0 relayed", NULL,
	    INNER },
	{ "fingerprint, another", "nexthop example.org { tls = fingerprint\n"
	    "tls_fingerprints = " OTHER_PRINT " }", { .ehlo = TLS_EHLO },
	    "1/0 deferred 0 4.7.5 site", "another fingerprint", NULL },
	{ "fingerprint, stripped", "nexthop example.org { tls = fingerprint\n"
	    "tls_fingerprints = " OTHER_PRINT " }", { NULL },
	    "1/0 deferred 0 4.7.4 site", NULL, NULL },
};

static const struct known tls_zone[] = {
	{ "example.org", DNS_MX, DNS_OK, "10 one.example", NULL },
	{ "one.example", DNS_A, DNS_OK, "127.0.0.1", NULL },
	{ NULL, 0, 0, NULL, NULL },
};

/* Of all that has the limit of a greeting, just the handshake is cut short. */
static void
hurry_the_handshake(struct fixture *f, const char *settings)
{
	struct buf text = BUF_INIT(1000);
	struct conf *hasty;

	buf_printf(&text, "%s\nremote.timeout_greeting = 100ms\n", settings);
	hasty = conf_of(f, buf_cstr(&text));
	TURN_UNTIL(f, strstr(buf_cstr(&f->heard), "STARTTLS|") != NULL);
	relay_configure(&f->relay, hasty);
	TURN_UNTIL(f, f->nraw > 0);
	relay_configure(&f->relay, f->conf);
	conf_free(&hasty);
	buf_clear(&text);
}

static void
tls_is_done_as_the_policy_says(void **state)
{
	const struct secured *t;
	struct job_recipient r[1];
	struct fixture f;
	struct job j;

	(void)state;
	host_tls();
	for (t = secureds; t < secureds + sizeof(secureds) /
	    sizeof(secureds[0]); t++) {
		set_up(&f, tls_zone, (const struct script *[]){ &t->script,
		    NULL, NULL }, t->settings);
		relay_take_authorities(&f.relay, buf_slice(&host_key.chain));
		j = job_to(r, 1, "example.org");
		send_job(&f, 1, &j, -1);
		if (t->script.raw != NULL && t->script.raw[0] == '\0')
			hurry_the_handshake(&f, t->settings);
		wait_for_results(&f, 1);
		if (strncmp(buf_cstr(&f.results), t->results,
		    strlen(t->results)) != 0 || (t->within != NULL &&
		    strstr(buf_cstr(&f.results), t->within) == NULL))
			fail_msg("%s: %s", t->name, buf_cstr(&f.results));
		if (t->heard != NULL ? strcmp(buf_cstr(&f.heard),
		    t->heard) != 0 : strstr(buf_cstr(&f.heard), "MAIL") !=
		    NULL)
			fail_msg("%s: %s", t->name, buf_cstr(&f.heard));
		tear_down(&f);
	}
}

static void
nothing_is_verified_without_authorities(void **state)
{
	static const struct script offers = { .ehlo = TLS_EHLO };
	struct job_recipient r[1];
	struct fixture f;
	struct job j;

	(void)state;
	set_up(&f, tls_zone, (const struct script *[]){ &offers, NULL, NULL },
	    "remote.tls = verify");
	j = job_to(r, 1, "example.org");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	assert_non_null(strstr(buf_cstr(&f.results), "deferred 0 4.7.5"));
	assert_null(strstr(buf_cstr(&f.heard), "MAIL"));
	tear_down(&f);
}

/* Where TLS failed it is left out the next time, too; sessions are kept. */
static void
what_is_known_of_tls_is_remembered(void **state)
{
	static const struct script broken = { .ehlo = TLS_EHLO, .raw = "!" };
	struct job_recipient r[1];
	struct fixture f;
	struct job j;

	(void)state;
	set_up(&f, tls_zone, (const struct script *[]){ &broken, NULL, NULL },
	    "remote.idle = 0s");
	j = job_to(r, 1, "example.org");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	assert_int_equal(f.hosts[0].connections, 2);
	buf_reset(&f.heard);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_int_equal(f.hosts[0].connections, 3);
	assert_null(strstr(buf_cstr(&f.heard), "STARTTLS"));
	tear_down(&f);
}

/* A connection that was begun under another policy is not used again. */
static void
reload_with_another_policy_ends_idle_connections(void **state)
{
	static const struct script plain = { NULL };
	struct job_recipient r[1];
	struct conf *strict;
	struct fixture f;
	struct job j;

	(void)state;
	set_up(&f, tls_zone, (const struct script *[]){ &plain, NULL, NULL },
	    "remote.idle = 60s");
	j = job_to(r, 1, "example.org");
	send_job(&f, 1, &j, -1);
	wait_for_results(&f, 1);
	relay_configure(&f.relay, f.conf);
	send_job(&f, 2, &j, -1);
	wait_for_results(&f, 2);
	assert_int_equal(f.hosts[0].connections, 1);
	strict = conf_of(&f, "nexthop EXAMPLE.org { tls = encrypt }");
	relay_configure(&f.relay, strict);
	buf_reset(&f.heard);
	send_job(&f, 3, &j, -1);
	wait_for_results(&f, 3);
	assert_non_null(strstr(buf_cstr(&f.results), "3/0 deferred 0 4.7.4"));
	assert_null(strstr(buf_cstr(&f.heard), "MAIL"));
	tear_down(&f);
	conf_free(&strict);
}

static void
next_hop_texts(void **state)
{
	static const struct {
		const char	*text;
		enum hop_kind	 kind;		/* 0: refused */
		bool		 lmtp;
		const char	*host;
		unsigned	 port;
		const char	*address;
	} rows[] = {
		{ "example.org", HOP_MX, false, "example.org", 0, NULL },
		{ "example.org.", HOP_MX, false, "example.org.", 0, NULL },
		{ "smtp:example.org", HOP_MX, false, "example.org", 0, NULL },
		{ "example.org:2525", HOP_MX, false, "example.org", 2525,
		    NULL },
		{ "b\303\274cher.example", HOP_MX, false,
		    "b\303\274cher.example", 0, NULL },
		{ "[mail.example.org]", HOP_HOST, false, "mail.example.org",
		    0, NULL },
		{ "[mail.example.org]:26", HOP_HOST, false,
		    "mail.example.org", 26, NULL },
		{ "[192.0.2.1]:2525", HOP_ADDRESS, false, "192.0.2.1", 2525,
		    "192.0.2.1" },
		{ "192.0.2.1", HOP_ADDRESS, false, "192.0.2.1", 0,
		    "192.0.2.1" },
		{ "[IPv6:2001:db8::1]:25", HOP_ADDRESS, false, "2001:db8::1",
		    25, "2001:db8::1" },
		{ "[2001:db8::1]", HOP_ADDRESS, false, "2001:db8::1", 0,
		    "2001:db8::1" },
		{ "lmtp:[host]:24", HOP_HOST, true, "host", 24, NULL },
		{ "LMTP:host.example", HOP_HOST, true, "host.example", 0,
		    NULL },
		{ "lmtp:127.0.0.1:2424", HOP_ADDRESS, true, "127.0.0.1", 2424,
		    "127.0.0.1" },
		{ "smtps:[host.example]", HOP_HOST, false, "host.example", 0,
		    NULL },
		{ "smtps:host.example:26", HOP_HOST, false, "host.example",
		    26, NULL },
		{ "lmtp:/run/lmtp.sock", HOP_SOCKET, true, "/run/lmtp.sock",
		    0, NULL },
		{ "", 0, false, NULL, 0, NULL },
		{ "[", 0, false, NULL, 0, NULL },
		{ "[]", 0, false, NULL, 0, NULL },
		{ "[a b]", 0, false, NULL, 0, NULL },
		{ "[host", 0, false, NULL, 0, NULL },
		{ "[host]x", 0, false, NULL, 0, NULL },
		{ "[host]:", 0, false, NULL, 0, NULL },
		{ "host:0", 0, false, NULL, 0, NULL },
		{ "host:65536", 0, false, NULL, 0, NULL },
		{ "host:25x", 0, false, NULL, 0, NULL },
		{ "2001:db8::1", 0, false, NULL, 0, NULL },
		{ "lmtp:", 0, false, NULL, 0, NULL },
		{ "lmtp:/", 0, false, NULL, 0, NULL },
		{ "/run/x", 0, false, NULL, 0, NULL },
		{ "smtps:", 0, false, NULL, 0, NULL },
		{ "smtps:/run/x", 0, false, NULL, 0, NULL },
		{ "a..b", 0, false, NULL, 0, NULL },
		{ "a\r\nb", 0, false, NULL, 0, NULL },
	};
	struct next_hop h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (next_hop_parse(slice_str(rows[i].text), &h) !=
		    (rows[i].kind != 0))
			fail_msg("%s", rows[i].text);
		if (rows[i].kind == 0)
			continue;
		assert_int_equal(h.kind, rows[i].kind);
		assert_int_equal(h.lmtp, rows[i].lmtp);
		assert_true(slice_eq(h.host, slice_str(rows[i].host)));
		assert_int_equal(h.port, rows[i].port);
		if (rows[i].address != NULL)
			assert_string_equal(dns_address_text(h.address).s,
			    rows[i].address);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_host_decides),
		cmocka_unit_test(several_hosts_are_tried_in_order),
		cmocka_unit_test(host_that_failed_is_passed_over_for_a_while),
		cmocka_unit_test(
		    host_that_failed_is_tried_where_there_is_no_other),
		cmocka_unit_test(
		    lmtp_over_a_unix_socket_is_connected_by_master),
		cmocka_unit_test(connection_is_used_again),
		cmocka_unit_test(
		    connection_is_reset_after_a_refused_transaction),
		cmocka_unit_test(
		    connection_with_a_reply_too_many_is_used_no_more),
		cmocka_unit_test(host_that_does_not_know_bdat_gets_data),
		cmocka_unit_test(connection_ends_after_max_messages),
		cmocka_unit_test(
		    content_goes_ahead_from_the_second_message_on),
		cmocka_unit_test(idle_connection_ends_after_its_time),
		cmocka_unit_test(connection_closed_while_idle_is_replaced),
		cmocka_unit_test(no_more_connections_than_configured),
		cmocka_unit_test(
		    idle_connection_makes_room_for_another_next_hop),
		cmocka_unit_test(step_that_takes_too_long_is_given_up),
		cmocka_unit_test(ehlo_that_takes_too_long_is_given_up),
		cmocka_unit_test(
		    who_loses_pipelined_commands_is_told_one_at_a_time),
		cmocka_unit_test(cancelled_job_ends_where_nothing_is_decided),
		cmocka_unit_test(stop_finishes_what_is_under_way),
		cmocka_unit_test(dead_qmgr_ends_what_is_under_way),
		cmocka_unit_test(large_content_comes_from_the_descriptor),
		cmocka_unit_test(truncated_file_defers_the_message),
		cmocka_unit_test(damaged_content_never_gets_its_end),
		cmocka_unit_test(content_refused_before_its_end),
		cmocka_unit_test(content_accepted_before_it_has_come),
		cmocka_unit_test(
		    eight_bit_content_is_converted_for_a_host_without_8bitmime),
		cmocka_unit_test(commands_have_what_the_host_offers),
		cmocka_unit_test(
		    extensions_are_passed_on_where_they_are_offered),
		cmocka_unit_test(conditions_that_a_host_cannot_meet),
		cmocka_unit_test(original_recipient_without_a_type_is_left_out),
		cmocka_unit_test(
		    no_more_domains_in_a_transaction_than_the_host_takes),
		cmocka_unit_test(smtputf8_is_asked_for_only_where_needed),
		cmocka_unit_test(tls_is_done_as_the_policy_says),
		cmocka_unit_test(nothing_is_verified_without_authorities),
		cmocka_unit_test(what_is_known_of_tls_is_remembered),
		cmocka_unit_test(
		    reload_with_another_policy_ends_idle_connections),
		cmocka_unit_test(next_hop_texts),
	};

	log_open("relay_test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
