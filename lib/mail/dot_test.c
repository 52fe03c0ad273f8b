/* SPDX-License-Identifier: ISC */
/* dot_test - transparency both ways, in one piece, byte by byte, and with
 * every division into two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "mail/dot.h"

#define REST	"RSET\r\n"

struct decode_case {
	const char	*name;
	const char	*in;
	const char	*out;
	const char	*rest;		/* behind the end; NULL: no end */
	unsigned	 faults;
	bool		 mend;
};

static const struct decode_case decode_cases[] = {
	{ "empty content", ".\r\n" REST, "", REST, 0, false },
	{ "one line", "a\r\n.\r\n", "a\r\n", "", 0, false },
	{ "two lines", "a\r\nbc\r\n.\r\n" REST, "a\r\nbc\r\n", REST, 0, false },
	{ "no end", "a\r\nb", "a\r\nb", NULL, 0, false },
	{ "dot taken off", "..\r\n..a\r\n.b\r\n.\r\n", ".\r\n.a\r\nb\r\n", "",
	    0, false },
	{ "dot within a line", "a.\r\nb.c\r\n.\r\n", "a.\r\nb.c\r\n", "", 0,
	    false },
	{ "bare LF is kept and told", "a\nb\r\n.\r\n", "a\nb\r\n", "",
	    DOT_BARE_LF, false },
	{ "LF . LF does not end", "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", "",
	    DOT_BARE_LF, false },
	{ "LF . CRLF does not end", "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", "",
	    DOT_BARE_LF, false },
	{ "CRLF . LF does not end", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", "",
	    DOT_BARE_LF, false },
	{ "CRLF . CR does not end", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "",
	    DOT_BARE_CR, false },
	{ "CRLF . CR CR LF does not end", "\r\n.\r\r\nb\r\n.\r\n",
	    "\r\n\r\r\nb\r\n", "", DOT_BARE_CR, false },
	{ "CR . CR does not end", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", "",
	    DOT_BARE_CR, false },
	{ "LF CR . does not end", "a\n\r.\r\nb\r\n.\r\n", "a\n\r.\r\nb\r\n", "",
	    DOT_BARE_LF | DOT_BARE_CR, false },
	{ "bare CR", "a\rb\r\n.\r\n", "a\rb\r\n", "", DOT_BARE_CR, false },
	{ "CR CR LF", "a\r\r\n.\r\n", "a\r\r\n", "", DOT_BARE_CR, false },
	{ "mended LF", "a\nb\r\n.\r\n", "a\r\nb\r\n", "", DOT_BARE_LF, true },
	{ "mended: LF . LF is content", "a\n.\nb\r\n.\r\n",
	    "a\r\n.\r\nb\r\n", "", DOT_BARE_LF, true },
	{ "mended: LF . CRLF is content", "a\n.\r\nb\r\n.\r\n",
	    "a\r\n.\r\nb\r\n", "", DOT_BARE_LF, true },
	{ "mended: CRLF . LF is content", "a\r\n.\nb\r\n.\r\n",
	    "a\r\n.\r\nb\r\n", "", DOT_BARE_LF, true },
	{ "mended: dot taken off", "a\n..b\n.c\n\n.\r\n\r\n.\r\n",
	    "a\r\n.b\r\nc\r\n\r\n.\r\n\r\n", "", DOT_BARE_LF, true },
	{ "mended: first byte", "\n.\r\n\r\n.\r\n", "\r\n.\r\n\r\n", "",
	    DOT_BARE_LF, true },
};

/* Gives the input in parts of at most `part` bytes, the first of `first`. */
static void
decode_in_parts(const struct decode_case *c, size_t first, size_t part)
{
	struct dot_decoder d;
	struct buf got = BUF_INIT(10000);
	struct slice all = slice_str(c->in), in, out;
	size_t used = 0, n = first;
	bool done = false;
	struct guard g;

	guard_init(&g, 10000);
	dot_decoder_init(&d, c->mend);
	while (used < all.n && !done) {
		if (n > all.n - used)
			n = all.n - used;
		in = guard_copy(&g, slice_first(slice_from(all, used), n));
		while (dot_decode(&d, &in, &out, &done) == PARSE_OK) {
			assert_true(out.n > 0);
			buf_add(&got, out);
		}
		used += n - in.n;
		n = part;
	}
	assert_slice_equal(buf_slice(&got), slice_str(c->out));
	assert_int_equal(done, c->rest != NULL);
	if (c->rest != NULL)
		assert_slice_equal(slice_from(all, used), slice_str(c->rest));
	assert_int_equal(d.faults, c->faults);
	/* Behind the end nothing is taken any more. */
	in = SLICE_LIT("x");
	if (done)
		assert_int_equal(dot_decode(&d, &in, &out, &done), PARSE_MORE);
	if (done)
		assert_int_equal(in.n, 1);
	buf_clear(&got);
	guard_clear(&g);
}

