/* SPDX-License-Identifier: ISC */
/*
 * argv - the words of a command.
 *
 * There is no shell: words are separated by blanks; '...' keeps all as it is,
 * "..." all but \" and \\; elsewhere \ keeps the next character.  Nothing else
 * has a meaning, so what needs a pipeline, a variable or a redirection needs a
 * script.  The first word is the program's absolute path.
 */
#ifndef LOCAL_ARGV_H
#define LOCAL_ARGV_H

#include "base/arena.h"
#include "base/parse.h"

#define ARGV_WORDS	100

/* NULL-terminated, in the arena.  why is a constant text with PARSE_BAD. */
enum parse argv_split(struct arena *, struct slice text, char ***argv_r,
	    const char **why);

#endif
