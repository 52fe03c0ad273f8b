/* SPDX-License-Identifier: ISC */
/*
 * resolver - answers the DNS questions of smtpd and remote (ipc/resolver.h),
 * the only process that talks to name servers.
 *
 *	upstream.c	libunbound, set up; ub_loop.c: in our loop
 *	servers.c	which name servers it asks
 *	local_names.c	names that need none
 *	packet.c	an answer, to the fields that we pass on
 *
 * A question is answered within dns.timeout in any case; libunbound may go on
 * with it for a while longer, and until it is done with it the question counts
 * against QUESTIONS, over which new ones fail at once.
 */
#include <sys/queue.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/steps.h"
#include "dns/answer.h"
#include "ipc/child.h"
#include "ipc/counters.h"
#include "local_names.h"
#include "upstream.h"

#define QUESTIONS		10000
#define SOCKETS			1000	/* to name servers, at once */
#define SPARE_DESCRIPTORS	320	/* channels, TCP, and so on */
#define COMPLAIN_MS		60000	/* between two lines about time-outs */

static const char anchor_file[] = "/usr/share/dns/root.key";

struct question {
	TAILQ_ENTRY(question) entry;
	struct resolver	*resolver;
	struct channel	*client;	/* NULL: answered, or the client died */
	uint64_t	 id;		/* the client's */
	enum dns_type	 type;
	int64_t		 asked_ms;
	char		 name[DNS_NAME_BYTES + 1];
};
TAILQ_HEAD(questions, question);

struct resolver {
	struct child	 child;
	struct ub_loop	 ub_loop;
	struct clock_watch clock;
	struct upstream	*upstream;	/* owned */
	struct servers	 servers;
	struct buf	 anchors;
	struct questions waiting;	/* in order of asked_ms */
	struct questions orphans;	/* answered; libunbound is at it yet */
	size_t		 nquestions;	/* in both lists */
	struct ev_timer	 timer;		/* for the first that waits */
	int64_t		 complained_ms;
};

static void	 acquire(struct resolver *);
static struct upstream *make_upstream(struct resolver *, const struct conf *,
		    struct buf *why);
static int	 choose_servers(const struct conf *, struct servers *,
		    struct buf *why);
static void	 client_asks(void *, struct channel *, struct message *);
static void	 ask_upstream(struct resolver *, struct question *);
static void	 upstream_answers(void *, const struct dns_answer *,
		    const char *why);
static void	 time_is_up(void *);
static void	 set_timer(struct resolver *);
static void	 answer(struct channel *, uint64_t id, enum dns_type,
		    const struct dns_answer *);
static void	 answer_status(struct channel *, uint64_t id, enum dns_status);
static void	 client_is_gone(void *, struct channel *);
static int	 reload(void *, const struct conf *, struct buf *why);
static void	 see_to_clock(struct resolver *);
static void	 ask_again(struct resolver *);
static void	 status(void *, struct buf *);
static const char *type_name(enum dns_type);

static const struct message_rule client_rules[] = RULES_OF(RESOLVER_CLIENT);
static const struct channel_ops client_ops = { client_asks, client_is_gone,
	NULL };
