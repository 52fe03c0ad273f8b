/* SPDX-License-Identifier: ISC */
/*
 * auth <-> verifier: is that the password?
 *
 * The verifier has the tables of passwords and says what is true; auth talks
 * to clients and decides what follows.  Stored passwords and keys never leave
 * the verifier.  Each question has one answer, with its id.
 */
#ifndef IPC_AUTH_VERIFIER_H
#define IPC_AUTH_VERIFIER_H

#include "ipc/auth_client.h"
#include "ipc/channel.h"

#define TOKEN_BYTES	8192

/*        name             no  sender    fds min  max    body; id: auth's */
#define AUTH_VERIFIER(X)						\
	X(AV_PASSWORD,	    1, AUTH,     0,  9,   2048)	/* u8 enum auth_protocol, slice login, slice password */ \
	X(AV_SCRAM_SALT,    2, AUTH,     0,  5,   512)	/* u8 enum sasl_hash, slice login; AV_SALT comes */ \
	X(AV_SCRAM_PROOF,   3, AUTH,     0,  14,  32768) /* u8 enum auth_protocol, u8 enum sasl_hash, slice login, slice AuthMessage, slice proof */ \
	X(AV_TOKEN,	    4, AUTH,     0,  9,   9216)	/* u8 enum auth_protocol, slice login ("": the token's), slice token */ \
	X(AV_ACCOUNT,	    5, AUTH,     0,  5,   512)	/* u8 enum auth_protocol, slice login: he has shown by other means who he is */ \
	X(AV_CANCEL,	    6, AUTH,     0,  0,   0)	/* nobody waits any more; no answer need come */ \
	X(AV_VERDICT,	    7, VERIFIER, 0,  13,  2048)	/* u8 enum verdict_kind, slice login, slice the server's signature (SCRAM) or the name of the app password, slice reason: a word for the log */ \
	X(AV_SALT,	    8, VERIFIER, 0,  8,   256)	/* u32 iterations, slice salt; for names that nobody has, too */ \
	X(AV_CHANGED,	    9, VERIFIER, 0,  0,   0)	/* id 0: a table of passwords has changed */

ENUM_MESSAGES(AUTH_VERIFIER);

enum verdict_kind {
	LOGIN_GOOD = 1,
	LOGIN_WRONG = 2,	/* unknown name, wrong password, false token */
	LOGIN_FORBIDDEN = 3,	/* right, but not for this protocol */
	LOGIN_EXPIRED = 4,
	LOGIN_DISABLED = 5,
	LOGIN_BROKEN = 6,	/* the table cannot be read: try later */
};

#endif
