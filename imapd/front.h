/* SPDX-License-Identifier: ISC */
/*
 * front - the grammar of IMAP as far as it is spoken before a login: whole
 * commands and their arguments (RFC 9051 section 9).  Pure functions on bytes.
 */
#ifndef IMAPD_FRONT_H
#define IMAPD_FRONT_H

#include "base/parse.h"
#include "base/slice.h"

#define FRONT_TAG_BYTES	64
#define FRONT_TOKENS	80	/* of one command: ID has up to 62 */

/* Where in a command that is not whole yet we are; zeroed at its start. */
struct front_frame {
	size_t	at;		/* the line that is looked at begins here */
	size_t	seen;		/* no line end before this */
};

enum front_result {
	FRONT_MORE,		/* call again when there is more input */
	FRONT_GO_AHEAD,		/* the client waits for "+ ", then as MORE */
	FRONT_WHOLE,		/* *used_r bytes are a command with its CRLF */
	FRONT_BAD_LINE,		/* a line that does not end in CRLF */
	FRONT_TOO_LONG,		/* more than max, or a literal would be */
};

/* Resumable: in is all of the input from the start of the command, each
 * time. */
enum front_result front_frame(struct front_frame *, struct slice in,
	    size_t max, size_t *used_r);

enum front_kind { FRONT_ATOM, FRONT_STRING, FRONT_OPEN, FRONT_CLOSE };
struct front_token {
	enum front_kind	kind;
	struct slice	text;
};
struct front_command {
	struct slice		tag;	/* .n 0: there is none */
	struct slice		name;
	struct front_token	args[FRONT_TOKENS];
	size_t			nargs;
};

/* text is a whole command with its CRLF; quoted strings are unquoted in it, and
 * the slices are of it.  PARSE_BAD: tag and name are what could be read of
 * them. */
enum parse front_parse(char *text, size_t n, struct front_command *);

#endif
