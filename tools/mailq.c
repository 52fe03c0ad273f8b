/* SPDX-License-Identifier: ISC */
/* mailq - lists the queue; see mailq(1). */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"
#include "queue_print.h"

int
main(int argc, char *argv[])
{
	struct tool t = { 0 };
	struct queue_print p = { .form = QUEUE_FORM_MAILQ };
	const struct queue_filter all = { 0 };
	struct channel *c;
	int opt, status;

	tool_begin();
	/* Other mailers' mailq take -v and the like: nothing is lost when they
	 * are passed over. */
	while ((opt = getopt(argc, argv, "C:v")) != -1) {
		if (opt == 'C')
			t.dir = optarg;
		else if (opt != 'v') {
			fprintf(stderr, "usage: mailq [-C directory]\n");
			return EX_USAGE;
		}
	}
	c = tool_connect(&t, SOCKET_QUEUE);
	status = queue_print(&p, c, &all);
	channel_free(&c);
	return tool_finish(status);
}
