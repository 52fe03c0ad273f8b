/* SPDX-License-Identifier: ISC */
/*
 * message_test - trees of parts, sections, decoding, ENVELOPE, BODYSTRUCTURE.
 *
 * Every message of the tables is parsed whole, against the end of accessible
 * memory, each prefix of it too, and with CRLF for LF; check_message() says
 * what must hold of all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "base/test_guard.h"
#include "mail/message_check.h"

#define TEXT(s)	{ s, sizeof(s) - 1 }

/* Shape: t leaf, m multipart(...), r message(...), o opaque. */
static const struct shape_case {
	struct slice	 in;
	const char	*shape;
	const char	*sizes;		/* of bodies, with CRLF */
} shape_cases[] = {
	{ TEXT(""), "t", "0" },
	{ TEXT("\n"), "t", "0" },
	{ TEXT("\r"), "t", "0" },
	{ TEXT("a: b"), "t", "0" },
	{ TEXT("\n\r\n\n"), "t", "4" },
	{ TEXT("a: b\n\nx\ry\n"), "t", "5" },
	{ TEXT("\0\0\n\n\0\n"), "t", "3" },
	/* a usual one, with preamble and epilogue */
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n"
	       "--b\n\ntwo\n\n--b--\nepi\n"),
	    "m(tt)", "43 3 5" },
	/* no final delimiter; no delimiter; none but the final one */
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n"),
	    "m(t)", "12 5" },
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\nx\n"), "m", "3" },
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\n--b--\n"), "m",
	    "7" },
	/* no boundary, an empty one, no value: text */
	{ TEXT("Content-Type: multipart/mixed\n\n--b\n\nx\n"), "t", "10" },
	{ TEXT("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n"),
	    "t", "9" },
	{ TEXT("Content-Type: multipart/mixed; boundary\n\nx\n"), "t", "3" },
	/* prefixes of each other: the longest is meant */
	{ TEXT("Content-Type: multipart/mixed; boundary=a\n\n--a\n"
	       "Content-Type: multipart/mixed; boundary=ab\n\n--ab\n\nx\n"
	       "--ab--\n--a\n\ny\n--a--\n"),
	    "m(m(t)t)", "87 17 1 1" },
	{ TEXT("Content-Type: multipart/mixed; boundary=ab\n\n--ab\n"
	       "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n"
	       "--ab\n\ny\n--ab--\n"),
	    "m(m(t)t)", "80 8 1 1" },
	{ TEXT("Content-Type: multipart/mixed; boundary=a\n\n--a\n"
	       "Content-Type: multipart/mixed; boundary=\"a--b\"\n\n--a--b\n\n"
	       "x\n--a--b--\n--a--\n"),
	    "m(m(t))", "85 21 1" },
	/* the same boundary within: the innermost takes it */
	{ TEXT("Content-Type: multipart/mixed; boundary=a\n\n--a\n"
	       "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n"
	       "--a\n\ny\n--a--\n"),
	    "m(m(t)t)", "84 15 1 1" },
	/* not delimiters */
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n --b\n"
	       "--bc\n-b\nx--b\n--b-\n"),
	    "m(t)", "35 28" },
	/* white space behind a delimiter; text behind the final one */
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\n--b \t\n\nx\n"
	       "--b--x\n"),
	    "m(t)", "20 1" },
	/* a delimiter within a header section, and right behind one */
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n"
	       "--b\n\n--b--"),
	    "m(tt)", "23 0 0" },
	/* the outer delimiter ends all that is within */
	{ TEXT("Content-Type: multipart/mixed; boundary=o\n\n--o\n"
	       "Content-Type: message/rfc822\n\n"
	       "Content-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n"
	       "--o\n\ny\n--o--\n"),
	    "m(r(m(t))t)", "109 53 8 1 1" },
	/* message in message, with nothing in it */
	{ TEXT("Content-Type: message/rfc822\n\n"), "r(t)", "0 0" },
	{ TEXT("Content-Type: message/global\n\nA: b\n\nx"), "r(t)", "9 1" },
	/* encoded, which is not allowed: bytes */
	{ TEXT("Content-Type: message/rfc822\nContent-Transfer-Encoding: "
	       "base64\n\nQTogYgo="),
	    "o", "8" },
	/* digest: the default type */
	{ TEXT("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n"
	       "--b\nContent-Type: text/plain\n\ny\n--b--\n"),
	    "m(r(t)t)", "61 9 1 1" },
	/* the first Content-Type counts; a folded one; comments; quotes */
	{ TEXT("Content-Type: text/plain\nContent-Type: multipart/mixed; "
	       "boundary=b\n\n--b\n\nx\n--b--\n"),
	    "t", "17" },
	{ TEXT("Content-Type:\n multipart/mixed (a (b) \\) c);\n\tboundary\n =\n"
	       " \"b\\b\" (d)\n\n--bb\n\nx\n--bb--\n"),
	    "m(t)", "19 1" },
	{ TEXT("content-type: MULTIPART/x; boundary=b c\n\n--b c\n\nx\n"),
	    "m(t)", "12 3" },
	{ TEXT("Content-Type: multipart/x; boundary=\"b\n\n--b\n\nx\n"), "m(t)",
	    "10 3" },
	{ TEXT("Content-Type: garbage\n\nx"), "t", "1" },
	{ TEXT("Content-Type: (((((\n\nx"), "t", "1" },
	/* a line that is no field, mbox's From line */
	{ TEXT("From x\nno field\nContent-Type: message/rfc822\n\n"), "r(t)",
	    "0 0" },
	/* 8-bit and NUL in the boundary's line */
	{ TEXT("Content-Type: multipart/x; boundary=\"\xe9\0\"\n\n--\xe9\0\n\nx"),
	    "m(t)", "9 1" },
};