static const struct child_edge edges[] = {
	{ ROLE_SMTPD, client_rules, &client_ops },
	{ ROLE_REMOTE, client_rules, &client_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec resolver_spec = {
	.role = ROLE_RESOLVER,
	.edges = edges,
	.reload = reload,
	.status = status,
};

int
main(int argc, char *argv[])
{
	static struct resolver r;

	child_init(&r.child, &resolver_spec, &r, argc, argv);
	acquire(&r);
	child_enter(&r.child);
	return child_run(&r.child);
}

/* ---- set-up ------------------------------------------------------------- */

static void
acquire(struct resolver *r)
{
	struct buf why = BUF_INIT(1000);
	int fd;

	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->orphans);
	ev_timer_init(&r->timer, &r->child.loop, time_is_up, r);
	ub_loop_init(&r->ub_loop, &r->child.loop);
	clock_watch_init(&r->clock);
	buf_init(&r->anchors, ANCHORS_BYTES);
	fd = open(anchor_file, O_RDONLY | O_CLOEXEC);
	if (upstream_read_anchors(fd, &r->anchors) == -1)
		log_fatal("event=cannot-read file=%s", anchor_file);
	if (fd != -1)
		close(fd);
	r->upstream = make_upstream(r, r->child.conf, &why);
	if (r->upstream == NULL)
		log_fatal("event=no-resolver why=%s", LOG_Q(buf_slice(&why)));
	buf_clear(&why);
}

static struct upstream *
make_upstream(struct resolver *r, const struct conf *conf, struct buf *why)
{
	struct servers servers = { .n = 0 };
	struct upstream_conf uc = { .servers = &servers,
		.dnssec = conf->dns_dnssec, .anchors = buf_slice(&r->anchors),
		.cache_bytes = conf->dns_cache, .sockets = SOCKETS };
	struct upstream *u;

	if (r->child.ids.descriptors < SOCKETS + SPARE_DESCRIPTORS)
		uc.sockets = r->child.ids.descriptors <= SPARE_DESCRIPTORS ?
		    16 : (unsigned)r->child.ids.descriptors -
		    SPARE_DESCRIPTORS;
	if (choose_servers(conf, &servers, why) == -1)
		return NULL;
	u = upstream_new(&r->ub_loop, &uc, why);
	if (u != NULL)
		r->servers = servers;
	return u;
}

static int
choose_servers(const struct conf *conf, struct servers *servers,
    struct buf *why)
{
	size_t i;

	for (i = 0; i < conf->dns_servers.n; i++)
		if (servers_add(servers,
		    slice_str(conf->dns_servers.v[i])) == -1) {
			buf_printf(why, "dns.servers: %s is no address, or "
			    "there are more than %d", conf->dns_servers.v[i],
			    SERVERS);
			return -1;
		}
	/* master has taken those of resolv.conf(5), which says: */
	if (servers->n == 0)
		servers_add(servers, SLICE_LIT("127.0.0.1"));
	return 0;
}

/* ---- a question's road -------------------------------------------------- */

static void
client_asks(void *arg, struct channel *c, struct message *m)
{
	struct resolver *r = arg;
	struct dns_record record;
	struct dns_answer a;
	struct question *q;
	struct slice name;
	enum dns_type type;
	unsigned flags;

	type = get_u16(&m->body);
	flags = get_u8(&m->body);
	name = get_slice(&m->body, DNS_NAME_BYTES);
	if (!wire_done(&m->body) || flags != 0 || type_name(type) == NULL) {
		channel_breach(c, "question");
		return;
	}
	count(DNS_ASKED);
	if (!dns_is_host_name(name))
		answer_status(c, m->id, DNS_INVALID);
	else if (local_names_answer(type, name, &a, &record))
		answer(c, m->id, type, &a);
	else if (r->nquestions >= QUESTIONS) {
		count(DNS_FAILED);
		answer_status(c, m->id, DNS_FAILED);
	} else {
		see_to_clock(r);
		q = mem_alloc(sizeof(*q));
		q->resolver = r;
		q->client = c;
		q->id = m->id;
		q->type = type;
		memcpy(q->name, name.p, name.n);
		ask_upstream(r, q);
	}
}

static void
ask_upstream(struct resolver *r, struct question *q)
{
	q->asked_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&r->waiting, q, entry);
	count_set(DNS_OPEN, ++r->nquestions);
	if (TAILQ_FIRST(&r->waiting) == q)
		set_timer(r);
	upstream_ask(r->upstream, q->type, q->name, upstream_answers, q);
}

static void
upstream_answers(void *arg, const struct dns_answer *a, const char *why)
{
	struct question *q = arg;
	struct resolver *r = q->resolver;

	if (why != NULL && q->client != NULL) {
		count(DNS_FAILED);
		log_info("event=lookup-failed type=%s name=%s why=%s",
		    type_name(q->type), LOG_Q(slice_str(q->name)),
		    LOG_Q(slice_str(why)));
	}
	if (q->client != NULL) {
		count_time(DNS_ANSWER,
		    1000 * (clock_mono_ms() - q->asked_ms));
		answer(q->client, q->id, q->type, a);
		TAILQ_REMOVE(&r->waiting, q, entry);
	} else
		TAILQ_REMOVE(&r->orphans, q, entry);
	count_set(DNS_OPEN, --r->nquestions);
	free(q);
}

