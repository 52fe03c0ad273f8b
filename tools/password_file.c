/* SPDX-License-Identifier: ISC */
/* password_file - see password_file.h. */
#include "password_file.h"

bool
password_file_next(struct slice *rest, struct password_line *l)
{
	const char *why;
	size_t end;

	if (rest->n == 0)
		return false;
	end = slice_find(*rest, '\n');
	end += end < rest->n;
	l->line = slice_first(*rest, end);
	*rest = slice_from(*rest, end);
	if (account_parse(l->line, &l->account, &why) != PARSE_OK)
		l->account = (struct account){ .login = SLICE_EMPTY };
	return true;
}
