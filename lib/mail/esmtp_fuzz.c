/* SPDX-License-Identifier: ISC */
/* esmtp_fuzz - parameters, EHLO lines, replies in two parts. */
#include <assert.h>

#include "mail/esmtp.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What was decoded is encoded again and decodes to the same. */
static void
check_orcpt(struct arena *a, struct slice orcpt)
{
	struct buf b = BUF_INIT(10000);
	struct rcpt_params p;
	struct esmtp_error e;

	buf_add_str(&b, " ORCPT=");
	assert(orcpt_encode(&b, orcpt, false) == 0);
	assert(rcpt_params_parse(buf_slice(&b), a, &p, &e));
	assert(slice_eq(p.orcpt, orcpt));
	buf_clear(&b);
}

static void
check_reply(struct slice s, size_t cut)
{
	struct reply whole, parts;
	struct slice in = s, first = slice_first(s, cut), rest;
	enum parse r1, r2;

	reply_init(&whole);
	reply_init(&parts);
	r1 = reply_feed(&whole, &in);
	r2 = reply_feed(&parts, &first);
	if (r2 == PARSE_MORE) {
		rest = slice_from(s, cut);
		r2 = reply_feed(&parts, &rest);
	}
	assert(r1 == r2);
	if (r1 == PARSE_OK) {
		assert(whole.code == parts.code && whole.code >= 200 &&
		    whole.code <= 599);
		assert(slice_eq(buf_slice(&whole.text),
		    buf_slice(&parts.text)));
	}
	reply_clear(&whole);
	reply_clear(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena a = ARENA_INIT(1 << 20);
	struct slice s = slice_of(p, n);
	struct mail_params mail;
	struct rcpt_params rcpt;
	struct esmtp_error e;
	struct ehlo ehlo = { 0 };

	if (!mail_params_parse(s, &a, &mail, &e))
		assert(e.code >= 500 && e.text != NULL);
	if (rcpt_params_parse(s, &a, &rcpt, &e) &&
	    (rcpt.has & RCPT_HAS_ORCPT) != 0)
		check_orcpt(&a, rcpt.orcpt);
	ehlo_line(&ehlo, s);
	check_reply(s, n == 0 ? 0 : p[0] % n);
	arena_clear(&a);
	return 0;
}
