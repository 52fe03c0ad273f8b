/* SPDX-License-Identifier: ISC */
/* table_test - each form of table, changes of files, databases. */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "table/aliases.h"
#include "table/mailbox_value.h"
#include "table/store.h"
#include "table/table.h"

static char	 dir[64];
static char	 path[100];

static int
make_directory(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/table_test.XXXXXX", sizeof("/tmp/table_test.XXXXXX"));
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/t", dir);
	return 0;
}

static int
remove_directory(void **state)
{
	static const char *const names[] = { "t", "t.db", "t.new" };
	char name[160];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, names[i]);
		unlink(name);
	}
	return rmdir(dir);
}

/* Puts text in place of the file, as an editor or an operator's mv does. */
static void
put_file(const char *text)
{
	char fresh[128];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s/t.new", dir);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(rename(fresh, path), 0);
}

static void
write_in_place(const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
make_old(void)
{
	static const struct timespec times[2] = { { 1000000, 1 },
		{ 1000000, 1 } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct conf_table
settings(const char *type)
{
	return (struct conf_table){ .name = "t", .type = type, .path = path };
}

/* The value, "-" for none, "!" and why for an error; valid for one call. */
static const char *
find(struct table *t, const char *key)
{
	static struct buf text = { .max = 1 << 20 };
	struct buf why = BUF_INIT(4096);
	struct table_hit hit;

	buf_reset(&text);
	switch (table_find(t, slice_str(key), &hit, &why)) {
	case TABLE_FOUND:
		buf_add(&text, hit.value);
		break;
	case TABLE_MISSING:
		buf_add_byte(&text, '-');
		break;
	case TABLE_ERROR:
		buf_add_byte(&text, '!');
		buf_add(&text, buf_slice(&why));
		break;
	}
	buf_clear(&why);
	return buf_cstr(&text);
}

static struct table *
load(const char *type, const char *text)
{
	struct conf_table ct = settings(type);
	struct buf why = BUF_INIT(4096);
	struct table *t;

	put_file(text);
	t = table_new(&ct, 1000);
	if (table_load(t, &why) == -1)
		fail_msg("%s", buf_cstr(&why));
	buf_clear(&why);
	return t;
}

struct query {
	const char	*key;
	const char	*value;		/* as find() gives it */
};

static const struct {
	const char	*type;
	const char	*text;
	struct query	 queries[10];
} whole[] = {
	{ "file", "# comment\n\nA@Example.org  b@example.org\r\n"
	    "c@example.org x@example.org,\n# between\n\ty@example.org  \n"
	    "only-key\n\"two words\"@example.org v\nlast l", {
		{ "a@example.org", "b@example.org" },
		{ "A@EXAMPLE.ORG", "b@example.org" },
		{ "c@example.org", "x@example.org, y@example.org" },
		{ "only-key", "" },
		{ "\"two words\"@example.org", "v" },
		{ "last", "l" },
		{ "absent", "-" },
		{ "", "-" },
	} },
	{ "aliases", "Root: admin@example.org\n"
	    "# no: x\nlist: a, b ,\n  \"|/bin/prog -x \\\"q\\\"\"\n"
	    "\"quoted name\": c\nowner-list: a\nfile:/var/mail/x\n", {
		{ "root", "admin@example.org" },
		{ "LIST", "a, b , \"|/bin/prog -x \\\"q\\\"\"" },
		{ "quoted name", "c" },
		{ "file", "/var/mail/x" },
		{ "no", "-" },
	} },
	{ "pcre", "/^(.*)-list@(.+)$/ $1+list@$2\n", {
		{ "Foo-List@example.org", "Foo+list@example.org" },
	} },
	{ "pcre", "/^(.*)-list@(.+)$/ ${1}$$x$(2)$\n/^case$/i exact\n"
	    "#^hash$# no\n|^a\\|b(x)?$|  n$1\n/^(a+)+$/ deep\n", {
		{ "a-list@b", "a$xb$" },
		{ "case", "exact" },
		{ "CASE", "-" },
		{ "a|b", "n" },
		{ "A|Bx", "nx" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
		    "!" },
	} },
	{ "cidr", "10.0.0.0/8 ten\n10.1.0.0/16 ten-one\n10.1.2.3 host\n"
	    "2001:db8::/32 doc\n0.0.0.0/0 any4\n", {
		{ "10.9.9.9", "ten" },
		{ "10.1.9.9", "ten-one" },
		{ "10.1.2.3", "host" },
		{ "192.0.2.1", "any4" },
		{ "2001:db8::5", "doc" },
		{ "2001:db9::5", "-" },
		{ "no-address", "-" },
	} },
	{ "file", "", { { "x", "-" } } },
};

static void
each_form_finds_its_entries(void **state)
{
	const struct query *q;
	struct table *t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		t = load(whole[i].type, whole[i].text);
		for (q = whole[i].queries; q->key != NULL; q++) {
			const char *have = find(t, q->key);

			if (strcmp(q->value, "!") == 0 ? have[0] != '!' :
			    strcmp(have, q->value) != 0)
				fail_msg("%s %s: %s, not %s", whole[i].type,
				    q->key, have, q->value);
		}
		table_free(&t);
		assert_null(t);
	}
}

static const struct {
	const char	*type;
	const char	*text;
	const char	*why;
} broken[] = {
	{ "file", " x y\n", ":1: it begins with a blank" },
	{ "file", "a b\n\na c\n", ":3: the key is there already, in line 1" },
	{ "file", "a b\nA c\n", ":2: the key is there already" },
	{ "aliases", "a b\n", ":1: no ':' behind the name" },
	{ "aliases", "a: b\nc:\n", ":2: no targets" },
	{ "aliases", ": b\n", ":1: no name" },
	{ "aliases", "a: \"|x\n", ":1: a quote is not closed" },
	{ "aliases", "a: |\n", ":1: a command is missing" },
	{ "aliases", "a: :include:rel\n", ":1: :include: wants an absolute" },
	{ "aliases", "a: \"b\"c\n", ":1: something behind the quotes" },
	{ "aliases", "a: x<b\n", ":1: '<' without '>'" },
	{ "aliases", "a: b;c\n", ":1: not an address" },
	{ "aliases", "a: b\nA: c", ":2: the key is there already, in line 1" },
	{ "pcre", "abc x\n", ":1: /pattern/flags RESULT" },
	{ "pcre", "!^neg$! n\n", ":1: /pattern/flags RESULT" },
	{ "pcre", "/abc x\n", ":1: no '/' behind the pattern" },
	{ "pcre", "/a/q x\n", ":1: unknown flag" },
	{ "pcre", "# c\n/(a/ x\n", ":2: pattern, at 2: " },
	{ "pcre", "/(a)/ $2\n", ":1: the result names $2, the pattern has 1" },
	{ "cidr", "10.0.0.1/8 x\n", ":1: not a network" },
	{ "cidr", "nonsense x\n", ":1: not a network" },
	{ "btree", "a b\n", "No such file" },
};

static void
a_broken_file_is_named_and_answers_error(void **state)
{
	struct buf why = BUF_INIT(4096);
	struct conf_table ct;
	struct table *t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		put_file(broken[i].text);
		ct = settings(broken[i].type);
		t = table_new(&ct, 1000);
		assert_true(find(t, "a")[0] == '!');
		buf_reset(&why);
		assert_int_equal(table_load(t, &why), -1);
		if (strstr(buf_cstr(&why), broken[i].why) == NULL)
			fail_msg("%s: %s", broken[i].text, buf_cstr(&why));
		assert_true(find(t, "a")[0] == '!');
		table_free(&t);
	}
	buf_clear(&why);
}

static void
a_binary_file_and_long_lines_are_refused(void **state)
{
	struct conf_table ct = settings("file");
	struct buf why = BUF_INIT(4096);
	char *text = mem_alloc(2 * TABLE_LINE_BYTES);
	struct table *t;
	int fd;

	(void)state;
	put_file("");
	fd = open(path, O_WRONLY);
	assert_int_equal(write(fd, "a\0b c\n", 6), 6);
	close(fd);
	t = table_new(&ct, 1000);
	assert_int_equal(table_load(t, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), ":1: a NUL byte"));
	memset(text, 'x', TABLE_LINE_BYTES + 1);
	put_file(text);
	buf_reset(&why);
	assert_int_equal(table_load(t, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), ":1: longer than"));
	memset(text, 'x', TABLE_KEY_BYTES + 1);
	text[TABLE_KEY_BYTES + 1] = '\0';
	put_file(text);
	buf_reset(&why);
	assert_int_equal(table_load(t, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), ":1: the key is longer"));
	table_free(&t);
	free(text);
	buf_clear(&why);
}

