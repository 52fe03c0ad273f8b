/* SPDX-License-Identifier: ISC */
/* argv_test - words of commands, beside a page that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "argv.h"
#include "base/buf.h"
#include "base/test_guard.h"

/* out: words with '|' behind each; NULL: refused. */
static const struct {
	const char	*in;
	const char	*out;
} cases[] = {
	{ "/bin/x", "/bin/x|" },
	{ "  /bin/x \t a  b ", "/bin/x|a|b|" },
	{ "/bin/x 'a b' \"c d\"", "/bin/x|a b|c d|" },
	{ "/bin/x a' 'b\" \"c", "/bin/x|a b c|" },
	{ "/bin/x '' \"\"", "/bin/x|||" },
	{ "/bin/x a\\ b \\\" \\\\", "/bin/x|a b|\"|\\|" },
	{ "/bin/x \"\\\"\\\\\\n\"", "/bin/x|\"\\\\n|" },
	{ "/bin/x '\\'", "/bin/x|\\|" },
	{ "/bin/x \\", "/bin/x|\\|" },
	{ "/bin/x $HOME `id` > /f | y; z & *",
	    "/bin/x|$HOME|`id`|>|/f|||y;|z|&|*|" },
	{ "\"/bin/a b\" c", "/bin/a b|c|" },
	{ "", NULL },
	{ "   ", NULL },
	{ "bin/x", NULL },
	{ "./x", NULL },
	{ "'' /bin/x", NULL },
	{ "/bin/x 'a", NULL },
	{ "/bin/x \"a", NULL },
	{ "/bin/x \"a\\\"", NULL },
};

static void
words_are_divided(void **state)
{
	struct guard g;
	struct arena a = ARENA_INIT(10000);
	struct buf b = BUF_INIT(1000);
	const char *why = "";
	char **argv;
	size_t i;
	enum parse r;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = argv_split(&a, guard_copy(&g, slice_str(cases[i].in)),
		    &argv, &why);
		assert_int_equal(r, cases[i].out == NULL ? PARSE_BAD :
		    PARSE_OK);
		assert_true(strlen(why) > 0);
		for (; r == PARSE_OK && *argv != NULL; argv++)
			buf_printf(&b, "%s|", *argv);
		if (r == PARSE_OK)
			assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_reset(&b);
		arena_clear(&a);
	}
	guard_clear(&g);
	buf_clear(&b);
}

static void
nul_and_too_many_words_are_refused(void **state)
{
	struct arena a = ARENA_INIT(10000);
	struct buf b = BUF_INIT(1000);
	const char *why;
	char **argv;
	int i;

	(void)state;
	assert_int_equal(argv_split(&a, SLICE_LIT("/bin/x a\0b"), &argv, &why),
	    PARSE_BAD);
	assert_int_equal(argv_split(&a, SLICE_LIT("/bin/x a\\\0b"), &argv,
	    &why), PARSE_BAD);
	buf_add_str(&b, "/bin/x");
	for (i = 1; i < ARGV_WORDS; i++)
		buf_add_str(&b, " a");
	assert_int_equal(argv_split(&a, buf_slice(&b), &argv, &why), PARSE_OK);
	assert_null(argv[ARGV_WORDS]);
	buf_add_str(&b, " a");
	assert_int_equal(argv_split(&a, buf_slice(&b), &argv, &why),
	    PARSE_BAD);
	arena_clear(&a);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_divided),
		cmocka_unit_test(nul_and_too_many_words_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
