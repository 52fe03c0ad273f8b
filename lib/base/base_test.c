/* SPDX-License-Identifier: ISC */
/* base_test - slices, bufs, arenas, packed fields, quoted words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/test_guard.h"
#include "base/wire.h"

static void
slices_compared(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE_EMPTY, (struct slice){ NULL, 0 }));
	assert_true(slice_eq_nocase(SLICE_LIT("aZ[`{"), SLICE_LIT("Az[`{")));
	assert_false(slice_eq_nocase(SLICE_LIT("@"), SLICE_LIT("`")));
	assert_false(slice_eq_nocase(SLICE_LIT("\xc9"), SLICE_LIT("\xe9")));
	assert_false(slice_eq_nocase(SLICE_LIT("ab"), SLICE_LIT("a")));
	assert_true(slice_starts(SLICE_LIT("ab"), SLICE_LIT("")));
	assert_true(slice_starts(SLICE_LIT("ab"), SLICE_LIT("a")));
	assert_false(slice_starts(SLICE_LIT("a"), SLICE_LIT("ab")));
	assert_true(slice_starts_nocase(SLICE_LIT("AB"), SLICE_LIT("a")));
	assert_true(slice_ends_nocase(SLICE_LIT("x.Y"), SLICE_LIT(".y")));
	assert_false(slice_ends_nocase(SLICE_LIT("y"), SLICE_LIT("x.y")));
	assert_true(slice_cmp(SLICE_LIT("a"), SLICE_LIT("ab")) < 0);
	assert_true(slice_cmp(SLICE_LIT("\xff"), SLICE_LIT("a")) > 0);
	assert_int_equal(slice_cmp(SLICE_EMPTY, SLICE_EMPTY), 0);
}

static void
slices_searched(void **state)
{
	struct slice s = SLICE_LIT("a,b,c"), none = { NULL, 0 };

	(void)state;
	assert_int_equal(slice_find(s, ','), 1);
	assert_int_equal(slice_rfind(s, ','), 3);
	assert_int_equal(slice_find(s, 'x'), 5);
	assert_int_equal(slice_rfind(s, 'x'), 5);
	assert_int_equal(slice_find(none, 'x'), 0);
	assert_int_equal(slice_rfind(none, 'x'), 0);
	assert_slice_equal(slice_trim(SLICE_LIT(" \t\r\na b\n ")),
	    SLICE_LIT("a b"));
	assert_int_equal(slice_trim(SLICE_LIT(" \r\n")).n, 0);
}

static void
slices_divided(void **state)
{
	static const struct {
		const char	*in;
		const char	*parts[4];
	} t[] = {
		{ "", { "" } }, { "a", { "a" } }, { ",", { "", "" } },
		{ "a,b", { "a", "b" } }, { "a,,b,", { "a", "", "b", "" } },
	};
	struct slice rest, part;
	struct guard g;
	size_t i, j;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rest = guard_copy(&g, slice_str(t[i].in));
		for (j = 0; slice_next(&rest, ',', &part); j++)
			assert_slice_equal(part, slice_str(t[i].parts[j]));
		assert_true(j == 4 || t[i].parts[j] == NULL);
	}
	guard_clear(&g);
}

static void
buf_reaches_its_ceiling_and_keeps_its_contents(void **state)
{
	struct buf b = BUF_INIT(5);

	(void)state;
	assert_string_equal(buf_cstr(&b), "");
	assert_int_equal(buf_slice(&b).n, 0);
	assert_int_equal(buf_add_str(&b, "abc"), 0);
	assert_int_equal(buf_add_str(&b, "def"), -1);
	assert_int_equal(buf_printf(&b, "%d", 123), -1);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_string_equal(buf_cstr(&b), "abc");
	assert_int_equal(buf_printf(&b, "%d", 12), 0);
	assert_int_equal(buf_add_byte(&b, 'x'), -1);
	assert_string_equal(buf_cstr(&b), "abc12");
	assert_int_equal(buf_add(&b, SLICE_EMPTY), 0);
	buf_drop(&b, 3);
	assert_string_equal(buf_cstr(&b), "12");
	buf_drop(&b, 2);
	assert_string_equal(buf_cstr(&b), "");
	buf_reset(&b);
	buf_clear(&b);
	buf_clear(&b);
	assert_int_equal(buf_add_str(&b, "abcde"), 0);
	buf_clear(&b);
}

static void
buf_grows(void **state)
{
	struct buf b = BUF_INIT(100000);
	unsigned i;

	(void)state;
	for (i = 0; i < 10000; i++)
		assert_int_equal(buf_printf(&b, "%04u,", i), 0);
	assert_int_equal(b.n, 50000);
	assert_memory_equal(b.p + 49995, "9999,", 5);
	buf_clear(&b);
}

static void
arena_is_limited_aligned_and_zeroed(void **state)
{
	struct arena a = ARENA_INIT(5000);
	struct slice copy;
	char *p, *q;
	size_t i;

	(void)state;
	for (i = 1; i < 50; i++) {
		p = arena_alloc(&a, i);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		assert_int_equal(p[0], 0);
		assert_int_equal(p[i - 1], 0);
		memset(p, 0xff, i);
	}
	q = arena_alloc(&a, 3000);
	assert_non_null(q);
	assert_null(arena_alloc(&a, 5000));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_int_equal(arena_copy(&a, SLICE_LIT("abc"), &copy), 0);
	assert_slice_equal(copy, SLICE_LIT("abc"));
	assert_int_equal(copy.p[3], '\0');
	arena_clear(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 5000));
	arena_clear(&a);
}

static void
memory(void **state)
{
	char *p = mem_slicedup(SLICE_LIT("ab\0c"));

	(void)state;
	assert_memory_equal(p, "ab\0c\0", 5);
	free(p);
	p = mem_alloc(0);
	assert_non_null(p);
	p = mem_regrow(p, 10, 10);
	free(p);
	p = mem_strdup("");
	assert_string_equal(p, "");
	free(p);
}

static void
an_array_grows_by_its_own_size(void **state)
{
	static const size_t caps[] = { 3, 3, 3, 6, 6, 6, 12 };
	uint16_t *v = NULL;
	size_t cap = 0, i;

	(void)state;
	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		v = mem_room(v, i, &cap, sizeof(*v), 3);
		assert_int_equal(cap, caps[i]);
		v[i] = (uint16_t)i;
	}
	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		assert_int_equal(v[i], i);
	free(v);
}

static void
fields_there_and_back(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct slice s;
	struct wire w;
	struct guard g;
	size_t n;

	(void)state;
	guard_init(&g, 1000);
	put_u8(&b, 0xfe);
	put_u16(&b, 0xfedc);
	put_u32(&b, 0xfedcba98);
	put_u64(&b, UINT64_C(0xfedcba9876543210));
	put_slice(&b, SLICE_LIT("abc"));
	put_time(&b, INT64_MAX);
	put_time(&b, -5);
	put_u8(&b, 1);
	/* Fixed on disk and between versions: little-endian. */
	assert_memory_equal(b.p, "\xfe\xdc\xfe\x98\xba\xdc\xfe\x10\x32", 9);
	for (n = 0; n <= b.n; n++) {
		w = wire_of(guard_copy(&g, slice_first(buf_slice(&b), n)));
		get_u8(&w);
		get_u16(&w);
		get_u32(&w);
		get_u64(&w);
		s = get_slice(&w, 3);
		get_time(&w);
		get_time(&w);
		get_bool(&w);
		assert_int_equal(wire_done(&w), n == b.n);
	}
	assert_slice_equal(s, SLICE_LIT("abc"));
	w = wire_of(buf_slice(&b));
	assert_int_equal(get_u8(&w), 0xfe);
	assert_int_equal(get_u16(&w), 0xfedc);
	assert_int_equal(get_u32(&w), 0xfedcba98);
	assert_int_equal(get_u64(&w), UINT64_C(0xfedcba9876543210));
	get_slice(&w, 3);
	assert_int_equal(get_time(&w), TIME_MAX_MS);
	assert_int_equal(get_time(&w), 0);
	assert_true(get_bool(&w));
	assert_int_equal(get_rest(&w).n, 0);
	assert_true(wire_done(&w));
	buf_clear(&b);
	guard_clear(&g);
}

