/* SPDX-License-Identifier: ISC */
/* downgrade_test - messages and what becomes of them; the encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "mail/downgrade.h"
#include "mail/mime.h"

#define E_ACUTE	"\xc3\xa9"
#define CTE	"Content-Transfer-Encoding: "
#define TEXT8	"Content-Type: text/plain; charset=utf-8\r\n" CTE "8bit\r\n"
#define TEXTQ	"Content-Type: text/plain; charset=utf-8\r\n" CTE	\
		"quoted-printable\r\n"
#define V	"MIME-Version: 1.0\r\n"
#define LONG10	"0123456789"
#define LONG100	LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 \
		LONG10 LONG10
#define LONG1000 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 \
		LONG100 LONG100 LONG100

static const struct {
	const char	*name;
	const char	*in;
	size_t		 n;		/* bytes behind the first NUL */
	enum body_type	 to;
	enum downgrade	 result;
	const char	*out;		/* of DONE */
} cases[] = {
	{ "nothing to do", "A: b\r\n\r\nc\r\n", 0, BODY_7BIT,
	    DOWNGRADE_NOT_NEEDED, NULL },
	{ "8-bit is fine for 8-bit", V TEXT8 "\r\n" E_ACUTE "\r\n", 0,
	    BODY_8BITMIME, DOWNGRADE_NOT_NEEDED, NULL },
	{ "text", "From: x\r\n" V TEXT8 "\r\n" E_ACUTE " and more text =\r\n",
	    0, BODY_7BIT, DOWNGRADE_DONE,
	    "From: x\r\n" V TEXTQ "\r\n=C3=A9 and more text =3D\r\n" },
	{ "not MIME", "From: x\r\n\r\nabcdefgh" E_ACUTE "\r\n", 0, BODY_7BIT,
	    DOWNGRADE_DONE,
	    "From: x\r\n" V "Content-Type: text/plain; charset=unknown-8bit\r\n"
	    CTE "quoted-printable\r\n\r\nabcdefgh=C3=A9\r\n" },
	{ "no fields", "\r\nabcdefgh" E_ACUTE, 0, BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: text/plain; charset=unknown-8bit\r\n"
	    CTE "quoted-printable\r\n\r\nabcdefgh=C3=A9" },
	{ "mostly 8-bit text", V TEXT8 "\r\n" E_ACUTE E_ACUTE, 0, BODY_7BIT,
	    DOWNGRADE_DONE, V "Content-Type: text/plain; charset=utf-8\r\n"
	    CTE "base64\r\n\r\nw6nDqQ==\r\n" },
	{ "image", V "Content-Type: image/png\r\n" CTE "8bit\r\n\r\n\x89PNG", 0,
	    BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: image/png\r\n" CTE "base64\r\n\r\niVBORw==\r\n" },
	{ "binary to 8bit", V "Content-Type: image/png\r\n" CTE
	    "binary\r\n\r\na\0b", 2, BODY_8BITMIME, DOWNGRADE_DONE,
	    V "Content-Type: image/png\r\n" CTE "base64\r\n\r\nYQBi\r\n" },
	{ "binary with a bare LF", V TEXT8 "\r\na\nb\r\n", 0, BODY_8BITMIME,
	    DOWNGRADE_DONE, V TEXTQ "\r\na=0Ab\r\n" },
	{ "binary with long lines", V "Content-Type: a/b\r\n" CTE
	    "binary\r\n\r\n" LONG1000, 0, BODY_8BITMIME, DOWNGRADE_DONE, NULL },
	{ "multipart", V "Content-Type: multipart/mixed;\r\n\tboundary=\"b b\""
	    "\r\n" CTE "8bit\r\n\r\n" "pre\r\n--b b\r\n" TEXT8 "\r\nabcdefg"
	    E_ACUTE "\r\n--b b x\r\n\r\nplain\r\n--b b--\r\nepi\r\n", 0,
	    BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: multipart/mixed;\r\n\tboundary=\"b b\""
	    "\r\n" CTE "7bit\r\n\r\n" "pre\r\n--b b\r\n" TEXTQ "\r\nabcdefg"
	    "=C3=A9\r\n--b b x\r\n\r\nplain\r\n--b b--\r\nepi\r\n" },
	{ "filler with 8-bit is dropped", V "Content-Type: multipart/mixed; "
	    "boundary=b\r\n\r\n" E_ACUTE "\r\n--b\r\n--b\r\n\r\n--b--\r\n"
	    E_ACUTE, 0, BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: multipart/mixed; boundary=b\r\n" CTE "7bit\r\n\r\n"
	    "\r\n--b\r\n--b\r\n\r\n--b--\r\n" },
	{ "no last delimiter", V "Content-Type: multipart/mixed; boundary=b\r\n"
	    "\r\n--b\r\n" TEXT8 "\r\nabcdefgh" E_ACUTE, 0, BODY_7BIT,
	    DOWNGRADE_DONE, V "Content-Type: multipart/mixed; boundary=b\r\n"
	    CTE "7bit\r\n\r\n--b\r\n" TEXTQ "\r\nabcdefgh=C3=A9" },
	{ "nested, with boundaries alike", V "Content-Type: multipart/mixed; "
	    "boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative;"
	    " boundary=bb\r\n\r\n--bb\r\n" TEXT8 "\r\nabcdefgh" E_ACUTE
	    "\r\n--bb--\r\n--b--\r\n", 0, BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: multipart/mixed; "
	    "boundary=b\r\n" CTE "7bit\r\n\r\n--b\r\nContent-Type: "
	    "multipart/alternative; boundary=bb\r\n" CTE "7bit\r\n\r\n--bb\r\n"
	    TEXTQ "\r\nabcdefgh=C3=A9\r\n--bb--\r\n--b--\r\n" },
	{ "forwarded message", V "Content-Type: message/rfc822\r\n\r\n"
	    "From: y\r\n\r\nabcdefgh" E_ACUTE, 0, BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\n"
	    "From: y\r\n" V
	    "Content-Type: text/plain; charset=unknown-8bit\r\n"
	    CTE "quoted-printable\r\n\r\nabcdefgh=C3=A9" },
	{ "digest", V "Content-Type: multipart/digest; boundary=b\r\n\r\n"
	    "--b\r\n\r\nFrom: y\r\n" V TEXT8 "\r\nabcdefgh" E_ACUTE
	    "\r\n--b--\r\n", 0, BODY_7BIT, DOWNGRADE_DONE,
	    V "Content-Type: multipart/digest; boundary=b\r\n" CTE "7bit\r\n"
	    "\r\n--b\r\n" CTE "7bit\r\n\r\nFrom: y\r\n" V TEXTQ
	    "\r\nabcdefgh=C3=A9\r\n--b--\r\n" },
	{ "signed", V "Content-Type: multipart/signed; boundary=b\r\n\r\n"
	    "--b\r\n" TEXT8 "\r\n" E_ACUTE "\r\n--b--\r\n", 0, BODY_7BIT,
	    DOWNGRADE_IMPOSSIBLE, NULL },
	{ "signed, long lines only", V "Content-Type: multipart/signed; "
	    "boundary=b\r\n\r\n--b\r\n" LONG1000 "\r\n--b--\r\n", 0, BODY_7BIT,
	    DOWNGRADE_DONE, V "Content-Type: multipart/signed; "
	    "boundary=b\r\n\r\n--b\r\n" LONG1000 "\r\n--b--\r\n" },
	{ "8-bit header", "From: " E_ACUTE "\r\n\r\nx\r\n", 0, BODY_7BIT,
	    DOWNGRADE_IMPOSSIBLE, NULL },
	{ "partial", V "Content-Type: message/partial\r\n\r\n" E_ACUTE, 0,
	    BODY_7BIT, DOWNGRADE_IMPOSSIBLE, NULL },
	{ "says base64 and is not", V "Content-Type: a/b\r\n" CTE
	    "base64\r\n\r\n" E_ACUTE, 0, BODY_7BIT, DOWNGRADE_IMPOSSIBLE,
	    NULL },
	{ "multipart without boundary", V "Content-Type: multipart/mixed\r\n"
	    "\r\n" E_ACUTE, 0, BODY_7BIT, DOWNGRADE_IMPOSSIBLE, NULL },
	{ "multipart without delimiter", V "Content-Type: multipart/mixed; "
	    "boundary=b\r\n\r\n--bc\r\n" E_ACUTE, 0, BODY_7BIT,
	    DOWNGRADE_IMPOSSIBLE, NULL },
};

static void
messages(void **state)
{
	struct buf out = BUF_INIT(10000);
	struct slice in;
	struct guard g;
	const char *why;
	size_t i;

	(void)state;
	guard_init(&g, 10000);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].name);
		buf_reset(&out);
		in = slice_of(cases[i].in,
		    strlen(cases[i].in) + cases[i].n);
		assert_int_equal(downgrade(guard_copy(&g, in), cases[i].to,
		    &out, &why), cases[i].result);
		assert_int_equal(why != NULL,
		    cases[i].result == DOWNGRADE_IMPOSSIBLE);
		if (cases[i].result != DOWNGRADE_DONE)
			assert_int_equal(out.n, 0);
		else if (cases[i].out != NULL)
			assert_slice_equal(buf_slice(&out),
			    slice_str(cases[i].out));
		/* Whatever came out needs nothing more. */
		if (cases[i].result == DOWNGRADE_DONE &&
		    strstr(cases[i].name, "signed") == NULL)
			assert_int_equal(downgrade(buf_slice(&out),
			    cases[i].to, &out, &why), DOWNGRADE_NOT_NEEDED);
	}
	buf_clear(&out);
	guard_clear(&g);
}

