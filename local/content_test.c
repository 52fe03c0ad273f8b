/* SPDX-License-Identifier: ISC */
/* content_test - line ends, in one piece, byte by byte, beside a page that
 * cannot be read; and content from memory, a file and both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/test_guard.h"
#include "content.h"

static const struct {
	const char	*in;
	const char	*out;
	uint64_t	 lines;
} cases[] = {
	{ "", "", 0 },
	{ "a", "a", 0 },
	{ "\r\n", "\n", 1 },
	{ "a\r\n", "a\n", 1 },
	{ "a\r\nb\r\n\r\nc", "a\nb\n\nc", 3 },
	{ "a\nb", "a\nb", 1 },
	{ "a\rb\r\n", "a\rb\n", 1 },
	{ "a\r", "a\r", 0 },
	{ "\r", "\r", 0 },
	{ "a\r\r\nb", "a\r\nb", 0 },
	{ "\r\r\r\n\r\n", "\r\r\n\n", 1 },
	{ "\n\r\n\n", "\n\n\n", 3 },
	{ "\r\n\r", "\n\r", 1 },
};

static void
check_lf(struct slice in, size_t step, const char *out, uint64_t lines)
{
	struct buf b = BUF_INIT(1000);
	struct lf_writer lf = { 0 };
	size_t n;

	while (in.n > 0) {
		n = in.n < step ? in.n : step;
		lf_feed(&lf, slice_first(in, n), &b);
		in = slice_from(in, n);
	}
	lf_end(&lf, &b);
	assert_string_equal(buf_cstr(&b), out);
	assert_int_equal(lf.lines, lines);
	buf_clear(&b);
}

static void
crlf_becomes_lf(void **state)
{
	struct guard g;
	size_t i, step;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (step = 1; step < 9; step++)
			check_lf(guard_copy(&g, slice_str(cases[i].in)), step,
			    cases[i].out, cases[i].lines);
	guard_clear(&g);
}

static int
file_of(const char *text)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
check_stored(const struct content *c, const char *prefix, const char *want,
    uint64_t virtual)
{
	char got[1000] = "";
	struct stored_size s;
	int fd = memfd_create("stored", MFD_CLOEXEC);

	assert_int_equal(content_write(c, &fs_real, fd, slice_str(prefix), &s),
	    0);
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(want));
	assert_string_equal(got, want);
	assert_int_equal(s.bytes, strlen(want));
	assert_int_equal(s.virtual, virtual);
	close(fd);
}

static void
content_comes_from_memory_and_file(void **state)
{
	struct job j = { .content = SLICE_LIT("A: b\r\n\r"), .offset = 3,
		.size = 6 };
	struct content c;
	int fd = file_of("xyz\ncd\r\nzz");

	(void)state;
	content_init(&c);
	assert_int_equal(content_set(&c, &j, fd), 0);
	check_stored(&c, "P: q\n", "P: q\nA: b\n\ncd\nz", 19);
	assert_true(slice_eq(content_head(&c),
	    SLICE_LIT("A: b\r\n\r\ncd\r\nz")));
	j.content = SLICE_LIT("A: b\r\n\r\nc\r\n");
	assert_int_equal(content_set(&c, &j, -1), 0);
	check_stored(&c, "P: q\n", "P: q\nA: b\n\nc\n", 17);
	check_stored(&c, "", "A: b\n\nc\n", 11);
	close(fd);
	content_clear(&c);
}

static void
short_file_is_an_error(void **state)
{
	struct job j = { .content = SLICE_LIT("A: b\r\n\r\n"), .size = 100 };
	struct content c;
	int fd = file_of("too short");

	(void)state;
	content_init(&c);
	assert_int_equal(content_set(&c, &j, fd), -1);
	close(fd);
	content_clear(&c);
}

static void
binary_is_reencoded_or_left_alone(void **state)
{
	struct job j = { .body = BODY_BINARYMIME };
	struct content c;

	(void)state;
	content_init(&c);
	j.content = SLICE_LIT("MIME-Version: 1.0\r\n"
	    "Content-Type: application/octet-stream\r\n"
	    "Content-Transfer-Encoding: binary\r\n\r\n\0\1\r\n\n");
	assert_int_equal(content_set(&c, &j, -1), 0);
	assert_false(c.verbatim);
	assert_null(memchr(c.text.p, '\0', c.text.n));
	j.content = SLICE_LIT("MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/signed; boundary=b\r\n\r\n"
	    "--b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n"
	    "--b--\r\n");
	assert_int_equal(content_set(&c, &j, -1), 0);
	assert_true(c.verbatim);
	assert_int_equal(c.text.n, j.content.n);
	content_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crlf_becomes_lf),
		cmocka_unit_test(content_comes_from_memory_and_file),
		cmocka_unit_test(short_file_is_an_error),
		cmocka_unit_test(binary_is_reencoded_or_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
