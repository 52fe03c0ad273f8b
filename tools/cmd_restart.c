/* SPDX-License-Identifier: ISC */
/* cmd_restart - starts the suite anew, of the version that is installed now,
 * and lets it take over from the one that runs. */
#include <stdio.h>
#include <sysexits.h>

#include "chasqui.h"

static int	 run(struct tool *, int, char *[]);

const struct command cmd_restart = { "restart", "",
	"start the programs anew without refusing or dropping anybody", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	struct channel *c;
	int status;

	(void)argv;
	if (argc != 1)
		return tool_usage(&cmd_restart);
	tool_conf(t);	/* its mistakes are told before anything is done */
	c = tool_connect(t, SOCKET_CONTROL);
	channel_send(c, TL_RESTART, 1, SLICE_EMPTY);
	status = tool_answer(c, NULL, NULL);
	channel_free(&c);
	if (status == EX_OK)
		printf("restarted\n");
	return status;
}
