/* SPDX-License-Identifier: ISC */
/* relay - see relay.h. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/num.h"
#include "conn.h"
#include "relay.h"
#include "secure.h"
#include "site.h"

static void	 bury_dead(void *);
static void	 idle_is_over(void *);
static void	 cancel(struct relay *, uint64_t id);
static void	 time_to_stop(void *);
static struct avoid *slot_of(const struct relay *, const struct avoid *table,
		    const uint8_t[16], uint16_t);
static bool	 is_in(const struct relay *, const struct avoid *table,
		    const uint8_t[16], uint16_t);
static void	 put_in(struct relay *, struct avoid *table,
		    const uint8_t[16], uint16_t, int64_t ms);

void
relay_init(struct relay *r, struct ev_loop *loop, const struct conf *conf)
{
	memset(r, 0, sizeof(*r));
	r->loop = loop;
	r->conf = conf;
	LIST_INIT(&r->attempts);
	LIST_INIT(&r->conns);
	LIST_INIT(&r->dead);
	TAILQ_INIT(&r->idle);
	TAILQ_INIT(&r->unused);
	TAILQ_INIT(&r->sessions);
	dns_init(&r->dns, loop);
	ev_task_init(&r->bury, bury_dead, r);
	ev_timer_init(&r->idle_timer, loop, idle_is_over, r);
	ev_timer_init(&r->stop_timer, loop, time_to_stop, r);
	arc4random_buf(r->hash_key, sizeof(r->hash_key));
	buf_init(&r->line, LINE_BYTES);
	secure_authorities(r, SLICE_EMPTY);
}

/* A connection whose next hop has another policy now is for nobody else. */
void
relay_configure(struct relay *r, const struct conf *conf)
{
	struct conn *c, *next;

	r->conf = conf;
	site_configure_all(r);
	LIST_FOREACH(c, &r->conns, entry)
		c->outdated = c->outdated || c->site->changed;
	TAILQ_FOREACH_SAFE(c, &r->idle, idle_entry, next)
		if (c->outdated)
			conn_quit(c);
}

void
relay_take_authorities(struct relay *r, struct slice pem)
{
	struct conn *c, *next;

	secure_authorities(r, pem);
	LIST_FOREACH(c, &r->conns, entry)
		c->outdated = c->outdated || c->level == SECURE_VERIFY;
	TAILQ_FOREACH_SAFE(c, &r->idle, idle_entry, next)
		if (c->outdated)
			conn_quit(c);
}

void
relay_watched(struct relay *r)
{
	struct conn *c;

	LIST_FOREACH(c, &r->conns, entry)
		if (c->state == C_CONNECTING || c->state == C_IDLE)
			conn_tap(c);
}

void
relay_clear(struct relay *r)
{
	struct conn *c;

	relay_qmgr_down(r);
	while ((c = LIST_FIRST(&r->conns)) != NULL)
		conn_bury(c);
	ev_task_cancel(r->loop, &r->bury);
	conn_free_dead(r);
	site_clear_all(r);
	tls_context_release(&r->tls);
	ev_timer_clear(&r->idle_timer);
	ev_timer_clear(&r->stop_timer);
	dns_clear(&r->dns);
	buf_clear(&r->line);
}

static void
bury_dead(void *arg)
{
	conn_free_dead(arg);
}

/* ---- qmgr --------------------------------------------------------------- */

void
relay_message(struct relay *r, struct channel *c, struct message *m)
{
	switch (m->type) {
	case DL_JOB:
	case DL_JOB_FILE:
		attempt_begin(r, c, m);
		break;
	case DL_CANCEL:
		cancel(r, m->id);
		break;
	default:
		channel_breach(c, "direction");
	}
}

/* An id that is not known: its results are on their way. */
static void
cancel(struct relay *r, uint64_t id)
{
	struct attempt *a;

	LIST_FOREACH(a, &r->attempts, entry)
		if (a->id == id) {
			attempt_cancel(a);
			return;
		}
}

static struct attempt *
waiter_for_socket(struct relay *r, uint64_t id)
{
	struct attempt *a;

	LIST_FOREACH(a, &r->attempts, entry)
		if (a->socket_id == id)
			return a;
	return NULL;
}

void
relay_got_socket(struct relay *r, uint64_t id, int fd_take)
{
	struct attempt *a = waiter_for_socket(r, id);

	if (a == NULL)
		close(fd_take);
	else
		attempt_got_socket(a, fd_take);
}

