/* SPDX-License-Identifier: ISC */
/*
 * child - see child.h.
 *
 * Always: peers[] holds only channels that are up, so that what child_peer()
 * returns can be sent to; a channel leaves it before the daemon hears down().
 * The daemon's own functions run only from child_run(), when all that it set
 * up after child_init() is in place.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <assert.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/child.h"
#include "ipc/counters.h"
#include "os/proc.h"

#define START_MS	30000	/* master sends all of it at once */
#define WHY_BYTES	4000	/* of CTL_RELOADED */

static void	 must_be_started_by_master(const char *program);
static void	 ignore_signals(void);
static void	 receive_all(struct child *);
static void	 take_start(struct child *, struct message *);
static void	 take_log(struct child *, struct message *);
static void	 take_listener(struct child *, struct message *);
static void	 take_shared(struct child *, struct message *);
static void	 take_channel(struct child *, struct message *);
static void	 take_go(struct child *, struct message *);
static void	 take_reload(struct child *, struct message *);
static void	 take_stop(struct child *, struct message *);
static void	 take_status_ask(struct child *, struct message *);
static void	 take_ping(struct child *, struct message *);
static void	 take_retire(struct child *, struct message *);
static void	 take_watch(struct child *, struct message *);
static void	 take_watch_end(struct child *, struct message *);
static void	 take_events(struct child *, struct message *);
static void	 hand_over(struct child *, struct child_gift *);
static void	 keep_order(struct child *, struct message *);
static void	 carry_out_orders(struct child *);
static void	 tell_gifts(struct child *);
static void	 master_says(void *, struct channel *, struct message *);
static void	 master_is_gone(void *, struct channel *);
static void	 peer_says(void *, struct channel *, struct message *);
static void	 peer_is_down(void *, struct channel *);
static void	 peer_is_relaxed(void *, struct channel *);
static void	 log_is_broken(void *);
static void	 ask_for_log(void *);
static int	 take_fd(struct message *);

static const struct message_rule master_rules[] = RULES_OF(MASTER_CHILD);
static const struct channel_ops master_ops = { master_says, master_is_gone,
	NULL };
static const struct channel_ops peer_ops = { peer_says, peer_is_down,
	peer_is_relaxed };

/* What master may say, and when. */
enum { AT_START = 1, AT_WORK = 2 };
static const struct {
	uint16_t	 type;
	int		 when;
	void		(*take)(struct child *, struct message *);
} verbs[] = {
	{ CTL_LOG,	 AT_START | AT_WORK,	take_log },
	{ CTL_LISTENER,	 AT_START | AT_WORK,	take_listener },
	{ CTL_SHARED,	 AT_START,		take_shared },
	{ CTL_CHANNEL,	 AT_START | AT_WORK,	take_channel },
	{ CTL_GO,	 AT_START,		take_go },
	{ CTL_RELOAD,	 AT_WORK,		take_reload },
	{ CTL_STOP,	 AT_START | AT_WORK,	take_stop },
	{ CTL_STATUS_ASK, AT_WORK,		take_status_ask },
	{ CTL_PING,	 AT_WORK,		take_ping },
	{ CTL_RETIRE,	 AT_WORK,		take_retire },
	{ CTL_WATCH,	 AT_START | AT_WORK,	take_watch },
	{ CTL_WATCH_END, AT_START | AT_WORK,	take_watch_end },
	{ CTL_EVENTS,	 AT_START | AT_WORK,	take_events },
};

/* ---- start-up ----------------------------------------------------------- */

void
child_init(struct child *c, const struct child_spec *spec, void *arg, int argc,
    char *argv[])
{
	must_be_started_by_master(argc > 0 ? argv[0] : role_name(spec->role));
	/* master starts us by a descriptor, which leaves a number there. */
	proc_set_name(program_invocation_short_name);
	memset(c, 0, sizeof(*c));
	c->spec = spec;
	c->arg = arg;
	umask(077);
	ignore_signals();
	/* With TZ set the C library reads the zone once; otherwise it looks
	 * at the file at each local time, which the confined cannot. */
	setenv("TZ", ":/etc/localtime", 0);
	tzset();
	log_open(role_name(spec->role), LOG_LEVEL_INFO);
	ev_loop_init(&c->loop);
	ev_task_init(&c->log_task, ask_for_log, c);
	c->master = channel_new(&c->loop, CHILD_FD, master_rules, spec->role,
	    ROLE_MASTER, 0, &master_ops, c);
	log_on_broken(log_is_broken, c);
	receive_all(c);
}