static void
a_changed_file_swaps_only_when_whole(void **state)
{
	struct buf why = BUF_INIT(4096);
	enum table_refresh r;
	struct table *t;
	int64_t before;

	(void)state;
	t = load("file", "a one\n");
	assert_int_equal(table_refresh(t, &why), TABLE_SAME);
	put_file("a two\n");
	assert_string_equal(find(t, "a"), "one");
	assert_int_equal(table_refresh(t, &why), TABLE_CHANGED);
	assert_string_equal(find(t, "a"), "two");
	put_file("a three\n b\nc d\nc e\n");
	assert_int_equal(table_refresh(t, &why), TABLE_BROKEN);
	assert_non_null(strstr(buf_cstr(&why), ":4: the key is there already"));
	assert_string_equal(find(t, "a"), "two");
	assert_int_equal(table_refresh(t, &why), TABLE_SAME);
	unlink(path);
	buf_reset(&why);
	assert_int_equal(table_refresh(t, &why), TABLE_BROKEN);
	assert_non_null(strstr(buf_cstr(&why), "No such file"));
	assert_int_equal(table_refresh(t, &why), TABLE_SAME);
	assert_string_equal(find(t, "a"), "two");
	/* Written in place: not while it may be half of it, which it is not
	 * any more where we were stalled. */
	do {
		put_file("a three\n");
		assert_int_equal(table_refresh(t, &why), TABLE_CHANGED);
		before = clock_wall_ms();
		write_in_place("a\n");
		r = table_refresh(t, &why);
	} while (r != TABLE_SAME && clock_wall_ms() - before >= 200);
	assert_int_equal(r, TABLE_SAME);
	assert_string_equal(find(t, "a"), "three");
	make_old();
	assert_int_equal(table_refresh(t, &why), TABLE_CHANGED);
	assert_string_equal(find(t, "a"), "");
	put_file("a four\n");
	assert_int_equal(table_refresh(t, &why), TABLE_CHANGED);
	assert_string_equal(find(t, "a"), "four");
	table_free(&t);
	buf_clear(&why);
}

