/* SPDX-License-Identifier: ISC */
/* harness - see harness.h. */
#include <sys/socket.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/test_files.h"
#include "harness.h"

static void	 smtpd_hears(void *, struct channel *, struct message *);
static void	 lookup_hears(void *, struct channel *, struct message *);
static void	 delivery_hears(void *, struct channel *, struct message *);
static void	 bounce_hears(void *, struct channel *, struct message *);
static void	 is_down(void *, struct channel *);

static const struct channel_ops our_smtpd = { smtpd_hears, is_down, NULL };
static const struct channel_ops our_lookup = { lookup_hears, is_down, NULL };
static const struct channel_ops our_delivery = { delivery_hears, is_down,
	NULL };
static const struct channel_ops our_bounce = { bounce_hears, is_down, NULL };

/* ---- the world ---------------------------------------------------------- */

void
world_init(struct world *w, const char *more)
{
	struct buf text = BUF_INIT(65536), why = BUF_INIT(65536);
	const char *top = getenv("TMPDIR");

	memset(w, 0, sizeof(*w));
	w->spool_fd = -1;
	log_open("qmgr_test", getenv("QMGR_TEST_LOG") != NULL ?
	    LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1);
	ev_loop_init(&w->loop);
	snprintf(w->dir, sizeof(w->dir), "%s/qmgr_test.XXXXXX",
	    top != NULL ? top : access("/dev/shm", W_OK) == 0 ? "/dev/shm" :
	    "/tmp");
	assert_non_null(mkdtemp(w->dir));
	buf_printf(&text, "path.queue = %s\nqueue.journal = 1M\n"
	    "queue.segments = 3\nqueue.min_free = 0\n%s%s", w->dir,
	    strstr(more, "retry") != NULL ? "" :
	    "queue.retry_first = 100ms\nqueue.retry_max = 400ms\n", more);
	w->conf = conf_parse(buf_slice(&text), "test", &why);
	if (w->conf == NULL)
		fail_msg("%s", buf_cstr(&why));
	w->deliveries = mem_array(DELIVERIES, sizeof(*w->deliveries));
	w->queued = mem_array(DELIVERIES, sizeof(*w->queued));
	buf_clear(&text);
	buf_clear(&why);
}

void
world_clear(struct world *w)
{
	if (w->q != NULL)
		world_kill(w);
	test_remove(w->dir);
	ev_loop_clear(&w->loop);
	conf_free(&w->conf);
	free(w->deliveries);
	free(w->queued);
	if (w->spool_fd != -1)
		close(w->spool_fd);
}

int
world_start(struct world *w, unsigned peers)
{
	w->q = mem_alloc(sizeof(*w->q));
	if (qmgr_open(w->q, w->dir) == -1 ||
	    qmgr_start(w->q, &w->loop, w->conf, false) == -1)
		return -1;
	world_up(w, peers);
	return 0;
}

static struct channel *
connect_peer(struct world *w, enum role role, const struct message_rule *rules,
    const struct channel_ops *theirs, const struct channel_ops *ours)
{
	struct channel *c;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	c = channel_new(&w->loop, fds[0], rules, ROLE_QMGR, role, 0, theirs,
	    w->q);
	channel_set_crashed_before(c, w->crashes);
	qmgr_channel_up(w->q, c);
	return channel_new(&w->loop, fds[1], rules, role, ROLE_QMGR, 0, ours,
	    w);
}

