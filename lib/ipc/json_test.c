/* SPDX-License-Identifier: ISC */
/* json_test - whatever the bytes are, what is printed is one string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/json.h"
#include "mail/address.h"

/* What json_string() prints; the caller frees it. */
static char *
printed(struct slice s)
{
	FILE *was = stdout;
	char *text = NULL;
	size_t n;

	stdout = open_memstream(&text, &n);
	assert_non_null(stdout);
	json_string(s);
	fclose(stdout);
	stdout = was;
	return text;
}

static void
strings_are_escaped(void **state)
{
	static const struct { struct slice in; const char *out; } t[] = {
		{ SLICE_LIT(""), "\"\"" },
		{ SLICE_LIT("anna@example.org"), "\"anna@example.org\"" },
		{ SLICE_LIT("a\"b\\c/"), "\"a\\\"b\\\\c/\"" },
		{ SLICE_LIT("a\r\n\tb"), "\"a\\u000d\\u000a\\u0009b\"" },
		{ SLICE_LIT("a\0b"), "\"a\\u0000b\"" },
		{ SLICE_LIT("\x1b[2J\x7f"), "\"\\u001b[2J\\u007f\"" },
		{ SLICE_LIT("\xc3\xa9"), "\"\xc3\xa9\"" },
		{ SLICE_LIT("caf\xe9"), "\"caf\\ufffd\"" },
		/* one byte that is wrong, and no other is believed */
		{ SLICE_LIT("\xc3\xa9\xe9"), "\"\\ufffd\\ufffd\\ufffd\"" },
		{ SLICE_LIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"" },
		{ SLICE_LIT("\xc0\xaf"), "\"\\ufffd\\ufffd\"" },
	};
	char *got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		got = printed(t[i].in);
		assert_string_equal(got, t[i].out);
		free(got);
	}
}

static void
any_two_bytes_are_one_string(void **state)
{
	char in[2], *got, *p;
	unsigned i;

	(void)state;
	for (i = 0; i < 65536; i++) {
		in[0] = (char)(i >> 8);
		in[1] = (char)i;
		got = printed(slice_of(in, 2));
		assert_true(slice_is_utf8(slice_str(got)));
		assert_int_equal(got[0], '"');
		for (p = got + 1; *p != '"'; p++) {
			assert_true((unsigned char)*p >= 0x20);
			if (*p == '\\')
				assert_non_null(strchr("\"\\u", *++p));
		}
		assert_int_equal(p[1], '\0');
		free(got);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(any_two_bytes_are_one_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
