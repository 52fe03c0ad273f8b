/* SPDX-License-Identifier: ISC */
/* cmd_reload - puts the configuration as it is now in force. */
#include <stdio.h>
#include <sysexits.h>

#include "chasqui.h"

static int	 run(struct tool *, int, char *[]);

const struct command cmd_reload = { "reload", "",
	"put a changed configuration in force, if it has no mistakes", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	struct channel *c;
	int status;

	(void)argv;
	if (argc != 1)
		return tool_usage(&cmd_reload);
	tool_conf(t);	/* its mistakes are told before anything is done */
	c = tool_connect(t, SOCKET_CONTROL);
	status = tool_reload(c);
	channel_free(&c);
	if (status == EX_OK)
		printf("reloaded\n");
	return status;
}
