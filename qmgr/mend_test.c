/* SPDX-License-Identifier: ISC */
/* What operators do to a queue that is not as they want it: deleting and having
 * it back, rerouting, pausing, moving messages elsewhere. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "harness.h"
#include "import.h"
#include "notes.h"

static bool
later(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	if (strncmp(d->address, "later", 5) == 0)
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 2, 1 }, .code = 450,
			.text = SLICE_LIT("come back") };
	return true;
}

static void
start_slow(struct world *w)
{
	world_init(w, "queue.retry_first = 1h\nqueue.retry_max = 1h\n");
	w->outcome = later;
	assert_int_equal(world_start(w, UP_ALL), 0);
}

static void
restart(struct world *w)
{
	world_wait(w, 5000, (journal_flush(w->q->journal),
	    journal_is_idle(w->q->journal)));
	world_kill(w);
	assert_int_equal(world_start(w, UP_ALL), 0);
	world_wait(w, 5000, w->q->walk == NULL);
}

static void
change(struct world *w, enum queue_change what, const struct queue_filter *f)
{
	struct told t;

	world_ask(w, 0, TL_QUEUE_CHANGE, what, false, f, &t);
	assert_int_equal(t.status, 0);
	told_clear(&t);
}

static size_t
listed(struct world *w, enum queue_where where)
{
	struct queue_filter f = { .where = where };
	struct told t;
	size_t n;

	world_ask(w, 0, TL_QUEUE_LIST, 0, false, &f, &t);
	assert_int_equal(t.status, 0);
	n = t.nentries;
	told_clear(&t);
	return n;
}

static const struct queue_filter everything;
static const struct queue_filter all_deleted = { .where = QUEUE_UNDO_ALL };
static const struct queue_filter last_deleted = { .where = QUEUE_UNDO_LAST };

/* ---- what is elsewhere for a while ---------------------------------------- */

static void
message_whose_directory_is_away_waits_for_it(void **state)
{
	char there[128], away[128];
	struct world w;
	struct slot *s;
	uint64_t id;

	(void)state;
	world_init(&w, "queue.retry_first = 100ms\nqueue.retry_max = 100ms\n");
	w.outcome = later;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@one", "later@far", 500);
	world_wait(&w, 5000, w.ndeliveries == 1);
	world_run(&w, 20);
	change(&w, QUEUE_HOLD, &everything);
	s = queue_find(&w.q->queue, id);
	world_wait(&w, 5000, s->entry == NULL);
	snprintf(there, sizeof(there), "%s/deferred", w.dir);
	snprintf(away, sizeof(away), "%s/away", w.dir);
	assert_int_equal(rename(there, away), 0);
	slot_wait_again(w.q, s, 0);
	qmgr_due_changed(w.q);
	world_run(&w, 200);
	assert_ptr_equal(queue_find(&w.q->queue, id), s);
	assert_int_equal(rename(away, there), 0);
	w.outcome = NULL;
	slot_wait_again(w.q, s, 0);
	qmgr_due_changed(w.q);
	change(&w, QUEUE_RELEASE, &everything);
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(world_done(&w, id, "later@far"), 1);
	world_clear(&w);
}

/* ---- undo --------------------------------------------------------------- */

static void
deleted_message_comes_back(void **state)
{
	struct world w;
	uint64_t id, large;

	(void)state;
	start_slow(&w);
	id = world_submit(&w, "a@one", "later@far", 5000);
	large = world_submit_large(&w, "a@one", "later@far", 300000);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_run(&w, 20);
	change(&w, QUEUE_DELETE, &everything);
	assert_int_equal(w.q->queue.slots.n, 0);
	assert_int_equal(listed(&w, QUEUE_UNDO_ALL), 2);
	restart(&w);
	assert_int_equal(w.q->queue.slots.n, 0);
	assert_int_equal(listed(&w, QUEUE_UNDO_ALL), 2);
	world_run(&w, 20);
	assert_int_equal(w.ndeliveries, 2);
	w.outcome = NULL;
	change(&w, QUEUE_UNDO, &all_deleted);
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(world_done(&w, id, "later@far"), 1);
	assert_int_equal(world_done(&w, large, "later@far"), 1);
	assert_int_equal(listed(&w, QUEUE_UNDO_ALL), 0);
	world_clear(&w);
}

