/* SPDX-License-Identifier: ISC */
/*
 * counters - what the processes count and time, for others to read.
 *
 *	count(SMTP_MESSAGES);
 *	count_set(SMTP_SESSIONS, d->nsessions);
 *	count_time(SMTP_COMMIT, clock_mono_us() - t->asked_us);
 *
 * Each process of ours has one struct counters in memory that master made and
 * that outlives it, so totals go on after a restart.  Its process alone writes
 * there, without locks; who reads may see one value newer than another.  Until
 * master's memory is there, in tests, and in users' processes, the memory is
 * the process's own and nobody else's.
 */
#ifndef IPC_COUNTERS_H
#define IPC_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

enum counter_kind {
	COUNT_TOTAL,	/* only grows, over restarts too */
	COUNT_NOW,	/* of the process that runs */
};

/* A group is counted by one program, or by the two that log in; the word is
 * that of `chasqui status`, and with chasqui_GROUP_ the name of a metric. */
/*	 name			group	  kind	 word		  help */
#define COUNTERS(X)							\
	X(SMTP_SESSIONS,	smtpd,	  NOW,	 sessions,	  "SMTP and LMTP sessions that are open") \
	X(SMTP_CONNECTIONS,	smtpd,	  TOTAL, connections,	  "connections taken") \
	X(SMTP_MESSAGES,	smtpd,	  TOTAL, messages,	  "messages taken over") \
	X(SMTP_BYTES,		smtpd,	  TOTAL, bytes,		  "bytes of their content") \
	X(SMTP_REFUSED,		smtpd,	  TOTAL, refused,	  "commands refused for good") \
	X(SMTP_LOGINS,		smtpd,	  TOTAL, logins,	  "logins for submission") \
	X(QUEUE_MESSAGES,	qmgr,	  NOW,	 messages,	  "messages in the queue") \
	X(QUEUE_MEMORY,		qmgr,	  NOW,	 memory,	  "bytes of memory that they take") \
	X(QUEUE_JOBS,		qmgr,	  NOW,	 jobs,		  "deliveries under way") \
	X(QUEUE_NEXT_HOPS,	qmgr,	  NOW,	 next_hops,	  "next hops that mail waits for") \
	X(QUEUE_QUEUED,		qmgr,	  TOTAL, queued,	  "messages queued") \
	X(QUEUE_REMOVED,	qmgr,	  TOTAL, removed,	  "messages that left the queue") \
	X(QUEUE_DELIVERED,	qmgr,	  TOTAL, delivered,	  "recipients delivered to mailboxes") \
	X(QUEUE_RELAYED,	qmgr,	  TOTAL, relayed,	  "recipients taken over by next hops") \
	X(QUEUE_DEFERRED,	qmgr,	  TOTAL, deferred,	  "attempts that are to be repeated") \
	X(QUEUE_FAILED,		qmgr,	  TOTAL, failed,	  "recipients given up") \
	X(QUEUE_REFUSED,	qmgr,	  TOTAL, refused,	  "messages refused for want of room") \
	X(QUEUE_COMMITS,	qmgr,	  TOTAL, commits,	  "syncs of the journal") \
	X(QUEUE_RECORDS,	qmgr,	  TOTAL, records,	  "records that they made durable") \
	X(REMOTE_CONNECTIONS,	remote,	  NOW,	 connections,	  "connections to next hops that are open") \
	X(REMOTE_MESSAGES,	remote,	  TOTAL, messages,	  "transactions begun") \
	X(REMOTE_CONNECTED,	remote,	  TOTAL, connected,	  "connections made") \
	X(REMOTE_NOT_CONNECTED,	remote,	  TOTAL, connect_failed,  "hosts that could not be reached") \
	X(REMOTE_TLS,		remote,	  TOTAL, tls,		  "connections within TLS") \
	X(REMOTE_TLS_FAILED,	remote,	  TOTAL, tls_failed,	  "handshakes that failed") \
	X(LOCAL_WORKERS,	local,	  NOW,	 workers,	  "processes of mailbox owners") \
	X(LOCAL_JOBS,		local,	  NOW,	 jobs,		  "deliveries under way") \
	X(BOUNCE_WRITTEN,	bounce,	  TOTAL, written,	  "reports written") \
	X(BOUNCE_FAILED,	bounce,	  TOTAL, failed,	  "reports that could not be written") \
	X(LOOKUP_RCPTS,		lookup,	  TOTAL, rcpts,		  "recipients looked up for sessions") \
	X(LOOKUP_SENDERS,	lookup,	  TOTAL, senders,	  "senders looked up") \
	X(LOOKUP_ROUTES,	lookup,	  TOTAL, routes,	  "recipients routed for the queue") \
	X(LOOKUP_LOGINS,	lookup,	  TOTAL, logins,	  "mailboxes looked up for logins") \
	X(DNS_ASKED,		resolver, TOTAL, asked,		  "questions") \
	X(DNS_FAILED,		resolver, TOTAL, failed,	  "questions without an answer that can be used") \
	X(DNS_TIMED_OUT,	resolver, TOTAL, timed_out,	  "of these, those that nobody answered") \
	X(DNS_OPEN,		resolver, NOW,	 open,		  "questions that wait for an answer") \
	X(AUTH_LOGINS,		auth,	  TOTAL, logins,	  "logins") \
	X(AUTH_FAILED,		auth,	  TOTAL, failed,	  "logins that failed") \
	X(AUTH_REFUSED,		auth,	  TOTAL, refused,	  "logins refused unseen: too many failures") \
	X(VERIFIER_HASHED,	verifier, TOTAL, hashed,	  "passwords hashed") \
	X(VERIFIER_REMEMBERED,	verifier, TOTAL, remembered,	  "passwords known from before") \
	X(KEYS_SIGNED,		keys,	  TOTAL, signed,	  "handshakes signed") \
	X(KEYS_REFUSED,		keys,	  TOTAL, refused,	  "signatures refused") \
	X(KEYS_EXPIRES,		keys,	  NOW,	 expires,	  "when the first certificate ends, seconds since 1970; 0: there is none") \
	X(LOGIN_CLIENTS,	login,	  NOW,	 clients,	  "connections that are open") \
	X(LOGIN_SESSIONS,	login,	  NOW,	 sessions,	  "of these, those with a session") \
	X(LOGIN_PARKED,		login,	  NOW,	 parked,	  "of these, those whose session is parked") \
	X(LOGIN_CONNECTIONS,	login,	  TOTAL, connections,	  "connections taken") \
	X(LOGIN_LOGINS,		login,	  TOTAL, logins,	  "logins") \
	X(LOGIN_PARKINGS,	login,	  TOTAL, parkings,	  "times that a session was parked")

