/* SPDX-License-Identifier: ISC */
/* password_file - the lines of a password file, and new ones. */
#ifndef TOOLS_PASSWORD_FILE_H
#define TOOLS_PASSWORD_FILE_H

#include "base/buf.h"
#include "sasl/account.h"

/* The line of a new account with this password (cmd_user.c); 0, or an exit
 * status and its reason has been told. */
int	 user_account_text(struct slice login, struct slice password,
	    struct buf *);

/* Goes through the lines; account.login.n is 0 for those that are none. */
struct password_line {
	struct slice	 line;		/* with its line end */
	struct account	 account;
};
bool	 password_file_next(struct slice *rest, struct password_line *);

#endif
