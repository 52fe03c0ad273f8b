/* SPDX-License-Identifier: ISC */
/* seat - an IMAP session's process: the session, its store, its channel. */
#ifndef IMAPD_SEAT_H
#define IMAPD_SEAT_H

#include "login/spawn.h"

/* Of the spawn, before it is confined. */
void	 imap_warm(void);
/* The whole of a session; its exit status. */
int	 imap_run(struct seat *);

#endif
