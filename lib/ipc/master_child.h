/* SPDX-License-Identifier: ISC */
/*
 * master <-> each child: start-up, rewiring, reload, stop.
 *
 * A child finds its channel to master as descriptor CHILD_FD.  It gets START,
 * then any LOG, LISTENER, SHARED and CHANNEL, then GO; it acquires, drops its
 * rights (priv_enter) and says READY.  CHANNEL comes again whenever a peer was
 * restarted, LOG when a log file was reopened.  Numbers 20 to 29 are kept for
 * certificates and keys, 30 to 39 for sessions of mailbox access, 60 to 69 for
 * metrics, 70 to 79 for the event history.
 */
#ifndef IPC_MASTER_CHILD_H
#define IPC_MASTER_CHILD_H

#include "ipc/channel.h"

#define CHILD_FD	3
/* SHARED "rate" of smtpd, imapd and pop3d, each role's own; pages that nobody
 * touches cost nothing.  SHARED "grant" of auth: the secret of ipc/grant.h. */
#define RATE_SHARED_BYTES	(48 * 1024 * 1024)

/*        name             no  sender  fds min  max     body */
#define MASTER_CHILD(X)							\
	X(CTL_START,	    1, MASTER, 1,  54, 16384)	/* u32 role, u32 index, u32 uid, u32 gid, u8 enum priv_mode, u64 memory, u64 descriptors, slice root, slice writable, slice readable (paths, ':' between), slice directory (WORKER, COMMAND: the user's), u8 lent, u32 group (os/priv.h); fd: configuration */ \
	X(CTL_LOG,	    2, MASTER, 1,  1,   1)	/* u8 enum log_sink; fd */ \
	X(CTL_LISTENER,	    3, MASTER, 1,  5,   512)	/* u8 kind (enum listener_kind); slice name of the block; fd */ \
	X(CTL_CHANNEL,	    4, MASTER, 1,  9,   9)	/* u32 role, u32 index of the peer, u8 the peer before it crashed; fd */ \
	X(CTL_SHARED,	    5, MASTER, 1,  4,   64)	/* slice name; fd: memory of all processes of the role */ \
	X(CTL_GO,	    6, MASTER, 0,  0,   0)	\
	X(CTL_READY,	    7, EITHER, 0,  0,   0)	/* child: its rights are dropped */ \
	X(CTL_RELOAD,	    8, MASTER, 1,  0,   0)	/* fd: the new configuration */ \
	X(CTL_RELOADED,	    9, EITHER, 0,  5,   4096)	/* child: u8 taken; slice why not */ \
	X(CTL_STOP,	   10, MASTER, 0,  0,   0)	/* finish what is under way, end */ \
	X(CTL_LOG_LOST,	   11, EITHER, 0,  0,   0)	/* child: a new LOG is wanted */ \
	X(CTL_WORKER_WANTED, 12, LOCAL, 0, 24,  8192)	/* u32 slot, u32 role (WORKER or COMMAND), u32 uid, u32 gid, slice user, slice directory */ \
	X(CTL_WORKER_REFUSED, 13, MASTER, 0, 8, 512)	/* u32 slot, slice why; otherwise the worker's CHANNEL comes, with the slot as its index */ \
	X(CTL_STATUS_ASK,  14, MASTER, 0,  0,   0)	\
	X(CTL_STATUS,	   15, EITHER, 0,  0,   65536)	/* child: key=value words */ \
	X(CTL_PEER_LOST,   16, EITHER, 0,  8,   8)	/* child: u32 role, u32 index of a peer whose channel went down; a new CHANNEL comes, at the latest when the peer runs again */ \
	X(CTL_SOCKET_WANTED, 17, REMOTE, 0, 5, 4100)	/* slice path of a Unix socket where LMTP is spoken; id: remote's */ \
	X(CTL_SOCKET,	   18, MASTER, 1,  0,   0)	/* fd: connected to it */ \
	X(CTL_SOCKET_REFUSED, 19, MASTER, 0, 4, 512)	/* slice why */ \
	X(CTL_CERTIFICATES, 20, MASTER, 1,  0,   0)	/* fd: ipc/certificates.h; instead of what came before */ \
	X(CTL_KEY,	   21, MASTER, 2,  8,   512)	/* u32 number, slice name of the certificate; fds: its key, its chain (PEM) */ \
	X(CTL_KEY_TAKEN,   22, KEYS,   0,  9,   1024)	/* u32 number, u8 taken, slice why not */ \
	X(CTL_KEY_DROP,	   23, MASTER, 0,  4,   4)	/* u32 number */ \
	X(CTL_AUTHORITIES, 24, MASTER, 1,  0,   0)	/* fd: PEM, by which remote verifies hosts, instead of what came before */ \
	X(CTL_SESSION_WANTED, 30, EITHER, 2, 12, 8300)	/* imapd, pop3d: u64 session that is to go on, 0 for a new one; slice grant of a new one (ipc/grant.h); fds: the session's end of a channel (ipc/session.h), the client's bytes; id: the asker's */ \
	X(CTL_SESSION,	   31, MASTER, 0,  16, 4700)	/* it is being started: u64 session, slice login, slice Maildir */ \
	X(CTL_SESSION_REFUSED, 32, MASTER, 0, 5, 512)	/* u8 enum session_refusal, slice why, for the log */ \
	X(CTL_SESSION_END, 33, EITHER, 0,  9,   9)	/* imapd, pop3d: u64 session that nobody wants any more, u8 its process can have another client */ \
	X(CTL_SPAWN,	   34, MASTER, 3,  36,  9200)	/* to the spawn: u64 session, u32 uid, u32 gid, u64 quota bytes, u64 quota messages, slice login, slice directory, slice Maildir; fds as they were wanted, then a line (ipc/next_client.h) */ \
	X(CTL_SPAWN_ENDED, 35, EITHER, 0,  16,  16)	/* spawn: u64 session, u32 process, u32 status of wait(2) */ \
	X(CTL_SPAWN_WHO,   36, MASTER, 0,  8,   8)	/* to the spawn: u64 session that should have ended; the answer is SPAWN_IS for each process that it still has, or nothing */ \
	X(CTL_SPAWN_IS,	   37, EITHER, 1,  8,   8)	/* spawn: u64 session; fd: pidfd_open(2) of a process of it */ \
	X(CTL_PING,	   40, MASTER, 0,  0,   0)	/* are you there? */ \
	X(CTL_PONG,	   41, EITHER, 0,  0,   0)	/* child: its loop turns */ \
	X(CTL_RENEW,	   42, EITHER, 0,  0,   0)	/* child: another is to take its place; STOP comes */ \
	X(CTL_TEXT,	   43, MASTER, 1,  5,   64)	/* to bounce: slice name of a file below path.templates; fd: it, to read */ \
	X(CTL_TEXTS_TAKE,  44, MASTER, 0,  0,   0)	/* the TEXTs since the last of these are all there are */ \
	X(CTL_RETIRE,	   45, MASTER, 0,  0,   0)	/* accept nobody more; end when the last client has gone */ \
	X(CTL_LOGIN,	   48, MASTER, 0,  5,   400)	/* to auth, a verifier: slice login name; what is known of it? */ \
	X(CTL_LOGIN_IS,	   49, EITHER, 0,  0,   16384)	/* auth, verifier: lines */ \
	X(CTL_LOGOUT,	   50, MASTER, 0,  5,   400)	/* to smtpd, imapd, pop3d: slice login name, whose connections are to end */ \
	X(CTL_COUNTERS,	   60, MASTER, 1,  8,   8)	/* to metrics: u32 role, u32 index of a process; fd: its counters (ipc/counters.h), to read */ \
	X(CTL_FACTS_ASK,   61, METRICS, 0, 0,   0)	\
	X(CTL_FACTS,	   62, MASTER, 0,  12,  65536)	/* to metrics: time of the suite's start, u32 n, then n of ipc/facts.h */ \
	X(CTL_EVENTS,	   70, MASTER, 1,  0,   0)	/* fd: where its log's events go (base/log.h), instead of what came before */ \
	X(CTL_EVENTS_OF,   71, MASTER, 1,  12,  12)	/* to history: u32 role, u32 index, u32 process id; fd: what that process says */ \
	X(CTL_POSTFIX_LOG, 72, MASTER, 1,  1,   1)	/* to history: u8 enum log_sink; fd: instead of what came before */ \
	X(CTL_POSTFIX_LOG_END, 73, MASTER, 0, 0, 0)	/* to history: nowhere any more */ \
	X(CTL_WATCH,	   80, MASTER, 1,  25,  25)	/* u32 number, u32 protocols (ipc/tap.h), u8 bits, 16 bytes address of the network; fd: where lines go, never waited for */ \
	X(CTL_WATCH_END,   81, MASTER, 0,  4,   4)	/* u32 number */