static void
add_shape(struct buf *b, const struct message *m, uint32_t i)
{
	static const char kinds[] = "tmr";
	const struct part *p = &m->parts[i];

	buf_add_byte(b, p->opaque ? 'o' : kinds[p->kind]);
	if (p->first == PART_NONE)
		return;
	buf_add_byte(b, '(');
	for (i = p->first; i != PART_NONE; i = m->parts[i].next)
		add_shape(b, m, i);
	buf_add_byte(b, ')');
}

static void
check_shape(const struct shape_case *c, struct slice in)
{
	struct buf b = BUF_INIT(1000);
	struct message m;
	uint32_t i;

	message_parse(&m, in);
	check_message(&m);
	add_shape(&b, &m, 0);
	assert_slice_equal(buf_slice(&b), slice_str(c->shape));
	buf_reset(&b);
	for (i = 0; i < m.nparts; i++)
		buf_printf(&b, "%s%llu", i == 0 ? "" : " ",
		    (unsigned long long)m.parts[i].body_size);
	assert_slice_equal(buf_slice(&b), slice_str(c->sizes));
	message_clear(&m);
	buf_clear(&b);
}

static void
shapes_of_messages(void **state)
{
	struct buf crlf = BUF_INIT(10000);
	struct guard g;
	struct message m;
	size_t i, n;

	(void)state;
	guard_init(&g, 10000);
	for (i = 0; i < sizeof(shape_cases) / sizeof(shape_cases[0]); i++) {
		const struct shape_case *c = &shape_cases[i];

		check_shape(c, c->in);
		check_shape(c, guard_copy(&g, c->in));
		buf_reset(&crlf);
		assert_int_equal(crlf_add(&crlf, c->in, 0, UINT64_MAX), 0);
		check_shape(c, guard_copy(&g, buf_slice(&crlf)));
		for (n = 0; n < c->in.n; n++) {
			message_parse(&m,
			    guard_copy(&g, slice_first(c->in, n)));
			check_message(&m);
			message_clear(&m);
		}
	}
	guard_clear(&g);
	buf_clear(&crlf);
}

/* ---- limits ------------------------------------------------------------- */

static void
no_message_has_more_parts_than_the_limit(void **state)
{
	struct buf b = BUF_INIT(1 << 24);
	struct message m;
	unsigned i;

	(void)state;
	buf_add_str(&b, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (i = 0; i < 100000; i++)
		buf_add_str(&b, "--b\n\nx\n");
	buf_add_str(&b, "--b--\n");
	message_parse(&m, buf_slice(&b));
	check_message(&m);
	assert_int_equal(m.nparts, MESSAGE_PARTS);
	assert_true(m.parts[MESSAGE_PARTS - 1].opaque);
	assert_int_equal(m.parts[MESSAGE_PARTS - 1].end, b.n);
	assert_int_equal(m.parts[MESSAGE_PARTS - 2].body_size, 1);
	message_clear(&m);
	buf_clear(&b);
}

static void
the_deepest_part_is_opaque(void **state)
{
	static const char *const starts[] = {
		"Content-Type: multipart/mixed; boundary=b%u\n\n--b%u\n",
		"Content-Type: message/rfc822\n\n",
	};
	struct buf b = BUF_INIT(1 << 24);
	struct message m;
	unsigned i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		buf_reset(&b);
		for (i = 0; i < 5000; i++)
			k == 0 ?
			    buf_printf(&b, "Content-Type: multipart/mixed; "
				     "boundary=b%u\n\n--b%u\n", i, i) :
				 buf_add_str(&b, starts[k]);
		message_parse(&m, buf_slice(&b));
		check_message(&m);
		assert_int_equal(m.nparts, MESSAGE_DEPTH);
		assert_true(m.parts[MESSAGE_DEPTH - 1].opaque);
		message_clear(&m);
	}
	buf_clear(&b);
}