static void
bad_fields_stay_bad(void **state)
{
	static const struct {
		const char	*name;
		const char	*bytes;
		size_t		 n;
		enum { SLICE2, TEXT, ENUM3, BOOL, TIME } as;
		bool		 ok;
	} t[] = {
		{ "slice", "\2\0\0\0ab", 6, SLICE2, true },
		{ "slice over its limit", "\3\0\0\0abc", 7, SLICE2, false },
		{ "slice longer than the rest", "\2\0\0\0a", 5, SLICE2, false },
		{ "huge slice", "\xff\xff\xff\xff", 4, SLICE2, false },
		{ "text", "\2\0\0\0a ", 6, TEXT, true },
		{ "text with LF", "\2\0\0\0a\n", 6, TEXT, false },
		{ "text with NUL", "\2\0\0\0a\0", 6, TEXT, false },
		{ "text with DEL", "\2\0\0\0a\x7f", 6, TEXT, false },
		{ "text with 8 bits", "\2\0\0\0\xc3\xa9", 6, TEXT, true },
		{ "enum", "\3", 1, ENUM3, true },
		{ "enum over its limit", "\4", 1, ENUM3, false },
		{ "bool", "\1", 1, BOOL, true },
		{ "bool of two", "\2", 1, BOOL, false },
		{ "time", "\0\0\0\0\0\0\0\0", 8, TIME, true },
		{ "time before 1970", "\xff\xff\xff\xff\xff\xff\xff\xff", 8,
		    TIME, false },
	};
	struct wire w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		print_message("%s\n", t[i].name);
		w = wire_of(slice_of(t[i].bytes, t[i].n));
		switch (t[i].as) {
		case SLICE2:
			get_slice(&w, 2);
			break;
		case TEXT:
			get_text(&w, 10);
			break;
		case ENUM3:
			get_enum(&w, 3);
			break;
		case BOOL:
			get_bool(&w);
			break;
		case TIME:
			get_time(&w);
			break;
		}
		assert_int_equal(wire_done(&w), t[i].ok);
		if (t[i].ok)
			continue;
		assert_int_equal(get_u8(&w), 0);
		assert_int_equal(get_slice(&w, 10).n, 0);
		assert_int_equal(get_rest(&w).n, 0);
		assert_false(wire_done(&w));
	}
}