static void
a_large_file_is_read_in_steps(void **state)
{
	struct buf text = BUF_INIT(16 << 20), why = BUF_INIT(4096);
	struct conf_table ct = settings("file");
	enum table_refresh r;
	struct table *t;
	int i, steps = 0;

	(void)state;
	for (i = 0; i < 100000; i++)
		buf_printf(&text, "user%d@example.org v%d\n", i, i);
	put_file(buf_cstr(&text));
	t = table_new(&ct, 100000);
	while ((r = table_refresh(t, &why)) == TABLE_BUSY)
		steps++;
	assert_int_equal(r, TABLE_CHANGED);
	assert_true(steps >= 4);
	assert_int_equal(table_entries(t), 100000);
	for (i = 0; i < 100000; i += 999) {
		char key[40], value[40];

		snprintf(key, sizeof(key), "USER%d@example.org", i);
		snprintf(value, sizeof(value), "v%d", i);
		assert_string_equal(find(t, key), value);
	}
	table_free(&t);
	t = table_new(&ct, 99999);
	assert_int_equal(table_load(t, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), "table.max_entries"));
	table_free(&t);
	buf_clear(&text);
	buf_clear(&why);
}

static void
an_inline_table_needs_no_file(void **state)
{
	const char *entries[] = { "A=b=c", "d", "e=x y" };
	const char *twins[] = { "a=b", "A=c" };
	struct conf_table ct = { "t", "inline", "", { entries, 3 } };
	struct buf why = BUF_INIT(4096);
	struct table *t = table_new(&ct, 10);

	(void)state;
	assert_int_equal(table_load(t, &why), 0);
	assert_string_equal(find(t, "a"), "b=c");
	assert_string_equal(find(t, "D"), "");
	assert_string_equal(find(t, "e"), "x y");
	assert_true(table_is(t, &ct, 10));
	assert_false(table_is(t, &ct, 11));
	ct.entries.n = 2;
	assert_false(table_is(t, &ct, 10));
	table_free(&t);
	ct.entries = (struct conf_list){ twins, 2 };
	t = table_new(&ct, 10);
	assert_int_equal(table_load(t, &why), -1);
	assert_string_equal(buf_cstr(&why), "table t: a key is there twice");
	table_free(&t);
	buf_clear(&why);
}

