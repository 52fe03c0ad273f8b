/* SPDX-License-Identifier: ISC */
/* Tests of the event history: lines, packets, records, the index, the writer
 * and the reader together, damage, and a disk without room. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/test_guard.h"
#include "base/wire.h"
#include "history/feed.h"
#include "history/reader.h"
#include "history/segment.h"
#include "history/writer.h"

#define DAY_US	(INT64_C(86400) * 1000000)
#define SMALL	(1024 * 1024)

/* ---- lines --------------------------------------------------------------- */

static const struct {
	const char	*line;
	const char	*id;
	const char	*name;
	size_t		 fields;
	const char	*key;
	const char	*value;		/* NULL: there is no such field */
} lines[] = {
	{ "id=1abc event=queued from=a@b size=3", "1abc", "queued", 4,
	  "from", "a@b" },
	{ "event=x why=\"two words\" b=1", "", "x", 3, "why", "two words" },
	{ "event=x why=\"two words\" b=1", "", "x", 3, "b", "1" },
	{ "event=x why=\"a\\x22b\\x5c\"", "", "x", 2, "why", "a\"b\\" },
	{ "event=x why=\"\\x2\\xzz\\\"", "", "x", 2, "why", "\\x2\\xzz\\" },
	{ "event=x from=\"\"", "", "x", 2, "from", "" },
	{ "event=x why=\"cut off", "", "x", 2, "why", "cut off" },
	{ "event=x why=\"a\"b=1 c=2", "", "x", 4, "b", "1" },
	{ "event=x from=", "", "x", 2, "from", "" },
	{ "event=x a=b=c", "", "x", 2, "a", "b=c" },
	{ "no words of ours", "", "", 0, "no", NULL },
	{ "=x event=y", "", "y", 1, "", NULL },
	{ "", "", "", 0, "event", NULL },
	{ "   event=y  ", "", "y", 1, "event", "y" },
	{ "event=a event=b", "", "a", 2, "event", "a" },
	{ "event=x why=\"", "", "x", 2, "why", "" },
};

static void
lines_are_taken_apart(void **state)
{
	struct history_event e;
	char room[HISTORY_LINE_BYTES];
	struct guard guard;
	struct slice value;
	size_t i;

	(void)state;
	guard_init(&guard, HISTORY_LINE_BYTES);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		history_event_parse(&e, guard_copy(&guard,
		    slice_str(lines[i].line)), room);
		assert_true(slice_eq(e.id, slice_str(lines[i].id)));
		assert_true(slice_eq(e.name, slice_str(lines[i].name)));
		assert_int_equal(e.nfields, lines[i].fields);
		value = history_event_field(&e, lines[i].key);
		if (lines[i].value == NULL)
			assert_null(value.p);
		else
			assert_true(slice_eq(value,
			    slice_str(lines[i].value)));
	}
	guard_clear(&guard);
}

static void
more_fields_than_there_is_room_for_are_left_out(void **state)
{
	struct buf b = BUF_INIT(8192);
	char room[8192];
	struct history_event e;
	int i;

	(void)state;
	for (i = 0; i < 2 * HISTORY_FIELDS; i++)
		buf_printf(&b, "k%d=%d ", i, i);
	history_event_parse(&e, buf_slice(&b), room);
	assert_int_equal(e.nfields, HISTORY_FIELDS);
	buf_clear(&b);
}

/* ---- packets ------------------------------------------------------------- */

static void
add_frame(struct buf *b, uint64_t first, unsigned level, const char *text)
{
	put_u64(b, first);
	put_u8(b, (uint8_t)level);
	put_u16(b, (uint16_t)strlen(text));
	buf_add_str(b, text);
}