static void
every_cut_of_every_message_ends_well(void **state)
{
	struct buf out = BUF_INIT(10000);
	struct guard g;
	const char *why;
	size_t i, n;

	(void)state;
	guard_init(&g, 10000);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (n = 0; n < strlen(cases[i].in); n++) {
			buf_reset(&out);
			downgrade(guard_copy(&g,
			    slice_of(cases[i].in, n)), cases[i].to, &out,
			    &why);
		}
	}
	buf_clear(&out);
	guard_clear(&g);
}

static void
depth_parts_and_size_are_limited(void **state)
{
	struct buf in = BUF_INIT(1000000), out = BUF_INIT(2000000),
		   small = BUF_INIT(10);
	const char *why;
	unsigned i;

	(void)state;
	for (i = 0; i < MIME_DEPTH + 2; i++)
		buf_printf(&in, "Content-Type: multipart/mixed; boundary=b%u"
		    "\r\n\r\n--b%u\r\n", i, i);
	buf_add_str(&in, "\r\n" E_ACUTE);
	assert_int_equal(downgrade(buf_slice(&in), BODY_7BIT, &out, &why),
	    DOWNGRADE_IMPOSSIBLE);
	buf_reset(&in);
	buf_add_str(&in, "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "--b\r\n\r\n" E_ACUTE);
	for (i = 0; i < MIME_PARTS; i++)
		buf_add_str(&in, "\r\n--b\r\n\r\nx");
	assert_int_equal(downgrade(buf_slice(&in), BODY_7BIT, &out, &why),
	    DOWNGRADE_IMPOSSIBLE);
	assert_int_equal(downgrade(SLICE_LIT("a: b\r\n\r\n" E_ACUTE), BODY_7BIT,
	    &small, &why), DOWNGRADE_IMPOSSIBLE);
	assert_int_equal(small.n, 0);
	buf_clear(&in);
	buf_clear(&out);
	buf_clear(&small);
}

static void
types(void **state)
{
	static const struct {
		const char	*in, *type, *subtype, *boundary;
		bool		 bad;
	} t[] = {
		{ " text/plain", "text", "plain", "", false },
		{ "Text / HTML ; charset=x", "text", "html", "", false },
		{ "(c)multipart(c)/(c)mixed(c);(c)boundary(c)=(c)abc(c)",
		    "multipart", "mixed", "abc", false },
		{ "a/b; boundary=\"x \\\"y\"", "a", "b", "x \"y", false },
		{ "a/b; boundary=\"x\r\n y\"", "a", "b", "x y", false },
		{ "a/b; boundary=x; boundary=y", "a", "b", "x", false },
		{ "a/b; boundary=", "a", "b", "", false },
		{ "a/b; boundary=\"x", "a", "b", "", false },
		{ "a/b; x boundary=y", "a", "b", "", false },
		{ "a/b; boundary=" LONG10 LONG10 LONG10 LONG10 LONG10 LONG10
		    LONG10, "a", "b", LONG10 LONG10 LONG10 LONG10 LONG10 LONG10
		    LONG10, false },
		{ "a/b; boundary=" LONG100, "a", "b", "", false },
		{ "text", NULL, NULL, NULL, true },
		{ "", NULL, NULL, NULL, true },
		{ "/b", NULL, NULL, NULL, true },
		{ "a/", NULL, NULL, NULL, true },
		{ "((a/b", NULL, NULL, NULL, true },
	};
	struct mime_type got;
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(mime_type_parse(guard_copy(&g,
		    slice_str(t[i].in)), &got), !t[i].bad);
		if (t[i].bad)
			continue;
		assert_true(mime_type_is(&got, t[i].type, t[i].subtype));
		assert_slice_equal(slice_of(got.boundary, got.nboundary),
		    slice_str(t[i].boundary));
	}
	assert_int_equal(mime_encoding_parse(SLICE_LIT(" Base64 (x)")),
	    ENCODING_BASE64);
	assert_int_equal(mime_encoding_parse(SLICE_LIT("x-uue")),
	    ENCODING_OTHER);
	assert_int_equal(mime_encoding_parse(SLICE_LIT("")), ENCODING_OTHER);
	guard_clear(&g);
}

