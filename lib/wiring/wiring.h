/* SPDX-License-Identifier: ISC */
/*
 * wiring - who exists, and who has a channel to whom.
 *
 * Read this beside os/priv.c: that table says what a process may do by itself,
 * this one whom it can ask.  `master` makes every channel; a pair that is not
 * here cannot talk.  Beside them each process, but the sessions of users, has a
 * socket to the history, which says nothing back (CTL_EVENTS).
 */
#ifndef WIRING_WIRING_H
#define WIRING_WIRING_H

/* Numbers are part of the protocol between master and its children: written
 * out, never reused.  A program without a row in os/priv.c is not started. */
/*        name          no  program        instances            */
#define ROLES(X)							\
	X(MASTER,	1,  "master",	   ONE)			\
	X(SMTPD,	2,  "smtpd",	   PER_CORE)		\
	X(QMGR,		3,  "qmgr",	   ONE)			\
	X(REMOTE,	4,  "remote",	   PER_CORE)		\
	X(LOCAL,	5,  "local",	   ONE)			\
	X(WORKER,	6,  "local",	   PER_UID)	/* of local */ \
	X(BOUNCE,	7,  "bounce",	   ONE)			\
	X(AUTH,		8,  "auth",	   ONE)			\
	X(VERIFIER,	9,  "auth",	   PER_CORE)	/* has the passwords */ \
	X(KEYS,		10, "keys",	   ONE)			\
	X(IMAP_LOGIN,	11, "imapd",	   PER_CORE)		\
	X(POP3_LOGIN,	12, "pop3d",	   PER_CORE)		\
	X(IMAP_SESSION,	13, "imapd-session", PER_LOGIN)	/* of the spawn */ \
	X(LOOKUP,	14, "lookup",	   ONE)			\
	X(RESOLVER,	15, "resolver",	   ONE)			\
	X(TOOL,		16, "chasqui",	   ON_DEMAND)	/* by socket */ \
	X(COMMAND,	17, "local",	   PER_UID)	/* runs programs */ \
	X(POP3_SESSION,	18, "pop3d-session", PER_LOGIN)		\
	X(IMAP_SPAWN,	19, "imapd-session", ONE)	/* forks sessions */ \
	X(POP3_SPAWN,	20, "pop3d-session", ONE)		\
	X(METRICS,	21, "metrics",	   ONE)		\
	X(HISTORY,	22, "history",	   ONE)

enum role {
#define X(name, no, program, instances) ROLE_##name = (no),
	ROLES(X)
#undef X
	ROLE_LIMIT = 32,
};

/* Trusted: a message of the peer that breaks the protocol is our own bug, and
 * the process ends.  Untrusted: the channel is closed and the process lives.
 * A process that reads from the network, or runs as a user, is not trusted. */
/*        edge               one side  other side  header               */
#define EDGES(X)							\
	X(MASTER_CHILD,	    MASTER,   0 /* each */)/* ipc/master_child.h */ \
	X(SMTPD_QMGR,	    SMTPD,    QMGR)	/* ipc/smtpd_qmgr.h */	\
	X(SMTPD_LOOKUP,	    SMTPD,    LOOKUP)	/* ipc/smtpd_lookup.h */ \
	X(QMGR_LOOKUP,	    QMGR,     LOOKUP)	/* ipc/qmgr_lookup.h */	\
	X(QMGR_LOCAL,	    QMGR,     LOCAL)	/* ipc/delivery.h */	\
	X(QMGR_REMOTE,	    QMGR,     REMOTE)	/* ipc/delivery.h */	\
	X(QMGR_BOUNCE,	    QMGR,     BOUNCE)	/* ipc/qmgr_bounce.h */	\
	X(QMGR_METRICS,	    QMGR,     METRICS)	/* ipc/qmgr_metrics.h */ \
	X(LOCAL_WORKER,	    LOCAL,    WORKER)	/* ipc/delivery.h */	\
	X(LOCAL_COMMAND,    LOCAL,    COMMAND)	/* ipc/delivery.h */	\
	X(LOOKUP_LOCAL,	    LOOKUP,   LOCAL)	/* ipc/lookup_local.h */ \
	X(RESOLVER_SMTPD,   RESOLVER, SMTPD)	/* ipc/resolver.h */	\
	X(RESOLVER_REMOTE,  RESOLVER, REMOTE)				\
	X(KEYS_SMTPD,	    KEYS,     SMTPD)	/* ipc/keys.h */	\
	X(KEYS_IMAP,	    KEYS,     IMAP_LOGIN)			\
	X(KEYS_POP3,	    KEYS,     POP3_LOGIN)			\
	X(AUTH_SMTPD,	    AUTH,     SMTPD)	/* ipc/auth_client.h */	\
	X(AUTH_IMAP,	    AUTH,     IMAP_LOGIN)			\
	X(AUTH_POP3,	    AUTH,     POP3_LOGIN)			\
	X(AUTH_VERIFIER,    AUTH,     VERIFIER)	/* ipc/auth_verifier.h */ \
	X(AUTH_LOOKUP,	    AUTH,     LOOKUP)	/* ipc/auth_lookup.h */	\
	X(NEWS_IMAP,	    LOCAL,    IMAP_LOGIN) /* ipc/news.h */	\
	X(NEWS_POP3,	    LOCAL,    POP3_LOGIN)			\
	X(NEWS_RESTART,	    LOCAL,    LOCAL)	/* of before, after */	\
	X(IMAP_SESSIONS,    IMAP_LOGIN, IMAP_SESSION) /* ipc/session.h, by fd */ \
	X(POP3_SESSIONS,    POP3_LOGIN, POP3_SESSION)			\
	X(TOOL_MASTER,	    TOOL,     MASTER)	/* ipc/tool.h, control.sock */ \
	X(RESTART,	    TOOL,     MASTER)	/* ipc/handover.h: the next one */ \
	X(TOOL_QMGR,	    TOOL,     QMGR)	/* ipc/tool.h, queue.sock */ \
	X(TOOL_LOOKUP,	    TOOL,     LOOKUP)	/* ipc/tool.h, lookup.sock */

/* "smtpd"; "?" for a number that is none. */
const char	*role_name(enum role);
/* True where the other side of a channel to this role may send anything
 * without harming us more than by its own loss. */
int		 role_is_trusted(enum role);

#endif
