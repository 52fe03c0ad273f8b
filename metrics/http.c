/* SPDX-License-Identifier: ISC */
/* http - see http.h. */
#include "http.h"

static enum parse line(struct slice *rest, struct slice *line_r);
static bool	 request_line(struct slice, struct http_request *,
		    bool *needs_host_r);
static bool	 version(struct slice, bool *needs_host_r);
static bool	 target(struct slice, struct slice *path_r);
static bool	 field(struct slice, struct http_request *, unsigned *hosts);
static bool	 is_token(struct slice);
static bool	 is_visible(struct slice);

enum parse
http_parse(struct slice head, struct http_request *r_r)
{
	struct http_request r = { .has_body = false };
	struct slice l;
	bool needs_host = false, first = true;
	unsigned hosts = 0;
	enum parse p;

	while ((p = line(&head, &l)) == PARSE_OK) {
		if (first) {
			if (!request_line(l, &r, &needs_host))
				return PARSE_BAD;
			first = false;
			continue;
		}
		if (l.n == 0) {
			if (hosts > 1 || (needs_host && hosts == 0))
				return PARSE_BAD;
			*r_r = r;
			return PARSE_OK;
		}
		if (!field(l, &r, &hosts))
			return PARSE_BAD;
	}
	return p;
}

/* CRLF, and no other CR, LF or NUL (RFC 9112 section 2.2). */
static enum parse
line(struct slice *rest, struct slice *line_r)
{
	size_t i;

	for (i = 0; i < rest->n; i++) {
		if (rest->p[i] == '\n' || rest->p[i] == '\0')
			return PARSE_BAD;
		if (rest->p[i] != '\r')
			continue;
		if (i + 1 == rest->n)
			return PARSE_MORE;
		if (rest->p[i + 1] != '\n')
			return PARSE_BAD;
		*line_r = slice_first(*rest, i);
		*rest = slice_from(*rest, i + 2);
		return PARSE_OK;
	}
	return PARSE_MORE;
}

/* method SP request-target SP HTTP-version */
static bool
request_line(struct slice l, struct http_request *r, bool *needs_host_r)
{
	size_t sp = slice_find(l, ' ');
	struct slice rest;

	if (sp == l.n)
		return false;
	r->method = slice_first(l, sp);
	rest = slice_from(l, sp + 1);
	sp = slice_find(rest, ' ');
	return sp < rest.n && is_token(r->method) &&
	    target(slice_first(rest, sp), &r->path) &&
	    version(slice_from(rest, sp + 1), needs_host_r);
}

static bool
version(struct slice s, bool *needs_host_r)
{
	if (s.n != 8 || !slice_starts(s, SLICE_LIT("HTTP/1.")) ||
	    s.p[7] < '0' || s.p[7] > '9')
		return false;
	*needs_host_r = s.p[7] != '0';
	return true;
}

static bool
target(struct slice s, struct slice *path_r)
{
	const struct slice scheme = SLICE_LIT("http://");

	if (!is_visible(s))
		return false;
	if (slice_starts_nocase(s, scheme)) {
		s = slice_from(s, scheme.n);
		s = slice_from(s, slice_find(s, '/'));
	}
	if (s.n == 0 || s.p[0] != '/')
		return false;
	*path_r = slice_first(s, slice_find(s, '?'));
	return true;
}

/* field-name ":" OWS field-value OWS; no obs-fold, which is a smuggler's. */
static bool
field(struct slice l, struct http_request *r, unsigned *hosts)
{
	size_t colon = slice_find(l, ':');
	struct slice name = slice_first(l, colon), value;

	if (colon == l.n || !is_token(name))
		return false;
	value = slice_trim(slice_from(l, colon + 1));
	if (slice_eq_nocase(name, SLICE_LIT("Host")))
		++*hosts;
	else if (slice_eq_nocase(name, SLICE_LIT("Transfer-Encoding")) ||
	    (slice_eq_nocase(name, SLICE_LIT("Content-Length")) &&
	    !slice_eq(value, SLICE_LIT("0"))))
		r->has_body = true;
	return true;
}

/* RFC 9110 section 5.6.2 */
static bool
is_token(struct slice s)
{
	static const struct slice marks = { "!#$%&'*+-.^_`|~", 15 };
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') ||
		    (ascii_lower(s.p[i]) >= 'a' &&
		    ascii_lower(s.p[i]) <= 'z') ||
		    slice_find(marks, s.p[i]) < marks.n))
			return false;
	return s.n > 0;
}

static bool
is_visible(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}
