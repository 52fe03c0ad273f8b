/* SPDX-License-Identifier: ISC */
/* address_test - paths, domains, literals, UTF-8, canonical forms; the classes
 * of characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "mail/address.h"
#include "mail/chars.h"

#define L10	"0123456789"
#define L50	L10 L10 L10 L10 L10
#define L60	L50 L10
#define U8	ADDRESS_UTF8
#define ALL	(ADDRESS_UTF8 | ADDRESS_NULL | ADDRESS_LOCAL)

static const struct {
	const char	*in;
	unsigned	 flags;
	const char	*local;		/* NULL: refused */
	const char	*domain;
	const char	*rest;
} path_cases[] = {
	{ "<a@b>", 0, "a", "b", "" },
	{ "<a@b> SIZE=1", 0, "a", "b", " SIZE=1" },
	{ "<a.b+c@Example.ORG>", 0, "a.b+c", "Example.ORG", "" },
	{ "<!#$%&'*+-/=?^_`{|}~@b>", 0, "!#$%&'*+-/=?^_`{|}~", "b", "" },
	{ "<\"a b\"@c>", 0, "\"a b\"", "c", "" },
	{ "<\"a\\\"@\\\\>\"@c>", 0, "\"a\\\"@\\\\>\"", "c", "" },
	{ "<\"\"@c>", 0, "\"\"", "c", "" },
	{ "<a@[192.0.2.1]>", 0, "a", "[192.0.2.1]", "" },
	{ "<a@[IPv6:2001:db8::1]>", 0, "a", "[IPv6:2001:db8::1]", "" },
	{ "<@x,@y.z:a@b>", 0, "a", "b", "" },
	{ "<a@b_c.d>", 0, "a", "b_c.d", "" },
	{ "<>", ADDRESS_NULL, "", "", "" },
	{ "<>", 0, NULL, NULL, NULL },
	{ "<Postmaster>", ADDRESS_LOCAL, "Postmaster", "", "" },
	{ "<root>", ADDRESS_LOCAL, NULL, NULL, NULL },
	{ "<root>", ADDRESS_BARE, "root", "", "" },
	{ "<postmaster>", 0, NULL, NULL, NULL },
	{ "<\xc3\xa9@\xc3\xa9.x>", U8, "\xc3\xa9", "\xc3\xa9.x", "" },
	{ "<\"\xc3\xa9\"@b>", U8, "\"\xc3\xa9\"", "b", "" },
	{ "<\xc3\xa9@b>", 0, NULL, NULL, NULL },
	{ "<a@\xc3\xa9>", 0, NULL, NULL, NULL },
	{ "<\xc3@b>", U8, NULL, NULL, NULL },
	{ "<a@\xc3>", U8, NULL, NULL, NULL },
	{ "<\"\xff\"@b>", U8, NULL, NULL, NULL },
	{ "<" L60 L60 L60 L60 L10 "012345@b>", 0, L60 L60 L60 L60 L10 "012345",
	    "b", "" },
	{ "<" L60 L60 L60 L60 L10 "0123456@b>", 0, NULL, NULL, NULL },
	{ "<a@" L60 "012>", 0, "a", L60 "012", "" },
	{ "<a@" L60 "0123>", 0, NULL, NULL, NULL },
	{ "<a@" L60 "." L60 "." L60 "." L60 "." L10 "x>", 0, "a",
	    L60 "." L60 "." L60 "." L60 "." L10 "x", "" },
	{ "<a@" L60 "." L60 "." L60 "." L60 "." L10 "xy>", 0, NULL, NULL, NULL },
	{ "", ALL, NULL, NULL, NULL },
	{ "<", ALL, NULL, NULL, NULL },
	{ "a@b", ALL, NULL, NULL, NULL },
	{ "<a@b", ALL, NULL, NULL, NULL },
	{ "<a@>", ALL, NULL, NULL, NULL },
	{ "<@b>", ALL, NULL, NULL, NULL },
	{ "<a@b@c>", ALL, NULL, NULL, NULL },
	{ "<a b@c>", ALL, NULL, NULL, NULL },
	{ "< a@b>", ALL, NULL, NULL, NULL },
	{ "<a@b >", ALL, NULL, NULL, NULL },
	{ "<.a@b>", ALL, NULL, NULL, NULL },
	{ "<a.@b>", ALL, NULL, NULL, NULL },
	{ "<a..b@c>", ALL, NULL, NULL, NULL },
	{ "<a@.b>", ALL, NULL, NULL, NULL },
	{ "<a@b.>", ALL, NULL, NULL, NULL },
	{ "<a@b..c>", ALL, NULL, NULL, NULL },
	{ "<a@-b>", ALL, NULL, NULL, NULL },
	{ "<a@b->", ALL, NULL, NULL, NULL },
	{ "<a@b/c>", ALL, NULL, NULL, NULL },
	{ "<\"a@b>", ALL, NULL, NULL, NULL },
	{ "<\"a\"b@c>", ALL, NULL, NULL, NULL },
	{ "<\"a\rb\"@c>", ALL, NULL, NULL, NULL },
	{ "<\"a\\\nb\"@c>", ALL, NULL, NULL, NULL },
	{ "<\"a\\", ALL, NULL, NULL, NULL },
	{ "<@x:>", ALL, NULL, NULL, NULL },
	{ "<@x,a@b>", ALL, NULL, NULL, NULL },
	{ "<@x:@y:a@b>", ALL, NULL, NULL, NULL },
	{ "<a@[192.0.2.256]>", ALL, NULL, NULL, NULL },
	{ "<a@[192.0.2]>", ALL, NULL, NULL, NULL },
	{ "<a@[192.0.2.01]>", ALL, NULL, NULL, NULL },
	{ "<a@[2001:db8::1]>", ALL, NULL, NULL, NULL },
	{ "<a@[IPv6:192.0.2.1]>", ALL, NULL, NULL, NULL },
	{ "<a@[IPv6:::ffff:192.0.2.1]>", 0, "a", "[IPv6:::ffff:192.0.2.1]", "" },
	{ "<a@[IPv6:fe80::1%lo]>", ALL, NULL, NULL, NULL },
	{ "<a@[X:y]>", ALL, NULL, NULL, NULL },
	{ "<a@[]>", ALL, NULL, NULL, NULL },
	{ "<a@[", ALL, NULL, NULL, NULL },
	{ "<a\x80@b>", ALL, NULL, NULL, NULL },
	{ "<a\x7f@b>", ALL, NULL, NULL, NULL },
};