/* Many levels whose boundaries differ in the last byte only, and lines that
 * come as near as can be. */
static void
near_boundaries_cost_little(void **state)
{
	struct buf b = BUF_INIT(1 << 24);
	struct message m;
	clock_t from;
	unsigned i;

	(void)state;
	for (i = 0; i < MESSAGE_DEPTH - 2; i++)
		buf_printf(&b,
		    "Content-Type: multipart/x; boundary=\"%0200u%c\""
		    "\n\n--%0200u%c\n", 0U, (char)(i + 'A'), 0U, (char)(i + 'A'));
	buf_add_str(&b, "\n");
	for (i = 0; i < 20000; i++)
		buf_printf(&b, "--%0200u!\n", 0U);
	from = clock();
	message_parse(&m, buf_slice(&b));
	assert_true(clock() - from < 2 * CLOCKS_PER_SEC);
	check_message(&m);
	message_clear(&m);
	buf_clear(&b);
}

static void
megabytes_of_header_and_parameters_are_bounded(void **state)
{
	static const char *const repeated[] = {
		"X: y\n", " folded\n", "; a*0=b", "; a*1*=%41", "; x=\"", "(", ")",
		"a@b, ", "<", ":", "\"", "\\", "=?utf-8?q?=41", "=?utf-8?b?QQ?= ",
		"[", "a:b;", ",", "<@a:", "re: ", "[a]", "[fwd: ",
	};
	static const char *const fields[] = { "Content-Type: a/b", "To: ",
		"Subject: ", "X" };
	struct buf b = BUF_INIT(1 << 24), out = BUF_INIT(1 << 26);
	struct message m;
	size_t i, k, n;
	clock_t from;

	(void)state;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (k = 0; k < sizeof(repeated) / sizeof(repeated[0]); k++) {
			buf_reset(&b);
			buf_add_str(&b, fields[i]);
			for (n = 0; b.n < 1 << 20; n++)
				buf_add_str(&b, repeated[k]);
			buf_add_str(&b, "\n\nbody");
			from = clock();
			message_parse(&m, buf_slice(&b));
			buf_reset(&out);
			imap_envelope(&out, part_header(&m, &m.parts[0]), 0);
			imap_bodystructure(&out, &m, 0);
			if (clock() - from > 2 * CLOCKS_PER_SEC)
				fail_msg("%s %s: %ld clocks", fields[i],
				    repeated[k], (long)(clock() - from));
			message_clear(&m);
		}
	}
	buf_clear(&b);
	buf_clear(&out);
}

static void
a_table_that_does_not_fit_is_refused(void **state)
{
	struct slice in = shape_cases[20].in;
	struct buf b = BUF_INIT(10000);
	struct message m, again;
	size_t i, n;
	char was;

	(void)state;
	message_parse(&m, in);
	assert_int_equal(message_put_parts(&m, &b), 0);
	for (n = 0; n < b.n; n++)
		assert_false(message_restore(&again, in,
		    slice_first(buf_slice(&b), n)));
	/* Whatever is in it: no more than the message is touched. */
	for (i = 0; i < b.n; i++) {
		for (n = 1; n < 256; n++) {
			was = b.p[i];
			b.p[i] = (char)(was ^ (int)n);
			if (message_restore(&again, in, buf_slice(&b))) {
				for (uint32_t k = 0; k < again.nparts; k++)
					assert_true(again.parts[k].end <= in.n);
				message_clear(&again);
			}
			b.p[i] = was;
		}
	}
	message_clear(&m);
	buf_clear(&b);
}

/* ---- sections ----------------------------------------------------------- */

static const struct slice nested = TEXT(
    "Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\n--o\n"
    "X-A: 1\n\none\n--o\nContent-Type: message/rfc822\nX-B: 2\n\n"
    "Subject: inner\nContent-Type: multipart/alternative; boundary=i\n\n--i\n"
    "\nplain\n--i\nContent-Type: text/html\n\n<p>\n--i--\n--o\n"
    "Content-Type: message/rfc822\n\nSubject: leaf\n\nbody\n--o--\n");

