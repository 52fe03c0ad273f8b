/* SPDX-License-Identifier: ISC */
/* number - decimal digits, for answers that have ten thousands of them. */
#ifndef IMAPD_NUMBER_H
#define IMAPD_NUMBER_H

#include <stdint.h>
#include <string.h>

#define NUMBER_BYTES	20	/* most that number_write() writes */

/* Returns where it ends. */
static inline char *
number_write(char *to, uint64_t v)
{
	char digits[NUMBER_BYTES];
	size_t n = NUMBER_BYTES;

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	memcpy(to, digits + n, NUMBER_BYTES - n);
	return to + NUMBER_BYTES - n;
}

#endif
