/* SPDX-License-Identifier: ISC */
/* http - the head of a request (RFC 9112), as far as GET /metrics needs it. */
#ifndef METRICS_HTTP_H
#define METRICS_HTTP_H

#include "base/parse.h"
#include "base/slice.h"

#define REQUEST_BYTES	8192	/* of a whole head; more is refused */

struct http_request {
	struct slice	 method;	/* borrowed from the input */
	struct slice	 path;		/* without a query */
	bool		 has_body;	/* content is announced */
};

/*
 * request-line *( field-line CRLF ) CRLF.  Strict: CRLF alone ends a line, no
 * line is folded, no blank stands before a colon, the version is HTTP/1.x, an
 * HTTP/1.1 request has exactly one Host.  The target is a path or an absolute
 * http URI.  PARSE_MORE: the head has not ended, and nothing in it is wrong
 * so far.  *r_r changes only on PARSE_OK.
 */
enum parse http_parse(struct slice head, struct http_request *r_r);

#endif
