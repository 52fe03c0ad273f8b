/* SPDX-License-Identifier: ISC */
/* fake - see fake.h. */
#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "dns/answer.h"
#include "fake.h"
#include "ipc/auth_client.h"
#include "ipc/smtpd_lookup.h"
#include "ipc/smtpd_qmgr.h"
#include "login.h"
#include "mail/address.h"
#include "rcpt.h"
#include "submit.h"

#define SETTLED_TURNS	12	/* client, smtpd, lookup, qmgr, and back */

static void	 qmgr_told(void *, struct channel *, struct message *);
static void	 grant_ids(struct fake *);
static void	 take_message(struct fake *, struct message *);
static void	 take_spooled(struct fake *, struct message *);
static void	 answer_message(struct fake *, uint64_t);
static void	 note_abort(struct fake *, uint64_t);
static void	 lookup_told(void *, struct channel *, struct message *);
static void	 decide(struct fake *, uint64_t, bool relay, struct slice);
static void	 decide_sender(struct fake *, struct message *);
static void	 say_limit(struct fake *, uint64_t);
static void	 auth_told(void *, struct channel *, struct message *);
static void	 auth_starts(struct fake *, struct message *);
static void	 auth_goes_on(struct fake *, struct message *);
static void	 auth_decides(struct fake *, uint64_t, struct slice password);
static void	 resolver_told(void *, struct channel *, struct message *);
static void	 resolver_says(void *, struct channel *, struct message *);
static void	 resolver_lost(void *, struct channel *);
static void	 answer_dns(struct fake *, uint64_t, enum dns_type);
static void	 side_down(void *, struct channel *);
static void	 pair(int [2]);

static const struct channel_ops qmgr_ops = { qmgr_told, side_down, NULL };
static const struct channel_ops lookup_ops = { lookup_told, side_down, NULL };
static const struct channel_ops resolver_ops = { resolver_told, side_down,
	NULL };
static const struct channel_ops auth_ops = { auth_told, side_down, NULL };
static const struct channel_ops smtpd_resolver_ops = { resolver_says,
	resolver_lost, NULL };
static const struct message_rule resolver_rules[] = RULES_OF(RESOLVER_CLIENT);

void
fake_init(struct fake *f, const char *conf)
{
	struct buf why = BUF_INIT(4096);
	struct conf *c = conf_parse(slice_str(conf), "test", &why);
	struct settings *set;

	if (c == NULL)
		log_fatal("%s", buf_cstr(&why));
	memset(f, 0, sizeof(*f));
	ev_loop_init(&f->loop);
	set = settings_new(c, &why);
	assert(set != NULL);
	conf_free(&c);
	buf_clear(&why);
	f->next_id = FAKE_FIRST_ID;
	f->spool_fd = -1;
	f->spool_flags = O_RDWR;
	f->recipients_left = UINT32_MAX;
	smtpd_init(&f->smtpd, &f->loop, set);
	fake_qmgr_up(f);
	fake_lookup_up(f);
	fake_settle(f);
}

static void
note_drained(void *arg)
{
	((struct fake *)arg)->drained = true;
}

void
fake_clear(struct fake *f)
{
	uint32_t i;

	for (i = 0; i < f->smtpd.nslots; i++)
		if (f->smtpd.slots[i] != NULL)
			session_cut(f->smtpd.slots[i], "test");
	smtpd_drain(&f->smtpd, note_drained, f);
	fake_settle(f);
	assert(f->drained);
	assert(f->smtpd.content_bytes == 0);
	channel_free(&f->smtpd_qmgr);
	channel_free(&f->smtpd_lookup);
	channel_free(&f->smtpd_resolver);
	channel_free(&f->smtpd_auth);
	channel_free(&f->auth);
	channel_free(&f->qmgr);
	channel_free(&f->lookup);
	channel_free(&f->resolver);
	smtpd_clear(&f->smtpd);
	fake_forget_messages(f);
	if (f->spool_fd != -1)
		close(f->spool_fd);
	ev_loop_clear(&f->loop);
}

void
fake_forget_messages(struct fake *f)
{
	size_t i;

	for (i = 0; i < f->nmessages; i++) {
		arena_clear(&f->messages[i].arena);
		free(f->messages[i].bytes);
	}
	memset(f->messages, 0, sizeof(f->messages));
	f->nmessages = 0;
}

static void
pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fds) == -1)
		log_fatal("event=no-socketpair");
}

void
fake_qmgr_up(struct fake *f)
{
	int fds[2];

	pair(fds);
	f->qmgr = channel_new(&f->loop, fds[0], smtpd_qmgr_rules, ROLE_QMGR,
	    ROLE_SMTPD, 0, &qmgr_ops, f);
	f->smtpd_qmgr = channel_new(&f->loop, fds[1], smtpd_qmgr_rules,
	    ROLE_SMTPD, ROLE_QMGR, 0, &smtpd_qmgr_ops, &f->smtpd);
	submit_qmgr_up(&f->smtpd, f->smtpd_qmgr);
}

void
fake_lookup_up(struct fake *f)
{
	int fds[2];

	pair(fds);
	f->lookup = channel_new(&f->loop, fds[0], smtpd_lookup_rules,
	    ROLE_LOOKUP, ROLE_SMTPD, 0, &lookup_ops, f);
	f->smtpd_lookup = channel_new(&f->loop, fds[1], smtpd_lookup_rules,
	    ROLE_SMTPD, ROLE_LOOKUP, 0, &smtpd_lookup_ops, &f->smtpd);
	rcpt_lookup_up(&f->smtpd, f->smtpd_lookup);
}

/* As when the process dies; smtpd's side is freed once it has been told. */
void
fake_qmgr_down(struct fake *f)
{
	channel_free(&f->qmgr);
	f->smtpd_qmgr = NULL;
	fake_settle(f);
}

void
fake_lookup_down(struct fake *f)
{
	channel_free(&f->lookup);
	f->smtpd_lookup = NULL;
	f->nheld = 0;
	fake_settle(f);
}

static void
side_down(void *arg, struct channel *c)
{
	struct fake *f = arg;

	if (f->qmgr == c)
		f->qmgr = NULL;
	if (f->lookup == c)
		f->lookup = NULL;
	if (f->auth == c)
		f->auth = NULL;
}

/* ---- clients --------------------------------------------------------- */

int
fake_connect(struct fake *f, enum listener_kind kind, const char *addr)
{
	return fake_connect_saying(f, kind, addr, "");
}

int
fake_connect_saying(struct fake *f, enum listener_kind kind, const char *addr,
    const char *said)
{
	struct client c = { .kind = kind, .tls = f->tls, .listener = "test" };
	struct peer *p = &c.peer;
	int fds[2];

	pair(fds);
	snprintf(p->text, sizeof(p->text), "%s", addr);
	if (strncmp(addr, "uid=", 4) == 0) {
		p->family = AF_UNIX;
		p->uid = (uid_t)strtoul(addr + 4, NULL, 10);
	} else if (inet_pton(AF_INET, addr, p->addr + 12) == 1) {
		p->family = AF_INET;
		p->addr[10] = p->addr[11] = 0xff;
	} else if (inet_pton(AF_INET6, addr, p->addr) == 1)
		p->family = AF_INET6;
	else
		log_fatal("no address: %s", addr);
	if (send(fds[0], said, strlen(said), MSG_NOSIGNAL) == -1)
		log_fatal("a client cannot speak");
	session_new(&f->smtpd, fds[1], &c);
	fake_settle(f);
	return fds[0];
}

void
fake_settle(struct fake *f)
{
	int i;

	for (i = 0; i < SETTLED_TURNS; i++)
		ev_turn(&f->loop, 0);
}

