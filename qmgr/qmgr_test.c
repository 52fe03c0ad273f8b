/* SPDX-License-Identifier: ISC */
/* The whole queue manager with its peers played (harness.h). */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "harness.h"
#include "mail/dropfile.h"
#include "store.h"
#include "unread.h"

static bool
all_gone(const struct world *w)
{
	return w->q->queue.slots.n == 0;
}

static void
small_message_is_acknowledged_and_delivered(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "local1@here", 5000);
	world_wait(&w, 5000, w.nqueued == 1);
	assert_int_equal(w.queued[0], id);
	world_wait(&w, 5000, w.ndeliveries == 1 && all_gone(&w));
	assert_int_equal(w.deliveries[0].id, id);
	assert_int_equal(w.deliveries[0].size, 5000);
	assert_int_equal(w.deliveries[0].crc, world_content_crc(5000));
	assert_string_equal(w.deliveries[0].sender, "a@b");
	assert_false(w.deliveries[0].maybe_done);
	world_clear(&w);
}

static void
large_message_goes_through_its_own_file(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit_large(&w, "a@b", "local1@here x@far", 400000);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	assert_int_equal(w.deliveries[0].crc, world_content_crc(400000));
	assert_int_equal(w.deliveries[1].crc, world_content_crc(400000));
	world_clear(&w);
}

static bool
says_damaged(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)d;
	*o = (struct outcome){ .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 3, 0 }, .damaged = true };
	return true;
}

/* A delivery process is not believed. */
static void
whole_content_that_is_said_to_be_damaged_is_tried_again(void **state)
{
	struct told t = { 0 };
	const struct slot *s;
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	w.outcome = says_damaged;
	id = world_submit_large(&w, "a@b", "local1@here x@far", 400000);
	world_wait(&w, 5000, w.ndeliveries == 2);
	s = queue_find(&w.q->queue, id);
	world_wait(&w, 5000, s->state != SLOT_ACTIVE);
	assert_int_equal(s->state, SLOT_WAITING);
	w.outcome = NULL;
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_RETRY, false,
	    &(struct queue_filter){ 0 }, &t);
	told_clear(&t);
	world_wait(&w, 5000, w.ndeliveries == 4 && all_gone(&w));
	world_clear(&w);
}

static void
recipients_of_one_next_hop_go_together(void **state)
{
	struct world w;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "local1@here local2@here x@far y@far z@other",
	    100);
	world_wait(&w, 5000, w.ndeliveries == 5 && all_gone(&w));
	for (i = 0; i < 5; i++)
		assert_int_equal(w.deliveries[i].together,
		    strcmp(w.deliveries[i].address, "z@other") == 0 ? 1 : 2);
	world_clear(&w);
}

static void
killed_before_delivery_delivers_after_restart(void **state)
{
	struct world w;
	uint64_t id, id2;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_SMTPD | UP_LOOKUP), 0);
	id = world_submit(&w, "a@b", "local1@here x@far", 5000);
	id2 = world_submit_large(&w, "a@b", "local2@here", 300000);
	world_wait(&w, 5000, w.nqueued == 2);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	assert_int_equal(world_count(&w, id, "local1@here"), 1);
	assert_int_equal(world_count(&w, id, "x@far"), 1);
	assert_int_equal(world_count(&w, id2, "local2@here"), 1);
	assert_true(w.deliveries[0].maybe_done);
	assert_int_equal(w.deliveries[0].crc,
	    world_content_crc((size_t)w.deliveries[0].size));
	/* A crash now could make them come again: the end is recorded with
	 * the next commit. */
	world_wait(&w, 5000, journal_is_idle(w.q->journal));
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	assert_true(all_gone(&w));
	world_clear(&w);
}

static void
thousand_messages_through_small_segments(void **state)
{
	struct world w;
	int i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < 1000; i++) {
		world_submit(&w, "a@b", i % 3 == 0 ? "x@far" : "local@here",
		    10000);
		if (i % 50 == 0)
			world_run(&w, 1);
	}
	world_wait(&w, 20000, w.nqueued == 1000 && w.ndeliveries == 1000 &&
	    all_gone(&w));
	world_clear(&w);
}

static bool
first_two_fail(struct world *w, const struct delivery *d, struct outcome *o)
{
	if (world_count(w, d->id, d->address) <= 2) {
		o->status = OUTCOME_DEFERRED;
		o->enhanced = (struct enhanced){ 4, 2, 1 };
		o->code = 450;
		o->text = SLICE_LIT("greylisted");
	}
	return true;
}

static void
deferred_recipient_is_tried_again(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	w.outcome = first_two_fail;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "x@far", 100);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	assert_true(w.deliveries[1].at - w.deliveries[0].at >= 75);
	assert_true(w.deliveries[2].at - w.deliveries[1].at >= 150);
	assert_int_equal(w.nreported, 0);
	/* A worker that died may have stored it. */
	assert_false(w.deliveries[0].maybe_done);
	assert_true(w.deliveries[1].maybe_done);
	assert_true(w.deliveries[2].maybe_done);
	world_clear(&w);
}

static void
failure_is_reported_and_the_report_delivered(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "local-a@here", "nobody@here local2@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	assert_int_equal(w.nreported, 1);
	assert_int_equal(w.reported[0].kind, REPORT_FAILURE);
	assert_int_equal(w.reported[0].about, id);
	assert_string_equal(w.reported[0].to, "local-a@here");
	assert_string_equal(w.reported[0].text, "no such user");
	assert_int_equal(world_count(&w, w.reported[0].id, "local-a@here"), 1);
	world_clear(&w);
}

static void
alias_becomes_its_targets(void **state)
{
	struct world w;
	uint64_t id;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "alias@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	assert_int_equal(world_count(&w, id, "local-a1@here"), 1);
	assert_int_equal(world_count(&w, id, "local-a2@here"), 1);
	for (i = 0; i < 2; i++)
		assert_string_equal(w.deliveries[i].original, "alias@here");
	world_submit(&w, "a@b", "loop@here", 100);
	world_wait(&w, 5000, w.nreported == 1);
	world_clear(&w);
}

/* ---- next hops that do not answer --------------------------------------- */

static bool
site_is_dead(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)d;
	if (w->arg == NULL)
		return true;	/* alive */
	*o = (struct outcome){ .status = OUTCOME_DEFERRED,
		.enhanced = { 4, 4, 1 }, .site = true,
		.text = SLICE_LIT("connection refused") };
	return true;
}

static void
dead_next_hop_costs_one_attempt_and_all_go_when_it_lives(void **state)
{
	struct world w;
	int64_t ms;
	size_t probes;
	int i;

	(void)state;
	world_init(&w, "queue.retry_first = 300ms\nqueue.retry_max = 300ms\n");
	w.outcome = site_is_dead;
	w.arg = &w;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "x@far", 100);
	world_wait(&w, 5000, w.ndeliveries == 1);
	for (i = 0; i < 200; i++)
		world_submit(&w, "a@b", "x@far", 100);
	world_wait(&w, 5000, w.nqueued == 201);
	world_submit(&w, "a@b", "y@near", 100);
	world_wait(&w, 5000, world_count(&w, 0, "y@near") > 0);
	/* One probe for each back-off that is over. */
	ms = clock_mono_ms() - w.deliveries[0].at;
	assert_in_range(world_count(&w, 0, "x@far"), 1, 1 + ms / 240);
	world_wait(&w, 5000, world_count(&w, 0, "x@far") >= 3);
	probes = world_count(&w, 0, "x@far");
	w.arg = NULL;
	world_wait(&w, 10000, all_gone(&w));
	assert_true(world_count(&w, 0, "x@far") <= 201 + probes + 2);
	world_clear(&w);
}

