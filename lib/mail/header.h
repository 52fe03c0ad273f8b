/* SPDX-License-Identifier: ISC */
/* header - the header section of a message (RFC 5322 section 2.2). */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/parse.h"
#include "base/slice.h"

struct field {
	struct slice	name;		/* without ':' */
	struct slice	body;		/* behind ':', folded as it was, without
					 * the last line end */
	struct slice	whole;		/* name to line end */
};

/* Takes the next field off *rest.  False at the empty line, at the end, or at
 * a line that is no field; *rest then stands there.  Lines may end in CRLF or
 * LF. */
bool	 header_next(struct slice *rest, struct field *);
/* The bytes of the header section with its empty line; all of the message
 * where there is no empty line. */
size_t	 header_bytes(struct slice message);
/* The first field of a name, case ignored. */
bool	 header_find(struct slice message, const char *name, struct field *);
unsigned header_count(struct slice message, const char *name);
/* Unfolded (RFC 5322 2.2.3), trimmed, into the arena. */
int	 header_unfold(struct arena *, struct slice body, struct slice *text_r);

/*
 * The addresses of an address-list field body (From, To, Cc, Bcc, Reply-To;
 * RFC 5322 3.4 with its obsolete forms, groups, comments): one after the other,
 * quoted as an envelope needs it; a name without '@' is one too.  PARSE_MORE:
 * none left.  PARSE_BAD: an element is no address; *rest stands behind it all
 * the same, and addr_r is its text.
 */
enum parse address_list_next(struct slice *rest, struct arena *,
	    struct slice *addr_r);

/* Text of ours (UTF-8) in a field: a display name is written as it is or
 * quoted, both as encoded words (RFC 2047, folded) where they are not ASCII.
 * -1 at the buf's ceiling, which is then as it was. */
int	 header_phrase(struct buf *, struct slice);
int	 header_text(struct buf *, struct slice);

/* RFC 5322 3.3: "Sun, 22 Nov 2026 19:38:00 +0000", local time zone. */
struct date_text { char s[40]; };
struct date_text date_text(int64_t ms_since_1970);
/* RFC 3339 section 5.6, the whole slice; and the same in UTC. */
bool	 date_parse_3339(struct slice, int64_t *ms_r);
struct date_text date_text_3339(int64_t ms_since_1970);

/*
 * Counts Received fields, finds bare CR and LF, NUL, 8-bit bytes and long lines
 * as content passes by in parts of any size.  RFC 5321 4.1.1.4, 6.3.
 */
struct content_scan {
	uint64_t	 bytes;
	uint64_t	 longest;	/* line, without CRLF */
	unsigned	 received;	/* Received and Delivered-To fields */
	bool		 bare_cr;
	bool		 bare_lf;
	bool		 nul;
	bool		 eight_bit;	/* in the header section or body */
	bool		 header_8bit;
	bool		 has_date, has_message_id, has_from;
	/* private: */
	uint64_t	 line;
	bool		 in_body;
	bool		 last_cr;
	uint8_t		 nname;
	char		 name[16];
};
void	 content_scan_init(struct content_scan *);
void	 content_scan_feed(struct content_scan *, struct slice);
void	 content_scan_end(struct content_scan *);

#endif