static void
packets_give_their_frames(void **state)
{
	struct buf b = BUF_INIT(8192);
	struct slice rest;
	struct feed_frame f;
	bool bad;

	(void)state;
	add_frame(&b, 5, LOG_LEVEL_INFO, "event=a");
	add_frame(&b, 7, LOG_EVENTS_LOST, "");
	add_frame(&b, 6, LOG_LEVEL_ERROR, "");
	rest = buf_slice(&b);
	assert_true(feed_next(&rest, &f, &bad));
	assert_int_equal(f.time_us, 5);
	assert_true(slice_eq(f.line, SLICE_LIT("event=a")));
	assert_true(feed_next(&rest, &f, &bad));
	assert_int_equal(f.lost, 7);
	assert_true(feed_next(&rest, &f, &bad));
	assert_int_equal(f.level, LOG_LEVEL_ERROR);
	assert_false(feed_next(&rest, &f, &bad));
	assert_false(bad);
	buf_clear(&b);
}

static void
hostile_packets_end_at_their_fault(void **state)
{
	static const struct {
		uint64_t	 first;
		unsigned	 level;
		unsigned	 n;	/* that it says */
		const char	*text;
	} cases[] = {
		{ 1, LOG_LEVEL_DEBUG, 1, "x" },
		{ 1, 200, 1, "x" },
		{ 1, LOG_LEVEL_INFO, 2, "x" },
		{ 1, LOG_LEVEL_INFO, 65535, "x" },
		{ UINT64_MAX, LOG_LEVEL_INFO, 1, "x" },
		{ 1, LOG_EVENTS_LOST, 1, "x" },
	};
	struct buf b = BUF_INIT(8192);
	struct feed_frame f;
	struct guard guard;
	struct slice rest;
	size_t i, n;
	bool bad;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		add_frame(&b, 1, LOG_LEVEL_INFO, "event=good");
		put_u64(&b, cases[i].first);
		put_u8(&b, (uint8_t)cases[i].level);
		put_u16(&b, (uint16_t)cases[i].n);
		buf_add_str(&b, cases[i].text);
		rest = buf_slice(&b);
		assert_true(feed_next(&rest, &f, &bad));
		assert_false(feed_next(&rest, &f, &bad));
		assert_true(bad);
	}
	/* Cut at every byte. */
	buf_reset(&b);
	add_frame(&b, 1, LOG_LEVEL_INFO, "event=good");
	guard_init(&guard, b.n);
	for (n = 0; n < b.n; n++) {
		rest = guard_copy(&guard, slice_of(b.p, n));
		assert_false(feed_next(&rest, &f, &bad));
		assert_int_equal(bad, n > 0);
	}
	guard_clear(&guard);
	buf_clear(&b);
}

/* ---- records ------------------------------------------------------------- */

static void
add_record(struct buf *b, int64_t time_us, const char *line)
{
	const struct history_event e = { .time_us = time_us,
		.role = ROLE_QMGR, .level = LOG_LEVEL_INFO, .pid = 77,
		.line = slice_str(line) };

	assert_int_equal(record_pack(b, &e), 0);
}

static void
records_come_back_and_text_cannot_be_one(void **state)
{
	struct buf b = BUF_INIT(65536);
	struct slice rest;
	struct history_event e;
	size_t skipped;

	(void)state;
	add_record(&b, 12, "event=a\xf1\n\x7f");
	rest = buf_slice(&b);
	assert_true(record_next(&rest, &e, &skipped));
	assert_int_equal(skipped, 0);
	assert_int_equal(e.time_us, 12);
	assert_int_equal(e.role, ROLE_QMGR);
	assert_int_equal(e.pid, 77);
	assert_true(slice_eq(e.line, SLICE_LIT("event=a???")));
	assert_false(record_next(&rest, &e, &skipped));
	buf_clear(&b);
}

/* Every byte of the second of three, one after the other. */
static void
a_damaged_byte_costs_one_record(void **state)
{
	struct buf b = BUF_INIT(65536);
	struct history_event e;
	struct slice rest;
	size_t at, skipped, first, second;

	(void)state;
	add_record(&b, 1, "event=first");
	first = b.n;
	add_record(&b, 2, "event=second");
	second = b.n;
	add_record(&b, 3, "event=third");
	for (at = first; at < second; at++) {
		b.p[at] ^= 0x55;
		rest = buf_slice(&b);
		assert_true(record_next(&rest, &e, &skipped));
		assert_int_equal(e.time_us, 1);
		assert_true(record_next(&rest, &e, &skipped));
		assert_int_equal(e.time_us, 3);
		assert_int_equal(skipped, second - first);
		b.p[at] ^= 0x55;
	}
	buf_clear(&b);
}

