/* SPDX-License-Identifier: ISC */
/* cmd_reload - puts the configuration as it is now in force. */
#include <stdio.h>
#include <sysexits.h>

#include "chasqui.h"

static int	 run(struct tool *, int, char *[]);

const struct command cmd_reload = { "reload", "",
	"put a changed configuration in force, if it has no mistakes", run };

/* master reads the file, so what is wrong with it is told by master. */
static int
run(struct tool *t, int argc, char *argv[])
{
	struct channel *c;
	int status;

	(void)argv;
	if (argc != 1)
		return tool_usage(&cmd_reload);
	c = tool_connect(t, SOCKET_CONTROL);
	channel_send(c, TL_RELOAD, 1, SLICE_EMPTY);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	if (status == EX_OK)
		printf("reloaded\n");
	return status;
}