void
world_up(struct world *w, unsigned peers)
{
	if (peers & UP_SMTPD) {
		w->smtpd = connect_peer(w, ROLE_SMTPD, smtpd_rules, &smtpd_ops,
		    &our_smtpd);
		w->block = 0;
		w->next_in_block = 0;
	}
	if (peers & UP_LOOKUP)
		w->lookup = connect_peer(w, ROLE_LOOKUP, lookup_rules,
		    &lookup_ops, &our_lookup);
	if (peers & UP_LOCAL)
		w->local = connect_peer(w, ROLE_LOCAL, delivery_rules,
		    &delivery_ops, &our_delivery);
	if (peers & UP_REMOTE)
		w->remote = connect_peer(w, ROLE_REMOTE, delivery_rules,
		    &delivery_ops, &our_delivery);
	if (peers & UP_BOUNCE)
		w->bounce = connect_peer(w, ROLE_BOUNCE, bounce_rules,
		    &bounce_ops, &our_bounce);
}

void
world_down(struct world *w, unsigned peers)
{
	if (peers & UP_SMTPD)
		channel_free(&w->smtpd);
	if (peers & UP_LOOKUP)
		channel_free(&w->lookup);
	if (peers & UP_LOCAL)
		channel_free(&w->local);
	if (peers & UP_REMOTE)
		channel_free(&w->remote);
	if (peers & UP_BOUNCE)
		channel_free(&w->bounce);
	world_turn(w, 0);
	world_turn(w, 0);
}

static void
is_down(void *arg, struct channel *c)
{
	struct world *w = arg;
	struct channel **all[] = { &w->smtpd, &w->lookup, &w->local,
		&w->remote, &w->bounce };
	size_t i;

	for (i = 0; i < 5; i++)
		if (*all[i] == c)
			*all[i] = NULL;
}

void
world_kill(struct world *w)
{
	struct channel *theirs[] = { w->q->smtpds[0], w->q->lookup,
		w->q->local, w->q->remotes[0], w->q->bounce };
	size_t i;

	if (w->q->smtpds[0] != NULL)
		smtpd_ops.down(w->q, w->q->smtpds[0]);
	qmgr_clear(w->q);
	for (i = 0; i < 5; i++)
		channel_free(&theirs[i]);
	channel_free(&w->smtpd);
	channel_free(&w->lookup);
	channel_free(&w->local);
	channel_free(&w->remote);
	channel_free(&w->bounce);
	free(w->q);
	w->q = NULL;
}

static void
has_stopped(void *arg)
{
	*(bool *)arg = true;
}

void
world_stop(struct world *w)
{
	bool stopped = false;

	qmgr_stop(w->q, has_stopped, &stopped);
	world_wait(w, 5000, stopped);
	world_kill(w);
}

void
world_timeout(struct world *w, const char *file, int line, const char *cond)
{
	struct buf b = BUF_INIT(4096);
	const struct slot *s;
	size_t cursor = 0;

	qmgr_status(w->q, &b);
	for (; (s = idmap_next(&w->q->queue.slots, &cursor)) != NULL;)
		buf_printf(&b, "\n%s state=%u due=%lld", id_text(s->id),
		    (unsigned)s->state, (long long)(s->due.at == 0 ? -1 :
		    s->due.when - clock_wall_ms()));
	print_error("%s:%d: waited in vain for %s\n%s\n", file, line, cond,
	    buf_cstr(&b));
	buf_clear(&b);
	fail();
}

void
world_turn(struct world *w, int ms)
{
	if (w->turn != NULL)
		w->turn(w->turn_arg, ms);
	else
		ev_turn(&w->loop, ms);
}

void
world_run(struct world *w, int ms)
{
	int64_t end = clock_mono_ms() + ms;
	int n;

	for (n = 0; n < ms / 2 || clock_mono_ms() < end; n++)
		world_turn(w, 2);
}

/* ---- smtpd -------------------------------------------------------------- */

static void
smtpd_hears(void *arg, struct channel *c, struct message *m)
{
	struct world *w = arg;

	(void)c;
	switch (m->type) {
	case SQ_IDS:
		w->block = get_u64(&m->body);
		w->next_in_block = 0;
		break;
	case SQ_QUEUED:
		w->queued[w->nqueued++ % DELIVERIES] = m->id;
		break;
	case SQ_REFUSED:
		w->nrefused++;
		w->refusal = get_u16(&m->body);
		break;
	case SQ_LIMIT:
		w->nlimits++;
		w->limit_seconds = get_u32(&m->body);
		w->limit_recipients = get_u32(&m->body);
		break;
	case SQ_SPOOL:
		if (w->spool_fd != -1)
			close(w->spool_fd);
		w->spool_fd = m->fds[0];
		m->fds[0] = -1;
		break;
	}
}

