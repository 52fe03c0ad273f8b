/* SPDX-License-Identifier: ISC */
/* chars - see chars.h.  Each class is written as its RFC has it; the compiler
 * makes the table of it. */
#include "mail/chars.h"

#define IN(c, a, b)	((c) >= (a) && (c) <= (b))
#define ALPHA(c)	(IN(c, 'A', 'Z') || IN(c, 'a', 'z'))
#define DIGIT(c)	IN(c, '0', '9')
#define ALNUM(c)	(ALPHA(c) || DIGIT(c))

#define ATEXT(c)							\
	(ALNUM(c) || (c) == '!' || IN(c, '#', '\'') || (c) == '*' ||	\
	    (c) == '+' || (c) == '-' || (c) == '/' || (c) == '=' ||	\
	    (c) == '?' || IN(c, '^', '`') || IN(c, '{', '~'))
#define QTEXT(c)	(IN(c, 32, 126) && (c) != '"' && (c) != '\\')
#define LDH(c)		(ALNUM(c) || (c) == '-')
#define XTEXT(c)	(IN(c, 33, 126) && (c) != '+' && (c) != '=')
#define DTEXT(c)	(IN(c, 33, 126) && !IN(c, '[', ']'))
#define FTEXT(c)	(IN(c, 33, 126) && (c) != ':')
#define TSPECIAL(c)							\
	((c) == '(' || (c) == ')' || (c) == ',' || (c) == '/' ||	\
	    IN(c, ':', '@') || IN(c, '[', ']') || (c) == '"')
#define TOKEN(c)	(IN(c, 33, 126) && !TSPECIAL(c))

#define C1(c)								\
	(ATEXT(c) ? CH_ATEXT : 0) | (QTEXT(c) ? CH_QTEXT : 0) |		\
	    (LDH(c) ? CH_LDH : 0) | (XTEXT(c) ? CH_XTEXT : 0) |		\
	    (DTEXT(c) ? CH_DTEXT : 0) | (FTEXT(c) ? CH_FTEXT : 0) |	\
	    (TOKEN(c) ? CH_TOKEN : 0) | (DIGIT(c) ? CH_DIGIT : 0)
#define C4(c)	C1(c), C1((c) + 1), C1((c) + 2), C1((c) + 3)
#define C16(c)	C4(c), C4((c) + 4), C4((c) + 8), C4((c) + 12)

const uint8_t char_classes[256] = {
	C16(0), C16(16), C16(32), C16(48), C16(64), C16(80), C16(96), C16(112),
};