static void
what_came_back_stays_over_restarts(void **state)
{
	struct world w;

	(void)state;
	start_slow(&w);
	world_submit(&w, "a@one", "later@far", 500);
	world_submit_large(&w, "a@one", "later@far", 300000);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_run(&w, 20);
	change(&w, QUEUE_HOLD, &everything);
	change(&w, QUEUE_DELETE, &everything);
	change(&w, QUEUE_UNDO, &all_deleted);
	assert_int_equal(w.q->queue.slots.n, 2);
	restart(&w);
	assert_int_equal(w.q->queue.slots.n, 2);
	assert_int_equal(listed(&w, QUEUE_UNDO_ALL), 0);
	change(&w, QUEUE_DESTROY, &everything);
	restart(&w);
	assert_int_equal(w.q->queue.slots.n, 0);
	assert_int_equal(listed(&w, QUEUE_UNDO_ALL), 0);
	world_clear(&w);
}

static void
last_request_alone_is_undone(void **state)
{
	struct world w;

	(void)state;
	start_slow(&w);
	world_submit(&w, "a@one", "later@far", 500);
	world_submit(&w, "b@two", "later@far", 500);
	world_submit(&w, "b@two", "later@far", 500);
	world_wait(&w, 5000, w.ndeliveries == 3);
	world_run(&w, 20);
	change(&w, QUEUE_DELETE, &FILTER(TERM_SENDER, "a@one"));
	change(&w, QUEUE_DELETE, &FILTER(TERM_SENDER, "@two"));
	restart(&w);
	change(&w, QUEUE_UNDO, &last_deleted);
	assert_int_equal(w.q->queue.slots.n, 2);
	assert_int_equal(listed(&w, QUEUE_UNDO_ALL), 1);
	world_clear(&w);
}

static void
deleted_mail_is_bounded(void **state)
{
	struct world w;
	unsigned i;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\nqueue.retry_max = 1h\n"
	    "queue.undo_size = 30K\n");
	w.outcome = later;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < 5; i++)
		world_submit(&w, "a@one", "later@far", 10000);
	world_wait(&w, 5000, w.ndeliveries == 5);
	world_run(&w, 20);
	change(&w, QUEUE_DELETE, &everything);
	world_wait(&w, 5000, listed(&w, QUEUE_UNDO_ALL) == 2);
	world_clear(&w);
}

/* ---- reroute ------------------------------------------------------------ */

static void
rerouted_recipient_goes_elsewhere(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	start_slow(&w);
	world_submit(&w, "a@one", "later@far later2@near", 500);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_run(&w, 20);
	w.next_hop = "relay.example:2525";
	change(&w, QUEUE_REROUTE, &FILTER(TERM_RECIPIENT, "@far"));
	world_wait(&w, 5000, w.ndeliveries == 4);
	world_run(&w, 20);
	restart(&w);
	world_ask(&w, 0, TL_QUEUE_LIST, 0, false, &everything, &t);
	assert_non_null(strstr(buf_cstr(&t.text),
	    "later@far@relay.example:2525:"));
	assert_non_null(strstr(buf_cstr(&t.text), "later2@near@near:"));
	told_clear(&t);
	w.next_hop = NULL;
	change(&w, QUEUE_REROUTE, &FILTER(TERM_NEXT_HOP,
	    "relay.example:2525"));
	world_wait(&w, 5000, w.ndeliveries == 6);
	world_run(&w, 20);
	world_ask(&w, 0, TL_QUEUE_LIST, 0, false, &everything, &t);
	assert_non_null(strstr(buf_cstr(&t.text), "later@far@far:"));
	told_clear(&t);
	world_clear(&w);
}

/* ---- pause -------------------------------------------------------------- */

static void
ask_pause(struct world *w, bool on, const struct pause *p)
{
	struct told t;

	w->pause = p;
	world_ask(w, 0, TL_PAUSE, 0, on, &everything, &t);
	assert_int_equal(t.status, 0);
	told_clear(&t);
}

static void
paused_mail_waits_over_restarts(void **state)
{
	static const struct pause p = { .kind = PAUSE_NEXT_HOP,
		.next_hop = { "far", 3 }, .reason = { "moving", 6 } };
	struct world w;
	unsigned i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	ask_pause(&w, true, &p);
	for (i = 0; i < 20; i++)
		world_submit(&w, "a@one", "x@far", 500);
	world_submit(&w, "a@one", "x@near local1@here", 500);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_run(&w, 50);
	restart(&w);
	world_run(&w, 50);
	assert_int_equal(w.ndeliveries, 2);
	assert_int_equal(w.q->queue.slots.n, 20);
	ask_pause(&w, false, &p);
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(w.ndeliveries, 22);
	restart(&w);
	world_submit(&w, "a@one", "x@far", 500);
	world_wait(&w, 5000, w.ndeliveries == 23);
	world_clear(&w);
}

