/* SPDX-License-Identifier: ISC */
/*
 * smtpd, imapd, pop3d -> keys: a private-key operation of a TLS handshake.
 *
 * What is to be signed comes whole, not as a digest, so that keys sees that it
 * is a TLS server's handshake and nothing else (keys/policy.h).  The client
 * waits for the answer in line: keys does nothing that takes time.
 */
#ifndef IPC_KEYS_H
#define IPC_KEYS_H

#include "ipc/channel.h"

#define KEYS_INPUT_BYTES	512
#define KEYS_SIGNATURE_BYTES	1024	/* RSA of 8192 bits */

/*        name             no  sender  fds min  max   body; id: the client's */
#define KEYS_CLIENT(X)							\
	X(KY_SIGN,	    1, EITHER, 0,  10,  600)	/* u32 key's number, u16 scheme (enum keys_scheme), slice input */ \
	X(KY_SIGNATURE,	    2, KEYS,   0,  4,   1100)	/* slice signature */ \
	X(KY_REFUSED,	    3, KEYS,   0,  1,   1)	/* u8 enum keys_refusal */

ENUM_MESSAGES(KEYS_CLIENT);

/* TLS's SignatureScheme, RFC 8446 section 4.2.3.  In TLS 1.2 the ECDSA ones
 * say nothing of the curve. */
enum keys_scheme {
	KEYS_RSA_SHA256 = 0x0401, KEYS_RSA_SHA384 = 0x0501,
	KEYS_RSA_SHA512 = 0x0601,
	KEYS_ECDSA_SHA256 = 0x0403, KEYS_ECDSA_SHA384 = 0x0503,
	KEYS_ECDSA_SHA512 = 0x0603,
	KEYS_PSS_SHA256 = 0x0804, KEYS_PSS_SHA384 = 0x0805,
	KEYS_PSS_SHA512 = 0x0806,
	KEYS_ED25519 = 0x0807,
};

enum keys_refusal {
	KEYS_UNKNOWN = 1,	/* no such key: it was replaced */
	KEYS_NOT_TLS = 2,	/* the input is no TLS server's handshake */
	KEYS_FAILED = 3,	/* scheme and key do not fit, or alike */
};

#endif