static void
a_torn_record_is_none(void **state)
{
	struct buf b = BUF_INIT(65536);
	struct history_event e;
	struct guard guard;
	struct slice rest;
	size_t n, skipped;

	(void)state;
	add_record(&b, 1, "event=torn");
	guard_init(&guard, b.n);
	for (n = 0; n < b.n; n++) {
		rest = guard_copy(&guard, slice_of(b.p, n));
		assert_false(record_next(&rest, &e, &skipped));
		assert_int_equal(rest.n, n);
	}
	guard_clear(&guard);
	buf_clear(&b);
}

static void
names_of_segments_are_exact(void **state)
{
	char name[SEGMENT_NAME_BYTES];
	bool index;

	(void)state;
	segment_name(name, 0xab, true);
	assert_string_equal(name, "000000ab.index");
	assert_int_equal(segment_number("000000ab.index", &index), 0xab);
	assert_true(index);
	assert_int_equal(segment_number("000000ab.events", &index), 0xab);
	assert_false(index);
	assert_int_equal(segment_number("ab.events", &index), 0);
	assert_int_equal(segment_number("000000AB.events", &index), 0);
	assert_int_equal(segment_number("000000ab.events.tmp", &index), 0);
	assert_int_equal(segment_number("", &index), 0);
	assert_int_equal(segment_number("-0000001.events", &index), 0);
}

/* ---- writer and reader --------------------------------------------------- */

struct place {
	char			 dir[64];
	struct history_writer	 w;
	struct history		*h;
};

static struct fs failing;
static int writes_left;		/* then there is no room */

static ssize_t
failing_pwrite(int fd, const void *from, size_t n, off_t at)
{
	if (writes_left-- <= 0) {
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, from, n, at);
}

static void
open_writer(struct place *p, const struct fs *fs, uint64_t bytes,
    int64_t age_us)
{
	assert_int_equal(history_writer_open(&p->w, fs,
	    fs_open_dir(&fs_real, AT_FDCWD, p->dir), bytes, age_us), 0);
}

