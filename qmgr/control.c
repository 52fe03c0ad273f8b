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
 * A change's TL_END is sent when all that it changed is durable.
 *
 * While the directories are walked after a start (recover.c) requests wait for
 * the end of that, and are told so.
 */
#include <sys/socket.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "control.h"
#include "ev/acceptor.h"
#include "ipc/fields.h"
#include "notes.h"
#include "old.h"
#include "qmgr.h"
#include "unread.h"

#define CLIENTS		16	/* at once */
#define AT_A_TIME	200	/* messages looked at in one turn */
#define READ_AHEAD	64	/* files; they come in their order */
#define FILTER_ARENA	65536

struct controls {
	TAILQ_HEAD(, client) clients;
	unsigned	 nclients;
	struct acceptor_list listeners;
	uid_t		 owner;
};

/* A message in a file that a request wants to see. */
struct look {
	struct load	 load;		/* first */
	struct qmgr	*q;
	struct client	*client;	/* lives at least until this is done */
	uint16_t	 version;	/* of the slot */
};

/* Behind it all that was recorded before is durable. */
struct fence {
	struct journal_wait wait;	/* first */
	struct client	*client;
	void		(*fn)(struct client *);
};

static void	 accepted(void *, const struct acceptor *, int,
		    const struct peer *);
static void	 accepting_paused(void *, int);
static void	 client_says(void *, struct channel *, struct message *);
static void	 client_is_gone(void *, struct channel *);
static void	 client_relaxed(void *, struct channel *);
static void	 client_free(struct client *);
static bool	 take_list(struct client *, struct message *);
static bool	 take_show(struct client *, struct message *);
static bool	 take_change(struct client *, struct message *);
static void	 start(struct client *);
static void	 choose(struct request *, const struct qmgr *);
static void	 go_on(void *);
static bool	 look_at_next(struct client *);
static void	 look_at(struct client *, struct slot *);
static void	 look_into(struct client *, uint64_t id, const char *dir,
		    uint16_t version);
static void	 looked(struct store_wait *, bool ok);
static void	 looked_at_deleted(struct client *, uint64_t id, struct slice);
static void	 looked_to_see(struct client *, const struct slot *,
		    struct slice, bool head_only);
static void	 looked_to_change(struct client *, struct slot *, struct slice);
static void	 use(struct client *, struct entry *);
static void	 ended(struct client *);
static void	 over(struct client *);
static void	 fenced(struct journal_wait *, bool durable);
static void	 fence_drop(struct journal_wait *);

static const struct message_rule rules[] = RULES_OF(TOOL_REQUESTS);
static const struct channel_ops ops = { client_says, client_is_gone,
	client_relaxed };

/* take: false is a breach. */
static const struct {
	uint16_t	 type;
	bool		 for_owner;	/* root, and who runs the suite */
	bool		 (*take)(struct client *, struct message *);
} verbs[] = {
	{ TL_QUEUE_LIST,	false,	take_list },
	{ TL_QUEUE_SHOW,	false,	take_show },
	{ TL_QUEUE_CHANGE,	true,	take_change },
	{ TL_QUEUE_EXPORT,	true,	take_list },
	{ TL_IMPORT,		true,	import_begin },
	{ TL_PAUSE,		true,	pause_ask },
	{ TL_PAUSES,		false,	pause_list },
};

/* ---- connections -------------------------------------------------------- */

void
control_init(struct qmgr *q)
{
	q->controls = mem_alloc(sizeof(*q->controls));
	TAILQ_INIT(&q->controls->clients);
	LIST_INIT(&q->controls->listeners);
	q->controls->owner = getuid();
}

void
control_listen(struct qmgr *q, const char *name, int fd_take)
{
	static const struct acceptor_ops accepting = { accepted,
		accepting_paused };

	acceptor_new(&q->controls->listeners, q->loop, LISTENER_QUEUE, name,
	    fd_take, &accepting, q);
}

static void
accepted(void *arg, const struct acceptor *from, int fd_take,
    const struct peer *peer)
{
	struct qmgr *q = arg;

	(void)from;
	if (q->controls->nclients == CLIENTS)
		close(fd_take);
	else
		control_client(q, fd_take, peer->uid);
}

