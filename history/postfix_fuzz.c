/* SPDX-License-Identifier: ISC */
/* postfix_fuzz - any line of any process, in Postfix's words: lines of
 * printable text, each with its end.  The first byte chooses the process. */
#include <assert.h>
#include <string.h>

#include "postfix.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const enum role roles[] = { ROLE_QMGR, ROLE_SMTPD, ROLE_AUTH,
		ROLE_REMOTE };
	struct history_event e = { .level = LOG_LEVEL_INFO, .pid = 1 };
	char room[HISTORY_LINE_BYTES];
	struct postfix_log l;
	size_t i;

	if (n == 0 || n > HISTORY_LINE_BYTES)
		return 0;
	e.role = roles[p[0] % 4];
	history_event_parse(&e, slice_of(p + 1, n - 1), room);
	postfix_init(&l, "mx.example.org");
	l.fd = 1000;		/* nothing is flushed below FLUSH_BYTES */
	l.sink = LOG_SINK_STREAM;
	postfix_event(&l, &e);
	for (i = 0; i < l.lines.n; i++)
		assert(l.lines.p[i] == '\n' ||
		    (l.lines.p[i] >= 0x20 && l.lines.p[i] <= 0x7e));
	assert(l.lines.n == 0 || l.lines.p[l.lines.n - 1] == '\n');
	buf_clear(&l.lines);
	return 0;
}