static void
place_make(struct place *p, const struct fs *fs, uint64_t bytes)
{
	memset(p, 0, sizeof(*p));
	snprintf(p->dir, sizeof(p->dir), "/tmp/history_test.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	open_writer(p, fs, bytes, 30 * DAY_US);
}

static void
place_read(struct place *p)
{
	struct buf why = BUF_INIT(1024);

	history_close(&p->h);
	p->h = history_open(p->dir, &why);
	assert_non_null(p->h);
	buf_clear(&why);
}

static void
place_clear(struct place *p)
{
	char command[128];

	history_close(&p->h);
	if (p->w.dir != -1)
		history_writer_close(&p->w);
	snprintf(command, sizeof(command), "rm -rf '%s'", p->dir);
	assert_int_equal(system(command), 0);
}

static void
add(struct place *p, int64_t time_us, const char *fmt, ...)
{
	struct history_event e = { .time_us = time_us, .role = ROLE_QMGR,
		.level = LOG_LEVEL_INFO, .pid = 1 };
	char line[HISTORY_LINE_BYTES], room[HISTORY_LINE_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	history_event_parse(&e, slice_of(line, (size_t)n), room);
	history_writer_add(&p->w, &e);
}

/* Messages from first on, three events each, a second apart. */
static void
add_messages(struct place *p, unsigned first, unsigned n)
{
	unsigned i;

	for (i = first; i < first + n; i++) {
		int64_t t = (int64_t)i * 1000000;

		add(p, t, "id=q%u event=accepted from=a%u@example.org "
		    "msgid=<%u@x>", i, i % 7, i);
		add(p, t + 1, "id=q%u event=delivered rcpt=R%u@example.org "
		    "orig=list@example.org", i, i);
		add(p, t + 2, "id=q%u event=removed", i);
		if (i % 16 == 15)
			history_writer_flush(&p->w, t);
	}
	history_writer_flush(&p->w, (int64_t)i * 1000000);
}

static bool
count_one(void *arg, const struct history_event *e)
{
	unsigned *n = arg;

	(void)e;
	++*n;
	return true;
}

static bool
want_three(void *arg, const struct history_event *e)
{
	unsigned *n = arg;

	(void)e;
	return ++*n < 3;
}

static unsigned
find(struct place *p, enum history_key key, const char *value)
{
	unsigned n = 0;

	assert_int_equal(history_find(p->h, key, slice_str(value),
	    HISTORY_ALWAYS, count_one, &n), 0);
	return n;
}

static unsigned
count_all(struct place *p, int64_t since, int64_t until)
{
	const struct history_range r = { since, until };
	unsigned n = 0;

	assert_int_equal(history_each(p->h, r, count_one, &n), 0);
	return n;
}

static void
every_key_finds_its_events_in_every_segment(void **state)
{
	struct history_stat st;
	struct place p;
	unsigned n = 0;

	(void)state;
	place_make(&p, &fs_real, 16 * 64 * 1024);
	add_messages(&p, 0, 3000);
	place_read(&p);
	history_stat(p.h, &st);
	assert_true(st.segments > 3);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 9000);
	assert_int_equal(find(&p, HISTORY_ID, "q17"), 3);
	assert_int_equal(find(&p, HISTORY_ID, "q2999"), 3);
	assert_int_equal(find(&p, HISTORY_ID, "q3000"), 0);
	assert_int_equal(find(&p, HISTORY_MESSAGE_ID, "<17@x>"), 1);
	assert_int_equal(find(&p, HISTORY_SENDER, "A3@EXAMPLE.org"), 429);
	assert_int_equal(find(&p, HISTORY_RECIPIENT, "r17@example.org"), 1);
	assert_int_equal(find(&p, HISTORY_RECIPIENT, "list@example.org"),
	    3000);
	assert_int_equal(find(&p, HISTORY_RECIPIENT, ""), 0);
	assert_int_equal(count_all(&p, 100000000, 200000000), 300);
	assert_int_equal(history_each(p.h, HISTORY_ALWAYS, want_three, &n), 0);
	assert_int_equal(n, 3);
	/* What comes while it is open is seen, too. */
	add_messages(&p, 3000, 2);
	assert_int_equal(find(&p, HISTORY_ID, "q3000"), 3);
	add_messages(&p, 3002, 500);
	assert_int_equal(find(&p, HISTORY_ID, "q3000"), 3);
	assert_int_equal(find(&p, HISTORY_ID, "q3501"), 3);
	place_clear(&p);
}

static void
a_new_writer_goes_on_where_the_last_one_ended(void **state)
{
	struct place p;

	(void)state;
	place_make(&p, &fs_real, 16 * 64 * 1024);
	add_messages(&p, 0, 50);
	history_writer_close(&p.w);
	open_writer(&p, &fs_real, 16 * 64 * 1024, 30 * DAY_US);
	assert_int_equal(p.w.number, 1);
	add_messages(&p, 50, 1000);
	place_read(&p);
	assert_int_equal(find(&p, HISTORY_ID, "q49"), 3);
	assert_int_equal(find(&p, HISTORY_ID, "q50"), 3);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 3150);
	place_clear(&p);
}

/* As while one suite takes the place of another. */
static void
two_writers_have_a_segment_each(void **state)
{
	struct place p, other;

	(void)state;
	place_make(&p, &fs_real, SMALL);
	add_messages(&p, 0, 10);
	other = p;
	open_writer(&other, &fs_real, SMALL, 30 * DAY_US);
	add_messages(&other, 10, 10);
	add_messages(&p, 20, 10);
	assert_int_not_equal(p.w.number, other.w.number);
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 90);
	history_writer_close(&other.w);
	place_clear(&p);
}

