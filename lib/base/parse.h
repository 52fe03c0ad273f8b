/* SPDX-License-Identifier: ISC */
/* parse - what a parser answers. */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

enum parse {
	PARSE_OK,	/* the outputs are set, the input has moved on */
	PARSE_BAD,	/* nothing changed */
	PARSE_MORE,	/* resumable parsers only: not decided yet */
};

#endif