void
fake_send(struct fake *f, int fd, struct slice s, size_t n)
{
	size_t part;
	ssize_t w;
	int stuck = 0;

	while (s.n > 0 && stuck < 1000) {
		part = n != 0 && n < s.n ? n : s.n;
		w = send(fd, s.p, part, MSG_NOSIGNAL);
		if (w == -1 && errno != EAGAIN)
			return;		/* it was cut off */
		if (w > 0) {
			s = slice_from(s, (size_t)w);
			stuck = 0;
		} else
			stuck++;
		fake_settle(f);
	}
	fake_settle(f);
}

void
fake_receive(int fd, struct buf *b, bool *eof_r)
{
	char bytes[8192];
	ssize_t n;

	*eof_r = false;
	for (;;) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n == 0 || (n == -1 && errno == ECONNRESET)) {
			*eof_r = true;
			return;
		}
		if (n == -1)
			return;
		buf_add(b, slice_of(bytes, (size_t)n));
	}
}

/* ---- what tests look at ---------------------------------------------- */

bool
fake_matches(struct slice text, const char *pattern)
{
	while (*pattern != '\0') {
		if (*pattern != '*') {
			if (text.n == 0 || text.p[0] != *pattern)
				return false;
			text = slice_from(text, 1);
			pattern++;
			continue;
		}
		pattern++;
		while (text.n > 0 && text.p[0] != '\r')
			text = slice_from(text, 1);
	}
	return text.n == 0;
}

struct slice
fake_behind_trace(struct slice content)
{
	size_t n;

	assert(slice_starts(content, SLICE_LIT("Received: ")));
	do {
		n = slice_find(content, '\n');
		content = slice_from(content, n + 1);
	} while (content.n > 0 && content.p[0] == '\t');
	return content;
}

/* ---- qmgr ------------------------------------------------------------ */

static void
qmgr_told(void *arg, struct channel *c, struct message *m)
{
	struct fake *f = arg;

	(void)c;
	switch (m->type) {
	case SQ_IDS_ASK:
		if (!f->hold_ids)
			grant_ids(f);
		break;
	case SQ_SUBMIT:
	case SQ_SUBMIT_SPOOLED:
		assert(m->id >= FAKE_FIRST_ID && m->id < f->next_id);
		if (f->nmessages == FAKE_MESSAGES)
			fake_forget_messages(f);
		if (m->type == SQ_SUBMIT)
			take_message(f, m);
		else
			take_spooled(f, m);
		if (!f->hold_queued)
			answer_message(f, m->id);
		break;
	case SQ_SPOOL_ASK:
		assert(m->id >= FAKE_FIRST_ID && m->id < f->next_id);
		f->spools++;
		f->spool_id = m->id;
		if (!f->hold_spool)
			fake_give_spool(f, m->id);
		break;
	case SQ_LIMIT_ASK:
		f->limits++;
		f->limit_id = m->id;
		if (!f->hold_limits)
			say_limit(f, m->id);
		break;
	case SQ_ABORT:
		f->aborts++;
		note_abort(f, m->id);
		break;
	default:
		break;
	}
}

static void
grant_ids(struct fake *f)
{
	struct buf *b = channel_begin(f->qmgr, SQ_IDS, 0);

	if (b != NULL)
		put_u64(b, f->next_id);
	channel_end(f->qmgr);
	f->next_id += QUEUE_ID_BLOCK;
}

static struct fake_message *
keep(struct fake *f, struct message *m, struct slice *envelope_r,
    struct slice *content_r)
{
	struct fake_message *k = &f->messages[f->nmessages++];

	k->id = m->id;
	k->arena = ARENA_INIT(4 * 1024 * 1024);
	*envelope_r = get_slice(&m->body, SUBMIT_BYTES);
	*content_r = get_slice(&m->body, SUBMIT_BYTES);
	return k;
}