static void
databases_are_made_whole_and_read_back(void **state)
{
	static const char *const types[] = { "btree", "hash" };
	struct conf_table ct;
	struct buf why = BUF_INIT(4096);
	struct table *t;
	struct stat st;
	size_t i;
	char name[160];

	(void)state;
	for (i = 0; i < 2; i++) {
		ct = settings(types[i]);
		put_file("A@example.org b@example.org\nkey\n");
		assert_int_equal(table_make(&ct, false, NULL, NULL, &why), 2);
		t = table_new(&ct, 1);
		assert_int_equal(table_load(t, &why), 0);
		assert_string_equal(find(t, "a@EXAMPLE.org"), "b@example.org");
		assert_string_equal(find(t, "key"), "");
		assert_string_equal(find(t, "absent"), "-");
		snprintf(name, sizeof(name), "%s.db", path);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0644);
		/* A broken text leaves the database as it was. */
		put_file("root: a\nroot: b\n");
		assert_int_equal(table_make(&ct, true, NULL, NULL, &why), -1);
		assert_non_null(strstr(buf_cstr(&why), "t:2: the key is"));
		buf_reset(&why);
		assert_int_equal(table_refresh(t, &why), TABLE_SAME);
		assert_string_equal(find(t, "key"), "");
		put_file("root: a, b\n");
		assert_int_equal(table_make(&ct, true, NULL, NULL, &why), 1);
		assert_int_equal(table_refresh(t, &why), TABLE_CHANGED);
		assert_string_equal(find(t, "Root"), "a, b");
		assert_string_equal(find(t, "key"), "-");
		table_free(&t);
		ct = settings(types[1 - i]);
		t = table_new(&ct, 1);
		assert_int_equal(table_load(t, &why), -1);
		assert_non_null(strstr(buf_cstr(&why), "database"));
		buf_reset(&why);
		table_free(&t);
		unlink(name);
	}
	ct = settings("file");
	assert_int_equal(table_make(&ct, false, NULL, NULL, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), "needs no database"));
	buf_clear(&why);
}

static void
a_truncated_database_is_an_error_not_a_crash(void **state)
{
	struct conf_table ct = settings("btree");
	struct buf why = BUF_INIT(4096);
	char name[160];
	struct table *t;
	off_t size;

	(void)state;
	put_file("a b\nc d\n");
	assert_int_equal(table_make(&ct, false, NULL, NULL, &why), 2);
	t = table_new(&ct, 1);
	assert_int_equal(table_load(t, &why), 0);
	snprintf(name, sizeof(name), "%s.db", path);
	for (size = 5000; size >= 0; size -= 1000) {
		assert_int_equal(truncate(name, size), 0);
		find(t, "a");
		table_refresh(t, &why);
		find(t, "c");
	}
	table_free(&t);
	buf_clear(&why);
}