static bool
never_answers(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)o;
	return strcmp(d->address, "x@stuck") != 0;
}

static void
stuck_next_hop_does_not_stop_others(void **state)
{
	struct world w;
	int i;

	(void)state;
	world_init(&w, "remote.concurrency = 7\n");
	w.outcome = never_answers;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < 300; i++)
		world_submit(&w, "a@b", i % 3 == 0 ? "y@other" : "x@stuck",
		    100);
	world_wait(&w, 5000, world_count(&w, 0, "y@other") == 100);
	assert_int_equal(world_count(&w, 0, "x@stuck"), 5);
	world_clear(&w);
}

/* ---- old generation ----------------------------------------------------- */

static void
backlog_larger_than_the_journal_survives_and_is_delivered(void **state)
{
	struct world w;
	uint64_t ids[400];
	struct told t;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_SMTPD | UP_LOOKUP | UP_LOCAL), 0);
	for (i = 0; i < 400; i++) {
		ids[i] = world_submit(&w, "a@b", "x@far", 20000 + i);
		if (i % 20 == 0)
			world_run(&w, 2);
	}
	world_wait(&w, 20000, w.nqueued == 400);
	assert_int_equal(w.nrefused, 0);
	/* Local mail goes on all the same. */
	world_submit(&w, "a@b", "local1@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 1);
	/* What does not fit into the journal is in files, not in memory. */
	world_wait(&w, 20000, w.q->queue.entries < 200);
	world_ask(&w, 0, TL_QUEUE_LIST, 0, false, &(struct queue_filter){ 0 },
	    &t);
	assert_int_equal(t.nentries, 400);
	told_clear(&t);
	world_wait(&w, 5000, journal_is_idle(w.q->journal));
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 20000, w.ndeliveries == 401 && all_gone(&w));
	for (i = 0; i < 400; i++)
		assert_int_equal(world_count(&w, ids[i], "x@far"), 1);
	for (i = 0; i < w.ndeliveries; i++)
		assert_int_equal(w.deliveries[i].crc,
		    world_content_crc((size_t)w.deliveries[i].size));
	world_clear(&w);
}

static bool	 is_listed(struct world *, uint64_t id, const char *text);

/* A file that cannot be read for some time, in a life where x@far has been
 * delivered and only the journal knows it. */
static struct unreadable {
	struct world	 w;
	struct fs	 fs;
	uint64_t	 id;
	unsigned	 phase;		/* y@far: delivered from 2 on */
	char		 name[32];
	char		 path[128];
	bool		 fails;
	unsigned	 failed;
} u;

static bool
by_phase(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	if (u.phase < (strcmp(d->address, "x@far") == 0 ? 1U : 2U))
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 2, 1 }, .code = 450,
			.text = SLICE_LIT("come back") };
	return true;
}

static int
open_but_one(int dir, const char *path, int flags, mode_t mode)
{
	size_t n = strlen(path), m = strlen(u.name);

	if (u.fails && (flags & O_ACCMODE) == O_RDONLY && n >= m &&
	    strcmp(path + n - m, u.name) == 0) {
		u.failed++;
		errno = EIO;
		return -1;
	}
	return fs_real.openat(dir, path, flags, mode);
}

static void
start_with_an_unreadable_file(void)
{
	struct buf before = BUF_INIT(1 << 20);
	uint64_t generation;
	int fd;

	memset(&u, 0, sizeof(u));
	u.fs = fs_real;
	u.fs.openat = open_but_one;
	fs = &u.fs;
	world_init(&u.w, "");
	u.w.outcome = by_phase;
	assert_int_equal(world_start(&u.w, UP_ALL), 0);
	u.id = world_submit(&u.w, "a@b", "x@far y@far", 300);
	snprintf(u.name, sizeof(u.name), "%s", id_text(u.id));
	snprintf(u.path, sizeof(u.path), "%s/deferred/%02x/%s", u.w.dir,
	    store_dir_number(u.id), u.name);
	world_wait(&u.w, 5000, u.w.nqueued == 1);
	generation = segment_generation(queue_find(&u.w.q->queue,
	    u.id)->entry->young.segment);
	/* Until there have been three segments since, its own is another. */
	while (journal_after(u.w.q->journal, generation + 2) == NULL) {
		world_submit(&u.w, "a@b", "z@other", 20000);
		world_run(&u.w, 2);
	}
	/* What the power cut leaves of the file. */
	assert_int_equal(fs_read_file(&fs_real, AT_FDCWD, u.path, &before,
	    1 << 20, NULL), 0);
	u.phase = 1;
	world_wait(&u.w, 5000, world_done(&u.w, u.id, "x@far") == 1);
	/* remote has answered; now qmgr is to have heard it. */
	while (!is_listed(&u.w, u.id, "done: <x@far>"))
		world_run(&u.w, 2);
	world_wait(&u.w, 5000, journal_is_idle(u.w.q->journal));
	world_kill(&u.w);
	fd = open(u.path, O_WRONLY | O_TRUNC);
	assert_true(fd != -1);
	assert_int_equal(fs_pwrite(&fs_real, fd, buf_slice(&before), 0), 0);
	close(fd);
	buf_clear(&before);
	u.fails = true;
	assert_int_equal(world_start(&u.w, UP_ALL), 0);
	assert_true(unread_has(u.w.q, u.id));
}

static void
changes_wait_for_a_file_that_cannot_be_read(void **state)
{
	(void)state;
	start_with_an_unreadable_file();
	world_wait(&u.w, 5000, u.failed >= 2);
	u.fails = false;
	assert_true(is_listed(&u.w, u.id, "done: <x@far>"));
	u.phase = 2;
	world_wait(&u.w, 20000, all_gone(&u.w));
	assert_int_equal(world_done(&u.w, u.id, "x@far"), 1);
	assert_int_equal(world_done(&u.w, u.id, "y@far"), 1);
	fs = &fs_real;
	world_clear(&u.w);
}

static void
changes_are_put_aside_before_the_journal_forgets_them(void **state)
{
	struct buf b = BUF_INIT(1 << 20);
	char aside[128], changes[160];

	(void)state;
	start_with_an_unreadable_file();
	snprintf(aside, sizeof(aside), "%s/corrupt/%s", u.w.dir, u.name);
	snprintf(changes, sizeof(changes), "%s" STORE_CHANGES, aside);
	while (access(aside, F_OK) == -1) {
		assert_true(unread_has(u.w.q, u.id));
		world_submit(&u.w, "a@b", "z@other", 20000);
		world_run(&u.w, 2);
	}
	assert_false(unread_has(u.w.q, u.id));
	assert_int_equal(fs_read_file(&fs_real, AT_FDCWD, changes, &b, 1 << 20,
	    NULL), 0);
	assert_true(b.n > 0);
	buf_clear(&b);
	assert_int_equal(world_done(&u.w, u.id, "x@far"), 1);
	u.phase = 2;
	world_wait(&u.w, 20000, all_gone(&u.w));
	assert_int_equal(world_done(&u.w, u.id, "y@far"), 0);
	fs = &fs_real;
	world_clear(&u.w);
}

