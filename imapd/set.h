/* SPDX-License-Identifier: ISC */
/* set - sequence sets (RFC 9051 section 9) and lists of UIDs. */
#ifndef IMAPD_SET_H
#define IMAPD_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "parse.h"

#define SET_RANGES	32768	/* of one set */

/* As it was written: 0 stands for "*"; first may be above last. */
struct set_range { uint32_t first, last; };
struct set {
	struct set_range *v;		/* owned */
	size_t		 n, cap;
	bool		 saved;		/* "$" (RFC 9051 6.4.4.1); n is 0 */
};

enum { SET_STAR = 1, SET_SAVED = 2 };	/* what else may stand in it */
bool	 cur_set(struct cursor *, unsigned may, struct set *);
void	 set_clear(struct set *);
/* Takes max for "*", turns ranges round, sorts and joins them.  max 0 (an empty
 * mailbox): "*" and what it makes a range with are dropped. */
void	 set_settle(struct set *, uint32_t max);
/* Of a settled set; a binary search. */
bool	 set_has(const struct set *, uint32_t);

/* Numbers, ascending where it is not said otherwise. */
struct uids {
	uint32_t	*v;		/* owned */
	size_t		 n, cap;
};
void	 uids_add(struct uids *, uint32_t);
void	 uids_clear(struct uids *);
void	 uids_copy(struct uids *, const struct uids *from);
bool	 uids_have(const struct uids *, uint32_t);

/* Numbers one by one, in any order, written as "1:3,7": runs that ascend by
 * one are joined. */
struct set_writer {
	struct buf	*to;
	uint32_t	 first, last;	/* the run under way; 0 none */
	bool		 any;
};
void	 set_write(struct set_writer *, uint32_t);
void	 set_write_range(struct set_writer *, uint32_t first, uint32_t last);
void	 set_write_end(struct set_writer *);
void	 uids_write(struct buf *, const uint32_t *v, size_t n);

#endif