static void
packing_stops_at_the_ceiling(void **state)
{
	struct buf b = BUF_INIT(7);

	(void)state;
	assert_int_equal(put_slice(&b, SLICE_LIT("abcd")), -1);
	assert_int_equal(b.n, 0);
	assert_int_equal(put_u64(&b, 1), -1);
	assert_int_equal(put_slice(&b, SLICE_LIT("abc")), 0);
	assert_int_equal(put_u8(&b, 1), -1);
	assert_int_equal(b.n, 7);
	buf_clear(&b);
}

static void
words_for_the_log(void **state)
{
	static const struct {
		const char	*in, *out;
	} t[] = {
		{ "a@b.example", "a@b.example" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a\"b", "\"a\\x22b\"" },
		{ "a\\b", "\"a\\x5cb\"" },
		{ "a\r\nid=x", "\"a\\x0d\\x0aid=x\"" },
		{ "\xc3\xa9\x7f\x1b", "\"\\xc3\\xa9\\x7f\\x1b\"" },
		{ "[192.0.2.1]:25", "[192.0.2.1]:25" },
	};
	char big[600];
	const char *got, *first;
	struct guard g;
	size_t i;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(log_quote(guard_copy(&g,
		    slice_str(t[i].in))), t[i].out);
	memset(big, 'a', sizeof(big));
	got = log_quote(slice_of(big, sizeof(big)));
	assert_int_equal(strlen(got), 503);
	assert_string_equal(got + 500, "...");
	memset(big, 1, sizeof(big));
	assert_int_equal(strlen(log_quote(slice_of(big, sizeof(big)))),
	    500 * 4 + 3 + 2);
	first = log_quote(SLICE_LIT("first"));
	for (i = 0; i < 15; i++)
		log_quote(SLICE_LIT("x"));
	assert_string_equal(first, "first");
	guard_clear(&g);
}

/* Whoever opens a FIFO waits for its other end. */
static void
a_file_is_not_waited_for(void **state)
{
	char dir[] = "/tmp/base_test.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_open(path), -1);
	assert_int_equal(errno, ENODEV);
	assert_int_equal(file_open(dir), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_open(path), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(rmdir(dir), 0);
	fd = file_open("/dev/null");
	assert_true(fd != -1);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_compared),
		cmocka_unit_test(slices_searched),
		cmocka_unit_test(slices_divided),
		cmocka_unit_test(buf_reaches_its_ceiling_and_keeps_its_contents),
		cmocka_unit_test(buf_grows),
		cmocka_unit_test(arena_is_limited_aligned_and_zeroed),
		cmocka_unit_test(memory),
		cmocka_unit_test(an_array_grows_by_its_own_size),
		cmocka_unit_test(fields_there_and_back),
		cmocka_unit_test(bad_fields_stay_bad),
		cmocka_unit_test(packing_stops_at_the_ceiling),
		cmocka_unit_test(words_for_the_log),
		cmocka_unit_test(a_file_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