static void
deferred_mail_keeps_its_history_in_a_file(void **state)
{
	const struct segment *segment;
	struct world w;
	struct told t;
	uint64_t id;

	(void)state;
	world_init(&w, "queue.retry_first = 60s\nqueue.retry_max = 1h\n"
	    "queue.delay_warning = 0\n");
	w.outcome = first_two_fail;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "x@far local1@here nobody@here", 300);
	world_wait(&w, 5000, w.nreported == 1);
	/* It waits for long, so it is moved to a file, which the journal's
	 * segment must not forget to have synced. */
	segment = queue_find(&w.q->queue, id)->entry->young.segment;
	world_wait(&w, 10000, queue_find(&w.q->queue, id)->entry == NULL);
	assert_true(segment_has_files(segment));
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_ask(&w, 0, TL_QUEUE_LIST, 0, false,
	    &(struct queue_filter){ .ids = &id, .nids = 1 }, &t);
	assert_int_equal(t.nentries, 1);
	assert_non_null(strstr(buf_cstr(&t.text), "x@far@far:greylisted"));
	told_clear(&t);
	assert_int_equal(world_count(&w, id, "local1@here"), 1);
	world_clear(&w);
}

/* ---- reports ------------------------------------------------------------ */

static bool
refuses(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	if (strcmp(d->address, "bad@far") == 0)
		*o = (struct outcome){ .status = OUTCOME_FAILED,
			.enhanced = { 5, 1, 1 }, .code = 550,
			.text = SLICE_LIT("no mailbox") };
	if (strcmp(d->address, "dsn@far") == 0)
		o->status = OUTCOME_RELAYED;
	if (strcmp(d->address, "later@far") == 0)
		*o = (struct outcome){ .status = OUTCOME_DEFERRED,
			.enhanced = { 4, 2, 1 }, .code = 450,
			.text = SLICE_LIT("come back") };
	return true;
}

static void
notify_decides_what_is_reported(void **state)
{
	static const struct {
		const char	*to;
		unsigned	 nreports;
		enum report_kind kind;
		enum outcome_status first;
	} cases[] = {
		{ "bad@far",		1, REPORT_FAILURE, OUTCOME_FAILED },
		{ "bad@far;notify=4",	1, REPORT_FAILURE, OUTCOME_FAILED },
		{ "bad@far;notify=1",	0, 0, 0 },
		{ "bad@far;notify=2",	0, 0, 0 },
		{ "good@far",		0, 0, 0 },
		{ "good@far;notify=2",	1, REPORT_SUCCESS,
			OUTCOME_RELAYED_NO_DSN },
		{ "dsn@far;notify=2",	0, 0, 0 },
		{ "local1@here;notify=2", 1, REPORT_SUCCESS,
			OUTCOME_DELIVERED },
		{ "list@here;notify=2",	1, REPORT_SUCCESS, OUTCOME_DELIVERED },
		{ "alias@here;notify=2", 1, REPORT_SUCCESS, OUTCOME_EXPANDED },
		{ "alias@here",		0, 0, 0 },
		/* A mailbox and another one: the sender hears of it. */
		{ "fwd-here@here;notify=2", 1, REPORT_SUCCESS,
			OUTCOME_EXPANDED },
	};
	struct world w;
	size_t i;

	(void)state;
	world_init(&w, "");
	w.outcome = refuses;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.nreported = w.nqueued = 0;
		world_submit(&w, "local-s@here", cases[i].to, 100);
		world_wait(&w, 5000, w.nqueued == 1 && all_gone(&w));
		if (w.nreported != cases[i].nreports)
			fail_msg("%s: %zu reports", cases[i].to, w.nreported);
		if (w.nreported > 0) {
			assert_int_equal(w.reported[0].kind, cases[i].kind);
			assert_int_equal(w.reported[0].first, cases[i].first);
		}
	}
	world_clear(&w);
}

/* bounce would have to write to nobody. */
static void
success_without_a_reverse_path_is_told_nobody(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "bounce.postmaster_copy = yes\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "", "local1@here;notify=2 good@far;notify=2 "
	    "alias@here;notify=2 list@here;notify=2 fwd@here;notify=2", 100);
	world_wait(&w, 5000, w.nqueued == 1 && all_gone(&w));
	assert_int_equal(w.nreported, 0);
	assert_non_null(w.bounce);
	world_clear(&w);
}

static void
one_report_for_all_that_failed(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	w.outcome = refuses;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "local-s@here",
	    "bad@far nobody@here local1@here nobody2@here", 100);
	world_wait(&w, 5000, w.nreported == 1 && all_gone(&w));
	assert_int_equal(w.reported[0].nrecipients, 3);
	world_clear(&w);
}

static void
failure_of_a_bounce_is_not_bounced(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "", "nobody@here", 100);
	world_submit(&w, "nobody-from@here", "nobody@here", 100);
	world_wait(&w, 5000, w.nreported == 1 && w.nqueued == 2 &&
	    all_gone(&w));
	assert_int_equal(w.reported[0].kind, REPORT_FAILURE);
	world_clear(&w);
}

static void
postmaster_hears_of_double_bounces_where_configured(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "bounce.postmaster_copy = yes\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "", "nobody@here", 100);
	world_wait(&w, 5000, w.nreported == 1 && all_gone(&w));
	assert_int_equal(w.reported[0].kind, REPORT_POSTMASTER);
	assert_int_equal(world_count(&w, 0, "local-postmaster@here"), 1);
	world_clear(&w);
}

static void
members_of_a_list_report_to_its_owner(void **state)
{
	struct world w;
	size_t i;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "list@here;notify=4", 100);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	for (i = 0; i < 2; i++) {
		assert_string_equal(w.deliveries[i].sender, "owner-list@here");
		assert_int_equal(w.deliveries[i].notify, 0);
		assert_false(w.deliveries[i].envid);
	}
	world_submit(&w, "a@b", "alias@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 4 && all_gone(&w));
	assert_true(w.deliveries[2].envid && w.deliveries[3].envid);
	world_clear(&w);
}

static void
delay_is_reported_once_and_expiry_with_the_last_words(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "queue.delay_warning = 300ms\nqueue.lifetime = 60s\n");
	w.outcome = refuses;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "local-s@here", "later@far", 100);
	world_submit(&w, "local-s@here", "later@far;notify=4", 100);
	world_submit(&w, "", "later@far", 100);
	world_wait(&w, 5000, w.nreported == 1);
	assert_int_equal(w.reported[0].kind, REPORT_DELAY);
	world_run(&w, 500);
	assert_int_equal(w.nreported, 1);
	w.conf->queue_lifetime = 1000;
	world_wait(&w, 5000, all_gone(&w));
	assert_int_equal(w.nreported, 3);
	assert_int_equal(w.reported[1].kind, REPORT_FAILURE);
	assert_string_equal(w.reported[1].text,
	    "delivery time expired; last attempt: come back");
	world_clear(&w);
}

