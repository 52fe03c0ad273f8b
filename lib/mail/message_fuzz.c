/* SPDX-License-Identifier: ISC */
/* message_fuzz - a message, its parts decoded, its table damaged; see
 * message_check.h for what must hold. */
#include "mail/message_check.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice s = slice_of(p, n);
	struct arena a = ARENA_INIT(1 << 24);
	struct buf b = BUF_INIT(1 << 20), crlf = BUF_INIT(1 << 20);
	struct message m, again;
	uint32_t i;

	message_parse(&m, s);
	check_message(&m);
	for (i = 0; i < m.nparts && i < 20; i++) {
		buf_reset(&b);
		part_decode(&m, &m.parts[i], &b);
		part_charset(&a, &m.parts[i]);
	}
	/* The same message with CRLF has the same tree. */
	if (crlf_add(&crlf, s, 0, UINT64_MAX) == 0) {
		message_parse(&again, buf_slice(&crlf));
		check_message(&again);
		assert(again.nparts == m.nparts);
		for (i = 0; i < m.nparts; i++)
			assert(again.parts[i].body_size ==
			    m.parts[i].body_size);
		message_clear(&again);
	}
	/* The message as a table of itself. */
	if (message_restore(&again, s, s))
		message_clear(&again);
	message_clear(&m);
	arena_clear(&a);
	buf_clear(&b);
	buf_clear(&crlf);
	return 0;
}