static const struct {
	uint32_t	 path[4];
	size_t		 n;
	enum section_what what;
	const char	*want;		/* NULL: there is none */
} section_cases[] = {
	{ { 0 }, 0, SECTION_HEADER, "Subject: outer\r\nContent-Type: "
				    "multipart/mixed; boundary=o\r\n\r\n" },
	{ { 0 }, 0, SECTION_MIME, NULL },
	{ { 1 }, 1, SECTION_ALL, "one" },
	{ { 1 }, 1, SECTION_MIME, "X-A: 1\r\n\r\n" },
	{ { 1 }, 1, SECTION_HEADER, NULL },
	{ { 1 }, 1, SECTION_TEXT, NULL },
	{ { 1, 1 }, 2, SECTION_ALL, NULL },
	{ { 0 }, 1, SECTION_ALL, NULL },
	{ { 2 }, 1, SECTION_MIME, "Content-Type: message/rfc822\r\nX-B: 2\r\n"
				  "\r\n" },
	{ { 2 }, 1, SECTION_HEADER, "Subject: inner\r\nContent-Type: multipart/"
				    "alternative; boundary=i\r\n\r\n" },
	{ { 2 }, 1, SECTION_TEXT, "--i\r\n\r\nplain\r\n--i\r\nContent-Type: "
				  "text/html\r\n\r\n<p>\r\n--i--" },
	{ { 2, 1 }, 2, SECTION_ALL, "plain" },
	{ { 2, 1 }, 2, SECTION_MIME, "\r\n" },
	{ { 2, 2 }, 2, SECTION_ALL, "<p>" },
	{ { 2, 3 }, 2, SECTION_ALL, NULL },
	{ { 2, UINT32_MAX }, 2, SECTION_ALL, NULL },
	{ { 3 }, 1, SECTION_ALL, "Subject: leaf\r\n\r\nbody" },
	{ { 3, 1 }, 2, SECTION_ALL, "body" },
	{ { 3, 1 }, 2, SECTION_MIME, "Subject: leaf\r\n\r\n" },
	{ { 3, 2 }, 2, SECTION_ALL, NULL },
	{ { 3, 1, 1 }, 3, SECTION_ALL, NULL },
	{ { 4 }, 1, SECTION_ALL, NULL },
};

static void
sections_of_a_message(void **state)
{
	struct buf b = BUF_INIT(10000);
	struct section s = { 0 };
	struct message m;
	struct slice stored;
	uint64_t size;
	size_t i;

	(void)state;
	message_parse(&m, nested);
	for (i = 0; i < sizeof(section_cases) / sizeof(section_cases[0]); i++) {
		s.path = section_cases[i].path;
		s.npath = section_cases[i].n;
		s.what = section_cases[i].what;
		if (section_cases[i].want == NULL) {
			assert_false(message_section(&m, &s, &stored, &size));
			continue;
		}
		assert_true(message_section(&m, &s, &stored, &size));
		buf_reset(&b);
		assert_int_equal(crlf_add(&b, stored, 0, UINT64_MAX), 0);
		assert_slice_equal(buf_slice(&b),
		    slice_str(section_cases[i].want));
		assert_int_equal(size, b.n);
	}
	message_clear(&m);
	buf_clear(&b);
}

static void
header_fields_are_picked_by_name(void **state)
{
	struct slice header = SLICE_LIT("A: 1\nbad line\nb:\n 2\nC: 3\r\nA: 4");
	struct slice names[] = { SLICE_LIT("a"), SLICE_LIT("B") };
	struct section s = { .fields = names, .nfields = 2,
		.what = SECTION_FIELDS };
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(section_fields(&b, header, &s), 0);
	assert_slice_equal(buf_slice(&b),
	    SLICE_LIT("A: 1\r\nb:\r\n 2\r\nA: 4\r\n\r\n"));
	buf_reset(&b);
	s.what = SECTION_FIELDS_NOT;
	assert_int_equal(section_fields(&b, header, &s), 0);
	assert_slice_equal(buf_slice(&b), SLICE_LIT("C: 3\r\n\r\n"));
	buf_clear(&b);
}

