/* SPDX-License-Identifier: ISC */
/*
 * smtpd - what the sessions of one process share.
 *
 * Nothing here knows of master: main() fills it in for the daemon, tests do
 * for sessions over socket pairs.
 */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include <sys/queue.h>

#include "dns/dns.h"
#include "ev/loop.h"
#include "ipc/certificates.h"
#include "ipc/channel.h"
#include "ipc/logouts.h"
#include "ipc/rate.h"
#include "ipc/tap.h"
#include "settings.h"

struct session;
TAILQ_HEAD(session_list, session);

/* Which limit of time a session is under; see session.c. */
enum deadline {
	DEADLINE_NONE,		/* waits for one of our own processes */
	DEADLINE_GREETING,	/* the greeting is held back */
	DEADLINE_NAME,		/* the client's name is waited for */
	DEADLINE_COMMAND,
	DEADLINE_DATA,
	DEADLINE_CLOSING,	/* the last reply is on its way */
	DEADLINES,
};

#define QUEUE_ID_BLOCKS	8	/* most that are held at once */

struct id_block {
	uint64_t	 next;
	uint64_t	 end;		/* next == end: used up */
};

#define MECHANISMS_BYTES 500

#define IN_QMGR_BUCKETS	4096

/* Positive verdicts of lookup, for about a second; see rcpt.c. */
#define VERDICTS	4096
struct verdict_cache {
	uint64_t	 key[2];	/* of the hash, random */
	struct {
		uint64_t hash;		/* 0: empty */
		int64_t	 until_ms;
	} v[VERDICTS];
};

#define PAUSED_BYTES	400

struct smtpd {
	struct ev_loop		*loop;		/* borrowed */
	struct settings		*settings;	/* of new sessions; owned */
	struct channel		*qmgr;		/* borrowed; NULL: down */
	struct channel		*lookup;	/* borrowed; NULL: down */
	struct channel		*auth;		/* borrowed; NULL: down */
	struct taps		*taps;		/* borrowed; NULL: a test */
	struct dns		 dns;
	/* The context of a listener block, borrowed; NULL: TLS is not to be
	 * had there.  NULL itself where there never is TLS. */
	struct tls_context	*(*tls_of)(void *arg, const char *listener);
	void			*tls_arg;

	/* Sessions, each with a number that messages carry. */
	struct session		**slots;	/* owned */
	uint32_t		 nslots;
	uint32_t		*free_slots;	/* owned; nfree of nslots */
	uint32_t		 nfree;
	uint32_t		 serial;
	size_t			 nsessions;
	struct session_list	 deadlines[DEADLINES]; /* soonest first */
	struct session_list	 over;		/* freed at turn's end */
	struct ev_timer		 clock;
	bool			 clock_quick;
	struct ev_task		 reaper;

	/* Queue ids from qmgr, and who waits for one. */
	struct id_block		 blocks[QUEUE_ID_BLOCKS];
	unsigned		 nblocks;
	unsigned		 blocks_asked;
	uint32_t		 epoch;		/* counts channels to qmgr */
	struct session_list	 want_id;
	/* Content that waits until the channel is less busy. */
	struct session_list	 want_submit;
	/* Sessions of which qmgr holds something, by queue id. */
	struct session		*in_qmgr[IN_QMGR_BUCKETS];

	/* What auth offers, words: within TLS, and without. */
	char			 mechanisms_tls[MECHANISMS_BYTES];
	char			 mechanisms_clear[MECHANISMS_BYTES];
	struct logouts		 logouts;

	/* What qmgr has us say to MAIL instead (SQ_PAUSED), or "": to other
	 * hosts; to our users. */
	char			 paused_inbound[PAUSED_BYTES];
	char			 paused_submission[PAUSED_BYTES];

	struct verdict_cache	 verdicts;
	struct rate		 rate;
	uint64_t		 content_bytes;	/* held in memory */
	bool			 draining;	/* stop was asked for */
	int64_t			 drain_until_ms;
	void			(*drained)(void *arg); /* no session is left */
	void			*drained_arg;

	/* Since the start, for status. */
};

/* Takes over settings. */
void	 smtpd_init(struct smtpd *, struct ev_loop *, struct settings *take);
/* All sessions must be over. */
void	 smtpd_clear(struct smtpd *);
/* Ends idle sessions now and the others after their transaction; those that
 * take longer than DRAIN_MS are cut.  Calls drained when none is left. */
#define DRAIN_MS	20000
void	 smtpd_drain(struct smtpd *, void (*drained)(void *), void *arg);

#endif