static void
the_oldest_go_when_it_is_too_much(void **state)
{
	struct history_stat st;
	struct place p;

	(void)state;
	place_make(&p, &fs_real, SMALL);
	add_messages(&p, 0, 20000);
	place_read(&p);
	history_stat(p.h, &st);
	assert_true(st.bytes <= SMALL + SMALL / 8);
	assert_true(st.bytes > SMALL / 2);
	assert_int_equal(find(&p, HISTORY_ID, "q0"), 0);
	assert_int_equal(find(&p, HISTORY_ID, "q19999"), 3);
	place_clear(&p);
}

static void
the_oldest_go_when_they_are_too_old(void **state)
{
	struct place p;

	(void)state;
	place_make(&p, &fs_real, 64 * SMALL);
	p.w.age_max_us = 16 * INT64_C(1000000);
	add_messages(&p, 0, 100);
	history_writer_prune(&p.w, 100 * INT64_C(1000000));
	place_read(&p);
	assert_int_equal(find(&p, HISTORY_ID, "q0"), 0);
	assert_int_equal(find(&p, HISTORY_ID, "q99"), 3);
	place_clear(&p);
}

static void
the_last_go_too_when_nothing_comes_any_more(void **state)
{
	struct place p;

	(void)state;
	place_make(&p, &fs_real, SMALL);
	add_messages(&p, 0, 10);
	history_writer_prune(&p.w, 40 * DAY_US);
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 0);
	add_messages(&p, 10, 1);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 3);
	place_clear(&p);
}

static void
change(const struct place *p, const char *name, off_t at, const void *bytes,
    size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fd = open(path, O_WRONLY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

static void
damage_costs_what_was_hit(void **state)
{
	const char junk[8] = "\xf1\0junk\xf1";
	struct history_stat st;
	struct place p;
	off_t page;

	(void)state;
	place_make(&p, &fs_real, 16 * 64 * 1024);
	add_messages(&p, 0, 2000);
	/* A segment's header, a record, all pages of an index. */
	change(&p, "00000001.events", 0, junk, sizeof(junk));
	change(&p, "00000001.events", 400, junk, sizeof(junk));
	for (page = 0; page < 3; page++)
		change(&p, "00000002.index", page * INDEX_PAGE_BYTES + 100,
		    junk, sizeof(junk));
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 5999);
	history_stat(p.h, &st);
	assert_true(st.damaged > 0);
	/* The record that was hit was another kind. */
	assert_int_equal(find(&p, HISTORY_RECIPIENT, "list@example.org"),
	    2000);
	assert_int_equal(find(&p, HISTORY_ID, "q400"), 3);
	place_clear(&p);
}

static void
a_torn_tail_is_cut_and_a_missing_index_made(void **state)
{
	struct place p;
	char path[128];
	uint64_t size;

	(void)state;
	place_make(&p, &fs_real, 16 * 64 * 1024);
	add_messages(&p, 0, 1500);
	size = p.w.size;
	snprintf(path, sizeof(path), "%08x.events", p.w.number);
	change(&p, path, (off_t)size, "\xf1\0torn", 6);
	history_writer_close(&p.w);
	snprintf(path, sizeof(path), "%s/00000001.index", p.dir);
	assert_int_equal(unlink(path), 0);
	open_writer(&p, &fs_real, 16 * 64 * 1024, 30 * DAY_US);
	assert_int_equal(p.w.size, size);
	assert_int_equal(access(path, F_OK), 0);
	add_messages(&p, 1500, 1);
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 4503);
	assert_int_equal(find(&p, HISTORY_ID, "q0"), 3);
	place_clear(&p);
}

