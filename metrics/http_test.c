/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"

#define H	"Host: x\r\n"

static const struct {
	const char	*name;
	struct slice	 head;
	enum parse	 want;
	const char	*path;		/* PARSE_OK */
	bool		 has_body;
} cases[] = {
	{ "plain", SLICE_LIT("GET /metrics HTTP/1.1\r\n" H "\r\n"), PARSE_OK, "/metrics", false },
	{ "what follows is not looked at", SLICE_LIT("GET / HTTP/1.1\r\n" H "\r\n\n\0"), PARSE_OK, "/", false },
	{ "1.0 needs no host", SLICE_LIT("GET /metrics HTTP/1.0\r\n\r\n"), PARSE_OK, "/metrics", false },
	{ "a query is cut off", SLICE_LIT("GET /metrics?a=b HTTP/1.1\r\n" H "\r\n"), PARSE_OK, "/metrics", false },
	{ "an absolute target", SLICE_LIT("GET http://h:1/metrics HTTP/1.1\r\n" H "\r\n"), PARSE_OK, "/metrics", false },
	{ "any method", SLICE_LIT("M-SEARCH /x HTTP/1.1\r\n" H "\r\n"), PARSE_OK, "/x", false },
	{ "a body of no bytes", SLICE_LIT("GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), PARSE_OK, "/", false },
	{ "a body", SLICE_LIT("GET / HTTP/1.1\r\n" H "content-length: 7\r\n\r\n"), PARSE_OK, "/", true },
	{ "chunks", SLICE_LIT("GET / HTTP/1.1\r\n" H "Transfer-Encoding: x\r\n\r\n"), PARSE_OK, "/", true },
	{ "an empty field", SLICE_LIT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), PARSE_OK, "/", false },
	{ "nothing", SLICE_LIT(""), PARSE_MORE, NULL, false },
	{ "no end of the head", SLICE_LIT("GET / HTTP/1.1\r\n" H), PARSE_MORE, NULL, false },
	{ "half an end", SLICE_LIT("GET / HTTP/1.1\r\n" H "\r"), PARSE_MORE, NULL, false },
	{ "no host", SLICE_LIT("GET / HTTP/1.1\r\n\r\n"), PARSE_BAD, NULL, false },
	{ "two hosts", SLICE_LIT("GET / HTTP/1.1\r\n" H H "\r\n"), PARSE_BAD, NULL, false },
	{ "LF alone", SLICE_LIT("GET / HTTP/1.1\n"), PARSE_BAD, NULL, false },
	{ "CR alone", SLICE_LIT("GET / HTTP/1.1\r "), PARSE_BAD, NULL, false },
	{ "NUL", SLICE_LIT("GET /\0"), PARSE_BAD, NULL, false },
	{ "an empty line first", SLICE_LIT("\r\nGET / HTTP/1.1\r\n" H "\r\n"), PARSE_BAD, NULL, false },
	{ "no version", SLICE_LIT("GET /metrics\r\n\r\n"), PARSE_BAD, NULL, false },
	{ "version 2", SLICE_LIT("PRI * HTTP/2.0\r\n\r\n"), PARSE_BAD, NULL, false },
	{ "two blanks", SLICE_LIT("GET  / HTTP/1.1\r\n"), PARSE_BAD, NULL, false },
	{ "a tab", SLICE_LIT("GET\t/ HTTP/1.1\r\n"), PARSE_BAD, NULL, false },
	{ "not a path", SLICE_LIT("GET metrics HTTP/1.1\r\n"), PARSE_BAD, NULL, false },
	{ "https", SLICE_LIT("GET https://x/ HTTP/1.1\r\n"), PARSE_BAD, NULL, false },
	{ "http without a path", SLICE_LIT("GET http://x HTTP/1.1\r\n"), PARSE_BAD, NULL, false },
	{ "8 bits", SLICE_LIT("GET /\xff HTTP/1.1\r\n"), PARSE_BAD, NULL, false },
	{ "no colon", SLICE_LIT("GET / HTTP/1.1\r\nHost\r\n"), PARSE_BAD, NULL, false },
	{ "a blank before the colon", SLICE_LIT("GET / HTTP/1.1\r\nHost : x\r\n"), PARSE_BAD, NULL, false },
	{ "a folded line", SLICE_LIT("GET / HTTP/1.1\r\n" H " y\r\n"), PARSE_BAD, NULL, false },
	{ "no name", SLICE_LIT("GET / HTTP/1.1\r\n: x\r\n"), PARSE_BAD, NULL, false },
	{ "a hello of TLS", SLICE_LIT("\x16\x03\x01\x02\x00\x01"), PARSE_BAD, NULL, false },
};

/* The last byte of s is before a page that cannot be read. */
static struct slice
at_the_edge(char *pages, size_t page, struct slice s)
{
	char *to = pages + page - s.n;

	memcpy(to, s.p, s.n);
	return slice_of(to, s.n);
}

static void
heads_are_judged_whole_and_byte_by_byte(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i, n;
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct http_request r;
	struct slice s;
	enum parse got;

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = PARSE_MORE;
		for (n = 0; n <= cases[i].head.n && got == PARSE_MORE; n++) {
			s = at_the_edge(pages, page,
			    slice_first(cases[i].head, n));
			got = http_parse(s, &r);
		}
		s = at_the_edge(pages, page, cases[i].head);
		if (got != cases[i].want ||
		    http_parse(s, &r) != cases[i].want)
			fail_msg("%s: %d", cases[i].name, (int)got);
		if (got != PARSE_OK)
			continue;
		if (!slice_eq(r.path, slice_str(cases[i].path)) ||
		    r.has_body != cases[i].has_body)
			fail_msg("%s: path %.*s", cases[i].name,
			    SLICE_ARG(r.path));
	}
	munmap(pages, 2 * page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_judged_whole_and_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