static void
report_waits_until_bounce_is_there(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL & ~UP_BOUNCE), 0);
	world_submit(&w, "local-s@here", "nobody@here", 100);
	world_wait(&w, 5000, w.nqueued == 1);
	world_run(&w, 200);
	assert_int_equal(w.q->queue.slots.n, 1);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL & ~UP_BOUNCE), 0);
	world_run(&w, 200);
	world_up(&w, UP_BOUNCE);
	world_wait(&w, 5000, w.nreported == 1 && all_gone(&w));
	world_clear(&w);
}

static void
message_is_held_when_no_report_can_be_written(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	world_init(&w, "");
	w.bounce_fails = true;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "local-s@here", "nobody@here", 100);
	world_wait(&w, 5000, w.nqueued == 1 &&
	    queue_find(&w.q->queue, w.queued[0])->state == SLOT_HELD);
	w.bounce_fails = false;
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_RELEASE, false,
	    &(struct queue_filter){ 0 }, &t);
	told_clear(&t);
	world_wait(&w, 5000, w.nreported == 1 && all_gone(&w));
	world_clear(&w);
}

/* ---- processes that die ------------------------------------------------- */

static void
local_dies_and_the_recipient_is_tried_again(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	w.outcome = never_answers;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	w.outcome = NULL;
	world_down(&w, UP_LOCAL);
	world_up(&w, UP_LOCAL);
	world_submit(&w, "a@b", "local1@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 1 && all_gone(&w));
	world_clear(&w);
}

static bool
stays_silent(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)o;
	return strncmp(d->address, "local-poison", 12) != 0;
}

/* The whole message, as a queue file, for who looks for the reason. */
static void
expect_copy(const struct world *w, uint64_t id)
{
	struct buf bytes = BUF_INIT(1 << 20);
	struct stored st;
	char name[64];

	snprintf(name, sizeof(name), "corrupt/%s", queue_id_text(id).s);
	assert_int_equal(fs_read_file(fs, w->q->dir, name, &bytes,
	    SIZE_MAX, NULL), 0);
	assert_true(stored_parse(buf_slice(&bytes), id, false, &st));
	assert_int_equal(st.content.n, 100);
	buf_clear(&bytes);
}

static void
message_that_two_processes_died_with_is_held(void **state)
{
	struct world w;
	uint64_t bad;
	size_t i;

	(void)state;
	world_init(&w, "");
	w.outcome = stays_silent;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	w.crashes = true;
	bad = world_submit(&w, "a@b", "local-poison@here", 100);
	world_submit(&w, "a@b", "local-poison2@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 2);
	world_down(&w, UP_LOCAL);
	world_up(&w, UP_LOCAL);
	/* Now the suspects come one by one, with maybe_done. */
	world_wait(&w, 5000, w.ndeliveries == 3);
	assert_int_equal(w.deliveries[2].id, bad);
	assert_true(w.deliveries[2].maybe_done);
	world_down(&w, UP_LOCAL);
	world_up(&w, UP_LOCAL);
	world_wait(&w, 5000, w.ndeliveries == 4);
	assert_int_not_equal(w.deliveries[3].id, bad);
	assert_int_equal(queue_find(&w.q->queue, bad)->state, SLOT_HELD);
	world_wait(&w, 5000, disk_lane_load(w.q->files) == 0);
	expect_copy(&w, bad);
	/* Others flow. */
	world_submit(&w, "a@b", "local1@here", 100);
	world_wait(&w, 5000, world_count(&w, 0, "local1@here") == 1);
	for (i = 0; i < 3; i++)
		assert_true(w.ndeliveries < 8);
	world_clear(&w);
}

static void
message_whose_processes_were_killed_from_outside_goes_on(void **state)
{
	struct world w;
	uint64_t id;
	unsigned i;

	(void)state;
	world_init(&w, "");
	w.outcome = stays_silent;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "local-poison@here", 100);
	for (i = 1; i <= 4; i++) {
		world_wait(&w, 5000, w.ndeliveries == i);
		world_down(&w, UP_LOCAL);
		world_up(&w, UP_LOCAL);
	}
	world_wait(&w, 5000, w.ndeliveries == 5);
	assert_int_not_equal(queue_find(&w.q->queue, id)->state, SLOT_HELD);
	world_clear(&w);
}

static void
lookup_comes_late(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL & ~UP_LOOKUP), 0);
	world_submit(&w, "a@b", "local1@here x@far", 100);
	world_wait(&w, 5000, w.nqueued == 1);
	w.routes_down = true;
	world_up(&w, UP_LOOKUP);
	world_wait(&w, 5000, w.nroutes == 2);
	world_down(&w, UP_LOOKUP);
	w.routes_down = false;
	world_up(&w, UP_LOOKUP);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w));
	world_clear(&w);
}

static void
breach_by_smtpd_ends_only_its_channel(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "a@b", "local1@here", 100);
	w.next_in_block--;	/* the same id again */
	world_submit(&w, "a@b", "local2@here", 100);
	world_wait(&w, 5000, w.smtpd == NULL);
	world_up(&w, UP_SMTPD);
	world_submit(&w, "a@b", "local3@here", 100);
	world_wait(&w, 5000, world_count(&w, 0, "local3@here") == 1);
	assert_int_equal(world_count(&w, 0, "local2@here"), 0);
	world_clear(&w);
}

/* ---- expansion ---------------------------------------------------------- */

static void
forward_file_becomes_recipients_of_the_user(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@b", "fwd@here", 100);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	assert_int_equal(world_count(&w, id, "local-f1@here"), 1);
	assert_int_equal(world_count(&w, id, "local-f2@here"), 1);
	world_clear(&w);
}

static void
killed_after_expansion_delivers_each_child_once(void **state)
{
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_SMTPD | UP_LOOKUP | UP_BOUNCE), 0);
	id = world_submit(&w, "a@b", "alias@here list@here", 100);
	world_wait(&w, 5000, w.nqueued == 1 && w.q->sched.ready == 2);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	/* It is in both, and gets one copy. */
	assert_int_equal(world_count(&w, id, "local-a1@here"), 1);
	assert_int_equal(world_count(&w, id, "local-a2@here"), 1);
	assert_int_equal(world_count(&w, id, "out@far"), 1);
	world_clear(&w);
}

/* ---- tools -------------------------------------------------------------- */

static void
hold_survives_a_restart_and_release_delivers(void **state)
{
	struct world w;
	struct told t;
	uint64_t id;
	struct queue_filter f = { .ids = &id, .nids = 1 };

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL & ~UP_REMOTE), 0);
	id = world_submit(&w, "a@b", "x@far", 100);
	world_wait(&w, 5000, w.nqueued == 1);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_HOLD, true, &f, &t);
	assert_int_equal(t.nlines, 1);
	told_clear(&t);
	assert_int_equal(queue_find(&w.q->queue, id)->state, SLOT_ACTIVE);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_HOLD, false, &f, &t);
	assert_int_equal(t.status, 0);
	told_clear(&t);
	world_wait(&w, 5000, journal_is_idle(w.q->journal));
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_run(&w, 300);
	assert_int_equal(w.ndeliveries, 0);
	assert_int_equal(queue_find(&w.q->queue, id)->state, SLOT_HELD);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_RELEASE, false, &f, &t);
	told_clear(&t);
	world_wait(&w, 5000, w.ndeliveries == 1 && all_gone(&w));
	world_clear(&w);
}

