/* SPDX-License-Identifier: ISC */
/* tls_self - self-signed certificates, for a new instance and for tests. */
#ifndef EV_TLS_SELF_H
#define EV_TLS_SELF_H

#include "base/buf.h"

enum tls_self_key { TLS_SELF_P256, TLS_SELF_P384, TLS_SELF_RSA,
	TLS_SELF_ED25519 };

struct tls_self {
	enum tls_self_key	 key;
	const char *const	*names;	/* DNS names; the first is the CN */
	size_t			 nnames;
	const char		*email;	/* rfc822Name; NULL: none */
	long			 days;	/* from now; below 0: it is over */
};

/* PEM; the key is PKCS 8 without a password, and the caller's to wipe.  -1 when
 * OpenSSL fails. */
int	 tls_self_signed(const struct tls_self *, struct buf *certificate,
	    struct buf *key);

#endif