static void
unpack(struct fake_message *k, struct slice envelope)
{
	struct slice copy;
	struct wire w;

	if (envelope.n > ENVELOPE_BYTES ||
	    arena_copy(&k->arena, envelope, &copy) == -1)
		abort();
	w = wire_of(copy);
	if (!envelope_unpack(&w, &k->arena, &k->envelope) || !wire_done(&w))
		abort();
}

static void
take_message(struct fake *f, struct message *m)
{
	struct slice envelope, content;
	struct fake_message *k = keep(f, m, &envelope, &content);

	assert(wire_done(&m->body));
	assert(content.n <= INLINE_BYTES);
	unpack(k, envelope);
	k->bytes = mem_slicedup(content);
	k->content = slice_of(k->bytes, content.n);
}

static void
take_spooled(struct fake *f, struct message *m)
{
	struct slice envelope, prefix;
	struct fake_message *k = keep(f, m, &envelope, &prefix);
	uint64_t n = get_u64(&m->body);
	uint32_t crc = get_u32(&m->body);

	assert(wire_done(&m->body));
	assert(f->spool_fd != -1);
	assert((uint64_t)lseek(f->spool_fd, 0, SEEK_END) == n);
	unpack(k, envelope);
	k->spooled = true;
	k->bytes = mem_alloc(prefix.n + n);
	memcpy(k->bytes, prefix.p, prefix.n);
	if (pread(f->spool_fd, k->bytes + prefix.n, n, 0) != (ssize_t)n)
		abort();
	assert(crc32c(0, slice_of(k->bytes + prefix.n, n)) == crc);
	k->content = slice_of(k->bytes, prefix.n + n);
}

static void
answer_message(struct fake *f, uint64_t id)
{
	struct buf *b;

	if (f->refuse == NULL) {
		fake_queued(f, id);
		return;
	}
	b = channel_begin(f->qmgr, SQ_REFUSED, id);
	put_u16(b, (uint16_t)strtoul(f->refuse, NULL, 10));
	put_slice(b, slice_str(f->refuse + 4));
	channel_end(f->qmgr);
}

void
fake_queued(struct fake *f, uint64_t id)
{
	f->queued++;
	channel_send(f->qmgr, SQ_QUEUED, id, SLICE_EMPTY);
}

void
fake_give_spool(struct fake *f, uint64_t id)
{
	char path[64];
	struct buf *b;
	int fd;

	if (f->refuse_spool != NULL) {
		b = channel_begin(f->qmgr, SQ_REFUSED, id);
		put_u16(b, (uint16_t)strtoul(f->refuse_spool, NULL, 10));
		put_slice(b, slice_str(f->refuse_spool + 4));
		channel_end(f->qmgr);
		return;
	}
	if (f->spool_fd != -1)
		close(f->spool_fd);
	f->spool_fd = memfd_create("spool", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->spool_fd);
	fd = open(path, f->spool_flags | O_CLOEXEC);
	assert(fd != -1);
	channel_begin(f->qmgr, SQ_SPOOL, id);
	channel_end_fds(f->qmgr, &fd, 1);
}

static void
note_abort(struct fake *f, uint64_t id)
{
	size_t i;

	for (i = 0; i < f->nmessages; i++)
		if (f->messages[i].id == id)
			f->messages[i].aborted = true;
}

/* ---- lookup ---------------------------------------------------------- */

static void
lookup_told(void *arg, struct channel *c, struct message *m)
{
	struct fake *f = arg;
	bool relay;
	struct slice to;

	(void)c;
	if (m->type == SL_SENDER) {
		f->senders++;
		f->sender_id = m->id;
		if (!f->hold_senders)
			decide_sender(f, m);
		return;
	}
	relay = get_u8(&m->body) != 0;
	get_u64(&m->body);
	get_slice(&m->body, ADDRESS_BYTES);
	to = get_slice(&m->body, ADDRESS_BYTES);
	assert(wire_done(&m->body));
	f->questions++;
	if (!f->hold_verdicts) {
		decide(f, m->id, relay, to);
		return;
	}
	if (f->nheld == FAKE_HELD)
		return;
	snprintf(f->held_for[f->nheld], sizeof(f->held_for[0]), "%.*s",
	    SLICE_ARG(to));
	f->held[f->nheld++] = m->id;
}