static void
messages_are_selected_shown_and_deleted(void **state)
{
	static const struct {
		struct queue_term terms[2];
		size_t		 n;
	} cases[] = {
		{ { { TERM_SENDER, false, { "@one", 4 }, 0 } }, 2 },
		{ { { TERM_SENDER, false, { "A@ONE", 5 }, 0 } }, 2 },
		{ { { TERM_SENDER, true, { "a@one", 5 }, 0 } }, 1 },
		{ { { TERM_SENDER, false, { "<>", 2 }, 0 } }, 1 },
		{ { { TERM_SENDER, true, { "<>", 2 }, 0 } }, 2 },
		{ { { TERM_RECIPIENT, false, { "@far", 4 }, 0 } }, 3 },
		{ { { TERM_RECIPIENT, true, { "@far", 4 }, 0 } }, 0 },
		{ { { TERM_RECIPIENT, false, { "later@near", 10 }, 0 } }, 0 },
		{ { { TERM_NEXT_HOP, false, { "far", 3 }, 0 } }, 3 },
		{ { { TERM_REASON, false, { "COME", 4 }, 0 } }, 3 },
		{ { { TERM_REASON, false, { "go away", 7 }, 0 } }, 0 },
		{ { { TERM_LARGER, false, { "", 0 }, 1000 } }, 1 },
		{ { { TERM_LARGER, true, { "", 0 }, 1000 } }, 2 },
		{ { { TERM_OLDER, false, { "", 0 }, 3600000 } }, 0 },
		{ { { TERM_OLDER, true, { "", 0 }, 3600000 } }, 3 },
		{ { { TERM_ATTEMPTS, false, { "", 0 }, 1 } }, 3 },
		{ { { TERM_ATTEMPTS, false, { "", 0 }, 2 } }, 0 },
		{ { { TERM_LOGIN, false, { "", 0 }, 0 } }, 3 },
		{ { { TERM_LOGIN, false, { "joe", 3 }, 0 } }, 0 },
		{ { { TERM_CLIENT, false, { "*", 1 }, 0 } }, 3 },
		{ { { TERM_CLIENT, false, { "2001:*", 6 }, 0 } }, 0 },
		{ { { TERM_STATES, false, { "", 0 }, 1 << QUEUE_DEFERRED } },
		    3 },
		{ { { TERM_STATES, true, { "", 0 }, 1 << QUEUE_DEFERRED } },
		    0 },
		{ { { TERM_STATES, false, { "", 0 }, 1 << QUEUE_HELD } }, 0 },
		/* Both of one recipient. */
		{ { { TERM_RECIPIENT, false, { "@here", 5 }, 0 },
		    { TERM_NEXT_HOP, false, { "far", 3 }, 0 } }, 0 },
		{ { { TERM_SENDER, false, { "@one", 4 }, 0 },
		    { TERM_LARGER, false, { "", 0 }, 1000 } }, 1 },
	};
	struct world w;
	struct told t;
	uint64_t id;
	size_t i;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\nqueue.retry_max = 1h\n");
	w.outcome = refuses;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	id = world_submit(&w, "a@one", "later@far", 5000);
	world_submit(&w, "a@one", "later@far local1@here", 100);
	world_submit(&w, "", "later@far", 100);
	world_wait(&w, 5000, w.ndeliveries == 4);
	w.outcome = refuses;
	world_run(&w, 20);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct queue_filter f = {
			.terms = (struct queue_term *)(uintptr_t)cases[i].terms,
			.nterms = cases[i].terms[1].kind == 0 ? 1 : 2 };

		world_ask(&w, 99, TL_QUEUE_LIST, 0, false, &f, &t);
		assert_int_equal(t.status, 0);
		if (t.nentries != cases[i].n)
			fail_msg("case %zu: %zu", i, t.nentries);
		told_clear(&t);
	}
	/* Content and changes are not for everybody. */
	world_ask(&w, 99, TL_QUEUE_SHOW, 0, false,
	    &(struct queue_filter){ .ids = &id, .nids = 1 }, &t);
	assert_true(t.text.n < 2000);
	told_clear(&t);
	world_ask(&w, 0, TL_QUEUE_SHOW, 0, false,
	    &(struct queue_filter){ .ids = &id, .nids = 1 }, &t);
	assert_true(t.text.n > 5000);
	told_clear(&t);
	world_ask(&w, 99, TL_QUEUE_CHANGE, QUEUE_DELETE, false,
	    &(struct queue_filter){ 0 }, &t);
	assert_int_not_equal(t.status, 0);
	assert_int_equal(w.q->queue.slots.n, 3);
	told_clear(&t);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_DELETE, false,
	    &FILTER(TERM_SENDER, "a@one"), &t);
	assert_int_equal(t.nlines, 2);
	assert_int_equal(w.q->queue.slots.n, 1);
	told_clear(&t);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_RETRY, false,
	    &(struct queue_filter){ 0 }, &t);
	told_clear(&t);
	world_wait(&w, 5000, w.ndeliveries == 5);
	world_clear(&w);
}

static void
bounce_by_request_reports_and_removes(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\nqueue.retry_max = 1h\n");
	w.outcome = refuses;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_submit(&w, "local-s@here", "later@far", 5000);
	world_wait(&w, 5000, w.ndeliveries == 1);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_BOUNCE, false,
	    &(struct queue_filter){ 0 }, &t);
	assert_int_equal(t.nlines, 1);
	told_clear(&t);
	world_wait(&w, 5000, w.nreported == 1 && all_gone(&w));
	assert_string_equal(w.reported[0].text,
	    "returned by the postmaster; last attempt: come back");
	world_clear(&w);
}

/* ---- drop/ -------------------------------------------------------------- */