static void
decodes_in_parts_of_any_size(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(decode_cases) / sizeof(decode_cases[0]); i++) {
		print_message("%s\n", decode_cases[i].name);
		for (n = 1; n <= strlen(decode_cases[i].in); n++)
			decode_in_parts(&decode_cases[i], n, 10000);
		decode_in_parts(&decode_cases[i], 1, 1);
		decode_in_parts(&decode_cases[i], 2, 2);
		decode_in_parts(&decode_cases[i], 3, 3);
	}
}

static void
clean_content_is_one_run(void **state)
{
	struct slice in = SLICE_LIT("a\r\nb\r\n\r\ncde\r\n"), out, all = in;
	struct dot_decoder d;
	bool done;

	(void)state;
	dot_decoder_init(&d, false);
	assert_int_equal(dot_decode(&d, &in, &out, &done), PARSE_OK);
	assert_ptr_equal(out.p, all.p);
	assert_int_equal(out.n, all.n);
}

static const struct {
	const char	*name, *in, *out;
} encode_cases[] = {
	{ "empty", "", ".\r\n" },
	{ "one line", "a\r\n", "a\r\n.\r\n" },
	{ "last line open", "a\r\nb", "a\r\nb\r\n.\r\n" },
	{ "dots doubled", ".\r\n..\r\na.\r\n.b", "..\r\n...\r\na.\r\n..b\r\n.\r\n" },
	{ "bare LF", "a\nb\n.\n", "a\r\nb\r\n..\r\n.\r\n" },
	{ "bare CR", "a\rb\r.\r", "a\r\nb\r\n..\r\n.\r\n" },
	{ "smuggled end", "a\n.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n" },
	{ "smuggled end 2", "a\r.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n" },
	{ "CR CR LF", "a\r\r\n", "a\r\n\r\n.\r\n" },
	{ "only LF", "\n", "\r\n.\r\n" },
};

static void
encodes_in_parts_of_any_size(void **state)
{
	struct buf out = BUF_INIT(10000);
	struct slice s;
	struct guard g;
	size_t i, n, used;
	unsigned st;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(encode_cases) / sizeof(encode_cases[0]); i++) {
		for (n = 1; n < 8; n++) {
			s = slice_str(encode_cases[i].in);
			for (st = 0, buf_reset(&out); s.n > 0;) {
				used = s.n < n ? s.n : n;
				dot_encode(&st, guard_copy(&g,
				    slice_first(s, used)), &out);
				s = slice_from(s, used);
			}
			dot_encode_end(st, &out);
			assert_slice_equal(buf_slice(&out),
			    slice_str(encode_cases[i].out));
		}
	}
	guard_clear(&g);
	buf_clear(&out);
}

static void
encoder_over_ceiling_changes_nothing(void **state)
{
	struct buf out = BUF_INIT(8);
	unsigned st = 0;

	(void)state;
	assert_int_equal(dot_encode(&st, SLICE_LIT("abc\r\n"), &out), 0);
	assert_int_equal(dot_encode(&st, SLICE_LIT(".a\r\n"), &out), -1);
	assert_int_equal(out.n, 5);
	assert_int_equal(st, 0);
	assert_int_equal(dot_encode_end(st, &out), 0);
	buf_clear(&out);
}

/* What the encoder writes the decoder reads back, and no bare byte is left. */
static void
decoder_reads_what_encoder_writes(void **state)
{
	static const char bytes[] = { '.', '\r', '\n', 'a' };
	struct buf wire = BUF_INIT(1000), back = BUF_INIT(1000),
		   again = BUF_INIT(1000);
	struct dot_decoder d;
	struct slice in, out;
	char content[6];
	unsigned i, j, st;
	bool done;

	(void)state;
	for (i = 0; i < 1u << 12; i++) {
		for (j = 0; j < 6; j++)
			content[j] = bytes[i >> 2 * j & 3];
		buf_reset(&wire);
		buf_reset(&back);
		buf_reset(&again);
		st = 0;
		dot_encode(&st, slice_of(content, 6), &wire);
		dot_encode_end(st, &wire);
		dot_decoder_init(&d, false);
		in = buf_slice(&wire);
		while (dot_decode(&d, &in, &out, &done) == PARSE_OK)
			buf_add(&back, out);
		assert_true(done);
		assert_int_equal(in.n, 0);
		assert_int_equal(d.faults, 0);
		st = 0;
		dot_encode(&st, buf_slice(&back), &again);
		dot_encode_end(st, &again);
		assert_slice_equal(buf_slice(&again), buf_slice(&wire));
	}
	buf_clear(&wire);
	buf_clear(&back);
	buf_clear(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_in_parts_of_any_size),
		cmocka_unit_test(clean_content_is_one_run),
		cmocka_unit_test(encodes_in_parts_of_any_size),
		cmocka_unit_test(encoder_over_ceiling_changes_nothing),
		cmocka_unit_test(decoder_reads_what_encoder_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