static void
line_ends_become_crlf_at_any_cut(void **state)
{
	struct slice in = SLICE_LIT("a\nb\r\nc\r\r\n\n\n\rd\r");
	struct slice want = SLICE_LIT("a\r\nb\r\nc\r\r\n\r\n\r\n\rd\r");
	struct buf b = BUF_INIT(100);
	struct crlf_reader r;
	char out[100];
	size_t from, n, step, got;

	(void)state;
	assert_int_equal(crlf_size(in), want.n);
	for (step = 1; step <= want.n; step++) {
		crlf_reader_init(&r, in);
		for (n = 0; (got = crlf_read(&r, out + n, step)) > 0; n += got)
			;
		assert_slice_equal(slice_of(out, n), want);
	}
	for (from = 0; from <= want.n; from++) {
		for (n = 0; n <= want.n - from; n++) {
			buf_reset(&b);
			assert_int_equal(crlf_add(&b, in, from, n), 0);
			assert_slice_equal(buf_slice(&b),
			    slice_of(want.p + from, n));
		}
	}
	buf_reset(&b);
	assert_int_equal(crlf_add(&b, in, want.n + 5, 5), 0);
	assert_int_equal(b.n, 0);
	buf_clear(&b);
}

static const struct {
	enum mime_encoding encoding;
	struct slice	 in, want;
} decode_cases[] = {
	{ ENCODING_7BIT, TEXT("a\nb"), TEXT("a\r\nb") },
	{ ENCODING_BINARY, TEXT("\0\r\n"), TEXT("\0\r\n") },
	{ ENCODING_BASE64, TEXT(""), TEXT("") },
	{ ENCODING_BASE64, TEXT("aGVs\r\nbG8="), TEXT("hello") },
	{ ENCODING_BASE64, TEXT("aGVsbG8"), TEXT("hello") },
	{ ENCODING_BASE64, TEXT("aGVsbA=="), TEXT("hell") },
	{ ENCODING_BASE64, TEXT("aG*V\x80sb A"), TEXT("hell") },
	{ ENCODING_BASE64, TEXT("YQ==YQ=="), TEXT("aa") },
	{ ENCODING_BASE64, TEXT("Y"), TEXT("") },
	{ ENCODING_BASE64, TEXT("===="), TEXT("") },
	{ ENCODING_QP, TEXT("a=3D=\nb=3d \n=4"), TEXT("a=b=\r\n=4") },
	{ ENCODING_QP, TEXT("x=\r\ny"), TEXT("xy") },
	{ ENCODING_QP, TEXT("x= \t\r\ny \r\n"), TEXT("xy\r\n") },
	{ ENCODING_QP, TEXT("=zz=4=41="), TEXT("=zz=4A") },
	{ ENCODING_QP, TEXT("a\rb"), TEXT("a\rb") },
};

static void
bodies_are_decoded(void **state)
{
	struct buf b = BUF_INIT(100), small = BUF_INIT(3);
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(decode_cases) / sizeof(decode_cases[0]); i++) {
		buf_reset(&b);
		assert_int_equal(mime_decode(decode_cases[i].encoding,
		    guard_copy(&g, decode_cases[i].in), &b), DECODE_OK);
		assert_slice_equal(buf_slice(&b), decode_cases[i].want);
		buf_reset(&small);
		mime_decode(decode_cases[i].encoding, decode_cases[i].in,
		    &small);
		assert_true(small.n <= 3);
	}
	assert_int_equal(mime_decode(ENCODING_OTHER, SLICE_EMPTY, &b),
	    DECODE_UNKNOWN);
	guard_clear(&g);
	buf_clear(&b);
	buf_clear(&small);
}

/* With windows of w bytes, or of twice as many until there is a piece. */
static void
decode_in_pieces(enum mime_encoding encoding, struct slice in, size_t w,
    struct buf *b)
{
	struct mime_decoder d;
	size_t n, piece;
	bool last = in.n == 0;

	mime_decoder_init(&d, encoding);
	while (!last) {
		for (n = w, piece = 0; piece == 0 && !last; n *= 2) {
			n = n < in.n ? n : in.n;
			last = n == in.n;
			piece = mime_piece(&d, slice_first(in, n), last);
		}
		assert_int_equal(mime_decode_piece(&d, slice_first(in, piece),
		    last, b), 0);
		in = slice_from(in, piece);
	}
}

