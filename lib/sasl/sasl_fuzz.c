/* SPDX-License-Identifier: ISC */
/* sasl_fuzz - the first byte is the mechanism; then responses, each with its
 * length before it.  Questions are answered with yes. */
#include <stdlib.h>

#include "sasl/sasl.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char exporter[32];
	struct sasl_context c = { .nonce = SLICE_LIT("server"),
		.exporter = slice_of(exporter, sizeof(exporter)),
		.certificate = SLICE_LIT("a@b.example tim") };
	struct sasl_answer a = { .good = true, .iterations = 4096,
		.salt = SLICE_LIT("salt"), .signature = SLICE_LIT("signature"),
		.login = SLICE_LIT("tim") };
	enum sasl_step step;
	struct slice in;
	struct sasl s;
	size_t len;
	bool begun = false;

	if (n < 1)
		return 0;
	c.plus_offered = (p[0] & 64) != 0;
	s.mechanism = SASL_NONE + 1 +
	    p[0] % (SASL_MECHANISM_LIMIT - SASL_NONE - 1);
	p++, n--;
	do {
		len = n > 0 ? *p++ : 0;
		n -= n > 0;
		/* 255: all the rest */
		len = len == 255 || len > n ? n : len;
		in = slice_of(p, len);
		p += len, n -= len;
		step = begun ? sasl_feed(&s, in) :
		    sasl_start(&s, s.mechanism, &c, &in);
		begun = true;
		while (step == SASL_ASK) {
			if (s.question.login.n > SASL_LOGIN_BYTES)
				abort();
			step = sasl_answer(&s, &a);
		}
	} while (step == SASL_SEND && n > 0);
	if (step == SASL_OK && s.login.n == 0)
		abort();
	sasl_clear(&s);
	return 0;
}
