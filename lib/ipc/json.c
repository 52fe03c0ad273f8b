/* SPDX-License-Identifier: ISC */
/* json - see json.h. */
#include <stdio.h>

#include "ipc/json.h"
#include "mail/address.h"

void
json_text(const char *key, struct slice s)
{
	printf("\"%s\":", key);
	json_string(s);
}

void
json_string(struct slice s)
{
	bool utf8 = slice_is_utf8(s);
	size_t i;

	putchar('"');
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else if (c > 0x7f && !utf8)
			printf("\\ufffd");
		else
			putchar(c);
	}
	putchar('"');
}
