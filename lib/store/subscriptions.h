/* SPDX-License-Identifier: ISC */
/*
 * subscriptions - the file that Dovecot keeps them in, versions 1 and 2, and
 * Courier's where there is none.  It stays of the version that it is.
 */
#ifndef STORE_SUBSCRIPTIONS_H
#define STORE_SUBSCRIPTIONS_H

#include "box.h"

#define SUBSCRIPTIONS_BYTES	((size_t)16 << 20)

enum subscriptions_form { SUBSCRIPTIONS_V1, SUBSCRIPTIONS_V2,
	SUBSCRIPTIONS_COURIER };

/* Each name of the text, as users see it; lines that are none are passed
 * over.  False where each() has said so. */
bool	 subscriptions_parse(struct slice text, enum subscriptions_form,
	    bool (*each)(void *arg, struct slice name), void *arg);
enum subscriptions_form subscriptions_form(struct slice text);
void	 subscriptions_each(struct store *,
	    bool (*each)(void *arg, struct slice name), void *arg);
/* Under the lock of the list; valid names. */
enum store_result subscriptions_add(struct store *, const struct slice *names,
	    size_t n);

#endif