static void
accepting_paused(void *arg, int error)
{
	const struct qmgr *q = arg;

	acceptor_log_pause(error, q->controls->nclients);
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
		if (c->import == NULL || !import_says(c, m))
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
	if (verbs[i].for_owner && !c->may_change) {
		request_finish(c, EX_NOPERM, "only root, or who runs the mail "
		    "system, may do this");
		return;
	}
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
	request_go_on(c);
}

static void
client_is_gone(void *arg, struct channel *ch)
{
	struct client *c = arg;

	shape_gone(c->q, ch);
	c->channel = NULL;
	import_stop(c);
	if (c->pending == 0)
		client_free(c);
}

void
client_unpend(struct client *c)
{
	if (--c->pending == 0 && c->channel == NULL)
		client_free(c);
}

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&c->q->controls->clients, c, link);
	c->q->controls->nclients--;
	ev_timer_clear(&c->timer);
	import_free(c);
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

	if (cs == NULL)
		return;
	while ((c = TAILQ_FIRST(&cs->clients)) != NULL)
		client_free(c);
	acceptors_free(&cs->listeners);
	free(cs);
	q->controls = NULL;
}

/* ---- requests ----------------------------------------------------------- */

void
request_finish(struct client *c, int status, const char *why)
{
	tool_end(c->channel, c->r.id, status, slice_str(why));
	c->r.type = 0;
	arena_clear(&c->r.arena);
	free(c->r.ids);
	c->r.ids = NULL;
}

void
request_say(struct client *c, const char *fmt, ...)
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

void
request_send(struct client *c, struct slice s)
{
	size_t n;

	for (; s.n > 0; s = slice_from(s, n)) {
		n = s.n < DATA_BYTES ? s.n : DATA_BYTES;
		channel_send(c->channel, TL_DATA, c->r.id, slice_first(s, n));
	}
}

void
request_go_on(struct client *c)
{
	if (c->channel != NULL && c->r.ids != NULL)
		ev_timer_set(&c->timer, 0);
}

void
request_when_durable(struct client *c, void (*fn)(struct client *))
{
	struct fence *f = mem_alloc(sizeof(*f));

	f->wait.fn = fenced;
	f->wait.drop = fence_drop;
	f->client = c;
	f->fn = fn;
	c->pending++;
	journal_add(c->q->journal, REC_VOID, 0, NULL, 0,
	    JOURNAL_SOON | JOURNAL_STUBBORN, &f->wait, NULL);
}

static void
fenced(struct journal_wait *w, bool durable)
{
	struct fence *f = (struct fence *)(void *)w;
	struct client *c = f->client;

	(void)durable;		/* STUBBORN */
	if (c->channel != NULL)
		f->fn(c);
	free(f);
	client_unpend(c);
}

static void
fence_drop(struct journal_wait *w)
{
	free(w);	/* it is the first member of what was allocated */
}

/* They were the message's. */
static void
keep_texts(struct request *r)
{
	size_t i;
	int copied;

	for (i = 0; i < r->filter.nterms; i++) {
		copied = arena_copy(&r->arena, r->filter.terms[i].text,
		    &r->filter.terms[i].text);
		assert(copied == 0);	/* FILTER_ARENA is larger than the
					 * message */
	}
}

/* LIST and EXPORT. */
static bool
take_list(struct client *c, struct message *m)
{
	if (!queue_filter_unpack(&m->body, &c->r.arena, &c->r.filter) ||
	    !wire_done(&m->body))
		return false;
	if (c->r.filter.where != QUEUE_LIVE && !c->may_change) {
		request_finish(c, EX_NOPERM, "what was deleted is shown to "
		    "root, and to who runs the mail system");
		return true;
	}
	keep_texts(&c->r);
	if (c->r.type == TL_QUEUE_LIST && c->r.filter.where == QUEUE_LIVE)
		pause_note(c);
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
	struct request *r = &c->r;
	struct slice hop;

	r->change = get_enum(&m->body, QUEUE_UNDO);
	r->how = get_enum(&m->body, QUEUE_COUNT);
	hop = get_text(&m->body, NEXT_HOP_BYTES);
	if (!queue_filter_unpack(&m->body, &r->arena, &r->filter) ||
	    !wire_done(&m->body) || r->change == 0 ||
	    (r->change == QUEUE_UNDO) != (r->filter.where != QUEUE_LIVE) ||
	    arena_copy(&r->arena, hop, &r->next_hop) == -1)
		return false;
	keep_texts(r);
	if (r->change == QUEUE_DELETE && !undo_is_offered(c->q))
		r->change = QUEUE_DESTROY;
	r->at = undo_time(c->q);
	r->undo_failures = undo_failures(c->q);
	if ((r->change == QUEUE_REROUTE || r->change == QUEUE_UNDO ||
	    r->change == QUEUE_DELETE) && r->how == QUEUE_DO &&
	    notes_need_format_2(c->q->dir) == -1)
		request_finish(c, EX_IOERR, r->change == QUEUE_DELETE ?
		    "the file `format` of the queue cannot be written, which "
		    "undo needs (--for-good deletes without)" :
		    "the file `format` of the queue cannot be written");
	else if (r->change == QUEUE_REROUTE && hop.n > 0 &&
	    !conf_next_hop_is_valid(hop))
		request_finish(c, EX_DATAERR, "that is no next hop: a host, "
		    "[host] or host:port is");
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
		choose(&c->r, c->q);
		ev_timer_set(&c->timer, 0);
	}
}

