/* SPDX-License-Identifier: ISC */
/* rcpt - may this recipient be accepted?  lookup decides. */
#ifndef SMTPD_RCPT_H
#define SMTPD_RCPT_H

#include "ipc/channel.h"

struct session;
struct smtpd;

#define VERDICT_MS	1000	/* how long RCPT_ACCEPT is remembered */

void	 rcpt_command(struct session *, struct slice args);
/* While verdicts are outstanding: the line at the front of the input is one
 * that need not wait for them. */
bool	 rcpt_may_follow(const struct session *, struct slice input);

extern const struct message_rule smtpd_lookup_rules[];
extern const struct channel_ops smtpd_lookup_ops;	/* arg: struct smtpd */
void	 rcpt_lookup_up(struct smtpd *, struct channel *);

#endif
