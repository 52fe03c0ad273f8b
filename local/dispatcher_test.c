/* SPDX-License-Identifier: ISC */
/* dispatcher_test - a dispatcher; qmgr, lookup, master and the workers are
 * played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include <unistd.h>

#include "base/clock.h"
#include "dispatcher.h"
#include "ipc/delivery.h"
#include "ipc/lookup_local.h"
#include "worker.h"

#define WORKERS	8

struct seen {
	uint16_t	 type;
	uint64_t	 id;
	char		 body[4000];
	size_t		 n;
};

/* One end of a channel that the test plays, and what came in at it. */
struct actor {
	struct channel	*end;		/* ours */
	struct channel	*other;		/* the dispatcher's */
	struct seen	 seen[300];
	size_t		 nseen;
	size_t		 nread;		/* by the test */
	bool		 down;
};

static const struct message_rule master_rules[] = RULES_OF(MASTER_CHILD);

static struct {
	struct ev_loop	 loop;
	struct dispatcher *d;
	struct actor	 master, qmgr, lookup, workers[WORKERS];
} t;

static void
actor_hears(void *arg, struct channel *ch, struct message *m)
{
	struct actor *a = arg;
	struct seen *s = &a->seen[a->nseen++];

	(void)ch;
	s->type = m->type;
	s->id = m->id;
	s->n = m->body.rest.n;
	assert_true(s->n <= sizeof(s->body));
	memcpy(s->body, m->body.rest.p, s->n);
}

static void
actor_down(void *arg, struct channel *ch)
{
	struct actor *a = arg;

	(void)ch;
	a->end = NULL;
	a->down = true;
}

static const struct channel_ops actor_ops = { actor_hears, actor_down, NULL };

/* The dispatcher's ends are freed when they go down, as child.c has it. */
static struct actor *
actor_of(struct channel *ch)
{
	size_t i;

	if (ch == t.qmgr.other)
		return &t.qmgr;
	if (ch == t.lookup.other)
		return &t.lookup;
	for (i = 0; i < WORKERS; i++)
		if (t.workers[i].other == ch)
			return &t.workers[i];
	return NULL;
}

#define WRAP(name, ops)							\
static void								\
name##_down(void *arg, struct channel *ch)				\
{									\
	actor_of(ch)->other = NULL;					\
	(ops).down(t.d, ch);						\
	(void)arg;							\
}									\
static void								\
name##_hears(void *arg, struct channel *ch, struct message *m)		\
{									\
	(void)arg;							\
	(ops).message(t.d, ch, m);					\
}									\
static void								\
name##_relaxed(void *arg, struct channel *ch)				\
{									\
	(void)arg;							\
	if ((ops).relaxed != NULL)					\
		(ops).relaxed(t.d, ch);					\
}									\
static const struct channel_ops name##_ops_ = { name##_hears,		\
	name##_down, name##_relaxed }
WRAP(qmgr, dispatcher_qmgr_ops);
WRAP(lookup, dispatcher_lookup_ops);
WRAP(worker, dispatcher_worker_ops);

static void
master_hears(void *arg, struct channel *ch, struct message *m)
{
	(void)arg;
	(void)ch;
	dispatcher_control(t.d, m);
}
static const struct channel_ops master_ops = { master_hears, actor_down,
	NULL };

static void
actor_join(struct actor *a, const struct message_rule *rules, enum role role,
    unsigned index, const struct channel_ops *ops)
{
	int fds[2];

	memset(a, 0, sizeof(*a));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a->end = channel_new(&t.loop, fds[0], rules, role, ROLE_LOCAL, 0,
	    &actor_ops, a);
	a->other = channel_new(&t.loop, fds[1], rules, ROLE_LOCAL, role, index,
	    ops, a);
	if (t.d != NULL)
		dispatcher_channel_up(t.d, a->other);
}

static int
start_with(const char *idle)
{
	struct buf why = BUF_INIT(4000), text = BUF_INIT(1000);
	struct conf *conf;

	memset(&t, 0, sizeof(t));
	ev_loop_init(&t.loop);
	buf_printf(&text, "hostname = mx.example.org\nlocal.workers = 2\n"
	    "local.worker_idle = %s\n", idle);
	conf = conf_parse(buf_slice(&text), "test", &why);
	assert_non_null(conf);
	actor_join(&t.master, master_rules, ROLE_MASTER, 0, &master_ops);
	t.d = dispatcher_new(&t.loop, conf, t.master.other);
	actor_join(&t.qmgr, qmgr_local_rules, ROLE_QMGR, 0, &qmgr_ops_);
	actor_join(&t.lookup, lookup_local_rules, ROLE_LOOKUP, 0, &lookup_ops_);
	conf_free(&conf);
	buf_clear(&text);
	buf_clear(&why);
	return 0;
}

