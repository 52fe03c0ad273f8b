/* SPDX-License-Identifier: ISC */
/* fetch - what a FETCH asks for (RFC 9051 6.4.5). */
#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include "imap.h"
#include "mail/message.h"

#define FETCH_ITEMS	100	/* of one FETCH */
#define SECTION_FIELD_NAMES 200	/* of one HEADER.FIELDS */

enum fetch_what {
	F_UID, F_FLAGS, F_INTERNALDATE, F_SIZE, F_MODSEQ, F_EMAILID,
	F_THREADID, F_SAVEDATE,			/* of the entry */
	F_ENVELOPE, F_BODYSTRUCTURE, F_BODY, F_PREVIEW,	/* of the summary */
	F_SECTION, F_BINARY, F_BINARY_SIZE,	/* of the content */
};

struct fetch_item {
	enum fetch_what	 what;
	struct section	 section;
	struct slice	 label;		/* as it is answered: "BODY[TEXT]<0>" */
	bool		 partial;
	uint64_t	 from, max;
};

struct fetch {
	struct fetch_item items[FETCH_ITEMS];
	size_t		 n;
	unsigned	 has;		/* bit of each fetch_what */
	bool		 sets_seen;	/* BODY[] without PEEK and alike */
};

/* One item, or "(" a list ")"; the slices are the arena's or the text's. */
bool	 fetch_parse(struct cursor *, struct fetch *);

/* "1.2.HEADER": what stands in the brackets of BODY[]. */
bool	 section_parse(struct cursor *, struct section *);

/* Writes the answers, a piece at a time. */
struct fetch_reader {
	struct imap_session *s;
	const struct fetch *f;
	bool		 by_uid;

	/* The message under way; private to fetch_write.c. */
	size_t		 position;
	size_t		 item;
	struct message_entry entry;
	bool		 has_content, has_message, has_summary, first;
	struct message_content content;
	struct message	 message;
	struct slice	 summary;
	struct buf	 decoded;
	/* The literal under way. */
	enum { LITERAL_RAW, LITERAL_LINES, LITERAL_DECODED } literal;
	struct crlf_reader lines;
	struct mime_decoder decoder;
	struct slice	 raw;		/* bytes as they are, or decoded */
	size_t		 at, end;	/* stored bytes that are still to be
					 * read, of a large message */
	struct buf	 window;	/* those that were read last */
	uint64_t	 left;		/* octets still owed */
	bool		 binary;	/* it may have NULs */
	const char	*trouble;	/* why the command is to fail */
};
/* False: that message is gone. */
bool	 fetch_begin(struct fetch_reader *, size_t position);
/* True: there is more to write. */
bool	 fetch_go_on(struct fetch_reader *);
void	 fetch_reader_clear(struct fetch_reader *);

#endif
