/* SPDX-License-Identifier: ISC */
/* content_scan - what has to be known of content as it passes; see header.h.
 * Works line by line with memchr(); only field names are looked at by byte. */
#include "mail/address.h"
#include "mail/chars.h"
#include "mail/header.h"

#define NAME_OVER	255	/* this line's name is known, or it has none */

static struct slice scan_line(struct content_scan *, struct slice);
static void	scan_header_part(struct content_scan *, struct slice);
static void	name_known(struct content_scan *);
static void	line_over(struct content_scan *);

void
content_scan_init(struct content_scan *c)
{
	*c = (struct content_scan){ 0 };
}

void
content_scan_feed(struct content_scan *c, struct slice s)
{
	c->bytes += s.n;
	if (!c->nul)
		c->nul = slice_find(s, '\0') != s.n;
	if (!c->eight_bit)
		c->eight_bit = !slice_is_ascii(s);
	while (s.n > 0)
		s = scan_line(c, s);
}

/* One line or what there is of it; the rest. */
static struct slice
scan_line(struct content_scan *c, struct slice s)
{
	size_t lf = slice_find(s, '\n'), n = lf;
	bool cr = n > 0 ? s.p[n - 1] == '\r' : c->last_cr;

	if (c->last_cr && lf > 0) {
		/* The CR was a byte like others, and no field's name has it. */
		c->bare_cr = true;
		c->line++;
		c->nname = NAME_OVER;
	}
	c->last_cr = false;
	if (n > 0 && cr)
		n--;
	if (!c->bare_cr)
		c->bare_cr = slice_find(slice_first(s, n), '\r') != n;
	if (!c->in_body && n > 0)
		scan_header_part(c, slice_first(s, n));
	c->line += n;
	if (lf == s.n) {
		c->last_cr = cr;
		return SLICE_EMPTY;
	}
	if (!cr)
		c->bare_lf = true;
	line_over(c);
	return slice_from(s, lf + 1);
}

static void
scan_header_part(struct content_scan *c, struct slice s)
{
	size_t i;

	if (c->eight_bit && !c->header_8bit)
		c->header_8bit = !slice_is_ascii(s);
	for (i = 0; i < s.n && c->nname != NAME_OVER; i++) {
		if (s.p[i] == ':')
			name_known(c);
		else if (c->nname == sizeof(c->name) ||
		    !(char_is(s.p[i], CH_FTEXT) ||
			(c->nname > 0 && (s.p[i] == ' ' || s.p[i] == '\t'))))
			c->nname = NAME_OVER;
		else
			c->name[c->nname++] = s.p[i];
	}
}

static void
name_known(struct content_scan *c)
{
	struct slice name = slice_trim(slice_of(c->name, c->nname));

	if (slice_eq_nocase(name, SLICE_LIT("Received")) ||
	    slice_eq_nocase(name, SLICE_LIT("Delivered-To")))
		c->received++;
	else if (slice_eq_nocase(name, SLICE_LIT("Date")))
		c->has_date = true;
	else if (slice_eq_nocase(name, SLICE_LIT("Message-ID")))
		c->has_message_id = true;
	else if (slice_eq_nocase(name, SLICE_LIT("From")))
		c->has_from = true;
	c->nname = NAME_OVER;
}

static void
line_over(struct content_scan *c)
{
	if (c->line == 0)
		c->in_body = true;
	if (c->line > c->longest)
		c->longest = c->line;
	c->line = 0;
	c->nname = 0;
}

void
content_scan_end(struct content_scan *c)
{
	if (c->last_cr)
		c->bare_cr = true;
	if (c->line > c->longest)
		c->longest = c->line;
}