static void
what_a_later_version_wrote_is_left_alone(void **state)
{
	struct buf header = BUF_INIT(64), sum = BUF_INIT(64);
	struct place p;

	(void)state;
	place_make(&p, &fs_real, SMALL);
	add_messages(&p, 0, 1);
	history_writer_close(&p.w);
	segment_header_pack(&header, 1);
	header.p[8] = SEGMENT_VERSION + 1;
	put_u32(&sum, crc32c(0, slice_of(header.p, 20)));
	memcpy(header.p + 20, sum.p, 4);
	change(&p, "00000001.events", 0, header.p, header.n);
	open_writer(&p, &fs_real, SMALL, 30 * DAY_US);
	add_messages(&p, 1, 1);
	assert_int_equal(p.w.number, 2);
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 3);
	buf_clear(&header);
	buf_clear(&sum);
	place_clear(&p);
}

static void
a_full_disk_costs_events_and_nothing_else(void **state)
{
	struct place p;

	(void)state;
	failing = fs_real;
	failing.pwrite = failing_pwrite;
	writes_left = 2;	/* a header, and one flush */
	place_make(&p, &failing, SMALL);
	add_messages(&p, 0, 1);
	add_messages(&p, 1, 1);
	assert_int_equal(p.w.lost, 3);
	assert_int_equal(p.w.error, ENOSPC);
	writes_left = 1000;
	add_messages(&p, 2, 1);
	assert_int_equal(p.w.error, 0);
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 6);
	assert_int_equal(find(&p, HISTORY_ID, "q1"), 0);
	assert_int_equal(find(&p, HISTORY_ID, "q2"), 3);
	place_clear(&p);
}

/* From the first write on: not even a header. */
static void
a_disk_that_was_full_from_the_start_may_have_room_later(void **state)
{
	struct place p;

	(void)state;
	failing = fs_real;
	failing.pwrite = failing_pwrite;
	writes_left = 0;
	place_make(&p, &failing, SMALL);
	add_messages(&p, 0, 1);
	assert_int_equal(p.w.lost, 3);
	writes_left = 1000;
	add_messages(&p, 1, 1);
	place_read(&p);
	assert_int_equal(find(&p, HISTORY_ID, "q1"), 3);
	history_writer_close(&p.w);
	open_writer(&p, &fs_real, SMALL, 30 * DAY_US);
	add_messages(&p, 2, 1);
	place_read(&p);
	assert_int_equal(count_all(&p, 0, INT64_MAX), 6);
	place_clear(&p);
}

static void
no_history_is_said_so(void **state)
{
	struct buf why = BUF_INIT(1024);

	(void)state;
	assert_null(history_open("/nonexistent/history", &why));
	assert_true(why.n > 0);
	buf_clear(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_taken_apart),
		cmocka_unit_test(
		    more_fields_than_there_is_room_for_are_left_out),
		cmocka_unit_test(packets_give_their_frames),
		cmocka_unit_test(hostile_packets_end_at_their_fault),
		cmocka_unit_test(records_come_back_and_text_cannot_be_one),
		cmocka_unit_test(a_damaged_byte_costs_one_record),
		cmocka_unit_test(a_torn_record_is_none),
		cmocka_unit_test(names_of_segments_are_exact),
		cmocka_unit_test(every_key_finds_its_events_in_every_segment),
		cmocka_unit_test(a_new_writer_goes_on_where_the_last_one_ended),
		cmocka_unit_test(two_writers_have_a_segment_each),
		cmocka_unit_test(the_oldest_go_when_it_is_too_much),
		cmocka_unit_test(the_oldest_go_when_they_are_too_old),
		cmocka_unit_test(the_last_go_too_when_nothing_comes_any_more),
		cmocka_unit_test(damage_costs_what_was_hit),
		cmocka_unit_test(a_torn_tail_is_cut_and_a_missing_index_made),
		cmocka_unit_test(what_a_later_version_wrote_is_left_alone),
		cmocka_unit_test(a_full_disk_costs_events_and_nothing_else),
		cmocka_unit_test(
		    a_disk_that_was_full_from_the_start_may_have_room_later),
		cmocka_unit_test(no_history_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
