/* SPDX-License-Identifier: ISC */
/* mailbox_value - see mailbox_value.h. */
#include "base/num.h"
#include "conf/conf.h"
#include "table/mailbox_value.h"

bool
mailbox_value_parse(struct slice value, struct mailbox_value *to,
    struct slice *bad_r)
{
	struct slice word, name, number;
	uint64_t v;
	size_t i;

	for (; (value = slice_trim(value)).n > 0;
	    value = slice_from(value, i)) {
		for (i = 0; i < value.n && value.p[i] != ' ' &&
		    value.p[i] != '\t' && value.p[i] != ','; i++)
			;
		word = slice_first(value, i);
		i += i < value.n && value.p[i] == ',';
		if (slice_find(word, '=') == word.n)
			continue;
		name = slice_first(word, slice_find(word, '='));
		number = slice_from(word, name.n + 1);
		if (slice_eq_nocase(name, SLICE_LIT("quota_bytes")) &&
		    conf_size_parse(number, &v)) {
			to->quota_bytes = v;
		} else if (slice_eq_nocase(name, SLICE_LIT("quota_messages")) &&
		    slice_to_u64(number, 0, UINT64_MAX, &v)) {
			to->quota_messages = v;
		} else {
			*bad_r = word;
			return false;
		}
	}
	return true;
}
