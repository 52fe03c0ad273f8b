/* SPDX-License-Identifier: ISC */
/* names - see names.h. */
#include <limits.h>

#include "mail/address.h"
#include "mail/utf8.h"
#include "names.h"

struct slice
name_canonical(struct slice name)
{
	const struct slice inbox = SLICE_LIT("INBOX");

	return slice_eq_nocase(name, inbox) ? inbox : name;
}

struct slice
name_fold_inbox(struct slice name, char *to)
{
	const struct slice inbox = SLICE_LIT("INBOX");

	if (!slice_starts_nocase(name, inbox) ||
	    (name.n > inbox.n && name.p[inbox.n] != '/'))
		return name;
	memmove(to, name.p, name.n);
	memcpy(to, inbox.p, inbox.n);
	return slice_of(to, name.n);
}

bool
name_is_valid(struct slice name)
{
	struct slice rest = name, level;
	unsigned levels = 0;
	size_t i;

	if (name.n == 0 || name.n > STORE_NAME_BYTES || !slice_is_utf8(name))
		return false;
	for (i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f ||
		    name.p[i] == '.')
			return false;
	while (slice_next(&rest, '/', &level))
		if (level.n == 0 || ++levels > STORE_DEPTH)
			return false;
	return true;
}

int
name_to_dir(struct slice name, bool utf7, struct buf *b)
{
	size_t i, start = b->n;

	if (buf_add_byte(b, '.') == -1 || (utf7 ? mutf7_encode(name, b) :
	    buf_add(b, name)) == -1)
		return -1;
	for (i = start; i < b->n; i++)
		if (b->p[i] == '/')
			b->p[i] = '.';
	return b->n - start > NAME_MAX ? -1 : 0;
}

enum parse
name_from_dir(struct slice dir, struct buf *b)
{
	size_t start = b->n, i;
	struct slice name;

	if (mutf7_decode(dir, b) != PARSE_OK) {
		if (!slice_is_utf8(dir) || buf_add(b, dir) == -1)
			return PARSE_BAD;
	}
	for (i = start; i < b->n; i++) {
		if (b->p[i] == '/')
			goto bad;
		if (b->p[i] == '.')
			b->p[i] = '/';
	}
	name = slice_from(buf_slice(b), start);
	if (name_is_valid(name))
		return PARSE_OK;
bad:
	b->n = start;
	return PARSE_BAD;
}

int
name_cmp(struct slice a, struct slice b)
{
	bool ia = slice_eq(a, SLICE_LIT("INBOX")),
	    ib = slice_eq(b, SLICE_LIT("INBOX"));
	size_t i;
	int x, y;

	if (ia || ib)
		return (int)ib - (int)ia;
	for (i = 0; i < a.n && i < b.n; i++) {
		if (a.p[i] == b.p[i])
			continue;
		x = a.p[i] == '/' ? 0 : (unsigned char)a.p[i];
		y = b.p[i] == '/' ? 0 : (unsigned char)b.p[i];
		return x - y;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
name_is_below(struct slice name, struct slice parent)
{
	return slice_starts(name, parent) && name.n > parent.n &&
	    name.p[parent.n] == '/';
}
