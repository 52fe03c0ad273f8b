/* SPDX-License-Identifier: ISC */
/*
 * fake - sessions in this process with a qmgr and a lookup of the test's own.
 *
 * Recipients: local-parts that begin with "no" are refused (550), "later" 451,
 * "full" 452; "once" is accepted for once.  Domain example.org is local, others
 * need the relay right.
 *
 * Logins: whose password is "secret" gets in; the users later, foreign, expired
 * and many fail in their ways whatever it is.  A login may send as itself, as
 * itself+detail and as alias@example.org; trouble@example.org cannot be looked
 * up.
 */
#ifndef SMTPD_FAKE_H
#define SMTPD_FAKE_H

#include "ipc/channel.h"
#include "mail/envelope.h"
#include "session.h"

#define FAKE_FIRST_ID	UINT64_C(0x123456789000)
#define FAKE_MESSAGES	16
#define FAKE_HELD	64

/* A message that was submitted. */
struct fake_message {
	uint64_t	 id;
	struct arena	 arena;
	char		*bytes;		/* owned: what the slices point into */
	struct envelope	 envelope;
	struct slice	 content;
	bool		 spooled;
	bool		 aborted;
};

struct fake {
	struct ev_loop	 loop;
	struct smtpd	 smtpd;
	enum listener_tls tls;		/* of connections from now on */
	struct channel	*qmgr;		/* qmgr's side; owned */
	struct channel	*lookup;
	struct channel	*resolver;
	struct channel	*auth;
	struct channel	*smtpd_qmgr;	/* smtpd's sides; owned */
	struct channel	*smtpd_lookup;
	struct channel	*smtpd_resolver;
	struct channel	*smtpd_auth;
	/* What they do: */
	bool		 hold_ids;	/* SQ_IDS_ASK is not answered */
	bool		 hold_spool;
	bool		 hold_queued;
	bool		 hold_verdicts;
	bool		 hold_names;
	bool		 hold_auth;
	bool		 hold_senders;
	bool		 hold_limits;
	uint32_t	 limit_seconds;	/* until the login may send again */
	uint32_t	 recipients_left;
	const char	*ptr;		/* of every address; NULL: none */
	const char	*ptr_address;	/* that the name leads to */
	const char	*refuse;	/* "452 4.3.1 ..." instead of QUEUED */
	const char	*refuse_spool;
	int		 spool_flags;	/* O_RDONLY makes writes fail */
	/* What happened: */
	uint64_t	 next_id;
	struct fake_message messages[FAKE_MESSAGES];
	size_t		 nmessages;
	unsigned	 queued;
	unsigned	 aborts;
	unsigned	 spools;
	unsigned	 questions;
	unsigned	 senders;	/* questions about them */
	unsigned	 limits;
	unsigned	 auth_starts;
	unsigned	 auth_cancels;
	unsigned	 logouts;
	uint64_t	 auth_id;	/* of the last AU_START */
	uint64_t	 sender_id;	/* of the last SL_SENDER */
	uint64_t	 limit_id;
	unsigned	 auth_step;	/* of the mechanism LOGIN */
	char		 auth_user[400];
	uint64_t	 name_id;	/* of the last PTR question */
	uint64_t	 held[FAKE_HELD];	/* verdicts that are owed */
	char		 held_for[FAKE_HELD][64];
	size_t		 nheld;
	int		 spool_fd;	/* owned, or -1 */
	uint64_t	 spool_id;
	bool		 drained;
};

/* conf: text of chasqui.conf. */
void	 fake_init(struct fake *, const char *conf);
void	 fake_clear(struct fake *);
void	 fake_qmgr_up(struct fake *);
void	 fake_qmgr_down(struct fake *);
void	 fake_lookup_up(struct fake *);
void	 fake_lookup_down(struct fake *);
/* An auth; without it there are no logins. */
void	 fake_auth_up(struct fake *);
void	 fake_auth_down(struct fake *);
void	 fake_auth_fails(struct fake *, uint8_t why, const char *text);
/* Sessions are within TLS from now on, as if. */
void	 fake_secure(struct fake *);
/* A resolver; without it no client has a name. */
void	 fake_resolver_up(struct fake *);
void	 fake_name(struct fake *);	/* answers the last PTR question */
/* The client's end of a new session.  addr: "192.0.2.1", "uid=1000". */
int	 fake_connect(struct fake *, enum listener_kind, const char *addr);
/* The same for one that has said something before it is accepted. */
int	 fake_connect_saying(struct fake *, enum listener_kind,
	    const char *addr, const char *said);
/* Until nothing moves any more. */
void	 fake_settle(struct fake *);
/* Sends and settles; in parts of at most n bytes, where n is not 0. */
void	 fake_send(struct fake *, int fd, struct slice, size_t n);
/* What the server has said since the last call; *eof_r: it has closed. */
void	 fake_receive(int fd, struct buf *, bool *eof_r);
/* The i-th verdict that is held goes out, as the address has it. */
void	 fake_decide(struct fake *, size_t i);
void	 fake_give_spool(struct fake *, uint64_t id);
void	 fake_queued(struct fake *, uint64_t id);
void	 fake_forget_messages(struct fake *);
/* '*' in the pattern stands for any bytes but CR. */
bool	 fake_matches(struct slice, const char *pattern);
/* What follows the Received field. */
struct slice fake_behind_trace(struct slice content);

#endif