static int
start(void **state)
{
	(void)state;
	return start_with("1h");
}

static int
start_impatient(void **state)
{
	(void)state;
	return start_with("100ms");
}

static int
end(void **state)
{
	size_t i;

	(void)state;
	dispatcher_free(&t.d);
	for (i = 0; i < WORKERS; i++) {
		channel_free(&t.workers[i].end);
		channel_free(&t.workers[i].other);
	}
	channel_free(&t.qmgr.end);
	channel_free(&t.qmgr.other);
	channel_free(&t.lookup.end);
	channel_free(&t.lookup.other);
	channel_free(&t.master.end);
	channel_free(&t.master.other);
	ev_loop_clear(&t.loop);
	return 0;
}

/* The next message that an actor gets. */
static struct seen *
next(struct actor *a)
{
	int i;

	for (i = 0; i < 100 && a->nread == a->nseen; i++)
		ev_turn(&t.loop, 50);
	assert_true(a->nread < a->nseen);
	return &a->seen[a->nread++];
}

/* Lets all that is under way arrive. */
static void
settle(void)
{
	int i;

	for (i = 0; i < 10; i++)
		ev_turn(&t.loop, 0);
}

static void
wait_down(struct actor *a)
{
	int i;

	for (i = 0; i < 100 && !a->down; i++)
		ev_turn(&t.loop, 50);
	assert_true(a->down);
}

static struct job_recipient
recipient(uint32_t number, uint32_t uid, const char *home)
{
	return (struct job_recipient){ .number = number,
		.address = SLICE_LIT("u@example.org"),
		.original = SLICE_LIT("u@example.org"),
		.orcpt = SLICE_EMPTY,
		.to = { .kind = DEST_MAILDIR, .next_hop = SLICE_LIT("local"),
			.uid = uid, .gid = uid, .user = SLICE_LIT("u"),
			.home = slice_str(home), .path = SLICE_LIT("/x"),
			.text = SLICE_EMPTY } };
}

static void
send_job(uint64_t id, struct job_recipient *r, size_t n, int fd)
{
	struct job j = { .queue_id = id, .reverse_path = SLICE_EMPTY,
		.envid = SLICE_EMPTY, .content = SLICE_LIT("A: b\r\n\r\n"),
		.recipients = r, .nrecipients = n };
	struct buf *b = channel_begin(t.qmgr.end,
	    fd == -1 ? DL_JOB : DL_JOB_FILE, id);

	assert_int_equal(job_pack(b, &j), 0);
	if (fd == -1)
		channel_end(t.qmgr.end);
	else
		channel_end_fds(t.qmgr.end, &fd, 1);
}

/* master was asked for a process of this uid: the slot. */
static unsigned
wanted(enum role role, uint32_t uid)
{
	struct seen *s = next(&t.master);
	struct wire w = wire_of(slice_of(s->body, s->n));
	unsigned slot;

	assert_int_equal(s->type, CTL_WORKER_WANTED);
	slot = get_u32(&w);
	assert_int_equal(get_u32(&w), role);
	assert_int_equal(get_u32(&w), uid);
	return slot;
}

static void
worker_join(struct actor *a, enum role role, unsigned slot)
{
	actor_join(a, local_worker_rules, role, slot, &worker_ops_);
}

static void
answer(struct actor *a, uint64_t id, uint32_t number, const char *text)
{
	struct outcome o = { .status = text == NULL ? OUTCOME_DELIVERED :
		OUTCOME_FAILED, .enhanced = { 2, 0, 0 },
		.text = text == NULL ? SLICE_EMPTY : slice_str(text),
		.remote = SLICE_EMPTY };
	struct buf *b = channel_begin(a->end, LW_RESULT, id);

	put_u32(b, 1);
	put_u32(b, number);
	outcome_pack(b, &o);
	channel_end(a->end);
}

/* qmgr hears of one recipient of a job. */
static void
assert_result(uint64_t id, uint32_t number, enum outcome_status status)
{
	struct seen *s = next(&t.qmgr);
	struct wire w = wire_of(slice_of(s->body, s->n));
	struct outcome o;

	assert_int_equal(s->type, DL_RESULT);
	assert_int_equal(s->id, id);
	assert_int_equal(get_u32(&w), 1);
	assert_int_equal(get_u32(&w), number);
	assert_true(outcome_unpack(&w, &o));
	assert_int_equal(o.status, status);
}

