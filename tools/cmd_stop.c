/* SPDX-License-Identifier: ISC */
/* cmd_stop - ends the suite, and waits until it has ended. */
#include <stdio.h>
#include <sysexits.h>

#include "chasqui.h"

static int	 run(struct tool *, int, char *[]);

const struct command cmd_stop = { "stop", "",
	"stop the suite, once what is under way is finished", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	struct channel *c;
	struct message m;
	int status;

	(void)argv;
	if (argc != 1)
		return tool_usage(&cmd_stop);
	c = tool_connect(t, SOCKET_CONTROL);
	channel_send(c, TL_STOP, 1, SLICE_EMPTY);
	status = tool_answer(c, NULL, NULL);
	/* master itself is gone when the channel is. */
	while (status == EX_OK && channel_wait(c, &m, 10000) == 0)
		;
	channel_free(&c);
	if (status == EX_OK)
		printf("stopped\n");
	return status;
}
