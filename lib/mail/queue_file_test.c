/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/test_guard.h"
#include "mail/queue_file.h"

static const char identity[] = "sixteen bytes...";

static void
put_good(struct buf *b)
{
	buf_add(b, SLICE_LIT(QUEUE_FILE_MAGIC));
	queue_frame_put_begin(b, identity, 77);
	queue_frame_put_message(b, 1, 5, 0);
	queue_frame_put(b, FRAME_BYTES, SLICE_LIT("hel"));
	queue_frame_put(b, FRAME_BYTES, SLICE_LIT("lo"));
	queue_frame_put_message(b, 2, 1, 3);
	queue_frame_put(b, FRAME_BYTES, SLICE_LIT("x"));
	queue_frame_put(b, FRAME_CONTENT, SLICE_LIT("abc"));
	queue_frame_put_end(b, 2);
}

/* Reads all there is; PARSE_OK: up to its end. */
static enum parse
read_all(struct slice in, const char **why_r)
{
	struct queue_file f = { 0 };
	struct queue_frame r;
	enum parse p;

	*why_r = "";
	while ((p = queue_file_next(&f, &in, &r, why_r)) == PARSE_OK)
		continue;
	return p == PARSE_MORE && f.ended && in.n == 0 ? PARSE_OK : p;
}

static void
whole_file_is_read(void **state)
{
	struct buf b = BUF_INIT(4096);
	struct guard g;
	const char *why;

	(void)state;
	guard_init(&g, 4096);
	put_good(&b);
	assert_int_equal(read_all(guard_copy(&g, buf_slice(&b)), &why),
	    PARSE_OK);
	guard_clear(&g);
	buf_clear(&b);
}

static void
each_part_of_a_file_asks_for_more(void **state)
{
	struct buf b = BUF_INIT(4096);
	struct guard g;
	const char *why;
	size_t n;

	(void)state;
	guard_init(&g, 4096);
	put_good(&b);
	for (n = 0; n < b.n; n++)
		assert_int_equal(read_all(guard_copy(&g,
		    slice_first(buf_slice(&b), n)), &why), PARSE_MORE);
	guard_clear(&g);
	buf_clear(&b);
}

/* A changed length may ask for more than there is, nothing else may pass. */
static void
each_changed_byte_is_found(void **state)
{
	struct buf b = BUF_INIT(4096);
	const char *why;
	size_t n;

	(void)state;
	put_good(&b);
	for (n = 0; n < b.n; n++) {
		b.p[n] ^= 0x20;
		assert_int_not_equal(read_all(buf_slice(&b), &why), PARSE_OK);
		b.p[n] ^= 0x20;
	}
	buf_clear(&b);
}

static void	no_begin(struct buf *b) { queue_frame_put_end(b, 0); }
static void
two_begins(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_begin(b, identity, 1);
}
static void
short_begin(struct buf *b)
{
	queue_frame_put(b, FRAME_BEGIN, SLICE_LIT("short"));
}
static void
missing_message(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_end(b, 1);
}
static void
bytes_without_message(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put(b, FRAME_BYTES, SLICE_LIT("x"));
}
static void
message_in_message(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 5, 0);
	queue_frame_put_message(b, 1, 5, 0);
}
static void
too_many_bytes(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 2, 0);
	queue_frame_put(b, FRAME_BYTES, SLICE_LIT("xyz"));
}
static void
no_bytes(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 2, 0);
	queue_frame_put(b, FRAME_BYTES, SLICE_EMPTY);
}
static void
content_before_bytes(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 2, 2);
	queue_frame_put(b, FRAME_CONTENT, SLICE_LIT("x"));
}
static void
content_missing(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 1, 2);
	queue_frame_put(b, FRAME_BYTES, SLICE_LIT("x"));
	queue_frame_put_end(b, 1);
}
static void
empty_message(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 0, 0);
}
static void
huge_message(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, UINT32_MAX, 0);
}
static void
huge_content(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_message(b, 1, 1, UINT64_MAX);
}
static void
unknown_frame(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put(b, (enum queue_frame_type)9, SLICE_LIT("x"));
}
static void
more_after_the_end(struct buf *b)
{
	queue_frame_put_begin(b, identity, 1);
	queue_frame_put_end(b, 0);
	queue_frame_put_end(b, 0);
}

static void
what_does_not_fit_together_is_refused(void **state)
{
	static void (*const cases[])(struct buf *) = { no_begin, two_begins,
		short_begin, missing_message, bytes_without_message,
		message_in_message, too_many_bytes, no_bytes,
		content_before_bytes, content_missing, empty_message,
		huge_message, huge_content, unknown_frame,
		more_after_the_end };
	struct buf b = BUF_INIT(4096);
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_reset(&b);
		buf_add(&b, SLICE_LIT(QUEUE_FILE_MAGIC));
		cases[i](&b);
		if (read_all(buf_slice(&b), &why) != PARSE_BAD)
			fail_msg("case %zu", i);
	}
	assert_int_equal(read_all(SLICE_LIT("CHASQX2\nand more"), &why),
	    PARSE_BAD);
	assert_string_equal(why, "a later version has written it");
	assert_int_equal(read_all(SLICE_LIT("From root Mon Jan"), &why),
	    PARSE_BAD);
	assert_int_equal(read_all(SLICE_LIT("CHASQX1\n\0\0\0\0\xff\xff\xff\xff"
	    "\1"), &why), PARSE_BAD);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file_is_read),
		cmocka_unit_test(each_part_of_a_file_asks_for_more),
		cmocka_unit_test(each_changed_byte_is_found),
		cmocka_unit_test(what_does_not_fit_together_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
