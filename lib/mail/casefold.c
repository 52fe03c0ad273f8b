/* SPDX-License-Identifier: ISC */
/*
 * casefold - i;unicode-casemap (RFC 5051): the form in which texts are
 * compared.
 *
 * ASCII goes by arithmetic, the rest by tables of 256 code points that are
 * made, by libunistring, when the first of them is met.
 */
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/mem.h"
#include "mail/charset.h"

#define BLOCKS		512	/* planes 0 and 1 */
#define FOLDED_BYTES	11	/* that a table holds */

struct folded {
	uint8_t		 n;
	char		 s[FOLDED_BYTES];
};

static struct folded *blocks[BLOCKS];

static const struct folded *block_of(uint32_t c);
static void	 fold_one(uint32_t c, struct folded *);
static uint32_t	 take_char(const unsigned char *, size_t n, size_t *used_r);

/* Eight bytes at a time: bit 7 of each byte tells a small letter. */
bool
casefold_ascii(struct slice s, char *to)
{
	static const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t v, low, small, all = 0;
	unsigned char c;
	size_t i;

	for (i = 0; s.n - i >= 8; i += 8) {
		memcpy(&v, s.p + i, 8);
		all |= v;
		low = v & ones * 0x7f;
		small = (low + ones * (0x80 - 'a')) &
		    ~(low + ones * (0x7f - 'z')) & ~v & ones * 0x80;
		v -= small >> 2;
		memcpy(to + i, &v, 8);
	}
	for (; i < s.n; i++) {
		c = (unsigned char)s.p[i];
		all |= c;
		to[i] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	return (all & ones * 0x80) == 0;
}

int
casefold(struct slice s, struct buf *b)
{
	const unsigned char *p = (const unsigned char *)s.p;
	const struct folded *f;
	size_t i, n, used, was = b->n, room = 0;
	char *to = NULL;

	for (i = 0, n = 0; i < s.n; i += used) {
		if (n + FOLDED_BYTES > room) {
			b->n += n;
			n = 0;
			room = s.n - i + FOLDED_BYTES * 4;
			to = buf_reserve(b, room);
			if (to == NULL) {
				b->n = was;
				return -1;
			}
		}
		if (p[i] < 0x80) {
			to[n++] = (char)(p[i] -
			    ((unsigned char)(p[i] - 'a') < 26 ? 32 : 0));
			used = 1;
			continue;
		}
		f = block_of(take_char(p + i, s.n - i, &used));
		memcpy(to + n, f->s, f->n);
		n += f->n;
	}
	b->n += n;
	return 0;
}

/* A byte that is no UTF-8 is taken for a code point: nothing is lost, and
 * nothing is read that is not there. */
static uint32_t
take_char(const unsigned char *p, size_t n, size_t *used_r)
{
	static const struct {
		unsigned char	mask, lead, bits;
	} forms[] = { { 0xe0, 0xc0, 0x1f }, { 0xf0, 0xe0, 0x0f },
		{ 0xf8, 0xf0, 0x07 } };
	size_t len, i;
	uint32_t c;

	for (len = 2; len <= 4; len++) {
		if ((p[0] & forms[len - 2].mask) != forms[len - 2].lead)
			continue;
		if (len > n)
			break;
		c = p[0] & forms[len - 2].bits;
		for (i = 1; i < len && (p[i] & 0xc0) == 0x80; i++)
			c = c << 6 | (p[i] & 0x3f);
		if (i < len || c > 0x10ffff)
			break;
		*used_r = len;
		return c;
	}
	*used_r = 1;
	return 0xfffd;
}

static const struct folded *
block_of(uint32_t c)
{
	static struct folded rare;
	struct folded *block;
	uint32_t i;

	if (c >> 8 >= BLOCKS) {
		fold_one(c, &rare);
		return &rare;
	}
	block = blocks[c >> 8];
	if (block == NULL) {
		block = mem_array(256, sizeof(*block));
		for (i = 0; i < 256; i++)
			fold_one((c & ~UINT32_C(0xff)) | i, &block[i]);
		blocks[c >> 8] = block;
	}
	return &block[c & 0xff];
}

/* A decomposition that is too long (a few Arabic ligatures) is left out. */
static void
fold_one(uint32_t c, struct folded *f)
{
	uint32_t wide[32], title;
	uint8_t text[FOLDED_BYTES];
	size_t n = sizeof(wide) / sizeof(wide[0]), len = sizeof(text), i;
	uint8_t *p;

	title = c < 0x110000 && (c < 0xd800 || c > 0xdfff) ? uc_totitle(c) :
							     0xfffd;
	f->n = 0;
	if (u32_normalize(UNINORM_NFKD, &title, 1, wide, &n) != wide) {
		wide[0] = title;
		n = 1;
	}
	/* RFC 5051 leaves "fi" of a ligature in lower case; then it would not
	 * be found. */
	for (i = 0; i < n; i++)
		wide[i] = uc_totitle(wide[i]);
	p = u32_to_u8(wide, n, text, &len);
	if (p != text) {
		free(p);
		len = sizeof(text);
		p = u32_to_u8(&title, 1, text, &len);
		if (p != text)
			return;
	}
	memcpy(f->s, text, len);
	f->n = (uint8_t)len;
}
