/* SPDX-License-Identifier: ISC */
/* prefix - see prefix.h. */
#include "prefix.h"

static void	 put_field(struct buf *, const char *name, struct slice body,
		    const char *end);
static bool	 next_line(struct slice *rest, struct slice *line);

struct slice
prefix_address(const struct job_recipient *r)
{
	if (r->original.n > 0 && (r->address.p[0] == '|' ||
	    r->address.p[0] == '/'))
		return r->original;
	return r->address;
}

void
prefix_write(struct buf *b, const struct job *j,
    const struct job_recipient *r)
{
	struct slice address = prefix_address(r);

	put_field(b, "Return-Path: <", j->reverse_path, ">\n");
	put_field(b, "Delivered-To: ", address, "\n");
	if (r->original.n > 0 && !slice_eq_nocase(r->original, address))
		put_field(b, "X-Original-To: ", r->original, "\n");
}

static void
put_field(struct buf *b, const char *name, struct slice body, const char *end)
{
	buf_add_str(b, name);
	buf_add(b, body);
	buf_add_str(b, end);
}

/* Every message passes here, so only the lines that may matter are parsed. */
bool
prefix_has_looped(struct slice head, struct slice address)
{
	static const struct slice name = SLICE_LIT("Delivered-To:");
	struct slice line;

	while (next_line(&head, &line) && line.n > 0)
		if ((line.p[0] == 'D' || line.p[0] == 'd') &&
		    slice_starts_nocase(line, name) &&
		    slice_eq_nocase(slice_trim(slice_from(line, name.n)),
		    address))
			return true;
	return false;
}

/* Without its line end. */
static bool
next_line(struct slice *rest, struct slice *line)
{
	size_t n;

	if (rest->n == 0)
		return false;
	n = slice_find(*rest, '\n');
	*line = slice_first(*rest, n);
	*rest = slice_from(*rest, n < rest->n ? n + 1 : n);
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}