static uint64_t
new_id(struct world *w)
{
	if (w->block == 0 || w->next_in_block == QUEUE_ID_BLOCK) {
		w->block = 0;
		channel_send(w->smtpd, SQ_IDS_ASK, 0, SLICE_EMPTY);
		world_wait(w, 5000, w->block != 0 || w->smtpd == NULL);
	}
	return w->block + w->next_in_block++;
}

static void
content_make(struct buf *b, size_t size)
{
	size_t i;
	char *p = buf_reserve(b, size);

	for (i = 0; i < size; i++)
		p[i] = (char)(i * 7 + i / 251);
	b->n += size;
}

static bool
content_is_whole(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] != (char)(i * 7 + i / 251))
			return false;
	return true;
}

uint32_t
world_content_crc(size_t size)
{
	struct buf b = BUF_INIT(64 * 1024 * 1024);
	uint32_t crc;

	content_make(&b, size);
	crc = crc32c(0, buf_slice(&b));
	buf_clear(&b);
	return crc;
}

static void
pack_envelope(struct buf *b, const struct world *w, const char *from,
    const char *to)
{
	static struct recipient r[2000];
	struct slice rest = slice_str(to), word;
	struct envelope e = {
		.reverse_path = slice_str(from),
		.envid = SLICE_LIT("env-1"),
		.body = BODY_8BITMIME,
		.arrived_ms = clock_wall_ms(),
		.client = SLICE_LIT("192.0.2.1"),
		.helo = SLICE_LIT("client"),
		.protocol = SLICE_LIT("ESMTP"),
		.recipients = r,
		.extras = w->extras,
	};
	uint64_t n;
	size_t at;

	while (slice_next(&rest, ' ', &word)) {
		r[e.nrecipients] = (struct recipient){ .address = word };
		at = slice_find(word, ';');
		if (at < word.n) {
			assert_true(slice_to_u64(slice_from(word,
			    at + sizeof(";notify=") - 1), 0, 15, &n));
			r[e.nrecipients].address = slice_first(word, at);
			r[e.nrecipients].notify = (uint8_t)n;
			r[e.nrecipients].orcpt = SLICE_LIT("rfc822;orig@x");
		}
		e.nrecipients++;
	}
	assert_int_equal(envelope_pack(b, &e), 0);
}

void
world_ask_limit(struct world *w, const char *login)
{
	size_t n = w->nlimits;
	struct buf *b = channel_begin(w->smtpd, SQ_LIMIT_ASK, 77);

	put_slice(b, slice_str(login));
	channel_end(w->smtpd);
	world_wait(w, 5000, w->nlimits > n);
}

uint64_t
world_submit(struct world *w, const char *from, const char *to, size_t size)
{
	uint64_t id = new_id(w);
	struct buf env = BUF_INIT(1024 * 1024), content = BUF_INIT(1024 * 1024);
	struct buf *b;

	pack_envelope(&env, w, from, to);
	content_make(&content, size);
	b = channel_begin(w->smtpd, SQ_SUBMIT, id);
	if (b != NULL) {
		put_slice(b, buf_slice(&env));
		put_slice(b, buf_slice(&content));
	}
	channel_end(w->smtpd);
	buf_clear(&env);
	buf_clear(&content);
	return id;
}

