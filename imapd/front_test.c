/* SPDX-License-Identifier: ISC */
/* The grammar before the login: whole, against a guard page, and bytewise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "front.h"

#define MAX	200

static const struct {
	const char		*in;
	size_t			 used;		/* of FRONT_WHOLE */
	unsigned		 go_aheads;
	enum front_result	 end;
} frames[] = {
	{ "a NOOP\r\n", 8, 0, FRONT_WHOLE },
	{ "a NOOP\r\nb NOOP\r\n", 8, 0, FRONT_WHOLE },
	{ "a LOGIN {3}\r\nabc {2}\r\nxy\r\n", 26, 2, FRONT_WHOLE },
	{ "a LOGIN {3+}\r\na\nc {2+}\r\nxy\r\n", 28, 0, FRONT_WHOLE },
	{ "a LOGIN {0}\r\n {0}\r\n\r\n", 21, 2, FRONT_WHOLE },
	{ "a LOGIN x}\r\n", 12, 0, FRONT_WHOLE },
	{ "a LOGIN {}\r\n", 12, 0, FRONT_WHOLE },
	{ "a LOGIN {+}\r\n", 13, 0, FRONT_WHOLE },
	{ "a LOGIN {-1}\r\n", 14, 0, FRONT_WHOLE },
	{ "a LOGIN {3x}\r\n", 14, 0, FRONT_WHOLE },
	{ "a LOGIN {99999999999999999999}\r\n", 32, 0, FRONT_WHOLE },
	{ "a LOGIN {4294967295}\r\n", 0, 0, FRONT_TOO_LONG },
	{ "a LOGIN {4294967295+}\r\n", 0, 0, FRONT_TOO_LONG },
	{ "a LOGIN {190}\r\n", 0, 0, FRONT_TOO_LONG },
	{ "a LOGIN {3}\r\nab", 0, 1, FRONT_MORE },
	{ "a NOOP", 0, 0, FRONT_MORE },
	{ "a NOOP\r", 0, 0, FRONT_MORE },
	{ "a NOOP\n", 0, 0, FRONT_BAD_LINE },
	{ "\n", 0, 0, FRONT_BAD_LINE },
	{ "\r\n", 2, 0, FRONT_WHOLE },
	{ "a LOGIN {1}\n", 0, 0, FRONT_BAD_LINE },
	{ "a LOGIN {1}\r\nx\n", 0, 1, FRONT_BAD_LINE },
};

static void
check_frame(size_t i, struct slice in, size_t step)
{
	struct front_frame f = { 0 };
	enum front_result r = FRONT_MORE;
	unsigned go_aheads = 0;
	size_t used = 0, n = 0;

	while (r == FRONT_MORE || r == FRONT_GO_AHEAD) {
		if (r == FRONT_MORE) {
			if (n == in.n)
				break;
			n = n + step > in.n ? in.n : n + step;
		} else
			go_aheads++;
		r = front_frame(&f, slice_first(in, n), MAX, &used);
	}
	assert_int_equal(r, frames[i].end);
	assert_int_equal(go_aheads, frames[i].go_aheads);
	if (r == FRONT_WHOLE)
		assert_int_equal(used, frames[i].used);
}

static void
frames_are_found(void **state)
{
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 4096);
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct slice in = guard_copy(&g, slice_str(frames[i].in));

		check_frame(i, in, in.n);
		check_frame(i, in, 1);
	}
	guard_clear(&g);
}

static void
a_line_without_an_end_is_too_long(void **state)
{
	struct front_frame f = { 0 };
	char text[MAX + 1];
	size_t used;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(front_frame(&f, slice_of(text, MAX - 1), MAX, &used),
	    FRONT_MORE);
	assert_int_equal(front_frame(&f, slice_of(text, MAX), MAX, &used),
	    FRONT_TOO_LONG);
}