void
fake_decide(struct fake *f, size_t i)
{
	decide(f, f->held[i], true, slice_str(f->held_for[i]));
}

static void
decide(struct fake *f, uint64_t id, bool relay, struct slice to)
{
	static const struct {
		const char	*prefix;
		enum rcpt_verdict verdict;
		uint16_t	 code;
		const char	*words;
	} rules[] = {
		{ "no",	   RCPT_REFUSE, 550, "5.1.1 No such user" },
		{ "later", RCPT_REFUSE, 451, "4.4.3 Not now" },
		{ "full",  RCPT_REFUSE, 452, "4.2.2 Mailbox full" },
		{ "once",  RCPT_ACCEPT_ONCE, 0, "" },
		{ "",	   RCPT_ACCEPT, 0, "" },
	};
	struct address a = address_split(to);
	struct buf *b;
	size_t i = 0;

	while (!slice_starts(a.local, slice_str(rules[i].prefix)))
		i++;
	b = channel_begin(f->lookup, SL_VERDICT, id);
	if (b == NULL)
		return;
	if (!relay && a.domain.n > 0 &&
	    !slice_eq_nocase(a.domain, SLICE_LIT("example.org"))) {
		put_u8(b, RCPT_REFUSE);
		put_u16(b, 550);
		put_slice(b, SLICE_LIT("5.7.1 Relaying denied"));
	} else {
		put_u8(b, (uint8_t)rules[i].verdict);
		put_u16(b, rules[i].code);
		put_slice(b, slice_str(rules[i].words));
	}
	channel_end(f->lookup);
}

static bool
is_own(struct slice login, struct slice address)
{
	struct address a = address_split(address), l = address_split(login);

	if (slice_eq_nocase(address, login) ||
	    slice_eq(address, SLICE_LIT("alias@example.org")))
		return true;
	a.local.n = slice_find(a.local, '+');
	return slice_eq(a.local, l.local) && slice_eq(a.domain, l.domain);
}

static void
decide_sender(struct fake *f, struct message *m)
{
	struct slice login = get_slice(&m->body, LOGIN_BYTES), address;
	uint8_t i, n = get_u8(&m->body), which = 0;
	enum sender_verdict v = SENDER_OWN;
	struct buf *b;

	assert(n > 0 && n <= SENDER_ADDRESSES);
	for (i = 0; i < n; i++) {
		address = get_slice(&m->body, ADDRESS_BYTES);
		if (v != SENDER_OWN)
			continue;
		which = i;
		if (slice_eq(address, SLICE_LIT("trouble@example.org")))
			v = SENDER_TROUBLE;
		else if (!is_own(login, address))
			v = SENDER_FOREIGN;
	}
	assert(wire_done(&m->body));
	b = channel_begin(f->lookup, SL_SENDER_VERDICT, m->id);
	if (b != NULL) {
		put_u8(b, (uint8_t)v);
		put_u8(b, which);
	}
	channel_end(f->lookup);
}

static void
say_limit(struct fake *f, uint64_t id)
{
	struct buf *b = channel_begin(f->qmgr, SQ_LIMIT, id);

	if (b != NULL) {
		put_u32(b, f->limit_seconds);
		put_u32(b, f->recipients_left);
	}
	channel_end(f->qmgr);
}

/* ---- auth ------------------------------------------------------------ */

