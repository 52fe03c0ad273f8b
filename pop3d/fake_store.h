/* SPDX-License-Identifier: ISC */
/* fake_store - one mailbox in memory behind store/store.h, for tests. */
#ifndef POP3D_FAKE_STORE_H
#define POP3D_FAKE_STORE_H

#include "store/store.h"

#define FAKE_MESSAGES	64

/* Content as stored, LF line ends; borrowed. */
void	 fake_reset(void);
void	 fake_add(uint32_t uid, struct slice content);
/* Another session expunges it. */
void	 fake_expunge(uint32_t uid);
bool	 fake_has(uint32_t uid);
uint8_t	 fake_flags(uint32_t uid);
/* The next mailbox_open(), mailbox_expunge() gives this. */
void	 fake_fail_open(enum store_result);
void	 fake_fail_expunge(enum store_result);

#endif