static const struct {
	const char	*text;
	struct {
		enum alias_kind	 kind;
		const char	*text;	/* NULL: PARSE_BAD */
		bool		 no_alias;
	} targets[5];
} targets[] = {
	{ "", { { 0 } } },
	{ " , ,", { { 0 } } },
	{ "a,b c", { { ALIAS_ADDRESS, "a", false },
	    { ALIAS_ADDRESS, "b", false }, { ALIAS_ADDRESS, "c", false } } },
	{ "\\root, root@x", { { ALIAS_ADDRESS, "root", true },
	    { ALIAS_ADDRESS, "root@x", false } } },
	{ "|prog arg, \"|p \\\"a, b\\\"\"", { { ALIAS_COMMAND, "prog arg", 0 },
	    { ALIAS_COMMAND, "p \"a, b\"", false } } },
	{ "|\"prog arg\" , x", { { ALIAS_COMMAND, "prog arg", false },
	    { ALIAS_ADDRESS, "x", false } } },
	{ "/var/mail/x \"/with blank/\"", { { ALIAS_FILE, "/var/mail/x", 0 },
	    { ALIAS_FILE, "/with blank/", false } } },
	{ ":include:/a, \":Include:/b c\"", { { ALIAS_INCLUDE, "/a", false },
	    { ALIAS_INCLUDE, "/b c", false } } },
	{ "\"a b\"@x, c", { { ALIAS_ADDRESS, "\"a b\"@x", false },
	    { ALIAS_ADDRESS, "c", false } } },
	{ "Some Name <a@x>, <b@x>", { { ALIAS_ADDRESS, "a@x", false },
	    { ALIAS_ADDRESS, "b@x", false } } },
	{ "\"Name, Some\" <a@x>, b", { { ALIAS_ADDRESS, "a@x", false },
	    { ALIAS_ADDRESS, "b", false } } },
	{ "a@x (of x, (once)), (b \\)) c@x", { { ALIAS_ADDRESS, "a@x", false },
	    { ALIAS_ADDRESS, "c@x", false } } },
	{ "(nobody)", { { 0 } } },
	{ "a@x (b", { { ALIAS_ADDRESS, "a@x", false }, { 0, NULL, true } } },
	{ "|/bin/x (y), (z)", { { ALIAS_COMMAND, "/bin/x (y)", false } } },
	{ "Some (One) <a@x> (b)", { { ALIAS_ADDRESS, "a@x", false } } },
	{ "a@[192.0.2.1] b", { { ALIAS_ADDRESS, "a@[192.0.2.1]", false },
	    { ALIAS_ADDRESS, "b", false } } },
	{ "a@[IPv6:::1]", { { ALIAS_ADDRESS, "a@[IPv6:::1]", false } } },
	{ "a, \"", { { ALIAS_ADDRESS, "a", false }, { 0, NULL, true } } },
	{ "\"\"", { { 0, NULL, true } } },
	{ "|\"\"", { { 0, NULL, true } } },	/* found by table_fuzz */
	{ "\\", { { 0, NULL, true } } },
	{ "<>", { { 0, NULL, true } } },
};

static void
alias_targets_are_told_apart(void **state)
{
	struct arena arena = ARENA_INIT(1 << 20);
	long page = sysconf(_SC_PAGESIZE);
	struct alias_target t;
	const char *why;
	struct slice rest;
	enum parse r;
	size_t i, j, n;
	char *map;

	(void)state;
	map = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + page, (size_t)page, PROT_NONE), 0);
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		n = strlen(targets[i].text);
		memcpy(map + page - n, targets[i].text, n);
		rest = slice_of(map + page - n, n);
		for (j = 0;; j++) {
			r = alias_next(&arena, &rest, &t, &why);
			if (r == PARSE_BAD && targets[i].targets[j].text ==
			    NULL && targets[i].targets[j].no_alias)
				break;
			if (r == PARSE_MORE &&
			    targets[i].targets[j].text == NULL &&
			    !targets[i].targets[j].no_alias)
				break;
			if (r != PARSE_OK ||
			    targets[i].targets[j].text == NULL ||
			    t.kind != targets[i].targets[j].kind ||
			    t.no_alias != targets[i].targets[j].no_alias ||
			    !slice_eq(t.text,
			    slice_str(targets[i].targets[j].text)))
				fail_msg("%s: target %zu: %d %.*s",
				    targets[i].text, j, r,
				    SLICE_ARG(r == PARSE_OK ? t.text :
				    SLICE_EMPTY));
		}
	}
	munmap(map, 2 * (size_t)page);
	arena_clear(&arena);
}

