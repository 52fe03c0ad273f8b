/* SPDX-License-Identifier: ISC */
/* Flags of the messages of an mbox.  How its messages are told apart, and that
 * the flags arrive, is in tests/system/takeover.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/test_guard.h"
#include "mbox.h"

static const struct {
	const char	*header;
	uint8_t		 flags;
	const char	*keywords;	/* joined by ',' */
} cases[] = {
	{ "", 0, "" },
	{ "Subject: Status: RO\n", 0, "" },
	{ "Status: O\n", 0, "" },
	{ "Status: RO\n", FLAG_SEEN, "" },
	{ "status:RO\r\nX-STATUS: AFTD\r\n", FLAGS_STORED, "" },
	{ "X-Status: \nX-Keywords:\n", 0, "" },
	{ "Status", 0, "" },
	{ "X-Keywords: $Label1  work\n\tlater  \n", 0, "$Label1,work,later" },
	{ "X-Mozilla-Status: 0001\n", FLAG_SEEN, "" },
	{ "X-Mozilla-Status: 1007\nX-Mozilla-Status2: 00000008\n",
	    FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED, "" },
	{ "X-Mozilla-Status: 0009\nX-Mozilla-Keys: $label2\n",
	    FLAG_SEEN | FLAG_DELETED, "$label2" },
	{ "X-Mozilla-Status: 00001\n", 0, "" },
	{ "X-Mozilla-Status: 00x1\n", 0, "" },
};

static void
flags_of_a_header(void **state)
{
	struct buf joined = BUF_INIT(1000);
	struct mbox_flags f;
	struct guard g;
	size_t i, k;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mbox_flags_parse(guard_copy(&g, slice_str(cases[i].header)),
		    &f);
		buf_reset(&joined);
		for (k = 0; k < f.nkeywords; k++)
			buf_printf(&joined, "%s%.*s", k > 0 ? "," : "",
			    SLICE_ARG(f.keywords[k]));
		assert_int_equal(f.flags, cases[i].flags);
		assert_string_equal(buf_cstr(&joined), cases[i].keywords);
	}
	guard_clear(&g);
	buf_clear(&joined);
}

static void
no_more_keywords_than_a_mailbox_may_have(void **state)
{
	struct buf header = BUF_INIT(10000);
	struct mbox_flags f;
	int i;

	(void)state;
	buf_add_str(&header, "X-Keywords:");
	for (i = 0; i < 3 * STORE_KEYWORDS; i++)
		buf_printf(&header, " k%d", i);
	mbox_flags_parse(buf_slice(&header), &f);
	assert_int_equal(f.nkeywords, STORE_KEYWORDS);
	buf_clear(&header);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_of_a_header),
		cmocka_unit_test(no_more_keywords_than_a_mailbox_may_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