uint64_t
world_submit_large(struct world *w, const char *from, const char *to,
    size_t size)
{
	uint64_t id = new_id(w);
	struct buf env = BUF_INIT(1024 * 1024);
	struct buf content = BUF_INIT(64 * 1024 * 1024);
	size_t refused = w->nrefused;
	struct buf *b = channel_begin(w->smtpd, SQ_SPOOL_ASK, id);

	put_u64(b, size);
	channel_end(w->smtpd);
	world_wait(w, 5000, w->spool_fd != -1 || w->nrefused > refused);
	if (w->spool_fd == -1)
		return id;
	content_make(&content, size);
	if (fs_write(fs, w->spool_fd, slice_of(content.p + 100,
	    size - 100)) == -1) {
		channel_send(w->smtpd, SQ_ABORT, id, SLICE_EMPTY);
		close(w->spool_fd);
		w->spool_fd = -1;
		buf_clear(&content);
		return id;
	}
	close(w->spool_fd);
	w->spool_fd = -1;
	pack_envelope(&env, w, from, to);
	b = channel_begin(w->smtpd, SQ_SUBMIT_SPOOLED, id);
	put_slice(b, buf_slice(&env));
	put_slice(b, slice_of(content.p, 100));
	put_u64(b, size - 100);
	put_u32(b, crc32c(0, slice_of(content.p + 100, size - 100)));
	channel_end(w->smtpd);
	buf_clear(&env);
	buf_clear(&content);
	return id;
}

/* ---- lookup ------------------------------------------------------------- */

static void
send_destination(struct channel *c, uint64_t id, const struct destination *d)
{
	struct buf *b = channel_begin(c, QL_DESTINATION, id);

	if (b != NULL)
		destination_pack(b, d);
	channel_end(c);
}

static void
send_targets(struct channel *c, uint64_t id, const char *sender,
    const char *one, const char *two)
{
	struct buf *b = channel_begin(c, QL_TARGETS, id);

	if (b != NULL) {
		put_slice(b, slice_str(sender));
		put_u8(b, 1);
		put_u8(b, 0);
		put_slice(b, slice_str(one));
		if (two != NULL) {
			put_u8(b, 0);
			put_slice(b, slice_str(two));
		}
	}
	channel_end(c);
}

static void
lookup_hears(void *arg, struct channel *c, struct message *m)
{
	struct world *w = arg;
	struct slice a;
	struct destination d = { .kind = DEST_REMOTE };
	size_t at;
	uint8_t flags = get_u8(&m->body);

	a = get_slice(&m->body, 1024);
	w->nroutes++;
	if (w->routes_down)
		return;
	at = slice_rfind(a, '@');
	if (slice_starts(a, SLICE_LIT("alias")) && !(flags & ROUTE_EXPANDED)) {
		send_targets(c, m->id, "", "local-a1@here", "local-a2@here");
		return;
	}
	if (slice_starts(a, SLICE_LIT("one"))) {
		send_targets(c, m->id, "", "local-a1@here", NULL);
		return;
	}
	if (slice_starts(a, SLICE_LIT("list"))) {
		send_targets(c, m->id, "owner-list@here", "local-a1@here",
		    "out@far");
		return;
	}
	if (slice_starts(a, SLICE_LIT("loop"))) {
		char next[64];

		snprintf(next, sizeof(next), "loop%zu@here", w->nroutes);
		send_targets(c, m->id, "", next, NULL);
		return;
	}
	d.next_hop = slice_from(a, at + 1);
	if (slice_starts(a, SLICE_LIT("local")) ||
	    slice_starts(a, SLICE_LIT("fwd"))) {
		d.kind = DEST_MAILDIR;
		d.next_hop = SLICE_LIT("local:1000");
		d.uid = d.gid = 1000;
		d.user = SLICE_LIT("user");
		d.home = SLICE_LIT("/home/user");
		d.path = SLICE_LIT("/home/user/Maildir");
		if (w->maildir != NULL) {
			d.flags = DEST_VIRTUAL;
			d.user = SLICE_EMPTY;
			d.path = slice_str(w->maildir);
		}
	} else if (slice_starts(a, SLICE_LIT("nobody"))) {
		d.kind = DEST_FAIL;
		d.next_hop = SLICE_EMPTY;
		d.code = 550;
		d.text = SLICE_LIT("5.1.1 no such user");
	} else if (slice_starts(a, SLICE_LIT("slow"))) {
		d.kind = DEST_DEFER;
		d.next_hop = SLICE_EMPTY;
		d.code = 450;
		d.text = SLICE_LIT("4.3.0 table unavailable");
	}
	send_destination(c, m->id, &d);
}