/* master is asked for it, and has started it. */
static void
start_worker(size_t i, uint32_t uid)
{
	worker_join(&t.workers[i], ROLE_WORKER, wanted(ROLE_WORKER, uid));
}

/* The next job of a worker is that one, and is done. */
static void
deliver(size_t i, uint64_t id, uint32_t number)
{
	answer(&t.workers[i], next(&t.workers[i])->id, number, NULL);
	assert_result(id, number, OUTCOME_DELIVERED);
}

static void
job_goes_to_its_owners_worker_and_back(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/home/u");
	struct seen *s;

	(void)state;
	send_job(77, &r, 1, -1);
	start_worker(0, 1000);
	s = next(&t.workers[0]);
	assert_int_equal(s->type, LW_JOB);
	answer(&t.workers[0], s->id, 5, NULL);
	assert_result(77, 5, OUTCOME_DELIVERED);
	/* The next job goes there without asking. */
	send_job(78, &r, 1, -1);
	s = next(&t.workers[0]);
	answer(&t.workers[0], s->id, 5, "no");
	assert_result(78, 5, OUTCOME_FAILED);
	assert_int_equal(t.master.nseen, 1);
}

static void
descriptor_travels_with_a_job_that_waited(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/home/u");

	(void)state;
	send_job(77, &r, 1, memfd_create("content", MFD_CLOEXEC));
	start_worker(0, 1000);
	assert_int_equal(next(&t.workers[0])->type, LW_JOB_FILE);
}

static void
job_of_several_owners_is_divided(void **state)
{
	struct job_recipient r[] = {
		recipient(0, 1000, "/home/a"), recipient(1, 1001, "/home/b"),
		recipient(2, 1000, "/home/a"), recipient(3, 0, "/root"),
		recipient(4, 1, "/"),
	};
	struct seen *s;

	(void)state;
	r[4].to.kind = DEST_DISCARD;
	send_job(1, r, 5, memfd_create("content", MFD_CLOEXEC));
	start_worker(0, 1000);
	start_worker(1, 1001);
	/* Nothing runs as root; what is discarded needs nobody. */
	assert_result(1, 3, OUTCOME_FAILED);
	assert_result(1, 4, OUTCOME_DELIVERED);
	s = next(&t.workers[0]);
	answer(&t.workers[0], s->id, 0, NULL);
	answer(&t.workers[0], s->id, 2, NULL);
	assert_result(1, 0, OUTCOME_DELIVERED);
	assert_result(1, 2, OUTCOME_DELIVERED);
	deliver(1, 1, 1);
}

static void
programs_have_a_process_of_their_own(void **state)
{
	struct job_recipient r[] = {
		recipient(0, 1000, "/home/a"), recipient(1, 1000, "/home/a"),
	};

	(void)state;
	r[1].to.kind = DEST_COMMAND;
	send_job(1, r, 2, -1);
	wanted(ROLE_WORKER, 1000);
	wanted(ROLE_COMMAND, 1000);
}

static void
refusal_by_master_defers(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/home/u");
	struct buf *b;
	unsigned slot;

	(void)state;
	send_job(77, &r, 1, -1);
	slot = wanted(ROLE_WORKER, 1000);
	b = channel_begin(t.master.end, CTL_WORKER_REFUSED, 0);
	put_u32(b, slot);
	put_slice(b, SLICE_LIT("no such user"));
	channel_end(t.master.end);
	assert_result(77, 5, OUTCOME_DEFERRED);
	/* It is asked again for the next. */
	send_job(78, &r, 1, -1);
	assert_int_not_equal(wanted(ROLE_WORKER, 1000), slot);
}

static void
death_of_a_worker_defers_what_it_had(void **state)
{
	struct job_recipient r[] = {
		recipient(1, 1000, "/home/u"), recipient(2, 1000, "/home/u"),
	};

	(void)state;
	send_job(77, r, 2, -1);
	start_worker(0, 1000);
	deliver(0, 77, 2);
	channel_free(&t.workers[0].end);
	assert_result(77, 1, OUTCOME_DEFERRED);
	send_job(78, r, 1, -1);
	wanted(ROLE_WORKER, 1000);
}

/* A process that ends as soon as it has begun costs no start for each message;
 * each time longer, and not after one that was of use. */