static void
paths(void **state)
{
	struct slice all, in;
	struct address a;
	struct guard g;
	enum parse r;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(path_cases) / sizeof(path_cases[0]); i++) {
		print_message("%s\n", path_cases[i].in);
		all = in = guard_copy(&g, slice_str(path_cases[i].in));
		r = path_parse(&in, path_cases[i].flags, &a);
		if (path_cases[i].local == NULL) {
			assert_int_equal(r, PARSE_BAD);
			assert_ptr_equal(in.p, all.p);
			continue;
		}
		assert_int_equal(r, PARSE_OK);
		assert_slice_equal(a.local, slice_str(path_cases[i].local));
		assert_slice_equal(a.domain, slice_str(path_cases[i].domain));
		assert_slice_equal(in, slice_str(path_cases[i].rest));
	}
	guard_clear(&g);
}

static void
mailboxes_need_all_of_the_text(void **state)
{
	struct address a;

	(void)state;
	assert_int_equal(address_parse(SLICE_LIT("a@b"), 0, &a), PARSE_OK);
	assert_int_equal(address_parse(SLICE_LIT("a@b "), 0, &a), PARSE_BAD);
	assert_int_equal(address_parse(SLICE_LIT("<a@b>"), 0, &a), PARSE_BAD);
	assert_int_equal(address_parse(slice_of("a\0@b", 4), 0, &a), PARSE_BAD);
	assert_int_equal(address_parse(slice_of("a@b\0", 4), 0, &a), PARSE_BAD);
	assert_int_equal(address_parse(slice_of("a@[1.2.3.4\0]", 12), 0, &a),
	    PARSE_BAD);
}

static void
literals(void **state)
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	uint8_t got[16];

	(void)state;
	assert_true(literal_parse(SLICE_LIT("[192.0.2.1]"), got));
	assert_memory_equal(got, v4, 16);
	assert_true(literal_parse(SLICE_LIT("[ipv6:2001:DB8::1]"), got));
	assert_memory_equal(got, v6, 16);
	assert_false(literal_parse(SLICE_LIT("192.0.2.1"), got));
	assert_false(literal_parse(SLICE_LIT("["), got));
	assert_false(literal_parse(SLICE_LIT("[1" L50 L50 "]"), got));
}

static const struct {
	const char	*local, *domain;
	const char	*out;		/* NULL: not convertible */
	bool		 fold;
} canonical_cases[] = {
	{ "Bob", "Example.ORG", "Bob@example.org", false },
	{ "Bob", "Example.ORG", "bob@example.org", true },
	{ "\"Bob\"", "b", "Bob@b", false },
	{ "\"b\\ob\"", "b", "bob@b", false },
	{ "\"a b\"", "b", "\"a b\"@b", false },
	{ "\"a\\\"b\"", "b", "\"a\\\"b\"@b", false },
	{ "\"\"", "b", "\"\"@b", false },
	{ "Root", "", "root", true },
	{ "a", "B\xc3\xbc" "cher.example", "a@xn--bcher-kva.example", false },
	{ "\xc3\x89", "b", "\xc3\x89@b", true },
	{ "a", "[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]", false },
	{ "a", "\xff", NULL, false },
	{ "a", "\xc3\xbc\xe2\x80\xae.x", NULL, false },
};

static void
canonical_forms(void **state)
{
	struct arena a = ARENA_INIT(10000);
	struct address addr;
	struct slice text;
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(canonical_cases) / sizeof(canonical_cases[0]);
	     i++) {
		addr.local = slice_str(canonical_cases[i].local);
		addr.domain = slice_str(canonical_cases[i].domain);
		r = address_canonical(&a, &addr, canonical_cases[i].fold,
		    &text);
		assert_int_equal(r, canonical_cases[i].out == NULL ? -1 : 0);
		if (r == 0)
			assert_slice_equal(text,
			    slice_str(canonical_cases[i].out));
	}
	arena_clear(&a);
}