static void
bodies_are_decoded_in_pieces(void **state)
{
	static const char bytes[] = "aB9+/ =\t\r\n=4";
	struct buf whole = BUF_INIT(200), b = BUF_INIT(200);
	char text[24];
	size_t i, k, w, n;
	unsigned e;

	(void)state;
	for (i = 0; i < sizeof(decode_cases) / sizeof(decode_cases[0]); i++)
		for (w = 1; w < 12; w++) {
			buf_reset(&b);
			decode_in_pieces(decode_cases[i].encoding,
			    decode_cases[i].in, w, &b);
			assert_slice_equal(buf_slice(&b), decode_cases[i].want);
		}
	srandom(1);
	for (i = 0; i < 20000; i++) {
		n = (size_t)random() % sizeof(text);
		for (k = 0; k < n; k++)
			text[k] = bytes[(size_t)random() % (sizeof(bytes) - 1)];
		for (e = ENCODING_7BIT; e < ENCODING_OTHER; e++) {
			buf_reset(&whole);
			buf_reset(&b);
			mime_decode(e, slice_of(text, n), &whole);
			decode_in_pieces(e, slice_of(text, n),
			    1 + (size_t)random() % 8, &b);
			assert_slice_equal(buf_slice(&b), buf_slice(&whole));
		}
	}
	buf_clear(&whole);
	buf_clear(&b);
}

/* ---- ENVELOPE and BODYSTRUCTURE ----------------------------------------- */