void
relay_no_socket(struct relay *r, uint64_t id, struct slice why)
{
	struct attempt *a = waiter_for_socket(r, id);

	if (a != NULL)
		attempt_no_socket(a, why);
}

void
relay_qmgr_down(struct relay *r)
{
	struct attempt *a;

	r->qmgr = NULL;
	while ((a = LIST_FIRST(&r->attempts)) != NULL)
		attempt_drop(a);
}

/* ---- stopping ----------------------------------------------------------- */

void
relay_stop(struct relay *r, void (*fn)(void *), void *arg)
{
	struct conn *c;

	r->stopping = true;
	r->stopped = fn;
	r->stopped_arg = arg;
	ev_timer_set(&r->stop_timer, STOP_MS);
	while ((c = TAILQ_FIRST(&r->idle)) != NULL)
		conn_quit(c);
	relay_check_stopped(r);
}

static void
time_to_stop(void *arg)
{
	struct relay *r = arg;
	struct attempt *a;
	struct conn *c;

	while ((a = LIST_FIRST(&r->attempts)) != NULL)
		attempt_defer_rest(a, (struct enhanced){ 4, 3, 2 },
		    "this host is being stopped");
	while ((c = LIST_FIRST(&r->conns)) != NULL)
		conn_bury(c);
}

void
relay_check_stopped(struct relay *r)
{
	void (*fn)(void *) = r->stopped;

	if (fn == NULL || !LIST_EMPTY(&r->attempts) || !LIST_EMPTY(&r->conns))
		return;
	ev_timer_stop(&r->stop_timer);
	r->stopped = NULL;
	fn(r->stopped_arg);
}

/* ---- connections -------------------------------------------------------- */

bool
relay_make_room(struct relay *r)
{
	struct conn *c = TAILQ_FIRST(&r->idle);

	if (r->nconns < r->conf->remote_connections)
		return true;
	if (c == NULL)
		return false;
	/* No QUIT, which would still need its descriptor for a while. */
	conn_bury(c);
	return true;
}

void
relay_watch_idle(struct relay *r)
{
	if (!ev_timer_is_set(&r->idle_timer))
		ev_timer_set(&r->idle_timer, r->conf->remote_idle);
}

static void
idle_is_over(void *arg)
{
	struct relay *r = arg;
	struct conn *c;
	int64_t now = clock_mono_ms(), left;

	while ((c = TAILQ_FIRST(&r->idle)) != NULL) {
		left = c->idle_since + r->conf->remote_idle - now;
		if (left > 0) {
			ev_timer_set(&r->idle_timer, left);
			return;
		}
		conn_quit(c);
	}
}

/* ---- hosts that failed lately ------------------------------------------- */

/* A place for each hash: a newcomer takes an older one's, which costs that
 * one no more than an attempt. */
static struct avoid *
slot_of(const struct relay *r, const struct avoid *table,
    const uint8_t address[16], uint16_t port)
{
	uint8_t key[18];

	memcpy(key, address, 16);
	memcpy(key + 16, &port, 2);
	/* The table is ours to change also where the caller only looks. */
	return (struct avoid *)(uintptr_t)&table[siphash(r->hash_key,
	    slice_of(key, sizeof(key))) % AVOID_SLOTS];
}

static bool
is_in(const struct relay *r, const struct avoid *table,
    const uint8_t address[16], uint16_t port)
{
	const struct avoid *a = slot_of(r, table, address, port);

	return a->until_ms > clock_mono_ms() && a->port == port &&
	    memcmp(a->address, address, 16) == 0;
}

static void
put_in(struct relay *r, struct avoid *table, const uint8_t address[16],
    uint16_t port, int64_t ms)
{
	struct avoid *a = slot_of(r, table, address, port);

	memcpy(a->address, address, 16);
	a->port = port;
	a->until_ms = clock_mono_ms() + ms;
}

bool
relay_avoids(const struct relay *r, const uint8_t address[16], uint16_t port)
{
	return is_in(r, r->avoid, address, port);
}

void
relay_avoid(struct relay *r, const uint8_t address[16], uint16_t port,
    bool avoid)
{
	if (avoid)
		put_in(r, r->avoid, address, port, AVOID_MS);
	else if (relay_avoids(r, address, port))
		slot_of(r, r->avoid, address, port)->until_ms = 0;
}

bool
relay_spares_tls(const struct relay *r, const uint8_t address[16],
    uint16_t port)
{
	return is_in(r, r->clear, address, port);
}

void
relay_spare_tls(struct relay *r, const uint8_t address[16], uint16_t port)
{
	put_in(r, r->clear, address, port, CLEAR_MS);
}
