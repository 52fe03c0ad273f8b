/* SPDX-License-Identifier: ISC */
/*
 * imapd - IMAP (RFC 9051, RFC 3501).
 *
 * Two programs: this one speaks to clients until they have logged in (login.c,
 * front.c) and holds their TLS; imapd-session (seat.c; the protocol is in
 * session.c) is the spawn, and what it forks.
 */
#include <err.h>
#include <string.h>
#include <sysexits.h>

#include "login.h"

int
main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_IMAP_LOGIN)) == 0)
		return login_main(&imap_login, argc, argv);
	errx(EX_USAGE, "imapd is a part of Chasqui and is started by its "
	    "master; see chasqui(8), `chasqui start`");
}
