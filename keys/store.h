/* SPDX-License-Identifier: ISC */
/*
 * store - the private keys, in locked memory that no dump has.
 *
 * Keys have the numbers that master gives them; a renewed key is another key.
 */
#ifndef KEYS_STORE_H
#define KEYS_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ipc/keys.h"

struct stored_key;

struct store {
	struct stored_key	*v;	/* owned array */
	size_t			 n;
};

#define STORE_KEYS	20000

/* Once, and as root: makes the locked memory for keys, and locks the rest of
 * the process where it may.  False where the keys' memory cannot be locked. */
bool	 store_lock_memory(void);
/* Both files from their beginning; the descriptors stay the caller's.  -1 and
 * why: it is no key, or not that of the chain's first certificate. */
int	 store_add(struct store *, uint32_t number, int key_fd, int chain_fd,
	    struct buf *why);
void	 store_drop(struct store *, uint32_t number);
/* When the first of their certificates is not good any more, seconds since
 * 1970; 0: there is none. */
int64_t	 store_first_end(const struct store *);
void	 store_clear(struct store *);
/* 0, or enum keys_refusal. */
int	 store_sign(const struct store *, uint32_t number, unsigned scheme,
	    struct slice input, struct buf *signature);

#endif