static void
paused_mail_is_tried_before_it_is_given_up(void **state)
{
	static const struct pause p = { .kind = PAUSE_OUTBOUND };
	struct world w;

	(void)state;
	world_init(&w, "queue.lifetime = 1m\nqueue.delay_warning = 0\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	ask_pause(&w, true, &p);
	w.extras.by_mode = BY_RETURN;
	w.extras.by_ms = clock_wall_ms() + 100;
	world_submit(&w, "a@one", "x@far", 500);
	world_run(&w, 1500);
	assert_int_equal(w.nreported, 0);
	assert_int_equal(w.q->queue.slots.n, 1);
	ask_pause(&w, false, &p);
	world_wait(&w, 5000, w.ndeliveries == 1);
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	assert_int_equal(w.nreported, 0);
	world_clear(&w);
}

static void
pause_for_a_time_ends_by_itself(void **state)
{
	struct pause p = { .kind = PAUSE_LOCAL };
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	p.until_ms = clock_wall_ms() + 300;
	ask_pause(&w, true, &p);
	world_submit(&w, "a@one", "local1@here", 500);
	world_wait(&w, 5000, w.ndeliveries == 1);
	assert_true(clock_wall_ms() >= p.until_ms);
	world_clear(&w);
}

static void
damaged_pauses_are_none(void **state)
{
	static const char *const bad[] = { "", "CHASQP1\n",
		"CHASQP1\n\0\0\0\0", "CHASQP2\n\0\0\0\0\0\0\0\0" };
	struct world w;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pauses_unpack(w.q, slice_str(bad[i])));
	world_clear(&w);
}

/* ---- export and import -------------------------------------------------- */

/* A tool that has taken down what was exported, and gives it to another. */
struct mover {
	struct world	*w;
	struct channel	*c;
	struct buf	 messages;	/* u64 id, u32 bytes, u64 content, bytes
					 * each */
	struct buf	 content;	/* of the large ones */
	unsigned	 acks;
	bool		 over;
	int		 status;
	struct buf	 text;
};

static void
mover_hears(void *arg, struct channel *c, struct message *m)
{
	struct mover *v = arg;
	char bytes[65536];
	ssize_t n;

	(void)c;
	switch (m->type) {
	case TL_MESSAGE:
		v->acks++;
		__attribute__((fallthrough));
	case TL_DATA:
		buf_add(&v->messages, get_rest(&m->body));
		break;
	case TL_LINE:
		buf_add(&v->text, get_rest(&m->body));
		break;
	case TL_FILE:
		if (v->content.n > 0 && v->messages.n == 0) {
			n = write(m->fds[0], v->content.p, v->content.n);
			assert_int_equal(n, v->content.n);
			channel_send(c, TL_IMPORT_LARGE, 1, SLICE_EMPTY);
			break;
		}
		while ((n = read(m->fds[0], bytes, sizeof(bytes))) > 0)
			buf_add(&v->content, slice_of(bytes, (size_t)n));
		break;
	case TL_END:
		v->status = get_u8(&m->body);
		v->over = true;
		break;
	}
}

static void
mover_is_down(void *arg, struct channel *c)
{
	struct mover *v = arg;

	(void)c;
	v->c = NULL;
	v->over = true;
	v->status = -1;
}