/* args: a letter for each kind, then the text, '|' between. */
static const struct {
	const char	*in;
	enum parse	 result;
	const char	*tag;
	const char	*name;
	const char	*args;
} commands[] = {
	{ "a1 NOOP\r\n", PARSE_OK, "a1", "NOOP", "" },
	{ "a LOGIN joe secret\r\n", PARSE_OK, "a", "LOGIN",
	    "ajoe|asecret|" },
	{ "a LOGIN \"j o\" \"a\\\"b\\\\c\"\r\n", PARSE_OK, "a", "LOGIN",
	    "sj o|sa\"b\\c|" },
	{ "a LOGIN {3}\r\nj\"e {2+}\r\nx\n\r\n", PARSE_OK, "a", "LOGIN",
	    "sj\"e|sx\n|" },
	{ "a ID (\"name\" \"x\" \"v\" NIL)\r\n", PARSE_OK, "a", "ID",
	    "((|sname|sx|sv|aNIL|))|" },
	{ "a ID NIL\r\n", PARSE_OK, "a", "ID", "aNIL|" },
	{ "a ID ()\r\n", PARSE_OK, "a", "ID", "((|))|" },
	{ "a AUTHENTICATE PLAIN AGEAYg==\r\n", PARSE_OK, "a",
	    "AUTHENTICATE", "aPLAIN|aAGEAYg==|" },
	{ "a LOGIN \"\" \"\"\r\n", PARSE_OK, "a", "LOGIN", "s|s|" },
	/* Hostile: */
	{ "\r\n", PARSE_BAD, "", "", NULL },
	{ " NOOP\r\n", PARSE_BAD, "", "", NULL },
	{ "+ NOOP\r\n", PARSE_BAD, "", "", NULL },
	{ "a+b NOOP\r\n", PARSE_BAD, "a", "", NULL },
	{ "a\r\n", PARSE_BAD, "a", "", NULL },
	{ "a \r\n", PARSE_BAD, "a", "", NULL },
	{ "a  NOOP\r\n", PARSE_BAD, "a", "", NULL },
	{ "a NOOP \r\n", PARSE_BAD, "a", "NOOP", NULL },
	{ "a NOOP  x\r\n", PARSE_BAD, "a", "NOOP", NULL },
	{ "a LOGIN \"x\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN \"x\\\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN \"x\\y\"\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN \"x\"y\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN {9}\r\nabc\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN {1\r\nabc\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN {\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN *\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a LOGIN \x80\r\n", PARSE_BAD, "a", "LOGIN", NULL },
	{ "a\x01 NOOP\r\n", PARSE_BAD, "a", "", NULL },
};

static void
put_args(const struct front_command *c, char *to, size_t size)
{
	static const char kinds[] = { [FRONT_ATOM] = 'a',
		[FRONT_STRING] = 's', [FRONT_OPEN] = '(',
		[FRONT_CLOSE] = ')' };
	size_t i, n = 0;

	to[0] = '\0';
	for (i = 0; i < c->nargs; i++)
		n += (size_t)snprintf(to + n, size - n, "%c%.*s|",
		    kinds[c->args[i].kind], SLICE_ARG(c->args[i].text));
}

static void
commands_are_taken_apart(void **state)
{
	struct front_command c;
	struct guard g;
	char args[1024];
	size_t i;

	(void)state;
	guard_init(&g, 4096);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct slice in = guard_copy(&g, slice_str(commands[i].in));

		assert_int_equal(front_parse((char *)(uintptr_t)in.p, in.n,
		    &c), commands[i].result);
		assert_slice_equal(c.tag, slice_str(commands[i].tag));
		assert_slice_equal(c.name, slice_str(commands[i].name));
		put_args(&c, args, sizeof(args));
		if (commands[i].args != NULL)
			assert_string_equal(args, commands[i].args);
	}
	guard_clear(&g);
}

static void
tokens_and_tags_are_limited(void **state)
{
	struct front_command c;
	char text[1024];
	size_t i, n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), "a ID (");
	for (i = 0; i < FRONT_TOKENS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%sx",
		    i == 0 ? "" : " ");
	n += (size_t)snprintf(text + n, sizeof(text) - n, ")\r\n");
	assert_int_equal(front_parse(text, n, &c), PARSE_BAD);
	assert_int_equal(c.nargs, FRONT_TOKENS);
	memset(text, 't', FRONT_TAG_BYTES + 1);
	n = FRONT_TAG_BYTES + 1;
	n += (size_t)snprintf(text + n, sizeof(text) - n, " NOOP\r\n");
	assert_int_equal(front_parse(text, n, &c), PARSE_BAD);
	assert_int_equal(c.tag.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_found),
		cmocka_unit_test(a_line_without_an_end_is_too_long),
		cmocka_unit_test(commands_are_taken_apart),
		cmocka_unit_test(tokens_and_tags_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