static void
must_be_started_by_master(const char *program)
{
	struct stat st;

	if (fstat(CHILD_FD, &st) == 0 && S_ISSOCK(st.st_mode))
		return;
	errx(EX_USAGE, "%s is a part of Chasqui and is started by its master; "
	    "see chasqui(8), `chasqui start`", program);
}

static void
do_nothing(int sig)
{
	(void)sig;
}

/* A terminal's ^C, and the SIGTERM that a service manager sends to all of the
 * suite, are for master, which stops us in its own order.  A file that may not
 * grow (RLIMIT_FSIZE) is an error like a full disk.  Handlers, because
 * a program that is started for a user would inherit SIG_IGN. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGXFSZ, SIGINT, SIGHUP,
		SIGTERM };
	struct sigaction sa = { .sa_handler = do_nothing,
		.sa_flags = SA_RESTART };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &sa, NULL);
}

/* START, gifts, GO. */
static void
receive_all(struct child *c)
{
	struct message m;

	while (!c->started) {
		if (channel_wait(c->master, &m, START_MS) == -1) {
			log_flush();
			/* master gave up or died: there is nobody to tell */
			_exit(EX_UNAVAILABLE);
		}
		if (c->conf == NULL)
			take_start(c, &m);
		else
			master_says(c, c->master, &m);
	}
}

static char *
text_of(struct slice s)
{
	return mem_slicedup(s);
}

static void
take_start(struct child *c, struct message *m)
{
	struct wire *w = &m->body;
	struct buf why = BUF_INIT(WHY_BYTES);
	enum role role;

	role = get_u32(w);
	c->index = get_u32(w);
	c->ids.uid = get_u32(w);
	c->ids.gid = get_u32(w);
	c->ids.mode = get_u8(w);
	c->ids.memory = get_u64(w);
	c->ids.descriptors = get_u64(w);
	c->ids.root = text_of(get_slice(w, 4096));
	c->ids.writable = text_of(get_slice(w, 16384));
	c->ids.readable = text_of(get_slice(w, 16384));
	c->directory = text_of(get_slice(w, 4096));
	c->ids.lent = get_u8(w);
	c->ids.group = get_u32(w);
	if (m->type != CTL_START || !wire_done(w) || role != c->spec->role)
		log_fatal("event=bad-start role=%s", role_name(role));
	c->conf = conf_from_fd(m->fds[0], &why);
	close(take_fd(m));
	if (c->conf == NULL)
		log_fatal("event=bad-configuration why=%s",
		    LOG_Q(buf_slice(&why)));
	buf_clear(&why);
	log_configure(c->conf->log_level, c->conf->log_facility);
}

static void
take_go(struct child *c, struct message *m)
{
	(void)m;
	c->started = true;
}

void
child_enter(struct child *c)
{
	if (c->spec->in_batches && proc_in_batches() == -1)
		log_warn("event=no-batch-scheduling error=%s",
		    LOG_Q(slice_str(strerror(errno))));
	priv_enter(c->spec->role, &c->ids);
}

int
child_run(struct child *c)
{
	c->working = true;
	tell_gifts(c);
	channel_send(c->master, CTL_READY, 0, SLICE_EMPTY);
	ev_run(&c->loop);
	while (c->npeers > 0) {
		channel_flush(c->peers[c->npeers - 1]);
		channel_free(&c->peers[--c->npeers]);
	}
	channel_flush(c->master);
	log_flush();
	return EX_OK;
}

/* ---- what master gives -------------------------------------------------- */