static void
encodings(void **state)
{
	static const struct {
		const char	*in, *qp, *base64;
	} t[] = {
		{ "", "", "" },
		{ "f", "f", "Zg==\r\n" },
		{ "fo", "fo", "Zm8=\r\n" },
		{ "foobar", "foobar", "Zm9vYmFy\r\n" },
		{ "a \r\nb\t\r\n c", "a=20\r\nb=09\r\n c",
		    "YSANCmIJDQogYw==\r\n" },
		{ "From me\r\nFrom", "=46rom me\r\nFrom",
		    "RnJvbSBtZQ0KRnJvbQ==\r\n" },
		{ "a\rb\nc", "a=0Db=0Ac", "YQ1iCmM=\r\n" },
		{ LONG100, LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10
		    "01234=\r\n56789" LONG10 LONG10,
		    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx"
		    "MjM0NTY3ODkwMTIzNDU2\r\nNzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw"
		    "MTIzNDU2Nzg5MDEyMzQ1Njc4OQ==\r\n" },
	};
	struct buf b = BUF_INIT(1000);
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&b);
		assert_int_equal(qp_encode(&b, guard_copy(&g,
		    slice_str(t[i].in))), 0);
		assert_slice_equal(buf_slice(&b), slice_str(t[i].qp));
		buf_reset(&b);
		assert_int_equal(base64_lines(&b, guard_copy(&g,
		    slice_str(t[i].in))), 0);
		assert_slice_equal(buf_slice(&b), slice_str(t[i].base64));
	}
	buf_clear(&b);
	guard_clear(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(every_cut_of_every_message_ends_well),
		cmocka_unit_test(depth_parts_and_size_are_limited),
		cmocka_unit_test(types),
		cmocka_unit_test(encodings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
