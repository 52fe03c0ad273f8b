/* SPDX-License-Identifier: ISC */
/*
 * pack_test - the packed structures of the edges: what is packed comes back;
 * no cut and no changed byte takes a reader out of bounds; values that may not
 * be are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "ipc/delivery.h"
#include "ipc/fields.h"
#include "ipc/qmgr_bounce.h"
#include "ipc/queue_tool.h"

static const struct destination maildir = {
	.kind = DEST_MAILDIR,
	.flags = DEST_VIRTUAL,
	.next_hop = SLICE_LIT("local:1000"),
	.uid = 1000,
	.gid = 100,
	.user = SLICE_LIT(""),
	.home = SLICE_LIT("/var/mail"),
	.path = SLICE_LIT("/var/mail/example.org/bob/Maildir"),
	.quota_bytes = 1 << 20,
	.quota_messages = 17,
	.code = 550,
	.text = SLICE_LIT("5.1.1 no"),
};

static const struct outcome refused = {
	.status = OUTCOME_FAILED, .enhanced = { 5, 1, 1 }, .code = 550,
	.remote = SLICE_LIT("mx[192.0.2.1]:25"), .text = SLICE_LIT("no\nno"),
};

static struct job_recipient job_to[2];
static struct job job;
static struct report_recipient report_to[2];
static struct report report;
static struct queue_entry_recipient entry_to[2];
static struct queue_entry entry;
static uint64_t ids[] = { 1, UINT64_MAX };
static struct queue_term terms[3];
static struct queue_filter filter;
static struct pause paused;

static void
make_samples(void)
{
	job_to[0] = (struct job_recipient){ .number = 7,
		.address = SLICE_LIT("a@b"), .original = SLICE_LIT("c@d"),
		.orcpt = SLICE_LIT("rfc822;c@d"), .notify = NOTIFY_DELAY,
		.maybe_done = true, .to = maildir };
	job_to[1] = job_to[0];
	job = (struct job){ .queue_id = 42, .reverse_path = SLICE_LIT("s@t"),
		.envid = SLICE_LIT("e"), .ret = RET_FULL,
		.body = BODY_8BITMIME, .smtputf8 = true, .arrived_ms = 5,
		.content = SLICE_LIT("A: b\r\n\r\nc\r\n"), .offset = 3,
		.size = 4, .recipients = job_to, .nrecipients = 2 };
	report_to[0] = (struct report_recipient){
		.address = SLICE_LIT("a@b"), .original = SLICE_LIT("c@d"),
		.orcpt = SLICE_LIT("rfc822;c@d"), .notify = NOTIFY_FAILURE,
		.outcome = refused, .attempted_ms = 9 };
	report_to[1] = report_to[0];
	report = (struct report){ .kind = REPORT_DELAY, .queue_id = 1,
		.report_id = 2, .reverse_path = SLICE_LIT("s@t"),
		.envid = SLICE_LIT("e"), .ret = RET_HDRS,
		.body = BODY_BINARYMIME, .arrived_ms = 5, .until_ms = 6,
		.content = SLICE_LIT("A: b\r\n"), .offset = 3, .size = 4,
		.total = 10, .recipients = report_to, .nrecipients = 2 };
	entry_to[0] = (struct queue_entry_recipient){
		.address = SLICE_LIT("a@b"), .next_hop = SLICE_LIT("b"),
		.final = 1, .outcome = refused };
	entry_to[1] = (struct queue_entry_recipient){
		.address = SLICE_LIT("a@b"), .next_hop = SLICE_LIT("") };
	entry = (struct queue_entry){ .id = 3, .state = QUEUE_HELD, .size = 99,
		.arrived_ms = 4, .next_attempt_ms = 5, .attempts = 6,
		.release_ms = 7, .login = SLICE_LIT("joe"),
		.reverse_path = SLICE_LIT("s@t"), .client = SLICE_LIT("::1"),
		.recipients = entry_to, .nrecipients = 2, .more = 8 };
	terms[0] = (struct queue_term){ .kind = TERM_SENDER, .negated = true,
		.text = SLICE_LIT("<>") };
	terms[1] = (struct queue_term){ .kind = TERM_OLDER, .number = 1 };
	terms[2] = (struct queue_term){ .kind = TERM_STATES,
		.number = 1 << QUEUE_HELD };
	filter = (struct queue_filter){ .ids = ids, .nids = 2, .terms = terms,
		.nterms = 3, .where = QUEUE_UNDO_LAST };
	paused = (struct pause){ .kind = PAUSE_NEXT_HOP,
		.next_hop = SLICE_LIT("h"), .since_ms = 1, .until_ms = 2,
		.reason = SLICE_LIT("why") };
}

/* Each structure behind one form: pack the sample; unpack and pack again. */
struct form {
	const char	*name;
	int		(*pack)(struct buf *);
	bool		(*repack)(struct wire *, struct arena *, struct buf *);
};

