/* SPDX-License-Identifier: ISC */
/*
 * cf_text - Postfix's main.cf, master.cf and the files of its SQL tables, as
 * `chasqui import` reads them.
 *
 *	name = value			# lines that begin with a blank go on
 *	service type p u c w m command argument -o name=value ...
 *
 * Files are somebody else's: what does not fit is counted and left out, and no
 * text makes more than the limits say.
 */
#ifndef TOOLS_CF_TEXT_H
#define TOOLS_CF_TEXT_H

#include "base/arena.h"
#include "base/buf.h"

#define CF_FILE_BYTES	((size_t)4 * 1024 * 1024)
#define CF_PARAMS	4096	/* of one file, services too */
#define CF_VALUE_BYTES	65536	/* of one value, expanded too */
#define CF_DEPTH	20	/* of $names in $names */
#define CF_NAMES	10000	/* put in place in one value */
#define CF_OPTIONS	64	/* -o of one service */
#define CF_ARENA_BYTES	((size_t)64 * 1024 * 1024)

struct cf_param {
	struct slice	 name;
	struct slice	 value;	/* continuation lines joined */
	unsigned	 line;	/* that it begins on */
	bool		 used;	/* for the reader */
};

struct cf_text {
	struct cf_param	*v;	/* in file order; of twins the last counts */
	size_t		 n;
	unsigned	 refused;	/* lines that are none, or too many */
	unsigned	 first_refused;	/* the first of them */
	struct arena	 arena;	/* owned: all of it */
};

struct cf_service {
	struct slice	 name, type, command;
	struct cf_param	 options[CF_OPTIONS];	/* -o */
	size_t		 noptions;
	struct slice	 rest;	/* other arguments */
};

/* Copies what it keeps.  The rows of master.cf are parameters whose name is the
 * service and whose value is the rest, for cf_service_parse(). */
void	 cf_parse(struct cf_text *, struct slice text, bool is_master);
void	 cf_clear(struct cf_text *);
/* The parameter that counts; NULL: not there. */
struct cf_param *cf_find(const struct cf_text *, struct slice name);

/* Puts a value with its $name, ${name}, $(name), ${name?text}, ${name:text} in
 * place; dflt gives those that the file does not have (NULL: empty).  -1:
 * deeper or longer than the limits; out is then useless. */
typedef const char *cf_default_fn(void *arg, struct slice name);
int	 cf_expand(const struct cf_text *, struct slice value,
	    cf_default_fn *dflt, void *arg, struct buf *out);

/* False: not a service's row. */
bool	 cf_service_parse(const struct cf_param *, struct cf_service *);

/* The next word of a list that has blanks and commas between its words; a word
 * in braces is one, without them.  False: none is left. */
bool	 cf_next_word(struct slice *rest, struct slice *word_r);

#endif