void
fake_auth_up(struct fake *f)
{
	struct buf *b;
	int fds[2];

	pair(fds);
	f->auth = channel_new(&f->loop, fds[0], smtpd_auth_rules, ROLE_AUTH,
	    ROLE_SMTPD, 0, &auth_ops, f);
	f->smtpd_auth = channel_new(&f->loop, fds[1], smtpd_auth_rules,
	    ROLE_SMTPD, ROLE_AUTH, 0, &smtpd_auth_ops, &f->smtpd);
	login_auth_up(&f->smtpd, f->smtpd_auth);
	b = channel_begin(f->auth, AU_MECHANISMS, 0);
	put_slice(b, SLICE_LIT("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS "
	    "EXTERNAL"));
	put_slice(b, SLICE_LIT("SCRAM-SHA-256"));
	channel_end(f->auth);
	fake_settle(f);
}

void
fake_auth_down(struct fake *f)
{
	channel_free(&f->auth);
	f->smtpd_auth = NULL;
	fake_settle(f);
}

void
fake_secure(struct fake *f)
{
	uint32_t i;

	for (i = 0; i < f->smtpd.nslots; i++)
		if (f->smtpd.slots[i] != NULL)
			f->smtpd.slots[i]->secured = true;
}

static void
auth_told(void *arg, struct channel *c, struct message *m)
{
	struct fake *f = arg;

	(void)c;
	switch (m->type) {
	case AU_START:
		f->auth_starts++;
		f->auth_id = m->id;
		if (!f->hold_auth)
			auth_starts(f, m);
		break;
	case AU_RESPONSE:
		auth_goes_on(f, m);
		break;
	case AU_CANCEL:
		f->auth_cancels++;
		break;
	case AU_LOGOUT:
		f->logouts++;
		break;
	default:
		abort();
	}
}

static void
auth_starts(struct fake *f, struct message *m)
{
	struct slice mechanism, response;
	uint8_t flags;
	size_t i;

	assert(get_u8(&m->body) == AUTH_SMTP);
	flags = get_u8(&m->body);
	for (i = 0; i < 4; i++)
		get_u64(&m->body);	/* two addresses */
	assert(get_slice(&m->body, 32).n == 0);
	assert(get_slice(&m->body, 32).n == 0);
	get_slice(&m->body, 1024);
	get_slice(&m->body, 1024);
	mechanism = get_slice(&m->body, 64);
	response = get_slice(&m->body, SASL_BYTES);
	assert(wire_done(&m->body));
	f->auth_step = 0;
	if (slice_eq_nocase(mechanism, SLICE_LIT("LOGIN"))) {
		channel_send(f->auth, AU_CHALLENGE, m->id,
		    SLICE_LIT("Username:"));
		f->auth_step = 1;
	} else if (!(flags & AUTH_INITIAL)) {
		channel_send(f->auth, AU_CHALLENGE, m->id, SLICE_EMPTY);
		f->auth_step = 3;
	} else {
		f->auth_step = 3;
		m->body = wire_of(response);
		auth_goes_on(f, m);
	}
}

/* The password is behind the second NUL of PLAIN, or the last step of LOGIN. */
static void
auth_goes_on(struct fake *f, struct message *m)
{
	struct slice r = get_rest(&m->body), user = r;
	size_t n;

	switch (f->auth_step) {
	case 1:
		snprintf(f->auth_user, sizeof(f->auth_user), "%.*s",
		    SLICE_ARG(slice_first(r, r.n < 390 ? r.n : 390)));
		channel_send(f->auth, AU_CHALLENGE, m->id,
		    SLICE_LIT("Password:"));
		f->auth_step = 2;
		return;
	case 2:
		auth_decides(f, m->id, r);
		return;
	default:
		break;
	}
	n = slice_find(r, '\0');
	if (n == r.n) {
		fake_auth_fails(f, AUTH_PROTOCOL, "");
		return;
	}
	user = slice_from(r, n + 1);
	n = slice_find(user, '\0');
	snprintf(f->auth_user, sizeof(f->auth_user), "%.*s",
	    SLICE_ARG(slice_first(user, n < 390 ? n : 390)));
	auth_decides(f, m->id, n < user.n ? slice_from(user, n + 1) :
	    SLICE_EMPTY);
}