/* ---- local, remote ------------------------------------------------------ */

static void
cut(char *to, size_t n, struct slice s)
{
	snprintf(to, n, "%.*s", SLICE_ARG(s));
}

static void
send_outcome(struct channel *c, uint64_t job, uint32_t number,
    const struct outcome *o)
{
	struct buf *b = channel_begin(c, DL_RESULT, job);

	if (b != NULL) {
		put_u32(b, 1);
		put_u32(b, number);
		outcome_pack(b, o);
	}
	channel_end(c);
}

static void
delivery_hears(void *arg, struct channel *c, struct message *m)
{
	struct world *w = arg;
	struct arena arena = ARENA_INIT(1024 * 1024);
	struct job j = { 0 };
	struct outcome o;
	struct delivery *d;
	struct buf content = BUF_INIT(64 * 1024 * 1024), *b;
	size_t i;

	if (m->type == DL_CANCEL || (w->job != NULL && w->job(w, c, m)))
		return;
	assert_true(job_unpack(&m->body, &arena, &j));
	buf_add(&content, j.content);
	if (m->type == DL_JOB_FILE) {
		/* A broken build may have lost some of it. */
		(void)!fs_read(&fs_real, m->fds[0], &content, j.size,
		    (off_t)j.offset);
	}
	for (i = 0; i < j.nrecipients; i++) {
		if (j.crc != 0 && j.crc != crc32c(0, slice_from(
		    buf_slice(&content), j.content.n))) {
			send_outcome(c, m->id, j.recipients[i].number,
			    &(struct outcome){ .status = OUTCOME_DEFERRED,
			    .enhanced = { 4, 3, 0 }, .damaged = true });
			continue;
		}
		assert_true(w->ndeliveries < DELIVERIES);
		d = &w->deliveries[w->ndeliveries++];
		d->id = j.queue_id;
		d->number = j.recipients[i].number;
		d->maybe_done = j.recipients[i].maybe_done;
		d->local = c == w->local;
		cut(d->address, sizeof(d->address), j.recipients[i].address);
		cut(d->original, sizeof(d->original), j.recipients[i].original);
		cut(d->sender, sizeof(d->sender), j.reverse_path);
		d->notify = j.recipients[i].notify;
		d->envid = j.envid.n > 0;
		d->extras = j.extras;
		d->crc = crc32c(0, buf_slice(&content));
		d->size = content.n;
		d->whole = content_is_whole(buf_slice(&content));
		d->job = m->id;
		d->together = (unsigned)j.nrecipients;
		d->at = clock_mono_ms();
		o = (struct outcome){ .status = d->local ? OUTCOME_DELIVERED :
		    OUTCOME_RELAYED_NO_DSN, .enhanced = { 2, 0, 0 },
		    .text = SLICE_LIT("ok") };
		if (slice_starts(slice_str(d->address), SLICE_LIT("fwd"))) {
			struct buf list = BUF_INIT(4096);
			bool here = slice_starts(slice_str(d->address),
			    SLICE_LIT("fwd-here"));

			put_u8(&list, 0);
			put_slice(&list, SLICE_LIT("local-f1@here"));
			if (!here) {
				put_u8(&list, TARGET_NO_FORWARD);
				put_slice(&list, SLICE_LIT("local-f2@here"));
			}
			b = channel_begin(c, DL_EXPANDED, m->id);
			put_u32(b, d->number);
			put_u8(b, here);
			put_slice(b, buf_slice(&list));
			channel_end(c);
			buf_clear(&list);
			continue;
		}
		if (w->outcome != NULL && !w->outcome(w, d, &o))
			continue;
		d->done = o.status != OUTCOME_DEFERRED &&
		    o.status != OUTCOME_FAILED;
		send_outcome(c, m->id, d->number, &o);
	}
	arena_clear(&arena);
	buf_clear(&content);
}

