/* SPDX-License-Identifier: ISC */
/* header_fuzz - fields, the scan of content in two parts, the conversion to 7
 * and 8 bits, whose result must need no conversion. */
#include <assert.h>

#include "mail/address.h"
#include "mail/downgrade.h"
#include "mail/header.h"
#include "mail/mime.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_scan(struct slice s, size_t cut)
{
	struct content_scan a, b;

	content_scan_init(&a);
	content_scan_init(&b);
	content_scan_feed(&a, s);
	content_scan_feed(&b, slice_first(s, cut));
	content_scan_feed(&b, slice_from(s, cut));
	content_scan_end(&a);
	content_scan_end(&b);
	assert(a.bytes == b.bytes && a.longest == b.longest &&
	    a.received == b.received && a.bare_cr == b.bare_cr &&
	    a.bare_lf == b.bare_lf && a.nul == b.nul &&
	    a.eight_bit == b.eight_bit && a.header_8bit == b.header_8bit &&
	    a.has_date == b.has_date && a.has_from == b.has_from &&
	    a.has_message_id == b.has_message_id);
}

static void
check_downgrade(struct slice s, enum body_type to)
{
	struct buf out = BUF_INIT(1 << 24);
	const char *why;

	if (downgrade(s, to, &out, &why) == DOWNGRADE_DONE &&
	    to == BODY_7BIT)
		assert(slice_is_ascii(buf_slice(&out)));
	buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct slice s = slice_of(p, n), rest = s, text;
	struct mime_type type;
	struct field f;

	while (header_next(&rest, &f)) {
		assert(f.whole.n > f.name.n);
		header_unfold(&a, f.body, &text);
		mime_type_parse(f.body, &type);
		mime_encoding_parse(f.body);
	}
	assert(header_bytes(s) <= n);
	check_scan(s, n == 0 ? 0 : p[0] % n);
	check_downgrade(s, BODY_7BIT);
	check_downgrade(s, BODY_8BITMIME);
	arena_clear(&a);
	return 0;
}
