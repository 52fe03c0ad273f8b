/* SPDX-License-Identifier: ISC */
/* utf8_test - characters, and names of mailboxes in modified UTF-7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "mail/utf8.h"

static const struct { const char *utf8, *utf7; } names[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "a&b", "a&-b" },
	{ "\xc3\xa4", "&AOQ-" },
	{ "x\xc3\xa4\xc3\xa4y", "x&AOQA5A-y" },
	{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
	{ "\xe5\x8f\xb0\xe5\x8c\x97", "&U,BTFw-" },
	{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
	    "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
	{ "\xf0\x9f\x98\x80x", "&2D3eAA-x" },
};

static void
names_have_one_form(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_reset(&b);
		assert_int_equal(mutf7_encode(guard_copy(&g,
		    slice_str(names[i].utf8)), &b), 0);
		assert_slice_equal(buf_slice(&b), slice_str(names[i].utf7));
		buf_reset(&b);
		assert_int_equal(mutf7_decode(guard_copy(&g,
		    slice_str(names[i].utf7)), &b), PARSE_OK);
		assert_slice_equal(buf_slice(&b), slice_str(names[i].utf8));
	}
	guard_clear(&g);
	buf_clear(&b);
}

/* Cut, half a surrogate pair, ASCII that needs no shift, a shift that does not
 * go on from another, bits left over, no base64, and bytes that have no
 * place. */
static void
every_other_form_is_refused(void **state)
{
	static const char *const bad[] = { "&", "&AOQ", "&A-", "&AA=-",
		"&2D0-", "&3gA-", "&AGE-", "&APw-&APw-", "&AOR-", "&APx-",
		"&AP*-", "&AAA-", "\xc3\xa4", "a\x01", "\x7f" };
	struct buf b = BUF_INIT(1000);
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	buf_add_str(&b, "x");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (mutf7_decode(guard_copy(&g, slice_str(bad[i])), &b) !=
		    PARSE_BAD)
			fail_msg("\"%s\" was decoded", bad[i]);
		assert_slice_equal(buf_slice(&b), SLICE_LIT("x"));
	}
	assert_int_equal(mutf7_encode(SLICE_LIT("\xc3"), &b), -1);
	assert_int_equal(mutf7_encode(slice_of("a\0", 2), &b), -1);
	guard_clear(&g);
	buf_clear(&b);
}

static void
a_full_buf_is_a_failure(void **state)
{
	size_t i, room;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (room = 0; room < strlen(names[i].utf7); room++) {
			struct buf b = BUF_INIT(room);

			assert_int_equal(mutf7_encode(slice_str(names[i].utf8),
			    &b), -1);
			buf_clear(&b);
		}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (room = 0; room < strlen(names[i].utf8); room++) {
			struct buf b = BUF_INIT(room);

			assert_int_equal(mutf7_decode(slice_str(names[i].utf7),
			    &b), PARSE_BAD);
			buf_clear(&b);
		}
}

static void
characters_there_and_back(void **state)
{
	static const uint32_t each[] = { 0, 1, 0x7f, 0x80, 0x7ff, 0x800,
		0xffff, 0x10000, 0x10ffff };
	struct slice s;
	char t[4];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		s = slice_of(t, utf8_encode(each[i], t));
		assert_int_equal(utf8_decode(&s), each[i]);
		assert_int_equal(s.n, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_form),
		cmocka_unit_test(every_other_form_is_refused),
		cmocka_unit_test(a_full_buf_is_a_failure),
		cmocka_unit_test(characters_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
