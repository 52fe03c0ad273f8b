/* SPDX-License-Identifier: ISC */
/*
 * dot - see dot.h.
 *
 *	BOL --'.'--> DOT --CR--> DOT_CR --LF--> DONE
 *	 ^            |            |
 *	 +-- LINE <---+------------+   LINE --CR--> CR --LF--> BOL
 *
 * BOL is only behind CRLF, so a bare LF can neither end the content nor begin
 * a line whose dot is taken off.  With mend_lf a bare LF goes
 * LINE --> BARE_LF --> MENDED_BOL, where dots are taken off as well, but the
 * end is still not recognised.
 */
#include "mail/dot.h"

enum {
	BOL, LINE, CR, DOT, DOT_CR, BARE_LF, MENDED_BOL, MENDED_DOT, DONE,
};

/* What is looked at in one step where each bare CR or LF ends a step: without
 * it, content full of them would take time in the square of its size. */
#define STEP_BYTES	4096

static struct slice first_of(struct slice);
static size_t	run_in_line(struct dot_decoder *, struct slice);
static size_t	run_over_lf(struct dot_decoder *, struct slice, size_t i,
		    size_t cr, bool *stop_r);
static bool	step(struct dot_decoder *, struct slice *in,
		    struct slice *out_r);

void
dot_decoder_init(struct dot_decoder *d, bool mend_lf)
{
	*d = (struct dot_decoder){ .state = BOL, .mend_lf = mend_lf };
}

enum parse
dot_decode(struct dot_decoder *d, struct slice *in, struct slice *out_r,
    bool *done_r)
{
	size_t n;

	*out_r = SLICE_EMPTY;
	*done_r = false;
	while (in->n > 0 && d->state != DONE) {
		if (d->state != LINE) {
			if (step(d, in, out_r))
				return PARSE_OK;
			continue;
		}
		n = run_in_line(d, d->mend_lf ? first_of(*in) : *in);
		*out_r = slice_first(*in, n);
		*in = slice_from(*in, n);
		if (n > 0)
			return PARSE_OK;
	}
	*done_r = d->state == DONE;
	return PARSE_MORE;
}

static struct slice
first_of(struct slice s)
{
	return slice_first(s, s.n < STEP_BYTES ? s.n : STEP_BYTES);
}

/* The bytes that pass unchanged: over lines that do not begin with a dot, up
 * to the end of the input where nothing is the matter. */
static size_t
run_in_line(struct dot_decoder *d, struct slice s)
{
	size_t i = 0, cr;
	bool stop = false;

	while (i < s.n) {
		cr = i + slice_find(slice_from(s, i), '\r');
		i = run_over_lf(d, s, i, cr, &stop);
		if (stop || i == s.n)
			return i;
		if (i + 1 == s.n) {
			d->state = CR;
			return s.n;
		}
		if (s.p[i + 1] != '\n') {
			d->faults |= DOT_BARE_CR;
			i++;
			continue;
		}
		i += 2;
		if (i == s.n || s.p[i] == '.') {
			d->state = BOL;
			return i;
		}
	}
	return i;
}

/* From i to cr, where the next CR or the end is: any LF there is bare. */
static size_t
run_over_lf(struct dot_decoder *d, struct slice s, size_t i, size_t cr,
    bool *stop_r)
{
	size_t lf = i + slice_find(slice_of(s.p + i, cr - i), '\n');

	if (lf == cr)
		return cr;
	d->faults |= DOT_BARE_LF;
	if (!d->mend_lf)
		return cr;
	d->state = BARE_LF;
	*stop_r = true;
	return lf;
}

/* One byte outside a line; true where it yields output. */
static bool
step(struct dot_decoder *d, struct slice *in, struct slice *out_r)
{
	char c = in->p[0];
	bool take = false, dot = false;

	*out_r = SLICE_EMPTY;
	switch (d->state) {
	case BOL:
	case MENDED_BOL:
		take = c == '.';
		if (take)
			d->state = d->state == BOL ? DOT : MENDED_DOT;
		else
			d->state = LINE;
		break;
	case CR:
		take = c == '\n';
		if (take) {
			*out_r = SLICE_LIT("\n");
			d->state = BOL;
		} else {
			d->faults |= DOT_BARE_CR;
			d->state = LINE;
		}
		break;
	case DOT:
		take = c == '\r';
		d->state = take ? DOT_CR : LINE;
		dot = d->mend_lf && c == '\n';
		break;
	case DOT_CR:
		take = c == '\n';
		if (take) {
			d->state = DONE;
		} else {
			d->faults |= DOT_BARE_CR;
			*out_r = SLICE_LIT("\r");
			d->state = LINE;
		}
		break;
	case BARE_LF:
		take = true;
		*out_r = SLICE_LIT("\r\n");
		d->state = MENDED_BOL;
		break;
	case MENDED_DOT:
		/* Not the end, so a line of content that is one dot. */
		dot = c == '\r' || c == '\n';
		d->state = LINE;
		break;
	}
	if (dot)
		*out_r = SLICE_LIT(".");
	if (take)
		*in = slice_from(*in, 1);
	return out_r->n > 0;
}

/* States of the encoder; ENCODE_CR: a CR is read and not yet written. */
enum { ENCODE_BOL, ENCODE_LINE, ENCODE_CR };

/* Up to the first byte that needs care: a CR or LF that is not half of CRLF,
 * a dot that begins a line, or the last CR of the content. */
static size_t
run_to_encode(struct slice s)
{
	size_t i = 0, cr, lf;

	while (i < s.n) {
		cr = i + slice_find(slice_from(s, i), '\r');
		lf = i + slice_find(slice_of(s.p + i, cr - i), '\n');
		if (lf < cr || cr + 1 >= s.n || s.p[cr + 1] != '\n')
			return lf;
		i = cr + 2;
		if (i < s.n && s.p[i] == '.')
			return i;
	}
	return i;
}

static int
encode(unsigned *state, struct slice s, struct buf *out)
{
	size_t n;

	while (s.n > 0) {
		if (*state == ENCODE_CR) {
			if (buf_add(out, SLICE_LIT("\r\n")) != 0)
				return -1;
			if (s.p[0] == '\n')
				s = slice_from(s, 1);
			*state = ENCODE_BOL;
			continue;
		}
		if (*state == ENCODE_BOL && s.p[0] == '.' &&
		    buf_add_byte(out, '.') != 0)
			return -1;
		n = run_to_encode(first_of(s));
		if (buf_add(out, slice_first(s, n)) != 0)
			return -1;
		if (n > 0)
			*state = s.p[n - 1] == '\n' ? ENCODE_BOL : ENCODE_LINE;
		s = slice_from(s, n);
		if (s.n > 0 && s.p[0] == '\r') {
			*state = ENCODE_CR;
			s = slice_from(s, 1);
		} else if (s.n > 0 && s.p[0] == '\n')
			*state = ENCODE_CR;	/* written as if it had one */
	}
	return 0;
}

int
dot_encode(unsigned *state, struct slice content, struct buf *out)
{
	size_t n = out->n;
	unsigned to = *state;

	if (encode(&to, content, out) != 0) {
		out->n = n;
		return -1;
	}
	*state = to;
	return 0;
}

int
dot_encode_end(unsigned state, struct buf *out)
{
	return buf_add(out, state == ENCODE_BOL ? SLICE_LIT(".\r\n")
						: SLICE_LIT("\r\n.\r\n"));
}