static int
take_fd(struct message *m)
{
	int fd = m->fds[0];

	m->fds[0] = -1;
	return fd;
}

static void
take_log(struct child *c, struct message *m)
{
	uint8_t sink = get_u8(&m->body);

	if (sink != LOG_SINK_STREAM && sink != LOG_SINK_SYSLOG) {
		channel_breach(c->master, "log-sink");
		return;
	}
	c->log_asked = false;
	log_to(sink, take_fd(m));
}

static void
take_events(struct child *c, struct message *m)
{
	(void)c;
	log_events_to(take_fd(m));
}

static void
take_listener(struct child *c, struct message *m)
{
	struct child_gift g = { .fd = -1 };
	struct slice name;

	g.kind = get_u8(&m->body);
	name = get_slice(&m->body, 512);
	if (!wire_done(&m->body) || g.kind < LISTENER_SMTP ||
	    g.kind > LISTENER_LAST || c->spec->listener == NULL) {
		channel_breach(c->master, "listener");
		return;
	}
	g.name = mem_slicedup(name);
	g.fd = take_fd(m);
	hand_over(c, &g);
}

static void
take_shared(struct child *c, struct message *m)
{
	struct child_gift g = { .fd = -1 };
	struct slice name = get_slice(&m->body, 64);

	if (wire_done(&m->body) &&
	    slice_eq(name, slice_str(COUNTERS_SHARED))) {
		if (counters_share(take_fd(m)) == -1)
			log_warn("event=counters-not-shared why=\"%s\"",
			    strerror(errno));
		return;
	}
	if (!wire_done(&m->body) || c->spec->shared == NULL) {
		channel_breach(c->master, "shared");
		return;
	}
	g.name = mem_slicedup(name);
	g.fd = take_fd(m);
	hand_over(c, &g);
}

/* Listeners and memory: to the daemon, or kept until it is ready for them. */
static void
hand_over(struct child *c, struct child_gift *g)
{
	if (!c->working) {
		c->gifts = mem_regrow(c->gifts, c->ngifts + 1,
		    sizeof(*c->gifts));
		c->gifts[c->ngifts++] = *g;
		return;
	}
	if (g->kind == 0)
		c->spec->shared(c->arg, g->name, g->fd);
	else
		c->spec->listener(c->arg, g->kind, g->name, g->fd);
	free(g->name);
}

static void
keep_order(struct child *c, struct message *m)
{
	struct child_order *o;

	c->orders = mem_regrow(c->orders, c->norders + 1, sizeof(*c->orders));
	o = &c->orders[c->norders++];
	o->m = *m;
	o->body = mem_slicedup(m->body.rest);
	o->m.body = wire_of(slice_of(o->body, m->body.rest.n));
	memset(m->fds, -1, sizeof(m->fds));
}

static void
carry_out_orders(struct child *c)
{
	struct child_order *o;
	int i;

	for (o = c->orders; o < c->orders + c->norders; o++) {
		c->spec->control(c->arg, &o->m);
		for (i = 0; i < o->m.nfds; i++)
			if (o->m.fds[i] != -1)
				close(o->m.fds[i]);
		free(o->body);
	}
	free(c->orders);
	c->orders = NULL;
	c->norders = 0;
}

/* Memory and orders first, then channels, then listeners: when the first
 * client comes, all is there that is needed to serve it. */
static void
tell_gifts(struct child *c)
{
	size_t i;

	for (i = 0; i < c->ngifts; i++)
		if (c->gifts[i].kind == 0)
			hand_over(c, &c->gifts[i]);
	carry_out_orders(c);
	for (i = 0; i < c->npeers; i++)
		if (c->spec->channel_up != NULL)
			c->spec->channel_up(c->arg, c->peers[i]);
	for (i = 0; i < c->ngifts; i++)
		if (c->gifts[i].kind != 0)
			hand_over(c, &c->gifts[i]);
	free(c->gifts);
	c->gifts = NULL;
	c->ngifts = 0;
}

static const struct child_edge *
edge_to(const struct child *c, enum role peer)
{
	const struct child_edge *e;

	for (e = c->spec->edges; e->peer != 0; e++)
		if (e->peer == peer)
			return e;
	return NULL;
}