static void
drop_file(const struct world *w, const char *name, const char *to,
    size_t size, ssize_t cut)
{
	struct recipient r = { .address = slice_str(to) };
	struct envelope e = { .reverse_path = SLICE_LIT("me@here"),
		.recipients = &r, .nrecipients = 1, .arrived_ms = 1,
		.client = SLICE_LIT("uid=0 they say") };
	struct buf b = BUF_INIT(1024 * 1024);
	char path[200];
	size_t i;
	int fd;

	assert_int_equal(drop_begin(&b, &e, size), 0);
	for (i = 0; i < size; i++)
		buf_add_byte(&b, (char)('a' + i % 26));
	drop_trailer(&b, crc32c(0, buf_slice(&b)));
	snprintf(path, sizeof(path), "%s/drop/%s", w->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
	assert_true(fd != -1);
	assert_int_equal(write(fd, b.p, b.n - (size_t)cut),
	    b.n - (size_t)cut);
	close(fd);
	buf_clear(&b);
}

static unsigned
files_in(const struct world *w, const char *dir)
{
	struct dirent *e;
	char path[200];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", w->dir, dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
dropped_files_are_taken_in_and_others_set_aside(void **state)
{
	struct world w;
	char path[200], to[200];
	int fd;

	(void)state;
	world_init(&w, "");
	snprintf(path, sizeof(path), "%s/drop", w.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	drop_file(&w, "good", "local1@here", 500, 0);
	drop_file(&w, "large", "local2@here", 200000, 0);
	drop_file(&w, "cut", "local3@here", 500, 1);
	drop_file(&w, ".unfinished", "local4@here", 500, 0);
	drop_file(&w, "two-names", "local5@here", 500, 0);
	snprintf(path, sizeof(path), "%s/drop/two-names", w.dir);
	snprintf(to, sizeof(to), "%s/elsewhere", w.dir);
	assert_int_equal(link(path, to), 0);
	snprintf(path, sizeof(path), "%s/drop/symlink", w.dir);
	assert_int_equal(symlink(to, path), 0);
	snprintf(path, sizeof(path), "%s/drop/fifo", w.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/drop/dir", w.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/drop/empty", w.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, w.ndeliveries == 2 && all_gone(&w) &&
	    files_in(&w, "drop") + files_in(&w, "taken") == 0);
	world_run(&w, 50);
	assert_int_equal(world_count(&w, 0, "local1@here"), 1);
	assert_int_equal(world_count(&w, 0, "local2@here"), 1);
	assert_true(w.deliveries[0].size > 500 && w.deliveries[0].size < 800);
	assert_int_equal(files_in(&w, "corrupt"), 6);
	world_clear(&w);
}

static void
drop_file_that_a_crash_left_taken_comes_once(void **state)
{
	struct world w;
	char from[200], to[200];

	(void)state;
	world_init(&w, "");
	snprintf(from, sizeof(from), "%s/drop", w.dir);
	assert_int_equal(mkdir(from, 0700), 0);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_kill(&w);
	/* before its commit */
	drop_file(&w, "one", "local1@here", 500, 0);
	snprintf(from, sizeof(from), "%s/drop/one", w.dir);
	snprintf(to, sizeof(to), "%s/taken/%s", w.dir,
	    queue_id_text(UINT64_C(1) << 60).s);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(world_start(&w, UP_ALL & ~UP_LOCAL), 0);
	world_wait(&w, 5000, queue_find(&w.q->queue, UINT64_C(1) << 60) !=
	    NULL && files_in(&w, "taken") == 0);
	world_kill(&w);
	/* and after it */
	drop_file(&w, "one", "local1@here", 500, 0);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, all_gone(&w) && files_in(&w, "taken") == 0);
	assert_int_equal(world_count(&w, 0, "local1@here"), 1);
	world_clear(&w);
}

/* ---- limits ------------------------------------------------------------- */

static void
over_a_limit_the_client_is_asked_to_try_later(void **state)
{
	struct world w;
	int i;

	(void)state;
	world_init(&w, "queue.max_messages = 100\n");
	assert_int_equal(world_start(&w, UP_SMTPD | UP_LOOKUP), 0);
	for (i = 0; i < 120; i++)
		world_submit(&w, "a@b", "x@far", 100);
	world_wait(&w, 5000, w.nqueued + w.nrefused == 120);
	assert_int_equal(w.nqueued, 100);
	assert_int_equal(w.refusal, 452);
	world_clear(&w);
}

/* ---- what a submission may ask for -------------------------------------- */

static bool
is_listed(struct world *w, uint64_t id, const char *text)
{
	struct queue_filter f = { .ids = &id, .nids = 1 };
	struct told t;
	bool found;

	world_ask(w, 0, TL_QUEUE_SHOW, 0, false, &f, &t);
	found = strstr(buf_cstr(&t.text), text) != NULL;
	told_clear(&t);
	return found;
}

static void
held_for_a_while_is_released_then(void **state)
{
	struct world w;
	uint64_t id, large, retry;
	struct queue_filter all = { 0 };
	struct told t;
	int64_t until;

	(void)state;
	world_init(&w, "");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	until = clock_wall_ms() + 2500;
	w.extras.hold_ms = until;
	id = world_submit(&w, "a@b", "local1@here", 100);
	large = world_submit_large(&w, "a@b", "local2@here", 300000);
	retry = world_submit(&w, "a@b", "local3@here", 100);
	world_wait(&w, 5000, w.nqueued == 3);
	assert_true(is_listed(&w, id, "release: 20"));
	/* Not even who asks for it gets it earlier, be it by a moment. */
	while (clock_wall_ms() < until - 900)
		world_run(&w, 50);
	all.ids = &retry;
	all.nids = 1;
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_RETRY, false, &all, &t);
	told_clear(&t);
	world_run(&w, 100);
	assert_true(w.ndeliveries == 0 || clock_wall_ms() >= until);
	world_wait(&w, 5000, journal_is_idle(w.q->journal));
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_run(&w, 100);
	assert_true(w.ndeliveries == 0 || clock_wall_ms() >= until);
	world_wait(&w, 5000, w.ndeliveries == 3 && all_gone(&w));
	assert_true(clock_wall_ms() >= until);
	assert_int_equal(world_count(&w, id, "local1@here"), 1);
	assert_int_equal(world_count(&w, large, "local2@here"), 1);
	assert_int_equal(world_count(&w, retry, "local3@here"), 1);
	assert_int_equal(w.nreported, 0);
	world_clear(&w);
}

/* What waits for long moves to a file of its own, and stays asleep there. */
static void
held_for_long_waits_in_its_file(void **state)
{
	struct world w;
	struct slot *s;
	uint64_t id;
	int64_t until = clock_wall_ms() + 3600000;
	int i;

	(void)state;
	world_init(&w, "queue.lifetime = 1m\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	w.extras.hold_ms = until;
	id = world_submit(&w, "a@b", "local1@here", 100);
	world_wait(&w, 5000, w.nqueued == 1);
	s = queue_find(&w.q->queue, id);
	assert_non_null(s);
	/* Until the journal needs the room. */
	w.extras.hold_ms = 0;
	for (i = 0; i < 400; i++) {
		world_submit(&w, "a@b", "local2@here", 10000);
		if (i % 50 == 0)
			world_run(&w, 1);
	}
	world_wait(&w, 10000, s->entry == NULL && w.ndeliveries == 400);
	assert_true(s->due.when >= until - 1000);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_wait(&w, 5000, w.q->walk == NULL);
	s = queue_find(&w.q->queue, id);
	/* It is asked why it waits for longer than a retry might. */
	world_wait(&w, 5000, s->state == SLOT_WAITING && s->entry == NULL &&
	    s->due.when >= until - 1000);
	world_run(&w, 50);
	assert_int_equal(world_count(&w, id, "local1@here"), 0);
	assert_int_equal(w.nreported, 0);
	world_clear(&w);
}

static bool
nothing_works(struct world *w, const struct delivery *d, struct outcome *o)
{
	(void)w;
	(void)d;
	o->status = OUTCOME_DEFERRED;
	o->enhanced = (struct enhanced){ 4, 2, 1 };
	o->text = SLICE_LIT("not now");
	return true;
}

/* ---- a queue of many files ---------------------------------------------- */

#define MANY	400

/* Messages that wait for an hour, in their files. */
static void
fill_with_deferred(struct world *w, unsigned n)
{
	size_t before = w->ndeliveries, i;

	w->outcome = nothing_works;
	for (i = 0; i < n; i++)
		world_submit(w, "a@b", "x@stuck", 300);
	world_wait(w, 10000, w->ndeliveries > before &&
	    w->q->queue.slots.n > 0 && w->q->queue.entries == 0);
}

/* The ids of a list, which are to rise. */
static size_t
count_in_order(struct told *t)
{
	struct slice rest = slice_str(buf_cstr(&t->text)), line;
	uint64_t id, last = 0;
	size_t n = 0;

	while (slice_next(&rest, '\n', &line) && line.n > 0) {
		assert_true(queue_id_parse(slice_first(line, QUEUE_ID_CHARS),
		    &id));
		assert_true(id > last);
		last = id;
		n++;
	}
	return n;
}

static void
list_is_in_order_however_its_files_are_read(void **state)
{
	struct world w;
	struct told t;
	struct slot *s;
	size_t cursor = 0, n = 0;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	fill_with_deferred(&w, MANY);
	/* Some in between are in memory, where nothing must be waited for. */
	w.outcome = never_answers;
	while ((s = idmap_next(&w.q->queue.slots, &cursor)) != NULL)
		if (++n % 10 == 0) {
			s->wake = true;
			slot_wake(w.q, s);
		}
	world_wait(&w, 5000, w.q->queue.entries == MANY / 10);
	world_ask(&w, 0, TL_QUEUE_LIST, 0, false, &(struct queue_filter){ 0 },
	    &t);
	assert_int_equal(t.status, 0);
	assert_int_equal(t.nentries, MANY);
	assert_int_equal(count_in_order(&t), MANY);
	told_clear(&t);
	world_clear(&w);
}

static void
requests_wait_for_the_walk(void **state)
{
	struct world w;
	struct told t;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	fill_with_deferred(&w, 50);
	world_kill(&w);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	assert_non_null(w.q->walk);
	world_ask(&w, 0, TL_QUEUE_CHANGE, QUEUE_DELETE, false,
	    &FILTER(TERM_RECIPIENT, "x@stuck"), &t);
	assert_int_equal(t.status, 0);
	assert_int_equal(t.nlines, 50);
	told_clear(&t);
	world_wait(&w, 5000, all_gone(&w));
	world_clear(&w);
}

/* Neither what ends while its directory has not been listed yet, nor what had
 * ended when its file was not yet removed. */
static void
what_has_ended_does_not_come_back(void **state)
{
	struct store_name stale;
	struct world w;
	struct slot *s;
	uint64_t id, ended;
	int fd;

	(void)state;
	world_init(&w, "queue.retry_first = 1h\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	ended = world_submit(&w, "a@b", "local1@here", 300);
	world_wait(&w, 5000, w.ndeliveries == 1 && all_gone(&w));
	fill_with_deferred(&w, 1);
	id = w.queued[w.nqueued - 1];
	world_wait(&w, 5000, journal_is_idle(w.q->journal));
	world_kill(&w);
	stale = store_name("deferred", ended);
	fd = openat(AT_FDCWD, w.dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(close(openat(fd, stale.s, O_WRONLY | O_CREAT, 0600)),
	    0);
	w.outcome = NULL;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	/* Known already, by its last record in the journal. */
	s = queue_find(&w.q->queue, id);
	assert_non_null(s);
	assert_non_null(w.q->walk);
	s->wake = true;
	slot_wake(w.q, s);
	world_wait(&w, 5000, w.q->walk == NULL && all_gone(&w));
	assert_int_equal(world_count(&w, ended, "local1@here"), 1);
	assert_int_equal(world_done(&w, id, "x@stuck"), 1);
	assert_int_equal(faccessat(fd, stale.s, F_OK, 0), -1);
	close(fd);
	world_clear(&w);
}

static void
by_the_time_it_is_returned(void **state)
{
	struct world w;
	int64_t by;

	(void)state;
	world_init(&w, "");
	w.outcome = nothing_works;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	by = clock_wall_ms() + 700;
	w.extras.by_mode = BY_RETURN;
	w.extras.by_ms = by;
	world_submit(&w, "local-a@here", "x@far", 100);
	world_wait(&w, 5000, w.nreported == 1);
	assert_true(clock_wall_ms() >= by);
	assert_int_equal(w.reported[0].kind, REPORT_FAILURE);
	assert_true(w.ndeliveries >= 1);
	assert_int_equal(w.deliveries[0].extras.by_ms, by);
	assert_int_equal(w.deliveries[0].extras.by_mode, BY_RETURN);
	world_clear(&w);
}

static bool
report_is_taken(struct world *w, const struct delivery *d, struct outcome *o)
{
	return d->local || nothing_works(w, d, o);
}

static void
by_the_time_it_is_told_and_goes_on(void **state)
{
	struct world w;
	int64_t by;
	size_t n;

	(void)state;
	world_init(&w, "queue.delay_warning = 0\n");
	w.outcome = report_is_taken;
	assert_int_equal(world_start(&w, UP_ALL), 0);
	by = clock_wall_ms() + 500;
	w.extras.by_mode = BY_NOTIFY;
	w.extras.by_ms = by;
	world_submit(&w, "local-a@here", "x@far", 100);
	world_submit(&w, "local-a@here", "y@far;notify=4", 100);
	world_wait(&w, 5000, w.nreported == 1);
	assert_true(clock_wall_ms() >= by);
	assert_int_equal(w.reported[0].kind, REPORT_DELAY);
	n = w.ndeliveries;
	world_wait(&w, 5000, w.ndeliveries > n + 2);
	assert_int_equal(w.nreported, 1);	/* once, and to who wants it */
	world_clear(&w);
}

#define JOE	"joe@example.org"

static void
login_may_send_so_much(void **state)
{
	struct world w;
	int i;

	(void)state;
	world_init(&w, "submission.limits = 3/1h 100/1d\n"
	    "submission.recipient_limits = 10/1d\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_ask_limit(&w, JOE);
	assert_int_equal(w.limit_seconds, 0);
	assert_int_equal(w.limit_recipients, 10);
	w.extras.login = SLICE_LIT(JOE);
	/* Ten recipients and no more, in one message or in several. */
	world_submit(&w, JOE, "1@f 2@f 3@f 4@f 5@f 6@f 7@f 8@f 9@f 10@f 11@f",
	    100);
	world_wait(&w, 5000, w.nrefused == 1);
	assert_int_equal(w.refusal, 452);
	world_submit(&w, JOE, "1@f 2@f 3@f 4@f 5@f 6@f", 100);
	world_wait(&w, 5000, w.nqueued == 1);
	world_ask_limit(&w, JOE);
	assert_int_equal(w.limit_recipients, 4);
	world_submit_large(&w, JOE, "1@f 2@f 3@f 4@f 5@f", 300000);
	world_wait(&w, 5000, w.nrefused == 2);
	world_submit_large(&w, JOE, "1@f", 300000);
	world_submit(&w, JOE, "1@f", 100);
	world_wait(&w, 5000, w.nqueued == 3);
	/* Three messages. */
	world_ask_limit(&w, JOE);
	assert_true(w.limit_seconds > 0 && w.limit_seconds <= 2 * 3600);
	world_submit(&w, JOE, "1@f", 100);
	world_wait(&w, 5000, w.nrefused == 3);
	assert_int_equal(w.refusal, 450);
	/* Others are others. */
	world_ask_limit(&w, "ann");
	assert_int_equal(w.limit_seconds, 0);
	w.extras.login = SLICE_LIT("ann");
	world_submit(&w, "ann@here", "1@f", 100);
	w.extras.login = SLICE_EMPTY;
	for (i = 0; i < 10; i++)
		world_submit(&w, "ann@here", "1@f", 100);
	world_wait(&w, 5000, w.nqueued == 14 && all_gone(&w));
	world_clear(&w);
}

static bool
have_limits(const struct world *w)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/limits", w->dir);
	return access(path, F_OK) == 0;
}

static void
what_a_login_sent_survives_a_restart(void **state)
{
	struct world w;
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		world_init(&w, "submission.limits = 2/1h\n");
		assert_int_equal(world_start(&w, UP_ALL), 0);
		w.extras.login = SLICE_LIT(JOE);
		world_submit(&w, JOE, "1@f", 100);
		world_submit(&w, JOE, "1@f", 100);
		world_wait(&w, 5000, w.nqueued == 2 && all_gone(&w) &&
		    journal_is_idle(w.q->journal));
		/* At once: the journal knows.  Later: the file does. */
		if (round == 1)
			world_wait(&w, 10000, have_limits(&w));
		world_kill(&w);
		assert_int_equal(world_start(&w, UP_ALL), 0);
		world_ask_limit(&w, JOE);
		assert_true(w.limit_seconds > 0);
		world_ask_limit(&w, "ann");
		assert_int_equal(w.limit_seconds, 0);
		world_clear(&w);
	}
}

static void
a_damaged_file_of_limits_is_passed_over(void **state)
{
	static const char bad[] = "CQL1\0\0\0\0 and so on";
	struct world w;
	char path[100];
	int fd;

	(void)state;
	world_init(&w, "submission.limits = 2/1h\n");
	snprintf(path, sizeof(path), "%s/limits", w.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, bad, sizeof(bad)), sizeof(bad));
	close(fd);
	assert_int_equal(world_start(&w, UP_ALL), 0);
	world_ask_limit(&w, JOE);
	assert_int_equal(w.limit_seconds, 0);
	w.extras.login = SLICE_LIT(JOE);
	world_submit(&w, JOE, "1@f", 100);
	world_wait(&w, 5000, w.nqueued == 1);
	world_clear(&w);
}

static void
windows_pass(void **state)
{
	struct world w;
	size_t n = 0;

	(void)state;
	world_init(&w, "submission.limits = 4/1s\n");
	assert_int_equal(world_start(&w, UP_ALL), 0);
	w.extras.login = SLICE_LIT(JOE);
	while (w.nrefused == 0 && n < 1000) {
		world_submit(&w, JOE, "1@f", 100);
		n++;
		world_wait(&w, 5000, w.nqueued + w.nrefused == n);
	}
	assert_true(w.nrefused == 1 && w.nqueued >= 4);
	world_wait(&w, 2500, (world_ask_limit(&w, JOE),
	    w.limit_seconds == 0));
	world_clear(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_message_is_acknowledged_and_delivered),
		cmocka_unit_test(large_message_goes_through_its_own_file),
		cmocka_unit_test(
		    whole_content_that_is_said_to_be_damaged_is_tried_again),
		cmocka_unit_test(recipients_of_one_next_hop_go_together),
		cmocka_unit_test(killed_before_delivery_delivers_after_restart),
		cmocka_unit_test(thousand_messages_through_small_segments),
		cmocka_unit_test(deferred_recipient_is_tried_again),
		cmocka_unit_test(failure_is_reported_and_the_report_delivered),
		cmocka_unit_test(alias_becomes_its_targets),
		cmocka_unit_test(dead_next_hop_costs_one_attempt_and_all_go_when_it_lives),
		cmocka_unit_test(stuck_next_hop_does_not_stop_others),
		cmocka_unit_test(backlog_larger_than_the_journal_survives_and_is_delivered),
		cmocka_unit_test(changes_wait_for_a_file_that_cannot_be_read),
		cmocka_unit_test(
		    changes_are_put_aside_before_the_journal_forgets_them),
		cmocka_unit_test(deferred_mail_keeps_its_history_in_a_file),
		cmocka_unit_test(notify_decides_what_is_reported),
		cmocka_unit_test(success_without_a_reverse_path_is_told_nobody),
		cmocka_unit_test(one_report_for_all_that_failed),
		cmocka_unit_test(failure_of_a_bounce_is_not_bounced),
		cmocka_unit_test(postmaster_hears_of_double_bounces_where_configured),
		cmocka_unit_test(members_of_a_list_report_to_its_owner),
		cmocka_unit_test(delay_is_reported_once_and_expiry_with_the_last_words),
		cmocka_unit_test(report_waits_until_bounce_is_there),
		cmocka_unit_test(message_is_held_when_no_report_can_be_written),
		cmocka_unit_test(local_dies_and_the_recipient_is_tried_again),
		cmocka_unit_test(message_that_two_processes_died_with_is_held),
		cmocka_unit_test(
		    message_whose_processes_were_killed_from_outside_goes_on),
		cmocka_unit_test(lookup_comes_late),
		cmocka_unit_test(breach_by_smtpd_ends_only_its_channel),
		cmocka_unit_test(forward_file_becomes_recipients_of_the_user),
		cmocka_unit_test(killed_after_expansion_delivers_each_child_once),
		cmocka_unit_test(hold_survives_a_restart_and_release_delivers),
		cmocka_unit_test(messages_are_selected_shown_and_deleted),
		cmocka_unit_test(bounce_by_request_reports_and_removes),
		cmocka_unit_test(dropped_files_are_taken_in_and_others_set_aside),
		cmocka_unit_test(drop_file_that_a_crash_left_taken_comes_once),
		cmocka_unit_test(over_a_limit_the_client_is_asked_to_try_later),
		cmocka_unit_test(held_for_a_while_is_released_then),
		cmocka_unit_test(held_for_long_waits_in_its_file),
		cmocka_unit_test(list_is_in_order_however_its_files_are_read),
		cmocka_unit_test(requests_wait_for_the_walk),
		cmocka_unit_test(what_has_ended_does_not_come_back),
		cmocka_unit_test(by_the_time_it_is_returned),
		cmocka_unit_test(by_the_time_it_is_told_and_goes_on),
		cmocka_unit_test(login_may_send_so_much),
		cmocka_unit_test(what_a_login_sent_survives_a_restart),
		cmocka_unit_test(a_damaged_file_of_limits_is_passed_over),
		cmocka_unit_test(windows_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