static const struct {
	struct slice	 in;
	const char	*want;
} address_cases[] = {
	{ TEXT(""), "NIL" },
	{ TEXT(" \t"), "NIL" },
	{ TEXT("a@b"), "((NIL NIL \"a\" \"b\"))" },
	{ TEXT("<a@b>"), "((NIL NIL \"a\" \"b\"))" },
	{ TEXT("A B <a@b>"), "((\"A B\" NIL \"a\" \"b\"))" },
	{ TEXT("\"A, \\\"B\\\"\" <a@b>,c@d"),
	    "((\"A, \\\"B\\\"\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ TEXT("a@b (A (B) \\) C)"), "((\"A (B) ) C\" NIL \"a\" \"b\"))" },
	{ TEXT("a . b @ c . d"), "((NIL NIL \"a.b\" \"c.d\"))" },
	{ TEXT("\"a b\"@c"), "((NIL NIL \"a b\" \"c\"))" },
	{ TEXT("a@[IPv6:::1]"), "((NIL NIL \"a\" \"[IPv6:::1]\"))" },
	{ TEXT("<@r,@s:a@b>"), "((NIL \"@r,@s\" \"a\" \"b\"))" },
	{ TEXT("G: a@b, C <c@d>;, e@f"),
	    "((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(\"C\" NIL \"c\" \"d\")"
	    "(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\"))" },
	{ TEXT("undisclosed-recipients:;"),
	    "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL))" },
	/* a group that does not end; one within another; what ends none */
	{ TEXT("G: a@b"),
	    "((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
	{ TEXT("G: H: a@b;"),
	    "((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
	{ TEXT("a@b;c@d"), "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	/* no host; no address; nothing closed */
	{ TEXT("root"), "((NIL NIL \"root\" \"\"))" },
	{ TEXT("root (Charlie)"), "((\"Charlie\" NIL \"root\" \"\"))" },
	{ TEXT("A B"), "((NIL NIL \"A B\" \"\"))" },
	{ TEXT("A <>"), "((\"A\" NIL \"\" \"\"))" },
	{ TEXT("A <a@b"), "((\"A\" NIL \"a\" \"b\"))" },
	{ TEXT("\"A <a@b>"), "((NIL NIL \"A <a@b>\" \"\"))" },
	{ TEXT("a@b (x"), "((\"x\" NIL \"a\" \"b\"))" },
	{ TEXT("a@b@c"), "((NIL NIL \"a@b\" \"c\"))" },
	{ TEXT(",,, ;"), "NIL" },
	/* folded, 8-bit, NUL */
	{ TEXT("A\r\n\tB <a@b>"), "((\"A B\" NIL \"a\" \"b\"))" },
	{ TEXT("\xc3\xa9 <a@b>"), "(({2}\r\n\xc3\xa9 NIL \"a\" \"b\"))" },
	{ TEXT("a\0@b"), "((NIL NIL \"a\" \"b\"))" },
};

static void
address_lists(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct guard g;
	size_t i, n;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(address_cases) / sizeof(address_cases[0]); i++) {
		struct slice in = guard_copy(&g, address_cases[i].in);

		buf_reset(&b);
		assert_int_equal(imap_addresses(&b, in, 0), 0);
		assert_slice_equal(buf_slice(&b),
		    slice_str(address_cases[i].want));
		for (n = 0; n < in.n; n++) {
			buf_reset(&b);
			imap_addresses(&b, guard_copy(&g,
			    slice_first(address_cases[i].in, n)), 0);
		}
	}
	guard_clear(&g);
	buf_clear(&b);
}

static const struct {
	struct slice	 in;
	const char	*want;
} envelope_cases[] = {
	{ TEXT("\n"), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
	{ TEXT("Subject: a \"b\\\"\n c\nsubject: second\nFrom: a@b\nSender:\n"
	       "Date: d\nMessage-Id: <i>\n\n"),
	    "(\"d\" \"a \\\"b\\\\\\\" c\" ((NIL NIL \"a\" \"b\")) ((NIL NIL "
	    "\"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL \"<i>\")" },
	{ TEXT("Subject:\nFrom: a@b\nSender: s@t\nReply-To: r@t\n\n"),
	    "(NIL \"\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"s\" \"t\")) ((NIL "
	    "NIL \"r\" \"t\")) NIL NIL NIL NIL NIL)" },
	{ TEXT("Subject: \xc3\xa9\n\n"),
	    "(NIL {2}\r\n\xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL)" },
};

static void
envelopes(void **state)
{
	struct buf b = BUF_INIT(10000);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(envelope_cases) / sizeof(envelope_cases[0]);
	    i++) {
		buf_reset(&b);
		assert_int_equal(imap_envelope(&b, envelope_cases[i].in, 0), 0);
		assert_slice_equal(buf_slice(&b),
		    slice_str(envelope_cases[i].want));
	}
	buf_reset(&b);
	assert_int_equal(imap_envelope(&b, envelope_cases[3].in, IMAP_UTF8), 0);
	assert_slice_equal(buf_slice(&b), SLICE_LIT("(NIL \"\xc3\xa9\" NIL NIL "
	    "NIL NIL NIL NIL NIL NIL)"));
	/* Half a character is none. */
	buf_reset(&b);
	assert_int_equal(imap_nstring(&b, SLICE_LIT("\xc3"), IMAP_UTF8), 0);
	assert_slice_equal(buf_slice(&b), SLICE_LIT("{1}\r\n\xc3"));
	buf_clear(&b);
}

#define PLAIN	"NIL NIL \"7bit\" "
static const struct {
	struct slice	 in;
	const char	*structure, *body;
} structure_cases[] = {
	{ TEXT("\nx\n"),
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") " PLAIN
	    "3 1 NIL NIL NIL NIL)",
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") " PLAIN "3 1)" },
	{ TEXT("Content-Type: application/pdf; name=a b.pdf (c)\n"
	       "Content-Transfer-Encoding: x-uue\nContent-ID: <i>\n"
	       "Content-Description: d\nContent-MD5: m==\n"
	       "Content-Disposition: inline; filename*0*=utf-8''%e4; "
	       "filename*1=\"b c\"\nContent-Language: de, (x) en\n"
	       "Content-Location: http://x/\n\nx"),
	    "(\"application\" \"pdf\" (\"name\" \"a b.pdf\") \"<i>\" \"d\" "
	    "\"x-uue\" 1 \"m==\" (\"inline\" (\"filename*\" "
	    "\"utf-8''%e4b%20c\")) (\"de\" \"en\") \"http://x/\")",
	    "(\"application\" \"pdf\" (\"name\" \"a b.pdf\") \"<i>\" \"d\" "
	    "\"x-uue\" 1)" },
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n\n"),
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") " PLAIN
	    "0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)",
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") " PLAIN "0 0) "
	    "\"mixed\")" },
	{ TEXT("Content-Type: multipart/mixed; boundary=b\n"
	       "Content-Disposition: attachment\n\n--b\n"
	       "Content-Type: message/rfc822\n\nSubject: {3}\n\nx\n--b--\n"),
	    "((\"message\" \"rfc822\" NIL " PLAIN "17 (NIL \"{3}\" NIL NIL NIL "
	    "NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" "
	    "\"us-ascii\") " PLAIN "1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) "
	    "\"mixed\" (\"boundary\" \"b\") (\"attachment\" NIL) NIL NIL)",
	    "((\"message\" \"rfc822\" NIL " PLAIN "17 (NIL \"{3}\" NIL NIL NIL "
	    "NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" "
	    "\"us-ascii\") " PLAIN "1 0) 2) \"mixed\")" },
};

static void
body_structures(void **state)
{
	struct buf b = BUF_INIT(10000), c = BUF_INIT(10000);
	struct message m;
	struct guard g;
	size_t i, n;

	(void)state;
	guard_init(&g, 10000);
	for (i = 0; i < sizeof(structure_cases) / sizeof(structure_cases[0]);
	    i++) {
		message_parse(&m, structure_cases[i].in);
		buf_reset(&b);
		buf_reset(&c);
		assert_int_equal(imap_bodystructure(&b, &m, 0), 0);
		assert_slice_equal(buf_slice(&b),
		    slice_str(structure_cases[i].structure));
		assert_int_equal(imap_body(&c, buf_slice(&b)), 0);
		assert_slice_equal(buf_slice(&c),
		    slice_str(structure_cases[i].body));
		for (n = 0; n < b.n; n++)
			assert_int_equal(imap_body(&c, guard_copy(&g,
			    slice_first(buf_slice(&b), n))), -1);
		message_clear(&m);
	}
	guard_clear(&g);
	buf_clear(&b);
	buf_clear(&c);
}

/* ---- parameters --------------------------------------------------------- */

static const struct {
	const char	*in;		/* behind the type */
	const char	*want;		/* "name=value|..." */
} param_cases[] = {
	{ "", "" }, { ";", "" }, { "; a", "" }, { ";;; a=b;;", "a=b" },
	{ "; a=b; c=\"d;e\"", "a=b|c=d;e" }, { "; a=\"b", "a=b" },
	{ "; a=", "a=" }, { "; =b; c=d", "c=d" }, { " a=b", "a=b" },
	{ "; a=b c; d=e", "a=b c|d=e" }, { "; a=\"b\" junk; c=d", "a=b|c=d" },
	{ "; a*=utf-8'en'%41", "a*=utf-8'en'%41" },
	{ "; a*1=c; a*0=b", "a=bc" }, { "; a*0=b; a*2=c", "a=b" },
	{ "; a*1=b", "" }, { "; a*0=b; A*1*=%43", "a*=''b%43" },
	{ "; a*0*=x''%41; a*1=\"b c\"; d=e", "d=e|a*=x''%41b%20c" },
	{ "; a*00=b; a*99999999999999999999=c", "a*99999999999999999999=c|a=b" },
	{ "; *0=b; *=c", "*0=b|*=c" },
};

static void
parameters(void **state)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct buf b = BUF_INIT(1000);
	struct mime_params p;
	struct guard g;
	size_t i, k;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(param_cases) / sizeof(param_cases[0]); i++) {
		mime_params_parse(&a, guard_copy(&g,
		    slice_str(param_cases[i].in)), &p);
		buf_reset(&b);
		for (k = 0; k < p.n; k++)
			buf_printf(&b, "%s%.*s=%.*s", k == 0 ? "" : "|",
			    SLICE_ARG(p.v[k].name), SLICE_ARG(p.v[k].value));
		assert_slice_equal(buf_slice(&b),
		    slice_str(param_cases[i].want));
	}
	guard_clear(&g);
	arena_clear(&a);
	buf_clear(&b);
}

