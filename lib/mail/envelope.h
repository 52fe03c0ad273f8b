/* SPDX-License-Identifier: ISC */
/*
 * envelope - what SMTP says about a message beside its content (RFC 5321
 * section 2.3.1, RFC 3461 for the DSN parameters).
 *
 * One packed form serves between processes, in the journal and in queue files.
 * All slices are borrowed: from the packed bytes, or from an arena.
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/wire.h"

#define ADDRESS_BYTES	512	/* <local@domain>: 64 + 1 + 255, UTF-8, quoting */
#define ENVID_BYTES	100	/* RFC 3461 4.4, decoded xtext */
#define ORCPT_BYTES	600	/* "rfc822;" and a decoded address */
#define LOGIN_NAME_BYTES 320	/* who was logged in */

enum body_type { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };	/* RFC 1652, 3030 */
enum dsn_ret { RET_NONE, RET_FULL, RET_HDRS };

/* NOTIFY (RFC 3461 4.1); 0: not given, which means failure and delay. */
enum {
	NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8,
};

/* BY of RFC 2852: what is done when the time is over. */
enum by_mode { BY_NONE, BY_RETURN, BY_NOTIFY };

/* RFC 6710; 0 is what a message without it has. */
#define PRIORITY_LEAST	(-9)
#define PRIORITY_MOST	9

/* What extensions ask for that a message seldom has; all zero and empty where
 * none is used. */
struct envelope_extras {
	struct slice	 login;		/* who submitted it; empty: nobody
				 * was logged in */
	struct slice	 auth;		/* RFC 4954 section 5, decoded: "<>" or
				 * an address; empty: not given */
	int64_t		 hold_ms;	/* RFC 4865: kept until then; 0: not */
	int64_t		 by_ms;		/* RFC 2852: since 1970 */
	enum by_mode	 by_mode;
	bool		 by_trace;
	bool		 require_tls;	/* RFC 8689 */
	int		 priority;	/* PRIORITY_LEAST to PRIORITY_MOST */
};

struct recipient {
	struct slice	 address;	/* forward-path without <>: local@domain */
	struct slice	 orcpt;		/* "type;address" decoded; empty: none */
	uint8_t		 notify;	/* NOTIFY_* */
};

struct envelope {
	struct slice	 reverse_path;	/* without <>; empty: null */
	struct slice	 envid;		/* decoded; empty: none */
	enum dsn_ret	 ret;
	enum body_type	 body;
	bool		 smtputf8;
	int64_t		 arrived_ms;	/* since 1970 */
	/* Where it came from, for logs and `queue show`. */
	struct slice	 client;	/* "192.0.2.1", "2001:db8::1", "uid=1000" */
	struct slice	 helo;
	struct slice	 protocol;	/* RFC 3848: "ESMTP", "LMTP", "local" */
	struct recipient *recipients;	/* in the arena */
	size_t		 nrecipients;
	struct envelope_extras extras;
};

#define ENVELOPE_RECIPIENTS	100000
/* -1 at the buf's ceiling. */
int	 envelope_pack(struct buf *, const struct envelope *);
/* false: not a packed envelope, or more than the arena's limit.  Slices point
 * into the wire's bytes; recipients is in the arena. */
bool	 envelope_unpack(struct wire *, struct arena *, struct envelope *);
/* The same for the extras alone, which other messages have too. */
int	 extras_pack(struct buf *, const struct envelope_extras *);
void	 extras_unpack(struct wire *, struct envelope_extras *);
bool	 extras_are_empty(const struct envelope_extras *);
/* A mask of NOTIFY_*; a combination that may not be makes the wire bad. */
uint8_t	 get_notify(struct wire *);

#endif
