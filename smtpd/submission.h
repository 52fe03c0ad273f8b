/* SPDX-License-Identifier: ISC */
/* submission - what is done for and asked of users who log in (RFC 6409). */
#ifndef SMTPD_SUBMISSION_H
#define SMTPD_SUBMISSION_H

#include "base/buf.h"
#include "ipc/channel.h"
#include "mail/esmtp.h"

struct session;
struct smtpd;

#define PRIORITY_PROFILE "MIXER"	/* RFC 6710 section 9.2 */

bool	 submission_is(const struct session *);
/* What EHLO says of the extensions that are for users only. */
void	 submission_offer(const struct session *, struct buf *);
/* MAIL's parameters of these extensions go to the transaction.  False: they
 * are refused. */
bool	 submission_take_params(struct session *, const struct mail_params *);
/* MAIL is taken so far: may this login send, and as this?  False where that
 * need not be asked; else mail_go_on() or a refusal follows. */
bool	 submission_ask_sender(struct session *);

/* More of the content is there, and tx->held: looks for the end of the header
 * section, edits it and ends tx->held, or calls content_fail(). */
void	 submission_header(struct session *);
/* All of the content is there: asks whether the addresses of From and Sender
 * are the login's.  False where there is nothing to ask; else
 * content_complete() or a refusal follows. */
bool	 submission_ask_authors(struct session *);

/* Answers of lookup and qmgr, and their ends. */
void	 submission_verdict(struct smtpd *, struct message *);
void	 submission_lookup_down(struct smtpd *);
void	 submission_limit(struct smtpd *, struct message *);
void	 submission_qmgr_down(struct smtpd *);

#endif