static void
the_store_keeps_long_and_strange_entries(void **state)
{
	struct store s;
	char *big = mem_alloc(70000);
	struct slice value;
	unsigned line;
	uint32_t i;

	(void)state;
	store_init(&s, 5000);
	assert_false(store_find(&s, SLICE_LIT("x"), &value, &line));
	for (i = 0; i < 4998; i++)
		assert_int_equal(store_add(&s, slice_of(&i, sizeof(i)),
		    slice_of(&i, i % 5), i, &line), STORE_ADDED);
	assert_int_equal(store_add(&s, slice_of(big, 70000),
	    slice_of(big, 69999), 4000000000u, &line), STORE_ADDED);
	assert_int_equal(store_add(&s, SLICE_EMPTY, SLICE_EMPTY, 1, &line),
	    STORE_ADDED);
	assert_int_equal(store_add(&s, SLICE_LIT("more"), SLICE_EMPTY, 1,
	    &line), STORE_FULL);
	assert_int_equal(store_add(&s, SLICE_EMPTY, SLICE_EMPTY, 7, &line),
	    STORE_TWIN);
	assert_int_equal(line, 1);
	for (i = 0; i < 4998; i++) {
		assert_true(store_find(&s, slice_of(&i, sizeof(i)), &value,
		    &line));
		assert_int_equal(line, i);
		assert_int_equal(value.n, i % 5);
	}
	assert_true(store_find(&s, slice_of(big, 70000), &value, &line));
	assert_int_equal(value.n, 69999);
	assert_int_equal(line, 4000000000u);
	store_clear(&s);
	free(big);
}

static void
limits_of_a_mailbox_are_read_or_named(void **state)
{
	static const struct {
		const char	*text;
		uint64_t	 bytes, messages;
		const char	*bad;		/* NULL: it is good */
	} t[] = {
		{ "", 0, 0, NULL },
		{ " , ,", 0, 0, NULL },
		{ "OK", 0, 0, NULL },
		{ "example.org/alice/", 0, 0, NULL },
		{ "quota_bytes=5M", 5 << 20, 0, NULL },
		{ "QUOTA_BYTES=1K,quota_messages=7", 1024, 7, NULL },
		{ "\tquota_messages=0  OK quota_bytes=1 ", 1, 0, NULL },
		{ "quota_messages=1 quota_messages=2", 0, 2, NULL },
		{ "quota_bytes=", 0, 0, "quota_bytes=" },
		{ "quota_bytes=-1", 0, 0, "quota_bytes=-1" },
		{ "quota_bytes=99999999999999999999", 0, 0,
		    "quota_bytes=99999999999999999999" },
		{ "quota_messages=1 quota_byte=5", 0, 0, "quota_byte=5" },
		{ "quota_messages=5M", 0, 0, "quota_messages=5M" },
		{ "=", 0, 0, "=" },
	};
	struct mailbox_value v;
	struct slice bad;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		v = (struct mailbox_value){ 0, 0 };
		if (mailbox_value_parse(slice_str(t[i].text), &v, &bad) !=
		    (t[i].bad == NULL))
			fail_msg("%s", t[i].text);
		if (t[i].bad != NULL) {
			assert_true(slice_eq(bad, slice_str(t[i].bad)));
			continue;
		}
		assert_int_equal(v.quota_bytes, t[i].bytes);
		assert_int_equal(v.quota_messages, t[i].messages);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_finds_its_entries),
		cmocka_unit_test(a_broken_file_is_named_and_answers_error),
		cmocka_unit_test(a_binary_file_and_long_lines_are_refused),
		cmocka_unit_test(a_changed_file_swaps_only_when_whole),
		cmocka_unit_test(a_large_file_is_read_in_steps),
		cmocka_unit_test(an_inline_table_needs_no_file),
		cmocka_unit_test(databases_are_made_whole_and_read_back),
		cmocka_unit_test(a_truncated_database_is_an_error_not_a_crash),
		cmocka_unit_test(alias_targets_are_told_apart),
		cmocka_unit_test(limits_of_a_mailbox_are_read_or_named),
		cmocka_unit_test(the_store_keeps_long_and_strange_entries),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
