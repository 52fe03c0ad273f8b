/* SPDX-License-Identifier: ISC */
/*
 * control - answers the queue tools on queue.sock (ipc/tool.h).
 *
 * Anybody may list messages and see their envelopes; content and changes are
 * for root and for who runs the suite.
 *
 * A request looks at the messages that were there when it came, oldest first,
 * a few at a time; one that sleeps is read from its file, one after the other.
 * While the tool does not take what it asked for, nothing more is looked at.
 *
 * While the directories are walked after a start (recover.c) requests wait for
 * the end of that, and are told so.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ipc/queue_tool.h"
#include "mail/header.h"
#include "old.h"
#include "os/sockets.h"
#include "qmgr.h"

#define CLIENTS		16	/* at once */
#define LISTENERS	4
#define AT_A_TIME	200	/* messages looked at in one turn */
#define READ_AHEAD	64	/* files; they come in their order */
#define ENTRY_BYTES	50000	/* of a TL_ENTRY */
#define DATA_BYTES	32768	/* of a TL_DATA */
#define FILTER_ARENA	65536

struct client;

/* What is done to each message that matches. */
struct request {
	uint16_t	 type;		/* TL_QUEUE_*; 0: none under way */
	uint64_t	 id;		/* the tool's */
	struct arena	 arena;
	struct queue_filter filter;
	enum queue_change change;
	bool		 dry_run;
	uint64_t	*ids;		/* owned; still to be looked at, a
					 * heap with the oldest on top: it is
					 * made in linear time, so that the
					 * first of a million comes at once;
					 * NULL: waits for the walk */
	size_t		 nids;
	size_t		 matched;
};

struct client {
	TAILQ_ENTRY(client) link;
	struct qmgr	*q;
	struct channel	*channel;	/* owned; NULL: gone */
	uid_t		 uid;
	bool		 may_change;
	unsigned	 loading;	/* files are being read for it */
	struct request	 r;
	struct ev_timer	 timer;		/* goes on in the next turn */
};

struct control_listener {
	struct qmgr	*q;
	struct ev_io	 io;
	int		 fd;
};

struct controls {
	TAILQ_HEAD(, client) clients;
	unsigned	 nclients;
	struct control_listener listeners[LISTENERS];
	uid_t		 owner;
};

/* A sleeping message that a request wants to see. */
struct look {
	struct load	 load;		/* first */
	struct qmgr	*q;
	struct client	*client;	/* lives at least until this is done */
	uint16_t	 version;	/* of the slot */
};

static void	 accept_client(void *, int);
static void	 client_says(void *, struct channel *, struct message *);
static void	 client_is_gone(void *, struct channel *);
static void	 client_relaxed(void *, struct channel *);
static void	 client_free(struct client *);
static bool	 take_list(struct client *, struct message *);
static bool	 take_show(struct client *, struct message *);
static bool	 take_change(struct client *, struct message *);
static void	 start(struct client *);
static void	 choose(struct request *, const struct queue *);
static void	 go_on(void *);
static void	 look_at(struct client *, struct slot *);
static bool	 slot_may_match(const struct client *, const struct slot *);
static bool	 filter_needs_envelope(const struct queue_filter *);
static bool	 entry_matches(const struct client *, const struct entry *);
static void	 looked(struct store_wait *, bool ok);
static void	 looked_to_see(struct client *, const struct slot *,
		    struct slice, bool head_only);
static void	 looked_to_change(struct client *, struct slot *, struct slice);
static void	 use(struct client *, struct entry *);
static void	 show(struct client *, struct entry *);
static void	 show_extras(struct client *, const struct envelope_extras *);
static void	 show_content(struct client *, struct entry *);
static void	 list_entry(struct client *, const struct entry *);
static void	 change(struct client *, struct slot *);
static void	 retry(struct qmgr *, struct slot *);
static void	 change_entry(struct qmgr *, struct entry *,
		    enum queue_change);
static void	 finish(struct client *, int status, const char *why);
static void	 say(struct client *, const char *fmt, ...)
		    __attribute__((format(printf, 2, 3)));

static const struct message_rule rules[] = RULES_OF(TOOL_REQUESTS);
static const struct channel_ops ops = { client_says, client_is_gone,
	client_relaxed };

static const struct {
	uint16_t	 type;
	bool		 (*take)(struct client *, struct message *);
} verbs[] = {
	{ TL_QUEUE_LIST,	take_list },
	{ TL_QUEUE_SHOW,	take_show },
	{ TL_QUEUE_CHANGE,	take_change },
};

/* ---- connections -------------------------------------------------------- */

void
control_init(struct qmgr *q)
{
	q->controls = mem_alloc(sizeof(*q->controls));
	TAILQ_INIT(&q->controls->clients);
	q->controls->owner = getuid();
}

void
control_listen(struct qmgr *q, int fd_take)
{
	struct control_listener *l = q->controls->listeners;
	size_t i;

	for (i = 0; i < LISTENERS && l[i].q != NULL; i++)
		continue;
	if (i == LISTENERS) {
		close(fd_take);
		return;
	}
	l[i].q = q;
	l[i].fd = fd_take;
	ev_io_init(&l[i].io, q->loop, fd_take, accept_client, &l[i]);
	ev_io_want(&l[i].io, EV_WANT_READ);
}

static void
accept_client(void *arg, int ready)
{
	struct control_listener *l = arg;
	struct controls *cs = l->q->controls;
	uid_t uid;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)ready;
	if (fd == -1) {
		if (errno != EINVAL)
			return;
		ev_io_clear(&l->io);	/* master has ended it */
		close(l->fd);
		l->q = NULL;
		return;
	}
	if (cs->nclients == CLIENTS || unix_peer(fd, &uid) == -1)
		close(fd);
	else
		control_client(l->q, fd, uid);
}

void
control_client(struct qmgr *q, int fd_take, uid_t uid)
{
	struct controls *cs = q->controls;
	struct client *c = mem_alloc(sizeof(*c));

	c->q = q;
	c->uid = uid;
	c->may_change = uid == 0 || uid == cs->owner;
	ev_timer_init(&c->timer, q->loop, go_on, c);
	c->channel = channel_new(q->loop, fd_take, rules, ROLE_QMGR, ROLE_TOOL,
	    0, &ops, c);
	TAILQ_INSERT_TAIL(&cs->clients, c, link);
	cs->nclients++;
}

static void
client_says(void *arg, struct channel *ch, struct message *m)
{
	struct client *c = arg;
	size_t i;

	if (c->r.type != 0 || shape_is_owed(c->q, ch)) {
		channel_breach(ch, "one-at-a-time");
		return;
	}
	if (shape_asked(c->q, ch, m) || hops_asked(c->q, ch, m))
		return;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == m->type)
			break;
	if (i == sizeof(verbs) / sizeof(verbs[0])) {
		channel_breach(ch, "not-for-qmgr");
		return;
	}
	c->r = (struct request){ .type = m->type, .id = m->id,
		.arena = ARENA_INIT(FILTER_ARENA) };
	if (!verbs[i].take(c, m)) {
		c->r.type = 0;
		arena_clear(&c->r.arena);
		channel_breach(ch, "request");
	}
}

static void
client_relaxed(void *arg, struct channel *ch)
{
	struct client *c = arg;

	(void)ch;
	if (c->r.ids != NULL)
		ev_timer_set(&c->timer, 0);
}

static void
client_is_gone(void *arg, struct channel *ch)
{
	struct client *c = arg;

	shape_gone(c->q, ch);
	c->channel = NULL;
	if (c->loading == 0)
		client_free(c);
}

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&c->q->controls->clients, c, link);
	c->q->controls->nclients--;
	ev_timer_clear(&c->timer);
	arena_clear(&c->r.arena);
	free(c->r.ids);
	channel_free(&c->channel);
	free(c);
}

void
control_clear(struct qmgr *q)
{
	struct controls *cs = q->controls;
	struct client *c;
	size_t i;

	if (cs == NULL)
		return;
	while ((c = TAILQ_FIRST(&cs->clients)) != NULL)
		client_free(c);
	for (i = 0; i < LISTENERS; i++)
		if (cs->listeners[i].q != NULL) {
			ev_io_clear(&cs->listeners[i].io);
			close(cs->listeners[i].fd);
		}
	free(cs);
	q->controls = NULL;
}

/* ---- requests ----------------------------------------------------------- */

static void
finish(struct client *c, int status, const char *why)
{
	struct buf *b = channel_begin(c->channel, TL_END, c->r.id);

	if (b != NULL) {
		put_u8(b, (uint8_t)status);
		put_slice(b, slice_str(why));
	}
	channel_end(c->channel);
	c->r.type = 0;
	arena_clear(&c->r.arena);
	free(c->r.ids);
	c->r.ids = NULL;
}

static void
say(struct client *c, const char *fmt, ...)
{
	struct buf *b = channel_begin(c->channel, TL_LINE, c->r.id);
	va_list ap;

	if (b != NULL) {
		va_start(ap, fmt);
		buf_vprintf(b, fmt, ap);
		va_end(ap);
	}
	channel_end(c->channel);
}

static bool
take_list(struct client *c, struct message *m)
{
	if (!queue_filter_unpack(&m->body, &c->r.arena, &c->r.filter) ||
	    !wire_done(&m->body))
		return false;
	start(c);
	return true;
}

static bool
take_show(struct client *c, struct message *m)
{
	uint64_t id = get_u64(&m->body);

	if (!wire_done(&m->body))
		return false;
	c->r.filter.ids = arena_alloc(&c->r.arena, sizeof(id));
	c->r.filter.ids[0] = id;
	c->r.filter.nids = 1;
	start(c);
	return true;
}

static bool
take_change(struct client *c, struct message *m)
{
	c->r.change = get_enum(&m->body, QUEUE_BOUNCE);
	c->r.dry_run = get_bool(&m->body);
	if (!queue_filter_unpack(&m->body, &c->r.arena, &c->r.filter) ||
	    !wire_done(&m->body) || c->r.change == 0)
		return false;
	if (!c->may_change)
		finish(c, EX_NOPERM, "only root, or who runs the mail system, "
		    "may change the queue");
	else
		start(c);
	return true;
}

static void
start(struct client *c)
{
	if (c->q->walk != NULL)
		channel_send(c->channel, TL_NOTE, c->r.id, SLICE_LIT("the "
		    "queue is being read after a start: please wait"));
	else {
		choose(&c->r, &c->q->queue);
		ev_timer_set(&c->timer, 0);
	}
}

void
control_walked(struct qmgr *q)
{
	struct client *c;

	TAILQ_FOREACH(c, &q->controls->clients, link)
		if (c->channel != NULL && c->r.type != 0)
			start(c);
}

/* ---- which are looked at, oldest first ---------------------------------- */

static void
ids_sift(struct request *r, size_t at)
{
	uint64_t *v = r->ids, id = v[at];
	size_t child;

	for (; (child = at * 2 + 1) < r->nids; at = child) {
		if (child + 1 < r->nids && v[child + 1] < v[child])
			child++;
		if (v[child] >= id)
			break;
		v[at] = v[child];
	}
	v[at] = id;
}

static void
choose(struct request *r, const struct queue *qu)
{
	const struct slot *s;
	size_t cursor = 0, i;

	r->ids = mem_array(r->filter.nids > 0 ? r->filter.nids : qu->slots.n,
	    sizeof(*r->ids));
	for (; r->nids < r->filter.nids; r->nids++)
		r->ids[r->nids] = r->filter.ids[r->nids];
	while (r->filter.nids == 0 &&
	    (s = idmap_next(&qu->slots, &cursor)) != NULL)
		r->ids[r->nids++] = s->id;
	for (i = r->nids / 2; i-- > 0;)
		ids_sift(r, i);
}

static void
ids_drop_first(struct request *r)
{
	r->ids[0] = r->ids[--r->nids];
	if (r->nids > 0)
		ids_sift(r, 0);
}

static void
ended(struct client *c)
{
	struct request *r = &c->r;

	if (r->filter.nids > 0 && r->matched < r->filter.nids)
		finish(c, EX_DATAERR, r->filter.nids == 1 ?
		    "no such message is in the queue" :
		    "not all of these messages are in the queue");
	else
		finish(c, EX_OK, "");
}

static void
go_on(void *arg)
{
	struct client *c = arg;
	struct request *r = &c->r;
	struct slot *s;
	unsigned n;

	for (n = 0; n < AT_A_TIME && r->nids > 0; n++) {
		if (c->channel == NULL || channel_is_busy(c->channel))
			return;		/* client_relaxed() goes on */
		s = queue_find(&c->q->queue, r->ids[0]);
		/* What is in memory waits for the files before it. */
		if (c->loading == READ_AHEAD || (c->loading > 0 &&
		    s != NULL && s->entry != NULL))
			return;		/* looked() goes on */
		ids_drop_first(r);
		if (s != NULL && s->state != SLOT_COMMITTING)
			look_at(c, s);
	}
	if (r->nids > 0)
		ev_timer_set(&c->timer, 0);
	else if (c->loading == 0)
		ended(c);
}

/* Now, or when its file has been read. */
static void
look_at(struct client *c, struct slot *s)
{
	struct look *l;

	if (!slot_may_match(c, s))
		return;
	/* A million messages are told to be tried without reading them. */
	if (c->r.type == TL_QUEUE_CHANGE && c->r.change == QUEUE_RETRY &&
	    !filter_needs_envelope(&c->r.filter)) {
		c->r.matched++;
		change(c, s);
		return;
	}
	if (s->entry != NULL) {
		if (entry_matches(c, s->entry))
			use(c, s->entry);
		return;
	}
	l = mem_alloc(sizeof(*l));
	l->q = c->q;
	l->client = c;
	l->version = s->version;
	l->load.id = s->id;
	l->load.head_only = c->r.type != TL_QUEUE_SHOW;
	l->load.wait.fn = looked;
	c->loading++;
	store_load(c->q->store, &l->load);
}

/* What was read serves to see, unless the message was woken meanwhile. */
static void
looked(struct store_wait *w, bool ok)
{
	struct look *l = (struct look *)(void *)w;
	struct client *c = l->client;
	struct slot *s = queue_find(&c->q->queue, l->load.id);

	c->loading--;
	if (c->channel == NULL) {
		if (c->loading == 0)
			client_free(c);
		goto out;
	}
	if (s != NULL && (s->entry != NULL || s->version != l->version))
		look_at(c, s);	/* again */
	else if (s != NULL && ok && c->r.type == TL_QUEUE_CHANGE)
		looked_to_change(c, s, buf_slice(&l->load.bytes));
	else if (s != NULL && ok)
		looked_to_see(c, s, buf_slice(&l->load.bytes),
		    l->load.head_only);
	if (c->loading <= READ_AHEAD / 2)
		ev_timer_set(&c->timer, 0);
out:
	buf_clear(&l->load.bytes);
	free(l);
}

static void
looked_to_see(struct client *c, const struct slot *s, struct slice bytes,
    bool head_only)
{
	struct queue apart = { .due = { 0 } };
	struct slot like = *s;
	struct entry *e;

	like.entry = NULL;
	e = stored_entry(&apart, &like, bytes, s->id, head_only);
	if (e != NULL && entry_matches(c, e))
		use(c, e);
	entry_free(&apart, &like.entry);
}

static void
looked_to_change(struct client *c, struct slot *s, struct slice bytes)
{
	uint64_t id = s->id;
	struct entry *e = stored_entry(&c->q->queue, s, bytes, id, true);

	if (e == NULL) {
		old_damaged(c->q, &s, 0);
		return;
	}
	e->q = c->q;
	if (entry_matches(c, e)) {
		use(c, e);
		s = queue_find(&c->q->queue, id);
	}
	/* Unless that has set it going. */
	if (s != NULL && s->entry == e && s->state != SLOT_ACTIVE)
		entry_free(&c->q->queue, &s->entry);
}

/* ---- what matches ------------------------------------------------------- */

