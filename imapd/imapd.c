/* SPDX-License-Identifier: ISC */
/*
 * imapd - IMAP (RFC 9051, RFC 3501).
 *
 * One program, three roles: logins (login.c, front.c), the spawn, and
 * sessions, which the spawn forks (seat.c; the protocol is in session.c).
 */
#include <err.h>
#include <string.h>
#include <sysexits.h>

#include "login.h"
#include "seat.h"

static const struct spawn_spec spawn = {
	.spawn = ROLE_IMAP_SPAWN, .session = ROLE_IMAP_SESSION,
	.login = ROLE_IMAP_LOGIN, .warm = imap_warm, .run = imap_run,
};

int
main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_IMAP_LOGIN)) == 0)
		return login_main(&imap_login, argc, argv);
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_IMAP_SPAWN)) == 0)
		return spawn_main(&spawn, argc, argv);
	errx(EX_USAGE, "imapd is a part of Chasqui and is started by its "
	    "master; see chasqui(8), `chasqui start`");
}
