/* SPDX-License-Identifier: ISC */
/* forward_test - what ~/.forward means, and when it is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/test_guard.h"
#include "base/wire.h"
#include "forward.h"
#include "test_dir.h"

static const struct forward_owner owner = {
	.user = { "bob", 3 }, .address = { "bob+list@example.org", 20 },
	.home = { "/nowhere", 8 }, .delimiter = '+',
};

/* out: targets with ';' behind each, '\' before those that are not forwarded
 * again; NULL: broken. */
static const struct {
	const char	*in;
	const char	*out;
	bool		 here;
} cases[] = {
	{ "", "", false },
	{ "\n\n# nothing\n", "", false },
	{ "a@example.net", "a@example.net;", false },
	{ "a@example.net\n", "a@example.net;", false },
	{ "a@example.net, b@example.net\nc@example.net\r\n",
	    "a@example.net;b@example.net;c@example.net;", false },
	{ "# comment\na@example.net\n  # another\n", "a@example.net;",
	    false },
	{ "a@example.net,\n b@example.net\n", "a@example.net;b@example.net;",
	    false },
	{ "bob\n", "", true },
	{ "\\bob\n", "", true },
	{ "\\BOB, a@example.net\n", "a@example.net;", true },
	{ "bob@example.org\n", "", true },
	{ "Bob+List@Example.ORG\n", "", true },
	{ "bob@example.net\n", "bob@example.net;", false },
	{ "alice\n\\carol\n", "alice@example.org;\\carol@example.org;",
	    false },
	{ "\"a b\"\n", NULL, false },
	{ "a@example.net (at work, mostly)\n(home) alice\n",
	    "a@example.net;alice@example.org;", false },
	{ "|/usr/bin/vacation bob\n", "|/usr/bin/vacation bob;", false },
	{ "\\bob, \"|/usr/bin/vacation -a 'x y' bob\"\n",
	    "|/usr/bin/vacation -a 'x y' bob;", true },
	{ "|\"/usr/bin/x a\"\n", "|/usr/bin/x a;", false },
	{ "/home/bob/mail/box\n", "/home/bob/mail/box;", false },
	{ "/home/bob/mail/\n", "/home/bob/mail/;", false },
	{ "Bob <b@example.net>\n", "b@example.net;", false },
	{ ":include:/etc/passwd\n", NULL, false },
	{ "\"|/bin/x \x01\"\n", NULL, false },
	{ "\"open\n", NULL, false },
	{ "a b@c (d\n", NULL, false },
	{ "|\n", NULL, false },
};

static void
put_targets(struct buf *to, const struct forward *f)
{
	struct wire w = wire_of(buf_slice(&f->targets));
	unsigned n;

	for (n = 0; w.rest.n > 0; n++) {
		if (get_u8(&w) != 0)
			buf_add_str(to, "\\");
		buf_add(to, get_slice(&w, 2048));
		buf_add_str(to, ";");
		assert_false(w.bad);
	}
	assert_int_equal(n, f->ntargets);
}

static void
text_is_understood(void **state)
{
	struct buf got = BUF_INIT(10000), why = BUF_INIT(1000);
	struct forward f;
	struct guard g;
	enum parse r;
	size_t i;

	(void)state;
	guard_init(&g, 200);
	forward_init(&f);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = forward_parse(guard_copy(&g, slice_str(cases[i].in)),
		    &owner, &f, &why);
		if ((r == PARSE_OK) != (cases[i].out != NULL))
			print_error("case %zu: %s\n", i, cases[i].in);
		assert_int_equal(r, cases[i].out == NULL ? PARSE_BAD :
		    PARSE_OK);
		if (r == PARSE_OK) {
			put_targets(&got, &f);
			assert_string_equal(buf_cstr(&got), cases[i].out);
			assert_int_equal(f.here, cases[i].here);
		} else
			assert_non_null(strstr(buf_cstr(&why), "line "));
		buf_reset(&got);
		buf_reset(&why);
	}
	forward_clear(&f);
	guard_clear(&g);
	buf_clear(&got);
	buf_clear(&why);
}

