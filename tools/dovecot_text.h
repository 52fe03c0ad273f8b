/* SPDX-License-Identifier: ISC */
/*
 * dovecot_text - the configuration of Dovecot 2, as `chasqui import` reads it.
 *
 *	protocols = imap lmtp			# a comment
 *	passdb { driver = pam }
 *	service imap-login { inet_listener imaps { port = 993 } }
 *	!include conf.d/10-mail.conf
 *
 * Each setting becomes a path of its sections, "service/imap-login/
 * inet_listener/imaps/port"; sections without a name get a number, so that two
 * of them are told apart: "passdb/1/driver".
 */
#ifndef TOOLS_DOVECOT_TEXT_H
#define TOOLS_DOVECOT_TEXT_H

#include "base/arena.h"
#include "base/buf.h"

#define DOVECOT_FILE_BYTES	((size_t)4 * 1024 * 1024)
#define DOVECOT_SETTINGS	4096	/* of all files */
#define DOVECOT_DEPTH		16	/* of sections */
#define DOVECOT_PATH_BYTES	512
#define DOVECOT_ARENA_BYTES	((size_t)64 * 1024 * 1024)

struct dovecot_setting {
	struct slice	 path;
	struct slice	 value;	/* without quotes; '<' in front: from a file */
	struct slice	 file;	/* as dovecot_parse() was given it */
	unsigned	 line;
	bool		 used;	/* for the reader */
};

struct dovecot_text {
	struct dovecot_setting *v;	/* in their order */
	size_t		 n;
	unsigned	 sections;	/* without a name, so far */
	unsigned	 refused;	/* lines that are none, or too many */
	unsigned	 first_refused;	/* of the last file */
	struct arena	 arena;		/* owned: all of it */
};

void	 dovecot_init(struct dovecot_text *);
void	 dovecot_clear(struct dovecot_text *);
/* Adds a file's settings; include is called for each !include and !include_try
 * in its place, and may call this in turn. */
typedef void dovecot_include_fn(void *arg, struct slice pattern, unsigned line);
void	 dovecot_parse(struct dovecot_text *, struct slice text,
	    const char *file, dovecot_include_fn *, void *arg);
/* The last setting of a path; NULL: not there. */
struct dovecot_setting *dovecot_find(const struct dovecot_text *,
	    const char *path);

#endif
