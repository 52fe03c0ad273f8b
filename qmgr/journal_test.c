/* SPDX-License-Identifier: ISC */
/* The journal by itself: what replay finds of what was committed, wherever
 * the file ends or is damaged. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/test_files.h"
#include "journal.h"

#define RECORDS	60

struct box {
	struct ev_loop	 loop;
	char		 dir[64];
	int		 fd;
	struct disk_lane *commits, *files;
	struct journal	*j;
	unsigned	 durable;
	unsigned	 refused;
	unsigned	 relaxed;
	/* What replay found. */
	unsigned	 got;
	uint64_t	 ids[RECORDS * 20];
	unsigned	 damaged;
	bool		 wrong;		/* a body was not what was written */
	struct segment	*wanted;
	struct young	 young[RECORDS];
	bool		 keep;
	bool		 stuck;		/* no segment can be cleaned */
};

struct waiter {
	struct journal_wait wait;
	struct box	*b;
};

static void
clean(void *arg, struct segment *s)
{
	struct box *b = arg;

	b->wanted = s;
	if (b->stuck) {
		journal_clean_failed(b->j, s);
		return;
	}
	if (segment_first(s) == NULL)
		journal_cleaned(b->j, s);
}

static void
relaxed(void *arg)
{
	((struct box *)arg)->relaxed++;
}

static const struct journal_ops ops = { clean, relaxed };

static void
open_journal(struct box *b)
{
	struct journal_config c = { .dir = b->fd, .segments = 3,
		.segment_bytes = SEGMENT_MIN_BYTES, .loop = &b->loop,
		.commits = b->commits, .files = b->files };

	b->j = journal_open(&c, &ops, b);
	assert_non_null(b->j);
}

