/* SPDX-License-Identifier: ISC */
/* esmtp - parameters of MAIL and RCPT, xtext, and EHLO's keywords. */
#ifndef MAIL_ESMTP_H
#define MAIL_ESMTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/parse.h"
#include "mail/envelope.h"

enum {
	MAIL_HAS_SIZE = 1, MAIL_HAS_BODY = 2, MAIL_HAS_RET = 4,
	MAIL_HAS_ENVID = 8, MAIL_HAS_SMTPUTF8 = 16, MAIL_HAS_AUTH = 32,
	MAIL_HAS_HOLDFOR = 64, MAIL_HAS_HOLDUNTIL = 128, MAIL_HAS_BY = 256,
	MAIL_HAS_PRIORITY = 512, MAIL_HAS_REQUIRETLS = 1024,
	RCPT_HAS_NOTIFY = 1, RCPT_HAS_ORCPT = 2,
};

struct mail_params {
	unsigned	 has;		/* MAIL_HAS_* */
	uint64_t	 size;		/* RFC 1870 */
	enum body_type	 body;		/* RFC 6152, 3030 */
	enum dsn_ret	 ret;		/* RFC 3461 4.3 */
	struct slice	 envid;		/* decoded, in the arena */
	bool		 smtputf8;	/* RFC 6531 */
	struct slice	 auth;		/* decoded, in the arena; RFC 4954 5 */
	uint32_t	 hold_s;	/* HOLDFOR: seconds; RFC 4865 */
	int64_t		 hold_until_ms;	/* HOLDUNTIL: since 1970 */
	int64_t		 by_s;		/* RFC 2852: seconds, may be negative */
	enum by_mode	 by_mode;
	bool		 by_trace;
	int		 priority;	/* RFC 6710 */
	bool		 require_tls;	/* RFC 8689 */
};

struct rcpt_params {
	unsigned	 has;		/* RCPT_HAS_* */
	uint8_t		 notify;	/* RFC 3461 4.1 */
	struct slice	 orcpt;		/* "type;address" decoded, in the arena */
};

/* Why parameters were refused, and with what. */
struct esmtp_error {
	uint16_t	 code;		/* 501 syntax, 555 unknown parameter */
	const char	*text;		/* "5.5.4 SIZE takes a number" */
};

/* What follows the path: (SP keyword ["=" value])*.  A parameter given twice,
 * unknown or malformed is refused. */
bool	 mail_params_parse(struct slice, struct arena *, struct mail_params *,
	    struct esmtp_error *);
bool	 rcpt_params_parse(struct slice, struct arena *, struct rcpt_params *,
	    struct esmtp_error *);

/* RFC 3461 section 4. */
int	 xtext_encode(struct buf *, struct slice);
enum parse xtext_decode(struct arena *, struct slice, struct slice *text_r);
/* The value of ORCPT from the decoded form: xtext, or for the type utf-8 the
 * forms of RFC 6533 section 3, with UTF-8 as it is only where `utf8`. */
int	 orcpt_encode(struct buf *, struct slice orcpt, bool utf8);

/* What a server offers, from the lines of its EHLO reply. */
enum {
	EHLO_PIPELINING = 1, EHLO_SIZE = 2, EHLO_8BITMIME = 4, EHLO_DSN = 8,
	EHLO_ENHANCED = 16, EHLO_CHUNKING = 32, EHLO_BINARYMIME = 64,
	EHLO_SMTPUTF8 = 128, EHLO_STARTTLS = 256, EHLO_LIMITS = 512,
	EHLO_AUTH = 1024, EHLO_REQUIRETLS = 2048, EHLO_DELIVERBY = 4096,
	EHLO_MT_PRIORITY = 8192,
};
struct ehlo {
	unsigned	 offers;	/* EHLO_* */
	uint64_t	 size;		/* 0: no limit told */
	uint64_t	 rcpt_max;	/* RFC 9422; 0: not told */
	uint64_t	 mail_max;
	uint64_t	 rcpt_domain_max;
	uint64_t	 min_by_s;	/* DELIVERBY; 0: not told */
};
/* One line behind "250-"; unknown keywords are ignored. */
void	 ehlo_line(struct ehlo *, struct slice);

/* A reply as its bytes arrive (RFC 5321 4.2): feed whole input; PARSE_MORE
 * wants more, PARSE_BAD is no reply or over a limit.  After PARSE_OK call
 * reply_reset() before the next.  A line may end in a bare LF: servers do it,
 * and no trust hangs on it.  Of a longer line the front is kept: what it means
 * is in its code. */
#define REPLY_LINE_BYTES	2048
#define REPLY_CUT_BYTES		(64 * 1024)	/* left out of a reply */
#define REPLY_LINES		200
#define REPLY_BYTES		(32 * 1024)
struct reply {
	uint16_t	 code;		/* 0: none begun */
	struct buf	 text;		/* lines behind the code, '\n' between */
	unsigned	 lines;
	size_t		 line;		/* private: where the current one is */
	size_t		 cut;		/* private */
};
void	 reply_init(struct reply *);
void	 reply_reset(struct reply *);
void	 reply_clear(struct reply *);
enum parse reply_feed(struct reply *, struct slice *in);

#endif
