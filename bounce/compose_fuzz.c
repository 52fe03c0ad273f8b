/* SPDX-License-Identifier: ISC */
/* compose_fuzz - reports that qmgr's channel could carry: the result is within
 * its limit, and its lines end in CRLF only. */
#include <assert.h>

#include "compose.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_lines(struct slice s)
{
	struct slice line;

	while (slice_next(&s, '\n', &line))
		assert(slice_find(line, '\r') + (s.p != NULL) == line.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct templates templates;
	struct arena a = ARENA_INIT(1 << 22);
	struct buf envelope = BUF_INIT(ENVELOPE_BYTES);
	struct buf message = BUF_INIT(INLINE_BYTES);
	struct wire w = wire_of(slice_of(p, n));
	struct report r;
	struct compose c = {
		.templates = &templates,
		.hostname = "mx.example.org",
		.from_name = "Mail",
		.headers_above = 50 * 1024,
		.report = &r,
	};

	if (templates.of[REPORT_DELAY].text == NULL)
		templates_init(&templates);
	if (report_unpack(&w, &a, &r)) {
		c.message = r.content;
		r.total = r.content.n;
		if (compose(&c, &envelope, &message)) {
			assert(message.n <= INLINE_BYTES);
			check_lines(buf_slice(&message));
		}
	}
	buf_clear(&envelope);
	buf_clear(&message);
	arena_clear(&a);
	return 0;
}
