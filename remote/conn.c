/* SPDX-License-Identifier: ISC */
/* conn - see conn.h: a connection's life; smtp.c is what is said over it. */
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ipc/counters.h"
#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "conn.h"
#include "secure.h"
#include "site.h"

#define OUT_BYTES	(1024 * 1024)	/* most that waits for the kernel */

static struct conn *conn_new(struct relay *, struct site *, struct attempt *);
static int	 start_connecting(struct conn *, const struct target *);
static bool	 source_address(const struct conf *, int family,
		    struct sockaddr_storage *, socklen_t *);
static void	 set_sockaddr(struct sockaddr_storage *, socklen_t *,
		    const uint8_t[16], uint16_t port);
static void	 connected(void *);
static void	 input(void *);
static void	 sent(void *);
static void	 secured(void *);
static void	 ended(void *, enum stream_end);
static void	 log_failure(const struct conn *, const struct outcome *);
static void	 leave_idle(struct conn *);
static void	 target_name(const struct target *, char *name, size_t size);

static const struct stream_ops stream_ops = { input, sent, connected, ended,
	secured };

/* ---- opening ------------------------------------------------------------ */

int
conn_open(struct relay *r, struct site *site, const struct target *t,
    struct attempt *a)
{
	struct conn *c = conn_new(r, site, a);
	int saved;

	target_name(t, c->name, sizeof(c->name));
	if (t->host.n > 0 && dns_name_to_ascii(t->host, c->host,
	    sizeof(c->host)) == -1)
		c->host[0] = '\0';
	memcpy(c->address, t->address, 16);
	c->port = t->port;
	c->has_address = true;
	c->by_mx = t->by_mx;
	c->best = t->best;
	if (start_connecting(c, t) == 0) {
		a->conn = c;
		conn_tap(c);
		stream_timeout(&c->stream, r->conf->remote_timeout_connect);
		return 0;
	}
	saved = errno;
	count(REMOTE_NOT_CONNECTED);
	if (!conn_error_is_ours(saved))
		relay_avoid(r, c->address, c->port, true);
	c->attempt = NULL;
	conn_bury(c);
	errno = saved;
	return -1;
}

bool
conn_error_is_ours(int error)
{
	static const int ours[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM,
		EADDRNOTAVAIL, EADDRINUSE, EACCES, EPERM };
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i] == error)
			return true;
	return false;
}

void
conn_adopt(struct relay *r, struct site *site, int fd_take, struct attempt *a)
{
	struct conn *c = conn_new(r, site, a);

	snprintf(c->name, sizeof(c->name), "%.*s", SLICE_ARG(site->hop.host));
	stream_open(&c->stream, r->loop, fd_take, OUT_BYTES, &stream_ops, c);
	a->conn = c;
	conn_enter(c, C_HELLO);
	count(REMOTE_CONNECTED);
	smtp_start(c);
}

static struct conn *
conn_new(struct relay *r, struct site *site, struct attempt *a)
{
	struct conn *c = mem_alloc(sizeof(*c));

	c->relay = r;
	c->attempt = a;
	c->site = site;
	site->refs++;
	c->lmtp = site->hop.lmtp;
	c->level = site->secure.level;
	c->stream.fd = -1;
	reply_init(&c->reply);
	LIST_INSERT_HEAD(&r->conns, c, entry);
	count_set(REMOTE_CONNECTIONS, ++r->nconns);
	return c;
}

static int
start_connecting(struct conn *c, const struct target *t)
{
	struct sockaddr_storage to, from;
	socklen_t to_len, from_len;
	bool bound;
	int saved;

	set_sockaddr(&to, &to_len, t->address, t->port);
	bound = source_address(c->relay->conf, to.ss_family, &from,
	    &from_len);
	if (stream_connect(&c->stream, c->relay->loop,
	    (const struct sockaddr *)&to, to_len,
	    bound ? (const struct sockaddr *)&from : NULL, from_len,
	    OUT_BYTES, &stream_ops, c) == 0)
		return 0;
	/* Not even begun: there is nothing to close. */
	saved = errno;
	c->stream.ops = NULL;
	errno = saved;
	return -1;
}

static bool
source_address(const struct conf *conf, int family,
    struct sockaddr_storage *ss, socklen_t *len)
{
	const char *text = family == AF_INET6 ? conf->remote_source_ipv6 :
	    conf->remote_source_ipv4;
	uint8_t address[16];

	*len = 0;
	if (!dns_address_parse(slice_str(text), address) ||
	    dns_address_is_ipv4(address) != (family == AF_INET))
		return false;
	set_sockaddr(ss, len, address, 0);
	return true;
}

static void
set_sockaddr(struct sockaddr_storage *ss, socklen_t *len,
    const uint8_t address[16], uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	memset(ss, 0, sizeof(*ss));
	if (dns_address_is_ipv4(address)) {
		v4.sin_port = htons(port);
		memcpy(&v4.sin_addr, address + 12, 4);
		memcpy(ss, &v4, sizeof(v4));
		*len = sizeof(v4);
	} else {
		v6.sin6_port = htons(port);
		memcpy(&v6.sin6_addr, address, 16);
		memcpy(ss, &v6, sizeof(v6));
		*len = sizeof(v6);
	}
}

