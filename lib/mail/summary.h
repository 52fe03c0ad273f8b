/* SPDX-License-Identifier: ISC */
/*
 * summary - what mailbox access is asked about a message most often, made once
 * when it arrives and kept in the store's cache.
 *
 * It holds, in the form in which IMAP sends them (RFC 9051 section 7.5.2):
 * ENVELOPE, BODYSTRUCTURE (BODY is made from it); the header fields that
 * summary_keeps(), or all of a short header section; the decoded subject, base
 * subject, addresses and times that SEARCH and SORT want; a PREVIEW (RFC 8970);
 * and the table of parts with their offsets in the message, so that a part is
 * found without parsing again.  Offsets count stored bytes.
 *
 * summary_build() is a pure function of the message's bytes, with the limits
 * of mail/message.h whatever they are (S4).  A summary starts with a version;
 * one of another version, or one that does not parse, is made again.
 */
#ifndef MAIL_SUMMARY_H
#define MAIL_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define SUMMARY_VERSION	1
#define SUMMARY_BYTES	(64 * 1024)	/* no summary is longer; what would be
					 * is left out, and made again when it
					 * is asked for */
#define SUMMARY_TEXT	2048		/* of a decoded subject, an id */
#define SUMMARY_REFERENCES (8 * 1024)

/* -1: the buf's ceiling, which is SUMMARY_BYTES or more above what it has.
 * message: as stored, LF or CRLF. */
int	 summary_build(struct slice message, struct buf *);

struct summary {
	/* "(...)", as FETCH answers; .n 0: too large, make it. */
	struct slice	 envelope;
	struct slice	 bodystructure;
	struct slice	 fields;	/* whole fields with CRLF, as they are */
	bool		 fields_kept;	/* false: too large, read the message */
	bool		 fields_all;	/* they are the whole header section,
					 * with its empty line if it has one */
	struct slice	 subject;	/* UTF-8, decoded; at SUMMARY_TEXT - 3
					 * bytes or more it may be cut */
	struct slice	 base_subject;	/* RFC 5256 2.1, upper case */
	bool		 is_reply;	/* the base subject lost a "re:" */
	struct slice	 from, to, cc;	/* first local-part, for SORT */
	struct slice	 display_from, display_to;	/* RFC 5957 */
	struct slice	 message_id;	/* without <> */
	struct slice	 references;	/* ids, SP between: References, or
					 * In-Reply-To's first */
	int64_t		 date_ms;	/* of the Date field; INT64_MIN: none */
	int16_t		 date_zone;	/* minutes east of UTC, as written */
	struct slice	 preview;	/* UTF-8, at most 256 characters */
	struct slice	 parts;		/* private to mail/message.c */
	uint64_t	 header_bytes;	/* of the header section, as stored */
};
/* Whether a field of this name is among those that are kept. */
bool	 summary_keeps(struct slice name);
/* Slices point into the bytes.  False: not a summary of this version. */
bool	 summary_read(struct slice bytes, struct summary *);

#endif