/* ---- a tool ------------------------------------------------------------- */

static void
tool_hears(void *arg, struct channel *c, struct message *m)
{
	struct told *t = arg;
	struct arena arena = ARENA_INIT(1024 * 1024);
	struct shape_row row;
	struct queue_entry e;
	struct hop_row hop;
	size_t i;

	(void)c;
	switch (m->type) {
	case TL_LINE:
	case TL_DATA:
		t->nlines += m->type == TL_LINE;
		buf_add(&t->text, get_rest(&m->body));
		buf_add_byte(&t->text, '\n');
		break;
	case TL_ENTRY:
		assert_true(queue_entry_unpack(&m->body, &arena, &e));
		t->nentries++;
		buf_printf(&t->text, "%s %d <%.*s>", queue_id_text(e.id).s,
		    (int)e.state, SLICE_ARG(e.reverse_path));
		for (i = 0; i < e.nrecipients; i++)
			buf_printf(&t->text, " %.*s@%.*s:%.*s",
			    SLICE_ARG(e.recipients[i].address),
			    SLICE_ARG(e.recipients[i].next_hop),
			    SLICE_ARG(e.recipients[i].outcome.text));
		buf_add_byte(&t->text, '\n');
		break;
	case TL_SHAPE:
		shape_row_unpack(&m->body, &row);
		assert_true(wire_done(&m->body));
		buf_printf(&t->text, "[%.*s]", SLICE_ARG(row.name));
		for (i = 0; i < SHAPE_CLASSES; i++)
			buf_printf(&t->text, " %llu",
			    (unsigned long long)row.n[i]);
		buf_add_byte(&t->text, '\n');
		break;
	case TL_NEXT_HOP:
		hop_row_unpack(&m->body, &hop);
		assert_true(wire_done(&m->body));
		buf_printf(&t->text, "%.*s %d %llu %.*s\n",
		    SLICE_ARG(hop.sum.name), (int)hop.state,
		    (unsigned long long)(hop.sum.waiting + hop.sum.ready +
		    hop.sum.active), SLICE_ARG(hop.why));
		break;
	case TL_END:
		t->status = get_u8(&m->body);
		t->over = true;
		break;
	}
	arena_clear(&arena);
}

static void
tool_is_down(void *arg, struct channel *c)
{
	struct told *t = arg;

	(void)c;
	t->over = true;
	t->status = -1;
}

static struct channel *
ask(struct world *w, uid_t uid, uint16_t type, enum queue_change change,
    bool dry_run, const struct queue_filter *f, struct told *t)
{
	static const struct message_rule rules[] = RULES_OF(TOOL_REQUESTS);
	static const struct channel_ops ops = { tool_hears, tool_is_down,
		NULL };
	struct channel *c;
	struct buf *b;
	int fds[2];

	memset(t, 0, sizeof(*t));
	buf_init(&t->text, 64 * 1024 * 1024);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	control_client(w->q, fds[0], uid);
	c = channel_new(&w->loop, fds[1], rules, ROLE_TOOL, ROLE_QMGR, 0,
	    &ops, t);
	b = channel_begin(c, type, 7);
	if (type == TL_QUEUE_CHANGE) {
		put_u8(b, (uint8_t)change);
		put_u8(b, dry_run ? QUEUE_DRY_RUN : QUEUE_DO);
		put_slice(b, slice_str(w->next_hop == NULL ? "" :
		    w->next_hop));
	}
	if (type == TL_QUEUE_SHAPE)
		put_u8(b, (uint8_t)change);
	if (type == TL_QUEUE_SHAPE || type == TL_NEXT_HOPS)
		put_u32(b, 2);
	else if (type == TL_QUEUE_SHOW)
		put_u64(b, f->ids[0]);
	else if (type == TL_PAUSE) {
		put_u8(b, dry_run);
		pause_pack(b, w->pause);
	}
	else
		queue_filter_pack(b, f);
	channel_end(c);
	return c;
}