static void
quoting(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(local_quote(&b, SLICE_LIT("a\nb")), -1);
	assert_int_equal(local_quote(&b, SLICE_LIT("a\x7f")), -1);
	assert_int_equal(b.n, 0);
	assert_int_equal(local_quote(&b, SLICE_LIT("a.b")), 0);
	assert_int_equal(local_quote(&b, SLICE_LIT("a.")), 0);
	assert_int_equal(local_quote(&b, SLICE_LIT("")), 0);
	assert_slice_equal(buf_slice(&b), SLICE_LIT("a.b\"a.\"\"\""));
	buf_clear(&b);
}

static void
split_at_the_last_at(void **state)
{
	struct address a = address_split(SLICE_LIT("\"a@b\"@c"));

	(void)state;
	assert_slice_equal(a.local, SLICE_LIT("\"a@b\""));
	assert_slice_equal(a.domain, SLICE_LIT("c"));
	a = address_split(SLICE_LIT("\"a@b\""));
	assert_int_equal(a.domain.n, 0);
	a = address_split(SLICE_LIT("root"));
	assert_slice_equal(a.local, SLICE_LIT("root"));
	assert_int_equal(a.domain.n, 0);
}

static void
utf8(void **state)
{
	static const struct {
		const char	*in;
		bool		 ok;
	} t[] = {
		{ "", true }, { "abc", true }, { "\xc3\xa9", true },
		{ "\xed\x9f\xbf", true }, { "\xee\x80\x80", true },
		{ "\xf0\x90\x80\x80", true }, { "\xf4\x8f\xbf\xbf", true },
		{ "\xc0\x80", false }, { "\xc1\xbf", false },
		{ "\xe0\x9f\xbf", false }, { "\xed\xa0\x80", false },
		{ "\xf0\x8f\xbf\xbf", false }, { "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false }, { "\x80", false },
		{ "\xc3", false }, { "\xe2\x82", false }, { "\xf0\x9f\x98", false },
		{ "\xe2\x82\x41", false }, { "aaaaaaaa\xff", false },
		{ L60 "0123\xc3\xa9", true }, { L60 "0123\xc3", false },
	};
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(slice_is_utf8(guard_copy(&g,
		    slice_str(t[i].in))), t[i].ok);
	guard_clear(&g);
}

static void
character_classes(void **state)
{
	unsigned n[8] = { 0 }, i, bit;

	(void)state;
	for (i = 0; i < 256; i++)
		for (bit = 0; bit < 8; bit++)
			n[bit] += char_classes[i] >> bit & 1;
	assert_int_equal(n[0], 81);	/* ATEXT: 26 + 26 + 10 + 19 */
	assert_int_equal(n[1], 93);	/* QTEXT: 95 printable but " and \ */
	assert_int_equal(n[2], 63);	/* LDH */
	assert_int_equal(n[3], 92);	/* XTEXT: 94 graphic but + and = */
	assert_int_equal(n[4], 91);	/* DTEXT: 94 but [ \ ] */
	assert_int_equal(n[5], 93);	/* FTEXT: 94 but : */
	assert_int_equal(n[6], 79);	/* TOKEN: 94 but 15 tspecials */
	assert_int_equal(n[7], 10);
	for (i = 0; i < 19; i++)
		assert_true(char_is("!#$%&'*+-/=?^_`{|}~"[i], CH_ATEXT));
	for (i = 0; i < 15; i++)
		assert_false(char_is("()<>@,;:\\\"/[]?="[i], CH_TOKEN));
}

static void
domains_have_unicode_of_their_own(void **state)
{
	static const struct {
		const char	*domain;
		const char	*unicode;	/* NULL: none */
	} rows[] = {
		{ "xn--mller-kva.example", "m\303\274ller.example" },
		{ "a.xn--mller-kva.xn--mller-kva",
		    "a.m\303\274ller.m\303\274ller" },
		{ "example.org", NULL },
		{ "", NULL },
		{ "xn--.example", NULL },
		{ "xn--a-.example", NULL },
		{ "xn--MLLER-kva.example", NULL },
		{ "m\303\274ller.example", NULL },
	};
	struct buf b = BUF_INIT(1000);
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		r = domain_unicode(&b, slice_str(rows[i].domain));
		if (r != (rows[i].unicode == NULL ? -1 : 0) || (r == 0 &&
		    !slice_eq(buf_slice(&b), slice_str(rows[i].unicode))))
			fail_msg("%s: %d %s", rows[i].domain, r,
			    buf_cstr(&b));
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(mailboxes_need_all_of_the_text),
		cmocka_unit_test(literals),
		cmocka_unit_test(canonical_forms),
		cmocka_unit_test(quoting),
		cmocka_unit_test(split_at_the_last_at),
		cmocka_unit_test(utf8),
		cmocka_unit_test(domains_have_unicode_of_their_own),
		cmocka_unit_test(character_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
