/* SPDX-License-Identifier: ISC */
/* policy - what keys signs: a TLS server's handshake, and nothing else. */
#ifndef KEYS_POLICY_H
#define KEYS_POLICY_H

#include <stdbool.h>

#include "base/slice.h"
#include "ipc/keys.h"

/*
 * True where the input is one of
 *	- RFC 8446 section 4.4.3: 64 blanks, "TLS 1.3, server
 *	  CertificateVerify", a zero byte, a hash of 32 or 48 bytes;
 *	- RFC 8422 section 5.4: two randoms, a named curve, a point on it
 *	  (TLS 1.2);
 * and the scheme is one that is signed with in that version.
 */
bool	 policy_allows(unsigned scheme, struct slice input);

#endif
