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
#include "compose.h"
#include "conn.h"
#include "dns/answer.h"
#include "ev/stream.h"
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
	bool		 bytewise;	/* replies in writes of one byte */
	bool		 absent;	/* nobody listens */
};

struct host {
	struct fixture		*f;
	const struct script	*script;
	int			 fd;		/* listening, or -1 */
	struct ev_io		 io;
	unsigned		 connections;
};

struct session {
	struct host	*host;
	struct stream	 stream;
	bool		 in_data;
	bool		 lmtp;
	bool		 done;
	uint64_t	 chunk;		/* bytes of BDAT to come */
	bool		 chunk_end;
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
	for (i = 0; i < n && !s->done; i++)
		session_say(s, NTH(sc->end, s->nend++,
		    "250 2.0.0 taken"));
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
		session_say(s, sc->ehlo != NULL ? sc->ehlo :
		    "250-host.example\r\n250-PIPELINING\r\n250 8BITMIME");
	} else if (slice_eq(word, SLICE_LIT("HELO")))
		session_say(s, sc->helo != NULL ? sc->helo :
		    "250 host.example");
	else if (slice_eq(word, SLICE_LIT("MAIL"))) {
		s->nrcpt = s->naccepted = s->nend = 0;
		buf_reset(&s->content);
		session_say(s, NTH(sc->mail, s->nmail++, "250 2.1.0 ok"));
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
	} else if (slice_eq(word, SLICE_LIT("RSET")))
		session_say(s, sc->rset != NULL ? sc->rset : "250 ok");
	else if (slice_eq(word, SLICE_LIT("QUIT")))
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

	while (in.n > 0 && !s->done) {
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
	}
	if (stream_is_open(&s->stream) && !s->done)
		stream_consume(&s->stream, all.n - in.n);
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
		session_ended };
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
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + i);
	sin.sin_port = htons(f->port);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&sin, len), 0);
	getsockname(h->fd, (struct sockaddr *)&sin, &len);
	f->port = ntohs(sin.sin_port);
	if (h->script->absent) {
		close(h->fd);
		h->fd = -1;
		return;
	}
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
	struct outcome o;
	uint32_t n, number;

	(void)c;
	if (m->type == DL_FULL) {
		f->full = true;
		return;
	}
	assert_int_equal(m->type, DL_RESULT);
	for (n = get_u32(&m->body); n > 0; n--) {
		number = get_u32(&m->body);
		assert_true(outcome_unpack(&m->body, &o));
		buf_printf(&f->results, "%llu/%u %s %u %s%s %.*s|",
		    (unsigned long long)m->id, number,
		    outcome_name(o.status), o.code,
		    enhanced_text(o.enhanced).s, o.site ? " site" : "",
		    SLICE_ARG(o.text));
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

/* ---- the fixture -------------------------------------------------------- */

static const struct script good = { NULL };

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
	struct buf text = BUF_INIT(4096), why = BUF_INIT(4096);
	unsigned i;

	memset(f, 0, sizeof(*f));
	ev_loop_init(&f->loop);
	buf_init(&f->heard, 1 << 20);
	buf_init(&f->results, 1 << 20);
	f->known = known;
	for (i = 0; i < HOSTS; i++) {
		f->hosts[i].script = scripts[i] != NULL ? scripts[i] : &good;
		host_listen(f, i);
	}
	buf_printf(&text, "hostname = us.example\nremote.port = %u\n%s",
	    f->port, settings);
	f->conf = conf_parse(buf_slice(&text), "test", &why);
	if (f->conf == NULL)
		fail_msg("%s", buf_cstr(&why));
	buf_clear(&text);
	buf_clear(&why);
	relay_init(&f->relay, &f->loop, f->conf);
	make_pair(f, dns_rules, ROLE_REMOTE, ROLE_RESOLVER, &dns_client,
	    &dns_server, &f->resolver, &f->resolver_peer);
	make_pair(f, job_rules, ROLE_REMOTE, ROLE_QMGR, &job_client,
	    &job_server, &f->qmgr, &f->qmgr_peer);
	f->relay.qmgr = f->qmgr;
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
	for (i = 0; i < HOSTS; i++)
		if (f->hosts[i].fd != -1) {
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
	"250-BINARYMIME\r\n250-8BITMIME\r\n250-SIZE 1000\r\n250-DSN\r\n"	\
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
	{ "an unasked reply", { .ehlo = "250 x\r\n250 y\r\n250 z" }, 1, NULL,
	    NULL, NULL },
	{ "codes that differ", { .ehlo = "250-x\r\n550 y" }, 1, "1/0 deferred "
	    "0 4.5.0 site H: it does not speak SMTP|", NULL, NULL },
	{ "content accepted too early", { .ehlo = "250-x\r\n250 CHUNKING",
	    .data = "250 2.0.0 done" }, 1, "1/0 relayed 250 2.0.0 taken|",
	    NULL, NULL },
	{ "DATA 250", { .data = "250 done" }, 1, "1/0 deferred 0 4.5.0 site "
	    "H: a reply to DATA that makes no sense|", NULL, NULL },
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_host_decides),
	};

	log_open("relay_test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
