/* SPDX-License-Identifier: ISC */
/* queue_format - see queue_format.h. */
#include "base/num.h"
#include "mail/queue_format.h"

bool
queue_format_parse(struct slice file, uint64_t *version_r)
{
	static const struct slice name = { "chasqui-queue ", 14 };
	uint64_t v;

	/* What follows the first line is a later version's. */
	if (slice_find(file, '\n') == file.n ||
	    !slice_starts_nocase(file, name))
		return false;
	file = slice_first(file, slice_find(file, '\n'));
	if (!slice_to_u64(slice_from(file, name.n), 1, UINT32_MAX, &v))
		return false;
	*version_r = v;
	return true;
}
