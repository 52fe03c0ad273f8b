/* SPDX-License-Identifier: ISC */
/* fake_content - for a fake store, in place of content.c: content that is in
 * memory all the time. */
#ifndef STORE_FAKE_CONTENT_H
#define STORE_FAKE_CONTENT_H

#include <string.h>

#include "store/store.h"

void
message_content_want(struct message_content *c, struct slice part)
{
	(void)c;
	(void)part;
}

void
message_content_let_go(struct message_content *c)
{
	(void)c;
}

size_t
message_content_read(const struct message_content *c, size_t at, char *to,
    size_t n)
{
	struct slice rest = slice_from(c->bytes, at);

	n = n < rest.n ? n : rest.n;
	memcpy(to, rest.p, n);
	return n;
}

#endif
