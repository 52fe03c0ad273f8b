/* SPDX-License-Identifier: ISC */
/*
 * fake_store - for tests: the whole of store.h in memory.
 *
 * One user's mailboxes for all stores that are opened, so that several
 * sessions can be at them.  Simple on purpose: the model test takes it for the
 * truth.
 */
#ifndef IMAPD_FAKE_STORE_H
#define IMAPD_FAKE_STORE_H

#include "store/store.h"

/* Empty, with INBOX only; UIDVALIDITY 100, and the next ones for others. */
void	 fake_store_reset(void);
void	 fake_store_quota(uint64_t bytes, uint64_t messages);
/* The next call that changes something fails so; STORE_OK: no more. */
void	 fake_store_fail(enum store_result);
/* As a delivery does it; LF line ends.  Its UID. */
uint32_t fake_store_deliver(const char *mailbox, const char *message);
/* Forgets what was expunged before: mailbox_vanished() is false then. */
void	 fake_store_forget(const char *mailbox);
/* The next keyword's bit has no name, as where Dovecot has dropped one. */
void	 fake_store_skip_keyword(const char *mailbox);

#endif
