/* SPDX-License-Identifier: ISC */
/* dot_fuzz - a divided input decodes as a whole one does; what is encoded
 * decodes without a fault, and only its own end ends it. */
#include <assert.h>

#include "mail/dot.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
decode(struct dot_decoder *d, struct slice in, struct buf *to, size_t *left_r)
{
	struct slice out;
	bool done;

	while (dot_decode(d, &in, &out, &done) == PARSE_OK) {
		assert(out.n > 0);
		buf_add(to, out);
	}
	*left_r = in.n;
	assert(done || in.n == 0);
	return done;
}

static void
check_division(struct slice s, size_t cut, bool mend)
{
	struct buf whole = BUF_INIT(1 << 24), parts = BUF_INIT(1 << 24);
	struct dot_decoder d, e;
	size_t left, left2;
	bool done, done2;

	dot_decoder_init(&d, mend);
	dot_decoder_init(&e, mend);
	done = decode(&d, s, &whole, &left);
	done2 = decode(&e, slice_first(s, cut), &parts, &left2);
	if (done2)
		left2 += s.n - cut;
	else
		done2 = decode(&e, slice_from(s, cut), &parts, &left2);
	assert(done == done2 && left == left2 && d.faults == e.faults);
	assert(slice_eq(buf_slice(&whole), buf_slice(&parts)));
	buf_clear(&whole);
	buf_clear(&parts);
}

static void
check_encoder(struct slice s, size_t cut)
{
	struct buf wire = BUF_INIT(1 << 24), back = BUF_INIT(1 << 24);
	struct dot_decoder d;
	unsigned state = 0;
	size_t left;

	dot_encode(&state, slice_first(s, cut), &wire);
	dot_encode(&state, slice_from(s, cut), &wire);
	dot_encode_end(state, &wire);
	dot_decoder_init(&d, false);
	assert(decode(&d, buf_slice(&wire), &back, &left));
	assert(left == 0 && d.faults == 0);
	buf_clear(&wire);
	buf_clear(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice s = slice_of(p, n);
	size_t cut = n == 0 ? 0 : p[0] % n;

	check_division(s, cut, false);
	check_division(s, cut, true);
	check_encoder(s, cut);
	return 0;
}
