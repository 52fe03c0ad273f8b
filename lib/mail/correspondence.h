/* SPDX-License-Identifier: ISC */
/*
 * correspondence - who wrote to whom, when and in answer to what: the address,
 * date and message id fields of RFC 5322 with their obsolete forms, and the
 * base subject of RFC 5256.
 */
#ifndef MAIL_CORRESPONDENCE_H
#define MAIL_CORRESPONDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum address_kind { ADDRESS_ONE, ADDRESS_GROUP, ADDRESS_GROUP_END };

struct header_address {
	enum address_kind kind;
	struct slice	 name;	/* display name or comment, or the group's;
				 * encoded words as they are; .p NULL: none */
	struct slice	 route;	/* "@a,@b"; .p NULL: none */
	struct slice	 mailbox; /* local-part without its quotes */
	struct slice	 host;	/* empty: none */
};

/* Linear in the field; each address is valid until the next call. */
struct address_reader {
	struct slice	 rest;
	char		*memory;	/* owned */
	size_t		 n;
	bool		 in_group;
	bool		 ends_group;
};
void	 address_reader_init(struct address_reader *, struct slice body);
bool	 address_next(struct address_reader *, struct header_address *);
void	 address_reader_clear(struct address_reader *);

/*
 * RFC 5322 3.3, 4.3: milliseconds since 1970, and minutes east of UTC as
 * written.  An unknown zone is UTC.  False: no date.
 */
bool	 date_parse(struct slice body, int64_t *ms_r, int *zone_r);

/* The next "<id>" of a field, without the brackets, white space within it left
 * out by the caller: none is. */
bool	 message_id_next(struct slice *rest, struct slice *id_r);

/* RFC 5256 2.1 of a decoded subject, a part of it; *is_reply_r: it lost a
 * "re:", "fwd:" or "[fwd: ]". White space is single spaces in the input. */
struct slice subject_base(struct slice subject, bool *is_reply_r);

/* A PREVIEW (RFC 8970) of at most PREVIEW_CHARS characters of UTF-8 without
 * line ends; nothing where there is no text.  Bounded by PREVIEW_SOURCE. */
#define PREVIEW_CHARS	200
#define PREVIEW_SOURCE	(16 * 1024)	/* encoded bytes that are looked at */
struct message;
int	 message_preview(const struct message *, struct buf *);

#endif
