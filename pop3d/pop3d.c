/* SPDX-License-Identifier: ISC */
/*
 * pop3d - POP3 (RFC 1939).
 *
 * Two programs: this one speaks to clients until they have logged in (login.c)
 * and holds their TLS; pop3d-session (seat.c; the protocol is in session.c) is
 * the spawn, and what it forks.
 */
#include <err.h>
#include <string.h>
#include <sysexits.h>

#include "login.h"

int
main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_POP3_LOGIN)) == 0)
		return login_main(&pop3_login, argc, argv);
	errx(EX_USAGE, "pop3d is a part of Chasqui and is started by its "
	    "master; see chasqui(8), `chasqui start`");
}
