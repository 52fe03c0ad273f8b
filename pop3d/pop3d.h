/* SPDX-License-Identifier: ISC */
/* pop3d - what the login and the session share. */
#ifndef POP3D_POP3D_H
#define POP3D_POP3D_H

#include "base/buf.h"
#include "base/slice.h"

#define POP3_LINE_BYTES	512	/* a command; RFC 2449 section 4 has 255 */

/* The lines of CAPA (RFC 2449, 5034, 3206, 6856), with the dot.  mechanisms:
 * SP between; before the login only. */
void	 pop3_capabilities(struct buf *, bool before_login, bool stls,
	    bool user, struct slice mechanisms);
/* The answer to LANG (RFC 6856 section 3). */
void	 pop3_lang(struct buf *, struct slice args);

/* A line without its CRLF at the front of the input; *used_r is what it takes
 * there. */
enum pop3_line { POP3_LINE, POP3_LINE_PART, POP3_LINE_BAD };
enum pop3_line pop3_find_line(struct slice input, size_t max,
	    struct slice *line_r, size_t *used_r);

#endif
