/* SPDX-License-Identifier: ISC */
/* content - the message content, from the connection to memory or a file. */
#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

struct session;

/* DATA or the first BDAT was accepted; the caller enters the state. */
void	 content_begin(struct session *, bool by_bdat);
/* BDAT of so many octets in S_RCPT or S_CHUNKS. */
void	 content_chunk(struct session *, uint64_t octets, bool last);
/* Take what is there, in S_DATA and S_CHUNK.  False: more is needed. */
bool	 content_take_data(struct session *);
bool	 content_take_chunk(struct session *);

/* The content will be refused with these words at its end; the first reason
 * counts.  What is held of it is let go. */
void	 content_fail(struct session *, unsigned code, const char *words);
/* qmgr gave the file for it. */
void	 content_spool_open(struct session *, int fd_take);
/* qmgr does not, or is gone: content_fail(), and on with it. */
void	 content_spool_refused(struct session *, unsigned code,
	    const char *words);
/* All is there and nothing is wrong with it: it goes to qmgr. */
void	 content_complete(struct session *);
/* Everything is written to the file; false after content_fail(). */
bool	 content_flush(struct session *);
/* The reply for the whole content: one, or one a recipient (LMTP).  The
 * transaction is over then. */
void	 content_refuse(struct session *, unsigned code, const char *words);
void	 content_accept(struct session *);

#endif