static void
box_init(struct box *b)
{
	memset(b, 0, sizeof(*b));
	log_open("journal_test", LOG_LEVEL_ERROR + 1);
	ev_loop_init(&b->loop);
	snprintf(b->dir, sizeof(b->dir), "/tmp/journal_test.XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->fd = open(b->dir, O_RDONLY | O_DIRECTORY);
	b->commits = disk_lane_new(&b->loop, false);
	b->files = disk_lane_new(&b->loop, false);
	open_journal(b);
}

static void
box_clear(struct box *b)
{
	journal_close(&b->j);
	disk_lane_free(&b->commits);
	disk_lane_free(&b->files);
	ev_loop_clear(&b->loop);
	close(b->fd);
	test_remove(b->dir);
}

static void
told(struct journal_wait *w, bool durable)
{
	struct waiter *v = (struct waiter *)(void *)w;

	if (durable)
		v->b->durable++;
	else
		v->b->refused++;
	free(v);
}

static void
dropped(struct journal_wait *w)
{
	free(w);
}

static struct slice
body_of(uint64_t id, size_t n)
{
	static char bytes[RECORD_BODY_BYTES];
	size_t i;

	for (i = 0; i < n; i++)
		bytes[i] = (char)(id * 31 + i);
	return slice_of(bytes, n);
}

static size_t
size_of(uint64_t id)
{
	return (size_t)(id * 37 % 900);
}

static void
add(struct box *b, uint64_t id, size_t n, struct young *y)
{
	struct slice body = body_of(id, n);
	struct waiter *w = mem_alloc(sizeof(*w));

	w->b = b;
	w->wait.fn = told;
	w->wait.drop = dropped;
	journal_add(b->j, 1, id, &body, 1, JOURNAL_SOON, &w->wait, y);
}

static void
settle(struct box *b)
{
	unsigned n = 0;

	while (!journal_is_idle(b->j) && n++ < 1000)
		ev_turn(&b->loop, 1);
}

static void
found(void *arg, const struct record *r)
{
	struct box *b = arg;

	if (b->got < RECORDS * 20)
		b->ids[b->got] = r->id;
	if (r->body.n == size_of(r->id) &&
	    !slice_eq(r->body, body_of(r->id, r->body.n)))
		b->wrong = true;
	if (b->keep && b->got < RECORDS)
		journal_keep(b->j, &b->young[b->got], r);
	b->got++;
}

static void
found_damage(void *arg, const struct journal_damage *d)
{
	struct box *b = arg;

	assert_true(d->to > d->from);
	b->damaged++;
}

static void
replay(struct box *b)
{
	b->got = b->damaged = 0;
	journal_replay(b->j, found, found_damage, b);
}

static void
reopen(struct box *b)
{
	journal_close(&b->j);
	open_journal(b);
	replay(b);
}

/* A box whose first segment has RECORDS records, two a commit; the bytes they
 * take. */
static uint64_t
filled(struct box *b)
{
	uint64_t id, end = SEGMENT_HEADER_BYTES;

	box_init(b);
	replay(b);
	assert_int_equal(b->got, 0);
	journal_start(b->j);
	for (id = 1; id <= RECORDS; id++) {
		add(b, id, size_of(id), NULL);
		end += (RECORD_HEADER_BYTES + size_of(id) + 7) / 8 * 8;
		if (id % 2 == 0)
			settle(b);
	}
	assert_int_equal(b->durable, RECORDS);
	return end;
}

static void
set_byte(struct box *b, uint64_t at, const char *c, int flip)
{
	int fd = openat(b->fd, "journal/0000", O_RDWR);
	char byte;

	assert_true(fd != -1);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte = c != NULL ? *c : (char)(byte ^ flip);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void
all_that_was_committed_is_found(void **state)
{
	struct box b;
	unsigned i;

	(void)state;
	filled(&b);
	reopen(&b);
	assert_int_equal(b.got, RECORDS);
	assert_int_equal(b.damaged, 0);
	assert_false(b.wrong);
	for (i = 0; i < RECORDS; i++)
		assert_int_equal(b.ids[i], i + 1);
	box_clear(&b);
}

static void
any_tail_may_be_missing(void **state)
{
	struct box b;
	uint64_t end, cut, at;
	unsigned whole;

	(void)state;
	end = filled(&b);
	/* From the end to the front, so that zeros grow. */
	for (cut = end; cut-- > SEGMENT_HEADER_BYTES;) {
		set_byte(&b, cut, "\0", 0);
		if (cut % 13 != 0 && cut > SEGMENT_HEADER_BYTES + 200)
			continue;
		reopen(&b);
		assert_false(b.wrong);
		/* a record that was begun, or none */
		assert_true(b.damaged <= 1);
		for (at = SEGMENT_HEADER_BYTES, whole = 0; whole < RECORDS;
		    whole++) {
			at += RECORD_HEADER_BYTES + size_of(whole + 1);
			if (at > cut)
				break;
			at = (at + 7) / 8 * 8;
		}
		/* a cut byte may have been zero: then one more is whole */
		assert_true(b.got == whole || b.got == whole + 1);
	}
	box_clear(&b);
}

static void
any_flipped_bit_costs_one_record(void **state)
{
	struct box b;
	uint64_t end, at;

	(void)state;
	end = filled(&b);
	for (at = SEGMENT_HEADER_BYTES; at < end; at += 11) {
		set_byte(&b, at, NULL, 1 << at % 8);
		reopen(&b);
		assert_false(b.wrong);
		/* padding is in no record; the last one's damage is a tail */
		assert_true(b.got == RECORDS - 1 || b.got == RECORDS);
		if (b.got == RECORDS - 1)
			assert_true(b.damaged == 1 ||
			    b.ids[b.got - 1] == RECORDS - 1);
		set_byte(&b, at, NULL, 1 << at % 8);
	}
	reopen(&b);
	assert_int_equal(b.got, RECORDS);
	box_clear(&b);
}

static void
header_is_found_in_its_second_place(void **state)
{
	struct box b;

	(void)state;
	filled(&b);
	set_byte(&b, 20, NULL, 255);
	reopen(&b);
	assert_int_equal(b.got, RECORDS);
	set_byte(&b, SEGMENT_MIN_BYTES - SEGMENT_HEADER_BYTES + 20, NULL, 255);
	reopen(&b);
	assert_int_equal(b.got, 0);
	assert_int_equal(b.damaged, 1);	/* not silently */
	box_clear(&b);
}

/* Content that looks like records is no record: the salt is not known to who
 * wrote it. */
static void
content_that_looks_like_a_record_is_none(void **state)
{
	struct box b;
	char forged[4096];
	struct slice body = { forged, sizeof(forged) };
	int fd;

	(void)state;
	filled(&b);
	fd = openat(b.fd, "journal/0000", O_RDONLY);
	assert_int_equal(pread(fd, forged, sizeof(forged),
	    SEGMENT_HEADER_BYTES), sizeof(forged));
	close(fd);
	journal_add(b.j, 1, 1000, &body, 1, JOURNAL_SOON, NULL, NULL);
	journal_add(b.j, 1, 1001, &body, 1, JOURNAL_SOON, NULL, NULL);
	settle(&b);
	reopen(&b);
	assert_int_equal(b.got, RECORDS + 2);
	box_clear(&b);
}

static void
old_bytes_of_a_segment_are_not_read_again(void **state)
{
	struct box b;
	uint64_t id = 1;
	unsigned i;

	(void)state;
	box_init(&b);
	replay(&b);
	journal_start(b.j);
	for (i = 0; i < 100; i++) {
		add(&b, id++, 100000, NULL);
		settle(&b);
	}
	assert_int_equal(b.durable, 100);
	reopen(&b);
	/* Three segments of ten at most, the last ones, in order. */
	assert_true(b.got >= 10 && b.got <= 30);
	for (i = 0; i < b.got; i++)
		assert_int_equal(b.ids[i], 100 - b.got + 1 + i);
	assert_int_equal(b.damaged, 0);
	box_clear(&b);
}

static void
segment_with_a_young_message_is_asked_to_be_cleaned(void **state)
{
	struct box b;
	struct young y = { .segment = NULL };
	uint64_t id;

	(void)state;
	box_init(&b);
	replay(&b);
	journal_start(b.j);
	add(&b, 1, 1000, &y);
	settle(&b);
	assert_non_null(y.segment);
	for (id = 2; id <= 40 && b.wanted == NULL; id++) {
		add(&b, id, 100000, NULL);
		settle(&b);
	}
	assert_ptr_equal(b.wanted, y.segment);
	/* Still there, and readable. */
	{
		char bytes[1000];

		assert_int_equal(segment_read(y.segment, bytes, 1000, y.at),
		    0);
		assert_memory_equal(bytes, body_of(1, 1000).p, 1000);
	}
	journal_release(b.j, &y);	/* -> clean() -> journal_cleaned() */
	for (; id <= 100; id++) {
		add(&b, id, 100000, NULL);
		settle(&b);
	}
	assert_int_equal(b.durable, 100);
	box_clear(&b);
}

/* ---- failures ----------------------------------------------------------- */

static struct fs t_fs;
static int fail_syncs;

static int
failing_sync(int fd)
{
	if (fail_syncs > 0) {
		fail_syncs--;
		errno = EIO;
		return -1;
	}
	return fs_real.fdatasync(fd);
}

static void
failed_sync_is_not_believed(void **state)
{
	struct box b;
	struct slice body = SLICE_LIT("no wait");
	struct young y = { .segment = NULL };

	(void)state;
	t_fs = fs_real;
	t_fs.fdatasync = failing_sync;
	fs = &t_fs;
	box_init(&b);
	replay(&b);
	journal_start(b.j);
	add(&b, 1, 1000, &y);
	settle(&b);
	fail_syncs = 1;
	add(&b, 2, 1000, NULL);
	journal_add(b.j, 7, 3, &body, 1, JOURNAL_SOON, NULL, NULL);
	settle(&b);
	assert_int_equal(b.durable, 1);
	assert_int_equal(b.refused, 1);
	add(&b, 4, 1000, NULL);
	settle(&b);
	assert_int_equal(b.durable, 2);
	fs = &fs_real;
	reopen(&b);
	/* 2 may be there or not: it was not acknowledged.  3 is, perhaps
	 * twice. */
	assert_true(b.got >= 3);
	assert_int_equal(b.ids[0], 1);
	assert_int_equal(b.ids[b.got - 1], 4);
	box_clear(&b);
}

/* Its old records are older than all others, which may be gone before its turn
 * would come. */
static void
segment_whose_first_commit_fails_goes_at_once(void **state)
{
	struct box b;
	struct young y = { .segment = NULL };
	struct stat st;
	uint64_t id;
	int fd, dir;

	(void)state;
	t_fs = fs_real;
	t_fs.fdatasync = failing_sync;
	fs = &t_fs;
	box_init(&b);
	replay(&b);
	journal_start(b.j);
	add(&b, 1, 1000, &y);	/* keeps the first one from being cleaned */
	for (id = 2; id <= 11; id++)
		add(&b, id, 100000, NULL);
	settle(&b);
	assert_int_equal(b.durable, 11);
	dir = open(b.dir, O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "journal/0001", O_RDONLY);
	assert_true(fd != -1);
	fail_syncs = 1;
	add(&b, 12, 100000, NULL);
	settle(&b);
	assert_int_equal(b.refused, 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	add(&b, 13, 100000, NULL);
	settle(&b);
	assert_int_equal(b.durable, 12);
	close(fd);
	close(dir);
	fs = &fs_real;
	reopen(&b);
	assert_int_equal(b.got, 12);
	box_clear(&b);
}

static void
disk_that_always_fails_refuses_and_recovers(void **state)
{
	struct box b;
	int64_t end;

	(void)state;
	t_fs = fs_real;
	t_fs.fdatasync = failing_sync;
	fs = &t_fs;
	box_init(&b);
	replay(&b);
	journal_start(b.j);
	fail_syncs = 1000;
	add(&b, 1, 100, NULL);
	settle(&b);
	add(&b, 2, 100, NULL);
	settle(&b);
	assert_int_equal(b.refused, 2);
	assert_true(journal_is_failing(b.j));
	fail_syncs = 0;
	for (end = clock_mono_ms() + 5000; journal_is_failing(b.j) &&
	    clock_mono_ms() < end;)
		ev_turn(&b.loop, 10);
	add(&b, 3, 100, NULL);
	settle(&b);
	assert_int_equal(b.durable, 1);
	fs = &fs_real;
	box_clear(&b);
}

/* ... instead of having the clients wait for as long as that lasts. */
static void
journal_that_cannot_be_cleaned_refuses_and_recovers(void **state)
{
	struct box b;
	struct young y[100];
	int64_t end;
	unsigned n;

	(void)state;
	box_init(&b);
	replay(&b);
	journal_start(b.j);
	b.stuck = true;
	memset(y, 0, sizeof(y));
	for (n = 0; n < 100 && b.refused == 0; n++) {
		add(&b, n + 1, 100000, &y[n]);
		settle(&b);
	}
	assert_int_equal(b.refused, 1);
	assert_int_equal(b.durable, n - 1);
	assert_true(journal_is_failing(b.j));
	b.stuck = false;
	for (n = 0; n < 100; n++)
		journal_release(b.j, &y[n]);
	for (end = clock_mono_ms() + 5000; journal_is_failing(b.j) &&
	    clock_mono_ms() < end;)
		ev_turn(&b.loop, 10);
	add(&b, 101, 100000, NULL);
	settle(&b);
	assert_int_equal(b.refused, 1);
	box_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_was_committed_is_found),
		cmocka_unit_test(any_tail_may_be_missing),
		cmocka_unit_test(any_flipped_bit_costs_one_record),
		cmocka_unit_test(header_is_found_in_its_second_place),
		cmocka_unit_test(content_that_looks_like_a_record_is_none),
		cmocka_unit_test(old_bytes_of_a_segment_are_not_read_again),
		cmocka_unit_test(
		    segment_with_a_young_message_is_asked_to_be_cleaned),
		cmocka_unit_test(failed_sync_is_not_believed),
		cmocka_unit_test(segment_whose_first_commit_fails_goes_at_once),
		cmocka_unit_test(disk_that_always_fails_refuses_and_recovers),
		cmocka_unit_test(
		    journal_that_cannot_be_cleaned_refuses_and_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
