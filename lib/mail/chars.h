/* SPDX-License-Identifier: ISC */
/* chars - character classes of the mail RFCs, one table of bits. */
#ifndef MAIL_CHARS_H
#define MAIL_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CH_ATEXT = 1,	/* RFC 5322 3.2.3 */
	CH_QTEXT = 2,	/* RFC 5321 4.1.2 qtextSMTP */
	CH_LDH = 4,	/* letters, digits, hyphen */
	CH_XTEXT = 8,	/* RFC 3461 4: 33..126 but + and = */
	CH_DTEXT = 16,	/* RFC 5321 4.1.3 dcontent */
	CH_FTEXT = 32,	/* RFC 5322 3.6.8: a field name */
	CH_TOKEN = 64,	/* RFC 2045 5.1: MIME token */
	CH_DIGIT = 128,
};

extern const uint8_t char_classes[256];

static inline bool
char_is(char c, uint8_t mask)
{
	return (char_classes[(unsigned char)c] & mask) != 0;
}

/* The value of a hexadecimal digit of either case; -1: it is none. */
static inline int
char_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif
