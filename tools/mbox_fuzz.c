/* SPDX-License-Identifier: ISC */
/* The flags of a message of an mbox. */
#include <stddef.h>
#include <stdint.h>

#include "mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct mbox_flags f;

	mbox_flags_parse(slice_of((const char *)p, n), &f);
	return 0;
}
