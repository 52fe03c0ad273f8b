/* SPDX-License-Identifier: ISC */
/* login - AUTH (RFC 4954): the dialogue between a client and auth. */
#ifndef SMTPD_LOGIN_H
#define SMTPD_LOGIN_H

#include "ipc/channel.h"

struct session;
struct smtpd;

/* A line of the dialogue, and an AUTH command: RFC 4954 section 4. */
#define AUTH_LINE_BYTES	12288
#define AUTH_COMMAND_BYTES (AUTH_LINE_BYTES + 64)

/* What EHLO says of it: a whole line, or nothing. */
void	 login_offer(const struct session *, struct buf *);
void	 login_command(struct session *, struct slice args);
/* In S_AUTH_LINE.  False: more is needed. */
bool	 login_take_line(struct session *);
/* Who has to log in and has not is refused: true. */
bool	 login_is_missing(struct session *);
/* CTL_LOGOUT's body: ends that login's sessions, each after what it has sent of
 * a message. */
#define LOGIN_CHANGED	"4.7.0 Your login was changed"
void	 login_logout(struct smtpd *, struct slice body);
/* The session ends. */
void	 login_forget(struct session *);

extern const struct message_rule smtpd_auth_rules[];
extern const struct channel_ops smtpd_auth_ops;		/* arg: struct smtpd */
void	 login_auth_up(struct smtpd *, struct channel *);

#endif
