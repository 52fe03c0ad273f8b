/* SPDX-License-Identifier: ISC */
/* cmd_explain - `chasqui explain`: where mail for an address goes, and why.
 * The running suite answers, from the tables that are in force. */
#include <stdio.h>
#include <sysexits.h>

#include "chasqui.h"

static int	 run_explain(struct tool *, int, char *[]);

const struct command cmd_explain = { "explain", "ADDRESS...",
	"say where mail for an address goes, and why", run_explain };

static int
run_explain(struct tool *t, int argc, char *argv[])
{
	struct channel *c;
	struct buf *b;
	int i, status = EX_OK, r;

	if (argc < 2)
		return tool_usage(&cmd_explain);
	for (i = 1; i < argc; i++)
		if (strlen(argv[i]) > 1500)
			return tool_fail(EX_USAGE, "an address is too long");
	c = tool_connect(t, SOCKET_LOOKUP);
	for (i = 1; i < argc; i++) {
		b = channel_begin(c, TL_EXPLAIN, (uint64_t)i);
		if (b != NULL) {
			put_slice(b, slice_str(argv[i]));
			put_u8(b, 0);
		}
		channel_end(c);
		r = tool_answer(c, NULL, NULL);
		if (r != EX_OK)
			status = r;
		if (i + 1 < argc)
			putchar('\n');
	}
	channel_free(&c);
	return status;
}