static void
target_name(const struct target *t, char *name, size_t size)
{
	snprintf(name, size, "%.*s[%s]:%u", SLICE_ARG(t->host),
	    dns_address_text(t->address).s, t->port);
}

void
conn_failure_text(const struct target *t, const char *what, const char *why,
    char *text, size_t size)
{
	char name[CONN_NAME_BYTES];

	target_name(t, name, sizeof(name));
	snprintf(text, size, "%s to %s: %s", what, name, why);
}

/* ---- states ------------------------------------------------------------- */

void
conn_enter(struct conn *c, enum conn_state to)
{
	static const unsigned legal[] = {
		[C_CONNECTING] = 1u << C_HELLO | 1u << C_DEAD,
		[C_HELLO] = 1u << C_BUSY | 1u << C_QUITTING | 1u << C_DEAD,
		[C_BUSY] = 1u << C_IDLE | 1u << C_QUITTING | 1u << C_DEAD,
		[C_IDLE] = 1u << C_BUSY | 1u << C_QUITTING | 1u << C_DEAD,
		[C_QUITTING] = 1u << C_DEAD,
		[C_DEAD] = 0,
	};

	assert(legal[c->state] & 1u << to);
	if (c->state == C_IDLE)
		leave_idle(c);
	c->state = to;
}

void
conn_run(struct conn *c, struct attempt *a)
{
	assert(c->state == C_IDLE);
	c->attempt = a;
	a->conn = c;
	conn_tap(c);
	smtp_begin(c);
}

void
conn_tap(struct conn *c)
{
	if (c->has_address)
		tap_open(c->relay->taps, &c->stream, TAP_REMOTE, c->address,
		    true, c->name);
}

void
conn_rest(struct conn *c)
{
	const struct conf *conf = c->relay->conf;

	c->attempt = NULL;
	if (stream_is_tls(&c->stream))
		secure_keep(c);
	/* What it said unasked would be taken for its next reply. */
	if (c->relay->stopping || conf->remote_idle == 0 || c->outdated ||
	    stream_input(&c->stream).n > 0 ||
	    c->messages >= conf->remote_max_messages ||
	    (c->ehlo.mail_max > 0 && c->messages >= c->ehlo.mail_max)) {
		conn_quit(c);
		return;
	}
	conn_enter(c, C_IDLE);
	stream_timeout(&c->stream, 0);
	c->idle_since = clock_mono_ms();
	TAILQ_INSERT_TAIL(&c->site->idle, c, site_entry);
	TAILQ_INSERT_TAIL(&c->relay->idle, c, idle_entry);
	relay_watch_idle(c->relay);
}

static void
leave_idle(struct conn *c)
{
	TAILQ_REMOVE(&c->site->idle, c, site_entry);
	TAILQ_REMOVE(&c->relay->idle, c, idle_entry);
}

void
conn_quit(struct conn *c)
{
	conn_enter(c, C_QUITTING);
	stream_write(&c->stream, SLICE_LIT("QUIT\r\n"));
	/* The reply to QUIT changes nothing, so nobody waits for it. */
	stream_timeout(&c->stream, QUIT_MS);
	stream_close_when_sent(&c->stream);
}

void
conn_abandon(struct conn *c)
{
	if (c->attempt != NULL)
		c->attempt->conn = NULL;
	c->attempt = NULL;
	conn_bury(c);
}

void
conn_bury(struct conn *c)
{
	struct relay *r = c->relay;

	conn_enter(c, C_DEAD);
	stream_close(&c->stream);
	LIST_REMOVE(c, entry);
	LIST_INSERT_HEAD(&r->dead, c, entry);
	site_release(&c->site);
	count_set(REMOTE_CONNECTIONS, --r->nconns);
	/* A callback of its stream may be what calls us, and an outcome may
	 * point to its name and reply. */
	ev_task_ask(r->loop, &r->bury);
	relay_check_stopped(r);
}

void
conn_free_dead(struct relay *r)
{
	struct conn *c;

	while ((c = LIST_FIRST(&r->dead)) != NULL) {
		LIST_REMOVE(c, entry);
		reply_clear(&c->reply);
		free(c->owed);
		free(c);
	}
}

/* ---- what the stream tells ---------------------------------------------- */

