/* SPDX-License-Identifier: ISC */
/* submission_fuzz - what sendmail reads: in one piece and in two it is the same
 * text, with CRLF only; made whole it has From and an empty line. */
#include <assert.h>

#include "mail/header.h"
#include "submission.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_lines(struct slice s)
{
	struct slice line;

	while (slice_next(&s, '\n', &line))
		assert(slice_find(line, '\r') + (s.p != NULL) == line.n);
}

static void
read_parts(struct slice s, size_t cut, bool dots, struct buf *b)
{
	struct text_reader r = { .dot_ends = dots };

	assert(text_read(&r, slice_first(s, cut), b) == 0);
	assert(text_read(&r, slice_from(s, cut), b) == 0);
	assert(text_end(&r, b) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice s = slice_of(p, n), bad;
	size_t cut = n == 0 ? 0 : p[0] % n;
	struct buf whole = BUF_INIT(1 << 24);
	struct submission sub;
	bool dots = n % 2 == 0;

	submission_init(&sub, 1 << 24);
	sub.domain = "host.example";
	sub.from_name = "Joe, \"D\"";
	assert(submission_set_sender(&sub, SLICE_LIT("joe")) == 0);
	read_parts(s, 0, dots, &whole);
	read_parts(s, cut, dots, &sub.text);
	assert(slice_eq(buf_slice(&whole), buf_slice(&sub.text)));
	check_lines(buf_slice(&whole));
	if (submission_finish(&sub, true, &bad) == 0) {
		check_lines(buf_slice(&sub.text));
		assert(header_count(buf_slice(&sub.text), "From") > 0);
		assert(header_count(buf_slice(&sub.text), "Bcc") == 0);
	}
	submission_clear(&sub);
	buf_clear(&whole);
	return 0;
}