static enum queue_state
shown_state(const struct slot *s)
{
	switch ((enum slot_state)s->state) {
	case SLOT_HELD:
		return QUEUE_HELD;
	case SLOT_WAITING:
		return QUEUE_DEFERRED;
	case SLOT_COMMITTING:
	case SLOT_ACTIVE:
	case SLOT_LOADING:
		break;
	}
	return QUEUE_ACTIVE;
}

/* What can be said without its envelope. */
static bool
slot_may_match(const struct client *c, const struct slot *s)
{
	const struct queue_filter *f = &c->r.filter;

	return f->states == 0 || f->states & 1u << shown_state(s);
}

static bool
filter_needs_envelope(const struct queue_filter *f)
{
	return f->sender.n > 0 || f->recipient.n > 0 || f->next_hop.n > 0 ||
	    f->reason.n > 0 || f->older_ms > 0 || f->younger_ms > 0 ||
	    f->larger > 0 || f->smaller > 0;
}

/* "@domain" or a whole address; local-parts too without regard to case, as
 * operators type them. */
static bool
address_matches(struct slice want, struct slice have)
{
	if (want.n == 0)
		return true;
	if (want.p[0] == '@')
		return slice_ends_nocase(have, want);
	return slice_eq_nocase(want, have);
}

static bool
contains(struct slice hay, struct slice needle)
{
	size_t i;

	for (i = 0; i + needle.n <= hay.n; i++)
		if (slice_starts_nocase(slice_from(hay, i), needle))
			return true;
	return false;
}

static bool
rcpt_matches(const struct queue_filter *f, const struct rcpt *r)
{
	struct outcome o = { .text = SLICE_EMPTY };

	if (r->state == RCPT_DONE || !address_matches(f->recipient,
	    r->address))
		return false;
	if (f->next_hop.n > 0 && !slice_eq_nocase(f->next_hop,
	    r->route != NULL && r->route->hop != NULL ?
	    slice_str(r->route->hop->name) : r->next_hop))
		return false;
	return f->reason.n == 0 ||
	    (rcpt_outcome(r, &o) && contains(o.text, f->reason));
}

static bool
entry_matches(const struct client *c, const struct entry *e)
{
	const struct queue_filter *f = &c->r.filter;
	int64_t age = clock_now(c->q) - entry_arrived(c->q, e);
	uint64_t size = entry_size(e);
	uint32_t i;

	if (f->sender.n > 0 && (slice_eq(f->sender, SLICE_LIT("<>")) ?
	    e->env.reverse_path.n > 0 :
	    !address_matches(f->sender, e->env.reverse_path)))
		return false;
	if ((f->older_ms > 0 && age < f->older_ms) ||
	    (f->younger_ms > 0 && age > f->younger_ms) ||
	    (f->larger > 0 && size <= f->larger) ||
	    (f->smaller > 0 && size >= f->smaller))
		return false;
	if (f->recipient.n + f->next_hop.n + f->reason.n == 0)
		return true;
	for (i = 0; i < e->nrcpts; i++)
		if (rcpt_matches(f, &e->rcpts[i]))
			return true;
	return false;
}

/* ---- listing ------------------------------------------------------------ */

static void
use(struct client *c, struct entry *e)
{
	c->r.matched++;
	switch (c->r.type) {
	case TL_QUEUE_LIST:
		list_entry(c, e);
		break;
	case TL_QUEUE_SHOW:
		list_entry(c, e);
		show(c, e);
		break;
	case TL_QUEUE_CHANGE:
		change(c, e->slot);
		break;
	}
}