static void
owner_whose_processes_do_nothing_rests(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/gone");
	struct job_recipient other = recipient(6, 1001, "/home/v");
	int64_t rested[2], since, at;
	uint64_t id = 100;
	size_t i;

	(void)state;
	send_job(id, &r, 1, -1);
	for (i = 0; i < 2; i++) {
		start_worker(0, 1000);
		next(&t.workers[0]);
		channel_free(&t.workers[0].end);
		since = clock_mono_ms();
		assert_result(id, 5, OUTCOME_DEFERRED);
		send_job(1, &other, 1, -1);
		start_worker(1, 1001);
		deliver(1, 1, 6);
		channel_free(&t.workers[1].end);
		settle();
		for (;;) {
			send_job(++id, &r, 1, -1);
			settle();
			if (t.master.nread < t.master.nseen)
				break;
			assert_result(id, 5, OUTCOME_DEFERRED);
			for (at = clock_mono_ms(); clock_mono_ms() < at + 10;)
				ev_turn(&t.loop, 10);
		}
		rested[i] = clock_mono_ms() - since;
	}
	assert_true(rested[0] >= 50 && rested[1] >= 100);
	start_worker(0, 1000);
	deliver(0, id, 5);
	channel_free(&t.workers[0].end);
	settle();
	send_job(++id, &r, 1, -1);
	start_worker(0, 1000);
	deliver(0, id, 5);
}

static void
worker_may_only_speak_of_its_own_jobs(void **state)
{
	struct job_recipient a = recipient(1, 1000, "/home/a");
	struct job_recipient b = recipient(1, 1001, "/home/b");
	struct seen *s;

	(void)state;
	send_job(1, &a, 1, -1);
	start_worker(0, 1000);
	send_job(2, &b, 1, -1);
	start_worker(1, 1001);
	s = next(&t.workers[1]);
	/* b's job is not a's to answer. */
	answer(&t.workers[0], s->id, 1, NULL);
	wait_down(&t.workers[0]);
	assert_result(1, 1, OUTCOME_DEFERRED);
	/* A recipient that the job has not. */
	answer(&t.workers[1], s->id, 9, NULL);
	wait_down(&t.workers[1]);
	assert_result(2, 1, OUTCOME_DEFERRED);
	assert_false(t.qmgr.down);
}

static void
idle_workers_are_told_to_end(void **state)
{
	struct job_recipient r = recipient(1, 1000, "/home/a");

	(void)state;
	send_job(1, &r, 1, -1);
	start_worker(0, 1000);
	deliver(0, 1, 1);
	assert_int_equal(next(&t.workers[0])->type, LW_END);
	/* What comes meanwhile waits, and gets a fresh process. */
	send_job(2, &r, 1, -1);
	settle();
	channel_free(&t.workers[0].end);
	start_worker(1, 1000);
	deliver(1, 2, 1);
}

static void
owner_in_line_gets_the_place_of_an_idle_one(void **state)
{
	struct job_recipient r[] = {
		recipient(1, 1000, "/home/a"), recipient(1, 1001, "/home/b"),
		recipient(1, 1002, "/home/c"),
	};

	(void)state;
	send_job(1, &r[0], 1, -1);
	start_worker(0, 1000);
	send_job(2, &r[1], 1, -1);
	start_worker(1, 1001);
	deliver(1, 2, 1);
	send_job(3, &r[2], 1, -1);
	assert_int_equal(next(&t.workers[1])->type, LW_END);
	channel_free(&t.workers[1].end);
	start_worker(2, 1002);
	assert_int_equal(next(&t.workers[2])->type, LW_JOB);
}

static void
busy_owners_do_not_keep_others_out(void **state)
{
	struct job_recipient r[] = {
		recipient(1, 1000, "/home/a"), recipient(1, 1001, "/home/b"),
		recipient(1, 1002, "/home/c"),
	};

	(void)state;
	send_job(1, &r[0], 1, -1);
	start_worker(0, 1000);
	send_job(2, &r[1], 1, -1);
	start_worker(1, 1001);
	send_job(3, &r[2], 1, -1);
	settle();
	/* More for the first: it is drained, so this waits. */
	send_job(4, &r[0], 1, -1);
	deliver(0, 1, 1);
	assert_int_equal(next(&t.workers[0])->type, LW_END);
	channel_free(&t.workers[0].end);
	start_worker(2, 1002);
	deliver(2, 3, 1);
}

static void
cancelled_job_that_waits_is_over(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/home/u");

	(void)state;
	send_job(77, &r, 1, -1);
	start_worker(0, 1000);
	next(&t.workers[0]);
	channel_send(t.qmgr.end, DL_CANCEL, 77, SLICE_EMPTY);
	assert_int_equal(next(&t.workers[0])->type, LW_CANCEL);
	r.to.uid = 1001;
	send_job(78, &r, 1, -1);
	wanted(ROLE_WORKER, 1001);
	channel_send(t.qmgr.end, DL_CANCEL, 78, SLICE_EMPTY);
	assert_result(78, 5, OUTCOME_DEFERRED);
}

