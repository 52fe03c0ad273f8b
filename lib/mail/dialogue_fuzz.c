/* SPDX-License-Identifier: ISC */
/*
 * dialogue_fuzz - whatever was said before, a secret does not come out (D1),
 * what comes out is printable and short (D3), and division changes nothing.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "mail/dialogue.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define SECRET	"c3VwZXJzZWNyZXQ="

/* What a client may say at the beginning of a line. */
static const char *const logins[] = {
	"AUTH PLAIN " SECRET "\r\n", "AUTH LOGIN\r\n" SECRET "\r\n",
	"PASS " SECRET "\r\n", "APOP me " SECRET "\r\n",
	"a LOGIN me " SECRET "\r\n",
	"a LOGIN {2+}\r\nme {16+}\r\n" SECRET "\r\n",
	"a AUTHENTICATE PLAIN " SECRET "\r\n",
	"a AUTHENTICATE PLAIN\r\n" SECRET "\r\n", SECRET "\r\n",
};

static void
take(void *arg, enum dialogue_side side, struct slice text)
{
	struct buf *all = arg;
	size_t i;

	assert(text.n > 0 && text.n <= DIALOGUE_TEXT_BYTES);
	for (i = 0; i < text.n; i++)
		assert(text.p[i] >= 0x20 && text.p[i] < 0x7f);
	buf_add_byte(all, side == DIALOGUE_CLIENT ? '>' : '<');
	buf_add(all, text);
	buf_add_byte(all, '\n');
}

/* A byte that says who speaks and how much, then that. */
static void
play(struct dialogue *d, struct slice s, bool divided)
{
	enum dialogue_side side;
	struct slice part;
	size_t n, i;

	while (s.n > 0) {
		side = s.p[0] & 1;
		n = (uint8_t)s.p[0] >> 1;
		s = slice_from(s, 1);
		part = slice_first(s, n < s.n ? n : s.n);
		s = slice_from(s, part.n);
		for (i = 0; divided && i < part.n; i++)
			dialogue_feed(d, side, slice_of(part.p + i, 1));
		if (!divided)
			dialogue_feed(d, side, part);
	}
}

static void
run(enum dialogue_protocol protocol, bool in_order, struct slice s,
    const char *login, struct buf *all, bool divided)
{
	struct dialogue d;

	dialogue_init(&d, protocol, in_order, take, all);
	play(&d, s, divided);
	if (d.state == DIALOGUE_OPAQUE)
		buf_reset(all);		/* told as it comes */
	else {
		dialogue_feed(&d, DIALOGUE_CLIENT, SLICE_LIT("\r\n"));
		dialogue_feed(&d, DIALOGUE_CLIENT, slice_str(login));
	}
	dialogue_end(&d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf whole = BUF_INIT(1 << 26), divided = BUF_INIT(1 << 26);
	struct slice s = slice_of(p, n);
	enum dialogue_protocol protocol;
	const char *login;
	bool in_order;

	if (s.n < 2 || memmem(s.p, s.n, SECRET, strlen(SECRET)) != NULL)
		return 0;
	protocol = (uint8_t)s.p[0] % 3;
	in_order = ((uint8_t)s.p[0] & 0x80) == 0;
	login = logins[(uint8_t)s.p[1] % (sizeof(logins) / sizeof(logins[0]))];
	s = slice_from(s, 2);
	run(protocol, in_order, s, login, &whole, false);
	run(protocol, in_order, s, login, &divided, true);
	assert(slice_eq(buf_slice(&whole), buf_slice(&divided)));
	assert(whole.n == 0 ||
	    memmem(whole.p, whole.n, SECRET, strlen(SECRET)) == NULL);
	buf_clear(&whole);
	buf_clear(&divided);
	return 0;
}
