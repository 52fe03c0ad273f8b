/* SPDX-License-Identifier: ISC */
/* segment_fuzz - a damaged segment, and a damaged page of an index. */
#include <assert.h>

#include "history/segment.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct index_entry entries[INDEX_PAGE_ENTRIES];
	struct slice in = slice_of(p, n), rest = in;
	char room[HISTORY_LINE_BYTES];
	struct index_header header;
	struct history_event e;
	size_t skipped, count;
	int64_t made_us;

	if (n >= SEGMENT_HEADER_BYTES)
		segment_header_unpack(in, &made_us);
	while (record_next(&rest, &e, &skipped)) {
		assert(skipped < n && rest.n < n);
		history_event_parse(&e, e.line, room);
	}
	if (n < INDEX_PAGE_BYTES)
		return 0;
	in = slice_first(in, INDEX_PAGE_BYTES);
	index_header_unpack(in, &header);
	if (index_page_unpack(in, entries, &count))
		assert(count <= INDEX_PAGE_ENTRIES);
	return 0;
}
