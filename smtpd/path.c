/* SPDX-License-Identifier: ISC */
/* path - see path.h. */
#include "mail/address.h"
#include "mail/envelope.h"
#include "path.h"

static enum parse take_address(struct slice *, unsigned, struct address *);
static int	 copy_text(struct arena *, const struct address *,
		    struct slice *);

bool
path_take(struct slice *args, const char *keyword, unsigned flags,
    struct arena *arena, struct slice *text_r)
{
	struct slice key = slice_str(keyword), in = *args;
	struct address a;

	if (!slice_starts_nocase(in, key))
		return false;
	in = slice_from(in, key.n);
	while (in.n > 0 && in.p[0] == ' ')
		in = slice_from(in, 1);
	if (take_address(&in, flags | ADDRESS_UTF8, &a) != PARSE_OK ||
	    (in.n > 0 && in.p[0] != ' ') || a.local.n + a.domain.n >=
	    ADDRESS_BYTES || copy_text(arena, &a, text_r) == -1)
		return false;
	*args = in;
	return true;
}

static enum parse
take_address(struct slice *in, unsigned flags, struct address *a)
{
	struct slice word;

	if (in->n > 0 && in->p[0] == '<')
		return path_parse(in, flags, a);
	word = slice_first(*in, slice_find(*in, ' '));
	if (address_parse(word, flags, a) != PARSE_OK)
		return PARSE_BAD;
	*in = slice_from(*in, word.n);
	return PARSE_OK;
}

static int
copy_text(struct arena *arena, const struct address *a, struct slice *text_r)
{
	size_t n = a->local.n;
	char *p;

	p = arena_alloc(arena, n + 1 + a->domain.n + 1);
	if (p == NULL)
		return -1;
	memcpy(p, a->local.p, n);
	if (a->domain.n > 0) {
		p[n++] = '@';
		memcpy(p + n, a->domain.p, a->domain.n);
		n += a->domain.n;
	}
	*text_r = slice_of(p, n);
	return 0;
}