static void
list_entry(struct client *c, const struct entry *e)
{
	struct queue_entry qe = {
		.id = e->id,
		.state = shown_state(e->slot),
		.size = entry_size(e),
		.arrived_ms = e->env.arrived_ms,
		.next_attempt_ms = e->slot->state != SLOT_WAITING ? 0 :
		    e->slot->wake ? e->slot->due.when : e->next_ms,
		.release_ms = e->env.extras.hold_ms,
		.login = e->env.extras.login,
		.attempts = e->slot->attempts,
		.reverse_path = e->env.reverse_path,
		.client = e->env.client,
	};
	struct queue_entry_recipient *v;
	struct buf *b;
	size_t bytes = 0;
	uint32_t i;

	v = mem_array(QUEUE_ENTRY_RECIPIENTS, sizeof(*v));
	for (i = 0; i < e->nrcpts; i++) {
		const struct rcpt *r = &e->rcpts[i];

		if (r->state == RCPT_DONE)
			continue;
		if (qe.nrecipients == QUEUE_ENTRY_RECIPIENTS ||
		    bytes > ENTRY_BYTES) {
			qe.more++;
			continue;
		}
		v[qe.nrecipients].address = r->address;
		v[qe.nrecipients].next_hop = r->route != NULL &&
		    r->route->hop != NULL ? slice_str(r->route->hop->name) :
		    r->next_hop;
		v[qe.nrecipients].final = r->state == RCPT_OWING;
		rcpt_outcome(r, &v[qe.nrecipients].outcome);
		bytes += r->address.n + r->next_hop.n + r->noutcome + 32;
		qe.nrecipients++;
	}
	qe.recipients = v;
	b = channel_begin(c->channel, TL_ENTRY, c->r.id);
	if (b != NULL && queue_entry_pack(b, &qe) == -1)
		log_fatal("id=%s event=entry-too-long", id_text(e->id));
	channel_end(c->channel);
	free(v);
}

/* What extensions asked for. */
static void
show_extras(struct client *c, const struct envelope_extras *x)
{
	if (x->login.n > 0)
		say(c, "login: %s", LOG_Q(x->login));
	if (x->auth.n > 0)
		say(c, "auth: %s", LOG_Q(x->auth));
	if (x->hold_ms > 0)
		say(c, "release: %s", date_text_3339(x->hold_ms).s);
	if (x->by_mode != BY_NONE)
		say(c, "deliver by: %s, or %s", date_text_3339(x->by_ms).s,
		    x->by_mode == BY_RETURN ? "return it" : "say so");
	if (x->priority != 0)
		say(c, "priority: %d", x->priority);
}

static void
show(struct client *c, struct entry *e)
{
	const struct rcpt *r;
	uint32_t i;

	say(c, "id: %s", id_text(e->id));
	say(c, "from: <%.*s>", SLICE_ARG(e->env.reverse_path));
	say(c, "client: %.*s (%.*s) by %.*s", SLICE_ARG(e->env.client),
	    SLICE_ARG(e->env.helo), SLICE_ARG(e->env.protocol));
	if (e->env.envid.n > 0)
		say(c, "envid: %s", LOG_Q(e->env.envid));
	if (e->report_of != 0)
		say(c, "report on: %s", id_text(e->report_of));
	show_extras(c, &e->env.extras);
	if (e->held)
		say(c, "held: %.*s", SLICE_ARG(e->why_held));
	for (i = 0; i < e->nrcpts && i < QUEUE_ENTRY_RECIPIENTS; i++) {
		r = &e->rcpts[i];
		say(c, "%s: <%.*s>%s%.*s%s", r->state == RCPT_DONE ? "done" :
		    r->state == RCPT_OWING ? "to be reported" : "open",
		    SLICE_ARG(r->address), r->parent == NO_PARENT ? "" :
		    " from <", SLICE_ARG(r->parent == NO_PARENT ? SLICE_EMPTY :
		    e->rcpts[r->parent].address),
		    r->parent == NO_PARENT ? "" : ">");
	}
	say(c, "%s", "");
	if (c->may_change)
		show_content(c, e);
	else
		say(c, "(the content is shown to root and to who runs the "
		    "mail system)");
}

static void
send_data(struct client *c, struct slice s)
{
	while (s.n > 0) {
		size_t n = s.n < DATA_BYTES ? s.n : DATA_BYTES;

		channel_send(c->channel, TL_DATA, c->r.id, slice_first(s, n));
		s = slice_from(s, n);
	}
}