static void
auth_decides(struct fake *f, uint64_t id, struct slice password)
{
	static const struct {
		const char	*user;
		enum auth_failure why;
	} rules[] = {
		{ "later", AUTH_TRY_LATER }, { "foreign", AUTH_NOT_ALLOWED },
		{ "expired", AUTH_EXPIRED }, { "many", AUTH_TOO_MANY },
	};
	struct buf *b;
	size_t i;

	f->auth_id = id;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(f->auth_user, rules[i].user) == 0) {
			fake_auth_fails(f, (uint8_t)rules[i].why, "");
			return;
		}
	if (f->auth_user[0] == '\0' ||
	    !slice_eq(password, SLICE_LIT("secret"))) {
		fake_auth_fails(f, AUTH_BAD, "Wrong");
		return;
	}
	b = channel_begin(f->auth, AU_OK, id);
	if (b != NULL) {
		put_slice(b, slice_str(f->auth_user));
		put_slice(b, SLICE_EMPTY);
	}
	channel_end(f->auth);
}

void
fake_auth_fails(struct fake *f, uint8_t why, const char *text)
{
	struct buf *b = channel_begin(f->auth, AU_FAIL, f->auth_id);

	if (b != NULL) {
		put_u8(b, why);
		put_slice(b, slice_str(text));
	}
	channel_end(f->auth);
}

/* ---- resolver -------------------------------------------------------- */

void
fake_resolver_up(struct fake *f)
{
	int fds[2];

	pair(fds);
	f->resolver = channel_new(&f->loop, fds[0], resolver_rules,
	    ROLE_RESOLVER, ROLE_SMTPD, 0, &resolver_ops, f);
	f->smtpd_resolver = channel_new(&f->loop, fds[1], resolver_rules,
	    ROLE_SMTPD, ROLE_RESOLVER, 0, &smtpd_resolver_ops, f);
	dns_up(&f->smtpd.dns, f->smtpd_resolver);
}

static void
resolver_says(void *arg, struct channel *c, struct message *m)
{
	dns_message(&((struct fake *)arg)->smtpd.dns, c, m);
}

static void
resolver_lost(void *arg, struct channel *c)
{
	dns_down(&((struct fake *)arg)->smtpd.dns, c);
}

static void
resolver_told(void *arg, struct channel *c, struct message *m)
{
	struct fake *f = arg;
	enum dns_type type = get_u16(&m->body);

	(void)c;
	if (type == DNS_PTR)
		f->name_id = m->id;
	if (type != DNS_PTR || !f->hold_names)
		answer_dns(f, m->id, type);
}

void
fake_name(struct fake *f)
{
	answer_dns(f, f->name_id, DNS_PTR);
	fake_settle(f);
}

static void
answer_dns(struct fake *f, uint64_t id, enum dns_type type)
{
	struct dns_record r = { .name = SLICE_EMPTY };
	struct dns_answer a = { .status = DNS_NO_NAME, .ttl = 60,
		.canonical = SLICE_EMPTY, .records = &r };
	struct buf b = BUF_INIT(4096);

	if (f->ptr != NULL && type == DNS_PTR) {
		r.name = slice_str(f->ptr);
		a.status = DNS_OK;
		a.nrecords = 1;
	} else if (f->ptr_address != NULL && dns_address_parse(
	    slice_str(f->ptr_address), r.address) &&
	    dns_address_is_ipv4(r.address) == (type == DNS_A)) {
		a.status = DNS_OK;
		a.nrecords = 1;
	}
	if (dns_answer_pack(&b, type, &a) == -1)
		abort();
	channel_send(f->resolver, DN_ANSWER, id, buf_slice(&b));
	buf_clear(&b);
}