static void
time_is_up(void *arg)
{
	struct resolver *r = arg;
	struct question *q;
	int64_t now = clock_mono_ms();

	while ((q = TAILQ_FIRST(&r->waiting)) != NULL &&
	    now - q->asked_ms >= r->child.conf->dns_timeout) {
		answer_status(q->client, q->id, DNS_FAILED);
		q->client = NULL;
		TAILQ_REMOVE(&r->waiting, q, entry);
		TAILQ_INSERT_TAIL(&r->orphans, q, entry);
		count(DNS_TIMED_OUT);
		if (r->complained_ms != 0 &&
		    now - r->complained_ms < COMPLAIN_MS)
			continue;
		r->complained_ms = now;
		log_warn("event=lookup-timeout type=%s name=%s servers=%zu "
		    "first=%s total=%llu", type_name(q->type),
		    LOG_Q(slice_str(q->name)), r->servers.n,
		    r->servers.names[0], (unsigned long long)
		    counters->counts[COUNTER_DNS_TIMED_OUT]);
	}
	set_timer(r);
}

static void
set_timer(struct resolver *r)
{
	const struct question *q = TAILQ_FIRST(&r->waiting);

	if (q != NULL)
		ev_timer_set(&r->timer, q->asked_ms +
		    r->child.conf->dns_timeout - clock_mono_ms());
}

static void
answer(struct channel *c, uint64_t id, enum dns_type type,
    const struct dns_answer *a)
{
	struct buf body = BUF_INIT(65536);

	if (dns_answer_pack(&body, type, a) == 0)
		channel_send(c, DN_ANSWER, id, buf_slice(&body));
	else
		answer_status(c, id, DNS_FAILED);
	buf_clear(&body);
}

static void
answer_status(struct channel *c, uint64_t id, enum dns_status s)
{
	struct dns_answer a = { .status = s, .canonical = SLICE_EMPTY };

	answer(c, id, DNS_A, &a);
}

static void
client_is_gone(void *arg, struct channel *c)
{
	struct resolver *r = arg;
	struct question *q, *next;

	for (q = TAILQ_FIRST(&r->waiting); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		if (q->client != c)
			continue;
		q->client = NULL;
		TAILQ_REMOVE(&r->waiting, q, entry);
		TAILQ_INSERT_TAIL(&r->orphans, q, entry);
	}
}

/* ---- reload, status ----------------------------------------------------- */

/* A new libunbound with the new settings; the old one's questions that are
 * still waited for are asked again. */
static int
reload(void *arg, const struct conf *conf, struct buf *why)
{
	struct resolver *r = arg;
	struct upstream *u = make_upstream(r, conf, why);

	if (u == NULL)
		return -1;
	upstream_free(&r->upstream);
	r->upstream = u;
	ask_again(r);
	return 0;
}

/* libunbound keeps by the wall clock how long it believes an answer, or that a
 * server is down: when that was set, it begins anew. */
static void
see_to_clock(struct resolver *r)
{
	struct buf why = BUF_INIT(1000);
	int64_t now, ms = clock_stepped(&r->clock, &now);

	if (ms == 0)
		return;
	log_warn("event=clock-stepped ms=%lld", (long long)ms);
	if (reload(r, r->child.conf, &why) == -1)
		log_error("event=cache-kept why=%s", LOG_Q(buf_slice(&why)));
	buf_clear(&why);
}

static void
ask_again(struct resolver *r)
{
	struct questions old = TAILQ_HEAD_INITIALIZER(old);
	struct question *q;

	while ((q = TAILQ_FIRST(&r->orphans)) != NULL) {
		TAILQ_REMOVE(&r->orphans, q, entry);
		free(q);
	}
	TAILQ_CONCAT(&old, &r->waiting, entry);
	r->nquestions = 0;
	while ((q = TAILQ_FIRST(&old)) != NULL) {
		TAILQ_REMOVE(&old, q, entry);
		ask_upstream(r, q);
	}
}

static void
status(void *arg, struct buf *b)
{
	struct resolver *r = arg;
	size_t i;

	buf_add_str(b, "servers=");
	for (i = 0; i < r->servers.n; i++)
		buf_printf(b, "%s%s", i > 0 ? "," : "", r->servers.names[i]);
}

/* NULL: a type that we do not ask for. */
static const char *
type_name(enum dns_type t)
{
	switch (t) {
	case DNS_A:	return "A";
	case DNS_CNAME:	return "CNAME";
	case DNS_PTR:	return "PTR";
	case DNS_MX:	return "MX";
	case DNS_TXT:	return "TXT";
	case DNS_AAAA:	return "AAAA";
	case DNS_TLSA:	return "TLSA";
	}
	return NULL;
}