static void
too_many_targets_are_refused(void **state)
{
	struct buf text = BUF_INIT(FORWARD_BYTES), why = BUF_INIT(1000);
	struct forward f;
	int i;

	(void)state;
	forward_init(&f);
	for (i = 0; i < FORWARD_TARGETS; i++)
		buf_printf(&text, "u%d\n", i);
	assert_int_equal(forward_parse(buf_slice(&text), &owner, &f, &why),
	    PARSE_OK);
	assert_int_equal(f.ntargets, FORWARD_TARGETS);
	buf_add_str(&text, "more\n");
	assert_int_equal(forward_parse(buf_slice(&text), &owner, &f, &why),
	    PARSE_BAD);
	assert_string_equal(buf_cstr(&why), "line 1001: too many targets");
	forward_clear(&f);
	buf_clear(&text);
	buf_clear(&why);
}

/* ---- the file ----------------------------------------------------------- */

static const char *home;

static void
put_file(const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX];
	int fd;

	test_path(path, sizeof(path), "%s/%s", home, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
assert_read(const char *address, enum forward_end want, const char *targets)
{
	struct forward_owner o = owner;
	struct buf got = BUF_INIT(10000), why = BUF_INIT(1000);
	struct forward f;

	o.home = slice_str(home);
	o.address = slice_str(address);
	forward_init(&f);
	assert_int_equal(forward_read(&fs_real, &o, &f, &why), want);
	if (want == FORWARD_OK) {
		put_targets(&got, &f);
		assert_string_equal(buf_cstr(&got), targets);
	} else if (want == FORWARD_BROKEN)
		assert_string_equal(buf_cstr(&why), targets);
	forward_clear(&f);
	buf_clear(&got);
	buf_clear(&why);
}

static void
files_are_found_and_judged(void **state)
{
	static char large[FORWARD_BYTES + 2];
	char path[PATH_MAX];

	(void)state;
	home = test_dir();
	assert_read("bob@example.org", FORWARD_NONE, NULL);
	put_file(".forward", "a@example.net\n", 0644);
	put_file(".forward+list", "l@example.net\n", 0600);
	assert_read("bob@example.org", FORWARD_OK, "a@example.net;");
	assert_read("bob+list@example.org", FORWARD_OK, "l@example.net;");
	assert_read("bob+other@example.org", FORWARD_OK, "a@example.net;");
	assert_read("bob+/../list@example.org", FORWARD_OK, "a@example.net;");
	assert_read("bobby@example.org", FORWARD_OK, "a@example.net;");
	put_file(".forward", "# nothing\n", 0600);
	assert_read("bob@example.org", FORWARD_NONE, NULL);
	put_file(".forward", "a@example.net\n", 0664);
	assert_read("bob@example.org", FORWARD_BROKEN, "~/.forward: others "
	    "than its owner may write to it");
	put_file(".forward", "a@example.net\n", 0602);
	assert_read("bob@example.org", FORWARD_BROKEN, "~/.forward: others "
	    "than its owner may write to it");
	put_file(".forward", "a@example.net\n\"x\n", 0600);
	assert_read("bob@example.org", FORWARD_BROKEN,
	    "~/.forward: line 2: a quote is not closed");
	memset(large, '#', sizeof(large) - 1);
	put_file(".forward", large, 0600);
	assert_read("bob@example.org", FORWARD_BROKEN,
	    "~/.forward: it is larger than 64 KiB");
	test_path(path, sizeof(path), "%s/.forward", home);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_read("bob@example.org", FORWARD_BROKEN,
	    "~/.forward: it is no regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_read("bob@example.org", FORWARD_BROKEN,
	    "~/.forward: it is no regular file");
	sim_dir_remove(home);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_understood),
		cmocka_unit_test(too_many_targets_are_refused),
		cmocka_unit_test(files_are_found_and_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
