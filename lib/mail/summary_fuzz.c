/* SPDX-License-Identifier: ISC */
/* summary_fuzz - a message's summary, read back; and the message as a summary.
 * Header fields on their way: addresses, dates, ids, subjects. */
#include <assert.h>

#include "mail/address.h"
#include "mail/correspondence.h"
#include "mail/message.h"
#include "mail/summary.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf b = BUF_INIT(SUMMARY_BYTES), body = BUF_INIT(SUMMARY_BYTES);
	struct slice s = slice_of(p, n), rest = s, id;
	struct header_address addr;
	struct address_reader r;
	struct summary sum;
	int64_t ms;
	bool reply;
	int zone;

	assert(summary_build(s, &b) == 0);
	assert(summary_read(buf_slice(&b), &sum));
	assert(slice_is_utf8(sum.subject) && slice_is_utf8(sum.preview) &&
	    slice_is_utf8(sum.display_from));
	assert(sum.bodystructure.n == 0 ||
	    imap_body(&body, sum.bodystructure) == 0);
	assert(sum.header_bytes <= n);
	summary_read(s, &sum);
	date_parse(s, &ms, &zone);
	while (message_id_next(&rest, &id))
		assert(id.n > 0);
	assert(subject_base(s, &reply).n <= n);
	address_reader_init(&r, s);
	while (address_next(&r, &addr))
		assert(addr.name.n <= n && addr.mailbox.n <= n);
	address_reader_clear(&r);
	buf_clear(&b);
	buf_clear(&body);
	return 0;
}
