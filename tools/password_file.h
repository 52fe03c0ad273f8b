/* SPDX-License-Identifier: ISC */
/*
 * password_file - changes a password file: locked, and replaced as a whole, so
 * that nobody ever reads half of it.  Lines that are not concerned stay as they
 * are, comments and order too.
 */
#ifndef TOOLS_PASSWORD_FILE_H
#define TOOLS_PASSWORD_FILE_H

#include <sys/types.h>

#include "sasl/account.h"

#define PASSWORD_FILE_BYTES	((size_t)512 * 1024 * 1024)

struct password_file {
	const char	*path;		/* borrowed */
	int		 lock_fd;	/* owned, or -1 */
	struct buf	 text;		/* as it was read */
	uid_t		 uid;		/* of the file, kept */
	gid_t		 gid;
	mode_t		 mode;
};

/* Locked until password_file_close().  A file that is not there is an empty
 * one, which will get what uid, gid and mode say now.  -1 and why. */
int	 password_file_open(struct password_file *, const char *path,
	    bool to_change, struct buf *why);
/* The new text takes the place of the old, durably.  -1 and why. */
int	 password_file_replace(struct password_file *, struct slice text,
	    struct buf *why);
void	 password_file_close(struct password_file *);

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
