/* SPDX-License-Identifier: ISC */
/* account_fuzz - a line of a password file: what is read is written and read
 * back; what is stored never lets an empty password in. */
#include <stdlib.h>

#include "sasl/account.h"
#include "sasl/password.h"
#include "sasl/scram.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice line = slice_of(p, n);
	struct buf b = BUF_INIT(2 * ACCOUNT_LINE_BYTES);
	struct account a, back;
	struct scram_keys k;
	const char *why;

	if (account_parse(line, &a, &why) == PARSE_OK) {
		if (account_write(&b, &a) == 0 &&
		    (account_parse(buf_slice(&b), &back, &why) != PARSE_OK ||
		    back.disabled != a.disabled ||
		    back.protocols != a.protocols))
			abort();
		if (password_check(a.stored, SLICE_EMPTY) == PASSWORD_GOOD)
			abort();
		/* crypt() is not ours, and slow */
		if (a.stored.p[0] == '{' && memmem(a.stored.p, a.stored.n,
		    "CRYPT", 5) == NULL && memmem(a.stored.p, a.stored.n,
		    "crypt", 5) == NULL && memchr(a.stored.p, ',',
		    a.stored.n) == NULL && !slice_starts_nocase(a.stored,
		    SLICE_LIT("{P")))
			password_check(a.stored, SLICE_LIT("pencil"));
	}
	scram_keys_parse(line, SASL_SHA_256, &k);
	buf_clear(&b);
	return 0;
}