ENUM_MESSAGES(MASTER_CHILD);

#define AUTHORITIES_BYTES	(4u * 1024 * 1024)

enum listener_kind {
	LISTENER_SMTP = 1,
	LISTENER_LMTP = 2,
	LISTENER_SUBMIT = 3,	/* Unix socket of sendmail(8): peers by uid */
	LISTENER_QUEUE = 4,	/* Unix socket of the queue tools: qmgr */
	LISTENER_LOOKUP = 5,	/* Unix socket of explain and table query */
	LISTENER_CONTROL = 6,	/* Unix socket of master itself */
	LISTENER_IMAP = 7,
	LISTENER_POP3 = 8,
	LISTENER_SUBMISSION = 9, /* SMTP for users, who log in */
	LISTENER_METRICS = 10,	/* HTTP, for monitoring systems */
	LISTENER_LAST = LISTENER_METRICS,
};

/* Why there is no session. */
enum session_refusal {
	SESSION_BAD_GRANT = 1,	/* not auth's, too old, or used before */
	SESSION_FORBIDDEN = 2,	/* the mailbox's owner may have no process */
	SESSION_TOO_MANY = 3,	/* of this user: [LIMIT], [IN-USE] */
	SESSION_LATER = 4,	/* no room, or no spawn, for now */
	SESSION_GONE = 5,	/* the one that was to go on is not known */
};

#endif
