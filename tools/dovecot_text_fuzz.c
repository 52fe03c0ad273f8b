/* SPDX-License-Identifier: ISC */
/* dovecot_text_fuzz - any configuration of Dovecot, which includes itself. */
#include <assert.h>
#include <stdint.h>

#include "dovecot_text.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct fuzz {
	struct dovecot_text text;
	struct slice	 input;
	unsigned	 depth;
};

static void
include(void *arg, struct slice pattern, unsigned line)
{
	struct fuzz *f = arg;

	assert(pattern.n > 0 && line > 0);
	if (f->depth++ < 3)
		dovecot_parse(&f->text, f->input, "again", include, f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz f = { .input = slice_of(data, n) };
	size_t i;

	dovecot_init(&f.text);
	dovecot_parse(&f.text, f.input, "fuzz", include, &f);
	assert(f.text.n <= DOVECOT_SETTINGS);
	for (i = 0; i < f.text.n; i++) {
		assert(f.text.v[i].path.n > 0 && f.text.v[i].line > 0);
		assert(f.text.v[i].path.n <= DOVECOT_PATH_BYTES);
	}
	dovecot_clear(&f.text);
	return 0;
}