static size_t
peer_at(const struct child *c, enum role role, unsigned index)
{
	size_t i;

	for (i = 0; i < c->npeers; i++)
		if (channel_peer(c->peers[i]) == role &&
		    channel_index(c->peers[i]) == index)
			break;
	return i;
}

static void
remove_peer(struct child *c, size_t i)
{
	memmove(&c->peers[i], &c->peers[i + 1],
	    (c->npeers - i - 1) * sizeof(c->peers[0]));
	c->npeers--;
}

static void
take_channel(struct child *c, struct message *m)
{
	enum role role = get_u32(&m->body);
	unsigned index = get_u32(&m->body);
	bool crashed = get_bool(&m->body);
	const struct child_edge *e = edge_to(c, role);
	struct channel *old;
	size_t i = peer_at(c, role, index);

	if (e == NULL || (i == c->npeers && c->npeers == CHILD_PEERS)) {
		channel_breach(c->master, "channel");
		return;
	}
	if (i < c->npeers) {
		/* master was faster than the old channel's EOF. */
		old = c->peers[i];
		remove_peer(c, i);
		if (c->working)
			e->ops->down(c->arg, old);
		channel_free(&old);
	}
	i = c->npeers++;
	c->peers[i] = channel_new(&c->loop, take_fd(m), e->rules,
	    c->spec->role, role, index, &peer_ops, c);
	channel_set_crashed_before(c->peers[i], crashed);
	if (c->working && c->spec->channel_up != NULL)
		c->spec->channel_up(c->arg, c->peers[i]);
}

/* ---- at work ------------------------------------------------------------ */

static void
master_says(void *arg, struct channel *ch, struct message *m)
{
	struct child *c = arg;
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type)
			break;
	if (i < sizeof(verbs) / sizeof(verbs[0]) &&
	    verbs[i].when & (c->working ? AT_WORK : AT_START))
		verbs[i].take(c, m);
	else if (c->spec->control != NULL && c->working)
		c->spec->control(c->arg, m);
	else if (c->spec->control != NULL)
		keep_order(c, m);
	else
		channel_breach(ch, "not-now");
}

static void
take_reload(struct child *c, struct message *m)
{
	struct buf why = BUF_INIT(WHY_BYTES), *b;
	struct conf *conf = conf_from_fd(m->fds[0], &why);
	bool taken = conf != NULL && (c->spec->reload == NULL ||
	    c->spec->reload(c->arg, conf, &why) == 0);

	if (taken) {
		conf_free(&c->conf);
		c->conf = conf;
		log_configure(conf->log_level, conf->log_facility);
		log_info("event=reloaded");
	} else {
		conf_free(&conf);
		log_error("event=reload-refused why=%s",
		    LOG_Q(buf_slice(&why)));
	}
	b = channel_begin(c->master, CTL_RELOADED, m->id);
	if (b != NULL) {
		put_u8(b, taken);
		put_slice(b, taken ? SLICE_EMPTY : buf_slice(&why));
	}
	channel_end(c->master);
	buf_clear(&why);
}

static void
take_stop(struct child *c, struct message *m)
{
	(void)m;
	if (!c->working)
		_exit(EX_OK);	/* nothing is under way yet */
	c->stopping = true;
	if (c->spec->stop != NULL)
		c->spec->stop(c->arg);
	else
		ev_stop(&c->loop);
}

static void
take_ping(struct child *c, struct message *m)
{
	(void)m;
	channel_send(c->master, CTL_PONG, 0, SLICE_EMPTY);
}

static void
take_retire(struct child *c, struct message *m)
{
	(void)m;
	if (c->spec->retire != NULL)
		c->spec->retire(c->arg);
}

static void
take_watch(struct child *c, struct message *m)
{
	if (c->spec->watched == NULL || taps_watch(&c->taps, m) == -1)
		channel_breach(c->master, "watch");
	else if (c->working)
		c->spec->watched(c->arg);
}

static void
take_watch_end(struct child *c, struct message *m)
{
	taps_watch_end(&c->taps, get_u32(&m->body));
}

void
child_renew(struct child *c)
{
	channel_send(c->master, CTL_RENEW, 0, SLICE_EMPTY);
}

static void
tell_counts(const struct child *c, struct buf *words)
{
	const char *group = counters_group(c->spec->role);
	const uint64_t *took;
	unsigned i;

	for (i = 0; i < COUNTERS_END; i++)
		if (strcmp(counter_infos[i].group, group) == 0)
			buf_printf(words, " %s=%ju", counter_infos[i].word,
			    (uintmax_t)counters->counts[i]);
	for (i = 0; i < TIMES_END; i++) {
		took = counters->times[i].buckets;
		if (strcmp(time_infos[i].group, group) == 0)
			buf_printf(words, " %s_p50_us=%ju %s_p99_us=%ju",
			    time_infos[i].word,
			    (uintmax_t)time_quantile(took, NULL, 0.5),
			    time_infos[i].word,
			    (uintmax_t)time_quantile(took, NULL, 0.99));
	}
}

static void
take_status_ask(struct child *c, struct message *m)
{
	struct buf words = BUF_INIT(60000);

	buf_printf(&words, "channels=%zu", c->npeers);
	if (c->spec->status != NULL) {
		buf_add_byte(&words, ' ');
		c->spec->status(c->arg, &words);
	}
	tell_counts(c, &words);
	channel_send(c->master, CTL_STATUS, m->id, buf_slice(&words));
	buf_clear(&words);
}

/* Nobody restarts us, hands us channels or stops us any more.  Ending at once
 * loses nothing (Q1, Q3), and the next master finds no one in its way. */
static void
master_is_gone(void *arg, struct channel *ch)
{
	(void)arg;
	(void)ch;
	log_error("event=master-gone");
	log_flush();
	_exit(EX_UNAVAILABLE);
}

static void
peer_says(void *arg, struct channel *ch, struct message *m)
{
	struct child *c = arg;

	edge_to(c, channel_peer(ch))->ops->message(c->arg, ch, m);
}

static void
peer_is_down(void *arg, struct channel *ch)
{
	struct child *c = arg;
	enum role role = channel_peer(ch);
	struct buf *b;
	size_t i = peer_at(c, role, channel_index(ch));

	assert(i < c->npeers && c->peers[i] == ch);
	remove_peer(c, i);
	if (!c->stopping) {
		log_info("event=channel-down peer=%s index=%u",
		    role_name(role), channel_index(ch));
		/* In case the peer lives, and only the channel ended. */
		b = channel_begin(c->master, CTL_PEER_LOST, 0);
		if (b != NULL) {
			put_u32(b, role);
			put_u32(b, channel_index(ch));
		}
		channel_end(c->master);
	}
	edge_to(c, role)->ops->down(c->arg, ch);
}

static void
peer_is_relaxed(void *arg, struct channel *ch)
{
	struct child *c = arg;
	const struct child_edge *e = edge_to(c, channel_peer(ch));

	if (e->ops->relaxed != NULL)
		e->ops->relaxed(c->arg, ch);
}

/* Runs inside of log_*(), wherever that was called: only a note is made. */
static void
log_is_broken(void *arg)
{
	struct child *c = arg;

	if (!c->log_asked)
		ev_task_ask(&c->loop, &c->log_task);
	c->log_asked = true;
}

static void
ask_for_log(void *arg)
{
	struct child *c = arg;

	channel_send(c->master, CTL_LOG_LOST, 0, SLICE_EMPTY);
}

struct channel *
child_peer(const struct child *c, enum role role, unsigned index)
{
	size_t i = peer_at(c, role, index);

	return i < c->npeers ? c->peers[i] : NULL;
}

struct channel *
child_peer_nth(const struct child *c, enum role role, size_t n)
{
	size_t i;

	for (i = 0; i < c->npeers; i++)
		if (channel_peer(c->peers[i]) == role && n-- == 0)
			return c->peers[i];
	return NULL;
}
