/* SPDX-License-Identifier: ISC */
/*
 * cmd_queue_check - `chasqui queue check`: whether all files of the queue are
 * whole, and with --repair the mending of those that are not.
 *
 * qmgr's program does it (qmgr/check_main.c), as the owner of the queue.
 */
#include <sys/stat.h>

#include <errno.h>
#include <getopt.h>
#include <sysexits.h>
#include <unistd.h>

#include "chasqui.h"

static int	 enter_queue(struct tool *);

int
run_queue_check(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "repair",	no_argument,	NULL, 'r' },
		{ "json",	no_argument,	NULL, 'j' },
		{ NULL,		0,		NULL, 0 },
	};
	const char *how = "look", *form = "text";
	int opt, status;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'r':
			how = "repair";
			break;
		case 'j':
			form = "json";
			break;
		default:
			return EX_USAGE;	/* getopt has said why */
		}
	if (optind < argc)
		return tool_fail(EX_USAGE, "check takes no ids: it looks at "
		    "the whole queue");
	status = enter_queue(t);
	if (status != EX_OK)
		return status;
	execl(LIBEXEC_DIR "/qmgr", "qmgr", "check", how, form, (char *)NULL);
	return tool_fail(EX_UNAVAILABLE, "%s: %s", LIBEXEC_DIR "/qmgr",
	    strerror(errno));
}

static int
enter_queue(struct tool *t)
{
	const char *path = tool_conf(t)->path_queue;
	struct stat st;

	if (chdir(path) == -1 || stat(".", &st) == -1)
		return tool_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	return tool_become(st.st_uid, st.st_gid);
}
