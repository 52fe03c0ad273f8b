/* SPDX-License-Identifier: ISC */
/* charset_fuzz - whatever comes in, valid UTF-8 comes out; the form for
 * comparison of a text's form is itself. */
#include <assert.h>

#include "mail/address.h"
#include "mail/charset.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char *const names[] = {
	"utf-8", "us-ascii", "iso-8859-1", "koi8-r", "iso-2022-jp", "utf-7",
	"gb18030", "euc-jp", "utf-16", "iso-2022-kr", "euc-tw", "big5-hkscs",
	"no such charset", "windows-1255", "utf-32", "shift_jis",
};

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice s = slice_of(p, n);
	struct buf a = BUF_INIT(1 << 22), b = BUF_INIT(1 << 22);
	struct buf small = BUF_INIT(30);

	if (n == 0)
		return 0;
	charset_to_utf8(slice_str(names[p[0] % 16]), slice_from(s, 1), &a);
	assert(slice_is_utf8(buf_slice(&a)));
	buf_reset(&a);
	words_decode(s, &a);
	assert(slice_is_utf8(buf_slice(&a)));
	words_decode(s, &small);
	assert(slice_is_utf8(buf_slice(&small)));
	buf_reset(&small);
	charset_to_utf8(slice_str(names[p[0] % 16]), slice_from(s, 1), &small);
	assert(slice_is_utf8(buf_slice(&small)));
	buf_reset(&small);
	charset_guess(s, &small);
	assert(slice_is_utf8(buf_slice(&small)));
	assert(casefold(s, &b) == 0);
	assert(slice_is_utf8(buf_slice(&b)));
	buf_reset(&a);
	assert(casefold(buf_slice(&b), &a) == 0);
	assert(slice_eq(buf_slice(&a), buf_slice(&b)));
	buf_clear(&a);
	buf_clear(&b);
	buf_clear(&small);
	return 0;
}