void
world_ask(struct world *w, uid_t uid, uint16_t type, enum queue_change change,
    bool dry_run, const struct queue_filter *f, struct told *t)
{
	struct channel *c = ask(w, uid, type, change, dry_run, f, t);

	world_wait(w, 5000, t->over);
	if (t->status != -1)
		channel_free(&c);
	world_turn(w, 0);
}

void
world_ask_for_a_while(struct world *w, uint16_t type,
    enum queue_change change, const struct queue_filter *f, struct told *t)
{
	struct channel *c = ask(w, 0, type, change, false, f, t);
	int64_t end = clock_mono_ms() + 2000;

	while (!t->over && clock_mono_ms() < end)
		world_turn(w, 1);
	if (t->status != -1)
		channel_free(&c);
	world_turn(w, 1);
}

void
told_clear(struct told *t)
{
	buf_clear(&t->text);
}

size_t
world_count(const struct world *w, uint64_t id, const char *address)
{
	size_t i, n = 0;

	for (i = 0; i < w->ndeliveries; i++)
		if ((id == 0 || w->deliveries[i].id == id) &&
		    strcmp(w->deliveries[i].address, address) == 0)
			n++;
	return n;
}

size_t
world_done(const struct world *w, uint64_t id, const char *address)
{
	size_t i, n = 0;

	for (i = 0; i < w->ndeliveries; i++)
		if (w->deliveries[i].done && w->deliveries[i].id == id &&
		    strcmp(w->deliveries[i].address, address) == 0)
			n++;
	return n;
}

/* ---- bounce ------------------------------------------------------------- */

static void
bounce_hears(void *arg, struct channel *c, struct message *m)
{
	struct world *w = arg;
	struct arena arena = ARENA_INIT(1024 * 1024);
	struct report r;
	struct reported *d;
	struct envelope e = {
		.arrived_ms = clock_wall_ms(),
		.protocol = SLICE_LIT("bounce"),
	};
	struct recipient to = { 0 };
	struct buf env = BUF_INIT(65536), *b;

	assert_true(report_unpack(&m->body, &arena, &r));
	if (w->bounce_fails) {
		b = channel_begin(c, QB_FAILED, m->id);
		put_slice(b, SLICE_LIT("out of ink"));
		channel_end(c);
		arena_clear(&arena);
		return;
	}
	assert_true(w->nreported < 1000);
	d = &w->reported[w->nreported++];
	d->kind = r.kind;
	d->about = r.queue_id;
	d->id = r.report_id;
	d->nrecipients = (unsigned)r.nrecipients;
	d->first = r.recipients[0].outcome.status;
	cut(d->to, sizeof(d->to), r.reverse_path);
	cut(d->text, sizeof(d->text), r.recipients[0].outcome.text);
	to.address = r.kind == REPORT_POSTMASTER ?
	    SLICE_LIT("local-postmaster@here") : r.reverse_path;
	e.recipients = &to;
	e.nrecipients = 1;
	assert_int_equal(envelope_pack(&env, &e), 0);
	b = channel_begin(c, QB_MESSAGE, m->id);
	put_slice(b, buf_slice(&env));
	put_slice(b, SLICE_LIT("Subject: report\r\n\r\n"));
	channel_end(c);
	buf_clear(&env);
	arena_clear(&arena);
}
