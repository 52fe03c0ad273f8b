/* SPDX-License-Identifier: ISC */
/*
 * account - a line of a password file, chasqui-passwords(5).
 *
 *	alice@example.org	$y$j9T$...	scram-sha-256=10000,...
 *	alice@example.org	{SSHA256}...	app=phone protocols=imap,smtp
 *
 * Blanks stand between the fields: login, stored password, attributes.  A line
 * of Dovecot's passwd-file ("login:{SCHEME}hash:...") is read as well; what is
 * behind its second ':' says nothing here.
 */
#ifndef SASL_ACCOUNT_H
#define SASL_ACCOUNT_H

#include "base/buf.h"
#include "base/parse.h"
#include "sasl/sasl.h"

#define ACCOUNT_LINE_BYTES	4096
#define APP_NAME_BYTES		64

/* As in enum auth_protocol, as bits 1 << protocol. */
enum {
	ACCOUNT_SMTP = 1 << 1,
	ACCOUNT_IMAP = 1 << 2,
	ACCOUNT_POP3 = 1 << 3,
	ACCOUNT_ALL = ACCOUNT_SMTP | ACCOUNT_IMAP | ACCOUNT_POP3,
};

struct account {
	struct slice	 login;		/* prepared */
	struct slice	 stored;	/* the password; "*": none */
	struct slice	 scram[3];	/* by enum sasl_hash; .n 0: none */
	struct slice	 app;		/* its name; .n 0: the main password */
	struct slice	 made;		/* a date, for people */
	unsigned	 protocols;	/* ACCOUNT_* */
	bool		 disabled;
	bool		 expired;
	bool		 external;	/* nothing is stored here; its source
					 * has to be asked */
};

/* Slices point into the line.  PARSE_BAD and why.  Comments and empty lines
 * are not lines of accounts: PARSE_MORE. */
enum parse account_parse(struct slice line, struct account *, const char **why);
int	 account_write(struct buf *, const struct account *);
/* "imap,pop3,smtp"; false: another word is in it. */
bool	 account_protocols_parse(struct slice, unsigned *);
bool	 app_name_is_valid(struct slice);

#endif