#define FORM(name, sample)						\
static int								\
name##_pack_sample(struct buf *b)					\
{									\
	return name##_pack(b, &sample);					\
}									\
static bool								\
name##_repack(struct wire *w, struct arena *a, struct buf *b)		\
{									\
	struct name x;							\
									\
	return name##_unpack(w, a, &x) && wire_done(w) &&		\
	    (b == NULL || name##_pack(b, &x) == 0);			\
}
FORM(job, job)
FORM(report, report)
FORM(queue_entry, entry)
FORM(queue_filter, filter)

static int
pause_pack_sample(struct buf *b)
{
	return pause_pack(b, &paused);
}

static bool
pause_repack(struct wire *w, struct arena *a, struct buf *b)
{
	struct pause p;

	(void)a;
	return pause_unpack(w, &p) && wire_done(w) &&
	    (b == NULL || pause_pack(b, &p) == 0);
}

static int
destination_pack_sample(struct buf *b)
{
	return destination_pack(b, &maildir);
}

static bool
destination_repack(struct wire *w, struct arena *a, struct buf *b)
{
	struct destination d;

	(void)a;
	return destination_unpack(w, &d) && wire_done(w) &&
	    (b == NULL || destination_pack(b, &d) == 0);
}

static const struct form forms[] = {
	{ "job", job_pack_sample, job_repack },
	{ "report", report_pack_sample, report_repack },
	{ "queue_entry", queue_entry_pack_sample, queue_entry_repack },
	{ "queue_filter", queue_filter_pack_sample, queue_filter_repack },
	{ "pause", pause_pack_sample, pause_repack },
	{ "destination", destination_pack_sample, destination_repack },
};
#define NFORMS	(sizeof(forms) / sizeof(forms[0]))

/* Reads with the last byte against the guard page. */
static bool
reads(const struct form *f, struct slice s, struct buf *again)
{
	struct arena a = ARENA_INIT(100000);
	struct guard g;
	struct wire w;
	bool ok;

	guard_init(&g, s.n);
	w = wire_of(guard_copy(&g, s));
	ok = f->repack(&w, &a, again);
	arena_clear(&a);
	guard_clear(&g);
	return ok;
}

static void
there_and_back(void **state)
{
	struct buf b = BUF_INIT(10000), again = BUF_INIT(10000);
	size_t i;

	(void)state;
	for (i = 0; i < NFORMS; i++) {
		buf_reset(&b);
		buf_reset(&again);
		assert_int_equal(forms[i].pack(&b), 0);
		assert_true(reads(&forms[i], buf_slice(&b), &again));
		assert_slice_equal(buf_slice(&again), buf_slice(&b));
	}
	buf_clear(&b);
	buf_clear(&again);
}

static void
cut_or_changed_or_longer(void **state)
{
	struct buf b = BUF_INIT(10000);
	size_t i, n;
	char was;

	(void)state;
	for (i = 0; i < NFORMS; i++) {
		buf_reset(&b);
		forms[i].pack(&b);
		for (n = 0; n < b.n; n++) {
			assert_false(reads(&forms[i],
			    slice_first(buf_slice(&b), n), NULL));
			was = b.p[n];
			b.p[n] = (char)~was;
			reads(&forms[i], buf_slice(&b), NULL);
			b.p[n] = '\xff';
			reads(&forms[i], buf_slice(&b), NULL);
			b.p[n] = was;
		}
		buf_add_byte(&b, 0);
		assert_false(reads(&forms[i], buf_slice(&b), NULL));
	}
	buf_clear(&b);
}

static void
over_ceiling_leaves_the_buf_as_it_was(void **state)
{
	struct buf whole = BUF_INIT(10000);
	size_t i, max;

	(void)state;
	for (i = 0; i < NFORMS; i++) {
		buf_reset(&whole);
		forms[i].pack(&whole);
		for (max = 1; max < whole.n; max++) {
			struct buf b = BUF_INIT(max);

			buf_add_byte(&b, 'x');
			assert_int_equal(forms[i].pack(&b), -1);
			assert_int_equal(b.n, 1);
			buf_clear(&b);
		}
	}
	buf_clear(&whole);
}

static bool
sample_is_read(size_t i)
{
	struct buf b = BUF_INIT(1000000);
	bool ok;

	assert_int_equal(forms[i].pack(&b), 0);
	ok = reads(&forms[i], buf_slice(&b), NULL);
	buf_clear(&b);
	make_samples();
	return ok;
}

static void
jobs_with_bad_values(void **state)
{
	(void)state;
	job.nrecipients = 0;
	assert_false(sample_is_read(0));
	job.offset = INT64_MAX;
	assert_false(sample_is_read(0));
	job.size = UINT64_MAX;
	assert_false(sample_is_read(0));
	job.ret = (enum dsn_ret)9;
	assert_false(sample_is_read(0));
	job_to[1].address = SLICE_EMPTY;
	assert_false(sample_is_read(0));
	job_to[1].address = SLICE_LIT("a\nb");
	assert_false(sample_is_read(0));
	job_to[0].to.kind = (enum destination_kind)0;
	assert_false(sample_is_read(0));
	job_to[0].to.kind = (enum destination_kind)8;
	assert_false(sample_is_read(0));
	job_to[0].to.flags = 4;
	assert_false(sample_is_read(0));
	job_to[0].to.path = slice_of("/a\0b", 4);
	assert_false(sample_is_read(0));
	job_to[0].to.code = 42;
	assert_false(sample_is_read(0));
	assert_true(sample_is_read(0));
}

static void
reports_with_bad_values(void **state)
{
	(void)state;
	report.kind = (enum report_kind)0;
	assert_false(sample_is_read(1));
	report.kind = (enum report_kind)5;
	assert_false(sample_is_read(1));
	report.nrecipients = 0;
	assert_false(sample_is_read(1));
	report.size = UINT64_MAX - 1;
	assert_false(sample_is_read(1));
	report_to[0].outcome.status = (enum outcome_status)0;
	assert_false(sample_is_read(1));
	report_to[0].notify = NOTIFY_NEVER | NOTIFY_SUCCESS;
	assert_false(sample_is_read(1));
	assert_true(sample_is_read(1));
}

static void
entries_and_filters_with_bad_values(void **state)
{
	(void)state;
	entry.state = (enum queue_state)0;
	assert_false(sample_is_read(2));
	entry.state = (enum queue_state)5;
	assert_false(sample_is_read(2));
	entry.nrecipients = 0;
	assert_true(sample_is_read(2));
	terms[2].number = 1;
	assert_false(sample_is_read(3));
	terms[2].number = 1 << QUEUE_DELETED;
	assert_false(sample_is_read(3));
	terms[2].number = 0;
	assert_true(sample_is_read(3));
	terms[1].number = UINT64_MAX;
	assert_false(sample_is_read(3));
	terms[1] = (struct queue_term){ .kind = TERM_LAST + 1 };
	assert_false(sample_is_read(3));
	terms[1] = (struct queue_term){ .kind = 0 };
	assert_false(sample_is_read(3));
	terms[1] = (struct queue_term){ .kind = TERM_REASON,
		.text = SLICE_LIT("\x01") };
	assert_false(sample_is_read(3));
	filter.nterms = 1;
	filter.nids = 0;
	assert_true(sample_is_read(3));
	filter.where = (enum queue_where)(QUEUE_UNDO_LAST + 1);
	assert_false(sample_is_read(3));
	paused.kind = PAUSE_OUTBOUND;	/* with a next hop */
	assert_false(sample_is_read(4));
	paused.kind = PAUSE_OUTBOUND;
	paused.next_hop = SLICE_EMPTY;
	assert_true(sample_is_read(4));
	paused.next_hop = SLICE_EMPTY;
	assert_false(sample_is_read(4));
	paused.kind = PAUSE_KINDS;
	assert_false(sample_is_read(4));
}

/* The bound on a count must not refuse what is there: recipients as small as
 * they can be. */
static void
smallest_recipients(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		job_to[i] = (struct job_recipient){ .address = SLICE_LIT("a"),
			.to = { .kind = DEST_DISCARD } };
		report_to[i] = (struct report_recipient){
			.address = SLICE_LIT("a"),
			.outcome = { .status = OUTCOME_DELIVERED } };
		entry_to[i] = (struct queue_entry_recipient){ 0 };
	}
	assert_true(sample_is_read(0));
	for (i = 0; i < 2; i++)
		report_to[i] = (struct report_recipient){
			.address = SLICE_LIT("a"),
			.outcome = { .status = OUTCOME_DELIVERED } };
	assert_true(sample_is_read(1));
	for (i = 0; i < 2; i++)
		entry_to[i] = (struct queue_entry_recipient){ 0 };
	assert_true(sample_is_read(2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(cut_or_changed_or_longer),
		cmocka_unit_test(over_ceiling_leaves_the_buf_as_it_was),
		cmocka_unit_test(jobs_with_bad_values),
		cmocka_unit_test(reports_with_bad_values),
		cmocka_unit_test(entries_and_filters_with_bad_values),
		cmocka_unit_test(smallest_recipients),
	};

	make_samples();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
