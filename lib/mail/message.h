/* SPDX-License-Identifier: ISC */
/*
 * message - a whole message as stored: its tree of MIME parts, and what IMAP
 * says about it and takes out of it (RFC 2045, 2046, 9051, 3516).
 *
 * One pass over the bytes, linear in their number, whatever they are.  Broken
 * MIME is no error: what cannot be taken apart is one part.  Line ends are LF
 * or CRLF, mixed too; a CR alone is a byte like others.  Sizes are octets as
 * IMAP counts them, each line end as CRLF; offsets count stored bytes.
 *
 * Always (S4): no message makes a tree of more than MESSAGE_PARTS parts or
 * MESSAGE_DEPTH levels; beyond that the rest is one opaque part
 * (application/octet-stream).  Nothing here recurses deeper than that.
 */
#ifndef MAIL_MESSAGE_H
#define MAIL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mail/header.h"
#include "mail/mime.h"

#define MESSAGE_PARTS		10000
#define MESSAGE_DEPTH		100
#define MESSAGE_BOUNDARY	256	/* bytes; longer: none */
#define MESSAGE_FIELD_BYTES	(256 * 1024) /* of a field body are looked at */
#define MESSAGE_PARAMS		100	/* of a field, and RFC 2231 pieces */
#define MESSAGE_LANGUAGES	100	/* of Content-Language */

#define PART_NONE	UINT32_MAX

enum part_kind {
	PART_LEAF,
	PART_MULTIPART,	/* its children are the parts; there may be none */
	PART_MESSAGE,	/* message/rfc822 or /global: one child, the message */
};

struct part {
	uint32_t	 parent, first, last, next;	/* index or PART_NONE */
	uint8_t		 kind;		/* enum part_kind */
	uint8_t		 encoding;	/* enum mime_encoding */
	uint8_t		 depth;
	bool		 opaque;	/* beyond a limit, or not to be parsed */
	bool		 in_digest;	/* its default type is message/rfc822 */
	size_t		 header, body, end;	/* offsets */
	uint64_t	 header_size, body_size; /* octets with CRLF */
	uint64_t	 lines;		/* line ends in the body */
	/* Field bodies as they stand; .p NULL: there is no such field. */
	struct slice	 content_type, transfer_encoding, disposition, language,
			 location, id, description, md5;
	/* What it is: of content_type, or the default.  Never empty. */
	struct slice	 type, subtype;
};

struct message {
	struct slice	 bytes;		/* borrowed */
	struct part	*parts;		/* owned; parts[0] is the message */
	uint32_t	 nparts, cap;
};

/* Cannot fail.  bytes must outlive the message. */
void	 message_parse(struct message *, struct slice bytes);
/* The same from a table that message_put_parts() has made of the same bytes:
 * bodies are not read.  False: the table does not fit; nothing is owned. */
bool	 message_restore(struct message *, struct slice bytes,
	    struct slice table);
/* The same where bytes are not all there: want() is told of each header section
 * before it is looked at. */
bool	 message_restore_wanted(struct message *, struct slice bytes,
	    struct slice table, void (*want)(void *, struct slice), void *arg);
int	 message_put_parts(const struct message *, struct buf *);
void	 message_clear(struct message *);

static inline struct slice
part_header(const struct message *m, const struct part *p)
{
	return slice_of(m->bytes.p + p->header, p->body - p->header);
}

static inline struct slice
part_body(const struct message *m, const struct part *p)
{
	return slice_of(m->bytes.p + p->body, p->end - p->body);
}

bool	 part_is(const struct part *, const char *type, const char *subtype);
/* As header_next(), but passes over lines that are no fields. */
bool	 field_next(struct slice *rest, struct field *);

/* ---- sections (RFC 9051 6.4.5) ------------------------------------------ */

enum section_what {
	SECTION_ALL,		/* BODY[], BODY[1.2]; BINARY[1.2] */
	SECTION_HEADER,
	SECTION_TEXT,
	SECTION_MIME,
	SECTION_FIELDS,		/* HEADER.FIELDS (...) */
	SECTION_FIELDS_NOT,
};

struct section {
	const uint32_t	*path;		/* part numbers, from 1 */
	size_t		 npath;
	enum section_what what;
	const struct slice *fields;	/* names, for SECTION_FIELDS* */
	size_t		 nfields;
};

/* The part of a part number; NULL: there is none. */
const struct part *message_part(const struct message *, const uint32_t *path,
	    size_t n);
/*
 * The stored bytes of a section and its size with CRLF; for SECTION_FIELDS*
 * those of the whole header section (section_fields() then picks).  False:
 * there is no such section (NIL).
 */
bool	 message_section(const struct message *, const struct section *,
	    struct slice *stored_r, uint64_t *size_r);