void
control_walked(struct qmgr *q)
{
	struct client *c;

	TAILQ_FOREACH(c, &q->controls->clients, link)
		if (c->channel != NULL && c->r.type != 0 && c->import == NULL)
			start(c);
}

void
control_goes_on(struct qmgr *q)
{
	struct client *c;

	if (q->controls == NULL)
		return;
	TAILQ_FOREACH(c, &q->controls->clients, link)
		request_go_on(c);
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
choose(struct request *r, const struct qmgr *q)
{
	const struct queue *qu = &q->queue;
	const struct slot *s;
	size_t cursor = 0;

	if (r->filter.nids > 0) {
		r->ids = mem_array(r->filter.nids, sizeof(*r->ids));
		for (; r->nids < r->filter.nids; r->nids++)
			r->ids[r->nids] = r->filter.ids[r->nids];
	} else if (r->filter.where == QUEUE_LIVE) {
		r->ids = mem_array(qu->slots.n + 1, sizeof(*r->ids));
		while ((s = idmap_next(&qu->slots, &cursor)) != NULL)
			r->ids[r->nids++] = s->id;
	} else
		r->ids = undo_ids(q, r->filter.where == QUEUE_UNDO_LAST,
		    &r->nids);
	request_sort(r);
}

void
request_sort(struct request *r)
{
	size_t i;

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
go_on(void *arg)
{
	struct client *c = arg;
	struct request *r = &c->r;
	unsigned n;

	for (n = 0; n < AT_A_TIME && r->nids > 0; n++)
		if (c->channel == NULL || channel_is_busy(c->channel) ||
		    change_is_crowded(c) || !look_at_next(c))
			return;		/* request_go_on() follows */
	if (r->nids > 0)
		ev_timer_set(&c->timer, 0);
	else if (c->pending == 0)
		ended(c);
}

/* False: what was asked for before is to be over first. */
static bool
look_at_next(struct client *c)
{
	struct request *r = &c->r;
	uint64_t id = r->ids[0];
	struct slot *s = queue_find(&c->q->queue, id);

	/* What is in memory waits for the files before it. */
	if (c->pending >= READ_AHEAD || (c->pending > 0 && s != NULL &&
	    s->entry != NULL))
		return false;
	ids_drop_first(r);
	if (r->filter.where != QUEUE_LIVE) {
		if (undo_has(c->q, id))
			look_into(c, id, STORE_DELETED, 0);
	} else if (s != NULL && s->state != SLOT_COMMITTING)
		look_at(c, s);
	return true;
}

/* Now, or when its file has been read. */
static void
look_at(struct client *c, struct slot *s)
{
	if (!slot_may_match(&c->r, s) || (s->entry != NULL &&
	    s->entry->delete))
		return;
	/* A million messages are told to be tried without reading them. */
	if (c->r.type == TL_QUEUE_CHANGE && c->r.change == QUEUE_RETRY &&
	    !filter_needs_envelope(&c->r.filter)) {
		c->r.matched++;
		change_message(c, s);
	} else if (s->entry == NULL)
		look_into(c, s->id, STORE_DEFERRED, s->version);
	else if (entry_matches(&c->r, c->q, s->entry))
		use(c, s->entry);
}

static void
look_into(struct client *c, uint64_t id, const char *dir, uint16_t version)
{
	struct look *l = mem_alloc(sizeof(*l));

	l->q = c->q;
	l->client = c;
	l->version = version;
	l->load.id = id;
	l->load.dir = dir;
	l->load.head_only = c->r.type != TL_QUEUE_SHOW &&
	    c->r.type != TL_QUEUE_EXPORT;
	l->load.wait.fn = looked;
	c->pending++;
	store_load(c->q->store, &l->load);
}

/* What was read serves to see, unless the message was woken meanwhile. */
static void
looked(struct store_wait *w, bool ok)
{
	struct look *l = (struct look *)(void *)w;
	struct client *c = l->client;
	struct slot *s = queue_find(&c->q->queue, l->load.id);
	struct slice bytes = buf_slice(&l->load.bytes);

	if (c->channel == NULL)
		goto out;
	if (c->r.filter.where != QUEUE_LIVE) {
		if (ok)
			looked_at_deleted(c, l->load.id, bytes);
	} else if (s != NULL && (s->entry != NULL || s->version != l->version))
		look_at(c, s);	/* again */
	else if (s != NULL && ok && c->r.type == TL_QUEUE_CHANGE &&
	    c->r.how == QUEUE_DO)
		looked_to_change(c, s, bytes);
	else if (s != NULL && ok)
		looked_to_see(c, s, bytes, l->load.head_only);
	if (c->pending <= READ_AHEAD / 2 + 1)
		request_go_on(c);
out:
	buf_clear(&l->load.bytes);
	free(l);
	client_unpend(c);
}

static void
looked_at_deleted(struct client *c, uint64_t id, struct slice bytes)
{
	struct queue apart = { .due = { 0 } };
	struct slot like = { .id = id, .state = SLOT_HELD };
	struct entry *e = stored_entry(&apart, &like, bytes, id, true);

	if (e != NULL && entry_matches(&c->r, c->q, e))
		use(c, e);
	entry_free(&apart, &like.entry);
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
	if (e != NULL)
		unread_look(c->q, &apart, e);
	if (e != NULL && entry_matches(&c->r, c->q, e))
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
	unread_apply(c->q, e);
	if (entry_matches(&c->r, c->q, e)) {
		use(c, e);
		s = queue_find(&c->q->queue, id);
	}
	/* Unless that has set it going. */
	if (s != NULL && s->entry == e && s->state != SLOT_ACTIVE)
		entry_free(&c->q->queue, &s->entry);
}

static void
use(struct client *c, struct entry *e)
{
	struct request *r = &c->r;
	int64_t until = r->filter.where == QUEUE_LIVE ? 0 :
	    undo_until(c->q, e->id);

	r->matched++;
	switch (r->type) {
	case TL_QUEUE_LIST:
		show_listed(c, e, until);
		break;
	case TL_QUEUE_SHOW:
		show_listed(c, e, until);
		show_whole(c, e);
		break;
	case TL_QUEUE_EXPORT:
		export_message(c, e);
		break;
	default:
		if (r->change == QUEUE_UNDO)
			change_undo(c, e);
		else
			change_message(c, e->slot);
		break;
	}
}

/* ---- the end of a request ----------------------------------------------- */

static void
ended(struct client *c)
{
	struct request *r = &c->r;

	if (r->type == TL_QUEUE_CHANGE && r->how == QUEUE_COUNT)
		request_say(c, "%zu", r->matched);
	if ((r->type != TL_QUEUE_CHANGE && r->type != TL_IMPORT) ||
	    r->how != QUEUE_DO)
		over(c);
	else if (!undo_is_busy(c->q))	/* control_goes_on() otherwise */
		request_when_durable(c, over);
}

static void
over(struct client *c)
{
	struct request *r = &c->r;

	if (r->filter.nids > 0 && r->matched < r->filter.nids && !r->internal)
		request_finish(c, EX_NOUSER, r->filter.nids == 1 ?
		    "no such message is in the queue" :
		    "not all of these messages are in the queue");
	else if (r->type == TL_QUEUE_CHANGE &&
	    (r->change == QUEUE_DELETE || r->change == QUEUE_UNDO) &&
	    r->undo_failures != undo_failures(c->q))
		request_finish(c, EX_IOERR, r->change == QUEUE_UNDO ?
		    "not all could be had back; the log says which" :
		    "not all were deleted, since they could not be kept for "
		    "undo (--for-good deletes without); the log says which");
	else if (r->failed)
		request_finish(c, EX_IOERR, "not all messages could be read; "
		    "the log says which");
	else
		request_finish(c, EX_OK, "");
}