/* As much of a large message as the channel may hold. */
static void
show_content(struct client *c, struct entry *e)
{
	struct content *content;
	char *bytes;
	uint64_t at, n;
	int fd;

	if (e->content != NULL)
		send_data(c, slice_of(e->content->bytes, e->content->n));
	else if (e->q != NULL && (content = entry_content(c->q, e)) != NULL) {
		send_data(c, slice_of(content->bytes, content->n));
		content_release(&c->q->queue, &content);
	}
	if (!(e->flags & ENTRY_LARGE))
		return;
	fd = store_large_open(c->q->store, e->id, e->large_n);
	bytes = mem_realloc(NULL, DATA_BYTES);
	for (at = 0; fd != -1 && at < e->large_n &&
	    !channel_is_busy(c->channel); at += n) {
		n = e->large_n - at < DATA_BYTES ? e->large_n - at :
		    DATA_BYTES;
		if (fs_read_exactly(fs, fd, bytes, (size_t)n, (off_t)at) == -1)
			break;
		send_data(c, slice_of(bytes, (size_t)n));
	}
	if (fd == -1 || at < e->large_n)
		say(c, "(%llu more bytes)",
		    (unsigned long long)(e->large_n - (fd == -1 ? 0 : at)));
	free(bytes);
	if (fd != -1)
		fs->close(fd);
}

/* ---- changes ------------------------------------------------------------ */

static const struct {
	const char	*done;
	const char	*would;
} words[] = {
	[QUEUE_HOLD] =	  { "held", "would be held" },
	[QUEUE_RELEASE] = { "released", "would be released" },
	[QUEUE_RETRY] =	  { "to be tried now", "would be tried now" },
	[QUEUE_DELETE] =  { "deleted", "would be deleted" },
	[QUEUE_BOUNCE] =  { "returned to its sender",
		"would be returned to its sender" },
};

static void
change(struct client *c, struct slot *s)
{
	struct qmgr *q = c->q;
	enum queue_change what = c->r.change;
	uint64_t id = s->id;

	say(c, "%s: %s", id_text(id), c->r.dry_run ? words[what].would :
	    words[what].done);
	if (c->r.dry_run)
		return;
	log_info("id=%s event=changed to=\"%s\" uid=%u", id_text(id),
	    words[what].done, (unsigned)c->uid);
	if (what == QUEUE_RETRY)
		retry(q, s);
	else
		change_entry(q, s->entry, what);
}

static void
retry(struct qmgr *q, struct slot *s)
{
	uint64_t id = s->id;
	struct hop *h = s->hop;
	const struct entry *e = s->entry;
	uint32_t i;

	if (s->state != SLOT_WAITING)
		return;
	s->wake = true;
	for (i = 0; h == NULL && e != NULL && i < e->nrcpts; i++)
		if (e->rcpts[i].next_hop.n > 0)
			h = hop_find(&q->sched, e->rcpts[i].next_hop);
	if (h != NULL)
		hop_revive(&q->sched, h, clock_mono_ms());
	/* That may have woken it as the probe, which may have ended it. */
	s = queue_find(&q->queue, id);
	if (s == NULL || s->state != SLOT_WAITING)
		return;
	hop_unwait(s);
	slot_wait(&q->queue, s, clock_wall_ms());
	qmgr_due_changed(q);
}

static void
change_entry(struct qmgr *q, struct entry *e, enum queue_change what)
{
	hop_unwait(e->slot);
	slot_enter(&q->queue, e->slot, SLOT_ACTIVE);
	entry_pin(e);
	switch (what) {
	case QUEUE_HOLD:
		entry_set_held(q, e, true, SLICE_LIT("by request"));
		deliver_cancel(q, e);
		break;
	case QUEUE_RELEASE:
		if (!e->held && !e->hold)
			break;
		e->report_failures = 0;
		entry_set_held(q, e, false, SLICE_EMPTY);
		e->slot->wake = true;
		entry_begin(q, e);
		break;
	case QUEUE_DELETE:
		e->delete = true;
		deliver_cancel(q, e);
		break;
	case QUEUE_BOUNCE:
		entry_set_held(q, e, false, SLICE_EMPTY);
		e->bounce = true;
		deliver_cancel(q, e);
		break;
	case QUEUE_RETRY:
		break;
	}
	entry_unpin(q, &e);
}