/* Fields of a header section (or of the fields of a summary), by names, with
 * CRLF, and the empty line behind them.  -1 at the ceiling. */
int	 section_fields(struct buf *, struct slice header,
	    const struct section *);

/*
 * Stored bytes as IMAP sends them: each line end is CRLF.  Gives what fits and
 * no more is read than was given.
 */
struct crlf_reader {
	struct slice	 rest;		/* stored bytes still to come */
	bool		 owes_lf;	/* a CR was given, its LF is next */
	bool		 after_cr;
};
void	 crlf_reader_init(struct crlf_reader *, struct slice stored);
/* Bytes written to to[], at most max; 0 at the end. */
size_t	 crlf_read(struct crlf_reader *, char *to, size_t max);
/* Passes over n octets, or to the end; over how many. */
uint64_t crlf_skip(struct crlf_reader *, uint64_t n);
uint64_t crlf_size(struct slice stored);
/* octets [from, from + max) into the buf. */
int	 crlf_add(struct buf *, struct slice stored, uint64_t from,
	    uint64_t max);

enum decode {
	DECODE_OK,
	DECODE_UNKNOWN,		/* [UNKNOWN-CTE] */
	DECODE_FULL,		/* the buf's ceiling; filled up to there */
};
/* A part's body without its content transfer encoding, line ends as CRLF (but
 * for base64, whose bytes are as they were encoded).  Not a byte is refused:
 * broken encodings give what can be read. */
enum decode part_decode(const struct message *, const struct part *,
	    struct buf *);
enum decode mime_decode(enum mime_encoding, struct slice stored, struct buf *);

/*
 * The same a piece at a time.  Pieces end where mime_piece() says: what is cut
 * there gives together what it gives whole.
 */
struct mime_decoder {
	enum mime_encoding encoding;
	struct crlf_reader lines;	/* of what is not encoded */
	uint32_t	 quantum;	/* of base64, of have digits */
	unsigned	 have;
};
/* Not ENCODING_OTHER. */
void	 mime_decoder_init(struct mime_decoder *, enum mime_encoding);
/* Of s, the first bytes of what is left, how many are a piece; 0: none is
 * within these.  last: nothing is left behind s. */
size_t	 mime_piece(const struct mime_decoder *, struct slice s, bool last);
/* -1 at the ceiling; twice the piece and 3 are always enough. */
int	 mime_decode_piece(struct mime_decoder *, struct slice, bool last,
	    struct buf *);

/* ---- parameters (RFC 2045 5.1, RFC 2231) -------------------------------- */

struct mime_param {
	struct slice	 name, value;	/* value without quotes */
};
/*
 * In order, continuations joined: under "name*" in the extended form where a
 * piece of it is extended, else under "name".  In the arena or borrowed.
 */
struct mime_params {
	struct mime_param v[MESSAGE_PARAMS];
	size_t		 n;
};
void	 mime_params_parse(struct arena *, struct slice behind_type,
	    struct mime_params *);
/* name's or name*'s, decoded to UTF-8, into the arena.  False: none. */
bool	 mime_param_text(struct arena *, const struct mime_params *,
	    const char *name, struct slice *text_r);
/* The boundary of a multipart; in the arena or borrowed.  False: none. */
bool	 mime_boundary(struct arena *, struct slice params,
	    struct slice *text_r);
/* What a Content-Type or Content-Disposition has before its parameters, and
 * these.  False: it is no such field; nothing is changed. */
bool	 mime_type_split(struct slice body, struct slice *type_r,
	    struct slice *subtype_r, struct slice *params_r);
bool	 mime_disposition_split(struct slice body, struct slice *name_r,
	    struct slice *params_r);
/* The charset of a text part, or "us-ascii"; in the arena. */
struct slice part_charset(struct arena *, const struct part *);

/* ---- what FETCH answers (RFC 9051 7.5.2) -------------------------------- */

enum {
	IMAP_UTF8 = 1,	/* UTF8=ACCEPT: UTF-8 may stand in quoted strings */
};

/* "(...)" of the message whose header section is this.  -1 at the ceiling. */
int	 imap_envelope(struct buf *, struct slice header, unsigned flags);
int	 imap_bodystructure(struct buf *, const struct message *,
	    unsigned flags);
/* BODY of a BODYSTRUCTURE that imap_bodystructure() has made; -1 as well if
 * it is not one. */
int	 imap_body(struct buf *, struct slice bodystructure);
/* A string, quoted or as a literal; .p NULL: NIL. Folding is undone; NUL
 * becomes '?'. */
int	 imap_nstring(struct buf *, struct slice, unsigned flags);
/* One field body of those that are an address list. */
int	 imap_addresses(struct buf *, struct slice body, unsigned flags);

#endif
