/* SPDX-License-Identifier: ISC */
/* address - paths and mailboxes of SMTP (RFC 5321 4.1.2, RFC 6531 3.3). */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/parse.h"
#include "base/slice.h"

struct address {
	struct slice	local;		/* as written, with quotes if any */
	struct slice	domain;		/* name or [literal]; empty: none */
};

enum {
	ADDRESS_UTF8 = 1,	/* SMTPUTF8 was asked for: UTF-8 is allowed */
	ADDRESS_NULL = 2,	/* "<>" is allowed: MAIL FROM */
	ADDRESS_LOCAL = 4,	/* "<postmaster>" without a domain is allowed */
	ADDRESS_BARE = 8,	/* any local-part without a domain: tables, and
				 * what users of this host write */
};

/*
 * Reverse-path or Forward-path with its angle brackets at the front of *in; a
 * source route is read and ignored (RFC 5321 appendix C).  On PARSE_OK *in
 * stands behind '>'; the slices point into the input.
 */
enum parse path_parse(struct slice *in, unsigned flags, struct address *);
/* Mailbox without brackets; all of the slice. */
enum parse address_parse(struct slice, unsigned flags, struct address *);
/* Whether the whole slice is a Domain (RFC 5321; UTF-8 labels with flag
 * ADDRESS_UTF8), or an address literal with its brackets. */
bool	 domain_is_valid(struct slice, unsigned flags);
/* The address of a literal: "[192.0.2.1]", "[IPv6:2001:db8::1]"; IPv4
 * mapped. */
bool	 literal_parse(struct slice, uint8_t addr_r[16]);

/* local@domain in the form tables and comparisons use: the domain in lower
 * case and as A-labels (UTS 46), needless quotes taken off the local-part;
 * fold_local: the local-part in lower case too.  -1: not convertible. */
int	 address_canonical(struct arena *, const struct address *,
	    bool fold_local, struct slice *text_r);
/* That of a domain alone. */
int	 domain_canonical(struct buf *, struct slice);
/* The other way, for what domain_canonical() makes: U-labels.  -1 where there
 * are none, or they are of another domain. */
int	 domain_unicode(struct buf *, struct slice domain);
/* The local-part without quotes and escapes. */
int	 local_unquote(struct arena *, struct slice local,
	    struct slice *text_r);
/* Quoted as far as RFC 5321 needs it. */
int	 local_quote(struct buf *, struct slice unquoted);
/* Splits text at its last '@' (not within quotes); domain empty where there is
 * none. */
struct address address_split(struct slice text);
bool	 slice_is_ascii(struct slice);
/* How many bytes the character at the front has, which is not ASCII; 0: it is
 * none of RFC 3629. */
size_t	 utf8_sequence(struct slice);
bool	 slice_is_utf8(struct slice);	/* RFC 3629: shortest form, no surrogates */

#endif
