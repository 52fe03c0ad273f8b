/* SPDX-License-Identifier: ISC */
/*
 * local - delivers into mailboxes.
 *
 * One program, three roles: the dispatcher, which qmgr knows (dispatcher.c);
 * workers, each under the uid of a mailbox's owner (worker.c); and runners of
 * programs that take mail, each under its user's uid (command.c).
 */
#include <err.h>
#include <sysexits.h>

#include "command.h"
#include "dispatcher.h"
#include "worker.h"

int
main(int argc, char *argv[])
{
	static const struct {
		enum role	 role;
		int		(*main)(int argc, char *argv[]);
	} roles[] = {
		{ ROLE_LOCAL,	dispatcher_main },
		{ ROLE_WORKER,	worker_main },
		{ ROLE_COMMAND,	command_main },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(argv[1], role_name(roles[i].role)) == 0)
			return roles[i].main(argc, argv);
	errx(EX_USAGE, "local is a part of Chasqui and is started by its "
	    "master; see chasqui(8), `chasqui start`");
}
