/* SPDX-License-Identifier: ISC */
/*
 * local - delivers into mailboxes.
 *
 * One program, three roles: the dispatcher, which qmgr knows; workers, each
 * under the uid of a mailbox's owner; and runners of programs that take mail,
 * each under its user's uid.
 *
 *	dispatcher.c	qmgr's jobs, each to a process of the mailbox's owner
 *	pool.c		these processes, and whose turn it is to have one
 *	news.c		which mailboxes have changed, for imapd and pop3d
 *	worker.c	the deliveries of one owner
 *	forward.c	~/.forward
 *	maildir.c	messages into Maildirs; mbox.c: into mailbox files
 *	durable.c	one sync for all that was written
 *	command.c	programs, each with a message; argv.c: their words
 *	parcel.c	a job that outlives the message it came in
 *	content.c	a message as it is stored; prefix.c: its first fields
 *	outcomes.c	how deliveries end
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
