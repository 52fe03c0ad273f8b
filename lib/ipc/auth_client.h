/* SPDX-License-Identifier: ISC */
/*
 * auth <-> smtpd, imapd, pop3d: logins.
 *
 * A client of auth sends AU_START, then AU_RESPONSE for each AU_CHALLENGE, and
 * gets one AU_OK or AU_FAIL.  Challenges and responses are the mechanism's own
 * bytes; base64 is the protocol's business, and so is what "no initial
 * response" looks like on the wire.  Server data at the success (SCRAM) comes
 * as a last challenge, which is answered by an empty response.
 *
 * auth delays AU_FAIL itself, so that whoever fails waits; the client just
 * waits for the answer.  POP3's USER/PASS and IMAP's LOGIN are sent as PLAIN
 * with an initial response.
 */
#ifndef IPC_AUTH_CLIENT_H
#define IPC_AUTH_CLIENT_H

#include "ipc/channel.h"

#define SASL_BYTES	(12 * 1024)	/* one challenge or response, decoded */
#define LOGIN_BYTES	320		/* a login name */
#define GRANT_BYTES	8192		/* see ipc/grant.h */

/*        name             no  sender fds min  max     body; id: the client's */
#define AUTH_CLIENT(X)							\
	X(AU_MECHANISMS,    1, AUTH,   0,  8,  1024)	/* id 0; slice names offered within TLS, slice without it (SP between); again when the configuration changes */ \
	X(AU_START,	    2, EITHER, 0,  40, 20480)	/* u8 enum auth_protocol, u8 AUTH_* flags, 16 bytes client's address, 16 bytes ours, slice tls-exporter (32 bytes or none), slice tls-unique (12 bytes or none), slice identity of the client's certificate ("" none), slice name that the client gave (EHLO, ID; may be empty), slice mechanism, slice initial response */ \
	X(AU_CHALLENGE,	    3, AUTH,   0,  0,  SASL_BYTES) \
	X(AU_RESPONSE,	    4, EITHER, 0,  0,  SASL_BYTES) \
	X(AU_CANCEL,	    5, EITHER, 0,  0,  0)	/* the client is gone, or said "*": no answer comes */ \
	X(AU_OK,	    6, AUTH,   0,  8,  16384)	/* slice login (canonical), slice grant: ipc/grant.h, for master; empty for SMTP */ \
	X(AU_FAIL,	    7, AUTH,   0,  5,  1024)	/* u8 enum auth_failure, slice text for the client */ \
	X(AU_LOGOUT,	    8, EITHER, 0,  4,  1024)	/* slice login: a session that had AU_OK is over */

ENUM_MESSAGES(AUTH_CLIENT);

enum auth_protocol { AUTH_SMTP = 1, AUTH_IMAP = 2, AUTH_POP3 = 3 };
enum {
	AUTH_TLS = 1,		/* the connection is within TLS */
	AUTH_LOCAL = 2,		/* from this host, not over a network */
	AUTH_INITIAL = 4,	/* an initial response is there (may be empty) */
};

/* IMAP's codes are those of RFC 5530, POP3's of RFC 3206, SMTP's replies of
 * RFC 4954 section 6. */
enum auth_failure {
	AUTH_BAD = 1,		/* [AUTHENTICATIONFAILED], [AUTH], 535 5.7.8 */
	AUTH_TRY_LATER = 2,	/* [UNAVAILABLE], [SYS/TEMP], 454 4.7.0 */
	AUTH_NOT_ALLOWED = 3,	/* [AUTHORIZATIONFAILED], [AUTH], 535 5.7.8: the
				 * password is right, the service is not his */
	AUTH_NEEDS_TLS = 4,	/* [PRIVACYREQUIRED], [SYS/PERM], 538 5.7.11 */
	AUTH_EXPIRED = 5,	/* [EXPIRED], [AUTH], 535 5.7.8 */
	AUTH_TOO_MANY = 6,	/* [LIMIT], [IN-USE], 454 4.7.0 */
	AUTH_PROTOCOL = 7,	/* the mechanism's bytes are wrong: BAD, -ERR,
				 * 501 5.5.2 */
	AUTH_NO_MECHANISM = 8,	/* not offered: NO [CANNOT], -ERR, 504 5.5.4 */
};

#endif