static void
restarted_qmgr_hears_nothing_of_old_jobs(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/home/u");
	struct seen *old, *s;

	(void)state;
	send_job(1, &r, 1, -1);
	start_worker(0, 1000);
	old = next(&t.workers[0]);
	channel_free(&t.qmgr.end);
	settle();
	assert_null(t.qmgr.other);
	actor_join(&t.qmgr, qmgr_local_rules, ROLE_QMGR, 0, &qmgr_ops_);
	send_job(1, &r, 1, -1);
	/* What is left of the old one must not follow upon the new one. */
	s = next(&t.workers[0]);
	assert_int_equal(s->type, LW_CANCEL);
	assert_int_equal(s->id, old->id);
	s = next(&t.workers[0]);
	assert_int_not_equal(s->id, old->id);
	answer(&t.workers[0], old->id, 5, "old");
	answer(&t.workers[0], s->id, 5, NULL);
	assert_result(1, 5, OUTCOME_DELIVERED);
	settle();
	assert_int_equal(t.qmgr.nseen, 1);
}

static void
flood_for_one_owner_is_refused_in_time(void **state)
{
	struct job_recipient r = recipient(5, 1000, "/home/u");
	static char content[100000];
	struct job j = { .queue_id = 1, .reverse_path = SLICE_EMPTY,
		.envid = SLICE_EMPTY, .content = slice_of(content,
		    sizeof(content)), .recipients = &r, .nrecipients = 1 };
	uint64_t id;

	(void)state;
	for (id = 0; id < 800 && t.qmgr.nseen == 0; id++) {
		job_pack(channel_begin(t.qmgr.end, DL_JOB, id), &j);
		channel_end(t.qmgr.end);
		ev_turn(&t.loop, 0);
	}
	assert_int_equal(next(&t.qmgr)->type, DL_FULL);
}

static void
ask_usage(uint64_t id, uint32_t uid)
{
	struct buf *b = channel_begin(t.lookup.end, LL_USAGE_ASK, id);

	put_u32(b, uid);
	put_u32(b, uid);
	put_slice(b, SLICE_LIT("u"));
	put_slice(b, SLICE_LIT("/home/u"));
	put_slice(b, SLICE_LIT("/home/u/Maildir"));
	put_u64(b, 1000);
	channel_end(t.lookup.end);
}

static void
usage_is_asked_of_the_worker(void **state)
{
	struct seen *s;
	struct buf *b;
	struct wire w;

	(void)state;
	ask_usage(9, 1000);
	start_worker(0, 1000);
	s = next(&t.workers[0]);
	assert_int_equal(s->type, LW_USAGE_ASK);
	b = channel_begin(t.workers[0].end, LW_USAGE, s->id);
	put_u8(b, 1);
	put_u64(b, 12345);
	put_u64(b, 67);
	channel_end(t.workers[0].end);
	s = next(&t.lookup);
	assert_int_equal(s->type, LL_USAGE);
	assert_int_equal(s->id, 9);
	w = wire_of(slice_of(s->body, s->n));
	assert_int_equal(get_u8(&w), 1);
	assert_int_equal(get_u64(&w), 12345);
	assert_int_equal(get_u64(&w), 67);
	/* Nobody knows: that is an answer too. */
	ask_usage(10, 0);
	s = next(&t.lookup);
	assert_int_equal(s->id, 10);
	assert_int_equal(s->body[0], 0);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(job_goes_to_its_owners_worker_and_back),
		T(descriptor_travels_with_a_job_that_waited),
		T(job_of_several_owners_is_divided),
		T(programs_have_a_process_of_their_own),
		T(refusal_by_master_defers),
		T(death_of_a_worker_defers_what_it_had),
		T(owner_whose_processes_do_nothing_rests),
		T(worker_may_only_speak_of_its_own_jobs),
		cmocka_unit_test_setup_teardown(idle_workers_are_told_to_end,
		    start_impatient, end),
		T(owner_in_line_gets_the_place_of_an_idle_one),
		T(busy_owners_do_not_keep_others_out),
		T(cancelled_job_that_waits_is_over),
		T(restarted_qmgr_hears_nothing_of_old_jobs),
		T(flood_for_one_owner_is_refused_in_time),
		T(usage_is_asked_of_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