/*	 name			group	  word		  help */
#define TIMES(X)							\
	X(SMTP_COMMIT,		smtpd,	  commit,	  "from a message's end to its reply") \
	X(QUEUE_SYNC,		qmgr,	  sync,		  "of one sync of the journal") \
	X(QUEUE_STAY,		qmgr,	  delivery,	  "from a message's arrival to a recipient's delivery") \
	X(LOCAL_DELIVERY,	local,	  delivery,	  "from qmgr's request until the mail is durable") \
	X(DNS_ANSWER,		resolver, answer,	  "from a question to its answer") \
	X(AUTH_LOGIN,		auth,	  login,	  "from a password to its mailbox") \
	X(KEYS_SIGN,		keys,	  sign,		  "of one signature")

enum counter {
#define X(name, group, kind, word, help) COUNTER_##name,
	COUNTERS(X)
#undef X
	COUNTERS_END
};

enum timed {
#define X(name, group, word, help) TIME_##name,
	TIMES(X)
#undef X
	TIMES_END
};

/* Bucket i has what took less than 64 << i microseconds (64 us to 134 s), the
 * last one all. */
#define TIME_BUCKETS	23
#define TIME_FIRST_US	64

struct counters {
	uint64_t	 counts[COUNTERS_END];
	struct {
		uint64_t	sum_us;
		uint64_t	buckets[TIME_BUCKETS];	/* not cumulated */
	}		 times[TIMES_END];
};

struct counter_info {
	const char		*group;
	const char		*word;
	const char		*help;
	enum counter_kind	 kind;	/* not of times */
};

extern struct counters *counters;	/* this process's */
extern const struct counter_info counter_infos[COUNTERS_END];
extern const struct counter_info time_infos[TIMES_END];

#define COUNTERS_SHARED	"counters"	/* the name of CTL_SHARED */

/* From now on in this memory, of sizeof(struct counters) bytes at the least;
 * takes over fd.  What is true only of a process that runs begins with 0.  -1
 * with errno leaves all as it was. */
int		 counters_share(int fd_take);
/* From now on in memory that nobody else sees: in a fork. */
void		 counters_keep_to_myself(void);
/* The group that a process of this role counts in: "smtpd". */
const char	*counters_group(unsigned role);
/* The bucket's upper bound in microseconds; UINT64_MAX for the last. */
uint64_t	 time_bucket_end(unsigned);
/* About what the share q (0 to 1) of the times since an earlier look took less
 * than, in microseconds; 0 where there were none.  before may be NULL. */
uint64_t	 time_quantile(const uint64_t now[TIME_BUCKETS],
		    const uint64_t *before, double q);

/* Without a lock: there is one writer. */
static inline void
counter_put(uint64_t *at, uint64_t n)
{
	__atomic_store_n(at, n, __ATOMIC_RELAXED);
}

/* Of another process's memory. */
static inline uint64_t
counter_get(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

#define count_set(name, n)						\
	counter_put(&counters->counts[COUNTER_##name], (n))
#define count_add(name, n)						\
	count_set(name, counters->counts[COUNTER_##name] + (n))
#define count(name)		count_add(name, 1)

void		 count_time_us(enum timed, int64_t us);
#define count_time(name, us)	count_time_us(TIME_##name, (us))

#endif