static void
mover_up(struct mover *v, struct world *w)
{
	static const struct message_rule rules[] = RULES_OF(TOOL_REQUESTS);
	static const struct channel_ops ops = { mover_hears, mover_is_down,
		NULL };
	int fds[2];

	v->w = w;
	v->over = false;
	v->acks = 0;
	buf_init(&v->text, 4096);
	if (v->messages.max == 0) {
		buf_init(&v->messages, 64 << 20);
		buf_init(&v->content, 64 << 20);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	control_client(w->q, fds[0], 0);
	v->c = channel_new(&w->loop, fds[1], rules, ROLE_TOOL, ROLE_QMGR, 0,
	    &ops, v);
}

static void
mover_down(struct mover *v)
{
	channel_free(&v->c);
	buf_clear(&v->text);
	ev_turn(&v->w->loop, 0);
	ev_turn(&v->w->loop, 0);
}

static void
export_all(struct world *w, struct mover *v)
{
	struct buf *b;

	memset(v, 0, sizeof(*v));
	mover_up(v, w);
	b = channel_begin(v->c, TL_QUEUE_EXPORT, 1);
	queue_filter_pack(b, &everything);
	channel_end(v->c);
	world_wait(w, 5000, v->over);
	assert_int_equal(v->status, 0);
	mover_down(v);
}

/* Of the one that imports: before it lets go. */
static bool killed_when_durable;

/* Sends all; cut: hangs up before the end.  damage: of which byte, counted from
 * the end of the first message. */
static void
import_all(struct world *w, struct mover *v, const char *identity, bool cut,
    size_t damage)
{
	struct buf kept = v->messages;
	struct wire m = wire_of(buf_slice(&kept));
	struct slice rest, part;
	uint64_t id, content;
	uint32_t n;
	unsigned sent = 0;
	struct buf *b;

	mover_up(v, w);
	v->messages = BUF_INIT(1 << 20);
	b = channel_begin(v->c, TL_IMPORT, 1);
	buf_add(b, slice_of(identity, IDENTITY_BYTES));
	put_u8(b, 0);
	channel_end(v->c);
	while (m.rest.n > 0 && !v->over) {
		id = get_u64(&m);
		n = get_u32(&m);
		content = get_u64(&m);
		rest = slice_first(m.rest, n);
		m.rest = slice_from(m.rest, n);
		if (damage > 0 && sent == 0)
			((char *)(uintptr_t)rest.p)[n - damage] ^= 1;
		b = channel_begin(v->c, TL_MESSAGE, 1);
		put_u64(b, id);
		put_u32(b, n);
		put_u64(b, content);
		channel_end(v->c);
		for (; rest.n > 0; rest = slice_from(rest, part.n)) {
			part = slice_first(rest, rest.n < 30000 ? rest.n :
			    30000);
			channel_send(v->c, TL_DATA, 1, part);
		}
		buf_reset(&v->messages);
		sent++;
		world_wait(w, 5000, v->over || v->acks == sent);
		if (damage > 0 && sent == 1)
			((char *)(uintptr_t)m.rest.p)[-(ssize_t)damage] ^= 1;
	}
	if (!cut && !v->over) {
		channel_send(v->c, TL_IMPORT_SYNC, 1, SLICE_EMPTY);
		world_wait(w, 5000, v->over || v->acks == sent + 1);
	}
	if (killed_when_durable) {
		channel_free(&v->c);
		world_kill(w);
	} else if (!cut && !v->over) {
		channel_send(v->c, TL_IMPORT_END, 1, SLICE_EMPTY);
		world_wait(w, 5000, v->over);
	}
	mover_down(v);
	buf_clear(&v->messages);
	v->messages = kept;
}

static void
mover_clear(struct mover *v)
{
	buf_clear(&v->messages);
	buf_clear(&v->content);
}

#define FILE_A	"identity of A..."
#define FILE_B	"identity of B..."

static void
exported_mail_arrives_once_elsewhere(void **state)
{
	struct world w, to;
	struct mover v;
	uint64_t small, large;

	(void)state;
	start_slow(&w);
	small = world_submit(&w, "a@one", "later@far local1@here", 5000);
	large = world_submit_large(&w, "a@one", "later@far", 300000);
	world_wait(&w, 5000, w.ndeliveries == 3);
	world_run(&w, 20);
	export_all(&w, &v);
	world_init(&to, "");
	to.outcome = later;
	assert_int_equal(world_start(&to, UP_ALL), 0);
	world_wait(&to, 5000, to.q->walk == NULL);
	import_all(&to, &v, FILE_A, false, 0);
	assert_int_equal(v.status, 0);
	world_wait(&to, 5000, to.ndeliveries == 2);
	world_run(&to, 20);
	/* Imported again while they are here, and when they have gone. */
	import_all(&to, &v, FILE_B, false, 0);
	assert_int_equal(v.status, 0);
	assert_int_equal(to.q->queue.slots.n, 2);
	restart(&to);
	to.outcome = NULL;
	change(&to, QUEUE_RETRY, &everything);
	world_wait(&to, 5000, to.q->queue.slots.n == 0);
	assert_int_equal(world_done(&to, small, "later@far"), 1);
	assert_int_equal(world_done(&to, large, "later@far"), 1);
	assert_int_equal(world_count(&to, small, "local1@here"), 0);
	import_all(&to, &v, FILE_A, false, 0);
	assert_int_equal(v.status, 0);
	world_run(&to, 50);
	assert_int_equal(to.q->queue.slots.n, 0);
	assert_int_equal(world_done(&to, small, "later@far"), 1);
	mover_clear(&v);
	world_clear(&to);
	world_clear(&w);
}

static void
mail_is_moved_out_and_back(void **state)
{
	struct world w;
	struct mover v;

	(void)state;
	start_slow(&w);
	world_submit(&w, "a@one", "later@far", 5000);
	world_submit_large(&w, "a@one", "later@far", 300000);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_run(&w, 20);
	export_all(&w, &v);
	change(&w, QUEUE_DESTROY, &everything);
	restart(&w);
	import_all(&w, &v, FILE_A, false, 0);
	assert_int_equal(v.status, 0);
	/* The journal still says that these ids have ended. */
	restart(&w);
	assert_int_equal(w.q->queue.slots.n, 2);
	w.outcome = NULL;
	change(&w, QUEUE_RETRY, &everything);
	world_wait(&w, 5000, w.q->queue.slots.n == 0);
	mover_clear(&v);
	world_clear(&w);
}

static void
import_that_is_bad_or_cut_off_costs_nothing(void **state)
{
	struct world w, to;
	struct mover v;

	(void)state;
	start_slow(&w);
	world_submit(&w, "a@one", "later@far", 500);
	world_submit(&w, "a@one", "later@far", 500);
	world_submit_large(&w, "a@one", "later@far", 300000);
	world_wait(&w, 5000, w.ndeliveries == 3);
	world_run(&w, 20);
	export_all(&w, &v);
	start_slow(&to);
	world_wait(&to, 5000, to.q->walk == NULL);
	import_all(&to, &v, FILE_A, true, 0);
	world_run(&to, 50);
	assert_int_equal(to.q->queue.slots.n, 0);
	import_all(&to, &v, FILE_A, false, 1);
	assert_int_not_equal(v.status, 0);
	world_run(&to, 50);
	assert_int_equal(to.q->queue.slots.n, 0);
	assert_int_equal(to.ndeliveries, 0);
	restart(&to);
	assert_int_equal(to.q->queue.slots.n, 0);
	import_all(&to, &v, FILE_A, false, 0);
	assert_int_equal(v.status, 0);
	assert_int_equal(to.q->queue.slots.n, 3);
	mover_clear(&v);
	world_clear(&to);
	world_clear(&w);
}

/* A crash in the middle leaves held messages; the same file brings them on
 * their way, each once. */
static void
import_goes_on_after_a_crash(void **state)
{
	struct world w, to;
	struct mover v;
	uint64_t id;

	(void)state;
	start_slow(&w);
	id = world_submit(&w, "a@one", "later@far", 500);
	world_submit(&w, "a@one", "later@far", 500);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_run(&w, 20);
	export_all(&w, &v);
	start_slow(&to);
	world_wait(&to, 5000, to.q->walk == NULL);
	killed_when_durable = true;
	import_all(&to, &v, FILE_A, false, 0);
	killed_when_durable = false;
	assert_int_equal(world_start(&to, UP_ALL), 0);
	world_wait(&to, 5000, to.q->walk == NULL);
	world_run(&to, 50);
	assert_int_equal(to.q->queue.slots.n, 2);
	assert_int_equal(to.ndeliveries, 0);
	to.outcome = NULL;
	import_all(&to, &v, FILE_A, false, 0);
	assert_int_equal(v.status, 0);
	world_wait(&to, 5000, to.q->queue.slots.n == 0);
	assert_int_equal(to.ndeliveries, 2);
	assert_int_equal(world_done(&to, id, "later@far"), 1);
	mover_clear(&v);
	world_clear(&to);
	world_clear(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_whose_directory_is_away_waits_for_it),
		cmocka_unit_test(deleted_message_comes_back),
		cmocka_unit_test(what_came_back_stays_over_restarts),
		cmocka_unit_test(last_request_alone_is_undone),
		cmocka_unit_test(deleted_mail_is_bounded),
		cmocka_unit_test(rerouted_recipient_goes_elsewhere),
		cmocka_unit_test(paused_mail_waits_over_restarts),
		cmocka_unit_test(paused_mail_is_tried_before_it_is_given_up),
		cmocka_unit_test(pause_for_a_time_ends_by_itself),
		cmocka_unit_test(damaged_pauses_are_none),
		cmocka_unit_test(exported_mail_arrives_once_elsewhere),
		cmocka_unit_test(mail_is_moved_out_and_back),
		cmocka_unit_test(import_that_is_bad_or_cut_off_costs_nothing),
		cmocka_unit_test(import_goes_on_after_a_crash),
	};

	if (getenv("MEND_ONLY") != NULL)
		cmocka_set_test_filter(getenv("MEND_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
