/* SPDX-License-Identifier: ISC */
/* dot - the content after DATA: transparency and its end (RFC 5321 4.5.2).
 * Resumable at every byte; keeps no pointers into the input. */
#ifndef MAIL_DOT_H
#define MAIL_DOT_H

#include "base/buf.h"
#include "base/parse.h"
#include "base/slice.h"

enum dot_fault { DOT_BARE_CR = 1, DOT_BARE_LF = 2 };

struct dot_decoder {
	uint8_t		state;
	unsigned	faults;		/* enum dot_fault seen so far */
	bool		mend_lf;	/* a bare LF becomes CRLF (exception list) */
};

void	 dot_decoder_init(struct dot_decoder *, bool mend_lf);
/*
 * Decodes from the front of *in.  PARSE_OK: *out_r is a run of decoded bytes,
 * which may point into the input or be constant; call again.  PARSE_MORE:
 * out_r is empty and either all input is used, or *done_r is true: CRLF.CRLF
 * (only that) was read, and *in stands behind it.  PARSE_BAD is never returned.
 *
 *	while (dot_decode(&d, &in, &out, &done) == PARSE_OK)
 *		content_add(out);
 *	if (done) ...
 */
enum parse dot_decode(struct dot_decoder *, struct slice *in,
	    struct slice *out_r, bool *done_r);

/* The other way: appends content with dots doubled to out; state is 0 at the
 * start and kept between calls.  Lines that end in a bare LF or CR get CRLF,
 * so that nothing that we send can smuggle. */
int	 dot_encode(unsigned *state, struct slice content, struct buf *out);
/* CRLF if needed, then ".\r\n". */
int	 dot_encode_end(unsigned state, struct buf *out);

#endif
