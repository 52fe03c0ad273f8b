/* SPDX-License-Identifier: ISC */
/* mime - what we need of RFC 2045 and 2046: a part's type and encoding, the
 * delimiters of a multipart, and the two encodings. */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

#define BOUNDARY_BYTES	70	/* RFC 2046 5.1.1 */

/* Behind white space, foldings and comments (RFC 5322 3.2.2). */
struct slice cfws_skip(struct slice);
/* A comment that *s begins with is taken off, with those within it; false: it
 * is not closed, and stays. */
bool	 comment_skip(struct slice *);

struct mime_type {
	struct slice	type;		/* borrowed from the field */
	struct slice	subtype;
	char		boundary[BOUNDARY_BYTES];
	size_t		nboundary;	/* 0: none, or not a valid one */
};

/* The body of a Content-Type field. */
bool	 mime_type_parse(struct slice body, struct mime_type *);
bool	 mime_type_is(const struct mime_type *, const char *type,
	    const char *subtype);	/* subtype NULL: any */

enum mime_encoding {
	ENCODING_7BIT, ENCODING_8BIT, ENCODING_BINARY, ENCODING_QP,
	ENCODING_BASE64, ENCODING_OTHER,
};
/* The body of a Content-Transfer-Encoding field. */
enum mime_encoding mime_encoding_parse(struct slice body);

/* A delimiter line of a multipart's body. */
struct delimiter {
	size_t	 part_end;	/* where the part before it ends */
	size_t	 next;		/* behind the line */
	bool	 last;
};
/* The first one at or behind `from`, which is the start of a line. */
bool	 delimiter_find(struct slice body, size_t from,
	    const struct mime_type *, struct delimiter *);

/* Lines of 76 characters; CRLF is a line end in quoted-printable, other CR and
 * LF are encoded.  -1 at the ceiling, with part of the output written. */
int	 base64_lines(struct buf *, struct slice);
int	 qp_encode(struct buf *, struct slice);

#endif
