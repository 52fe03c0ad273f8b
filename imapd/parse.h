/* SPDX-License-Identifier: ISC */
/*
 * parse - IMAP commands (RFC 9051 section 9): one is collected from the
 * connection, then read with a cursor.
 *
 * The collected text is the command as it came, from the tag to the last CRLF
 * (which is left out), each literal in its place behind its "{n}" CRLF.
 */
#ifndef IMAPD_PARSE_H
#define IMAPD_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#define COMMAND_NESTING		32	/* parentheses in a command */
#define COMMAND_LITERALS	64	/* collected literals of a command */
#define TAG_BYTES		64	/* of a tag that is taken */

/* ---- collecting ---------------------------------------------------------- */

struct literal {
	uint64_t	 bytes;
	bool		 waits;		/* synchronizing: "+ " is awaited */
	bool		 binary;	/* literal8, "~{" */
};

enum collect {
	COLLECT_MORE,		/* all input is used up */
	COLLECT_LITERAL,	/* ->literal is announced: the caller says what
				 * becomes of it with one of the three calls */
	COLLECT_PASSED,		/* *bytes_r is a part of a literal that passes */
	COLLECT_COMMAND,	/* ->text is whole; collector_reset() then */
	COLLECT_BAD_LINE,	/* the same, but it was too long (only its
				 * beginning is there) or ended in a bare LF */
};

struct collector {
	struct buf	 text;		/* owned */
	struct literal	 literal;
	size_t		 line_max;	/* bytes outside of literals */
	size_t		 line;		/* so far */
	size_t		 segment;	/* where the text behind the last
					 * literal starts */
	uint64_t	 left;		/* of the literal that is being read */
	unsigned	 literals;
	uint8_t		 state;		/* private */
	bool		 bad;
	bool		 skipped;	/* a literal was: the command is refused */
};

void	 collector_init(struct collector *, size_t line_max,
	    size_t literals_max);
void	 collector_clear(struct collector *);
void	 collector_reset(struct collector *);
/* True between commands: not a byte of the next one is there. */
bool	 collector_is_idle(const struct collector *);
/* Takes bytes off *in until something is to be told. */
enum collect collect(struct collector *, struct slice *in,
	    struct slice *bytes_r);
/* The literal becomes part of the text.  False: it is too large for that. */
bool	 collect_literal_keep(struct collector *);
/* Its bytes are told by COLLECT_PASSED, and are not in the text. */
void	 collect_literal_pass(struct collector *);
/* Its bytes are thrown away; COLLECT_COMMAND comes with ->skipped. */
void	 collect_literal_skip(struct collector *);

/* ---- reading ------------------------------------------------------------- */

/*
 * Each function takes one element off the front.  False: it is not there, and
 * nothing has moved.  Slices point into the text, or into the arena where
 * quoting had to be undone.
 */
struct cursor {
	struct slice	 rest;
	struct arena	*arena;		/* of the command */
	unsigned	 depth;		/* of open parentheses */
	bool		 utf8;		/* in quoted strings (RFC 9755, 9051) */
};

struct cursor cursor_of(struct slice text, struct arena *);
bool	 cur_end(const struct cursor *);
/* The next byte, '\0' at the end. */
char	 cur_peek(const struct cursor *);
bool	 cur_byte(struct cursor *, char);
bool	 cur_sp(struct cursor *);
/* "(": false at COMMAND_NESTING too. */
bool	 cur_open(struct cursor *);
bool	 cur_close(struct cursor *);
/* This word, case ignored, ended by something that is no atom's character or
 * by the end. */
bool	 cur_word(struct cursor *, const char *);
/* SP and this word. */
bool	 cur_sp_word(struct cursor *, const char *);
bool	 cur_tag(struct cursor *, struct slice *);
bool	 cur_atom(struct cursor *, struct slice *);
bool	 cur_quoted(struct cursor *, struct slice *);
/* literal or literal8; binary_r may be NULL: then literal8 is not taken. */
bool	 cur_literal(struct cursor *, struct slice *, bool *binary_r);
bool	 cur_string(struct cursor *, struct slice *);
bool	 cur_nstring(struct cursor *, struct slice *);	/* NIL: .p is NULL */
bool	 cur_astring(struct cursor *, struct slice *);
bool	 cur_list_mailbox(struct cursor *, struct slice *);
/* "\Seen" or a keyword. */
bool	 cur_flag(struct cursor *, struct slice *);
bool	 cur_nz_number(struct cursor *, uint32_t *);
bool	 cur_number64(struct cursor *, uint64_t *);	/* to 2^63 - 1 */
/* "1-Feb-1994", quoted or not: days since 1970-01-01. */
bool	 cur_date(struct cursor *, int64_t *days_r);
/* The quoted date-time of APPEND: milliseconds since 1970. */
bool	 cur_date_time(struct cursor *, int64_t *ms_r);

/* Character classes of RFC 9051 section 9. */
enum {
	IC_ATOM = 1,		/* ATOM-CHAR */
	IC_ASTRING = 2,		/* ASTRING-CHAR */
	IC_LIST = 4,		/* list-char */
	IC_TAG = 8,		/* of a tag */
	IC_QUOTED = 16,		/* stands for itself in a quoted string */
};
extern const uint8_t imap_classes[256];
static inline bool
imap_is(char c, unsigned mask)
{
	return (imap_classes[(unsigned char)c] & mask) != 0;
}

#endif