static void
parameters_are_decoded(void **state)
{
	static const struct {
		const char	*in, *want;
	} cases[] = {
		{ "; name*=utf-8''%c3%a9.txt", "\xc3\xa9.txt" },
		{ "; name=\"=?iso-8859-1?Q?=E9?=\"", "\xc3\xa9" },
		{ "; name=a; name*=iso-8859-1''%e9", "\xc3\xa9" },
		{ "; name=n", "n" },
		{ "; name*0*=''%e9%zz", "\xc3\xa9%zz" },
	};
	struct arena a = ARENA_INIT(1 << 20);
	struct mime_params p;
	struct slice text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mime_params_parse(&a, slice_str(cases[i].in), &p);
		assert_true(mime_param_text(&a, &p, "name", &text));
		assert_slice_equal(text, slice_str(cases[i].want));
		assert_false(mime_param_text(&a, &p, "nam", &text));
	}
	arena_clear(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_of_messages),
		cmocka_unit_test(no_message_has_more_parts_than_the_limit),
		cmocka_unit_test(the_deepest_part_is_opaque),
		cmocka_unit_test(near_boundaries_cost_little),
		cmocka_unit_test(megabytes_of_header_and_parameters_are_bounded),
		cmocka_unit_test(a_table_that_does_not_fit_is_refused),
		cmocka_unit_test(sections_of_a_message),
		cmocka_unit_test(header_fields_are_picked_by_name),
		cmocka_unit_test(line_ends_become_crlf_at_any_cut),
		cmocka_unit_test(bodies_are_decoded),
		cmocka_unit_test(bodies_are_decoded_in_pieces),
		cmocka_unit_test(address_lists),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(body_structures),
		cmocka_unit_test(parameters),
		cmocka_unit_test(parameters_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
