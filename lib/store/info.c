/* SPDX-License-Identifier: ISC */
/* info - see info.h. */
#include <string.h>

#include "info.h"

static const struct { char letter; uint8_t flag; } letters[] = {
	{ 'D', FLAG_DRAFT }, { 'F', FLAG_FLAGGED }, { 'R', FLAG_ANSWERED },
	{ 'S', FLAG_SEEN }, { 'T', FLAG_DELETED },
};
#define NLETTERS	(sizeof(letters) / sizeof(letters[0]))

static uint8_t
flag_of_letter(char c)
{
	size_t i;

	for (i = 0; i < NLETTERS; i++)
		if (letters[i].letter == c)
			return letters[i].flag;
	return 0;
}

void
info_parse(struct slice info, uint8_t *flags_r, uint64_t *keywords_r)
{
	size_t i;

	*flags_r = 0;
	*keywords_r = 0;
	if (!slice_starts(info, SLICE_LIT(":2,")))
		return;
	for (i = 3; i < info.n && info.p[i] != ','; i++) {
		*flags_r |= flag_of_letter(info.p[i]);
		if (info.p[i] >= 'a' && info.p[i] <= 'z')
			*keywords_r |= UINT64_C(1) << (info.p[i] - 'a');
	}
}

size_t
info_write(char to[MESSAGE_NAME_BYTES], struct slice old, uint8_t flags,
    uint64_t keywords, uint64_t known)
{
	bool set[128] = { false };
	size_t i, n = 3, end;
	unsigned char c;
	int k;

	old = slice_starts(old, SLICE_LIT(":2,")) ? slice_from(old, 3) :
	    SLICE_EMPTY;
	end = slice_find(old, ',');
	memcpy(to, ":2,", n);
	for (i = 0; i < end; i++) {
		c = (unsigned char)old.p[i];
		if (c >= 128 || flag_of_letter((char)c) != 0 ||
		    (c >= 'a' && c <= 'z' && known >> (c - 'a') & 1))
			continue;
		set[c] = true;
	}
	for (i = 0; i < NLETTERS; i++)
		if (flags & letters[i].flag)
			set[(unsigned char)letters[i].letter] = true;
	for (k = 0; k < 26; k++)
		if (keywords >> k & 1)
			set['a' + k] = true;
	for (i = 1; i < 128; i++)
		if (set[i] && i != '/' && i != ',')
			to[n++] = (char)i;
	if (end < old.n && n + old.n - end < MESSAGE_NAME_BYTES) {
		memcpy(to + n, old.p + end, old.n - end);
		n += old.n - end;
	}
	return n;
}
