/* SPDX-License-Identifier: ISC */
/* Any input before a login. */
#include "login.h"
#include "login/front_fuzz.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_front(&pop3_login, data, size);
	return 0;
}
