/* SPDX-License-Identifier: ISC */
/* submit - a session's dealings with qmgr: ids, files, messages. */
#ifndef SMTPD_SUBMIT_H
#define SMTPD_SUBMIT_H

#include "ipc/channel.h"

struct session;
struct smtpd;

/* How much of an envelope's packed form is not its strings. */
#define ENVELOPE_FIXED_BYTES	512
#define RECIPIENT_FIXED_BYTES	9

/* The transaction gets its queue id.  False: the session waits for one in
 * S_ID_ASKED, and mail_begun() or a refusal follows. */
bool	 submit_take_id(struct session *);
/* A file for the content: content_spool_open() or ..._refused() follows. */
void	 submit_ask_spool(struct session *);
/* In S_COMPLETE, and again when what it waited for is there. */
void	 submit_go_on(struct session *);
/* The content is complete, and a client that closes its side now still waits
 * for the reply (RFC 9293 section 3.6).  One that does so later has given up:
 * it will come again, and its message is better not taken (RFC 1047). */
bool	 submit_client_listens(const struct session *);
/* qmgr forgets what it holds of the transaction. */
void	 submit_abort(struct session *);
/* The session ends: out of all lists, and submit_abort(). */
void	 submit_forget(struct session *);

extern const struct message_rule smtpd_qmgr_rules[];
extern const struct channel_ops smtpd_qmgr_ops;		/* arg: struct smtpd */
void	 submit_qmgr_up(struct smtpd *, struct channel *);

#endif