static void
connected(void *arg)
{
	struct conn *c = arg;
	int on = 1;

	/* What belongs together is written together; what is written is not
	 * held back for the reply to what came before. */
	setsockopt(c->stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	log_debug("event=connected host=%s", LOG_Q(slice_str(c->name)));
	count(REMOTE_CONNECTED);
	conn_enter(c, C_HELLO);
	smtp_start(c);
}

static void
input(void *arg)
{
	struct conn *c = arg;

	if (c->state == C_IDLE) {
		/* Nothing was asked: it says good-bye, or is confused. */
		conn_bury(c);
		return;
	}
	smtp_input(c);
}

static void
sent(void *arg)
{
	smtp_sent(arg);	/* more may be said, or more of the content sent */
}

static void
secured(void *arg)
{
	struct conn *c = arg;

	secure_words(c, c->secured, sizeof(c->secured));
	count(REMOTE_TLS);
	smtp_secured(c);
}

static void
ended(void *arg, enum stream_end how)
{
	struct conn *c = arg;
	char text[CONN_TEXT_BYTES];

	if (c->state == C_IDLE || c->state == C_QUITTING) {
		conn_bury(c);
		return;
	}
	if (c->state == C_CONNECTING) {
		count(REMOTE_NOT_CONNECTED);
		conn_lost(c, (struct enhanced){ 4, 4, 1 },
		    how == STREAM_TIMEOUT ? "connection timed out" :
		    strerror(c->stream.error));
		return;
	}
	if (c->secure_now) {
		conn_insecure(c, stream_tls_error(&c->stream)[0] != '\0' ?
		    stream_tls_error(&c->stream) : how == STREAM_TIMEOUT ?
		    "it takes too long" : "the connection was closed");
		return;
	}
	if (how == STREAM_TIMEOUT) {
		snprintf(text, sizeof(text), "timed out while waiting for "
		    "the reply to %s", smtp_waits_for(c));
		smtp_timed_out(c);
	} else
		snprintf(text, sizeof(text), "connection %s while waiting for "
		    "the reply to %s", how == STREAM_EOF ? "closed" : "lost",
		    smtp_waits_for(c));
	conn_lost(c, (struct enhanced){ 4, 4, 2 }, text);
}

/* ---- failures ----------------------------------------------------------- */

void
conn_lost(struct conn *c, struct enhanced e, const char *what)
{
	char text[CONN_NAME_BYTES + CONN_TEXT_BYTES];
	struct outcome o = { .status = OUTCOME_DEFERRED, .enhanced = e,
		.site = true };

	snprintf(text, sizeof(text), "%s: %s", c->name, what);
	o.text = slice_str(text);
	o.remote = c->state == C_CONNECTING ? SLICE_EMPTY :
	    slice_str(c->name);
	conn_fail(c, &o);
}

void
conn_insecure(struct conn *c, const char *why)
{
	struct attempt *a = c->attempt;
	char text[CONN_TEXT_BYTES];
	struct outcome o = { .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 7, 5 }, .site = true,
		.remote = slice_str(c->name) };

	count(REMOTE_TLS_FAILED);
	secure_forget(c);
	snprintf(text, sizeof(text), "TLS failed: %s", why);
	if (c->level != SECURE_MAY) {
		conn_lost(c, o.enhanced, text);
		return;
	}
	log_info("id=%s event=tls-failed host=%s why=%s next=\"in clear\"",
	    queue_id_text(a->job.queue_id).s, LOG_Q(slice_str(c->name)),
	    LOG_Q(slice_str(why)));
	relay_spare_tls(c->relay, c->address, c->port);
	o.text = slice_str(text);
	c->attempt = NULL;
	conn_bury(c);
	attempt_try_in_clear(a, &o);
}

void
conn_fail(struct conn *c, const struct outcome *why)
{
	struct attempt *a = c->attempt;
	struct outcome o = *why;
	bool uncertain = conn_may_have_delivered(c);
	bool stale = c->messages > 1 && !c->replied && c->state == C_BUSY;

	log_failure(c, why);
	if (c->has_address &&
	    (c->state == C_CONNECTING || c->state == C_HELLO))
		relay_avoid(c->relay, c->address, c->port, true);
	c->attempt = NULL;
	conn_bury(c);
	if (a == NULL)
		return;
	if (stale) {
		/* It was closed while it was idle. */
		attempt_try_again(a);
		return;
	}
	if (uncertain) {
		/* RFC 1047: the message may have been taken, so no other host
		 * is tried at once. */
		o.site = false;
		attempt_decide_all(a, RCPT_ACCEPTED, &o);
		attempt_decide_all(a, RCPT_SENT, &o);
	}
	if (a->undecided == 0)
		attempt_finish(a);
	else
		attempt_try_next(a, &o);
}

static void
log_failure(const struct conn *c, const struct outcome *why)
{
	if (c->attempt == NULL)
		return;
	log_info("id=%s event=%s host=%s code=%u why=%s",
	    queue_id_text(c->attempt->job.queue_id).s,
	    c->state == C_CONNECTING ? "connect-failed" :
	    "connection-failed", LOG_Q(slice_str(c->name)), why->code,
	    LOG_Q(why->text));
}

bool
conn_may_have_delivered(const struct conn *c)
{
	return c->state == C_BUSY && c->written &&
	    stream_unsent(&c->stream) == 0;
}
