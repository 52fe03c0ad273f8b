/* SPDX-License-Identifier: ISC */
/* table_edit_test - one entry changes, and all the rest stays byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "chasqui.h"
#include "table_edit.h"

/* An edit of this text, as table_edit_begin() leaves it. */
static struct table_edit
edit_of(enum table_form form, const char *text)
{
	struct table_edit e = { .form = form, .text =
		BUF_INIT(TEXT_FILE_BYTES) };

	buf_init(&e.file.text, TEXT_FILE_BYTES);
	buf_add_str(&e.file.text, text);
	e.reader.form = form;
	e.reader.rest = buf_slice(&e.file.text);
	return e;
}

static void
edit_clear(struct table_edit *e)
{
	table_reader_clear(&e->reader);
	buf_clear(&e->file.text);
	buf_clear(&e->text);
}

static void
entries_are_found_with_their_lines(void **state)
{
	static const struct {
		enum table_form	 form;
		const char	*text, *key;
		const char	*span, *value;	/* NULL: no such entry */
		unsigned	 line;
	} t[] = {
		{ TABLE_FORM_FILE, "", "a", NULL, NULL, 0 },
		{ TABLE_FORM_FILE, "# a b\n\n", "a", NULL, NULL, 0 },
		{ TABLE_FORM_FILE, "a b\n", "a", "a b\n", "b", 1 },
		{ TABLE_FORM_FILE, "a b", "a", "a b", "b", 1 },
		{ TABLE_FORM_FILE, "a\n", "a", "a\n", "", 1 },
		{ TABLE_FORM_FILE, "A@X.example  b c \n", "a@x.EXAMPLE",
		    "A@X.example  b c \n", "b c", 1 },
		{ TABLE_FORM_FILE, "#\n\nx y\na b\n# of c\nc d\n", "a",
		    "a b\n", "b", 4 },
		{ TABLE_FORM_FILE, "x y\n  z\na b\n\tc\n\nd e\n", "a",
		    "a b\n\tc\n", "b c", 3 },
		/* a comment between is the entry's, one behind it is not */
		{ TABLE_FORM_FILE, "a b\n# why\n  c\n# of d\nd e\n", "a",
		    "a b\n# why\n  c\n", "b c", 1 },
		{ TABLE_FORM_FILE, "a b\n# why\n  c\n# of d\nd e\n", "d",
		    "d e\n", "e", 5 },
		{ TABLE_FORM_FILE, "a b\na c\n", "a", "a b\n", "b", 1 },
		{ TABLE_FORM_FILE, "ab c\n", "a", NULL, NULL, 0 },
		{ TABLE_FORM_ALIASES, "Root: you@example.org\n", "root",
		    "Root: you@example.org\n", "you@example.org", 1 },
		{ TABLE_FORM_ALIASES, "\"a b\": c,\n d\ne: f\n", "a b",
		    "\"a b\": c,\n d\n", "c, d", 1 },
		/* what is no entry hides none behind it */
		{ TABLE_FORM_ALIASES, "no colon\ne: f\n", "e", "e: f\n", "f",
		    2 },
		{ TABLE_FORM_ALIASES, " blank: x\ne: f\n", "e", "e: f\n",
		    "f", 2 },
	};
	struct table_edit e;
	struct table_entry got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		e = edit_of(t[i].form, t[i].text);
		if (table_text_find(&e.reader, slice_str(t[i].key), &got) !=
		    (t[i].span != NULL))
			fail_msg("row %zu: %s", i, t[i].text);
		if (t[i].span != NULL) {
			assert_slice_equal(got.span, slice_str(t[i].span));
			assert_slice_equal(got.value, slice_str(t[i].value));
			assert_int_equal(got.line, t[i].line);
		}
		edit_clear(&e);
	}
}

static void
only_the_entry_changes(void **state)
{
	static const struct {
		enum table_form	 form;
		const char	*before, *key, *value, *after;
	} t[] = {
		{ TABLE_FORM_FILE, "# mine\na b\n# c's\nc  d\n\n", "a", "x",
		    "# mine\na\tx\n# c's\nc  d\n\n" },
		{ TABLE_FORM_FILE, "# mine\na b\n# c's\nc  d\n\n", "a", NULL,
		    "# mine\n# c's\nc  d\n\n" },
		{ TABLE_FORM_FILE, "a b\nc d", "c", "x", "a b\nc\tx\n" },
		{ TABLE_FORM_FILE, "a b\n  more\nc d\n", "a", "x",
		    "a\tx\nc d\n" },
		{ TABLE_FORM_FILE, "a b\n", "a", "", "a\n" },
		{ TABLE_FORM_FILE, "a b\n", "a", NULL, "" },
		{ TABLE_FORM_ALIASES, "x: y\nRoot: you\n z\n\n# end\n",
		    "root", "me, you", "x: y\nroot: me, you\n\n# end\n" },
		{ TABLE_FORM_ALIASES, "\"a b\": c\n", "a b", "d",
		    "\"a b\": d\n" },
	};
	struct table_edit e;
	struct table_entry entry;
	struct slice value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		e = edit_of(t[i].form, t[i].before);
		assert_true(table_text_find(&e.reader, slice_str(t[i].key),
		    &entry));
		value = t[i].value == NULL ? SLICE_EMPTY :
		    slice_str(t[i].value);
		table_edit_change(&e, &entry, t[i].value == NULL ? NULL :
		    &value);
		assert_slice_equal(buf_slice(&e.text), slice_str(t[i].after));
		edit_clear(&e);
	}
}

static void
what_is_added_is_found(void **state)
{
	static const char *const keys[] = { "a", "a b", "a:b", "a\"b", "a\\b",
		"a,b", "#a", "@example.org", "a+b" };
	struct table_edit e, again;
	struct table_entry got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		e = edit_of(TABLE_FORM_ALIASES, "x: y\n# the last line");
		table_edit_add(&e, slice_str(keys[i]), SLICE_LIT("b@c.d"));
		assert_true(slice_starts(buf_slice(&e.text),
		    SLICE_LIT("x: y\n# the last line\n")));
		again = edit_of(TABLE_FORM_ALIASES, buf_cstr(&e.text));
		assert_true(table_text_find(&again.reader,
		    slice_str(keys[i]), &got));
		assert_slice_equal(got.value, SLICE_LIT("b@c.d"));
		edit_clear(&again);
		edit_clear(&e);
	}
}

/* Each byte of a text is an entry's, or between entries, in its order. */
static void
any_text_is_read_to_its_end(void **state)
{
	static const char alphabet[] = "a:\"# \t\n\\,@";
	struct table_edit e;
	struct table_entry got;
	char text[8] = "";
	const char *why, *at;
	size_t i, n, k;

	(void)state;
	for (i = 0; i < 100000; i++) {
		for (n = 0, k = i; n < 5; n++, k /= 10)
			text[n] = alphabet[k % 10];
		e = edit_of(i % 2 == 0 ? TABLE_FORM_FILE :
		    TABLE_FORM_ALIASES, text);
		at = e.file.text.p;
		while (table_text_next(&e.reader, &got, &why) != LINES_END) {
			assert_true(got.span.p >= at && got.span.n > 0);
			at = got.span.p + got.span.n;
			assert_true(at <= e.file.text.p + e.file.text.n);
		}
		edit_clear(&e);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_with_their_lines),
		cmocka_unit_test(only_the_entry_changes),
		cmocka_unit_test(what_is_added_is_found),
		cmocka_unit_test(any_text_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
